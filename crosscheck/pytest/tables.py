"""A table of configurations, or a space, as tests: one for each row, with an id of its own.

    @configurations({"batch": 1, "padding": 0}, {"batch": 2, "padding": 1})
    def test_convolution(gradcheck, batch, padding): ...

    @configurations(plain={"padding": 0}, padded={"padding": (1, 2)})
    @configurations(crosscheck.spaces.convolution())
    def test_convolution(gradcheck, configuration): ...

A *space* is any object with `dimensions`, a mapping of names to their choices, the simplest first, and

    cover()             few points in which every pair of choices meets
    shrink(point, fails)        the simplest point found that still fails
    settle(point, rng)  if it has that: the configuration of a point, with sizes drawn, or None

A test that takes `configuration` is given all of it; any other takes its parts by their names.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

import pytest

F = TypeVar("F", bound=Callable[..., Any])

WHOLE = "configuration"  # the argument that gets all of it
TABLE = "crosscheck_table"  # where a test keeps its table
DRAWS = 100  # of the sizes of a point


class ConfigurationRow(NamedTuple):
    """A test's configuration, and the point of the space that it is of."""

    id: str
    configuration: dict[str, Any]
    point: dict[str, Any]


class Table(NamedTuple):
    """The rows of a test; the space that they are from, None where they were written down."""

    rows: tuple[ConfigurationRow, ...]
    space: Any
    whole: bool

    def row_of(self, given: Mapping[str, Any]) -> ConfigurationRow | None:
        """The row whose test was given these arguments."""
        for row in self.rows:
            parts = {WHOLE: row.configuration} if self.whole else row.configuration
            if all(k in given and given[k] is a for k, a in parts.items()):
                return row
        return None

    def arguments(self, configuration: dict[str, Any]) -> dict[str, Any]:
        """What the test is called with."""
        return {WHOLE: configuration} if self.whole else configuration


def configurations(*rows: Any, **named: Mapping[str, Any]) -> Callable[[F], F]:
    """A test for each configuration: dictionaries, dictionaries with a name, or one space.

    Raises:
        TypeError, ValueError: what is given is neither, or does not fit the test; the sentence says what.
    """
    space = rows[0] if len(rows) == 1 and hasattr(rows[0], "dimensions") else None
    if space is not None and named:
        raise TypeError("configurations takes one space, or dictionaries, not both")
    for row in (*(() if space is not None else rows), *named.values()):
        if not isinstance(row, Mapping):
            raise TypeError(f"configurations is given {row!r}; it takes dictionaries, or one space")
    found = tuple(of_space(space) if space is not None else of_rows(rows, named))
    if not found:
        raise ValueError("configurations is given no configuration")

    def decorated(test: F) -> F:
        parameters = inspect.signature(test).parameters
        table = Table(found, space, WHOLE in parameters)
        if table.whole:
            mark = pytest.mark.parametrize(WHOLE, [pytest.param(row.configuration, id=row.id) for row in found])
        else:
            names = tuple(found[0].configuration)
            check_names(test.__name__, found, names, parameters)
            values = [pytest.param(*(row.configuration[k] for k in names), id=row.id) for row in found]
            mark = pytest.mark.parametrize(names, values)
        setattr(test, TABLE, table)
        return mark(test)

    return decorated


def check_names(
    test: str, rows: tuple[ConfigurationRow, ...], names: tuple[str, ...], parameters: Mapping[str, Any]
) -> None:
    for row in rows:
        if set(row.configuration) != set(names):
            raise ValueError(
                f"the configuration {row.id} of {test} has {', '.join(row.configuration)}; the first has "
                f"{', '.join(names)}: a test that takes `{WHOLE}` is given any"
            )
    lacking = [k for k in names if k not in parameters]
    if lacking:
        raise TypeError(f"{test} takes neither {', '.join(lacking)} nor `{WHOLE}`")


def of_rows(rows: tuple[Any, ...], named: Mapping[str, Any]) -> Iterator[ConfigurationRow]:
    taken: set[str] = set()
    for name, row in [*((None, row) for row in rows), *named.items()]:
        yield ConfigurationRow(fresh_id(name or id_of(row), taken), dict(row), dict(row))


def of_space(space: Any) -> Iterator[ConfigurationRow]:
    taken: set[str] = set()
    for number, point in enumerate(space.cover()):
        configuration = settled(space, point, number)
        if configuration is not None:
            yield ConfigurationRow(fresh_id(id_of(point), taken), configuration, point)


def settled(space: Any, point: dict[str, Any], number: int) -> dict[str, Any] | None:
    """The configuration of a point; None where no draw of its sizes fits."""
    settle = getattr(space, "settle", None)
    if settle is None:
        return dict(point)
    import numpy as np

    rng = np.random.default_rng(number)
    return next((found for _ in range(DRAWS) if (found := settle(point, rng)) is not None), None)


def fresh_id(name: str, taken: set[str]) -> str:
    found, number = name, 2
    while found in taken:
        found, number = f"{name}#{number}", number + 1
    taken.add(found)
    return found


def id_of(row: Mapping[str, Any]) -> str:
    return ",".join(f"{k}={word(a)}" for k, a in row.items()) or "default"


def word(value: Any) -> str:
    """A choice in an id: 3, 2x5, float32, relu; of another object its type, the same in every process."""
    if isinstance(value, (tuple, list)):
        return "x".join(map(word, value)) or "empty"
    plain = value is None or isinstance(value, (str, int, float, complex))
    name = value if plain else getattr(value, "__name__", getattr(value, "name", type(value).__name__))
    return str(name).replace(" ", "").replace("::", ":")
