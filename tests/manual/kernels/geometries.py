"""Small configurations of a convolution, drawn at random."""

import numpy as np

from manual.kernels.geometry import Geometry, describe

Rng = np.random.Generator


def drawn(rng: Rng, *, plain: bool = False, kernel: tuple[int, int] | None = None) -> Geometry:
    """Any that fits. `plain`: without stride and groups; `kernel`: windows of this size, without dilation too."""
    while True:
        groups = 1 if plain else int(rng.choice([1, 1, 2, 3]))
        inputs, outputs = (int(n) for n in rng.integers(1, 4, 2))
        window = kernel or tuple(int(n) for n in rng.integers(1, 5, 2))
        stride = (1, 1) if plain else tuple(int(n) for n in rng.choice([1, 1, 2, 3, 5], 2))
        dilation = (1, 1) if kernel else tuple(int(n) for n in rng.choice([1, 1, 2, 3], 2))
        (top, bottom), (left, right) = rng.integers(0, 4, (2, 2)) * rng.integers(0, 2)
        around = ((int(top), int(bottom)), (int(left), int(right)))
        x_shape = (int(rng.integers(1, 5)), groups * inputs, *(int(n) for n in rng.integers(1, 12, 2)))
        try:
            return describe(
                x_shape, (groups * outputs, inputs, *window), (groups * outputs,), stride, around, dilation, groups
            )
        except ValueError:  # the window does not fit
            continue


def padded(x: np.ndarray, geometry: Geometry) -> np.ndarray:
    return np.pad(x, ((0, 0), (0, 0), *geometry.padding))


def cropped(x: np.ndarray, geometry: Geometry) -> np.ndarray:
    """The reverse of `padded`, of an array that may be larger than the padded image."""
    ((top, _), (left, _)), (height, width) = geometry.padding, geometry.size
    return x[:, :, top : top + height, left : left + width]
