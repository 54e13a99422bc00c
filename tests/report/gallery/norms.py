"""Normalization, attention, embeddings, dropout: each with one mistake."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import crosscheck
from crosscheck.evidence.result import Result
from tests.report.gallery.row import Picture


def drawn(seed: int, *shape: int) -> Any:
    return np.random.default_rng(seed).normal(size=shape)


# ---------------------------------------------------------------------- normalization


def batch_norm(x, gamma, beta, eps=1e-5):
    mean, var = x.mean(0), x.var(0)
    return gamma * (x - mean) / np.sqrt(var + eps) + beta


def batch_norm_back(grad_output, x, gamma, beta, eps=1e-5):
    mean, std = x.mean(0), np.sqrt(x.var(0) + eps)
    xhat = (x - mean) / std
    g = grad_output * gamma
    return {"x": (g - g.mean(0)) / std, "gamma": (grad_output * xhat).sum(0), "beta": grad_output.sum(0)}


def variance_taken_as_constant() -> Result:
    inputs = {"x": drawn(1, 8, 5), "gamma": drawn(2, 5), "beta": drawn(3, 5)}
    return crosscheck.check(batch_norm, batch_norm_back, inputs)


class LayerNorm:
    def __init__(self, width):
        rng = np.random.default_rng(4)
        self.gamma, self.beta = rng.normal(size=width), rng.normal(size=width)

    def forward(self, x):
        self.std = np.sqrt(x.var(-1, keepdims=True) + 1e-5)
        self.xhat = (x - x.mean(-1, keepdims=True)) / self.std
        return self.gamma * self.xhat + self.beta

    def backward(self, grad):
        self.dgamma = (grad * self.xhat).sum((0, 1))
        self.dbeta = grad.mean((0, 1))
        g = grad * self.gamma
        inner = g - g.mean(-1, keepdims=True) - self.xhat * (g * self.xhat).mean(-1, keepdims=True)
        return inner / self.std


def mean_for_the_sum() -> Result:
    return crosscheck.check_layer(LayerNorm(6), drawn(5, 3, 4, 6))


def rms_norm(x, scale):
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6) * scale


def rms_norm_back(grad_output, x, scale):
    rms = np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6)
    g = grad_output * scale
    dx = g / rms - x * (g * x).sum(-1, keepdims=True) / rms**3
    return {"x": dx, "scale": (grad_output * x / rms).sum(0)}


def rms_reference(x, scale):
    return x * jax.lax.rsqrt(jnp.mean(x * x, -1, keepdims=True) + 1e-6) * scale


def a_count_left_out() -> Result:
    return crosscheck.check(rms_norm, rms_norm_back, {"x": drawn(6, 5, 7), "scale": drawn(7, 7)}, rms_reference)


# ---------------------------------------------------------------------- attention


def softmax(z):
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def attention(q, k, v):
    return softmax(q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[-1])) @ v


def attention_back_scale(grad_output, q, k, v):
    root = np.sqrt(q.shape[-1])
    p = softmax(q @ k.transpose(0, 2, 1) / root)
    dp = grad_output @ v.transpose(0, 2, 1)
    ds = p * (dp - (dp * p).sum(-1, keepdims=True))
    return {"q": ds @ k, "k": ds.transpose(0, 2, 1) @ q / root, "v": p.transpose(0, 2, 1) @ grad_output}


def scale_forgotten_in_q() -> Result:
    inputs = {"q": drawn(8, 2, 4, 6), "k": drawn(9, 2, 5, 6), "v": drawn(10, 2, 5, 3)}
    return crosscheck.check(attention, attention_back_scale, inputs)


def attention_back_diagonal(grad_output, q, k, v):
    root = np.sqrt(q.shape[-1])
    p = softmax(q @ k.transpose(0, 2, 1) / root)
    dp = grad_output @ v.transpose(0, 2, 1)
    ds = p * (1 - p) * dp / root
    return {"q": ds @ k, "k": ds.transpose(0, 2, 1) @ q, "v": p.transpose(0, 2, 1) @ grad_output}


def attention_reference(q, k, v):
    return jax.nn.softmax(q @ k.transpose(0, 2, 1) / jnp.sqrt(q.shape[-1]), axis=-1) @ v


def softmax_by_its_diagonal() -> Result:
    inputs = {"q": drawn(11, 2, 4, 6), "k": drawn(12, 2, 5, 6), "v": drawn(13, 2, 5, 3)}
    return crosscheck.check(attention, attention_back_diagonal, inputs, attention_reference, name="attention")


# ---------------------------------------------------------------------- embeddings, dropout


def embed(table, tokens):
    return table[tokens]


def embed_back(grad_output, table, tokens):
    grad = np.zeros_like(table)
    grad[tokens] = grad_output
    return grad


def repeated_tokens_overwritten() -> Result:
    inputs = {"table": drawn(14, 6, 3), "tokens": np.array([[0, 2, 2], [5, 0, 1]])}
    return crosscheck.check(embed, embed_back, inputs)


class Dropout:
    def __init__(self, rate):
        self.rate, self.mask = rate, np.random.default_rng(15).random((6, 8)) > rate

    def forward(self, x):
        return x * self.mask / (1 - self.rate)

    def backward(self, grad):
        return grad * self.mask


def dropout_not_scaled_back() -> Result:
    return crosscheck.check_layer(Dropout(0.3), drawn(16, 6, 8))


def gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def gelu_back(grad_output, x):
    t = np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))
    return grad_output * (0.5 * (1 + t) + 0.5 * x * (1 - t**2) * np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * x**2))


def another_gelu() -> Result:
    return crosscheck.check(gelu, gelu_back, {"x": drawn(17, 4, 6)}, lambda x: jax.nn.gelu(x, approximate=False))


PICTURES = (
    Picture(
        "batch norm",
        "the variance is taken as a constant",
        ("leaves out", "in var", "mean, var = x.mean(0), x.var(0)"),
        variance_taken_as_constant,
    ),
    Picture(
        "layer norm", "the mean where the sum belongs", ("beta (6,)", "12 times too small", "batch"), mean_for_the_sum
    ),
    Picture(
        "RMS norm with a reference",
        "the count left out of a mean",
        ("7 times too large", "jnp.mean(x * x, -1,"),
        a_count_left_out,
    ),
    Picture(
        "attention",
        "the scale is forgotten in the gradient of q",
        ("q is wrong, k and v are right", "2.449", "√"),
        scale_forgotten_in_q,
    ),
    Picture(
        "attention with a reference", "softmax by the diagonal of its Jacobian", ("diagonal",), softmax_by_its_diagonal
    ),
    Picture(
        "embedding",
        "repeated tokens are overwritten",
        ("keeps only the last of several contributions", "instead of adding up"),
        repeated_tokens_overwritten,
    ),
    Picture("dropout", "not scaled on the way back", ("0.7 times the true one",), dropout_not_scaled_back),
    Picture(
        "GELU",
        "another approximation than the reference's",
        ("the forward differs", "right for its own forward"),
        another_gelu,
    ),
)
