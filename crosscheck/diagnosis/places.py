"""Where a gradient is wrong, in words: one entry, a channel, the border, every second column, where x is 0."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from crosscheck.diagnosis.factors import in_words
from crosscheck.diagnosis.points import Array, Point
from crosscheck.diagnosis.problem import Problem
from crosscheck.diagnosis.tolerances import TOLD_ALIKE
from crosscheck.diagnosis.words import SINGULAR, listed, one_of
from crosscheck.evidence.reason import Diagnosis

# Of the border's entries, how many must be wrong before "the border" is the place and not an
# accident.
BORDER_SHARE = 0.15
# An axis shorter than this is nearly all border.
BORDER_LENGTH = 4
# A place that is named must hold this many more right entries outside than a draw at random would
# leave there by accident.
LEAST_SHARE = 0.5


def places(problem: Problem, name: str) -> Diagnosis | None:
    """The place of the wrong entries at the point that was judged; None if they are everywhere or scattered."""
    point = problem.judged
    wrong, truth = point.wrong[name], point.truth[name]
    off = point.off(name)
    if off.all() or not off.any():
        return None
    words, here = problem.told[name], what_is_there(wrong, truth, off)
    evidence: dict[str, Any] = {"wrong": int(off.sum()), "entries": int(off.size)}
    if off.sum() == 1:
        index = [int(i) for i in np.argwhere(off)[0]]
        at = ", ".join(one_of(w, i) for w, i in zip(words, index, strict=True))
        return Diagnosis(
            "localized",
            f"the gradient of {name} is wrong at one entry only ({at}){here}",
            {**evidence, "index": index},
        )
    cross = row_and_column(off)
    if cross is not None:
        row, column = (one_of(word, i) for word, i in zip(words, cross, strict=True))
        text = f"the gradient of {name} is wrong only along {row} and along {column}{here}"
        return Diagnosis("localized", text, {**evidence, "row": cross[0], "column": cross[1]})
    if on_border(off):
        return Diagnosis(
            "border",
            f"the gradient of {name} is wrong only on the border of its {words[-2]} and {words[-1]}{here}",
            evidence,
        )
    condition = where_array(problem, point, off)
    if condition:
        return Diagnosis(
            "localized",
            f"the gradient of {name} is wrong only where {condition}{here}",
            {**evidence, "condition": condition},
        )
    named, axes = on_axes(off, words)
    if named:
        return Diagnosis(
            "localized",
            f"the gradient of {name} is wrong only in {listed(named)}{here}",
            {**evidence, "where": axes},
        )
    if here:
        return Diagnosis(
            "localized",
            f"the gradient of {name} is wrong at {off.sum()} of {off.size} entries{here}",
            evidence,
        )
    return None


def what_is_there(wrong: Array, truth: Array, off: Array) -> str:
    """ ": zero there", ": twice ... there", or nothing if there is no one thing to say."""
    bad, good = wrong[off], truth[off]
    if not np.isfinite(bad).all():
        return ": not finite there"
    if not bad.any():
        return ": zero there"
    if off.sum() > 1 and good.all():
        ratio = bad / good
        middle = float(np.median(ratio))
        if np.ptp(ratio) <= TOLD_ALIKE * np.abs(ratio).max():
            return f": {in_words(middle, None)} there"
    return ""


def row_and_column(off: Array) -> tuple[int, int] | None:
    """The row and the column of a matrix that hold what is wrong, more than one entry in each, as what one parameter
    does to a Hessian; None where there are none."""
    if off.ndim != 2 or min(off.shape) < 3:
        return None
    row, column = int(off.sum(1).argmax()), int(off.sum(0).argmax())
    region = np.zeros(off.shape, bool)
    region[row], region[:, column] = True, True
    few = min(off[row].sum(), off[:, column].sum()) < 2
    return None if few or (off & ~region).any() or off[region].mean() < LEAST_SHARE else (row, column)


def on_border(off: Array) -> bool:
    if off.ndim < 2 or min(off.shape[-2:]) < BORDER_LENGTH:
        return False
    border = np.ones(off.shape, bool)
    border[..., 1:-1, 1:-1] = False
    return not (off & ~border).any() and off[border].mean() > BORDER_SHARE and spans(off)


def spans(off: Array) -> bool:
    """Does the set touch both sides along one of the last two axes? A single edge row is named as a row."""
    rows, columns = np.unique(np.nonzero(off)[-2]), np.unique(np.nonzero(off)[-1])
    return len(rows) > 1 and len(columns) > 1


def on_axes(off: Array, words: Sequence[str]) -> tuple[list[str], dict[str, list[int]]]:
    """The axes that confine the wrong entries, in words, and the indices along them."""
    named, axes = [], {}
    region = np.ones(off.shape, bool)
    for axis, word in enumerate(words):
        size = off.shape[axis]
        indices = np.unique(np.nonzero(off)[axis])
        if len(indices) == size:
            continue
        inside = np.isin(np.arange(size), indices)
        region &= inside.reshape([-1 if a == axis else 1 for a in range(off.ndim)])
        named.append(in_axis(indices, size, word))
        axes[word] = [int(i) for i in indices]
    # A few scattered entries also miss some indices; a place must be mostly wrong itself.
    if named and off[region].mean() < LEAST_SHARE:
        return [], {}
    return named, axes


def in_axis(indices: Array, size: int, word: str) -> str:
    axis = word.startswith("axis ")
    one = f"entry of {word}" if axis else SINGULAR.get(word, word)
    many = "samples" if word == "batch" else f"{word}, indices" if axis else word
    if len(indices) == 1:
        return one_of(word, indices[0])
    steps = np.unique(np.diff(indices))
    if len(steps) == 1 and steps[0] > 1 and len(indices) > 2 - (size <= 4):
        ordinal = {2: "second", 3: "third"}.get(int(steps[0]), f"{steps[0]}th")
        return f"every {ordinal} {one} from {indices[0]} on (a stride?)"
    if len(steps) == 1 and steps[0] == 1:
        return f"{many} {indices[0]} to {indices[-1]}"
    shown = [str(i) for i in indices[:6]]
    return f"{many} {listed(shown)}" + (" and others" if len(indices) > 6 else "")


def where_array(problem: Problem, point: Point, off: Array) -> str | None:
    """A sign condition on an array of the same shape that holds exactly at the wrong entries."""
    arrays = {**point.inputs, "the incoming gradient": point.v}
    for who, a in arrays.items():
        if a.shape != off.shape or a.dtype.kind not in "fiu" or min(off.sum(), (~off).sum()) < 3:
            continue
        for sign, where in (
            ("0", a == 0),
            ("positive", a > 0),
            ("negative", a < 0),
            ("not positive", a <= 0),
            ("not negative", a >= 0),
        ):
            if np.array_equal(where, off):
                return f"{who} is {sign}"
    return None
