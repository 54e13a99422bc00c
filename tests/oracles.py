"""What the tests compare with: slow, plain, and written from the definition."""

from __future__ import annotations

import numpy as np

Array = np.ndarray
Pair = tuple[int, int]


def convolution_by_loops(
    x: Array,
    filters: Array,
    biases: Array,
    stride: Pair = (1, 1),
    padding: tuple[Pair, Pair] = ((0, 0), (0, 0)),
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> Array:
    """Y[b,c,h,w] = Σ_{i,j,k} X[b,k,s·h+d·i-p,t·w+e·j-q] · W[c,k,i,j] + bias[c], one output position after another."""
    padded = np.pad(x, ((0, 0), (0, 0), *padding))
    reach = [d * (n - 1) + 1 for d, n in zip(dilation, filters.shape[2:], strict=True)]
    rows, columns = ((n - r) // s + 1 for n, r, s in zip(padded.shape[2:], reach, stride, strict=True))
    inputs, outputs = x.shape[1] // groups, len(filters) // groups
    y = np.zeros((len(x), len(filters), rows, columns), np.result_type(x, filters))
    for g in range(groups):
        k, c = slice(g * inputs, (g + 1) * inputs), slice(g * outputs, (g + 1) * outputs)
        for h in range(rows):
            for w in range(columns):
                top, left = h * stride[0], w * stride[1]
                seen = padded[:, k, top : top + reach[0] : dilation[0], left : left + reach[1] : dilation[1]]
                y[:, c, h, w] = np.einsum("bkij,ckij->bc", seen, filters[c]) + biases[c]
    return y
