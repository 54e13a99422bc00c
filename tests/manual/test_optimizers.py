"""Every step of every optimizer against its textbook formula, worked out again entry by entry in exact fractions.

Python's fractions have no rounding; the one irrational number, Adam's square root, is taken in 50 decimal digits. So
the bound counts our own roundings only.
"""

from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest

from manual import FullyConnectedLayer, LayeredNeuralNetwork, LinearLayer, ReLUActivation
from manual.optimizers import SGD, Adam, Optimizer

STEPS = 7
UNIT = {np.float32: 2.0**-24, np.float64: 2.0**-53}


class Slope(LinearLayer):
    """A layer whose gradients are set by hand."""

    def push(self, gradient: np.ndarray) -> None:
        cut = self.weights.size
        self.keep_gradients(weights=gradient[:cut].reshape(self.weights.shape), biases=gradient[cut:])


def root(value: Fraction) -> Fraction:
    with localcontext() as context:
        context.prec = 50
        return Fraction((Decimal(value.numerator) / Decimal(value.denominator)).sqrt())


def textbook_sgd(o: SGD, p: Fraction, g: Fraction, state: list[Fraction], t: int) -> tuple[Fraction, list[Fraction]]:
    velocity = Fraction(o.momentum) * state[0] + g + Fraction(o.weight_decay) * p
    return p - Fraction(o.learning_rate) * velocity, [velocity]


def textbook_adam(o: Adam, p: Fraction, g: Fraction, state: list[Fraction], t: int) -> tuple[Fraction, list[Fraction]]:
    one, two = Fraction(o.mean_decay), Fraction(o.square_decay)
    mean, square = one * state[0] + (1 - one) * g, two * state[1] + (1 - two) * g * g
    step = (mean / (1 - one**t)) / (root(square / (1 - two**t)) + Fraction(o.eps))
    return p - Fraction(o.learning_rate) * step, [mean, square]


CASES = [
    pytest.param(lambda: SGD(0.1), textbook_sgd, id="gradient descent"),
    pytest.param(lambda: SGD(0.1, 0.9), textbook_sgd, id="momentum"),
    pytest.param(lambda: SGD(0.3, 0.5, 0.02), textbook_sgd, id="momentum and weight decay"),
    pytest.param(lambda: SGD(0.3, weight_decay=0.02), textbook_sgd, id="weight decay"),
    pytest.param(lambda: Adam(), textbook_adam, id="Adam"),
    pytest.param(lambda: Adam(0.1, 0.5, 0.75, 1e-3), textbook_adam, id="Adam with other numbers"),
    pytest.param(lambda: Adam(0.1, 0.0, 0.0), textbook_adam, id="Adam without memory"),
]


def exact(array: np.ndarray) -> list[Fraction]:
    return [Fraction(float(v)) for v in array]


def rounded(values: list[Fraction]) -> np.ndarray:
    return np.array([float(v) for v in values])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("make", "textbook"), CASES)
def test_every_step_is_the_textbooks(make, textbook, dtype, rng):
    """Restarted from ours at every step, like the cross-checked training."""
    optimizer, layer = make(), Slope(3, 2, dtype=dtype, rng=rng)
    layer.biases = rng.normal(size=2)
    for t in range(1, STEPS + 1):
        gradient = rng.normal(size=layer.parameters.size).astype(dtype)
        gradient[1] = 0.0  # a dead unit's
        layer.push(gradient)
        before = layer.parameters
        state = [optimizer.state.get(name, np.zeros_like(before)) for name in optimizer.state_names]
        optimizer.step(layer)
        singles = zip(exact(before), exact(gradient), *map(exact, state), strict=True)
        expected = [textbook(optimizer, p, g, list(s), t) for p, g, *s in singles]
        # Sums of at most three terms: each term a few roundings of its own size. Where terms cancel, the sizes of the
        # terms count, not that of the result; 1 - βᵗ loses what βᵗ/(1 - βᵗ) says, at most 1000 float64 units here.
        sizes = np.abs(before) + np.abs(gradient) + sum(np.abs(s) for s in state) + 1.0
        bound = 8 * UNIT[dtype] * sizes + 1e3 * 4 * 2.0**-53
        assert np.all(np.abs(layer.parameters - rounded([p for p, _ in expected])) <= bound)
        for place, name in enumerate(optimizer.state_names):
            assert np.all(np.abs(optimizer.state[name] - rounded([s[place] for _, s in expected])) <= bound * sizes)
        assert layer.parameters.dtype == dtype
        assert all(a.dtype == dtype for a in optimizer.state.values())
    assert optimizer.steps == STEPS


