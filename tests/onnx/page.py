"""docs/onnx.md: every node test, and what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tests.onnx.adapters import ADAPTERS
from tests.onnx.nodes import Node
from tests.onnx.run import FAILED, NOT_HERE, PASSED, Outcome

PAGE = Path(__file__).parents[2] / "docs" / "onnx.md"

HEAD = """# ONNX's node tests

The package `onnx` generates tests of every operator: one node, its inputs, and the outputs that ONNX's own reference
makes of them. Every one whose operator is a layer of `manual/` runs through that layer. They are forward only; so for
every one that is run, **the gradients of all its arrays are judged too**, against autodiff of the twin in `reference/`,
at a random cotangent.

ONNX's outputs are held to what follows from rounding: code of whose rounding nothing is known but the format that it
computes in may be as far from the exact output as random roundings of the twin say, and no further. What is only moved
must be equal. An adapter (`tests/onnx/adapters/`) may move axes, cut, join and repeat what a node reads, and leaves the
arithmetic to the layer. Of a max pooling that says where the maxima were, these must be the places to which the layer's
backward sends the gradient. What the package adds to each test, the same data with the operator written out as its
function body, is not counted.

This page is written by `python -m tests.onnx` (`make onnx`, which installs the extra `onnx`); `make proofs` holds it to
what the tests give, where `onnx` is installed.
"""


def page(found: Sequence[Outcome], version: str) -> str:
    """The whole page."""
    by_operator = grouped(found)
    run = {operator: outcomes for operator, outcomes in by_operator.items() if operator in ADAPTERS}
    rest = {operator: outcomes for operator, outcomes in by_operator.items() if operator not in ADAPTERS}
    totals = Counter(o.outcome for outcomes in run.values() for o in outcomes)
    lines = [
        HEAD,
        f"With onnx {version}: of {sum(totals.values())} tests of operators that are layers here **{totals[PASSED]} "
        f"passed, {totals[FAILED]} failed**; {totals[NOT_HERE]} are not applicable, for the reasons that stand below.",
        "",
        "| operator | tests | passed | not applicable | failed |",
        "|---|---|---|---|---|",
        *(summary(operator, outcomes) for operator, outcomes in run.items()),
        "",
        "## Test by test",
        "",
        "`x` is what the layer reads first; the others are called as the operation's arrays.",
        *(text for operator, outcomes in run.items() for text in ("", section(operator, outcomes))),
        "",
        "## Operators that are no layer here",
        "",
        others(node for outcomes in rest.values() for node in (o.node for o in outcomes)),
    ]
    return "\n".join(lines) + "\n"


def grouped(found: Iterable[Outcome]) -> Mapping[str, list[Outcome]]:
    """Outcomes by operator, in the order of the alphabet."""
    groups: dict[str, list[Outcome]] = {}
    for one in sorted(found, key=lambda o: o.node.operator):
        groups.setdefault(one.node.operator, []).append(one)
    return groups


def summary(operator: str, outcomes: Sequence[Outcome]) -> str:
    """The row of an operator."""
    counts = Counter(o.outcome for o in outcomes)
    return f"| {operator} | {len(outcomes)} | {counts[PASSED]} | {counts[NOT_HERE]} | {counts[FAILED]} |"


def section(operator: str, outcomes: Sequence[Outcome]) -> str:
    """The tests of an operator."""
    rows = (
        f"| {o.node.name} | {o.outcome} | {o.gradients} | {'; '.join(filter(None, (o.why, o.note)))} |"
        for o in outcomes
    )
    return "\n".join([f"### {operator}", "", "| test | outcome | gradients | remark |", "|---|---|---|---|", *rows])


def others(nodes: Iterable[Node]) -> str:
    """The operators that nothing here is, with how many tests each has."""
    counts = Counter(node.operator for node in nodes)
    return ", ".join(f"{operator} ({count})" for operator, count in sorted(counts.items())) + "."
