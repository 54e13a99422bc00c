"""The hand-written code in longdouble, at the judged point: what its formula says when its arithmetic hardly rounds.

    g₆₄ = g + e₆₄,    g₈₀ = g + e₈₀,    |e₈₀| ≈ 2^-11 |e₆₄|     ⇒     |g₆₄ - g₈₀| is |e₆₄| to three digits     (1)

Compared with the truth, g₈₀ shows a mistake in the formula however badly the code rounds in float64; and (1) is the
code's own rounding error there, not a sample of it. No derivative of the code and no model of its arithmetic is
needed.

Code may take longdouble and round to float64 all the same. An answer counts only if

- longdouble is wider than double here, and the answer is longdouble, of the same shape, and finite where the float64
  run's is;
- it is *finer*. Fourth differences show how coarsely the code rounds, whatever its derivative. At a point p beside
  the judged one (so that nothing is exact by chance), inputs and cotangent moved by h = 2^-24 of themselves give

      N = Σ_j (-1)^j binom(4, j) g₈₀(p + (j - 2) h) = O(h⁴) + rounding,      B = |g₆₄ - g₈₀| beside the point     (2)

and N is about √70 · 2^-11 B if all is done in longdouble, √70 B if something is rounded to float64 on the way, and
more if to float32, however many the terms. The line is drawn between, by root mean squares over the gradient. A
constant has no N, and counts. Where the code is ill-conditioned (a batch norm of numbers around 10⁴ whose deviation is
1), h⁴ is large beside the rounding; then N falls as h⁴ does, and smaller steps are asked as long as it does. Rounding
does not fall, or at once altogether, where a step is too small to stir it (float32, at 2^-27).

How far g₈₀ itself may be from the formula has been seen three times by then, in units of e₈₀ (`seen`): 2^-11 e₆₄ at the
point and beside it, and N / √70.

First the code runs as it is. What is silent then is tried once more with its buffers lifted (`lifting`). It runs on
private copies; what the code binds in its own objects meanwhile is
put back.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

import numpy as np

from crosscheck.floats import DOUBLE, LONG, root_mean_square
from crosscheck.operation import OUTPUT, Array, Arrays, Operation, wide
from crosscheck.witnesses.lifting import lifted
from crosscheck.witnesses.namespaces import kept, reached
from crosscheck.witnesses.nudges import nudged

WIDTHS = tuple(2.0**-n for n in (24, 27, 30, 33))
FALL = 2.0**-15, 2.0**-9  # from one step to the next: truncation by 2^-12, to the rounding at the most
FOURTH = (1, -4, 6, -4, 1)
NOISE = float(np.linalg.norm(FOURTH))  # √70: of N in units of one rounding
FINER = 2.0**-2.5  # √70 · 2^-5.5, half of the way
RATIO = float(np.finfo(LONG).eps / np.finfo(DOUBLE).eps)  # of a longdouble rounding to a float64 one: 2^-11
# Entries of inputs, output and gradients, times evaluations: longdouble has no fast matrix product (13 to 20 ns for
# a multiplication and an addition).
WORK = 2**19
# At the point, beside it, and at five points for (2), as a rule at one step; as the code is, and lifted.
LONG_EVALUATIONS = 2 * 7


@dataclass(frozen=True)
class LongRun:
    """What the hand-written code says in longdouble.

    Args:
        output: longdouble, or None where it is silent.
        gradients: the same by name.
        silent: why no gradient speaks, in a sentence; "" if one does.
        reasons: why each is silent that is; the output's under `OUTPUT`.
        lifted: the names that speak only with lifted buffers.
        seen: by name, how the longdouble answer rounds at every entry: draws (several, *shape) of its error.
    """

    output: Array | None
    gradients: dict[str, Array | None]
    silent: str = ""
    reasons: Mapping[str, str] = field(default_factory=dict)
    lifted: tuple[str, ...] = ()
    seen: Mapping[str, Array] = field(default_factory=dict)


@dataclass
class Answers:
    """Output and gradients of one run, by name; and why some of them are not there."""

    values: Arrays
    reasons: dict[str, str]
    seen: Arrays = field(default_factory=dict)

    def drop(self, name: str, reason: str) -> None:
        self.reasons[name] = reason
        del self.values[name]


def long_run(operation: Operation, cotangent: Array) -> LongRun:
    """The forward and the backward in longdouble at the operation's own point. Nothing that the code raises passes."""
    if np.finfo(LONG).nmant <= np.finfo(DOUBLE).nmant:
        return silence(operation, "longdouble is no wider than double here")
    cotangent = wide(cotangent)
    with quiet():
        with kept_apart(operation.forward, operation.backward):
            narrow = answers(operation, cotangent, (OUTPUT, *operation.wrt))
        entries = sum(a.size for a in (*operation.inputs.values(), *narrow.values.values()))
        if entries * LONG_EVALUATIONS > WORK:
            return silence(operation, f"{entries} entries are too many: longdouble has no fast matrix product")
        plain = attempt(operation, cotangent, narrow, kept_apart)
        again = {k: narrow.values[k] for k in plain.reasons if k not in narrow.reasons}
        more = attempt(operation, cotangent, Answers(again, {}), lifted) if again else plain
    values = {**more.values, **plain.values}
    reasons = {k: r for k, r in plain.reasons.items() if k not in values}
    gradients = {k: values.get(k) for k in operation.wrt}
    spoken = any(g is not None for g in gradients.values())
    silent = "" if spoken else next(reasons[k] for k in operation.wrt)
    lifted_only = tuple(k for k in values if k not in plain.values)
    return LongRun(values.get(OUTPUT), gradients, silent, reasons, lifted_only, {**more.seen, **plain.seen})


