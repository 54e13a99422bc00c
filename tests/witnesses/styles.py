"""One backward pass, written in every style: the dense layer y = tanh(x w + b).

z̄ = ȳ (1 - y²),     x̄ = z̄ wᵀ,     w̄ = xᵀ z̄,     b̄ = Σ_b z̄
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from numpy import float64, zeros, zeros_like
from numpy.lib.stride_tricks import as_strided

from crosscheck.operation import Operation
from tests.witnesses import foreign_module
from tests.witnesses.foreign_module import kept_product, product_by_rows

Array = np.ndarray
Arrays = dict[str, Array]
Backward = Callable[..., Arrays]

PLAIN, LIFTED = "plain", "lifted"


@dataclass(frozen=True)
class Style:
    backward: Backward
    expected: str  # PLAIN, LIFTED, or what is said of why it is silent
    silent: tuple[str, ...] = ("x", "w", "b")  # of which gradients, where it is


def point() -> Arrays:
    rng = np.random.default_rng(0)
    return {"x": rng.normal(size=(4, 3)), "w": rng.normal(size=(3, 5)), "b": rng.normal(size=5)}


def cotangent() -> Array:
    return np.random.default_rng(1).normal(size=(4, 5))


def forward(x: Array, w: Array, b: Array) -> Array:
    return np.tanh(x @ w + b)


def operation(backward: Backward, inputs: Arrays | None = None, forward: Callable[..., Any] = forward) -> Operation:
    inputs = point() if inputs is None else inputs
    names = tuple(k for k, a in inputs.items() if a.dtype.kind == "f")
    return Operation(
        "styled", lambda values: forward(**values), lambda g, values: backward(g, **values), inputs, names, None
    )


def truth(g: Array, x: Array, w: Array, b: Array) -> Arrays:
    """In longdouble, by sums written out."""
    g, x, w, b = (np.asarray(a, np.longdouble) for a in (g, x, w, b))
    y = np.tanh((x[:, :, None] * w).sum(1) + b)
    z = g * (1 - y**2)
    return {"x": (z[:, None, :] * w).sum(2), "w": (x[:, :, None] * z[:, None, :]).sum(0), "b": z.sum(0)}


# ---------------------------------------------------------------------- that run as they are


def vectorised(g, x, w, b):
    z = g * (1 - np.tanh(x @ w + b) ** 2)
    return {"x": z @ w.T, "w": x.T @ z, "b": z.sum(0)}


def by_einsum(g, x, w, b):
    z = g * (1 - np.tanh(np.einsum("bd,do->bo", x, w) + b) ** 2)
    return {"x": np.einsum("bo,do->bd", z, w), "w": np.einsum("bd,bo->do", x, z), "b": np.einsum("bo->o", z)}


def in_place(g, x, w, b):
    z = x @ w
    z += b
    np.tanh(z, out=z)
    z *= -z
    z += 1
    z *= g
    return {"x": z @ w.T, "w": x.T @ z, "b": np.add.reduce(z, 0)}


def into_zeros_like(g, x, w, b):
    z = g * (1 - np.tanh(x @ w + b) ** 2)
    grad_w = np.zeros_like(w)
    for i in range(len(x)):
        grad_w += np.outer(x[i], z[i])
    return {"x": z @ w.T, "w": grad_w, "b": z.sum(0)}


def by_lists(g, x, w, b):
    z = [[g[i, o] * (1 - np.tanh(x[i] @ w[:, o] + b[o]) ** 2) for o in range(len(b))] for i in range(len(x))]
    grad_x = np.array([[sum(z[i][o] * w[d, o] for o in range(len(b))) for d in range(len(w))] for i in range(len(x))])
    z = np.array(z)
    return {"x": grad_x, "w": x.T @ z, "b": z.sum(0)}


def with_python_floats(g, x, w, b):
    z = 2.0 * (0.5 * g) * (1.0 - np.tanh(x @ w + b) ** 2.0) * float("1")
    return {"x": z @ w.T, "w": x.T @ z, "b": z.sum(0)}


def with_double_scalars(g, x, w, b):
    z = np.float64(1.0) * g * (np.float64(1.0) - np.tanh(x @ w + b) ** 2)
    return {"x": z @ w.T, "w": x.T @ z, "b": z.sum(0)}


def by_windows(g, x, w, b):
    """x wᵀ-like products over windows of a padded row, as im2col does."""
    z = g * (1 - np.tanh(x @ w + b) ** 2)
    padded = np.pad(z, ((0, 0), (0, 2)))
    columns = as_strided(padded, (len(z), 3, z.shape[1]), (*padded.strides[:1], padded.itemsize, padded.itemsize))
    return {"x": np.einsum("bo,do->bd", columns[:, 0], w), "w": x.T @ columns[:, 0], "b": columns[:, 0].sum(0)}


def by_fft(g, x, w, b):
    """NumPy's FFT knows longdouble: a spectrum there and back."""
    z = g * (1 - np.tanh(x @ w + b) ** 2)
    z = np.fft.irfft(np.fft.rfft(z, axis=1), z.shape[1], axis=1)
    return {"x": z @ w.T, "w": x.T @ z, "b": z.sum(0)}


