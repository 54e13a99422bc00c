"""Mistakes in products: an operand flipped, transposed, left out or another array; and in what a step passes on."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import numpy as np

from crosscheck.diagnosis.candidates import Candidate
from crosscheck.diagnosis.expressions import Arriving, Call
from crosscheck.diagnosis.points import value
from crosscheck.diagnosis.problem import Problem
from crosscheck.diagnosis.steps import arrays_of_shape, at_step, label, live_steps, value_name
from crosscheck.diagnosis.transforms import cuts, flips, orders, transposes
from crosscheck.diagnosis.words import plain_names
from crosscheck.traces.tape import Step, Tape

BILINEAR = frozenset(["mul", "div", "dot_general", "conv_general_dilated"])
# Of these the ones whose operands have axes that may be taken in another order.
CONTRACTIONS = frozenset(["dot_general", "conv_general_dilated"])
# Steps that are layers: what they pass on to the layer before may be rearranged.
LAYERS = CONTRACTIONS | {"reduce_window_max", "reduce_window_min", "reduce_window_sum", "reshape"}


def needed_operands(problem: Problem) -> Iterator[tuple[Tape, int, int, int]]:
    """(tape, step, operand, its place) of every array that the backward of a product reads."""
    for tape, k, step in live_steps(problem):
        if step.name in BILINEAR:
            for i in range(2):
                if tape.avals[step.reads[i]].shape and is_needed(step, i):
                    yield tape, k, i, step.reads[i]


def is_needed(step: Step, i: int) -> bool:
    """Does the gradient of the other operand need operand i?"""
    return (1 - i) in step.active or step.name == "div"


def operand_mistakes(problem: Problem, name: str) -> Iterator[Candidate]:
    """A product whose backward reads an operand flipped or transposed, or leaves it out."""
    for tape, k, i, place in needed_operands(problem):
        what, who, shape = label(tape, k), value_name(tape, place), tape.avals[place].shape
        words = problem.axes.get(who, ())
        if len(words) != len(shape):  # the input's name, but reshaped on its way here
            words = plain_names(len(shape))
        if tape.steps[k].name in CONTRACTIONS:
            for t in chain(transposes(shape, words), flips(shape, words)):
                text = f"is that of {what} with {who} {t.text}"
                yield at_step(tape, t.kind, text, k, reads=((i, t.of(value(place))),))
        else:
            text = f"leaves out {who} in the backward of {what}"
            yield at_step(tape, "missing-terms", text, k, reads=((i, Call(np.ones_like, (value(place),))),))


def wrong_operands(problem: Problem, name: str) -> Iterator[Candidate]:
    """A product whose backward reads another array of the same shape."""
    for tape, k, i, place in needed_operands(problem):
        who = value_name(tape, place)
        for other, array in arrays_of_shape(tape, tape.avals[place].shape, k):
            if other != who:
                text = f"reads {other} where {label(tape, k)} needs {who}"
                yield at_step(tape, "wrong-operand", text, k, reads=((i, array),))


def order_mistakes(problem: Problem, name: str) -> Iterator[Candidate]:
    """A reshape inside a network undone in another order of the axes."""
    if problem.tape is None or len(problem.tape.steps) < 2:
        return
    for tape, k, step in live_steps(problem):
        if step.name != "reshape":
            continue
        x, y = tape.avals[step.reads[0]].shape, tape.avals[step.writes[0]].shape
        if len(x) < 2 or len(x) <= len(y):
            continue
        for t in orders(x, plain_names(len(x))):
            gives = ((0, t.of(Call(np.reshape, (Arriving(k), x)))),)
            yield at_step(tape, "permuted", f"is that of {label(tape, k)} {t.text}", k, gives=gives)


def passed_on(problem: Problem, name: str) -> Iterator[Candidate]:
    """A layer whose own gradients are right passes the wrong one on: rearranged, cut, or of the wrong sign."""
    tape = problem.tape
    if tape is None or len(tape.steps) < 2:
        return
    # What arrives at a step is known by the step: only for those that write one array.
    maker = {step.writes[0]: j for j, step in enumerate(tape.steps) if len(step.writes) == 1}
    readers = [tape.steps[k].reads[i] for k, i in tape.edges]
    for _, k, step in live_steps(problem):
        for i in step.active:
            place = step.reads[i]
            if step.name not in LAYERS or place not in maker or readers.count(place) > 1:
                continue
            what, passed = label(tape, k), Arriving(maker[place])
            text = f"is wrong by the sign of what {what} passes back"
            yield at_step(tape, "sign", text, k, gives=((i, Call(np.negative, (passed,))),))
            shape = tape.avals[place].shape
            words = plain_names(len(shape))
            for t in chain(flips(shape, words), transposes(shape, words), cuts(shape, words)):
                text = f"is that of a pass in which what {what} passes back is {t.text}"
                yield at_step(tape, t.kind, text, k, gives=((i, t.of(passed)),))
