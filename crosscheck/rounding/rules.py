"""What NumPy does for a primitive: its function, its slope, and how it treats whole arrays.

    ENTRYWISE[name](params, x)    of operands of one shape, or numbers beside them; of copies all at once
    WHOLE[name](params, x)        of whole arrays
    SLOPES[name](params, x)       the derivative of a function of one operand

Each does the same as XLA's primitive but for rounding, which a test holds it to. Called with all warnings off.
"""

from __future__ import annotations

import math
import string
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.special

from crosscheck.rounding import indexing, moves

AnyArray = Any
NumPyRule = Callable[[dict[str, Any], Sequence[AnyArray]], Any]

# ---------------------------------------------------------------------- entry by entry


def unary(function: Callable[[Any], Any]) -> NumPyRule:
    return lambda params, x: function(x[0])


def binary(function: Callable[[Any, Any], Any]) -> NumPyRule:
    return lambda params, x: function(x[0], x[1])


def logistic(x: AnyArray) -> AnyArray:
    return np.where(x >= 0, 1 / (1 + np.exp(-x)), np.exp(x) / (1 + np.exp(x))).astype(x.dtype)


def sign(x: AnyArray) -> AnyArray:
    return np.where(np.isnan(x), x, np.sign(x))


def selected(params: dict[str, Any], x: Sequence[AnyArray]) -> AnyArray:
    which, *cases = x
    if len(cases) == 2:
        return np.where(which != 0, cases[1], cases[0])
    out = cases[0]
    for i, case in enumerate(cases[1:], 1):
        out = np.where(which == i, case, out)
    return out


def clamped(params: dict[str, Any], x: Sequence[AnyArray]) -> AnyArray:
    return np.minimum(np.maximum(x[1], x[0]), x[2])


def cast(params: dict[str, Any], x: Sequence[AnyArray]) -> AnyArray:
    new = np.dtype(params["new_dtype"])
    real = np.real(x[0]) if np.iscomplexobj(x[0]) and new.kind != "c" else x[0]
    return real != 0 if new.kind == "b" else np.asarray(real).astype(new)


ENTRYWISE: dict[str, NumPyRule] = {
    **{
        name: unary(function)
        for name, function in {
            "neg": np.negative,
            "abs": np.abs,
            "sign": sign,
            "floor": np.floor,
            "ceil": np.ceil,
            "is_finite": np.isfinite,
            "not": np.invert,
            "square": np.square,
            "sqrt": np.sqrt,
            "rsqrt": lambda x: 1 / np.sqrt(x),
            "cbrt": np.cbrt,
            "exp": np.exp,
            "exp2": np.exp2,
            "expm1": np.expm1,
            "log": np.log,
            "log1p": np.log1p,
            "logistic": logistic,
            "tanh": np.tanh,
            "sin": np.sin,
            "cos": np.cos,
            "tan": np.tan,
            "asin": np.arcsin,
            "acos": np.arccos,
            "atan": np.arctan,
            "sinh": np.sinh,
            "cosh": np.cosh,
            "asinh": np.arcsinh,
            "acosh": np.arccosh,
            "atanh": np.arctanh,
            "erf": scipy.special.erf,
            "erfc": scipy.special.erfc,
            "erf_inv": scipy.special.erfinv,
            "lgamma": scipy.special.gammaln,
            "digamma": scipy.special.psi,
            "real": np.real,
            "imag": np.imag,
            "conj": np.conj,
            "copy": lambda x: x,
            "copy_p": lambda x: x,
            "stop_gradient": lambda x: x,
        }.items()
    },
    **{
        name: binary(function)
        for name, function in {
            "add": np.add,
            "add_any": np.add,
            "sub": np.subtract,
            "mul": np.multiply,
            "div": lambda a, b: a / b if a.dtype.kind in "fc" else np.trunc(a / b),
            "max": np.maximum,
            "min": np.minimum,
            "pow": lambda a, b: np.power(a, b.astype(a.dtype) if b.dtype.kind != "c" else b),
            "atan2": np.arctan2,
            "rem": np.fmod,
            "eq": np.equal,
            "ne": np.not_equal,
            "lt": np.less,
            "le": np.less_equal,
            "gt": np.greater,
            "ge": np.greater_equal,
            "and": np.bitwise_and,
            "or": np.bitwise_or,
            "xor": np.bitwise_xor,
            "complex": lambda a, b: a + 1j * b,
        }.items()
    },
    "integer_pow": lambda params, x: np.power(x[0], float(params["y"]) if x[0].dtype.kind == "f" else params["y"]),
    "select_n": selected,
    "clamp": clamped,
    "convert_element_type": cast,
}


def one_slope(slope: Callable[[Any], Any]) -> Callable[[dict[str, Any], AnyArray], AnyArray]:
    return lambda params, x: slope(x)


