"""The tangent of the convolution, by every engine: two of its forward passes, and no further off than both may be."""

import numpy as np
import pytest

from manual import kernels

Rng = np.random.Generator

# Of 3×3 filters at stride 1 every engine but the one for 1×1 filters is capable.
SHAPES = {"pointwise": ((2, 8, 9, 10), (6, 8, 1, 1)), "others": ((2, 8, 9, 10), (6, 8, 3, 3))}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("engine", kernels.ENGINES)
def test_every_engine_moves_the_output_as_the_definition_does(engine: str, dtype: type, rng: Rng) -> None:
    x_shape, w_shape = SHAPES["pointwise" if engine == "pointwise" else "others"]
    (x, w, b), (dx, dw, db) = (
        [rng.normal(size=shape).astype(dtype) for shape in (x_shape, w_shape, w_shape[:1])] for _ in range(2)
    )

    def bounds(name: str) -> np.ndarray:
        """Of the two passes that the tangent is made of, and of their sum."""
        passes = [kernels.forward(*given, engine=name) for given in ((dx, w, db), (x, dw, 0 * db))]
        total = sum(kernels.output_bound(saved) for _, saved in passes)
        return total + np.finfo(dtype).eps * sum(np.abs(y) for y, _ in passes)

    moved = {}
    for name in (engine, "definition"):
        _, saved = kernels.forward(x, w, b, engine=name)
        assert saved.engine == name
        moved[name] = kernels.tangent(dx, dw, db, saved)
        assert moved[name].dtype == dtype
    assert (np.abs(moved[engine] - moved["definition"]) <= bounds(engine) + bounds("definition")).all()
