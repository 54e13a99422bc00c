"""The measured rounding: calibrated on made-up residuals, and blind to mistakes on real code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import special, stats

from crosscheck.operation import Operation
from crosscheck.witnesses.measured import SIZES, Spread, degrees, far_rounding, measured_rounding, spread

Array = np.ndarray
Arrays = dict[str, Array]
Rng = np.random.Generator

UNIT = float(np.finfo(np.float64).eps) / 2
WIDE = np.dtype(np.longdouble)
pytestmark = pytest.mark.skipif(np.finfo(WIDE).nmant <= 52, reason="the truth of these tests is longdouble's")


def beyond(errors: Array, found: Spread, entries: int = 10**6) -> Array:
    """Where an error exceeds the allowance of a check of a million entries with δ = 10^-6."""
    return np.abs(errors) > stats.t.isf(1e-6 / entries / 2, found.freedom) * found.sigma


# ---------------------------------------------------------------------- made-up residuals


def independent(rng: Rng, m: int, sigma: Array) -> Array:
    return 30 * sigma * rng.normal(size=(m, sigma.size))


def shared(rng: Rng, m: int, sigma: Array) -> Array:
    return 30 * sigma * rng.normal(size=(m, 1))


def mixed(rng: Rng, m: int, sigma: Array) -> Array:
    return 30 * sigma.max() * rng.normal(size=(m, sigma.size))


@pytest.mark.parametrize("kind", [independent, shared, mixed])
@pytest.mark.parametrize("entries", [1, 3, 200])
def test_the_quantile_of_the_pooled_degrees_is_kept(kind: Callable[..., Array], entries: int, rng: Rng) -> None:
    """No more right entries exceed their quantile of one in a thousand than twice that, and five deviations."""
    exceeded, freedom = 0, []
    trials = 2_000 if kind is shared else {1: 5_000, 3: 5_000, 200: 100}[entries]
    for _ in range(trials):
        sigma = 10.0 ** rng.uniform(-14, -8, entries)
        r = kind(rng, 7, sigma)
        found = spread(r[1:], np.full(entries, 1e-6), sigma)
        exceeded += int((np.abs(r[0]) > stats.t.isf(5e-4, found.freedom) * found.sigma).sum())
        freedom.append(found.freedom.mean())
    # Entries that share their error are one draw: the count scatters like `trials` draws of weight `entries`.
    expected = 1e-3 * entries * trials
    weight = entries if kind is shared else 1
    assert exceeded <= 2 * expected + 5 * np.sqrt(expected * weight)
    if entries == 200:
        assert (np.mean(freedom) < 7) == (kind is shared)
        assert kind is shared or np.mean(freedom) > 30


def test_degrees_of_freedom(rng: Rng) -> None:
    def centred(z: Array) -> Array:
        return z - z.mean(0)

    one = rng.normal(size=(6, 1))
    assert degrees(centred(one * np.ones(500))) == pytest.approx(5, rel=1e-9)
    assert degrees(centred(one)) == pytest.approx(5, rel=1e-9)
    assert degrees(np.zeros((6, 4))) == 20
    several = [degrees(centred(rng.normal(size=(6, 4)) @ rng.normal(size=(4, 500)))) for _ in range(50)]
    assert 12 < np.median(several) < 28  # four directions of unequal weight: at most 5 · 4, give or take
    assert np.median([degrees(centred(rng.normal(size=(6, 500)))) for _ in range(50)]) > 1000


def test_a_stray_entry_is_pooled_with_its_like(rng: Rng) -> None:
    sigma = np.full(200, 1e-15)
    factor = np.where(np.arange(200) % 50 == 0, 1e4, 1.0)
    r = 3 * sigma * factor * rng.normal(size=(6, 200))
    found = spread(r, np.full(200, 1e-3), sigma)
    stray = factor > 1
    assert found.sigma[~stray].max() < 4 * 3e-15  # (3) allows an entry's own S so much
    assert found.sigma[stray].min() > 3e-12
    assert (found.freedom[stray] < 25).all()
    assert (found.freedom[~stray] > 100).all()


def test_an_entry_whose_error_repeats_is_no_class_of_its_own(rng: Rng) -> None:
    """Errors of a few values: the same in all six runs now and then."""
    r = 1e-14 * rng.choice([-1.0, 1.0], (6, 40))
    r[:, 7] = 1e-14
    assert spread(r, np.full(40, 1e-3), np.full(40, 1e-17)).sigma[7] > 3e-15
    r[:, 20:] = 1e-14  # but a score of them is one
    assert spread(r, np.full(40, 1e-3), np.full(40, 1e-17)).sigma[20:].max() < 1e-18


def test_no_spread_leaves_the_last_rounding(rng: Rng) -> None:
    hand = rng.normal(size=(4, 5))
    found = spread(np.full((6, 4, 5), 1e-3), hand, np.zeros((4, 5)))
    assert found.sigma == pytest.approx(np.spacing(np.abs(hand)) / np.sqrt(12), rel=1e-12)
    assert spread(np.zeros((6, 3)), np.zeros(3), np.zeros(3)).sigma.max() < 1e-300


def test_what_is_not_finite_has_no_allowance() -> None:
    found = spread(np.full((6, 3), np.nan), np.array([np.nan, np.inf, np.nan]), np.ones(3))
    assert not found.sigma.any()
    assert spread(np.zeros((6, 0)), np.zeros(0), np.zeros(0)).sigma.shape == (0,)


# ---------------------------------------------------------------------- real code


def direct(g: Array, w: Array) -> Array:
    """∂L/∂x of the circular convolution y = x ⋆ w: Σ_j g[i+j] w[j], in longdouble."""
    n = len(g)
    g, w = g.astype(WIDE), w.astype(WIDE)
    return np.stack([(np.roll(g, -i) * w).sum() for i in range(n)]).astype(np.float64)


def fft(g: Array, w: Array) -> Array:
    """NumPy's, which mixes: every entry gets an error of the size of the largest."""
    return np.fft.irfft(np.fft.rfft(g) * np.conj(np.fft.rfft(w)), len(g))


