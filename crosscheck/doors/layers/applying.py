"""Layers that show no gradient until they are told to make their step: backward(g), and update(lr) after it.

What arrived is kept, or products of it are added up where no name says what they are; `update` multiplies out and
takes the step. Where parameters are left without a gradient, and the layer has a method that is called so, it is
called after every backward, and the two are one backward that updates (`updating`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from crosscheck.doors.layers.looking import Looking
from crosscheck.doors.layers.route import Route
from crosscheck.doors.layers.sources import route_of
from crosscheck.doors.layers.steps import UPDATES, rate_argument
from crosscheck.doors.layers.ways import Applying, step_of

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
    route = route_of(look)
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
