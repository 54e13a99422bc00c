"""Which points a user's functions mark, and of which of them a backward returns a gradient (`between`)."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from crosscheck.doors.structure import Structure
from crosscheck.marks import MarkedPoint, Noting, marking, tap
from crosscheck.operation import Arrays
from crosscheck.witnesses.namespaces import mentioned, reached

MarkedPoints = Mapping[str, MarkedPoint]


def mentions_tap(*functions: Any) -> bool:
    """Whether some code that can be reached says `tap`, or has it by another name."""
    found = reached(*map(unjitted, functions))
    found = reached(*map(unjitted, functions), *(unjitted(v) for v, _ in found.places() if is_jitted(v)))
    said = any("tap" in names for _, names in found.globals.values())
    said = said or any("tap" in mentioned(f.__code__) for f in found.functions)
    return said or any(value is tap for value, _ in found.places())


def copies(structure: Structure) -> Arrays:
    return {k: np.array(a) for k, a in structure.arrays.items()}


def points_of_forward(structure: Structure) -> tuple[dict[str, MarkedPoint], tuple[int, ...]]:
    """The points that the forward passes, and the shape of what arrives at its backward."""
    noting = Noting("forward")
    with marking(noting):
        y = structure.run(structure.forward, copies(structure))
    return noting.named(), np.shape(y)


def points_of_reference(reference: Callable[..., Any], structure: Structure) -> dict[str, MarkedPoint]:
    import jax

    from crosscheck.traces.precision import double_precision

    noting = Noting("the reference")

    def traced(values: dict[str, Any]) -> tuple[()]:
        noting.trace = next((a._trace for a in values.values()), None)
        with marking(noting):
            reference(**structure.nested(values))
        return ()

    with double_precision():
        jax.eval_shape(traced, copies(structure))
    return noting.named()


def unjitted(reference: Any) -> Any:
    """The function that `jax.jit` was put around: what it computes is the same, and what it marks can be seen."""
    return inspect.unwrap(reference, stop=lambda f: not is_jitted(f)) if is_jitted(reference) else reference


def is_jitted(function: Any) -> bool:
    """By its type: whatever attribute it is asked for, some objects have it (a stand-in, a proxy)."""
    return type(function).__name__ == "PjitFunction"


def checked(
    here: MarkedPoints, there: MarkedPoints, referred: bool, given: tuple[str, ...], returned: Any
) -> dict[str, MarkedPoint]:
    """The points of which backward returns a gradient, in its order; each marked where it has to be."""
    marked = {**there, **here}
    for name in marked:
        if stem(name) in given:
            raise ValueError(f"the point {name} has the name of an input: give it another")
    if not isinstance(returned, Mapping):
        return {}
    names = [k for k in expanded(returned, marked.keys()) if k not in given]
    for k in names:
        if k not in marked:
            raise ValueError(
                f"backward returned a gradient for {k}, which is neither an input ({', '.join(given)}) nor a point "
                f"that is marked ({', '.join(marked)})"
            )
        if referred and k not in there:
            raise ValueError(
                f"the point {k} is marked in forward and not in the reference: mark it there, too, or leave the "
                "reference out, and the forward is recorded"
            )
        if k in here and k in there and here[k].shape != there[k].shape:
            raise ValueError(
                f"the point {k} has shape {here[k].shape} in forward and {there[k].shape} in the reference"
            )
    return {k: marked[k] for k in names}


def stem(name: str) -> str:
    """The name that was given to `tap`."""
    return name.split("[", 1)[0]


def expanded(returned: Mapping[Any, Any], points: Any) -> dict[str, Any]:
    """What backward returned by the names of points: of a list, the last is the first that was derived."""
    found: dict[str, Any] = {}
    for key, gradient in returned.items():
        if isinstance(gradient, (list, tuple)) and f"{key}[0]" in points:
            found |= {f"{key}[{i}]": gradient[i] for i in reversed(range(len(gradient)))}
        else:
            found[str(key)] = gradient
    return found
