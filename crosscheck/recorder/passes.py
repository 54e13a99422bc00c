"""What is left of a tape that is to be replayed: the steps that the result needs, with runs of writes put together.

    content ← put(put(content, i, a), j, b)                     put_all(content, (i, j), (a, b))
    content ← put(content, i, take(content, i) + a)             add(content, i, a)
    content ← add(add(content, i, a), j, b)                     add_all(content, (i, j), (a, b))

where nobody reads what is between. So a loop that fills `np.zeros` entry by entry is one step.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from crosscheck.recorder.memory import add, add_all, put, put_all, take
from crosscheck.recorder.tape import KindOfStep, RecordedStep, Ref, step_of
from crosscheck.recorder.values import getitem


def live(steps: list[RecordedStep], wanted: set[int]) -> list[RecordedStep]:
    """The steps that what is wanted needs."""
    needed, kept = set(wanted), []
    for step in reversed(steps):
        if step.place in needed:
            kept.append(step)
            needed.update(step.reads)
    return kept[::-1]


def together(steps: list[RecordedStep], kinds: list[KindOfStep], wanted: set[int]) -> list[RecordedStep]:
    """The same with runs of writes and of additions put together."""
    steps = live(as_additions(steps, kinds, wanted), wanted)
    readers = Counter(place for step in steps for place in step.reads)
    readers.update(wanted)
    runs: dict[int, tuple[Ref, list[Any], list[Any], Callable[..., Any]]] = {}
    whole: list[RecordedStep] = []
    for step in steps:
        if step.function not in (put, add):
            whole.append(step)
            continue
        content, positions, value = step.args
        all_of = put_all if step.function is put else add_all
        run = runs.get(content.place)
        if run is not None and run[3] is all_of and readers[content.place] == 1:
            del runs[content.place]
            run[1].append(positions)
            run[2].append(value)
        else:
            run = (content, [positions], [value], all_of)
        runs[step.place] = run
        whole.append(step)
    ended = {place: (start, tuple(at), tuple(given), f) for place, (start, at, given, f) in runs.items()}
    return [
        step
        if step.function not in (put, add)
        else step_of(step.place, ended[step.place][3], ended[step.place][:3], {}, step.line)
        for step in whole
        if step.function not in (put, add) or step.place in ended
    ]


def as_additions(steps: list[RecordedStep], kinds: list[KindOfStep], wanted: set[int]) -> list[RecordedStep]:
    """`a[i] = a[i] + b` by one step, where `a[i]` and the sum are read by nobody else."""
    made = {step.place: step for step in steps}
    readers = Counter(place for step in steps for place in step.reads)
    readers.update(wanted)
    found = []
    for step in steps:
        term = added(step, made, kinds, readers) if step.function is put else None
        found.append(
            step if term is None else step_of(step.place, add, (step.args[0], step.args[1], term), {}, step.line)
        )
    return found


def added(step: RecordedStep, made: dict[int, RecordedStep], kinds: list[KindOfStep], readers: Counter[int]) -> Any:
    """What a write adds to what was there; None where it is something else."""
    content, positions, value = step.args
    total = made.get(value.place) if isinstance(value, Ref) else None
    if total is None or total.function is not np.add or total.kwargs or readers[total.place] != 1:
        return None
    first, term = total.args
    before = made.get(first.place) if isinstance(first, Ref) else None
    if before is None or readers[before.place] != 1 or before.args[0] != content:
        return None
    if kinds[total.place].dtype != kinds[content.place].dtype or kinds[total.place].shape != kinds[before.place].shape:
        return None
    if before.function is take:
        there = before.args[1]
    elif before.function is getitem:
        size = kinds[content.place].shape
        there = np.arange(int(np.prod(size))).reshape(size)[before.args[1]]
    else:
        return None
    return term if np.array_equal(there, positions) and np.unique(there).size == np.size(there) else None
