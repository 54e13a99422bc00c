"""Where the gradient of each of a layer's parameters comes from, seen from one backward."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from crosscheck.doors.layers import nudges, overlap
from crosscheck.doors.layers.answers import in_lists, positions
from crosscheck.doors.layers.discovery import ADVICE, absent
from crosscheck.doors.layers.left import is_kept, of_inputs, of_pool
from crosscheck.doors.layers.looking import Looking
from crosscheck.doors.layers.once import Ran, ran
from crosscheck.doors.layers.pairing import candidates, distinct, spelled_all
from crosscheck.doors.layers.places import Held, Path, at, names_of, private, spelled, walk, whole_numbers
from crosscheck.doors.layers.resetting import beginning_anew, unless_it_raises
from crosscheck.doors.layers.returned import Key, by_keys
from crosscheck.doors.layers.route import Route, copies
from crosscheck.doors.layers.steps import rate_argument, rate_attributes
from crosscheck.doors.layers.updating import exact_steps
from crosscheck.evidence.wording import listed
from crosscheck.operation import Arrays


def route_of(look: Looking) -> Route:
    """The route for a layer; what it cannot judge is among the remarks of `look`."""
    run = ran(look)
    if not look.wrt:
        of_integers(look, run)
    named = look.calling.ways.rate
    if named and rate_argument(look.calling, False) != named and not rate_attributes(look.base, named):
        raise ValueError(f"rate names {named!r}, which is neither an argument of backward nor a number that it holds")
    moving = {path for place in look.moving for path in place.paths}
    movers = [name for name, place in run.pool.items() if moving.intersection(place.paths)]
    left = of_pool(look, run, movers)
    inputs_left = of_inputs(look, run, movers)
    kept = [k for k in run.pool if k in movers or k in left or is_kept(look, run, k)]
    keyed, surplus = by_keys(run.flat, [*look.wrt, *kept])
    names = [k for k in run.pool if k in movers or k in left or k in keyed or k in run.noted or k in run.changed]
    if surplus:
        ours = ", ".join([*look.inputs, *names])
        raise ValueError(
            f"backward of {look.title} returned a gradient of {surplus[0]!r}, which is none of its inputs and "
            f"parameters: {ours}"
        )
    returned = {**keyed, **positions(look, run, [k for k in names if k not in keyed], left, inputs_left)}
    # A number that `returns` names.
    names += [k for k in returned if k in run.pool and k not in (*names, *look.inputs)]
    sources = {k: [*left.get(k, ())] for k in names}
    for k, path in unnamed(look, run, movers, sources, returned).items():
        sources[k] = [path]
    doubtful(look, run, sources, returned)
    stepped = [k for k in names if not sources[k] and k not in returned and k not in run.noted]
    stepped = stepped if run.changed.intersection(stepped) else []  # one that stays where others move has a step of 0
    for k in apart(look, run, names, sources, returned):
        names.remove(k)
        sources.pop(k)
        returned.pop(k, None)
    stepped = [k for k in stepped if k in names]
    rate, readable, neutral = exact_steps(look, run, stepped)
    names = differentiable(look, run, names)
    judged = [k for k in names if sources[k] or k in returned or k in run.noted or k in readable]
    integers(look, run)
    unjudged(look, [k for k in names if k not in judged], stepped)
    beside(look, run, [*names, *judged], left)
    route = replace(
        run.route,
        held={k: run.pool[k] for k in judged},
        left={**inputs_left, **{k: sources[k][0] for k in judged if sources[k] and k not in returned}},
        returned=returned,
        stepped=readable,
        neutral=neutral,
        noted=tuple(k for k in judged if k in run.noted and not sources[k] and k not in returned),
        rate=rate,
        aside=bool(run.changed or run.noted),
        zeroed=bool(run.changed or run.noted or look.steady is False),
    )
    without_inputs(look, [k for k in look.wrt if k not in returned and k not in inputs_left], judged)
    say_what_was_found(look, run, route)
    values = {**look.inputs, **{k: np.asarray(place.value(look.base)) for k, place in route.held.items()}}
    grown = unless_it_raises(look, route, lambda way: accumulating(look, run, way, values))
    return beginning_anew(look, grown, run.cotangent, values)


def without_inputs(look: Looking, missing: list[str], judged: list[str]) -> None:
    """Inputs that backward gives no gradient of, as many a first layer's: what could be judged is, and the check fails
    by their names, unless the caller wants none.

    Raises:
        TypeError: nothing is left to be judged.
    """
    constant = look.calling.ways.constants
    for k in missing:
        sentence = f"backward of {look.title} returned no gradient of {k} and left none (as d{k} or grad_{k})"
        if k in constant:
            continue
        if not judged and look.declared is None and set(missing) >= set(look.wrt):
            raise TypeError(f"{sentence}; it must return it")
        look.say("unjudged", f"{sentence}: it was not judged; if it has none to give, constants=({k!r},)", True)
    look.wrt = tuple(k for k in look.wrt if k not in (*missing, *constant))


def unnamed(
    look: Looking, run: Ran, movers: list[str], sources: Mapping[str, list[Path]], returned: Mapping[str, Key]
) -> dict[str, Path]:
    """The gradients in lists of the parameters that have none elsewhere."""
    if look.calling.ways.parameters is not None:
        return {}
    without = [k for k in movers if not sources[k] and k not in returned and k not in run.noted]
    known = {id(at(run.layer, path)) for paths in sources.values() for path in paths}
    known |= {id(place.value(run.layer)) for k, place in run.pool.items() if k in movers}
    return in_lists(look, run, without, known)


def apart(
    look: Looking, run: Ran, names: list[str], sources: Mapping[str, list[Path]], returned: Mapping[str, Key]
) -> list[str]:
    """Of parameters that share memory, those that are judged by way of others."""
    gradients = {k: at(run.layer, sources[k][0]) for k in names if sources[k]}
    gradients |= {k: run.noted[k] for k in names if k in run.noted}
    gradients |= {k: run.flat[returned[k]] for k in names if k in returned}
    out, differ = overlap.once(look.base, {k: run.pool[k] for k in names}, gradients)
    for sentence in differ:
        look.say("ambiguous", f"in {look.title}, {sentence}", True)
    return out


def of_integers(look: Looking, run: Ran) -> None:
    """Indices have no gradient; numbers that were meant to have one are not silently taken for indices.

    Raises:
        TypeError: backward returned one.
    """
    for k, a in look.inputs.items():
        if any(np.shape(g) == a.shape and np.any(g) for g in run.flat.values()):
            raise TypeError(
                f"{k} has dtype {a.dtype}; it must be float32 or float64, for backward returned a gradient of it"
            )


def doubtful(look: Looking, run: Ran, sources: dict[str, list[Path]], returned: Mapping[str, Key]) -> None:
    """Two different arrays that may each be the gradient: both are named, and the check fails."""
    for name, paths in sources.items():
        different = distinct(run.layer, paths)
        if len(different) > 1:
            look.say(
                "ambiguous",
                f"{name} of {look.title} has two candidates for its gradient, {spelled_all(different)}: say which, "
                f"parameters={{{name!r}: ...}}",
                True,
            )
        elif different and name in returned:
            value, other = np.asarray(at(run.layer, different[0])), np.asarray(run.flat[returned[name]])
            if not np.array_equal(np.ravel(value), np.ravel(other)):
                look.say(
                    "ambiguous",
                    f"{name} of {look.title} has two candidates for its gradient, what backward returns and what it "
                    f"leaves in {spelled_all(different)}, and they differ",
                    True,
                )


def differentiable(look: Looking, run: Ran, names: list[str]) -> list[str]:
    """Without complex parameters, which are said not to be judged."""
    real = [k for k in names if np.asarray(run.pool[k].value(look.base)).dtype.kind == "f"]
    for k in names:
        if k not in real:
            look.say("unjudged", f"{k} of {look.title} is complex: it was not judged", True)
    return real


def integers(look: Looking, run: Ran) -> None:
    """Parameters of whole numbers, which a gradient is left for: they cannot be moved by a little."""
    whole = [path for path, a in walk(look.base) if is_whole(a)] + list(whole_numbers(look.base))
    held = {spelled(path): Held(spelled(path), (path,), True) for path in whole}
    excluded = [at(look.base, place.paths[0]) for place in held.values()]
    found = candidates(run.layer, {k: p for k, p in held.items() if not absent(run.layer, p)}, excluded)
    said = {name: f"has a gradient in {spelled(paths[0])}" for name, paths in found.items() if paths}
    said |= {name: "is changed by backward" for name in held if name not in said and no_longer_whole(run, held[name])}
    for name, why in said.items():
        sentence = f"{name} of {look.title} is of whole numbers, and {why}"
        look.say("unjudged", f"{sentence}: it was not judged; give it as floating point", True)


def no_longer_whole(run: Ran, place: Held) -> bool:
    """Whether backward put a fraction in the place of a plain whole number: a bias that begins as 0."""
    if absent(run.layer, place):
        return False
    return isinstance(place.value(run.layer), (float, np.floating))


def is_whole(a: Any) -> bool:
    return isinstance(a, np.ndarray) and a.dtype.kind in "iu"


def beside(look: Looking, run: Ran, known: list[str], left: Mapping[str, list[Path]]) -> None:
    """What is held and is taken for no parameter: numbers that move the output, and arrays that do not."""
    gradients = {id(at(run.layer, path)) for paths in left.values() for path in paths}
    rest = [k for k in run.pool if k not in known and id(run.pool[k].value(run.layer)) not in gradients]
    numbers = [k for k in rest if not isinstance(run.pool[k].value(look.base), np.ndarray)]
    moving = nudges.moving(look.base, look.run, look.y, [run.pool[k] for k in numbers]) if look.steady else []
    if moving:
        look.say("constants", f"taken as constants of {look.title}, being plain numbers: {names_of(moving)}")


def unjudged(look: Looking, names: list[str], told: list[str]) -> None:
    """What moves the output and has no gradient, but for what was `told` already."""
    left = [k for k in names if k not in told]
    if len(left) == 1:
        what = f"{left[0]} moves the output of {look.title}, and no gradient of it was found: it was not judged{ADVICE}"
        look.say("unjudged", what, True)
    elif left:
        what = f"{listed(left)} move the output of {look.title}, and no gradients of them were found"
        advice = "; give their gradients, parameters={...}, or say that they are constants, constants=(...)"
        look.say("unjudged", f"{what}: they were not judged{advice}", True)


def say_what_was_found(look: Looking, run: Ran, route: Route) -> None:
    if look.declared is not None:
        for place in look.moving:
            look.say(
                "unjudged",
                f"{place.name} moves the output of {look.title} and is none of the parameters that it names: it was "
                f"not judged{ADVICE}",
                True,
            )
        return
    said = []
    for k in route.held:
        if k in route.returned:
            said.append(f"{k} (returned)")
        elif k in route.left:
            said.append(f"{k} (gradient in {spelled(route.left[k])})")
        else:
            said.append(f"{k} ({'handed to an optimizer' if k in route.noted else 'from its step'})")
    if said:
        look.say("parameters", f"parameters found in {look.title}: {', '.join(said)}")


def totals(look: Looking, run: Ran, route: Route, grown: list[str]) -> dict[str, Path]:
    """Where the layer keeps what it returned, of what grows from call to call: the same numbers in the same shape."""
    returned = {k: np.asarray(run.flat[route.returned[k]]) for k in grown if k in route.returned}
    held = [path for path, a in walk(run.layer) if isinstance(a, np.ndarray)]
    fits = {
        k: [path for path in held if np.array_equal(at(run.layer, path), g)] for k, g in returned.items() if g.any()
    }
    return {k: paths[0] for k, paths in fits.items() if len(distinct(run.layer, paths)) == 1}


def accumulating(look: Looking, run: Ran, route: Route, values: Arrays) -> Route:
    """The route, with places zeroed where gradients grow by themselves from call to call."""
    if look.steady is None:
        return route
    if look.declared is not None:
        return route
    trial = private(look.base)
    layers = [private(look.base), private(look.base)] if route.anew else [trial, trial]
    one, two = (copies(route.gradients(layer, run.cotangent, values)) for layer in layers)
    grown = [k for k in (*route.left, *route.returned) if not nudges.unchanged(one[k], two[k])]
    if grown and not route.zeroed:
        from_zero = replace(route, zeroed=True, totals=totals(look, run, route, grown))
        three, four = (copies(from_zero.gradients(layer, run.cotangent, values)) for layer in layers)
        if all(nudges.unchanged(three[k], four[k]) for k in grown):
            look.say("adds-up", f"the gradient of {', '.join(grown)} adds up over calls: each call began from zero")
            route, one = from_zero, three
    came = route.as_they_come(private(look.base), run.cotangent, values)
    for k in route.held:
        if np.shape(came[k]) != values[k].shape and np.shape(one[k]) == values[k].shape:
            look.say(
                "shape-read",
                f"the gradient of {k} has shape {np.shape(came[k])}; {k} has shape {values[k].shape}, and it is "
                "read as that",
            )
    return route
