"""A reference that is another program at another point.

A function written in jax.numpy is one program for all points. One that was recorded from a forward is what that did
at a point; where the code decides by values, it does something else elsewhere. Such a reference says so by a method
`at(inputs)`: the function to be traced for these inputs. `guarded` says whether there is more than one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def at_point(reference: Callable[..., Any], inputs: Mapping[str, Any]) -> Callable[..., Any]:
    """What is to be traced for these inputs, which are numbers: this is called before anything is traced."""
    at = getattr(reference, "at", None)
    return reference if at is None else at(inputs)


def is_recorded(reference: Callable[..., Any]) -> bool:
    """Whether it is what the forward itself was seen to do at the point that it is for."""
    return bool(getattr(reference, "recorded", False))


def is_guarded(reference: Callable[..., Any] | None) -> bool:
    """Whether Python decided something in it, for this point and points like it."""
    return bool(getattr(reference, "guarded", False))
