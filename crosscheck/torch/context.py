"""A Function's own forward as a plain function: run under autograd, with a stand-in for `ctx`.

What the forward saves is kept and never read; what it marks is noted. An output that is marked as not differentiable is
detached, as autograd does it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from crosscheck.doors.trees import rebuilt
from crosscheck.frameworks.arguments import argument_names
from crosscheck.torch.needs import pytorch


class PlainContext:
    """What a forward may do to `ctx`; any attribute may be set."""

    def __init__(self, needs_input_grad: tuple[bool, ...]) -> None:
        self.needs_input_grad = needs_input_grad
        self.saved_tensors: tuple[Any, ...] = ()
        self.constants: list[Any] = []
        self.dirty: list[Any] = []

    def save_for_backward(self, *saved: Any) -> None:
        self.saved_tensors = saved

    def save_for_forward(self, *saved: Any) -> None:
        """For a `jvp` of the Function, which is not asked here."""

    def mark_dirty(self, *written: Any) -> None:
        self.dirty += written

    def mark_non_differentiable(self, *constants: Any) -> None:
        self.constants += constants

    def set_materialize_grads(self, value: bool) -> None:
        """Of a backward, which is not asked here."""


def has_setup(function: Any) -> bool:
    """Whether the Function has its context set up apart from its forward."""
    base = pytorch().autograd.Function
    return getattr(function, "setup_context", base.setup_context) is not base.setup_context


def own_forward(function: Any) -> Callable[..., Any]:
    """The Function's forward as a plain function of its arguments."""
    torch = pytorch()

    def plain(*args: Any) -> Any:
        context = PlainContext(tuple(isinstance(a, torch.Tensor) and a.requires_grad for a in args))
        if has_setup(function):
            returned = function.forward(*args)
            function.setup_context(context, args, returned)
        else:
            returned = function.forward(context, *args)
        constants = [id(t) for t in context.constants]

        def leaf(name: str, t: Any) -> Any:
            return t.detach() if isinstance(t, torch.Tensor) and id(t) in constants else t

        return rebuilt(returned, leaf)

    plain.__name__ = function.__name__
    return plain


def names_of(function: Any, count: int) -> list[str]:
    """The arguments by their names in the forward."""
    return argument_names(function.forward, count, beside=0 if has_setup(function) else 1)


def writes(function: Any, args: tuple[Any, ...]) -> tuple[frozenset[int], frozenset[int]]:
    """The positions of the arguments that the forward says it writes to, and of those that it does write to."""
    torch = pytorch()
    copies = [a.detach().clone() if isinstance(a, torch.Tensor) else a for a in args]
    before = [a._version if isinstance(a, torch.Tensor) else 0 for a in copies]
    context = PlainContext(tuple(isinstance(a, torch.Tensor) and a.requires_grad for a in args))
    with torch.no_grad():
        if has_setup(function):
            function.setup_context(context, tuple(copies), function.forward(*copies))
        else:
            function.forward(context, *copies)
    said = frozenset(i for i, a in enumerate(copies) if any(a is t for t in context.dirty))
    done = frozenset(
        i
        for i, (a, n) in enumerate(zip(copies, before, strict=True))
        if isinstance(a, torch.Tensor) and a._version != n
    )
    return said, done
