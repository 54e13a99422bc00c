"""The states of an entry (`extrapolation`): each kind of function gets what the table says, and never more."""

import numpy as np
import pytest

from crosscheck.evidence.estimate import HAND, Estimate
from crosscheck.evidence.pair import compare
from crosscheck.witnesses.differences import MOST, SETUP, Differences, one_by_one
from crosscheck.witnesses.extrapolation import STEPS, WEIGHTS

Array = np.ndarray
WIDE = np.longdouble


def differenced(f, x: Array, v: Array | None = None) -> Estimate:
    x = np.asarray(x, np.float64)
    y = np.asarray(f(x))
    return Differences(f, x, np.ones(y.shape) if v is None else v).differentiate(one_by_one(x.size))


def holds(estimate: Estimate, truth: Array) -> bool:
    """The truth lies within the bound wherever the estimate speaks; the truth's own rounding aside."""
    spoken = estimate.speaks()
    off = np.abs(estimate.value - truth) - 2.0**-51 * np.abs(truth)
    return bool((off <= estimate.bound)[spoken].all())


# ---------------------------------------------------------------------- the derivation's numbers


def moment(weights: Array, power: int) -> float:
    return float((weights * STEPS**power).sum())


def test_the_weights_do_what_the_derivation_says() -> None:
    for weights in WEIGHTS:
        assert moment(weights, 0) == pytest.approx(1.0, abs=1e-12)
    for power in (2, 4):
        assert moment(WEIGHTS.smooth, power) == pytest.approx(0.0, abs=1e-12)
        assert moment(WEIGHTS.careful, power) == pytest.approx(0.0, abs=1e-12)
    for power in (1, 3):
        assert moment(WEIGHTS.jump, power) == pytest.approx(0.0, abs=1e-12)
    assert moment(WEIGHTS.careful, 1) == pytest.approx(0.0, abs=1e-12)
    assert moment(WEIGHTS.second, 2) == pytest.approx(0.0, abs=1e-12)
    assert moment(WEIGHTS.smooth, 1) == pytest.approx(0.156, abs=1e-3)
    assert moment(WEIGHTS.smooth, 6) == pytest.approx(0.016, abs=1e-3)
    assert moment(WEIGHTS.careful, 6) == pytest.approx(-0.046, abs=1e-3)


def test_the_truncation_is_seen_where_it_is() -> None:
    """|E - X| is at least the error of E, for a jump in f'' and for h⁶ and h⁸ in whatever proportion."""
    apart = WEIGHTS.smooth - WEIGHTS.careful
    assert abs(moment(apart, 1)) == pytest.approx(abs(moment(WEIGHTS.smooth, 1)))
    for c6, c8 in np.random.default_rng(0).normal(size=(1000, 2)):
        error = abs(c6 * moment(WEIGHTS.smooth, 6) + c8 * moment(WEIGHTS.smooth, 8))
        seen = abs(c6 * moment(apart, 6) + c8 * moment(apart, 8))
        second = c6 * moment(WEIGHTS.smooth - WEIGHTS.second, 6) + c8 * moment(WEIGHTS.smooth - WEIGHTS.second, 8)
        assert error <= 2 * seen + abs(second)


# ---------------------------------------------------------------------- aliased


@pytest.mark.parametrize("k", [5, 8, 10, 14])
@pytest.mark.parametrize("at", ["random", "grid"])
def test_no_step_meets_a_period(k: int, at: str) -> None:
    """sin(2ᵏπx) has equal values at x ± h for every h that is a power of two."""
    rng = np.random.default_rng(k)
    x = rng.uniform(0.5, 1.0, 12) if at == "random" else rng.integers(-8, 9, 12) / 16
    w = 2.0**k * np.pi
    estimate = differenced(lambda z: np.sin(w * z), x)
    truth = w * np.cos(w * x)
    assert holds(estimate, truth)
    assert estimate.decided is not None
    assert estimate.decided.all()


@pytest.mark.parametrize("period", [1.0, 1 / 3, (5**0.5 - 1) / 2, 7**-0.5, 0.1])
def test_nor_a_period_that_is_one_of_its_own_ratios(period: float) -> None:
    x = np.random.default_rng(0).uniform(0.5, 1.0, 6)
    for level in range(0, 12, 2):
        w = 2 * np.pi / period * 2.0**level
        estimate = differenced(lambda z, w=w: np.sin(w * z), x)
        assert holds(estimate, w * np.cos(w * x))
        assert (np.abs(estimate.value) > 0)[estimate.speaks()].all()


