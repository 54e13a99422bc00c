"""Transforms and scans: circular convolution and power by FFT, a running average, a running sum.

y = F⁻¹(F x ⊙ F h)              x̄ = F⁻¹(F ȳ ⊙ conj F h)
P_k = |X_k|², k ≤ n/2           x̄ = 2 Re Σ_k P̄_k X_k e^{2πi k t / n}
y_t = a y_{t-1} + (1 - a) x_t   λ_t = ȳ_t + a λ_{t+1},   x̄_t = (1 - a) λ_t,   ā = Σ λ_t (y_{t-1} - x_t)
y = tanh(cumsum x)              x̄ = reverse cumsum of ȳ (1 - y²)
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tests.beyond.planted import Array, Arrays, Rng, Slip, Subject, of_size


def draw_convolution(rng: Rng, size: int) -> Arrays:
    b, n = of_size(size, (3, 2), (8, 6))
    return {"x": rng.normal(size=(b, n)), "h": rng.normal(size=n)}


def convolution(x: Array, h: Array) -> Array:
    return np.fft.irfft(np.fft.rfft(x) * np.fft.rfft(h), x.shape[1])


def convolution_backward(g: Array, slip: str, x: Array, h: Array) -> Arrays:
    n = x.shape[1]
    fg, fx, fh = np.fft.rfft(g), np.fft.rfft(x), np.fft.rfft(h)
    grad_x = np.fft.irfft(fg * (fh if slip == "the conjugate left out" else fh.conj()), n)
    grad_h = np.fft.irfft(fg * fx.conj(), n).sum(0)
    if slip == "the other factor conjugated":
        grad_h = np.fft.irfft(fg.conj() * fx, n).sum(0)
    if slip == "a factor of n":
        grad_x = grad_x / n
    return {"x": grad_x, "h": grad_h}


def convolution_reference(x: Any, h: Any) -> jax.Array:
    return jnp.fft.irfft(jnp.fft.rfft(x) * jnp.fft.rfft(h), x.shape[1])


def draw_power(rng: Rng, size: int) -> Arrays:
    return {"x": rng.normal(size=of_size(size, (3, 2), (8, 10)))}


def power(x: Array) -> Array:
    return np.abs(np.fft.rfft(x)) ** 2


def power_backward(g: Array, slip: str, x: Array) -> Arrays:
    n = x.shape[1]
    wave = np.exp(2j * np.pi * np.outer(np.arange(g.shape[1]), np.arange(n)) / n)
    weighted = g * np.fft.rfft(x)
    if slip == "irfft without its weights":
        return {"x": 2 * n * np.fft.irfft(weighted, n)}
    if slip == "the conjugate taken":
        weighted = weighted.conj()
    return {"x": (weighted @ wave).real * (1 if slip == "the square's 2 left out" else 2)}


def power_reference(x: Any) -> jax.Array:
    spectrum = jnp.fft.rfft(x)
    return spectrum.real**2 + spectrum.imag**2


def draw_average(rng: Rng, size: int) -> Arrays:
    t, d = of_size(size, (6, 5), (3, 4))
    return {"x": rng.normal(size=(t, d)), "a": rng.uniform(0.2, 0.8, d)}


def average(x: Array, a: Array) -> Array:
    y = [np.zeros_like(a)]
    for t in range(len(x)):
        y.append(a * y[-1] + (1 - a) * x[t])
    return np.stack(y[1:])


def average_backward(g: Array, slip: str, x: Array, a: Array) -> Arrays:
    y = np.concatenate([np.zeros((1, len(a))), average(x, a)])
    grad_x, grad_a, carried = np.zeros_like(x), np.zeros_like(a), np.zeros_like(a)
    for t in reversed(range(len(x))):
        carried = g[t] + (0 if slip == "nothing carried" else a * carried)
        grad_x[t] = carried * (1 if slip == "1 - a left out" else 1 - a)
        before = y[t + 1 if slip == "the state after" else t]
        grad_a += carried * (before if slip == "x's term left out" else before - x[t])
    return {"x": grad_x, "a": grad_a}


def average_reference(x: Any, a: Any) -> jax.Array:
    def step(y: Any, xt: Any) -> Any:
        y = a * y + (1 - a) * xt
        return y, y

    return jax.lax.scan(step, jnp.zeros_like(a), x)[1]


def draw_running(rng: Rng, size: int) -> Arrays:
    return {"x": rng.normal(size=of_size(size, (3, 4), (5, 6)))}


def running(x: Array) -> Array:
    return np.tanh(np.cumsum(x, axis=1))


def running_backward(g: Array, slip: str, x: Array) -> Arrays:
    y = running(x)
    g = g * (1 - y * y)
    if slip == "summed forwards":
        return {"x": np.cumsum(g, axis=1)}
    if slip == "its own place left out":
        return {"x": np.cumsum(g[:, ::-1], axis=1)[:, ::-1] - g}
    if slip == "not summed":
        return {"x": g}
    return {"x": np.cumsum(g[:, ::-1], axis=1)[:, ::-1]}


def running_reference(x: Any) -> jax.Array:
    return jnp.tanh(jnp.cumsum(x, axis=1))


SUBJECTS = (
    Subject(
        "circular convolution by FFT",
        draw_convolution,
        convolution,
        convolution_backward,
        convolution_reference,
        (
            Slip("the conjugate left out", "conjugate", ("conjugate",)),
            Slip("the other factor conjugated", "conjugate flipped", ("conjugate", "circular")),
            Slip("a factor of n", "scaled", ("features",)),
        ),
    ),
    Subject(
        "power spectrum",
        draw_power,
        power,
        power_backward,
        power_reference,
        (
            Slip("irfft without its weights", "scaled half-spectrum", ("spectrum",)),
            Slip("the conjugate taken", "conjugate flipped", ("conjugate", "circular")),
            Slip("the square's 2 left out", "scaled", ("2",)),
        ),
    ),
    Subject(
        "running average (scan)",
        draw_average,
        average,
        average_backward,
        average_reference,
        (
            Slip("nothing carried", "missing-terms", ("turn", "y in", "recurrent", "diagonal")),
            Slip("1 - a left out", "missing-terms", ("leaves out",)),
            Slip("the state after", "wrong-operand wrong-factor", ("after", "turn", "multiplied by a")),
            Slip("x's term left out", "missing-terms", ("path",)),
        ),
    ),
    Subject(
        "running sum",
        draw_running,
        running,
        running_backward,
        running_reference,
        (
            Slip("summed forwards", "flipped", ("direction", "forwards")),
            Slip("its own place left out", "shifted missing-terms", ("place", "shift")),
            Slip("not summed", "missing-terms", ("diagonal", "sum")),
        ),
    ),
)
