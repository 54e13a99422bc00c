"""The convolutional layer: one small filter, moved over every position of the image.

    Y[b,c,h,w] = Σ_{k,i,j} X[b,k,s·h+i,t·w+j] · W[c,k,i,j] + bias[c]            (1)

b sample, c output channel, k input channel, h w output position, i j position in the window, (s, t) the stride; X
stands for the input after padding with zeros. (What the field calls convolution is cross-correlation: W is not
flipped.)

Nudge X, W and the bias by Ẋ, Ẇ, ḃ. To first order the output moves by

    Ẏ[b,c,h,w] = Σ_{k,i,j} ( Ẋ[b,k,s·h+i,t·w+j] · W[c,k,i,j] + X[b,k,s·h+i,t·w+j] · Ẇ[c,k,i,j] ) + ḃ[c]       (2)

and the loss by Σ_{b,c,h,w} G[b,c,h,w] · Ẏ[b,c,h,w], where G = ∂L/∂Y arrives from the next layer. Whatever multiplies a
nudge is the gradient there. Ẇ and ḃ stand under one sum each:

    ∂L/∂W[c,k,i,j] = Σ_{b,h,w} G[b,c,h,w] · X[b,k,s·h+i,t·w+j]                  (3)
    ∂L/∂bias[c]    = Σ_{b,h,w} G[b,c,h,w]                                      (4)

Ẋ at (m, n) occurs wherever s·h+i = m and t·w+j = n, once for every window that covers it, so the contributions add up:

    ∂L/∂X[b,k,m,n] = Σ_{c} Σ_{h,i: s·h+i=m} Σ_{w,j: t·w+j=n} G[b,c,h,w] · W[c,k,i,j]                           (5)

For one fixed offset (i, j) the pairs (h, w) and (m, n) belong together one to one, so (5) is read as: for every
offset, add Σ_c G[b,c,h,w]·W[c,k,i,j] at the positions (s·h+i, t·w+j). Padding was not part of the input: its gradient
is cropped.

Source: the lecture, "Convolutional Layer Forward Pass" and "Backward Pass"; V. Dumoulin and F. Visin, *A guide to
convolution arithmetic for deep learning*, arXiv 1603.07285.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import DTypeLike

from manual import checks
from manual.layer import Activation, Layer, Stage, as_activation, he_normal, stages_of

Array = np.ndarray
Size = int | tuple[int, int]


class Saved(NamedTuple):
    """What the backward pass needs."""

    x: Array  # (B, C_in, H, W), for (3)
    filters: Array  # (C_out, C_in, K_h, K_w), for (5)
    stride: tuple[int, int]
    padding: tuple[int, int]
    output_shape: tuple[int, ...]  # (B, C_out, H_out, W_out)


def padded(x: Array, padding: tuple[int, int]) -> Array:
    """x with rows and columns of zeros on every side; x itself where there is nothing to add."""
    rows, columns = padding
    return np.pad(x, ((0, 0), (0, 0), (rows, rows), (columns, columns))) if rows or columns else x


def windows(x: Array, kernel: tuple[int, int], stride: tuple[int, int]) -> Array:
    """A view [b,k,h,w,i,j] = x[b, k, s·h+i, t·w+j] of the padded input."""
    return sliding_window_view(x, kernel, axis=(2, 3))[:, :, :: stride[0], :: stride[1]]


def forward(
    x: Array,
    filters: Array,
    biases: Array,
    *,
    stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int] = (0, 0),
) -> tuple[Array, Saved]:
    """The convolution (1).

    Args:
        x: (B, C_in, H, W); float32, float64 or complex128, as filters and biases.
        filters: (C_out, C_in, K_h, K_w).
        biases: (C_out,).
        stride: (rows, columns), at least 1.
        padding: (rows, columns) of zeros on each side.

    Returns:
        y (B, C_out, H_out, W_out) with H_out = (H + 2·padding - K_h) // stride + 1, and what `backward` needs.

    Raises:
        ValueError: a rank, a channel count or a size that does not fit.
    """
    checks.rank(x, "x", "B C_in H W")
    checks.rank(filters, "filters", "C_out C_in K_h K_w")
    checks.same_shape(biases, (filters.shape[0],), "biases", "one bias per filter")
    checks.hyperparameter_pairs(stride=(stride, 1), padding=(padding, 0))
    if x.shape[1] != filters.shape[1]:
        raise ValueError(f"x has {x.shape[1]} channels (shape {x.shape}); the filters take {filters.shape[1]}")
    kernel = filters.shape[2:]
    size = (x.shape[2] + 2 * padding[0], x.shape[3] + 2 * padding[1])
    checks.output_size(size, kernel, stride, "kernel")
    view = windows(padded(x, padding), kernel, stride)
    y = np.einsum("bkhwij,ckij->bchw", view, filters, optimize=True) + biases[:, None, None]  # (1)
    return y, Saved(x, filters, stride, padding, y.shape)


def backward(grad_output: Array, saved: Saved) -> tuple[Array, Array, Array]:
    """∂L/∂x, ∂L/∂filters, ∂L/∂biases from G = grad_output, the shape of y.

    Raises:
        ValueError: grad_output has another shape than y.
    """
    g, (x, filters, stride, padding, output_shape) = grad_output, saved
    checks.same_shape(g, output_shape, "grad_output", "the output")
    kernel_rows, kernel_columns = filters.shape[2:]
    _, _, rows, columns = output_shape
    x_padded = padded(x, padding)
    view = windows(x_padded, (kernel_rows, kernel_columns), stride)

    grad_filters = np.einsum("bchw,bkhwij->ckij", g, view, optimize=True)  # (3)
    grad_biases = np.einsum("bchw->c", g)  # (4)

    grad_padded = np.zeros(x_padded.shape, np.result_type(g, filters))
    spread = np.einsum("bchw,ckij->ijbkhw", g, filters, optimize=True)  # every term of (5), by offset
    for i in range(kernel_rows):
        for j in range(kernel_columns):
            at_rows = slice(i, i + stride[0] * rows, stride[0])
            at_columns = slice(j, j + stride[1] * columns, stride[1])
            grad_padded[:, :, at_rows, at_columns] += spread[i, j]  # (5)
    top, left = padding
    grad_x = grad_padded[:, :, top : top + x.shape[2], left : left + x.shape[3]]
    return np.ascontiguousarray(grad_x), grad_filters, grad_biases


class ConvolutionalLayer(Layer):
    """The lecture's convolutional layer, with an activation after it if one is given.

    Args:
        input_channels, output_channels: C_in and C_out.
        kernel_size, stride, padding: an int or a (rows, columns) pair.
        activation: an activation layer (or its class), applied to the convolution's output; None: none.
        dtype: float64 or float32.
        rng: a Generator or a seed; the filters are drawn from it, normal with variance 2 / (C_in · K_h · K_w) (He et
        al.,
            arXiv 1502.01852); the biases start at zero.

    Attributes:
        filters (C_out, C_in, K_h, K_w) and biases (C_out,), gettable and settable.
    """

    parameter_names = ("filters", "biases")
    filters: Array
    biases: Array

    def __init__(
        self,
        input_channels: int,
        output_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size = 0,
        activation: Activation = None,
        *,
        dtype: DTypeLike = np.float64,
        rng: np.random.Generator | int | None = None,
    ) -> None:
        super().__init__(dtype=dtype)
        self.input_channels = checks.integer(input_channels, "input_channels", 1)
        self.output_channels = checks.integer(output_channels, "output_channels", 1)
        self.kernel_size = checks.pair(kernel_size, "kernel_size", 1)
        self.stride = checks.pair(stride, "stride", 1)
        self.padding = checks.pair(padding, "padding", 0)
        self.activation = as_activation(activation)
        shape = (self.output_channels, self.input_channels, *self.kernel_size)
        self.filters = he_normal(rng, shape, fan_in=self.input_channels * self.kernel_size[0] * self.kernel_size[1])
        self.biases = np.zeros(self.output_channels)

    def stages(self) -> tuple[Stage, ...]:
        hyper: dict[str, Any] = {"stride": self.stride, "padding": self.padding}
        return (Stage("convolution", ("filters", "biases"), hyper), *stages_of(self.activation))
