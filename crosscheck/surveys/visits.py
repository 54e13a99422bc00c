"""One configuration: what the factory made of it, and what the judge saw of each gradient there."""

from __future__ import annotations

import re
import warnings
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from crosscheck.deadline import Deadline
from crosscheck.evidence.result import GradientResult, Result, plain
from crosscheck.judge import judge
from crosscheck.operation import Operation, describe
from crosscheck.spaces.space import Choices, Rng
from crosscheck.surveys.circumstances import CHOICES, under
from crosscheck.surveys.made import Factory, NotAnswer, described, operation_of

RIGHT, WRONG, UNDECIDED, RAISED = "right", "wrong", "undecided", "raised"
# The gradient is zero everywhere at the point, as it should be: that shows nothing of it.
EMPTY = "empty"
OUTCOMES = {"agree": RIGHT, "disagree": WRONG, "undecided": UNDECIDED}
# What a check says of a whole and not of one gradient stands beside the gradients under such a name.
ASIDE = "finding "
RAISES = "raises "
# These repeat what is said of the gradients: of their shapes, and under the circumstance that is a Fortran order.
REPEATED = ("shape", "fortran-order")


@dataclass(frozen=True)
class Sighting:
    """What was seen at one configuration.

    Args:
        configuration: what the factory was given, with the circumstances.
        outcomes: of each gradient, by its name: right, wrong, undecided, raised; and of what else there was to say.
        messages: of what is not right and no gradient, a sentence.
        draw: which draw of the numbers it was.
    """

    configuration: Choices
    outcomes: Mapping[str, str]
    messages: Mapping[str, str] = field(default_factory=dict)
    draw: int = 0

    @property
    def raised(self) -> bool:
        """Whether the code raised there."""
        return any(name.startswith(RAISES) for name in self.outcomes)

    def to_dict(self) -> dict[str, Any]:
        """The visit, in types that JSON knows."""
        said = {"outcomes": dict(self.outcomes), "messages": dict(self.messages), "draw": self.draw}
        return plain({"configuration": {k: shown_choice(v) for k, v in self.configuration.items()}, **said})


