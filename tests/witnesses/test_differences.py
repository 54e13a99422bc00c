"""Finite differences: the lecture's two functions, steps and kinks, grouped entries, and directions where nothing else
will do."""

import numpy as np
import pytest

import crosscheck
from crosscheck.doors.layers import from_layer
from crosscheck.evidence.estimate import DIRECTIONS, HAND
from crosscheck.operation import Operation
from crosscheck.witnesses import moving as forward_witnesses
from crosscheck.witnesses.differences import Differences, one_by_one
from crosscheck.witnesses.groups import find_plan
from crosscheck.witnesses.moving import moving_witnesses
from manual import ConvolutionalLayer, FlattenLayer, MaxPoolingLayer

Array = np.ndarray


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


@pytest.mark.parametrize("side", [8, 32, 64])
def test_forwards_do_not_grow_with_the_image(side: int, rng: np.random.Generator) -> None:
    operation = from_layer(ConvolutionalLayer(3, 4, 3, padding=1, rng=rng), rng.normal(size=(2, 3, side, side)))
    v = rng.normal(size=operation.output().shape)
    estimate = moving_witnesses(operation, "x", v, None)[0]
    assert estimate.notes["groups"] == 27
    assert estimate.notes["evaluations"] < 200
    assert (np.abs(estimate.value - operation.gradients(v)["x"]) <= estimate.bound).all()


@pytest.mark.parametrize(
    ("layer", "shape", "groups"),
    [
        (ConvolutionalLayer(2, 3, 3, stride=2, rng=0), (2, 2, 15, 11), 18),
        (MaxPoolingLayer(3, 2), (2, 3, 9, 11), 9),
        (FlattenLayer(), (4, 3, 5, 6), 1),
    ],
)
def test_entries_that_share_no_output_share_an_evaluation(
    layer: ConvolutionalLayer, shape: tuple[int, ...], groups: int, rng: np.random.Generator
) -> None:
    operation = from_layer(layer, rng.normal(size=shape))
    plan = find_plan(lambda z: operation.moved({"x": z}), operation.inputs["x"], rng)
    assert plan.evaluations <= groups
    entries = np.concatenate([group.entries for group in plan.groups()])
    assert sorted(entries) == list(range(operation.inputs["x"].size))


def directed(wrong: bool, rng: np.random.Generator) -> Operation:
    from dataclasses import replace

    operation = from_layer(ConvolutionalLayer(2, 3, 3, rng=rng), rng.normal(size=(2, 2, 6, 5)))

    def backward(g: Array, values: dict[str, Array]) -> dict[str, Array]:
        found = {k: np.array(a) for k, a in operation.backward(g, values).items()}
        if wrong:
            found["filters"][1, 0, 2, 1] *= 1.01
        return found

    return replace(operation, backward=backward, reference=None)


@pytest.mark.parametrize("wrong", [False, True])
def test_directions_stand_in_where_entries_take_too_long(
    wrong: bool, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forward_witnesses, "FORWARDS", 0)
    from crosscheck.judge import judge

    result = judge(directed(wrong, rng), exact=False, diagnose=False)
    assert result.passed != wrong
    assert (HAND, DIRECTIONS) in result.gradients["filters"].pairs
    assert any("random directions" in remark and "probability" in remark for remark in result.gradients["x"].remarks)
