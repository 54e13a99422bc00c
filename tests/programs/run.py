"""One program through the judge, and what that makes of the judge.

    right program     agree -> "right"; disagree -> "accused"
    planted mistake   disagree -> "caught"; agree -> "passed"
    either            undecided -> "undecided"; an exception out of the judge -> "crashed"; past the limit -> "too long"

What is lost in truth is told apart afterwards, from fifty digits:

    "zero everywhere"       undecided where nothing but zeros was seen, and the truth is zero, too
    "ill-conditioned"       undecided where the right code's rounding exceeds a thousandth of an entry
    "poor arithmetic"       accused, but the hand-written code has lost more than two thirds of its digits
    "below the allowance"   passed, but the mistake is within twice the allowance that the result prints there
    "vacuous"               the same, but that allowance exceeds the entry, and the truth knows of no such rounding
"""

from __future__ import annotations

import signal
import sys
import time
import traceback
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

import numpy as np

from tests.programs.generate import generate
from tests.programs.plants import Planted, planted
from tests.programs.program import Change, Program, check
from tests.programs.truth import NoTruth, Truth, errors, rounding, truth

# The judge may be undecided where rounding exceeds this share of an entry.
SHARE = 1e-3
# An array that keeps less than a third of its digits is the arithmetic's failure, and may be called so.
THIRD = 1 / 3

NEVER = ("accused", "crashed", "too long", "passed", "vacuous")
FAULTS = (*NEVER, "undecided")


class TooLong(BaseException):
    """Not an Exception, so that no handler in the judge swallows it."""


# What waits without computing, on a lock or a child, is given up after so many times the limit.
WAITING = 10


@contextmanager
def at_most(seconds: float | None) -> Generator[None]:
    """Raises TooLong after that many seconds of computing, on all cores, whoever else has them meanwhile; where the
    platform has alarms and this is the main thread."""
    if seconds is None or not hasattr(signal, "SIGPROF"):
        yield
        return

    def ring(number: int, frame: FrameType | None) -> None:
        raise TooLong

    alarms = ((signal.SIGPROF, signal.ITIMER_PROF, 1), (signal.SIGALRM, signal.ITIMER_REAL, WAITING))
    before = [signal.signal(number, ring) for number, _, _ in alarms]
    for _, clock, times in alarms:
        signal.setitimer(clock, times * seconds)
    try:
        yield
    finally:
        for (number, clock, _), handler in zip(alarms, before, strict=True):
            signal.setitimer(clock, 0)
            signal.signal(number, handler)


@dataclass(frozen=True)
class Outcome:
    """What one check came to, in words that can travel between processes."""

    seed: int
    index: int
    regime: str
    dtype: str
    ops: tuple[str, ...]
    depth: int
    kind: str  # of the plant, "" for none
    size: float  # of the plant
    outcome: str
    said: str  # the judge's reason, or the exception's last line
    seconds: float  # of computing, on all cores
    memory: int = 0  # the most bytes that the process had by then

    @property
    def fault(self) -> bool:
        return self.outcome in FAULTS

    def __str__(self) -> str:
        what = f"{self.kind} {self.size:.1e}" if self.kind else "right"
        return f"{self.index:>6} {self.outcome:<20} {what:<26} {self.regime:<10} {self.dtype:<8} {self.said}"


def judged(
    program: Program, change: Change | None, with_reference: bool, limit: float | None, diagnose: bool = True
) -> tuple[str, str, Any]:
    """The verdict or "crashed" or "too long"; what was said; the result."""
    try:
        with at_most(limit):
            result = check(program, change, with_reference=with_reference, diagnose=diagnose)
            return result.verdict, said(result), result
    except TooLong:
        return "too long", f"more than {limit:g} s", None
    except Exception as error:
        return "crashed", crash(error), None


