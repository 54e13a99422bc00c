"""Tiles of the image, a discrete Fourier transform of each, and one product per frequency: for large windows.

Cut the output into tiles of m rows and columns; a tile reads n = m + d·(K-1) of the padded input. Let F be the DFT of
n, F[f,v] = exp(-2π√-1·f·v/n), both axes transformed, and W̃ a filter with its taps at their offsets d·i, zeros
elsewhere, to length n. Correlation is a product of transforms, one of them conjugate; with X, Y and G short for a tile,

    V = F·X,  Ũ = conj(F·W̃),  M[f,c] = Σ_k V[f,k]·Ũ[f,k,c],  Y = F⁻¹·M,  first m rows and columns, plus bias         (1)

and cyclic only where h + d·i reaches n, which it does not for h < m. Everything is linear in X and in W. Transposed,
with G the tile's m×m of ∂L/∂Y and zeros to n, and G̃ = conj(F·G):

    ∂L/∂X = conj(F)⁻¹·( Σ_c G̃[f,c]·Ũ[f,k,c] ),  all n×n, tiles that overlap added up                  (2)
    ∂L/∂W̃ = F⁻¹·( Σ V[f,k]·G̃[f,c] over all tiles ),  read off at the offsets d·i                      (3)
    ∂L/∂bias[c] = Σ G[c] over all tiles, which is done image by image instead                         (4)

(2) is the convolution of G and W, whose spectrum is F·G·F·W̃; its conjugate is transformed back with conjugate
matrices, the result being real. (3) is the correlation of G and X as in (1).

A transform of a batch of tiles is a matrix product with F, at n around 32 faster than an FFT in NumPy. The input being
real, half of the columns' frequencies suffice. n is chosen per axis by counting multiplications, with m at least the
overlap, so that a tile overlaps its next neighbours only.

Not exact: where the definition gives an exact 0 this leaves a rest, and one infinite input or NaN spoils its whole tile
(backward, a non-finite number in G spoils the filter gradient too, as it does by the definition). An error bound,
normwise per tile: the spectrum of X_k is off by at most Δ_X = ε_X·‖X_k‖₁ + η_X at any frequency, that of a filter by
Δ_W likewise: ε from its two sums, η from underflow, which here as in `winograd` is multiplied by the other factor. By
Parseval the mean square of a spectrum is ‖X_k‖₂², by Cauchy-Schwarz the mean of |V|·|Ũ| at most ‖X_k‖₂·‖W_k‖₂, and
therefore anywhere in the tile, ŷ being what is computed of an entry y,

    |ŷ - y| ≤ Σ_k ( Δ_X·(‖W_k‖₂ + Δ_W) + ‖X_k‖₂·Δ_W + ε_P·(‖X_k‖₂ + Δ_X)·(‖W_k‖₂ + Δ_W) ) + η_P           (5)

to every order, with ε_P and η_P from the sum over channels and the way back. The gradients likewise, with G for W or X
for G. `transform_bounds.py` has ε and η.

Letters: X input; Y output; y an entry of it; W filters; G = ∂L/∂Y; L loss; c output channel; k input channel; h output
position; i position in the window; d dilation; K size of the window; m, n outputs and inputs of a tile; F the DFT; f
frequency; v position in a tile; V, U, M X, W and Y at the frequencies; Δ, ε, η absolute, relative and underflow's part
of an error; P what follows the products; a tilde marks what is conjugate or spread; a hat marks what is computed.
"""

from collections.abc import Callable
from functools import cache as remember
from typing import Any, NamedTuple

import numpy as np

from manual.kernels import transform_bounds
from manual.kernels.engine import Engine
from manual.kernels.geometry import Geometry, Pair
from manual.kernels.stages import Stages, groups
from manual.kernels.transform_tiles import Block, Tiles, tiling
from manual.machine import threads
from manual.machine.plans import Plan, cache

Array = np.ndarray

BLOCK = 2**20  # bytes of the real numbers in a block of tiles
GROUP = 16 * 2**20  # bytes of the spectra of a group of blocks
LARGEST = 40 * 2**20  # bytes of the spectra of the filters and a row of tiles, beyond which this is refused
PARALLEL = 4_000_000  # multiplications of the definition


# ---------------------------------------------------------------------- the matrices


class Matrices(NamedTuple):
    """The DFT of rows and of columns, and back; the columns' take and give real numbers, complex ones as pairs."""

    rows: Array  # (n, n) complex, symmetric
    columns: Array  # (n, 2·half) real: column to its half spectrum
    rows_back: Array  # (n, n) complex
    columns_back: Array  # (2·half, n) real


