"""What a row of the table of operations is, and the usual ways to draw one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Drawn = tuple[tuple[str, ...], dict[str, Any]] | None


@dataclass(frozen=True)
class Op:
    """An operation, its derivative, and how a program comes to use it.

    Args:
        name: as it stands in a program.
        kind: the family, for the report.
        forward: `forward(xp, *operands, **params) -> y`.
        vjp: `vjp(xp, g, y, *operands, **params) -> one gradient per operand`, derived by hand. Of an operand that was
            broadcast it may have y's shape; whoever calls adds up what was repeated.
        draw: `draw(sketch, x) -> (operands, params)` for a step that starts from the value named x; None where x does
            not fit.
        jax: the forward in JAX, where it is not `forward(jax.numpy, ...)`.
        exact: the forward for the truth, where it is not `forward`.
        exact_vjp: the derivative for the truth, where it is not `vjp`.
    """

    name: str
    kind: str
    forward: Callable[..., Any]
    vjp: Callable[..., Any]
    draw: Callable[[Any, str], Drawn]
    jax: Callable[..., Any] | None = None
    exact: Callable[..., Any] | None = None
    exact_vjp: Callable[..., Any] | None = None


def unary(domain: str = "any") -> Callable[[Any, str], Drawn]:
    """One operand, made to lie in the domain."""
    return lambda sketch, x: ((sketch.fit(x, domain),), {})


def binary(first: str = "any", second: str = "any") -> Callable[[Any, str], Drawn]:
    """Two operands that broadcast: of one shape, or one with a part of it, or with axes of size 1; in either order."""

    def draw(sketch: Any, x: str) -> Drawn:
        y = sketch.partner(sketch.broadcastable(sketch.shape(x)))
        if sketch.flip():
            x, y = y, x
        return (sketch.fit(x, first), sketch.fit(y, second)), {}

    return draw


def reducing(domain: str = "any", several: bool = True) -> Callable[[Any, str], Drawn]:
    """One operand and an axis of it, or several axes, or all."""

    def draw(sketch: Any, x: str) -> Drawn:
        rank = len(sketch.shape(x))
        if rank == 0:
            return None
        axes = [(i,) for i in range(rank)]
        if several:
            axes += [tuple(range(rank)), (0, rank - 1)] if rank > 1 else []
        return (sketch.fit(x, domain),), {"axis": sketch.choose(axes), "keepdims": sketch.flip()}

    return draw


def along(domain: str = "any") -> Callable[[Any, str], Drawn]:
    """One operand and one axis of it."""

    def draw(sketch: Any, x: str) -> Drawn:
        rank = len(sketch.shape(x))
        return None if rank == 0 else ((sketch.fit(x, domain),), {"axis": sketch.integer(0, rank - 1)})

    return draw


def square_matrix(sketch: Any, x: str) -> Drawn:
    return ((x,), {}) if sketch.is_square(x) else None


def kept(shape: tuple[int, ...], axis: tuple[int, ...]) -> tuple[int, ...]:
    """The shape after a reduction that keeps its axes."""
    return tuple(1 if i in axis else n for i, n in enumerate(shape))


def spread(xp: Any, g: Any, shape: tuple[int, ...], axis: tuple[int, ...]) -> Any:
    """A reduced array again in the operand's rank, with axes of size 1 where it was reduced."""
    return xp.reshape(g, kept(shape, axis))


def count(shape: tuple[int, ...], axis: tuple[int, ...]) -> int:
    n = 1
    for i in axis:
        n *= shape[i]
    return n
