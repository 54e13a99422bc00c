"""Images of another size: every output is a weighted sum along the rows and along the columns.

    Y[b,c,h,w] = Σ_{m,n} A[h,m] · B[w,n] · X[b,c,m,n]                          (1)

A has a row for each row of the output, B for each column; they hold constants, so

    Ẏ[b,c,h,w] = Σ_{m,n} A[h,m] · B[w,n] · Ẋ[b,c,m,n]                          (2)

and with G = ∂L/∂Y from the next layer whatever multiplies Ẋ[b,c,m,n] is

    ∂L/∂X[b,c,m,n] = Σ_{h,w} A[h,m] · B[w,n] · G[b,c,h,w]                      (3)

the same sums with both matrices transposed. Three rules make the matrices, along an axis of M entries for N outputs
(the same for rows and columns):

- adaptive average: output h is the mean of the entries from ⌊h·M/N⌋ to ⌈(h+1)·M/N⌉, the last one not included, so
  that windows overlap where N does not divide M; N = 1 is the global mean;
- nearest: output h is the entry ⌊(h + ½)·M/N⌋;
- bilinear: output h lies at (h + ½)·M/N - ½ between two entries and takes a share of each; at the border the nearest.

Letters: X input; Y output; A, B weights along rows and columns; b sample; c channel; h, w output position; m, n input
position; M entries and N outputs along an axis; G = ∂L/∂Y; L loss; a dot marks a nudge.

Source: K. He et al., *Spatial Pyramid Pooling*, arXiv 1406.4729, section 2.2; M. Lin, Q. Chen, S. Yan, *Network in
Network*, arXiv 1312.4400.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from manual import checks
from manual.layer import Layer, Stage

Array = np.ndarray
Size = int | tuple[int, int]


class Saved(NamedTuple):
    """What the backward pass needs."""

    rows: Array  # A (H_out, H)
    columns: Array  # B (W_out, W)
    shape: tuple[int, ...]  # of x


def forward(x: Array, *, size: tuple[int, int], rule: str) -> tuple[Array, Saved]:
    """Images of another size (1).

    Args:
        x: (B, C, H, W); float32, float64 or complex128.
        size: (rows, columns) of the output.
        rule: "average", "nearest" or "bilinear".

    Raises:
        ValueError: a rank that does not fit, a size below 1, images without entries, or another rule.
    """
    checks.rank(x, "x", "B C H W")
    checks.hyperparameter_pairs(size=(size, 1))
    if 0 in x.shape[2:]:
        raise ValueError(f"x has shape {x.shape}; images without entries have no other size")
    pairs, real = zip(x.shape[2:], size, strict=True), np.real(x).dtype
    rows, columns = (matrix(entries, outputs, known(rule)).astype(real) for entries, outputs in pairs)
    return weighted(x, rows, columns), Saved(rows, columns, x.shape)  # (1)


def weighted(x: Array, rows: Array, columns: Array) -> Array:
    return np.einsum("hm,bcmn,wn->bchw", rows, x, columns, optimize=True)


def tangent(nudge_x: Array, saved: Saved) -> Array:
    """Ẏ from Ẋ = nudge_x, the shape of x. Raises ValueError for another shape."""
    checks.nudges(x=(nudge_x, saved.shape))
    return weighted(nudge_x, saved.rows, saved.columns)  # (2)


def backward(grad_output: Array, saved: Saved) -> tuple[Array]:
    """∂L/∂x from G = grad_output, the shape of y. Raises ValueError for another shape."""
    rows, columns, shape = saved
    checks.same_shape(grad_output, (*shape[:2], len(rows), len(columns)), "grad_output", "the output")
    return (weighted(grad_output, rows.T, columns.T),)  # (3)


RULES = ("average", "nearest", "bilinear")


def known(rule: str) -> str:
    if rule not in RULES:
        raise ValueError(f"rule is {rule!r}; it must be one of {', '.join(RULES)}")
    return rule


@lru_cache(maxsize=256)
def matrix(entries: int, outputs: int, rule: str) -> Array:
    """The weights along one axis, (outputs, entries)."""
    found = np.zeros((outputs, entries))
    for h in range(outputs):
        if rule == "average":
            first, stop = h * entries // outputs, -(-(h + 1) * entries // outputs)
            found[h, first:stop] = 1 / (stop - first)
        elif rule == "nearest":
            found[h, (2 * h + 1) * entries // (2 * outputs)] = 1
        else:
            place = min(max((h + 0.5) * entries / outputs - 0.5, 0.0), entries - 1.0)
            low = min(int(place), max(entries - 2, 0))
            found[h, low] = 1 - (place - low)
            if entries > 1:
                found[h, low + 1] = place - low
    found.flags.writeable = False
    return found


class AdaptiveAveragePooling(Layer):
    """Images of a given size, each entry the mean of the part of the input that it stands for.

    Args:
        size: an int or a (rows, columns) pair, of the output; 1 for the global mean.
        dtype: float64 or float32.

    Raises:
        TypeError, ValueError: a size that is no integer or below 1.
    """

    rule = "average"

    def __init__(self, size: Size, *, dtype: DTypeLike = np.float64) -> None:
        super().__init__(dtype=dtype)
        self.size = checks.pair(size, "size", 1)

    def stages(self) -> tuple[Stage, ...]:
        return (Stage("resampling", hyperparameters={"size": self.size, "rule": self.rule}),)


class GlobalAveragePooling(AdaptiveAveragePooling):
    """The mean of every channel of every image, (B, C, 1, 1)."""

    def __init__(self, *, dtype: DTypeLike = np.float64) -> None:
        super().__init__(1, dtype=dtype)


class Upsampling(AdaptiveAveragePooling):
    """Images of a given size, by the nearest entry or by shares of the nearest two along each axis.

    Args:
        size: an int or a (rows, columns) pair, of the output.
        rule: "nearest" or "bilinear".
        dtype: float64 or float32.
    """

    def __init__(self, size: Size, rule: str = "nearest", *, dtype: DTypeLike = np.float64) -> None:
        super().__init__(size, dtype=dtype)
        self.rule = known(rule)
