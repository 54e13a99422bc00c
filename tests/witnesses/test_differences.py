"""Finite differences: the lecture's two functions, steps and kinks, noise, and what a group may share."""

import numpy as np
import pytest

import crosscheck
from crosscheck.witnesses import differences
from crosscheck.witnesses.differences import Contaminated, Differences, Group, along_direction, one_by_one
from crosscheck.witnesses.extrapolation import STEPS, Samples, of_a_curve
from crosscheck.witnesses.noise import DRAWS, EVALUATIONS, measured_noise, unit_of


def test_the_gradient_of_smooth_functions(rng: np.random.Generator) -> None:
    x = rng.normal(size=(3, 4))
    np.testing.assert_allclose(
        crosscheck.finite_difference_gradient(lambda z: np.sin(z).sum(), x), np.cos(x), rtol=1e-9
    )
    np.testing.assert_allclose(
        crosscheck.finite_difference_gradient(lambda z: (z**3).sum(), x, h=1e-5), 3 * x**2, atol=1e-8
    )


def test_the_jacobian_has_every_entry(rng: np.random.Generator) -> None:
    a, x = rng.normal(size=(5, 3)), rng.normal(size=3)
    jacobian = crosscheck.finite_difference_jacobian(lambda z: np.tanh(a @ z), x)
    np.testing.assert_allclose(jacobian, (1 - np.tanh(a @ x) ** 2)[:, None] * a, rtol=1e-8)
    assert crosscheck.finite_difference_jacobian(lambda z: z.reshape(3, 2), np.ones((2, 3))).shape == (3, 2, 2, 3)


def test_a_kink_has_no_derivative_and_its_neighbours_do() -> None:
    x = np.array([0.0, 1e-4, -2.0])
    found = crosscheck.finite_difference_gradient(lambda z: np.maximum(z, 0).sum(), x)
    assert np.isnan(found[0])
    np.testing.assert_allclose(found[1:], [1.0, 0.0], atol=1e-9)


def test_bad_input_of_the_lectures_functions() -> None:
    with pytest.raises(ValueError, match="a gradient needs a scalar"):
        crosscheck.finite_difference_gradient(lambda z: z, np.ones(2))  # type: ignore[arg-type,return-value]
    with pytest.raises(ValueError, match="NaN or infinity"):
        crosscheck.finite_difference_gradient(np.sum, np.array([np.nan]))
    with pytest.raises(ValueError, match="must be a positive"):
        crosscheck.finite_difference_gradient(np.sum, np.ones(2), h=0.0)
    with pytest.raises(ValueError, match="lost in rounding"):
        crosscheck.finite_difference_gradient(np.sum, np.array([1e20]), h=1e-5)
    with pytest.raises(TypeError, match="real"):
        crosscheck.finite_difference_gradient(np.sum, np.ones(2, complex))


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
def test_a_bound_holds_at_any_scale(scale: float, rng: np.random.Generator) -> None:
    x, v = scale * rng.normal(size=20), rng.normal(size=20)
    estimate = Differences(lambda z: np.exp(z / scale), x, v).differentiate(one_by_one(20))
    truth = v * np.exp(x / scale) / scale
    assert (np.abs(estimate.value - truth) <= estimate.bound).all()
    assert (estimate.bound <= 1e-7 * np.abs(truth)).all()


@pytest.mark.parametrize("distance", [0.0, 1e-6, 1e-3])
def test_smooth_and_kinked_points_are_told_apart(distance: float) -> None:
    x, v = np.array([distance, 0.7]), np.ones(2)
    estimate = Differences(lambda z: np.maximum(z, 0) + 0.3 * np.sin(5 * z), x, v).differentiate(one_by_one(2))
    assert estimate.notes["kink"].tolist() == [distance == 0, False]
    if distance:
        assert abs(estimate.value[0] - (1 + 1.5 * np.cos(5 * distance))) <= estimate.bound[0]


def test_an_output_that_belongs_to_nobody_refuses_the_group() -> None:
    differences = Differences(lambda z: np.append(z, z.sum()), np.ones(3), np.ones(4))
    with pytest.raises(Contaminated):
        differences.differentiate([Group(np.arange(3), np.array([0, 1, 2, -1]), 3)])


def test_entries_of_a_group_are_told_apart_by_their_outputs() -> None:
    rng = np.random.default_rng(2)
    x, v = rng.normal(size=5), rng.normal(size=5)
    together = Differences(np.sin, x, v)
    alone = Differences(np.sin, x, v)
    found = together.differentiate([Group(np.arange(5), np.arange(5), 5)])
    assert (np.abs(found.value - v * np.cos(x)) <= found.bound).all()
    alone.differentiate(one_by_one(5))
    assert together.evaluations < alone.evaluations / 3


def test_the_derivative_along_a_direction() -> None:
    rng = np.random.default_rng(3)
    x, d, v = rng.normal(size=(3, 6))
    found = along_direction(np.exp, x, d, v, None)
    assert abs(found.value[0] - np.sum(v * np.exp(x) * d)) <= found.bound[0] < 1e-6
    assert along_direction(np.abs, np.zeros(3), np.ones(3), np.ones(3), None).kink[0]