# Only what is of one array: the functions that `sizes` and `terms` ask for.
SLOPES: dict[str, Callable[[dict[str, Any], AnyArray], AnyArray]] = {
    name: one_slope(slope)
    for name, slope in {
        "square": lambda x: 2 * x,
        "sqrt": lambda x: 0.5 / np.sqrt(x),
        "rsqrt": lambda x: -0.5 / (x * np.sqrt(x)),
        "cbrt": lambda x: 1 / (3 * np.cbrt(x) ** 2),
        "exp": np.exp,
        "exp2": lambda x: np.exp2(x) * math.log(2),
        "expm1": np.exp,
        "log": lambda x: 1 / x,
        "log1p": lambda x: 1 / (1 + x),
        "logistic": lambda x: logistic(x) * logistic(-x),
        "tanh": lambda x: 1 / np.cosh(x) ** 2,
        "sin": np.cos,
        "cos": lambda x: -np.sin(x),
        "tan": lambda x: 1 + np.tan(x) ** 2,
        "asin": lambda x: 1 / np.sqrt((1 - x) * (1 + x)),
        "acos": lambda x: -1 / np.sqrt((1 - x) * (1 + x)),
        "atan": lambda x: 1 / (1 + x * x),
        "sinh": np.cosh,
        "cosh": np.sinh,
        "asinh": lambda x: 1 / np.hypot(1, x),
        "acosh": lambda x: 1 / np.sqrt((x - 1) * (x + 1)),
        "atanh": lambda x: 1 / ((1 - x) * (1 + x)),
        "erf": lambda x: 2 / math.sqrt(math.pi) * np.exp(-x * x),
        "erfc": lambda x: -2 / math.sqrt(math.pi) * np.exp(-x * x),
        "erf_inv": lambda x: math.sqrt(math.pi) / 2 * np.exp(scipy.special.erfinv(x) ** 2),
        "lgamma": scipy.special.psi,
        "digamma": lambda x: scipy.special.polygamma(1, x),
    }.items()
}
SLOPES["integer_pow"] = lambda params, x: params["y"] * np.power(x, float(params["y"] - 1))


# ---------------------------------------------------------------------- one array at a time


def product_of_arrays(params: dict[str, Any], x: Sequence[AnyArray], fronts: tuple[str, str] = ("", "")) -> AnyArray:
    """A product of two arrays; `fronts` are the letters of axes that stand before those that the primitive knows."""
    (left, right), (left_batch, right_batch) = params["dimension_numbers"]
    names = iter(string.ascii_letters)
    first = [next(names) for _ in range(x[0].ndim - len(fronts[0]))]
    second: list[str] = ["" for _ in range(x[1].ndim - len(fronts[1]))]
    for i, j in [*zip(left, right, strict=True), *zip(left_batch, right_batch, strict=True)]:
        second[j] = first[i]
    second = [name or next(names) for name in second]
    out = [first[i] for i in left_batch]
    out += [name for i, name in enumerate(first) if i not in left and i not in left_batch]
    out += [name for j, name in enumerate(second) if j not in right and j not in right_batch]
    ahead = fronts[0] or fronts[1]
    return np.einsum(f"{fronts[0]}{''.join(first)},{fronts[1]}{''.join(second)}->{ahead}{''.join(out)}", *x)


def running(function: Any) -> NumPyRule:
    def rule(params: dict[str, Any], x: Sequence[AnyArray]) -> AnyArray:
        axis = params["axis"]
        if params["reverse"]:
            return np.flip(function.accumulate(np.flip(x[0], axis), axis=axis), axis)
        return function.accumulate(x[0], axis=axis)

    return rule


def reduced(function: Any) -> NumPyRule:
    return lambda params, x: function.reduce(x[0], axis=tuple(params["axes"])) if params["axes"] else x[0]


def counted(params: dict[str, Any], x: Sequence[AnyArray]) -> AnyArray:
    shape, axis = params["shape"], params["dimension"]
    along = np.arange(shape[axis]).reshape([-1 if i == axis else 1 for i in range(len(shape))])
    return np.broadcast_to(along, shape)


def moved(move: moves.Move) -> NumPyRule:
    """What rearranges, of arrays without copies."""

    def rule(params: dict[str, Any], x: Sequence[AnyArray]) -> AnyArray:
        outs = move(params, x, 0)
        return outs if move is moves.split else outs[0]

    return rule


REDUCTIONS = {
    "reduce_sum": np.add,
    "reduce_prod": np.multiply,
    "reduce_max": np.maximum,
    "reduce_min": np.minimum,
    "reduce_and": np.logical_and,
    "reduce_or": np.logical_or,
}
WHOLE: dict[str, NumPyRule] = {
    **{name: moved(move) for name, move in moves.MOVES.items() if name not in ENTRYWISE},
    "gather": indexing.gather,
    "scatter": indexing.scatter,
    "scatter-add": indexing.scatter_add,
    "dot_general": product_of_arrays,
    "iota": counted,
    "cumsum": running(np.add),
    "cumprod": running(np.multiply),
    "cummax": running(np.maximum),
    "cummin": running(np.minimum),
    **{name: reduced(function) for name, function in REDUCTIONS.items()},
}
