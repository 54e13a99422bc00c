"""A reference that is no program of JAX: it says itself what its derivatives are, and how they round.

Everything that the judge asks of a reference goes through `autodiff`, `plain_gradients` and `output_shape`, which pass
the question on to such a reference. What needs the reference's program (exact points) does without; the search for a
reason asks for one that it may read (`program`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np

from crosscheck.evidence.estimate import Estimate
from crosscheck.operation import Array, Arrays
from crosscheck.rounding import Roundings


class Foreign(ABC):
    """The derivatives of another framework.

    Attributes:
        source: where it comes from, in words; "" where it was given.
    """

    source = ""

    @abstractmethod
    def plain(self, inputs: Arrays, wrt: tuple[str, ...], v: Array) -> tuple[Array, Arrays]:
        """Output and gradients at float64, without a word about rounding."""

    @abstractmethod
    def estimated(
        self, inputs: Arrays, wrt: tuple[str, ...], v: Array, dtype: np.dtype, seed: int
    ) -> tuple[Estimate, dict[str, Estimate], Roundings, frozenset[str]]:
        """The output and the gradients with their rounding in code that computes in `dtype`; how that was had; the
        inputs that no cotangent reaches."""

    @abstractmethod
    def shape(self, inputs: Arrays) -> tuple[tuple[int, ...], np.dtype]:
        """Of the output."""

    def program(self, inputs: Arrays) -> Callable[..., Any] | None:
        """The reference at a point as a program of JAX, for the search for a reason to read; None where it has none.

        It is not believed: where its gradients are not those of `plain`, the search does without.
        """
        return None

    def __call__(self, /, **inputs: Array) -> Array:
        """The output alone."""
        return self.plain(inputs, (), np.zeros(self.shape(inputs)[0]))[0]
