"""One equation of a program, in the main run and in its perturbed copies.

    Plane    a value, its copies (None: equal to it), its terms S (None: |value|)
    Run      what a walk over a program knows: u, how many copies, how strongly they are perturbed
    equation(eqn, planes, run)   the planes of the results

A copy evaluates the same equation at its own operands and adds its own rounding, a random sign times the size that
`sizes` gives. While a run is *locked*, whatever is decided is decided as in the main run: integers and booleans have no
copies, a function that jumps is continued from the main run's side of the jump. Where a copy would have decided
otherwise, the run notes a *flip*. In a *free* run every copy decides for itself.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend import core

from crosscheck.rounding import draws, numeric, sizes, terms
from crosscheck.rounding.arrays import xp
from crosscheck.rounding.sizes import computed, inexact, unit_of
from crosscheck.traces.fingerprint import key_of_equation
from crosscheck.traces.pieces import compiled
from crosscheck.traces.primitives import Kind, primitive

# Numbers of so few binary digits were written down as they are (0.5, 1024, 1000000); 0.1 and π were rounded.
DIGITS = 20


class Plane(NamedTuple):
    """A value and what travels beside it."""

    value: Any
    copies: Any = None  # (copies, *shape)
    terms: Any = None  # shape


class Run:
    """The state of one walk.

    Args:
        unit: u of the judged code, 2^-53 or 2^-24.
        copies: how many.
        free: whether every copy decides for itself.
        seed: a word; traced or not.
        amplitude: how many times its size each rounding is; traced or not. Negative: all signs turned.
        step: inside a loop, the number of the step.
        interpreted: whether the numbers are NumPy's and computed at once; else JAX's, and traced.
    """

    def __init__(
        self,
        unit: float,
        copies: int,
        free: bool,
        seed: Any,
        amplitude: Any,
        step: Any = None,
        interpreted: bool = False,
    ) -> None:
        self.unit, self.copies, self.free, self.interpreted = unit, copies, free, interpreted
        self.seed, self.amplitude, self.step = seed, amplitude, step
        self.number: Any = 0  # of the equation
        self.flips: list[Any] = []
        self.literals: dict[Any, Plane] = {}  # likewise
        self.entries: dict[tuple[int, ...], Any] = {}  # of this run alone: a loop's body is another trace

    def inside(self, step: Any) -> Run:
        """The run in the body of a loop: the equations there keep their numbers in every step."""
        inner = Run(self.unit, self.copies, self.free, self.seed, self.amplitude, step, self.interpreted)
        inner.number = self.number
        return inner

    def flipped(self) -> Any:
        """Whether any decision so far fell otherwise in a copy."""
        flip = np.zeros((), bool)
        for other in self.flips:
            flip = flip | other
        return flip

    def drawn(self, like: Any, part: int) -> Any:
        """Random signs for every copy of every entry; in a loop, one draw for all steps plus one for each."""
        shape, dtype = xp.shape(like), xp.abs(like).dtype
        if shape not in self.entries:
            self.entries[shape] = draws.entries(shape, self.interpreted)
        key = draws.sum_of(self.seed, draws.keyed(self.number, part))
        keys = [key] if self.step is None else [key, draws.sum_of(draws.keyed(self.step, 1), key)]
        return sum(draws.signs(draws.mixed(self.entries[shape] + k), self.copies, dtype) for k in keys)

    def perturbed(self, value: Any, copies: Any, size: Any, part: int, swallowed: Any = None) -> Any:
        """`copies`, each entry moved by amplitude · size, up or down.

        What has `swallowed` a term is the number that it was. Beside -1e30, the log of zero by convention, two terms
        leave the same number, not two that are 1e14 apart: they are rounded once, like a constant, and alike.
        """
        if size is None:
            return copies
        dtype = xp.abs(value).dtype
        scaled = xp.where(size < jnp.inf, xp.asarray(self.amplitude).astype(dtype) * size.astype(dtype), 0.0)
        noise = scaled * self.drawn(value, part)
        if swallowed is not None:
            bits = draws.words_of_values(xp.asarray(self.seed, np.uint32), value)
            alike = xp.sign(value) * scaled * draws.signs(bits, self.copies, dtype)
            noise = xp.where(swallowed, alike if copies is None else xp.where(copies == value, alike, 0.0), noise)
        if jnp.iscomplexobj(value):
            noise = joined(noise, scaled * self.drawn(value, part + 100))
        return (value if copies is None else copies) + noise

    def shape(self, value: Any) -> tuple[int, ...]:
        """Of the copies of `value`."""
        return (self.copies, *xp.shape(value))

    def literal(self, atom: Any) -> Plane:
        """A number in the program's text; one that stands there a thousand times is rounded once."""
        value = np.asarray(atom.val, atom.aval.dtype)
        key = value.dtype, value.tobytes()
        if key not in self.literals:
            self.literals[key] = self.constant(value)
        return self.literals[key]

    def constant(self, value: Any) -> Plane:
        """A constant of the program: rounded once, alike wherever it is read, unless it has few digits."""
        if jnp.iscomplexobj(value):
            parts = [self.constant(part(value)) for part in (xp.real, xp.imag)]
            whole = [xp.broadcast_to(p.value if p.copies is None else p.copies, self.shape(value)) for p in parts]
            return Plane(value) if all(p.copies is None for p in parts) else Plane(value, joined(*whole))
        if not jnp.issubdtype(jnp.result_type(value), jnp.floating) or as_written(value):
            return Plane(value)
        if isinstance(value, (np.ndarray, np.generic, float)):
            value = np.asarray(value)
        value = value if self.interpreted else jnp.asarray(value)
        short = sizes.few_digits([value], DIGITS)
        size = xp.where(short | ~xp.isfinite(value), 0.0, unit_of(value.dtype, self.unit) * value)
        bits = draws.words_of_values(xp.asarray(self.seed, np.uint32), value)
        amplitude = xp.asarray(self.amplitude).astype(value.dtype)
        return Plane(value, value + amplitude * size * draws.signs(bits, self.copies, value.dtype))


