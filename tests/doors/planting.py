"""A mistake in one named gradient of a hand-written layer: every style calls `s(name, gradient)` where it has one."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import numpy as np

Array = np.ndarray

PLANTED: dict[str, Any] = {}
MISTAKES = {"a quarter too large": lambda g: 1.25 * g, "zero": lambda g: 0.0 * g}


def s(name: str, gradient: Any) -> Any:
    """The gradient, or what the mistake planted in it makes of it."""
    return PLANTED[name](gradient) if name in PLANTED else gradient


@contextmanager
def planted(name: str, mistake: str) -> Generator[None]:
    PLANTED[name] = MISTAKES[mistake]
    try:
        yield
    finally:
        PLANTED.clear()


def normal(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng([seed, *shape]).normal(size=shape)
