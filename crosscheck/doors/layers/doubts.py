"""Steps that hold a factor which is the rule's and not the gradient's, and those that do not.

    v = μ v + (1 - μ) g,  W -= R v        a mean, with μ in the code: the step is (1 - μ) g
    t += 1,  W -= R g / (1 + decay t)     a rate that decays with a counter

Such a factor cannot be told from a wrong gradient. So, where a step depends on what backward leaves in the layer from
call to call and is a multiple of the gradient that the forward has, nothing is read of it, and the check fails by the
name. What is no multiple of it no such rule explains: it is a wrong gradient. Nor does a rule that keeps all that
came before, v = v + g, have a factor to hide: μ is 1.

A number is put aside for the step to be read (`updating`) only where it is a rule's by what it does, and not by its
name alone. λ in g + λ W adds what does not grow with the gradient; μ and a rate's decay say how much of what was left
behind is in the step. λ in g + λ g does neither: it is part of the gradient, and is judged with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from crosscheck.doors.layers import nudges
from crosscheck.doors.layers.looking import Looking
from crosscheck.doors.layers.once import Ran
from crosscheck.doors.layers.places import Held, Path, at, everything, private, put, spelled, whole_numbers
from crosscheck.doors.layers.returned import alike, both_sides, multiple
from crosscheck.doors.layers.stepping import Stepping
from crosscheck.doors.layers.steps import StepRead, exact_rate, large_scale
from crosscheck.operation import Array

SAME = 2.0**-40  # how far λ W may be from the step that it is, in shares of it: both are rounded


def doubted(
    look: Looking, run: Ran, asked: Stepping, found: Mapping[str, StepRead], held: Mapping[str, Held]
) -> dict[str, str]:
    """Of the parameters whose step could be read, those where it is a multiple of the forward's gradient and depends on
    what backward leaves behind (or was clipped), which may be why; and on what."""
    if not found:
        return {}
    read = replace(asked, route=replace(asked.route, stepped=found))
    readings = read.route.steps(private(look.base), asked.cotangent, asked.values)
    wider = private(look.base, wider=True)
    sides = both_sides(lambda at_values: read.route.forward(private(wider), at_values), asked.values, asked.cotangent)
    wrong = []
    for k in found:
        seen, norm = sides(k, readings[k]), float(np.linalg.norm(np.asarray(readings[k], np.float64)))
        wrong += [k] if multiple(seen, norm) and not alike(seen, norm) else []
    if not wrong:
        return {}
    why = {k: "" for k in wrong if found[k].scale < 1}
    rate_places = set() if isinstance(asked.route.rate, str) else set(asked.route.rate or ())
    known = {path for place in held.values() for path in place.paths} | rate_places
    one = asked.step(1.0)
    for path, value in remembered(look.base, run.layer, known):
        try:
            other = asked.step(1.0, prepared=lambda layer, path=path, value=value: put(layer, path, value))
        except Exception:  # the code at values that its author did not choose
            continue
        added = np.asarray(value) - np.asarray(at(look.base, path))
        for k in wrong:
            if not nudges.unchanged(one[k], other[k]) and not keeps_all(one[k], other[k], added):
                why.setdefault(k, f"depends on {spelled(path)}, too")
    return why


def without_the_gradients(
    asked: Stepping, aside: Mapping[Path, Any], states: list[tuple[Path, Any]]
) -> dict[Path, Any]:
    """Of what would be put aside, what a rule's numbers are by what they do; arrays are a rule's in any case."""
    kept: dict[Path, Any] = {}
    for path, value in aside.items():
        try:
            if isinstance(value, np.ndarray) or is_a_rules(asked, {path: value}, states):
                kept[path] = value
        except Exception:  # the code at numbers that its author did not choose
            continue
    return kept


def is_a_rules(asked: Stepping, aside: Mapping[Path, Any], states: list[tuple[Path, Any]]) -> bool:
    """Whether without these numbers a step differs by what does not grow with the gradient, or in how much of what was
    left behind it holds."""
    without, large = replace(asked, route=replace(asked.route, neutral=aside)), large_scale(asked.dtype)

    def differing(scale: float) -> dict[str, Any]:
        here, there = asked.step(scale), without.step(scale)
        return {k: here[k] - there[k] for k in here}

    one, two = differing(large), differing(2 * large)
    if all(nudges.unchanged(one[k], two[k]) for k in one):
        return True
    plain, other = asked.step(1.0), without.step(1.0)
    # A velocity may hold the rate: it is as large as the rate at which the step is made.
    for path, value in [*states, *((path, exact_rate(asked.dtype) * a) for path, a in states if is_of_floats(a))]:

        def prepared(layer: Any, path: Path = path, value: Any = value) -> None:
            put(layer, path, value)

        here, there = asked.step(1.0, prepared=prepared), without.step(1.0, prepared=prepared)
        for k in plain:
            moved, moved_without = here[k] - plain[k], there[k] - other[k]
            size = sum(np.abs(a) for a in (here[k], plain[k], there[k], other[k]))
            if np.any(np.abs(moved - moved_without) > SAME * size):
                return True
    return False


def is_of_floats(a: Any) -> bool:
    return np.asarray(a).dtype.kind == "f"


def keeps_all(one: Any, other: Any, added: Array) -> bool:
    """Whether all that was added to what is left behind is in the step, or taken off it: nothing of it is forgotten."""
    moved = np.asarray(other) - np.asarray(one)
    return moved.shape == added.shape and any(
        bool(np.all(np.abs(sign * moved - added) <= SAME * (np.abs(one) + np.abs(other)))) for sign in (1, -1)
    )


def remembered(before: Any, after: Any, known: set[Path]) -> list[tuple[Path, Any]]:
    """What backward changes in a layer beside its parameters (a momentum, a counter), as it stands after two steps."""
    places = [path for place in everything(before) for path in place.paths] + list(whole_numbers(before))
    found: list[tuple[Path, Any]] = []
    for path in places:
        try:
            here, there = at(before, path), at(after, path)
        except (AttributeError, KeyError, IndexError, TypeError):
            continue
        if path not in known and there is not None and not nudges.unchanged(here, there):
            found.append((path, np.array(there) if isinstance(there, np.ndarray) else there + 7 * (there - here)))
    return found


def explained(still: Any, a: Array) -> bool:
    """Whether a step without a gradient is nothing, or λ times the parameter, or its sign."""
    still = np.asarray(still)
    if not np.any(still):
        return True
    for like in (a, np.sign(a)):
        at_most = np.abs(like) > 0
        if at_most.any():
            share = float(np.median(still[at_most] / like[at_most]))
            if np.all(np.abs(still - share * like) <= SAME * np.abs(share * like)):
                return True
    return False
