"""What a scan carries, whatever this JAX calls it."""

import jax
import jax.numpy as jnp
from jax import lax

from crosscheck.traces.scans import scan_sizes


def test_constants_and_carry_are_told_apart() -> None:
    def f(a, b, w, v, u, xs):
        return lax.scan(lambda carry, x: ((carry[0] * w + v, carry[1] + u * x), carry[0]), (a, b), xs)

    (equation,) = jax.make_jaxpr(f)(1.0, 2.0, 3.0, 4.0, 5.0, jnp.arange(3.0)).eqns
    assert equation.primitive.name == "scan"
    assert scan_sizes(equation.params) == (3, 2)
