"""The door to surveys: when is it wrong?"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from crosscheck.deadline import Deadline, checked_budget
from crosscheck.doors.door import door
from crosscheck.evidence.result import Result
from crosscheck.interrupts import when_interrupted
from crosscheck.judge import judge
from crosscheck.progress import shown
from crosscheck.spaces.space import Space
from crosscheck.surveys.causes import Accusations
from crosscheck.surveys.circumstances import CHOICES, NAMES, with_circumstances
from crosscheck.surveys.conditions import Condition
from crosscheck.surveys.made import Factory
from crosscheck.surveys.page import html, page
from crosscheck.surveys.quantities import Array, word
from crosscheck.surveys.record import ALWAYS, EXACTLY, GIVEN, ONLY, Survey, Surveyed, When
from crosscheck.surveys.search import Search
from crosscheck.surveys.visits import ASIDE, EMPTY, RAISED, RAISES, RIGHT, UNDECIDED, WRONG, Visitor, completed

CONFIGURATIONS = 200


@door
def survey(
    make: Callable[..., Any],
    space: Any,
    *,
    budget: float | None = None,
    configurations: int = CONFIGURATIONS,
    seed: int = 0,
    diagnose: bool = True,
    name: str | None = None,
) -> Survey:
    """Ask when a gradient is wrong: at which configurations of a layer or of two functions, and at which not.

    Every configuration is judged at one point. The space is covered so that every pair of choices meets, then drawn
    from at random, then asked where it is informative: at configurations on which the conditions differ that still fit.
    Beside the space's own dimensions the survey varies what often matters: the memory order of the first input, whether
    the code has been called before, ties, and the sign of the first entry.

    Args:
        make: `make(**configuration)` gives `(layer, x)`, `(layer, x, reference)`, `(forward, backward, inputs)`,
            `(forward, backward, inputs, reference)`, or a dictionary of these names and of other arguments of `check`,
            `check_layer`, `check_operation`. It is called with those of the space's names that it takes; the others
            stay at their first choice, and the page says so. If it takes `rng`, it gets a generator of the
        configuration. space: of `crosscheck.spaces`, or a dictionary of choices: `{"padding": (0, 1, 2), "bias": (True,
            False)}`, the simplest first.
        budget: seconds. What is not done by then is left out, and said. None: no limit, and the clock is not read.
        configurations: how many are judged at the most, until the smallest is looked for.
        seed: of everything that is drawn.
        diagnose: whether the mistake is looked for that fits at the configurations that are wrong.
        name: of what is surveyed, for the page; None: its class or function.

    Returns:
        A `Survey`, true if every gradient is right at every configuration.

    Raises:
        TypeError, ValueError: a space without choices, or what `make` takes or gives is not what it must be. What the
            code raises at a configuration is noted, and does not end the survey.
    """
    a_count("configurations", configurations)
    factory = Factory(make)
    space = space_of(space)
    varied = with_circumstances(space.only(factory.names_of(space)), factory.takes)
    deadline = Deadline(checked_budget(budget))
    visitor = Visitor(factory, seed, deadline)
    title = name or getattr(make, "__name__", type(make).__name__)
    search = Search(varied, visitor, configurations, seed, deadline)

    def recorded(rows: Iterable[Surveyed], found: Result | None = None, left_out: tuple[str, ...] = ()) -> Survey:
        fixed = fixed_of(space, varied, factory, visitor.first_input)
        named = name or visitor.title or title
        return Survey(named, space.name, seed, tuple(rows), tuple(search.visits), fixed, found, left_out, page, html)

    def so_far() -> Survey:
        return recorded(row_of(search, k, None, None) for k in ranked(search))

    with shown(title, deadline), when_interrupted(lambda: print(so_far())):
        search.run()
        names = ranked(search)
        smallest = {k: search.smallest(k) for k in names if WRONG in completed(search.visits)[k]}
        found = None
        judgeable = [k for k in smallest if not k.startswith(RAISES)]
        if judgeable and not deadline.passed:
            where = smallest[judgeable[0]]
            found = deadline.unless_late("the smallest", lambda: whole(visitor, *where, diagnose), None)
        causes, accusations = {}, Accusations(search, seed)
        for k in smallest if diagnose else ():
            about = f"one cause of the gradient of {k}"
            causes[k] = deadline.unless_late(about, lambda k=k: accusations.cause(k, smallest[k]), None)
        rows = tuple(row_of(search, k, smallest.get(k), causes.get(k)) for k in names)
    # What follows the first thing that was left out was left out, too.
    left_out = tuple(deadline.left_out[:1])
    if deadline.passed and not left_out:
        left_out = (f"what comes after {search.asked} configurations",)
    return recorded(rows, found, left_out)


def space_of(given: Any) -> Space:
    """A space, or that of a dictionary of choices; a sentence where it is neither."""
    rule = "it must be a space of crosscheck.spaces, or a dictionary of choices by name"
    if isinstance(given, Space):
        return given
    if not isinstance(given, Mapping):
        raise TypeError(f"space is {given!r:.60}, of type {type(given).__name__}; {rule}")
    if not given:
        raise ValueError(f"space is empty; {rule}")
    dimensions: dict[str, tuple[Any, ...]] = {}
    for name, choices in given.items():
        if isinstance(choices, (str, bytes)) or not hasattr(choices, "__iter__"):
            raise TypeError(f"space gives {choices!r:.60} for {name!r}; it must be a list of choices")
        dimensions[str(name)] = tuple(choices)
        if not dimensions[str(name)]:
            raise ValueError(f"space gives no choice for {name!r}; it must be a list of choices")
    return Space(GIVEN, dimensions)


def whole(visitor: Visitor, configuration: dict[str, Any], draw: int, diagnose: bool) -> Result:
    """The check of one configuration, in full."""
    operation, left = visitor.operation(configuration, draw), visitor.deadline.left
    return judge(operation, seed=visitor.seed + draw, diagnose=diagnose, progress=False, budget=left)


def ranked(search: Search) -> list[str]:
    """The rows of the page: gradients that are wrong, what else is, what is open, what is right."""
    found = completed(search.visits)
    order = {name: i for i, name in enumerate(found)}

    def rank(name: str) -> tuple[bool, bool, bool, int]:
        outcomes = found[name]
        aside = name.startswith((ASIDE, RAISES))
        return WRONG not in outcomes, aside, UNDECIDED not in outcomes, order[name]

    return sorted(found, key=rank)


def row_of(search: Search, name: str, smallest: Any, cause: Any) -> Surveyed:
    outcomes = completed(search.visits)[name]
    counts = {kind: outcomes.count(kind) for kind in (RIGHT, WRONG, UNDECIDED, RAISED, EMPTY) if kind in outcomes}
    message = next((v.messages[name] for v in search.visits if name in v.messages), "")
    where = None if smallest is None else search.visitor.factory.shown(smallest[0])
    return Surveyed(name, counts, when_of(search, name), where, cause, message)


def when_of(search: Search, name: str) -> When | None:
    """The cheapest condition that fits, with the counts behind it."""
    wrong, right = search.outcomes(name)
    conditions = search.running(name)
    if conditions:
        return counted(EXACTLY, conditions[0], wrong, right, tuple(search.alike(name, conditions)))
    partly = ((ONLY, search.necessary(name)), (ALWAYS, search.sufficient(name)))
    whens = [counted(how, condition, wrong, right) for how, condition in partly if condition is not None]
    return min(whens, key=lambda when: when.holds - when.wrong + when.otherwise - when.right, default=None)


def counted(how: str, condition: Condition, wrong: Array, right: Array, alike: tuple[str, ...] = ()) -> When:
    """A condition with the counts behind it."""
    holds_wrong, holds_right = int(condition.holds[wrong].sum()), int(condition.holds[right].sum())
    others = len(right) - holds_right
    return When(
        condition.text,
        how,
        holds_wrong,
        holds_wrong + holds_right,
        others,
        len(wrong) - holds_wrong + others,
        alike,
    )


def fixed_of(space: Space, varied: Space, factory: Factory, first_input: str) -> tuple[str, ...]:
    """What was not varied, in words."""
    held = [(k, c) for k, c in varied.dimensions.items() if len(c) == 1]
    asked = [f"{k} = {word(c[0])}" for k, c in held if factory.everything or k in factory.takes]
    others = [k for k, _ in held if not factory.everything and k not in factory.takes and len(space.dimensions[k]) > 1]
    if others:
        asked.append(f"{', '.join(others)} (make does not take {'it' if len(others) == 1 else 'them'})")
    return (*asked, *(NAMES[k].format(x=first_input) for k in CHOICES if k not in varied.dimensions))


def a_count(name: str, value: Any) -> None:
    """What `configurations` must be."""
    rule = "it must be a whole number, 1 or more"
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} is {value!r}; {rule}") from None
    if isinstance(value, (bool, np.bool_)) or number < 1:
        raise ValueError(f"{name} is {value!r}; {rule}")
