"""A layer, and a network, is a straight-line program: steps that say what they read and what they write.

Every step computes one value from values before it. V_0 is the input x, the last value the output.

    V_n = f_n(V_r for r in R_n; P_n)                                           (1)

R_n is what step n reads, in order; P_n its parameters. Where R_n is always the value just before, that is a chain; a
value that is read twice makes branches, a step that reads two brings them together.

Nudge x and the parameters. tangent_n, what step n makes of the nudges of all that it takes, is a sum with one term for
each, Σ_{r ∈ R_n} (∂f_n/∂V_r)·V̇_r + (∂f_n/∂P_n)·Ṗ_n, and every value's nudge is there for all that read it:

    V̇_n = tangent_n(V̇_r for r in R_n; Ṗ_n)                                     (2)

Nudges travel beside the values, in the order of the steps. State stands still: no nudge goes in with it, and none of
what it becomes comes out, as it has no gradient.

What V_r does to the loss, it does through every step that reads it: with backward_n(G), what step n makes of
G = ∂L/∂V_n for each value that it reads,

    ∂L/∂V_r = Σ_{n: r ∈ R_n} backward_n(∂L/∂V_n)_r                             (3)

Going back through the steps in reverse order, every ∂L/∂V_n is complete when step n is reached, since all that read V_n
come after it: the chain rule for any graph. The gradients of parameters add up in the same way.

Letters: V value; f step; R what it reads; P parameters; G = ∂L/∂V; L loss; n number of a step; r one that is read; x
the input; a dot marks a nudge.

Source: the lecture, "CNN Chain Rule Implementation" and "Multi-Path Gradient Flow in CNNs"; F. Bauer, *Computational
graphs and rounding error*, SIAM J. Numer. Anal. 11 (1974) 87-96.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

Array = np.ndarray
Arrays = dict[str, Array]

INPUT = "x"
PREVIOUS = ""  # among what a stage reads: what the one before it wrote, the input for the first


CHAINED = (PREVIOUS,)


class Stage(NamedTuple):
    """One operation of a layer: what it computes, and from what.

    State is what a forward pass carries on to the next one: running statistics, the seed of a mask. An operation with
    state takes it by keyword, under the last part of its name, and returns (y, saved, new state); it is not
    differentiated.
    """

    operation: str  # the file's name, the same in manual/ and reference/
    parameters: tuple[str, ...] = ()  # the arrays after what it reads, by their names in named_parameters()
    hyperparameters: Mapping[str, Any] = {}  # the keyword-only arguments of forward that say what is computed
    options: Mapping[str, Any] = {}  # those that only say how, of manual's forward alone
    reads: tuple[str, ...] = CHAINED  # values by name: "x" the layer's input
    writes: str = PREVIOUS  # the value's name; none: only the next stage reads it
    state: tuple[str, ...] = ()  # by their names in named_state()


class Inner(NamedTuple):
    """A layer inside another one, as a step of it. Its value is named by its place, unless it has a name."""

    place: str
    layer: Any
    reads: tuple[str, ...] = CHAINED
    writes: str = PREVIOUS


class Step(NamedTuple):
    """A step that can be run.

    Args:
        reads, writes: the names of values.
        forward: (*what it reads) -> (y, saved, new state by name).
        backward: (∂L/∂y, saved) -> (a gradient for each of `reads`, the gradients of parameters by name).
        tangent: (a nudge for each of `reads`, the nudges of parameters by name, saved) -> that of y.
        operation: the file's name; the class's where a layer brings its own passes.
        place: of the layer that it belongs to, as in "2.0"; "" where that is the whole.
        layer: that layer's class.
        parameters: by name.
    """

    reads: tuple[str, ...]
    writes: str
    forward: Callable[..., tuple[Array, Any, Arrays]]
    backward: Callable[[Array, Any], tuple[tuple[Array, ...], Arrays]]
    tangent: Callable[[Sequence[Array], Mapping[str, Array], Any], Array]
    operation: str
    place: str = ""
    layer: str = ""
    parameters: Mapping[str, Array] = {}


class Ran(NamedTuple):
    """What a forward pass leaves."""

    y: Array
    passed: list[tuple[Step, Any]]  # every step with what it saved
    state: Arrays  # what is carried on, by name


class Passed(NamedTuple):
    """The same of stages and layers, which can be copied and pickled."""

    y: Array
    passed: list[tuple[Stage | Inner, Any]]
    state: Arrays


def run_forward(steps: Sequence[Step], x: Array) -> Ran:
    """Run the steps in order; a value is let go after the last step that reads it."""
    last = {name: number for number, step in enumerate(steps) for name in step.reads}
    values, passed, carried, y = {INPUT: x}, [], {}, x
    for number, step in enumerate(steps):
        y, saved, state = step.forward(*(values[name] for name in step.reads))  # (1)
        for name in step.reads:
            if last[name] == number:
                values.pop(name, None)
        values[step.writes] = y
        passed.append((step, saved))
        carried |= state
    return Ran(y, passed, carried)


def run_tangent(passed: Sequence[tuple[Step, Any]], nudge_x: Array, of_parameters: Mapping[str, Array]) -> Array:
    """The nudge of y, from that of x and those of all parameters by name."""
    nudges = {INPUT: nudge_x}
    for step, saved in passed:
        nudges[step.writes] = step.tangent([nudges[name] for name in step.reads], of_parameters, saved)  # (2)
    return nudges[passed[-1][0].writes]


def run_backward(passed: Sequence[tuple[Step, Any]], grad_output: Array) -> tuple[Array, Arrays]:
    """∂L/∂x, and the gradients of all parameters by name, from ∂L/∂y."""
    arriving, gradients = {passed[-1][0].writes: grad_output}, {}
    for step, saved in reversed(passed):
        parts, of_parameters = step.backward(arriving.pop(step.writes), saved)
        for name, part in zip(step.reads, parts, strict=True):
            arriving[name] = arriving[name] + part if name in arriving else part  # (3)
        for name, part in of_parameters.items():
            gradients[name] = gradients[name] + part if name in gradients else part
    return arriving[INPUT], gradients


# ---------------------------------------------------------------------- chains


def is_chain(nodes: Sequence[Stage | Inner]) -> bool:
    """Whether R_n is always the value just before, and none has a name: then nothing need be looked up."""
    return all(node.writes == PREVIOUS and node.reads == CHAINED for node in nodes)


def chain_forward(nodes: Sequence[Stage | Inner], x: Array, run: Callable[..., tuple[Array, Any, Arrays]]) -> Passed:
    """A chain from x. run: (node, what it reads) -> (y, saved, new state by name)."""
    y, passed, carried = x, [], {}
    for node in nodes:
        y, saved, state = run(node, y)  # (1), with R_n = {n - 1}
        passed.append((node, saved))
        carried.update(state)
    return Passed(y, passed, carried)


def chain_backward(
    passed: Sequence[tuple[Stage | Inner, Any]],
    grad_output: Array,
    run: Callable[..., tuple[tuple[Array, ...], Arrays]],
) -> tuple[Array, Arrays]:
    """∂L/∂x, and the gradients of all parameters by name. run: (node, ∂L/∂y, saved) -> as a step's backward."""
    gradients: Arrays = {}
    for node, saved in reversed(passed):
        (grad_output,), of_parameters = run(node, grad_output, saved)  # (3), a sum of one
        for name, part in of_parameters.items():
            gradients[name] = gradients[name] + part if name in gradients else part
    return grad_output, gradients


# ---------------------------------------------------------------------- names

Node = TypeVar("Node", Stage, Inner, Stage | Inner)


def wired(nodes: Iterable[Node]) -> list[Node]:
    """Stages and inner layers with every name written out, so that each writes a value of its own name.

    Raises:
        ValueError: a value that is read before it is written, written twice, or never read.
    """
    found, known, unread, previous = [], {INPUT}, {INPUT}, INPUT
    for number, node in enumerate(nodes):
        own = node.place if isinstance(node, Inner) else f"{number}:{node.operation}"
        reads, writes = tuple(name or previous for name in node.reads), node.writes or own
        missing = [name for name in reads if name not in known]
        if missing:
            raise ValueError(f"{own} reads {missing[0]!r}; the values before it are {', '.join(sorted(known))}")
        if writes in known:
            raise ValueError(f"{own} writes {writes!r}, which is there already")
        found.append(node._replace(reads=reads, writes=writes))
        unread -= set(reads)
        known.add(writes)
        unread.add(writes)
        previous = writes
    if unread - {previous}:
        raise ValueError(f"{', '.join(sorted(unread - {previous}))} is never read; only the last value is the output")
    return found
