"""Tables and labels: embedding, gathering, and a cross-entropy that ignores some rows.

Y[n] = E[i_n]        Ē[v] = Σ_{n: i_n = v} Ȳ[n]
loss = -Σ_n m_n log p[n, l_n] / Σ m,   m_n = 1[l_n ≥ 0]        Z̄ = m (P - onehot) Ȳ / Σ m
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tests.beyond.planted import Array, Arrays, Rng, Slip, Subject, of_size, softmax


def draw_embedding(rng: Rng, size: int) -> Arrays:
    words, d, b, t = of_size(size, (6, 5), (3, 4), (2, 3), (5, 6))
    indices = rng.integers(0, words, (b, t))
    indices[0, :4] = (2, 0, 2, words - 1)  # a word twice, the padding, and the last word
    return {"table": rng.normal(size=(words, d)), "indices": indices}


def embedding(table: Array, indices: Array) -> Array:
    return table[indices] * (indices != 0)[..., None]


def embedding_backward(g: Array, slip: str, table: Array, indices: Array) -> Arrays:
    keep = np.ones(indices.shape) if slip == "the padding's row not masked" else (indices != 0)
    g = g * keep[..., None]
    out = np.zeros_like(table)
    if slip == "assigned, not added":
        out[indices] = g
        return {"table": out}
    at = (indices + 1) % len(table) if slip == "the row after" else indices
    np.add.at(out, at, g)
    if slip == "averaged over repeated words":
        out /= np.maximum(np.bincount(indices.ravel(), minlength=len(out)), 1)[:, None]
    if slip == "the last word's row lost":
        out[-1] = 0
    return {"table": out}


def embedding_reference(table: Any, indices: Any) -> jax.Array:
    rows = jnp.take(table, indices, axis=0)
    return jnp.where((indices != 0)[..., None], rows, 0.0)


def draw_gather(rng: Rng, size: int) -> Arrays:
    b, n, k = of_size(size, (3, 2), (5, 6), (4, 3))
    return {"x": rng.normal(size=(b, n)), "indices": rng.choice([1, 3, 3, 4], (b, k))}


def gather(x: Array, indices: Array) -> Array:
    return np.take_along_axis(x, indices, axis=1) ** 2


def gather_backward(g: Array, slip: str, x: Array, indices: Array) -> Arrays:
    taken = np.take_along_axis(x, indices, axis=1)
    g = g * (taken if slip == "the square's 2 left out" else 2 * taken)
    out = np.zeros_like(x)
    if slip == "put, not added":
        np.put_along_axis(out, indices, g, axis=1)
        return {"x": out}
    rows = np.broadcast_to(np.arange(len(x))[:, None], indices.shape)
    np.add.at(out, (np.zeros_like(rows) if slip == "all into the first sample" else rows, indices), g)
    return {"x": out}


def gather_reference(x: Any, indices: Any) -> jax.Array:
    return jnp.take_along_axis(x, indices, axis=1) ** 2


def draw_labels(rng: Rng, size: int) -> Arrays:
    b, c = of_size(size, (6, 9), (4, 5))
    labels = rng.integers(0, c, b)
    labels[[1, 4]] = -1
    return {"logits": rng.normal(size=(b, c)), "labels": labels}


def cross_entropy(logits: Array, labels: Array) -> Array:
    m = logits.max(1, keepdims=True)
    log_p = logits - m - np.log(np.exp(logits - m).sum(1, keepdims=True))
    valid = labels >= 0
    return -(log_p[np.arange(len(labels)), np.where(valid, labels, 0)] * valid).sum() / valid.sum()


def cross_entropy_backward(g: Array, slip: str, logits: Array, labels: Array) -> Arrays:
    valid = labels >= 0
    grad = softmax(logits)
    if slip == "the softmax's term left out":
        grad = np.zeros_like(grad)
    if slip == "the label's term left out":
        grad = grad * valid[:, None]
    else:
        grad[np.arange(len(labels)), np.where(valid, labels, 0)] -= 1
    if slip == "the sign":
        grad = -grad
    count = len(labels) if slip == "divided by all rows" else 1 if slip == "not divided" else valid.sum()
    mask = np.ones(len(labels)) if slip == "the ignored rows not masked" else valid
    if slip == "the incoming gradient ignored":
        g = np.ones_like(g)
    return {"logits": g * grad * mask[:, None] / count}


def cross_entropy_reference(logits: Any, labels: Any) -> jax.Array:
    valid = labels >= 0
    log_p = jax.nn.log_softmax(logits, axis=-1)
    picked = jnp.take_along_axis(log_p, jnp.where(valid, labels, 0)[:, None], axis=1)[:, 0]
    return -jnp.sum(jnp.where(valid, picked, 0.0)) / jnp.sum(valid)


SUBJECTS = (
    Subject(
        "embedding",
        draw_embedding,
        embedding,
        embedding_backward,
        embedding_reference,
        (
            Slip("assigned, not added", "overwritten", ("last",)),
            Slip("averaged over repeated words", "scaled", ("averages",)),
            Slip("the padding's row not masked", "missing-mask", ("mask",)),
            Slip("the row after", "shifted", ("+1",)),
            Slip("the last word's row lost", "batch localized missing-terms", ("last", "row", "sample")),
        ),
    ),
    Subject(
        "gather",
        draw_gather,
        gather,
        gather_backward,
        gather_reference,
        (
            Slip("put, not added", "overwritten", ("last",)),
            Slip("the square's 2 left out", "scaled", ("2",)),
            Slip("all into the first sample", "summed permuted", ("first",)),
        ),
    ),
    Subject(
        "cross-entropy, rows ignored",
        draw_labels,
        cross_entropy,
        cross_entropy_backward,
        cross_entropy_reference,
        (
            Slip("divided by all rows", "scaled", ("batch",)),
            Slip("not divided", "scaled", ("sum", "count", "of the quotient")),
            Slip("the ignored rows not masked", "missing-mask", ("mask",)),
            Slip("the softmax's term left out", "missing-terms", ("path", "what arrives")),
            Slip("the label's term left out", "missing-terms", ("path",)),
            Slip("the sign", "sign", ("sign",)),
            Slip("the incoming gradient ignored", "ignores-upstream", ("incoming",)),
        ),
    ),
)
