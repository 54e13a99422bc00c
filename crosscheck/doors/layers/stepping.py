"""Steps of one layer, made and looked at: which are linear in the gradient, and follow the rate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from crosscheck.doors.layers import nudges
from crosscheck.doors.layers.places import private
from crosscheck.doors.layers.route import Route
from crosscheck.doors.layers.steps import StepRead, large_scale
from crosscheck.operation import Array, Arrays


@dataclass(frozen=True)
class Stepping:
    """One layer, of whose steps is asked.

    Args:
        route: that reads steps.
        values: of the inputs and parameters.
        cotangent: that arrives.
        dtype: of the parameters.
    """

    route: Route
    values: Arrays
    cotangent: Array
    dtype: np.dtype

    def step(self, scale: float, size: float = 1.0, prepared: Callable[[Any], None] | None = None) -> dict[str, Any]:
        """The step for the cotangent times a number, of a copy of the layer that was `prepared`."""
        layer = private(self.route.base)
        if prepared is not None:
            prepared(layer)
        return self.route.step(layer, self.cotangent * scale, self.values, size)

    def ways(self, names: list[str], at_zero: bool) -> dict[str, StepRead]:
        """How the step of each parameter is read, of those that can be; `at_zero`: a step without a gradient is one."""
        large = large_scale(self.dtype)
        still = None if at_zero else self.still()
        found: dict[str, StepRead] = {}
        for way in (StepRead(), *([] if still is None else [StepRead(large, True)]), StepRead(1 / large)):
            rest = [name for name in names if name not in found]
            if not rest:
                break
            one, quarter = self.step(way.scale), self.step(way.scale, 0.25)
            # What is linear here may be clipped farther out; what is lost or clipped there is not asked.
            factors = (-2.0, large) if way == StepRead() else (-2.0,)
            others = {factor: self.step(factor * way.scale) for factor in factors}
            for name in rest:
                resting = still[name] if way.apart and still is not None else np.zeros(())
                a = np.asarray(one[name]) - resting
                good = (way == StepRead() or bool(np.any(a))) and bool(np.isfinite(a).all())
                good = good and (way.apart or still is None or not np.any(still[name]))
                good = good and nudges.unchanged(a, np.asarray(quarter[name]) - resting)
                if good and all(nudges.unchanged(f * a, np.asarray(s[name]) - resting) for f, s in others.items()):
                    found[name] = way
        return found

    def still(self) -> dict[str, Any] | None:
        """The step without any gradient; None where the code refuses that."""
        try:
            return self.step(0.0)
        except Exception:  # a norm of zero that is divided by
            return None

    def follows(self, name: str) -> bool:
        """Whether the step is another at another rate."""
        return not nudges.unchanged(4.0 * self.step(1.0)[name], self.step(1.0, 0.25)[name])
