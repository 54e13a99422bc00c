"""At a kink no derivative exists: is a gradient there one of the legitimate conventions?

Near a kink the function is smooth almost everywhere, and its derivatives at nearby smooth points are what a convention
may mix (the generalised gradient of F. H. Clarke, *Optimization and Nonsmooth Analysis*, 1983, section 2.5). So for
any direction d a legitimate g satisfies

    Σ_o min_j v_o f_o'(x_j; d)  ≤  ⟨g, d⟩  ≤  Σ_o max_j v_o f_o'(x_j; d)                                      (1)

over nearby points x_j. Directions that move tied entries together are the sharp ones: along them a maximum has one
slope, and giving every tied entry the full gradient counts it twice. ReLU'(0) = 0, ½ or 1 all pass.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from crosscheck.operation import Operation

Array = np.ndarray

NEARBY = 2.0**-16  # how far the nearby points are, in units of the array's typical size
INNER = 2.0**-10  # the difference's own step, in units of that distance: it stays on one side of the kink
POINTS = 12
SPARSE_DIRECTIONS = 40


def is_convention(operation: Operation, name: str, v: Array, gradient: Array, noise: Array) -> bool:
    """Whether `gradient` satisfies (1) along directions that part, join and shift the entries of one input.

    `noise`: the error of each output, the shape of v.
    """
    x = operation.inputs[name].astype(np.float64)
    rng = np.random.default_rng(4)
    size = float(np.sqrt(np.mean(x**2))) if x.size and x.any() else 1.0
    near = 2.0 ** np.floor(np.log2(size)) * NEARBY
    step = near * INNER
    shifts = [rng.uniform(-1.0, 1.0, x.shape) for _ in range(POINTS)]
    for d in test_directions(x.shape, rng):
        low, high = np.full(v.shape, np.inf), np.full(v.shape, -np.inf)
        for shift in [*shifts, 0.25 * shifts[0] + d, 0.25 * shifts[1] - d]:
            point = x + near * shift
            up = operation.output({name: point + step * d}).astype(np.float64)
            down = operation.output({name: point - step * d}).astype(np.float64)
            slope = v * (up - down) / (2 * step)
            low, high = np.minimum(low, slope), np.maximum(high, slope)
        # Rounding of a difference; and how much a smooth slope may drift between x and the nearby points.
        slack = float(np.sum(np.abs(v) * noise)) / step + 4 * float(np.sum(high - low)) * INNER
        drift = NEARBY * 64 * float(np.sum(np.maximum(np.abs(high), np.abs(low))))
        along = float(np.sum(gradient * d))
        if not float(low.sum()) - slack - drift <= along <= float(high.sum()) + slack + drift:
            return False
    return True


def test_directions(shape: tuple[int, ...], rng: np.random.Generator) -> Iterator[Array]:
    """A common shift of everything and of slabs, then small sets of entries moved together and apart."""
    yield np.ones(shape)
    for axis, n in enumerate(shape):
        for i in range(min(n, 4)):
            d = np.zeros(shape)
            d[tuple(i if a == axis else slice(None) for a in range(len(shape)))] = 1.0
            yield d
    for _ in range(SPARSE_DIRECTIONS // 2):
        block = np.zeros(shape)
        corner = [int(rng.integers(0, n)) for n in shape]
        block[tuple(slice(c, c + 3) for c in corner)] = 1.0
        yield block
    for _ in range(SPARSE_DIRECTIONS // 2):
        yield np.where(rng.random(shape) < 0.2, rng.choice([-1.0, 1.0], shape), 0.0)
