"""Tiles of a padded image, and tiles added back: the moves of `winograd` and `transform` against ten lines each."""

from typing import Any

import numpy as np
import pytest

from manual.kernels import transform_tiles, winograd_tiles
from manual.kernels.geometry import Geometry
from manual.machine.plans import Plan
from tests.manual.kernels.geometries import cropped, drawn, padded

Array = np.ndarray
Pair = tuple[int, int]
Rng = np.random.Generator


def taken(x: Array, geometry: Geometry, step: Pair, side: Pair, number: Pair) -> Array:
    """Tiles of `side` of the padded x, every `step`: (rows, columns, images, tile rows, tile columns, channels)."""
    (m, p), (n, o) = step, side
    room = ((0, 0), (0, 0), (0, number[0] * m + n), (0, number[1] * p + o))
    whole = np.pad(padded(x, geometry), room)  # zeros beyond the image
    tiles = np.zeros((n, o, len(x), *number, x.shape[1]))
    for row, column in np.ndindex(number):
        tile = whole[:, :, row * m : row * m + n, column * p : column * p + o]
        tiles[:, :, :, row, column] = tile.transpose(2, 3, 0, 1)
    return tiles


def added(tiles: Array, geometry: Geometry, step: Pair) -> Array:
    """The adjoint of `taken`: every tile added at its place of the padded image, and the padding cropped."""
    (m, p), (n, o, images, down, across, channels) = step, tiles.shape
    height, width = geometry.padded
    whole = np.zeros((images, channels, max(height, down * m + n), max(width, across * p + o)))
    for row, column in np.ndindex(down, across):
        tile = tiles[:, :, :, row, column].transpose(2, 3, 0, 1)
        whole[:, :, row * m : row * m + n, column * p : column * p + o] += tile
    return cropped(whole, geometry)


def integers(rng: Rng, *shape: int) -> Array:
    return rng.integers(-4, 5, shape).astype(float)


def cut(rng: Rng, down: int) -> tuple[int, list[tuple[int, int]]]:
    """Some tile rows at a time: how many at most, and (first, number) of every block."""
    most = int(rng.integers(1, down + 1))
    return most, [(start, min(most, down - start)) for start in range(0, down, most)]


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("step", [(2, 2), (4, 2), (4, 4)], ids=str)
def test_winograds_tiles(step: Pair, seed: int) -> None:
    rng = np.random.default_rng(seed)
    geometry = drawn(rng, plain=True, kernel=(3, 3))
    side = (step[0] + 2, step[1] + 2)
    down, across = (-(-size // by) for size, by in zip(geometry.positions, step, strict=True))
    most, blocks = cut(rng, down)
    tiles = winograd_tiles.Tiles(Plan(np.float64), geometry, step, geometry.batch, most)
    x, grad_x = integers(rng, *geometry.input_shape), np.full(geometry.input_shape, np.nan)
    wanted = taken(x, geometry, step, side, (down, across))
    given = integers(rng, *side, geometry.batch, down, across, geometry.inputs)
    for first, rows in blocks:
        block = winograd_tiles.Block(slice(0, geometry.batch), first, rows)
        found = tiles.gather_input(x, block)
        np.testing.assert_array_equal(found, wanted[:, :, :, first : first + rows].reshape(found.shape))
    for first, rows in blocks:
        block = winograd_tiles.Block(slice(0, geometry.batch), first, rows)
        to = tiles.input_planes(block)
        to[...] = given[:, :, :, first : first + rows].reshape(to.shape)
        tiles.put_input(grad_x, block)
    np.testing.assert_array_equal(grad_x, reached(added(given, geometry, step), grad_x))


def reached(truth: Array, computed: Array) -> Array:
    """Every entry of the input is in some tile: none was left as it was."""
    assert not np.isnan(computed).any()
    return truth


@pytest.mark.parametrize("longest", [8, transform_tiles.LONGEST])
@pytest.mark.parametrize("seed", range(60))
def test_the_transforms_tiles(seed: int, longest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transform_tiles, "LONGEST", longest)
    transform_tiles.tiling.cache_clear()
    rng = np.random.default_rng(seed)
    geometry = drawn(rng, plain=True)
    cutting = transform_tiles.tiling(geometry)
    side, step, (down, across) = cutting.side, cutting.step, cutting.number
    most, blocks = cut(rng, down)
    tiles = transform_tiles.Tiles(Plan(np.float64), geometry, side, step, down, across, most)
    x, grad_x = integers(rng, *geometry.input_shape), np.full(geometry.input_shape, np.nan)
    wanted = taken(x, geometry, step, side, (down, across))
    given = integers(rng, *side, geometry.batch, down, across, geometry.inputs)
    for image in range(geometry.batch):
        for first, rows in blocks:
            block, at = transform_tiles.Block(image, first, rows), slice(first, first + rows)
            np.testing.assert_array_equal(tiles.gather_input(x, block), by_tile(wanted, image, at))
        for first, rows in blocks:
            block, at = transform_tiles.Block(image, first, rows), slice(first, first + rows)
            scratch = tiles.view(block, geometry.inputs, side)
            scratch[...] = by_tile(given, image, at)
            tiles.put_input(scratch, grad_x, block)
    np.testing.assert_array_equal(grad_x, reached(added(given, geometry, step), grad_x))
    transform_tiles.tiling.cache_clear()


def by_tile(tiles: Array, image: int, at: slice) -> Any:
    """Some tile rows of an image in the layout of `transform_tiles`: (n, tile rows, tile columns, channels, o)."""
    return tiles[:, :, image, at].transpose(0, 2, 3, 4, 1)


def test_the_two_definitions_are_adjoint() -> None:
    """⟨taken(X), T⟩ = ⟨X, added(T)⟩, exactly at integers."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        geometry = drawn(rng, plain=True, kernel=(3, 3))
        number = (-(-geometry.positions[0] // 4), -(-geometry.positions[1] // 2))
        x = integers(rng, *geometry.input_shape)
        tiles = taken(x, geometry, (4, 2), (6, 4), number)
        other = integers(rng, *tiles.shape)
        assert np.sum(tiles * other) == np.sum(x * added(other, geometry, (4, 2)))