def as_lambda() -> Backward:
    slope = lambda y: 1 - y**2  # noqa: E731
    return lambda g, x, w, b: vectorised(g * slope(0 * g), x, w, b)


def by_partial() -> Backward:
    def scaled(g, x, w, b, *, factor):
        return vectorised(factor * g, x, w, b)

    return functools.partial(scaled, factor=1.0)


def summed_pairwise(g, x, w, b):
    found = vectorised(g, x, w, b)
    z = g * (1 - forward(x, w, b) ** 2)
    return {**found, "b": np.sum(np.ascontiguousarray(z.T), axis=1)}


def by_vectorize(g, x, w, b):
    slope = np.vectorize(lambda t: 1 - np.tanh(t) ** 2)
    z = g * slope(x @ w + b)
    return {"x": z @ w.T, "w": x.T @ z, "b": z.sum(0)}


def of_parameters_held_in_float64() -> Backward:
    """The parameters that a layer loaded are float64 for ever; their values are those of the point."""

    class Layer:
        def __init__(self) -> None:
            self.w, self.b = point()["w"], point()["b"]

        def backward(self, g, x, w, b):
            return vectorised(g, x, self.w, self.b)

    return Layer().backward


# ---------------------------------------------------------------------- that have to be lifted


def looped_into_zeros(g, x, w, b):
    z = g * (1 - np.tanh(x @ w + b) ** 2)
    grad_x, grad_w, grad_b = np.zeros(x.shape), np.zeros(w.shape), np.zeros(len(b))
    for i in range(z.shape[0]):
        for o in range(z.shape[1]):
            grad_x[i] += z[i, o] * w[:, o]
            grad_w[:, o] += x[i] * z[i, o]
            grad_b[o] += z[i, o]
    return {"x": grad_x, "w": grad_w, "b": grad_b}


def imported_by_name(g, x, w, b):
    z = zeros(g.shape)
    z[...] = g * (1 - np.tanh(x @ w + b) ** 2)
    grad_w = zeros_like(w, dtype=float64)
    grad_w += x.T @ z
    return {"x": z @ w.T, "w": grad_w, "b": z.sum(0)}


def with_dtype_float(g, x, w, b):
    z = np.array(g * (1 - np.tanh(x @ w + b) ** 2), dtype=float)
    w = np.asarray(w, dtype="float64")
    return {"x": z @ w.T, "w": x.T @ z, "b": z.sum(0)}


def cast_by_astype_float(g, x, w, b):
    return vectorised(g.astype(float), x.astype(float), w.astype(float), b.astype(float))


def cast_by_astype_float64(g, x, w, b):
    return vectorised(*(a.astype(np.float64, copy=True) for a in (g, x, w, b)))


