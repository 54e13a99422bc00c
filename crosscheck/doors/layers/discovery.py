"""What a layer's parameters are, and where their gradients come from: found by running it, and said.

1. The arrays that move the output are found by nudging them, those that forward leaves alone with them.
2. One backward is run, at an exact learning rate and with stand-ins for optimizers, where the layer has them.
3. Each gradient is looked for: among what backward returned, in what the layer holds, in what an optimizer was handed,
   in the step that a parameter made.

What moves the output and has no gradient fails the check by its name; so does what has two.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from crosscheck.doors.layers import nudges
from crosscheck.doors.layers.declared import Declared, declares
from crosscheck.doors.layers.looking import Looking
from crosscheck.doors.layers.pairing import place_of
from crosscheck.doors.layers.places import Held, arrays, at, foreign, names_of, private
from crosscheck.doors.layers.resetting import emptied
from crosscheck.doors.layers.ways import Calling
from crosscheck.operation import Arrays

ADVICE = "; give its gradient, parameters={...}, or say that it is a constant, constants=(...)"


def look_at(calling: Calling, layer: Any, inputs: Arrays, wrt: tuple[str, ...]) -> Looking:
    """What forward shows of a layer."""
    look = Looking(calling, private(layer), inputs, wrt)
    look.steady = begin(look)
    others = dict(foreign(look.base))
    for name, kind in others.items():
        if name not in calling.ways.constants:
            sentence = f"{name} of {look.title} is a {kind}, and only arrays of NumPy are moved: it was not judged"
            look.say("unjudged", sentence, True)
    constants = [place_of(look.base, word, "constants") for word in calling.ways.constants if word not in others]
    look.constants = frozenset(path for place in constants for path in place.paths)
    if constants:
        look.say("constants", f"taken as constants of {look.title}, as you said: {names_of(constants)}")
    if look.steady is not None:
        free = [place for place in arrays(look.base) if not look.constants.intersection(place.paths)]
        look.moving = nudges.moving(look.base, look.run, look.y, free)
    return look


def begin(look: Looking) -> bool | None:
    """Run forward; whether it gives the same again (True), does so from the layer as given (False), or never (None)."""
    first = private(look.base)
    y = look.calling.run(first, look.inputs)[0]
    if y is None or isinstance(y, (tuple, dict)):
        kind = "None" if y is None else f"a {type(y).__name__}"
        raise TypeError(
            f"forward of {look.title} returned {kind}; it must return one array, or (y, cache) for backward"
        )
    look.y = np.asarray(y)
    if look.calling.ways.loss and look.y.size != 1:
        raise ValueError(
            f"loss is True, and forward of {look.title} returned shape {look.y.shape}; a loss is one number"
        )
    late = [place for place in arrays(first) if absent(look.base, place)]
    if any(nudges.kept(first, look.run, place) for place in nudges.moving(first, look.run, look.y, late)):
        look.base = emptied(look, first)  # its parameters are made at the first call
    if look.calling.ways.parameters is None and declares(look.base):
        look.declared = Declared(look.base)
    trial = private(look.base)
    if nudges.unchanged(look.run(trial), look.run(trial)):
        return True
    if nudges.unchanged(look.run(private(look.base)), look.run(private(look.base))):
        look.y = np.asarray(look.run(private(look.base)))
        look.say(
            "state",
            f"forward of {look.title} reads what it wrote the last time: every call began with the layer as it was "
            "given",
        )
        return False
    look.say(
        "nondeterministic",
        f"forward of {look.title} gives another output for the same input: it is random; give it a seed, or switch it "
        "to evaluation",
        True,
    )
    return None


def absent(layer: Any, place: Held) -> bool:
    try:
        return at(layer, place.paths[0]) is None
    except (AttributeError, KeyError, IndexError, TypeError):
        return True
