"""Forward mode by hand: every input's tangent alone, all at once, entry by entry of the output."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import crosscheck

pytestmark = pytest.mark.proof

Array = np.ndarray
ALL = "all inputs at once"


def function(xp: Any) -> Callable[..., Any]:
    def forward(x: Any, p: Any, n: int) -> Any:
        return xp.tanh(x @ p["w"] + p["b"]), {"norm": xp.sum(x * x) * n}

    return forward


forward, reference = function(np), function(jnp)


def tangent(tangents: Any, x: Array, p: Any, n: int) -> Any:
    assert tangents["n"] is None
    assert type(n) is int
    dx, dp = tangents["x"], tangents["p"]
    y = np.tanh(x @ p["w"] + p["b"])
    return (1 - y**2) * (dx @ p["w"] + x @ dp["w"] + dp["b"]), {"norm": 2 * np.sum(x * dx) * n}


def inputs(dtype: Any = np.float64) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    w, b = rng.normal(size=(3, 2)), rng.normal(size=2)
    return {"x": rng.normal(size=(4, 3)).astype(dtype), "p": {"w": w.astype(dtype), "b": b.astype(dtype)}, "n": 3}


@pytest.mark.parametrize(("given", "dtype"), [(reference, np.float64), (reference, np.float32), (None, np.float64)])
def test_a_right_tangent_agrees(given: Any, dtype: Any) -> None:
    result = crosscheck.check_jvp(forward, tangent, inputs(dtype), given)
    assert result, result
    assert list(result.gradients) == ["x", "p.w", "p.b", ALL]
    assert result.gradients["x"].shape == (2, 9)


def dropped(tangents: Any, x: Array, p: Any, n: int) -> Any:
    return tangent({**tangents, "p": {**tangents["p"], "b": np.zeros(2)}}, x, p, n)


def scaled(tangents: Any, **values: Any) -> Any:
    y, rest = tangent(tangents, **values)
    y[2, 1] *= 1 + 1e-8
    return y, rest


def absolute(tangents: Any, **values: Any) -> Any:
    y, rest = tangent(tangents, **values)
    return np.abs(y), rest


def crossed(tangents: Any, **values: Any) -> Any:
    """A product of two tangents, which only moves when both do."""
    y, rest = tangent(tangents, **values)
    return y + 1e-6 * tangents["x"].sum() * tangents["p"]["b"], rest


def untaken(tangents: Any, **values: Any) -> Any:
    return tangent(tangents, **values)[0], {"norm": None}


WRONG: dict[str, tuple[Any, set[str]]] = {
    "the tangent of b dropped": (dropped, {"p.b", ALL}),
    "one entry scaled": (scaled, {"x", "p.w", "p.b", ALL}),
    "the absolute value": (absolute, {"x", "p.w", "p.b", ALL}),
    "tangents multiplied": (crossed, {ALL}),
    "None for an output that moves": (untaken, {"x", ALL}),
    "another sample's tangent": (lambda t, **v: tangent({**t, "x": t["x"][::-1]}, **v), {"x", ALL}),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_tangent_is_named_by_input(name: str) -> None:
    mistaken, wrong = WRONG[name]
    given = None if mistaken is dropped else reference
    result = crosscheck.check_jvp(forward, mistaken, inputs(), given, diagnose=mistaken is dropped)
    assert result.verdict == "disagree"
    assert {k for k, g in result.gradients.items() if g.verdict == "disagree"} == wrong
    if mistaken is dropped:
        assert "the tangent along p.b is zero everywhere" in str(result)
    if mistaken is scaled:
        assert np.argwhere(result.gradients["x"].mismatched)[:, 1].tolist() in ([5], [5, 5])


def test_of_many_outputs_neighbours_share_a_step() -> None:
    rng = np.random.default_rng(0)
    given = {"x": rng.normal(size=(10, 3)), "w": rng.normal(size=(3, 9))}

    def product(x: Any, w: Any) -> Any:
        return (x @ w) ** 2

    def right(t: Any, x: Array, w: Array) -> Array:
        return 2 * (x @ w) * (t["x"] @ w + x @ t["w"])

    def wrong(t: Any, x: Array, w: Array) -> Array:
        found = right(t, x, w)
        found[7, 3] *= 1 + 1e-6
        return found

    result = crosscheck.check_jvp(product, right, given, product)
    assert result, result
    assert result.gradients["x"].shape == (2, 8)
    result = crosscheck.check_jvp(product, wrong, given, product, diagnose=False)
    assert set(np.argwhere(result.gradients["x"].mismatched)[:, 1]) == {(7 * 9 + 3) * 8 // 90}


def test_numbers_complex_numbers_and_empty_leaves() -> None:
    assert crosscheck.check_jvp(lambda x: x**3, lambda t, x: 3 * x**2 * t["x"], {"x": 0.75}, lambda x: x**3)
    assert not crosscheck.check_jvp(lambda x: x**3, lambda t, x: 3 * x * t["x"], {"x": 0.75}, diagnose=False)

    def turn(z: Any, e: Any) -> Any:
        return z * z.conj() * z

    def moved(t: Any, z: Array, e: Any) -> Array:
        return 2 * np.abs(z) ** 2 * t["z"] + z**2 * np.conj(t["z"])

    given = {"z": np.array([1 - 0.5j, 0.25 + 2j]), "e": (np.zeros((0, 2)),)}
    assert crosscheck.check_jvp(turn, moved, given, turn)
    holomorphic = lambda t, z, e: 3 * np.abs(z) ** 2 * t["z"]  # noqa: E731
    assert not crosscheck.check_jvp(turn, holomorphic, given, turn, diagnose=False)


def test_only_what_wrt_names_moves() -> None:
    result = crosscheck.check_jvp(forward, dropped, inputs(), reference, wrt=("x",))
    assert result, result
    assert list(result.gradients) == ["x"]


def test_what_does_not_fit_gets_a_sentence() -> None:
    x = {"x": np.array([0.5, -1.5])}
    with pytest.raises(ValueError, match=r"tangent returned shape \(1,\); forward returns \(2,\)"):
        crosscheck.check_jvp(lambda x: x * x, lambda t, x: t["x"][:1], x)
    with pytest.raises(TypeError, match="tangent returned None"):
        crosscheck.check_jvp(lambda x: x * x, lambda t, x: None, x)
    with pytest.raises(TypeError, match="tangent is a float; it must be a function"):
        crosscheck.check_jvp(lambda x: x * x, 1.0, x)  # type: ignore[reportArgumentType]
    with pytest.raises(ValueError, match=r"tangent returned no \[1\].norm"):
        crosscheck.check_jvp(forward, lambda t, **v: tangent(t, **v)[:1], inputs())


def test_without_a_reference_the_forward_is_recorded(rng: np.random.Generator) -> None:
    """Autodiff judges, the reason is sought in its steps, and one wrong tangent is not explained twice."""

    def tangent(t, x, w):
        return (t["x"] @ w + x @ t["w"]) * (1 + np.tanh(x @ w) ** 2)  # 1 - y² was meant

    point = {"x": rng.normal(size=(2, 3)), "w": rng.normal(size=(3, 2))}
    result = crosscheck.check_jvp(lambda x, w: np.tanh(x @ w), tangent, point)
    page = " ".join(str(result).split())
    assert "reference recorded from the forward" in page
    assert "autodiff" in page
    assert "derivative of tanh" in result.gradients["x"].diagnoses[0].explanation
    assert "because that of x and w is" in result.gradients["all inputs at once"].diagnoses[0].explanation
