"""Normalisations: over the features, over groups of channels, over the batch, or by the root mean square alone.

X̂ = (X - μ) / σ,   Y = γ X̂ + β,   μ and σ² = mean (X - μ)² + eps over n entries

X̄ = (Ĝ - mean Ĝ - X̂ ⊙ mean(Ĝ ⊙ X̂)) / σ,   Ĝ = γ Ȳ,   γ̄ = Σ Ȳ ⊙ X̂,   β̄ = Σ Ȳ
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tests.beyond.planted import Array, Arrays, Rng, Slip, Subject, of_size

EPS = 1e-3
GROUPS = 2


def parameters(rng: Rng, n: int) -> Arrays:
    return {"gamma": rng.normal(size=n) + 2, "beta": rng.normal(size=n)}


def draw(rng: Rng, size: int) -> Arrays:
    b, d = of_size(size, (4, 3), (5, 7))
    return {"x": rng.normal(size=(b, d)) * 2 + 1} | parameters(rng, d)


def draw_rms(rng: Rng, size: int) -> Arrays:
    inputs = draw(rng, size)
    return {k: inputs[k] for k in ("x", "gamma")}


def draw_images(rng: Rng, size: int) -> Arrays:
    b, c, t = of_size(size, (3, 2), (4, 6), (5, 4))
    return {"x": rng.normal(size=(b, c, t)) * 2 + 1} | parameters(rng, c)


def normalised(x: Array, axes: tuple[int, ...]) -> tuple[Array, Array]:
    d = x - x.mean(axes, keepdims=True)
    sigma = np.sqrt((d * d).mean(axes, keepdims=True) + EPS)
    return d / sigma, sigma


def grad_normalised(g: Array, slip: str, x: Array, axes: tuple[int, ...]) -> Array:
    """The gradient of x from that of x̂."""
    hat, sigma = normalised(x, axes)
    mean, product = g.mean(axes, keepdims=True), (g * hat).mean(axes, keepdims=True)
    n = np.prod([x.shape[a] for a in axes])
    if slip == "the mean's path left out":
        mean = np.zeros_like(mean)
    if slip == "the variance's path left out":
        product = np.zeros_like(product)
    if slip == "both statistics constant":
        mean, product = np.zeros_like(mean), np.zeros_like(product)
    if slip == "the unbiased count in the variance":
        product = product * n / (n - 1)
    if slip == "the variance's path twice":
        product = 2 * product
    if slip == "sums for means":
        mean, product = mean * n, product * n
    if slip == "the sign of the variance's path":
        product = -product
    if slip == "x for x̂":
        hat = x
    if slip == "divided by the variance":
        sigma = sigma**2
    if slip == "eps forgotten":
        sigma = np.sqrt(sigma**2 - EPS)
        hat = (x - x.mean(axes, keepdims=True)) / sigma
        product = (g * hat).mean(axes, keepdims=True)
    return (g - mean - hat * product) / sigma


def affine_backward(g: Array, slip: str, hat: Array, x: Array, gamma: Array) -> tuple[Array, Array, Array]:
    """The gradients of x̂, γ and β; γ and β along axis 1."""
    over, shape = (0, *range(2, g.ndim)), (1, -1, *[1] * (g.ndim - 2))
    grad_hat = g * gamma.reshape(shape)
    grad_gamma = (g * (x if slip == "γ's gradient reads x" else hat)).sum(over)
    grad_beta = g.sum(over)
    if slip == "γ left out":
        grad_hat = g
    if slip == "β's gradient averaged":
        grad_beta = g.mean(over)
    return grad_hat, grad_gamma, grad_beta


def layer_norm(x: Array, gamma: Array, beta: Array) -> Array:
    return gamma * normalised(x, (1,))[0] + beta


def layer_norm_backward(g: Array, slip: str, x: Array, gamma: Array, beta: Array) -> Arrays:
    hat, _ = normalised(x, (1,))
    grad_hat, grad_gamma, grad_beta = affine_backward(g, slip, hat, x, gamma)
    return {"x": grad_normalised(grad_hat, slip, x, (1,)), "gamma": grad_gamma, "beta": grad_beta}


def layer_norm_reference(x: Any, gamma: Any, beta: Any) -> jax.Array:
    mean = x.mean(1, keepdims=True)
    variance = x.var(1, keepdims=True)
    hat = (x - mean) * jax.lax.rsqrt(variance + EPS)
    return gamma * hat + beta


def batch_norm(x: Array, gamma: Array, beta: Array) -> Array:
    hat, _ = normalised(x, (0, 2))
    return gamma[:, None] * hat + beta[:, None]


def batch_norm_backward(g: Array, slip: str, x: Array, gamma: Array, beta: Array) -> Arrays:
    hat, _ = normalised(x, (0, 2))
    grad_hat, grad_gamma, grad_beta = affine_backward(g, slip, hat, x, gamma)
    grad_x = grad_normalised(grad_hat, slip, x, (0, 2))
    if slip == "divided by the batch alone":
        hat, sigma = normalised(x, (0, 2))
        mean, product = (a.sum((0, 2), keepdims=True) / len(x) for a in (grad_hat, grad_hat * hat))
        grad_x = (grad_hat - mean - hat * product) / sigma
    return {"x": grad_x, "gamma": grad_gamma, "beta": grad_beta}


def batch_norm_reference(x: Any, gamma: Any, beta: Any) -> jax.Array:
    mu = jnp.mean(x, axis=(0, 2), keepdims=True)
    centred = x - mu
    var = jnp.mean(centred**2, axis=(0, 2), keepdims=True)
    return gamma[:, None] * centred / jnp.sqrt(var + EPS) + beta[:, None]


def grouped(x: Array) -> Array:
    return x.reshape(len(x), GROUPS, -1)


def group_norm(x: Array, gamma: Array, beta: Array) -> Array:
    return gamma[:, None] * normalised(grouped(x), (2,))[0].reshape(x.shape) + beta[:, None]


def group_norm_backward(g: Array, slip: str, x: Array, gamma: Array, beta: Array) -> Arrays:
    hat, sigma = normalised(grouped(x), (2,))
    grad_hat, grad_gamma, grad_beta = affine_backward(g, slip, hat.reshape(x.shape), x, gamma)
    grad_x = grad_normalised(grouped(grad_hat), slip, grouped(x), (2,))
    if slip == "counts the entries of all groups":
        g = grouped(grad_hat)
        n = x[0].size
        grad_x = (g - g.sum(2, keepdims=True) / n - hat * (g * hat).sum(2, keepdims=True) / n) / sigma
    return {"x": grad_x.reshape(x.shape), "gamma": grad_gamma, "beta": grad_beta}


def group_norm_reference(x: Any, gamma: Any, beta: Any) -> jax.Array:
    groups = x.reshape(x.shape[0], GROUPS, -1)
    mean = groups.mean(-1, keepdims=True)
    var = ((groups - mean) ** 2).mean(-1, keepdims=True)
    hat = ((groups - mean) / jnp.sqrt(var + EPS)).reshape(x.shape)
    return hat * gamma[None, :, None] + beta[None, :, None]


def rms_norm(x: Array, gamma: Array) -> Array:
    return gamma * x / np.sqrt((x * x).mean(1, keepdims=True) + EPS)


def rms_norm_backward(g: Array, slip: str, x: Array, gamma: Array) -> Arrays:
    r = 1 / np.sqrt((x * x).mean(1, keepdims=True) + EPS)
    grad_hat = g if slip == "γ left out" else g * gamma
    dot = (grad_hat * x).mean(1, keepdims=True)
    inner = {"the power of r": r, "the sum for the mean": r**3 * x.shape[1], "the path taken twice": 2 * r**3}
    grad_x = r * grad_hat - x * dot * inner.get(slip, r**3)
    if slip == "the statistic constant":
        grad_x = r * grad_hat
    grad_gamma = (g * x * (1 if slip == "γ's gradient reads x" else r)).sum(0)
    return {"x": grad_x, "gamma": grad_gamma}


def rms_norm_reference(x: Any, gamma: Any) -> jax.Array:
    square = jnp.mean(jnp.square(x), axis=-1, keepdims=True)
    return x * jax.lax.rsqrt(square + EPS) * gamma


SUBJECTS = (
    Subject(
        "layer norm",
        draw,
        layer_norm,
        layer_norm_backward,
        layer_norm_reference,
        (
            Slip("the mean's path left out", "missing-terms", ("mean", "constant")),
            Slip("the variance's path left out", "missing-terms", ("var", "constant", "square")),
            Slip("both statistics constant", "missing-terms", ("constant",)),
            Slip("the unbiased count in the variance", "scaled", ("- 1",)),
            Slip("the variance's path twice", "scaled", ("twice",)),
            Slip("the sign of the variance's path", "sign", ("sign",)),
            Slip("sums for means", "scaled", ("division by", "features")),
            Slip("γ left out", "missing-terms", ("gamma",)),
            Slip("γ's gradient reads x", "wrong-operand missing-terms wrong-factor", ("reads x", "operand")),
            Slip("eps forgotten", "wrong-constant", ("0.001", "eps")),
        ),
    ),
    Subject(
        "batch norm",
        draw_images,
        batch_norm,
        batch_norm_backward,
        batch_norm_reference,
        (
            Slip("the mean's path left out", "missing-terms", ("mean", "constant", "mu")),
            Slip("both statistics constant", "missing-terms", ("constant",)),
            Slip("the unbiased count in the variance", "scaled", ("- 1",)),
            Slip("divided by the batch alone", "scaled", ("rows", "columns", "axis")),
            Slip("β's gradient averaged", "scaled", ("batch",)),
            Slip("x for x̂", "wrong-operand wrong-factor", ("reads",)),
            Slip("divided by the variance", "wrong-operand scaled wrong-derivative missing-terms wrong-factor", ()),
        ),
    ),
    Subject(
        "group norm",
        draw_images,
        group_norm,
        group_norm_backward,
        group_norm_reference,
        (
            Slip("counts the entries of all groups", "scaled", ("2", "half")),
            Slip("the variance's path left out", "missing-terms", ("var =", "square")),
            Slip("γ's gradient reads x", "wrong-operand wrong-factor", ("reads",)),
        ),
    ),
    Subject(
        "RMS norm",
        draw_rms,
        rms_norm,
        rms_norm_backward,
        rms_norm_reference,
        (
            Slip("the statistic constant", "missing-terms", ("path through the square",)),
            Slip(
                "the power of r",
                "wrong-derivative wrong-operand wrong-factor",
                ("reciprocal", "through the square times"),
            ),
            Slip("the sum for the mean", "scaled", ("division by", "features")),
            Slip("the path taken twice", "scaled", ("twice",)),
            Slip("γ left out", "missing-terms", ("gamma",)),
            Slip("γ's gradient reads x", "wrong-operand missing-terms wrong-factor", ("reads x", "leaves out")),
        ),
    ),
)
