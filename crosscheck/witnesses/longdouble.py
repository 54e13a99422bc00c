"""The hand-written code in longdouble, at the judged point: what its formula says when its arithmetic hardly rounds.

    g₆₄ = g + e₆₄,    g₈₀ = g + e₈₀,    |e₈₀| ≈ 2^-11 |e₆₄|     ⇒     |g₆₄ - g₈₀| is |e₆₄| to three digits     (1)

Compared with the truth, g₈₀ shows a mistake in the formula however badly the code rounds in float64; and (1) is the
code's own rounding error there, not a sample of it. No derivative of the code and no model of its arithmetic is
needed.

Code may take longdouble and round to float64 all the same. An answer counts only if

- longdouble is wider than double here, and the answer is longdouble, of the same shape, and finite where the float64
  run's is;
- it *moves*: with each input alone, and with the cotangent, moved by 2^-60, a share of every entry that float64
  cannot see. (Alone: x̄ = z̄ wᵀ moves with w although z̄ was cast.) What does not move may be constant. That is told
  by a coarse move of 2^-20, which float32 sees, too: an entry which the coarse move changes by D changes by 2^-40 D
  at the fine one, and where that is more than two units of its last place in longdouble, standing still means that it
  was rounded on the way. An answer is silent when most of the entries that should move do not (single ones may: a
  comparison can flip within 2^-20).

First the code runs as it is. What is silent then is tried once more with its buffers lifted (`lifting`). It runs on
private copies; layers run as fresh copies of themselves, and what other code binds in its own objects meanwhile is
put back.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from crosscheck.operation import OUTPUT, Array, Arrays, Operation, wide
from crosscheck.witnesses.lifting import lifted
from crosscheck.witnesses.namespaces import kept, reached
from crosscheck.witnesses.nudges import nudged

LONG = np.dtype(np.longdouble)
DOUBLE = np.dtype(np.float64)
FINE, COARSE = 2.0**-60, 2.0**-20
# Entries of inputs, output and gradients, times evaluations: longdouble has no fast matrix product (13 to 20 ns for
# a multiplication and an addition).
WORK = 2**19


@dataclass(frozen=True)
class LongRun:
    """What the hand-written code says in longdouble.

    Args:
        output: longdouble, or None where it is silent.
        gradients: the same by name.
        silent: why no gradient speaks, in a sentence; "" if one does.
        reasons: why each is silent that is; the output's under `OUTPUT`.
        lifted: the names that speak only with lifted buffers.
    """

    output: Array | None
    gradients: dict[str, Array | None]
    silent: str = ""
    reasons: Mapping[str, str] = field(default_factory=dict)
    lifted: tuple[str, ...] = ()


@dataclass
class Answers:
    """Output and gradients of one run, by name; and why some of them are not there."""

    values: Arrays
    reasons: dict[str, str]

    def drop(self, name: str, reason: str) -> None:
        self.reasons[name] = reason
        del self.values[name]


def long_run(operation: Operation, cotangent: Array) -> LongRun:
    """The forward and the backward in longdouble at the operation's own point. Nothing that the code raises passes."""
    if np.finfo(LONG).nmant <= np.finfo(DOUBLE).nmant:
        return silence(operation, "longdouble is no wider than double here")
    cotangent = wide(cotangent)
    with quiet():
        try:
            private = operation.widened()  # a layer's is a copy of the layer, whose state is its own
        except Exception as error:
            return silence(operation, refusal(error))
        with kept_apart(private.forward, private.backward):
            narrow = answers(private, cotangent, (OUTPUT, *operation.wrt))
        entries = sum(a.size for a in (*operation.inputs.values(), *narrow.values.values()))
        if entries * evaluations(operation) > WORK:
            return silence(operation, f"{entries} entries are too many: longdouble has no fast matrix product")
        plain = attempt(private, cotangent, narrow, kept_apart)
        again = {k: r for k, r in plain.reasons.items() if k not in narrow.reasons}
        more = attempt(private, cotangent, narrow, lifted) if again else plain
    values = {**more.values, **plain.values}
    reasons = {k: r for k, r in plain.reasons.items() if k not in values}
    gradients = {k: values.get(k) for k in operation.wrt}
    spoken = any(g is not None for g in gradients.values())
    silent = "" if spoken else next(reasons[k] for k in operation.wrt)
    return LongRun(values.get(OUTPUT), gradients, silent, reasons, tuple(k for k in values if k not in plain.values))


