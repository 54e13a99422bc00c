"""PyTorch, imported when it is first needed."""

from __future__ import annotations

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
