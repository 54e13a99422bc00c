"""The fixture `gradcheck`: every door, with the seed and the budget of the command line."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, NamedTuple

import crosscheck
from crosscheck.evidence.result import GradientMismatch, Result

# Whether reasons are not looked for: nobody is going to read them.
VERDICT_ALONE: ContextVar[bool] = ContextVar("verdict_alone", default=False)


class AskedDoor(NamedTuple):
    """A door, and what it was asked."""

    door: Callable[..., Result]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


class FailedCheck(GradientMismatch):
    """A check that did not pass, and what was asked."""

    def __init__(self, result: Result, asked: AskedDoor) -> None:
        super().__init__(result)
        self.asked = asked


class Gradcheck:
    """`gradcheck(forward, backward, inputs, ...)`; `gradcheck.check_layer(layer, x)` and every other door by its name.

    Args:
        seed, budget: of every check that takes one and is not given another.
    """

    def __init__(self, seed: int = 0, budget: float | None = None) -> None:
        self.seed, self.budget = seed, budget

    def __repr__(self) -> str:
        return "gradcheck"

    def __call__(self, forward: Any, backward: Any, inputs: Any, *args: Any, **kwargs: Any) -> Result:
        """As `crosscheck.check`."""
        __tracebackhide__ = True
        return self.ask(crosscheck.check, forward, backward, inputs, *args, **kwargs)

    def __getattr__(self, name: str) -> Callable[..., Result]:
        if not name.startswith("check"):
            raise AttributeError(f"gradcheck has no {name!r}; it has the checks of crosscheck by name, and `ask`")
        return functools.partial(self.ask, getattr(crosscheck, name))

    def ask(self, door: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Any function that gives a result: `gradcheck.ask(crosscheck.check_layer, layer, x)`.

        Raises:
            FailedCheck: it did not pass; a `GradientMismatch`.
        """
        __tracebackhide__ = True
        takes = inspect.signature(door).parameters
        options = {"seed": self.seed, "budget": self.budget}
        kwargs = {**{k: v for k, v in options.items() if k in takes}, **kwargs}
        quick = {"diagnose": False} if VERDICT_ALONE.get() and "diagnose" in takes else {}
        result = door(*args, **{**kwargs, **quick})
        if not result:
            raise FailedCheck(result, AskedDoor(door, args, kwargs))
        return result
