"""The sizes of a convolution along any number of axes, checked once, and what follows from them.

    Y[b,c,h] = Σ_{k,i} X[b,k,s·h+d·i] · W[c,k,i] + bias[c]

where h, i, s and d have an entry for every axis, and X stands for the input after padding with zeros. Along two axes
this is `geometry.py`, which the engines take.
"""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

from manual import checks

Sizes = tuple[int, ...]
Pair = tuple[int, int]
Sides = tuple[Pair, ...]  # (before, after) of every axis
Padding = str | Sizes | Sides  # "same", as many on both sides of every axis, or what it comes to

NAMES = {1: "W", 2: "H W", 3: "D H W"}


class Extents(NamedTuple):
    """A configuration."""

    batch: int
    groups: int
    inputs: int  # channels k of one group
    outputs: int  # channels c of one group
    size: Sizes
    kernel: Sizes
    stride: Sizes
    sides: Sides
    dilation: Sizes

    @property
    def reach(self) -> Sizes:
        """How far the last tap of a window lies behind its first, along every axis."""
        return tuple(d * (n - 1) for d, n in zip(self.dilation, self.kernel, strict=True))

    @property
    def padded(self) -> Sizes:
        """The sizes of the input after padding."""
        return tuple(n + before + after for n, (before, after) in zip(self.size, self.sides, strict=True))

    @property
    def positions(self) -> Sizes:
        """The sizes of the output."""
        along = zip(self.padded, self.reach, self.stride, strict=True)
        return tuple((n - reach - 1) // stride + 1 for n, reach, stride in along)

    @property
    def taps(self) -> int:
        """Products in one entry of the output."""
        return self.inputs * prod(self.kernel)

    @property
    def input_shape(self) -> Sizes:
        return (self.batch, self.groups * self.inputs, *self.size)

    @property
    def filters_shape(self) -> Sizes:
        return (self.groups * self.outputs, self.inputs, *self.kernel)

    @property
    def output_shape(self) -> Sizes:
        return (self.batch, self.groups * self.outputs, *self.positions)


def describe(
    x_shape: Sizes, filters_shape: Sizes, biases_shape: Sizes, stride: Any, padding: Any, dilation: Any, groups: Any
) -> Extents:
    """The extents of these arguments; a hyper-parameter of None is 1, or no padding, along every axis.

    Raises:
        ValueError: a rank, a channel count or a size that does not fit; a hyper-parameter out of range.
        TypeError: a hyper-parameter that is not made of integers.
    """
    axes = len(filters_shape) - 2
    ranks((("x", x_shape, "B C_in"), ("filters", filters_shape, "C_out C_in/groups")), axes)
    groups = checks.integer(groups, "groups", 1)
    (batch, channels, *size), (outputs, inputs, *kernel) = x_shape, filters_shape
    if biases_shape != (outputs,):
        raise ValueError(f"biases has shape {biases_shape}; one bias per filter has shape {(outputs,)}")
    if outputs % groups:
        raise ValueError(f"groups is {groups}; it does not divide the {outputs} filters")
    if channels != groups * inputs:
        what = f"the filters (shape {filters_shape}) take {inputs}"
        what += f" in each of {groups} groups" if groups > 1 else ""
        raise ValueError(f"x has {channels} channels (shape {x_shape}); {what}")
    if min(channels, outputs, *kernel) < 1:
        raise ValueError(f"x has shape {x_shape} and filters {filters_shape}; only the batch may be empty")
    steps, spread = (every(value, name, 1, axes, 1) for name, value in (("stride", stride), ("dilation", dilation)))
    sides = padding_sides(padding, axes)
    if sides is None:
        sides = same_sides(tuple(size), tuple(kernel), steps, spread)
    found = Extents(batch, groups, inputs, outputs // groups, tuple(size), tuple(kernel), steps, sides, spread)
    window = tuple(n + 1 for n in found.reach)
    if any(n > room for n, room in zip(window, found.padded, strict=True)):
        spread_to = f" (dilated to {window})" if max(spread) > 1 else ""
        raise ValueError(f"kernel {found.kernel}{spread_to} does not fit the padded input {found.padded}")
    return found


def ranks(arrays: tuple[tuple[str, Sizes, str], ...], axes: int) -> None:
    """Whether every array has two axes and these, by (name, shape, the names of its first two axes)."""
    for name, shape, first in arrays:
        if axes < 1 or len(shape) != axes + 2:
            along = NAMES.get(axes, "and at least one more" if axes < 1 else f"and {axes} more")
            names = ", ".join([*first.split(), *(along.split() if axes in NAMES else [along])])
            many = f"{axes + 2} axes" if axes >= 1 else "axes"
            raise ValueError(f"{name} has shape {shape}; it must have {many} ({names})")


def every(value: Any, name: str, least: int, axes: int, default: int | None = None) -> Sizes:
    """A hyper-parameter with an integer for every axis; None is the default along all of them."""
    if value is None and default is not None:
        return (default,) * axes
    if not isinstance(value, (tuple, list)) or len(value) != axes:
        many = "one integer" if axes == 1 else f"{axes} integers"
        raise ValueError(f"{name} is {value!r}; it must be a tuple of {many}, one per axis")
    return tuple(checks.integer(n, f"{name}[{axis}]", least) for axis, n in enumerate(value))


def spread(value: Any, name: str, least: int, axes: int) -> Sizes:
    """A layer's argument: an integer for all axes, or one for each."""
    if isinstance(value, (tuple, list)):
        return every(value, name, least, axes)
    return (checks.integer(value, name, least),) * axes


def padding_sides(padding: Any, axes: int) -> Sides | None:
    """Any way of saying the padding as (before, after) of every axis; None is for "same", which the sizes decide."""
    if isinstance(padding, str):
        if padding != "same":
            raise ValueError(f'padding is {padding!r}; the only word for it is "same"')
        return None
    if padding is None:
        return ((0, 0),) * axes
    if not isinstance(padding, (tuple, list)) or len(padding) != axes:
        raise ValueError(
            f'padding is {padding!r}; it must have an integer or a pair for each of {axes} axes, or "same"'
        )
    return tuple(both(side, f"padding[{axis}]") for axis, side in enumerate(padding))


def both(value: Any, name: str) -> Pair:
    """The padding of one axis: an integer for both sides, or a pair."""
    if not isinstance(value, (tuple, list)):
        number = checks.integer(value, name, 0)
        return number, number
    if len(value) != 2:
        raise ValueError(f"{name} is {value!r}; it must be an integer or a (before, after) pair")
    before, after = (checks.integer(side, f"{name}[{at}]", 0) for at, side in enumerate(value))
    return before, after


def layer_padding(padding: Any, axes: int) -> Padding:
    """A constructor's padding, checked: "same", an integer for every axis, or pairs."""
    if not isinstance(padding, (str, tuple, list)):
        return spread(padding, "padding", 0, axes)
    sides = padding_sides(padding, axes)
    if sides is None:
        return "same"
    nested = any(isinstance(side, (tuple, list)) for side in padding)
    return sides if nested else tuple(before for before, _ in sides)


def same_sides(size: Sizes, kernel: Sizes, stride: Sizes, dilation: Sizes) -> Sides:
    """The padding with which the output has ⌈size / stride⌉ entries: as even as possible, an odd one at the end."""
    sides = []
    for n, taps, step, far in zip(size, kernel, stride, dilation, strict=True):
        total = max((-(-n // step) - 1) * step + far * (taps - 1) + 1 - n, 0)
        sides.append((total // 2, total - total // 2))
    return tuple(sides)