def test_a_difference_lost_in_noise_does_not_decide() -> None:
    x = np.full(3, 0.5)
    noisy = Differences(lambda z: z + 1e8, x, np.ones(3)).differentiate(one_by_one(3))
    assert (np.abs(noisy.value - 1) <= noisy.bound).all()
    blind = Differences(lambda z: z, x, np.ones(3), noise=np.full(3, 1.0)).differentiate(one_by_one(3))
    assert not blind.speaks().any()
    assert blind.notes["undecided"] == 3


def test_noise_that_cancels_inside_is_seen_by_longdouble() -> None:
    x = np.array([40.0])

    def staircase(z: np.ndarray) -> np.ndarray:
        return np.log(1 + np.exp(-z))

    noise = measured_noise(staircase, x, staircase(x), 2.0**-53)
    if np.finfo(np.longdouble).nmant > 52:
        assert noise[0] > 1e-18  # far above u times the output, 5e-34
    assert (noise >= 0).all()


def test_noise_is_an_ulp_of_the_output_at_least_and_what_the_last_bits_of_the_input_do_at_most() -> None:
    calls = []

    def absorbed(z: np.ndarray) -> np.ndarray:
        calls.append(1)
        return np.append(z + 0.0, (z + 2.0**20) - 2.0**20)

    x = np.linspace(0.3, 0.9, 40)
    noise = measured_noise(absorbed, x, absorbed(x), 2.0**-53)
    assert (noise[:40] >= 2.0**-52 * x).all()
    assert (noise[:40] <= 2.0**-51 * x).all()
    staircase = noise[40:]  # its steps are 2^-32 wide
    assert np.median(staircase) > 2.0**-34
    assert staircase.max() <= 2.0**-31
    assert len(calls) <= 1 + EVALUATIONS
    calls.clear()
    assert (measured_noise(absorbed, x.astype(np.float32), absorbed(x), 2.0**-24)[:40] >= 2.0**-23 * x).all()
    assert len(calls) == 1 + DRAWS  # float32 is not asked against longdouble


def test_the_last_bits_of_the_input_are_moved_where_longdouble_is_refused() -> None:
    def fast(z: np.ndarray) -> np.ndarray:
        return np.sin(2.0**20 * z).astype(np.float64)

    x = np.linspace(0.3, 0.9, 40)
    assert np.median(measured_noise(fast, x, fast(x), 2.0**-53) / x) > 2.0**-33


def test_the_coarser_of_input_and_output_rounds() -> None:
    assert unit_of(np.ones(2), np.ones(2)) == 2.0**-53
    assert unit_of(np.ones(2), np.ones(2, np.float32)) == 2.0**-24
    assert unit_of(np.ones(2, np.float32), np.ones(2)) == 2.0**-24


def test_a_cotangent_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"cotangent has 2 entries.*output has 3"):
        Differences(np.sin, np.ones(3), np.ones(2))


@pytest.mark.parametrize(("power", "kink"), [(0.0, True), (-0.2, True), (0.4, True), (0.6, False), (1.0, False)])
def test_the_second_difference_tells_a_kink(power: float, kink: bool) -> None:
    """Σ|v s| ~ hᵖ: 0 at a kink, 1 where f is smooth; the limits lie at ½ and at -¼."""
    samples = [Samples(np.ones(1), np.array([8.0 * h**power]), np.full(1, 1e-9)) for h in STEPS]
    said = of_a_curve(samples, np.zeros(1), np.zeros(1))
    assert said.seen.all()
    assert said.stays.tolist() == [kink]


def test_a_jump_within_noise_is_not_seen() -> None:
    samples = [Samples(np.ones(1), np.array([8.0]), np.full(1, 1.0)) for _ in STEPS]
    said = of_a_curve(samples, np.zeros(1), np.zeros(1))
    assert not said.seen.any()
    assert not said.stays.any()


def test_growing_as_the_inverse_of_the_step_it_is_not_resolved() -> None:
    samples = [Samples(np.ones(1), np.array([8.0 / h]), np.full(1, 1e-9)) for h in STEPS]
    assert not of_a_curve(samples, np.zeros(1), np.zeros(1)).stays.any()


def test_a_large_group_is_moved_in_parts(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    """In parts it gives what it gives at once, and nobody moves more than may be."""
    x, v = rng.normal(size=50), rng.normal(size=(50, 2))
    moved: list[int] = []

    def func(z: np.ndarray) -> np.ndarray:
        moved.append(int((z != x).sum()))
        return np.stack([np.sin(z), z**2], axis=1)

    everything = Group(np.arange(50), np.repeat(np.arange(50), 2), 50)
    whole = Differences(func, x, v).differentiate([everything])
    monkeypatch.setattr(differences, "TOGETHER", 16)
    assert [part.entries.size for part in differences.parts(everything)] == [13, 13, 13, 11]
    witness = Differences(func, x, v)
    moved.clear()
    found = witness.differentiate([everything])
    assert max(moved) == 13
    assert (np.abs(found.value - whole.value) <= found.bound + whole.bound).all()
    assert (np.abs(found.value - (v[:, 0] * np.cos(x) + 2 * v[:, 1] * x)) <= found.bound).all()
    assert found.decided is not None
    assert found.decided.all()
