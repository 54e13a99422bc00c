"""Winograd's minimal filtering for 3×3 windows: F(2×2,3×3), F(4×2,3×3) and F(4×4,3×3), with 2.25, 3 and 4 times fewer
products.

One axis. Cut the output into tiles of m; a tile reads n = m + 2 inputs. With the matrices of `toom_cook.py`, and X, Y
and G short for a tile of them,

    Y = Aᵀ · ( (D·W) ⊙ (Bᵀ·X) )                                                 (1)

takes n products of transformed numbers, where the definition takes 3·m.

Two axes, tiles of m×p: each axis has its matrices, and on a flattened tile both act as a Kronecker product. With
A₂ = Aᵀ⊗Aᵀ, B₂ = Bᵀ⊗Bᵀ, D₂ = D⊗D (left factor for rows, right for columns), and for each of the n·o points a matrix
product over the input channels:

    V = B₂·X,  U = D₂·W,  M[c] = Σ_k U[c,k]·V[k],  Y[c] = A₂·M[c] + bias[c]           (2)

All of it is linear in X and in W, so the gradients are the transposed maps:

    M̄ = A₂ᵀ·G,  V̄[k] = Σ_c U[c,k]·M̄[c],  X̄ = B₂ᵀ·V̄,  tiles that overlap added up: ∂L/∂X           (3)
    Ū[c,k] = Σ M̄[c]·V[k] over all tiles,  ∂L/∂W = D₂ᵀ·Ū                           (4)
    ∂L/∂bias[c] = Σ G[c] over all tiles, which is done image by image instead       (5)

Layout: channels last, so that gathering tiles copies runs of channels. Every transform is one product with a Kronecker
matrix. Two schedules. If the transformed filters are small, each thread takes blocks of tile rows through all of (2),
in cache. If they are large, reading them once per block would dominate: then all tiles of a group of blocks are
transformed, the products shared out among the threads, and the results transformed back.

Not exact: results are sums of rounded sums; where the definition gives an exact 0 this leaves a rest, and one infinite
input spoils its whole tile. (F(2×2) at integers is exact as long as quarters of them fit the mantissa.) Rounding: each
of (2) is a sum of products, so an error is at most γ times (2) at absolute values, |A₂|·( (|D₂|·|W|) ⊙ (|B₂|·|X|) ), γ
for the lengths of the three sums and the rounding of D₂ added up. Likewise (3) and (4). Underflow: where B₂·X or D₂·W
falls below the normal numbers it loses up to the smallest of them, which the second stage multiplies by the other
factor: tiny images with huge filters are far less exact here than by the definition. `bounds.py`, (2), counts that.

Letters: X input; Y output; W filters; G = ∂L/∂Y; L loss; c output channel; k input channel; m outputs of a tile along
rows; p along columns; n inputs along rows; o along columns; A, B, D matrices of one axis; A₂, B₂, D₂ of both; V, U, M
X, W and Y at the points; γ growth of an error; a bar is the gradient of the loss there.

Source: S. Winograd, *Arithmetic Complexity of Computations*, 1980; A. Lavin and S. Gray, arXiv 1509.09308; the points:
B. Barabasz, A. Anderson, K. Soodhalter and D. Gregg, arXiv 1803.10986.
"""

from functools import partial
from typing import Any

import numpy as np

from manual.kernels import bounds
from manual.kernels.bounds import longest
from manual.kernels.engine import Engine
from manual.kernels.geometry import Geometry, Pair
from manual.kernels.stages import Stages, groups
from manual.kernels.toom_cook import transforms
from manual.kernels.winograd_tiles import Block, Tiles
from manual.machine import products, threads
from manual.machine.aliasing import PAD, without_aliasing
from manual.machine.plans import Plan, cache

Array = np.ndarray

BLOCK = 2**20  # bytes of the transformed input of a block
CACHED_FILTERS = 2 * 2**20  # bytes of transformed filters, up to which every block reads them again
GROUP = 20 * 2**20  # bytes of transformed inputs and outputs of a group of blocks
LARGEST = 40 * 2**20  # bytes of the transformed filters, beyond which this is refused
PARALLEL = 2_000_000  # multiplications of the definition


