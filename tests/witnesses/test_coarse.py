"""Code that computes in float32 inside is judged as float32, and its mistakes are found all the same."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from crosscheck import check
from crosscheck.doors.functions import from_functions
from crosscheck.evidence.estimate import AUTODIFF, HAND
from crosscheck.operation import OUTPUT
from crosscheck.witnesses.coarse import by_dtype, by_steps, in_single, near_single, shaken

Array = np.ndarray
SINGLE = np.float32
NAMES = (OUTPUT, "x", "w")


def point(seed: int = 0, dtype: Any = np.float64, rows: int = 6) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    return {"x": rng.normal(size=(rows, 4)).astype(dtype), "w": 0.5 * rng.normal(size=(4, 3)).astype(dtype)}


def reference(x: Any, w: Any) -> Any:
    return jnp.tanh(x @ w)


class Tanh:
    """tanh(x w) with each of three places in float32, or none."""

    def __init__(self, inputs: bool = False, hidden: bool = False, last: bool = False, factor: float = 1.0) -> None:
        self.inputs, self.hidden, self.last, self.factor = inputs, hidden, last, factor

    def cast(self, a: Array, where: bool) -> Array:
        return a.astype(SINGLE) if where else a

    def forward(self, x: Array, w: Array) -> Array:
        y = np.tanh(self.cast(self.cast(x, self.inputs) @ self.cast(w, self.inputs), self.hidden))
        return self.cast(y, self.last).astype(np.float64)

    def backward(self, g: Array, x: Array, w: Array) -> dict[str, Array]:
        g, x, w = (self.cast(a, self.inputs) for a in (g, x, w))
        e = g * (1 - self.cast(np.tanh(x @ w), self.hidden) ** 2)
        found = {"x": e @ w.T, "w": self.factor * (x.T @ e)}
        return {k: self.cast(a, self.last).astype(np.float64) for k, a in found.items()}


KINDS = {"inputs": Tanh(inputs=True), "hidden": Tanh(hidden=True), "last": Tanh(last=True)}


@pytest.mark.parametrize("kind", KINDS)
def test_steps_of_float32_are_seen_wherever_they_come_from(kind: str) -> None:
    code = KINDS[kind]
    operation = in_single(from_functions(code.forward, code.backward, point()))
    v = near_single(np.random.default_rng(1).normal(size=(6, 3)))
    assert by_steps(operation, v, NAMES) == set(NAMES)
    assert not by_dtype(operation.gradients(v))


@pytest.mark.parametrize("factor", [1.0, 1 + 1e-7, 1.01, -1.0])
def test_float64_code_is_not_taken_for_float32_right_or_wrong(factor: float) -> None:
    code = Tanh(factor=factor)
    operation = from_functions(code.forward, code.backward, point())
    assert not by_steps(operation, np.random.default_rng(1).normal(size=(6, 3)), NAMES)


def test_one_that_rounds_badly_or_bends_sharply_is_not_float32() -> None:
    def forward(x: Array) -> Array:
        return (x - x.mean()) / np.sqrt(x.var())

    def backward(g: Array, x: Array) -> dict[str, Array]:
        h = forward(x)
        return {"x": (g - g.mean() - h * (g * h).mean()) / np.sqrt(x.var())}

    x = 1e4 + np.random.default_rng(0).normal(size=20)
    assert not by_steps(from_functions(forward, backward, {"x": x}), np.ones(20), (OUTPUT, "x"))


def test_a_part_alone_is_named() -> None:
    def backward(g: Array, x: Array, w: Array) -> dict[str, Array]:
        e = g * (1 - np.tanh(x @ w) ** 2)
        return {"x": e.astype(SINGLE) @ w.astype(SINGLE).T, "w": x.T @ e}

    result = check(Tanh().forward, backward, point(), reference)
    assert result.passed
    (said,) = [f.explanation for f in result.findings if f.kind == "float32-inside"]
    assert "the gradient of x;" in said


@pytest.mark.parametrize("given", [np.float32, np.float64])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("of_reference", [True, False])
def test_right_ones_agree_and_mistakes_do_not(kind: str, given: Any, of_reference: bool) -> None:
    code, inputs = KINDS[kind], point(dtype=given)
    right = check(code.forward, code.backward, inputs, reference if of_reference else None)
    assert right.passed, right
    assert any(f.kind == "float32-inside" for f in right.findings)
    code = Tanh(code.inputs, code.hidden, code.last, factor=1.003)
    wrong = check(code.forward, code.backward, inputs, reference if of_reference else None, diagnose=False)
    assert wrong.gradients["w"].verdict == "disagree"
    assert wrong.gradients["x"].verdict == "agree"


def test_a_mistake_above_the_printed_allowance_is_found() -> None:
    code, inputs = KINDS["inputs"], point()
    right = check(code.forward, code.backward, inputs, reference)
    pair = right.gradients["w"].pairs[HAND, AUTODIFF]
    for at in np.ndindex(4, 3):
        off = np.zeros((4, 3))
        off[at] = 3 * pair.bounds[at]

        def backward(g: Array, x: Array, w: Array, off: Array = off) -> dict[str, Array]:
            found = code.backward(g, x, w)
            return {**found, "w": found["w"] + off}

        assert check(code.forward, backward, inputs, reference, diagnose=False).verdict == "disagree", at


def test_jax_as_it_comes_agrees_with_its_reference() -> None:
    forward: Callable[..., Any] = jax.jit(reference)

    @jax.jit
    def backward(g: Any, x: Any, w: Any) -> dict[str, Any]:
        e = g * (1 - jnp.tanh(x @ w) ** 2)
        return {"x": e @ w.T, "w": x.T @ e}

    assert check(forward, backward, point(), reference).passed
    wrong = check(forward, lambda g, x, w: backward(1.003 * g, x, w), point(), reference, diagnose=False)
    assert wrong.verdict == "disagree"


def test_what_cancels_in_float32_is_settled_by_many_points() -> None:
    x = np.array([[3.3, -3.1, 2.7, -3.2]] * 2) * np.array([[1.0], [1.02]])

    def forward(x: Array) -> Array:
        return np.tanh(x.astype(SINGLE))

    def backward(g: Array, x: Array, factor: float = 1.0) -> dict[str, Array]:
        return {"x": SINGLE(factor) * g.astype(SINGLE) * (1 - forward(x) ** 2)}

    result = check(forward, backward, {"x": x}, jnp.tanh)
    assert result.passed, result
    wrong = check(forward, lambda g, x: backward(g, x, 1.01), {"x": x}, jnp.tanh, diagnose=False)
    assert wrong.verdict == "disagree"


def test_numbers_that_float32_does_not_have_stay() -> None:
    assert near_single(np.array([1e300, 0.1]))[1] == 0.1
    assert near_single(np.array([1e-60, 0.1]))[1] == 0.1
    assert near_single(np.array([0.0, 0.1]))[1] == float(SINGLE(0.1))


def test_shaken_is_an_ulp_of_float32_carried_through() -> None:
    code = KINDS["inputs"]
    operation = in_single(from_functions(code.forward, code.backward, point()))
    y = operation.output()
    size = shaken(operation, y)
    assert (size >= 2.0**-23 * np.abs(y)).all()
    assert (size <= 2.0**-19).all()


def test_one_summand_that_does_not_round_is_not_float32() -> None:
    """At steps of 2^-44 a product of few numbers may show no rounding at all, and a little at 2^-21."""
    for seed in range(60):
        rng = np.random.default_rng(seed)
        rows, inner, columns = rng.integers(1, 3, 3)
        inputs = {"x": rng.normal(size=(rows, inner)), "w": rng.normal(size=(inner, columns))}
        subject = from_functions(lambda x, w: x @ w, lambda g, x, w: {"x": g @ w.T, "w": x.T @ g}, inputs)
        assert not by_steps(subject, rng.normal(size=(rows, columns)), NAMES), seed
