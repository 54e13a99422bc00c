"""Programs that nobody here had written: a loop under `vmap` tests each of a batch, a scatter of complex numbers brings
a program for them."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from crosscheck.rounding import roundings


def said(function: Any, *args: Any) -> Any:
    with jax.enable_x64(True):
        return roundings(jax.make_jaxpr(function)(*args), args)


def root(a: Any) -> Any:
    """Newton's method, in as many turns as each needs."""
    return jax.lax.while_loop(lambda x: jnp.abs(x * x - a) > 1e-9, lambda x: 0.5 * (x + a / x), a)


def test_a_loop_under_vmap_is_as_each_alone() -> None:
    a = np.array([2.0, 30.0, 900.0])
    together = said(jax.vmap(root), a).outputs[0]
    assert np.allclose(together.value, np.sqrt(a))
    assert np.all((together.sigma > 0) & (together.sigma < 1e-13 * together.value))


def test_a_scatter_of_complex_numbers_rounds_like_a_sum() -> None:
    def scattered(z: Any) -> Any:
        return jnp.abs(jnp.zeros(2, z.dtype).at[jnp.array([0, 1, 0])].add(z))

    z = np.array([1 / 3 + 1j, 2.0, 1 / 7 - 1j])
    found = said(scattered, z).outputs[0]
    assert np.allclose(found.value, [1 / 3 + 1 / 7, 2.0])
    assert 0 < found.sigma[0] < 1e-15
