"""Filters, images of points, and order: what is derived by hand outside of networks.

Kalman filter       m ← F m,  P ← F P Fᵀ + Q Qᵀ;  s = P₀₀ + r,  e = y - m₀,  k = P₀ / s;  m ← m + k e,
                    P ← P - k P₀ᵀ;  L = Σ ½ (e²/s + log s),   P₀ the first row of P
volume rendering    aₖ = 1 - exp(-σₖ δₖ),  Tₖ = Π_{j<k} (1 - aⱼ),  C = Σ Tₖ aₖ cₖ;   T̄ₖ reaches aⱼ of all j < k
pinhole camera      q = R p + t,  (q₀, q₁) / q₂
quantile            s = sort x,  (1 - w) s_k + w s_{k+1}        x̄ is written where the sorting took from
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tests.beyond.planted import Array, Arrays, Rng, Slip, Subject, of_size

# ---------------------------------------------------------------------- Kalman filter

VARIANCE = 0.3


def draw_kalman(rng: Rng, size: int) -> Arrays:
    n, steps = of_size(size, (2, 3), (5, 4))
    return {
        "f": np.eye(n) + 0.1 * rng.normal(size=(n, n)),
        "q": 0.4 * rng.normal(size=(n, n)),
        "y": rng.normal(size=steps),
    }


def filtered(f: Array, q: Array, y: Array) -> tuple[list[Any], Array]:
    m, p, kept, total = np.zeros(len(f)), np.eye(len(f)), [], 0.0
    for observed in y:
        m0, p0 = m, p
        m, p = f @ m, f @ p @ f.T + q @ q.T
        s, e = p[0, 0] + VARIANCE, observed - m[0]
        k = p[:, 0] / s
        kept.append((m0, p0, p, s, e, k))
        total += 0.5 * (e * e / s + np.log(s))
        m, p = m + k * e, p - np.outer(k, p[0])
    return kept, np.array(total)


def kalman(f: Array, q: Array, y: Array) -> Array:
    return filtered(f, q, y)[1]


def kalman_backward(g: Array, slip: str, f: Array, q: Array, y: Array) -> Arrays:
    grad_f, grad_q, grad_y = np.zeros_like(f), np.zeros_like(q), np.zeros_like(y)
    grad_m, grad_p = np.zeros(len(f)), np.zeros_like(f)
    for t, (m0, p0, p, s, e, k) in reversed(list(enumerate(filtered(f, q, y)[0]))):
        grad_k = grad_m * e - grad_p @ p[0]
        grad_e, grad_s = grad_m @ k + g * e / s, 0.5 * g * (1 / s - e * e / s**2)
        if slip == "the logarithm left out":
            grad_s = -0.5 * g * e * e / s**2
        if slip == "the gain taken as constant":
            grad_k = 0 * grad_k
        back = grad_p.copy()
        back[0] -= grad_p.T @ k
        back[:, 0] += grad_k / s
        grad_s = grad_s - grad_k @ p[:, 0] / s**2
        back[0, 0] += grad_s
        grad_m = grad_m.copy()
        grad_m[0] -= grad_e
        grad_y[t] = grad_e
        grad_q += back @ q if slip == "half of the square's derivative" else (back + back.T) @ q
        grad_f += np.outer(grad_m, m0) + back @ f @ p0.T + back.T @ f @ p0
        grad_m, grad_p = f.T @ grad_m, f.T @ back @ f
        if slip == "the covariance not carried back":
            grad_p = 0 * grad_p
    return {"f": grad_f, "q": grad_q, "y": grad_y}


def kalman_reference(f: Any, q: Any, y: Any) -> jax.Array:
    m, p, total = jnp.zeros(len(f)), jnp.eye(len(f)), jnp.zeros(())
    for t in range(len(y)):
        m, p = f @ m, f @ p @ f.T + q @ q.T
        s = p[0, 0] + VARIANCE
        e = y[t] - m[0]
        k = p[:, 0] / s
        total = total + 0.5 * (e * e / s + jnp.log(s))
        m, p = m + k * e, p - jnp.outer(k, p[0])
    return total


# ---------------------------------------------------------------------- volume rendering


def draw_volume(rng: Rng, size: int) -> Arrays:
    rays, points = of_size(size, (4, 3), (6, 5))
    return {
        "sigma": rng.uniform(0.1, 2, (rays, points)),
        "delta": rng.uniform(0.1, 0.5, (rays, points)),
        "colour": rng.uniform(0, 1, (rays, points, 3)),
    }


def rendered(sigma: Array, delta: Array) -> tuple[Array, Array]:
    opaque = 1 - np.exp(-sigma * delta)
    reaching = np.cumprod(1 - opaque, axis=1)
    return opaque, np.concatenate([np.ones((len(sigma), 1)), reaching[:, :-1]], axis=1)


def volume(sigma: Array, delta: Array, colour: Array) -> Array:
    opaque, reaching = rendered(sigma, delta)
    return ((reaching * opaque)[..., None] * colour).sum(1)


def volume_backward(g: Array, slip: str, sigma: Array, delta: Array, colour: Array) -> Arrays:
    opaque, reaching = rendered(sigma, delta)
    grad_weight = (colour * g[:, None]).sum(2)
    share = grad_weight * opaque * reaching
    behind = np.cumsum(share[:, ::-1], axis=1)[:, ::-1] - share
    if slip == "what lies behind left out":
        behind = 0 * behind
    if slip == "what lies behind of the wrong sign":
        behind = -behind
    grad_opaque = grad_weight * reaching - behind / (1 - opaque)
    inner = grad_opaque * (1 - opaque)
    grad_sigma = inner if slip == "delta left out" else inner * delta
    return {
        "sigma": grad_sigma,
        "delta": inner * sigma,
        "colour": (reaching * opaque)[..., None] * g[:, None],
    }


def volume_reference(sigma: Any, delta: Any, colour: Any) -> jax.Array:
    opaque = 1 - jnp.exp(-sigma * delta)
    reaching = jnp.cumprod(1 - opaque, axis=1)
    reaching = jnp.concatenate([jnp.ones((len(sigma), 1)), reaching[:, :-1]], axis=1)
    return jnp.sum((reaching * opaque)[..., None] * colour, axis=1)


# ---------------------------------------------------------------------- pinhole camera


def draw_camera(rng: Rng, size: int) -> Arrays:
    (n,) = of_size(size, (5, 7))
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    return {"turn": turn, "move": np.array([0.1, -0.2, 6.0]), "p": rng.normal(size=(n, 3))}


def camera(turn: Array, move: Array, p: Array) -> Array:
    q = p @ turn.T + move
    return q[:, :2] / q[:, 2:]


def camera_backward(g: Array, slip: str, turn: Array, move: Array, p: Array) -> Arrays:
    q = p @ turn.T + move
    depth = -(g * q[:, :2]).sum(1, keepdims=True) / q[:, 2:] ** 2
    if slip == "the depth taken as constant":
        depth = 0 * depth
    back = np.concatenate([g / q[:, 2:], depth], axis=1)
    grad_p = back @ turn.T if slip == "the rotation for its inverse" else back @ turn
    return {"turn": back.T @ p, "move": back.sum(0), "p": grad_p}


def camera_reference(turn: Any, move: Any, p: Any) -> jax.Array:
    q = p @ turn.T + move
    return q[:, :2] / q[:, 2:]


# ---------------------------------------------------------------------- quantile

WEIGHT, RANK = 0.25, 1


def draw_quantile(rng: Rng, size: int) -> Arrays:
    return {"x": rng.normal(size=of_size(size, (4, 3), (6, 5)))}


def quantile(x: Array) -> Array:
    s = np.sort(x, axis=1)
    return (1 - WEIGHT) * s[:, RANK] + WEIGHT * s[:, RANK + 1]


def quantile_backward(g: Array, slip: str, x: Array) -> Arrays:
    order, grad_s, grad_x = np.argsort(x, axis=1), np.zeros_like(x), np.zeros_like(x)
    grad_s[:, RANK], grad_s[:, RANK + 1] = (1 - WEIGHT) * g, WEIGHT * g
    if slip == "not put back in order":
        return {"x": grad_s}
    if slip == "read in order instead of written":
        return {"x": np.take_along_axis(grad_s, order, 1)}
    np.put_along_axis(grad_x, order, grad_s, 1)
    return {"x": grad_x}


def quantile_reference(x: Any) -> jax.Array:
    s = jnp.sort(x, axis=1)
    return (1 - WEIGHT) * s[:, RANK] + WEIGHT * s[:, RANK + 1]


PATH = "missing-terms"
SUBJECTS = (
    Subject(
        "Kalman filter",
        draw_kalman,
        kalman,
        kalman_backward,
        kalman_reference,
        (
            Slip("the logarithm left out", PATH, ("logarithm",)),
            Slip("the gain taken as constant", PATH, ("every turn",)),
            Slip("half of the square's derivative", PATH, ("transpose", "product")),
            Slip("the covariance not carried back", PATH, ("matrix product",)),
        ),
    ),
    Subject(
        "volume rendering",
        draw_volume,
        volume,
        volume_backward,
        volume_reference,
        (
            Slip("what lies behind left out", PATH, ("difference", "running product")),
            Slip("what lies behind of the wrong sign", "sign", ("difference", "running product")),
            Slip("delta left out", PATH, ("delta",)),
        ),
    ),
    Subject(
        "pinhole camera",
        draw_camera,
        camera,
        camera_backward,
        camera_reference,
        (
            Slip("the depth taken as constant", PATH, ("slice", "division", "quotient")),
            Slip("the rotation for its inverse", "transposed", ("turn", "matrix product")),
        ),
    ),
    Subject(
        "quantile",
        draw_quantile,
        quantile,
        quantile_backward,
        quantile_reference,
        (
            Slip("not put back in order", "permuted", ("sorting",)),
            Slip("read in order instead of written", "permuted", ("sorting",)),
        ),
    ),
)
