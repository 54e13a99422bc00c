"""Mistakes in products: an operand flipped, transposed, left out or another array; and in what a step passes on."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator
from itertools import chain

import numpy as np

from crosscheck.diagnosis.candidates import Candidate, Part
from crosscheck.diagnosis.expressions import HERE, Arriving, Call
from crosscheck.diagnosis.labels import TURN, in_every_turn, label, value_name
from crosscheck.diagnosis.points import value
from crosscheck.diagnosis.problem import Problem
from crosscheck.diagnosis.pulling import pulled
from crosscheck.diagnosis.sites import sites_of
from crosscheck.diagnosis.steps import arrays_of_shape, at_step, live_steps
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
        if i == 0 and tape.steps[k].name == "mul" and place == tape.steps[k].reads[1]:
            gives = ((0, Arriving(k)), (1, Call(np.zeros_like, (value(place),))))
            text = f"leaves out the derivative of the square of {who} ({what})"
            yield at_step(tape, "missing-terms", text, k, gives=gives)
        words = problem.axes.get(who, ())
        if len(words) != len(shape):  # the input's name, but reshaped on its way here
            words = plain_names(len(shape))
        if tape.steps[k].name in CONTRACTIONS:
            for t in chain(transposes(shape, words), flips(shape, words)):
                text = f"is that of {what} with {who} {t.text}"
                yield at_step(tape, t.kind, text, k, reads=((i, t.of(value(place))),))
            other, back = tape.avals[tape.steps[k].reads[1 - i]].shape, tape.avals[tape.steps[k].writes[0]].shape
            if other == back and (1 - i) in tape.steps[k].active:
                gives = ((1 - i, Arriving(k)),)
                yield at_step(tape, "missing-terms", f"leaves out {who} in the backward of {what}", k, gives=gives)
        else:
            text = f"leaves out {who} in the backward of {what}"
            yield at_step(tape, "missing-terms", text, k, reads=((i, Call(np.ones_like, (value(place),))),))


def arriving_transposed(problem: Problem, name: str) -> Iterator[Candidate]:
    """A contraction that reads what arrives transposed, for one of its operands or for both."""
    for tape, k, step in live_steps(problem):
        shape = tape.avals[step.writes[0]].shape
        if step.name not in CONTRACTIONS or len(step.writes) > 1:
            continue
        for t in transposes(shape, plain_names(len(shape))):
            text = f"reads what arrives at {label(tape, k)} {t.text}"
            gives = tuple((i, Call(pulled, (HERE, k, i, t.of(Arriving(k))))) for i in step.active)
            for given in gives if len(gives) > 1 else ():
                whom = value_name(tape, step.reads[given[0]])
                yield at_step(tape, t.kind, f"{text}, for {whom}", k, gives=(given,))
            yield at_step(tape, t.kind, text, k, gives=gives)


# What an operand is taken for: √σ² for σ², 1/σ for σ.
POWERS = (
    ("the square root", np.sqrt),
    ("the square", np.square),
    ("the reciprocal", np.reciprocal),
    ("the exponential", np.exp),
    ("the logarithm", np.log),
)


def wrong_operands(problem: Problem, name: str) -> Iterator[Candidate]:
    """A product whose backward reads another array of the same shape, or a power of the right one."""
    for tape, k, i, place in needed_operands(problem):
        who, what = value_name(tape, place), label(tape, k)
        if tape.steps[k].name not in CONTRACTIONS:
            for power, function in POWERS:
                text = f"reads {power} of {who} where {what} needs {who}"
                yield at_step(tape, "wrong-operand", text, k, reads=((i, Call(function, (value(place),))),))
        for other, array in arrays_of_shape(tape, tape.avals[place].shape, k):
            if other != who:
                text = f"reads {other} where {what} needs {who}"
                yield at_step(tape, "wrong-operand", text, k, reads=((i, array),))
        source = next((s for s in tape.steps if place in s.writes), None)
        if source is None or source.name != "transpose":
            continue
        order = source.eqn.params["permutation"]
        for other, array in arrays_of_shape(tape, tape.avals[source.reads[0]].shape, k):
            if other != who:
                text = f"reads {other} where {what} needs {who}"
                yield at_step(tape, "wrong-operand", text, k, reads=((i, Call(np.transpose, (array, order))),))


def operands_in_turns(problem: Problem, name: str) -> Iterator[Candidate]:
    """In every turn of a loop the state before for the state after, or another array of the same turn."""
    tape = problem.tape
    if tape is None:
        return
    sites = sites_of(tape)
    by_turn: dict[Hashable, list[int]] = {}
    for k, site in enumerate(sites):
        if site.turns > 1 and tape.steps[k].active:
            by_turn.setdefault(site.key, []).append(k)
    for steps in by_turn.values():
        for i in needed_at(tape, steps[0]):
            shape = tape.avals[tape.steps[steps[0]].reads[i]].shape
            for words, places in in_step(tape, by_turn, steps, shape):
                right = [tape.steps[k].reads[i] for k in steps]
                if places == right:
                    continue
                what = in_every_turn(label(tape, steps[-1]))
                text = f"reads {words} where {what} needs {told(tape, right[-1], len(steps))}"
                if tape.steps[steps[0]].name in DERIVED:
                    slopes = (derived_slope(tape.steps[k].name, place) for k, place in zip(steps, places, strict=True))
                    parts = tuple(Part(k, "", slope=s) for k, s in zip(steps, slopes, strict=True))
                else:
                    reads = zip(steps, places, strict=True)
                    parts = tuple(Part(k, "", reads=((i, value(place)),)) for k, place in reads)
                yield Candidate("wrong-operand", text, parts=parts)


# Functions whose derivative is computed from their result.
DERIVED = {"tanh": lambda y: 1 - y * y, "logistic": lambda y: y * (1 - y), "exp": lambda y: 1 * y}  # y may be a mask


def derived(name: str, y: np.ndarray) -> np.ndarray:
    return DERIVED[name](y)


def derived_slope(name: str, place: int) -> Call:
    return Call(derived, (name, value(place)))


def needed_at(tape: Tape, k: int) -> list[int]:
    step = tape.steps[k]
    if step.name in DERIVED:
        return [0]
    return [i for i in range(2) if step.name in BILINEAR and tape.avals[step.reads[i]].shape and is_needed(step, i)]


def in_step(
    tape: Tape, by_turn: dict[Hashable, list[int]], steps: list[int], shape: tuple[int, ...]
) -> Iterator[tuple[str, list[int]]]:
    """What the other lines of the loop read and write in each turn, of one shape: words, and the place in each turn."""
    seen = set()
    for others in by_turn.values():
        if len(others) != len(steps):
            continue
        for which in ("reads", "writes"):
            for i in range(len(getattr(tape.steps[others[0]], which))):
                places = [getattr(tape.steps[k], which)[i] for k in others]
                if all(tape.avals[p].shape == shape for p in places) and tuple(places) not in seen:
                    seen.add(tuple(places))
                    yield told(tape, places[-1], len(steps)), places


def told(tape: Tape, place: int, turns: int) -> str:
    """A value of the last turn as that of every turn: the result of the turn before is the state that is carried.

    A line that is passed several times in each turn, as that of a function is, has as many turns for each of the loop.
    """
    name = value_name(tape, place)
    turn = TURN.search(name)
    if turn is None:
        return name
    number, count = map(int, re.findall(r"\d+", turn[0]))
    before = -(-number * turns // count) < turns
    return TURN.sub("", name) + (" in the turn before" if before else "")


def order_mistakes(problem: Problem, name: str) -> Iterator[Candidate]:
    """A sorting that is not undone, or done twice; a reshape inside a network undone in another order of the axes."""
    for tape, k, step in live_steps(problem):
        if step.name == "sort" and step.active == (0,):
            yield from sorting_mistakes(tape, k, step)
        if step.name != "reshape" or len(tape.steps) < 2:
            continue
        x, y = tape.avals[step.reads[0]].shape, tape.avals[step.writes[0]].shape
        if len(x) < 2 or len(x) <= len(y):
            continue
        for t in orders(x, plain_names(len(x))):
            gives = ((0, t.of(Call(np.reshape, (Arriving(k), x)))),)
            yield at_step(tape, "permuted", f"is that of {label(tape, k)} {t.text}", k, gives=gives)


def sorting_mistakes(tape: Tape, k: int, step: Step) -> Iterator[Candidate]:
    """y = x[order], order = argsort x: the gradient is to be written to `order`."""
    what, arriving, axis = label(tape, k), Arriving(k), step.eqn.params["dimension"]
    text = f"leaves what arrives at {what} in the order of the result"
    yield at_step(tape, "permuted", text, k, gives=((0, arriving),))
    read = Call(read_in_order, (arriving, value(step.reads[0]), axis))
    text = f"reads what arrives at {what} in the order of the operand instead of writing it there"
    yield at_step(tape, "permuted", text, k, gives=((0, read),))


def read_in_order(g: np.ndarray, x: np.ndarray, axis: int) -> np.ndarray:
    return np.take_along_axis(g, np.argsort(x, axis=axis, kind="stable"), axis)


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
