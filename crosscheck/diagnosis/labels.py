"""What a step of the tape and a value of the forward are called."""

from __future__ import annotations

import re

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
    return step_name(step.name, own_name(step) if step.name in CUSTOM else step.within)


def label(tape: Tape, k: int) -> str:
    """Step k in words, told from others of its kind."""
    step, sites = tape.steps[k], sites_of(tape)
    base, turn = plain_label(step), ""
    if sites[k].turns > 1:
        turn = f" in turn {sites[k].turn + 1} of {sites[k].turns}"
    # A step that no gradient passes is counted only where it is the one that is asked about.
    same = [j for j, s in enumerate(tape.steps) if (s.active or j == k) and plain_label(s) == base]
    numbered = list(dict.fromkeys(sites[j].key for j in same))
    if len(numbered) < 2:
        return base + turn
    places = {place: name for name, place in tape.inputs.items()}
    names = [places[r] for r in step.reads if r in places]
    if len(step.active) > 1 and names:
        return f"{base} with {names[-1]}{turn}"
    return f"{base} (number {numbered.index(sites[k].key) + 1} of {len(numbered)}){turn}"


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
    while place in made and made[place].name in ("convert_element_type", "copy"):
        place = made[place].reads[0]
    for k, step in enumerate(tape.steps):
        if place in step.writes:
            return f"the result of {label(tape, k)}"
    return "a constant"


def for_all(tape: Tape, k: int, text: str) -> str:
    """The sentence about step k turned into one about all steps of its kind."""
    base = plain_label(tape.steps[k])
    return in_every_turn(text.replace(label(tape, k), f"every {base.removeprefix('the ')}"))


TURN = re.compile(r" in turn \d+ of \d+")


def in_every_turn(text: str) -> str:
    """The sentence about one turn of a loop turned into one about all of them, said once."""
    first, *rest = TURN.split(text)
    return first + " in every turn" + "".join(rest) if rest else text
