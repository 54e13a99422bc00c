"""Infinite masks, and entries that never move."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from crosscheck import check

Array = np.ndarray
RNG = np.random.default_rng(0)
CAUSAL = np.where(np.tri(4, dtype=bool), 0.0, -np.inf)


def attention(q: Array, k: Array, mask: Array) -> Array:
    z = q @ k.T + mask
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def backward(g: Array, q: Array, k: Array, mask: Array, factor: float = 1.0) -> dict[str, Array]:
    p = attention(q, k, mask)
    dz = p * (g - (g * p).sum(1, keepdims=True))
    return {"q": dz @ k, "k": factor * (dz.T @ q)}


def in_jax(q: Any, k: Any, mask: Any) -> Any:
    return jax.nn.softmax(q @ k.T + mask, axis=1)


def inputs() -> dict[str, Array]:
    rng = np.random.default_rng(1)
    return {"q": rng.normal(size=(4, 3)), "k": rng.normal(size=(4, 3)), "mask": CAUSAL}


@pytest.mark.parametrize("reference", [in_jax, None])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_mask_may_be_infinite(reference: Any, dtype: Any) -> None:
    given = {k: a.astype(dtype) for k, a in inputs().items()}
    result = check(attention, backward, given, reference, wrt=("q", "k"))
    assert result.passed, str(result)


@pytest.mark.parametrize("reference", [in_jax, None])
@pytest.mark.parametrize("factor", [1.003, -1.0])
def test_a_mistake_beside_it_is_found(reference: Any, factor: float) -> None:
    def wrong(g: Array, q: Array, k: Array, mask: Array) -> dict[str, Array]:
        return backward(g, q, k, mask, factor)

    result = check(attention, wrong, inputs(), reference, wrt=("q", "k"))
    assert {k: g.verdict for k, g in result.gradients.items()} == {"q": "agree", "k": "disagree"}


def logsumexp(a: Array) -> Array:
    most = a.max(1, keepdims=True)
    return (most + np.log(np.exp(a - most).sum(1, keepdims=True)))[:, 0]


def softmax(g: Array, a: Array) -> dict[str, Array]:
    return {"a": g[:, None] * np.exp(a - logsumexp(a)[:, None])}


def logs() -> tuple[Array, Array]:
    a = np.log(np.array([[0.2, 0.0, 0.5, 0.3], [0.6, 0.1, 0.0, 0.3]]), where=True)
    return a, np.isinf(a)


@pytest.mark.filterwarnings("ignore:divide by zero")
@pytest.mark.parametrize("reference", [lambda a: jax.nn.logsumexp(a, axis=1), None])
def test_the_log_of_a_zero_is_held(reference: Any) -> None:
    a, zero = logs()
    result = check(logsumexp, softmax, {"a": a}, reference, fixed={"a": zero})
    assert result.passed, str(result)

    def wrong(g: Array, a: Array) -> dict[str, Array]:
        return {"a": softmax(g, a)["a"] * np.array([1.0, 1.0, 1.0, 1.01])}

    found = check(logsumexp, wrong, {"a": a}, reference, fixed={"a": zero}, diagnose=False)
    assert found.verdict == "disagree"
    assert (found.gradients["a"].mismatched.nonzero()[1] == 3).all()


@pytest.mark.filterwarnings("ignore:divide by zero")
def test_what_is_said_where_it_is_held_does_not_count() -> None:
    a, zero = logs()

    def backward(g: Array, a: Array) -> dict[str, Array]:
        return {"a": np.where(zero, np.nan, softmax(g, a)["a"])}

    assert check(logsumexp, backward, {"a": a}, fixed={"a": zero}).passed


def test_held_entries_are_what_the_code_gets() -> None:
    x, where, seen = RNG.normal(size=5), np.arange(5) == 2, set()

    def forward(x: Array) -> Array:
        seen.add(float(np.asarray(x)[2]))
        return np.sin(x)

    assert check(forward, lambda g, x: {"x": g * np.cos(x)}, {"x": x}, jnp.sin, fixed={"x": where}).passed
    assert seen == {float(x[2])}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, r"input mask is -inf at \(0, 1\), where nothing can be moved"),
        ({"wrt": ("q", "k"), "fixed": {"mask": CAUSAL < 0}}, "fixed names 'mask', which is not differentiated"),
        ({"fixed": {"mask": np.ones((4, 4), bool)}}, "fixed holds all of mask"),
        ({"wrt": ("q", "k"), "fixed": {"q": np.ones(3, bool)}}, r"fixed of q has shape \(3,\)"),
    ],
)
def test_what_cannot_be_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check(attention, backward, inputs(), in_jax, **change)


def test_nan_is_never_differentiated() -> None:
    x = np.array([1.0, np.nan])
    with pytest.raises(ValueError, match="input x is nan at"):
        check(np.sin, lambda g, x: {"x": g}, {"x": x}, fixed={"x": np.isnan(x)})
    with pytest.raises(TypeError, match="must be a boolean array"):
        check(np.sin, lambda g, x: {"x": g}, {"x": np.ones(2)}, fixed={"x": np.ones(2)})
