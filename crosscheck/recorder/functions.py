"""NumPy's functions on recorded values: what `__array_function__` is asked for.

Most are called as they are; what they give is recorded. Here are the others: those that ask about shapes, those that
write, those that call the user's functions, and those of which an argument is no operand but an index.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from crosscheck.recorder.counterparts import counterpart
from crosscheck.recorder.memory import Memory, take
from crosscheck.recorder.tape import RecordedTape, Ref
from crosscheck.recorder.ufuncs import Scattered
from crosscheck.recorder.values import (
    Value,
    call,
    concrete,
    is_recorded,
    lifted,
    of_array,
    read,
    real,
    shares,
    stacked,
    values_in,
    view_of,
    write,
)
from crosscheck.recorder.words import named

Handler = Callable[..., Any]

# What is asked of shapes and dtypes is the same for every value.
ABOUT = {
    *(np.shape, np.ndim, np.size, np.result_type, np.can_cast, np.iscomplexobj, np.isrealobj, np.common_type),
    *(np.shares_memory, np.may_share_memory, np.min_scalar_type, np.broadcast_shapes),
    *(np.array_repr, np.array_str, np.array2string),
}
# Whose first argument is a list of arrays; elsewhere a list is an array.
OF_SEQUENCES = {
    *(np.concatenate, np.stack, np.vstack, np.hstack, np.dstack, np.column_stack, np.block, np.select, np.einsum),
    *(np.linalg.multi_dot, np.broadcast_arrays, np.meshgrid, np.ix_, np.lexsort, np.where, np.choose, np.einsum_path),
}
# Of these, whose elements may be lists, which are arrays.
OF_ARRAYS = {np.concatenate, np.stack, np.vstack, np.hstack, np.dstack, np.column_stack, np.select}
# Which arguments are masks or indices, by place and name.
INDICES: dict[Any, tuple[tuple[int, str], ...]] = {
    np.delete: ((1, "obj"),),
    np.insert: ((1, "obj"),),
    np.repeat: ((1, "repeats"),),
    np.take: ((1, "indices"),),
    np.take_along_axis: ((1, "indices"),),
}


def apply(tape: RecordedTape, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if function in ABOUT:
        return function(*real(args), **real(kwargs))
    if function in HANDLERS:
        return HANDLERS[function](tape, *args, **kwargs)
    if function in INDICES:
        args, kwargs = with_indices(function, args, kwargs)
    if args and function in OF_ARRAYS and isinstance(args[0], (list, tuple)):
        args = ([stacked(tape, a) for a in args[0]], *args[1:])
    elif args and function not in OF_SEQUENCES:
        args = (stacked(tape, args[0]), *args[1:])
    out = kwargs.pop("out", None)
    if out is not None:
        return into(tape, function, args, kwargs, out)
    if counterpart(function) is None:
        return rearranged(tape, function, args, kwargs)
    if kwargs.get("order") in ("A", "K") and function is not np.einsum:
        return rearranged(tape, function, args, kwargs)
    return call(tape, function, args, kwargs)


def with_indices(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    given = list(args)
    for place, name in INDICES[function]:
        if place < len(given):
            given[place] = concrete(given[place])
        elif name in kwargs:
            kwargs = {**kwargs, name: concrete(kwargs[name])}
    return tuple(given), kwargs


def into(tape: RecordedTape, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> Any:
    if not is_recorded(out):
        if any(v.moving for v in values_in((args, kwargs))):
            raise tape.refusal("a recorded value is written into an array that was made out of reach")
        return function(*real(args), out=out, **real(kwargs))
    write(out, None, call(tape, function, args, kwargs))
    return out


# ---------------------------------------------------------------------- what only rearranges


def rearranged(tape: RecordedTape, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A function without a counterpart: if it only rearranges, by where it puts the entries' numbers.

    That it does so is seen, not known: it must put the numbers in any other order at the same places, too, and the
    entries themselves.
    """
    result = function(*real(args), **real(kwargs))
    given = values_in((args, kwargs))
    if not any(v.moving for v in given):
        return call(tape, function, args, kwargs)
    for v in given:
        if v.memory is not None and isinstance(result, np.ndarray) and shares(result, v):
            return view_of(v, result)
    if len(given) == 1 and args and args[0] is given[0]:
        v = given[0]
        places = places_in(v.value, lambda a: function(a, *real(args[1:]), **real(kwargs)), result)
        if places is not None:
            return of_array(tape, take, (Ref(v.place()), places), {}, result, given)
    numbers = result.dtype.kind in "fc" if isinstance(result, (np.ndarray, np.generic)) else isinstance(result, tuple)
    if not numbers:  # a decision
        return call(tape, function, args, kwargs)
    raise tape.refusal(f"{named(function)} has no counterpart in JAX")


