"""The judge as its users meet it: doors, verdicts, conventions, and what it says of bad input."""

import json
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import crosscheck
from crosscheck.doors.functions import from_functions
from crosscheck.evidence.estimate import AUTODIFF, DIFFERENCE, HAND
from crosscheck.judge import judge
from manual import ConvolutionalLayer, ReLUActivation, linear

Array = np.ndarray


def forward(x: Array, w: Array) -> Array:
    return np.tanh(x @ w)


def backward(grad_output: Array, x: Array, w: Array) -> dict[str, Array]:
    g = grad_output * (1 - np.tanh(x @ w) ** 2)
    return {"x": g @ w.T, "w": x.T @ g}


def reference(x: Any, w: Any) -> Any:
    return jnp.tanh(x @ w)


@pytest.fixture
def inputs(rng: np.random.Generator) -> dict[str, Array]:
    return {"x": rng.normal(size=(4, 3)), "w": rng.normal(size=(3, 2))}


# ---------------------------------------------------------------------- doors


@pytest.mark.parametrize("with_reference", [True, False])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_plain_functions(inputs: dict[str, Array], with_reference: bool, dtype: Any) -> None:
    given = {k: a.astype(dtype) for k, a in inputs.items()}
    before = {k: a.tobytes() for k, a in given.items()}
    result = crosscheck.check(forward, backward, given, reference if with_reference else None)
    assert result
    assert result.verdict == "agree"
    assert {k: a.tobytes() for k, a in given.items()} == before
    assert (HAND, DIFFERENCE) in result.gradients["x"].pairs
    assert ((HAND, AUTODIFF) in result.gradients["x"].pairs) == with_reference


@pytest.mark.parametrize("with_reference", [True, False])
def test_a_small_mistake_is_caught_with_and_without_a_reference(inputs: dict[str, Array], with_reference: bool) -> None:
    def wrong(grad_output: Array, x: Array, w: Array) -> dict[str, Array]:
        found = backward(grad_output, x, w)
        found["w"][1, 0] *= 1 + 1e-6
        return found

    result = crosscheck.check(forward, wrong, inputs, reference if with_reference else None)
    assert result.verdict == "disagree"
    assert result.gradients["x"].passed
    gradient = result.gradients["w"]
    assert gradient.worst_index == (1, 0)
    assert gradient.mismatched.sum() == 1
    assert gradient.max_error > gradient.bound
    with pytest.raises(crosscheck.GradientMismatch, match="disagree") as raised:
        result.raise_for_failure()
    assert raised.value.result is result
    assert isinstance(raised.value, AssertionError)


def test_a_module_with_saved_values(rng: np.random.Generator) -> None:
    arrays = {"x": rng.normal(size=(4, 3)), "weights": rng.normal(size=(3, 2)), "biases": rng.normal(size=2)}
    result = crosscheck.check_operation(linear, arrays, lambda x, weights, biases: x @ weights + biases)
    assert set(result.gradients) == {"x", "weights", "biases"}
    assert result


class ForeignLayer:
    """Somebody's dense layer: flat vectors, nothing of ours."""

    def __init__(self, weights: Array, slip: float = 1.0) -> None:
        self.weights, self.slip = weights, slip

    @property
    def parameters(self) -> Array:
        return self.weights.ravel()

    @parameters.setter
    def parameters(self, vector: Array) -> None:
        self.weights = vector.reshape(self.weights.shape)

    @property
    def gradients(self) -> Array:
        return self.grad_weights.ravel()

    def forward(self, x: Array) -> Array:
        self.x = x
        return x @ self.weights

    def backward(self, grad_output: Array) -> Array:
        self.grad_weights = self.slip * self.x.T @ grad_output
        return grad_output @ self.weights.T


@pytest.mark.parametrize("slip", [1.0, 0.5])
def test_a_foreign_layer(rng: np.random.Generator, slip: float) -> None:
    layer = ForeignLayer(rng.normal(size=(3, 2)), slip)
    before = layer.weights.copy()
    x = rng.normal(size=(4, 3))
    for twin in (None, lambda x, parameters: x @ parameters.reshape(3, 2)):
        result = crosscheck.check_layer(layer, x, twin)
        assert bool(result) == (slip == 1.0)
        assert result.gradients["x"]
        assert (layer.weights == before).all()


def test_a_report_is_readable_and_a_dictionary_is_json(rng: np.random.Generator) -> None:
    layer = ConvolutionalLayer(1, 2, 3, activation=ReLUActivation(), rng=rng)
    result = crosscheck.check_layer(layer, rng.normal(size=(2, 1, 5, 4)))
    text = str(result)
    assert text.startswith("ConvolutionalLayer (float64): agree")
    assert max(map(len, text.splitlines())) <= 80
    data = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert data["passed"] is True
    assert set(data["gradients"]) == {"x", "filters", "biases"}
    assert result.power["filters"].median < 1e-12


# ---------------------------------------------------------------------- verdicts


