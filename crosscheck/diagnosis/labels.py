"""What a step of the tape and a value of the forward are called."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Hashable, Iterable
from typing import NamedTuple

from crosscheck.diagnosis.sites import sites_of
from crosscheck.diagnosis.words import step_name
from crosscheck.traces.tape import CUSTOM, Step, Tape
from crosscheck.traces.walk import inner_jaxpr

# Steps that only write the same numbers in another shape.
REWRITTEN = frozenset(["reshape", "broadcast_in_dim", "squeeze", "expand_dims", "convert_element_type", "copy"])


def own_name(step: Step) -> str:
    """The name of the function that a call with its own derivative rule stands for ("relu")."""
    inner = inner_jaxpr(step.eqn)
    if inner is not None:
        for eqn in inner[0].eqns:
            if "name" in eqn.params:
                return str(eqn.params["name"])
    return step.within


def plain_label(step: Step) -> str:
    """A step in words, the same for all of its kind."""
    name = "square" if is_square(step) else step.name
    return step_name(name, own_name(step) if step.name in CUSTOM else step.within)


def is_square(step: Step) -> bool:
    """Whether it squares, however that was written."""
    if step.name == "integer_pow":
        return step.eqn.params["y"] == 2
    return step.name == "mul" and step.reads[0] == step.reads[1]


class LookUp(NamedTuple):
    """What is looked up again and again of a tape.

    Args:
        active: by label, the steps that a gradient passes.
        numbers: by label, the places of those steps, numbered from 1.
        made: for each place, the step that wrote it, and its number.
    """

    active: dict[str, list[int]]
    numbers: dict[str, dict[Hashable, int]]
    made: dict[int, tuple[int, Step]]


def looked_up(tape: Tape) -> LookUp:
    if "labels" not in tape.programs:
        active: dict[str, list[int]] = defaultdict(list)
        for k, step in enumerate(tape.steps):
            if step.active:
                active[plain_label(step)].append(k)
        numbers = {base: numbered(tape, steps) for base, steps in active.items()}
        found = LookUp(active, numbers, {w: (k, step) for k, step in enumerate(tape.steps) for w in step.writes})
        tape.programs["labels"] = lambda: found
    return tape.programs["labels"]()


def numbered(tape: Tape, steps: Iterable[int]) -> dict[Hashable, int]:
    """The places of these steps in the reference's code, in their order; a loop's turns share one."""
    sites = sites_of(tape)
    return {key: n for n, key in enumerate(dict.fromkeys(sites[k].key for k in steps), 1)}


def label(tape: Tape, k: int) -> str:
    """Step k in words, told from others of its kind."""
    step, sites = tape.steps[k], sites_of(tape)
    base, turn = plain_label(step), ""
    if sites[k].turns > 1:
        turn = f" in turn {sites[k].turn + 1} of {sites[k].turns}"
    look = looked_up(tape)
    numbers = look.numbers.get(base, {})
    if not step.active:  # counted only where it is the one that is asked about
        numbers = numbered(tape, sorted([*look.active.get(base, ()), k]))
    if len(numbers) < 2:
        return base + turn
    places = {place: name for name, place in tape.inputs.items()}
    names = [places[r] for r in step.reads if r in places]
    if len(step.active) > 1 and names:
        return f"{base} with {names[-1]}{turn}"
    return f"{base} (number {numbers[sites[k].key]} of {len(numbers)}){turn}"


def value_name(tape: Tape, place: int) -> str:
    """What a value of the forward is called: an input's name, or the step that made it."""
    made = looked_up(tape).made
    source = place
    while source in made and made[source][1].name in REWRITTEN:
        source = made[source][1].reads[0]
    for name, at in tape.inputs.items():
        if at == source:
            return name
    if place == tape.output:
        return "the output"
    while place in made and made[place][1].name in ("convert_element_type", "copy"):
        place = made[place][1].reads[0]
    return f"the result of {label(tape, made[place][0])}" if place in made else "a constant"


def for_all(tape: Tape, k: int, text: str) -> str:
    """The sentence about step k turned into one about all steps of its kind."""
    base = plain_label(tape.steps[k])
    return in_every_turn(text.replace(label(tape, k), f"every {base.removeprefix('the ')}"))


TURN = re.compile(r" in turn \d+ of \d+")


def in_every_turn(text: str) -> str:
    """The sentence about one turn of a loop turned into one about all of them, said once."""
    first, *rest = TURN.split(text)
    return first + " in every turn" + "".join(rest) if rest else text
