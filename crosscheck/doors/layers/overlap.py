"""Parameters that share memory: a flat vector, and the views of it that the layer computes with.

Moving one moves the other, so that only one of the two can be judged: the parts, if they make up the whole, or else
the whole. The gradient that is not judged must be the same numbers; where it is not, the check fails and names both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from crosscheck.doors.layers.places import Held, private
from crosscheck.operation import Array


def inside(base: Any, whole: Held, places: Mapping[str, Held]) -> dict[str, Array]:
    """The arrays whose memory lies in that of `whole`, each with the places of its entries there."""
    layer = private(base)
    a = whole.value(layer)
    a[...] = np.nan
    parts = [k for k, p in places.items() if p is not whole and np.size(p.value(layer)) and all_nan(p.value(layer))]
    parts = [k for k in parts if np.shares_memory(places[k].value(layer), a)]
    a[...] = np.arange(a.size).reshape(a.shape)
    return {k: np.array(places[k].value(layer), int) for k in parts}


def all_nan(a: Any) -> bool:
    return isinstance(a, np.ndarray) and bool(np.isnan(a).all())


def once(base: Any, places: Mapping[str, Held], gradients: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Of parameters that share memory, those to be left out; and sentences where two gradients differ.

    Args:
        places: the parameters by name.
        gradients: those of them that were found.
    """
    out: list[str] = []
    differ: list[str] = []
    shared = [k for k, p in places.items() if not p.writable and isinstance(p.value(base), np.ndarray)]
    for name in sorted(shared, key=lambda k: -places[k].value(base).size):
        parts = {k: i for k, i in inside(base, places[name], places).items() if k not in out and k != name}
        if name in out or not parts:
            continue
        judged = [k for k in parts if k in gradients]
        whole = len(set().union(*(parts[k].ravel() for k in judged))) == places[name].value(base).size
        if name in gradients:
            own = np.ravel(gradients[name])
            wrong = [k for k in judged if not same_numbers(own, parts[k], gradients[k])]
            differ += [f"{name} and {k} share memory, and the gradients that were found of them differ" for k in wrong]
        if whole:
            out.append(name)
        elif name in gradients:
            out += list(parts)
    return out, differ


def same_numbers(own: Array, places: Array, gradient: Any) -> bool:
    return own.size > int(places.max()) and np.array_equal(own[places.ravel()], np.ravel(gradient))
