"""The optimizers again, in JAX: one step from given parameters, gradients and state.

Each rule is `rule(parameters, gradients, state, step, **hyperparameters) -> (parameters, state)`, elementwise over
vectors of one shape; `step` counts from 1. The names of the state and of the hyper-parameters are those of `manual`.

Source: B. Polyak, USSR Comput. Math. Math. Phys. 4 (1964) 1-17; D. Kingma and J. Ba, *Adam*, arXiv 1412.6980. The
momentum is written as Polyak did, by what the parameters moved; Adam as in the paper's section 2, with both corrections
in the step size and ε scaled to match.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp

__all__ = ["RULES", "adam", "sgd"]

State = dict[str, Any]


def sgd(
    parameters: Any,
    gradients: Any,
    state: Mapping[str, Any],
    step: Any,
    *,
    learning_rate: Any,
    momentum: Any,
    weight_decay: Any,
) -> tuple[Any, State]:
    """P - η·(G + λ·P) - η·μ·V: down the slope of L + λ/2·Σ P², and on by a share of the last move."""
    slope = gradients + weight_decay * parameters
    carried = momentum * state["velocity"]
    return parameters - learning_rate * slope - learning_rate * carried, {"velocity": carried + slope}


def adam(
    parameters: Any,
    gradients: Any,
    state: Mapping[str, Any],
    step: Any,
    *,
    learning_rate: Any,
    mean_decay: Any,
    square_decay: Any,
    eps: Any,
) -> tuple[Any, State]:
    """P - η_t · M / (√S + ε_t), with η_t = η·√(1 - β₂ᵗ)/(1 - β₁ᵗ) and ε_t = ε·√(1 - β₂ᵗ)."""
    mean = mean_decay * state["mean"] + (1 - mean_decay) * gradients
    square = square_decay * state["square"] + (1 - square_decay) * gradients * gradients
    correction = jnp.sqrt(1 - square_decay**step)
    rate = learning_rate * correction / (1 - mean_decay**step)
    return parameters - rate * mean / (jnp.sqrt(square) + eps * correction), {"mean": mean, "square": square}


RULES: dict[str, Callable[..., tuple[Any, State]]] = {"SGD": sgd, "Adam": adam}
