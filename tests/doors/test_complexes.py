"""Complex inputs and outputs: by either convention, and "conjugated" where it is the other one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import crosscheck

Array = np.ndarray


def refused(call: Callable[[], Any], kind: type[Exception], *words: str) -> None:
    with pytest.raises(kind) as caught:
        call()
    assert all(word in str(caught.value) for word in words), caught.value


def forward(z: Any, w: Any, x: Any) -> Any:
    u = z @ w
    return np.conj(u) * u * u + x, np.abs(u) ** 2


def reference(z: Any, w: Any, x: Any) -> Any:
    u = z @ w
    return jnp.conj(u) * u * u + x, jnp.abs(u) ** 2


def backward(grad_output: Any, z: Any, w: Any, x: Any) -> dict[str, Any]:
    """As PyTorch has it: with g = ∂L/∂a + i ∂L/∂b, dL = Re(ḡ du)."""
    g, h = grad_output
    u = z @ w
    g_u = 2 * np.abs(u) ** 2 * g + u**2 * np.conj(g) + 2 * h * u
    return {"z": g_u @ np.conj(w).T, "w": np.conj(z).T @ g_u, "x": g.real.sum()}


def changed(arriving: bool, returned: bool) -> Any:
    def back(grad_output: Any, **values: Any) -> dict[str, Any]:
        g, h = grad_output
        found = backward((np.conj(g) if arriving else g, h), **values)
        return {k: np.conj(a) if returned else a for k, a in found.items()}

    return back


def inputs(dtype: Any = np.complex128) -> dict[str, Any]:
    rng = np.random.default_rng(0)

    def draw(*shape: int) -> Array:
        return (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(dtype)

    return {"z": draw(4, 3), "w": draw(3, 2), "x": np.array(0.75, np.real(draw()).dtype)}


@pytest.mark.parametrize(
    ("given", "convention", "arriving", "returned"),
    [
        *((reference, "pytorch", arriving, returned) for arriving in (False, True) for returned in (False, True)),
        *((None, "jax", same, same) for same in (False, True)),
    ],
)
def test_each_convention_and_what_is_conjugated(given: Any, convention: str, arriving: bool, returned: bool) -> None:
    result = crosscheck.check(forward, changed(arriving, returned), inputs(), given, convention=convention)
    right = (arriving, returned) == ((False, False) if convention == "pytorch" else (True, True))
    assert result.passed == right
    assert list(result.gradients) == ["z.real", "z.imag", "w.real", "w.imag", "x"]
    if right:
        return
    said = result.gradients["z.imag"].diagnoses[0]
    assert said.kind == "conjugated"
    other = {"pytorch": "jax", "jax": "pytorch"}[convention]
    assert (f'the other convention, "{other}"' in said.explanation) == (arriving == returned)
    assert ("takes the cotangent" in said.explanation) == (arriving != (convention == "jax") and arriving != returned)


def test_jax_says_what_jax_says() -> None:
    def back(grad_output: Any, z: Any, w: Any, x: Any) -> dict[str, Any]:
        def run(z: Any, w: Any, x: Any) -> Any:
            return reference(z, w, x)

        with jax.enable_x64(True):
            pull = jax.vjp(run, *(jnp.asarray(a) for a in (z, w, x)))[1]
            found = pull(tuple(jnp.asarray(g) for g in grad_output))
        return {k: np.array(a) for k, a in zip("zwx", found, strict=True)}

    assert crosscheck.check(forward, back, inputs(), reference, convention="jax")
    assert not crosscheck.check(forward, back, inputs(), reference, convention="pytorch", diagnose=False)


def test_single_precision_and_a_plain_number() -> None:
    given = {**inputs(np.complex64), "x": np.float32(0.75)}
    result = crosscheck.check(forward, backward, given, reference, convention="pytorch")
    assert result, result
    assert result.dtype == np.float32
    seen: set[type] = set()

    def turn(c: Any, x: Any) -> Any:
        seen.add(type(c))
        return c * x

    def back(grad_output: Any, c: Any, x: Any) -> dict[str, Any]:
        return {"c": (grad_output * x).sum(), "x": (np.conj(c) * grad_output).real}

    assert crosscheck.check(turn, back, {"c": 0.5 - 2j, "x": np.array([1.5, -0.5])}, turn, convention="pytorch")
    assert complex in seen
    assert np.ndarray not in seen


def test_a_real_output_of_a_complex_input_and_a_complex_output_of_a_real_one() -> None:
    def power(z: Any) -> Any:
        return (z.real**2 + z.imag**2).sum()

    given = {"z": np.array([1 + 2j, -0.5 + 0.25j])}
    assert crosscheck.check(power, lambda g, z: {"z": 2 * g * z}, given, power, convention="pytorch")
    assert crosscheck.check(power, lambda g, z: {"z": 2 * g * np.conj(z)}, given, power, convention="jax")
    assert not crosscheck.check(power, lambda g, z: {"z": 2 * g * z.real}, given, power, convention="jax")

    def wave(x: Any) -> Any:
        return (jnp if isinstance(x, jax.Array) else np).exp(1j * x)

    def back(g: Any, x: Any) -> dict[str, Any]:
        return {"x": (np.conj(1j * np.exp(1j * x)) * g).real}

    real = {"x": np.array([0.3, -1.5, 2.0])}
    assert crosscheck.check(wave, back, real, wave, convention="pytorch")
    result = crosscheck.check(wave, back, real, wave, convention="jax")
    assert result.gradients["x"].diagnoses[0].kind == "conjugated"


def test_one_wrong_half_is_not_called_conjugated() -> None:
    def mistaken(grad_output: Any, **values: Any) -> dict[str, Any]:
        found = backward(grad_output, **values)
        found["z"][1, 2] += 1e-6j
        return found

    result = crosscheck.check(forward, mistaken, inputs(), reference, convention="pytorch")
    assert [k for k, g in result.gradients.items() if g.verdict == "disagree"] == ["z.imag"]
    assert result.gradients["z.imag"].worst_index == (1, 2)
    assert all(d.kind != "conjugated" for d in result.gradients["z.imag"].diagnoses)


def test_the_convention_is_asked_for() -> None:
    refused(lambda: crosscheck.check(forward, backward, inputs()), ValueError, "z", "convention")
    real = {"x": np.ones(3)}
    refused(lambda: crosscheck.check(lambda x: 1j * x, lambda g, x: {}, real), ValueError, "output", "convention")
    refused(lambda: crosscheck.check(forward, backward, inputs(), convention="jx"), ValueError, "'jx'", "'pytorch'")