def test_a_wrong_reference_is_the_odd_one_out(inputs: dict[str, Array]) -> None:
    @jax.custom_vjp
    def slipped(x: Any, w: Any) -> Any:
        return jnp.tanh(x @ w)

    slipped.defvjp(lambda x, w: (jnp.tanh(x @ w), (x, w)), lambda kept, g: (2 * g @ kept[1].T, kept[0].T @ g))
    result = crosscheck.check(forward, backward, inputs, lambda x, w: slipped(x, w))
    assert result.verdict == "disagree"
    assert result.gradients["x"].odd_one_out == AUTODIFF


def test_a_forward_that_is_another_function_is_said_first(inputs: dict[str, Array]) -> None:
    result = crosscheck.check(forward, backward, inputs, lambda x, w: jnp.tanh(x @ w) + 1e-9)
    assert result.verdict == "disagree"
    assert result.findings[0].kind == "forward"


@pytest.mark.parametrize("slope", [0.0, 0.5, 1.0])
def test_any_slope_of_a_relu_at_zero_is_a_convention(slope: float) -> None:
    x = np.array([[-1.0, 0.0, 2.0], [0.0, 3.0, -0.5]])

    def back(grad_output: Array, x: Array) -> dict[str, Array]:
        return {"x": grad_output * np.where(x > 0, 1.0, np.where(x == 0, slope, 0.0))}

    result = crosscheck.check(lambda x: np.maximum(x, 0), back, {"x": x}, jax.nn.relu)
    assert result.verdict == "agree", str(result)
    assert any(f.kind == "convention" for f in result.findings) == (slope != 0)


def test_a_slope_beyond_both_sides_is_no_convention() -> None:
    x = np.array([[-1.0, 0.0, 2.0]])
    result = crosscheck.check(
        lambda x: np.maximum(x, 0),
        lambda grad_output, x: {"x": grad_output * np.where(x > 0, 1.0, np.where(x == 0, 1.5, 0.0))},
        {"x": x},
        jax.nn.relu,
    )
    assert result.verdict == "disagree"


def first_maximum(x: Array) -> Array:
    return np.eye(x.shape[1])[x.argmax(1)]


def last_maximum(x: Array) -> Array:
    return first_maximum(x[:, ::-1])[:, ::-1]


def every_maximum(x: Array) -> Array:
    return (x == x.max(1, keepdims=True)).astype(float)


@pytest.mark.parametrize(
    ("winners", "verdict"), [(first_maximum, "agree"), (last_maximum, "agree"), (every_maximum, "disagree")]
)
def test_a_tied_maximum_may_go_to_one_not_to_all(winners: Any, verdict: str) -> None:
    x = np.array([[3.0, 1.0, 3.0], [0.5, 2.0, -1.0]])

    def back(grad_output: Array, x: Array) -> dict[str, Array]:
        return {"x": grad_output[:, None] * winners(x)}

    def twin(x: Any) -> Any:
        return lax.reduce_window(x, -jnp.inf, lax.max, (1, 3), (1, 3), "VALID")[:, 0]

    result = crosscheck.check(lambda x: x.max(1), back, {"x": x}, twin)
    assert result.verdict == verdict, str(result)


def test_rounding_at_a_kink_is_undecided_not_agreed() -> None:
    x = np.array([[0.1, 0.4, -0.5]])  # sums to 0 in one order and to 2.8e-17 in another

    def back(grad_output: Array, x: Array) -> dict[str, Array]:
        z = x[:, 1] + x[:, 2] + x[:, 0]
        return {"x": np.repeat(np.where(z > 0, grad_output, 0)[:, None], 3, 1)}

    operation = from_functions(
        lambda x: np.maximum(x[:, 1] + x[:, 2] + x[:, 0], 0),
        back,
        {"x": x},
        lambda x: jax.nn.relu(x[:, 0] + x[:, 1] + x[:, 2]),
    )
    result = judge(operation, differences=False, exact=False)
    assert result.verdict == "undecided"
    assert not result


@pytest.mark.parametrize("scale", [1e-7, 1e7])
def test_scales_do_not_matter(inputs: dict[str, Array], scale: float) -> None:
    def back(grad_output: Array, x: Array, w: Array, slip: float = 0.0) -> dict[str, Array]:
        found = {k: scale * a for k, a in backward(grad_output, x, w).items()}
        found["x"].flat[0] *= 1 + slip
        return found

    twin = lambda x, w: scale * jnp.tanh(x @ w)  # noqa: E731
    assert crosscheck.check(lambda x, w: scale * forward(x, w), back, inputs, twin)
    wrong = crosscheck.check(
        lambda x, w: scale * forward(x, w), lambda grad_output, x, w: back(grad_output, x, w, 1e-9), inputs, twin
    )
    assert wrong.verdict == "disagree"


