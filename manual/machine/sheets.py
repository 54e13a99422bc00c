"""The windows of an image, tap by tap, as flat runs of memory.

Sort rows and columns of X by their residue modulo the stride (s, t), a sheet for each pair of residues:

    sheet[α,β][u,v] = X[s·u+α, t·v+β]                                          (1)

Entry (i, j) of window (h, w) is X[s·h+i, t·w+j] = sheet[i mod s, j mod t][h + i÷s, w + j÷t]. For one tap (i, j) and all
windows at once that is the sheet read from place (i÷s)·(columns of a sheet) + j÷t on: contiguous, so that one NumPy
call on it runs at the speed of memory, where a strided view takes several times as long.

Such a run has a place for every (h, w) of a sheet. Where no window is, it goes past the end of a row or an image; what
is computed there is not used, and a gradient there must be 0.

Letters: X input; h, w output position; i, j position in the window; p, q rows and columns of the window; s, t stride;
u, v position in a sheet; α, β residues modulo the stride.
"""

import numpy as np

from manual.machine.plans import Plan

Array = np.ndarray


class Sheets:
    """The sheets (1) of up to `planes` images, zero until loaded.

    Args:
        plan: whose scratch they are, and whose dtype they have.
        planes: images (one channel of one sample each) that are held at once.
        size: (H, W).
        window: (p, q), rows and columns of a window.
        stride: (s, t).
    """

    def __init__(
        self, plan: Plan, planes: int, size: tuple[int, int], window: tuple[int, int], stride: tuple[int, int]
    ) -> None:
        (p, q), (s, t) = window, stride
        self.stride = stride
        self.places = (-(-size[0] // s), -(-size[1] // t))  # rows and columns of a sheet
        self.sheets = plan.zeros(min(p, s), min(q, t), planes, *self.places)
        self.taps = [(i % s, j % t, i // s * self.places[1] + j // t) for i in range(p) for j in range(q)]
        self.last = max(shift for _, _, shift in self.taps)

    def load(self, x: Array) -> None:
        """(1) of x (n ≤ planes, H, W)."""
        s, t = self.stride
        for alpha, row in enumerate(self.sheets):
            for beta, sheet in enumerate(row):
                part = x[:, alpha::s, beta::t]
                sheet[: len(x), : part.shape[1], : part.shape[2]] = part  # (1)

    def unload(self, x: Array) -> None:
        """The reverse of (1); residues that no tap has are left alone."""
        s, t = self.stride
        for alpha, row in enumerate(self.sheets):
            for beta, sheet in enumerate(row):
                part = x[:, alpha::s, beta::t]
                part[...] = sheet[: len(x), : part.shape[1], : part.shape[2]]

    def length(self, n: int) -> int:
        """Of a run over n images."""
        return n * self.places[0] * self.places[1] - self.last

    def run_of(self, a: Array, room: Array) -> Array:
        """One number per window, a (n, H_out, W_out), as a run like those of `runs`.

        Args:
            room: (planes, *places), used if there are places without a window; what is there stays.
        """
        n, rows, columns = a.shape
        if (rows, columns) != self.places:
            room[:n, :rows, :columns] = a
            a = room
        return a.reshape(-1)[: self.length(n)]

    def runs(self, n: int) -> list[Array]:
        """For every tap (i, j), in row-major order, the flat run of X[s·h+i, t·w+j] over n images; views."""
        length = self.length(n)
        return [self.sheets[alpha, beta].reshape(-1)[shift : shift + length] for alpha, beta, shift in self.taps]
