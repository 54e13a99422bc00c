"""Elementwise functions of more than one step: GELU in its two variants, SiLU, and a gated pair.

GELU     x Φ(x), Φ the normal distribution; or ½ x (1 + tanh(√(2/π) (x + 0.044715 x³)))
SwiGLU   silu(x W) ⊙ (x V)
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy import special

from tests.beyond.planted import Array, Arrays, Rng, Slip, Subject, of_size, sigmoid

C, K = np.sqrt(2 / np.pi), 0.044715


def draw(rng: Rng, size: int) -> Arrays:
    return {"x": rng.normal(size=of_size(size, (3, 4), (5, 2))) * 1.5}


def exact(x: Array) -> Array:
    return 0.5 * x * special.erfc(-x / np.sqrt(2))


def exact_slope(x: Array) -> Array:
    return 0.5 * special.erfc(-x / np.sqrt(2)) + x * np.exp(-x * x / 2) / np.sqrt(2 * np.pi)


def by_tanh(x: Array) -> Array:
    return 0.5 * x * (1 + np.tanh(C * (x + K * x**3)))


def by_tanh_slope(x: Array, slip: str = "") -> Array:
    t = np.tanh(C * (x + K * x**3))
    inner = C * (1 + (1 if slip == "the cube's 3 left out" else 3) * K * x**2)
    if slip == "the cube's path left out":
        inner = C
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * inner


def exact_backward(g: Array, slip: str, x: Array) -> Arrays:
    if slip == "the derivative of the tanh variant":
        return {"x": g * by_tanh_slope(x)}
    if slip == "the density left out":
        return {"x": g * 0.5 * special.erfc(-x / np.sqrt(2))}
    if slip == "the derivative of x σ(1.702 x)":
        s = sigmoid(1.702 * x)
        return {"x": g * (s + 1.702 * x * s * (1 - s))}
    return {"x": g * exact_slope(x)}


def exact_reference(x: Any) -> jax.Array:
    return jax.nn.gelu(x, approximate=False)


def by_tanh_backward(g: Array, slip: str, x: Array) -> Arrays:
    return {"x": g * (exact_slope(x) if slip == "the exact derivative" else by_tanh_slope(x, slip))}


def by_tanh_reference(x: Any) -> jax.Array:
    inner = jnp.sqrt(2 / jnp.pi) * (x + 0.044715 * x**3)
    return 0.5 * x * (1 + jnp.tanh(inner))


def draw_pair(rng: Rng, size: int) -> Arrays:
    b, d, h = of_size(size, (3, 4), (4, 2), (5, 3))
    return {"x": rng.normal(size=(b, d)), "w": rng.normal(size=(d, h)), "v": rng.normal(size=(d, h))}


def swiglu(x: Array, w: Array, v: Array) -> Array:
    a = x @ w
    return a * sigmoid(a) * (x @ v)


def swiglu_backward(g: Array, slip: str, x: Array, w: Array, v: Array) -> Arrays:
    a, b = x @ w, x @ v
    s = sigmoid(a)
    slope = s * (1 + a * (1 - s))
    if slip == "the sigmoid for silu's derivative":
        slope = s
    if slip == "silu's derivative left out":
        slope = 1.0
    if slip == "the factor a forgotten":
        slope = s * (1 - s)
    grad_a, grad_b = g * b * slope, g * (a if slip == "the gate reads a" else a * s)
    grad_x = grad_a @ w.T
    if slip != "the linear half's gradient dropped":
        grad_x = grad_x + grad_b @ v.T
    return {"x": grad_x, "w": x.T @ grad_a, "v": x.T @ grad_b}


def swiglu_reference(x: Any, w: Any, v: Any) -> jax.Array:
    gate = jax.nn.silu(x @ w)
    return gate * (x @ v)


SUBJECTS = (
    Subject(
        "GELU, exact",
        draw,
        exact,
        exact_backward,
        exact_reference,
        (
            Slip("the derivative of the tanh variant", "wrong-derivative", ("tanh",)),
            Slip("the density left out", "missing-terms wrong-derivative", ("path", "without x φ(x)")),
            Slip("the derivative of x σ(1.702 x)", "wrong-derivative", ("1.702",)),
        ),
    ),
    Subject(
        "GELU by tanh",
        draw,
        by_tanh,
        by_tanh_backward,
        by_tanh_reference,
        (
            Slip("the exact derivative", "wrong-derivative", ("exact",)),
            Slip("the cube's 3 left out", "scaled wrong-derivative", ("3",)),
            Slip("the cube's path left out", "missing-terms", ("path",)),
        ),
    ),
    Subject(
        "SwiGLU",
        draw_pair,
        swiglu,
        swiglu_backward,
        swiglu_reference,
        (
            Slip("the sigmoid for silu's derivative", "missing-terms wrong-derivative", ("path", "to be σ(x)")),
            Slip("silu's derivative left out", "missing-terms", ("silu",)),
            Slip("the factor a forgotten", "missing-terms wrong-derivative", ("without its factor x",)),
            Slip("the gate reads a", "wrong-operand wrong-factor", ("reads",)),
            Slip("the linear half's gradient dropped", "missing-terms", ("path",)),
        ),
    ),
)
