"""Along which directions a gradient on kinks is asked about: those that part tied entries, and those that join them.

Those that join them exactly, whatever their slopes, are in `pieces`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations

import numpy as np

from crosscheck.witnesses.nearby import OF_EACH_KIND

Array = np.ndarray

# What a ruling may cost: directions of a kind. More of them find more, and fewer accuse nobody.
SINGLES = 40
BLOCKS = 20
PARTNERS = 3  # of one entry


def leading(
    where: Array, kinks: Array | None, rng: np.random.Generator, doubts: Sequence[Array] = ()
) -> Iterator[Array]:
    """A common shift of everything and of slabs; then blocks around entries in question, these alone, sets of them, and
    sets of all that lie on kinks: what one of two tied entries should get may be what the other has. Last, entries
    beside those in question that lie on kinks, alone: what they may be tied with.

    Args:
        doubts: where one entry sticks out among many that are like each other it is asked first, by each of these.
    """
    shape = where.shape
    yield np.ones(shape)
    for axis, n in enumerate(shape):
        for i in range(min(n, 4)):
            d = np.zeros(shape)
            d[tuple(i if a == axis else slice(None) for a in range(len(shape)))] = 1.0
            yield d
    places = np.argwhere(where)
    chosen = doubtful_first(rng.permutation(len(places)), [doubt[where] for doubt in doubts])
    for k in range(min(BLOCKS, len(places))):
        block = np.zeros(shape)
        block[tuple(slice(max(0, int(c) - int(rng.integers(0, 3))), int(c) + 3) for c in places[chosen[k]])] = 1.0
        yield block
    yield from one_at_a_time(places[chosen[:SINGLES]], shape)
    tied = where if kinks is None else where | kinks
    for among in (where,) if np.array_equal(tied, where) else (where, tied):
        for _ in range(BLOCKS):
            yield np.where(among & (rng.random(shape) < 0.5), rng.choice([-1.0, 1.0], shape), 0.0)
    yield from one_at_a_time(partners(places[chosen[:SINGLES]], tied), shape)


def doubtful_first(order: Array, doubts: list[Array]) -> Array:
    """The same order, but for half of those that are asked alone: these are the ones of most doubt."""
    share = SINGLES // 2 // max(1, len(doubts))
    first = [k for doubt in doubts for k in np.argsort(-doubt, kind="stable")[:share]]
    return np.array(list(dict.fromkeys([*first, *order])), int)


def one_at_a_time(places: Iterable[Array], shape: tuple[int, ...]) -> Iterator[Array]:
    for place in places:
        d = np.zeros(shape)
        d[tuple(place)] = 1.0
        yield d


def partners(places: Array, tied: Array) -> list[Array]:
    """Entries on kinks nearest to each of `places`, which are not among them; `SINGLES` at the most."""
    others = np.argwhere(tied)
    found: dict[tuple[int, ...], Array] = {}
    known = {tuple(p) for p in places.tolist()}
    for place in places:
        apart = np.abs(others - place).sum(axis=1)
        for k in np.argsort(apart, kind="stable")[: 1 + PARTNERS]:
            if tuple(others[k].tolist()) not in known:
                found.setdefault(tuple(others[k].tolist()), others[k])
    return list(found.values())[:SINGLES]


def joint(sizes: list[int], kinks: Array | None, rng: np.random.Generator) -> Iterator[Array]:
    """The same of several inputs laid end to end: all of two of them, with equal and with opposite signs; what lies on
    kinks, and some entries of it alone, at equal places of every input."""
    ends = np.cumsum(sizes)
    total = int(ends[-1])
    starts = ends - sizes
    yield np.ones(total)
    for a, b in combinations(range(len(sizes)), 2):
        for sign in (1.0, -1.0):  # max(a, b), and max(a, -b)
            d = np.zeros(total)
            d[starts[a] : ends[a]], d[starts[b] : ends[b]] = 1.0, sign
            yield d
    for _ in range(OF_EACH_KIND):
        yield np.where(rng.random(total) < 0.5, 1.0, 0.0)
    if kinks is None:
        return
    tied = kinks.astype(np.float64)
    yield tied
    for _ in range(BLOCKS):
        yield tied * rng.choice([-1.0, 1.0], total)
    key = rng.random(max(sizes))  # by which one place of every input comes together
    for start, n in zip(starts.tolist(), sizes, strict=True):
        places = np.flatnonzero(kinks[start : start + n])
        first = places[np.argsort(key[places])][: max(1, SINGLES // len(sizes)), None]
        yield from one_at_a_time(start + first, (total,))
