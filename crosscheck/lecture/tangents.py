"""The tangents of our own layers, as operations that the judge knows.

Two questions are asked of a tangent Ẏ = J·V̇, where V is everything that moves, inputs and parameters, and J(V) the
derivatives. Whether it is what JAX says, by forward mode, of the twin: `moved` asks it as `check_jvp` does, one input
at a time and all at once. And whether it is the transpose of the layer's own backward: for every V̇ and every G

    ⟨G, J·V̇⟩ = ⟨Jᵀ·G, V̇⟩                                                       (1)

`adjoint` asks that as a function of V̇ with V held, in which the tangent is the forward pass, and the layer's backward
therefore the gradient, whatever V̇ is. So the judge's differences of the tangent are compared with the backward entry
by entry, each by what it may round, and in an exact run both sides of (1) are the same number.

Letters: Y output; V what moves; J its derivatives; G = ∂L/∂Y; L loss; a dot marks a nudge.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from importlib import import_module
from typing import Any

import jax
import numpy as np

from crosscheck.doors.tangents import in_steps
from crosscheck.lecture.adapters import twin
from crosscheck.lecture.losses import TARGET
from crosscheck.operation import Array, Arrays, Operation, wide
from manual import Layer
from manual.program import INPUT

NUDGE = "nudge "  # before the name of what moves


def point(layer: Layer, x: Array) -> Arrays:
    """V: x and the parameters, by name."""
    return {INPUT: np.array(x), **{k: np.array(a) for k, a in layer.named_parameters().items()}}


def after_forward(layer: Layer, values: Arrays) -> Layer:
    """A copy of the layer, with these parameters, after a forward pass of x; its state begins where the layer's is."""
    ours = copy.deepcopy(layer)
    ours.parameters = np.concatenate([values[k].ravel() for k in ours.named_parameters()] or [np.zeros(0)])
    ours.forward(values[INPUT])
    return ours


def tangent_of(layer: Layer, values: Arrays, nudges: Arrays) -> Array:
    """Ẏ."""
    of_x = nudges.get(INPUT)
    if of_x is None:  # indices, which stand still
        of_x = np.zeros(values[INPUT].shape, layer.dtype)
    return after_forward(layer, values).tangent(of_x, {k: a for k, a in nudges.items() if k != INPUT})


Tangent = Callable[..., Array]  # (nudges, **what moves) -> Ẏ


@dataclass(frozen=True)
class Moved(Operation):
    """A tangent beside the twin's. `with_tangent` gives the same operation with another tangent."""

    with_tangent: Callable[[Tangent], Operation] | None = field(default=None, repr=False)


def moved(layer: Layer, x: Array, seed: int = 0) -> Moved:
    """The tangent beside the twin's, in steps along random directions (`check_jvp`)."""
    twins = twin(layer)

    def forward(**values: Array) -> Array:
        ours = copy.deepcopy(layer)
        ours.parameters = np.concatenate([values[k].ravel() for k in ours.named_parameters()] or [np.zeros(0)])
        return ours.forward(values[INPUT])

    def tangent(tangents: Arrays, **values: Array) -> Array:
        return tangent_of(layer, values, tangents)

    def with_tangent(other: Tangent) -> Operation:
        return in_steps(forward, other, point(layer, x), twins, seed=seed)

    right = with_tangent(tangent)
    return Moved(**{f.name: getattr(right, f.name) for f in fields(right)}, with_tangent=with_tangent)


def adjoint(layer: Layer, x: Array, nudges: Arrays) -> Operation:
    """(1): the tangent as a function of the nudges, and the backward as its gradient.

    Args:
        layer: any of `manual`; x and its parameters are held.
        nudges: of x and every parameter, by their names; indices have none.
    """
    held, twins = point(layer, x), twin(layer)

    def forward(values: Arrays) -> Array:
        return tangent_of(layer, *parted(values))

    def backward(grad_output: Array, values: Arrays) -> Arrays:
        ours = after_forward(layer, parted(values)[0])
        gradients = {INPUT: ours.backward(grad_output), **ours.named_gradients()}
        return {f"{NUDGE}{k}": a for k, a in gradients.items() if k in nudges}

    def widened() -> Operation:
        return adjoint(layer.astype(np.float64), wide(np.asarray(x)), {k: wide(a) for k, a in nudges.items()})

    named = {f"{NUDGE}{k}": np.array(nudges[k]) for k in held if k in nudges}
    name = f"tangent of {type(layer).__name__}"
    reference = None if twins is None else by_forward_mode(twins)
    return Operation(name, forward, backward, {**held, **named}, tuple(named), reference, widened)


