"""Steps as they are written: of three products, `f * c` tells more than that it is the first.

A step knows the line and the column of the code that made it. Where one expression of its kind begins there, that is
what the step is called by, in the place of its number.
"""

from __future__ import annotations

import ast
import linecache
import re
from functools import lru_cache

from crosscheck.diagnosis.labels import looked_up
from crosscheck.diagnosis.sites import sites_of
from crosscheck.traces.sources import Source
from crosscheck.traces.tape import Step, Tape

# Longer expressions are told by their number, and by the line.
MOST_CHARACTERS = 32
OPERATORS: dict[str, type[ast.AST]] = {
    "mul": ast.Mult,
    "add": ast.Add,
    "add_any": ast.Add,
    "sub": ast.Sub,
    "div": ast.Div,
    "dot_general": ast.MatMult,
    "pow": ast.Pow,
    "integer_pow": ast.Pow,
}
BRACKETS = frozenset(["slice", "gather", "dynamic_slice"])
FUNCTIONS = {"logistic": "sigmoid", "max": "maximum", "min": "minimum", "select_n": "where", "dot_general": "matmul"}
NUMBERED = re.compile(r" \(number (\d+) of (\d+)\)")


def in_code(text: str, tape: Tape) -> str:
    """A sentence about steps of a tape with expressions in the place of numbers, as far as they are known."""

    def written(found: re.Match[str]) -> str:
        number, count = int(found[1]), int(found[2])
        before = found.string[: found.start()].replace("every ", "the ")
        base = max((b for b in looked_up(tape).active if before.endswith(b)), key=len, default="")
        keys = list(dict.fromkeys(sites_of(tape)[k].key for k in looked_up(tape).active.get(base, ())))
        if len(keys) != count:
            return found[0]
        step = next(s for s, site in zip(tape.steps, sites_of(tape), strict=True) if site.key == keys[number - 1])
        expression = expression_of(step)
        return f" ({expression})" if expression else found[0]

    return NUMBERED.sub(written, text)


def expression_of(step: Step) -> str:
    """The code of a step; "" where it is not known, or long."""
    if step.source is None:
        return ""
    text = expression_at(step.source, step.name)
    return text if len(text) <= MOST_CHARACTERS else ""


def expression_at(source: Source, name: str) -> str:
    """The one expression of a kind that begins at a place, as it is written; "" where there is none, or several."""
    found = [
        ast.get_source_segment(text_of(source.file), node) or ""
        for node in expressions(source.file)
        if (node.lineno, node.col_offset) == (source.line, source.column) and is_of(node, name)
    ]
    return " ".join(found[0].split()) if len(found) == 1 else ""


def is_of(node: ast.expr, name: str) -> bool:
    """Whether an expression computes a step of that name: by its operator, its brackets, or the function's own name."""
    if isinstance(node, ast.BinOp):
        return name in OPERATORS and isinstance(node.op, OPERATORS[name])
    if isinstance(node, ast.Subscript):
        return name in BRACKETS
    if not isinstance(node, ast.Call):
        return False
    function = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    return function in (name, name.removeprefix("reduce_"), FUNCTIONS.get(name))


@lru_cache(maxsize=16)
def text_of(file: str) -> str:
    return "".join(linecache.getlines(file))


@lru_cache(maxsize=16)
def expressions(file: str) -> tuple[ast.expr, ...]:
    try:
        tree = ast.parse(text_of(file))
    except (SyntaxError, ValueError):  # no file of Python
        return ()
    return tuple(node for node in ast.walk(tree) if isinstance(node, (ast.BinOp, ast.Call, ast.Subscript)))
