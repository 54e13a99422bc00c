"""The judge: hand-derived gradients against autodiff and finite differences, entry by entry, with derived bounds.

    result = crosscheck.check_layer(layer, x)
    assert result, result

`crosscheck.spaces` has the configurations of usual layers, for `crosscheck.survey`.

Names are loaded when first used, so that importing `crosscheck` imports neither JAX nor the layers. `__version__` is
that of the installed package, which pyproject.toml states.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crosscheck import spaces as spaces
    from crosscheck.doors.checks import check, check_gradient, check_layer, check_operation
    from crosscheck.doors.hessian_products import check_hvp
    from crosscheck.doors.hessians import check_hessian
    from crosscheck.doors.jacobians import check_jacobian
    from crosscheck.doors.sets import rotation, simplex, spd, symmetric, unit
    from crosscheck.doors.tangents import check_jvp
    from crosscheck.evidence.finding import Finding
    from crosscheck.evidence.result import GradientMismatch, GradientResult, Result
    from crosscheck.marks import tap
    from crosscheck.surveys.record import Survey, SurveyMismatch
    from crosscheck.surveys.survey import survey
    from crosscheck.witnesses.finite_difference import finite_difference_gradient, finite_difference_jacobian

HOMES = {
    "check": "crosscheck.doors.checks",
    "check_gradient": "crosscheck.doors.checks",
    "check_hessian": "crosscheck.doors.hessians",
    "check_hvp": "crosscheck.doors.hessian_products",
    "check_jacobian": "crosscheck.doors.jacobians",
    "check_jvp": "crosscheck.doors.tangents",
    "check_layer": "crosscheck.doors.checks",
    "check_operation": "crosscheck.doors.checks",
    "finite_difference_gradient": "crosscheck.witnesses.finite_difference",
    "finite_difference_jacobian": "crosscheck.witnesses.finite_difference",
    "Finding": "crosscheck.evidence.finding",
    "GradientMismatch": "crosscheck.evidence.result",
    "GradientResult": "crosscheck.evidence.result",
    "Result": "crosscheck.evidence.result",
    "rotation": "crosscheck.doors.sets",
    "simplex": "crosscheck.doors.sets",
    "spd": "crosscheck.doors.sets",
    "Survey": "crosscheck.surveys.record",
    "SurveyMismatch": "crosscheck.surveys.record",
    "survey": "crosscheck.surveys.survey",
    "symmetric": "crosscheck.doors.sets",
    "tap": "crosscheck.marks",
    "unit": "crosscheck.doors.sets",
}

__all__ = [
    "Finding",
    "GradientMismatch",
    "GradientResult",
    "Result",
    "Survey",
    "SurveyMismatch",
    "check",
    "check_gradient",
    "check_hessian",
    "check_hvp",
    "check_jacobian",
    "check_jvp",
    "check_layer",
    "check_operation",
    "finite_difference_gradient",
    "finite_difference_jacobian",
    "rotation",
    "simplex",
    "spd",
    "survey",
    "symmetric",
    "tap",
    "unit",
]


# Packages of their own: `crosscheck.pytest.configurations`, `crosscheck.spaces.dense`, `crosscheck.jax`, ...
ROOMS = ("jax", "pytest", "spaces", "torch")


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("importlib.metadata").version("crosscheck")
    if name in ROOMS:
        return import_module(f"crosscheck.{name}")
    if name not in HOMES:
        raise AttributeError(f"module 'crosscheck' has no attribute {name!r}")
    return getattr(import_module(HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *HOMES, *ROOMS, "__version__"])
