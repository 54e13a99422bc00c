"""Layers that show no gradient until they are told to make their step: backward(g), and update(lr) after it.

What arrived is kept, or products of it are added up where no name says what they are; `update` multiplies out and
takes the step. Where parameters are left without a gradient, and the layer has a method that is called so, it is
called after every backward, and the two are one backward that updates (`updating`).

A layer whose learning rate is 0, as it stands or unless it is told otherwise, is asked at another one.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from crosscheck.doors.layers import nudges
from crosscheck.doors.layers.looking import Looking
from crosscheck.doors.layers.methods import method_of
from crosscheck.doors.layers.places import at, private, put, spelled
from crosscheck.doors.layers.route import ORDINARY_RATE, Route
from crosscheck.doors.layers.sources import route_of
from crosscheck.doors.layers.steps import UPDATES, rate_argument, rate_attributes
from crosscheck.doors.layers.ways import Applying, step_of
from crosscheck.operation import Notice

# What updates a layer, beside what an optimizer's method is called; without those that hand gradients out.
USUAL = frozenset(name.replace("_", "") for name in UPDATES) - {"calc", "minimize", "getgradients", "getupdate"}
USUAL |= frozenset(("updateweight", "updateparam", "updateparameter", "applyupdate", "applyupdates", "gradientstep"))
USUAL |= frozenset(("gradientdescent", "adjust", "adjustweights", "descend", "sgdstep", "sgd"))


def route_with_step(look: Looking) -> Route:
    """The route of a layer; through the method that makes its step, where only that shows gradients."""
    before = list(look.remarks)
    if look.calling.step is not None:
        look.say("called", f"{look.calling.step.name} of {look.title} was called after every backward, as you said")
        return route_of(look)
    route = at_a_rate(look, route_of(look), before)
    steps = list(steps_of(look.base)) if look.declared is None and unjudged(look) else []
    for step in steps:
        other = replace(look, calling=replace(look.calling, step=step), remarks=list(before))
        asked = rate_argument(other.calling, True)
        if any(name != asked for name in step.required if name not in look.calling.ways.backward_kwargs):
            continue
        try:
            found = route_of(other)
        except Exception:  # a method of this name that does something else
            continue
        if found.held.keys() > route.held.keys() or tells_more(other, look):
            look.calling, look.remarks, look.wrt = other.calling, other.remarks, other.wrt
            look.say("called", f"{step.name} of {look.title} was called after every backward: it makes the step")
            return found
    return route


def at_a_rate(look: Looking, route: Route, before: list[Notice]) -> Route:
    """The route, of a layer at rest that of the same at an ordinary rate, if that shows more gradients."""
    if look.declared is not None or not unjudged(look):
        return route
    calling = look.calling
    argument = rate_argument(calling, False)
    idle = [path for path in rate_attributes(look.base, calling.ways.rate) if not at(look.base, path)]
    asleep = argument is not None and argument not in calling.required and not default_of(look, argument)
    if not idle and not asleep:
        return route
    asked = replace(calling, required=(*calling.required, argument)) if argument is not None and asleep else calling
    other = replace(look, base=private(look.base), calling=asked, remarks=list(before))
    for path in idle:
        put(other.base, path, ORDINARY_RATE)
    try:
        if not nudges.unchanged(look.run(private(other.base)), look.y):
            return route  # a rate of another kind: the output hangs on it
        found = route_of(other)
    except Exception:  # the code at a rate that its author did not choose
        return route
    if not found.held.keys() > route.held.keys():
        return route
    look.base, look.calling, look.remarks, look.wrt = other.base, asked, other.remarks, other.wrt
    rate = argument if asleep else spelled(idle[0])
    look.say("rate", f"{rate} of {look.title} is 0, at which nothing moves: its step was made at another rate")
    return found


def default_of(look: Looking, argument: str) -> Any:
    """What an argument of backward is unless it is given."""
    parameters = inspect.signature(method_of(look.base, look.calling.backward)).parameters
    return parameters[argument].default if argument in parameters else True


def steps_of(layer: Any) -> Iterator[Applying]:
    """The methods that are called as those are that make a step."""
    for name in dir(layer):
        if name.strip("_").replace("_", "").lower() in USUAL and not name.startswith("__"):
            method = getattr(layer, name, None)
            if callable(method) and not isinstance(method, type):
                yield step_of(layer, name)


def unjudged(look: Looking) -> list[str]:
    return [remark.explanation for remark in look.remarks if remark.kind == "unjudged"]


def tells_more(other: Looking, look: Looking) -> bool:
    """Whether a step was seen that no gradient can be read from, where without it nothing was seen."""
    return any(" by a step that " in why for why in unjudged(other)) and len(unjudged(other)) <= len(unjudged(look))
