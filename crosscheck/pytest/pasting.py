"""A failing check as a test to be pasted: values, functions and doors written as Python, and run before they are shown.

What can be written are numbers, words, arrays, what Python nests them in, and what goes by a name in the test's module
or can be imported: functions, classes, `functools.partial` of them. A function that lives in another has no name, nor
has a layer that was made there: then the test calls the one that failed, with the smallest configuration.
"""

from __future__ import annotations

import functools
import inspect
import pprint
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import crosscheck
from crosscheck.pytest.fixture import AskedDoor, FailedCheck, Gradcheck
from crosscheck.pytest.smallest import Shrinking, failure
from crosscheck.pytest.tables import TABLE, Table

MOST_ENTRIES = 200  # of an array that is written out
WIDTH = 80
INSIDE = " " * 12  # before the rows of an array that takes several lines
HERE = "gradcheck"  # the fixture's name


class Unwritable(Exception):
    """What cannot be written, and why."""


def pasted(item: pytest.Item, error: FailedCheck, budget: float | None) -> list[str]:
    """The lines of the smallest test that fails the same; or a sentence that says why there is none.

    Nothing where nothing is known to be wrong.
    """
    if not isinstance(item, pytest.Function) or error.result.verdict != "disagree":
        return []
    search = Shrinking(error, budget)
    table: Table | None = getattr(item.obj, TABLE, None)
    row = None if table is None else table.row_of(item.funcargs)
    configuration: dict[str, Any] | None = None
    rest = {k: a for k, a in item.funcargs.items() if k in inspect.signature(item.obj).parameters}
    if table is not None and row is not None:
        given = {k: a for k, a in rest.items() if k not in table.arguments(row.configuration)}
        configuration = search.configuration(table, row, functools.partial(item.obj, **given))
        rest = given
    reasons: list[str] = []
    for write in (
        lambda: of_values(item, search.values()),
        lambda: of_configuration(item, table, configuration, tuple(rest)),
    ):
        try:
            lines = write()
        except Unwritable as reason:
            reasons.append(str(reason))
            continue
        if fails_when_pasted(item, lines, rest, search):
            where = f", {phrase(configuration)}" if configuration else ""
            late = "; the search for a smaller one ran out of time" if search.late else ""
            found = f"the smallest test that fails the same{where}, to be pasted into {item.path.name}{late}:"
            return [*textwrap.wrap(found, WIDTH), "", *lines]
        reasons.append("what was written does not fail by itself")
    return textwrap.wrap(f"no smaller test to be pasted: {reasons[0]}", WIDTH)


def phrase(configuration: dict[str, Any]) -> str:
    return ", ".join(f"{k}={getattr(a, '__name__', a)}" for k, a in configuration.items())


# ---------------------------------------------------------------------- two ways to write it


def of_values(item: pytest.Function, asked: AskedDoor) -> list[str]:
    """The check with its arrays written out."""
    writer = Writer(vars(item.module))
    bound = inspect.signature(asked.door).bind(*asked.args, **asked.kwargs)
    parts, setting = [], []
    for place, (name, value) in enumerate(bound.arguments.items()):
        if name == "budget" or (name == "seed" and value == 0):
            continue
        kind = bound.signature.parameters[name].kind
        if kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
            raise Unwritable(f"{asked.door.__name__} takes any arguments")
        text = writer.written(value)
        if len(f"    {name} = {text}") > WIDTH and type(value) is dict:
            setting.append(f"    {name} = {{")
            setting += [f"        {writer.written(k)}: {writer.written(a)}," for k, a in value.items()]
            setting.append("    }")
            text = name
        elif len(text) > WIDTH // 2:
            setting.append(f"    {name} = {text}")
            text = name
        by_name = kind is inspect.Parameter.KEYWORD_ONLY or place >= len(bound.args)
        parts.append(f"{name}={text}" if by_name or len(parts) < place else text)
    door = asked.door
    if door is crosscheck.check:
        call = f"{HERE}({', '.join(parts)})"
    elif getattr(crosscheck, door.__name__, None) is door:
        call = f"{HERE}.{door.__name__}({', '.join(parts)})"
    else:
        call = f"{HERE}.ask({', '.join((writer.written(door), *parts))})"
    return [*writer.imports(), f"def {name_of(item)}({HERE}):", *setting, f"    {call}"]


def of_configuration(
    item: pytest.Function, table: Table | None, configuration: dict[str, Any] | None, rest: tuple[str, ...]
) -> list[str]:
    """The test itself, called with one configuration."""
    if table is None or configuration is None:
        raise Unwritable("the test has no table of configurations that could be smaller")
    writer = Writer(vars(item.module))
    test = item.originalname
    if item.cls is not None:
        test = f"{item.cls.__name__}().{test}"
    arguments = [f"{k}={k}" for k in rest]
    arguments += [f"{k}={writer.written(a)}" for k, a in table.arguments(configuration).items()]
    return [*writer.imports(), f"def {name_of(item)}({', '.join(rest)}):", f"    {test}({', '.join(arguments)})"]


def name_of(item: pytest.Function) -> str:
    return f"{item.originalname}_smallest"


