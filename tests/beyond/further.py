"""Held out: mistakes that were planted after the kinds of names were settled, and named at the first attempt or not.

cosine similarity    y = a·b / (|a| |b|)             ā = (b/|b| - y a/|a|) ȳ / |a|
weighted BCE         Σ (1 - t) z + (1 + (p - 1) t) softplus(-z)
KL divergence        ½ Σ (e^{s - u} + (m - n)² e^{-u} - 1 + u - s),   s, u log variances
weight norm          W = g V / |V|,  Y = X W          V̄ = g/|V| (W̄ - V̂ Σ V̂ ⊙ W̄),   ḡ = Σ V̂ ⊙ W̄
rotation by position (x, y) → (x cos θ - y sin θ, x sin θ + y cos θ)
contrastive loss     -mean log softmax(A Bᵀ / τ) on the diagonal
ridge regression     w = (Xᵀ X + λ I)⁻¹ Xᵀ y
Euler's steps        z ← z + h tanh(z W)
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tests.beyond.planted import Array, Arrays, Rng, Slip, Subject, of_size, sigmoid, softmax


def draw_cosine(rng: Rng, size: int) -> Arrays:
    shape = of_size(size, (4, 3), (5, 6))
    return {"a": rng.normal(size=shape), "b": rng.normal(size=shape)}


def norm(a: Array) -> Array:
    return np.sqrt((a * a).sum(1, keepdims=True))


def cosine(a: Array, b: Array) -> Array:
    return ((a / norm(a)) * (b / norm(b))).sum(1)


def cosine_backward(g: Array, slip: str, a: Array, b: Array) -> Arrays:
    g, y = g[:, None], cosine(a, b)[:, None]
    p, q = a / norm(a), b / norm(b)
    grad_a = g * (q - y * p) / norm(a)
    if slip == "the projection left out":
        grad_a = g * q / norm(a)
    if slip == "divided by the squared norm":
        grad_a = grad_a / norm(a)
    return {"a": grad_a, "b": g * (p - y * q) / norm(b)}


def cosine_reference(a: Any, b: Any) -> jax.Array:
    unit_a = a / jnp.linalg.norm(a, axis=1, keepdims=True)
    unit_b = b / jnp.linalg.norm(b, axis=1, keepdims=True)
    return jnp.sum(unit_a * unit_b, axis=1)


def draw_bce(rng: Rng, size: int) -> Arrays:
    b, c = of_size(size, (4, 3), (3, 5))
    targets = rng.integers(0, 2, (b, c))
    targets[0, :2] = (0, 1)
    return {"z": rng.normal(size=(b, c)), "weight": rng.uniform(1.5, 4.0, c), "targets": targets}


def bce(z: Array, weight: Array, targets: Array) -> Array:
    return ((1 - targets) * z + (1 + (weight - 1) * targets) * np.logaddexp(0, -z)).mean()


def bce_backward(g: Array, slip: str, z: Array, weight: Array, targets: Array) -> Arrays:
    factor = np.ones_like(z) if slip == "the weight left out" else 1 + (weight - 1) * targets
    grad_z = g * ((1 - targets) - factor * sigmoid(-z)) / z.size
    grad_weight = g * (targets * np.logaddexp(0, -z)).sum(0) / z.size
    if slip == "the mean over the batch alone":
        grad_z, grad_weight = grad_z * z.shape[1], grad_weight * z.shape[1]
    return {"z": grad_z, "weight": grad_weight}


def bce_reference(z: Any, weight: Any, targets: Any) -> jax.Array:
    factor = 1 + (weight - 1) * targets
    return jnp.mean((1 - targets) * z + factor * jax.nn.softplus(-z))


def draw_kl(rng: Rng, size: int) -> Arrays:
    shape = of_size(size, (4, 5), (3, 2))
    return {k: rng.normal(size=shape) for k in ("m", "s", "n", "u")}


def kl(m: Array, s: Array, n: Array, u: Array) -> Array:
    return 0.5 * (np.exp(s - u) + (m - n) ** 2 * np.exp(-u) - 1 + u - s).sum(1)


def kl_backward(g: Array, slip: str, m: Array, s: Array, n: Array, u: Array) -> Arrays:
    g, off = g[:, None], m - n
    grad_s = 0.5 * g * (np.exp(s - u) - 1)
    grad_m = g * off * np.exp(-u)
    grad_u = 0.5 * g * (1 - np.exp(s - u) - off**2 * np.exp(-u))
    if slip == "the ratio of the variances left out":
        grad_u = 0.5 * g * (1 - off**2 * np.exp(-u))
    if slip == "the other variance":
        grad_m = g * off * np.exp(-s)
        return {"m": grad_m, "s": grad_s, "n": -grad_m, "u": grad_u}
    return {"m": grad_m, "s": grad_s, "n": -grad_m, "u": grad_u}


def kl_reference(m: Any, s: Any, n: Any, u: Any) -> jax.Array:
    ratio = jnp.exp(s - u)
    distance = (m - n) ** 2 / jnp.exp(u)
    return 0.5 * jnp.sum(ratio + distance - 1 + u - s, axis=1)


def draw_weight_norm(rng: Rng, size: int) -> Arrays:
    b, d, o = of_size(size, (4, 3), (3, 5), (2, 4))
    return {"x": rng.normal(size=(b, d)), "v": rng.normal(size=(d, o)), "scale": rng.uniform(0.5, 2, o)}


def weight_norm(x: Array, v: Array, scale: Array) -> Array:
    return x @ (scale * v / np.sqrt((v * v).sum(0)))


def weight_norm_backward(g: Array, slip: str, x: Array, v: Array, scale: Array) -> Arrays:
    length = np.sqrt((v * v).sum(0))
    unit, grad_w = v / length, x.T @ g
    inside = (unit * grad_w).sum(0)
    grad_v = scale / length * (grad_w - unit * inside)
    if slip == "the norm taken as a constant":
        grad_v = scale / length * grad_w
    grad_scale = (v * grad_w).sum(0) if slip == "v not normalised for the scale" else inside
    return {"x": g @ (scale * unit).T, "v": grad_v, "scale": grad_scale}


def weight_norm_reference(x: Any, v: Any, scale: Any) -> jax.Array:
    length = jnp.sqrt(jnp.sum(v**2, axis=0))
    w = scale * v / length
    return x @ w


def draw_rotary(rng: Rng, size: int) -> Arrays:
    t, d = of_size(size, (5, 4), (3, 2))
    return {"x": rng.normal(size=(t, 2 * d)), "speed": rng.uniform(0.2, 1, d)}


def rotary(x: Array, speed: Array) -> Array:
    angle = np.arange(len(x))[:, None] * speed
    a, b = np.split(x, 2, axis=1)
    return np.concatenate([a * np.cos(angle) - b * np.sin(angle), a * np.sin(angle) + b * np.cos(angle)], axis=1)


def rotary_backward(g: Array, slip: str, x: Array, speed: Array) -> Arrays:
    position = np.arange(len(x))[:, None]
    angle = position * speed
    (a, b), (ga, gb) = np.split(x, 2, axis=1), np.split(g, 2, axis=1)
    cos, sin = np.cos(angle), np.sin(angle)
    if slip == "not rotated back":
        sin = -sin
    grad_x = np.concatenate([ga * cos + gb * sin, gb * cos - ga * sin], axis=1)
    cos, sin = np.cos(angle), np.sin(angle)
    grad_angle = ga * (-a * sin - b * cos) + gb * (a * cos - b * sin)
    if slip == "the position left out of the speed":
        return {"x": grad_x, "speed": grad_angle.sum(0)}
    return {"x": grad_x, "speed": (grad_angle * position).sum(0)}


def rotary_reference(x: Any, speed: Any) -> jax.Array:
    position = jnp.arange(x.shape[0])[:, None]
    angle = position * speed
    a, b = jnp.split(x, 2, axis=1)
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    return jnp.concatenate([a * cos - b * sin, a * sin + b * cos], axis=1)


def draw_contrastive(rng: Rng, size: int) -> Arrays:
    n, d = of_size(size, (4, 5), (3, 2))
    return {"a": rng.normal(size=(n, d)), "b": rng.normal(size=(n, d)), "tau": np.array(rng.uniform(0.5, 0.9))}


def contrastive(a: Array, b: Array, tau: Array) -> Array:
    z = a @ b.T / tau
    return -(np.diag(z) - np.log(np.exp(z).sum(1))).mean()


def contrastive_backward(g: Array, slip: str, a: Array, b: Array, tau: Array) -> Arrays:
    z = a @ b.T / tau
    n = len(a)
    grad_z = g * (softmax(z, 0 if slip == "the softmax over the other axis" else 1) - np.eye(n)) / n
    grad_tau = -(grad_z * z).sum() / tau
    scale = 1 if slip == "τ left out of the similarities" else 1 / tau
    grad_b = grad_z.T @ a * scale
    return {"a": grad_z @ b * scale, "b": grad_b, "tau": grad_tau}


def contrastive_reference(a: Any, b: Any, tau: Any) -> jax.Array:
    logits = a @ b.T / tau
    return -jnp.mean(jnp.diag(jax.nn.log_softmax(logits, axis=1)))


def draw_ridge(rng: Rng, size: int) -> Arrays:
    n, d = of_size(size, (6, 7), (3, 4))
    return {"x": rng.normal(size=(n, d)), "y": rng.normal(size=n), "penalty": np.array(rng.uniform(0.5, 2))}


def ridge(x: Array, y: Array, penalty: Array) -> Array:
    return np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ y)


def ridge_backward(g: Array, slip: str, x: Array, y: Array, penalty: Array) -> Arrays:
    w = ridge(x, y, penalty)
    u = np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), g)
    grad_x = np.outer(y, u) - x @ (np.outer(u, w) + np.outer(w, u))
    if slip == "the Gram matrix's path half":
        grad_x = np.outer(y, u) - x @ np.outer(u, w)
    if slip == "the Gram matrix constant":
        grad_x = np.outer(y, u)
    return {"x": grad_x, "y": x @ u, "penalty": np.array(-(u @ w))}


def ridge_reference(x: Any, y: Any, penalty: Any) -> jax.Array:
    gram = x.T @ x + penalty * jnp.eye(x.shape[1])
    return jnp.linalg.solve(gram, x.T @ y)


H, STEPS = 0.3, 4


def draw_euler(rng: Rng, size: int) -> Arrays:
    b, n = of_size(size, (2, 4), (3, 5))
    return {"z": rng.normal(size=(b, n)), "w": rng.normal(size=(n, n))}


def path(z: Array, w: Array) -> list[Array]:
    states = [z]
    for _ in range(STEPS):
        states.append(states[-1] + H * np.tanh(states[-1] @ w))
    return states


def euler(z: Array, w: Array) -> Array:
    return path(z, w)[-1]


def euler_backward(g: Array, slip: str, z: Array, w: Array) -> Arrays:
    states, grad_w = path(z, w), np.zeros_like(w)
    for t in reversed(range(STEPS)):
        back = (1 if slip == "the step's length left out" else H) * g * (1 - np.tanh(states[t] @ w) ** 2)
        grad_w += states[t + 1 if slip == "the state after the step" else t].T @ back
        g = back @ w.T if slip == "the residual path dropped" else g + back @ w.T
    return {"z": g, "w": grad_w}


def euler_reference(z: Any, w: Any) -> jax.Array:
    for _ in range(STEPS):
        z = z + H * jnp.tanh(z @ w)
    return z


SUBJECTS = (
    Subject(
        "cosine similarity",
        draw_cosine,
        cosine,
        cosine_backward,
        cosine_reference,
        (
            Slip("the projection left out", "missing-terms"),
            Slip("divided by the squared norm", "missing-terms wrong-operand scaled wrong-factor"),
        ),
    ),
    Subject(
        "weighted BCE",
        draw_bce,
        bce,
        bce_backward,
        bce_reference,
        (
            Slip("the weight left out", "missing-terms"),
            Slip("the mean over the batch alone", "scaled"),
        ),
    ),
    Subject(
        "KL divergence",
        draw_kl,
        kl,
        kl_backward,
        kl_reference,
        (
            Slip("the ratio of the variances left out", "missing-terms"),
            Slip("the other variance", "wrong-operand wrong-factor"),
        ),
    ),
    Subject(
        "weight norm",
        draw_weight_norm,
        weight_norm,
        weight_norm_backward,
        weight_norm_reference,
        (
            Slip("the norm taken as a constant", "missing-terms"),
            Slip("v not normalised for the scale", "missing-terms wrong-operand wrong-factor"),
        ),
    ),
    Subject(
        "rotation by position",
        draw_rotary,
        rotary,
        rotary_backward,
        rotary_reference,
        (
            Slip("not rotated back", "sign transposed"),
            Slip("the position left out of the speed", "missing-terms"),
        ),
    ),
    Subject(
        "contrastive loss",
        draw_contrastive,
        contrastive,
        contrastive_backward,
        contrastive_reference,
        (
            Slip("the softmax over the other axis", "summed"),
            Slip("τ left out of the similarities", "missing-terms wrong-operand scaled wrong-factor"),
        ),
    ),
    Subject(
        "ridge regression",
        draw_ridge,
        ridge,
        ridge_backward,
        ridge_reference,
        (
            Slip("the Gram matrix's path half", "missing-terms half-symmetric"),
            Slip("the Gram matrix constant", "missing-terms"),
        ),
    ),
    Subject(
        "Euler's steps",
        draw_euler,
        euler,
        euler_backward,
        euler_reference,
        (
            Slip("the step's length left out", "scaled missing-terms"),
            Slip("the state after the step", "wrong-operand wrong-factor"),
            Slip("the residual path dropped", "missing-terms"),
        ),
    ),
)
