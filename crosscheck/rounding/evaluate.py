"""A whole program, in its main run and its perturbed copies.

A short program is compiled as one. A long straight one (an unrolled loop) would be compiled for minutes: it is evaluated
equation by equation, each compiled once for its shapes, and a value is freed after it was last read.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from crosscheck.rounding.allowance import copies_for, quantile
from crosscheck.rounding.copies import Plane, Run, entrywise, equation
from crosscheck.rounding.draws import COPIES
from crosscheck.rounding.loops import LOOPS, count, inside
from crosscheck.rounding.programs import compiled, parameters, structure
from crosscheck.traces.primitives import primitive

Array = np.ndarray
Step = Callable[[core.JaxprEqn, list[Plane], Run], list[Plane]]

# Equations up to which a program is compiled as one.
LONG = 100
# Bytes that the copies of all values alive at once may take; more are evaluated in blocks of copies.
MEMORY = 2**30
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
        compiled: whether the program was compiled as one, or evaluated by equations.
        flipped: whether a decision was within rounding.
        estimated: primitives without a row in the table.
    """

    outputs: tuple[Rounded, ...]
    t: float
    copies: int
    equations: int
    compiled: bool
    flipped: bool
    estimated: frozenset[str]


def roundings(
    closed: core.ClosedJaxpr,
    arguments: Sequence[Any],
    *,
    unit: float = 2.0**-53,
    copies: int | None = None,
    comparisons: int | None = None,
    seed: int = 0,
) -> Roundings:
    """The outputs of `closed` at `arguments`, which are exact, and how far rounding may have moved them.

    Args:
        unit: the unit roundoff of the code that is judged; a program in a coarser format counts with its own.
        copies: K; by `copies_for` unless given.
        comparisons: N, of the whole check; the entries of all outputs unless given.
        seed: of the random signs.
    """
    jaxpr = closed.jaxpr
    with jax.enable_x64(True):
        flat = [jnp.asarray(a, v.aval.dtype) for a, v in zip(arguments, jaxpr.invars, strict=True)]
        consts = [jnp.asarray(c) for c in closed.consts]
        alive = live(jaxpr)
        k = copies or copies_for(alive // 8)
        block = max(1, min(k, COPIES, MEMORY // max(1, alive)))
        t = quantile(k, comparisons or sum(v.aval.size for v in jaxpr.outvars))
        short = count(jaxpr) <= LONG
        runner = whole if short else by_equations

        def run(number: int, amplitude: float, *, free: bool = False, summed: bool = False) -> tuple[list[Plane], bool]:
            word = np.uint32((seed * 1_000_003 + number) % 2**32)
            return runner(closed, consts, flat, Settings(unit, block, free, summed), word, amplitude)

        numbers = range(-(-k // block))
        found = [Gathered() for _ in jaxpr.outvars]
        for number in numbers:
            planes, flipped = run(number, t, summed=alive > LARGE)
            for out, plane in zip(found, planes, strict=True):
                out.add(plane, flipped, summed=alive > LARGE)
            # Both signs: of two opposite copies one falls to either side of every tie.
            for sign in (1.0, -1.0) if flipped else ():
                kept = planes if sign > 0 and alive <= LARGE else run(number, sign * t)[0]
                freed = run(number, sign * t, free=True)[0]
                for out, a, b in zip(found, kept, freed, strict=True):
                    out.excuse = joined(out.excuse, excused(a, b, t))
        values = plain(closed, consts, flat) if short else [out.value for out in found]
    flags = entrywise_outputs(jaxpr, [True] * len(jaxpr.invars))
    outputs = tuple(
        Rounded(np.asarray(v), out.sigma(t), out.terms, flag, out.excuse if out.flipped else None)
        for v, out, flag in zip(values, found, flags, strict=True)
    )
    flipped = any(out.flipped for out in found)
    return Roundings(outputs, t, block * len(numbers), count(jaxpr), short, flipped, estimated(jaxpr))


# ---------------------------------------------------------------------- walking


@dataclass(frozen=True)
class Settings:
    """What is compiled in."""

    unit: float
    copies: int
    free: bool
    summed: bool


def walk(jaxpr: core.Jaxpr, consts: list[Any], planes: list[Plane], run: Run, step: Step | None = None) -> list[Plane]:
    """The planes of the outputs; calls are stepped into, a value is forgotten after its last reader."""
    step = step or at_once
    env: dict[Any, Plane] = dict(zip(jaxpr.invars, planes, strict=True))
    env.update(
        (v, c if isinstance(c, Plane) else run.constant(c)) for v, c in zip(jaxpr.constvars, consts, strict=True)
    )
    last = {v: i for i, eqn in enumerate(jaxpr.eqns) for v in eqn.invars if isinstance(v, core.Var)}

    def read(atom: Any) -> Plane:
        if not isinstance(atom, core.Literal):
            return env[atom]
        return run.constant(np.asarray(atom.val, atom.aval.dtype))

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


def call(eqn: core.JaxprEqn, ins: list[Any]) -> tuple[core.Jaxpr, list[Any], list[Any]] | None:
    """The jaxpr that a call calls, its constants and its operands; None for any other equation."""
    row = primitive(eqn.primitive.name)
    inner = eqn.params.get(row.inside) if row.inside else None
    if inner is None:
        return None
    if row.name == "custom_linear_solve":  # (matvec, vecmat, solve, transpose_solve), each with constants of its own
        lengths = eqn.params["const_lengths"]
        start, total = lengths.matvec + lengths.vecmat, sum(n for n in lengths)
        ins = [*ins[start : start + lengths.solve], *ins[total:]]
        inner = inner.solve
        if len(inner.jaxpr.outvars) != len(eqn.outvars):
            return None
    if isinstance(inner, core.ClosedJaxpr):
        return inner.jaxpr, list(inner.consts), ins
    return inner, [], ins


def at_once(eqn: core.JaxprEqn, planes: list[Plane], run: Run) -> list[Plane]:
    """One equation, a loop being one, as part of a program that is compiled as one."""
    loop = LOOPS.get(eqn.primitive.name)
    return equation(eqn, planes, run) if loop is None else loop(eqn, planes, run, walk)


def whole(
    closed: core.ClosedJaxpr, consts: list[Any], flat: list[Any], settings: Settings, seed: Any, amplitude: float
) -> tuple[list[Plane], bool]:
    """The program compiled as one."""
    jaxpr = closed.jaxpr

    def make() -> Callable[..., Any]:
        def program(consts: list[Any], flat: list[Any], seed: Any, amplitude: Any) -> Any:
            run = Run(settings.unit, settings.copies, settings.free, seed, amplitude)
            planes = walk(jaxpr, consts, [Plane(a) for a in flat], run)
            return [scattered(p) for p in planes] if settings.summed else planes, run.flipped()

        return jax.jit(program)

    planes, flip = compiled(("whole", structure(closed), settings), make)(consts, flat, seed, amplitude)
    return planes, bool(flip)


def by_equations(
    closed: core.ClosedJaxpr, consts: list[Any], flat: list[Any], settings: Settings, seed: Any, amplitude: float
) -> tuple[list[Plane], bool]:
    """The program equation by equation."""
    run = Run(settings.unit, settings.copies, settings.free, seed, amplitude)
    known: dict[Any, Any] = {}

    def step(eqn: core.JaxprEqn, planes: list[Plane], run: Run) -> list[Plane]:
        if id(eqn) not in known:
            known[id(eqn)] = parameters(eqn)

        def make() -> Callable[..., Any]:
            def program(planes: list[Plane], number: Any, seed: Any, amplitude: Any) -> Any:
                inner = Run(settings.unit, settings.copies, settings.free, seed, amplitude)
                inner.number = number
                return at_once(eqn, planes, inner), inner.flipped() if inner.flips else None

            return jax.jit(program)

        shapes = tuple(None if a is None else (a.shape, a.dtype) for plane in planes for a in plane)
        made = compiled(("equation", known[id(eqn)], shapes, settings), make)
        outs, flip = made(planes, np.uint32(run.number), seed, amplitude)
        run.number += 1 if eqn.primitive.name not in LOOPS else sum(count(j) for j in inside(eqn))
        if flip is not None:
            run.flips.append(flip)
        return outs

    planes = walk(closed.jaxpr, consts, [Plane(a) for a in flat], run, step)
    return [scattered(p) for p in planes] if settings.summed else planes, any(bool(f) for f in run.flips)


def plain(closed: core.ClosedJaxpr, consts: list[Any], flat: list[Any]) -> list[Any]:
    """The outputs as the program alone computes them."""
    jaxpr = closed.jaxpr

    def make() -> Callable[..., Any]:
        return jax.jit(lambda consts, flat: core.jaxpr_as_fun(core.ClosedJaxpr(jaxpr, consts))(*flat))

    return compiled(("plain", structure(closed)), make)(consts, flat)


# ---------------------------------------------------------------------- what the copies say


class Gathered:
    """What the blocks of copies say about one output."""

    def __init__(self) -> None:
        self.value: Any = None
        self.spreads: list[Array] = []
        self.terms: Any = None
        self.excuse: Any = None
        self.flipped = False

    def add(self, plane: Plane, flipped: bool, *, summed: bool) -> None:
        self.value = np.asarray(plane.value)
        size = np.abs(self.value)
        self.terms = joined(self.terms, size if plane.terms is None else np.asarray(plane.terms))
        if plane.copies is None:
            self.spreads.append(np.zeros(size.shape))
        else:
            self.spreads.append(np.asarray(plane.copies if summed else spread(plane.copies, self.value, np)))
        self.flipped = self.flipped or flipped

    def sigma(self, t: float) -> Array:
        return root_mean_square(self.spreads, np) / t if len(self.spreads) > 1 else self.spreads[0] / t


def scattered(plane: Plane) -> Plane:
    """The plane with `spread` in place of the copies, for arrays of which no second one is wanted."""
    return plane if plane.copies is None else plane._replace(copies=spread(plane.copies, plane.value, jnp))


def spread(copies: Any, value: Any, xp: Any) -> Any:
    """The root mean square over the copies of how far they are from the main run, by NumPy or by JAX.

    0 where both are the same infinity or NaN, ∞ where only one is finite.
    """
    copies, value = xp.asarray(copies), xp.asarray(value)
    if not jnp.issubdtype(value.dtype, jnp.inexact):
        return xp.zeros(value.shape)

    def distance(copy: Any) -> Any:
        apart = xp.abs(copy - value)
        same = (copy == value) | (xp.isnan(copy) & xp.isnan(value))
        return xp.where(same, 0.0, xp.where(xp.isnan(apart), xp.inf, apart))

    with np.errstate(invalid="ignore", over="ignore"):
        return root_mean_square([distance(copies[k]) for k in range(len(copies))], xp)


def root_mean_square(parts: list[Any], xp: Any) -> Any:
    """√ of the mean of squares, scaled so that no square overflows or vanishes; entry by entry, as XLA likes it."""
    top = functools.reduce(xp.maximum, parts)
    scale = xp.where((top > 0) & (top < xp.inf), top, 1.0)
    return xp.sqrt(sum(xp.square(part / scale) for part in parts) / len(parts)) * scale


def excused(kept: Plane, freed: Plane, t: float) -> Array:
    """How far an entry moves when the decisions within rounding fall otherwise.

    One decision gives each copy one of two values, and the excuse is their distance. Many give a sum of random parts:
    then it is the largest that was seen, and t times what lies between the extremes.
    """
    value = np.asarray(kept.value)
    if kept.copies is None or freed.copies is None or value.dtype.kind not in "fc":
        main = value if freed.copies is None else np.asarray(freed.copies)
        return (
            np.max(np.abs(np.broadcast_to(main, (1, *value.shape)) * 1.0 - value), axis=0)
            if freed.copies is not None
            else np.zeros(value.shape)
        )
    with np.errstate(invalid="ignore"):
        moved = np.asarray(freed.copies) - np.asarray(kept.copies)
    moved = np.where(np.isnan(moved), np.inf, moved)
    if moved.dtype.kind == "c":
        return np.maximum(between(moved.real, t), between(moved.imag, t)) * np.sqrt(2)
    return between(moved, t)


def between(moved: Array, t: float) -> Array:
    low, high = np.minimum(0, moved.min(0)), np.maximum(0, moved.max(0))
    with np.errstate(invalid="ignore"):
        inner = np.minimum(np.abs(moved - low), np.abs(moved - high))
        wide = np.maximum(-low, high) + t * np.sqrt(np.mean(np.square(inner), axis=0))
    return np.where(np.isnan(wide), np.inf, wide)


def joined(a: Any, b: Any) -> Any:
    return b if a is None else np.maximum(a, b)


# ---------------------------------------------------------------------- reading a program


def live(jaxpr: core.Jaxpr) -> int:
    """The most bytes of values that are alive at once; of loops, those of their bodies too."""
    last = {v: i for i, eqn in enumerate(jaxpr.eqns) for v in eqn.invars if isinstance(v, core.Var)}
    last.update((v, len(jaxpr.eqns)) for v in jaxpr.outvars if isinstance(v, core.Var))
    alive = {v: size(v) for v in [*jaxpr.invars, *jaxpr.constvars] if v in last}
    most = now = sum(alive.values())
    for i, eqn in enumerate(jaxpr.eqns):
        now += sum(size(v) for v in eqn.outvars)
        alive.update((v, size(v)) for v in eqn.outvars)
        most = max(most, now + max([live(j) for j in inside(eqn)], default=0))
        touched = {v for v in [*eqn.invars, *eqn.outvars] if not isinstance(v, core.Literal)}
        gone = [v for v in touched if v in alive and last.get(v, i) <= i]
        now -= sum(alive.pop(v) for v in gone)
    return most


def size(v: Any) -> int:
    try:
        return v.aval.size * v.aval.dtype.itemsize
    except (AttributeError, TypeError):  # a token, a key
        return 0


def estimated(jaxpr: core.Jaxpr) -> frozenset[str]:
    """The primitives without a row."""
    names = {eqn.primitive.name for eqn in jaxpr.eqns if not primitive(eqn.primitive.name).known}
    return frozenset(names).union(*(estimated(j) for eqn in jaxpr.eqns for j in inside(eqn)))


def entrywise_outputs(jaxpr: core.Jaxpr, given: list[bool]) -> list[bool]:
    """Of each output, whether nothing on the way to it is known by norms only."""
    env = dict(zip(jaxpr.invars, given, strict=True))

    def read(atom: Any) -> bool:
        return isinstance(atom, core.Literal) or env.get(atom, True)

    for eqn in jaxpr.eqns:
        ins = [read(atom) for atom in eqn.invars]
        called = call(eqn, ins)
        if called is not None:
            outs = entrywise_outputs(called[0], called[2])
        else:
            fine = all(ins) and entrywise(eqn.primitive.name) and all(all(all_entrywise(j)) for j in inside(eqn))
            outs = [fine] * len(eqn.outvars)
        env.update(zip(eqn.outvars, outs, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def all_entrywise(jaxpr: core.Jaxpr) -> list[bool]:
    return [entrywise(eqn.primitive.name) and all(all(all_entrywise(j)) for j in inside(eqn)) for eqn in jaxpr.eqns]
