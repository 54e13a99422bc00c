"""What an exact run says, in words that are true of it."""

from __future__ import annotations

from crosscheck.evidence.exact_run import ExactRun, Outcome


def statement(run: ExactRun) -> str:
    """What is true after the run, in words."""
    points = "one point" if run.points == 1 else f"{run.points} points"
    bits = f" ({run.bits:.1f} of 53 bits)" if run.bits else ""
    said = [f"at {points} float64 arithmetic is exact in any order{bits}"]
    by: dict[Outcome, list[str]] = {"equal": [], "rounded": [], "different": []}
    for name, outcome in run.outcomes.items():
        by[outcome].append(name)
    if by["equal"]:
        verb = "is" if len(by["equal"]) == 1 else "are"
        said.append(f"{', '.join(by['equal'])} {verb} exactly the true gradient there")
    if by["rounded"]:
        said.append(f"{', '.join(by['rounded'])} differs from it by the rounding of its own algorithm")
    if by["different"]:
        said.append(f"{', '.join(by['different'])} is not the true gradient")
    if not by["different"] and run.choices:
        said.append(
            f"a wrong Jacobian at this point survives the random cotangent with probability at most 1/{run.choices:,}"
        )
    return "; ".join(said)
