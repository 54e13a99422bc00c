"""Mistakes in products: an operand flipped, transposed, left out or another array; and in what a step passes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain

import numpy as np

from crosscheck.diagnosis.problem import Array, Candidate, Problem
from crosscheck.diagnosis.steps import (
    Part,
    arrays_of_shape,
    for_all,
    instead,
    label,
    live_steps,
    of_parts,
    operand,
    reading,
    value_name,
)
from crosscheck.diagnosis.transforms import cuts, flips, orders
from crosscheck.diagnosis.words import plain_names
from crosscheck.traces.tape import Step

BILINEAR = frozenset(["mul", "div", "dot_general", "conv_general_dilated"])
# Steps that are layers: what they pass on to the layer before may be rearranged.
LAYERS = frozenset(
    ["dot_general", "conv_general_dilated", "reduce_window_max", "reduce_window_min", "reduce_window_sum", "reshape"]
)


def operand_mistakes(problem: Problem, name: str) -> Iterator[Candidate]:
    """A product whose backward reads an operand flipped, transposed, left out, or another array altogether."""
    for tape, k, step in live_steps(problem):
        if step.name not in BILINEAR:
            continue
        what = label(tape, k)
        for i in range(2):
            place = step.reads[i]
            shape = tape.avals[place].shape
            if not shape or not is_needed(step, i):
                continue
            who, edge = value_name(tape, place), (k, i)
            words = problem.axes.get(who, ())
            if len(words) != len(shape):  # the input's name, but reshaped on its way here
                words = plain_names(len(shape))
            if step.name in ("dot_general", "conv_general_dilated"):
                transposed = (t for t in orders(shape, words) if t.kind == "transposed")
                for t in chain(transposed, flips(shape, words)):
                    yield reading(
                        problem,
                        t.kind,
                        f"is that of {what} with {who} {t.text}",
                        edge,
                        lambda p, e=edge, t=t: t.apply(operand(p, e)),
                    )
            else:
                yield reading(
                    problem,
                    "missing-terms",
                    f"leaves out {who} in the backward of {what}",
                    edge,
                    lambda p, e=edge: np.ones_like(operand(p, e)),
                )


def wrong_operands(problem: Problem, name: str) -> Iterator[Candidate]:
    """A product whose backward reads another array of the same shape."""
    for tape, k, step in live_steps(problem):
        if step.name not in BILINEAR:
            continue
        what = label(tape, k)
        for i in range(2):
            place = step.reads[i]
            shape = tape.avals[place].shape
            if not shape or not is_needed(step, i):
                continue
            for text, read in arrays_of_shape(tape, shape, k):
                who = value_name(tape, place)
                if text != who:
                    yield reading(
                        problem,
                        "wrong-operand",
                        f"reads {text} where {what} needs {who}",
                        (k, i),
                        lambda p, read=read: read(p),
                    )


def is_needed(step: Step, i: int) -> bool:
    """Does the gradient of the other operand need operand i?"""
    return (1 - i) in step.active or step.name == "div"


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
            yield instead(
                problem,
                "permuted",
                f"is that of {label(tape, k)} {t.text}",
                k,
                lambda p, g, t=t, x=x: {0: t.apply(g.reshape(x))},
            )


def passed_on(problem: Problem, name: str) -> Iterator[Candidate]:
    """A layer whose own gradients are right passes the wrong one on: rearranged, cut, or of the wrong sign."""
    tape = problem.tape
    if tape is None or len(tape.steps) < 2:
        return
    maker = {place: j for j, step in enumerate(tape.steps) for place in step.writes}
    readers = [tape.steps[k].reads[i] for k, i in tape.edges]
    for _, k, step in live_steps(problem):
        for i in step.active:
            place = step.reads[i]
            if step.name not in LAYERS or place not in maker or readers.count(place) > 1:
                continue
            what, j = label(tape, k), maker[place]
            shape = tape.avals[place].shape
            words = plain_names(len(shape))

            def part(text: str, change: Callable[[Array], Array], k: int = k, i: int = i, j: int = j) -> Part:
                return Part(
                    k,
                    for_all(problem, k, text),
                    lambda point, arriving: {i: change(np.asarray(arriving[j]))},
                )

            text = f"is wrong by the sign of what {what} passes back"
            yield of_parts("sign", text, [part(text, np.negative)])
            transposed = (t for t in orders(shape, words) if t.kind == "transposed")
            for t in chain(flips(shape, words), transposed, cuts(shape, words)):
                text = f"is that of a pass in which what {what} passes back is {t.text}"
                yield of_parts(t.kind, text, [part(text, t.apply)])
