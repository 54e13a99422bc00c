"""What JAX has for a NumPy function: the same name, the same numbers, NumPy's dtypes.

JAX promotes by other rules (an int32 by an int32 is float32 there, float64 here). So the operands of a universal
function are first converted to the dtypes of the loop that NumPy chose, and what any function gives is converted to the
dtype that NumPy gave.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from crosscheck.recorder import memory, values
from crosscheck.recorder.ufuncs import Method, Scattered

AnyArray = Any
AnyFunction = Callable[..., Any]

# What says how NumPy computes, and nothing of what.
MANNERS = {"casting", "order", "subok", "optimize", "like", "device", "copy"}
REDUCE = {"add": jnp.sum, "multiply": jnp.prod, "maximum": jnp.max, "minimum": jnp.min}
REDUCE |= {"logical_or": jnp.any, "logical_and": jnp.all}
ACCUMULATE = {"add": jnp.cumsum, "multiply": jnp.cumprod}
SCATTER = {"add": "add", "subtract": "add", "multiply": "multiply", "maximum": "max", "minimum": "min"}


@functools.cache
def counterpart(function: AnyFunction) -> AnyFunction | None:
    """The function in JAX; None where there is none."""
    if function in OURS:
        return OURS[function]
    if isinstance(function, Method):
        return of_method(function)
    if isinstance(function, Scattered):
        return functools.partial(scattered, function)
    if isinstance(function, np.ufunc):
        found = special(function.__name__) or getattr(jnp, function.__name__, None)
        return None if found is None else functools.partial(universal, function, found)
    found = by_name(function)
    return None if found is None else functools.partial(without_manners, found)


def by_name(function: AnyFunction) -> AnyFunction | None:
    module, name = getattr(function, "__module__", None) or "", getattr(function, "__name__", "")
    if module.startswith("scipy.special"):
        return special(name)
    if not module.startswith("numpy"):
        return None
    rooms = {"numpy.linalg": jnp.linalg, "numpy.fft": jnp.fft}
    return getattr(rooms.get(module, jnp), name, None)


def special(name: str) -> AnyFunction | None:
    """`scipy.special` where JAX has it."""
    other = {"psi": "digamma", "loggamma": "gammaln"}.get(name, name)
    return WRITTEN_OUT.get(name) or getattr(jax.scipy.special, other, None)


def huber(delta: AnyArray, x: AnyArray) -> AnyArray:
    size = jnp.abs(x)
    return jnp.where(size <= delta, 0.5 * x * x, delta * (size - 0.5 * delta))


def pseudo_huber(delta: AnyArray, x: AnyArray) -> AnyArray:
    share = x / delta
    return delta * delta * (jnp.sqrt(1 + share * share) - 1)


# What JAX has not, or otherwise: SciPy's axis may be given by its place, and is all of them unless it is given.
WRITTEN_OUT: dict[str, AnyFunction] = {
    "softmax": lambda x, axis=None: jax.nn.softmax(x, axis),
    "log_softmax": lambda x, axis=None: jax.nn.log_softmax(x, axis),
    "log_expit": jax.nn.log_sigmoid,
    "exp10": lambda x: jnp.power(10.0, x),
    "huber": huber,
    "pseudo_huber": pseudo_huber,
}


def without_manners(found: AnyFunction, *args: Any, **kwargs: Any) -> Any:
    kwargs = {k: a for k, a in kwargs.items() if k not in MANNERS or (k == "order" and a == "F")}
    try:
        return found(*args, **kwargs)
    except TypeError as error:
        if "requires ndarray or scalar" not in str(error):
            raise
    return found(*map(unlisted, args), **{k: unlisted(a) for k, a in kwargs.items()})


def unlisted(argument: Any) -> Any:
    """Lists of numbers are arrays to NumPy, and to JAX an error."""
    if isinstance(argument, (list, tuple)) and plain(argument):
        return np.asarray(argument)
    if isinstance(argument, list):
        return [np.asarray(a) if isinstance(a, (list, tuple)) and plain(a) else a for a in argument]
    return argument


def plain(nested: Any) -> bool:
    if isinstance(nested, (list, tuple)):
        return all(map(plain, nested))
    return isinstance(nested, (int, float, complex, np.generic))


# ---------------------------------------------------------------------- universal functions


def universal(ufunc: np.ufunc, found: AnyFunction, *operands: Any, dtype: Any = None, **manners: Any) -> Any:
    """A universal function on the dtypes of NumPy's loop."""
    loop = loop_of(ufunc, operands)
    if dtype is not None:
        loop = tuple(np.dtype(dtype) if d.kind in "fciu" else d for d in loop)
    if ufunc is np.power or ufunc is np.float_power:
        exponent = whole(operands[1])
        if exponent is not None and loop[0].kind in "fc":
            return jnp.power(as_dtype(operands[0], loop[0]), exponent)
    return found(*(as_dtype(a, d) for a, d in zip(operands, loop, strict=False)))


