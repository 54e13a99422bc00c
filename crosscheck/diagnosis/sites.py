"""Which steps are one line of code: the turns of a loop, and the steps that a line or a function is made of.

A loop in Python leaves the same lines on the tape again and again, and so does a scan that is written out. What a
mistaken derivation does at a line it does in every turn, so a mistake is tried at all steps of a *site* together: those
that the same place in the code made.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator
from typing import Any, NamedTuple

from crosscheck.traces.tape import Step, Tape


class Place(NamedTuple):
    """Where a step stands: `key` is the same in every turn; `turn` counts the `turns` from 0."""

    key: Hashable
    turn: int
    turns: int


def sites_of(tape: Tape) -> list[Place]:
    """The site of every step."""
    if "sites" not in tape.programs:
        sites = found(tape.steps)
        tape.programs["sites"] = lambda: sites
    return tape.programs["sites"]()


def found(steps: list[Step]) -> list[Place]:
    sites = [Place(("step", k), 0, 1) for k in range(len(steps))]
    by_source: dict[Hashable, list[int]] = defaultdict(list)
    for k, step in enumerate(steps):
        if step.source is not None:
            by_source[step.source].append(k)
    for source, places in by_source.items():
        period = repeated(steps, places)
        for n, k in enumerate(places):
            sites[k] = Place((source, n % period), n // period, len(places) // period)
    return sites


def repeated(steps: list[Step], places: list[int]) -> int:
    """After how many of these steps, all of one source, the same ones come again; all of them if they do not.

    Between two turns of a loop something else is computed: of a + b + c, two additions of one source, nothing is.
    """
    kinds = [(steps[k].name, steps[k].within, steps[k].turn is None, shapes(steps[k])) for k in places]
    for period in range(1, len(places) // 2 + 1):
        if len(places) % period or any(a != b for a, b in zip(kinds, kinds[period:], strict=False)):
            continue
        starts = range(period, len(places), period)
        if all(apart(steps, places[n - 1], places[n]) for n in starts):
            return period
    return len(places)


def shapes(step: Step) -> tuple[tuple[int, ...], ...]:
    """What a step reads and writes: a loop over layers of several sizes makes other steps in every turn."""
    read_and_written: tuple[Any, ...] = (*step.eqn.invars, *step.eqn.outvars)
    return tuple(tuple(v.aval.shape) for v in read_and_written)


def apart(steps: list[Step], before: int, after: int) -> bool:
    """Is another line computed between two steps, or do they belong to two turns of a scan?"""
    if steps[before].turn != steps[after].turn:
        return True
    return any(steps[k].source != steps[before].source for k in range(before + 1, after))


def alike(tape: Tape, k: int) -> list[int]:
    """The steps of the same site as k, k included, in the order of the forward."""
    key = sites_of(tape)[k].key
    return [j for j, site in enumerate(sites_of(tape)) if site.key == key]


# ---------------------------------------------------------------------- blocks


class Block(NamedTuple):
    """Steps that are one function of one array: those of a line, or of a function that is called."""

    words: str
    steps: tuple[int, ...]
    entry: int  # the one moving value that is read from outside
    exit: int  # the one moving value that is read outside


def blocks(tape: Tape) -> Iterator[Block]:
    """Every line and every called function of more than one step with one way in and one way out."""
    readers: dict[int, list[int]] = defaultdict(list)
    for k, step in enumerate(tape.steps):
        for place in step.reads:
            readers[place].append(k)
    groups: dict[tuple[Hashable, ...], list[int]] = defaultdict(list)
    for k, step in enumerate(tape.steps):
        turn = sites_of(tape)[k].turn
        if step.within:
            groups["within", step.within, step.source, turn].append(k)
        if step.source is not None:
            groups["line", step.source.file, step.source.line, turn].append(k)
    seen = set()
    for (kind, name, *_), steps in groups.items():
        inside, active = set(steps), [k for k in steps if tape.steps[k].active]
        entries = {tape.steps[k].reads[i] for k in active for i in tape.steps[k].active}
        made = {w for k in steps for w in tape.steps[k].writes}
        exits = {w for k in active for w in tape.steps[k].writes if w == tape.output or set(readers[w]) - inside}
        entries -= made
        if len(active) < 2 or len(entries) != 1 or len(exits) != 1 or tuple(steps) in seen:
            continue
        seen.add(tuple(steps))
        words = str(name).strip("_").replace("_", " ") if kind == "within" else "the line"
        yield Block(words, tuple(steps), entries.pop(), exits.pop())
