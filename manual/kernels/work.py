"""How much each engine has to do for a configuration: what its time is estimated from.

Counted are what takes the time of any of them, forward and backward together:

- products of matrices: their flops, and the flops over each of the three sides, since a product with a short side runs
  slower. A product of m×k with k×n takes flops/peak · (1 + m₀/m + n₀/n + k₀/k), m₀, n₀ and k₀ being the sides at which
  it runs at half of its speed;
- numbers moved, and the runs of memory they are moved in: a copy takes so long per number, and so long per run;
- multiply-adds of whole runs (`depthwise`);
- calls of NumPy, and hand-overs to the other threads.

`rates.py` says how long each takes. Each function counts by the sizes of its engine's file, of which it follows the
stages; the letters are those of `definition`.
"""

from collections.abc import Callable
from typing import NamedTuple

from manual.kernels import banded, channels, dense, depthwise, gemm, lanes, small
from manual.kernels.geometry import Geometry, Pair
from manual.kernels.transform_tiles import multiplications, tiling
from manual.machine import threads

CACHED = 2**19  # bytes of columns that are still in a core's cache when they are multiplied
LINE = 64  # bytes of memory that are moved together, where a copy exchanges two axes
OF_A_CALL = 0.2  # of a call of NumPy's time is spent on each product, if one call does many


CONVOY = 3  # times as long does a call take while other threads make calls, too: they wait for the interpreter
BACKWARD = 0.6  # of what `depthwise` takes for both passes
SCALING = 0.5  # of copies over the threads; of what stays in a core it is 1


class Work(NamedTuple):
    """Totals over a forward and a backward pass, of which each of the threads takes its share."""

    flops: float = 0  # of products of matrices
    rows: float = 0  # their flops, each over the rows of its left factor,
    columns: float = 0  # over the columns of its right factor,
    inner: float = 0  # and over the length of its sums
    moved: float = 0  # bytes
    runs: float = 0  # that these are in
    added: float = 0  # numbers multiplied and added run by run, in bytes
    calls: float = 0  # of NumPy
    handed: float = 0  # hand-overs to other threads


def total(*parts: Work) -> Work:
    return Work(*map(sum, zip(*parts, strict=True)))


def products(count: float, rows: float, columns: float, inner: float) -> Work:
    """So many products of (rows, inner) with (inner, columns)."""
    flops = 2 * count * rows * columns * inner
    return Work(flops, flops / max(rows, 1), flops / max(columns, 1), flops / max(inner, 1), calls=OF_A_CALL * count)


def moves(numbers: float, run: float, itemsize: int) -> Work:
    """A copy in runs of so many numbers."""
    return Work(moved=numbers * itemsize, runs=numbers / max(run, 1))


def per_thread(work: Work, parts: int) -> Work:
    """Shared out among so many threads: they share the memory, too, and one of them at a time begins a call."""
    if parts == 1:
        return work._replace(handed=0)
    shared = Work(*(amount / parts for amount in work))
    moved, runs = work.moved / parts**SCALING, work.runs / parts**SCALING
    return shared._replace(moved=moved, runs=runs, calls=work.calls / parts * CONVOY, handed=work.handed)


def unfolded(geometry: Geometry, itemsize: int, rows: float) -> Work:
    """Columns of so many rows, for the whole batch; in long runs where the output is as wide as the image."""
    height, width = geometry.positions
    flat = geometry.stride == (1, 1) and width == geometry.size[1]
    return moves(geometry.batch * rows * height * width, height * width if flat else width, itemsize)


def of_gemm(geometry: Geometry, itemsize: int) -> Work:
    """Blocks of an image, or a few images, at a time: each of them a few calls, forward and backward."""
    places = geometry.positions[0] * geometry.positions[1]
    blocks = geometry.batch * places * geometry.groups * (3 * geometry.taps) * itemsize // gemm.BLOCK
    calls = Work(calls=20 + 10 * blocks)
    return total(by_blocks(geometry, itemsize, gemm.parts_for(geometry, itemsize), gemm.BLOCK), calls)