def scattered(g, x, w, b):
    z = g * (1 - np.tanh(x @ w + b) ** 2)
    grad_b, places = np.zeros(len(b)), np.tile(np.arange(len(b)), len(z))
    np.add.at(grad_b, places, z.ravel())
    return {"x": z @ w.T, "w": x.T @ z, "b": grad_b}


def inner_functions(g, x, w, b):
    def empty_like_product(p, q):
        out = np.empty((p.shape[0], q.shape[1]))
        return np.matmul(p, q, out=out, casting="same_kind")

    z = g * (1 - np.tanh(x @ w + b) ** 2)
    return {"x": empty_like_product(z, w.T), "w": empty_like_product(x.T, z), "b": np.full(len(b), 0.0) + z.sum(0)}


def by_another_module(g, x, w, b):
    z = g * (1 - np.tanh(product_by_rows(x, w) + b) ** 2)
    return {"x": product_by_rows(z, w.T), "w": foreign_module.product_by_rows(x.T, z), "b": z.sum(0)}


def into_a_kept_buffer(g, x, w, b):
    z = g * (1 - np.tanh(x @ w + b) ** 2)
    return {"x": kept_product(z, w.T), "w": kept_product(x.T, z), "b": z.sum(0)}


def of_cached_constants(g, x, w, b):
    z = np.zeros(g.shape) + g * (1 - np.tanh(x @ w + b) ** 2)
    total = foreign_module.ones_column(len(z))
    total = np.multiply(total, 1.0, out=np.empty(total.shape))
    return {"x": product_by_rows(z, w.T), "w": x.T @ z, "b": product_by_rows(total.T, z)[0]}


def decorated() -> Backward:
    def doubled(function: Backward) -> Backward:
        @functools.wraps(function)
        def inner(*args: Any, **kwargs: Any) -> Arrays:
            return {k: 0.5 * (a + a) for k, a in function(*args, **kwargs).items()}

        return inner

    return doubled(looped_into_zeros)


def of_a_layer_with_buffers() -> Backward:
    """Gradient buffers made in __init__, views of one flat vector."""

    class Layer:
        def __init__(self) -> None:
            self.flat = np.zeros(20)
            self.grad_w, self.grad_b = self.flat[:15].reshape(3, 5), self.flat[15:]

        def backward(self, g, x, w, b):
            z = g * (1 - np.tanh(x @ w + b) ** 2)
            self.grad_w[...] = x.T @ z
            self.grad_b[...] = z.sum(0)
            return {"x": z @ w.T, "w": self.flat[:15].reshape(3, 5), "b": self.flat[15:]}

    return Layer().backward


def with_numpy_in_a_closure() -> Backward:
    import numpy as xp

    def backward(g, x, w, b, lib=xp):
        z = xp.zeros(g.shape)
        z += g * (1 - xp.tanh(x @ w + b) ** 2)
        out = lib.zeros(w.shape)
        out += x.T @ z
        return {"x": z @ w.T, "w": out, "b": z.sum(0)}

    return backward


def guarded(g, x, w, b):
    if x.dtype != np.float64 or not isinstance(x[0, 0], (np.float64, float)):
        raise TypeError("float64 wanted")
    return vectorised(g, x, w, b)


def by_floats(g, x, w, b):
    found = vectorised(g, x, w, b)
    return {**found, "b": np.array([float(column.sum()) for column in (g * (1 - forward(x, w, b) ** 2)).T])}


def by_complex_buffer(g, x, w, b):
    z = np.zeros(g.shape, complex)
    z += g * (1 - np.tanh(x @ w + b) ** 2)
    return vectorised(g, x, w, b) | {"b": z.sum(0).real}


# ---------------------------------------------------------------------- that stay silent


def in_float32(g, x, w, b):
    return vectorised(*(a.astype(np.float32) for a in (g, x, w, b)))


def with_a_float32_buffer(g, x, w, b):
    z = np.zeros(g.shape, np.float32)
    z += g * (1 - np.tanh(x @ w + b) ** 2)
    return vectorised(g, x, w, b) | {"b": z.sum(0)}


