"""What computed a result: a check can be repeated where the versions are the same."""

from __future__ import annotations

import functools
import platform
from importlib.metadata import PackageNotFoundError, version

NAMED = ("crosscheck", "numpy", "jax", "scipy")


@functools.cache
def versions() -> dict[str, str]:
    """By name, of the packages that a verdict rests on, and of Python."""
    found = {"python": platform.python_version()}
    for name in NAMED:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # run from its folder, and never installed
            found[name] = "not installed"
    return found
