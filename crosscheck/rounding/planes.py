"""The planes that travel beside every value of a walk: error, flip, uncertain (see `rounding`)."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp


class Note(NamedTuple):
    """The planes beside one value; None stands for zero everywhere."""

    error: Any = None
    flip: Any = None
    uncertain: Any = None


EXACT = Note()


def is_float(value: Any) -> bool:
    return jnp.issubdtype(jnp.result_type(value), jnp.floating)


def total(*terms: Any) -> Any:
    """The sum of the terms that are not None, or None."""
    present = [t for t in terms if t is not None]
    return sum(present[1:], present[0]) if present else None


def any_present(items: list[Any]) -> bool:
    return any(item is not None for item in items)


def fill(x: list[Any], errors: list[Any]) -> list[Any]:
    """Zeros for the operands without an error."""
    return [
        jnp.zeros_like(v) if e is None else jnp.broadcast_to(e, jnp.shape(v)) for v, e in zip(x, errors, strict=True)
    ]


def dense(value: Any, note: Note) -> tuple[Any, Any]:
    """Error and flip as arrays, so that they can travel through a loop."""
    if not is_float(value):
        return None, None
    zero = jnp.zeros_like(value)
    return (
        zero if note.error is None else jnp.broadcast_to(note.error, zero.shape),
        zero if note.flip is None else jnp.broadcast_to(note.flip, zero.shape),
    )
