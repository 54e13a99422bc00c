"""Images of another size: every output is a weighted sum along the rows and along the columns.

    Y[b,c,h,w] = Σ_{m,n} A[h,m] · B[w,n] · X[b,c,m,n]                          (1)

A has a row for each row of the output, B for each column; they hold constants, so

    Ẏ[b,c,h,w] = Σ_{m,n} A[h,m] · B[w,n] · Ẋ[b,c,m,n]                          (2)

and with G = ∂L/∂Y from the next layer whatever multiplies Ẋ[b,c,m,n] is

    ∂L/∂X[b,c,m,n] = Σ_{h,w} A[h,m] · B[w,n] · G[b,c,h,w]                      (3)

the same sums with both matrices transposed; volumes have a third sum and a third matrix, sequences one. Three rules
make the matrices, along an axis of M entries for N outputs:

- average: output h is the mean of the entries from ⌊h·M/N⌋ to ⌈(h+1)·M/N⌉, the last one not included, so that windows
  overlap where N does not divide M; N = 1 is the global mean;
- nearest: output h is the entry nearest to its place z, of two equally near the later one unless it is said otherwise;
- bilinear: output h takes a share of the two entries between which it lies, 1 - |m - z| of entry m; at the border the
  nearest alone. To make images smaller without losing entries, every one nearer than N/M entries may take part
  (antialias), with a share of 1 - |m - z|·N/M, and all shares over their sum; beyond the border the last entry counts
  again, as in ONNX (PyTorch leaves out what is beyond).

Where output h lies is a straight line, z = f + g·h: by centres (pixels are squares, and both images cover the same
ground) f = g/2 - ½ and g = M/N; by corners (the first and the last entries lie on each other) f = 0 and
g = (M - 1)/(N - 1); by origins (the first ones do) f = 0 and g = M/N; or any that is given.

Letters: X input; Y output; A, B weights along rows and columns; b sample; c channel; h, w output position; m, n input
position; M entries and N outputs along an axis; z place of an output among the entries; f the first one, g the step to
the next; G = ∂L/∂Y; L loss; a dot marks a nudge.

Source: K. He et al., *Spatial Pyramid Pooling*, arXiv 1406.4729, section 2.2; M. Lin, Q. Chen, S. Yan, *Network in
Network*, arXiv 1312.4400.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import lru_cache
from math import ceil, floor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from manual import checks
from manual.layer import Layer, Stage
from manual.windows import LAYOUTS, Sizes, each

Array = np.ndarray
Size = int | Sizes
Line = tuple[float, float]  # f and g
Placing = str | tuple[Line, ...]


class Saved(NamedTuple):
    """What the backward pass needs."""

    weights: tuple[Array, ...]  # A (H_out, H), B (W_out, W): one for every axis
    shape: tuple[int, ...]  # of x


def forward(
    x: Array,
    *,
    size: Sizes,
    rule: str,
    placing: Placing = "centres",
    rounding: str = "half up",
    antialias: bool = False,
) -> tuple[Array, Saved]:
    """Images of another size (1).

    Args:
        x: (B, C, H, W), or any other number of axes behind the channels; float32, float64 or complex128.
        size: (rows, columns) of the output, an integer for every axis; an integer for all of them.
        rule: "average", "nearest" or "bilinear".
        placing: "centres", "corners", "origins", or (f, g) for every axis; the mean takes none.
        rounding: of places, for the nearest: "half up", "half down", "up" or "down".
        antialias: whether a bilinear share reaches as far as outputs lie apart.

    Raises:
        ValueError: a rank that does not fit, a size below 1, images without entries, or another rule or word.
    """
    along = len(size) if isinstance(size, (tuple, list)) else max(x.ndim - 2, 1)
    checks.rank(x, "x", LAYOUTS.get(along, "B C" + " n" * along))
    sizes = each(size if isinstance(size, (tuple, list)) else (size,) * along, "size", along)
    if 0 in x.shape[2:]:
        raise ValueError(f"x has shape {x.shape}; images without entries have no other size")
    lines, real = placed(placing, along), np.real(x).dtype
    how = known(rule), one_of("rounding", rounding, ROUNDINGS), bool(antialias)
    weights = (matrix(n, count, line, *how) for n, count, line in zip(x.shape[2:], sizes, lines, strict=True))
    saved = Saved(tuple(found.astype(real) for found in weights), x.shape)
    return weighted(x, saved.weights), saved  # (1)


def weighted(x: Array, weights: Sequence[Array]) -> Array:
    """The weighted sums along every axis behind the channels."""
    axes = len(weights)
    read, written = range(2, 2 + axes), range(2 + axes, 2 + 2 * axes)
    matrices: Iterator[Any] = (part for at, w in enumerate(weights) for part in (w, [written[at], read[at]]))
    return np.einsum(x, [0, 1, *read], *matrices, [0, 1, *written], optimize=True)


def tangent(nudge_x: Array, saved: Saved) -> Array:
    """Ẏ from Ẋ = nudge_x, the shape of x. Raises ValueError for another shape."""
    checks.nudges(x=(nudge_x, saved.shape))
    return weighted(nudge_x, saved.weights)  # (2)


def backward(grad_output: Array, saved: Saved) -> tuple[Array]:
    """∂L/∂x from G = grad_output, the shape of y. Raises ValueError for another shape."""
    weights, shape = saved
    checks.same_shape(grad_output, (*shape[:2], *map(len, weights)), "grad_output", "the output")
    return (weighted(grad_output, [found.T for found in weights]),)  # (3)


RULES = ("average", "nearest", "bilinear")
PLACINGS = ("centres", "corners", "origins")
ROUNDINGS = ("half up", "half down", "up", "down")
HALF = Fraction(1, 2)


def known(rule: str) -> str:
    return one_of("rule", rule, RULES)


def one_of(name: str, value: Any, known: tuple[str, ...]) -> str:
    if value not in known:
        raise ValueError(f"{name} is {value!r}; it must be one of {', '.join(known)}")
    return value


def placed(placing: Any, along: int) -> tuple[Any, ...]:
    """A word or a line for every axis."""
    if isinstance(placing, str):
        return (one_of("placing", placing, PLACINGS),) * along
    try:
        lines = tuple((float(first), float(step)) for first, step in placing)
    except (TypeError, ValueError):
        lines = ()
    if len(lines) != along:
        words = f"one of {', '.join(PLACINGS)}, or a first place and a step for each of {along} axes"
        raise ValueError(f"placing is {placing!r}; it must be {words}")
    return lines


def line(placing: Any, entries: int, outputs: int) -> tuple[Any, Any]:
    """f and g."""
    step = Fraction(entries, outputs)
    if placing == "centres":
        return (step - 1) / 2, step
    if placing == "origins":
        return Fraction(0), step
    if placing == "corners":
        return Fraction(0), Fraction(entries - 1, max(outputs - 1, 1))
    return placing


@lru_cache(maxsize=256)
def matrix(entries: int, outputs: int, placing: Any, rule: str, rounding: str, antialias: bool) -> Array:
    """The weights along one axis, (outputs, entries); shares and the places of a word without rounding."""
    found = np.zeros((outputs, entries))
    first, step = line(placing, entries, outputs)
    reach = max(Fraction(step), Fraction(1)) if antialias else Fraction(1)
    for h in range(outputs):
        place = Fraction(first + step * h)
        if rule == "average":
            begin, stop = h * entries // outputs, -(-(h + 1) * entries // outputs)
            found[h, begin:stop] = 1 / (stop - begin)
        elif rule == "nearest":
            found[h, min(max(nearest(place, rounding), 0), entries - 1)] = 1
        else:
            shares = {m: 1 - abs(m - place) / reach for m in range(ceil(place - reach), floor(place + reach) + 1)}
            for m, share in shares.items():
                found[h, min(max(m, 0), entries - 1)] += float(share / sum(shares.values()))
    found.flags.writeable = False
    return found


def nearest(place: Fraction, rounding: str) -> int:
    """The entry that a place stands for."""
    if rounding == "half up":
        return floor(place + HALF)
    if rounding == "half down":
        return ceil(place - HALF)
    return ceil(place) if rounding == "up" else floor(place)


class AdaptiveAveragePooling(Layer):
    """Images of a given size, each entry the mean of the part of the input that it stands for.

    Args:
        size: an int or a (rows, columns) pair, of the output; 1 for the global mean.
        dtype: float64 or float32.

    Raises:
        TypeError, ValueError: a size that is no integer or below 1.
    """

    rule = "average"
    size: Size

    def __init__(self, size: Size, *, dtype: DTypeLike = np.float64) -> None:
        super().__init__(dtype=dtype)
        self.size = checks.pair(size, "size", 1)

    def stages(self) -> tuple[Stage, ...]:
        return (Stage("resampling", hyperparameters={"size": self.size, "rule": self.rule}),)


class GlobalAveragePooling(AdaptiveAveragePooling):
    """The mean of every channel of every sample, (B, C, 1, 1), or of any number of axes."""

    def __init__(self, *, dtype: DTypeLike = np.float64) -> None:
        super().__init__(1, dtype=dtype)
        self.size = 1


class Upsampling(AdaptiveAveragePooling):
    """Images of a given size, by the nearest entry or by shares of the nearest two along each axis.

    Args:
        size: an int or a (rows, columns) pair, of the output.
        rule: "nearest" or "bilinear".
        placing: what lies on what: "centres", "corners" or "origins" of both images; or the place of the first output
            among the entries and the step to the next, for rows and columns.
        rounding: of places, for the nearest: "half up", "half down", "up" or "down".
        antialias: whether a bilinear share reaches as far as outputs lie apart.
        dtype: float64 or float32.
    """

    def __init__(
        self,
        size: Size,
        rule: str = "nearest",
        *,
        placing: Placing = "centres",
        rounding: str = "half up",
        antialias: bool = False,
        dtype: DTypeLike = np.float64,
    ) -> None:
        super().__init__(size, dtype=dtype)
        placed(placing, 2)
        self.rule, self.placing, self.antialias = known(rule), placing, bool(antialias)
        self.rounding = one_of("rounding", rounding, ROUNDINGS)

    def stages(self) -> tuple[Stage, ...]:
        names = ("size", "rule", "placing", "rounding", "antialias")
        return (Stage("resampling", hyperparameters={name: getattr(self, name) for name in names}),)