def spread_out(rng: Rng, n: int = 64) -> Arrays:
    """Gradients over eight decades: a cotangent that decays, and a short filter."""
    w = np.zeros(n)
    w[:3] = rng.uniform(0.5, 1.0, 3)
    return {"g": 10.0 ** -np.linspace(0, 8, n) * rng.uniform(0.5, 1.0, n), "w": w}


def convolution(backward: Callable[[Array, Array], Array], w: Array, n: int) -> Operation:
    return Operation(
        "convolution",
        lambda values: fft(values["x"], values["w"]),
        lambda g, values: {"x": backward(g, values["w"])},
        {"x": np.ones(n), "w": w},
        ("x",),
        None,
    )


def measured(backward: Callable[[Array, Array], Array], point: Arrays, seed: int = 0) -> tuple[Array, Spread, Array]:
    """The error at the point, what is measured there, and the true gradient."""
    g, w = point["g"], point["w"]
    true = direct(g, w)
    sigma = {"x": UNIT * np.abs(true)}
    at = convolution(backward, w, len(g))
    found = measured_rounding(at, g, lambda inputs, v: {"x": direct(v, inputs["w"])}, sigma, seed=seed)
    return backward(g, w) - true, found["x"], true


@pytest.mark.parametrize("draw", range(4))
def test_code_that_mixes_entries_is_covered(draw: int) -> None:
    """Small entries come out on the lattice of the large ones: a few values of an error, which repeat."""
    rng, worst = np.random.default_rng(draw), 0.0
    for seed in range(20):
        errors, found, true = measured(fft, spread_out(rng), seed)
        assert not beyond(errors, found).any()
        worst = max(worst, float((np.abs(errors) / (UNIT * np.abs(true))).max()))
    assert worst > 1e6  # without it, right code would be a million σ off


def test_code_that_does_not_mix_is_allowed_no_more_than_it_rounds(rng: Rng) -> None:
    def entrywise(g: Array, w: Array) -> Array:
        return sum((np.roll(g, -j) * w[j] for j in range(3)), np.zeros(len(g)))

    for seed in range(20):
        errors, found, true = measured(entrywise, spread_out(rng), seed)
        assert not beyond(errors, found).any()
        assert (found.sigma <= 8 * UNIT * np.abs(true)).all()


def one_wrong(values: Array, factor: float) -> Array:
    """A mistake in the last entry but five: five of eight decades below the largest."""
    at = len(values) - 26
    return np.where(np.arange(len(values)) == at, values * factor, values)