def own_rounding(gradients: Mapping[str, Array], found: LongRun) -> Arrays:
    """(1): |g₆₄ - g₈₀| for every float64 gradient of which the longdouble run says something."""
    out = {}
    for name, g in found.gradients.items():
        if g is not None and gradients[name].shape == g.shape:
            with np.errstate(all="ignore"):
                out[name] = np.abs(apart(gradients[name], g))
    return out


def silence(operation: Operation, reason: str) -> LongRun:
    reasons = dict.fromkeys((OUTPUT, *operation.wrt), reason)
    return LongRun(None, dict.fromkeys(operation.wrt), reason, reasons)


def refusal(error: Exception) -> str:
    said = (str(error).splitlines() or [""])[0][:160]
    return f"it refuses longdouble: {type(error).__name__}: {said}".rstrip(": ")


@contextmanager
def quiet() -> Generator[None]:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def kept_apart(*roots: Callable[..., object]) -> AbstractContextManager[None]:
    return kept(reached(*roots))


# ---------------------------------------------------------------------- one attempt


def attempt(
    operation: Operation, v: Array, narrow: Answers, manner: Callable[..., AbstractContextManager[None]]
) -> Answers:
    """What counts of a longdouble run in this manner: as the code is, or lifted."""
    names = tuple(narrow.values)
    beside, w = operation.at({k: nudged(a, WIDTHS[0], 0) for k, a in operation.inputs.items()}), nudged(v, WIDTHS[0], 0)
    with kept_apart(operation.forward, operation.backward):
        double = answers(beside, w, names)
    with manner(operation.forward, operation.backward):
        point = operation.at({k: in_long(a) for k, a in operation.inputs.items()})
        found = answers(point, v.astype(LONG), names)
        found.reasons |= narrow.reasons
        for name, value in list(found.values.items()):
            reason = unfit(value, narrow.values[name])
            if reason:
                found.drop(name, reason)
        drop_coarse(beside, w, narrow, double, found)
    return found


def in_long(a: Array) -> Array:
    return a.astype(LONG, order="K") if a.dtype.kind == "f" else a


