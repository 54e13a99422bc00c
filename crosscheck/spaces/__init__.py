"""Spaces: what a layer can be configured to.

    convolution, pooling                    windows over images, NCHW or NHWC
    dense, normalization, elementwise       rows of features
    attention, recurrent                    sequences

Each function gives a `Space`; a dictionary of choices makes one, too: `Space("mine", {"padding": (0, 1, 2), ...})`.
"""

from crosscheck.spaces.images import convolution, pooling
from crosscheck.spaces.rows import dense, elementwise, normalization
from crosscheck.spaces.sequences import attention, recurrent
from crosscheck.spaces.space import Space

__all__ = [
    "Space",
    "attention",
    "convolution",
    "dense",
    "elementwise",
    "normalization",
    "pooling",
    "recurrent",
]
