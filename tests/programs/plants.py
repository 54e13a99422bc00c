"""Mistakes put into a program's backward pass, one at a time.

A plant changes what one step sends to one of its operands, in whatever arithmetic it is asked to. So the truth can be
planted too, and says without rounding how large a mistake is: a plant counts where some entry of a gradient changes by
at least a thousandth of itself, and by far more than the hand-written code's own rounding there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np

from tests.programs.backends import NUMPY, exact
from tests.programs.program import (
    Change,
    Moment,
    Program,
    contributions,
    functions,
    reverse,
    run,
    unbroadcast,
)
from tests.programs.truth import NoTruth, Truth, relative, truth

Array = Any

SMALLEST = 1e-3  # of an entry: what the judge promises to catch
ABOVE_ROUNDING = 100.0  # so that it is the mistake that is judged, and not the rounding beside it
TRIES = 30


@dataclass(frozen=True)
class Plant:
    """One mistake: its kind, the step and the operand that it strikes, and a number (a factor, a shift, a place)."""

    kind: str
    step: str
    slot: int
    number: float

    def change(self, program: Program) -> Change:
        """What `reverse` takes."""
        mistake = KINDS[self.kind]

        def changed(name: str, slot: int, sent: Array, moment: Moment) -> Array:
            if name != self.step or slot != self.slot:
                return sent
            wrong = mistake(self, program, sent, moment)
            return sent if wrong is None else np.asarray(wrong, dtype=sent.dtype)

        return changed

    def __str__(self) -> str:
        return f"{self.kind} in what {self.step} sends to its operand {self.slot} (number {self.number!r})"


Mistake = Callable[[Plant, Program, Array, Moment], Array | None]


def factor(plant: Plant, program: Program, sent: Array, moment: Moment) -> Array:
    return sent * plant.number


def sign(plant: Plant, program: Program, sent: Array, moment: Moment) -> Array:
    return -sent


def dropped_path(plant: Plant, program: Program, sent: Array, moment: Moment) -> Array:
    """The step's operand gets nothing from here; other paths remain."""
    return 0 * sent


def detached_factor(plant: Plant, program: Program, sent: Array, moment: Moment) -> Array | None:
    """g itself where g · f' belongs: the local derivative forgotten."""
    return moment.g if moment.g.shape == sent.shape else None


def twice_the_factor(plant: Plant, program: Program, sent: Array, moment: Moment) -> Array | None:
    """The step's derivative is applied twice."""
    step = program.steps[plant.step]
    if moment.g.shape != sent.shape:
        return None
    return list(contributions(moment.xp, step, sent, moment.y, moment.operands))[plant.slot]


def wrong_operand(plant: Plant, program: Program, sent: Array, moment: Moment) -> Array | None:
    """The derivative is taken with two operands exchanged."""
    operands = moment.operands
    if len(operands) < 2 or operands[0].shape != operands[1].shape:
        return None
    exchanged = (operands[1], operands[0], *operands[2:])
    return derived(plant, program, moment, exchanged, sent)


def stale_operand(plant: Plant, program: Program, sent: Array, moment: Moment) -> Array | None:
    """The derivative is taken at an operand as it was before the step that made it, or after the step that used it."""
    name = program.steps[plant.step].operands[plant.slot]
    old = [moment.values[o] for o in program.steps[name].operands] if name in program.steps else [moment.y]
    shape = moment.operands[plant.slot].shape
    stale = next((v for v in old if v.shape == shape), None)
    if stale is None:
        return None
    operands = (*moment.operands[: plant.slot], stale, *moment.operands[plant.slot + 1 :])
    return derived(plant, program, moment, operands, sent)


def derived(plant: Plant, program: Program, moment: Moment, operands: tuple[Array, ...], sent: Array) -> Array | None:
    step = program.steps[plant.step]
    try:
        found = list(contributions(moment.xp, step, moment.g, moment.y, operands))[plant.slot]
    except (ArithmeticError, ValueError, TypeError, np.linalg.LinAlgError):
        return None
    return found if found.shape == sent.shape else None


def transposed(plant: Plant, program: Program, sent: Array, moment: Moment) -> Array | None:
    return sent.swapaxes(-1, -2) if sent.ndim >= 2 and sent.shape[-1] == sent.shape[-2] > 1 else None


def permuted(plant: Plant, program: Program, sent: Array, moment: Moment) -> Array | None:
    """The rows and columns of an array that is not square, read in the other order."""
    return np.reshape(sent.T, sent.shape) if sent.ndim >= 2 else None


def unreduced(plant: Plant, program: Program, sent: Array, moment: Moment) -> Array | None:
    """Of an operand that was repeated only the first copy's gradient is kept."""
    shape = moment.operands[plant.slot].shape
    if sent.shape == shape:
        return None
    extra = sent.ndim - len(shape)
    first = tuple(0 if i < extra else slice(0, 1) if shape[i - extra] == 1 else slice(None) for i in range(sent.ndim))
    return np.asarray(sent[first])


