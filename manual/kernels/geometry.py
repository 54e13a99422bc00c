"""The sizes of one convolution, checked once, and what follows from them.

    Y[b,c,h,w] = Σ_{k,i,j} X[b,k,s·h+d·i,t·w+e·j] · W[c,k,i,j] + bias[c]

with stride (s, t) and dilation (d, e); X stands for the input after padding with zeros. With
`groups`, the channels of input and output are cut into that many equal parts and each part is a
convolution of its own.
"""

from typing import Any, NamedTuple

from manual import checks

Pair = tuple[int, int]
Padding = tuple[Pair, Pair]  # ((top, bottom), (left, right))
PaddingArgument = str | Pair | Padding  # "same", (rows, columns) on both sides, or what it comes to


class Geometry(NamedTuple):
    """A configuration; hashable, so that plans are found by it."""

    batch: int
    groups: int
    inputs: int  # channels k of one group
    outputs: int  # channels c of one group
    size: Pair  # (H, W)
    kernel: Pair  # (K_h, K_w)
    stride: Pair
    padding: Padding
    dilation: Pair

    @property
    def reach(self) -> Pair:
        """How far the last tap of a window lies behind its first: d·(K_h - 1), e·(K_w - 1)."""
        (rows, columns), (d, e) = self.kernel, self.dilation
        return d * (rows - 1), e * (columns - 1)

    @property
    def padded(self) -> Pair:
        (height, width), ((top, bottom), (left, right)) = self.size, self.padding
        return height + top + bottom, width + left + right

    @property
    def positions(self) -> Pair:
        """(H_out, W_out)."""
        rows, columns = self.padded
        return (
            (rows - self.reach[0] - 1) // self.stride[0] + 1,
            (columns - self.reach[1] - 1) // self.stride[1] + 1,
        )

    @property
    def taps(self) -> int:
        """Products in one entry of the output: C_in/groups · K_h · K_w."""
        return self.inputs * self.kernel[0] * self.kernel[1]

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        return (self.batch, self.groups * self.inputs, *self.size)

    @property
    def filters_shape(self) -> tuple[int, int, int, int]:
        return (self.groups * self.outputs, self.inputs, *self.kernel)

    @property
    def output_shape(self) -> tuple[int, int, int, int]:
        return (self.batch, self.groups * self.outputs, *self.positions)

    @property
    def multiplications(self) -> int:
        """Of the forward pass by the definition."""
        rows, columns = self.positions
        return self.batch * self.groups * self.outputs * rows * columns * self.taps

    @property
    def adjoint_padding(self) -> Padding:
        """The padding with which the input gradient is a correlation of G (stride 1); may be negative."""
        (rows, columns), ((top, bottom), (left, right)) = self.reach, self.padding
        return (rows - top, rows - bottom), (columns - left, columns - right)


def describe(
    x_shape: tuple[int, ...],
    filters_shape: tuple[int, ...],
    biases_shape: tuple[int, ...],
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: Any,
) -> Geometry:
    """The geometry of these arguments: the one place where they are checked.

    Raises:
        ValueError: a rank, a channel count or a size that does not fit; a hyper-parameter out of range.
        TypeError: a hyper-parameter that is not made of integers.
    """
    for name, shape, axes in (("x", x_shape, "B C_in H W"), ("filters", filters_shape, "C_out C_in/groups K_h K_w")):
        if len(shape) != 4:
            names = ", ".join(axes.split())
            raise ValueError(f"{name} has shape {shape}; it must have 4 axes ({names})")
    checks.hyperparameter_pairs(stride=(stride, 1), dilation=(dilation, 1))
    groups = checks.integer(groups, "groups", 1)
    sides = padding_sides(padding)
    batch, channels, height, width = x_shape
    outputs, inputs, kernel_rows, kernel_columns = filters_shape
    if biases_shape != (outputs,):
        raise ValueError(f"biases has shape {biases_shape}; one bias per filter has shape {(outputs,)}")
    if outputs % groups:
        raise ValueError(f"groups is {groups}; it does not divide the {outputs} filters")
    if channels != groups * inputs:
        what = f"the filters (shape {filters_shape}) take {inputs}"
        what += f" in each of {groups} groups" if groups > 1 else ""
        raise ValueError(f"x has {channels} channels (shape {x_shape}); {what}")
    if min(channels, outputs, kernel_rows, kernel_columns) < 1:
        raise ValueError(f"x has shape {x_shape} and filters {filters_shape}; only the batch may be empty")
    geometry = Geometry(
        batch,
        groups,
        inputs,
        outputs // groups,
        (height, width),
        (kernel_rows, kernel_columns),
        pair(stride),
        ((0, 0), (0, 0)) if sides is None else sides,
        pair(dilation),
    )
    if sides is None:
        around = same_padding(geometry.size, geometry.kernel, geometry.stride, geometry.dilation)
        geometry = geometry._replace(padding=around)
    window = (geometry.reach[0] + 1, geometry.reach[1] + 1)
    if window[0] > geometry.padded[0] or window[1] > geometry.padded[1]:
        spread = f" (dilated to {window})" if geometry.dilation != (1, 1) else ""
        raise ValueError(f"kernel {geometry.kernel}{spread} does not fit the padded input {geometry.padded}")
    return geometry


def pair(value: Any) -> Pair:
    return int(value[0]), int(value[1])


def padding_sides(padding: Any) -> Padding | None:
    """Any way of saying the padding as ((top, bottom), (left, right)); None is for "same", which the sizes decide.

    Raises:
        ValueError: another word, not two axes or two sides, fewer than 0. TypeError: not integers.
    """
    if isinstance(padding, str):
        if padding != "same":
            raise ValueError(f'padding is {padding!r}; the only word for it is "same"')
        return None
    if not isinstance(padding, (tuple, list)) or len(padding) != 2:
        raise ValueError(f'padding is {padding!r}; it must be a pair, ((top, bottom), (left, right)) or "same"')
    return both_sides(padding[0], "rows", ("top", "bottom")), both_sides(padding[1], "columns", ("left", "right"))


def both_sides(value: Any, axis: str, names: tuple[str, str]) -> Pair:
    """The padding of one axis: an integer for both sides, or a pair."""
    if not isinstance(value, (tuple, list)):
        value = checks.integer(value, f"{axis} of padding", 0)
        return value, value
    if len(value) != 2:
        raise ValueError(f"{axis} of padding is {value!r}; it must be an integer or a ({', '.join(names)}) pair")
    first, second = (checks.integer(side, f"{name} of padding", 0) for side, name in zip(value, names, strict=True))
    return first, second


def same_padding(size: Pair, kernel: Pair, stride: Pair = (1, 1), dilation: Pair = (1, 1)) -> Padding:
    """The padding with which H_out = ⌈H / stride⌉: as even as possible, the odd row or column at
    the end.

    The convention of TensorFlow and `jax.lax` ("SAME"); at stride 1 also PyTorch's.
    """

    def sides(length: int, taps: int, step: int, spread: int) -> Pair:
        total = max((-(-length // step) - 1) * step + spread * (taps - 1) + 1 - length, 0)
        return total // 2, total - total // 2

    rows, columns = (sides(*axis) for axis in zip(size, kernel, stride, dilation, strict=True))
    return rows, columns
