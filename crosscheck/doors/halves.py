"""float16 and bfloat16: the formula is judged at float64, and the arithmetic in the formats that were given.

Eleven or eight binary digits hide every mistake that is not gross. So the point is the given numbers, which float64
holds exactly; forward and backward are run there as they are, and judged as float64 code is. Beside that they are run
once on the arrays as they were given, and these answers may be off by what rounding costs in the coarsest format.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from crosscheck.doors.structure import Structure
from crosscheck.doors.trees import leaves, rebuilt
from crosscheck.floats import DOUBLE, HALVES, SINGLE, UNIT
from crosscheck.operation import OUTPUT, Arithmetic, Array, Arrays


def formats_of(inputs: Mapping[str, Any]) -> dict[str, np.dtype]:
    """The format of every leaf of floats, by its name, where one of them is a half; else nothing."""
    found = {
        name: leaf.dtype
        for name, given in inputs.items()
        for name, leaf in leaves(given, str(name))
        if isinstance(leaf, (np.ndarray, np.generic)) and leaf.dtype in (*HALVES, SINGLE, DOUBLE)
    }
    return found if any(d in HALVES for d in found.values()) else {}


def widened(inputs: Mapping[str, Any], formats: Mapping[str, np.dtype]) -> dict[str, Any]:
    """The inputs with float64 for these leaves."""

    def leaf(name: str, given: Any) -> Any:
        return np.asarray(given).astype(DOUBLE)[()] if name in formats else given

    return {str(k): rebuilt(value, leaf, str(k)) for k, value in inputs.items()}


def arithmetic(
    structure: Structure,
    formats: Mapping[str, np.dtype],
    wrt: tuple[str, ...],
    backward: Callable[[Any, dict[str, Any]], Any],
) -> Arithmetic:
    """What the code answers in the formats that its inputs were given in.

    Args:
        structure: of the same inputs at float64.
        formats: `formats_of` the inputs as they were given.
        wrt: the names to answer for.
        backward: (cotangent in the structure of the output, arguments) -> what the user's backward returned.
    """
    coarsest = max(formats.values(), key=lambda d: UNIT[d])

    def narrow(inputs: Arrays) -> dict[str, Any]:
        return structure.nested({k: a.astype(formats[k]) if k in formats else a for k, a in inputs.items()})

    def answers(inputs: Arrays, v: Array) -> Arrays:
        y = structure.packed_like(wide(structure.forward(**narrow(inputs))), inputs)
        cotangent = structure.cotangent(v, inputs)
        there = rebuilt(cotangent, lambda _, a: a if a is None else np.asarray(a).astype(coarsest)[()], "")
        gradients = structure.gradients(wide(backward(there, narrow(inputs))), inputs)
        return {OUTPUT: np.asarray(y, DOUBLE), **{k: np.asarray(gradients[k], DOUBLE) for k in wrt}}

    return Arithmetic(coarsest, answers)


def wide(returned: Any) -> Any:
    """The same with float64 for its halves."""

    def leaf(_: str, given: Any) -> Any:
        return np.asarray(given).astype(DOUBLE)[()] if getattr(given, "dtype", None) in HALVES else given

    return rebuilt(returned, leaf, "")
