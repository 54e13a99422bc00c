"""Reports as text: one result in at most 80 columns, without colour, the same on a terminal and in a file."""

from __future__ import annotations

import math
import textwrap

from crosscheck.evidence.collected import Reference
from crosscheck.evidence.estimate import HAND
from crosscheck.evidence.pair import Pair
from crosscheck.evidence.result import GradientResult, Result
from crosscheck.report.heatmap import heat_map

WIDTH = 80


def number(value: float) -> str:
    """Two significant digits, short: 0, 1.2e-16, 5.0e-01; NaN is a dash."""
    if math.isnan(value):
        return "-"
    if value == 0:
        return "0"
    return f"{value:.1e}"


def mark(pair: Pair | None) -> str:
    """The outcome of one pair of witnesses in a word: ok, WRONG, or how many entries nobody compared."""
    if pair is None:
        return "-"
    if pair.disagree.any():
        return "WRONG"
    silent = int(pair.silent.sum())
    if silent and silent == pair.silent.size:
        return "silent"
    return f"ok -{silent}" if silent else "ok"


def pair_line(title: str, pair: Pair) -> str:
    share = "-" if pair.worst_index is None else f"{pair.share:.0%}" if pair.share < 10 else ">10x"
    numbers = f"{number(pair.error_at_worst):>8} {number(pair.bound):>8} {share:>5}"
    return f"    {title:<40.40}  {numbers}  {mark(pair)}".rstrip()


def wrapped(sentence: str, indent: int = 2) -> str:
    pad = " " * indent
    # A witness keeps its name in one piece ("hand-derived").
    return textwrap.fill(
        sentence,
        WIDTH,
        initial_indent=pad,
        subsequent_indent=pad + "  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def gradient_lines(gradient: GradientResult) -> list[str]:
    size = math.prod(gradient.shape)
    lines = [f"  d/d {gradient.name}  {gradient.shape}  {size} entries: {gradient.verdict}"]
    for (first, second), pair in gradient.pairs.items():
        title = f"{first} / {second}"
        lines.append(pair_line(title, pair))
    if gradient.mismatched.any():
        where = "" if gradient.worst_index is None else f"; the worst at {gradient.worst_index}"
        culprit = f"; the odd one out: {gradient.odd_one_out}" if gradient.odd_one_out else ""
        lines.append(wrapped(f"{int(gradient.mismatched.sum())} of {size} entries are wrong{where}{culprit}", 4))
        lines += ["      " + line for line in picture(gradient)]
    lines += [wrapped(f"{d.kind}: {d.explanation}", 4) for d in gradient.diagnoses[:3]]
    if gradient.undecided.any():
        lines.append(wrapped(f"{int(gradient.undecided.sum())} of {size} entries could not be decided", 4))
    lines += [wrapped(remark, 4) for remark in gradient.remarks]
    if gradient.passed and gradient.power is not None:
        lines.append(wrapped(f"power: {gradient.power}", 4))
    return lines


def picture(gradient: GradientResult) -> list[str]:
    """The heat map of the comparison that the verdict rests on."""
    pair = gradient.judged_by
    if pair is None or pair.difference.shape != gradient.mismatched.shape or HAND not in gradient.estimates:
        return []
    off = gradient.mismatched & pair.disagree
    return heat_map(gradient.name, off, pair.difference, gradient.estimates[HAND].value)


def how_run(reference: Reference) -> str:
    """How the reference and its VJP were evaluated."""
    how = "too long to be compiled as one: evaluated one by one"
    if reference.compiled:
        how = "compiled as one"
    elif reference.small:
        how = "too small to be worth compiling: interpreted"
    return f"{reference.equations} equations, {how}, in {reference.copies} random roundings"


def text(result: Result) -> str:
    """The whole report on one check."""
    lines = [f"{result.name} ({result.dtype}): {result.verdict}"]
    if result.evidence.source:
        lines.append(wrapped(f"reference: {result.evidence.source}"))
    lines += [wrapped(f"{finding.kind}: {finding.explanation}") for finding in result.findings]
    lines.append(f"    {'where the error takes most of its bound:':<40}  {'error':>8} {'bound':>8} {'used':>5}")
    if result.forward is not None:
        lines.append(pair_line("forward / reference", result.forward))
    for gradient in result.gradients.values():
        lines += gradient_lines(gradient)
    if result.evidence.reference is not None:
        lines.append(wrapped(f"reference: {how_run(result.evidence.reference)}"))
    if result.passed and result.statement:
        lines.append(wrapped(f"exact: {result.statement}"))
    return "\n".join(lines)
