"""The Gauss–Newton product: JAX's, symmetric, never negative where the loss is convex; and what it is without."""

from typing import Any

import numpy as np
import pytest

from crosscheck.evidence.result import Result
from crosscheck.judge import judge
from crosscheck.lecture.architectures import ARCHITECTURES, CLASSES, IMAGE_BATCH
from crosscheck.lecture.curvature import curvature
from crosscheck.lecture.nonzero import nonzero
from crosscheck.lecture.tangents import point
from crosscheck.operation import Arrays, Operation
from manual import (
    BinaryCrossEntropy,
    ConvolutionalLayer,
    FlattenLayer,
    Huber,
    Layer,
    LayeredNeuralNetwork,
    LinearLayer,
    MaxPoolingLayer,
    MeanAbsoluteError,
    MeanSquaredError,
    ReLUActivation,
    Residual,
    SoftmaxCrossEntropy,
    TanhActivation,
    gauss_newton,
    gauss_newton_product,
)
from manual.loss import Loss
from manual.program import INPUT, run_backward, run_tangent
from tests.manual.test_tangents import product

Array = np.ndarray
Rng = np.random.Generator

BATCH = IMAGE_BATCH[0]
LOSSES: dict[str, Loss] = {
    "cross-entropy": SoftmaxCrossEntropy(np.array([0.5, 2.0, 1.0]), ignored=0, smoothing=0.1),
    "binary cross-entropy": BinaryCrossEntropy(3.0, "sum"),
    "squared": MeanSquaredError("none"),
    "Huber": Huber(0.5),
}


def target_for(loss: Loss, shape: tuple[int, ...], rng: Rng) -> Array:
    if isinstance(loss, SoftmaxCrossEntropy):
        return np.arange(shape[0]) % shape[1]
    return rng.random(shape)


def of_network(network: Layer, loss: Loss, x: Array, rng: Rng) -> Operation:
    moves = {k: rng.normal(size=a.shape) for k, a in point(network, x).items()}
    return curvature(network, loss, x, target_for(loss, network.predict(x).shape, rng), moves)


# ---------------------------------------------------------------------- JAX's


@pytest.mark.proof
@pytest.mark.parametrize(
    ("name", "loss"),
    [
        *(("LeNet-5", loss) for loss in LOSSES),
        ("ResNet basic block", "cross-entropy"),
        ("U-Net", "cross-entropy"),
        ("U-Net", "Huber"),
    ],
)
def test_it_is_what_jax_says_and_its_own_transpose(name: str, loss: str, rng: Rng) -> None:
    """jvp of the twin, jvp of the loss's gradient, vjp of the twin; every entry of both."""
    network = nonzero(ARCHITECTURES[name](rng), rng)
    operation = of_network(network, LOSSES[loss], rng.normal(size=IMAGE_BATCH), rng)
    result = judge(operation, differences=False, progress=False)
    result.raise_for_failure()
    assert result.forward is not None
    assert not result.forward.disagree.any()


# ---------------------------------------------------------------------- laws


def with_branches(rng: Rng) -> LayeredNeuralNetwork:
    """Whole numbers in, whole numbers out: a value read twice, a maximum, masks."""
    block = Residual(ConvolutionalLayer(2, 2, 3, padding=1, activation=ReLUActivation, rng=rng))
    network = LayeredNeuralNetwork([block, MaxPoolingLayer(2), FlattenLayer(), LinearLayer(8, 3, rng=rng)])
    network.parameters = rng.integers(-3, 4, network.parameters.size)
    return network


def test_it_is_symmetric_and_never_negative_to_the_last_bit(rng: Rng) -> None:
    """⟨U, JᵀHJ·V⟩ = ⟨V, JᵀHJ·U⟩, and V·JᵀHJ·V = ẎHẎ, where nothing rounds: sums of whole numbers."""
    network = with_branches(rng)
    x, target = rng.integers(-4, 5, (2, 2, 4, 4)).astype(float), np.zeros((2, 3))
    loss = MeanSquaredError("sum")

    def nudge() -> tuple[Array, Array]:
        return rng.integers(-3, 4, network.parameters.size) + 0.0, rng.integers(-3, 4, x.shape) + 0.0

    u, v = nudge(), nudge()
    of_u, of_v = (gauss_newton_product(network, loss, x, target, *n) for n in (u, v))
    assert product([*u], [of_v.parameters, of_v.x]) == product([*v], [of_u.parameters, of_u.x])
    network.forward(x)
    moved = network.tangent(v[1], v[0])
    assert product([*v], [of_v.parameters, of_v.x]) == 2 * product([moved], [moved]) > 0


