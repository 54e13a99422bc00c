"""What a layer's parameters are, and where their gradients come from: found by running it, and said.

1. The arrays that move the output are found by nudging them, those that forward leaves alone with them.
2. One backward is run, at an exact learning rate and with stand-ins for optimizers, where the layer has them.
3. Each gradient is looked for: among what backward returned, in what the layer holds, in what an optimizer was handed,
   in the step that a parameter made.

What moves the output and has no gradient fails the check by its name; so does what has two.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from crosscheck import draws
from crosscheck.doors.layers import nudges
from crosscheck.doors.layers.declared import Declared, declares
from crosscheck.doors.layers.looking import Looking
from crosscheck.doors.layers.methods import method_of
from crosscheck.doors.layers.nested import as_arrays
from crosscheck.doors.layers.outputs import Outputs, chosen, floats, is_twice_negated, readings
from crosscheck.doors.layers.pairing import place_of
from crosscheck.doors.layers.places import Held, arrays, at, foreign, names_of, private, walk
from crosscheck.doors.layers.resetting import emptied
from crosscheck.doors.layers.returned import flattened, squeezed
from crosscheck.doors.layers.route import ORDINARY_RATE
from crosscheck.doors.layers.steps import rate_argument
from crosscheck.doors.layers.ways import OUTPUTS, Calling
from crosscheck.doors.numbers import kind_of
from crosscheck.doors.trees import branch, leaves
from crosscheck.operation import Arrays

ADVICE = "; give its gradient, parameters={...}, or say that it is a constant, constants=(...)"


def look_at(calling: Calling, layer: Any, inputs: Arrays, wrt: tuple[str, ...]) -> Looking:
    """What forward shows of a layer."""
    look = Looking(calling, private(layer), inputs, wrt)
    if calling.asks:
        said = ", ".join(f"{k} (the {'output' if i is None else 'input'})" for k, i in calling.asks.items())
        look.say("asks", f"backward of {look.title} was given what it asks for: {said}")
    look.steady = begin(look)
    look.base = as_arrays(look)
    others = dict(foreign(look.base))
    for name, kind in others.items():
        if name not in calling.ways.constants:
            sentence = f"{name} of {look.title} is a {kind}, and only arrays of NumPy are moved: it was not judged"
            look.say("unjudged", sentence, True)
    beside = (*others, *look.inputs)
    constants = [place_of(look.base, word, "constants") for word in calling.ways.constants if word not in beside]
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
    returned = look.calling.returned(first, look.inputs)
    if returned is None:
        left = left_outputs(look.base, first)
        if len(left) != 1:
            raise TypeError(
                f"forward of {look.title} returned None; it must return an array, several, or (y, cache) for backward, "
                "or leave its output in the layer, as self.output"
            )
        look.calling = replace(look.calling, leaves=left[0])
        look.say("left", f"forward of {look.title} returns nothing: its output is what it leaves in {left[0]}")
        returned = look.calling.returned(first := private(look.base), look.inputs)
    y = read_outputs(look, returned)
    look.y = np.asarray(look.calling.loss_of(y))
    if look.calling.ways.loss and look.y.size != 1:
        raise ValueError(
            f"loss is True, and {look.calling.forward} of {look.title} returned shape {look.y.shape}; a loss is one "
            "number: name the method that gives it, forward='...', or say what is made of these, loss='sum' or 'mean'"
        )
    if look.calling.ways.loss:
        ask_with_prediction(look, first)
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


def ask_with_prediction(look: Looking, after: Any) -> None:
    """A loss's backward may take the prediction, and call it otherwise than forward: `forward(y, target)`,
    `backward(values, target)`. Where it is no gradient that it takes there, it is handed the input, or of a softmax
    with its loss what forward leaves as its output.

    Args:
        after: the layer after a forward.
    """
    calling = look.calling
    takes, inputs = list(calling.takes or ()), list(calling.inputs)
    if calling.nested or len(takes) < 2 or takes[1:] != inputs[1:] or takes[0] in inputs:
        return
    if takes_a_gradient(look):
        return
    shape = look.inputs[inputs[0]].shape
    left = [k for k in left_outputs(look.base, after) if getattr(after, k).shape == shape]
    given: dict[str, int | str | None] = {**{k: i for i, k in enumerate(takes)}, takes[0]: left[0] if left else 0}
    slots = calling.slots and tuple(k for k in calling.slots if k not in given)
    look.calling = replace(calling, asks=given, slots=slots, required=())
    what = f"what forward leaves in {left[0]}" if left else inputs[0]
    look.say(
        "asks", f"backward of {look.title} was given {what} for {takes[0]}: with a gradient there it is not linear"
    )


def takes_a_gradient(look: Looking) -> bool:
    """Whether a loss's backward runs with a number in the first place, and what it gives and leaves is linear in it."""
    calling, runs = look.calling, []
    for size in (1.0, -2.0):
        layer = private(look.base)
        try:
            calling.run(layer, look.inputs)
            others = [look.inputs[k] for k in calling.inputs[1:]]
            given = method_of(layer, calling.backward)(np.float64(size), *others, **calling.ways.backward_kwargs)
        except Exception:  # the user's code, called as it is not meant to be
            return False
        kept = {path: np.array(a) for path, a in walk(layer) if np.asarray(a).dtype.kind == "f"}
        runs.append({**kept, **{key: np.array(a) for key, a in flattened(given).items()}})
    one, other = runs
    return all(
        k in other and (is_twice_negated(a, other[k]) or np.array_equal(a, other[k], equal_nan=True))
        for k, a in one.items()
    )


