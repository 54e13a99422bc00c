"""A whole program, in its main run and its perturbed copies.

Of few numbers every equation is interpreted by NumPy (`numeric`): that costs less than compiling them. Of more, a short
program is compiled as one. A long straight one (an unrolled loop) would be compiled for minutes: it is
evaluated equation by equation, each compiled once for its shapes, or interpreted where it stands there so few times
that compiling it would not pay; and a value is freed after it was last read.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from crosscheck.rounding.allowance import copies_for, quantile
from crosscheck.rounding.arrays import dtype_of
from crosscheck.rounding.copies import Plane, Run, equation
from crosscheck.rounding.draws import COPIES
from crosscheck.rounding.loops import LOOPS, count, inside
from crosscheck.rounding.moving import by_numpy
from crosscheck.rounding.reading import (
    call,
    coarsens,
    decides,
    entrywise_outputs,
    estimated,
    held_back,
    live,
    numbers_alone,
    steps,
    turns,
)
from crosscheck.rounding.rules import ENTRYWISE, WHOLE
from crosscheck.rounding.sizes import flushed
from crosscheck.rounding.spreads import Gathered, excused, larger, scattered
from crosscheck.rounding.straight import straight
from crosscheck.traces.fingerprint import key_of
from crosscheck.traces.pieces import Keys, compiled

Array = np.ndarray
Stepper = Callable[[core.JaxprEqn, list[Plane], Run], list[Plane]]

# Equations up to which a program is compiled as one.
AS_ONE = 100
# A program is interpreted whose values take at most so many bytes at once. NumPy goes some sixty times over all copies
# of an equation, at 1 ns a byte: that takes at most 100 ms, which XLA takes to compile it.
SMALL = 2**16
# And in which at most so many equations are computed, each turn of a loop anew.
TURNS = 2**14
# Seconds that XLA takes to compile one equation, that NumPy takes to call all that its copies need, and to go sixty
# times over a byte of them: an unrolled loop whose every turn has other shapes would be compiled turn by turn.
COMPILATION, CALLS, BYTE = 0.1, 2e-3, 60e-9
# Bytes that the copies of all values alive at once may take; more are evaluated in blocks of copies.
MEMORY = 2**29
# Bytes alive from which on the copies are summed up inside the compiled program.
LARGE = 2**24


@dataclass(frozen=True)
class Rounded:
    """One output of a program; see the package's docstring."""

    value: Array
    sigma: Array
    terms: Array
    entrywise: bool
    excuse: Array | None = None


@dataclass(frozen=True)
class Roundings:
    """What is known of the rounding of a program at one point.

    Attributes:
        outputs: one for each output.
        t: the quantile at which the copies were run: σ times it is what the program itself may be off.
        copies: K.
        equations: of the program, those in loops once.
        compiled: whether the program was compiled as one; else it was evaluated equation by equation.
        flipped: whether a decision was within rounding.
        estimated: primitives without a row in the table.
        decides: whether anything is compared in the program, so that it may have kinks.
        steps: whether anything in it is constant between jumps.
        held_back: whether some gradient is stopped in it.
        coarsens: whether numbers in it are rounded to fewer bits than float32 has.
        interpreted: whether it is so small that its copies were computed by NumPy.
    """

    outputs: tuple[Rounded, ...]
    t: float
    copies: int
    equations: int
    compiled: bool
    flipped: bool
    estimated: frozenset[str]
    decides: bool
    steps: bool = False
    held_back: bool = False
    coarsens: bool = False
    interpreted: bool = False


