"""Images to train and to check on, each set as images (N, C, H, W) with one label per image.

The digits are those of the UCI optical-recognition set, shipped beside this file (digits.txt says
where they come from and on what terms). Their intensities 0..16 are divided by 16, a power of two:
every pixel is exact in float32 and in float64, and so is whatever a check adds to it in small
powers of two.
"""

from functools import cache
from importlib.resources import files
from operator import index
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray


class LabelledImages(NamedTuple):
    images: NDArray[np.floating[Any]]  # (N, C, H, W)
    labels: NDArray[np.int64]  # (N,)


def load_digits(*, dtype: DTypeLike = np.float64) -> LabelledImages:
    """Return the 1797 handwritten digits: images (1797, 1, 8, 8) from 0 to 1, labels 0 to 9.

    The order is the source's, in which the images of one writer stand together. Every call returns
    arrays of its own. Raises TypeError for a dtype other than float32 and float64.
    """
    dtype = np.dtype(dtype)
    if dtype not in (np.float32, np.float64):
        raise TypeError(f"dtype must be float32 or float64, not {dtype}")
    intensities, labels = _packed_digits()
    return LabelledImages(intensities[:, None].astype(dtype) / dtype.type(16), labels.copy())


def train_test_split(
    data: LabelledImages, test_size: int, *, rng: np.random.Generator | int | None = None
) -> tuple[LabelledImages, LabelledImages]:
    """Split the images into a training set and a test set of `test_size`, which share none.

    Without `rng` the last images are the test set and both sets keep their order, which for the
    digits keeps all writers apart but the one at the cut. With a generator or a seed the images are
    shuffled first. Both sets are copies. Raises ValueError where one of them would be empty,
    TypeError for a size that is not an integer.
    """
    if isinstance(test_size, bool):
        raise TypeError("test_size must be an integer, not a bool")
    count, test_size = len(data.labels), index(test_size)
    if not 0 < test_size < count:
        raise ValueError(
            f"test_size must be from 1 to {count - 1} of {count} images, not {test_size}"
        )
    order = np.arange(count) if rng is None else np.random.default_rng(rng).permutation(count)
    train, test = order[:-test_size], order[-test_size:]
    return (
        LabelledImages(data.images[train], data.labels[train]),
        LabelledImages(data.images[test], data.labels[test]),
    )


@cache
def _packed_digits() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    with (files("manual") / "digits.npz").open("rb") as file, np.load(file) as archive:
        return archive["images"], archive["labels"].astype(np.int64)
