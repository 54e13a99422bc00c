"""Memory that nobody has written to: an answer that depends on what `numpy.empty` happens to find there.

    dx = np.empty_like(x);  dx += g * w          right wherever the memory was zero, which it mostly is

One forward and one backward are made where `np.empty` and `np.empty_like`, in the namespaces that the code looks names
up in, hand out NaN. What is written before it is read is what it was. So what the code remembers of these calls need
not be undone, and must not be: other threads may use the same caches.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from crosscheck.effects.arrays import Array, Arrays, copied, fresh
from crosscheck.effects.calls import Calls, Change, commas
from crosscheck.effects.comparison import finite
from crosscheck.effects.visits import BACKWARD, FORWARD, OUTPUT, visited
from crosscheck.witnesses.namespaces import Reached, reached, replaced

EMPTY: dict[str, Callable[..., Array]] = {"empty": np.empty, "empty_like": np.empty_like}


class Filled:
    """NumPy, but that on this thread empty arrays of fractions hold NaN."""

    def __init__(self) -> None:
        thread = threading.get_ident()

        def filled(function: Callable[..., Array]) -> Callable[..., Array]:
            def made(*args: Any, **kwargs: Any) -> Array:
                a = function(*args, **kwargs)
                if threading.get_ident() == thread and isinstance(a, np.ndarray) and a.dtype.kind in "fc":
                    a.fill(np.nan)
                return a

            return made

        self.made = {name: filled(function) for name, function in EMPTY.items()}

    def __getattr__(self, name: str) -> Any:
        return vars(self)["made"].get(name) or getattr(np, name)

    def stand_in(self, value: Any) -> Any:
        """What stands for a value that the code can reach; itself where nothing does."""
        if value is np:
            return self
        return next((self.made[name] for name, function in EMPTY.items() if value is function), value)


def mentioned(found: Reached) -> bool:
    """Whether the code can make an empty array at all."""
    named = any(not EMPTY.keys().isdisjoint(names) for _, names in found.globals.values())
    return named or any(value is np.empty or value is np.empty_like for value, _ in found.places())


def filled(calls: Calls) -> Arrays | None:
    """What forward and backward give at A where empty arrays hold NaN; None if the code makes none, or refuses it."""
    found = reached(calls.operation.forward, calls.operation.backward)
    if not mentioned(found):
        return None
    v, inputs = fresh(calls.a.cotangent), {k: fresh(x) for k, x in calls.a.inputs.items()}
    try:
        swapped = replaced(found, Filled().stand_in, {}, undone=False)
        with warnings.catch_warnings(), np.errstate(all="ignore"), swapped:
            warnings.simplefilter("ignore")
            y = calls.forward({k: fresh(x) for k, x in calls.a.inputs.items()})
            return copied({OUTPUT: y, **calls.backward(v, inputs)})
    except Exception:  # it asks whether numbers are finite, or what NumPy is
        return None


FILLED = Change("both at A, with NaN in empty arrays", filled)


def unwritten(calls: Calls) -> list[str]:
    """The answers that have NaN then, and are finite otherwise."""
    answer = calls.answer(FILLED)
    if answer is None:
        return []
    first = {**visited(calls, FORWARD).values, **visited(calls, BACKWARD).values}
    return [k for k in finite(first) if first[k].shape == answer[k].shape and np.isnan(answer[k]).any()]


def not_read(calls: Calls, _: Arrays) -> Iterator[str]:
    """The answers are what they were, where they were finite."""
    names = unwritten(calls)
    if OUTPUT in names:
        yield "the output depends on memory that numpy.empty leaves as it finds it: with NaN there, it has NaN"
    gradients = [k for k in names if k != OUTPUT]
    if gradients:
        yield (
            f"the gradient of {commas(gradients)} depends on memory that numpy.empty leaves as it finds it: with NaN "
            "there, it has NaN"
        )
