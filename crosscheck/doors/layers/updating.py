"""Parameters that backward changes: whether their gradient can be read from the step."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from crosscheck.doors.layers import nudges
from crosscheck.doors.layers.looking import Looking
from crosscheck.doors.layers.once import Ran
from crosscheck.doors.layers.places import Path, private
from crosscheck.doors.layers.steps import rate_argument, rate_attributes
from crosscheck.operation import Array


def exact_steps(look: Looking, run: Ran, names: list[str]) -> tuple[str | tuple[Path, ...] | None, list[str]]:
    """The learning rate, and those parameters whose step is a multiple of it and of the cotangent."""
    ways = look.calling.ways
    rate = rate_argument(look.calling, False) or tuple(rate_attributes(run.layer, ways.rate)) or None
    if not names:
        return None, []
    if rate is None:
        look.say(
            "unjudged",
            f"backward of {look.title} changes {', '.join(names)}, and no learning rate was found by which the step "
            "could be read: it was not judged; make the rate an argument or an attribute, rate='...'",
            True,
        )
        return None, []
    held = {k: run.pool[k] for k in dict.fromkeys((*run.route.held, *names))}
    route = replace(run.route, held=held, stepped=tuple(names), rate=rate, aside=True)
    values = {**look.inputs, **{k: np.asarray(place.value(look.base)) for k, place in held.items()}}

    def gradients(cotangent: Array, size: float) -> dict[str, Any]:
        return replace(route, size=size).gradients(private(look.base), cotangent, values)

    one, quarter = gradients(run.cotangent, 1.0), gradients(run.cotangent, 0.25)
    nothing = gradients(np.zeros_like(run.cotangent), 1.0)
    good = [k for k in names if nudges.unchanged(one[k], quarter[k]) and (ways.loss or not np.any(nothing[k]))]
    for k in names:
        if k not in good:
            look.say(
                "unjudged",
                f"backward of {look.title} changes {k} by a step that is no multiple of the learning rate times the "
                "gradient (weight decay, clipping, an adaptive rule): it was not judged, since the gradient "
                "cannot be read",
                True,
            )
    if good:
        look.say(
            "step",
            f"backward of {look.title} updates {', '.join(good)}: the gradient is read from the step, at a rate at "
            "which that is exact",
        )
    return rate, good
