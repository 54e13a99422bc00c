"""What backward returned, and which gradient each array of it is.

A dictionary says it by its keys. Of a tuple or a list it is decided by shapes and, where they are alike, by values:
each array is held against a difference of the forward along random directions. A single array that fits nothing is
what is left over. Where that does not settle it, nobody guesses: the check fails and asks for `returns=`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np

from crosscheck.doors.layers.spelling import named_alike
from crosscheck.operation import Array, Arrays

Key = tuple[str, Any]
POSITION, KEY = "position", "key"
# The step of a central difference that loses as many digits by rounding as by its own error: 2^-53 and 2^-17 squared
# and cubed. Two gradients are told apart by it, and no verdict is reached.
STEP = 2.0**-17
TOLD_APART = 2.0**-10
DIRECTIONS = 3


def flattened(returned: Any) -> dict[Key, Any]:
    """Every array of what was returned, by its position or its key; None is nothing."""
    flat: dict[Key, Any] = {}
    collect(returned, "", flat)
    return flat


def collect(thing: Any, key: str, flat: dict[Key, Any]) -> None:
    if thing is None:
        return
    if isinstance(thing, Mapping):
        for k, v in thing.items():
            collect(v, f"{key}.{k}" if key else str(k), flat)
    elif isinstance(thing, tuple) or (isinstance(thing, list) and not all(np.isscalar(a) for a in thing)):
        for i, v in enumerate(thing):
            collect(v, f"{key}.{i}" if key else "", flat)
    elif key:
        flat[KEY, key] = thing
    else:
        flat[POSITION, sum(kind == POSITION for kind, _ in flat)] = thing


def squeezed(a: Any) -> tuple[int, ...]:
    return tuple(n for n in np.shape(a) if n != 1)


def by_keys(flat: Mapping[Key, Any], names: Sequence[str]) -> tuple[dict[str, Key], list[str]]:
    """The gradients that are named by keys, and the keys that name none."""
    taken: dict[str, Key] = {}
    keys = [key for kind, key in flat if kind == KEY]
    for tier in (0, 1, 2):
        for key in keys:
            fits = [n for n in names if n not in taken and (n == key or named_alike(n, key) == tier)]
            exact = [n for n in fits if n == key] or fits
            if (KEY, key) not in taken.values() and len(exact) == 1:
                taken[exact[0]] = (KEY, key)
    return taken, [key for key in keys if (KEY, key) not in taken.values()]


def by_position(
    arrays: Sequence[Any], names: Sequence[str], values: Arrays, fits: Callable[[str, Any], bool]
) -> tuple[list[str], list[str]]:
    """The name of each array, and the names that could not be told from one another."""
    found: dict[int, str] = {}
    unsure: list[str] = []
    left_names, left_arrays = list(names), list(range(len(arrays)))
    for shape in dict.fromkeys(squeezed(values[k]) for k in names):
        group = [k for k in names if squeezed(values[k]) == shape]
        alike = [i for i in range(len(arrays)) if squeezed(arrays[i]) == shape]
        if len(group) != len(alike):
            continue
        left_names = [k for k in left_names if k not in group]
        left_arrays = [i for i in left_arrays if i not in alike]
        if len(group) == 1:
            found[alike[0]] = group[0]
            continue
        settled = matched(alike, group, lambda i, k: fits(k, arrays[i]))
        open_arrays = [i for i in alike if i not in settled]
        open_names = [k for k in group if k not in settled.values()]
        unsure += open_names if len(open_names) > 1 else []
        found |= settled | dict(zip(open_arrays, open_names, strict=True))
    unsure += left_names if len(left_names) > 1 else []
    found |= dict(zip(left_arrays, left_names, strict=True))
    return [found[i] for i in range(len(arrays))], unsure


def matched(arrays: Sequence[int], names: Sequence[str], fits: Callable[[int, str], bool]) -> dict[int, str]:
    """As many arrays as can be given names that they fit, each another one."""
    table = {i: [k for k in names if fits(i, k)] for i in arrays}
    owner: dict[str, int] = {}

    def give(i: int, tried: set[str]) -> bool:
        for k in table[i]:
            if k not in tried:
                tried.add(k)
                if k not in owner or give(owner[k], tried):
                    owner[k] = i
                    return True
        return False

    for i in arrays:
        give(i, set())
    return {i: k for k, i in owner.items()}


Sides = list[tuple[float, float]]


def both_sides(forward: Callable[[Arrays], Any], values: Arrays, v: Array) -> Callable[[str, Any], Sides | None]:
    """Along random directions, what differences of the forward measure and what a gradient says; None where the forward
    refuses."""

    def sides(name: str, gradient: Any) -> Sides | None:
        rng = np.random.default_rng(4)
        a = np.asarray(values[name], np.float64)
        g = np.asarray(gradient, np.float64).reshape(a.shape)
        step = STEP * max(1.0, float(np.max(np.abs(a), initial=0.0)))
        found: Sides = []
        for _ in range(DIRECTIONS):
            u = rng.normal(size=a.shape)
            try:
                up, down = (np.asarray(forward({**values, name: a + s * step * u}), float) for s in (1, -1))
            except Exception:  # the code at values that its author did not choose
                return None
            found.append((float(np.sum(v * (up - down))) / (2 * step), float(np.sum(g * u))))
        return found

    return sides


def fitting(forward: Callable[[Arrays], Any], values: Arrays, v: Array) -> Callable[[str, Any], bool]:
    """Whether an array is the gradient of a name, as differences of the forward along random directions say."""
    sides = both_sides(forward, values, v)
    return lambda name, gradient: alike(sides(name, gradient), float(np.linalg.norm(np.asarray(gradient, np.float64))))


def alike(sides: Sides | None, norm: float) -> bool:
    """Whether what a gradient of this norm says is what was measured, as well as a difference can tell."""
    return sides is not None and all(
        abs(measured - said) <= TOLD_APART * (norm + abs(measured)) for measured, said in sides
    )


def multiple(sides: Sides | None, norm: float) -> bool:
    """Whether what was measured is a multiple of what a gradient of this norm says; of nothing nothing is."""
    if sides is None:
        return True
    total = sum(said**2 for _, said in sides)
    if not total:
        return False
    factor = sum(measured * said for measured, said in sides) / total
    return factor != 0 and alike([(measured, factor * said) for measured, said in sides], abs(factor) * norm)


def shaped(gradient: Any, a: Array) -> Any:
    """A gradient in the shape of its parameter, where the two differ by axes of length 1 only."""
    if np.shape(gradient) != a.shape and squeezed(gradient) == squeezed(a) and not isinstance(gradient, (list, tuple)):
        return np.reshape(gradient, a.shape)
    return gradient


def reshaped(gradients: Mapping[str, Any], values: Arrays, names: Collection[str]) -> list[str]:
    """Those of the names whose gradient is read in another shape than it has."""
    return [k for k in names if k in gradients and np.shape(gradients[k]) != np.shape(values[k])]