WRONG = {
    "momentum after the learning rate, once more": lambda o, p, g, s: (p - 0.1 * (0.9 * s + g) * 0.9, 0.9 * s + g),
    "velocity of the other sign": lambda o, p, g, s: (p + 0.1 * (0.9 * s + g), 0.9 * s + g),
    "velocity forgotten": lambda o, p, g, s: (p - 0.1 * g, g),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_the_comparison_catches_a_wrong_formula(wrong, rng):
    class Wrong(SGD):
        def update(self, parameters, gradients, state):
            moved, velocity = wrong(self, parameters, gradients, state["velocity"])
            return moved, {"velocity": velocity}

    with pytest.raises(AssertionError):
        test_every_step_is_the_textbooks(lambda: Wrong(0.1, 0.9), textbook_sgd, np.float64, rng)


def test_a_network_is_moved_like_its_flat_vector(rng):
    network = LayeredNeuralNetwork([FullyConnectedLayer(3, 4, ReLUActivation(), rng=rng), LinearLayer(4, 2, rng=rng)])
    network.forward(rng.normal(size=(5, 3)))
    network.backward(rng.normal(size=(5, 2)))
    expected = network.parameters - 0.25 * network.gradients
    SGD(0.25).step(network)
    np.testing.assert_array_equal(network.parameters, expected)


def test_gradient_descent_goes_downhill_and_adam_takes_steps_of_the_learning_rate(rng):
    layer = Slope(2, 2, rng=rng)
    for optimizer in (SGD(0.5), Adam(0.5)):
        before = layer.parameters
        gradient = rng.normal(size=before.size)
        layer.push(gradient)
        optimizer.step(layer)
        moved = layer.parameters - before
        assert np.all(moved * gradient < 0)
    np.testing.assert_allclose(np.abs(moved), 0.5, rtol=1e-6)


def test_state_cannot_be_written_from_outside(rng):
    optimizer, layer = SGD(0.1, 0.9), Slope(2, 2, rng=rng)
    layer.push(np.ones(6))
    optimizer.step(layer)
    with pytest.raises(ValueError, match="read-only"):
        optimizer.state["velocity"][0] = 1.0


def test_one_optimizer_for_two_networks_is_refused(rng):
    optimizer: Optimizer = SGD(0.1, 0.9)
    first, second = Slope(2, 2, rng=rng), Slope(3, 2, rng=rng)
    first.push(np.ones(6))
    second.push(np.ones(8))
    optimizer.step(first)
    with pytest.raises(ValueError, match="keeps a velocity of 6 numbers and got a layer with 8 parameters"):
        optimizer.step(second)
    assert optimizer.steps == 1


def test_a_step_before_any_backward_is_refused():
    with pytest.raises(RuntimeError, match="before backward"):
        SGD(0.1).step(LinearLayer(2, 2))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: SGD(0.0), "learning_rate is 0.0; it must be more than 0 and finite"),
        (lambda: SGD(float("nan")), "learning_rate is nan"),
        (lambda: SGD(0.1, 1.0), "momentum is 1.0; it must be at least 0 and less than 1"),
        (lambda: SGD(0.1, 0.9, -1), "weight_decay is -1; it must be at least 0 and finite"),
        (lambda: Adam(-1), "learning_rate is -1"),
        (lambda: Adam(mean_decay=1.0), "mean_decay is 1.0"),
        (lambda: Adam(square_decay=-0.1), "square_decay is -0.1"),
        (lambda: Adam(eps=0), "eps is 0; it must be more than 0"),
    ],
)
def test_numbers_outside_their_range_are_refused_in_words(make, words):
    with pytest.raises(ValueError, match=words):
        make()
