"""Everything that was collected about an operation's gradients, before anything is decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from crosscheck.evidence.estimate import Estimate
from crosscheck.evidence.exact_run import ExactRun
from crosscheck.evidence.finding import Finding
from crosscheck.evidence.pair import Pair

Array = np.ndarray

NOT_ASKED = ExactRun(False, "it was not asked for")


@dataclass(frozen=True)
class Elsewhere:
    """A further point at which a gradient is wrong.

    Args:
        name: of the input whose gradient it is.
        point: what was done to the caller's point.
        wrong: boolean, where.
        inputs, cotangent, hand: the point, and the hand-derived gradients there.
        truth: of this gradient; None where it is known along one direction only, and `wrong` is everywhere.
        allowed: how far from it rounding may be.
        on_set: on which set the arguments lie on which it is right everywhere, in words; "" where there is none.
    """

    name: str
    point: str
    wrong: Array
    inputs: Mapping[str, Array]
    cotangent: Array
    hand: Mapping[str, Array]
    truth: Array | None
    allowed: Array | None
    on_set: str = ""


@dataclass(frozen=True)
class GradientEvidence:
    """What was said of one gradient.

    Args:
        shape: of the input.
        returned: the shape of the gradient that the hand-derived code returned.
        estimates: by witness; none of `HAND` where the shape is wrong.
        conventions: a mask of the entries on kinks where what the hand-derived code says is one of several legitimate
            conventions; None where it is not, and where nobody asked.
        illegitimate: why what it says on kinks is no convention; "" where it may be one, and where nobody asked.
        unruled: the entries on kinks where rounding hides whether what it says is a convention.
        vacuous: why agreeing shows nothing of it; "" where it shows something.
        elsewhere: a further point at which it is wrong; None where there is none.
        how: how the rounding of the hand-derived code was had: assumed, longdouble, measured.
        lost: how far its float64 answer is from its formula, where the formula was judged in longdouble.
    """

    shape: tuple[int, ...]
    returned: tuple[int, ...]
    estimates: Mapping[str, Estimate]
    conventions: Array | None = None
    illegitimate: str = ""
    unruled: Array | None = None
    vacuous: str = ""
    elsewhere: Elsewhere | None = None
    how: str = ""
    lost: Array | None = None

    @property
    def right_shape(self) -> bool:
        return self.returned == self.shape


@dataclass(frozen=True)
class Reference:
    """What the reference says of itself.

    Args:
        adjoint: ⟨v, J u⟩ of its forward mode and ⟨Jᵀ v, u⟩ of its reverse mode, compared; None where it has no forward
            mode, or where one of the two is not finite.
        estimated: the primitives of whose rounding nothing is known: it is estimated.
        equations: of its program, those in loops once.
        compiled: whether the program was compiled as one, or evaluated equation by equation.
        small: whether that was because it is small, and not because it is long.
        copies: K, the random roundings from which the standard deviations were estimated.
    """

    adjoint: Pair | None
    estimated: frozenset[str] = frozenset()
    equations: int = 0
    compiled: bool = True
    copies: int = 0
    small: bool = False

    def to_dict(self) -> dict[str, Any]:
        """How its program was evaluated."""
        return {"equations": self.equations, "compiled": self.compiled, "copies": self.copies}


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
        t: the quantile that standard deviations are taken times: of all comparisons of the check, none fails by chance
            with a probability above δ.
        further_points: how many points beside the caller's own were compared.
        left_out: what a budget ended before it was done, in words.
        excusable: whether something that was left out might have excused a difference.
        single_inside: what of the hand-written code is computed in float32 whatever it is given, in words.
        accuracy: what is only so good by design, in words.
        on: which inputs stay on which sets, in words.
        source: where the reference comes from, or why there is none.
        constants: the inputs that were not differentiated.
    """

    output: Array
    cotangent: Array
    gradients: Mapping[str, GradientEvidence]
    forward: Pair | None = None
    forward_single: Pair | None = None
    effects: tuple[Finding, ...] = ()
    reference: Reference | None = None
    exact: ExactRun = NOT_ASKED
    t: float = 0.0
    further_points: int = 0
    left_out: tuple[str, ...] = ()
    excusable: bool = False
    source: str = ""
    single_inside: str = ""
    accuracy: str = ""
    on: str = ""
    constants: tuple[str, ...] = ()
