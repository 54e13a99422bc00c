"""Optimizers: how a layer's parameters follow their gradients.

Stochastic gradient descent with momentum and weight decay. The velocity V starts at 0:

    V ← μ·V + G + λ·P                                                          (1)
    P ← P - η·V                                                                (2)

With μ = 0 this is P ← P - η·(G + λ·P), the step down L + λ/2·Σ P².

Adam keeps running means of the gradient and of its square, both from 0, and divides by what the weights of such a mean
add up to, 1 - βᵗ, since early means hold few gradients:

    M ← β₁·M + (1 - β₁)·G                                                      (3)
    S ← β₂·S + (1 - β₂)·G²                                                     (4)
    P ← P - η · (M / (1 - β₁ᵗ)) / (√(S / (1 - β₂ᵗ)) + ε)                       (5)

Letters: P parameters; G = ∂L/∂P; η learning rate; t = 1, 2, ... number of the step; μ momentum; λ weight decay; V
velocity; M mean; S mean square; β₁, β₂ their decays; ε what keeps the quotient finite.

Everything is elementwise, so parameters and state are flat vectors, in the order of the layer's `parameters`.

Source: B. Polyak, USSR Comput. Math. Math. Phys. 4 (1964) 1-17, for the momentum, in the form of I. Sutskever et al.,
ICML 2013, with the learning rate outside; D. Kingma and J. Ba, *Adam*, arXiv 1412.6980, algorithm 1.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from manual.layer import Layer
from manual.vectors import read_only

Array = np.ndarray


class Optimizer(ABC):
    """Moves a layer's parameters, one step at a time.

    Attributes:
        steps: how many steps were made.
        learning_rate: may be changed between steps.
    """

    state_names: ClassVar[tuple[str, ...]] = ()  # the vectors that it keeps from step to step

    def __init__(self, learning_rate: float) -> None:
        self.learning_rate = number(learning_rate, "learning_rate", 0.0, np.inf)
        self.steps = 0
        self._state: dict[str, Array] = {}

    @abstractmethod
    def update(self, parameters: Array, gradients: Array, state: Mapping[str, Array]) -> tuple[Array, dict[str, Array]]:
        """The next parameters and the next state; `steps` already counts this step."""

    def hyperparameters(self) -> dict[str, float]:
        """The numbers of the formulas, as they stand."""
        return {name: value for name, value in vars(self).items() if not name.startswith("_") and name != "steps"}

    @property
    def state(self) -> dict[str, Array]:
        """What is kept from step to step, by name, read-only; empty before the first step."""
        return {name: read_only(array) for name, array in self._state.items()}

    def step(self, layer: Layer) -> None:
        """Move `layer.parameters` by what `layer.gradients` say.

        An optimizer belongs to the layer or network of its first step.

        Raises:
            RuntimeError: no backward pass came before.
            ValueError: a layer with another number of parameters than before.
        """
        parameters, gradients = layer.parameters, layer.gradients
        state = self._state or {name: np.zeros_like(parameters) for name in self.state_names}
        for name, array in state.items():
            if array.shape != parameters.shape:
                raise ValueError(
                    f"{type(self).__name__} keeps a {name} of {array.size} numbers and got a layer with "
                    f"{parameters.size} parameters; make an optimizer for each network"
                )
        self.steps += 1
        layer.parameters, self._state = self.update(parameters, gradients, state)


class SGD(Optimizer):
    """Gradient descent with momentum and weight decay (1), (2).

    Args:
        learning_rate: η, positive.
        momentum: μ, from 0 to below 1.
        weight_decay: λ, 0 or more.

    Raises:
        ValueError: a number outside its range.
    """

    state_names = ("velocity",)

    def __init__(self, learning_rate: float, momentum: float = 0.0, weight_decay: float = 0.0) -> None:
        super().__init__(learning_rate)
        self.momentum = number(momentum, "momentum", 0.0, 1.0, closed=True)
        self.weight_decay = number(weight_decay, "weight_decay", 0.0, np.inf, closed=True)

    def update(self, parameters: Array, gradients: Array, state: Mapping[str, Array]) -> tuple[Array, dict[str, Array]]:
        velocity = self.momentum * state["velocity"] + gradients + self.weight_decay * parameters  # (1)
        return parameters - self.learning_rate * velocity, {"velocity": velocity}  # (2)


class Adam(Optimizer):
    """Adam (3), (4), (5).

    Args:
        learning_rate: η, positive.
        mean_decay, square_decay: β₁ and β₂, from 0 to below 1.
        eps: ε, positive; outside the root.

    Raises:
        ValueError: a number outside its range.
    """

    state_names = ("mean", "square")

    def __init__(
        self, learning_rate: float = 1e-3, mean_decay: float = 0.9, square_decay: float = 0.999, eps: float = 1e-8
    ) -> None:
        super().__init__(learning_rate)
        self.mean_decay = number(mean_decay, "mean_decay", 0.0, 1.0, closed=True)
        self.square_decay = number(square_decay, "square_decay", 0.0, 1.0, closed=True)
        self.eps = number(eps, "eps", 0.0, np.inf)

    def update(self, parameters: Array, gradients: Array, state: Mapping[str, Array]) -> tuple[Array, dict[str, Array]]:
        mean = self.mean_decay * state["mean"] + (1 - self.mean_decay) * gradients  # (3)
        square = self.square_decay * state["square"] + (1 - self.square_decay) * gradients**2  # (4)
        unbiased_mean = mean / (1 - self.mean_decay**self.steps)
        unbiased_square = square / (1 - self.square_decay**self.steps)
        moved = parameters - self.learning_rate * unbiased_mean / (np.sqrt(unbiased_square) + self.eps)  # (5)
        return moved, {"mean": mean, "square": square}


def number(value: Any, name: str, least: float, below: float, *, closed: bool = False) -> float:
    """`value` as a float between `least`, itself allowed if `closed`, and `below`, itself not allowed."""
    if not (least <= value < below) or (value == least and not closed):
        rule = f"{'at least' if closed else 'more than'} {least:g} and " + (
            "finite" if below == np.inf else f"less than {below:g}"
        )
        raise ValueError(f"{name} is {value}; it must be {rule}")
    return float(value)
