"""The convolutional layer: one small filter, moved over every position of the image.

    Y[b,c,h,w] = Σ_{k,i,j} X[b,k,s·h+d·i,t·w+e·j] · W[c,k,i,j] + bias[c]         einsum "bkhwij,ckij->bchw"    (1)

X stands for the input after padding with zeros. (What the field calls convolution is cross-correlation: W is not
flipped.) With groups, channels k and c fall into equal parts, and (1) holds in each part by itself.

Nudge X, W and the bias by Ẋ, Ẇ, ḃ. To first order the output moves by

    Ẏ[b,c,h,w] = Σ_{k,i,j} ( Ẋ[b,k,s·h+d·i,t·w+e·j] · W[c,k,i,j] + X[b,k,s·h+d·i,t·w+e·j] · Ẇ[c,k,i,j] ) + ḃ[c]   (2)

and the loss by Σ_{b,c,h,w} G[b,c,h,w] · Ẏ[b,c,h,w], where G = ∂L/∂Y arrives from the next layer. Whatever multiplies a
nudge is the gradient there. Ẇ and ḃ stand under one sum each:

    ∂L/∂W[c,k,i,j] = Σ_{b,h,w} G[b,c,h,w] · X[b,k,s·h+d·i,t·w+e·j]               einsum "bchw,bkhwij->ckij"    (3)
    ∂L/∂bias[c]    = Σ_{b,h,w} G[b,c,h,w]                                        einsum "bchw->c"              (4)

Ẋ at (m, n) occurs wherever s·h+d·i = m and t·w+e·j = n, once for every window that covers it, so the contributions add
up:

    ∂L/∂X[b,k,m,n] = Σ_c Σ_{h,i: s·h+d·i=m} Σ_{w,j: t·w+e·j=n} G[b,c,h,w] · W[c,k,i,j]                          (5)

For one fixed offset (i, j) the pairs (h, w) and (m, n) belong together one to one, so (5) is read as: for every
offset, add Σ_c G[b,c,h,w] · W[c,k,i,j] at the positions (s·h+d·i, t·w+e·j). Padding was not part of the input: its
gradient is cropped.

Nothing here asks how many axes there are: for sequences read h, i, s, d and m alone, for volumes add a third of each.

These sums, written out as einsums over a view of all windows, are `manual/kernels/definition.py` along two axes and
`manual/kernels/axes_definition.py` along any number. They can be computed in other ways, much faster; `manual.kernels`
chooses one by size, and every one is checked against the definition.

Letters: X input; Y output; W filters; G = ∂L/∂Y; L loss; b sample; c output channel; k input channel; h, w output
position; i, j position in the window; s, t stride; d, e dilation; m, n input position; a dot marks a nudge.

Source: the lecture, "Convolutional Layer Forward Pass" and "Backward Pass"; V. Dumoulin and F. Visin, *A guide to
convolution arithmetic for deep learning*, arXiv 1603.07285.
"""

from math import prod
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from manual import checks, kernels
from manual.kernels import axes, extents
from manual.layer import Layer, Stage
from manual.weights import Activation, as_activation, he_normal, stages_of

Array = np.ndarray
Size = int | tuple[int, ...]
Padding = int | extents.Padding


class Saved(NamedTuple):
    """What the backward pass needs: x for (3), the filters for (5), and how the forward was computed."""

    kernel: kernels.Saved | axes.Saved


def forward(
    x: Array,
    filters: Array,
    biases: Array,
    *,
    stride: tuple[int, ...] | None = None,
    padding: extents.Padding | None = None,
    dilation: tuple[int, ...] | None = None,
    groups: int = 1,
    engine: str = "auto",
) -> tuple[Array, Saved]:
    """The convolution (1), along as many axes as there are behind the channels.

    Args:
        x: (B, C_in, H, W), or (B, C_in, W), or (B, C_in, D, H, W), ...; float32, float64 or complex128, as filters and
            biases.
        filters: (C_out, C_in / groups, K_h, K_w), or as many axes as x has.
        biases: (C_out,).
        stride, dilation: (rows, columns), or an integer for every axis, at least 1; None: 1.
        padding: rows and columns of zeros: (rows, columns) on both sides, ((top, bottom), (left, right)), or "same":
            as many as make H_out = ⌈H / stride⌉, an odd one at the end; None: none.
        groups: divides both channel counts; groups = C_in is a depthwise convolution.
        engine: how it is computed: "auto", "fast", "exact", or an engine's name; see `manual.kernels`.

    Returns:
        y (B, C_out, H_out, W_out) with H_out = (H + top + bottom - dilation·(K_h - 1) - 1) // stride + 1, and what
        `backward` needs.

    Raises:
        ValueError: a rank, a channel count or a size that does not fit; an engine that cannot do this.
        TypeError: hyper-parameters that are not integers.
    """
    y, kernel = axes.forward(
        x, filters, biases, stride=stride, padding=padding, dilation=dilation, groups=groups, engine=engine
    )  # (1)
    return y, Saved(kernel)