def through_float32(g, x, w, b):
    """Cast back, so that the dtype says nothing."""
    z = (g * (1 - np.tanh(x @ w + b) ** 2)).astype(np.float32).astype(g.dtype)
    return {"x": z @ w.T, "w": x.T @ z, "b": z.sum(0)}


def through_float64_named_by_a_string(g, x, w, b):
    y = np.tanh(x @ w + b).astype("d").astype(g.dtype)
    z = g * (1 - y**2)
    return {"x": z @ w.T, "w": x.T @ z, "b": z.sum(0)}


def by_math(g, x, w, b):
    found = vectorised(g, x, w, b)
    y = [[math.tanh(t) for t in row] for row in x @ w + b]
    return {**found, "b": (g * (1 - np.array(y) ** 2)).sum(0)}


def by_linalg(g, x, w, b):
    grad_x = np.linalg.solve(np.eye(len(x)), vectorised(g, x, w, b)["x"])
    return {**vectorised(g, x, w, b), "x": grad_x}


def by_scipy(g, x, w, b):
    from scipy.special import expit  # knows longdouble

    z = g * 4 * expit(2 * (x @ w + b)) * expit(-2 * (x @ w + b))
    return {"x": z @ w.T, "w": x.T @ z, "b": z.sum(0)}


def by_scipy_in_double(g, x, w, b):
    from scipy.special import erf, gamma  # gamma is double only

    z = g * (1 - np.tanh(x @ w + b) ** 2) * gamma(2.0 + 0 * g)
    return {"x": z @ w.T, "w": x.T @ z, "b": z.sum(0) + 0 * erf(b)}


def with_numpy_imported_inside(g, x, w, b):
    import numpy

    z = numpy.zeros(g.shape)
    z += g * (1 - numpy.tanh(x @ w + b) ** 2)
    return {"x": z @ w.T, "w": x.T @ z, "b": z.sum(0)}


@jax.jit
def compiled(g, x, w, b):
    z = g * (1 - jax.numpy.tanh(x @ w + b) ** 2)
    return {"x": z @ w.T, "w": x.T @ z, "b": z.sum(0)}


def by_jax(g, x, w, b):
    return compiled(g, x, w, b)


STYLES = {
    **{
        f.__name__: Style(f, PLAIN)
        for f in (vectorised, by_einsum, in_place, into_zeros_like, by_lists, with_python_floats, with_double_scalars)
    },
    **{f.__name__: Style(f, PLAIN) for f in (by_windows, by_fft, summed_pairwise, by_vectorize, by_scipy)},
    **{f.__name__: Style(f(), PLAIN) for f in (as_lambda, by_partial, of_parameters_held_in_float64)},
    **{
        f.__name__: Style(f, LIFTED)
        for f in (looped_into_zeros, imported_by_name, with_dtype_float, cast_by_astype_float, cast_by_astype_float64)
    },
    **{f.__name__: Style(f, LIFTED) for f in (scattered, inner_functions, by_another_module, into_a_kept_buffer)},
    **{f.__name__: Style(f, LIFTED) for f in (of_cached_constants, guarded, by_floats, by_complex_buffer)},
    **{f.__name__: Style(f(), LIFTED) for f in (decorated, of_a_layer_with_buffers, with_numpy_in_a_closure)},
    "in_float32": Style(in_float32, "it computes in float32"),
    "with_a_float32_buffer": Style(with_a_float32_buffer, "it computes in float32", ("b",)),
    "through_float32": Style(through_float32, "rounds to a coarser precision inside"),
    "through_float64_named_by_a_string": Style(
        through_float64_named_by_a_string, "rounds to a coarser precision inside"
    ),
    "by_math": Style(by_math, "rounds to a coarser precision inside", ("b",)),
    "by_linalg": Style(by_linalg, "it refuses longdouble: TypeError: array type"),
    "by_scipy_in_double": Style(by_scipy_in_double, "it refuses longdouble: TypeError: ufunc 'gamma' not supported"),
    "with_numpy_imported_inside": Style(with_numpy_imported_inside, "it"),
    "by_jax": Style(by_jax, "it refuses longdouble: TypeError"),
}
