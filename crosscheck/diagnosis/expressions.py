"""Arrays that a candidate computes, as data: a named function and what it is applied to.

    Call(np.flip, (value(3), (2, 3)))           the forward's fourth value, flipped along two axes

An expression is compared, hashed and printed like a tuple, and `read` is what evaluates it, at any point. Functions
are module-level ones or methods of `Point`; there is nothing to capture.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Here:
    """Stands for the point at which an expression is read."""

    def __repr__(self) -> str:
        return "HERE"


HERE = Here()


@dataclass(frozen=True)
class Arriving:
    """What arrives at the output of a step in the pass whose later steps are switched already; of a step with several
    outputs, at the one so numbered among those that move.
    """

    step: int
    output: int = 0


@dataclass(frozen=True)
class Call:
    """`function(*arguments)`; arguments that are expressions are read first."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]

    def __repr__(self) -> str:
        name = getattr(self.function, "__name__", repr(self.function))
        return f"{name}({', '.join(map(repr, self.arguments))})"


Expression = Call | Arriving


def read(expression: Any, point: Any, arriving: list[Any] | None = None) -> Any:
    """The value of an expression at a point; of anything else, itself."""
    if isinstance(expression, Call):
        return expression.function(*(read(a, point, arriving) for a in expression.arguments))
    if isinstance(expression, Arriving):
        assert arriving is not None
        arrived = arriving[expression.step]
        return np.asarray(arrived[expression.output] if isinstance(arrived, tuple) else arrived)
    return point if expression is HERE else expression