def averaged(plant: Plant, program: Program, sent: Array, moment: Moment) -> Array | None:
    """Of an operand that was repeated the mean over the copies is taken for the sum."""
    shape = moment.operands[plant.slot].shape
    whole = unbroadcast(moment.xp, sent, shape)
    return None if sent.shape == shape else whole / (sent.size // max(np.size(whole), 1))


def off_by_one(plant: Plant, program: Program, sent: Array, moment: Moment) -> Array | None:
    """Everything lands one place further."""
    return np.roll(sent, 1, axis=-1) if sent.ndim and sent.shape[-1] > 1 else None


def flipped(plant: Plant, program: Program, sent: Array, moment: Moment) -> Array | None:
    return np.flip(sent, axis=-1) if sent.ndim and sent.shape[-1] > 1 else None


def one_entry(plant: Plant, program: Program, sent: Array, moment: Moment) -> Array:
    """One entry off by a chosen share of itself."""
    wrong = np.array(sent)
    at = np.unravel_index(int(plant.number * 1e6) % max(sent.size, 1), sent.shape)
    wrong[at] = wrong[at] * (1 + plant.number)
    return wrong


def whole(plant: Plant, program: Program, sent: Array, moment: Moment) -> Array:
    """Every entry off by a chosen share of itself."""
    return sent * (1 + plant.number)


def last_left_out(plant: Plant, program: Program, sent: Array, moment: Moment) -> Array | None:
    """A loop that stops one short: the last entry along an axis gets nothing."""
    if not sent.ndim or sent.shape[0] < 2:
        return None
    wrong = np.array(sent)
    wrong[-1] = 0 * wrong[-1]
    return wrong


KINDS: dict[str, Mistake] = {
    f.__name__: f
    for f in (
        factor,
        sign,
        dropped_path,
        detached_factor,
        twice_the_factor,
        wrong_operand,
        stale_operand,
        transposed,
        permuted,
        unreduced,
        averaged,
        off_by_one,
        flipped,
        one_entry,
        whole,
        last_left_out,
    )
}


@dataclass(frozen=True)
class Planted:
    plant: Plant
    size: float  # the largest change of an entry, relative to it, among those that rounding does not hide
    name: str  # of the gradient
    index: tuple[int, ...]
    changed: float  # by how much, there


def places(program: Program, kind: str, number: float) -> list[tuple[str, int]]:
    """The steps and operands where a mistake of this kind can be made and changes what is sent."""
    found: list[tuple[str, int]] = []

    def tried(name: str, slot: int, sent: Array, moment: Moment) -> Array:
        wrong = KINDS[kind](Plant(kind, name, slot, number), program, sent, moment)
        if wrong is not None:
            shape = moment.operands[slot].shape
            if not np.array_equal(*(unbroadcast(NUMPY, np.asarray(z), shape) for z in (wrong, sent))):
                found.append((name, slot))
        return sent

    with np.errstate(all="ignore"):
        reverse(NUMPY, program, run(NUMPY, program, program.inputs), program.grad_output, tried)
    return found


def draw(rng: np.random.Generator, program: Program) -> Plant | None:
    """A mistake of a random kind; None where this program has no place for it."""
    kind = str(rng.choice(list(KINDS)))
    if kind == "factor":
        number = float(rng.choice([2.0, 0.5, -0.5, 3.0, 1 / 3, 2**0.5, 10.0, 0.0]))
    else:
        number = float(rng.choice([-1.0, 1.0]) * 10 ** rng.uniform(-2.7, 0))
    found = places(program, kind, number)
    if not found:
        return None
    step, slot = found[int(rng.integers(len(found)))]
    return Plant(kind, step, slot, number)


def measured(program: Program, plant: Plant, known: Truth) -> Planted | None:
    """How large the mistake is, by the truth; None where it is too small to count, or hidden by rounding."""
    change = plant.change(program)
    try:
        wrong = truth(program, change)
    except (NoTruth, TypeError, IndexError):
        return None
    _, right_code, _ = functions(program)
    _, wrong_code, _ = functions(program, change)
    right, bad = (f(program.grad_output, **program.inputs) for f in (right_code, wrong_code))
    best: Planted | None = None
    with mpmath.workdps(max(known.digits, wrong.digits)):
        for name, true in known.gradients.items():
            if not np.isfinite(bad[name]).all():
                return None
            moved = exact(abs(wrong.gradients[name] - true))
            own = exact(abs(exact(right[name]) - true) + abs(exact(bad[name]) - wrong.gradients[name]))
            sizes = relative(moved, true)
            largest = max(abs(v) for v in true.flat)
            # A true zero has no thousandth of its own; it takes that of the largest entry beside it.
            counts = (moved >= SMALLEST * np.where(true == 0, largest, abs(true))) & (moved > ABOVE_ROUNDING * own)
            for place in np.argwhere(np.asarray(counts, dtype=bool)):
                index = tuple(int(i) for i in place)
                if best is None or sizes[index] > best.size:
                    best = Planted(plant, float(sizes[index]), name, index, float(moved[index]))
    return best


def planted(program: Program, known: Truth, seed: tuple[int, ...]) -> Planted | None:
    """A mistake that counts, or None if none of a few does."""
    rng = np.random.default_rng(seed)
    for _ in range(TRIES):
        plant = draw(rng, program)
        found = None if plant is None else measured(program, plant, known)
        if found is not None:
            return found
    return None
