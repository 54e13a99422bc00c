"""One program looked at closely, and the smallest part of it that still shows what is wrong.

A part is smaller where the output is an earlier value, where a value is given instead of computed, or where a step is
left out and its operand stands in its place. Steps keep their names, so a planted mistake stays where it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from tests.programs.backends import NUMPY
from tests.programs.generate import finite, generate
from tests.programs.plants import Plant, Planted, measured, planted
from tests.programs.program import Program, Step, literal, pruned, run
from tests.programs.report import pattern
from tests.programs.run import Outcome, judged, of_planted, of_right
from tests.programs.truth import NoTruth, truth

MOST_CHECKS = 60


def values_of(program: Program) -> dict[str, np.ndarray]:
    with np.errstate(all="ignore"):
        return run(NUMPY, program, program.inputs)


def ending_at(program: Program, name: str) -> Program:
    """The program up to a value, and a new gradient that arrives there."""
    steps = {}
    for k, step in program.steps.items():
        steps[k] = step
        if k == name:
            break
    shape = values_of(program)[name].shape
    arriving = np.linspace(0.5, 1.5, int(np.prod(shape))).reshape(shape).astype(program.grad_output.dtype)
    return pruned(replace(program, steps=steps, grad_output=arriving))


def given(program: Program, name: str) -> Program:
    """The same with a step's value as an input."""
    inputs = {**program.inputs, name: values_of(program)[name]}
    return pruned(replace(program, inputs=inputs, steps={k: s for k, s in program.steps.items() if k != name}))


def without(program: Program, name: str) -> Iterator[Program]:
    """The same with one of a step's operands in its place, where the shape allows."""
    values = values_of(program)
    step = program.steps[name]
    for operand in dict.fromkeys(step.operands):
        if values[operand].shape != values[name].shape or name == program.output:
            continue
        steps = {
            k: Step(s.op, tuple(operand if o == name else o for o in s.operands), s.params)
            for k, s in program.steps.items()
            if k != name
        }
        yield pruned(replace(program, steps=steps))


def smaller(program: Program, keep: str | None) -> Iterator[Program]:
    """Parts, the smallest first; `keep` is the step of a planted mistake."""
    names = list(program.steps)
    for name in names[:-1]:
        yield ending_at(program, name)
    for name in reversed(names[:-1]):
        if name != keep:
            yield given(program, name)
    for name in names:
        if name != keep:
            yield from without(program, name)


def classified(
    program: Program, plant: Plant | None, with_reference: bool, limit: float | None
) -> tuple[str, str, Planted | None] | None:
    """The outcome and what was said; None where the part is no fair question any more."""
    if not finite(program) or (plant is not None and plant.step not in program.steps):
        return None
    try:
        known = truth(program)
    except NoTruth:
        return None
    found = None if plant is None else measured(program, plant, known)
    if plant is not None and found is None:
        return None
    change = None if plant is None else plant.change(program)
    verdict, words, result = judged(program, change, with_reference, limit)
    if found is None:
        return of_right(program, known, verdict, result, 0), words, None
    return of_planted(program, known, found, verdict, result, 0), words, found


def start(seed: int, index: int) -> tuple[Program, Plant | None]:
    program = generate(seed, index).program
    found = planted(program, truth(program), (seed, index, 1)) if index % 2 else None
    return program, None if found is None else found.plant


def described(program: Program, plant: Plant | None, state: tuple[str, str, Planted | None] | None) -> str:
    lines = [str(program), f"grad_output {literal(program.grad_output)}"]
    if plant is not None:
        lines.append(f"planted: {plant}")
    if state is not None:
        outcome, words, found = state
        if found is not None:
            lines.append(f"changes {found.name}{list(found.index)} by {found.changed:.2e}, {found.size:.2e} of it")
        lines.append(f"outcome: {outcome}   {words}")
    lines += ["", pasteable(program, plant)]
    return "\n".join(lines)


def pasteable(program: Program, plant: Plant | None) -> str:
    """Python that asks the judge again, run at the root of the project."""
    change = "None" if plant is None else f"{plant!r}.change(program)"
    return "\n".join(
        [
            "import numpy as np",
            "from tests.programs.plants import Plant" if plant is not None else "",
            "from tests.programs.program import Program, Step, check",
            "",
            f"program = {program.source()}",
            f"print(check(program, {change}))",
        ]
    )


def show(seed: int, index: int, with_reference: bool, limit: float | None) -> str:
    program, plant = start(seed, index)
    return described(program, plant, classified(program, plant, with_reference, limit))


def shrink(seed: int, index: int, with_reference: bool, limit: float | None) -> str:
    """Greedily: the first smaller part that comes to the same outcome, saying the same, takes the program's place."""
    program, plant = start(seed, index)
    state = classified(program, plant, with_reference, limit)
    if state is None:
        raise ValueError(f"program {index} has no outcome")
    wanted, checks = likeness(state), 0
    shrunk = True
    while shrunk and checks < MOST_CHECKS:
        shrunk = False
        for part in smaller(program, None if plant is None else plant.step):
            if checks >= MOST_CHECKS or len(part.steps) >= len(program.steps):
                continue
            checks += 1
            found = classified(part, plant, with_reference, limit)
            if found is not None and likeness(found) == wanted:
                program, state, shrunk = part, found, True
                break
    return f"after {checks} checks:\n" + described(program, plant, state)


def likeness(state: tuple[str, str, Planted | None]) -> tuple[str, str]:
    """An outcome, and which kind of thing was said first."""
    outcome, words, _ = state
    empty = Outcome(0, 0, "", "", (), 0, "", 0.0, outcome, words.split("; ")[0], 0.0)
    return outcome, pattern(empty).split(",")[0]
