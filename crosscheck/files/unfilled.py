"""Gradients that are still to be derived: a backward may return `...` for them, and the others are judged."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from types import CodeType
from typing import Any

import numpy as np

from crosscheck import draws
from crosscheck.doors.functions import structure_of
from crosscheck.doors.signatures import by_name


def unfilled(
    forward: Callable[..., Any], backward: Callable[..., Any], inputs: Mapping[str, Any], convention: str | None
) -> tuple[str, ...]:
    """The names for which backward returns `...`; it is asked only where its code says that anywhere."""
    code = getattr(backward, "__code__", None)
    if not isinstance(code, CodeType) or not says_ellipsis(code):
        return ()
    structure = structure_of(forward, inputs, convention)
    y = structure.run(structure.forward, {k: np.array(a) for k, a in structure.arrays.items()})
    v = structure.cotangent(draws.cotangent(np.shape(y), np.random.default_rng(0)), structure.arrays)
    back = by_name("backward", backward, tuple(structure.inputs), "grad_output")
    returned = back(v, **structure.nested({k: np.array(a) for k, a in structure.arrays.items()}))
    if returned is ... and len(structure.inputs) == 1:
        return tuple(structure.inputs)
    return tuple(str(k) for k, g in returned.items() if g is ...) if isinstance(returned, Mapping) else ()


def says_ellipsis(code: CodeType) -> bool:
    return any(c is ... or (isinstance(c, CodeType) and says_ellipsis(c)) for c in code.co_consts)


def without(backward: Callable[..., Any], names: tuple[str, ...]) -> Callable[..., Any]:
    """The backward without these gradients."""
    if not names:
        return backward

    @functools.wraps(backward)
    def filled(*args: Any, **kwargs: Any) -> Any:
        return {k: g for k, g in backward(*args, **kwargs).items() if k not in names}

    return filled