def places_in(a: Any, function: Callable[[Any], Any], result: Any) -> Any:
    """Of each entry of the result, the number of the entry of `a` that it is; None where that is not so."""
    labels = np.empty_like(a, np.int64, subok=False)
    labels[...] = np.arange(labels.size).reshape(labels.shape)
    shuffle = np.random.default_rng(0).permutation(labels.size)
    shuffled = np.empty_like(labels)
    shuffled[...] = shuffle[labels]
    try:
        places, others = np.asarray(function(labels)), np.asarray(function(shuffled))
    except Exception:  # a function that takes no integers rearranges nothing
        return None
    if places.dtype != np.int64 or not places.shape == others.shape == np.shape(result):
        return None
    if not ((places >= 0) & (places < labels.size)).all() or not np.array_equal(shuffle[places], others):
        return None
    entries = np.asarray(a).reshape(-1)[places]
    return places if np.array_equal(entries, result, equal_nan=result.dtype.kind in "fc") else None


# ---------------------------------------------------------------------- what writes


def copyto(tape: RecordedTape, dst: Any, src: Any, casting: str = "same_kind", where: Any = True) -> None:
    if not is_recorded(dst):
        raise tape.refusal("a recorded value is written into an array that was made out of reach")
    src = stacked(tape, src)
    kind = real(src).dtype if isinstance(real(src), (np.ndarray, np.generic)) else np.result_type(type(src))
    if not np.can_cast(kind, dst.value.dtype, casting):  # type: ignore[arg-type]
        np.copyto(dst.value, real(src), casting=casting)  # type: ignore[arg-type]  # NumPy says why not
    write(dst, None, src if where is True else call(tape, np.where, (where, src, dst), {}))


def writes(function: Callable[..., Any], place: int) -> Handler:
    """A function that writes its argument number `place` into the first: to where it writes the numbers of entries."""
    signature = inspect.signature(function)

    def handler(tape: RecordedTape, *given: Any, **named: Any) -> None:
        bound = signature.bind(*given, **named)
        bound.apply_defaults()
        args = bound.args
        a, values = args[0], stacked(tape, args[place])
        rest: list[Any] = [concrete(x) if 0 < i != place else x for i, x in enumerate(args)]
        if not is_recorded(a):
            if any(v.moving for v in values_in(values)):
                raise tape.refusal("a recorded value is written into an array that was made out of reach")
            rest[0], rest[place] = a, real(values)
            function(*rest)
            return
        numbers = np.arange(np.size(real(values))).reshape(np.shape(real(values)))
        rest[0], rest[place] = np.full(a.value.shape, -1), numbers
        function(*rest)
        index = np.nonzero(rest[0] >= 0)
        source: Any = call(tape, np.ravel, (values,), {}) if is_recorded(values) else np.ravel(values)
        write(a, index, read(source, rest[0][index]) if is_recorded(source) else source[rest[0][index]])

    return handler


# ---------------------------------------------------------------------- what calls the user's functions


def apply_along_axis(tape: RecordedTape, func1d: Any, axis: int, arr: Any, *args: Any, **kwargs: Any) -> Any:
    """One call for each line along the axis, and the results in its place."""
    moved = call(tape, np.moveaxis, (stacked(tape, arr), axis, -1), {})
    shape = moved.shape[:-1]
    results = [func1d(moved[index], *args, **kwargs) for index in np.ndindex(*shape)]
    one = np.shape(real(results[0]))
    whole = call(tape, np.reshape, (call(tape, np.stack, (results,), {}), (*shape, *one)), {})
    at = axis % np.ndim(real(arr))
    order = [*range(at), *range(len(shape), len(shape) + len(one)), *range(at, len(shape))]
    return call(tape, np.transpose, (whole, tuple(order)), {})


def apply_over_axes(tape: RecordedTape, func: Any, a: Any, axes: Any) -> Any:
    for axis in np.atleast_1d(axes):
        reduced = func(a, int(axis))
        same = np.ndim(real(reduced)) == np.ndim(real(a))
        a = reduced if same else call(tape, np.expand_dims, (reduced, int(axis)), {})
    return a