def loop_of(ufunc: np.ufunc, operands: tuple[Any, ...]) -> tuple[np.dtype, ...]:
    kinds = tuple(type(a) if type(a) in (int, float, complex) else dtype_of(a) for a in operands)
    return ufunc.resolve_dtypes((*kinds, *[None] * ufunc.nout))


def dtype_of(a: Any) -> np.dtype:
    return np.dtype(a.dtype) if hasattr(a, "dtype") else np.asarray(a).dtype


def as_dtype(a: Any, dtype: np.dtype) -> Any:
    if isinstance(a, jax.Array):
        return a if a.dtype == dtype else a.astype(dtype)
    return np.asarray(a, dtype)


def whole(exponent: Any) -> int | None:
    """An exponent that is a small whole number and no operand: then a power is a product."""
    if isinstance(exponent, (int, float, np.generic)) or (isinstance(exponent, np.ndarray) and exponent.ndim == 0):
        e = np.asarray(exponent)
        if e.dtype.kind in "iuf" and float(e).is_integer() and abs(float(e)) < 2**10:
            return int(e)
    return None


def power(x: Any, y: Any) -> Any:
    return universal(np.power, jnp.power, x, y)


def of_method(method: Method) -> AnyFunction | None:
    name = method.ufunc.__name__
    found: Any = special(name) or getattr(jnp, name, None)
    if method.method == "reduce":
        return functools.partial(reduce, REDUCE.get(name), method.ufunc, found)
    if method.method == "accumulate":
        return functools.partial(accumulate, method.ufunc, found)
    if found is None:
        return None
    if method.method == "outer":
        return functools.partial(outer, functools.partial(universal, method.ufunc, found))
    if method.method == "reduceat" and name in REDUCE:
        return functools.partial(reduceat, REDUCE[name])
    return None


def reduce(
    known: AnyFunction | None,
    ufunc: np.ufunc,
    found: AnyFunction,
    a: AnyArray,
    axis: Any = 0,
    dtype: Any = None,
    keepdims: bool = False,
    **kwargs: Any,
) -> AnyArray:
    a = jnp.asarray(a) if dtype is None else jnp.asarray(a).astype(dtype)
    given = {k: v for k, v in kwargs.items() if v is not None and not (k == "where" and v is True)}
    if "initial" in given and given["initial"] is np._NoValue:  # type: ignore[attr-defined]
        del given["initial"]
    if known is not None:
        return known(a, axis=axis, keepdims=keepdims, **given)
    return jnp.frompyfunc(found, 2, 1, identity=ufunc.identity).reduce(a, axis=axis, keepdims=keepdims, **given)


def accumulate(ufunc: np.ufunc, found: AnyFunction, a: AnyArray, axis: int = 0, dtype: Any = None) -> AnyArray:
    a = jnp.asarray(a) if dtype is None else jnp.asarray(a).astype(dtype)
    name = ufunc.__name__
    if name in ACCUMULATE:
        return ACCUMULATE[name](a, axis=axis)
    if name in ("maximum", "minimum"):
        return (jax.lax.cummax if name == "maximum" else jax.lax.cummin)(a, axis=axis % a.ndim)
    return jnp.frompyfunc(found, 2, 1, identity=ufunc.identity).accumulate(a, axis=axis)


def outer(found: AnyFunction, a: AnyArray, b: AnyArray, **kwargs: Any) -> AnyArray:
    a, b = jnp.asarray(a), jnp.asarray(b)
    return found(a.reshape(a.shape + (1,) * b.ndim), b, **kwargs)


def reduceat(known: AnyFunction, a: AnyArray, indices: Any, axis: int = 0, dtype: Any = None) -> AnyArray:
    """One reduction for each stretch; where the next begins no later, the entry alone."""
    a = jnp.moveaxis(jnp.asarray(a) if dtype is None else jnp.asarray(a).astype(dtype), axis, 0)
    indices = [int(i) for i in indices]
    ends = [*indices[1:], a.shape[0]]
    pieces = [known(a[i:j], axis=0) if j > i else a[i] for i, j in zip(indices, ends, strict=True)]
    return jnp.moveaxis(jnp.stack(pieces), 0, axis)


