"""Parameters that backward changes: whether their gradient can be read from the step, and how.

A step by a rule holds more than the gradient g. With the rate R of `steps`, at which the parameter itself is lost:

    W -= R g                           read as it is
    W -= R (g + λ W)                   weight decay: with 2^k times the gradient that arrives λ W is lost beside 2^k g;
    v = μ v + g,  W -= R v             and so is a momentum that came before                                        (1)
    W -= R clip(g)                     with 2^-k times the gradient nothing is clipped                              (2)
    v = μ v + (1 - μ) g,  W -= R v     a mean: read with μ = 0, where μ is a number that the layer holds            (3)

All three are exact: a power of two goes through what is linear without rounding. Whether a step is one of them is
seen, not asked: it must be linear in the gradient that arrives, and proportional to the rate, bit by bit. What a rule
does to the gradient in a way that cannot be told from a wrong one is asked in `doubts`. What else is not linear
(RMSProp, Adam, the sign) is not read, either.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from crosscheck.doors.layers import nudges
from crosscheck.doors.layers.discovery import absent
from crosscheck.doors.layers.doubts import doubted, explained, remembered, without_the_gradients
from crosscheck.doors.layers.looking import Looking
from crosscheck.doors.layers.once import Ran
from crosscheck.doors.layers.places import Held, Path, everything, spelled
from crosscheck.doors.layers.spelling import plain
from crosscheck.doors.layers.stepping import Stepping
from crosscheck.doors.layers.steps import StepRead, rate_argument, rate_attributes

Rate = str | tuple[Path, ...] | None
ADVISED = "leave the gradient in an attribute (self.dW = ...), or return it"
# Momentum, decay, regularization. Any other number that a step depends on is part of the gradient that is judged.
OF_A_RULE = re.compile(
    r"(?:.*_)?(?:momentum|mu|beta_?\d?|rho|friction|dampening|decay|wd|reg|regularization|l[12]|lam|lambd?a?|lmbda|lamda)"
    r"(?:_.*)?"
)


def exact_steps(look: Looking, run: Ran, names: list[str]) -> tuple[Rate, dict[str, StepRead], Mapping[Path, Any]]:
    """The learning rate; those parameters whose gradient can be read from their step, and how; and the numbers that are
    put aside for it."""
    ways = look.calling.ways
    rate = rate_argument(look.calling, False) or tuple(rate_attributes(look.base, ways.rate)) or None
    if not names:
        return None, {}, {}
    if rate is None:
        look.say(
            "unjudged",
            f"{look.calling.updater} changes {', '.join(names)}, and no learning rate was found by which the step "
            f"could be read: it was not judged; make the rate an argument or an attribute, rate='...', or {ADVISED}",
            True,
        )
        return None, {}, {}
    held = {k: run.pool[k] for k in names}
    route = replace(run.route, held=held, stepped=dict.fromkeys(names, StepRead()), rate=rate, aside=True)
    values = {**look.inputs, **{k: np.asarray(place.value(look.base)) for k, place in held.items()}}
    dtypes = [np.asarray(held[k].value(look.base)).dtype for k in names]
    asked = Stepping(route, values, run.cotangent, min(dtypes, key=lambda d: d.itemsize))
    known = {path for place in held.values() for path in place.paths}
    states = remembered(look.base, run.layer, known | (set() if isinstance(rate, str) else set(rate)))
    aside = without_the_gradients(asked, beside_the_step(look, run, rate, held), states)
    found, neutral = read_with(asked, names, aside, bool(ways.loss))
    asked = replace(asked, route=replace(route, neutral=neutral))
    unsure = doubted(look, run, asked, found, held)
    still = None if ways.loss else asked.still()
    odd = [k for k, way in found.items() if way.apart and still is not None and not explained(still[k], values[k])]
    for k in (*unsure, *odd):
        found.pop(k, None)
    unsure |= {k: f"does not follow {spelled_rate(rate)}" for k in names if k not in found and not asked.follows(k)}
    report(look, rate, names, found, neutral, unsure)
    return rate, found, neutral


def read_with(
    asked: Stepping, names: list[str], aside: Mapping[Path, Any], at_zero: bool
) -> tuple[dict[str, StepRead], Mapping[Path, Any]]:
    """How steps are read as the layer is, or with numbers put aside, where these are in the way."""
    found = asked.ways(names, at_zero)
    if not aside:
        return found, {}
    without = replace(asked, route=replace(asked.route, neutral=aside))
    try:
        others = without.ways(names, at_zero)
        one, other = asked.step(1.0), without.step(1.0)
    except Exception:  # the code at numbers that its author did not choose
        return found, {}
    clear = all(others.get(k) == StepRead() and np.any(other[k]) for k in names)
    better = any(found.get(k) != StepRead() or not nudges.unchanged(one[k], other[k]) for k in names)
    return (others, aside) if clear and better else (found, {})


def beside_the_step(look: Looking, run: Ran, rate: Rate, held: Mapping[str, Held]) -> dict[Path, Any]:
    """Zeros for what belongs to a rule and not to the output: fractions that are called so, arrays that backward
    changes."""
    moving = {path for place in look.moving for path in place.paths}
    taken = {path for place in held.values() for path in place.paths} | moving
    taken |= set() if rate is None or isinstance(rate, str) else set(rate)
    places = [p for p in everything(look.base) if p.writable and not taken.intersection(p.paths)]
    numbers = [p for p in places if not isinstance(p.value(look.base), np.ndarray)]
    read = nudges.moving(look.base, look.run, look.y, numbers) if look.steady else numbers
    free = [p for p in places if p not in read and not absent(run.layer, p) and of_a_rule(look.base, run.layer, p)]
    return {path: 0.0 * p.value(look.base) for p in free for path in p.paths if np.all(np.isfinite(p.value(look.base)))}


def of_a_rule(before: Any, after: Any, place: Held) -> bool:
    """Whether it is a number that is called as those of a rule are, or an array that backward changes."""
    if not isinstance(place.value(before), np.ndarray):
        return any(OF_A_RULE.fullmatch(plain(path[-1][1]).lower()) for path in place.paths)
    return not nudges.unchanged(place.value(before), place.value(after))


def report(
    look: Looking,
    rate: Rate,
    names: list[str],
    found: Mapping[str, StepRead],
    neutral: Mapping[Path, Any],
    unsure: Mapping[str, str],
) -> None:
    """What was read, and what was not."""
    rule = f"is no multiple of {spelled_rate(rate)} times the gradient (clipping, a rule that adapts, a schedule)"
    reasons = {k: unsure.get(k) or rule for k in names if k not in found}
    for reason in dict.fromkeys(reasons.values()):
        alike = ", ".join(k for k, why in reasons.items() if why == reason)
        look.say(
            "unjudged",
            f"{look.calling.updater} changes {alike} by a step that {reason}: it was not judged, since the gradient "
            f"cannot be read; {ADVISED}",
            True,
        )
    if not found:
        return
    said = f"{look.calling.updater} updates {', '.join(found)}: the gradient is read from the step, at a rate at which "
    said += "that is exact"
    apart = [k for k, way in found.items() if way.apart]
    if apart:
        said += f", without what the step of {', '.join(apart)} is for no gradient (weight decay, momentum)"
    small = [k for k, way in found.items() if way.scale < 1]
    if small:
        said += f"; that of {', '.join(small)} where it is not clipped"
    if neutral:
        said += f"; with {', '.join(map(spelled, neutral))} set to 0"
    look.say("step", said)


def spelled_rate(rate: Rate) -> str:
    return rate if isinstance(rate, str) else "the rate" if not rate else spelled(rate[0])