@pytest.mark.parametrize("loss", [*LOSSES.values(), MeanAbsoluteError()], ids=lambda loss: type(loss).__name__)
def test_no_convex_loss_curves_down(loss: Loss, rng: Rng) -> None:
    """H alone, in exact sums: Ẏ·H·Ẏ ≥ 0, and 0 for the mean absolute error."""
    y = rng.normal(size=(5, 3))
    for _ in range(20):
        nudge = rng.normal(size=y.shape)
        curved = product([nudge], [loss.hessian_product(y, target_for(loss, y.shape, rng), nudge)])
        assert curved == 0 if isinstance(loss, MeanAbsoluteError) else curved > 0


def test_the_network_is_left_as_it_is(rng: Rng) -> None:
    network = ARCHITECTURES["ResNet basic block"](rng)
    x, labels = rng.normal(size=IMAGE_BATCH), np.arange(BATCH) % CLASSES
    y = network.forward(x)
    grad_x = network.backward(np.ones_like(y))
    before, state = network.gradients.copy(), {k: a.copy() for k, a in network.named_state().items()}
    found = gauss_newton_product(network, SoftmaxCrossEntropy(), rng.normal(size=x.shape), labels, network.parameters)
    assert list(found.by_name) == list(network.named_parameters())
    np.testing.assert_array_equal(network.gradients, before)
    np.testing.assert_array_equal(network.backward(np.ones_like(y)), grad_x)
    for name, array in network.named_state().items():
        np.testing.assert_array_equal(array, state[name])


def test_what_stands_still_is_left_out(rng: Rng) -> None:
    """A nudge of the parameters and one of x add up, and none makes nothing of it: the product is linear."""
    network, loss = with_branches(rng), MeanSquaredError("sum")
    x, target = rng.integers(-4, 5, (2, 2, 4, 4)).astype(float), np.zeros((2, 3))
    p, n = rng.integers(-3, 4, network.parameters.size), rng.integers(-3, 4, x.shape) + 0.0
    both, first, second, none = (
        gauss_newton_product(network, loss, x, target, *nudges) for nudges in ((p, n), (p,), (None, n), ())
    )
    np.testing.assert_array_equal(both.parameters, first.parameters + second.parameters)
    np.testing.assert_array_equal(both.x, first.x + second.x)
    assert not none.parameters.any()
    assert not none.x.any()


class Doubled(LayeredNeuralNetwork):
    """A forward and a backward of its own, and no tangent."""

    def forward(self, x: Array) -> Array:
        return 2 * super().forward(x)

    def backward(self, grad_output: Array) -> Array:
        return super().backward(2 * grad_output)


def test_what_does_not_fit_is_refused() -> None:
    network, loss = LinearLayer(3, 2, rng=0), MeanSquaredError()
    x, target, count = np.ones((4, 3)), np.zeros((4, 2)), network.parameters.size
    refused: list[tuple[Layer, tuple[Any, ...], type[Exception], str]] = [
        (network, (x.astype(np.float32), target), TypeError, "x has dtype float32, the layer computes in float64"),
        (network, (x, target, np.ones(count), x[:2]), ValueError, r"nudge_x has shape \(2, 3\); x has shape \(4, 3\)"),
        (
            network,
            (x, target, np.ones(5)),
            ValueError,
            r"nudge_parameters has shape \(5,\); LinearLayer takes a vector",
        ),
        (
            network,
            (x, target, {"bias": x}),
            ValueError,
            "names 'bias'; the parameters of LinearLayer are weights, bias",
        ),
        (Doubled([network]), (x, target), NotImplementedError, "Doubled brings its own forward, and no tangent"),
    ]
    for layer, given, error, said in refused:
        with pytest.raises(error, match=said):
            gauss_newton_product(layer, loss, *given)
    for method in (loss.tangent, loss.hessian_product):
        with pytest.raises(TypeError, match="nudge_prediction has dtype float32; the prediction has float64"):
            method(target, target, target.astype(np.float32))
        with pytest.raises(ValueError, match=r"nudge_prediction has shape \(2,\); prediction has shape \(4, 2\)"):
            method(target, target, np.ones(2))


