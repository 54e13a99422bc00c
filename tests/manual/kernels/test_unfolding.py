"""Unfolding and folding against their equation (1), one entry of the columns at a time."""

from typing import Any

import numpy as np
import pytest

from manual.kernels import folding, unfolding
from manual.kernels.geometry import Geometry
from manual.machine.plans import Plan
from tests.manual.kernels.geometries import cropped, drawn, padded

Array = np.ndarray
Rng = np.random.Generator


def columns(x: Array, geometry: Geometry) -> Array:
    """cols[(k,i,j), (h,w)] = X[k, s·h+d·i, t·w+e·j], as (images, groups, taps, positions)."""
    (s, t), (d, e), whole = geometry.stride, geometry.dilation, padded(x, geometry)
    cols = np.zeros((*x.shape[:2], *geometry.kernel, *geometry.positions))
    for i, j, h, w in np.ndindex(cols.shape[2:]):
        cols[:, :, i, j, h, w] = whole[:, :, s * h + d * i, t * w + e * j]
    return cols.reshape(len(x), geometry.groups, geometry.taps, -1)


def image(cols: Array, geometry: Geometry) -> Array:
    """X̄[k, m, n] = the sum of D[(k,i,j), (h,w)] wherever s·h+d·i = m and t·w+e·j = n, without the padding."""
    (s, t), (d, e) = geometry.stride, geometry.dilation
    entries = cols.reshape(len(cols), -1, *geometry.kernel, *geometry.positions)
    whole = np.zeros((*entries.shape[:2], *geometry.padded))
    for i, j, h, w in np.ndindex(entries.shape[2:]):
        whole[:, :, s * h + d * i, t * w + e * j] += entries[:, :, i, j, h, w]
    return cropped(whole, geometry)


def integers(rng: Rng, *shape: int) -> Array:
    return rng.integers(-4, 5, shape).astype(float)


@pytest.mark.parametrize("copies", [0, unfolding.COPIES], ids=["one copy", "a copy per column"])
@pytest.mark.parametrize("seed", range(60))
def test_unfolding_is_its_definition(seed: int, copies: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In blocks of any number of rows, for as many images as there is room for or fewer, twice with other images."""
    monkeypatch.setattr(unfolding, "COPIES", copies)
    rng = np.random.default_rng(seed)
    geometry = drawn(rng, plain=seed % 2 == 0)
    rows, room, ones = int(rng.integers(1, geometry.positions[0] + 1)), geometry.batch, bool(rng.integers(2))
    made = unfolding.Unfolding(Plan(np.float64), geometry, room, rows, ones=ones)
    for number in (room, int(rng.integers(1, room + 1))):
        x = integers(rng, number, *geometry.input_shape[1:])
        wanted = columns(x, geometry)
        made.load(x)
        for block in made.blocks:
            cols = made.fill(block, number)
            np.testing.assert_array_equal(cols[:, :, : geometry.taps], wanted[..., block.places])
            assert (cols[:, :, geometry.taps :] == 1).all()
            assert cols.shape[2] == geometry.taps + ones
    assert [block.places.stop for block in made.blocks][-1] == wanted.shape[-1]


@pytest.mark.parametrize("seed", range(120))
def test_folding_is_its_definition(seed: int) -> None:
    """Of D = weights · G, at integers; what the blocks before left behind is carried or cleared."""
    rng = np.random.default_rng(seed)
    geometry = drawn(rng, plain=seed % 2 == 0)
    output_rows = geometry.positions[0]
    rows = output_rows if seed % 3 == 0 else int(rng.integers(1, output_rows + 1))
    made: Any = folding.folding(Plan(np.float64), geometry, geometry.batch, rows)
    for number in (geometry.batch, int(rng.integers(1, geometry.batch + 1))):
        g = integers(rng, number, *geometry.output_shape[1:])
        weights = integers(rng, geometry.groups, geometry.taps, geometry.outputs)
        grad_x = np.full((number, *geometry.input_shape[1:]), np.nan if made.covers else 0.0)
        for block in range(-(-output_rows // rows)):
            made.fold(block, g, weights, grad_x)
        grad_cols = weights @ g.reshape(number, geometry.groups, geometry.outputs, -1)
        np.testing.assert_array_equal(grad_x, image(grad_cols, geometry))


def test_the_two_definitions_are_adjoint() -> None:
    """⟨columns(X), D⟩ = ⟨X, image(D)⟩, exactly at integers."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        geometry = drawn(rng)
        x = integers(rng, *geometry.input_shape)
        cols = columns(x, geometry)
        d = integers(rng, *cols.shape)
        assert np.sum(cols * d) == np.sum(x * image(d, geometry))


def test_both_ways_of_unfolding_and_of_folding_are_reached() -> None:
    """The draws above have flat images and split ones, and both kinds of folding."""
    rng = np.random.default_rng(0)
    seen = set()
    for number in range(60):
        geometry = drawn(rng, plain=number % 2 == 0)
        rows = geometry.positions[0]
        flat = unfolding.Unfolding(Plan(np.float64), geometry, 1, rows, ones=False).flat
        seen |= {flat, type(folding.folding(Plan(np.float64), geometry, 1, rows))}
    assert seen == {True, False, folding.Folding, folding.FlatFolding}
