"""Winograd's minimal filtering for 3×3 windows: F(2×2, 3×3) and F(4×4, 3×3), with 2.25 and 4 times fewer products.

One axis. Cut the output into tiles of m; a tile reads n = m + 2 inputs d, and Y[h] = Σ_i d[h+i]·W[i]. Consider first
the product of two polynomials of degrees m-1 and 2: its n coefficients follow from its values at n points, values are
products of values, and so

    coefficients = B · ( (A·u) ⊙ (G·w) )                                        (1)

where A and G evaluate at the points p (rows 1, p, p², ...; the point ∞ takes the leading coefficient) and B
interpolates: with N(x) = Π (x - p), the column of B for a finite point is N(x)/(x - p) / N'(p) and that for ∞ is N(x).
(The 1/N'(p) stand in G instead.) As a linear map of u, for fixed w, (1) is the matrix B·diag(G·w)·A, which puts w[i] at
row h+i of column h. Filtering is its transpose:

    y = Aᵀ · ( (G·w) ⊙ (Bᵀ·d) )                                                 (2)

Two axes: each matrix acts on rows and on columns, on a flattened tile as its Kronecker square. With K_A = Aᵀ⊗Aᵀ, K_B =
Bᵀ⊗Bᵀ, K_G = G⊗G, and for each of the n² points a matrix product over the input channels:

    V = K_B·d,  U = K_G·w,  M[c] = Σ_k U[c,k]·V[k],  Y[c] = K_A·M[c] + bias[c]        (3)

All of it is linear in d and in w, so the gradients are the transposed maps. With Ḡ a tile of ∂L/∂Y:

    M̄ = K_Aᵀ·Ḡ,  V̄[k] = Σ_c U[c,k]·M̄[c],  d̄ = K_Bᵀ·V̄,  tiles that overlap added up: ∂L/∂X        (4)
    Ū[c,k] = Σ_tiles M̄[c]·V[k],  ∂L/∂W = K_Gᵀ·Ū                                   (5)

The points decide the error. 0, 1, -1, ∞ for F(2×2). For F(4×4) the usual 0, ±1, ±2, ∞ err five to nine times as much as
the definition; 0, ±3/4, ±3/2, ∞ at most three times, since the powers of points that lie around 1 in size, some below
and some above, cancel less. They too are dyadic, so K_A and K_B hold no rounded number.

Layout: channels last, so that gathering tiles copies runs of channels. Every transform is one product with a Kronecker
matrix. Two schedules. If the transformed filters are small, each thread takes blocks of tile rows through all of (3),
in cache. If they are large, reading them once per block would dominate: then all tiles of a group of images are
transformed, the n² products shared out among the threads, and the results transformed back.

Not exact: results are sums of rounded sums; where the definition gives an exact 0 this leaves a rest. (F(2×2) at
integers is exact as long as quarters of them fit the mantissa.) Rounding: each of (3) is a sum of products, so an error
is at most γ_N times (3) at absolute values, |K_A|·( (|K_G|·|w|) ⊙ (|K_B|·|d|) ), N the lengths of the three sums and
the rounding of K_G added up. Likewise (4) and (5).
"""

from functools import cache as remember
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from manual.kernels import bounds, threads
from manual.kernels.engine import Engine
from manual.kernels.geometry import Geometry
from manual.kernels.plans import Plan, cache
from manual.kernels.winograd_tiles import Block, Tiles

Array = np.ndarray

POINTS = {2: (0.0, 1.0, -1.0), 4: (0.0, 0.75, -0.75, 1.5, -1.5)}  # and ∞

BLOCK = 2**20  # bytes of the transformed input of a block
CACHED_FILTERS = 2 * 2**20  # bytes of transformed filters, up to which every block reads them again
GROUP = 20 * 2**20  # bytes of transformed inputs and outputs of a group of images
PARALLEL = 2_000_000  # multiplications of the definition


# ---------------------------------------------------------------------- the matrices


class Transforms(NamedTuple):
    """K_A (m², n²), K_B (n², n²) and K_G (n², 9)."""

    output: Array
    input: Array
    filters: Array


def toom_cook(m: int) -> tuple[Array, Array, Array]:
    """Aᵀ (m, n), Bᵀ (n, n) and G (n, 3) of (2), in float64."""
    points, n = np.array(POINTS[m]), m + 2
    output, inputs, filters = np.zeros((m, n)), np.zeros((n, n)), np.zeros((n, 3))
    output[:, :-1], output[-1, -1] = np.vander(points, m, increasing=True).T, 1
    filters[:-1], filters[-1, -1] = np.vander(points, 3, increasing=True), 1
    for number, point in enumerate(points):
        others = np.delete(points, number)
        inputs[number, :-1] = np.poly(others)[::-1]  # N(x) / (x - p)
        filters[number] /= np.prod(point - others)  # N'(p)
    inputs[-1] = np.poly(points)[::-1]  # N(x)
    return output, inputs, filters


