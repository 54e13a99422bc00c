"""Hand-written derivatives of PyTorch, held against its autograd of a plain forward. Needs the extra `torch`.

    result = crosscheck.torch.check_function(MyFunction, x, weight)
    assert result, result

    from crosscheck.torch import gradcheck      instead of torch.autograd.gradcheck

Names are loaded when first used; PyTorch is imported by the first check, and not before.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crosscheck.torch.checks import check_function, check_module
    from crosscheck.torch.gradchecks import gradcheck

HOMES = {
    "check_function": "crosscheck.torch.checks",
    "check_module": "crosscheck.torch.checks",
    "gradcheck": "crosscheck.torch.gradchecks",
}

__all__ = ["check_function", "check_module", "gradcheck"]


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module 'crosscheck.torch' has no attribute {name!r}")
    return getattr(import_module(HOMES[name]), name)
