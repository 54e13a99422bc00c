"""The digits are the source's, exact in either dtype, and no caller can change them."""

import hashlib
import re
from importlib.resources import files

import numpy as np
import pytest

from manual.data import LabelledImages, load_digits, train_test_split

# The source's own list of how often each digit, 0 to 9, occurs in its test set.
OCCURRENCES = [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def indexed(count: int) -> LabelledImages:
    """Images that each show their own position, so that a mix-up shows."""
    positions = np.arange(count)
    return LabelledImages(positions.astype(float).reshape(-1, 1, 1, 1), positions)


def test_digits_are_those_of_the_documented_checksums():
    documented = re.findall(r"sha256 (\w+) ([0-9a-f]{64})", (files("manual") / "digits.txt").read_text("utf-8"))
    images, labels = load_digits()
    packed = {"images": (images[:, 0] * 16).astype(np.uint8), "labels": labels.astype(np.uint8)}
    assert dict(documented) == {name: hashlib.sha256(array.tobytes()).hexdigest() for name, array in packed.items()}


def test_digits_occur_as_often_as_the_source_says():
    images, labels = load_digits()
    assert images.shape == (1797, 1, 8, 8)
    assert labels.dtype == np.int64
    assert np.bincount(labels).tolist() == OCCURRENCES


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_pixels_are_sixteenths_from_0_to_1(dtype):
    images, _ = load_digits(dtype=dtype)
    assert images.dtype == dtype
    assert sorted(set((images * 16).ravel().tolist())) == list(range(17))


def test_float32_and_float64_pixels_are_equal():
    np.testing.assert_array_equal(load_digits(dtype=np.float32).images, load_digits(dtype=np.float64).images)


def test_other_dtypes_are_refused():
    with pytest.raises(TypeError, match="float32 or float64, not int64"):
        load_digits(dtype=np.int64)


def test_writing_to_the_digits_changes_no_later_call():
    first = load_digits()
    expected = load_digits()
    first.images[...] = -1
    first.labels[...] = -1
    for array, untouched in zip(load_digits(), expected, strict=True):
        np.testing.assert_array_equal(array, untouched)


@pytest.mark.parametrize("seed", [None, 3])
def test_split_keeps_every_image_once_and_with_its_label(seed):
    train, test = train_test_split(indexed(10), 3, rng=seed)
    assert (len(train.labels), len(test.labels)) == (7, 3)
    assert sorted([*train.labels, *test.labels]) == list(range(10))
    for images, labels in (train, test):
        np.testing.assert_array_equal(images[:, 0, 0, 0], labels)


def test_split_without_rng_takes_the_last_images():
    _, test = train_test_split(indexed(10), 3)
    assert test.labels.tolist() == [7, 8, 9]


def test_split_repeats_with_its_seed_and_changes_with_another():
    def labels(seed):
        return train_test_split(indexed(50), 20, rng=seed)[1].labels.tolist()

    assert labels(1) == labels(1)
    assert labels(1) != labels(2)


def test_split_copies():
    data = indexed(10)
    for part in train_test_split(data, 3):
        assert not np.shares_memory(part.images, data.images)
        assert not np.shares_memory(part.labels, data.labels)


@pytest.mark.parametrize("size", [0, 10, -1, 11])
def test_split_refuses_an_empty_part(size):
    with pytest.raises(ValueError, match=f"from 1 to 9 of 10 images, not {size}"):
        train_test_split(indexed(10), size)


@pytest.mark.parametrize("size", [2.0, True, "3"])
def test_split_refuses_a_size_that_is_no_integer(size):
    with pytest.raises(TypeError):
        train_test_split(indexed(10), size)
