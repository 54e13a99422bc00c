"""Parameters that backward changes: whether their gradient can be read from the step, and how.

A step by a rule holds more than the gradient g. With the rate R of `steps`, at which the parameter itself is lost:

    W -= R g                           read as it is
    W -= R (g + λ W)                   weight decay: with 2^k times the gradient that arrives λ W is lost beside 2^k g;
    v = μ v + g,  W -= R v             and so is a momentum that came before                                        (1)
    W -= R clip(g)                     with 2^-k times the gradient nothing is clipped                              (2)
    v = μ v + (1 - μ) g,  W -= R v     a mean: read with μ = 0, where μ is a number that the layer holds            (3)

All three are exact: a power of two goes through what is linear without rounding. Whether a step is one of them is
seen, not asked: it must be linear in the gradient that arrives, and proportional to the rate, bit by bit. A factor
between the step and the gradient that is none of the gradient's (a mean with μ in the code, a rate that decays with
a counter) cannot be told from a wrong gradient: where the step depends on what backward leaves in the layer from call
to call, and is not the gradient that the forward has, nothing is read of it, and the check fails by the name. What
else is not linear (RMSProp, Adam, the sign) is not read, either.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from crosscheck.doors.layers import nudges
from crosscheck.doors.layers.discovery import absent
from crosscheck.doors.layers.looking import Looking
from crosscheck.doors.layers.once import Ran
from crosscheck.doors.layers.places import Held, Path, at, everything, private, put, spelled, whole_numbers
from crosscheck.doors.layers.returned import fitting
from crosscheck.doors.layers.route import Route
from crosscheck.doors.layers.spelling import plain
from crosscheck.doors.layers.steps import StepRead, large_scale, rate_argument, rate_attributes
from crosscheck.operation import Array, Arrays

Rate = str | tuple[Path, ...] | None
ADVISED = "leave the gradient in an attribute (self.dW = ...), or return it"
# Momentum, decay, regularization. Any other number that a step depends on is part of the gradient that is judged.
OF_A_RULE = re.compile(
    r"(?:.*_)?(?:momentum|mu|beta_?\d?|rho|friction|dampening|decay|wd|reg|regularization|l[12]|lam|lambd?a?|lmbda|lamda)"
    r"(?:_.*)?"
)
SAME = 2.0**-40  # how far λ W may be from the step that it is, in shares of it: both are rounded


@dataclass(frozen=True)
class Stepping:
    """One layer, of whose steps is asked.

    Args:
        route: that reads steps.
        values: of the inputs and parameters.
        cotangent: that arrives.
        dtype: of the parameters.
    """

    route: Route
    values: Arrays
    cotangent: Array
    dtype: np.dtype

    def step(self, scale: float, size: float = 1.0, prepared: Callable[[Any], None] | None = None) -> dict[str, Any]:
        """The step for the cotangent times a number, of a copy of the layer that was `prepared`."""
        layer = private(self.route.base)
        if prepared is not None:
            prepared(layer)
        return self.route.step(layer, self.cotangent * scale, self.values, size)

    def ways(self, names: list[str], at_zero: bool) -> dict[str, StepRead]:
        """How the step of each parameter is read, of those that can be; `at_zero`: a step without a gradient is one."""
        large = large_scale(self.dtype)
        still = None if at_zero else self.still()
        found: dict[str, StepRead] = {}
        for way in (StepRead(), *([] if still is None else [StepRead(large, True)]), StepRead(1 / large)):
            rest = [name for name in names if name not in found]
            if not rest:
                break
            one, quarter = self.step(way.scale), self.step(way.scale, 0.25)
            # What is linear here may be clipped farther out; what is lost or clipped there is not asked.
            factors = (-2.0, large) if way == StepRead() else (-2.0,)
            others = {factor: self.step(factor * way.scale) for factor in factors}
            for name in rest:
                resting = still[name] if way.apart and still is not None else np.zeros(())
                a = np.asarray(one[name]) - resting
                good = (way == StepRead() or bool(np.any(a))) and bool(np.isfinite(a).all())
                good = good and (way.apart or still is None or not np.any(still[name]))
                good = good and nudges.unchanged(a, np.asarray(quarter[name]) - resting)
                if good and all(nudges.unchanged(f * a, np.asarray(s[name]) - resting) for f, s in others.items()):
                    found[name] = way
        return found

    def still(self) -> dict[str, Any] | None:
        """The step without any gradient; None where the code refuses that."""
        try:
            return self.step(0.0)
        except Exception:  # a norm of zero that is divided by
            return None

    def follows(self, name: str) -> bool:
        """Whether the step is another at another rate."""
        return not nudges.unchanged(4.0 * self.step(1.0)[name], self.step(1.0, 0.25)[name])


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
            f"backward of {look.title} changes {', '.join(names)}, and no learning rate was found by which the step "
            f"could be read: it was not judged; make the rate an argument or an attribute, rate='...', or {ADVISED}",
            True,
        )
        return None, {}, {}
    held = {k: run.pool[k] for k in names}
    route = replace(run.route, held=held, stepped=dict.fromkeys(names, StepRead()), rate=rate, aside=True)
    values = {**look.inputs, **{k: np.asarray(place.value(look.base)) for k, place in held.items()}}
    dtypes = [np.asarray(held[k].value(look.base)).dtype for k in names]
    asked = Stepping(route, values, run.cotangent, min(dtypes, key=lambda d: d.itemsize))
    aside = beside_the_step(look, run, rate, held)
    found, neutral = read_with(asked, names, aside, ways.loss)
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


def doubted(
    look: Looking, run: Ran, asked: Stepping, found: Mapping[str, StepRead], held: Mapping[str, Held]
) -> dict[str, str]:
    """Of the parameters whose step could be read, those where it is not the forward's gradient and depends on what
    backward leaves behind (or was clipped), which may be why; and on what."""
    if not found:
        return {}
    read = replace(asked, route=replace(asked.route, stepped=found))
    readings = read.route.steps(private(look.base), asked.cotangent, asked.values)
    wider = private(look.base, wider=True)
    fits = fitting(lambda at_values: read.route.forward(private(wider), at_values), asked.values, asked.cotangent)
    wrong = [k for k in found if not fits(k, readings[k])]
    if not wrong:
        return {}
    why = {k: "" for k in wrong if found[k].scale < 1}
    rate_places = set() if isinstance(asked.route.rate, str) else set(asked.route.rate or ())
    known = {path for place in held.values() for path in place.paths} | rate_places
    for path, value in left_behind(look.base, run.layer, known):
        try:
            other = asked.step(1.0, prepared=lambda layer, path=path, value=value: put(layer, path, value))
        except Exception:  # the code at values that its author did not choose
            continue
        one = asked.step(1.0)
        for k in wrong:
            if not nudges.unchanged(one[k], other[k]):
                why.setdefault(k, f"depends on {spelled(path)}, too")
    return why


def left_behind(before: Any, after: Any, known: set[Path]) -> list[tuple[Path, Any]]:
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
            f"backward of {look.title} changes {alike} by a step that {reason}: it was not judged, since the gradient "
            f"cannot be read; {ADVISED}",
            True,
        )
    if not found:
        return
    said = (
        f"backward of {look.title} updates {', '.join(found)}: the gradient is read from the step, at a rate at which "
    )
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
