"""Recurrence: the cells of LSTM and GRU, and a plain network over time.

LSTM   c' = f ⊙ c + i ⊙ n,   h' = o ⊙ tanh c';   i, f, o = σ(·), n = tanh(·) of x Wx + h Wh + b
GRU    h' = (1 - z) ⊙ n + z ⊙ h,   n = tanh(x_n + r ⊙ (h U_n))
RNN    h_t = tanh(x_t W + h_{t-1} U + b);   H̄_t = Ȳ_t + Z̄_{t+1} Uᵀ,   Z̄_t = H̄_t ⊙ (1 - h_t²)
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tests.beyond.planted import Array, Arrays, Rng, Slip, Subject, of_size, sigmoid


def draw_lstm(rng: Rng, size: int) -> Arrays:
    b, d, h = of_size(size, (4, 2), (3, 5), (2, 3))
    shapes = {"x": (b, d), "h": (b, h), "c": (b, h), "wx": (d, 4 * h), "wh": (h, 4 * h), "bias": (4 * h,)}
    return {k: rng.normal(size=s) for k, s in shapes.items()}


def gates(x: Array, h: Array, wx: Array, wh: Array, bias: Array) -> tuple[Array, ...]:
    i, f, n, o = np.split(x @ wx + h @ wh + bias, 4, axis=1)
    return sigmoid(i), sigmoid(f), np.tanh(n), sigmoid(o)


def lstm(x: Array, h: Array, c: Array, wx: Array, wh: Array, bias: Array) -> Array:
    i, f, n, o = gates(x, h, wx, wh, bias)
    new = f * c + i * n
    return np.concatenate([o * np.tanh(new), new], axis=1)


def lstm_backward(g: Array, slip: str, x: Array, h: Array, c: Array, wx: Array, wh: Array, bias: Array) -> Arrays:
    i, f, n, o = gates(x, h, wx, wh, bias)
    new = f * c + i * n
    grad_h, grad_c = np.split(g, 2, axis=1)
    t = np.tanh(new)
    grad_o = grad_h * (new if slip == "the output gate reads the cell without tanh" else t)
    through = grad_h * o * (1 if slip == "tanh's derivative left out" else 1 - t * t)
    grad_c = through if slip == "the cell's own path dropped" else grad_c + through
    if slip == "the output's path to the cell dropped":
        grad_c = np.split(g, 2, axis=1)[1]
    grad_f = grad_c * (new if slip == "the forget gate reads the new cell" else c)
    grad_i, grad_n = grad_c * n, grad_c * i
    slope = n * (1 - n) if slip == "the candidate's derivative is the sigmoid's" else 1 - n * n
    parts = [grad_i * i * (1 - i), grad_f * f * (1 - f), grad_n * slope, grad_o * o * (1 - o)]
    if slip == "the gates' derivatives left out":
        parts = [grad_i, grad_f, grad_n * slope, grad_o]
    z = np.concatenate(parts, axis=1)
    return {
        "x": z @ wx.T,
        "h": z @ wh.T,
        "c": grad_c * (i if slip == "the input gate passed back to c" else f),
        "wx": x.T @ z,
        "wh": h.T @ z,
        "bias": z.sum(0),
    }


def lstm_reference(x: Any, h: Any, c: Any, wx: Any, wh: Any, bias: Any) -> jax.Array:
    z = x @ wx + h @ wh + bias
    i, f, n, o = jnp.split(z, 4, axis=1)
    i = jax.nn.sigmoid(i)
    f = jax.nn.sigmoid(f)
    n = jnp.tanh(n)
    o = jax.nn.sigmoid(o)
    new_c = f * c + i * n
    new_h = o * jnp.tanh(new_c)
    return jnp.concatenate([new_h, new_c], axis=1)


def draw_gru(rng: Rng, size: int) -> Arrays:
    b, d, h = of_size(size, (4, 2), (3, 5), (2, 3))
    shapes = {"x": (b, d), "h": (b, h), "w": (d, 3 * h), "u": (h, 3 * h)}
    return {k: rng.normal(size=s) for k, s in shapes.items()}


def gru_parts(x: Array, h: Array, w: Array, u: Array) -> tuple[Array, ...]:
    xr, xz, xn = np.split(x @ w, 3, axis=1)
    hr, hz, hn = np.split(h @ u, 3, axis=1)
    r, z = sigmoid(xr + hr), sigmoid(xz + hz)
    return r, z, hn, np.tanh(xn + r * hn)


def gru(x: Array, h: Array, w: Array, u: Array) -> Array:
    _, z, _, n = gru_parts(x, h, w, u)
    return (1 - z) * n + z * h


def gru_backward(g: Array, slip: str, x: Array, h: Array, w: Array, u: Array) -> Arrays:
    r, z, hn, n = gru_parts(x, h, w, u)
    grad_z = g * (n - h if slip == "the update gate's sign" else h - n) * z * (1 - z)
    if slip == "the update gate reads h alone":
        grad_z = g * h * z * (1 - z)
    grad_n = g * (z if slip == "z for 1 - z" else 1 - z) * (1 - n * n)
    grad_r = grad_n * hn * r * (1 - r)
    if slip == "the reset gate's path dropped":
        grad_r = np.zeros_like(grad_r)
    if slip == "the reset gate reads h":
        grad_r = grad_n * h * r * (1 - r)
    grad_hn = grad_n * (1 if slip == "the reset gate left out" else r)
    grad_x, grad_u = np.concatenate([grad_r, grad_z, grad_n], 1), np.concatenate([grad_r, grad_z, grad_hn], 1)
    direct = 0 if slip == "the direct path dropped" else g * z
    return {"x": grad_x @ w.T, "h": grad_u @ u.T + direct, "w": x.T @ grad_x, "u": h.T @ grad_u}


def gru_reference(x: Any, h: Any, w: Any, u: Any) -> jax.Array:
    xr, xz, xn = jnp.split(x @ w, 3, axis=1)
    hr, hz, hn = jnp.split(h @ u, 3, axis=1)
    reset = jax.nn.sigmoid(xr + hr)
    update = jax.nn.sigmoid(xz + hz)
    n = jnp.tanh(xn + reset * hn)
    return (1 - update) * n + update * h


def draw_rnn(rng: Rng, size: int) -> Arrays:
    t, b, d, h = of_size(size, (5, 6), (2, 3), (4, 2), (3, 5))
    shapes = {"x": (t, b, d), "h0": (b, h), "w": (d, h), "u": (h, h), "bias": (h,)}
    return {k: rng.normal(size=s) * 0.8 for k, s in shapes.items()}


def states(x: Array, h0: Array, w: Array, u: Array, bias: Array) -> Array:
    h = [h0]
    for t in range(len(x)):
        h.append(np.tanh(x[t] @ w + h[-1] @ u + bias))
    return np.stack(h)


def rnn(x: Array, h0: Array, w: Array, u: Array, bias: Array) -> Array:
    return states(x, h0, w, u, bias)[1:]


def rnn_backward(g: Array, slip: str, x: Array, h0: Array, w: Array, u: Array, bias: Array) -> Arrays:
    h = states(x, h0, w, u, bias)
    out = {"x": np.zeros_like(x), "w": np.zeros_like(w), "u": np.zeros_like(u), "bias": np.zeros_like(bias)}
    carried = z = np.zeros_like(h0)
    for t in reversed(range(len(x))):
        grad_h = g[t] + carried
        z = grad_h * (1 - (h[t] if slip == "tanh's derivative at the state before" else h[t + 1]) ** 2)
        if slip == "tanh's derivative left out":
            z = grad_h
        out["x"][t] = z @ w.T
        if slip == "w of the first step only":
            out["w"][:] = 0
        out["w"] += x[t].T @ z
        out["u"] += h[t + 1 if slip == "u reads the state after" else t].T @ z
        out["bias"] += z.sum(0)
        carried = z @ (u if slip == "u not transposed" else u.T)
        if slip == "the recurrent path dropped":
            carried = np.zeros_like(carried)
    return out | {"h0": z if slip == "the first step's u left out of h0" else carried}


def rnn_reference(x: Any, h0: Any, w: Any, u: Any, bias: Any) -> jax.Array:
    def step(h: Any, xt: Any) -> Any:
        h = jnp.tanh(xt @ w + h @ u + bias)
        return h, h

    return jax.lax.scan(step, h0, x)[1]


SUBJECTS = (
    Subject(
        "LSTM cell",
        draw_lstm,
        lstm,
        lstm_backward,
        lstm_reference,
        (
            Slip("the forget gate reads the new cell", "wrong-operand wrong-factor", ("new_c", "c ")),
            Slip("the output gate reads the cell without tanh", "wrong-operand wrong-factor", ("tanh",)),
            Slip("the cell's own path dropped", "missing-terms", ("path", "new_c")),
            Slip("the output's path to the cell dropped", "missing-terms", ("tanh",)),
            Slip("tanh's derivative left out", "missing-terms", ("derivative",)),
            Slip("the candidate's derivative is the sigmoid's", "wrong-derivative", ("y (1 - y)",)),
            Slip("the gates' derivatives left out", "missing-terms", ("derivative",)),
            Slip("the input gate passed back to c", "wrong-operand wrong-factor", ("reads",)),
        ),
    ),
    Subject(
        "GRU cell",
        draw_gru,
        gru,
        gru_backward,
        gru_reference,
        (
            Slip("the update gate's sign", "sign", ("sign",)),
            Slip("the update gate reads h alone", "missing-terms", ("path",)),
            Slip("z for 1 - z", "wrong-operand wrong-factor", ("reads",)),
            Slip("the reset gate's path dropped", "missing-terms", ("reset", "first factor")),
            Slip("the reset gate reads h", "wrong-operand wrong-factor", ("reads h",)),
            Slip("the reset gate left out", "missing-terms", ("leaves out",)),
            Slip("the direct path dropped", "missing-terms", ("path through the second factor of the product with h",)),
        ),
    ),
    Subject(
        "RNN over time",
        draw_rnn,
        rnn,
        rnn_backward,
        rnn_reference,
        (
            Slip("the recurrent path dropped", "missing-terms zero", ("u in every turn", "zero everywhere")),
            Slip("u not transposed", "transposed", ("transposed",)),
            Slip("u reads the state after", "wrong-operand wrong-factor", ("after", "turn")),
            Slip(
                "tanh's derivative at the state before",
                "wrong-derivative wrong-operand wrong-factor",
                ("before", "turn"),
            ),
            Slip("tanh's derivative left out", "missing-terms", ("derivative",)),
            Slip("w of the first step only", "overwritten missing-terms", ("turn", "step")),
            Slip("the first step's u left out of h0", "missing-terms", ("leaves out", "first")),
        ),
    ),
)