@remember
def transforms(m: int, dtype: Any, sizes: bool) -> Transforms:
    """The Kronecker squares, rounded once; `sizes`: at absolute values, for the error bound."""
    squares = (np.kron(a, a) for a in toom_cook(m))
    return Transforms(*(np.ascontiguousarray(np.abs(a) if sizes else a, dtype=dtype) for a in squares))


def longest(matrix: Array) -> int:
    """How many products its longest row takes."""
    return int(np.count_nonzero(matrix, axis=1).max())


# ---------------------------------------------------------------------- what both directions need


class Winograd(Plan):
    """The blocks, who does which, and the scratch."""

    def __init__(self, geometry: Geometry, dtype: Any, m: int, parts: int, *, sizes: bool) -> None:
        super().__init__(dtype)
        self.geometry, self.m, self.n = geometry, m, m + 2
        self.matrices = transforms(m, self.dtype, sizes)
        rows, columns = geometry.positions
        self.down, self.across = -(-rows // m), -(-columns // m)
        k, c, size = geometry.inputs, geometry.outputs, self.dtype.itemsize
        per_tile = self.n**2 * max(k, c) * size
        self.by_planes = self.n**2 * k * c * size > CACHED_FILTERS
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
        self.tiles = [Tiles(self, geometry, m, images, tile_rows) for _ in range(parts)]
        if self.by_planes:
            per_group = max(1, GROUP // (self.n**2 * (k + c) * size * images * self.down * self.across))
            self.groups = [self.blocks[n : n + per_group] for n in range(0, len(self.blocks), per_group)]
            most = max((sum(b.tiles(self.across) for bs in group for b in bs) for group in self.groups), default=0)
            self.all_inputs = self.empty(self.n**2 * most * k)
            self.all_outputs = self.empty(self.n**2 * most * c)
        else:
            self.inputs = [self.empty(self.n**2 * self.largest * k) for _ in range(parts)]
            self.outputs = [self.empty(self.n**2 * self.largest * c) for _ in range(parts)]

    def planes(self, buffer: Array, tiles: int, channels: int) -> Array:
        """(n², tiles, channels) at the start of a buffer."""
        return buffer[: self.n**2 * tiles * channels].reshape(self.n**2, tiles, channels)

    def input_of(self, x: Array, block: Block, part: int, to: Array | None = None) -> Array:
        """V of (3) for a block, (n², tiles, k)."""
        if to is None:
            to = self.planes(self.inputs[part], block.tiles(self.across), self.geometry.inputs)
        gathered = self.tiles[part].gather_input(x, block)
        np.matmul(self.matrices.input, gathered, out=to.reshape(self.n**2, -1))
        return to

    def transform_filters(self, filters: Array) -> Array:
        """U of (3), as (n², c, k)."""
        c, k = self.geometry.outputs, self.geometry.inputs
        transformed = np.empty((self.n**2, c, k), self.dtype)
        shares = threads.share(c, self.parts)

        def part(number: int) -> None:
            some = slice(shares[number].start, shares[number].stop)
            columns = np.ascontiguousarray(filters[some]).reshape(-1, 9).T
            np.matmul(self.matrices.filters, columns, out=transformed[:, some].reshape(self.n**2, -1))

        threads.run(part, len(shares))
        return transformed


class Forward(Winograd):
    """Equations (3)."""

    def run(self, x: Array, filters: Array, biases: Array) -> tuple[Array, Array]:
        transformed = self.transform_filters(filters)
        y = np.empty(self.geometry.output_shape, self.dtype)
        if self.by_planes:
            for group in self.groups:
                self.run_group(x, transformed.swapaxes(1, 2), biases, y, group)
        else:
            blocks = [block for image in self.blocks for block in image]
            shares = [blocks[some.start : some.stop] for some in threads.share(len(blocks), self.parts)]

            def part(number: int) -> None:
                for block in shares[number]:
                    inputs = self.input_of(x, block, number)
                    outputs = self.planes(self.outputs[number], inputs.shape[1], self.geometry.outputs)
                    np.matmul(inputs, transformed.swapaxes(1, 2), out=outputs)  # M of (3)
                    self.output_of(outputs, y, biases, block, number)

            threads.run(part, len(shares))
        return y, transformed

    def run_group(self, x: Array, transformed: Array, biases: Array, y: Array, group: list[list[Block]]) -> None:
        work = Stages(self, group)
        inputs = self.planes(self.all_inputs, work.tiles, self.geometry.inputs)
        outputs = self.planes(self.all_outputs, work.tiles, self.geometry.outputs)
        work.by_block(lambda block, at, part: self.input_of(x, block, part, inputs[:, at]))
        work.by_plane(lambda some: np.matmul(inputs[some], transformed[some], out=outputs[some]))  # M of (3)
        work.by_block(lambda block, at, part: self.output_of(outputs[:, at], y, biases, block, part))

    def output_of(self, outputs: Array, y: Array, biases: Array, block: Block, part: int) -> None:
        """Y of (3)."""
        tiles = self.tiles[part]
        np.matmul(self.matrices.output, outputs.reshape(self.n**2, -1), out=tiles.output_planes(block))
        tiles.put_output(y, biases, block)


class Stages:
    """A group of images one stage after the other: blocks shared out, then planes, then blocks."""

    def __init__(self, plan: Winograd, group: list[list[Block]]) -> None:
        self.plan, self.group = plan, group
        sizes = [block.tiles(plan.across) for image in group for block in image]
        ends = np.cumsum([0, *sizes]).tolist()
        self.tiles = ends[-1]
        places = iter([slice(start, stop) for start, stop in pairwise(ends)])
        self.places = [[(block, next(places)) for block in image] for image in group]

    def by_block(self, work: Any) -> None:
        """work(block, its tiles, part) for every block; those of an image in order, on one thread."""
        shares = threads.share(len(self.places), self.plan.parts)

        def part(number: int) -> None:
            for image in shares[number]:
                for block, at in self.places[image]:
                    work(block, at, number)

        threads.run(part, len(shares))

    def by_plane(self, work: Any) -> None:
        """work(some of the n² planes)."""
        shares = threads.share(self.plan.n**2, self.plan.parts)
        threads.run(lambda number: work(slice(shares[number].start, shares[number].stop)), len(shares))


class Backward(Winograd):
    """Equations (4) and (5)."""

    def __init__(self, geometry: Geometry, dtype: Any, m: int, parts: int, *, sizes: bool) -> None:
        super().__init__(geometry, dtype, m, parts, sizes=sizes)
        shape = (self.n**2, geometry.outputs, geometry.inputs)
        self.ones = self.empty(geometry.positions[0] * geometry.positions[1])
        self.ones[...] = 1
        if self.by_planes:
            self.sums = [self.empty(*shape)]
        else:
            self.sums = [self.empty(*shape) for _ in range(parts)]
            self.products = [self.empty(*shape) for _ in range(parts)]

    def run(self, g: Array, x: Array, filters: Array, transformed: Array) -> tuple[Array, Array, Array]:
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
                np.matmul(outputs.swapaxes(1, 2), inputs, out=self.products[part] if started else sums)  # Ū of (5)
                if started:
                    np.add(sums, self.products[part], out=sums)
                started = True
                np.matmul(outputs, transformed, out=inputs)  # V̄ of (4)
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
        work, sums = Stages(self, group), self.sums[0]
        inputs = self.planes(self.all_inputs, work.tiles, self.geometry.inputs)
        outputs = self.planes(self.all_outputs, work.tiles, self.geometry.outputs)

        def gather(block: Block, at: slice, part: int) -> None:
            self.input_of(x, block, part, inputs[:, at])
            self.adjoint_output_of(g, outputs[:, at], grad_biases, block, part)

        def multiply(some: slice) -> None:
            np.matmul(outputs[some].swapaxes(1, 2), inputs[some], out=sums[some])  # Ū of (5)
            np.matmul(outputs[some], transformed[some], out=inputs[some])  # V̄ of (4)

        work.by_block(gather)
        work.by_plane(multiply)
        work.by_block(lambda block, at, part: self.adjoint_input_of(inputs[:, at], grad_x, block, part))

    def adjoint_output_of(self, g: Array, outputs: Array, grad_biases: Array, block: Block, part: int) -> None:
        """M̄ of (4), and the bias gradient once per image."""
        tiles = self.tiles[part]
        flat = outputs.reshape(self.n**2, -1)
        np.matmul(self.matrices.output.T, tiles.gather_output(g, block), out=flat)
        if block.start == 0:
            images = np.ascontiguousarray(g[block.images])
            by_image = images.reshape(*images.shape[:2], -1) @ self.ones
            grad_biases[part] += np.add.reduce(by_image, axis=0)

    def adjoint_input_of(self, inputs: Array, grad_x: Array, block: Block, part: int) -> None:
        """d̄ of (4), added up."""
        tiles = self.tiles[part]
        np.matmul(self.matrices.input.T, inputs.reshape(self.n**2, -1), out=tiles.input_planes(block))
        tiles.put_input(grad_x, block)

    def add_filters(self, sums: Array, grad_filters: Array) -> None:
        """∂L/∂W of (5)."""
        shares = threads.share(self.geometry.outputs, self.parts)

        def part(number: int) -> None:
            some = slice(shares[number].start, shares[number].stop)
            to = grad_filters[some].reshape(-1, 9)
            np.add(to, sums[:, some].reshape(self.n**2, -1).T @ self.matrices.filters, out=to)

        threads.run(part, len(shares))


# ---------------------------------------------------------------------- the engines


def refusal(geometry: Geometry) -> str | None:
    if geometry.kernel != (3, 3):
        return f"the kernel is {geometry.kernel}, not (3, 3)"
    for name, value in (("stride", geometry.stride), ("dilation", geometry.dilation)):
        if value != (1, 1):
            return f"the {name} is {value}, not (1, 1)"
    if geometry.groups != 1:
        return f"there are {geometry.groups} groups, not 1"
    return None


def parts_for(geometry: Geometry) -> int:
    return 1 if geometry.multiplications < PARALLEL else threads.num_threads()


def forward(
    m: int, x: Array, filters: Array, biases: Array, geometry: Geometry, *, sizes: bool = False
) -> tuple[Array, Array]:
    parts = parts_for(geometry)
    key = ("winograd forward", m, geometry, x.dtype, parts, sizes)
    plan = cache.take(key, lambda: Forward(geometry, x.dtype, m, parts, sizes=sizes))
    y, transformed = plan.run(x, filters, biases)
    cache.give(key, plan)
    return y, transformed


def backward(
    m: int, g: Array, x: Array, filters: Array, geometry: Geometry, transformed: Array | None, *, sizes: bool = False
) -> tuple[Array, Array, Array]:
    parts = parts_for(geometry)
    key = ("winograd backward", m, geometry, x.dtype, parts, sizes)
    plan = cache.take(key, lambda: Backward(geometry, x.dtype, m, parts, sizes=sizes))
    if transformed is None:
        transformed = plan.transform_filters(filters)
    gradients = plan.run(g, x, filters, transformed)
    cache.give(key, plan)
    return gradients


ROUNDED_FILTERS = 3  # roundings in an entry of K_G: two quotients and their product


def output_bound(
    m: int, x: Array, filters: Array, biases: Array, geometry: Geometry, growth: bounds.Growth = bounds.worst
) -> Array:
    """γ_N times (3) at absolute values."""
    x_size, filters_size, biases_size = bounds.magnitudes(x, filters, biases)
    y, _ = forward(m, x_size, filters_size, biases_size, geometry, sizes=True)
    a, b, g = transforms(m, np.float64, False)
    n = longest(b) + longest(g) + ROUNDED_FILTERS + geometry.inputs + longest(a) + 1
    return bounds.bound(n, y, x.dtype, growth)


def gradient_bounds(
    m: int, g: Array, x: Array, filters: Array, geometry: Geometry, growth: bounds.Growth = bounds.worst
) -> tuple[Array, Array, Array]:
    """γ_N times (4) and (5) at absolute values."""
    g_size, x_size, filters_size = bounds.magnitudes(g, x, filters)
    grad_x, grad_filters, grad_biases = backward(m, g_size, x_size, filters_size, geometry, None, sizes=True)
    k_a, k_b, k_g = transforms(m, np.float64, False)
    rows, columns = geometry.positions
    tiles = geometry.batch * -(-rows // m) * -(-columns // m)
    overlapping = 4  # tiles at one entry
    n_x = longest(k_a.T) + longest(k_g) + ROUNDED_FILTERS + geometry.outputs + longest(k_b.T) + overlapping
    n_filters = longest(k_a.T) + longest(k_b) + tiles + longest(k_g.T) + ROUNDED_FILTERS
    return (
        bounds.bound(n_x, grad_x, x.dtype, growth),
        bounds.bound(n_filters, grad_filters, x.dtype, growth),
        bounds.bound(geometry.batch * rows * columns, grad_biases, x.dtype, growth),
    )


def engine(name: str, m: int) -> Engine:
    return Engine(
        name,
        exact=False,
        refusal=refusal,
        forward=partial(forward, m),
        backward=partial(backward, m),
        output_bound=partial(output_bound, m),
        gradient_bounds=partial(gradient_bounds, m),
    )


WINOGRAD2 = engine("winograd2", 2)
WINOGRAD4 = engine("winograd4", 4)
