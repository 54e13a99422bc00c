"""The judge's verdicts on plain functions: odd ones out, conventions, kinks, scales, references with loops."""

import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import crosscheck
from crosscheck.doors.functions import from_functions
from crosscheck.evidence.estimate import AUTODIFF, DIFFERENCE
from crosscheck.judge import judge

Array = np.ndarray


def forward(x: Array, w: Array) -> Array:
    return np.tanh(x @ w)


def backward(grad_output: Array, x: Array, w: Array) -> dict[str, Array]:
    g = grad_output * (1 - np.tanh(x @ w) ** 2)
    return {"x": g @ w.T, "w": x.T @ g}


def reference(x: Any, w: Any) -> Any:
    return jnp.tanh(x @ w)


@pytest.fixture
def inputs() -> dict[str, Array]:
    rng = np.random.default_rng(0)
    return {"x": rng.normal(size=(4, 3)), "w": rng.normal(size=(3, 2))}


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


def test_an_entry_that_cancels_to_zero_is_right() -> None:
    rng = np.random.default_rng(0)

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


@pytest.mark.proof
@pytest.mark.parametrize("function", [scanned, looped, branched, lambda x: jnp.sort(x, 0)])
def test_loops_branches_and_sorting_get_bounds(function: Any) -> None:
    x = np.random.default_rng(0).normal(size=(4, 3))
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


# ---------------------------------------------------------------------- reasons


def test_a_wrong_shape_is_a_verdict(inputs: dict[str, Array]) -> None:
    result = crosscheck.check(forward, lambda grad_output, x, w: {"x": x, "w": w.T}, inputs, reference)
    assert not result.gradients["w"]
    assert result.gradients["w"].diagnoses[0].kind == "shape"
    assert result.verdict == "disagree"


def test_a_mask_that_matters_elsewhere_only_is_found_at_an_exact_point() -> None:
    x = np.random.default_rng(0).uniform(0.5, 2.0, (4, 3))  # all of it passes the ReLU
    result = crosscheck.check(
        lambda x: np.maximum(x, 0) * x,
        lambda grad_output, x: {"x": 2 * grad_output * x},
        {"x": x},
        lambda x: jax.nn.relu(x) * x,
    )
    gradient = result.gradients["x"]
    assert (gradient.verdict, gradient.exact) == ("disagree", "different")
    assert any("exact" in remark for remark in gradient.remarks)
    assert gradient.diagnoses


def test_a_reason_is_given_for_what_is_wrong_only(inputs: dict[str, Array]) -> None:
    def negated(grad_output: Array, x: Array, w: Array) -> dict[str, Array]:
        found = backward(grad_output, x, w)
        return {**found, "w": -found["w"]}

    result = crosscheck.check(forward, negated, inputs, reference)
    assert not result.gradients["x"].diagnoses
    assert result.gradients["w"].diagnoses


@pytest.mark.parametrize(("shift", "verdict"), [(2.0**12, "agree"), (2.0**20, "disagree")])
def test_float32_code_that_keeps_less_than_a_third_of_its_digits_is_told_so(shift: float, verdict: str) -> None:
    x = (1 + np.random.default_rng(0).random((4, 5))).astype(np.float32)

    def careless(grad_output: Array, x: Array) -> dict[str, Array]:
        return {"x": grad_output * ((2 * x + np.float32(shift)) - np.float32(shift))}  # 11 or 19 of 24 digits are gone

    result = crosscheck.check(lambda x: x * x, careless, {"x": x}, lambda x: x * x)
    assert result.verdict == verdict
    assert [d.kind for d in result.gradients["x"].diagnoses] == ["precision"] * (verdict == "disagree")


@pytest.mark.parametrize(("shift", "verdict"), [(2.0**12, "agree"), (2.0**30, "agree"), (2.0**45, "disagree")])
def test_float64_code_that_keeps_less_than_a_third_of_its_digits_is_told_so(shift: float, verdict: str) -> None:
    """With more than a third it is a finding that does not fail: the formula is right."""
    x = 1 + np.random.default_rng(0).random((4, 5))

    def careless(grad_output: Array, x: Array) -> dict[str, Array]:
        return {"x": grad_output * ((2 * x + shift) - shift)}

    result = crosscheck.check(lambda x: x * x, careless, {"x": x}, lambda x: x * x)
    assert result.verdict == verdict, str(result)
    if verdict == "agree":
        assert [(f.kind, f.fails) for f in result.findings] == [("arithmetic", False)]
    else:
        (why,) = result.gradients["x"].diagnoses
        assert why.kind == "precision"
        assert "keeps 3 of 16 digits" in why.explanation


def test_a_softmax_that_is_all_but_one_is_not_accused() -> None:
    """p (g - Σ g p) has no digit where p is 1 but for 1e-17, and terms of 1; JAX's derivative of exp and a sum has."""

    def softmax(x: Array) -> Array:
        e = np.exp(x - x.max(1, keepdims=True))
        return e / e.sum(1, keepdims=True)

    def by_the_book(g: Array, x: Array) -> dict[str, Array]:
        p = softmax(x)
        return {"x": p * (g - (g * p).sum(1, keepdims=True))}

    x = np.array([[40.0, 0.0, 1.0], [-60.0, 31.0, 70.0]])
    assert crosscheck.check(softmax, by_the_book, {"x": x}).verdict != "disagree"
    assert crosscheck.check(softmax, lambda g, x: {"x": g * softmax(x)}, {"x": x}, diagnose=False).verdict == "disagree"