def test_a_function_finer_than_its_argument_is_undecided_or_right() -> None:
    t = 1.7e9 + np.random.default_rng(0).uniform(0, 1e5, 4)
    estimate = differenced(lambda t: np.sin(2 * np.pi * t), t)
    exact = 2 * np.pi * np.cos(2 * np.pi * (t - np.floor(t)))
    spoken = estimate.speaks()
    assert (np.abs(estimate.value - exact) <= estimate.bound + 1e-5)[spoken].all()
    assert not estimate.notes["kink"].any()


# ---------------------------------------------------------------------- linear: a jump in the second derivative

JOINTS = {
    "softsign": (lambda x: x / (1 + np.abs(x)), lambda x: 1 / (1 + np.abs(x)) ** 2, 0.0),
    "relu squared": (lambda x: np.maximum(x, 0) ** 2, lambda x: 2 * np.maximum(x, 0), 0.0),
    "ELU": (
        lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
        lambda x: np.where(x > 0, 1.0, np.exp(np.minimum(x, 0))),
        0.0,
    ),
    "Huber": (lambda x: np.where(np.abs(x) <= 1, 0.5 * x * x, np.abs(x) - 0.5), lambda x: np.clip(x, -1, 1), 1.0),
    "x|x|": (lambda x: x * np.abs(x), lambda x: 2 * np.abs(x), 0.0),
    "a spline": (
        lambda x: np.where(x > 0, 3 * x * x + x, x - x * x),
        lambda x: np.where(x > 0, 6 * x, -2 * x) + 1,
        0.0,
    ),
}


@pytest.mark.parametrize("name", JOINTS)
@pytest.mark.parametrize("beside", [0.0, 1e-12, 1e-7, 1e-4, 3e-3])
def test_a_jump_in_the_second_derivative_is_in_the_bound(name: str, beside: float) -> None:
    f, slope, joint = JOINTS[name]
    x = np.array([joint, 1.0, -2.0, 0.5, joint + beside, joint - beside])
    estimate = differenced(f, x)
    assert holds(estimate, slope(x)), (estimate.value - slope(x), estimate.bound)
    assert not estimate.notes["kink"].any()
    assert estimate.speaks()[:4].all()  # nearer to the joint it may be undecided


@pytest.mark.parametrize("weight", [1.0, 1e-3, 1e-6, 1e-9])
def test_a_joint_of_little_weight_does_not_hide(weight: float) -> None:
    """Smooth neighbours in one sum: the second differences fall, and the difference errs by weight · h all the same."""
    x = np.array([0.0, 0.3])
    estimate = differenced(lambda z: (np.sin(z) + weight * np.maximum(z, 0) ** 2).sum(), x)
    assert holds(estimate, np.cos(x) + 2 * weight * np.maximum(x, 0))


def test_a_joint_in_noise_does_not_hide_behind_the_careful_combination() -> None:
    """E - X is noise where the joint's own term is as small."""
    rng = np.random.default_rng(6)
    for _ in range(500):
        a, b, c, d = rng.normal(size=4)
        noise, large = 10.0 ** rng.uniform(0, 4), 10.0 ** rng.uniform(-1, 3)

        def f(z: np.ndarray, a=a, b=b, c=c, d=d, noise=noise, large=large) -> np.ndarray:
            joint = a * z * np.abs(z) + b * z + c * z**2
            return large * joint + noise * np.cos(1 + 0.1 * d * z) + d * z**2 * np.abs(z)

        estimate = differenced(f, np.zeros(1))
        assert estimate.speaks().all()
        assert holds(estimate, np.array([large * b - noise * np.sin(1) * 0.1 * d])), (a, b, c, d, noise, large)


# ---------------------------------------------------------------------- kinked, and not kinked


@pytest.mark.parametrize(
    "f", [np.abs, lambda z: np.maximum(z, 0), lambda z: np.maximum(z, 0) + 0.3 * np.sin(5 * z)], ids=range(3)
)
def test_a_kink_is_shown(f) -> None:
    assert differenced(f, np.array([0.0, 0.7, -1e-3, 1e-6])).notes["kink"].tolist() == [True, False, False, False]


@pytest.mark.parametrize("weight", [1e-2, 1e-4, 1e-6, 1e-8])
def test_a_kink_of_little_weight_widens_the_bound_over_both_slopes(weight: float) -> None:
    estimate = differenced(lambda z: (np.exp(z) + weight * np.abs(z)).sum(), np.array([0.0, 0.3]))
    if not estimate.notes["kink"][0]:
        assert abs(estimate.value[0] - (1 + weight)) <= estimate.bound[0]
        assert abs(estimate.value[0] - (1 - weight)) <= estimate.bound[0]


