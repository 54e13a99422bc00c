"""One backward, from which it is seen where the gradients are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from crosscheck import draws
from crosscheck.doors.layers import nudges
from crosscheck.doors.layers.discovery import absent
from crosscheck.doors.layers.looking import Looking
from crosscheck.doors.layers.outputs import Handed
from crosscheck.doors.layers.pairing import checked_pairs, place_of, short_names
from crosscheck.doors.layers.places import Held, everything, private
from crosscheck.doors.layers.returned import Key, flattened
from crosscheck.doors.layers.route import Route
from crosscheck.doors.layers.steps import is_optimizer, optimizers, rate_argument
from crosscheck.doors.layers.ways import Calling
from crosscheck.operation import Array


@dataclass(frozen=True)
class Ran:
    """One backward, made with stand-ins for optimizers.

    Args:
        route: by which it was made; of the gradients it knows nothing.
        pool: every array and number that may be a parameter, by name.
        layer: afterwards.
        cotangent: what arrived.
        flat: what was returned.
        noted: the gradients that optimizers were handed.
        changed: the names of the pool that backward changed.
    """

    route: Route
    pool: Mapping[str, Held]
    layer: Any
    cotangent: Array
    flat: Mapping[Key, Any]
    noted: Mapping[str, Any]
    changed: frozenset[str]


def ran(look: Looking) -> Ran:
    calling, layer = look.calling, private(look.base)
    if look.declared is not None:
        look.declared.assign(layer, look.declared.values(look.base))
    _, handed = calling.run(layer, look.inputs)
    pool = (
        short_names([p for p in everything(look.base) if not look.constants.intersection(p.paths)], look.inputs)
        if look.declared is None
        else {}
    )
    if calling.ways.parameters is not None:
        named = {str(word): place_of(look.base, word, "parameters") for word in checked_pairs(calling.ways.parameters)}
        known = {path for place in named.values() for path in place.paths}
        pool = named | {name: place for name, place in pool.items() if not known.intersection(place.paths)}
    pool = {name: place for name, place in pool.items() if not absent(layer, place)}
    held = {name: place for name, place in pool.items() if isinstance(place.value(look.base), np.ndarray)}
    places = tuple(optimizers(look.base))
    called = places or any(map(is_optimizer, (*calling.ways.backward_args, *calling.ways.backward_kwargs.values())))
    route = Route(
        calling, look.base, held, optimizers=places, asked=rate_argument(calling, True), anew=look.steady is False
    )
    if look.declared is not None:
        route = replace(route, held={}, declared=look.declared)
    ungiven = lacking(calling, look.y, handed, route.asked)
    if ungiven:
        raise TypeError(
            f"backward of {look.title} takes {', '.join(ungiven)}, which nothing was given for: give it by "
            f"backward_kwargs={{{ungiven[0]!r}: ...}}, or say that it is the learning rate, rate={ungiven[0]!r}"
        )
    layer = private(layer)
    before = {name: np.array(place.value(layer)) for name, place in pool.items()}
    v = draws.cotangent(look.y.shape, np.random.default_rng(0))
    v = np.asarray(v, look.y.dtype if look.y.dtype.kind == "f" else np.float64)
    answer, book = route.back(layer, v, handed)
    moved = [p for k, p in pool.items() if k not in held and not nudges.unchanged(p.value(layer), before[k])]
    # A number that backward changes is a parameter where the output depends on it; a counter is none.
    numbers = nudges.moving(look.base, look.run, look.y, moved) if moved and look.steady else []
    moving = {place.name for place in (*look.moving, *numbers)}
    changed = {k for k, a in before.items() if pool[k].name in moving and not nudges.unchanged(pool[k].value(layer), a)}
    return Ran(route, pool, layer, v, flattened(answer), book.gradients() if called else {}, frozenset(changed))


def lacking(calling: Calling, y: Array, handed: Handed, asked: str | None) -> list[str]:
    """The arguments of backward that have no default, and that nothing is handed over for."""
    if calling.ways.loss or not calling.required:
        return []
    taken = len(calling.reading.arguments(np.zeros_like(y), handed)) + len(handed.cache) - 1
    return [name for name in calling.required[taken:] if name != asked]