# ---------------------------------------------------------------------- what may be left out


def test_witnesses_exact_points_and_reasons_can_be_left_out(inputs: dict[str, Array]) -> None:
    def negated(grad_output: Array, x: Array, w: Array) -> dict[str, Array]:
        return {k: -g for k, g in backward(grad_output, x, w).items()}

    operation = from_functions(forward, negated, inputs, reference)
    result = judge(operation, differences=False, exact=False, diagnose=False)
    assert result.verdict == "disagree"
    assert not any(g.diagnoses for g in result.gradients.values())
    assert not any(DIFFERENCE in g.estimates for g in result.gradients.values())
    assert "not asked for" in result.not_exact


def test_a_forward_that_warns_of_an_overflow_is_no_news() -> None:
    def overflowing(x: Array) -> Array:
        warnings.warn("overflow", RuntimeWarning, stacklevel=1)
        return np.exp(x * x * 5)

    x = np.array([0.1, 0.5, 1.0])
    result = crosscheck.check(
        overflowing, lambda grad_output, x: {"x": grad_output * 10 * x * overflowing(x)}, {"x": x}
    )
    assert result


def test_jitted_references_with_other_weights_are_other_programs() -> None:
    x = np.random.default_rng(0).normal(size=(3, 4))
    for seed in range(2):
        w = np.random.default_rng(seed).normal(size=(4, 2))
        result = crosscheck.check(
            lambda x, w=w: np.tanh(x @ w),
            lambda g, x, w=w: {"x": (g * (1 - np.tanh(x @ w) ** 2)) @ w.T},
            {"x": x},
            jax.jit(lambda x, w=w: jnp.tanh(x @ w)),
        )
        assert result, str(result)


def test_nothing_checked_is_nothing_said() -> None:
    square, slope = lambda x: x * x, lambda grad_output, x: {"x": 2 * grad_output * x}
    x = np.random.default_rng(0).normal(size=(3, 4))
    assert crosscheck.check(square, slope, {"x": x}, square)
    empty = crosscheck.check(square, slope, {"x": x[:0]}, square)
    assert empty.verdict == "undecided"
    assert "has no entries" in str(empty.gradients["x"].remarks)
    zero = np.zeros(x.shape)
    still = crosscheck.check(lambda x: np.exp(x), lambda g, x: {"x": g * np.exp(x)}, {"x": x}, grad_output=zero)
    assert still.verdict == "undecided"
    assert "cotangent is zero" in str(still.gradients["x"].remarks)


def test_a_gradient_that_is_zero_wherever_one_looks() -> None:
    negative = -np.abs(np.random.default_rng(0).normal(size=(3, 4)))
    dead = crosscheck.check(
        lambda x: np.maximum(x, 0), lambda grad_output, x: {"x": 0 * x}, {"x": negative}, lambda x: jnp.maximum(x, 0)
    )
    assert dead.verdict != "agree"
    # Where the trace shows that nothing can arrive, zero is right.
    assert crosscheck.check(
        lambda x: np.floor(x), lambda grad_output, x: {"x": 0 * x}, {"x": negative}, lambda x: jnp.floor(x)
    )


def test_the_whole_gradient_to_each_of_several_maxima_is_no_convention() -> None:
    x = np.array([[1.0, 1.0, 0.0], [2.0, 1.0, 0.0]])

    def tied(share: bool) -> Any:
        def backward(grad_output: Array, x: Array) -> dict[str, Array]:
            top = (x == x.max(1, keepdims=True)).astype(float)
            return {"x": grad_output[:, None] * (top / top.sum(1, keepdims=True) if share else top)}

        return crosscheck.check(lambda x: x.max(1), backward, {"x": x})

    assert tied(share=True)
    found = tied(share=False)
    assert found.verdict == "disagree"
    assert "several equal maxima" in str(found.gradients["x"].remarks)


def test_two_functions_have_two_gradients() -> None:
    x, b = np.random.default_rng(0).normal(size=(3, 4)), np.random.default_rng(1).normal(size=4)
    reference = lambda x, b: jnp.sin(x) + b  # noqa: E731

    def backward(factor: float) -> Any:
        return lambda grad_output, x, b: {"x": grad_output * np.cos(x), "b": factor * grad_output.sum(0)}

    own = crosscheck.check(lambda x, b: np.sin(x) + 3 * b, backward(3.0), {"x": x, "b": b}, reference)
    assert own.verdict == "disagree"
    assert "right for its own forward" in own.gradients["b"].diagnoses[0].explanation
    assert not any("odd one out" in f.explanation for f in own.findings)
    others = crosscheck.check(lambda x, b: np.sin(x) + 3 * b, backward(1.0), {"x": x, "b": b}, reference)
    assert others.verdict == "disagree"
    assert "mend the forward" in others.gradients["b"].diagnoses[0].explanation


def test_of_several_gradients_of_the_wrong_shape_each_has_its_own_reason(inputs: dict[str, Array]) -> None:
    def shapeless(g: Array, x: Array, w: Array) -> dict[str, Array]:
        return {"x": (g @ w.T)[0:0], "w": (x.T @ g)[None]}

    result = crosscheck.check(lambda x, w: x @ w, shapeless, inputs)
    for name, shape in (("x", "(0, 3)"), ("w", "(1, 3, 2)")):
        (reason,) = result.gradients[name].diagnoses
        assert reason.explanation.startswith(f"the gradient of {name} has shape {shape}")
        assert reason.evidence["expected"] == list(inputs[name].shape)
