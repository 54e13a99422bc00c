"""PyTorch, imported when it is first needed."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from typing import Any


def pytorch() -> Any:
    """The module `torch`.

    Raises:
        ImportError: it is not installed.
    """
    try:
        return import_module("torch")
    except ImportError as error:
        raise ImportError("crosscheck.torch needs PyTorch: pip install 'crosscheck[torch]'") from error


@contextmanager
def one_thread() -> Generator[None]:
    """PyTorch on one thread: a check calls small tensors thousands of times, and waking threads takes longer than what
    they compute. What the caller had set is set again."""
    torch = pytorch()
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
