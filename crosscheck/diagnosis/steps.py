"""Mistakes at one step of the backward pass: the wrong window, winner, mask, derivative or operand.

Each candidate switches one step of the tape (`crosscheck.switches`) and leaves the others right, so
a mistake deep in a network is found like one in a single layer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import chain

import jax
import numpy as np

from crosscheck.diagnosis import windows
from crosscheck.diagnosis.problem import Array, Candidate, Point, Problem
from crosscheck.diagnosis.transforms import flips, orders, shifts
from crosscheck.diagnosis.words import plain_names, step_name
from crosscheck.switches import CUSTOM, Edge, Step, Tape, pull_back
from crosscheck.walk import inner_jaxpr
from reference.precision import double_precision

Injection = Mapping[Edge, Array]
# Elementwise functions of one operand whose derivative is a step of the derivation.
FUNCTIONS = frozenset(
    [
        "max",
        "min",
        "select_n",
        "clamp",
        "tanh",
        "logistic",
        "exp",
        "exp2",
        "log",
        "log1p",
        "expm1",
        "integer_pow",
        "pow",
        "square",
        "sqrt",
        "rsqrt",
        "cbrt",
        "erf",
        "erfc",
        "abs",
        "sin",
        "cos",
        "tan",
        "sinh",
        "cosh",
        "asinh",
        "atan",
    ]
)
# Steps that only write the same numbers in another shape.
REWRITTEN = frozenset(["reshape", "broadcast_in_dim", "squeeze", "expand_dims", "convert_element_type", "copy"])
BILINEAR = frozenset(["mul", "div", "dot_general", "conv_general_dilated"])


# ---------------------------------------------------------------------- words


def own_name(step: Step) -> str:
    """The name of the function that a call with its own derivative rule stands for ("relu")."""
    inner = inner_jaxpr(step.eqn)
    if inner is not None:
        for eqn in inner[0].eqns:
            if "name" in eqn.params:
                return str(eqn.params["name"])
    return step.within


def label(tape: Tape, k: int) -> str:
    """Step k in words, told from others of its kind."""
    step = tape.steps[k]
    base = step_name(step.name, own_name(step) if step.name in CUSTOM else step.within)
    alike = [
        j
        for j, s in enumerate(tape.steps)
        if s.active and step_name(s.name, own_name(s) if s.name in CUSTOM else s.within) == base
    ]
    if len(alike) < 2:
        return base
    places = {place: name for name, place in tape.inputs.items()}
    names = [places[r] for r in step.reads if r in places]
    if len(step.active) > 1 and names:
        return f"{base} with {names[-1]}"
    return f"{base} (number {alike.index(k) + 1} of {len(alike)})"


def value_name(tape: Tape, place: int) -> str:
    """What a value of the forward is called: an input's name, or the step that made it."""
    made = {w: step for step in tape.steps for w in step.writes}
    source = place
    while source in made and made[source].name in REWRITTEN:
        source = made[source].reads[0]
    for name, at in tape.inputs.items():
        if at == source:
            return name
    if place == tape.output:
        return "the output"
    for k, step in enumerate(tape.steps):
        if place in step.writes:
            return f"the result of {label(tape, k)}"
    return "a constant"


# ---------------------------------------------------------------------- candidates by injection


def instead(
    problem: Problem,
    kind: str,
    text: str,
    k: int,
    rule: Callable[[Point, Array], Mapping[int, Array] | None],
) -> Candidate:
    """Step k gives `rule(point, what arrives)`, by operand, in place of its own gradients."""
    key = ("instead", k, text)

    def gradients(point: Point) -> dict[str, Array]:
        arriving = point.arriving[k]
        given = None if arriving is None else rule(point, np.asarray(arriving))
        if given is None:
            return {}
        edges = {(k, i): value for i, value in given.items()}
        return point.switched(scales=dict.fromkeys(edges, 0.0), injected=edges).gradients

    return Candidate(kind, text, lambda point, name: point.once(key, lambda: gradients(point)).get(name), key)


def reading(problem: Problem, kind: str, text: str, edge: Edge, change: Callable[[Point], Array | None]) -> Candidate:
    """The backward reads `change(point)` where it should read an operand of the forward."""
    key = ("reading", *edge, text)

    def gradients(point: Point) -> dict[str, Array]:
        operand = change(point)
        return {} if operand is None else point.switched(residuals={edge: operand}).gradients

    return Candidate(kind, text, lambda point, name: point.once(key, lambda: gradients(point)).get(name), key)