def answers(operation: Operation, v: Array, names: tuple[str, ...]) -> Answers:
    """The output, if it is among the names, and the gradients; each pass may fail without the other."""
    found = Answers({}, {})
    backward = tuple(k for k in names if k != OUTPUT)
    if OUTPUT in names:
        try:
            found.values[OUTPUT] = operation.output()
        except Exception as error:
            found.reasons[OUTPUT] = refusal(error)
    if backward:
        try:
            gradients = operation.gradients(v)
            found.values |= {k: gradients[k] for k in backward}
        except Exception as error:
            found.reasons |= dict.fromkeys(backward, refusal(error))
    return found


def unfit(value: Array, narrow: Array) -> str:
    """Why a longdouble run's answer does not count, whatever it is; "" if it may."""
    if value.dtype == np.float32 or value.dtype == np.float16:
        return f"it computes in {value.dtype}"
    if value.dtype != LONG:
        return f"it returns {value.dtype} for longdouble"
    if value.shape != narrow.shape:
        return f"it returns shape {value.shape} for longdouble, {narrow.shape} for float64"
    if (np.isfinite(narrow) & ~np.isfinite(value)).any():
        return "it is not finite in longdouble where it is in float64"
    return ""


# ---------------------------------------------------------------------- is it finer?


def drop_coarse(operation: Operation, v: Array, narrow: Answers, double: Answers, found: Answers) -> None:
    """Drop the answers that something coarser than longdouble rounded on the way; of the others, how they round.

    `narrow` are the float64 answers at the judged point, `double` those at the operation's, which is beside it.
    """
    names = tuple(found.values)
    inputs, w = {k: in_long(a) for k, a in operation.inputs.items()}, v.astype(LONG)
    beside = answers(operation.at(inputs), w, names)
    inputs, w = {k: nudged(a, WIDTHS[0], 1) for k, a in inputs.items()}, nudged(w, WIDTHS[0], 1)  # no float64 numbers
    last: dict[str, float] = dict.fromkeys(names, np.inf)
    for step in WIDTHS:
        runs = [double, beside]
        for j in range(-2, 3):
            at = operation.at({k: nudged(a, j * step, 2) for k, a in inputs.items()})
            runs.append(answers(at, nudged(w, j * step, 2), tuple(last)))
        for name in tuple(last):
            values = [run.values.get(name) for run in runs]
            told = [a for a in values if a is not None and a.shape == found.values[name].shape]
            if len(told) < len(values):
                refused = [run.reasons[name] for run in runs if name in run.reasons]
                found.drop(name, refused[0] if refused else "its shape changes beside the judged point")
                del last[name]
                continue
            noise, most = root_mean_square(fourth(told[2:])), FINER * own(told[0], told[1])
            least, largest = (share * last[name] for share in FALL)
            first = step == WIDTHS[0]
            if noise <= most and (first or noise >= least):
                lost = apart(narrow.values[name], found.values[name]), apart(told[0], told[1])
                found.seen[name] = np.stack([*(RATIO * a for a in lost), fourth(told[2:]) / NOISE])
                del last[name]
            elif step != WIDTHS[-1] and (first or least <= noise <= largest):
                last[name] = noise
            else:
                found.drop(name, "it rounds to a coarser precision inside")
                del last[name]
        if not last:
            return


def fourth(near: list[Array]) -> Array:
    """N of (2)."""
    return np.tensordot(np.array(FOURTH, LONG), np.stack(near), 1).astype(DOUBLE)


def own(double: Array, long: Array) -> float:
    """B of (2): at least the rounding of an answer to float64."""
    return root_mean_square(
        np.maximum(np.abs(apart(double, long)), np.spacing(np.abs(long).astype(DOUBLE)) / np.sqrt(12))
    )


def apart(double: Array, long: Array) -> Array:
    return (double - long).astype(DOUBLE)
