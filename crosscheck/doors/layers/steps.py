"""Gradients that a layer does not leave anywhere, because its backward uses them up: W -= rate · dW.

The step says what the gradient was, if the rate is a power of two so large that W is lost beside the step:

    (W - fl(W - R · dW)) / R = dW      exactly, where |W| is less than half the last digit of R · dW; and where dW = 0

Multiplying by R and dividing by it do not round. An optimizer that is called with the parameter and its gradient is
replaced by a stand-in, which writes down what it is handed and hands it on to a copy of the optimizer: what backward
does with the parameter afterwards, it does with the new one, as it would in training.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from crosscheck.doors.layers.places import Held, Path, at, every, is_users, put, walk
from crosscheck.doors.layers.spelling import named_alike, plain
from crosscheck.doors.layers.ways import RATES, Calling
from crosscheck.operation import Array

# A third of the exponents of each precision: W is lost beside R · dW, and dW may be as large as R.
EXACT_RATES = {np.dtype(np.float64): 2.0**400, np.dtype(np.float32): 2.0**48}
# By what a gradient that arrives is multiplied or divided, where a step holds more than the gradient: the digits of
# each precision and as many again, so that the one is lost beside the other.
SCALES = {np.dtype(np.float64): 2.0**120, np.dtype(np.float32): 2.0**48}
UPDATES = ("update", "step", "apply", "apply_gradients", "apply_gradient", "optimize", "update_params", "get_update")
UPDATES += ("update_weights", "update_parameters", "apply_grads", "calc", "minimize", "get_gradients")


def objects(root: Any) -> Iterator[tuple[Path, Any]]:
    """Every path to an object of a user's class, one object under all its paths."""
    return (
        (path, thing) for path, thing in every(root) if is_users(thing) and not isinstance(thing, (dict, list, tuple))
    )


def is_optimizer(thing: Any) -> bool:
    """Whether it is something that updates what it is handed, and is no layer."""
    layerish = any(callable(getattr(thing, name, None)) for name in ("forward", "backward"))
    updates = any(callable(getattr(thing, name, None)) for name in UPDATES)
    return is_users(thing) and not isinstance(thing, (dict, set, list, tuple)) and updates and not layerish


def optimizers(layer: Any) -> list[Path]:
    return [path for path, thing in objects(layer) if is_optimizer(thing)]


@dataclass(frozen=True)
class StepRead:
    """How a gradient is read from a step.

    Args:
        scale: by what the gradient that arrives is multiplied: what stands beside the gradient in the step (weight
            decay, an old momentum) is lost beside a large one, and a small one is not clipped.
        apart: whether what the step is without any gradient is taken off.
    """

    scale: float = 1.0
    apart: bool = False


class Notebook:
    """What stand-ins for optimizers were handed: a gradient for each parameter."""

    def __init__(self, layer: Any, held: Mapping[str, Held]) -> None:
        self.known = {name: place.value(layer) for name, place in held.items()}
        self.before = {name: np.copy(a) for name, a in self.known.items()}
        self.alone: list[tuple[Any, Any]] = []
        self.seen: dict[str, list[Any]] = {name: [] for name in held}

    def name_of(self, a: Any) -> str | None:
        """The parameter that an array is, or is a view of as a whole."""
        if not isinstance(a, np.ndarray):
            return None
        for name, known in self.known.items():
            if a is known or (isinstance(known, np.ndarray) and a.size == known.size and np.shares_memory(a, known)):
                return name
        return None

    def note(self, *args: Any, **kwargs: Any) -> None:
        """One call: the parameters among what it was handed, each with the gradient that came with it."""
        given = [*args, *kwargs.values()]
        dictionaries = [a for a in given if isinstance(a, dict)]
        if len(dictionaries) == 2:
            self.by_key(*dictionaries)
        else:
            arrays = [a for thing in given for a in leaves(thing)]
            names = [name for a in arrays if (name := self.name_of(a)) is not None]
            gradients = [a for a in arrays if self.name_of(a) is None and np.size(a)]
            if len(names) == len(gradients):
                for name, gradient in zip(names, gradients, strict=True):
                    self.seen[name].append(np.array(gradient))

    def by_key(self, one: dict[Any, Any], other: dict[Any, Any]) -> None:
        if not any(self.name_of(a) for a in one.values()):
            one, other = other, one
        for key, a in one.items():
            name = self.name_of(a)
            fits = [k for k in other if k == key] or [k for k in other if named_alike(str(key), str(k)) is not None]
            if name is not None and len(fits) == 1:
                self.seen[name].append(np.array(other[fits[0]]))

    def answered(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], answer: Any) -> None:
        """One call that was handed a gradient and no parameter, and what came back for it."""
        arrays = [a for thing in (*args, *kwargs.values()) for a in leaves(thing)]
        if len(arrays) == 1 and self.name_of(arrays[0]) is None and np.shape(answer) == arrays[0].shape:
            self.alone.append((np.array(arrays[0]), np.array(answer)))

    def settle(self, layer: Any, held: Mapping[str, Held]) -> None:
        """After a backward: a gradient that was handed over without its parameter is that of the one which moved by
        what came back, bit by bit."""
        for gradient, answer in self.alone:
            moved = [
                name
                for name, a in self.before.items()
                if a.shape == answer.shape and not self.seen[name] and is_moved(a, held[name].value(layer), answer)
            ]
            if len(moved) == 1:
                self.seen[moved[0]].append(gradient)

    def gradients(self) -> dict[str, Any]:
        """The gradient of every parameter that was handed over once."""
        return {name: seen[0] for name, seen in self.seen.items() if len(seen) == 1}


