"""One planted mistake through the judge: is it caught, what is it called, and is that true?"""

from __future__ import annotations

import re
import time
from typing import NamedTuple

from crosscheck.evidence.reason import Diagnosis
from crosscheck.evidence.result import Result
from crosscheck.judge import judge
from crosscheck.traces.programs import keep_compilations
from tests.beyond.planted import Slip, Subject
from tests.beyond.subjects import HELD_OUT, SUBJECTS, planted

# What is said of where a gradient is wrong is no name for the mistake.
PLACES = frozenset(["localized", "border"])


class Outcome(NamedTuple):
    """What became of one mistake.

    Args:
        caught: the verdict is `disagree`.
        named: every wrong gradient has a first name, of an expected kind and with an expected word.
        false: names that the same mistake does not have at other sizes.
        said: by gradient, the first name.
    """

    subject: str
    slip: str
    caught: bool
    named: bool
    false: tuple[str, ...]
    said: dict[str, str]
    seconds: float


def first_names(result: Result) -> dict[str, Diagnosis]:
    return {k: g.diagnoses[0] for k, g in result.gradients.items() if g.diagnoses}


def signature(found: Diagnosis) -> tuple[str, str, object]:
    """A name without the numbers that sizes change; a factor that nothing explains has to be the same."""
    unexplained = found.evidence.get("factor") if found.evidence.get("name") is None else None
    factor = None if unexplained is None else round(float(unexplained), 6)
    return found.kind, re.sub(r"\d+(\.\d+)?(e-?\d+)?", "#", found.explanation), factor


def expected(found: Diagnosis, slip: Slip) -> bool:
    said = not slip.words or any(word in found.explanation for word in slip.words)
    return found.kind in slip.kinds.split() and said


def outcome(subject: Subject, slip: Slip, seed: int = 0, *, alone: bool = False) -> Outcome:
    """The judge on one mistake, and once more at other sizes and values; `alone` without a reference."""
    started = time.perf_counter()
    here = judge(subject.operation(slip.name, 0, seed, alone=alone), seed=seed)
    found = first_names(here)
    again = first_names(judge(subject.operation(slip.name, 1, seed + 1, alone=alone), seed=seed + 1)) if found else {}
    false = tuple(
        f"{k}: {d.explanation}"
        for k, d in found.items()
        if d.kind not in PLACES and (k not in again or signature(d) != signature(again[k]))
    )
    wrong = [k for k, g in here.gradients.items() if g.verdict == "disagree"]
    named = bool(wrong) and all(k in found and expected(found[k], slip) for k in wrong)
    said = {k: f"[{d.kind}] {d.explanation}" for k, d in found.items()}
    took = time.perf_counter() - started
    return Outcome(subject.name, slip.name, here.verdict == "disagree", named, false, said, took)


# ---------------------------------------------------------------------- in a process of its own


def of_row(row: tuple[str, str], alone: bool = False) -> Outcome:
    keep_compilations()
    found = [(a, b) for a, b in planted() if (a.name, b.name) == row]
    return outcome(*found[0], alone=alone)


def of_right(name: str, alone: bool = False) -> tuple[str, str]:
    """The verdict on a right derivation."""
    keep_compilations()
    subject = next(s for s in (*SUBJECTS, *HELD_OUT) if s.name == name)
    return name, judge(subject.operation("", 0, 0, alone=alone), diagnose=False).verdict
