"""What NumPy moves is what JAX moves: each row of the table, values, copies and terms."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from crosscheck.rounding.copies import Plane, Run, equation
from crosscheck.rounding.moves import MOVES
from crosscheck.rounding.moving import by_numpy
from crosscheck.traces.precision import double_precision

A = np.random.default_rng(0).normal(size=(3, 4, 5))
V = np.float64(0.5)

MOVED = {
    "reshape": lambda a: lax.reshape(a, (5, 12)),
    "squeeze": lambda a: lax.squeeze(lax.slice(a, (0, 1, 0), (3, 2, 5)), (1,)),
    "expand_dims": lambda a: lax.expand_dims(a, (0, 2)),
    "broadcast_in_dim": lambda a: lax.broadcast_in_dim(a, (2, 3, 7, 4, 5), (1, 3, 4)),
    "broadcast_in_dim of ones": lambda a: lax.broadcast_in_dim(
        lax.slice(a, (0, 0, 0), (3, 1, 5)), (3, 4, 5), (0, 1, 2)
    ),
    "transpose": lambda a: lax.transpose(a, (2, 0, 1)),
    "slice": lambda a: lax.slice(a, (1, 0, 1), (3, 4, 5)),
    "slice with strides": lambda a: lax.slice(a, (0, 1, 0), (3, 4, 5), (2, 3, 2)),
    "rev": lambda a: lax.rev(a, (0, 2)),
    "concatenate": lambda a: lax.concatenate([a, 2 * a, a], 1),
    "split": lambda a: lax.split(a, (1, 3), 1),
    "pad": lambda a: lax.pad(a, V, ((1, 2, 0), (0, 0, 0), (3, 0, 0))),
    "pad between": lambda a: lax.pad(a, V, ((0, 0, 2), (1, 1, 1), (0, 2, 0))),
    "pad that cuts": lambda a: lax.pad(a, V, ((-1, 0, 0), (-2, 1, 1), (1, -3, 0))),
    "neg": lambda a: lax.neg(a),
    "copy": lambda a: jnp.copy(a),
    "stop_gradient": lambda a: lax.stop_gradient(a),
}


def moves_of(function: Any) -> list[Any]:
    return [eqn for eqn in jax.make_jaxpr(function)(A).eqns if eqn.primitive.name in MOVES]


@pytest.mark.parametrize("free", [False, True])
@pytest.mark.parametrize("name", MOVED)
def test_moved_by_numpy_as_by_jax(name: str, free: bool) -> None:
    with double_precision():
        eqns = moves_of(MOVED[name])
        assert eqns or name in ("stop_gradient",)  # which leaves no equation
        for eqn in eqns:
            planes = [plane(v.aval, i) for i, v in enumerate(eqn.invars)]
            one, other = (Run(2.0**-53, 4, free, np.uint32(1), 10.0) for _ in range(2))
            found, wanted = by_numpy(eqn, planes, one), equation(eqn, planes, other)
            assert found is not None
            assert one.number == other.number
            for got, right in zip(found, wanted, strict=True):
                for a, b in zip(got, right, strict=True):
                    assert (a is None) == (b is None)
                    if a is not None:
                        np.testing.assert_array_equal(a, b)


def plane(aval: Any, seed: int) -> Plane:
    """A value with copies and terms, some of which are lost among theirs."""
    rng = np.random.default_rng(seed)
    value = rng.normal(size=aval.shape)
    copies = value + 1e-10 * rng.normal(size=(4, *aval.shape))
    return Plane(value, copies, np.abs(value) * 10.0 ** rng.integers(0, 16, aval.shape))


def test_without_copies_there_are_none() -> None:
    with double_precision():
        (eqn,) = moves_of(MOVED["transpose"])
        ((_, copies, terms),) = by_numpy(eqn, [Plane(A)], Run(2.0**-53, 4, False, np.uint32(1), 10.0)) or []
    assert copies is None
    assert terms is None


def test_what_is_no_move_is_left_alone() -> None:
    eqn = jax.make_jaxpr(lambda a: jnp.sin(a))(A).eqns[0]
    assert by_numpy(eqn, [Plane(A)], Run(2.0**-53, 4, False, np.uint32(1), 10.0)) is None


def test_a_random_key_is_left_to_jax() -> None:
    keys = jax.random.split(jax.random.key(0), 4)
    eqn = next(e for e in jax.make_jaxpr(lambda k: k.reshape(2, 2))(keys).eqns if e.primitive.name == "reshape")
    assert by_numpy(eqn, [Plane(keys)], Run(2.0**-53, 4, False, np.uint32(1), 10.0)) is None