@pytest.mark.parametrize("x0", [1e-12, -1e-12, 1e-30, 1e-6])
def test_no_step_that_works_is_no_kink(x0: float) -> None:
    """log|x| and 1/x at a tiny entry beside entries of 1: the steps are relative to the entry itself, too."""
    x = np.array([x0, 1.0, -2.0, 0.5])
    for f, slope in ((lambda z: np.log(np.abs(z)), 1 / x), (lambda z: 1 / z, -1 / x**2)):
        estimate = differenced(f, x)
        assert holds(estimate, slope)
        assert estimate.speaks().all()
        assert not estimate.notes["kink"].any()


def test_where_a_slope_has_no_limit_it_is_undecided() -> None:
    estimate = differenced(lambda z: np.sqrt(np.abs(z)), np.array([0.0, 1.0]))
    assert not estimate.notes["kink"].any()
    assert estimate.speaks().tolist() == [False, True]


# ---------------------------------------------------------------------- rounding


def test_sixteen_decades_in_one_array() -> None:
    x = np.array([1e-8, 1e8, 3.0, 1e3, 1e5])
    assert holds(differenced(lambda z: z * z, x), 2 * x)


def softmax(x: Array) -> Array:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def test_what_is_below_an_entrys_own_noise_accuses_nobody() -> None:
    """A term that saturates at 1e-60, and is worth 1e-20 of the output: no step sees it, and its slope is 1e40."""
    x = np.array([1e-60, 1.0, -2.0])
    weights = np.array([1.0, 2.0, 3.0])

    def f(z: Array) -> Array:
        return np.array((weights * z).sum() + 1e-20 * z[0] / (1e-60 + np.abs(z[0])) + 1.0)

    estimate = differenced(f, x)
    right = weights + np.array([1e-20 * 1e-60 / 2e-60**2, 0, 0])
    pair = compare(Estimate(HAND, right, np.zeros(3)), estimate)
    assert not pair.disagree.any()
    assert pair.agree[1:].all()
    assert compare(Estimate(HAND, 1.01 * weights, np.zeros(3)), estimate).disagree[1:].all()
    seen = differenced(f, np.array([1e-10, 1.0, -2.0]))  # here its own steps see as much as the neighbours'
    assert compare(Estimate(HAND, 1.01 * weights, np.zeros(3)), seen).disagree.all()


def test_what_an_output_has_absorbed_is_in_the_bound() -> None:
    """-log of a softmax that is 1: nothing moves, and 0 ± 0 would be false."""
    x = np.array([[0.0, 45, 3], [1, 60, 2]])
    estimate = differenced(lambda z: -np.log(softmax(z.reshape(2, 3))[:, 1]), x.ravel())
    assert (np.abs(estimate.value - (softmax(x) - np.eye(3)[[1, 1]]).ravel()) <= estimate.bound).all()
    far = np.array([-18.5, 0.1, 2.0])  # a Gaussian's tail beside its middle: no step from -18.5 reaches it
    estimate = differenced(lambda z: np.exp(-z * z / 2).sum(), far)
    assert (np.abs(estimate.value + far * np.exp(-far * far / 2)) <= estimate.bound).all()


def test_float32_inside_is_noise() -> None:
    x = np.random.default_rng(0).normal(size=8)
    estimate = differenced(lambda z: np.tanh(z.astype(np.float32)), x)
    assert holds(estimate, 1 - np.tanh(x) ** 2)


# ---------------------------------------------------------------------- a law, and what it costs

HEALTHY = {
    "sin": (np.sin, np.cos),
    "exp": (np.exp, np.exp),
    "tanh": (np.tanh, lambda x: 1 / np.cosh(x) ** 2),
    "square": (lambda x: x * x, lambda x: 2 * x),
    "cube": (lambda x: x**3, lambda x: 3 * x**2),
    "inverse": (lambda x: 1 / x, lambda x: -1 / x**2),
    "gauss": (lambda x: np.exp(-x * x / 2), lambda x: -x * np.exp(-x * x / 2)),
    "softsign": (lambda x: x / (1 + np.abs(x)), lambda x: 1 / (1 + np.abs(x)) ** 2),
    "softplus": (lambda x: np.logaddexp(0, x), lambda x: 1 / (1 + np.exp(-x))),
    "relu squared": (lambda x: np.maximum(x, 0) ** 2, lambda x: 2 * np.maximum(x, 0)),
    "log": (lambda x: np.log(np.abs(x)), lambda x: 1 / x),
    "root": (lambda x: np.sqrt(np.abs(x)), lambda x: np.sign(x) / 2 / np.sqrt(np.abs(x))),
    "fast": (lambda x: np.sin(100 * x), lambda x: 100 * np.cos(100 * x)),
    "relu": (lambda x: np.maximum(x, 0), lambda x: (x > 0) * 1.0),
    "hidden kink": (lambda x: x * x + 1e-6 * np.abs(x - 1), lambda x: 2 * x + 1e-6 * np.sign(x - 1)),
}
VALUES = {
    "normal": lambda r, n: r.normal(size=n),
    "small": lambda r, n: 1e-6 * r.normal(size=n),
    "large": lambda r, n: 15 * r.normal(size=n),
    "decades": lambda r, n: r.choice([-1.0, 1.0], n) * 10 ** r.uniform(-8, 2, n),
    "near 1": lambda r, n: 1 + 1e-5 * r.normal(size=n),
    "grid": lambda r, n: r.integers(-8, 8, n) / 8 + 1 / 16,
}