def test_an_entry_that_cancels_to_zero_is_right(rng: np.random.Generator) -> None:
    def centred(x: Array, b: Array) -> Array:
        z = x + b
        return (z - z.mean(0)) / np.sqrt(((z - z.mean(0)) ** 2).mean(0) + 1e-5)

    def back(grad_output: Array, x: Array, b: Array) -> dict[str, Array]:
        z = x + b
        inverse = 1 / np.sqrt(((z - z.mean(0)) ** 2).mean(0) + 1e-5)
        h = (z - z.mean(0)) * inverse
        g = inverse * (grad_output - grad_output.mean(0) - h * (grad_output * h).mean(0))
        return {"x": g, "b": g.sum(0)}

    def twin(x: Any, b: Any) -> Any:
        z = x + b
        return (z - z.mean(0)) / jnp.sqrt(((z - z.mean(0)) ** 2).mean(0) + 1e-5)

    result = crosscheck.check(centred, back, {"x": rng.normal(size=(7, 3)), "b": rng.normal(size=3)}, twin)
    assert result.verdict == "agree", str(result)


# ---------------------------------------------------------------------- references with loops and branches


def scanned(x: Any) -> Any:
    return lax.scan(lambda carry, row: (jnp.tanh(carry + row), carry * row), jnp.zeros(3), x)[1]


def looped(x: Any) -> Any:
    return lax.fori_loop(0, 3, lambda _, y: jnp.sin(y) + x, x)


def branched(x: Any) -> Any:
    return lax.cond(x[0, 0] > -100, lambda y: jnp.exp(y / 4), lambda y: y, x)


@pytest.mark.parametrize("function", [scanned, looped, branched, lambda x: jnp.sort(x, 0)])
def test_loops_branches_and_sorting_get_bounds(function: Any, rng: np.random.Generator) -> None:
    x = rng.normal(size=(4, 3))
    with jax.enable_x64(True):

        def back(grad_output: Array, x: Array) -> dict[str, Array]:
            with jax.enable_x64(True):
                return {"x": np.asarray(jax.vjp(function, jnp.asarray(x))[1](jnp.asarray(grad_output))[0])}

        def plain(x: Array) -> Array:
            with jax.enable_x64(True):
                return np.asarray(function(jnp.asarray(x)))

        result = judge(from_functions(plain, back, {"x": x}, lambda x: function(x)), differences=False)
        assert result.verdict == "agree", str(result)
        slipped = lambda grad_output, x: {"x": back(grad_output, x)["x"] * (1 + 1e-9)}  # noqa: E731
        wrong = judge(from_functions(plain, slipped, {"x": x}, lambda x: function(x)), differences=False)
        assert wrong.verdict == "disagree"


# ---------------------------------------------------------------------- bad input


def test_bad_input_gets_a_sentence(inputs: dict[str, Array]) -> None:
    check = crosscheck.check
    with pytest.raises(TypeError, match=r"forward of .* returned a tuple; it must return one array"):
        check(lambda x, w: (x, w), backward, inputs)
    with pytest.raises(ValueError, match="returned no gradient for w"):
        check(forward, lambda grad_output, x, w: {"x": x}, inputs)
    with pytest.raises(TypeError, match="must return a dictionary with a gradient for each of x, w"):
        check(forward, lambda grad_output, x, w: (x, w), inputs)
    with pytest.raises(ValueError, match=r"input x is nan at \(1, 2\)"):
        check(forward, backward, {**inputs, "x": np.where(np.arange(12).reshape(4, 3) == 5, np.nan, 1.0)})
    with pytest.raises(ValueError, match="the reference returns shape"):
        check(forward, backward, inputs, lambda x, w: jnp.tanh(x @ w).T)
    with pytest.raises(ValueError, match="wrt names 'v'"):
        check(forward, backward, inputs, wrt=("v",))
    with pytest.raises(ValueError, match="grad_output has shape"):
        check(forward, backward, inputs, grad_output=np.ones(3))
    with pytest.raises(TypeError, match="non-empty dictionary"):
        check(forward, backward, {})
    with pytest.raises(TypeError, match="the reference takes a, b; the inputs are x, w"):
        check(forward, backward, inputs, lambda a, b: a)
    with pytest.raises(TypeError, match="without a backward method"):
        crosscheck.check_layer(type("Half", (), {"forward": lambda self, x: x})(), inputs["x"])


def test_the_users_own_exception_keeps_its_traceback(inputs: dict[str, Array]) -> None:
    class Mine(RuntimeError):
        pass

    def raises(grad_output: Array, x: Array, w: Array) -> dict[str, Array]:
        raise Mine("in my own words")

    with pytest.raises(Mine, match="in my own words") as raised:
        crosscheck.check(forward, raises, inputs)
    assert raised.traceback[-1].name == "raises"


def test_a_wrong_shape_is_a_verdict(inputs: dict[str, Array]) -> None:
    result = crosscheck.check(forward, lambda grad_output, x, w: {"x": x, "w": w.T}, inputs, reference)
    assert not result.gradients["w"]
    assert result.gradients["w"].diagnoses[0].kind == "shape"
    assert result.verdict == "disagree"