# ---------------------------------------------------------------------- what both directions need


class Winograd(Plan):
    """The blocks, who does which, and the scratch."""

    def __init__(self, geometry: Geometry, dtype: Any, step: Pair, parts: int, *, sizes: bool) -> None:
        super().__init__(dtype)
        self.geometry, self.step = geometry, step
        m, p = step
        self.points = (m + 2) * (p + 2)
        self.matrices = transforms(step, self.dtype, sizes)
        rows, columns = geometry.positions
        self.down, self.across = -(-rows // m), -(-columns // p)
        k, c, size = geometry.inputs, geometry.outputs, self.dtype.itemsize
        per_tile = self.points * max(k, c) * size
        self.by_planes = self.points * k * c * size > CACHED_FILTERS
        most = max(1, BLOCK // per_tile)  # tiles of a block
        tile_rows = max(1, min(self.down, most // self.across))
        tile_rows = -(-self.down // -(-self.down // tile_rows))
        images = 1
        if tile_rows == self.down:
            images = max(1, min(most // (self.down * self.across), -(-geometry.batch // parts)))
        whole = [range(n, min(n + images, geometry.batch)) for n in range(0, geometry.batch, images)]
        self.blocks = [
            [
                Block(slice(some.start, some.stop), start, min(tile_rows, self.down - start))
                for start in range(0, self.down, tile_rows)
            ]
            for some in whole
        ]  # by group of images
        self.largest = images * tile_rows * self.across
        self.parts = parts
        self.tiles = [Tiles(self, geometry, step, images, tile_rows) for _ in range(parts)]
        if self.by_planes:
            of_tile = self.points * (k + c) * size
            self.groups = groups(self.blocks, lambda block: block.tiles(self.across) * of_tile, GROUP, parts)
            most = max((sum(b.tiles(self.across) for bs in group for b in bs) for group in self.groups), default=0)
            self.all_inputs = self.room(most * k)
            self.all_outputs = self.room(most * c)
        else:
            self.inputs = [self.room(self.largest * k) for _ in range(parts)]
            self.outputs = [self.room(self.largest * c) for _ in range(parts)]

    def stages(self, group: list[list[Block]]) -> Stages:
        """What a group does: backward, the blocks of an image in order."""
        return Stages(group, lambda block: block.tiles(self.across), self.parts)

    def room(self, length: int) -> Array:
        """Scratch for planes of at most so many numbers."""
        return self.empty(self.points * (length + PAD))

    def planes(self, buffer: Array, rows: int, columns: int) -> Array:
        """(points, rows, columns) at the start of a buffer."""
        pitch = without_aliasing(rows * columns)
        planes = buffer[: self.points * pitch].reshape(self.points, pitch)[:, : rows * columns]
        return planes.reshape(self.points, rows, columns)

    def input_of(self, x: Array, block: Block, part: int, to: Array | None = None) -> Array:
        """V of (2) for a block, (points, tiles, k)."""
        if to is None:
            to = self.planes(self.inputs[part], block.tiles(self.across), self.geometry.inputs)
        gathered = self.tiles[part].gather_input(x, block)
        products.by_columns(self.matrices.input, gathered, to.reshape(self.points, -1))
        return to

    def transform_filters(self, filters: Array, *, turned: bool) -> Array:
        """U of (2), as (points, c, k), or `turned` as (points, k, c).

        A product whose right factor is stored transposed is slow in float32, so each direction has its own.
        """
        first, second, *_ = (filters := filters.swapaxes(0, 1) if turned else filters).shape
        transformed = self.planes(np.empty(self.points * (first * second + PAD), self.dtype), first, second)
        shares = threads.share(first, self.parts)

        def part(number: int) -> None:
            some = slice(shares[number].start, shares[number].stop)
            taps = filters[some].transpose(2, 3, 0, 1).reshape(9, -1)
            products.by_columns(self.matrices.filters, taps, transformed[:, some].reshape(self.points, -1))

        threads.run(part, len(shares))
        return transformed


class Forward(Winograd):
    """Equations (2)."""

    def stages(self, group: list[list[Block]]) -> Stages:
        """Forward, every block by itself."""
        return super().stages([[block] for image in group for block in image])

    def run(self, x: Array, filters: Array, biases: Array) -> tuple[Array, Array]:
        transformed = self.transform_filters(filters, turned=True)
        y = np.empty(self.geometry.output_shape, self.dtype)
        if self.by_planes:
            for group in self.groups:
                self.run_group(x, transformed, biases, y, group)
        else:
            blocks = [block for image in self.blocks for block in image]
            shares = [blocks[some.start : some.stop] for some in threads.share(len(blocks), self.parts)]

            def part(number: int) -> None:
                for block in shares[number]:
                    inputs = self.input_of(x, block, number)
                    outputs = self.planes(self.outputs[number], inputs.shape[1], self.geometry.outputs)
                    np.matmul(inputs, transformed, out=outputs)  # M of (2)
                    self.output_of(outputs, y, biases, block, number)

            threads.run(part, len(shares))
        return y, transformed

    def run_group(self, x: Array, transformed: Array, biases: Array, y: Array, group: list[list[Block]]) -> None:
        work = self.stages(group)
        inputs = self.planes(self.all_inputs, work.tiles, self.geometry.inputs)
        outputs = self.planes(self.all_outputs, work.tiles, self.geometry.outputs)
        work.by_block(lambda block, at, part: self.input_of(x, block, part, inputs[:, at]))
        work.by_plane(
            self.points, lambda some: np.matmul(inputs[some], transformed[some], out=outputs[some])
        )  # M of (2)
        work.by_block(lambda block, at, part: self.output_of(outputs[:, at], y, biases, block, part))

    def output_of(self, outputs: Array, y: Array, biases: Array, block: Block, part: int) -> None:
        """Y of (2)."""
        tiles = self.tiles[part]
        products.by_columns(self.matrices.output, outputs.reshape(self.points, -1), tiles.output_planes(block))
        tiles.put_output(y, biases, block)


class Backward(Winograd):
    """Equations (3), (4) and (5)."""

    def __init__(self, geometry: Geometry, dtype: Any, step: Pair, parts: int, *, sizes: bool) -> None:
        super().__init__(geometry, dtype, step, parts, sizes=sizes)
        shape = (geometry.outputs, geometry.inputs)
        self.ones = self.empty(geometry.positions[0] * geometry.positions[1])
        self.ones[...] = 1
        if self.by_planes:
            self.sums = [self.planes(self.room(shape[0] * shape[1]), *shape)]
        else:
            self.sums = [self.planes(self.room(shape[0] * shape[1]), *shape) for _ in range(parts)]
            self.products = [self.planes(self.room(shape[0] * shape[1]), *shape) for _ in range(parts)]

    def run(self, g: Array, x: Array, filters: Array, kept: Array | None) -> tuple[Array, Array, Array]:
        if kept is not None and self.by_planes:  # transforming large filters again costs more
            transformed = kept.swapaxes(1, 2)
        else:
            transformed = self.transform_filters(filters, turned=False)
        grad_x = np.empty(self.geometry.input_shape, self.dtype)
        grad_biases = np.zeros((self.parts, self.geometry.outputs), self.dtype)
        grad_filters = np.zeros(self.geometry.filters_shape, self.dtype)
        if self.by_planes:
            for group in self.groups:
                self.run_group(g, x, transformed, grad_x, grad_biases, group)
                self.add_filters(self.sums[0], grad_filters)
        elif self.blocks:
            shares = threads.share(len(self.blocks), self.parts)
            threads.run(partial(self.part, g, x, transformed, grad_x, grad_biases, shares), len(shares))
            for sums in self.sums[1 : len(shares)]:
                np.add(self.sums[0], sums, out=self.sums[0])
            self.add_filters(self.sums[0], grad_filters)
        return grad_x, grad_filters, grad_biases.sum(axis=0)

    def part(
        self,
        g: Array,
        x: Array,
        transformed: Array,
        grad_x: Array,
        grad_biases: Array,
        shares: list[range],
        part: int,
    ) -> None:
        sums, started = self.sums[part], False
        for image in shares[part]:
            for block in self.blocks[image]:
                inputs = self.input_of(x, block, part)
                outputs = self.planes(self.outputs[part], inputs.shape[1], self.geometry.outputs)
                self.adjoint_output_of(g, outputs, grad_biases, block, part)
                np.matmul(outputs.swapaxes(1, 2), inputs, out=self.products[part] if started else sums)  # Ū of (4)
                if started:
                    np.add(sums, self.products[part], out=sums)
                started = True
                np.matmul(outputs, transformed, out=inputs)  # V̄ of (3)
                self.adjoint_input_of(inputs, grad_x, block, part)

    def run_group(
        self,
        g: Array,
        x: Array,
        transformed: Array,
        grad_x: Array,
        grad_biases: Array,
        group: list[list[Block]],
    ) -> None:
        work, sums = self.stages(group), self.sums[0]
        inputs = self.planes(self.all_inputs, work.tiles, self.geometry.inputs)
        outputs = self.planes(self.all_outputs, work.tiles, self.geometry.outputs)

        def gather(block: Block, at: slice, part: int) -> None:
            self.input_of(x, block, part, inputs[:, at])
            self.adjoint_output_of(g, outputs[:, at], grad_biases, block, part)

        def multiply(some: slice) -> None:
            np.matmul(outputs[some].swapaxes(1, 2), inputs[some], out=sums[some])  # Ū of (4)
            np.matmul(outputs[some], transformed[some], out=inputs[some])  # V̄ of (3)

        work.by_block(gather)
        work.by_plane(self.points, multiply)
        work.by_block(lambda block, at, part: self.adjoint_input_of(inputs[:, at], grad_x, block, part))

    def adjoint_output_of(self, g: Array, outputs: Array, grad_biases: Array, block: Block, part: int) -> None:
        """M̄ of (3), and (5) once per image."""
        tiles = self.tiles[part]
        flat = outputs.reshape(self.points, -1)
        products.by_columns(self.matrices.output.T, tiles.gather_output(g, block), flat)
        if block.start == 0:
            images = np.ascontiguousarray(g[block.images])
            by_image = images.reshape(*images.shape[:2], -1) @ self.ones
            grad_biases[part] += np.add.reduce(by_image, axis=0)  # (5)

    def adjoint_input_of(self, inputs: Array, grad_x: Array, block: Block, part: int) -> None:
        """X̄ of (3), added up."""
        tiles = self.tiles[part]
        products.by_columns(self.matrices.input.T, inputs.reshape(self.points, -1), tiles.input_planes(block))
        tiles.put_input(grad_x, block)

    def add_filters(self, sums: Array, grad_filters: Array) -> None:
        """∂L/∂W of (4)."""
        shares = threads.share(self.geometry.outputs, self.parts)

        def part(number: int) -> None:
            some = slice(shares[number].start, shares[number].stop)
            to = grad_filters[some].reshape(-1, 9)
            np.add(to, sums[:, some].reshape(self.points, -1).T @ self.matrices.filters, out=to)

        threads.run(part, len(shares))


# ---------------------------------------------------------------------- the engines


def refusal(step: Pair, geometry: Geometry) -> str | None:
    if geometry.kernel != (3, 3):
        return f"the kernel is {geometry.kernel}, not (3, 3)"
    for name, value in (("stride", geometry.stride), ("dilation", geometry.dilation)):
        if value != (1, 1):
            return f"the {name} is {value}, not (1, 1)"
    if geometry.groups != 1:
        return f"there are {geometry.groups} groups, not 1"
    size = 8 * (step[0] + 2) * (step[1] + 2) * geometry.inputs * geometry.outputs
    if size > LARGEST:
        return f"the transformed filters take {size} bytes, more than {LARGEST}"
    return None


def parts_for(geometry: Geometry) -> int:
    return 1 if geometry.multiplications < PARALLEL else threads.num_threads()


def forward(
    step: Pair, x: Array, filters: Array, biases: Array, geometry: Geometry, *, sizes: bool = False
) -> tuple[Array, Array | None]:
    parts = parts_for(geometry)
    key = ("winograd forward", step, geometry, x.dtype, parts, sizes)
    plan = cache.take(key, lambda: Forward(geometry, x.dtype, step, parts, sizes=sizes))
    y, transformed = plan.run(x, filters, biases)
    cache.give(key, plan)
    return y, transformed if plan.by_planes else None


def backward(
    step: Pair,
    g: Array,
    x: Array,
    filters: Array,
    geometry: Geometry,
    kept: Array | None,
    *,
    sizes: bool = False,
) -> tuple[Array, Array, Array]:
    parts = parts_for(geometry)
    key = ("winograd backward", step, geometry, x.dtype, parts, sizes)
    plan = cache.take(key, lambda: Backward(geometry, x.dtype, step, parts, sizes=sizes))
    gradients = plan.run(g, x, filters, kept)
    cache.give(key, plan)
    return gradients


ROUNDED_FILTERS = 3  # roundings in an entry of D₂: two quotients and their product


def output_bound(
    step: Pair, x: Array, filters: Array, biases: Array, geometry: Geometry, growth: bounds.Growth = bounds.worst
) -> Array:
    """γ times (2) at absolute values, and what underflow can lose."""
    x_size, filters_size, biases_size = bounds.magnitudes(x, filters, biases)
    y, _ = forward(step, x_size, filters_size, biases_size, geometry, sizes=True)
    of_output, of_input, of_filters = transforms(step, np.float64, False)
    channels = geometry.inputs
    n = longest(of_input) + longest(of_filters) + ROUNDED_FILTERS + channels + longest(of_output) + 1
    lost = bounds.lost_in_two_stages((of_input, x_size), (of_filters, filters_size), channels, of_output, x.dtype)
    return bounds.bound(n, y, x.dtype, growth, lost)


def gradient_bounds(
    step: Pair, g: Array, x: Array, filters: Array, geometry: Geometry, growth: bounds.Growth = bounds.worst
) -> tuple[Array, Array, Array]:
    """γ times (3) and (4) at absolute values, and what underflow can lose."""
    g_size, x_size, filters_size = bounds.magnitudes(g, x, filters)
    grad_x, grad_filters, grad_biases = backward(step, g_size, x_size, filters_size, geometry, None, sizes=True)
    of_output, of_input, of_filters = transforms(step, np.float64, False)
    rows, columns = geometry.positions
    tiles = geometry.batch * -(-rows // step[0]) * -(-columns // step[1])
    overlapping, channels = 4, geometry.outputs  # tiles at one entry
    products = longest(of_output.T) + longest(of_filters) + channels + longest(of_input.T)
    n_x = products + ROUNDED_FILTERS + overlapping
    n_filters = longest(of_output.T) + longest(of_input) + tiles + longest(of_filters.T) + ROUNDED_FILTERS
    given, image, taps = (of_output.T, g_size), (of_input, x_size), (of_filters, filters_size)
    lost_x = overlapping * bounds.lost_in_two_stages(given, taps, channels, of_input.T, x.dtype)
    lost_filters = bounds.lost_in_two_stages(given, image, tiles, of_filters.T, x.dtype)
    return (
        bounds.bound(n_x, grad_x, x.dtype, growth, lost_x),
        bounds.bound(n_filters, grad_filters, x.dtype, growth, lost_filters),
        bounds.bound(geometry.batch * rows * columns, grad_biases, x.dtype, growth),
    )


def engine(name: str, step: Pair) -> Engine:
    return Engine(
        name,
        exact=False,
        refusal=partial(refusal, step),
        forward=partial(forward, step),
        backward=partial(backward, step),
        output_bound=partial(output_bound, step),
        gradient_bounds=partial(gradient_bounds, step),
    )


WINOGRAD2X2 = engine("winograd2x2", (2, 2))
WINOGRAD4X2 = engine("winograd4x2", (4, 2))
WINOGRAD4X4 = engine("winograd4x4", (4, 4))