# ---------------------------------------------------------------------- planted


def small(rng: Rng) -> Layer:
    """A value that is read twice, and a part after it; as many outputs as inputs."""
    block = Residual(LayeredNeuralNetwork([LinearLayer(3, 3, rng=rng), TanhActivation()]))
    return nonzero(LayeredNeuralNetwork([block, LinearLayer(3, 3, rng=rng)]), rng)


class DiagonalOnly(SoftmaxCrossEntropy):
    """H without softmax's second term."""

    def hessian_product(self, prediction: Array, target: Array, nudge_prediction: Array, grad_output: Any = 1) -> Array:
        e = np.exp(prediction - prediction.max(1, keepdims=True))
        return grad_output * e / e.sum(1, keepdims=True) * nudge_prediction / len(prediction)


def parameter_forgotten(passed: Any, nudge_x: Array, of_parameters: Any) -> Array:
    return run_tangent(passed, nudge_x, {**of_parameters, "1.biases": np.zeros(3)})


def read_once(passed: Any, nudge_x: Array, of_parameters: Any) -> Array:
    """A value's nudge is given to the first that reads it, and then it is gone."""
    nudges = {INPUT: nudge_x}
    for step, saved in passed:
        given = []
        for name in step.reads:
            given.append(nudges[name])
            nudges[name] = np.zeros_like(nudges[name])
        nudges[step.writes] = step.tangent(given, of_parameters, saved)
    return nudges[passed[-1][0].writes]


def not_added(passed: Any, grad_output: Array) -> tuple[Array, Arrays]:
    """What arrives for a value that is read twice is overwritten."""
    arriving, gradients = {passed[-1][0].writes: grad_output}, {}
    for step, saved in reversed(passed):
        parts, of_parameters = step.backward(arriving.pop(step.writes), saved)
        arriving |= dict(zip(step.reads, parts, strict=True))
        gradients |= of_parameters
    return arriving[INPUT], gradients


def not_pulled_back(passed: Any, grad_output: Array) -> tuple[Array, Arrays]:
    """Jᵀ missing for x: what curves at the outputs stands for what curves at the inputs."""
    return grad_output, run_backward(passed, grad_output)[1]


PLANTED: dict[str, dict[str, Any]] = {
    "a wrong H": {"loss": DiagonalOnly()},
    "a missing Jᵀ": {"run_backward": not_pulled_back},
    "a parameter's nudge forgotten": {"run_tangent": parameter_forgotten},
    "a nudge lost where a value is read twice": {"run_tangent": read_once},
    "a gradient lost where a value is read twice": {"run_backward": not_added},
}


def judged(rng: Rng, loss: Loss) -> Result:
    network, x, target = small(rng), rng.normal(size=(2, 3)), np.array([2, 0])
    moves = {k: rng.normal(size=a.shape) for k, a in point(network, x).items()}
    return judge(curvature(network, loss, x, target, moves), differences=False, exact=False, diagnose=False)


@pytest.mark.parametrize("name", [None, *PLANTED])
def test_a_planted_mistake_is_caught(name: str | None, rng: Rng, monkeypatch: pytest.MonkeyPatch) -> None:
    planted = dict(PLANTED.get(name or "", {}))
    loss = planted.pop("loss", SoftmaxCrossEntropy())
    for function, mistake in planted.items():
        monkeypatch.setattr(gauss_newton, function, mistake)
    result = judged(rng, loss)
    assert result.verdict == ("agree" if name is None else "disagree")
    if name is not None:
        assert result.forward is not None
        assert result.forward.disagree.any()