@pytest.mark.parametrize("values", VALUES)
@pytest.mark.parametrize("mixed", [False, True])
def test_no_bound_is_exceeded_on_healthy_functions(values: str, mixed: bool) -> None:
    for place, (name, (f, slope)) in enumerate(HEALTHY.items()):
        rng = np.random.default_rng(place)
        x = VALUES[values](rng, 20)
        w = rng.normal(size=(20, 5)) if mixed else np.eye(20)
        v = rng.normal(size=w.shape[1])
        with np.errstate(all="ignore"):
            estimate = differenced(lambda z, f=f, w=w: f(z) @ w, x, v)
            truth = np.asarray((w.astype(WIDE) @ v.astype(WIDE)) * slope(x.astype(WIDE)), np.float64)
        assert holds(estimate, truth), name
        assert estimate.decided is not None
        if values in ("normal", "near 1") and name != "hidden kink":
            assert estimate.decided.all(), name


def test_the_second_sequence_confirms_what_is_right() -> None:
    x = np.random.default_rng(0).normal(size=50)
    estimate = differenced(np.tanh, x)
    assert estimate.notes["confirmed"].all()
    assert estimate.terms is not None
    np.testing.assert_allclose(estimate.terms, 1 - np.tanh(x) ** 2, rtol=1e-4)


def test_the_terms_are_what_cancels() -> None:
    v = np.array([1.0, -1.0, 0.5])
    estimate = differenced(lambda z: np.stack([z.sum(), z.sum(), 2 * z[0]]), np.array([0.3, 0.7]), v)
    assert estimate.terms is not None
    np.testing.assert_allclose(estimate.terms, [3.0, 2.0])
    np.testing.assert_allclose(estimate.value, [1.0, 0.0], atol=1e-12)


@pytest.mark.parametrize("f", [np.tanh, np.abs, lambda z: np.sin(1e9 * z), lambda z: np.sqrt(np.abs(z))], ids=range(4))
def test_the_most_evaluations_are_kept(f) -> None:
    calls = []

    def counted(z: Array) -> Array:
        calls.append(z.shape)
        return f(z)

    estimate = differenced(counted, np.array([0.0, 1e-9, 1.0]))
    assert len(calls) - 1 == estimate.notes["evaluations"] <= SETUP + 3 * MOST


def test_a_deadline_leaves_out_and_changes_nothing_else() -> None:
    x = np.array([0.3, 0.7])
    estimate = Differences(np.tanh, x, np.ones(2)).differentiate(one_by_one(2), deadline=0.0)
    assert estimate.notes["left"] == 2
    assert not estimate.speaks().any()


def test_only_a_kink_that_was_shown_is_called_crossed() -> None:
    x = np.random.default_rng(0).uniform(0.5, 1.0, 40)
    assert differenced(lambda z: np.sin(2.0**9 * np.pi * z), x).notes["crossed"] == 0
    assert differenced(lambda z: 1 / z, np.array([1e-12, 1.0, 3.0])).notes["crossed"] == 0
    near = differenced(lambda z: np.abs(z - 1 - 1e-6), np.array([1.0, 2.0]))
    assert near.notes["crossed"] == 1
    assert near.notes["kinks"] == 0


# ---------------------------------------------------------------------- points that the code refuses


@pytest.mark.parametrize("room", [2.0**-40, 2.0**-4])
def test_a_point_that_the_code_refuses_says_nothing(room: float) -> None:
    x = np.array([1.0, 2.0])

    def only_near(z: Array) -> Array:
        if (np.abs(z - x) > room * x).any():
            raise np.linalg.LinAlgError("not positive definite")
        return z * z

    estimate = differenced(only_near, x)
    assert holds(estimate, 2 * x)
    assert estimate.speaks().all() == (room > 2.0**-26)


def test_a_point_that_the_code_refuses_when_noise_is_measured() -> None:
    x = np.array([1.0, 2.0])

    def only_there(z: Array) -> Array:
        if (z != x).any():
            raise ValueError("nowhere else")
        return z * z

    assert not differenced(only_there, x).speaks().any()