def shown_choice(value: Any) -> Any:
    """A choice in types that JSON knows: a type or a function goes by its name."""
    if isinstance(value, tuple):
        return [shown_choice(v) for v in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return value.item() if isinstance(value, np.generic) else getattr(value, "__name__", repr(value))


class Visitor:
    """Asks the judge about configurations of one factory.

    Args:
        factory: the caller's.
        seed: of the numbers; each configuration and each draw has numbers of its own.
        deadline: of the survey; it ends a visit, and counts the calls.
    """

    # The judge is asked again, with the forward recorded, where its differences alone decide nothing; no more so after
    # so many times in a row that this decided nothing either.
    PATIENCE = 3

    def __init__(self, factory: Factory, seed: int, deadline: Deadline) -> None:
        self.factory, self.seed, self.deadline = factory, seed, deadline
        self.first_input, self.title = "x", ""
        self.names: tuple[str, ...] = ()
        self.in_vain = 0

    def rng(self, configuration: Choices, draw: int) -> Rng:
        """The numbers of a configuration: the same under all circumstances."""
        key = repr(sorted((k, repr(v)) for k, v in configuration.items() if k not in CHOICES))
        return np.random.default_rng([self.seed, zlib.crc32(key.encode()), draw])

    def operation(self, configuration: Choices, draw: int = 0) -> Operation:
        """The operation at a configuration, under its circumstances."""
        return self.under_circumstances(configuration, draw)[0]

    def under_circumstances(self, configuration: Choices, draw: int) -> tuple[Operation, Choices]:
        """The operation, and the configuration with those circumstances that came about."""
        rng = self.rng(configuration, draw)
        circumstances = {k: v for k, v in configuration.items() if k in CHOICES and k not in self.factory.takes}
        given = {k: v for k, v in configuration.items() if k not in circumstances}
        made = operation_of(described(self.factory(given, rng)))
        operation, there = under(made, circumstances, rng)
        self.first_input, self.title = operation.wrt[0], operation.name
        watching = self.deadline.watching
        forward, backward = watching(operation.forward, "forward"), watching(operation.backward, "backward")
        return replace(operation, forward=forward, backward=backward), {**configuration, **there}

    def __call__(self, configuration: Choices, draw: int = 0) -> Sighting:
        """What is seen at a configuration. What the code raises there is seen, too; what is no answer of a factory ends
        the survey."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)
                result, configuration = self.asked(configuration, draw)
        except NotAnswer:
            raise
        except Exception as error:
            return self.raising(configuration, draw, error)
        outcomes = {k: outcome_of(g) for k, g in result.gradients.items()}
        self.names = tuple(dict.fromkeys((*self.names, *outcomes)))
        found = {ASIDE + f.kind: f.explanation for f in result.findings if f.fails and f.kind not in REPEATED}
        return Sighting(configuration, {**outcomes, **dict.fromkeys(found, WRONG)}, found, draw)

    def asked(self, configuration: Choices, draw: int) -> tuple[Result, Choices]:
        operation, there = self.under_circumstances(configuration, draw)
        # Where a reference was given it is the truth, and differences would be a third opinion.
        alone = operation.reference is None
        quick = {"seed": self.seed + draw, "exact": False, "diagnose": False, "progress": False, "here": True}
        # Differences are those of the formula, at float64; what float32 gives is held against the recorded forward.
        narrow = operation.format != np.float64
        result = judge(operation, differences=alone, recorded=narrow, **quick)
        before = undecided(result)
        if not before or narrow or self.in_vain >= self.PATIENCE:
            return result, there
        again = judge(self.operation(configuration, draw), **quick)
        self.in_vain = 0 if undecided(again) < before else self.in_vain + 1
        return again, there

    def raising(self, configuration: Choices, draw: int, error: Exception) -> Sighting:
        message = describe(error)
        # Messages that differ in their numbers are one message.
        kind = RAISES + re.sub(r"\d+", "n", message)
        return Sighting(configuration, {**dict.fromkeys(self.names, RAISED), kind: WRONG}, {kind: message}, draw)


def outcome_of(gradient: GradientResult) -> str:
    open_one = gradient.verdict == "undecided"
    return EMPTY if open_one and gradient.evidence.vacuous else OUTCOMES[gradient.verdict]


def undecided(result: Result) -> int:
    """How many gradients are open."""
    return sum(outcome_of(g) == UNDECIDED for g in result.gradients.values())


def completed(visits: list[Sighting]) -> dict[str, list[str | None]]:
    """By gradient, and by what else was seen, the outcome of every visit; None where there is none.

    What a check notices beside the gradients was right wherever it did not; nothing else is known where it raised.
    """
    names = dict.fromkeys(name for visit in visits for name in visit.outcomes)
    found: dict[str, list[str | None]] = {}
    for name in names:
        otherwise = RIGHT if name.startswith((ASIDE, RAISES)) else None
        found[name] = [
            visit.outcomes.get(name, RAISED if visit.raised and not name.startswith(RAISES) else otherwise)
            for visit in visits
        ]
    return found


def drawn_again(visit: Sighting, other: Sighting) -> Sighting:
    """Two draws of one configuration as one visit: what is wrong in one of them is wrong."""
    grave = (WRONG, RAISED, UNDECIDED, RIGHT, EMPTY)
    names = dict.fromkeys((*visit.outcomes, *other.outcomes))
    outcomes = {
        name: min((v.outcomes[name] for v in (visit, other) if name in v.outcomes), key=grave.index) for name in names
    }
    return replace(visit, outcomes=outcomes, messages={**other.messages, **visit.messages}, draw=other.draw)
