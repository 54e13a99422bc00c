"""The patterns are what their names say, repeat with their seed, and refuse sizes they cannot be drawn in."""

import numpy as np
import pytest

from manual.data import PATTERNS, create_image_data, load_digits, shifted


def clean(label: int, size: tuple[int, int] = (9, 11)) -> np.ndarray:
    images, labels = create_image_data(120, size, noise=0.0, rng=3)
    return images[labels == label, 0]


def test_shapes_labels_and_balance():
    images, labels = create_image_data(50, (7, 10), 4, rng=0)
    assert images.shape == (50, 1, 7, 10)
    assert labels.dtype == np.int64
    assert sorted(np.bincount(labels).tolist()) == [12, 12, 13, 13]


@pytest.mark.parametrize("n_classes", range(1, 7))
def test_every_number_of_classes(n_classes):
    assert set(create_image_data(12, 6, n_classes, rng=0).labels) == set(range(n_classes))


def test_horizontal_lines_are_constant_along_rows_and_vertical_ones_along_columns():
    assert np.ptp(clean(0), axis=2).max() == 0
    assert np.ptp(clean(1), axis=1).max() == 0
    assert np.ptp(clean(0), axis=1).min() == 1
    assert np.ptp(clean(1), axis=2).min() == 1


def test_diagonal_lines_are_constant_along_one_diagonal():
    for image in clean(2):
        down, up = image[1:, 1:] == image[:-1, :-1], image[1:, :-1] == image[:-1, 1:]
        assert down.all() != up.all()


def test_checkerboards_change_sign_from_cell_to_cell():
    for image in clean(3):
        cell = 1 if (image[:, 1:] != image[:, :-1]).all() else 2
        assert (image[cell:] == 1 - image[:-cell]).all()
        assert (image[:, cell:] == 1 - image[:, :-cell]).all()


def test_a_blob_is_bright_in_its_middle_and_a_ring_dark():
    h, w = np.arange(9)[:, None], np.arange(11)
    for label, sign in ((4, 1), (5, -1)):
        for image in clean(label):
            middle = round(np.average(h + 0 * w, weights=image)), round(np.average(w + 0 * h, weights=image))
            assert sign * (image[middle] - 0.5) > 0


def test_clean_patterns_go_from_0_to_1():
    images = create_image_data(60, 8, noise=0.0, rng=0).images
    assert 0 <= images.min() < 1e-3
    assert 0.8 < images.max() <= 1


def test_no_two_images_of_a_kind_are_all_alike():
    for label in range(len(PATTERNS)):
        assert len({image.tobytes() for image in clean(label)}) > 1


def test_noise_has_the_standard_deviation_that_was_asked_for():
    quiet, noisy = (create_image_data(200, 10, noise=noise, rng=5) for noise in (0.0, 0.3))
    np.testing.assert_array_equal(quiet.labels, noisy.labels)
    assert abs(np.std(noisy.images - quiet.images) - 0.3) < 0.01


def test_the_same_seed_gives_the_same_bits_and_another_seed_others():
    first, again, other = (create_image_data(20, 8, rng=seed) for seed in (1, 1, 2))
    assert first.images.tobytes() == again.images.tobytes()
    assert first.images.tobytes() != other.images.tobytes()


def test_float32():
    assert create_image_data(3, 8, rng=0, dtype=np.float32).images.dtype == np.float32


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"n_samples": 0}, ValueError, "n_samples is 0; it must be at least 1"),
        ({"image_size": 5}, ValueError, "image_size is 5; it must be at least 6"),
        ({"image_size": (8, 3)}, ValueError, "columns of image_size is 3; it must be at least 6"),
        ({"n_classes": 7}, ValueError, "n_classes is 7; there are 6 patterns: horizontal lines"),
        ({"n_classes": 0}, ValueError, "n_classes is 0"),
        ({"noise": -0.1}, ValueError, "noise is -0.1"),
        ({"noise": float("nan")}, ValueError, "noise is nan"),
        ({"n_samples": 2.5}, TypeError, "n_samples must be an integer"),
        ({"dtype": np.int64}, TypeError, "float32 or float64"),
    ],
)
def test_bad_arguments_are_refused_in_words(arguments, error, words):
    with pytest.raises(error, match=words):
        create_image_data(**{"n_samples": 4, "image_size": 8, "rng": 0, **arguments})


@pytest.mark.parametrize(("rows", "columns"), [(0, 0), (1, 0), (-2, 0), (0, 3), (2, -1), (-1, -2)])
def test_shifted_moves_every_pixel_and_fills_with_zeros(rows, columns):
    images = np.arange(1, 2 * 5 * 7 + 1.0).reshape(2, 1, 5, 7)
    moved = shifted(images, rows, columns)
    for h in range(5):
        for w in range(7):
            inside = 0 <= h - rows < 5 and 0 <= w - columns < 7
            expected = images[:, :, h - rows, w - columns] if inside else 0
            np.testing.assert_array_equal(moved[:, :, h, w], expected)


def test_a_shift_by_the_whole_image_is_refused():
    with pytest.raises(ValueError, match="leaves nothing of images of 8 by 8 pixels"):
        shifted(load_digits().images[:2], 8, 0)