@remember
def matrices(side: Pair, dtype: Any, conjugate: bool) -> Matrices:
    """F and its inverse, or their conjugates."""
    sign = 1 if conjugate else -1
    real = np.dtype(dtype)
    pairs = np.dtype(np.complex64 if real == np.float32 else np.complex128)
    rows, columns = (np.exp(sign * 2j * np.pi / n * (np.outer(range(n), range(n)) % n)) for n in side)
    n, half = side[1], side[1] // 2 + 1
    # The other half are conjugates: a frequency stands for two, except 0 and, n being even, n/2.
    weight = np.full(half, 2.0)
    weight[0] = weight[-1] = 1.0
    back = (weight[:, None] / n) * columns[:half].conj()
    both = np.stack([back.real, -back.imag], axis=1).reshape(2 * half, n)
    return Matrices(
        rows.astype(pairs),
        np.ascontiguousarray(columns[:, :half], pairs).view(real),
        (rows.conj() / side[0]).astype(pairs),
        both.astype(real),
    )


# ---------------------------------------------------------------------- what both directions need


class Transform(Plan):
    """The tiling, the blocks, and the scratch."""

    def __init__(self, geometry: Geometry, dtype: Any, parts: int) -> None:
        super().__init__(dtype)
        self.geometry, self.tiling, self.parts = geometry, tiling(geometry), parts
        self.pairs = np.dtype(np.complex64 if self.dtype == np.float32 else np.complex128)
        (n, o), (down, across) = self.tiling.side, self.tiling.number
        self.half, self.frequencies = self.tiling.half, self.tiling.frequencies
        self.plain, self.conjugate = (matrices((n, o), self.dtype, flag) for flag in (False, True))
        k, c = geometry.inputs, geometry.outputs
        self.channels = max(k, c)
        most = max(1, BLOCK // (n * o * across * self.channels * self.dtype.itemsize))
        rows = -(-down // -(-down // min(down, most)))
        self.tiles = [Tiles(self, geometry, (n, o), self.tiling.step, down, across, rows) for _ in range(parts)]
        size = n * rows * across * self.channels * self.half
        self.half_way = [self.empty(size, dtype=self.pairs) for _ in range(parts)]
        self.spectra = [self.empty(size, dtype=self.pairs) for _ in range(parts)]
        images = [
            [Block(image, start, min(rows, down - start)) for start in range(0, down, rows)]
            for image in range(geometry.batch)
        ]
        of_tile = self.frequencies * (k + c) * self.pairs.itemsize
        self.groups = [
            self.stages(group) for group in groups(images, lambda block: block.rows * across * of_tile, GROUP, parts)
        ]
        most_tiles = max((group.tiles for group in self.groups), default=0)
        self.inputs = self.empty(self.frequencies * most_tiles * k, dtype=self.pairs)
        self.outputs = self.empty(self.frequencies * most_tiles * c, dtype=self.pairs)

    def stages(self, group: list[list[Block]]) -> Stages:
        """What a group does: backward, the blocks of an image in order."""
        return Stages(group, lambda block: block.rows * self.tiling.number[1], self.parts)

    def planes(self, buffer: Array, tiles: int, channels: int) -> Array:
        """(frequencies, tiles, channels) at the start of a buffer."""
        return buffer[: self.frequencies * tiles * channels].reshape(self.frequencies, tiles, channels)

    def transform(self, tiles: Array, by: Matrices, to: Array, part: int) -> None:
        """The spectra of tiles (rows, ..., channels, columns) into to (frequencies, tiles, channels)."""
        rows, *_, channels, columns = tiles.shape
        n, number = self.tiling.side[0], tiles.size // (rows * columns)
        half_way = self.half_way[part][: rows * number * self.half]
        np.matmul(
            tiles.reshape(rows * number, columns),
            by.columns[:columns],
            out=half_way.view(self.dtype).reshape(rows * number, 2 * self.half),
        )
        spectra = self.spectra[part][: n * number * self.half].reshape(n, number * self.half)
        np.matmul(by.rows[:, :rows], half_way.reshape(rows, number * self.half), out=spectra)
        by_tile = spectra.reshape(n, number // channels, channels, self.half)
        np.copyto(to.reshape(n, self.half, *to.shape[1:]), by_tile.transpose(0, 3, 1, 2))

    def transform_back(self, planes: Array, by: Matrices, size: Pair, part: int) -> Array:
        """The first rows and columns of the inverse of planes (frequencies, tiles, channels), in scratch."""
        n, (rows, columns) = self.tiling.side[0], size
        tiles, channels = planes.shape[1:]
        number = tiles * channels
        spectra = self.spectra[part][: n * number * self.half].reshape(n, tiles, channels, self.half)
        np.copyto(spectra, planes.reshape(n, self.half, tiles, channels).transpose(0, 2, 3, 1))
        half_way = self.half_way[part][: rows * number * self.half].reshape(rows, number * self.half)
        np.matmul(by.rows_back[:rows], spectra.reshape(n, number * self.half), out=half_way)
        across = self.tiling.number[1]
        block = Block(0, 0, tiles // across)
        out = self.tiles[part].view(block, channels, size)
        np.matmul(
            half_way.view(self.dtype).reshape(rows * number, 2 * self.half),
            by.columns_back[:, :columns],
            out=out.reshape(rows * number, columns),
        )
        return out

    def transform_filters(self, filters: Array) -> Array:
        """Ũ of (1), as (frequencies, k, c)."""
        c, k, taps_h, taps_w = filters.shape
        n, by = self.tiling.side[0], self.conjugate
        at_rows, at_columns = self.offsets()
        rows, columns = by.rows[:, at_rows], np.ascontiguousarray(by.columns[at_columns])
        transformed = np.empty((self.frequencies, k, c), self.pairs)
        to = transformed.reshape(n, self.half, k, c)

        def some(inputs: slice, part: int) -> None:
            taps = np.ascontiguousarray(filters[:, inputs].transpose(2, 1, 0, 3)).reshape(-1, taps_w)
            number = len(taps) // taps_h
            half_way, spectra = self.scratch(part, taps_h, n, number)
            np.matmul(taps, columns, out=half_way.view(self.dtype).reshape(-1, 2 * self.half))
            np.matmul(rows, half_way, out=spectra)
            by_channel = spectra.reshape(n, -1, c, self.half)
            np.copyto(to[:, :, inputs], by_channel.transpose(0, 3, 1, 2))

        self.by_inputs(some)
        return transformed

    def scratch(self, part: int, rows: int, n: int, number: int) -> tuple[Array, Array]:
        """Matrices for `number` filters' columns transformed, (rows, number·half), and both axes, (n, number·half)."""
        half_way = self.half_way[part][: rows * number * self.half].reshape(rows, number * self.half)
        return half_way, self.spectra[part][: n * number * self.half].reshape(n, number * self.half)

    def by_inputs(self, work: Callable[[slice, int], object]) -> None:
        """work(some input channels, part), as many at a time as the scratch holds the filters of."""
        shares = threads.share(self.geometry.inputs, self.parts)
        step = len(self.spectra[0]) // (self.tiling.side[0] * self.geometry.outputs * self.half)

        def part(number: int) -> None:
            for first in shares[number][::step]:
                work(slice(first, min(first + step, shares[number].stop)), number)

        threads.run(part, len(shares))

    def offsets(self) -> tuple[slice, slice]:
        """Where in a tile the taps of a filter are."""
        (d, e), (rows, columns) = self.geometry.dilation, self.geometry.reach
        return slice(0, rows + 1, d), slice(0, columns + 1, e)


class Forward(Transform):
    """Equation (1)."""

    def stages(self, group: list[list[Block]]) -> Stages:
        """Forward, every block by itself."""
        return super().stages([[block] for image in group for block in image])

    def run(self, x: Array, filters: Array, biases: Array) -> tuple[Array, Array]:
        transformed = self.transform_filters(filters)
        y = np.empty(self.geometry.output_shape, self.dtype)
        for group in self.groups:
            self.run_group(x, transformed, biases, y, group)
        return y, transformed

    def run_group(self, x: Array, transformed: Array, biases: Array, y: Array, group: Stages) -> None:
        inputs = self.planes(self.inputs, group.tiles, self.geometry.inputs)
        outputs = self.planes(self.outputs, group.tiles, self.geometry.outputs)

        def gather(block: Block, at: slice, part: int) -> None:
            self.transform(self.tiles[part].gather_input(x, block), self.plain, inputs[:, at], part)

        def multiply(some: slice) -> None:
            np.matmul(inputs[some], transformed[some], out=outputs[some])  # M of (1)

        def put(block: Block, at: slice, part: int) -> None:
            tiles = self.transform_back(outputs[:, at], self.plain, self.tiling.step, part)
            self.tiles[part].put_output(tiles, y, biases, block)

        group.by_block(gather)
        group.by_plane(self.frequencies, multiply)
        group.by_block(put)


class Backward(Transform):
    """Equations (2), (3) and (4)."""

    def __init__(self, geometry: Geometry, dtype: Any, parts: int) -> None:
        super().__init__(geometry, dtype, parts)
        self.sums = self.empty(self.frequencies * geometry.inputs * geometry.outputs, dtype=self.pairs)

    def run(self, g: Array, x: Array, filters: Array, transformed: Array) -> tuple[Array, Array, Array]:
        geometry = self.geometry
        grad_x = np.empty(geometry.input_shape, self.dtype)
        grad_filters = np.zeros(geometry.filters_shape, self.dtype)
        grad_biases = np.zeros((self.parts, geometry.outputs), self.dtype)
        for group in self.groups:
            sums = self.run_group(g, x, transformed, grad_x, grad_biases, group)
            self.add_filters(sums, grad_filters)
        return grad_x, grad_filters, grad_biases.sum(axis=0)

    def run_group(
        self, g: Array, x: Array, transformed: Array, grad_x: Array, grad_biases: Array, group: Stages
    ) -> Array:
        inputs = self.planes(self.inputs, group.tiles, self.geometry.inputs)
        outputs = self.planes(self.outputs, group.tiles, self.geometry.outputs)
        sums = self.sums.reshape(transformed.shape)

        def gather(block: Block, at: slice, part: int) -> None:
            tiles = self.tiles[part]
            self.transform(tiles.gather_input(x, block), self.plain, inputs[:, at], part)
            self.transform(tiles.gather_output(g, block), self.conjugate, outputs[:, at], part)
            if block.start == 0:
                grad_biases[part] += g[block.image].sum(axis=(1, 2))  # (4)

        def multiply(some: slice) -> None:
            np.matmul(inputs[some].swapaxes(1, 2), outputs[some], out=sums[some])  # (3)
            np.matmul(outputs[some], transformed[some].swapaxes(1, 2), out=inputs[some])  # (2)

        def put(block: Block, at: slice, part: int) -> None:
            tiles = self.transform_back(inputs[:, at], self.conjugate, self.tiling.side, part)
            self.tiles[part].put_input(tiles, grad_x, block)

        group.by_block(gather)
        group.by_plane(self.frequencies, multiply)
        group.by_block(put)
        return sums

    def add_filters(self, sums: Array, grad_filters: Array) -> None:
        """(3), from the frequencies."""
        c, k, taps_h, taps_w = grad_filters.shape
        n, by = self.tiling.side[0], self.plain
        at_rows, at_columns = self.offsets()
        rows, columns = by.rows_back[at_rows], np.ascontiguousarray(by.columns_back[:, at_columns])
        by_input = sums.reshape(n, self.half, k, c)

        def some(inputs: slice, part: int) -> None:
            number = (inputs.stop - inputs.start) * c
            half_way, spectra = self.scratch(part, taps_h, n, number)
            np.copyto(spectra.reshape(n, -1, c, self.half), by_input[:, :, inputs].transpose(0, 2, 3, 1))
            np.matmul(rows, spectra, out=half_way)
            taps = half_way.view(self.dtype).reshape(-1, 2 * self.half) @ columns
            grad_filters[:, inputs] += taps.reshape(taps_h, -1, c, taps_w).transpose(2, 1, 0, 3)

        self.by_inputs(some)


# ---------------------------------------------------------------------- the engine


def refusal(geometry: Geometry) -> str | None:
    if geometry.stride != (1, 1):
        return f"the stride is {geometry.stride}, not (1, 1)"
    if geometry.groups != 1:
        return f"there are {geometry.groups} groups, not 1"
    k, c, tiles = geometry.inputs, geometry.outputs, tiling(geometry)
    size = 16 * tiles.frequencies * (2 * k * c + tiles.number[1] * (k + c))
    if size > LARGEST:
        return f"the spectra of the filters and of a row of tiles take {size} bytes, more than {LARGEST}"
    return None


def parts_for(geometry: Geometry) -> int:
    return 1 if geometry.multiplications < PARALLEL else threads.num_threads()


def forward(x: Array, filters: Array, biases: Array, geometry: Geometry) -> tuple[Array, Array]:
    parts = parts_for(geometry)
    key = ("transform", "forward", geometry, x.dtype, parts)
    plan = cache.take(key, lambda: Forward(geometry, x.dtype, parts))
    y, transformed = plan.run(x, filters, biases)
    cache.give(key, plan)
    return y, transformed


def backward(
    g: Array, x: Array, filters: Array, geometry: Geometry, transformed: Array | None = None
) -> tuple[Array, Array, Array]:
    parts = parts_for(geometry)
    key = ("transform", "backward", geometry, x.dtype, parts)
    plan = cache.take(key, lambda: Backward(geometry, x.dtype, parts))
    if transformed is None:
        transformed = plan.transform_filters(filters)
    gradients = plan.run(g, x, filters, transformed)
    cache.give(key, plan)
    return gradients


ENGINE = Engine(
    "transform",
    exact=False,
    refusal=refusal,
    forward=forward,
    backward=backward,
    output_bound=transform_bounds.output_bound,
    gradient_bounds=transform_bounds.gradient_bounds,
)
