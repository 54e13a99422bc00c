"""Losses and layers that compare, group and sample.

InfoNCE                 u, v of unit length, L = e^t u vᵀ,  -½ mean (log softmax over rows + over columns) of Lᵢᵢ
variational autoencoder z = μ + e^{λ/2} ε;  Σ (log(1 + e^l) - x l), l = z W;  plus ½ Σ (μ² + e^λ - 1 - λ)
factorisation machine   x w + ½ Σ ((x V)² - x² V²)              v̄ = xᵀ (ȳ x V) - V (x²)ᵀ ȳ
soft k-means            a = softmax(-2 |x - c|²) over c,  m = aᵀ x / Σ a
linear attention        (φ(q) Σ φ(k) v) / (φ(q) Σ φ(k)), both sums over the past: the gradients sum over the future
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy import special

from tests.beyond.planted import Array, Arrays, Rng, Slip, Subject, of_size, sigmoid, softmax

# ---------------------------------------------------------------------- InfoNCE


def draw_pairs(rng: Rng, size: int) -> Arrays:
    n, d = of_size(size, (4, 5), (3, 2))
    return {"a": rng.normal(size=(n, d)), "b": rng.normal(size=(n, d)), "t": np.array(1.2)}


def unit(x: Array) -> Array:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def info_nce(a: Array, b: Array, t: Array) -> Array:
    logits, i = np.exp(t) * unit(a) @ unit(b).T, np.arange(len(a))
    both = special.log_softmax(logits, 1) + special.log_softmax(logits, 0)
    return np.array(-0.5 * both[i, i].mean())


def info_nce_backward(g: Array, slip: str, a: Array, b: Array, t: Array) -> Arrays:
    u, v, n = unit(a), unit(b), len(a)
    logits = np.exp(t) * u @ v.T
    grad_logits = g * (0.5 * (softmax(logits, 1) + softmax(logits, 0)) - np.eye(n)) / n
    if slip == "the softmax over rows twice":
        grad_logits = g * (softmax(logits, 1) - np.eye(n)) / n
    grad_u, grad_v = np.exp(t) * grad_logits @ v, np.exp(t) * grad_logits.T @ u
    grad_a = grad_u - u * (u * grad_u).sum(1, keepdims=True)
    grad_b = grad_v - v * (v * grad_v).sum(1, keepdims=True)
    if slip == "not projected on the sphere":
        grad_b = grad_v
    grad_t = np.sum(grad_logits * logits)
    if slip == "the temperature for its logarithm":
        grad_t = grad_t * np.exp(-t)
    return {
        "a": grad_a / np.linalg.norm(a, axis=1, keepdims=True),
        "b": grad_b / np.linalg.norm(b, axis=1, keepdims=True),
        "t": np.asarray(grad_t),
    }


def info_nce_reference(a: Any, b: Any, t: Any) -> jax.Array:
    u = a / jnp.linalg.norm(a, axis=1, keepdims=True)
    v = b / jnp.linalg.norm(b, axis=1, keepdims=True)
    logits = jnp.exp(t) * (u @ v.T)
    rows = jnp.diag(jax.nn.log_softmax(logits, axis=1))
    columns = jnp.diag(jax.nn.log_softmax(logits, axis=0))
    return -0.5 * jnp.mean(rows + columns)


# ---------------------------------------------------------------------- variational autoencoder


def draw_autoencoder(rng: Rng, size: int) -> Arrays:
    n, d, o = of_size(size, (4, 5), (2, 3), (3, 2))
    return {
        "mu": rng.normal(size=(n, d)),
        "lam": 0.5 * rng.normal(size=(n, d)),
        "w": rng.normal(size=(d, o)),
        "eps": rng.normal(size=(n, d)),
        "x": rng.integers(0, 2, (n, o)),
    }


def autoencoder(mu: Array, lam: Array, w: Array, eps: Array, x: Array) -> Array:
    logits = (mu + np.exp(0.5 * lam) * eps) @ w
    missed = (np.logaddexp(0, logits) - x * logits).sum()
    return np.array((missed + 0.5 * (mu**2 + np.exp(lam) - 1 - lam).sum()) / len(mu))


def autoencoder_backward(g: Array, slip: str, mu: Array, lam: Array, w: Array, eps: Array, x: Array) -> Arrays:
    scale, n = np.exp(0.5 * lam), len(mu)
    z = mu + scale * eps
    grad_logits = g * (sigmoid(z @ w) - x) / n
    grad_z = grad_logits @ w.T
    through_noise, prior = 0.5 * grad_z * eps * scale, 0.5 * g * (np.exp(lam) - 1) / n
    if slip == "the ½ of the standard deviation left out":
        through_noise = 2 * through_noise
    if slip == "the noise's path left out":
        through_noise = 0 * through_noise
    if slip == "the 1 of the prior left out":
        prior = 0.5 * g * np.exp(lam) / n
    grad_mu = grad_z if slip == "the prior of the mean left out" else grad_z + g * mu / n
    return {"mu": grad_mu, "lam": through_noise + prior, "w": z.T @ grad_logits, "eps": grad_z * scale}


def autoencoder_reference(mu: Any, lam: Any, w: Any, eps: Any, x: Any) -> jax.Array:
    logits = (mu + jnp.exp(0.5 * lam) * eps) @ w
    missed = jnp.sum(jax.nn.softplus(logits) - x * logits)
    prior = 0.5 * jnp.sum(mu**2 + jnp.exp(lam) - 1 - lam)
    return (missed + prior) / mu.shape[0]


# ---------------------------------------------------------------------- factorisation machine


def draw_machine(rng: Rng, size: int) -> Arrays:
    n, d, k = of_size(size, (4, 5), (5, 3), (2, 4))
    return {"x": rng.normal(size=(n, d)), "v": rng.normal(size=(d, k)), "w": rng.normal(size=d)}


def machine(x: Array, v: Array, w: Array) -> Array:
    return x @ w + 0.5 * ((x @ v) ** 2 - (x * x) @ (v * v)).sum(1)


def machine_backward(g: Array, slip: str, x: Array, v: Array, w: Array) -> Arrays:
    s = x @ v
    grad_v, own = x.T @ (g[:, None] * s), v * ((x * x).T @ g)[:, None]
    if slip == "a feature's pair with itself left in":
        own = 0 * own
    if slip == "a feature's pair with itself twice":
        own = 2 * own
    grad_x = w + s @ v.T - x * (v * v).sum(1)
    if slip == "the linear term left out":
        grad_x = grad_x - w
    return {"x": g[:, None] * grad_x, "v": grad_v - own, "w": x.T @ g}


def machine_reference(x: Any, v: Any, w: Any) -> jax.Array:
    linear = x @ w
    of_all = (x @ v) ** 2
    of_each = (x * x) @ (v * v)
    return linear + 0.5 * jnp.sum(of_all - of_each, axis=1)


# ---------------------------------------------------------------------- soft k-means


def draw_clusters(rng: Rng, size: int) -> Arrays:
    n, k, d = of_size(size, (6, 5), (3, 4), (2, 3))
    return {"x": rng.normal(size=(n, d)), "c": rng.normal(size=(k, d))}


def assigned(x: Array, c: Array) -> Array:
    return softmax(-2 * ((x[:, None] - c) ** 2).sum(-1), 1)


def clusters(x: Array, c: Array) -> Array:
    a = assigned(x, c)
    return a.T @ x / a.sum(0)[:, None]


def clusters_backward(g: Array, slip: str, x: Array, c: Array) -> Arrays:
    a = assigned(x, c)
    total = a.sum(0)[:, None]
    grad_sum, y = g / total, a.T @ x / total
    grad_a = x @ grad_sum.T - (grad_sum * y).sum(1)
    if slip == "the weights' total taken as constant":
        grad_a = x @ grad_sum.T
    if slip == "the assignment taken as constant":
        grad_a = 0 * grad_a
    back = -2 * a * (grad_a - (a * grad_a).sum(1, keepdims=True))
    moved = 2 * back[:, :, None] * (x[:, None] - c)
    grad_x = a @ grad_sum + moved.sum(1)
    if slip == "x moved in the mean only":
        grad_x = a @ grad_sum
    return {"x": grad_x, "c": -moved.sum(0)}


def clusters_reference(x: Any, c: Any) -> jax.Array:
    apart = x[:, None] - c
    far = jnp.sum(apart**2, axis=-1)
    a = jax.nn.softmax(-2 * far, axis=1)
    total = jnp.sum(a, axis=0)
    return (a.T @ x) / total[:, None]


# ---------------------------------------------------------------------- linear attention


def draw_linear(rng: Rng, size: int) -> Arrays:
    t, d, e = of_size(size, (4, 5), (2, 3), (3, 2))
    return {"q": rng.normal(size=(t, d)), "k": rng.normal(size=(t, d)), "v": rng.normal(size=(t, e))}


def features(x: Array) -> Array:
    return np.where(x > 0, x + 1, np.exp(np.minimum(x, 0)))


def slope(x: Array) -> Array:
    return np.where(x > 0, 1, np.exp(np.minimum(x, 0)))


def so_far(q: Array, k: Array, v: Array) -> tuple[Array, Array, Array, Array]:
    past = np.cumsum(features(k)[:, :, None] * v[:, None], axis=0)
    total = np.cumsum(features(k), axis=0)
    norm = (features(q) * total).sum(1, keepdims=True)
    return past, total, norm, np.einsum("td,tde->te", features(q), past) / norm


def linear(q: Array, k: Array, v: Array) -> Array:
    return so_far(q, k, v)[-1]


def linear_backward(g: Array, slip: str, q: Array, k: Array, v: Array) -> Arrays:
    past, total, norm, y = so_far(q, k, v)
    grad_norm = -(g * y).sum(1, keepdims=True) / norm
    if slip == "the denominator taken as constant":
        grad_norm = 0 * grad_norm
    grad_q = np.einsum("te,tde->td", g / norm, past) + grad_norm * total
    grad_past, grad_total = np.einsum("td,te->tde", features(q), g / norm), grad_norm * features(q)

    def future(a: Array) -> Array:
        return np.cumsum(a, axis=0) if slip == "summed over the past" else np.cumsum(a[::-1], axis=0)[::-1]

    grad_past, grad_total = future(grad_past), future(grad_total)
    grad_k = np.einsum("tde,te->td", grad_past, v) + grad_total
    return {
        "q": grad_q if slip == "the feature's derivative left out" else grad_q * slope(q),
        "k": grad_k * slope(k),
        "v": np.einsum("tde,td->te", grad_past, features(k)),
    }


def linear_reference(q: Any, k: Any, v: Any) -> jax.Array:
    of_q, of_k = jax.nn.elu(q) + 1, jax.nn.elu(k) + 1
    past = jnp.cumsum(of_k[:, :, None] * v[:, None], axis=0)
    total = jnp.cumsum(of_k, axis=0)
    norm = jnp.sum(of_q * total, axis=1, keepdims=True)
    return jnp.einsum("td,tde->te", of_q, past) / norm


PATH = "missing-terms"
SUBJECTS = (
    Subject(
        "InfoNCE",
        draw_pairs,
        info_nce,
        info_nce_backward,
        info_nce_reference,
        (
            Slip("the softmax over rows twice", "summed missing-terms", ("columns", "rows", "log softmax")),
            Slip("not projected on the sphere", PATH),
            Slip("the temperature for its logarithm", "wrong-factor wrong-derivative missing-terms"),
        ),
    ),
    Subject(
        "variational autoencoder",
        draw_autoencoder,
        autoencoder,
        autoencoder_backward,
        autoencoder_reference,
        (
            Slip("the ½ of the standard deviation left out", "scaled"),
            Slip("the noise's path left out", PATH),
            Slip("the 1 of the prior left out", PATH),
            Slip("the prior of the mean left out", PATH),
        ),
    ),
    Subject(
        "factorisation machine",
        draw_machine,
        machine,
        machine_backward,
        machine_reference,
        (
            Slip("a feature's pair with itself left in", PATH),
            Slip("a feature's pair with itself twice", "scaled"),
            Slip("the linear term left out", PATH),
        ),
    ),
    Subject(
        "soft k-means",
        draw_clusters,
        clusters,
        clusters_backward,
        clusters_reference,
        (
            Slip("the weights' total taken as constant", PATH),
            Slip("the assignment taken as constant", PATH + " zero"),
            Slip("x moved in the mean only", PATH),
        ),
    ),
    Subject(
        "linear attention",
        draw_linear,
        linear,
        linear_backward,
        linear_reference,
        (
            Slip("the denominator taken as constant", PATH),
            Slip("summed over the past", "flipped", ("running sum",)),
            Slip("the feature's derivative left out", PATH),
        ),
    ),
)
