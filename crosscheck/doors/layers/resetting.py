"""Layers that answer for an earlier call until a method of theirs tells them to begin anew.

Some keep every input since the last update, so that several forwards may be followed by a backward each; a training
step ends with a call that empties the list (and sets gradients to zero). Without it the second backward answers for the
first forward. A method that is named after gradients is called in every step of a training, and is used where that
changes what backward says, and nothing else. One of any other name (`reset`, `clear_cache`) is nobody's habit to call
between two steps: without it a cache that stays what it was is a wrong gradient, and only the caller may name it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from crosscheck.doors.layers import nudges
from crosscheck.doors.layers.looking import Looking
from crosscheck.doors.layers.places import private
from crosscheck.doors.layers.route import Route, copies
from crosscheck.operation import Array, Arrays

WORDS = ("flush", "zero", "clear", "reset")
USUAL = tuple(f"{word}_{thing}" for word in WORDS for thing in ("grad", "grads", "gradient", "gradients"))


def beginning_anew(look: Looking, route: Route, cotangent: Array, values: Arrays) -> Route:
    """The route, with the method that is called before every forward where backward needs it."""
    given = route.calling.ways.reset
    if given is not None:
        look.say("reset", f"{given}() of {look.title} was called before every forward, as you said")
        return replace(route, reset=given)
    if look.steady is not True or look.declared is not None or route.reset is not None:
        return route
    for name in methods(look.base):
        try:
            needed = needs(look, route, name, cotangent, values)
        except Exception:  # a method of this name that wants arguments, or takes away what backward needs
            continue
        if needed:
            say(look, name, "backward answers for an earlier one")
            return replace(route, reset=name)
    return route


def unless_it_raises(look: Looking, route: Route, follow: Callable[[Route], Route]) -> Route:
    """The route as `follow` makes it of one that is gone twice.

    Where that raises the second time it is one with a method that begins anew, or from the layer as it was given.
    """
    try:
        return follow(route)
    except Exception as error:
        if route.anew:
            raise
        for name in methods(look.base):
            try:
                found = follow(replace(route, reset=name))
            except Exception:  # as above
                continue
            say(look, name, f"a second backward raises {type(error).__name__}")
            return found
        found = follow(replace(route, anew=True))
        look.say(
            "state",
            f"a second backward of {look.title} raises {type(error).__name__}: {error}; every call began with the "
            "layer as it was given",
        )
        return found


def say(look: Looking, name: str, otherwise: str) -> None:
    look.say("reset", f"{name}() of {look.title} was called before every forward: without it {otherwise}")


def methods(layer: Any) -> list[str]:
    return [name for name in USUAL if callable(getattr(layer, name, None))]


def emptied(look: Looking, layer: Any) -> Any:
    """A layer after its first call, without what it keeps of it, where a method of its own can take that away and leave
    the output what it was, and a backward; else as it is."""
    for name in methods(layer):
        try:
            other = private(layer)
            getattr(other, name)()
            trial = private(other)
            y, handed = look.calling.run(trial, look.inputs)
            look.calling.back(trial, np.ones_like(look.y), handed)
            if nudges.unchanged(y, look.y):
                return other
        except Exception:  # as above
            continue
    return layer


def needs(look: Looking, route: Route, name: str, cotangent: Array, values: Arrays) -> bool:
    """Whether backward at a second point is another after this call, and then the same whatever came before."""
    rng = np.random.default_rng(3)
    moved = {k: nudges.nudged(a, nudges.SIZES[0], rng) if a.dtype.kind == "f" else a for k, a in values.items()}
    called = replace(route, reset=name)
    without, after, alone = private(look.base), private(look.base), private(look.base)
    there = [(route, without), (called, after)]
    for way, layer in there:
        way.gradients(layer, cotangent, values)
    stale, fresh = (copies(way.gradients(layer, -cotangent, moved)) for way, layer in there)
    same = all(nudges.unchanged(stale[k], fresh[k]) for k in fresh)
    anew = copies(called.gradients(alone, -cotangent, moved))
    steady = all(nudges.unchanged(anew[k], fresh[k]) for k in fresh)
    return not same and steady and nudges.unchanged(output(called, look, values), look.y)


def output(route: Route, look: Looking, values: Arrays) -> Any:
    return route.forward(private(look.base), values)
