"""The Gauss–Newton product of our own networks, as an operation that the judge knows.

It is a linear map of the nudges, with everything else held, and its own transpose. So the product is the forward pass,
and the product again its gradient: the judge compares the one with JAX's, along the nudges that are given, and the
other with JAX's transpose and with differences of the first, entry by entry.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from crosscheck.lecture.adapters import twin
from crosscheck.lecture.tangents import NUDGE, of_twin, parted, point
from crosscheck.operation import Array, Arrays, Operation
from manual import Layer, gauss_newton_product
from manual.program import INPUT


def curvature(
    network: Layer,
    loss: Any,
    x: Array,
    target: Array,
    moves: Arrays,
    product: Callable[..., Any] = gauss_newton_product,
) -> Operation:
    """The product as a function of the nudges; all entries as one vector, those of x first.

    Args:
        network: its parameters, its state and x are held.
        loss: of `manual`, after it.
        moves: the nudges, of x and of every parameter by name.
        product: what is checked.
    """
    held = point(network, x)
    names = tuple(held)

    def of(values: Arrays, nudges: Arrays) -> Arrays:
        ours = copy.deepcopy(network)
        ours.parameters = np.concatenate([values[k].ravel() for k in ours.named_parameters()])
        found = product(
            ours, loss, values[INPUT], target, {k: a for k, a in nudges.items() if k != INPUT}, nudges[INPUT]
        )
        return {INPUT: found.x, **found.by_name}

    def forward(values: Arrays) -> Array:
        found = of(*parted(values))
        return np.concatenate([found[k].ravel() for k in names])

    def backward(grad_output: Array, values: Arrays) -> Arrays:
        at, _ = parted(values)
        ends = np.cumsum([at[k].size for k in names])[:-1]
        cut = zip(names, np.split(grad_output, ends), strict=True)
        found = of(at, {k: piece.reshape(at[k].shape) for k, piece in cut})
        return {f"{NUDGE}{k}": found[k] for k in names}

    named = {f"{NUDGE}{k}": np.array(moves[k]) for k in names}
    name = f"Gauss–Newton of {type(network).__name__} with {type(loss).__name__}"
    twins = twin(network)
    reference = None if twins is None else by_jax(twins, of_twin(loss, target), names)
    return Operation(name, forward, backward, {**held, **named}, tuple(named), reference)


def by_jax(network: Callable[..., Any], loss: Callable[[Any], Any], names: tuple[str, ...]) -> Callable[..., Any]:
    """The product of a network and a loss in JAX: jvp, jvp of the loss's gradient, vjp."""

    def reference(**values: Any) -> Any:
        at, along = parted(values)
        y, nudge_y = jax.jvp(lambda v: network(**v), (at,), (along,))
        slope = jax.grad(lambda y: jnp.sum(loss(y)))  # one that is not reduced counts as the sum of its terms
        nudge_g = jax.jvp(slope, (y,), (nudge_y,))[1]
        found = jax.vjp(lambda v: network(**v), at)[1](nudge_g)[0]
        return jnp.concatenate([jnp.ravel(found[k]) for k in names])

    return reference