def piecewise(tape: RecordedTape, x: Any, condlist: Any, funclist: Any, *args: Any, **kwargs: Any) -> Any:
    """Each function on the entries where its condition holds, the last one elsewhere."""
    if is_recorded(condlist) or not isinstance(condlist[0], (list, tuple, np.ndarray, Value)):
        condlist = [condlist]
    masks = [np.asarray(concrete(c), bool) for c in condlist]
    functions = list(funclist)
    if len(functions) == len(masks) + 1:
        masks.append(~np.any(masks, axis=0))
    y = lifted(tape, np.zeros(np.shape(real(x)), real(x).dtype))
    for mask, function in zip(masks, functions, strict=True):
        if mask.any():
            write(y, mask, function(read(x, mask), *args, **kwargs) if callable(function) else function)
    return y


def bincount(tape: RecordedTape, x: Any, weights: Any = None, minlength: int = 0) -> Any:
    x = np.asarray(concrete(x))
    if weights is None:
        return np.bincount(x, None, minlength)
    bins = lifted(tape, np.zeros(max(minlength, int(x.max(initial=-1)) + 1)))
    return call(tape, Scattered(np.add), (bins, x, stacked(tape, weights)), {})


def copy(tape: RecordedTape, a: Any, order: str = "K", subok: bool = False) -> Any:
    return copied(stacked(tape, a), order)


def copied(v: Value, order: str = "K") -> Any:
    """A copy: the same place on the tape, in memory of its own."""
    if v.memory is None:
        return v.tape.array(v.tape, np.array(v.value), Memory(np.array(v.value), v.place()), v.place())
    a = np.array(v.value, order=order)  # type: ignore[call-overload]
    return v.tape.array(v.tape, a, Memory(a, v.place() if v.moving else None))


def partition(tape: RecordedTape, a: Any, kth: Any, axis: int | None = -1, **kwargs: Any) -> Any:
    """By the order that NumPy leaves behind, which is no other library's."""
    if axis is None:
        a, axis = call(tape, np.ravel, (a,), {}), -1
    order = call(tape, np.argpartition, (a, kth, axis), kwargs)
    return call(tape, np.take_along_axis, (a, order, axis), {})


def compress(tape: RecordedTape, condition: Any, a: Any, axis: int | None = None, out: Any = None) -> Any:
    chosen = np.flatnonzero(concrete(condition))
    return apply(tape, np.take, (a, chosen), {"axis": axis, "out": out} if out is not None else {"axis": axis})


def extract(tape: RecordedTape, condition: Any, arr: Any) -> Any:
    return compress(tape, np.ravel(concrete(condition)), call(tape, np.ravel, (arr,), {}))


def choose(tape: RecordedTape, a: Any, choices: Any, out: Any = None, mode: str = "raise") -> Any:
    which = np.asarray(concrete(a))
    np.choose(which, real(choices), mode=mode)  # type: ignore[call-overload]  # NumPy says what is out of range
    which = np.mod(which, len(choices)) if mode == "wrap" else np.clip(which, 0, len(choices) - 1)
    masks = [which == i for i in range(len(choices))]
    result = call(tape, np.select, (masks, [stacked(tape, c) for c in choices]), {})
    if out is None:
        return result
    write(out, None, result)
    return out


def unique(tape: RecordedTape, ar: Any, *args: Any, **kwargs: Any) -> Any:
    if args or any(kwargs.get(k) for k in ("return_index", "return_inverse", "return_counts")) or "axis" in kwargs:
        raise tape.refusal("numpy.unique of recorded values with further results is not recorded")
    flat = call(tape, np.ravel, (ar,), {})
    _, first = np.unique(flat.value, return_index=True)
    tape.guard(first_of_each, (Ref(flat.place()),), {}, first)
    return read(flat, first)


def first_of_each(a: Any) -> Any:
    """Where each value stands first."""
    return np.unique(a, return_index=True)[1]


HANDLERS: dict[Any, Handler] = {
    np.copyto: copyto,
    np.apply_along_axis: apply_along_axis,
    np.apply_over_axes: apply_over_axes,
    np.piecewise: piecewise,
    np.bincount: bincount,
    np.copy: copy,
    np.partition: partition,
    np.compress: compress,
    np.extract: extract,
    np.choose: choose,
    np.unique: unique,
    np.fill_diagonal: writes(np.fill_diagonal, 1),
    **{f: writes(f, 2) for f in (np.put, np.place, np.putmask, np.put_along_axis)},
}
