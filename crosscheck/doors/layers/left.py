"""Gradients that backward leaves in the layer: of its parameters, and of its inputs."""

from __future__ import annotations

import numpy as np

from crosscheck.doors.layers import nudges
from crosscheck.doors.layers.answers import TARGET
from crosscheck.doors.layers.looking import Looking
from crosscheck.doors.layers.once import Ran
from crosscheck.doors.layers.pairing import by_word, candidates
from crosscheck.doors.layers.places import Path, at, walk
from crosscheck.doors.layers.returned import squeezed
from crosscheck.doors.layers.spelling import TIERS, gradient_names, named_as


def of_pool(look: Looking, run: Ran, movers: list[str]) -> dict[str, list[Path]]:
    """Where the gradients of parameters are left: as the caller says, or as they are spelled."""
    given = look.calling.ways.parameters
    if given is not None:
        return {name: [by_word(run.layer, word, f"parameters[{name!r}]")] for name, word in given.items() if word}
    excluded = [run.pool[k].value(run.layer) for k in movers]
    found = candidates(run.layer, run.pool, excluded, look.base)
    gradients = {id(at(run.layer, path)) for paths in found.values() for path in paths}
    wanted: dict[str, list[Path]] = {}
    for name, paths in found.items():
        value = run.pool[name].value(run.layer)
        number = not isinstance(value, np.ndarray)
        if not paths or id(value) in gradients:
            continue
        if number:
            paths = [p for p in paths if written(look, run, p)]
        if name in movers or (paths and is_kept(look, run, name)):
            wanted[name] = paths
    return {name: paths for name, paths in wanted.items() if paths}


def written(look: Looking, run: Ran, path: Path) -> bool:
    """Whether backward wrote to a place."""
    try:
        return not nudges.unchanged(at(look.base, path), at(run.layer, path))
    except (AttributeError, KeyError, IndexError, TypeError):
        return True


def is_kept(look: Looking, run: Ran, name: str) -> bool:
    """Whether forward leaves it as it is: a cache is no parameter."""
    return look.steady is not None and nudges.kept(look.base, look.run, run.pool[name])


def of_inputs(look: Looking, run: Ran, movers: list[str]) -> dict[str, Path]:
    """Where the gradients of inputs are left, for a backward that does not return them."""
    excluded = {id(run.pool[k].value(run.layer)) for k in movers}
    found: dict[str, Path] = {}
    for tier in TIERS:
        for name in look.wrt:
            if name in found:
                continue
            fits = [
                path
                for path, value in walk(run.layer)
                if id(value) not in excluded
                and squeezed(value) == squeezed(look.inputs[name])
                and named_as({(name,)}, gradient_names(path), tier)
            ]
            if fits:
                found[name] = fits[0]
    if not look.calling.ways.loss:
        return found
    # self.dinputs, of a loss whose inputs are a prediction and a target.
    rest = [k for k in look.wrt if k not in (*found, *look.calling.ways.constants) and not TARGET.search(k)]
    if len(rest) == 1 < len(look.inputs):
        shape = squeezed(look.inputs[rest[0]])
        named = [path for path, _ in walk(run.layer) if named_as({("x",)}, gradient_names(path), TIERS[-1])]
        fits = [p for p in named if id(at(run.layer, p)) not in excluded and squeezed(at(run.layer, p)) == shape]
        found |= dict.fromkeys(rest, fits[0]) if fits else {}
    return found