def joined(real: Any, imaginary: Any) -> Any:
    """The complex number of two parts."""
    if isinstance(real, jax.Array) or isinstance(imaginary, jax.Array):
        return lax.complex(real, imaginary)
    return real + 1j * imaginary


def as_written(value: Any) -> bool:
    """Whether every entry of a known constant was written down exactly; an array of JAX's is not looked into."""
    if isinstance(value, jax.Array):
        return False
    a = np.asarray(value, np.float64)
    fraction = np.frexp(a[np.isfinite(a)])[0] * 2.0**DIGITS
    return bool((fraction == np.round(fraction)).all())


# ---------------------------------------------------------------------- one equation


def equation(eqn: core.JaxprEqn, planes: list[Plane], run: Run) -> list[Plane]:
    """The planes of the outputs of an equation that is neither a call nor a loop."""
    run.number = run.number + 1
    row = primitive(eqn.primitive.name)
    x = [p.value for p in planes]
    y = computed(eqn, x)
    copies = disturbed(eqn, planes, run)
    if all(c is None for c in copies):
        moved: list[Any] = [None] * len(y)
    else:
        moved = otherwise = each(eqn, x, copies)
        if row.lock is not None and not run.free:
            moved = held(eqn, x, copies, y, row.lock)
        if row.limited:
            moved = [turned_back(eqn, x, copies, out, m) for out, m in zip(y, moved, strict=True)]
        if not run.free and (row.lock is not None or not all(inexact(out) for out in y)):
            run.flips.append(fell_otherwise(y, otherwise, moved, row.lock))
            moved = [m if inexact(out) else None for out, m in zip(y, moved, strict=True)]
    own = sizes.own(eqn, x, y, run.unit)
    moved = [
        run.perturbed(out, m, s, i, sizes.swallowed(eqn, x, out))
        for i, (out, m, s) in enumerate(zip(y, moved, own, strict=True))
    ]
    if run.free:
        return [Plane(out, m) for out, m in zip(y, moved, strict=True)]
    sums = terms.carried(eqn, x, y, [terms.standing(p.value, p.terms, run.unit, run.amplitude) for p in planes])
    return [Plane(*planes) for planes in zip(y, moved, sums, strict=True)]


