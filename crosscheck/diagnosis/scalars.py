"""Scalars that a forward works with and that no input moves: a count of labels, a scale, a constant."""

from __future__ import annotations

import numpy as np

from crosscheck.diagnosis.factors import CORRECTION
from crosscheck.diagnosis.labels import TURN, label, value_name
from crosscheck.diagnosis.points import Point
from crosscheck.traces.tape import Tape

# A forward may be full of constants; of these many are tried, the first that are met.
MOST_SCALARS = 8


def scalars_of(point: Point) -> dict[str, float]:
    """By name: that of the step that made it, or of the one that reads it, with n / (n - 1) of a whole one."""
    tape = point.tape
    if tape is None:
        return {}
    found: dict[str, float] = {}
    for place in scalar_places(tape):
        value = float(np.real(point.value(place)))
        if not np.isfinite(value) or value in (0.0, 1.0, -1.0, 2.0, 0.5):
            continue
        name = value_name(tape, place)
        if place in tape.constants:
            reader = next(k for k, step in enumerate(tape.steps) if step.active and place in step.reads)
            name = f"the constant of {label(tape, reader)}"
        name = TURN.sub("", name)  # it is one number in every turn, of which there are others at other sizes
        if value in found.values() and place in tape.constants:
            continue
        found.setdefault(name, value)
        if value == round(value) > 2:
            found.setdefault(f"{CORRECTION}{name}", value / (value - 1))
    return dict(list(found.items())[:MOST_SCALARS])


def scalar_places(tape: Tape) -> list[int]:
    """The fixed values of no axes."""
    return [place for place in tape.fixed if not tape.avals[place].shape and tape.avals[place].dtype.kind == "f"]
