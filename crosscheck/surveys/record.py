"""What a survey found: true or false, readable as a page, a dictionary, or an exception."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from crosscheck.evidence.reason import Diagnosis
from crosscheck.evidence.result import Result, plain
from crosscheck.surveys.visits import RAISED, RIGHT, UNDECIDED, WRONG, Sighting, shown_choice

FORMAT = 1  # of the dictionary
EXACTLY, ONLY, ALWAYS = "exactly", "only", "always"
GIVEN = "the choices given"  # the name of a space that was given as a dictionary


class SurveyMismatch(AssertionError):
    """A survey that did not pass. `survey` holds everything that was found; the message is the page."""

    def __init__(self, survey: Survey) -> None:
        super().__init__(str(survey))
        self.survey = survey


@dataclass(frozen=True)
class When:
    """A condition and how often it was put to the test.

    Args:
        text: the condition, in words.
        how: "exactly", where it is wrong when that holds and right when it does not; else "only" or "always" then.
        wrong, holds: at how many configurations it is wrong, of how many at which the condition holds.
        right, otherwise: at how many it is right, of how many at which the condition does not hold.
        alike: other conditions that are true of the same configurations, all that could be asked included.
    """

    text: str
    how: str
    wrong: int
    holds: int
    right: int
    otherwise: int
    alike: tuple[str, ...] = ()

    @property
    def exact(self) -> bool:
        """Whether it is wrong wherever the condition holds, and right wherever it does not."""
        return self.how == EXACTLY

    def to_dict(self) -> dict[str, Any]:
        """The condition, in types that JSON knows."""
        return {**vars(self), "alike": list(self.alike)}


@dataclass(frozen=True)
class Surveyed:
    """One gradient, or one thing noticed beside the gradients, over all configurations.

    Args:
        name: of the gradient; "finding ..." and "raises ..." of what is none.
        counts: how often it was right, wrong, undecided, raised.
        when: when it is wrong; None where no condition of two statements fits, and where it is right, or wrong, always.
        smallest: the smallest configuration found at which it is wrong.
        cause: the one mistake that fits at all configurations that were asked; None where none does.
        message: an example of what was said, of what is no gradient.
    """

    name: str
    counts: Mapping[str, int]
    when: When | None = None
    smallest: Mapping[str, Any] | None = None
    cause: Diagnosis | None = None
    message: str = ""

    @property
    def verdict(self) -> str:
        """wrong before undecided before right; raised where nothing else was seen, undecided where nothing shows."""
        return next((kind for kind in (WRONG, UNDECIDED, RIGHT, RAISED) if self.counts.get(kind)), UNDECIDED)

    def to_dict(self) -> dict[str, Any]:
        """This row of `Survey.to_dict`."""
        return {
            "name": self.name,
            "verdict": self.verdict,
            "counts": dict(self.counts),
            "when": None if self.when is None else self.when.to_dict(),
            "smallest": shown(self.smallest),
            "cause": None if self.cause is None else self.cause.to_dict(),
            "message": self.message,
        }


@dataclass(frozen=True, repr=False)
class Survey:
    """What was found about many configurations.

    Args:
        name: of what was surveyed.
        space: the name of the space.
        seed: of the draws.
        rows: the gradients, and what was noticed beside them; what is wrong first.
        visits: every configuration and what was seen there.
        fixed: what was not varied, with its value, or why.
        check: the check of the smallest failing configuration, in full; None where nothing is wrong.
        left_out: what a budget ended before it was done.
        page, html: make the report, and that for a notebook.
    """

    name: str
    space: str
    seed: int
    rows: tuple[Surveyed, ...]
    visits: tuple[Sighting, ...]
    fixed: tuple[str, ...]
    check: Result | None
    left_out: tuple[str, ...]
    page: Callable[[Survey], str] = field(compare=False)
    html: Callable[[Survey], str] = field(compare=False)

    @property
    def gradients(self) -> dict[str, Surveyed]:
        """The rows of gradients, by name."""
        return {row.name: row for row in self.rows if " " not in row.name}

    @property
    def verdict(self) -> str:
        """wrong before undecided before right."""
        verdicts = {row.verdict for row in self.rows}
        return next(
            (kind for kind in (WRONG, UNDECIDED, RAISED) if kind in verdicts), RIGHT if self.rows else UNDECIDED
        )

    @property
    def passed(self) -> bool:
        """Whether every gradient is right at every configuration, and nothing was raised."""
        return self.verdict == RIGHT

    def __bool__(self) -> bool:
        return self.passed

    def raise_for_failure(self) -> None:
        """Raise `SurveyMismatch` with the whole page unless the survey passed."""
        if not self.passed:
            raise SurveyMismatch(self)

    def summary(self) -> str:
        """One line."""
        return self.page(self).splitlines()[0]

    def to_dict(self) -> dict[str, Any]:
        """Everything, in types that JSON knows."""
        return plain(
            {
                "format": FORMAT,
                "name": self.name,
                "space": self.space,
                "seed": self.seed,
                "verdict": self.verdict,
                "passed": self.passed,
                "rows": [row.to_dict() for row in self.rows],
                "configurations": [visit.to_dict() for visit in self.visits],
                "fixed": list(self.fixed),
                "check": None if self.check is None else self.check.to_dict(),
                "left_out": list(self.left_out),
            }
        )

    def __str__(self) -> str:
        return self.page(self)

    def __repr__(self) -> str:
        return self.summary()

    def _repr_html_(self) -> str:
        """For a notebook: the page, and behind a triangle the check of the smallest configuration that is wrong."""
        return self.html(self)


def shown(configuration: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if configuration is None else {k: shown_choice(v) for k, v in configuration.items()}
