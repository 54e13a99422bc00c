"""The line of a backward that computes one of the gradients it returns, read in its source.

    grad_z = grad_h * (z > 0)
    ...
    return {"z": grad_z, "x": grad_z @ w.T}

What stands under the name in the dictionary is the line, or where that is a variable, the last assignment to it before.
A gradient that is put into a dictionary, `grads["z"] = ...`, is found there.
"""

from __future__ import annotations

import ast
import inspect
import io
import textwrap
import tokenize
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

LONGEST = 72  # characters of a line that are shown


class SourceLine(NamedTuple):
    """A line of the user's code, by the name of its file."""

    file: str
    number: int
    text: str


def line_in(function: Callable[..., Any], name: str) -> SourceLine | None:
    """The line that computes the gradient `name`; None where that is not to be read."""
    try:
        function = inspect.unwrap(function)
        lines, first = inspect.getsourcelines(function)
        tree = ast.parse(textwrap.dedent("".join(lines)))
    except (OSError, TypeError, SyntaxError):
        return None
    found = list(expressions(tree, name))
    if not found:
        return None
    node = found[-1]
    if isinstance(node, ast.Name):
        node = last_assignment(tree, node) or node
    number = node.lineno
    file = Path(inspect.getsourcefile(function) or "").name
    text = without_comment(lines[number - 1].strip())
    return SourceLine(file, first + number - 1, text if len(text) <= LONGEST else text[: LONGEST - 3] + "...")


def without_comment(line: str) -> str:
    """A line of code without the comment at its end; as it is where it cannot be read alone."""
    try:
        for token in tokenize.generate_tokens(io.StringIO(line).readline):
            if token.type == tokenize.COMMENT:
                return line[: token.start[1]].rstrip() or line
    except (tokenize.TokenError, SyntaxError):  # it goes on in the next line
        pass
    return line


def expressions(tree: ast.AST, name: str) -> Iterator[ast.expr]:
    """What is given the name: in a dictionary, as a keyword of `dict`, by an assignment to an index."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            yield from (v for k, v in zip(node.keys, node.values, strict=True) if is_name(k, name))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict":
            yield from (k.value for k in node.keywords if k.arg == name)
        elif isinstance(node, ast.Assign) and any(is_index(t, name) for t in node.targets):
            yield node.value


def is_index(target: ast.expr, name: str) -> bool:
    return isinstance(target, ast.Subscript) and is_name(target.slice, name)


def is_name(key: ast.expr | None, name: str) -> bool:
    return isinstance(key, ast.Constant) and key.value == name


def last_assignment(tree: ast.AST, variable: ast.Name) -> ast.stmt | None:
    """The last statement above that assigns to the variable, or changes it in place."""
    found: list[ast.stmt] = []
    for node in ast.walk(tree):
        if isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign)) and node.lineno <= variable.lineno:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = {n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)}
            if variable.id in names:
                found.append(node)
    return max(found, key=lambda node: node.lineno, default=None)
