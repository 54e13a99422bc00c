"""A layer without a reference, without a case, or without a place in the package fails here."""

import inspect
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

import manual
from crosscheck.lecture.cases import all_cases, tangents
from manual import Layer

ROOT = Path(__file__).parents[1]


def operation_files(package: str) -> set[str]:
    """The files of a package that define a forward function: one per operation."""
    names = {path.stem for path in (ROOT / package).glob("*.py")} - {"__init__"}
    return {name for name in names if callable(getattr(import_module(f"{package}.{name}"), "forward", None))}


def test_every_operation_has_a_backward() -> None:
    for name in operation_files("manual"):
        assert callable(import_module(f"manual.{name}").backward), name


def test_every_operation_has_a_tangent() -> None:
    """In forward mode a layer takes one function in its own file: `tangent(*nudges, saved)`."""
    lacking = [n for n in operation_files("manual") if not hasattr(import_module(f"manual.{n}"), "tangent")]
    assert sorted(lacking) == []


def test_every_loss_has_the_product_of_its_second_derivatives() -> None:
    losses = [n for n in operation_files("manual") if "target" in arguments(n, "forward")]
    lacking = [n for n in losses if not hasattr(import_module(f"manual.{n}"), "hessian_product")]
    assert sorted(lacking) == []
    assert len(losses) >= 5


def test_every_tangent_takes_a_nudge_for_each_array_of_its_forward() -> None:
    for name in operation_files("manual"):
        arrays = [k for k, p in arguments(name, "forward").items() if p.kind is not p.KEYWORD_ONLY]
        *nudges, saved = arguments(name, "tangent")
        assert saved == "saved", name
        assert nudges == (["nudges"] if arrays == ["arrays"] else [f"nudge_{array}" for array in arrays]), name


def arguments(name: str, function: str) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(getattr(import_module(f"manual.{name}"), function)).parameters


def test_every_tangent_has_a_case() -> None:
    """Which judges it by JAX's, and by the operation's own backward."""
    assert sorted(operation_files("manual") - {case.layer for case in tangents()}) == []


def test_every_operation_has_a_reference_and_every_reference_an_operation() -> None:
    assert operation_files("manual") == operation_files("reference") - {"network"}


def test_arrays_and_hyper_parameters_have_the_same_names_on_both_sides() -> None:
    for name in operation_files("manual"):
        sides = [inspect.signature(import_module(f"{p}.{name}").forward).parameters for p in ("manual", "reference")]
        arrays = [[k for k, p in side.items() if p.kind is p.POSITIONAL_OR_KEYWORD] for side in sides]
        hyper = [{k for k, p in side.items() if p.kind is p.KEYWORD_ONLY} for side in sides]
        assert arrays[0] == arrays[1], name
        assert hyper[0] - {"engine"} <= hyper[1], name  # the engine says how, not what


def test_every_operation_has_a_case() -> None:
    assert operation_files("manual") <= {case.layer for case in all_cases()}


def test_every_layer_is_exported_and_checked() -> None:
    exported = {getattr(manual, name) for name in manual.__all__}
    for name in operation_files("manual") | {"network"}:
        module = import_module(f"manual.{name}")
        own = [c for _, c in inspect.getmembers(module, inspect.isclass) if c.__module__ == module.__name__]
        for cls in own:
            if issubclass(cls, Layer):
                assert cls in exported, cls
