"""NumPy's functions as laws: what the replay gives is what NumPy gives, in value, shape and dtype.

Each is a function of one recorded array; other operands are what people put beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special

Law = Callable[[Any], Any]

EVERYWHERE = (
    *("sin", "cos", "arctan", "sinh", "cosh", "tanh", "arcsinh", "exp", "exp2", "expm1", "square", "abs", "absolute"),
    *(
        "fabs",
        "sign",
        "floor",
        "ceil",
        "trunc",
        "rint",
        "negative",
        "positive",
        "cbrt",
        "deg2rad",
        "rad2deg",
        "degrees",
    ),
    *("radians", "conj", "sinc", "i0", "isfinite", "isnan", "isinf", "signbit", "logical_not", "nan_to_num"),
    *("sum", "mean", "std", "var", "prod", "cumsum", "cumprod", "ravel", "atleast_1d", "atleast_2d", "atleast_3d"),
    *("copy", "real", "imag", "transpose", "squeeze", "nansum", "nanprod", "any", "all", "zeros_like", "ones_like"),
    *("array", "asarray", "ascontiguousarray", "round", "iscomplex", "isreal", "angle", "nancumsum", "nancumprod"),
)
POSITIVE = ("log", "log2", "log10", "log1p", "sqrt", "reciprocal")
SPECIAL = ("erf", "erfc", "expit", "ndtr", "entr", "i0e", "i1", "i1e", "log_ndtr")
BINARY = (
    *("add", "subtract", "multiply", "divide", "true_divide", "maximum", "minimum", "fmax", "fmin", "arctan2", "hypot"),
    *("logaddexp", "logaddexp2", "copysign", "floor_divide", "remainder", "mod", "fmod", "heaviside", "power"),
    *(
        "greater",
        "greater_equal",
        "less",
        "less_equal",
        "equal",
        "not_equal",
        "logical_and",
        "logical_or",
        "logical_xor",
    ),
    *("float_power", "nextafter"),
)
BESIDE: dict[str, Any] = {
    "a Python int": 2,
    "a Python float": 0.5,
    "an int64": np.int64(3),
    "a float32": np.float32(1.5),
    "a float64": np.float64(1.25),
    "a bool": np.bool_(True),
    "int32": np.array([1, 2, 3, 1], np.int32),
    "bools": np.array([True, False, True, True]),
}
NOT_OF_BOOLS = {"subtract", "copysign", "nextafter"}


def unary() -> dict[str, Law]:
    laws: dict[str, Law] = {name: getattr(np, name) for name in EVERYWHERE}
    laws |= {name: positive(getattr(np, name)) for name in POSITIVE}
    return laws | {f"special.{n}": bounded(getattr(scipy.special, n)) for n in SPECIAL}


def positive(function: Law) -> Law:
    return lambda x: function(np.abs(x) + 1)


def bounded(function: Law) -> Law:
    return lambda x: function(np.tanh(x) / 2 + 0.5)


def binary(name: str, beside: Any) -> Law:
    function = getattr(np, name)
    if name in ("power", "float_power"):
        return lambda x: function(np.abs(x) + 1, beside)
    return lambda x: function(x, beside) if np.ndim(beside) == 0 else function(x, beside[: np.shape(x)[-1]])


def along(name: str, axis: int) -> Law:
    function = getattr(np, name)
    return lambda x: function(x, axis=axis)


# Of a matrix of three rows and four columns.
MATRIX: dict[str, Law] = {
    **{f"{n} along an axis": along(n, 1) for n in ("sum", "mean", "std", "var", "max", "median", "ptp", "nanmax")},
    **{f"{n} of columns": along(n, 0) for n in ("min", "prod", "cumsum", "cumprod", "sort", "nanmean", "nanstd")},
    **{n: getattr(np, n) for n in ("fliplr", "flipud", "diff", "tril", "triu", "diagonal")},
    "sum of some, kept": lambda x: np.sum(x, axis=(0, 1), keepdims=True, where=x > 0, initial=2.0),
    "sum in double": lambda x: np.sum(x, dtype=np.float64),
    "var with one less": lambda x: x.var(axis=0, ddof=1),
    "max with a start": lambda x: x.max(axis=1, initial=0.25),
    "quantile": lambda x: np.quantile(x, [0.2, 0.5], axis=1),
    "percentile": lambda x: np.percentile(x, 30),
    "average": lambda x: np.average(x, axis=1, weights=[1.0, 2.0, 3.0, 4.0]),
    "clip": lambda x: np.clip(x, -0.5, 0.5) + x.clip(min=0),
    "where": lambda x: np.where(x > 0, x, 0),
    "where of halves": lambda x: np.where([True, False, True, True], x, np.float32(2)),
    "matmul": lambda x: x @ np.arange(8.0).reshape(4, 2).astype(x.dtype),
    "matmul of integers": lambda x: x @ np.arange(8).reshape(4, 2),
    "dot, inner, outer": lambda x: np.dot(x, x.T) + np.inner(x, x) + np.outer(x[:, 0], x[:, 1]),
    "tensordot": lambda x: np.tensordot(x, x, axes=([1], [1])),
    "vdot, vecdot": lambda x: np.vdot(x, x) + np.vecdot(x, x),
    "einsum": lambda x: np.einsum("ij,kj->ik", x, x),
    "kron": lambda x: np.kron(x, np.array([1, 2])),
    "cross": lambda x: np.cross(x.T, np.array([1.0, 2.0, 3.0], x.dtype)),
    "trace": lambda x: np.trace(x, offset=1),
    "pad": lambda x: np.pad(x, ((1, 0), (0, 2))) + np.pad(x, ((0, 1), (1, 1)), mode="edge"),
    "pad by a number": lambda x: np.pad(x, 1, constant_values=3) + np.pad(x, 1, mode="reflect"),
    "roll, flip, rot90": lambda x: np.roll(x, 1) + np.roll(x, -1, axis=1) + np.flip(x) + np.rot90(x, 2),
    "tile, repeat": lambda x: np.tile(x, (2, 1)) + np.repeat(x, [2, 1, 3], axis=0),
    "reshape": lambda x: np.reshape(x, (2, -1)) + x.reshape(2, 6, order="F"),
    "axes": lambda x: (
        np.moveaxis(x[None], 0, 1).swapaxes(0, 2) + np.expand_dims(x.T, 2).transpose(0, 2, 1)[..., None][..., 0]
    ),
    "broadcast_to": lambda x: np.broadcast_to(x, (2, 3, 4)),
    "concatenate": lambda x: np.concatenate([x, x[:1], [[1, 2, 3, 4]]]),
    "stacks": lambda x: np.stack([x, x * 2], -1).sum() + np.vstack([x, x]) + np.hstack([x.T, x.T]).T.reshape(6, 4),
    "columns": lambda x: np.column_stack([x[:, 0], x[:, 1:]]) + np.dstack([x, x])[..., 0],
    "block": lambda x: np.block([[x, x], [np.ones((1, 8))]]),
    "append, insert, delete": lambda x: np.append(x, 1) * 2 + np.insert(x, 2, 0).sum() + np.delete(x, 1, axis=0).sum(),
    "split": lambda x: np.split(x, 2, axis=1)[1] + np.array_split(x, 3, 1)[0] + np.hsplit(x, 2)[0],
    "take": lambda x: np.take(x, [2, 0], axis=1) + x.take([1, 2, 3, 4, 5, 6]).reshape(3, 2),
    "compress, extract": lambda x: np.compress([True, False, True], x, axis=0) + np.extract(x > -9, x)[:4],
    "select, choose": lambda x: np.select([x > 1, x > 0], [x, x**2], 3) + np.choose([0, 1, 0, 1], [x, 2 * x]),
    "interp": lambda x: np.interp(x, [-1, 0, 1], [2, 0, 1]),
    "polyval": lambda x: np.polyval([1, 2, 3], x) + np.polyval(x[0], 0.5),
    "gradient": lambda x: np.gradient(x, axis=0) + np.gradient(x[0], 0.5),
    "trapezoid": lambda x: np.trapezoid(x, dx=0.5, axis=1) + np.trapezoid(x[:, 0], x=[0, 1, 3]),
    "convolve": lambda x: np.convolve(x[0], x[1, :2]) + np.correlate(x[0], x[1, :2], "full"),
    "cov": lambda x: np.cov(x) + np.corrcoef(x),
    "unwrap, ediff1d": lambda x: np.unwrap(5 * x, axis=1).ravel()[:11] + np.ediff1d(x),
    "vander": lambda x: np.vander(x[0], 3),
    "diag": lambda x: np.diag(x[0]) + np.diagflat(x[1]) + np.diag(np.diag(x @ x.T), 1),
    "indices": lambda x: x[np.ix_([0, 2], [1, 3])] + x[[0, 2]][:, [0, 1]] + x[-2:, ::2] + x[..., None, 1:3][:2, 0],
    "accumulate, reduceat, outer": lambda x: (
        np.maximum.accumulate(x, axis=1)[:, :2]
        + np.add.reduceat(x, [0, 2], axis=1)
        + np.multiply.outer(x[:, 0], x[0, :2])
    ),
    "other reductions": lambda x: (
        np.logaddexp.reduce(x, axis=1) + np.hypot.reduce(x, axis=1) + np.multiply.reduce(x, 1)
    ),
    "modf, divmod": lambda x: np.modf(x)[0] + np.divmod(x, 0.75)[1],
    "in place": lambda x: in_place(x.copy()),
    "norms": lambda x: (
        np.linalg.norm(x) + np.linalg.norm(x, axis=1) + np.linalg.norm(x, ord=1, axis=1) + np.linalg.norm(x, 2)
    ),
    "solvers": lambda x: np.linalg.solve(x @ x.T + np.eye(3, dtype=x.dtype), x) + np.linalg.pinv(x).T,
    "decompositions": lambda x: (
        np.linalg.qr(x.T)[1].T @ np.linalg.qr(x.T).Q.T + np.linalg.svd(x, compute_uv=False)[:, None]
    ),
    "powers": lambda x: np.linalg.matrix_power(x @ x.T, 3) + np.linalg.multi_dot([x, x.T, x @ x.T]),
    "symmetric": lambda x: np.linalg.cholesky(x @ x.T + 3 * np.eye(3)) + np.linalg.eigvalsh(x @ x.T),
    "one triangle": lambda x: np.linalg.cholesky(x[:, :3] / 9 + 3 * np.eye(3)),
    "determinants": lambda x: np.linalg.det(x @ x.T) + np.linalg.slogdet(x @ x.T)[1],
    "transforms": lambda x: (
        np.abs(np.fft.fft(x)) + np.fft.ifft2(x).real + np.fft.fftshift(x) + np.fft.irfft(np.fft.rfft(x), 4)
    ),
    "complex": lambda x: np.real((x + 1j * x[::-1]) * np.conj(x - 2j)) + np.abs(np.exp(1j * x)),
    "softmax": lambda x: scipy.special.softmax(x, axis=1) + scipy.special.log_softmax(x, axis=0),
    "softmax, its axis by place": lambda x: scipy.special.softmax(x, 0) + scipy.special.log_softmax(x, 1),
    "softmax of all": lambda x: scipy.special.softmax(x) + scipy.special.log_softmax(x),
    "special losses": lambda x: (
        scipy.special.huber(0.5, x) + scipy.special.pseudo_huber(0.7, x) + scipy.special.log_expit(x)
    ),
    "tens": lambda x: scipy.special.exp10(x),
    "logsumexp": lambda x: scipy.special.logsumexp(x, axis=1, keepdims=True) + scipy.special.xlogy(2, x**2 + 1),
    "gamma": lambda x: (
        scipy.special.gammaln(x**2 + 1) + scipy.special.digamma(x**2 + 1) + scipy.special.polygamma(1, x**2 + 1)
    ),
}


def in_place(y: Any) -> Any:
    y += 1
    y -= np.int64(2)
    y *= y
    y /= 3
    y **= 2
    y //= 0.5
    y %= 0.75
    return y


KINDS: dict[str, np.ndarray] = {
    "float64": np.random.default_rng(0).normal(size=(3, 4)),
    "float32": np.random.default_rng(1).normal(size=(3, 4)).astype(np.float32),
    "not contiguous": np.random.default_rng(2).normal(size=(8, 6))[1::2, ::2].T,
    "size one": np.array([[0.75]]),
    "scalar": np.array(0.75),
    "float32 scalar": np.array(-1.25, np.float32),
    "empty": np.zeros((0, 4)),
}