def disturbed(eqn: core.JaxprEqn, planes: list[Plane], run: Run) -> list[Any]:
    """The copies of the operands, with the backward error of an algorithm that is stable backwards."""
    back = sizes.backward(eqn, [p.value for p in planes], run.unit)
    return [run.perturbed(p.value, p.copies, s, 50 + i) for i, (p, s) in enumerate(zip(planes, back, strict=True))]


def each(eqn: core.JaxprEqn, x: list[Any], copies: list[Any]) -> list[Any]:
    """The equation at every copy's operands."""
    operands = [v if c is None else c for v, c in zip(x, copies, strict=True)]
    if numeric.all_numpy(operands):
        return numeric.outputs_of_copies(eqn, x, copies)
    axes = [None if c is None else 0 for c in copies]
    apart = eqn.primitive.name == "conv_general_dilated" and None not in axes  # batched filters are slow
    if not apart:
        try:
            return jax.vmap(lambda *a: computed(eqn, a), in_axes=axes)(*operands)
        except NotImplementedError:  # no rule for batches
            pass
    moving = [c for c in copies if c is not None]

    def one(given: list[Any]) -> list[Any]:
        left = iter(given)
        return computed(eqn, [v if c is None else next(left) for v, c in zip(x, copies, strict=True)])

    return lax.map(one, moving)


def held(eqn: core.JaxprEqn, x: list[Any], copies: list[Any], y: list[Any], lock: str) -> list[Any]:
    """The copies' results on the main run's side of every jump."""
    count = next(len(c) for c in copies if c is not None)
    if lock == "step":
        return [xp.broadcast_to(out, (count, *xp.shape(out))) for out in y]
    if numeric.all_numpy(x):
        key = ("held", key_of_equation(eqn), numeric.shapes(x), tuple(c is None for c in copies), lock)
        out = compiled(key, lambda: jax.jit(lambda x, copies, y: held(eqn, x, copies, y, lock)))(x, copies, y)
        return [np.asarray(a) for a in out]

    def along(*moved: Any) -> list[Any]:
        tangents = [
            np.zeros(xp.shape(v), jax.dtypes.float0) if not inexact(v) else t if lock == "linear" else t - v
            for v, t in zip(x, moved, strict=True)
        ]
        out = jax.jvp(lambda *a: computed(eqn, a), tuple(jnp.asarray(v) for v in x), tuple(tangents))[1]
        return [
            v if t.dtype == jax.dtypes.float0 else t if lock == "linear" else v + t for v, t in zip(y, out, strict=True)
        ]

    operands = [v if c is None else c for v, c in zip(x, copies, strict=True)]
    return jax.vmap(along, in_axes=[None if c is None else 0 for c in copies])(*operands)


def turned_back(eqn: core.JaxprEqn, x: list[Any], copies: list[Any], y: Any, moved: Any) -> Any:
    """Where a copy fell over the edge of a function's domain, it is moved as far to the other side."""
    mirrored = [None if c is None else 2 * v - c for v, c in zip(x, copies, strict=True)]
    back = each(eqn, x, mirrored)[0]
    return xp.where(xp.isnan(moved) & ~xp.isnan(y), back, moved)


def fell_otherwise(y: list[Any], otherwise: list[Any], moved: list[Any], lock: str | None) -> Any:
    """Whether any copy, left free, gives another integer or step, or a number far from its copy that is held."""
    flip = np.zeros((), bool)
    for out, other, kept in zip(y, otherwise, moved, strict=True):
        if lock == "step" or not inexact(out):
            flip = flip | xp.any(other != out)
        else:  # 2^-20: what is the same but for the order of its own roundings
            flip = flip | xp.any(xp.abs(other - kept) > xp.abs(kept - out) + 2.0**-20 * xp.abs(out))
    return flip


def entrywise(name: str) -> bool:
    """Whether a primitive's rounding is known entry by entry, and not by norms only."""
    row = primitive(name)
    return row.stable == "entries" or row.kind not in (Kind.ALGEBRA, Kind.FOURIER, Kind.UNKNOWN)
