"""Images to train and to check on, each set as images (N, C, H, W) with one label per image.

The patterns are drawn: every image shows one pattern, in a place, size or phase of its own, so that telling them apart
takes what a convolution is good at. The lines differ in direction only, the rest in texture and shape.

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

from manual import checks

# A pattern's place in this list is its label.
PATTERNS = ("horizontal lines", "vertical lines", "diagonal lines", "checkerboard", "blob", "ring")
SMALLEST_IMAGE = 6  # pixels a side: below it a ring is a blob, and three lines fill the image


class LabelledImages(NamedTuple):
    """Images and the class of each."""

    images: NDArray[np.floating[Any]]  # (N, C, H, W)
    labels: NDArray[np.int64]  # (N,)


def create_image_data(
    n_samples: int,
    image_size: int | tuple[int, int],
    n_classes: int = len(PATTERNS),
    *,
    noise: float = 0.1,
    rng: np.random.Generator | int | None = None,
    dtype: DTypeLike = np.float64,
) -> LabelledImages:
    """Draw images of the first `n_classes` of `PATTERNS`.

    Args:
        n_samples: how many; the classes come equally often, give or take one, in random order.
        image_size: H and W, or a (rows, columns) pair; at least 6.
        n_classes: 1 to 6.
        noise: the standard deviation of the normal noise on every pixel; the patterns themselves go from 0 to 1.
        rng: a Generator or a seed; the same seed draws the same images.
        dtype: of the images, float64 or float32.

    Returns:
        images (N, 1, H, W) and labels (N,) from 0 to n_classes - 1.

    Raises:
        ValueError: a number outside what is said above, or negative or infinite noise.
        TypeError: a size that is not an integer, or another dtype.
    """
    n_samples = checks.integer(n_samples, "n_samples", 1)
    rows, columns = checks.pair(image_size, "image_size", SMALLEST_IMAGE)
    n_classes = checks.integer(n_classes, "n_classes", 1)
    if n_classes > len(PATTERNS):
        raise ValueError(f"n_classes is {n_classes}; there are {len(PATTERNS)} patterns: {', '.join(PATTERNS)}")
    if not 0 <= noise < np.inf:
        raise ValueError(f"noise is {noise}; it must be a standard deviation, 0 or more")
    dtype = checks.precision(dtype)
    rng = np.random.default_rng(rng)
    labels = rng.permutation(np.arange(n_samples) % n_classes)
    h, w = np.arange(rows)[:, None], np.arange(columns)  # broadcast against each other to (H, W)
    images = np.stack([draw(int(label), h, w, rng) for label in labels])[:, None]
    return LabelledImages((images + noise * rng.standard_normal(images.shape)).astype(dtype), labels)


def draw(label: int, h: NDArray[Any], w: NDArray[Any], rng: np.random.Generator) -> NDArray[np.float64]:
    """One clean image (H, W) from 0 to 1; h (H, 1) and w (1, W) are the pixels' positions."""
    size = min(h.size, w.size)
    if label <= 2:
        across = (h + 0 * w, w + 0 * h, h + w if rng.random() < 0.5 else h - w)[label]
        spacing = int(rng.integers(3, 5))  # pixels from line to line
        return ((across - rng.integers(spacing)) % spacing == 0).astype(np.float64)
    if label == 3:
        cell, (down, right) = int(rng.integers(1, 3)), rng.integers(4, size=2)
        return (((h + down) // cell + (w + right) // cell) % 2).astype(np.float64)
    radius = rng.uniform(0.25, 0.35) * size
    middle_h, middle_w = (rng.uniform(radius, n - 1 - radius) for n in (h.size, w.size))
    distance = np.hypot(h - middle_h, w - middle_w)
    if label == 4:
        return np.exp(-2 * (distance / radius) ** 2)
    return np.exp(-2 * (distance - radius) ** 2)


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
        raise ValueError(f"test_size must be from 1 to {count - 1} of {count} images, not {test_size}")
    order = np.arange(count) if rng is None else np.random.default_rng(rng).permutation(count)
    train, test = order[:-test_size], order[-test_size:]
    return (
        LabelledImages(data.images[train], data.labels[train]),
        LabelledImages(data.images[test], data.labels[test]),
    )


def shifted(images: NDArray[Any], rows: int, columns: int) -> NDArray[Any]:
    """The images (N, C, H, W) moved down by `rows` and right by `columns` pixels; what enters is 0, what leaves is
    lost.

    Raises ValueError for a shift by the whole image or more.
    """
    checks.rank(images, "images", "N C H W")
    height, width = images.shape[2:]
    if abs(rows) >= height or abs(columns) >= width:
        raise ValueError(f"a shift by ({rows}, {columns}) leaves nothing of images of {height} by {width} pixels")
    moved = np.zeros_like(images)
    to_h, from_h = overlap(rows, height)
    to_w, from_w = overlap(columns, width)
    moved[:, :, to_h, to_w] = images[:, :, from_h, from_w]
    return moved


def with_shifts(data: LabelledImages, pixels: int = 1) -> LabelledImages:
    """The images, and after them their copies moved by `pixels` up, down, left and right: five times as many.

    For training only: a test on copies of training images would say nothing.
    """
    n = checks.integer(pixels, "pixels", 1)
    moves = ((0, 0), (-n, 0), (n, 0), (0, -n), (0, n))
    images = np.concatenate([shifted(data.images, *move) for move in moves])
    return LabelledImages(images, np.tile(data.labels, len(moves)))


def overlap(shift: int, size: int) -> tuple[slice, slice]:
    """Where the part that stays goes to, and where it comes from, along one axis."""
    start, stop = max(shift, 0), size + min(shift, 0)
    return slice(start, stop), slice(start - shift, stop - shift)


@cache
def _packed_digits() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    with (files("manual") / "digits.npz").open("rb") as file, np.load(file) as archive:
        return archive["images"], archive["labels"].astype(np.int64)