def roundings(
    closed: core.ClosedJaxpr,
    arguments: Sequence[Any],
    *,
    unit: float = 2.0**-53,
    copies: int | None = None,
    comparisons: int | None = None,
    seed: int = 0,
    values: Sequence[Any] = (),
) -> Roundings:
    """The outputs of `closed` at `arguments`, which are exact, and how far rounding may have moved them.

    Args:
        unit: the unit roundoff of the code that is judged; a program in a coarser format counts with its own.
        copies: K; by `copies_for` unless given.
        comparisons: N, of the whole check; the entries of all outputs unless given.
        seed: of the random signs.
        values: of the first outputs, where the program alone has been run already.
    """
    jaxpr = closed.jaxpr
    with jax.enable_x64(True):
        alive = live(jaxpr)
        small = alive <= SMALL and turns(jaxpr) <= TURNS and numbers_alone(jaxpr)
        asarray = np.asarray if small else jnp.asarray
        flat = [asarray(a, v.aval.dtype) for a, v in zip(arguments, jaxpr.invars, strict=True)]
        consts = [asarray(c) for c in closed.consts]
        k = copies or copies_for(alive // 8)
        blocks = -(-k // max(1, min(k, COPIES, MEMORY // max(1, alive))))
        block = -(-k // blocks)  # all of one length
        t = quantile(k, comparisons or sum(v.aval.size for v in jaxpr.outvars))
        short = count(jaxpr) <= AS_ONE
        runner = interpreted if small else whole if short else by_equations

        read = [(a, flushed(a, unit)) for a in flat]

        def run(number: int, amplitude: float, *, free: bool = False, summed: bool = False) -> tuple[list[Plane], bool]:
            word = np.uint32((seed * 1_000_003 + number) % 2**32)
            return runner(closed, consts, read, Settings(unit, block, free, summed), word, amplitude)

        found = gathered(run, blocks, t, summed=alive > LARGE)
        if not values and (small or short):
            values = plain(closed, consts, flat)
        values = [*values, *(out.value for out in found[len(values) :])]
    flags = entrywise_outputs(jaxpr, [True] * len(jaxpr.invars))
    if any(size is not None for _, size in read):
        for v, out in zip(values, found, strict=True):
            out.otherwise(np.asarray(v))
    outputs = tuple(
        Rounded(np.asarray(v), out.sigma(t), out.terms, flag, out.excuse if out.flipped else None)
        for v, out, flag in zip(values, found, flags, strict=True)
    )
    flipped = any(out.flipped for out in found)
    together = short and not small
    said = estimated(jaxpr), decides(jaxpr), steps(jaxpr), held_back(jaxpr), coarsens(jaxpr)
    return Roundings(outputs, t, block * blocks, count(jaxpr), together, flipped, *said, interpreted=small)


def gathered(run: Callable[..., tuple[list[Plane], bool]], blocks: int, t: float, *, summed: bool) -> list[Gathered]:
    """All blocks of copies, and where a decision flips the free ones beside them."""
    found: list[Gathered] = []
    for number in range(blocks):
        planes, flipped = run(number, t, summed=summed)
        found = found or [Gathered() for _ in planes]
        for out, plane in zip(found, planes, strict=True):
            out.add(plane, flipped, summed=summed)
        # Both signs: of two opposite copies one falls to either side of every tie.
        for sign in (1.0, -1.0) if flipped else ():
            kept = planes if sign > 0 and not summed else run(number, sign * t)[0]
            freed = run(number, sign * t, free=True)[0]
            for out, a, b in zip(found, kept, freed, strict=True):
                out.excuse = larger(out.excuse, excused(a, b, t))
    return found


# ---------------------------------------------------------------------- walking


@dataclass(frozen=True)
class Settings:
    """What is compiled in."""

    unit: float
    copies: int
    free: bool
    summed: bool


def walk(
    jaxpr: core.Jaxpr, consts: list[Any], planes: list[Plane], run: Run, step: Stepper | None = None
) -> list[Plane]:
    """The planes of the outputs; calls are stepped into, a value is forgotten after its last reader."""
    step = step or at_once
    env: dict[Any, Plane] = dict(zip(jaxpr.invars, planes, strict=True))
    env.update(
        (v, c if isinstance(c, Plane) else run.constant(c)) for v, c in zip(jaxpr.constvars, consts, strict=True)
    )
    last = {v: i for i, eqn in enumerate(jaxpr.eqns) for v in eqn.invars if isinstance(v, core.Var)}

    def read(atom: Any) -> Plane:
        return run.literal(atom) if isinstance(atom, core.Literal) else env[atom]

    kept = {v for v in jaxpr.outvars if isinstance(v, core.Var)}
    for i, eqn in enumerate(jaxpr.eqns):
        ins = [read(atom) for atom in eqn.invars]
        called = call(eqn, ins)
        outs = step(eqn, ins, run) if called is None else walk(*called, run, step)
        for v in eqn.invars:
            if isinstance(v, core.Var) and last[v] == i and v not in kept:
                env.pop(v, None)
        for v, out in zip(eqn.outvars, outs, strict=True):
            if v in last or v in kept:
                env[v] = out
    return [read(atom) for atom in jaxpr.outvars]


def given(read: list[Any], run: Run) -> list[Plane]:
    """The arguments, each with the size of what XLA flushes of it, or None."""
    return [Plane(a, run.perturbed(a, None, size, 200 + i)) for i, (a, size) in enumerate(read)]


def at_once(eqn: core.JaxprEqn, planes: list[Plane], run: Run) -> list[Plane]:
    """One equation, a loop being one, as part of a program that is compiled as one."""
    loop = LOOPS.get(eqn.primitive.name)
    return equation(eqn, planes, run) if loop is None else loop(eqn, planes, run, walk)


def interpreted(
    closed: core.ClosedJaxpr, consts: list[Any], read: list[Any], settings: Settings, seed: Any, amplitude: float
) -> tuple[list[Plane], bool]:
    """The program by NumPy."""
    run = Run(settings.unit, settings.copies, settings.free, seed, amplitude, interpreted=True)
    with np.errstate(all="ignore"):
        planes = walk(closed.jaxpr, consts, given(read, run), run)
        return [scattered(p) for p in planes] if settings.summed else planes, bool(run.flipped())


def whole(
    closed: core.ClosedJaxpr, consts: list[Any], read: list[Any], settings: Settings, seed: Any, amplitude: float
) -> tuple[list[Plane], bool]:
    """The program compiled as one."""
    jaxpr = closed.jaxpr

    def make() -> Callable[..., Any]:
        def program(consts: list[Any], read: list[Any], seed: Any, amplitude: Any) -> Any:
            run = Run(settings.unit, settings.copies, settings.free, seed, amplitude)
            planes = walk(jaxpr, consts, given(read, run), run)
            return [scattered(p) for p in planes] if settings.summed else planes, run.flipped()

        return jax.jit(program)

    planes, flip = compiled(("whole", key_of(closed), settings), make)(consts, read, seed, amplitude)
    return planes, bool(flip)


def by_equations(
    closed: core.ClosedJaxpr, consts: list[Any], read: list[Any], settings: Settings, seed: Any, amplitude: float
) -> tuple[list[Plane], bool]:
    """The program equation by equation."""
    run = Run(settings.unit, settings.copies, settings.free, seed, amplitude)
    near = Run(settings.unit, settings.copies, settings.free, seed, amplitude, interpreted=True)
    near.flips = run.flips
    key = Keys(closed.jaxpr)
    uses = Counter((key(eqn), shapes_of(eqn)) for eqn in opened(closed.jaxpr))

    def step(eqn: core.JaxprEqn, planes: list[Plane], run: Run) -> list[Plane]:
        moved = by_numpy(eqn, planes, run)
        if moved is not None:
            return moved
        if rare(eqn, uses[key(eqn), shapes_of(eqn)], settings.copies):
            near.number = run.number
            with np.errstate(all="ignore"):
                outs = equation(eqn, [at_hand(p) for p in planes], near)
            run.number = near.number
            return outs

        def make() -> Callable[..., Any]:
            def program(planes: list[Plane], number: Any, seed: Any, amplitude: Any) -> Any:
                inner = Run(settings.unit, settings.copies, settings.free, seed, amplitude)
                inner.number = number
                return at_once(eqn, planes, inner), inner.flipped() if inner.flips else None

            return jax.jit(program)

        shapes = tuple(None if a is None else (a.shape, a.dtype) for plane in planes for a in plane)
        made = compiled(("equation", key(eqn), shapes, settings), make)
        outs, flip = made(planes, np.uint32(run.number), seed, amplitude)
        run.number += 1 if eqn.primitive.name not in LOOPS else sum(count(j) for j in inside(eqn))
        if flip is not None:
            run.flips.append(flip)
        return outs

    planes = walk(closed.jaxpr, consts, given(read, run), run, step)
    return [scattered(p) for p in planes] if settings.summed else planes, any(bool(f) for f in run.flips)


def opened(jaxpr: core.Jaxpr) -> Iterator[core.JaxprEqn]:
    """The equations that are walked over, those of what is called among them."""
    for eqn in jaxpr.eqns:
        called = call(eqn, list(eqn.invars))
        if called is None:
            yield eqn
        else:
            yield from opened(called[0])


def shapes_of(eqn: core.JaxprEqn) -> tuple[tuple[int, ...], ...]:
    """Of the operands, which the key of an equation leaves out."""
    atoms: list[Any] = list(eqn.invars)
    return tuple(atom.aval.shape for atom in atoms)


def rare(eqn: core.JaxprEqn, uses: int, copies: int) -> bool:
    """Whether NumPy knows the equation, and computes it as often as it stands there before XLA has compiled it."""
    name, atoms = eqn.primitive.name, [*eqn.invars, *eqn.outvars]
    if name in LOOPS or not (name in ENTRYWISE or name in WHOLE):
        return False
    size = max(v.aval.size * dtype_of(v).itemsize if isinstance(dtype_of(v), np.dtype) else math.inf for v in atoms)
    return uses * (CALLS + BYTE * copies * size) < COMPILATION


def at_hand(plane: Plane) -> Plane:
    """The numbers as NumPy's."""
    return Plane(*(None if a is None else np.asarray(a) for a in plane))


def long(closed: core.ClosedJaxpr) -> bool:
    """Whether a program is too long to be compiled as one."""
    return count(closed.jaxpr) > AS_ONE


def plain(closed: core.ClosedJaxpr, consts: list[Any], flat: list[Any]) -> list[Any]:
    """The outputs as the program alone computes them: compiled as one where it is short."""
    jaxpr = closed.jaxpr
    if long(closed):
        return straight(jaxpr, consts, flat)

    def make() -> Callable[..., Any]:
        return jax.jit(lambda consts, flat: core.jaxpr_as_fun(core.ClosedJaxpr(jaxpr, consts))(*flat))

    return compiled(("plain", key_of(closed)), make)(consts, flat)
