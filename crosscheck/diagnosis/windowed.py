"""Mistakes in a convolution or a pool: wrong indices, overlaps, winners."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from crosscheck.diagnosis.candidates import Candidate
from crosscheck.diagnosis.expressions import Arriving, Call
from crosscheck.diagnosis.labels import label
from crosscheck.diagnosis.points import value
from crosscheck.diagnosis.problem import Problem
from crosscheck.diagnosis.steps import at_step, live_steps
from crosscheck.diagnosis.windows import (
    Windows,
    gradient_of_pool,
    gradient_of_w,
    gradient_of_x,
    index_mistakes,
    windows_of,
)
from crosscheck.diagnosis.winners import WINNERS, assigned, first_maximum, seen_by, shares
from crosscheck.traces.tape import Step, Tape


def window_mistakes(problem: Problem, name: str) -> Iterator[Candidate]:
    """A convolution or pool whose indices, overlaps or winners are wrong."""
    for tape, k, step in live_steps(problem):
        windows = windows_of(tape, step)
        if windows is None:
            continue
        if step.name == "conv_general_dilated":
            yield from convolution_mistakes(tape, k, step, windows)
        else:
            yield from pool_mistakes(problem, tape, k, step, windows)


def convolution_mistakes(tape: Tape, k: int, step: Step, windows: Windows) -> Iterator[Candidate]:
    x, w = (value(place) for place in step.reads[:2])
    for kind, text, rows, columns in index_mistakes(windows.rows, windows.columns):
        other = windows.read_by(rows, columns)
        gives = []
        if 0 in step.active:
            gives.append((0, Call(gradient_of_x, (Arriving(k), w, other))))
        # Overwriting happens where contributions are scattered; the filters' gradient is a plain sum.
        if 1 in step.active and kind != "overwritten":
            gives.append((1, Call(gradient_of_w, (Arriving(k), x, other))))
        yield at_step(tape, kind, f"is that of {label(tape, k)} {text}", k, gives=tuple(gives))


def pool_mistakes(problem: Problem, tape: Tape, k: int, step: Step, windows: Windows) -> Iterator[Candidate]:
    sign = -1.0 if step.name == "reduce_window_min" else 1.0
    summing = step.name == "reduce_window_sum"
    what, x = label(tape, k), value(step.reads[0])
    if not summing:
        seen, kernel = seen_by(problem.given.value(step.reads[0]), windows, sign)
        for winner in WINNERS if seen.shape[-1] > 1 else ():
            if winner.made is None or winner.made(seen, kernel):
                places = Call(shares, (x, windows, sign, winner.share, *winner.arguments))
                gives = ((0, Call(gradient_of_pool, (Arriving(k), places, windows))),)
                yield at_step(tape, winner.kind, f"gives the gradient of {what} {winner.text}", k, gives=gives)
        for last, which in ((True, "last"), (False, "first")):
            if windows.rows.overlaps or windows.columns.overlaps:
                text = (
                    f"overwrites an entry that wins several windows of {what} instead of adding up "
                    f"(the {which} window stays)"
                )
                gives = ((0, Call(assigned, (Arriving(k), x, windows, sign, last))),)
                yield at_step(tape, "overwritten", text, k, gives=gives)
    y = tape.avals[step.writes[0]].shape
    ones = Call(np.ones, ((*(y[a] for a in windows.y_order), windows.rows.kernel, windows.columns.kernel),))
    right = ones if summing else Call(shares, (x, windows, sign, first_maximum))
    for kind, text, rows, columns in index_mistakes(windows.rows, windows.columns):
        if kind == "flipped" and summing:
            continue
        gives = ((0, Call(gradient_of_pool, (Arriving(k), right, windows.read_by(rows, columns)))),)
        yield at_step(tape, kind, f"is that of {what} {text}", k, gives=gives)
