"""A survey as text, in at most 80 columns: what is wrong first, and when; then what is right, and what was not
varied."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from crosscheck.evidence.reason import Diagnosis
from crosscheck.evidence.wording import counted as many
from crosscheck.report.failing import is_a_place
from crosscheck.report.html import boxed
from crosscheck.report.layout import Paragraph, folded
from crosscheck.report.page import page as of_check
from crosscheck.report.sizes import said
from crosscheck.surveys.quantities import word
from crosscheck.surveys.record import ALWAYS, EXACTLY, GIVEN, ONLY, Survey, Surveyed, When
from crosscheck.surveys.visits import ASIDE, EMPTY, RAISED, RAISES, RIGHT, UNDECIDED, WRONG

COLUMNS = 80
# Other conditions that are told, where nothing in the space tells them apart.
MOST_ALIKE = 3
UNDER = 4


def page(survey: Survey) -> str:
    """The whole report."""
    return folded(paragraphs(survey), COLUMNS)


def paragraphs(survey: Survey) -> Iterator[Paragraph]:
    """The report in blocks."""
    yield Paragraph(summary(survey), indent=0, role="title")
    told: dict[str, str] = {}
    for row in survey.rows:
        yield from row_lines(row, told)
    if not survey.rows:
        yield Paragraph("nothing was judged")
    if survey.fixed:
        yield Paragraph(f"not varied: {', '.join(survey.fixed)}")
    for it in survey.left_out:
        yield Paragraph(f"the budget ended; not done: {it}")


def html(survey: Survey) -> str:
    """For a notebook: the page, and behind a triangle the check of the smallest configuration that is wrong."""
    verdict = {RIGHT: "agree", WRONG: "disagree", RAISED: "disagree"}.get(survey.verdict, "undecided")
    check = [] if survey.check is None else said(survey.check, of_check(survey.check, COLUMNS))
    return boxed(verdict, paragraphs(survey), {"the smallest that is wrong": check} if check else {})


def summary(survey: Survey) -> str:
    """One line: what is wrong, when, and at how many configurations one looked."""
    counted = f"{many(len(survey.visits), 'configuration')}{f' of {survey.space}' if survey.space != GIVEN else ''}"
    wrong = [row for row in survey.rows if row.verdict == WRONG]
    if survey.passed:
        return shortened(f"{survey.name}: right in all {counted}")
    if len(wrong) == 1 and wrong[0].when is not None and wrong[0].when.exact:
        line = f"{survey.name}: {is_so(wrong)} exactly when {wrong[0].when.text}; {counted}"
        if len(line) <= COLUMNS:
            return line
    if wrong:
        return shortened(f"{survey.name}: {is_so(wrong)} in some of {counted}")
    open_ones = [title(row) for row in survey.rows if row.verdict != RIGHT]
    return shortened(f"{survey.name}: {listed_briefly(open_ones) or 'nothing'} {survey.verdict} in {counted}")


def is_so(rows: Sequence[Surveyed]) -> str:
    """What is the matter with rows that are wrong: gradients, then what was noticed, then what was raised."""
    gradients = [title(row) for row in rows if not row.name.startswith((ASIDE, RAISES))]
    noticed = [title(row) for row in rows if row.name.startswith(ASIDE)]
    raised = list(dict.fromkeys(title(row) for row in rows if row.name.startswith(RAISES)))
    said = [f"{listed_briefly(gradients)} wrong"] if gradients else []
    said += [f"{listed_briefly(noticed)} noticed"] if noticed else []
    return ", ".join((*said, *raised[:2]))


def shortened(line: str) -> str:
    return textwrap.shorten(line, COLUMNS, placeholder=" ...")


def listed_briefly(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 3 else f"{', '.join(names[:2])} and {len(names) - 2} more"


def title(row: Surveyed) -> str:
    for prefix in (ASIDE, RAISES):
        if row.name.startswith(prefix):
            return row.name.removeprefix(prefix) if prefix == ASIDE else row.name.split(":")[0]
    return row.name


def row_lines(row: Surveyed, told: dict[str, str]) -> Iterator[Paragraph]:
    """One row; `told` are the causes that the page has given already, and is added to."""
    yield Paragraph(f"{title(row)}: {verdict_words(row)}", role="wrong" if row.verdict == WRONG else "plain")
    if row.message:
        yield Paragraph(row.message, indent=UNDER)
    if row.smallest is not None:
        yield Paragraph(f"smallest: {configuration_words(row.smallest)}", indent=UNDER)
    if row.cause is not None:
        same = told.setdefault(in_other_words(row), row.name)
        text = cause_words(row.cause) if same == row.name else f"cause: the same mistake as of {same}"
        yield Paragraph(text, indent=UNDER, role="cause")
    if row.when is not None and row.when.alike:
        text = f"nothing in the space tells that from: {'; '.join(row.when.alike[:MOST_ALIKE])}"
        yield Paragraph(text, indent=UNDER)


def verdict_words(row: Surveyed) -> str:
    """When a gradient is wrong, with the counts behind it."""
    counts = dict(row.counts)
    judged = counts.get(WRONG, 0) + counts.get(RIGHT, 0)
    aside = row.name.startswith((ASIDE, RAISES))
    wrong = "so" if aside else "wrong"
    if row.when is not None:
        said = when_words(row.when, wrong)
    elif not counts.get(WRONG):
        said = f"right in all {judged}" if counts.get(RIGHT) else "never judged"
    elif not counts.get(RIGHT):
        said = f"{wrong} in all {judged}"
    else:
        said = f"{wrong} in {counts[WRONG]} of {judged}; no one or two of the factors say when"
    others = [f"{counts[kind]} {kind}" for kind in (UNDECIDED, RAISED) if counts.get(kind)]
    others += [f"zero in {counts[EMPTY]}, which shows nothing"] if counts.get(EMPTY) else []
    return f"{said}{'; ' if others else ''}{', '.join(others)}"


def when_words(when: When, wrong: str = "wrong") -> str:
    right = "right" if wrong == "wrong" else "not"
    said = {
        EXACTLY: f"{wrong} exactly when {when.text}",
        ONLY: f"{wrong} only when {when.text}, and not always then",
        ALWAYS: f"{wrong} whenever {when.text}, and sometimes otherwise",
    }
    counts = f"{when.wrong} of {when.holds}; {right} otherwise: {when.right} of {when.otherwise}"
    return f"{said[when.how]}: {counts}"


def cause_words(cause: Diagnosis) -> str:
    """The cause, and at how many configurations it was put to the test; of what is no cause, only the place."""
    count, asked = cause.evidence.get("configurations", 1), cause.evidence.get("asked", 1)
    where = f"at {count} of {asked} configurations that were asked" if asked > 1 else "at one configuration"
    if count == asked > 1:
        where = f"at all {count} configurations that were asked"
    return f"{'where' if is_a_place(cause) else 'cause'}, {where}: {cause.explanation}"


def in_other_words(row: Surveyed) -> str:
    """A cause without the name of its gradient."""
    assert row.cause is not None
    return cause_words(row.cause).replace(f"the gradient of {row.name} ", "it ")


def configuration_words(configuration: Mapping[str, Any]) -> str:
    return ", ".join(f"{k}={word(v)}" for k, v in configuration.items())
