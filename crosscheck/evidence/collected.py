"""Everything that was collected about an operation's gradients, before anything is decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from crosscheck.evidence.estimate import Estimate
from crosscheck.evidence.exact_run import ExactRun
from crosscheck.evidence.finding import Finding
from crosscheck.evidence.pair import Pair

Array = np.ndarray

NOT_ASKED = ExactRun(False, "it was not asked for")


@dataclass(frozen=True)
class GradientEvidence:
    """What was said of one gradient.

    Args:
        shape: of the input.
        returned: the shape of the gradient that the hand-derived code returned.
        estimates: by witness; none of `HAND` where the shape is wrong.
        conventions: how many entries lie on kinks where what the hand-derived code says is one of several legitimate
            conventions; 0 where it is not, and where nobody asked.
    """

    shape: tuple[int, ...]
    returned: tuple[int, ...]
    estimates: Mapping[str, Estimate]
    conventions: int = 0

    @property
    def right_shape(self) -> bool:
        return self.returned == self.shape


@dataclass(frozen=True)
class Reference:
    """What the reference says of itself.

    Args:
        adjoint: how far its reverse mode is from being the adjoint of its forward mode, as a share of what rounding
            allows; None where it has no forward mode.
        estimated: the primitives whose rounding is estimated by their derivative, not derived.
    """

    adjoint: float | None
    estimated: frozenset[str]


@dataclass(frozen=True)
class Evidence:
    """What a check collected; nothing in it is changed afterwards.

    Args:
        output: the hand-written forward's y.
        cotangent: the gradient that arrives, in float64.
        gradients: by name, in the order of `wrt`.
        forward: the forwards compared, hand-written and reference; None without a reference.
        forward_single: the same in float32 arithmetic, where the operation is float32.
        effects: side effects, those that fail first.
        reference: None without one.
        exact: what the exact points say.
    """

    output: Array
    cotangent: Array
    gradients: Mapping[str, GradientEvidence]
    forward: Pair | None = None
    forward_single: Pair | None = None
    effects: tuple[Finding, ...] = ()
    reference: Reference | None = None
    exact: ExactRun = NOT_ASKED