def leaves(thing: Any) -> Iterator[Any]:
    """The arrays of an argument, in order."""
    if isinstance(thing, dict):
        thing = list(thing.values())
    if isinstance(thing, (list, tuple)):
        for a in thing:
            yield from leaves(a)
    elif isinstance(thing, np.ndarray) and thing.dtype.kind == "f":
        yield thing


def is_moved(before: Any, after: Any, by: Any) -> bool:
    """Whether a parameter is now what it was and a step, or less a step, rounded once."""
    after = np.asarray(after)
    return np.array_equal(before + by, after) or np.array_equal(before - by, after)


class StandIn:
    """For an optimizer: the calls of the methods that update are written down."""

    def __init__(self, book: Notebook, real: Any) -> None:
        self._book, self._real = book, real

    def __getattr__(self, name: str) -> Any:
        own = getattr(self._real, name)
        return self._noting(own) if callable(own) and name in UPDATES else own

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._noting(self._real)(*args, **kwargs)

    def _noting(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def called(*args: Any, **kwargs: Any) -> Any:
            self._book.note(*args, **kwargs)
            given = tuple(
                np.array(a) if isinstance(a, np.ndarray) and self._book.name_of(a) is None else a for a in args
            )
            answer = method(*args, **kwargs)
            self._book.answered(given, kwargs, answer)
            return answer

        return called


def stand_in(layer: Any, paths: list[Path], book: Notebook) -> None:
    for path in paths:
        put(layer, path, StandIn(book, at(layer, path)))


# ---------------------------------------------------------------------- rates


# Of an argument of backward: update_rate, lr0, base_lr; a layer's own numbers may be other rates (of a dropout).
RATE_LIKE = re.compile(r"(?:\w+_)?(?:rate|lr|eta|stepsize)\d*")


def rate_argument(calling: Calling, required: bool) -> str | None:
    """The argument of backward, or of the step after it, that is a learning rate; `required`: only where it cannot be
    left out."""
    given, step = calling.ways.backward_kwargs, calling.step
    if required:
        known = [k for k in (*calling.required, *(step.required if step is not None else ())) if k not in given]
    else:
        known = [*(calling.takes or ()), *given, *(step.takes if step is not None else ())]
    usual = next((name for name in ((calling.ways.rate,) if calling.ways.rate else RATES) if name in known), None)
    if usual is not None or calling.ways.rate:
        return usual
    return next((name for name in known if RATE_LIKE.fullmatch(name.lower())), None)


def rate_attributes(layer: Any, given: str | None) -> list[Path]:
    """Every place of the layer's learning rate, by the first of the usual names that it has."""
    numbers = [path for path, value in walk(layer) if not isinstance(value, np.ndarray)]
    for name in (given,) if given else RATES:
        found = [path for path in numbers if plain(path[-1][1]) == name]
        if found:
            return found
    return []


def exact_rate(dtype: np.dtype) -> float:
    return EXACT_RATES.get(dtype, EXACT_RATES[np.dtype(np.float32)])


def large_scale(dtype: np.dtype) -> float:
    return SCALES.get(dtype, SCALES[np.dtype(np.float32)])


def from_step(before: Any, after: Any, rate: float) -> Array:
    """The gradient that a step at this rate was made by."""
    return (np.asarray(before) - np.asarray(after)) / rate