def fails_when_pasted(item: pytest.Function, lines: list[str], rest: dict[str, Any], search: Shrinking) -> bool:
    """Whether the test fails the same, as it stands there, with the options at their defaults."""
    names = dict(vars(item.module))
    exec(compile("\n".join(lines), f"<{name_of(item)}>", "exec"), names)
    test: Callable[..., Any] = names[name_of(item)]
    given = {k: a for k, a in rest.items() if k in inspect.signature(test).parameters}
    error = failure(lambda: test(**{**given, HERE: Gradcheck()}))
    return error is not None and search.fails(error.result)


# ---------------------------------------------------------------------- values as Python


class Writer:
    """Writes values as expressions in a module.

    Args:
        names: what there is in the module.
    """

    def __init__(self, names: dict[str, Any]) -> None:
        self.names = names
        self.needed: dict[str, str] = {}

    def imports(self) -> Iterator[str]:
        yield from self.needed.values()
        if self.needed:
            yield from ("", "")

    def written(self, value: Any) -> str:
        """The expression.

        Raises:
            Unwritable: there is none.
        """
        if value is None or value is ... or isinstance(value, (bool, int, str, bytes)):
            return repr(value) if type(value) is not str or '"' in repr(value)[1:-1] else f'"{repr(value)[1:-1]}"'
        if isinstance(value, (float, complex)) and not isinstance(value, np.generic):
            return self.number(value)
        if isinstance(value, np.generic):
            return f"{self.module('np', np)}.{value.dtype.name}({self.number(value.item())})"
        if isinstance(value, np.ndarray) or hasattr(value, "__jax_array__") or type(value).__module__.startswith("jax"):
            return self.array(np.asarray(value))
        if type(value) in (tuple, list):
            inner = ", ".join(map(self.written, value))
            if type(value) is list:
                return f"[{inner}]"
            return f"({inner},)" if len(value) == 1 else f"({inner})"
        if type(value) is dict:
            return f"{{{', '.join(f'{self.written(k)}: {self.written(a)}' for k, a in value.items())}}}"
        if isinstance(value, functools.partial):
            return self.partial(value)
        if isinstance(value, np.dtype):
            return f"{self.module('np', np)}.dtype({value.name!r})"
        return self.by_name(value)

    def number(self, value: Any) -> str:
        text = repr(value)
        if "inf" in text or "nan" in text:
            return f"{type(value).__name__}({text.strip('()')!r})"
        return text

    def array(self, a: np.ndarray) -> str:
        xp = self.module("np", np)
        kind = "" if a.dtype in (np.float64, np.int64, np.complex128, np.bool_) else f", dtype={xp}.{a.dtype.name}"
        for word, number in (("zeros", 0), ("ones", 1)):
            if a.ndim and (not a.size or (a == number).all()):
                plain = "" if a.dtype == np.float64 else f", dtype={xp}.{a.dtype.name}"
                return f"{xp}.{word}({a.shape}{plain})"
        if a.size > MOST_ENTRIES:
            raise Unwritable(f"an array of {a.size:,} entries is too long to be written out")
        text = repr(a.tolist())
        if len(text) > WIDTH // 2:
            text = "\n" + textwrap.indent(pprint.pformat(a.tolist(), width=WIDTH - len(INSIDE), compact=True), INSIDE)
        for word in ("inf", "nan"):
            text = text.replace(word, f"{xp}.{word}")
        return f"{xp}.array({text}{kind})"

    def partial(self, value: functools.partial[Any]) -> str:
        parts = [self.written(value.func), *map(self.written, value.args)]
        parts += [f"{k}={self.written(a)}" for k, a in value.keywords.items()]
        known = next((name for name, there in self.names.items() if there is functools.partial), "")
        return f"{known or self.module('functools', functools) + '.partial'}({', '.join(parts)})"

    def module(self, name: str, module: Any) -> str:
        if self.names.get(name) is not module:
            self.needed[name] = f"import {module.__name__} as {name}" if name != module.__name__ else f"import {name}"
        return name

    def by_name(self, value: Any) -> str:
        """By the name that it has in the module, or by which it can be imported."""
        for name, known in self.names.items():
            if known is value and not name.startswith("@"):
                return name
        where, name = str(getattr(value, "__module__", "")), str(getattr(value, "__qualname__", ""))
        if getattr(np, name, None) is value and isinstance(value, (type, np.ufunc)):
            return f"{self.module('np', np)}.{name}"
        if name.isidentifier() and getattr(sys.modules.get(where), name, None) is value and importable(where):
            self.needed[name] = f"from {where} import {name}"
            return name
        what = str(getattr(value, "__name__", "")) or f"a {type(value).__name__}"
        raise Unwritable(f"{what} goes by no name that a test could use: give it one in its module")


def importable(module: str) -> bool:
    """Whether a module is found by its name, and not only where pytest put it."""
    file = getattr(sys.modules[module], "__file__", None)
    if file is None:
        return module in sys.builtin_module_names
    parts = Path(file).with_suffix("").parts
    names = tuple(module.split("."))
    inside = parts[:-1] if parts[-1] == "__init__" else parts
    root = Path(*inside[: len(inside) - len(names)])
    return inside[-len(names) :] == names and any(Path(p or ".").resolve() == root.resolve() for p in sys.path)
