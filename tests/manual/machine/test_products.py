"""Products in pieces: the same sums, whatever the pieces, the leading axes and the layout."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from manual.machine import products, threads

Array = np.ndarray


def forget() -> None:
    for cached in (products.in_place, products.width_of, products.height_of):
        cached.cache_clear()


@pytest.fixture(autouse=True)
def kernels_that_read_in_place(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As on a machine that has them."""
    forget()
    monkeypatch.setattr(threads, "blas", lambda: [{"architecture": products.IN_PLACE[0]}])
    yield
    forget()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of shapes that a test can afford."""
    monkeypatch.setattr(products, "PRODUCT", 300)
    monkeypatch.setattr(products, "OUTPUTS", 40)
    monkeypatch.setattr(products, "NARROWEST", 8)
    monkeypatch.setattr(products, "WIDTHS", (7, 4, 3, 2))
    monkeypatch.setattr(products, "HEIGHTS", ((5, 3), (3, 2), (2, 1)))


def factors(rng: np.random.Generator, dtype: Any) -> tuple[Array, Array, Array]:
    """Left, right, and a result with room beside it.

    Integers, so that every order of a sum gives the same bits; leading axes that broadcast, as engines have them.
    """
    rows, inner, columns, images, groups = (int(n) for n in rng.integers(1, 12, 5))
    shapes = ((groups, rows, inner), (images, groups, inner, columns), (images, groups, rows, columns))
    if rng.random() < 0.5:
        shapes = (shapes[0][1:], shapes[1][2:], shapes[2][2:])
    left, right, wide = (rng.integers(-9, 10, (*shape[:-1], shape[-1] + 3)).astype(dtype) for shape in shapes)
    return (
        left[..., :inner],
        right[..., :columns],
        wide[..., :columns],
    )  # rows that are further apart than they are long


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_pieces_are_the_product(dtype: type) -> None:
    rng = np.random.default_rng(0)
    cut = set()
    for _ in range(300):
        left, right, wide = factors(rng, dtype)
        size = (left.shape[-2], left.shape[-1], right.shape[-1])
        out, beside = wide[..., : size[2]], wide[..., size[2] :].copy()
        products.by_columns(left, right, out)
        np.testing.assert_array_equal(out, np.matmul(left, right))
        np.testing.assert_array_equal(wide[..., size[2] :], beside)
        turned = np.ascontiguousarray(right.swapaxes(-1, -2)).swapaxes(-1, -2)
        full = np.full(out.shape, np.nan, dtype)
        products.by_rows(np.broadcast_to(left, (*turned.shape[:-2], *left.shape[-2:])), turned, full)
        np.testing.assert_array_equal(full, out)
        cut |= {("columns", products.width_of(*size, out.itemsize) > 0), ("rows", products.height_of(*size) > 0)}
    assert len(cut) == 4  # cut and whole, of both


@pytest.mark.parametrize("itemsize", [4, 8])
def test_a_piece_is_within_what_is_read_in_place(itemsize: int) -> None:
    rng = np.random.default_rng(1)
    widths, heights = set(), set()
    for _ in range(2000):
        rows, inner, columns = (int(n) for n in np.exp(rng.uniform(0, 8, 3)).astype(int) + 1)
        if width := products.width_of(rows, inner, columns, itemsize):
            assert width < columns
            assert rows * inner * width <= products.PRODUCT
            assert inner <= products.TERMS
            assert max(rows, inner) * columns * itemsize <= products.CACHED
        if height := products.height_of(rows, inner, columns):
            assert height < rows
            assert height * inner * columns <= products.PRODUCT
            assert height * columns <= products.OUTPUTS
        widths.add(width)
        heights.add(height)
    assert {0, 64, 256} <= widths
    assert {0, 4, 32} <= heights


@pytest.mark.parametrize("architectures", [[], ["Haswell"], ["SkylakeX", "Haswell"], [None]])
def test_nothing_is_cut_for_kernels_that_copy(architectures: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    assert products.width_of(32, 289, 1024, 4)
    assert products.height_of(144, 1024, 16)
    forget()
    monkeypatch.setattr(threads, "blas", lambda: [{"architecture": one} for one in architectures])
    assert not products.width_of(32, 289, 1024, 4)
    assert not products.height_of(144, 1024, 16)
