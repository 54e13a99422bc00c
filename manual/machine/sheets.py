"""The windows of an image, tap by tap, as flat runs of memory.

Sort rows and columns of X by their residue modulo the stride (s, t), a sheet for each pair of residues:

    sheet[α,β][u,v] = X[s·u+α, t·v+β]                                          (1)

Entry (i, j) of window (h, w) is X[s·h+i, t·w+j] = sheet[i mod s, j mod t][h + i÷s, w + j÷t]. For one tap (i, j) and all
windows at once that is the sheet read from place (i÷s)·(columns of a sheet) + j÷t on: contiguous, so that one NumPy
call on it runs at the speed of memory, where a strided view takes several times as long. Sequences and volumes have one
and three such indices in the place of two.

Such a run has a place for every (h, w) of a sheet. Where no window is, it goes past the end of a row or an image; what
is computed there is not used, and a gradient there must be 0.

Letters: X input; h, w output position; i, j position in the window; p, q rows and columns of the window; s, t stride;
u, v position in a sheet; α, β residues modulo the stride.
"""

from collections.abc import Iterator
from math import prod

import numpy as np

from manual.machine.plans import Plan

Array = np.ndarray
Sizes = tuple[int, ...]


class Sheets:
    """The sheets (1) of up to `planes` images, zero until loaded.

    Args:
        plan: whose scratch they are, and whose dtype they have.
        planes: images (one channel of one sample each) that are held at once.
        size: (H, W), or the sizes of as many axes as there are.
        window: (p, q), rows and columns of a window.
        stride: (s, t).
    """

    def __init__(self, plan: Plan, planes: int, size: Sizes, window: Sizes, stride: Sizes) -> None:
        self.stride = stride
        self.places = tuple(-(-n // step) for n, step in zip(size, stride, strict=True))  # rows and columns of a sheet
        self.residues = tuple(map(min, window, stride))
        self.sheets = plan.zeros(*self.residues, planes, *self.places)
        one = [prod(self.places[axis + 1 :]) for axis in range(len(size))]  # how far the next place of an axis is
        self.taps = [
            (
                tuple(i % step for i, step in zip(tap, stride, strict=True)),
                sum(i // step * far for i, step, far in zip(tap, stride, one, strict=True)),
            )
            for tap in np.ndindex(*window)
        ]
        self.last = max(shift for _, shift in self.taps)

    def parts(self, x: Array) -> Iterator[tuple[Array, Array]]:
        """Every sheet's part of x (n ≤ planes, H, W), and the place in the sheet where it belongs."""
        for residue in np.ndindex(*self.residues):
            part = x[(slice(None), *map(slice, residue, [None] * len(residue), self.stride))]
            yield part, self.sheets[residue][(slice(len(x)), *map(slice, part.shape[1:]))]

    def load(self, x: Array) -> None:
        """(1) of x (n ≤ planes, H, W)."""
        for part, place in self.parts(x):
            place[...] = part  # (1)

    def unload(self, x: Array) -> None:
        """The reverse of (1); residues that no tap has are left alone."""
        for part, place in self.parts(x):
            part[...] = place

    def length(self, n: int) -> int:
        """Of a run over n images."""
        return n * prod(self.places) - self.last

    def run_of(self, a: Array, room: Array) -> Array:
        """One number per window, a (n, H_out, W_out), as a run like those of `runs`.

        Args:
            room: (planes, *places), used if there are places without a window; what is there stays.
        """
        n, *windows = a.shape
        if tuple(windows) != self.places:
            room[tuple(map(slice, a.shape))] = a
            a = room
        return a.reshape(-1)[: self.length(n)]

    def runs(self, n: int) -> list[Array]:
        """For every tap (i, j), in row-major order, the flat run of X[s·h+i, t·w+j] over n images; views."""
        length = self.length(n)
        return [self.sheets[residue].reshape(-1)[shift : shift + length] for residue, shift in self.taps]