def scattered(function: Scattered, a: AnyArray, index: Any, *given: Any) -> AnyArray:
    name = function.ufunc.__name__
    value = jnp.asarray(given[0])
    value = -value if name == "subtract" else value
    index = tuple(index) if isinstance(index, list) and any(isinstance(i, slice) for i in index) else index
    return getattr(jnp.asarray(a).at[of_arrays(index)], SCATTER[name])(value.astype(a.dtype))


# ---------------------------------------------------------------------- what we wrote for NumPy


def getitem(a: AnyArray, index: Any) -> AnyArray:
    return jnp.asarray(a)[of_arrays(index)]


def of_arrays(index: Any) -> Any:
    """An index with an array for each list, range and inner tuple of numbers, as NumPy reads them."""
    if isinstance(index, tuple):
        return tuple(np.asarray(i) if isinstance(i, (list, range, tuple)) else i for i in index)
    return np.asarray(index) if isinstance(index, (list, range)) else index


def take(content: AnyArray, positions: np.ndarray) -> AnyArray:
    return jnp.asarray(content).reshape(-1)[positions]


def put(content: AnyArray, positions: np.ndarray, value: Any) -> AnyArray:
    return put_all(content, (positions,), (value,))


def put_all(content: AnyArray, positions: tuple[np.ndarray, ...], given: tuple[Any, ...]) -> AnyArray:
    """Several writes one after another: of those to one position the last is seen."""
    content = jnp.asarray(content)
    at, value = flattened(content, positions, given)
    _, last = np.unique(at[::-1], return_index=True)
    if last.size < at.size:
        keep = np.sort(at.size - 1 - last)
        at, value = at[keep], value[keep]
    if at.size == content.size:  # nothing is left of what was there
        order = np.argsort(at)
        ordered = value if np.array_equal(order, np.arange(order.size)) else value[order]
        return ordered.reshape(content.shape)
    return content.reshape(-1).at[at].set(value, unique_indices=True).reshape(content.shape)


def add(content: AnyArray, positions: np.ndarray, value: Any) -> AnyArray:
    return add_all(content, (positions,), (value,))


def add_all(content: AnyArray, positions: tuple[np.ndarray, ...], given: tuple[Any, ...]) -> AnyArray:
    content = jnp.asarray(content)
    at, value = flattened(content, positions, given)
    return content.reshape(-1).at[at].add(value).reshape(content.shape)


def flattened(
    content: AnyArray, positions: tuple[np.ndarray, ...], given: tuple[Any, ...]
) -> tuple[np.ndarray, AnyArray]:
    flat = [spread(v, p.shape, content.dtype).reshape(-1) for p, v in zip(positions, given, strict=True)]
    at = np.concatenate([np.ravel(p) for p in positions])
    return at, flat[0] if len(flat) == 1 else jnp.concatenate(flat)


def spread(value: Any, shape: tuple[int, ...], dtype: np.dtype) -> AnyArray:
    value = jnp.asarray(value)
    if value.ndim > len(shape):  # NumPy drops leading axes of length one when it writes
        value = value.reshape(value.shape[value.ndim - len(shape) :])
    return jnp.broadcast_to(as_dtype(value, np.dtype(dtype)), shape)


def astype(a: AnyArray, dtype: Any) -> AnyArray:
    return jnp.asarray(a).astype(dtype)


def lower_half(a: AnyArray) -> AnyArray:
    """The symmetric matrix that NumPy sees: it reads one triangle only."""
    below = jnp.tril(a)
    return below + jnp.swapaxes(jnp.conj(jnp.tril(a, -1)), -1, -2)


def read_half(found: AnyFunction) -> AnyFunction:
    def on_half(a: AnyArray, UPLO: str = "L", **kwargs: Any) -> Any:
        return found(lower_half(jnp.asarray(a) if UPLO == "L" else jnp.swapaxes(jnp.conj(a), -1, -2)), **kwargs)

    return on_half


def cholesky(a: AnyArray, *, upper: bool = False) -> AnyArray:
    found = jnp.linalg.cholesky(lower_half(jnp.swapaxes(jnp.conj(a), -1, -2) if upper else jnp.asarray(a)))
    return jnp.swapaxes(jnp.conj(found), -1, -2) if upper else found


OURS: dict[Any, AnyFunction] = {
    values.getitem: getitem,
    values.item: operator.getitem,
    values.spread: spread,
    memory.take: take,
    memory.put: put,
    memory.add: add,
    memory.put_all: put_all,
    memory.add_all: add_all,
    values.astype: astype,
    operator.pow: power,
    np.linalg.cholesky: cholesky,
    np.linalg.eigh: read_half(jnp.linalg.eigh),
    np.linalg.eigvalsh: read_half(jnp.linalg.eigvalsh),
}
