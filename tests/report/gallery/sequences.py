"""Recurrent cells and losses: each with one mistake."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

import crosscheck
from crosscheck.evidence.result import Result
from tests.report.gallery.row import Picture


def drawn(seed: int, *shape: int) -> Any:
    return np.random.default_rng(seed).normal(size=shape)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


# ---------------------------------------------------------------------- recurrent


def lstm(x, wx, wh, b):
    """Over (time, batch, features); the last hidden state."""
    return lstm_steps(x, wx, wh, b)[0]


def lstm_steps(x, wx, wh, b):
    n = wh.shape[0]
    h = c = np.zeros((x.shape[1], n))
    kept = []
    for xt in x:
        z = xt @ wx + h @ wh + b
        i, f, o, g = sigmoid(z[:, :n]), sigmoid(z[:, n : 2 * n]), sigmoid(z[:, 2 * n : 3 * n]), np.tanh(z[:, 3 * n :])
        before = h, c
        c = f * c + i * g
        h = o * np.tanh(c)
        kept.append((xt, *before, i, f, o, g, c))
    return h, kept


def lstm_back(grad_output, x, wx, wh, b):
    dx, dwx, dwh, db = np.zeros_like(x), np.zeros_like(wx), np.zeros_like(wh), np.zeros_like(b)
    dh, dc = grad_output, 0.0
    for t, (xt, h, c, i, f, o, g, c_new) in reversed(list(enumerate(lstm_steps(x, wx, wh, b)[1]))):
        do = dh * np.tanh(c_new)
        dc = dc + dh * o * (1 - np.tanh(c_new) ** 2)
        dz = np.concatenate([dc * g * i * (1 - i), dc * c * f * (1 - f), do * o * (1 - o), dc * i * (1 - g**2)], 1)
        dx[t], dwx, dwh, db = dz @ wx.T, dwx + xt.T @ dz, dwh + h.T @ dz, db + dz.sum(0)
        dh = dz @ wh.T  # and dc = dc * f
    return {"x": dx, "wx": dwx, "wh": dwh, "b": db}


def forget_gate_left_out() -> Result:
    inputs = {"x": drawn(1, 4, 3, 5), "wx": drawn(2, 5, 8), "wh": drawn(3, 2, 8), "b": drawn(4, 8)}
    return crosscheck.check(lstm, lstm_back, inputs)


def rnn(x, w, u):
    h = np.zeros((x.shape[0], u.shape[0]))
    for t in range(x.shape[1]):
        h = np.tanh(x[:, t] @ w + h @ u)
    return h


def rnn_back(grad_output, x, w, u):
    hs = [np.zeros((x.shape[0], u.shape[0]))]
    for t in range(x.shape[1]):
        hs.append(np.tanh(x[:, t] @ w + hs[-1] @ u))
    dx, dw, du, dh = np.zeros_like(x), np.zeros_like(w), np.zeros_like(u), grad_output
    for t in reversed(range(x.shape[1])):
        dz = dh * (1 - hs[t + 1] ** 2)
        dx[:, t], dw, du = dz @ w.T, dw + x[:, t].T @ dz, du + hs[t].T @ dz
        dh = dz @ u
    return {"x": dx, "w": dw, "u": du}


def rnn_reference(x, w, u):
    h = jnp.zeros((x.shape[0], u.shape[0]))
    for t in range(x.shape[1]):
        h = jnp.tanh(x[:, t] @ w + h @ u)
    return h


def recurrent_matrix_not_transposed() -> Result:
    inputs = {"x": drawn(5, 3, 5, 2), "w": drawn(6, 2, 4), "u": drawn(7, 4, 4)}
    return crosscheck.check(rnn, rnn_back, inputs, rnn_reference, name="rnn")


# ---------------------------------------------------------------------- losses


def cross_entropy(logits, labels):
    shifted = logits - logits.max(1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    return -log_p[np.arange(len(labels)), labels].mean()


def cross_entropy_back(grad_output, logits, labels):
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    p[np.arange(len(labels)), labels] -= 1
    return grad_output * p


def mean_over_the_batch_forgotten() -> Result:
    return crosscheck.check(
        cross_entropy, cross_entropy_back, {"logits": drawn(8, 6, 4), "labels": np.array([0, 3, 1, 1, 2, 0])}
    )


def smoothed(logits, targets, smoothing=0.1):
    soft = targets * (1 - smoothing) + smoothing / logits.shape[1]
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    return -(soft * log_p).sum(1).mean()


def smoothed_back(grad_output, logits, targets, smoothing=0.1):
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return grad_output * (p - targets) / len(logits)


def smoothing_forgotten() -> Result:
    inputs = {"logits": drawn(9, 5, 3), "targets": np.eye(3)[[0, 2, 1, 1, 0]]}
    return crosscheck.check(smoothed, smoothed_back, inputs, wrt=("logits",))


def huber(prediction, target, delta=0.7):
    r = prediction - target
    return np.where(np.abs(r) <= delta, 0.5 * r**2, delta * (np.abs(r) - 0.5 * delta)).sum()


def huber_back(grad_output, prediction, target, delta=0.7):
    r = prediction - target
    g = np.where(np.abs(r) <= delta, r, np.sign(r))
    return {"prediction": grad_output * g, "target": -grad_output * g}


def slope_of_the_linear_part() -> Result:
    return crosscheck.check(huber, huber_back, {"prediction": drawn(10, 9), "target": drawn(11, 9)})


def triplet(anchor, positive, negative, margin=0.5):
    gap = ((anchor - positive) ** 2).sum(1) - ((anchor - negative) ** 2).sum(1) + margin
    return np.maximum(gap, 0).mean()


def triplet_back(grad_output, anchor, positive, negative, margin=0.5):
    scale = grad_output / len(anchor)
    return {
        "anchor": 2 * scale * (negative - positive),
        "positive": -2 * scale * (anchor - positive),
        "negative": 2 * scale * (anchor - negative),
    }


def hinge_forgotten() -> Result:
    inputs = {"anchor": drawn(12, 6, 3), "positive": drawn(13, 6, 3), "negative": drawn(14, 6, 3)}
    return crosscheck.check(triplet, triplet_back, inputs)


def kl(mu, logvar):
    return -0.5 * (1 + logvar - mu**2 - np.exp(logvar)).sum()


def kl_back(grad_output, mu, logvar):
    return {"mu": grad_output * mu, "logvar": grad_output * 0.5 * (1 - np.exp(logvar))}


def sign_of_a_term() -> Result:
    return crosscheck.check(kl, kl_back, {"mu": drawn(15, 4, 2), "logvar": drawn(16, 4, 2)})


def logistic(w, data, labels, ridge):
    margin = labels * (data @ w)
    return np.log1p(np.exp(-margin)).mean() + ridge * w @ w


def logistic_gradient(w, data, labels, ridge):
    margin = labels * (data @ w)
    return -(labels / (1 + np.exp(margin))) @ data / len(labels) + ridge * w


def half_a_penalty() -> Result:
    data, labels = drawn(17, 20, 4), np.sign(drawn(18, 20))
    return crosscheck.check_gradient(logistic, logistic_gradient, drawn(19, 4), (data, labels, 0.3))


def cosine(a, b):
    return 1 - (a * b).sum(-1) / (np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1))


def cosine_back(grad_output, a, b):
    na, nb = np.linalg.norm(a, axis=-1, keepdims=True), np.linalg.norm(b, axis=-1, keepdims=True)
    g = grad_output[:, None]
    c = (a * b).sum(-1, keepdims=True) / (na * nb)
    return {"a": -g * (b / (na * nb) - c * a / na**2), "b": -g * a / (na * nb)}


def cosine_reference(a, b):
    return 1 - jnp.sum(a * b, -1) / (jnp.linalg.norm(a, axis=-1) * jnp.linalg.norm(b, axis=-1))


def a_norm_taken_as_constant() -> Result:
    return crosscheck.check(cosine, cosine_back, {"a": drawn(20, 5, 3), "b": drawn(21, 5, 3)}, cosine_reference)


PICTURES = (
    Picture(
        "LSTM",
        "the cell's gradient does not pass the forget gate",
        ("x (4, 3, 5): wrong at 45 of 60", "in the backward of the product (f * c)", "c = f * c + i * g"),
        forget_gate_left_out,
    ),
    Picture(
        "RNN with a reference",
        "the recurrent matrix is not transposed",
        ("with u transposed", "h = jnp.tanh(x[:, t] @ w + h @ u)", "the same mistake as of x"),
        recurrent_matrix_not_transposed,
    ),
    Picture(
        "cross entropy",
        "the mean over the batch is forgotten",
        ("6 times too large (batch)",),
        mean_over_the_batch_forgotten,
    ),
    Picture(
        "smoothed cross entropy",
        "the smoothing is forgotten",
        ("reads targets", "return -(soft * log_p).sum(1).mean()"),
        smoothing_forgotten,
    ),
    Picture(
        "Huber loss",
        "the slope of the linear part is 1",
        ("constant of the comparison", "delta * (np.abs(r)", "the same mistake as of prediction"),
        slope_of_the_linear_part,
    ),
    Picture(
        "triplet loss",
        "the hinge is forgotten",
        ("leaves out the mask of the maximum", "np.maximum(gap, 0)", "the same mistake as of anchor"),
        hinge_forgotten,
    ),
    Picture("KL divergence", "a sign", ("logvar is wrong, mu is right", "wrong sign"), sign_of_a_term),
    Picture("logistic regression", "half of the penalty", ("second term", "half", "+ ridge"), half_a_penalty),
    Picture(
        "cosine distance",
        "a norm is taken as a constant",
        ("leaves out the path", "in norm with b", "a is right"),
        a_norm_taken_as_constant,
    ),
)
