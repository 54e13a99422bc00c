"""Gradients that backward returns without a name: which is which."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from crosscheck.doors.layers.looking import Looking
from crosscheck.doors.layers.once import Ran
from crosscheck.doors.layers.places import ENTRY, Path, private, walk
from crosscheck.doors.layers.returned import POSITION, Key, by_position, fitting, squeezed
from crosscheck.doors.layers.spelling import gradient_names
from crosscheck.operation import Arrays

# What a loss compares with, as its argument is called.
TARGET = re.compile(r"target|true|truth|label|expected|actual|desired|wanted|^gt$|_gt$|^t$", re.IGNORECASE)


def positions(
    look: Looking, run: Ran, names: list[str], left: Mapping[str, Any], inputs_left: dict[str, Path]
) -> dict[str, Key]:
    """The names of the arrays that backward returned without a key."""
    keys = [key for key in run.flat if key[0] == POSITION]
    if not keys:
        return {}
    given = look.calling.ways.returns
    if given is not None:
        if len(given) != len(keys):
            raise ValueError(
                f"returns names {len(given)} gradients, {', '.join(map(str, given))}; backward of {look.title} "
                f"returned {len(keys)}"
            )
        unknown = [k for k in given if k and k not in (*look.inputs, *run.pool)]
        if unknown:
            raise ValueError(
                f"returns names {unknown[0]!r}, which is none of the inputs and parameters of {look.title}: "
                f"{', '.join([*look.inputs, *names])}"
            )
        return {
            k: key
            for k, key in zip(given, keys, strict=True)
            if k in look.wrt or (k in run.pool and k not in look.inputs)
        }
    inputs, indices = list(look.wrt), [k for k in look.inputs if k not in look.wrt]
    free = [k for k in inputs if k not in look.calling.ways.constants]
    unleft = [k for k in names if k not in left]
    if not unleft and [np.shape(run.flat[key]) for key in keys] == [look.inputs[k].shape for k in indices]:
        return {}  # what stands for the gradient of an index
    if of_nothing(look, run, keys, names, unleft):
        return {}
    choices = [
        [*inputs, *names],
        [*inputs, *unleft],
        inputs,
        [*(k for k in inputs if k not in inputs_left), *unleft],
        *([names, unleft] if len(inputs_left) == len(inputs) else []),
    ]
    if free != inputs:  # what is said to be a constant may still be given a gradient, or not
        choices = of_shapes(look, run, keys, [[*free, *unleft], [*inputs, *unleft], [*free, *names], *choices, free])
    wanted = next((choice for choice in choices if len(choice) == len(keys)), None)
    clear = {} if wanted is not None else by_values(look, run, keys, [*inputs, *names], names)
    if clear:
        return clear
    if wanted is None:
        some = "1 gradient" if len(keys) == 1 else f"{len(keys)} gradients"
        raise ValueError(
            f"backward of {look.title} returned {some} for the inputs {', '.join(inputs)} and the "
            f"parameters {', '.join(names) or 'none'}: say which, returns=('x', ...)"
            + (", or which inputs have none, constants=(...)" if len(inputs) > len(keys) else "")
        )
    if len(wanted) == 1:
        return {wanted[0]: keys[0]}
    order = told_apart(look, run, [run.flat[key] for key in keys], wanted, names, ("returned", "returns=(...)"))
    if order != wanted:
        look.say("order", f"backward of {look.title} returned the gradients of {', '.join(order)}, in this order")
    return dict(zip(order, keys, strict=True))


def of_shapes(look: Looking, run: Ran, keys: list[Key], choices: list[list[str]]) -> list[list[str]]:
    """Those of the choices whose arrays have the shapes of what was returned, in any order; else all."""
    shapes = sorted(squeezed(run.flat[key]) for key in keys)

    def shape(k: str) -> tuple[int, ...]:
        return squeezed(look.inputs[k] if k in look.inputs else run.pool[k].value(look.base))

    return [choice for choice in choices if sorted(map(shape, choice)) == shapes] or choices


def of_nothing(look: Looking, run: Ran, keys: list[Key], names: list[str], unleft: list[str]) -> bool:
    """Whether what backward of indices alone returned has the shape of none of the parameters, which all have their
    gradients elsewhere: left, handed over, in their step."""
    if look.wrt or not all(k in run.changed or k in run.noted for k in unleft):
        return False
    shapes = [squeezed(run.flat[key]) for key in keys]
    if any(squeezed(run.pool[k].value(look.base)) in shapes for k in names):
        return False
    said = ", ".join(str(np.shape(run.flat[key])) for key in keys)
    look.say("returned", f"backward of {look.title} returned shape {said}: an index has no gradient")
    return True


def told_apart(
    look: Looking, run: Ran, arrays: list[Any], wanted: list[str], names: list[str], words: tuple[str, str]
) -> list[str]:
    """The name of each array, by its shape and its values; `words` are what backward did, and how to say it."""
    values, fits = measured(look, run, names)
    order, unsure = by_position(arrays, wanted, values, fits)
    if unsure:
        look.say(
            "ambiguous",
            f"which of the gradients that backward of {look.title} {words[0]} is that of {', '.join(unsure)} cannot be "
            f"told: their shapes do not say it, nor do their values; say it, {words[1]}",
            True,
        )
    return order


def measured(look: Looking, run: Ran, names: list[str]) -> tuple[Arrays, Callable[[str, Any], bool]]:
    """The inputs and parameters of these names, and whether an array is the gradient of one, as differences say."""
    values = {**look.inputs, **{k: np.asarray(run.pool[k].value(look.base)) for k in names}}
    wide = private(look.base, wider=True)
    route = replace(run.route, held={k: run.pool[k] for k in names})
    v = np.ones_like(run.cotangent) if look.calling.ways.loss else run.cotangent
    return values, fitting(lambda at_values: route.forward(private(wide), at_values), values, v)


def by_values(look: Looking, run: Ran, keys: list[Key], known: list[str], names: list[str]) -> dict[str, Key]:
    """Fewer gradients than inputs and parameters: of which they are, where each fits one and no other."""
    if len(keys) > len(known):
        return {}
    values, fits = measured(look, run, names)
    # Of (p - t)² a sign more makes it the target's: there the names say more than the values.
    judged = [k for k in look.wrt if not TARGET.search(k)]
    one = look.calling.ways.loss and len(keys) == len(judged) == 1 < len(look.wrt)
    if one and squeezed(values[judged[0]]) == squeezed(run.flat[keys[0]]):
        said = f"backward of {look.title} returned one gradient: taken for that of {judged[0]}, as the names say"
        look.say("order", said)
        return {judged[0]: keys[0]}
    found: dict[str, Key] = {}
    for key in keys:
        given = run.flat[key]
        alike = [k for k in known if squeezed(values[k]) == squeezed(given) and fits(k, given)]
        if len(alike) != 1 or alike[0] in found:
            return {}
        found[alike[0]] = key
    look.say("order", f"backward of {look.title} returned the gradient of {', '.join(found)}, as its values say")
    return found


def in_lists(look: Looking, run: Ran, names: list[str], known: set[int]) -> dict[str, Path]:
    """The gradients of parameters that are left in lists, which are called the gradients and say not which:
    `grads = [[dW1, db1], [dW2, db2]]` for `weights` and `biases`. As many of them as there are parameters without one.

    Args:
        known: the arrays that are something else.
    """
    lists: dict[Path, list[tuple[Path, Any]]] = {}
    for path, value in walk(run.layer):
        top = next((path[:i] for i, (kind, _) in enumerate(path) if kind == ENTRY), ())
        inside = all(kind == ENTRY and isinstance(key, int) for kind, key in path[len(top) :])
        if top and inside and gradient_names(top) and isinstance(value, np.ndarray) and id(value) not in known:
            lists.setdefault(top, []).append((path, value))
    shapes = sorted(squeezed(run.pool[k].value(look.base)) for k in names)
    fit = [rows for rows in lists.values() if sorted(squeezed(a) for _, a in rows) == shapes]
    if len(fit) != 1 or not names:
        return {}
    order = told_apart(look, run, [a for _, a in fit[0]], names, names, ("left", "parameters={...}"))
    return {k: path for k, (path, _) in zip(order, fit[0], strict=True)}