def of_small(geometry: Geometry, itemsize: int) -> Work:
    """Whole images at a time, whose columns may leave the cache before they are multiplied."""
    parts = 1 if geometry.multiplications * itemsize < small.PARALLEL else threads.num_threads()
    work = by_blocks(geometry, itemsize, parts, 2**62)
    columns = small.image_columns(geometry)
    if columns * itemsize > CACHED:
        again = moves(3 * geometry.batch * columns, columns, itemsize)
        work = total(work, per_thread(again, parts))
    return work


def by_blocks(geometry: Geometry, itemsize: int, parts: int, block: int) -> Work:
    """Images, or their blocks, which threads share; of one image that is folded back block by block, one does all."""
    b, p, k, c, taps = geometry.batch, geometry.groups, geometry.inputs, geometry.outputs, geometry.taps
    height, width = geometry.positions
    places = height * width
    window = geometry.kernel[0] * geometry.kernel[1]

    def cut(rows: float) -> tuple[float, float]:
        """Products in the batch, and the columns of each."""
        most = max(block // int(p * rows * itemsize), gemm.LEAST_POSITIONS)
        blocks = -(-places // most)
        return b * p * blocks, places / blocks

    def sums(count: float, entries: float, parts: int) -> Work:
        """Of products that are added up: the first one of a thread is written, the others are added to it; and those of
        the threads together, where they belong."""
        each = max(count / parts, 1)
        return moves(p * entries * parts * (4 * each - 3) + p * entries * (3 * parts - 1), entries, itemsize)

    count, columns = cut(taps)
    image = moves(b * p * k * geometry.size[0] * geometry.size[1], geometry.size[1], itemsize)
    forward = total(
        unfolded(geometry, itemsize, p * taps),
        products(count, c, columns, taps + 1),
        image,
        moves(p * c * taps, taps, itemsize),  # the weights beside their bias
        Work(calls=8, handed=1),
    )
    work = per_thread(forward, threads_for(parts, count / p))
    if gemm.by_correlation(geometry):
        x_places = geometry.size[0] * geometry.size[1]
        count, columns = cut(c * window)
        shared = threads_for(parts, count / p)
        backward = total(
            unfolded(geometry, itemsize, p * c * window),
            moves(b * p * c * places, width, itemsize),
            products(count, k, x_places / places * columns, c * window),
            products(count, c * window, k, x_places / places * columns),
            sums(count / p, c * window * k, shared),
        )
    else:
        count, columns = cut(2 * taps)
        shared = threads_for(parts, b)
        backward = total(
            *(*[unfolded(geometry, itemsize, p * taps)] * 3, image, image),
            products(count, taps, c, columns),
            products(count, taps, columns, c),
            sums(count / p, taps * c, shared),
        )
    return total(work, per_thread(total(backward, Work(calls=8, handed=1)), shared))


def threads_for(parts: int, pieces: float) -> int:
    """How many threads have something to do."""
    return max(1, min(parts, int(pieces)))


def of_pointwise(geometry: Geometry, itemsize: int) -> Work:
    b, p, k, c = geometry.batch, geometry.groups, geometry.inputs, geometry.outputs
    places = geometry.size[0] * geometry.size[1]
    work = total(
        products(b * p, c, places, k),
        moves(2 * b * p * c * places, places, itemsize),
        products(b * p, k, c, places),
        moves(6 * b * p * k * c, k * c, itemsize),
        products(b * p, k, places, c),
        moves(b * p * c * places, places, itemsize),  # the biases' gradient
        Work(calls=8 + 4 * b, handed=2),
    )
    return per_thread(work, gemm.parts_for(geometry, itemsize))


def of_dense(geometry: Geometry, itemsize: int) -> Work:
    b, c, taps = geometry.batch, geometry.outputs, geometry.taps
    work = total(
        *(products(1, b, c, taps), products(1, c, taps, b), products(1, b, taps, c)),
        moves(4 * c * taps, taps, itemsize),
        Work(calls=6, handed=2),
    )
    return per_thread(work, dense.parts_for(geometry))


def of_channels(geometry: Geometry, itemsize: int) -> Work:
    b, k, c, taps = geometry.batch, geometry.inputs, geometry.outputs, geometry.taps
    height, width = geometry.positions
    places, parts = height * width, channels.parts_for(geometry)
    n = max(b, 1) * places
    groups = -(-max(taps, c) * n * itemsize // channels.COLUMNS)
    work = [products(groups, c, n / groups, taps), moves((2 if b == 1 else 3) * c * n, width, itemsize)]
    given = -(-max(b, 1) // channels.images_given(geometry, itemsize))
    some = n / given  # positions that the backward takes together
    blocks = max(parts, -(-taps * some * itemsize // channels.BLOCK))
    work += [products(given * blocks, c, taps / blocks, some), products(given * blocks, taps / blocks, some, c)]
    work += [moves((3 * given - 2) * taps * c, taps / blocks, itemsize)]
    calls = Work(calls=20 + 8 * given * blocks, handed=4 * groups)
    if some > places or not channels.lies_ready(geometry):
        image = moves(2 * b * k * geometry.size[0] * geometry.size[1], geometry.size[1], itemsize)
        work += [moves(6 * taps * n, width, itemsize), image]
        work += [Work(calls=given * blocks * geometry.kernel[0] * geometry.kernel[1])]
    return per_thread(total(*work, calls), parts)


def of_lanes(geometry: Geometry, itemsize: int) -> Work:
    """A row of places at a time, in runs of all samples."""
    b, k, c, taps = geometry.batch, geometry.inputs, geometry.outputs, geometry.taps
    (height, width), (rows, columns) = geometry.positions, geometry.size
    n, entries, window = b * height * width, b * rows * columns, geometry.kernel[0] * geometry.kernel[1]
    run = min(b, lanes.LANES) * (width if geometry.stride[1] == 1 else 1)

    def cut(rows_of_columns: float, numbers: float) -> float:
        """Products."""
        return -(-rows_of_columns * numbers * itemsize // lanes.BLOCK)

    blocks = max(1, cut(taps + 1, n))
    work = [
        moves(k * entries, run, itemsize),
        moves(taps * n, run, itemsize),
        products(blocks, c, n / blocks, taps + 1),
    ]
    calls = 2 * blocks
    if gemm.by_correlation(geometry):
        blocks = max(1, cut(c * window, entries))
        work += [moves(c * n, run, itemsize), moves(c * window * entries, run, itemsize)]
        work += [products(blocks, k, entries / blocks, c * window), products(blocks, c * window, k, entries / blocks)]
        calls += 4 * blocks
    else:
        work += [moves(2 * k * entries, run, itemsize), moves(4 * taps * n, run, itemsize)]
        work += [products(blocks, c, taps + 1, n / blocks), products(blocks, taps, n / blocks, c)]
        calls += (3 + window) * blocks
    parts = 1 if geometry.multiplications < lanes.PARALLEL else threads.num_threads()
    return per_thread(total(*work, Work(calls=12 + calls, handed=2)), parts)


def turned(geometry: Geometry, itemsize: int) -> Work:
    """X, Y and their gradients from samples innermost to samples first, or back."""
    rows, columns = geometry.positions
    images = geometry.groups * (
        geometry.inputs * geometry.size[0] * geometry.size[1] + geometry.outputs * rows * columns
    )
    return moves(2 * geometry.batch * images, LINE // itemsize, itemsize)


def of_depthwise(geometry: Geometry, itemsize: int) -> Work:
    rows, columns = depthwise.places(geometry)
    layout = depthwise.layout_of(geometry, itemsize, threads.num_threads())
    planes, (s, t) = geometry.batch * geometry.groups, geometry.stride
    blocks = sum(map(len, layout.parts)) * len(layout.groups(geometry.batch))
    run = geometry.positions[1] if t == 1 else LINE // itemsize  # one number in t of a line is as slow as short runs
    work = total(
        Work(added=4 * planes * rows * columns * geometry.taps * itemsize),
        moves(4 * planes * rows * columns * s * t, min(run, geometry.positions[1]), itemsize),
        Work(calls=30 * blocks, handed=2),
    )
    return per_thread(work, len(layout.parts))


def of_banded(geometry: Geometry, itemsize: int) -> Work:
    """Its forward, and the backward of `depthwise`."""
    cut, taps = banded.cut_of(geometry), geometry.kernel[0]
    layout = banded.layout_of(geometry, itemsize, threads.num_threads())
    planes, numbers = geometry.batch * geometry.groups, banded.of_plane(geometry)
    (height, width), (rows, columns), whole = geometry.size, geometry.positions, cut.number == 1
    samples = rows * cut.number
    blocks = sum(map(len, layout.parts)) * len(layout.groups(geometry.batch))
    multiplied = products(planes / max(layout.images, 1), layout.images * samples, cut.outputs, taps * cut.length)
    work = total(
        multiplied._replace(calls=0),  # one for all channels of a block
        moves(planes * numbers, cut.length * (taps if whole and geometry.dilation[0] == 1 else 1), itemsize),
        moves(planes * height * width, width * (height if whole else 1), itemsize),
        moves(2 * planes * samples * cut.outputs, columns * (rows if whole else 1), itemsize),
        moves(geometry.groups * geometry.taps * cut.outputs, 1, itemsize)._replace(runs=0),
        Work(calls=(10 + geometry.kernel[1]) * blocks, handed=1),
    )
    both = of_depthwise(geometry, itemsize)
    return total(per_thread(work, len(layout.parts)), Work(*(BACKWARD * amount for amount in both)))


def of_winograd(step: Pair) -> Callable[[Geometry, int], Work]:
    def work(geometry: Geometry, itemsize: int) -> Work:
        (m, p), (rows, columns) = step, geometry.positions
        k, c, points = geometry.inputs, geometry.outputs, (m + 2) * (p + 2)
        tiles = max(geometry.batch, 1) * -(-rows // m) * -(-columns // p)
        blocks = -(-tiles * points * max(k, c) * itemsize // 2**20)
        return per_thread(
            total(
                *(products(3 * blocks, points, tiles * k / blocks, points), products(3, points, k * c, 9)),
                *(products(2 * blocks, m * p, tiles * c / blocks, points),),
                *(products(points, tiles, c, k), products(points, tiles, k, c), products(points, c, k, tiles)),
                moves(5 * tiles * k * (points + m * p) + 6 * tiles * c * m * p, min(k, c), itemsize),
                moves(6 * points * k * c, LINE // itemsize, itemsize),  # each entry's points lie far apart
                Work(calls=40 * blocks, handed=6),
            ),
            1 if geometry.multiplications < 2_000_000 else threads.num_threads(),
        )

    return work


def of_transform(geometry: Geometry, itemsize: int) -> Work:
    tiles = tiling(geometry)
    k, c = geometry.inputs, geometry.outputs
    number = geometry.batch * tiles.tiles
    flops = 6 * multiplications(geometry, tiles)
    spread = 3 * number * (k + c) * tiles.side[0] * tiles.side[1]
    work = total(
        Work(flops, flops / tiles.side[0], flops / max(number, 1), flops / min(k, c)),
        moves(4 * spread, tiles.side[1], itemsize),
        moves(12 * tiles.frequencies * k * c, LINE // itemsize, itemsize),
        Work(calls=120 * geometry.batch, handed=6),
    )
    return per_thread(work, 1 if geometry.multiplications < 2_000_000 else threads.num_threads())


WORK: dict[str, Callable[[Geometry, int], Work]] = {
    "gemm": of_gemm,
    "pointwise": of_pointwise,
    "small": of_small,
    "dense": of_dense,
    "lanes": of_lanes,
    "depthwise": of_depthwise,
    "banded": of_banded,
    "channels": of_channels,
    "winograd2x2": of_winograd((2, 2)),
    "winograd4x2": of_winograd((4, 2)),
    "winograd4x4": of_winograd((4, 4)),
    "transform": of_transform,
}