def left_outputs(before: Any, after: Any) -> list[str]:
    """The attributes that are called as an output is, and that forward put an array into."""
    found = [k for k in OUTPUTS if isinstance(getattr(after, k, None), np.ndarray)]
    put = {k: getattr(after, k) for k in found if not nudges.unchanged(getattr(before, k, None), getattr(after, k))}
    return list({id(a): k for k, a in reversed(put.items())}.values())


def read_outputs(look: Looking, returned: Any) -> Any:
    """What forward returned as one array, once it is seen what of it are outputs."""
    if branch(returned) is None:
        return returned
    calling = look.calling
    kind = type(returned).__name__
    if not any(kind_of(leaf) == "f" for _, leaf in leaves(returned)):
        raise TypeError(
            f"forward of {look.title} returned a {kind} without an array of floats in it; it must return an array, "
            "several, or (y, cache) for backward"
        )
    ways = readings(returned, calling.slots, calling.ways.outputs)
    ways = ways if len(ways) == 1 else chosen(ways, lambda way, size: answers(look, way, size))
    reading, names = ways[0], calling.slots or ()
    look.calling = replace(calling, reading=reading)
    y, handed = reading.split(returned)
    if reading.cache and any(way.spread and not way.cache for way in ways):
        look.say(
            "ambiguous",
            f"whether the last of what forward of {look.title} returns is an output or a cache cannot be told, for "
            f"backward({', '.join(names)}) does not depend on it: say how many outputs there are, outputs=...",
            True,
        )
    look.layout = handed.layout
    missing = [f"[{i}]" for i in reading.missing() if floats(returned[i])]
    if missing and calling.ways.outputs is None:
        look.say(
            "unjudged",
            f"forward of {look.title} returns {len(returned)} values, and backward takes no gradient of "
            f"{', '.join(missing)}: it was not judged; if it has none, say outputs={reading.count}",
            True,
        )
    if handed.layout is not None and len(handed.layout.parts) > 1:
        names = ", ".join(part.name for part in handed.layout.parts)
        said = f"forward of {look.title} returns several outputs, {names}: backward was given a gradient of each"
        look.say("outputs", said)
    return y


def answers(look: Looking, reading: Outputs, size: float) -> list[Any]:
    """What backward returns in one reading, for a random cotangent of this size.

    Raises:
        ValueError: it is of shapes that nothing in the layer has.
    """
    calling, layer = replace(look.calling, reading=reading), private(look.base)
    y, handed = calling.run(layer, look.inputs)
    v = size * draws.cotangent(np.shape(y), np.random.default_rng(0))
    v = np.asarray(v, y.dtype if np.asarray(y).dtype.kind == "f" else np.float64)
    asked = rate_argument(calling, True)
    found = list(flattened(calling.back(layer, v, handed, {} if asked is None else {asked: ORDINARY_RATE})).values())
    known = {squeezed(a) for a in look.inputs.values()} | {squeezed(a) for _, a in walk(layer)}
    strange = [np.shape(a) for a in found if squeezed(a) not in known]
    if strange:
        raise ValueError(f"backward of {look.title} returned shape {strange[0]}, which no input or parameter has")
    return found


def absent(layer: Any, place: Held) -> bool:
    try:
        return at(layer, place.paths[0]) is None
    except (AttributeError, KeyError, IndexError, TypeError):
        return True
