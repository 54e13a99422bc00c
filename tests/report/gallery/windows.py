"""Convolutions, pooling, upsampling: written as one finds them, each with one mistake."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import crosscheck
from crosscheck.evidence.result import Result
from tests.report.gallery.row import Picture


def drawn(seed: int, *shape: int) -> Any:
    return np.random.default_rng(seed).normal(size=shape)


# ---------------------------------------------------------------------- convolutions


def conv(x, w, b, stride=2, pad=1):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    kh, kw = w.shape[2:]
    oh, ow = (xp.shape[2] - kh) // stride + 1, (xp.shape[3] - kw) // stride + 1
    y = np.zeros((x.shape[0], w.shape[0], oh, ow), x.dtype)
    for i in range(oh):
        for j in range(ow):
            patch = xp[:, :, i * stride : i * stride + kh, j * stride : j * stride + kw]
            y[:, :, i, j] = np.tensordot(patch, w, ([1, 2, 3], [1, 2, 3])) + b
    return y


def conv_reference(x, w, b):
    y = jax.lax.conv_general_dilated(x, w, (2, 2), [(1, 1), (1, 1)])
    return y + b[:, None, None]


def conv_back_border(grad_output, x, w, b, stride=2, pad=1):
    """The padding is not cut off: what belongs to it is added to the last rows and columns."""
    kh, kw = w.shape[2:]
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dxp, dw = np.zeros_like(xp), np.zeros_like(w)
    for i in range(grad_output.shape[2]):
        for j in range(grad_output.shape[3]):
            rows, cols = slice(i * stride, i * stride + kh), slice(j * stride, j * stride + kw)
            g = grad_output[:, :, i, j]
            dw += np.tensordot(g, xp[:, :, rows, cols], ([0], [0]))
            dxp[:, :, rows, cols] += np.tensordot(g, w, ([1], [0]))
    return {"x": dxp[:, :, : x.shape[2], : x.shape[3]], "w": dw, "b": grad_output.sum((0, 2, 3))}


def convolution_off_by_the_padding() -> Result:
    inputs = {"x": drawn(1, 2, 3, 7, 6), "w": drawn(2, 4, 3, 3, 2), "b": drawn(3, 4)}
    return crosscheck.check(conv, conv_back_border, inputs, conv_reference, name="conv2d")


def conv1d(x, w):
    return np.stack(
        [np.einsum("bkt,ckt->bc", x[:, :, i : i + w.shape[2]], w) for i in range(x.shape[2] - w.shape[2] + 1)], 2
    )


def conv1d_back(grad_output, x, w):
    full = np.pad(grad_output, ((0, 0), (0, 0), (w.shape[2] - 1, w.shape[2] - 1)))
    dx = np.stack([np.einsum("bct,ckt->bk", full[:, :, i : i + w.shape[2]], w) for i in range(x.shape[2])], 2)
    dw = np.stack(
        [np.einsum("bct,bkt->ck", grad_output, x[:, :, t : t + grad_output.shape[2]]) for t in range(w.shape[2])], 2
    )
    return {"x": dx, "w": dw}


def filters_not_flipped() -> Result:
    """A full correlation of what arrives, with filters that had to be turned round."""
    return crosscheck.check(conv1d, conv1d_back, {"x": drawn(4, 3, 2, 9), "w": drawn(5, 5, 2, 4)})


# ---------------------------------------------------------------------- pooling


def max_pool(x):
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(2, 3))[:, :, ::2, ::2]
    return windows.max((-1, -2))


def max_pool_back(grad_output, x):
    dx = np.zeros_like(x)
    y = max_pool(x)
    for b, c, h, w in np.ndindex(*y.shape):
        window = x[b, c, 2 * h : 2 * h + 3, 2 * w : 2 * w + 3]
        dx[b, c, 2 * h : 2 * h + 3, 2 * w : 2 * w + 3] = (window == y[b, c, h, w]) * grad_output[b, c, h, w]
    return dx


def max_pool_reference(x):
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 1, 3, 3), (1, 1, 2, 2), "VALID")


def overlap_overwritten() -> Result:
    return crosscheck.check(max_pool, max_pool_back, {"x": drawn(6, 2, 3, 9, 7)}, max_pool_reference)


class AveragePool:
    def __init__(self, size):
        self.size = size

    def forward(self, x):
        b, h, w, c = x.shape
        self.shape = x.shape
        return x.reshape(b, h // self.size, self.size, w // self.size, self.size, c).mean((2, 4))

    def backward(self, grad):
        return grad.repeat(self.size, 1).repeat(self.size, 2) / self.size


def average_of_the_wrong_area() -> Result:
    return crosscheck.check_layer(AveragePool(3), drawn(7, 2, 6, 9, 4))


def upsample(x):
    return x.repeat(2, axis=2).repeat(2, axis=3)


def upsample_back(grad_output, x):
    b, c, h, w = x.shape
    return grad_output.reshape(b, c, 2, h, 2, w).sum((2, 4))


def blocks_read_in_the_wrong_order() -> Result:
    return crosscheck.check(upsample, upsample_back, {"x": drawn(8, 2, 2, 3, 5)})


PICTURES = (
    Picture(
        "conv2d, stride 2, padding 1",
        "the padding is cut off on the wrong side",
        ("x is wrong, w and b are right", "with the padding not taken off"),
        convolution_off_by_the_padding,
    ),
    Picture("conv1d", "the filters are not flipped", ("with w flipped", "np.einsum"), filters_not_flipped),
    Picture(
        "max pooling, overlapping",
        "windows overwrite one another",
        ("overlapping windows overwriting one another",),
        overlap_overwritten,
    ),
    Picture(
        "average pooling", "divided by the side, not by the area", ("3 times too large",), average_of_the_wrong_area
    ),
    Picture(
        "nearest upsampling",
        "blocks read in another order",
        ("reshape", "filled in the order", "return x.repeat(2, axis=2).repeat(2, axis=3)"),
        blocks_read_in_the_wrong_order,
    ),
)
