"""Mistakes in Fourier transforms and running sums: half a spectrum, and the wrong direction.

The spectrum of a real signal is stored by its half: k and n - k are one entry, but for k = 0 and n/2. Its backward is
the transform's adjoint, in which nothing counts twice; `irfft` counts every entry between twice and divides by n. And
what a running sum passes back is summed from the other end.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from crosscheck.diagnosis.candidates import Candidate
from crosscheck.diagnosis.expressions import HERE, Arriving, Call
from crosscheck.diagnosis.labels import label
from crosscheck.diagnosis.points import Array, Point
from crosscheck.diagnosis.problem import Problem
from crosscheck.diagnosis.pulling import pulled
from crosscheck.diagnosis.steps import at_step, live_steps

INNER = "the spectrum between its first and last entry"
WEIGHTED = ((f"counts {INNER} twice", 2.0), (f"counts only half of {INNER}", 0.5))


def spectral_mistakes(problem: Problem, name: str) -> Iterator[Candidate]:
    """A half spectrum weighted wrongly, a conjugate left out, a running sum in the wrong direction."""
    for tape, k, step in live_steps(problem):
        what, params = label(tape, k), step.eqn.params
        if step.name == "fft":
            rows = [("conjugate", "conjugates what arrives", Call(np.conj, (Arriving(k),)))]
            spectrum, real = params["fft_type"].name == "RFFT", params["fft_type"].name == "IRFFT"
            for sentence, weight in WEIGHTED if spectrum else ():
                rows.append(("half-spectrum", sentence, Call(between, (HERE, k, Arriving(k), weight))))
            steps = [(kind, text, Call(pulled, (HERE, k, 0, changed))) for kind, text, changed in rows]
            for sentence, weight in WEIGHTED if real else ():
                given = Call(pulled, (HERE, k, 0, Arriving(k)))
                steps.append(("half-spectrum", sentence, Call(between, (HERE, k, given, weight))))
            for kind, text, given in steps:
                gives = ((0, given),)
                yield at_step(tape, kind, f"{text} in the backward of {what}", k, gives=gives)
        if step.name == "cumsum":
            axis, reverse = params["axis"], params["reverse"]
            for kind, text, back, less in (
                ("flipped", "adds up in the forward's direction", reverse, 0),
                ("shifted", "leaves out each entry's own place", not reverse, 1),
            ):
                gives = ((0, Call(running, (Arriving(k), axis, back, less))),)
                yield at_step(tape, kind, f"{text} in the backward of {what}", k, gives=gives)


def between(point: Point, k: int, g: Array, weight: float) -> Array:
    """All but the first entry and, of an even length, the middle one, weighted."""
    assert point.tape is not None
    length = int(point.tape.steps[k].eqn.params["fft_lengths"][-1])
    weights = np.full(g.shape[-1], weight)
    weights[0] = 1.0
    if length % 2 == 0 and g.shape[-1] == length // 2 + 1:
        weights[-1] = 1.0
    return g * weights


def running(g: Array, axis: int, reverse: bool, less: int) -> Array:
    """The sum so far along an axis, from its end where `reverse`; `less` 1 leaves out the entry itself."""
    turned = np.flip(g, axis) if reverse else g
    total = np.cumsum(turned, axis) - less * turned
    return np.flip(total, axis) if reverse else total
