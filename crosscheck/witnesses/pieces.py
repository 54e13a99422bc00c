"""Directions along which all pieces that meet at a kink have one slope.

Of a maximum of entries that is a common shift. Of pieces of any slopes, as in max(2a, b) or max(Wx), it is what is
orthogonal to all that their gradients differ by (and may be of several orders of magnitude, each entry near on its own
scale):

    ⟨w_j - w_0, d⟩ = 0,    w_j = ∂f_o/∂x at nearby points x_j, of one output o                                      (1)

and along it a legitimate gradient has that one slope. The w_j are differenced for the entries that move an output on a
kink, d is drawn from the null space of (1), with columns scaled alike. Pieces that no point meets make d less sharp,
and never wrong: what a direction may refute is left to `kinks`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from crosscheck.witnesses.differences import USEFUL
from crosscheck.witnesses.nearby import Nearby

Array = np.ndarray

# What it may cost. A piece that is missed, or an output that is not asked about, makes a ruling less sharp, not wrong.
ENTRIES_JOINED = 40
OUTPUTS_JOINED = 10
POINTS_JOINED = 12
FOR_EACH_OUTPUT = 2  # directions at random: along one what is wrong may be small
FORWARDS_JOINED = 2 * ENTRIES_JOINED * POINTS_JOINED


def joining(near: Nearby, moves: Mapping[int, Array], rng: np.random.Generator) -> Iterator[Array]:
    """(1) for some of the outputs that several entries move.

    Args:
        near: at the level to ask at.
        moves: by flat index of an entry, the outputs that have a kink along it.
    """
    by_output: dict[int, list[int]] = {}
    for entry, outputs in moves.items():
        for o in outputs.tolist():
            by_output.setdefault(o, []).append(entry)
    shared = [o for o, entries in by_output.items() if len(entries) > 1]
    chosen = [shared[k] for k in rng.permutation(len(shared))[:OUTPUTS_JOINED]]
    entries = sorted({e for o in chosen for e in by_output[o]})[:ENTRIES_JOINED]
    if not entries:
        return
    w = gradients_beside(near, entries, chosen, rng)
    for o in range(len(chosen)):
        if not np.isfinite(w[:, o]).all():
            continue
        for _ in range(FOR_EACH_OUTPUT):
            within = orthogonal(w[:, o], rng)
            if within is None:
                break
            d = sum((share * near.alone(e) for e, share in zip(entries, within, strict=True)), np.zeros(near.x.shape))
            yield d


def gradients_beside(near: Nearby, entries: list[int], outputs: list[int], rng: np.random.Generator) -> Array:
    """w_j of (1) by point, output and entry; every other point is the mirror image of the one before."""
    w = np.empty((POINTS_JOINED, len(outputs), len(entries)))
    shift = np.zeros(near.x.shape)
    for j in range(POINTS_JOINED):
        up = rng.random(near.x.shape) < rng.random()
        fresh = np.where(up, 1.0, -1.0) * rng.uniform(0.5, 1.0, near.x.shape)
        shift = -shift if j % 2 else fresh
        near.stir(None)
        for k, entry in enumerate(entries):
            with np.errstate(all="ignore"):
                w[j, :, k] = near.slope(shift, near.alone(entry))[outputs]
    return w


def orthogonal(w: Array, rng: np.random.Generator) -> Array | None:
    """A direction at random along which all rows have one slope, of the columns that differ; None if there is none."""
    differ = w - w[0]
    scale = np.abs(differ).max(axis=0)
    kinked = scale > USEFUL * np.abs(w).max(axis=0)
    if np.count_nonzero(kinked) < 2:
        return None
    _, sizes, rows = np.linalg.svd(differ[:, kinked] / scale[kinked])
    free = rows[np.count_nonzero(sizes > USEFUL * sizes[0]) :]
    if not len(free):
        return None
    d = np.zeros(scale.shape)
    d[kinked] = rng.normal(size=len(free)) @ free / scale[kinked]
    largest = np.abs(d).max()
    return d / largest if np.isfinite(largest) and largest > 0 else None