def by_forward_mode(twins: Callable[..., Any]) -> Callable[..., Any]:
    """Ẏ of a twin, by JAX."""

    def reference(**values: Any) -> Any:
        at, along = parted(values)
        moving, still = {k: at[k] for k in along}, {k: a for k, a in at.items() if k not in along}
        return jax.jvp(lambda v: twins(**v, **still), (moving,), (along,))[1]

    return reference


def parted(values: Any) -> tuple[Any, Any]:
    """What moves, and the nudges by the same names."""
    at = {k: a for k, a in values.items() if not k.startswith(NUDGE)}
    return at, {k: values[f"{NUDGE}{k}"] for k in at if f"{NUDGE}{k}" in values}


# ---------------------------------------------------------------------- losses


def linear_in_nudge(
    name: str,
    arrays: Arrays,
    nudge: Array,
    forward: Callable[[Array, Arrays], Any],
    transposed: Callable[[Array, Arrays], Array],
    reference: Callable[[Any, Any], Any],
) -> Operation:
    """A linear map of a nudge of the prediction, with its transpose.

    Args:
        arrays: what is held.
        forward: (nudge, arrays) -> what becomes of it.
        transposed: (cotangent, arrays) -> the transpose of it.
        reference: as forward, in JAX.
    """
    moves = f"{NUDGE}prediction"

    def held(values: Any) -> Any:
        return {k: a for k, a in values.items() if k != moves}

    return Operation(
        name,
        lambda values: forward(values[moves], held(values)),
        lambda g, values: {moves: transposed(g, held(values))},
        {**arrays, moves: nudge},
        (moves,),
        lambda **values: reference(values[moves], held(values)),
    )


def of_twin(loss: Any, target: Any) -> Callable[[Any], Any]:
    """The twin of a loss, of a prediction alone."""
    module = import_module(f"reference.{loss.operation}")
    return lambda prediction: module.forward(prediction, target=target, **loss.hyperparameters)


def tangent_of_loss(loss: Any, prediction: Array, target: Array, nudge: Array, rng: np.random.Generator) -> Operation:
    """How the loss moves with its prediction."""
    return linear_in_nudge(
        f"tangent of {type(loss).__name__}",
        {"prediction": prediction, TARGET: target},
        nudge,
        lambda nudge, at: loss.tangent(at["prediction"], at[TARGET], nudge),
        lambda g, at: loss.gradient(at["prediction"], at[TARGET], g),
        lambda nudge, at: jax.jvp(of_twin(loss, at[TARGET]), (at["prediction"],), (nudge,))[1],
    )


def hessian_of_loss(loss: Any, prediction: Array, target: Array, nudge: Array, rng: np.random.Generator) -> Operation:
    """How the loss's gradient moves with its prediction, for a G that is not 1."""
    g = rng.uniform(0.5, 2.0, np.shape(loss.forward(prediction, target)))

    def product(nudge: Array, at: Arrays) -> Array:
        return loss.hessian_product(at["prediction"], at[TARGET], nudge, at["G"])

    def reference(nudge: Any, at: Any) -> Any:
        def gradient(p: Any) -> Any:
            return jax.vjp(of_twin(loss, at[TARGET]), p)[1](at["G"])[0]

        return jax.jvp(gradient, (at["prediction"],), (nudge,))[1]

    arrays = {"prediction": prediction, TARGET: target, "G": g}
    return linear_in_nudge(f"second derivatives of {type(loss).__name__}", arrays, nudge, product, product, reference)
