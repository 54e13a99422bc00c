"""Attention, plain and causal.

S = Q Kᵀ / √d,   P = softmax(S) along the keys,   Y = P V

V̄ = Pᵀ Ȳ,   P̄ = Ȳ Vᵀ,   S̄ = P ⊙ (P̄ - Σ_keys P̄ ⊙ P),   Q̄ = S̄ K / √d,   K̄ = S̄ᵀ Q / √d
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tests.beyond.planted import Array, Arrays, Rng, Slip, Subject, of_size, softmax


def draw(rng: Rng, size: int) -> Arrays:
    n, t, d = of_size(size, (2, 3), (5, 4), (3, 6))
    return {k: rng.normal(size=(n, t, d)) for k in ("q", "k", "v")}


def allowed(t: int, causal: bool) -> Array:
    return np.tril(np.ones((t, t), bool)) if causal else np.ones((t, t), bool)


def weights(q: Array, k: Array, causal: bool) -> Array:
    scores = np.einsum("nqd,nkd->nqk", q, k) / np.sqrt(q.shape[-1])
    return softmax(np.where(allowed(q.shape[1], causal), scores, -1e30))


def forward(q: Array, k: Array, v: Array, causal: bool = False) -> Array:
    return np.einsum("nqk,nkd->nqd", weights(q, k, causal), v)


def forward_causal(q: Array, k: Array, v: Array) -> Array:
    return forward(q, k, v, causal=True)


def backward(g: Array, slip: str, q: Array, k: Array, v: Array, causal: bool = False) -> Arrays:
    scale = 1 / np.sqrt(q.shape[-1])
    p = weights(q, k, causal and slip != "the mask forgotten")
    grad_p = np.einsum("nqd,nkd->nqk", g, v)
    part = grad_p * p
    grad_s = part - p * part.sum(-1, keepdims=True)
    if slip == "only the softmax's diagonal":
        grad_s = grad_p * p * (1 - p)
    if slip == "the softmax's sum left out":
        grad_s = part
    if slip == "the softmax's sum over the queries":
        grad_s = part - p * part.sum(-2, keepdims=True)
    if slip == "the softmax's sum without its weights":
        grad_s = p * (grad_p - grad_p.sum(-1, keepdims=True))
    grad_q = np.einsum("nqk,nkd->nqd", grad_s, k) * scale
    grad_k = np.einsum("nqk,nqd->nkd", grad_s, q) * scale
    grad_v = np.einsum("nqk,nqd->nkd", p, g)
    if slip == "the scale left out":
        grad_q, grad_k = grad_q / scale, grad_k / scale
    if slip == "the scale taken twice in q":
        grad_q = grad_q * scale
    if slip == "the scores not transposed for k":
        grad_k = np.einsum("nkq,nqd->nkd", grad_s, q) * scale
    if slip == "the weights not transposed for v":
        grad_v = np.einsum("nkq,nqd->nkd", p, g)
    if slip == "v taken for k":
        grad_q = np.einsum("nqk,nkd->nqd", grad_s, v) * scale
    return {"q": grad_q, "k": grad_k, "v": grad_v}


def backward_causal(g: Array, slip: str, q: Array, k: Array, v: Array) -> Arrays:
    return backward(g, slip, q, k, v, causal=True)


def reference(q: Any, k: Any, v: Any) -> jax.Array:
    scores = q @ k.swapaxes(1, 2)
    scaled = scores / jnp.sqrt(q.shape[-1])
    p = jax.nn.softmax(scaled, axis=-1)
    return p @ v


def reference_causal(q: Any, k: Any, v: Any) -> jax.Array:
    scores = jnp.einsum("nqd,nkd->nqk", q, k) * q.shape[-1] ** -0.5
    mask = jnp.tril(jnp.ones(scores.shape[1:], bool))
    p = jax.nn.softmax(jnp.where(mask, scores, -jnp.inf), axis=-1)
    return jnp.einsum("nqk,nkd->nqd", p, v)


ATTENTION = Subject(
    "attention",
    draw,
    forward,
    backward,
    reference,
    (
        Slip("the scale left out", "scaled missing-terms", ("features", "√", "quotient")),
        Slip("the scale taken twice in q", "scaled", ("√", "twice")),
        Slip("only the softmax's diagonal", "missing-terms", ("diagonal",)),
        Slip("the softmax's sum left out", "missing-terms", ("sum", "denominator")),
        Slip("the softmax's sum over the queries", "summed", ("axis", "axes")),
        Slip("the softmax's sum without its weights", "missing-terms wrong-operand wrong-factor", ("softmax",)),
        Slip("the scores not transposed for k", "transposed", ("transposed", "swapped")),
        Slip("the weights not transposed for v", "transposed", ("transposed", "swapped")),
        Slip("v taken for k", "wrong-operand wrong-factor", ("reads v",)),
    ),
)
CAUSAL = Subject(
    "causal attention",
    draw,
    forward_causal,
    backward_causal,
    reference_causal,
    (
        Slip("the mask forgotten", "missing-mask wrong-mask", ("mask", "selection")),
        Slip("the softmax's sum left out", "missing-terms", ("sum", "denominator")),
        Slip("the scale left out", "scaled missing-terms", ("√", "product")),
    ),
)
SUBJECTS = (ATTENTION, CAUSAL)
