"""Custom derivative rules of JAX, held against autodiff of the functions that they were written for.

    result = crosscheck.jax.check_custom_vjp(f, x, y)
    assert result, result

Names are loaded when first used, as everywhere in `crosscheck`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crosscheck.jax.checks import check_custom_jvp, check_custom_vjp

__all__ = ["check_custom_jvp", "check_custom_vjp"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'crosscheck.jax' has no attribute {name!r}")
    return getattr(import_module("crosscheck.jax.checks"), name)
