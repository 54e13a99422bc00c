"""The transposed convolution: what a convolution's input gradient computes, as a forward pass.

Every entry of X puts the filter, times itself, onto the output; where they overlap they add up:

    Y[b,c,m,n] = Σ_k Σ_{h,i: s·h+d·i=m} Σ_{w,j: t·w+e·j=n} X[b,k,h,w] · W[k,c,i,j] + bias[c]                  (1)

This is (5) of `convolution.py`, with X for what arrives there at the output: the convolution's channels c and k have
changed places, and its filters W[k,c,i,j] are taken as they are, the input's channel first. Y stands for the output
before padding crops it; output padding is cropped less at the end, or, where there is nothing left to crop, more of an
output that nothing but the bias reaches. With groups, channels k and c fall into equal parts, and (1) holds in each by
itself. Along more axes or fewer, nothing changes.

Nudge X, W and the bias by Ẋ, Ẇ, ḃ. To first order the output moves by

    Ẏ[b,c,m,n] = Σ_k Σ_{h,i: s·h+d·i=m} Σ_{w,j: t·w+e·j=n} ( Ẋ[b,k,h,w]·W[k,c,i,j] + X[b,k,h,w]·Ẇ[k,c,i,j] ) + ḃ[c]  (2)

and the loss by Σ_{b,c,m,n} G[b,c,m,n] · Ẏ[b,c,m,n], where G = ∂L/∂Y arrives from the next layer, 0 where Y was cropped.
Every X meets every W once, at the place (m, n) = (s·h+d·i, t·w+e·j). What multiplies a nudge is the gradient there:

    ∂L/∂X[b,k,h,w] = Σ_{c,i,j} G[b,c,s·h+d·i,t·w+e·j] · W[k,c,i,j]             (3)
    ∂L/∂W[k,c,i,j] = Σ_{b,h,w} X[b,k,h,w] · G[b,c,s·h+d·i,t·w+e·j]             (4)
    ∂L/∂bias[c]    = Σ_{b,m,n} G[b,c,m,n]                                      (5)

(3) is the convolution of G, and (4) the gradient of its filters where X arrives: `manual/kernels/adjoint.py` has the
three, which are checked against the definition (`manual/kernels/axes_definition.py`).

Letters: X input; Y output; W filters; G = ∂L/∂Y; L loss; b sample; c output channel; k input channel; h, w input
position; i, j position in the filter; s, t stride; d, e dilation; m, n output position; a dot marks a nudge.

Source: V. Dumoulin and F. Visin, *A guide to convolution arithmetic for deep learning*, arXiv 1603.07285, section 4.
"""

from math import prod
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from manual import checks
from manual.kernels import adjoint, extents
from manual.layer import Layer, Stage
from manual.weights import Activation, as_activation, he_normal, stages_of

Array = np.ndarray
Size = int | tuple[int, ...]
Padding = int | tuple[int, ...] | extents.Sides

ENGINES = ("auto", "definition")


class Saved(NamedTuple):
    """What the backward pass needs: x for (4), the filters for (3), and what was computed how."""

    x: Array
    filters: Array
    adjoint: adjoint.Adjoint
    engine: str


def forward(
    x: Array,
    filters: Array,
    biases: Array,
    *,
    stride: tuple[int, ...] | None = None,
    padding: tuple[int, ...] | extents.Sides | None = None,
    output_padding: tuple[int, ...] | None = None,
    dilation: tuple[int, ...] | None = None,
    groups: int = 1,
    engine: str = "auto",
) -> tuple[Array, Saved]:
    """The transposed convolution (1), along as many axes as there are behind the channels.

    Args:
        x: (B, C_in, H, W), or (B, C_in, W), or (B, C_in, D, H, W), ...; float32, float64 or complex128, as filters and
            biases.
        filters: (C_in, C_out / groups, K_h, K_w), or as many axes as x has: the convention of PyTorch and ONNX.
        biases: (C_out,).
        stride, dilation: an integer for every axis, at least 1; None: 1.
        padding: how much is cropped of every axis, an integer for both sides or a (before, after) pair; None: nothing.
        output_padding: how much longer the output is at the end of every axis, below the stride or the dilation there.
        groups: divides both channel counts.
        engine: "auto", or "definition".

    Returns:
        y (B, C_out, H_out, W_out) with H_out = (H - 1)·stride + dilation·(K_h - 1) + 1 - top - bottom + output_padding,
        and what `backward` needs.

    Raises:
        ValueError: a rank, a channel count or a size that does not fit; another engine.
        TypeError: hyper-parameters that are not integers.
    """
    checked_engine(engine)
    shapes = (x.shape, filters.shape, biases.shape)
    found = adjoint.describe(*shapes, stride, padding, output_padding, dilation, groups)
    y = adjoint.forward(x, filters, biases, found, engine)  # (1)
    return y, Saved(x, filters, found, engine)


