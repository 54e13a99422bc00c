"""The VJP that is put together of pieces, on random programs."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest

from crosscheck.rounding import roundings
from crosscheck.traces.precision import double_precision
from crosscheck.traces.reversing import vjp_program
from crosscheck.witnesses.autodiff import doubled
from tests.programs.backends import jax_backend
from tests.programs.generate import generate
from tests.programs.program import run


@pytest.mark.parametrize("index", [*range(5), *(pytest.param(i, marks=pytest.mark.proof) for i in range(5, 40))])
def test_of_random_programs_it_differs_by_their_rounding_only(index: int) -> None:
    """What is allowed between the two is what either may be off: the same equations, added up in another order."""
    program = generate(7, index).program
    inputs = doubled(program.inputs)
    xp = jax_backend()

    def f(**inputs: Any) -> Any:
        return run(xp, program, inputs)[program.output]

    with double_precision():
        v = np.random.default_rng(index).normal(size=jax.eval_shape(lambda d: f(**d), inputs).shape)
        closed = jax.make_jaxpr(lambda d: f(**d))(inputs)
        ours = vjp_program(closed, [True] * len(inputs), jax.ShapeDtypeStruct(v.shape, v.dtype))
        assert ours is not None
        theirs = jax.make_jaxpr(lambda d, v: jax.vjp(lambda d: f(**d), d)[1](v)[0])(inputs, v)
        flat = [inputs[k] for k in sorted(inputs)]
        found, expected = roundings(ours, [*flat, v]), roundings(theirs, [*flat, v])
    for a, b in zip(found.outputs[1:], expected.outputs, strict=True):
        known = np.isfinite(b.value) & np.isfinite(b.sigma)
        allowed = found.t * (a.sigma + b.sigma) + np.spacing(np.abs(b.value))
        np.testing.assert_array_less(np.abs(a.value - b.value)[known], allowed[known] + np.finfo(np.float64).tiny)
        np.testing.assert_array_equal(np.isnan(a.value), np.isnan(b.value))
