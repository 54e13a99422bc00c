"""Functions defined by an equation: a fixed point, and a root.

z = tanh(W z + x)              u = ȳ + Jᵀ u,  J = diag(1 - z²) W;   x̄ = (1 - z²) u,   W̄ = x̄ zᵀ
E - e sin E = M (Kepler)       M̄ = ȳ / (1 - e cos E),   ē = ȳ sin E / (1 - e cos E)
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tests.beyond.planted import Array, Arrays, Rng, Slip, Subject, of_size

TURNS = 27  # each brings the fixed point below a quarter of its distance: 0.25^27 = 6e-17


def draw_fixed_point(rng: Rng, size: int) -> Arrays:
    b, n = of_size(size, (3, 2), (4, 3))
    w = rng.normal(size=(n, n))
    return {"x": rng.normal(size=(b, n)), "w": 0.25 * w / np.linalg.norm(w, 2)}


def fixed_point(x: Array, w: Array) -> Array:
    z = np.zeros_like(x)
    for _ in range(TURNS):
        z = np.tanh(z @ w + x)
    return z


def fixed_point_backward(g: Array, slip: str, x: Array, w: Array) -> Arrays:
    z = fixed_point(x, w)
    slope = 1 - z * z
    out = {"x": np.zeros_like(x), "w": np.zeros_like(w)}
    for b in range(len(x)):
        j = slope[b][:, None] * w.T  # ∂(next z)/∂z
        system = np.eye(len(w)) - (j if slip == "J not transposed" else j.T)
        if slip == "the sign of J":
            system = np.eye(len(w)) + j.T
        u = g[b] if slip == "the last turn only" else np.linalg.solve(system, g[b])
        grad = u if slip == "tanh's derivative left out" else slope[b] * u
        out["x"][b] = grad
        out["w"] += np.outer(z[b], grad)
    return out


def fixed_point_reference(x: Any, w: Any) -> jax.Array:
    def turn(z: Any, _: Any) -> Any:
        return jnp.tanh(z @ w + x), None

    return jax.lax.scan(turn, jnp.zeros_like(x), None, length=TURNS)[0]


def draw_kepler(rng: Rng, size: int) -> Arrays:
    n = (4, 6)[size]
    return {"m": rng.uniform(0.5, 2.5, n), "e": rng.uniform(0.1, 0.6, n)}


def kepler(m: Array, e: Array) -> Array:
    anomaly = m + 0
    for _ in range(30):
        anomaly = anomaly - (anomaly - e * np.sin(anomaly) - m) / (1 - e * np.cos(anomaly))
    return anomaly


def kepler_backward(g: Array, slip: str, m: Array, e: Array) -> Arrays:
    anomaly = kepler(m, e)
    sign = 1 if slip == "the sign of e cos E" else -1
    slope = 1 if slip == "the slope left out" else 1 + sign * e * np.cos(anomaly)
    numerator = np.sin(m if slip == "e's gradient at M" else anomaly)
    if slip == "e's sign":
        numerator = -numerator
    return {"m": g / slope, "e": g * numerator / slope}


def kepler_reference(m: Any, e: Any) -> jax.Array:
    def residual(anomaly: Any) -> Any:
        return anomaly - e * jnp.sin(anomaly) - m

    def newton(f: Any, start: Any) -> Any:
        def turn(_: int, anomaly: Any) -> Any:
            slope = jax.jvp(f, (anomaly,), (jnp.ones_like(anomaly),))[1]
            return anomaly - f(anomaly) / slope

        return jax.lax.fori_loop(0, 8, turn, start)  # the error squares in each turn

    def tangent(linear: Any, y: Any) -> Any:
        return y / linear(jnp.ones_like(y))

    return jax.lax.custom_root(residual, m, newton, tangent)


SUBJECTS = (
    Subject(
        "fixed point",
        draw_fixed_point,
        fixed_point,
        fixed_point_backward,
        fixed_point_reference,
        (
            Slip("the last turn only", "missing-terms", ("turn", "z @ w")),
            Slip("the sign of J", "sign", ("sign",)),
            Slip("J not transposed", "transposed", ("transposed",)),
            Slip("tanh's derivative left out", "missing-terms wrong-factor", ("derivative",)),
        ),
    ),
    Subject(
        "Kepler's equation",
        draw_kepler,
        kepler,
        kepler_backward,
        kepler_reference,
        (
            Slip("the slope left out", "missing-terms wrong-operand wrong-factor", ("slope", "e left out")),
            Slip("the sign of e cos E", "sign", ("sign",)),
            Slip("e's gradient at M", "wrong-operand wrong-factor", ("reads m",)),
            Slip("e's sign", "sign", ("sign",)),
        ),
    ),
)