def own_rounding(gradients: Mapping[str, Array], found: LongRun) -> Arrays:
    """(1): |g₆₄ - g₈₀| for every float64 gradient of which the longdouble run says something."""
    out = {}
    for name, g in found.gradients.items():
        if g is not None and gradients[name].shape == g.shape:
            with np.errstate(all="ignore"):
                out[name] = np.abs(gradients[name] - g).astype(np.float64)
    return out


def evaluations(operation: Operation) -> int:
    """At most: the run, and with each input and the cotangent moved finely and coarsely; as it is, and lifted."""
    return 2 * (1 + 2 * (1 + len(floating(operation))))


def floating(operation: Operation) -> list[str]:
    return [k for k, a in operation.inputs.items() if a.dtype.kind == "f"]


def silence(operation: Operation, reason: str) -> LongRun:
    reasons = dict.fromkeys((OUTPUT, *operation.wrt), reason)
    return LongRun(None, dict.fromkeys(operation.wrt), reason, reasons)


def refusal(error: Exception) -> str:
    said = (str(error).splitlines() or [""])[0][:160]
    return f"it refuses longdouble: {type(error).__name__}: {said}".rstrip(": ")


@contextmanager
def quiet() -> Iterator[None]:
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
    with manner(operation.forward, operation.backward):
        point = operation.at({k: in_long(a) for k, a in operation.inputs.items()})
        v = v.astype(LONG)
        found = answers(point, v, tuple(narrow.values))
        found.reasons |= narrow.reasons
        for name, value in list(found.values.items()):
            reason = unfit(value, narrow.values[name])
            if reason:
                found.drop(name, reason)
        for name in floating(operation):
            drop_unmoved(found, partial(with_input_moved, point, v, name))
        drop_unmoved(found, lambda size: (point, nudged(v, size, 0)))
    return found


def in_long(a: Array) -> Array:
    return a.astype(LONG, order="K") if a.dtype.kind == "f" else a


def with_input_moved(point: Operation, v: Array, name: str, size: float) -> tuple[Operation, Array]:
    return point.at({**point.inputs, name: nudged(point.inputs[name], size, 0)}), v


def answers(operation: Operation, v: Array, names: tuple[str, ...]) -> Answers:
    """The output, if it is among the names, and the gradients; each pass may fail without the other."""
    found = Answers({}, {})
    backward = tuple(k for k in names if k != OUTPUT)
    if OUTPUT in names:
        try:
            found.values[OUTPUT] = np.array(operation.output(), copy=True)
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


# ---------------------------------------------------------------------- does it move?


def drop_unmoved(found: Answers, moved: Callable[[float], tuple[Operation, Array]]) -> None:
    """Drop the answers that a fine move leaves where they are although a coarse one does not."""
    here = found.values
    fine = answers(*moved(FINE), tuple(here))
    doubtful = tuple(k for k in here if not moves_everywhere(here[k], fine.values.get(k)))
    coarse = answers(*moved(COARSE), doubtful)
    for name in doubtful:
        a, b, c = here[name], fine.values.get(name), coarse.values.get(name)
        if b is None or b.shape != a.shape:
            found.drop(name, fine.reasons.get(name, "its shape changes when the last bits of longdouble do"))
        elif c is not None and c.shape == a.shape and stands_still(a, b, c):
            found.drop(name, "it rounds to a coarser precision inside: it does not move by 2^-60")


def moves_everywhere(here: Array, fine: Array | None) -> bool:
    return fine is not None and fine.shape == here.shape and bool(((fine != here) | (here == 0)).all())


def stands_still(here: Array, fine: Array, coarse: Array) -> bool:
    """Whether most entries that must show a fine move do not."""
    due = np.abs(coarse - here) * (FINE / COARSE) > 2 * np.spacing(np.abs(here))
    return 2 * int((due & (fine == here)).sum()) > int(due.sum())
