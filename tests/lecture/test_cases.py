"""Laws that every case of the table obeys."""

from typing import Any

import numpy as np
import pytest

from crosscheck.lecture.cases import Case, all_cases, architectures, beyond, tangents
from crosscheck.lecture.running import check_case
from crosscheck.operation import Operation

CASES = {case.name: case for case in all_cases()}
# The complete network is checked once here; the law of its differences is what `crosscheck run` does.
QUICK = {name: case for name, case in CASES.items() if case.kind != "end-to-end"}
LAYERS = {name: case for name, case in QUICK.items() if case.kind in ("layer", "composition")}

# `make test` runs the whole table before the suite: of what is beyond the lecture's layers the suite does not ask again
# whether it agrees, and the other laws are proofs.
BEYOND = {case.name for case in (*beyond(), *architectures(), *tangents())}


def shown(cases: dict[str, Case]) -> list[Any]:
    return [
        pytest.param(case, id=name, marks=[pytest.mark.proof] if name in BEYOND else []) for name, case in cases.items()
    ]


parametrize = pytest.mark.parametrize("case", shown({k: case for k, case in QUICK.items() if k not in BEYOND}))
parametrize_layers = pytest.mark.parametrize("case", shown(LAYERS))


def test_names_are_unique() -> None:
    assert len(CASES) == len(all_cases())


def test_the_lectures_kinds_are_all_there() -> None:
    kinds = {case.kind for case in CASES.values()}
    assert kinds == {"layer", "tangent", "spatial", "channel", "parameter", "composition", "end-to-end"}


@parametrize
def test_every_witness_agrees(case: Case) -> None:
    result = check_case(case, seed=1)
    result.raise_for_failure()
    for gradient in result.gradients.values():
        assert not gradient.mismatched.any()
        assert not gradient.undecided.any()
    assert result.forward is not None
    assert not result.forward.disagree.any()


def test_the_complete_network_agrees_on_digits_as_they_are() -> None:
    check_case(CASES["lecture network, digits as they are"], seed=1).raise_for_failure()


def outputs(operation: Operation) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    y = operation.output()
    v = np.random.default_rng(0).normal(size=y.shape).astype(operation.dtype)
    return y, operation.gradients(v)


@parametrize_layers
def test_nothing_passed_in_is_written_to(case: Case) -> None:
    operation = case.operation()
    y = operation.output()
    v = np.random.default_rng(0).normal(size=y.shape).astype(operation.dtype)
    arguments = {k: a.copy() for k, a in operation.inputs.items()}
    for a in (*arguments.values(), v):
        a.flags.writeable = False
    before = {k: a.tobytes() for k, a in arguments.items()}
    operation.forward(arguments)
    operation.backward(v, arguments)
    assert {k: a.tobytes() for k, a in arguments.items()} == before


@parametrize_layers
def test_outputs_and_gradients_have_the_layers_dtype(case: Case) -> None:
    operation = case.operation()
    y, gradients = outputs(operation)
    assert y.dtype == operation.dtype
    assert {k: g.dtype for k, g in gradients.items()} == dict.fromkeys(operation.wrt, operation.dtype)


@parametrize_layers
def test_the_same_call_gives_the_same_bits(case: Case) -> None:
    first, second = outputs(case.operation()), outputs(case.operation())
    assert first[0].tobytes() == second[0].tobytes()
    assert {k: g.tobytes() for k, g in first[1].items()} == {k: g.tobytes() for k, g in second[1].items()}
