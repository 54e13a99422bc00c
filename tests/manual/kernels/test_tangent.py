"""The tangent of the convolution, by every engine: two of its forward passes, and no further off than both may be."""

import numpy as np
import pytest

from manual import kernels

Rng = np.random.Generator

# Of 3×3 filters at stride 1 every engine is capable but those for one kind: shapes of x and W, and groups.
USUAL = ((2, 8, 9, 10), (6, 8, 3, 3), 1)
SHAPES = {
    "pointwise": ((2, 8, 9, 10), (6, 8, 1, 1), 1),
    "dense": ((2, 8, 9, 10), (6, 8, 9, 10), 1),
    "depthwise": ((2, 8, 9, 10), (8, 1, 3, 3), 8),
    "banded": ((2, 8, 9, 10), (8, 1, 3, 3), 8),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("engine", kernels.ENGINES)
def test_every_engine_moves_the_output_as_the_definition_does(engine: str, dtype: type, rng: Rng) -> None:
    x_shape, w_shape, groups = SHAPES.get(engine, USUAL)
    (x, w, b), (dx, dw, db) = (
        [rng.normal(size=shape).astype(dtype) for shape in (x_shape, w_shape, w_shape[:1])] for _ in range(2)
    )

    def bounds(name: str) -> np.ndarray:
        """Of the two passes that the tangent is made of, and of their sum."""
        passes = [kernels.forward(*given, groups=groups, engine=name) for given in ((dx, w, db), (x, dw, 0 * db))]
        total = sum(kernels.output_bound(saved) for _, saved in passes)
        return total + np.finfo(dtype).eps * sum(np.abs(y) for y, _ in passes)

    moved = {}
    for name in (engine, "definition"):
        _, saved = kernels.forward(x, w, b, groups=groups, engine=name)
        assert saved.engine == name
        moved[name] = kernels.tangent(dx, dw, db, saved)
        assert moved[name].dtype == dtype
    assert (np.abs(moved[engine] - moved["definition"]) <= bounds(engine) + bounds("definition")).all()