def tangent(nudge_x: Array, nudge_filters: Array, nudge_biases: Array, saved: Saved) -> Array:
    """Ẏ from Ẋ, Ẇ, ḃ, the shapes of x, filters and biases. Raises ValueError for another shape."""
    return axes.tangent(nudge_x, nudge_filters, nudge_biases, saved.kernel)  # (2)


def backward(grad_output: Array, saved: Saved) -> tuple[Array, Array, Array]:
    """∂L/∂x, ∂L/∂filters, ∂L/∂biases from G = grad_output, the shape of y.

    Raises:
        ValueError: grad_output has another shape than y.
    """
    grad_x, grad_filters, grad_biases = axes.backward(grad_output, saved.kernel)  # (5), (3), (4)
    return grad_x, grad_filters, grad_biases


def parameter_gradients(grad_output: Array, saved: Saved) -> tuple[Array, Array]:
    """∂L/∂filters and ∂L/∂biases as `backward` has them, where ∂L/∂x is of no use. Raises ValueError as it does."""
    return axes.parameter_gradients(grad_output, saved.kernel)  # (3), (4)


class ConvolutionalLayer(Layer):
    """The lecture's convolutional layer, for images, with an activation after it if one is given.

    Args:
        input_channels, output_channels: C_in and C_out.
        kernel_size, stride, dilation: an int or a (rows, columns) pair.
        padding: an int, a (rows, columns) pair, ((top, bottom), (left, right)), or "same".
        activation: an activation layer (or its class), applied to the convolution's output; None: none.
        groups: divides C_in and C_out; C_in for a depthwise convolution.
        engine: how it is computed; see `manual.kernels`.
        dtype: float64 or float32.
        rng: a Generator or a seed; the filters are drawn from it, normal with variance 2 / (C_in / groups · K_h · K_w)
            (He et al., arXiv 1502.01852); the biases start at zero.

    Attributes:
        filters (C_out, C_in / groups, K_h, K_w) and biases (C_out,), gettable and settable.

    Raises:
        TypeError: a size that is not an integer, another dtype, an activation that is none.
        ValueError: a size out of range, groups that do not divide the channels, an unknown engine.
    """

    parameter_names = ("filters", "biases")
    axes: ClassVar[int] = 2  # of the input, behind its channels
    filters: Array
    biases: Array

    def __init__(
        self,
        input_channels: int,
        output_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Padding = 0,
        activation: Activation = None,
        *,
        dilation: Size = 1,
        groups: int = 1,
        engine: str = "auto",
        dtype: DTypeLike = np.float64,
        rng: np.random.Generator | int | None = None,
    ) -> None:
        super().__init__(dtype=dtype)
        self.input_channels = checks.integer(input_channels, "input_channels", 1)
        self.output_channels = checks.integer(output_channels, "output_channels", 1)
        self.kernel_size = sizes(kernel_size, "kernel_size", self.axes)
        self.stride = sizes(stride, "stride", self.axes)
        self.dilation = sizes(dilation, "dilation", self.axes)
        self.padding = layer_padding(padding) if self.axes == 2 else extents.layer_padding(padding, self.axes)
        self.groups = checks.integer(groups, "groups", 1)
        for name, channels in (("input_channels", self.input_channels), ("output_channels", self.output_channels)):
            if channels % self.groups:
                raise ValueError(f"groups is {self.groups}; it does not divide {name}, {channels}")
        self.engine = kernels.known(engine)
        self.activation = as_activation(activation, self.dtype)
        inputs = self.input_channels // self.groups
        shape = (self.output_channels, inputs, *self.kernel_size)
        self.filters = he_normal(rng, shape, fan_in=inputs * prod(self.kernel_size))
        self.biases = np.zeros(self.output_channels)

    def stages(self) -> tuple[Stage, ...]:
        hyper: dict[str, Any] = {
            "stride": self.stride,
            "padding": self.padding,
            "dilation": self.dilation,
            "groups": self.groups,
        }
        convolution = Stage("convolution", ("filters", "biases"), hyper, {"engine": self.engine})
        return (convolution, *stages_of(self.activation))


class ConvolutionalLayer1d(ConvolutionalLayer):
    """The same for sequences (B, C_in, W): every size is an int or a tuple of one."""

    axes = 1


class ConvolutionalLayer3d(ConvolutionalLayer):
    """The same for volumes (B, C_in, D, H, W): every size is an int or a tuple of three."""

    axes = 3


def sizes(value: Any, name: str, axes: int) -> tuple[int, ...]:
    """A size of the constructor along every axis, at least 1."""
    return checks.pair(value, name, 1) if axes == 2 else extents.spread(value, name, 1, axes)


def layer_padding(padding: Any) -> kernels.PaddingArgument:
    """The constructor's padding, checked: "same", (rows, columns), or ((top, bottom), (left, right))."""
    if not isinstance(padding, (str, tuple, list)):
        return checks.pair(padding, "padding", 0)
    sides = kernels.padding_sides(padding)
    if sides is None:
        return "same"
    nested = any(isinstance(side, (tuple, list)) for side in padding)
    return sides if nested else (sides[0][0], sides[1][0])
