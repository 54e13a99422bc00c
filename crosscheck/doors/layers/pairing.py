"""Which array that a layer holds is the gradient of which other: as the caller says, or by how they are spelled."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from crosscheck.doors.layers.places import ATTRIBUTE, ENTRY, Held, Path, at, everything, spelled, walk
from crosscheck.doors.layers.returned import squeezed
from crosscheck.doors.layers.spelling import GRADIENTS, SILENT, TIERS, gradient_names, named_as, parameter_names, plain
from crosscheck.operation import Arrays

Candidates = dict[str, list[Path]]


def short_names(places: Sequence[Held], taken: Iterable[str]) -> dict[str, Held]:
    """The places by what they are called: without the words that say no more than "the value", if that is clear."""
    words = [
        [str(k) for _, k in place.paths[0] if plain(k).lower() not in SILENT or len(place.paths[0]) == 1]
        for place in places
    ]
    short = [".".join(own) for own in words]
    clear = [s and not s.replace(".", "").isdigit() and short.count(s) == 1 and s not in taken for s in short]
    return {s if ok else place.name: place for s, ok, place in zip(short, clear, places, strict=True)}


LAST = (ENTRY, -1)


def candidates(layer: Any, places: Mapping[str, Held], excluded: Iterable[Any], before: Any = None) -> Candidates:
    """Of every parameter, the arrays that are spelled as its gradient.

    Args:
        layer: after a backward.
        places: the parameters by name.
        excluded: arrays that are none: parameters, constants, what moves the output.
        before: the layer before that backward: what was put at the end of a list is the last of it, at every call.
    """
    own = {id(a) for a in excluded}
    spelling = {name: [parameter_names(path) for path in place.paths] for name, place in places.items()}
    walked = [(as_appended(layer, before, path), value) for path, value in walk(layer) if id(value) not in own]
    gradients = [(path, value, gradient_names(path[:-1] if path[-1] == LAST else path)) for path, value in walked]
    gradients = [row for row in gradients if row[2]]
    found: Candidates = {name: [] for name in places}
    claimed: dict[int, int] = {}
    for tier in TIERS:
        for name, place in places.items():
            number = not isinstance(place.value(layer), np.ndarray)
            for path, value, names in gradients:
                fits = any(named_as(parameter, names, tier) for parameter in spelling[name])
                if not fits or claimed.get(id(value), tier) < tier or (number and tier == TIERS[-1]):
                    continue
                claimed[id(value)] = tier
                if all(at(layer, other) is not value for other in found[name]):
                    found[name].append(path)
    return {name: fitting_best(layer, places[name], paths) for name, paths in found.items()}


def as_appended(layer: Any, before: Any, path: Path) -> Path:
    """The path to the last of a list, where that is one longer than it was before."""
    owner, (kind, key) = at(layer, path[:-1]), path[-1]
    if before is None or kind != ENTRY or not isinstance(owner, list) or key != len(owner) - 1:
        return path
    try:
        then = at(before, path[:-1])
    except (AttributeError, KeyError, IndexError, TypeError):
        return path
    return (*path[:-1], LAST) if isinstance(then, list) and len(then) == key else path


def fitting_best(layer: Any, place: Held, paths: list[Path]) -> list[Path]:
    """Without those that are called a gradient, of nothing by name, and have another shape: what arrived, perhaps."""
    shape = squeezed(place.value(layer))
    named = [path for path in paths if plain(path[-1][1]).lower() not in GRADIENTS]
    paths = [path for path in paths if path in named or squeezed(at(layer, path)) == shape] or paths
    # A plain number (`grad_scale`) is the gradient of no array that has one of its own shape.
    arrays = [path for path in paths if isinstance(at(layer, path), np.ndarray)]
    fits = any(squeezed(at(layer, path)) == shape for path in arrays)
    return arrays if fits and isinstance(place.value(layer), np.ndarray) else paths


def distinct(layer: Any, paths: list[Path]) -> list[Path]:
    """One path for each of the different answers; zeros are an answer of their own."""
    kept: list[Path] = []
    for path in paths:
        value = np.asarray(at(layer, path))
        alike = [p for p in kept if np.array_equal(np.ravel(at(layer, p)), np.ravel(value)) and value.any()]
        if not alike:
            kept.append(path)
    return kept


# ---------------------------------------------------------------------- as the caller says


def by_word(layer: Any, word: Any, argument: str) -> Path:
    """The path that a caller spells as `layers.0.W`.

    Raises:
        TypeError, ValueError: it is no word, or nothing stands there.
    """
    if not isinstance(word, str) or not word:
        raise TypeError(f"{argument} names {word!r}; it must be the name of an attribute, or a path as 'layers.0.W'")
    path: list[tuple[str, Any]] = []
    thing = layer
    for part in word.split("."):
        if isinstance(thing, (list, tuple)) and re.fullmatch(r"-?\d+", part) and -len(thing) <= int(part) < len(thing):
            path.append((ENTRY, int(part)))
        elif isinstance(thing, dict) and part in thing:
            path.append((ENTRY, part))
        elif not isinstance(thing, (list, tuple, dict)) and hasattr(thing, part):
            path.append((ATTRIBUTE, part))
        else:
            has = ", ".join(dict.fromkeys(place.name for place in everything(layer))) or "none"
            raise ValueError(
                f"{argument} names {word!r}, which {type(layer).__name__} does not have; its arrays: {has}"
            )
        thing = at(thing, tuple(path[-1:]))
    return tuple(path)


def place_of(layer: Any, word: Any, argument: str) -> Held:
    """The array that a caller names, under all its paths."""
    path = by_word(layer, word, argument)
    for place in everything(layer):
        if path in place.paths:
            return Held(word, place.paths, place.writable)
    value = at(layer, path)
    if not isinstance(value, (np.ndarray, float, np.floating)) or np.asarray(value).dtype.kind != "f":
        raise TypeError(f"{argument} names {word!r}, a {type(value).__name__}; it must be an array of floating numbers")
    return Held(word, (path,), True)


def checked_pairs(given: Any) -> dict[str, str]:
    """The caller's `parameters=`."""
    if not isinstance(given, Mapping):
        raise TypeError(
            f"parameters is a {type(given).__name__}; it must be a dictionary of each parameter's gradient, as "
            "{'W': 'dW'}"
        )
    return dict(given)


def spelled_all(paths: Iterable[Path]) -> str:
    return " and ".join(spelled(path) for path in paths)


def differing(values: Arrays, others: Mapping[str, Any]) -> list[str]:
    return [k for k, a in values.items() if not np.array_equal(a, np.asarray(others[k]))]
