"""Forwards in the styles of public hand-written layers: each a function of named arrays, and a point."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.linalg as la
import scipy.special
from numpy import array, exp, float64, zeros
from numpy.lib import stride_tricks
from numpy.lib.stride_tricks import as_strided, sliding_window_view

Array = np.ndarray
Arrays = dict[str, Array]
rng = np.random.default_rng(0)


def normal(*shape: int) -> Array:
    return rng.normal(size=shape)


def positive(*shape: int) -> Array:
    return rng.uniform(0.5, 2.0, shape)


@dataclass(frozen=True)
class Style:
    forward: Callable[..., Any]
    inputs: Arrays


STYLES: dict[str, Style] = {}


def style(**inputs: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def entered(forward: Callable[..., Any]) -> Callable[..., Any]:
        STYLES[forward.__name__] = Style(forward, {k: np.asarray(a) for k, a in inputs.items()})
        return forward

    return entered


IMAGE = {"x": normal(2, 2, 5, 4), "w": normal(3, 2, 3, 3)}

# ---------------------------------------------------------------------- convolutions and pools


@style(**IMAGE, b=normal(3))
def naive_convolution(x, w, b):
    n, _, h, width = x.shape
    f, _, kh, kw = w.shape
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="constant")
    out = np.zeros((n, f, h, width))
    for i in range(n):
        for j in range(f):
            for k in range(h):
                for m in range(width):
                    out[i, j, k, m] = np.sum(padded[i, :, k : k + kh, m : m + kw] * w[j]) + b[j]
    return out


@style(x=normal(1, 4, 4), w=normal(2, 1, 2, 2))
def convolution_of_single_numbers(x, w):
    out = np.zeros((2, 3, 3))
    for f in range(2):
        for i in range(3):
            for j in range(3):
                total = 0.0
                for k in range(2):
                    for m in range(2):
                        total += x[0, i + k, j + m] * w[f, 0, k, m]
                out[f, i, j] = total
    return out


@style(x=normal(1, 4, 4), w=normal(1, 1, 2, 2))
def convolution_that_adds_up_entries(x, w):
    out = np.zeros((1, 3, 3))
    for f in range(1):
        for i in range(3):
            for j in range(3):
                for k in range(2):
                    for m in range(2):
                        out[f, i, j] += x[0, i + k, j + m] * w[f, 0, k, m]
    return out


@style(**IMAGE)
def strided_convolution(x, w):
    n, c, h, width = x.shape
    _, _, kh, kw = w.shape
    s = x.strides
    windows = as_strided(x, (n, c, h - kh + 1, width - kw + 1, kh, kw), s + s[2:])
    return np.einsum("nchwij,fcij->nfhw", windows, w, optimize=True)


@style(**IMAGE)
def strided_by_its_room(x, w):
    windows = np.lib.stride_tricks.as_strided(
        x, shape=(2, 2, 3, 2, 3, 3), strides=x.strides + x.strides[2:], writeable=False
    )
    return np.tensordot(windows, w, axes=((1, 4, 5), (1, 2, 3))).transpose(0, 3, 1, 2)


@style(**IMAGE)
def sliding_windows(x, w):
    return np.tensordot(sliding_window_view(x, (3, 3), axis=(2, 3)), w, ([1, 4, 5], [1, 2, 3]))


@style(x=normal(7))
def sliding_windows_of_a_room(x):
    return stride_tricks.sliding_window_view(x, 3).mean(axis=-1)


@style(**IMAGE)
def im2col_by_slices(x, w):
    n, c, h, width = x.shape
    f, _, kh, kw = w.shape
    oh, ow = h - kh + 1, width - kw + 1
    col = np.zeros((n, c, kh, kw, oh, ow))
    for i in range(kh):
        for j in range(kw):
            col[:, :, i, j, :, :] = x[:, :, i : i + oh, j : j + ow]
    col = col.transpose(0, 4, 5, 1, 2, 3).reshape(n * oh * ow, -1)
    return np.dot(col, w.reshape(f, -1).T).reshape(n, oh, ow, f).transpose(0, 3, 1, 2)


@style(**IMAGE)
def im2col_by_fancy_indices(x, w):
    c, kh, kw, oh, ow = 2, 3, 3, 3, 2
    i0 = np.tile(np.repeat(np.arange(kh), kw), c)
    i1 = np.repeat(np.arange(oh), ow)
    j0 = np.tile(np.arange(kw), kh * c)
    j1 = np.tile(np.arange(ow), oh)
    i, j = i0.reshape(-1, 1) + i1.reshape(1, -1), j0.reshape(-1, 1) + j1.reshape(1, -1)
    k = np.repeat(np.arange(c), kh * kw).reshape(-1, 1)
    cols = x[:, k, i, j].transpose(1, 2, 0).reshape(kh * kw * c, -1)
    return (w.reshape(3, -1) @ cols).reshape(3, oh, ow, 2).transpose(3, 0, 1, 2)


@style(x=normal(2, 2, 6, 4))
def max_pool_by_loops(x):
    out = np.empty((2, 2, 3, 2))
    for i in range(3):
        for j in range(2):
            out[:, :, i, j] = np.max(x[:, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2], axis=(2, 3))
    return out


@style(x=normal(2, 2, 6, 4))
def max_pool_by_reshape(x):
    return x.reshape(2, 2, 3, 2, 2, 2).max(axis=3).max(axis=4)


@style(x=normal(2, 6))
def max_pool_by_argmax(x):
    windows = x.reshape(2, 3, 2)
    which = windows.argmax(axis=2)
    return np.take_along_axis(windows, which[:, :, None], axis=2)[:, :, 0]


@style(x=normal(1, 2, 3, 3), w=normal(2, 3, 2, 2))
def transposed_convolution(x, w):
    y = np.zeros((1, 3, 6, 6))
    for i in range(3):
        for j in range(3):
            y[:, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2] += np.einsum("bc,cdij->bdij", x[:, :, i, j], w)
    return y


@style(x=normal(1, 1, 3, 3))
def upsampling(x):
    return x.repeat(2, axis=2).repeat(2, axis=3) + np.kron(x[0, 0], np.ones((2, 2)))


# ---------------------------------------------------------------------- recurrent


@style(x=normal(2, 4, 3), wx=normal(3, 16), wh=normal(4, 16), b=normal(16))
def lstm(x, wx, wh, b):
    h, c, hs = np.zeros((2, 4)), np.zeros((2, 4)), []

    def sigmoid(z):
        return 1 / (1 + np.exp(-z))

    for t in range(x.shape[1]):
        a = x[:, t] @ wx + h @ wh + b
        i, f, o, g = sigmoid(a[:, :4]), sigmoid(a[:, 4:8]), sigmoid(a[:, 8:12]), np.tanh(a[:, 12:])
        c = f * c + i * g
        h = o * np.tanh(c)
        hs.append(h)
    return np.stack(hs, 1)


@style(x=normal(3, 2), wz=normal(5, 3), wr=normal(5, 3), wh=normal(5, 3))
def gru_that_fills_a_history(x, wz, wr, wh):
    history = np.zeros((4, 3))
    for t in range(3):
        both = np.concatenate((history[t], x[t]))
        z, r = 1 / (1 + np.exp(-both @ wz)), 1 / (1 + np.exp(-both @ wr))
        new = np.tanh(np.hstack([r * history[t], x[t]]) @ wh)
        history[t + 1] = (1 - z) * history[t] + z * new
    return history[1:]


@style(x=normal(5, 2), w=normal(2, 3), u=normal(3, 3))
def rnn_with_a_dictionary(x, w, u):
    states = {-1: np.zeros((1, 3))}
    for t in range(len(x)):
        states[t] = np.tanh(x[t].reshape(1, -1).dot(w) + states[t - 1].dot(u))
    return np.vstack([states[t] for t in range(len(x))])


# ---------------------------------------------------------------------- attention, norms, losses


@style(q=normal(2, 3, 5, 4), k=normal(2, 3, 5, 4), v=normal(2, 3, 5, 4))
def attention(q, k, v):
    s = q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1])
    s = np.where(np.tril(np.ones((5, 5))) == 0, -1e9, s)
    e = np.exp(s - s.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True) @ v


@style(x=normal(2, 5, 6), wq=normal(6, 6), wk=normal(6, 6), wv=normal(6, 6))
def heads_by_split(x, wq, wk, wv):
    heads = []
    for q, k, v in zip(
        np.split(x @ wq, 2, -1), np.split(x @ wk, 2, -1), np.array_split(x @ wv, 2, axis=-1), strict=True
    ):
        heads.append(scipy.special.softmax(np.matmul(q, np.transpose(k, (0, 2, 1))) / 3**0.5, axis=-1) @ v)
    return np.concatenate(heads, axis=-1)


@style(x=normal(6, 4), g=normal(4), b=normal(4))
def batch_norm(x, g, b):
    mu = np.mean(x, axis=0)
    centred = x - mu
    var = np.mean(centred**2, axis=0)
    return g * (centred / np.sqrt(var + 1e-5)) + b


@style(x=normal(3, 4, 2), g=normal(2))
def layer_norm_in_place(x, g):
    x -= x.mean(-1, keepdims=True)
    x /= x.std(axis=-1, keepdims=True) + 1e-6
    x *= g
    return x


@style(x=normal(2, 4, 3, 3))
def group_norm(x):
    grouped = np.reshape(x, (2, 2, -1))
    normalised = (grouped - grouped.mean(-1)[..., None]) / np.sqrt(grouped.var(-1)[..., None] + 1e-5)
    return normalised.reshape(x.shape)


@style(s=normal(4, 3), labels=np.array([0, 2, 1, 1]))
def cross_entropy_of_labels(s, labels):
    s = s - s.max(1, keepdims=True)
    p = np.exp(s)
    p /= p.sum(1, keepdims=True)
    return -np.log(p[np.arange(len(labels)), labels]).mean()


@style(s=normal(4, 3), labels=np.array([0, 2, 1, 1]))
def cross_entropy_of_one_hot(s, labels):
    target = np.zeros_like(s)
    target[range(4), labels] = 1
    return np.sum(scipy.special.logsumexp(s, axis=1) - (s * target).sum(1)) / 4


@style(s=normal(4, 3), labels=np.array([0, 2, 1, 1]))
def cross_entropy_by_eye_and_clip(s, labels):
    e = np.exp(s)
    p = np.clip(e / e.sum(-1, keepdims=True), 1e-12, 1 - 1e-12)
    return float(-np.mean(np.sum(np.eye(3)[labels] * np.log(p), axis=1)))


@style(a=normal(4, 3), p=normal(4, 3), n=normal(4, 3))
def triplet_loss(a, p, n):
    return np.maximum(la.norm(a - p, axis=1) - np.linalg.norm(a - n, axis=1) + 0.2, 0).sum()


@style(s=normal(5))
def hinge_with_a_builtin(s):
    return sum(max(0.0, 1 - v) for v in s)


@style(e=normal(7, 3), ids=np.array([[1, 2], [6, 1]]))
def embedding(e, ids):
    return e[ids] + np.take(e, ids, axis=0)


# ---------------------------------------------------------------------- elementwise, masks, choices


@style(x=normal(4, 3))
def masks_and_views(x):
    y = x.copy()
    y[y < 0] = 0
    y *= 2
    row = y[1]
    row += 1
    z = y.T
    z[0] = 5 * x[:, 1]
    return y


@style(x=normal(4, 3))
def leaky_by_a_mask(x):
    y = x.copy()
    y[x < 0] *= 0.1
    return y


@style(x=normal(4, 3))
def cross_entropy_by_ranges(x):
    p = np.exp(x) / np.exp(x).sum(1, keepdims=True)
    y = -np.log(p[range(4), (2, 0, 1, 1)])
    y[range(2)] -= x[(0, 1), (1, 2)]
    np.add.at(y, (range(1, 3),), x[range(2), 0])
    return y + p[range(4)][:, 0]


@style(x=normal(4, 3))
def elu_by_indices(x):
    y = np.array(x)
    at = np.where(y < 0)
    y[at] = np.exp(y[at]) - 1
    return y


@style(x=normal(6))
def branches_in_python(x):
    return np.array([v**2 if v > 0 else np.sin(v) for v in x])


@style(x=normal(6))
def branches_vectorised(x):
    return np.vectorize(lambda v: v * v if v > 0 else 0.5 * v, otypes=[float])(x)


@np.vectorize
def huber(v):
    return 0.5 * v**2 if abs(v) < 1 else abs(v) - 0.5


@style(x=normal(3, 2))
def decorated_vectorised(x):
    return huber(x)


@style(x=normal(8))
def piecewise(x):
    return np.piecewise(x, [x < -0.5, x > 0.5], [lambda v: v + 1, lambda v: v**3, 0.0])


@style(x=normal(8))
def select(x):
    return np.select([x < -0.5, x < 0.5], [x**2, np.abs(x)], default=2 * x)


@style(x=normal(6), u=np.random.default_rng(3).random(6))
def dropout_with_a_fixed_mask(x, u):
    mask = np.random.default_rng(7).random(x.shape) < 0.5
    return x * mask / 0.5 + np.multiply(x, u > 0.3, out=np.empty_like(x))


@style(x=normal(6))
def seeded_dropout(x):
    np.random.seed(3)  # noqa: NPY002
    mask = np.random.binomial(1, 0.5, size=x.shape)  # noqa: NPY002
    return x * mask


@style(x=normal(6))
def accumulated_at_indices(x):
    o = np.zeros(3)
    np.add.at(o, [0, 1, 1, 2, 0, 2], np.clip(np.where(x > 0, x, 0.1 * x), -1, 1))
    return o


@style(x=normal(6))
def other_at_indices(x):
    o = np.ones(3)
    np.subtract.at(o, np.array([0, 1, 1, 2, 0, 2]), x)
    np.maximum.at(o, [0, 2], x[:2])
    return o


@style(x=normal(6))
def weighted_bins(x):
    return np.bincount(np.array([0, 2, 1, 1, 0, 2]), weights=x, minlength=4)


@style(x=normal(3, 4))
def out_arguments(x):
    y = np.empty_like(x)
    np.exp(x, out=y)
    np.add(y, 1, out=y)
    np.divide(1, y, y)
    total = np.zeros(3)
    np.sum(y, axis=1, out=total)
    return np.dot(y, y.T, out=np.zeros((3, 3))) + total


@style(x=normal(3, 4))
def where_arguments(x):
    y = np.zeros_like(x)
    np.log(np.abs(x), out=y, where=x > 0.1)
    return y + np.sum(x, axis=1, keepdims=True, where=x > 0)


@style(x=normal(5), y=normal(5))
def smooth_functions(x, y):
    z = np.logaddexp(x, y) + np.hypot(x, y) + np.arctan2(x, y) + np.sinc(x) + np.expm1(x) + np.log1p(np.exp(y))
    return z + np.cbrt(x + 5) + np.tanh(x) * np.reciprocal(3 + y**2) + np.square(x) - np.float_power(y, 2)


@style(x=normal(5))
def special_functions(x):
    cdf = 0.5 * (1 + scipy.special.erf(x / np.sqrt(2)))
    return x * cdf + scipy.special.expit(x) + scipy.special.gammaln(np.abs(x) + 1) + scipy.special.xlogy(2, np.exp(x))


@style(x=normal(5))
def gelu_by_math(x):
    return array([0.5 * v * (1 + math.tanh(math.sqrt(2 / math.pi) * (v + 0.044715 * v**3))) for v in x])


@style(x=normal(2, 3))
def gelu_by_erf_of_python(x):
    out = zeros(x.shape)
    for i in range(2):
        for j in range(3):
            out[i, j] = 0.5 * x[i, j] * (1 + math.erf(x[i, j] / math.sqrt(2)))
    return out


@style(x=normal(3, 5), k=np.int64(2))
def top_k(x, k):
    order = np.argsort(x, axis=1)[:, ::-1][:, :k]
    y = np.zeros_like(x)
    np.put_along_axis(y, order, np.take_along_axis(x, order, axis=1), axis=1)
    return y


@style(x=normal(7))
def sorted_and_quantiles(x):
    return np.concatenate([np.sort(x), [np.median(x), np.percentile(x, 30)], np.partition(x, 2)[:3]])


# ---------------------------------------------------------------------- linear algebra, transforms, sums


@style(k=normal(4, 4), y=normal(4))
def gaussian_process(k, y):
    lower = np.linalg.cholesky(k @ k.T + np.eye(4) * 4)
    a = np.linalg.solve(lower, y)
    return 0.5 * a @ a + np.log(np.diag(lower)).sum()


@style(a=normal(3, 3) + 3 * np.eye(3), b=normal(3, 2))
def inverse_and_determinant(a, b):
    sign, logdet = np.linalg.slogdet(a)
    return np.linalg.inv(a) @ b + sign * logdet + la.det(a) + np.trace(a)


@style(a=normal(4, 3))
def singular_values(a):
    u, s, vt = np.linalg.svd(a, full_matrices=False)
    return (u * np.log(s)) @ vt


@style(a=normal(3, 3))
def eigenvalues(a):
    return np.linalg.eigh(a + a.T).eigenvalues


@style(x=normal(8), h=normal(8))
def circular_convolution(x, h):
    return np.real(np.fft.ifft(np.fft.fft(x) * np.fft.fft(h))) + np.fft.irfft(
        np.fft.rfft(x) * np.conj(np.fft.rfft(h)), n=8
    )


@style(x=normal(3, 4))
def power_spectrum(x):
    f = np.fft.fft2(x)
    return np.abs(f) ** 2 + f.real + f.imag**2


@style(x=normal(3, 4))
def sums_along_axes(x):
    return (
        np.cumsum(x, axis=1) + np.cumprod(x, 0) + np.diff(x, axis=1, append=0.0) + np.add.accumulate(x[:, ::-1], axis=1)
    )


@style(x=normal(3, 4))
def along_an_axis(x):
    return np.apply_along_axis(lambda row: np.outer(row, row).sum(axis=0), 1, x)


@style(p=2 * normal(4, 3))
def lennard_jones(p):
    e = 0.0
    for i in range(4):
        for j in range(i):
            d = p[i] - p[j]
            r2 = (d * d).sum()
            e = e + 4 * (r2**-6 - r2**-3)
    return e


@style(x=normal(4, 2), c=normal(3, 2))
def pairwise_distances(x, c):
    d = x[:, np.newaxis] - c[None]
    return np.exp(-np.sqrt((d**2).sum(-1)) / 2) + np.linalg.norm(x[:, None, :] - c[None, :, :], axis=2)


@style(x=normal(5), t=positive(3))
def interpolation(x, t):
    return np.interp(t, [0.0, 0.7, 1.3, 1.9, 2.5], x) + np.polyval(x, t) + np.trapezoid(x, dx=0.5)


@style(x=normal(7), k=normal(3))
def filters(x, k):
    return np.convolve(x, k, mode="same") + np.correlate(x, k, "full")[1:-1] + np.gradient(x)


# ---------------------------------------------------------------------- dtypes, layouts, classes


@style(x=normal(3, 4), w=normal(4, 2))
def float32_inside(x, w):
    h = x.astype(np.float32) @ w.astype("float32")
    return np.tanh(h).astype(np.float64) * 2


@style(x=normal(3, 4).astype(np.float32), w=normal(4, 2).astype(np.float32))
def float32_throughout(x, w):
    out = np.zeros((3, 2), dtype=np.float32)
    out[:] = 0.5 * np.dot(x, w) + 1
    return out


@style(x=normal(3, 4))
def converted(x):
    y = np.asarray(x, dtype=float)
    z = np.ascontiguousarray(y.T)
    return np.array(z, dtype=float64, copy=True).T + float(z[0, 0]) + np.float64(z.sum())


@style(x=normal(3, 4))
def layouts(x):
    y = np.asfortranarray(x)
    flat = y.ravel(order="K")
    flat = flat * np.arange(12)
    return flat.reshape(3, 4, order="F") + y.flatten("F").reshape((3, 4)) + np.rot90(x, 2) + np.roll(x, 1, axis=0)[::-1]


@style(x=normal(3, 4))
def flat_entries(x):
    y = np.zeros(x.size)
    for i, v in enumerate(x.flat):
        y[i] = v * i
    for i, row in enumerate(x):
        y[i] -= row[-1]
    return y


@style(x=normal(3))
def lists_of_numbers(x):
    a, b, c = x
    rotation = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    return rotation @ np.array([b, c]) + np.mean([a, b, c]) + np.asarray((b, 1.0))


@style(x=normal(2, 3), w=normal(4, 3))
def rearrangements(x, w):
    y = np.column_stack([x, x[:, :1]])
    z = np.concatenate((np.tile(x, 2), np.flip(w[:2], axis=1).repeat(2, 1)), axis=None)
    a, b = np.broadcast_arrays(x[:, None], w[None])
    return np.append(y, z).sum() + np.squeeze(np.expand_dims(a * b, 0)) + np.moveaxis(a - b, 0, -1).swapaxes(0, 2).sum()


@style(x=normal(4, 4))
def triangles(x):
    y = np.zeros((4, 4))
    at = np.triu_indices(4, 1)
    y[at] = x[at]
    np.fill_diagonal(y, np.diag(x))
    return y + y.T + np.tril(x) - np.diagflat(x.diagonal())


class Dense:
    """A layer that keeps what it saw."""

    def __init__(self) -> None:
        self.w, self.b = np.full((3, 2), 0.3), np.zeros(2)
        self.cache: dict[str, Any] = {}
        self.calls = 0
        self.seen = np.zeros((4, 3))

    def forward(self, x):
        self.calls += 1
        self.seen[...] = x
        self.cache["x"] = x
        self.cache["z"] = np.dot(self.seen, self.w) + self.b
        self.out = 1.0 / (1.0 + exp(-self.cache["z"]))
        return self.out


DENSE = Dense()


@style(x=normal(4, 3))
def a_layer_with_a_cache(x):
    return DENSE.forward(x)


@style(x=normal(4, 3), w=normal(3, 2), b=normal(2))
def a_layer_with_assigned_weights(x, w, b):
    layer = Dense()
    layer.w, layer.b = w, b
    return layer.forward(x)


@style(x=normal(4, 3), w0=normal(3, 3), w1=normal(3, 3))
def networks_of_lists(x, w0, w1):
    layers = [(w0, np.tanh), (w1, lambda z: z * (z > 0))]
    activations = [x]
    for w, activation in layers:
        activations.append(activation(activations[-1] @ w))
    return functools.reduce(np.add, activations)


@style(x=normal(4), t=np.array(0.5))
def euler_steps(x, t):
    y = x
    for _ in range(4):
        y = y + t / 4 * np.array([y[1], -y[0], y[3] * y[2], -y[2]])
    return y


@style(x=normal(4))
def newton_steps(x):
    y = np.ones(4)
    while np.max(np.abs(y**3 + y - x)) > 1e-12:
        y = y - (y**3 + y - x) / (3 * y**2 + 1)
    return y


@style(x=normal(5), m=np.array([True, False, True, True, False]))
def boolean_inputs(x, m):
    y = x[m]
    return np.concatenate([y * 2, x[~m]]) + np.where(m, x, -x)


@style(x=normal(2, 3, 4))
def axes_by_name(x):
    return np.einsum("ijk->kji", x) + np.einsum(x, [0, 1, 2], [2, 1, 0]) + np.max(x, axis=(0, 1))[:, None, None]


@style(x=positive(3, 3))
def entropies(x):
    p = x / x.sum()
    q = p.sum(axis=0)
    return -np.nansum(p * np.log(p)) + np.average(q, weights=[1, 2, 3]) + np.cov(p)[0, 1] + np.ptp(p)