def backward(grad_output: Array, saved: Saved) -> tuple[Array, Array, Array]:
    """∂L/∂x, ∂L/∂filters, ∂L/∂biases from G = grad_output, the shape of y.

    Raises:
        ValueError: grad_output has another shape than y.
    """
    x, filters, found, engine = saved
    checks.same_shape(grad_output, found.output_shape, "grad_output", "the output")
    grad_x, grad_filters, grad_biases = adjoint.backward(grad_output, x, filters, found, engine)  # (3), (4), (5)
    return grad_x, grad_filters, grad_biases


def checked_engine(engine: str) -> str:
    """The engine's name."""
    if engine not in ENGINES:
        raise ValueError(f"engine is {engine!r}; it must be one of {', '.join(ENGINES)}")
    return engine


class TransposedConvolutionalLayer(Layer):
    """A transposed convolution of images, with an activation after it if one is given.

    Args:
        input_channels, output_channels: C_in and C_out.
        kernel_size, stride, dilation: an int, or one for every axis.
        padding: how much is cropped: an int, one for every axis, or a (before, after) pair for every axis.
        activation: an activation layer (or its class), applied to the output; None: none.
        output_padding: how much longer the output is at the end: an int, or one for every axis.
        groups: divides C_in and C_out.
        engine: "auto", or "definition".
        dtype: float64 or float32.
        rng: a Generator or a seed; the filters are drawn from it, normal with variance 2 over the products in a mean
            entry of the output (He et al., arXiv 1502.01852); the biases start at zero.

    Attributes:
        filters (C_in, C_out / groups, K_h, K_w) and biases (C_out,), gettable and settable.

    Raises:
        TypeError: a size that is not an integer, another dtype, an activation that is none.
        ValueError: a size out of range, groups that do not divide the channels, output padding that is too large.
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
        output_padding: Size = 0,
        dilation: Size = 1,
        groups: int = 1,
        engine: str = "auto",
        dtype: DTypeLike = np.float64,
        rng: np.random.Generator | int | None = None,
    ) -> None:
        super().__init__(dtype=dtype)
        self.input_channels = checks.integer(input_channels, "input_channels", 1)
        self.output_channels = checks.integer(output_channels, "output_channels", 1)
        self.kernel_size, self.stride, self.dilation = (
            extents.spread(value, name, 1, self.axes)
            for name, value in (("kernel_size", kernel_size), ("stride", stride), ("dilation", dilation))
        )
        self.padding = adjoint.cropping(extents.layer_padding(padding, self.axes), self.axes)
        self.output_padding = extents.spread(output_padding, "output_padding", 0, self.axes)
        adjoint.check_output_padding(self.output_padding, self.stride, self.dilation)
        self.groups = checks.integer(groups, "groups", 1)
        for name, channels in (("input_channels", self.input_channels), ("output_channels", self.output_channels)):
            if channels % self.groups:
                raise ValueError(f"groups is {self.groups}; it does not divide {name}, {channels}")
        self.engine = checked_engine(engine)
        self.activation = as_activation(activation, self.dtype)
        shape = (self.input_channels, self.output_channels // self.groups, *self.kernel_size)
        products = self.input_channels // self.groups * prod(self.kernel_size) // prod(self.stride)
        self.filters = he_normal(rng, shape, fan_in=max(1, products))
        self.biases = np.zeros(self.output_channels)

    def stages(self) -> tuple[Stage, ...]:
        names = ("stride", "padding", "output_padding", "dilation", "groups")
        hyper: dict[str, Any] = {name: getattr(self, name) for name in names}
        stage = Stage("transposed_convolution", ("filters", "biases"), hyper, {"engine": self.engine})
        return (stage, *stages_of(self.activation))


class TransposedConvolutionalLayer1d(TransposedConvolutionalLayer):
    """The same for sequences (B, C_in, W): every size is an int or a tuple of one."""

    axes = 1


class TransposedConvolutionalLayer3d(TransposedConvolutionalLayer):
    """The same for volumes (B, C_in, D, H, W): every size is an int or a tuple of three."""

    axes = 3
