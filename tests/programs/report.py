"""The table of a run: how many came to what, at which rate, in which time, and what is behind the faults."""

from __future__ import annotations

import re
from collections import Counter, defaultdict

import numpy as np

from tests.programs.run import FAULTS, NEVER, Outcome

# Of all programs, at most this share may be undecided without need.
UNDECIDED = 0.01

RIGHT = ["right", "accused", "poor arithmetic", "undecided", "zero everywhere", "ill-conditioned", "crashed"]
RIGHT += ["too long", "no truth"]
PLANTED = ["caught", "passed", "vacuous", "below the allowance", "undecided", "zero everywhere", "ill-conditioned"]
PLANTED += ["crashed", "too long"]

MEANING = {
    "right": "agree, as it should",
    "accused": "disagree about a right gradient: never",
    "poor arithmetic": "disagree, and the code did lose two thirds of its digits",
    "undecided": "undecided without need",
    "zero everywhere": "undecided: nothing but zeros was seen, and the truth is zero, too",
    "ill-conditioned": "undecided, and rounding does exceed a thousandth of an entry",
    "crashed": "an exception out of the judge: never",
    "too long": "given up",
    "no truth": "left out: singular in truth, or mpmath cannot say",
    "caught": "disagree, as it should",
    "passed": "agree about a mistake of a thousandth or more: never",
    "vacuous": "agree, with an allowance beyond the entry and no such rounding: never",
    "below the allowance": "agree, the mistake is within twice the printed allowance",
}


def met(outcomes: list[Outcome], with_reference: bool = True) -> bool:
    """Whether the judge kept its promises. How many it decides without a reference is none of them."""
    counts = Counter(o.outcome for o in outcomes)
    decided = counts["undecided"] <= UNDECIDED * len(outcomes)
    return not any(counts[k] for k in NEVER) and (decided or not with_reference)


def rows(title: str, outcomes: list[Outcome], names: list[str]) -> list[str]:
    counts = Counter(o.outcome for o in outcomes)
    lines = [f"{title}: {len(outcomes)}"]
    for name in names:
        share = counts[name] / max(len(outcomes), 1)
        flag = "  <-" if counts[name] and name in FAULTS else ""
        lines.append(f"  {name:<20} {counts[name]:>6} {share:>7.1%}  {MEANING[name]}{flag}")
    return lines


def pattern(o: Outcome) -> str:
    """What was said, without its numbers and names: one fault, one pattern."""
    words = o.said if o.said else o.kind
    words = re.sub(r"\b(?:[a-l]|v\d+) (disagree|undecided)\b", r"\1", words)
    words = re.sub(r"[-+]?\d+(\.\d+)?(e[-+]?\d+)?|\binf\b|\bnan\b", "#", words)
    return "; ".join(dict.fromkeys(words.split("; ")))[:110]


def faults(outcomes: list[Outcome], shown: int = 3) -> list[str]:
    """The faults by kind, each with the shallowest programs that show it."""
    groups: dict[tuple[str, str], list[Outcome]] = defaultdict(list)
    for o in outcomes:
        if o.fault or o.outcome == "below the allowance":
            groups[o.outcome, pattern(o)].append(o)
    lines = []
    for (outcome, words), members in sorted(groups.items(), key=lambda item: (item[0][0], -len(item[1]))):
        simplest = sorted(members, key=lambda o: len(o.ops))[:shown]
        lines.append(f"  {len(members):>4} {outcome}: {words}")
        lines += [f"         --show {o.index}: {o.dtype}, {o.regime}: {', '.join(o.ops)[:90]}" for o in simplest]
    return lines


def table(outcomes: list[Outcome], wall: float, with_reference: bool = True) -> str:
    right = [o for o in outcomes if not o.kind]
    planted = [o for o in outcomes if o.kind]
    seconds = np.asarray([o.seconds for o in outcomes])
    slowest = max(outcomes, key=lambda o: o.seconds)
    ops = {name for o in outcomes for name in o.ops}
    lines = [*rows("right programs", right, RIGHT), *rows("programs with a mistake", planted, PLANTED)]
    missed = [o for o in planted if o.outcome == "passed"]
    if missed:
        largest = max(missed, key=lambda o: o.size)
        lines.append(f"largest mistake that passed: {largest.kind}, {largest.size:.1e} of it, --show {largest.index}")
    if any(o.fault for o in outcomes):
        lines += ["faults, by what was said:", *faults(outcomes)]
    lines.append(
        f"{len(outcomes)} programs of {len(ops)} operations, 1 to {max(o.depth for o in outcomes)} deep, "
        f"in {wall:.0f} s ({len(outcomes) / wall:.2f} a second)"
    )
    lines.append(
        f"one check computes {np.median(seconds):.2f} s (median), {seconds.mean():.2f} s (mean), the slowest of a "
        f"hundred {np.quantile(seconds, 0.99):.1f} s, of all {slowest.seconds:.0f} s (--show {slowest.index}); "
        f"memory at the most {max(o.memory for o in outcomes) / 2**20:.0f} MiB"
    )
    lines.append("promises kept" if met(outcomes, with_reference) else "promises NOT kept")
    return "\n".join(lines)