def crash(error: Exception) -> str:
    """The exception, and the last line of ours or of the judge that it passed."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "site-packages" not in f.filename]
    place = f"{own[-1].filename.rsplit('/', 1)[-1]}:{own[-1].name}" if own else "?"
    return f"{type(error).__name__} in {place}: {str(error).splitlines()[0] if str(error) else ''}"[:160]


def said(result: Any) -> str:
    """Why it is no agreement, in a line."""
    if result.verdict == "agree":
        return ""
    words = [f"{f.kind}: {f.explanation}" for f in result.findings if f.fails]
    for name, gradient in result.gradients.items():
        if gradient.verdict != "agree":
            pair = gradient.judged_by
            words.append(f"{name} {gradient.verdict}")
            if pair is not None:
                words[-1] += f", {pair.first}/{pair.second} error {pair.error:.1e} bound {pair.bound:.1e}"
    return "; ".join(words)[:240]


def allowance(result: Any, name: str, index: tuple[int, ...]) -> float:
    """The difference that the result allows at an entry, or prints for its array; 0 where it says nothing."""
    pair = result.gradients[name].judged_by
    if pair is None:
        return 0.0
    bounds = getattr(pair, "bounds", None)
    bound = float(pair.bound if bounds is None else bounds[index])
    return bound if np.isfinite(bound) else 0.0


def of_right(program: Program, known: Truth, verdict: str, result: Any, seed: int) -> str:
    if verdict == "agree":
        return "right"
    if verdict == "undecided":
        return undecided(program, known, seed, result)
    if verdict != "disagree":
        return verdict
    unit = float(np.finfo(program.grad_output.dtype).eps)
    return "poor arithmetic" if lost(program, known, result) > unit**THIRD else "accused"


def lost(program: Program, known: Truth, result: Any) -> float:
    """The largest error of the hand-written gradients relative to their arrays; or of an entry that was accused,
    relative to that: exp(a - logaddexp(a, b)) has no digit left at 1e36, whatever else is in the array."""
    found, worst = errors(program, known)
    for name, gradient in {} if result is None else result.gradients.items():
        wrong = getattr(gradient, "mismatched", np.zeros(0, bool))
        if wrong.any():
            worst = max(worst, float(np.min(found[name][wrong])))
    return worst


def of_planted(program: Program, known: Truth, found: Planted, verdict: str, result: Any, seed: int) -> str:
    if verdict == "undecided":
        return undecided(program, known, seed, result)
    if verdict != "agree":
        return "caught" if verdict == "disagree" else verdict
    allowed = allowance(result, found.name, found.index)
    if found.changed > 2 * allowed:
        return "passed"
    entry = found.changed / found.size
    lost = rounding(program, known, seed).at(found.name, found.index)
    return "vacuous" if allowed > entry and lost <= SHARE else "below the allowance"


def undecided(program: Program, known: Truth, seed: int, result: Any = None) -> str:
    if result is not None and nothing_to_see(known, result):
        return "zero everywhere"
    return "ill-conditioned" if rounding(program, known, seed).worst > SHARE else "undecided"


def nothing_to_see(known: Truth, result: Any) -> bool:
    """Whether all that is undecided is zero in truth, and was not decided for that reason."""
    still = [k for k, g in result.gradients.items() if g.verdict == "undecided"]
    said = all("zero everywhere" in " ".join(result.gradients[k].remarks) for k in still)
    return bool(still) and said and all(x == 0 for k in still for x in np.ravel(known.gradients[k]))


def most_memory() -> int:
    """The most bytes that this process had in memory at once; 0 where the platform does not say."""
    try:
        import resource
    except ImportError:
        return 0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most


def one(
    seed: int, index: int, with_reference: bool = True, limit: float | None = None, diagnose: bool = True
) -> Outcome:
    """Program `index`: right where it is even, with a mistake where it is odd and one can be planted."""
    drawn = generate(seed, index)
    program = drawn.program
    ops = tuple(s.op for s in program.steps.values())

    def outcome(kind: str, size: float, name: str, words: str, seconds: float) -> Outcome:
        dtype = str(program.grad_output.dtype)
        regime, depth = drawn.regime, program.depth
        return Outcome(seed, index, regime, dtype, ops, depth, kind, size, name, words, seconds, most_memory())

    try:
        known = truth(program)
    except NoTruth as error:
        return outcome("", 0.0, "no truth", str(error), 0.0)
    found = planted(program, known, (seed, index, 1)) if index % 2 else None
    started = time.process_time()  # others may have the cores meanwhile
    change = None if found is None else found.plant.change(program)
    verdict, words, result = judged(program, change, with_reference, limit, diagnose)
    seconds = time.process_time() - started
    if found is None:
        return outcome("", 0.0, of_right(program, known, verdict, result, seed), words, seconds)
    return outcome(
        found.plant.kind, found.size, of_planted(program, known, found, verdict, result, seed), words, seconds
    )