def operand(point: Point, edge: Edge) -> Array:
    assert point.tape is not None
    return np.asarray(point.values[point.tape.steps[edge[0]].reads[edge[1]]])


def live_steps(problem: Problem) -> Iterator[tuple[Tape, int, Step]]:
    tape = problem.tape
    if tape is not None:
        for k, step in enumerate(tape.steps):
            if step.active and problem.given.arriving[k] is not None:
                yield tape, k, step


# ---------------------------------------------------------------------- windows


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


# ---------------------------------------------------------------------- masks and derivatives


def elementwise(tape: Tape, step: Step) -> int | None:
    """The operand of an elementwise function of one moving operand; None for other steps."""
    if step.name not in FUNCTIONS | CUSTOM or len(step.active) != 1 or len(step.writes) != 1:
        return None
    i = step.active[0]
    same = tape.avals[step.reads[i]].shape == tape.avals[step.writes[0]].shape
    return i if same else None


def slope(point: Point, k: int, at: Array | None = None) -> Array:
    """The derivative of elementwise step k, entry by entry; `at` other values than its operand's."""
    assert point.tape is not None
    step = point.tape.steps[k]
    with double_precision():
        residuals = [point.values[r] for r in step.reads]
        if at is not None:
            residuals[step.active[0]] = np.asarray(at)
        ones = np.ones(point.tape.avals[step.writes[0]].shape)
        run = point.tape.programs.setdefault(
            ("slope", k), jax.jit(lambda r, g: pull_back(step, r, [g], list(step.writes))[0])
        )
        return np.asarray(run(residuals, ones))


def is_mask(derivative: Array) -> bool:
    """Is the derivative 0 or 1 everywhere, as that of ReLU is?"""
    return bool(np.isin(derivative, (0.0, 1.0)).all())


def mask_mistakes(problem: Problem, name: str) -> Iterator[Candidate]:
    """ReLU and its kin: the mask missing, inverted, from another array, or moved."""
    for tape, k, step in live_steps(problem):
        i = elementwise(tape, step)
        if i is None or not all(is_mask(slope(p, k)) for p in (problem.given, *problem.others)):
            continue
        what = label(tape, k)

        def masked(kind: str, text: str, mask: Callable[[Point], Array | None], k: int = k, i: int = i) -> Candidate:
            def rule(point: Point, g: Array) -> dict[int, Array] | None:
                m = mask(point)
                return None if m is None else {i: g * m}

            return instead(problem, kind, text, k, rule)

        yield masked("missing-mask", f"leaves out the mask of {what}", lambda p, k=k: np.ones(()))
        yield masked("wrong-mask", f"inverts the mask of {what}", lambda p, k=k: 1 - slope(p, k))
        shape = tape.avals[step.reads[i]].shape
        for text, read in arrays_of_shape(tape, shape, k):
            for sign, condition in (
                ("positive", np.greater),
                ("not positive", np.less_equal),
                ("not zero", np.not_equal),
            ):
                yield masked(
                    "wrong-mask",
                    f"masks {what} where {text} is {sign}",
                    lambda p, read=read, c=condition: c(read(p), 0).astype(np.float64),
                )
        names = plain_names(len(shape))
        for t in chain(flips(shape, names), orders(shape, names), shifts(shape, names)):
            yield masked(
                "wrong-mask",
                f"uses the mask of {what} {t.text}",
                lambda p, k=k, t=t: t.apply(slope(p, k)),
            )


def arrays_of_shape(tape: Tape, shape: tuple[int, ...], k: int) -> Iterator[tuple[str, Callable[[Point], Array]]]:
    """Every array of the forward, and what arrives, of one shape: where a mask might have been taken from."""
    if not shape:
        return
    if tape.avals[tape.steps[k].writes[0]].shape == shape:
        yield "the incoming gradient", lambda p: np.asarray(p.arriving[k])
    for place, aval in enumerate(tape.avals):
        if aval.shape == shape and tape.moves[place]:
            yield value_name(tape, place), lambda p, at=place: np.asarray(p.values[at])
    for name, place in tape.inputs.items():
        aval = tape.avals[place]
        if aval.shape == shape and not tape.moves[place] and aval.dtype.kind == "f":
            yield name, lambda p, at=place: np.asarray(p.values[at])


def sigmoid(a: Array) -> Array:
    return 0.5 * (1 + np.tanh(0.5 * a))


