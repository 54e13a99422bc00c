"""Random programs, the same for the same seed and index, each valid by construction.

A program grows step by step from its first input. Its values are known while it grows, so an operation that needs
positive numbers gets a positive value, or one that is made positive first. A step whose result is not finite, too
large or too many is taken back. Every operation is the compulsory one of every so many programs, and every regime of
values comes round.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tests.programs.backends import NUMPY
from tests.programs.ops import OPS
from tests.programs.program import Program, Step, evaluate, functions, pruned

Array = np.ndarray

DEEPEST = 25
ENTRIES = 48  # in one value: the truth costs time
INPUTS = 6
SHAPES = [(), (3,), (5,), (6,), (2, 3), (3, 3), (4, 2), (1, 4), (2, 2), (2, 3, 2), (2, 1, 3), (2, 2, 5), (1, 2, 4, 3)]
# How far from 1 a value may be: squares, and the gradients of a few factors, still fit.
LARGEST = {np.dtype(np.float64): 1e200, np.dtype(np.float32): 1e25}
DECADES = {np.dtype(np.float64): 150.0, np.dtype(np.float32): 12.0}


# How the values of an input are drawn: regime(rng, shape, dtype).
def signs(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.choice([-1.0, 1.0], shape)


def near_ties(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype) -> Array:
    """A few numbers, each met several times, give or take a few ulp."""
    pool = rng.normal(size=3).astype(dtype)
    chosen = rng.choice(pool, shape)
    return chosen + rng.integers(-2, 3, shape) * np.spacing(np.abs(chosen))


def decades(rng: np.random.Generator, shape: tuple[int, ...], reach: float) -> Array:
    return signs(rng, shape) * 10.0 ** rng.uniform(-reach, reach, shape)


REGIMES: dict[str, Callable[[np.random.Generator, tuple[int, ...], np.dtype], Array]] = {
    "normal": lambda rng, shape, dtype: rng.normal(size=shape),
    "integers": lambda rng, shape, dtype: rng.integers(-4, 5, shape),
    "zeros": lambda rng, shape, dtype: rng.normal(size=shape) * (rng.random(shape) < 0.5),
    "near-ties": near_ties,
    "offset": lambda rng, shape, dtype: rng.normal(size=shape) + 1e7,
    "decades": lambda rng, shape, dtype: decades(rng, shape, 8.0),
    "huge": lambda rng, shape, dtype: decades(rng, shape, DECADES[dtype]),
    "near one": lambda rng, shape, dtype: 1 + rng.integers(-3, 4, shape) * np.finfo(dtype).eps,
    "positive": lambda rng, shape, dtype: rng.lognormal(size=shape),
}

DOMAINS: dict[str, Callable[[Array], bool]] = {
    "any": lambda x: True,
    "positive": lambda x: bool((x > 0).all()),
    "nonzero": lambda x: bool((x != 0).all()),
    "unit": lambda x: bool((np.abs(x) < 1).all()),
    "above one": lambda x: bool((x > 1).all()),
    "above minus one": lambda x: bool((x > -1).all()),
    "moderate": lambda x: bool((np.abs(x) <= 30).all()),
}
# What brings any value there, step by step.
POSITIVE = [("square", {}), ("add_constant", {"c": 0.5})]
WAYS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "positive": POSITIVE,
    "nonzero": POSITIVE,
    "unit": [("softsign", {}), ("multiply_constant", {"c": 0.75})],
    "above one": [*POSITIVE, ("add_constant", {"c": 1.0})],
    "above minus one": POSITIVE,
    "moderate": [("arcsinh", {})],
}


class Unfit(Exception):
    """The step that was being drawn does not work here."""


class Sketch:
    """A program while it grows. What an operation's row asks of it is below, from `shape` on."""

    def __init__(self, rng: np.random.Generator, regime: str, dtype: np.dtype) -> None:
        self.rng = rng
        self.regime = regime
        self.dtype = dtype
        self.inputs: dict[str, Array] = {}
        self.steps: dict[str, Step] = {}
        self.values: dict[str, Array] = {}

    def draw(self, shape: tuple[int, ...]) -> str:
        """A new input; now and then of another regime than the program's."""
        if len(self.inputs) >= INPUTS:
            raise Unfit
        regime = self.regime if self.rng.random() < 0.8 else self.choose(["normal", "positive", "integers"])
        name = "abcdefghijkl"[len(self.inputs)]
        value = np.asarray(REGIMES[regime](self.rng, shape, self.dtype)).astype(self.dtype)
        self.inputs[name] = self.values[name] = value
        return name

    def add(self, op: str, operands: tuple[str, ...], params: dict[str, Any]) -> str:
        step = Step(op, operands, params)
        with np.errstate(all="ignore"):
            try:
                value = evaluate(NUMPY, step, tuple(self.values[o] for o in operands))
            except np.linalg.LinAlgError:
                raise Unfit from None
        small = value.size <= ENTRIES and value.ndim <= 5
        if value.dtype != self.dtype:
            raise TypeError(f"{step} made {value.dtype} of {self.dtype}")
        if not small or not np.isfinite(value).all() or np.abs(value).max() > LARGEST[self.dtype]:
            raise Unfit
        name = f"v{len(self.steps) + 1}"
        self.steps[name], self.values[name] = step, value
        return name

    def grow(self, op: str, start: str) -> str | None:
        """One more operation, with what it needs; None, and nothing changed, where it does not fit."""
        before = dict(self.inputs), dict(self.steps), dict(self.values)
        try:
            drawn = OPS[op].draw(self, start)
            if drawn is not None:
                return self.add(op, *drawn)
        except Unfit:
            pass
        self.inputs, self.steps, self.values = before
        return None

    def shape(self, x: str) -> tuple[int, ...]:
        return self.values[x].shape

    def is_square(self, x: str) -> bool:
        shape = self.shape(x)
        return len(shape) == 2 and shape[0] == shape[1] > 1

    def fit(self, x: str, domain: str) -> str:
        """x itself where it lies in the domain, else a value that is made from it and does."""
        if DOMAINS[domain](self.values[x]):
            return x
        for op, params in WAYS[domain]:
            x = self.add(op, (x,), params)
        if not DOMAINS[domain](self.values[x]):
            raise Unfit
        return x

    def partner(self, shape: tuple[int, ...]) -> str:
        """A value of that shape: one that there is, or a new input."""
        there = [k for k, v in self.values.items() if v.shape == shape]
        return self.choose(there) if there and self.rng.random() < 0.7 else self.draw(shape)

    def broadcastable(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape itself, a part of its end, or the same with some axes 1."""
        if not shape or self.rng.random() < 0.5:
            return shape
        part = shape[self.integer(0, len(shape)) :]
        return tuple(1 if self.rng.random() < 0.3 else n for n in part)

    def flip(self) -> bool:
        return bool(self.rng.random() < 0.5)

    def choose(self, among: Sequence[Any]) -> Any:
        return among[int(self.rng.integers(len(among)))]

    def integer(self, low: int, high: int) -> int:
        """From low to high, both included."""
        return int(self.rng.integers(low, high + 1))

    def integers(self, low: int, high: int, count: int) -> tuple[int, ...]:
        return tuple(self.integer(low, high) for _ in range(count))

    def order(self, n: int) -> tuple[int, ...]:
        return tuple(int(i) for i in self.rng.permutation(n))

    def mask(self, shape: tuple[int, ...]) -> Any:
        return (self.rng.random(shape) < 0.5).tolist()

    def number(self) -> float:
        """A constant that the dtype holds exactly."""
        simple = [0.5, 2.0, -1.0, 3.0, 0.25, -0.5]
        drawn = self.choose(simple) if self.flip() else self.rng.normal()
        return float(self.dtype.type(drawn))


class Drawn(NamedTuple):
    program: Program
    regime: str
    compulsory: str


def grown(sketch: Sketch, compulsory: str, depth: int) -> bool:
    """Adds `depth` operations, the compulsory one among them; False where that one never fits."""
    rng = sketch.rng
    x = sketch.draw(sketch.choose(SHAPES))
    names = list(OPS)
    must = int(rng.integers(depth))
    for position in range(depth):
        for _ in range(20):
            start = x if rng.random() < 0.75 else sketch.choose(list(sketch.values))
            op = compulsory if position == must else sketch.choose(names)
            found = sketch.grow(op, start)
            if found is not None:
                x = found
                break
        else:
            if position == must:
                return False
    return bool(sketch.steps) and list(sketch.steps)[-1] == x


def deep(rng: np.random.Generator) -> int:
    """From 1 to DEEPEST, the shallow ones more often: each new program is a new compilation."""
    return 1 + int((DEEPEST - 1) * rng.random() ** 1.7)


def finite(program: Program) -> bool:
    """Whether the hand-written gradients exist and have room below the largest number."""
    _, backward, _ = functions(program)
    try:
        grads = backward(program.grad_output, **program.inputs)
    except np.linalg.LinAlgError:
        return False
    limit = LARGEST[program.grad_output.dtype]
    return all(np.isfinite(g).all() and np.abs(g).max() <= limit for g in grads.values())


def generate(seed: int, index: int) -> Drawn:
    """Program number `index` of the sequence that `seed` names."""
    names, regimes = list(OPS), list(REGIMES)
    compulsory = names[index % len(names)]
    regime = regimes[(index + index // len(names)) % len(regimes)]
    rng = np.random.default_rng([seed, index])
    while True:
        dtype = np.dtype(np.float32 if rng.random() < 0.25 else np.float64)
        sketch = Sketch(rng, regime, dtype)
        try:
            if not grown(sketch, compulsory, deep(rng)):
                continue
        except Unfit:
            continue
        shape = list(sketch.values.values())[-1].shape
        kind = "integers" if regime == "integers" else "normal"
        grad_output = np.asarray(REGIMES[kind](rng, shape, dtype)).astype(dtype)
        program = pruned(Program(sketch.inputs, sketch.steps, grad_output))
        used = {s.op for s in program.steps.values()}
        if compulsory in used and program.depth <= DEEPEST and grad_output.any() and finite(program):
            return Drawn(program, regime, compulsory)
