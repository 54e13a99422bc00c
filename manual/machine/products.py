"""Matrix products cut into pieces that BLAS multiplies where they lie.

Before it multiplies, BLAS copies both matrices into blocks that suit its kernel; for a product of few rows that is a
third of the time and more. For small products OpenBLAS has kernels for AVX-512 that read the matrices where they lie:
up to `PRODUCT` multiplications, or, if the right one is transposed, up to `OUTPUTS` numbers in the result as well. So a
larger product is cut into such pieces, of which one call of NumPy does all:

    A · B = [A·B₁  A·B₂  ...], columns of B                                     (1)
    A · Bᵀ = [A₁·Bᵀ; A₂·Bᵀ; ...], rows of A                                     (2)

Sums stay whole. Measured on one thread, in GF/s of float32 (float64): 16×145 times 145×1024, 45 to 93 (39 to 54);
32×289 times 289×1024, 66 to 92 (48 to 57); 64×64 times 64×3136, 89 to 101 (49 to 56); 144×1024 times (16×1024)ᵀ, 59 to
74 (29 to 48). Pieces jump through what they read and write, which has to stay in cache: 24→144 channels on 56×56 in
float64 take 1.3 times as long, so there nothing is cut. Nor is it under other kernels, which copy A for each piece.

Letters: A left factor; B right factor, or transposed the right one.
"""

from functools import lru_cache

import numpy as np

from manual.machine import threads

Array = np.ndarray

PRODUCT = 1_000_000  # multiplications
TERMS = 1024  # of a sum, beyond which a kernel that adds one by one rounds twice as much as one that adds in blocks
OUTPUTS = 1200
IN_PLACE = ("SkylakeX", "Cooperlake", "SapphireRapids")  # OpenBLAS's names of the kernels that have them
WIDTHS = (256, 192, 128, 96, 64, 48, 32, 16)  # of a piece of B
NARROWEST = 128  # bytes of a piece's row
CACHED = 2**21  # bytes of B, or of the result, which pieces do not go through in order
HEIGHTS = ((32, 192), (24, 192), (16, 192), (12, 192), (8, 192), (4, 512))  # of a piece of A, and how long its sums are


@lru_cache(1)
def in_place() -> bool:
    """Whether every BLAS of this process has such kernels."""
    libraries = threads.blas()
    return bool(libraries) and all(one["architecture"] in IN_PLACE for one in libraries)


@lru_cache(4096)
def width_of(rows: int, inner: int, columns: int, itemsize: int) -> int:
    """Columns of the pieces of (1), or 0 if there is nothing to gain."""
    if inner > TERMS or max(rows, inner) * columns * itemsize > CACHED or not in_place():
        return 0
    most = min(columns - 1, PRODUCT // (rows * inner))
    return next((width for width in WIDTHS if width * itemsize >= NARROWEST and width <= most), 0)


@lru_cache(4096)
def height_of(rows: int, inner: int, columns: int) -> int:
    """Rows of the pieces of (2), or 0."""
    if not in_place():
        return 0
    most = min(OUTPUTS // columns, PRODUCT // max(inner * columns, 1), rows - 1)
    return next((height for height, least in HEIGHTS if height <= most and inner >= least), 0)


def by_columns(left: Array, right: Array, out: Array) -> None:
    """out = left @ right, as (1); any leading axes, as of np.matmul."""
    (rows, inner), columns = left.shape[-2:], right.shape[-1]
    if rows * inner * columns <= PRODUCT or not (width := width_of(rows, inner, columns, right.itemsize)):
        np.matmul(left, right, out=out)
        return
    number = columns // width
    whole = number * width
    pieces, to = (
        array[..., :whole].reshape(*array.shape[:-1], number, width).swapaxes(-3, -2) for array in (right, out)
    )
    np.matmul(left[..., None, :, :], pieces, out=to)  # (1)
    if whole < columns:
        np.matmul(left, right[..., whole:], out=out[..., whole:])


def by_rows(left: Array, right: Array, out: Array) -> None:
    """out = left @ right, as (2), where right is a transposed view."""
    (rows, inner), columns = left.shape[-2:], right.shape[-1]
    if rows * columns <= OUTPUTS and rows * inner * columns <= PRODUCT:
        np.matmul(left, right, out=out)
        return
    if not (height := height_of(rows, inner, columns)):
        np.matmul(left, right, out=out)
        return
    number = rows // height
    whole = number * height
    pieces, to = (
        array[..., :whole, :].reshape(*array.shape[:-2], number, height, array.shape[-1]) for array in (left, out)
    )
    np.matmul(pieces, right[..., None, :, :], out=to)  # (2)
    if whole < rows:
        np.matmul(left[..., whole:, :], right, out=out[..., whole:, :])
