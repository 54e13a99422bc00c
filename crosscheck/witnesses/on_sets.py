"""Sets that inputs lie on without anybody having said so: symmetric and orthogonal matrices, vectors of length 1.

A formula may be made for such arguments alone (the inverse of a covariance for its transpose, the Jacobian of a
rotation by a quaternion of length 1), and be no gradient beside them. Whether that is by design the code does not say:
what is right on the set, at the point and at others, and wrong beside it, is neither right nor wrong until the caller
says `on=`. Of what may be on a set by chance nothing is thought: the entries of a symmetric matrix above the diagonal
are all different, those of a vector not all of one size.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from crosscheck.draws import resampled
from crosscheck.operation import Array, Arrays, Operation


class Lies(NamedTuple):
    """A set: in words, whether an array lies on it, and another array on it with numbers like its own."""

    words: str
    test: Callable[[Array], bool]
    another: Callable[[Array, np.random.Generator], Array]


def near(a: Array, b: Array | float) -> bool:
    """Equal to the rounding of sums as long as an axis."""
    return bool((np.abs(a - b) <= 4 * a.shape[-1] * np.finfo(a.dtype).eps).all())


def is_square(a: Array) -> bool:
    return a.ndim > 1 and a.shape[-1] == a.shape[-2] > 1


def is_orthogonal(a: Array) -> bool:
    if not is_square(a) or (np.count_nonzero(a, -1) < 2).any():
        return False
    return near(a @ a.swapaxes(-1, -2), np.eye(a.shape[-1], dtype=a.dtype))


def orthogonal(a: Array, rng: np.random.Generator) -> Array:
    return np.linalg.qr(rng.normal(size=a.shape))[0].astype(a.dtype)


def is_symmetric(a: Array) -> bool:
    if not is_square(a) or not (np.abs(a - a.swapaxes(-1, -2)) <= 4 * np.finfo(a.dtype).eps * np.abs(a)).all():
        return False
    above = a[..., *np.triu_indices(a.shape[-1], 1)].reshape(-1, a.shape[-1] * (a.shape[-1] - 1) // 2)
    return all(row.all() and len(np.unique(row)) == len(row) for row in above)


def symmetric(a: Array, rng: np.random.Generator) -> Array:
    """One with the same eigenvalues, in another order of other eigenvectors: definite if it is."""
    values = rng.permuted(np.linalg.eigvalsh(a), axis=-1)
    q = orthogonal(a, rng)
    found = (q * values[..., None, :]) @ q.swapaxes(-1, -2)
    return ((found + found.swapaxes(-1, -2)) / 2).astype(a.dtype)


def is_unit(a: Array) -> bool:
    if not a.ndim or a.shape[-1] < 2 or not near((a * a).sum(-1, keepdims=True), 1.0):
        return False
    return bool((np.ptp(np.abs(a), axis=-1) > 0).all() and (np.count_nonzero(a, -1) > 1).all())


def unit(a: Array, rng: np.random.Generator) -> Array:
    drawn = resampled(a, rng)
    return (drawn / np.sqrt((drawn * drawn).sum(-1, keepdims=True))).astype(a.dtype)


SETS = (
    Lies("is orthogonal", is_orthogonal, orthogonal),
    Lies("is symmetric", is_symmetric, symmetric),
    Lies("has length 1", is_unit, unit),
)


def sets_of(formula: Operation) -> dict[str, Lies]:
    """By name, the set that an input lies on; what the caller said is not asked again."""
    found: dict[str, Lies] = {}
    for k, a in formula.inputs.items():
        if k in formula.drawn and k not in formula.manner.on and a.dtype.kind == "f" and np.isfinite(a).all():
            lies = next((s for s in SETS if s.test(a)), None)
            if lies is not None:
                found[k] = lies
    return found


def points_on(formula: Operation, sets: dict[str, Lies], seed: int, count: int) -> list[Operation]:
    """So many points at which these inputs are on their sets and all have other numbers."""
    found: list[Operation] = []
    for number in range(count):
        rng = np.random.default_rng([seed, 9, number])
        drawn: Arrays = {
            k: sets[k].another(a, rng) if k in sets else resampled(a, rng)
            for k, a in formula.inputs.items()
            if k in formula.drawn
        }
        found.append(formula.at({**formula.inputs, **drawn}))
    return found


def in_words(sets: dict[str, Lies]) -> str:
    return " and ".join(f"argument {k} {lies.words}" for k, lies in sets.items())