MISTAKES: dict[str, Callable[[Array], Array]] = {
    "a factor": lambda x: 1.001 * x,
    "a constant": lambda x: x + 1e-6,
    "a small entry": lambda x: one_wrong(x, 1.001),
    "a sign": lambda x: -x,
    "reversed": lambda x: x[::-1].copy(),
    "nothing": lambda x: 0 * x,
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_does_not_widen_its_own_allowance(mistake: str, rng: Rng) -> None:
    wrong = MISTAKES[mistake]
    for seed in range(5):
        point = spread_out(rng)
        _, right, _ = measured(fft, point, seed)
        errors, found, true = measured(lambda g, w: wrong(fft(g, w)), point, seed)
        seen = beyond(errors, found)
        made = wrong(true) - true
        # All that exceeds 1e-3 of an entry, where the right code's rounding is below a hundredth of that, is seen.
        due = (np.abs(made) > 0.9e-3 * np.abs(true)) & (40 * right.sigma < np.abs(made) / 4)
        assert due.any()
        assert seen[due].all()
        # A mistake adds as much of itself as the points are apart; what does not move with them adds nothing.
        if mistake == "a constant":
            assert np.median(found.sigma / right.sigma) < 2
        elif mistake in ("a factor", "a small entry"):
            assert np.median(found.sigma / (right.sigma + SIZES[0] * np.abs(made))) < 2


def test_a_mistake_at_the_point_alone_does_not_widen(rng: Rng) -> None:
    point = spread_out(rng)

    def special(g: Array, w: Array) -> Array:
        return fft(g, w) * (1.001 if g[0] == point["g"][0] else 1)

    errors, found, _ = measured(special, point)
    assert beyond(errors, found)[:10].all()


# ---------------------------------------------------------------------- from afar


def tail(x: Array) -> Array:
    """Φ as it is often written: below -5 a few units of 2^-53."""
    return 0.5 * (1 + special.erf(x / np.sqrt(2)))


def cut_off(backward: Callable[[Array, Array], Array], x: Array) -> tuple[Array, Spread, Array]:
    """The error of a gradient of ∫Φ, what is measured from afar, and the truth."""
    g = np.ones(len(x))
    truth = lambda inputs, v: {"x": v * special.ndtr(inputs["x"])}  # noqa: E731
    found = far_rounding(simple(backward, x), g, truth, ("x",))["x"]
    return backward(g, x) - special.ndtr(x), found, special.ndtr(x)


def test_an_entry_that_is_coarse_by_itself_is_covered_and_no_mistake_is(rng: Rng) -> None:
    x = np.concatenate([[1.0], rng.uniform(-8.0, -7.0, 40)])
    errors, found, true = cut_off(lambda g, x: g * tail(x), x)
    assert not beyond(errors, found)[1:].any()
    assert np.abs(errors / true)[1:].max() > 1e-2
    for slip in (0.5, -0.5, 1.0):
        errors, found, _ = cut_off(lambda g, x, slip=slip: g * special.ndtr(x) * (1 + slip), x)
        assert beyond(errors, found)[true > UNIT].all()


def test_what_is_below_a_unit_of_its_array_is_not_known(rng: Rng) -> None:
    x = np.concatenate([[1.0], rng.uniform(-12.0, -9.0, 40)])
    errors, found, true = cut_off(lambda g, x: g * tail(x), x)
    assert (errors[1:] == -true[1:]).all()
    assert not beyond(errors, found)[1:].any()
    assert (found.sigma[1:] <= UNIT).all()
    errors, found, _ = cut_off(lambda g, x: g * tail(x) + 1e-13, x)
    assert beyond(errors, found).all()


# ---------------------------------------------------------------------- the points


def simple(backward: Callable[..., Any], x: Array) -> Operation:
    return Operation("simple", lambda v: v["x"], lambda g, v: {"x": backward(g, v["x"])}, {"x": x}, ("x",), None)


def test_ties_and_zeros_are_kept_at_every_point() -> None:
    x = np.array([0.0, 2.0, 2.0, -2.0, 1.0])

    def backward(g: Array, x: Array) -> Array:
        assert x[0] == 0
        assert x[1] == x[2] == -x[3]
        return g * (np.abs(x) == np.abs(x).max())

    truth = lambda inputs, v: {"x": v * np.array([0, 1, 1, 1, 0])}  # noqa: E731
    found = measured_rounding(simple(backward, x), np.ones(5), truth, {"x": np.zeros(5)})
    assert (found["x"].sigma <= np.spacing(1.0)).all()


@pytest.mark.parametrize("how", ["raises", "is not finite"])
def test_a_point_that_the_code_refuses_is_replaced(how: str) -> None:
    """arcsin at 1: half of the points lie outside its domain."""
    x = np.array([1.0, 0.5])

    def backward(g: Array, x: Array) -> Array:
        if how == "raises" and x[0] > 1:
            raise ValueError("outside")
        return g * np.arcsin(x)

    truth = lambda inputs, v: {"x": (v * np.arcsin(inputs["x"].astype(WIDE))).astype(np.float64)}  # noqa: E731
    found = measured_rounding(simple(backward, x), np.ones(2), truth, {"x": UNIT * np.ones(2)})
    assert np.isfinite(found["x"].sigma).all()
    assert (found["x"].sigma > 0).all()


def test_where_too_few_points_are_left_nothing_is_said() -> None:
    x = np.ones(3)

    def backward(g: Array, at: Array) -> Array:
        if not np.array_equal(at, x):
            raise ValueError("only here")
        return g

    assert measured_rounding(simple(backward, x), np.ones(3), lambda i, v: {"x": v}, {"x": np.zeros(3)}) == {}


def test_it_is_the_same_for_the_same_seed(rng: Rng) -> None:
    point = spread_out(rng)
    first, again, other = (measured(fft, point, seed)[1].sigma for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
