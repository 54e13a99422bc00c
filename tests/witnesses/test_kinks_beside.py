"""Entries beside a kink and on none: nearer than a difference comes, farther than rounding reaches."""

import warnings
from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
import pytest

import crosscheck
from crosscheck.evidence.estimate import AUTODIFF, Estimate
from crosscheck.witnesses.jumps import off_kinks

Array = np.ndarray
Gradients = dict[str, Array]


def said(
    forward: Callable[..., Array],
    backward: Callable[..., Gradients],
    inputs: Gradients,
    reference: Callable[..., object] | None,
    grad_output: Array | None = None,
) -> str:
    v = (
        grad_output
        if grad_output is not None
        else np.cos(np.arange(np.asarray(forward(**inputs)).size)).reshape(np.shape(forward(**inputs)))
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = crosscheck.check(forward, backward, inputs, reference, grad_output=v, diagnose=False)
        assert str(result)
        assert result.full()
    return result.verdict


# ---------------------------------------------------------------------- max(a, b) beside a tie


def larger(a: Array, b: Array) -> Array:
    return np.maximum(a, b)


def of_larger(share: float) -> Callable[..., Gradients]:
    def backward(grad_output: Array, a: Array, b: Array) -> Gradients:
        to_a = np.where(a == b, share, (a > b) * 1.0)
        return {"a": grad_output * to_a, "b": grad_output * np.where(a == b, 1 - share, (b > a) * 1.0)}

    return backward


BESIDE = {
    "zero beside 1e-78": (np.array([0.0, 3.0]), np.array([-9.3e-78, 1e40])),
    "ninety last places apart": (np.array([0.9999999999998542, 3.0]), np.array([0.9999999999998338, 4.0])),
    "huge, and one in 10¹³ apart": (np.array([3.8616536891328470e39, 2.0]), np.array([3.8616536891324614e39, 3.0])),
}


@pytest.mark.parametrize("given", [False, True], ids=["recorded", "given"])
@pytest.mark.parametrize("point", BESIDE)
def test_a_mistake_beside_a_tie_is_no_convention(point: str, given: bool) -> None:
    x, least = BESIDE[point]

    def verdict(slip: float) -> str:
        def backward(grad_output: Array, x: Array) -> Gradients:
            return {"x": grad_output * np.where(np.isclose(x, least, rtol=1e-12), slip, x > least)}

        reference = (lambda x: jnp.maximum(x, least)) if given else None
        return said(lambda x: np.maximum(x, least), backward, {"x": x}, reference)

    assert verdict(0.5) == "disagree", "half of the gradient where two numbers are only close"
    assert verdict(1.0) != "disagree"


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("tie", [0.0, 9.3e-78, 1.0, 1e60])
def test_a_convention_at_the_tie_itself_stays_one(share: float, tie: float) -> None:
    inputs = {"a": np.array([tie, 3.0, 1e-20]), "b": np.array([tie, 4.0, -2.0])}
    assert said(larger, of_larger(share), inputs, lambda a, b: jnp.maximum(a, b)) != "disagree"


@pytest.mark.parametrize("last", [False, True])
def test_any_of_several_equal_numbers_may_be_the_median(last: bool) -> None:
    def backward(grad_output: Array, x: Array) -> Gradients:
        order = len(x) - 1 - np.argsort(x[::-1], kind="stable") if last else np.argsort(x, kind="stable")
        grad = np.zeros(x.shape)
        grad[order[len(x) // 2]] = grad_output
        return {"x": grad}

    x = np.array([0.7, 0.7, 0.7, 0.7, 0.7, 2.0, -1.0])
    assert said(lambda x: np.asarray(np.median(x)), backward, {"x": x}, lambda x: jnp.median(x)) != "disagree"


def test_a_kink_that_rounding_hides_is_not_ruled_out() -> None:
    """|(x + 10⁹) - 10⁹| is flat about 0: the slope that JAX takes there is a convention, though nothing moves it."""
    inputs = {"x": np.array([0.0, 1.0, -2.0])}

    def backward(grad_output: Array, x: Array) -> Gradients:
        return {"x": grad_output * np.where(x == 0, 0.4, np.sign(x))}

    assert said(lambda x: np.abs((x + 1e9) - 1e9), backward, inputs, lambda x: jnp.abs((x + 1e9) - 1e9)) != "disagree"


def test_off_kinks_tells_entries_apart() -> None:
    x, here = np.array([0.0, 1e-13, 5.0]), np.array([0.0, 1.0, 1.0])

    def truth(inputs: Gradients) -> Array:
        return np.sign(inputs["x"])

    def says(inputs: Gradients) -> Estimate:
        return Estimate(AUTODIFF, truth(inputs), np.zeros(3), excuse=np.array([0.0, 0.0, 1.0]))

    found = off_kinks(says, truth, {"x": x}, ("x",), here, np.ones(3), np.ones(3, bool))
    assert found.tolist() == [False, True, False], "the last one has a decision within rounding"


# ---------------------------------------------------------------------- what is added to a huge number


def pinball(y: Array, q: Array) -> Array:
    return np.maximum(0.3 * (y - q), -0.7 * (y - q))


def of_pinball(grad_output: Array, y: Array, q: Array) -> Gradients:
    slope = np.where(y > q, 0.3, np.where(y == q, 0.3, -0.7))
    return {"y": grad_output * slope, "q": -grad_output * slope}


def test_an_output_that_swallows_what_moves_refutes_nothing() -> None:
    inputs = {"y": np.array([-1.4e40, 0.0, 3.3e39, -0.16]), "q": np.array([-1.27, 0.0, -0.15, 0.0])}
    reference = lambda y, q: jnp.maximum(0.3 * (y - q), -0.7 * (y - q))  # noqa: E731
    assert said(pinball, of_pinball, inputs, reference) != "disagree"


def test_near_an_ordinary_entry_is_not_what_is_near_beside_a_huge_one() -> None:
    x = np.array([-1.3e40, -1.1, 0.0, 0.7])

    def backward(grad_output: Array, x: Array) -> Gradients:
        return {"x": grad_output * np.sign(x) / np.cosh(np.clip(x, -300, 300)) ** 2}

    assert said(lambda x: np.tanh(np.abs(x)), backward, {"x": x}, None) != "disagree"


def test_two_full_shares_of_a_tie_beside_huge_numbers_are_none() -> None:
    """The noise of what hangs on other entries hides nothing here."""
    inputs = {"a": np.array([0.0, -4.4e59, 5.1e59, -1.4e59, 0.0]), "b": np.array([0.0, 1.9e59, 0.0, 0.0, 0.0])}

    def backward(grad_output: Array, a: Array, b: Array) -> Gradients:
        return {"a": grad_output * (a >= b), "b": grad_output * (b >= a)}

    assert said(larger, backward, inputs, None) == "disagree"


@pytest.mark.parametrize("reference", [None, lambda x: jnp.log(1 + jnp.abs(x))], ids=["recorded", "given"])
def test_what_is_flat_by_rounding_beside_the_point_refutes_nothing(reference: Callable[..., object] | None) -> None:
    """log(1 + |x|) at 1e-80 is 0, and rounds nothing at 0 itself."""
    x = np.array([0.0, 6e-81, -3.7e-82, 0.0, 0.0, 3.1e-81])

    def backward(grad_output: Array, x: Array) -> Gradients:
        return {"x": grad_output * np.where(x > 0, 1.0, -1.0) / (1 + np.abs(x))}

    assert said(lambda x: np.log(1 + np.abs(x)), backward, {"x": x}, reference) != "disagree"


@pytest.mark.parametrize("last", [False, True])
def test_near_beside_an_offset_is_asked_nearer_by(last: bool) -> None:
    """Seconds since 1970 or so: what is small to 10⁹ is large to their differences."""
    x = 1e9 + np.array([0.0, -1.0, 0.0, 3.0, -1.0, 1.0])

    def forward(x: Array) -> Array:
        return (x - x.min()) / (x.max() - x.min())

    def backward(grad_output: Array, x: Array) -> Gradients:
        i = len(x) - 1 - np.argmin(x[::-1]) if last else np.argmin(x)
        j, y, width = np.argmax(x), forward(x), x.max() - x.min()
        grad = grad_output / width
        grad[i] -= np.sum(grad_output * (1 - y)) / width
        grad[j] -= np.sum(grad_output * y) / width
        return {"x": grad}

    reference = lambda x: (x - x.min()) / (x.max() - x.min())  # noqa: E731
    v = np.array([-1.34, 0.886, 0.0597, 0.5345, 0.925, -0.1016])
    assert said(forward, backward, {"x": x}, reference, v) != "disagree"
