"""Mistakes in a convolution or a pool: wrong indices, overlaps, winners."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from crosscheck.diagnosis import windows
from crosscheck.diagnosis.problem import Array, Candidate, Point, Problem
from crosscheck.diagnosis.steps import instead, label, live_steps, operand
from crosscheck.traces.tape import Step, Tape


def window_mistakes(problem: Problem, name: str) -> Iterator[Candidate]:
    """A convolution or pool whose indices, overlaps or winners are wrong."""
    for tape, k, step in live_steps(problem):
        found = windows.windows_of(tape, step)
        if found is None:
            continue
        if step.name == "conv_general_dilated":
            yield from convolution_mistakes(problem, tape, k, step, found)
        else:
            yield from pool_mistakes(problem, tape, k, step, found)


def convolution_mistakes(
    problem: Problem, tape: Tape, k: int, step: Step, found: windows.Windows
) -> Iterator[Candidate]:
    rows, columns = found.rows, found.columns
    for kind, text, r, s in windows.index_mistakes(rows, columns):

        def rule(point: Point, g: Array, kind: str = kind, r: Array = r, s: Array = s) -> dict[int, Array]:
            g = g.transpose(found.y_order)
            out = {}
            if 0 in step.active:
                w = operand(point, (k, 1)).transpose(found.w_order)
                out[0] = back(windows.gradient_of_x(g, w, r, s), found.x_order)
            # Overwriting happens where contributions are scattered; the filters' gradient is a
            # plain sum.
            if 1 in step.active and kind != "overwritten":
                x = operand(point, (k, 0)).transpose(found.x_order)
                out[1] = back(windows.gradient_of_w(g, x, r, s), found.w_order)
            return out

        yield instead(problem, kind, f"is that of {label(tape, k)} {text}", k, rule)


def pool_mistakes(problem: Problem, tape: Tape, k: int, step: Step, found: windows.Windows) -> Iterator[Candidate]:
    rows, columns = found.rows, found.columns
    sign = -1.0 if step.name == "reduce_window_min" else 1.0
    summing = step.name == "reduce_window_sum"
    what = label(tape, k)

    def read(point: Point) -> Array:
        return sign * operand(point, (k, 0)).transpose(found.x_order)

    def right_places(point: Point) -> Array:
        if summing:
            return np.ones((*point_shape(point), rows.kernel, columns.kernel))
        return windows.winners(read(point), rows, columns)

    def point_shape(point: Point) -> tuple[int, ...]:
        shape = tape.avals[step.writes[0]].shape
        return tuple(shape[a] for a in found.y_order)

    def rule_for(
        places: Callable[[Point], Array | None], r: Array, s: Array
    ) -> Callable[[Point, Array], dict[int, Array] | None]:
        def rule(point: Point, g: Array) -> dict[int, Array] | None:
            chosen = places(point)
            if chosen is None:
                return None
            grad = windows.gradient_of_pool(g.transpose(found.y_order), chosen, r, s)
            return {0: back(grad, found.x_order)}

        return rule

    if not summing:
        names = [(kind, text) for kind, text, _ in windows.winner_mistakes(read(problem.given), rows, columns)]
        for kind, text in names:

            def places(point: Point, text: str = text) -> Array | None:
                every = windows.winner_mistakes(read(point), rows, columns)
                return next((p for _, t, p in every if t == text), None)

            sentence = f"gives the gradient of {what} {text}"
            yield instead(problem, kind, sentence, k, rule_for(places, rows.matrix(), columns.matrix()))
        for last, which in ((True, "last"), (False, "first")):
            if rows.overlaps or columns.overlaps:

                def assign(point: Point, g: Array, last: bool = last) -> dict[int, Array]:
                    places = right_places(point)
                    grad = windows.assigned(g.transpose(found.y_order), places, rows, columns, last=last)
                    return {0: back(grad, found.x_order)}

                text = (
                    f"overwrites an entry that wins several windows of {what} instead of adding up "
                    f"(the {which} window stays)"
                )
                yield instead(problem, "overwritten", text, k, assign)
    for kind, text, r, s in windows.index_mistakes(rows, columns):
        if kind == "flipped" and summing:
            continue
        yield instead(problem, kind, f"is that of {what} {text}", k, rule_for(right_places, r, s))


def back(canonical: Array, order: tuple[int, ...]) -> Array:
    return canonical.transpose([int(i) for i in np.argsort(order)])