# Derivatives that are taken for others: of the operand x and the result y.
DERIVATIVES: tuple[tuple[str, Callable[[Array, Array], Array]], ...] = (
    ("y, its result", lambda x, y: y),
    ("1 - y", lambda x, y: 1 - y),
    ("1 + y", lambda x, y: 1 + y),
    ("y²", lambda x, y: y * y),
    ("1 - y²", lambda x, y: 1 - y * y),
    ("1 + y²", lambda x, y: 1 + y * y),
    ("y (1 - y)", lambda x, y: y * (1 - y)),
    ("y (1 + y)", lambda x, y: y * (1 + y)),
    ("x, its operand", lambda x, y: x),
    ("1 - x", lambda x, y: 1 - x),
    ("x²", lambda x, y: x * x),
    ("1 - x²", lambda x, y: 1 - x * x),
    ("x (1 - x)", lambda x, y: x * (1 - x)),
    ("1[x > 0]", lambda x, y: (x > 0).astype(np.float64)),
    ("tanh(x)", lambda x, y: np.tanh(x)),
    ("1 - tanh²(x)", lambda x, y: 1 - np.tanh(x) ** 2),
    ("sigmoid(x)", lambda x, y: sigmoid(x)),
    ("sigmoid(-x)", lambda x, y: sigmoid(-x)),
    ("sigmoid(y)", lambda x, y: sigmoid(y)),
    ("1 - sigmoid(x)²", lambda x, y: 1 - sigmoid(x) ** 2),
    ("sigmoid(x) sigmoid(-x)", lambda x, y: sigmoid(x) * sigmoid(-x)),
    ("exp(x)", lambda x, y: np.exp(x)),
    ("1 / x", lambda x, y: 1 / x),
    ("1 / y", lambda x, y: 1 / y),
    ("exp(x) / (1 + exp(x))²", lambda x, y: sigmoid(x) * sigmoid(-x)),
)


def derivative_mistakes(problem: Problem, name: str) -> Iterator[Candidate]:
    """A smooth function's derivative left out, taken twice, at the wrong place, or of another function."""
    for tape, k, step in live_steps(problem):
        i = elementwise(tape, step)
        if i is None or all(is_mask(slope(p, k)) for p in (problem.given, *problem.others)):
            continue
        what = label(tape, k)

        def with_slope(kind: str, text: str, other: Callable[[Point], Array], k: int = k, i: int = i) -> Candidate:
            def rule(point: Point, g: Array) -> dict[int, Array]:
                return {i: g * other(point)}

            return instead(problem, kind, text, k, rule)

        def ends(p: Point, k: int = k, i: int = i) -> tuple[Array, Array]:
            assert p.tape is not None
            return operand(p, (k, i)), np.asarray(p.values[p.tape.steps[k].writes[0]])

        yield with_slope("missing-terms", f"leaves out the derivative of {what}", lambda p: np.ones(()))
        yield with_slope(
            "wrong-derivative",
            f"takes the derivative of {what} twice",
            lambda p, k=k: slope(p, k) ** 2,
        )
        yield with_slope(
            "wrong-derivative",
            f"takes the derivative of {what} at its result instead of its operand",
            lambda p, k=k, ends=ends: slope(p, k, ends(p)[1]),
        )
        yield with_slope(
            "wrong-derivative",
            f"takes the derivative of {what} at its operand negated",
            lambda p, k=k, ends=ends: slope(p, k, -ends(p)[0]),
        )
        yield with_slope(
            "sign",
            f"takes the absolute value of the derivative of {what}",
            lambda p, k=k: np.abs(slope(p, k)),
        )
        yield with_slope(
            "wrong-derivative",
            f"divides by the derivative of {what} instead of multiplying by it",
            lambda p, k=k: 1 / slope(p, k),
        )
        yield with_slope(
            "wrong-derivative",
            f"multiplies by {what} itself, not by its derivative",
            lambda p, ends=ends: ends(p)[1],
        )
        for text, function in DERIVATIVES:
            yield with_slope(
                # A factor of the right derivative alone means that another factor was left out.
                "missing-terms" if text in ("1 - y", "y², its square") else "wrong-derivative",
                f"takes the derivative of {what} to be {text}",
                lambda p, f=function, ends=ends: f(*ends(p)),
            )


# ---------------------------------------------------------------------- operands


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
            words = problem.axes.get(who) or plain_names(len(shape))
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
