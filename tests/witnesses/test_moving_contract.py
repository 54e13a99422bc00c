"""The caller's contract in every move, the evaluations promised, and the complex step's bound."""

from dataclasses import replace

import numpy as np
import pytest

from crosscheck.doors.functions import from_functions
from crosscheck.evidence.estimate import COMPLEX_STEP, DIFFERENCE, DIRECTIONS
from crosscheck.operation import Arrays, Operation
from crosscheck.witnesses import moving
from crosscheck.witnesses.complex_step import rounding
from crosscheck.witnesses.moving import evaluations_planned, moving_witnesses

Array = np.ndarray
WIDE = np.longdouble


def watched(f, inputs: Arrays, complex_too: bool = False) -> tuple[Operation, list[Arrays]]:
    seen: list[Arrays] = []

    def forward(values: Arrays) -> Array:
        seen.append(dict(values))
        return np.asarray(f(**values))

    operation = from_functions(f, lambda g, **_: {}, inputs)
    return replace(operation, forward=forward, moving_forward=forward if complex_too else None), seen


@pytest.mark.parametrize("complex_too", [False, True])
def test_shape_layout_and_what_is_not_differentiated_are_kept(complex_too: bool) -> None:
    rng = np.random.default_rng(0)
    inputs = {
        "x": np.asfortranarray(rng.normal(size=(5, 60))),
        "a": np.array(1.7),
        "mask": (rng.random((5, 60)) < 0.5).astype(np.float64),
        "labels": np.arange(5),
    }
    operation, seen = watched(lambda x, a, mask, labels: a * np.tanh(x) * mask + labels[:, None], inputs, complex_too)
    for name in ("x", "a"):
        seen.clear()
        moving_witnesses(operation, name, rng.normal(size=(5, 60)))
        for values in seen:
            assert values["x"].flags.f_contiguous
            assert {k: np.shape(a) for k, a in values.items()} == {k: a.shape for k, a in inputs.items()}
            for other in inputs.keys() - {name}:
                assert np.array_equal(values[other], inputs[other])
                assert values[other].dtype == inputs[other].dtype


def test_a_scalar_input_has_its_derivative_by_both_witnesses() -> None:
    operation, _ = watched(lambda a: np.sin(a), {"a": np.array(0.4)}, complex_too=True)
    found = {e.witness: e for e in moving_witnesses(operation, "a", np.array(1.3))}
    assert set(found) == {DIFFERENCE, COMPLEX_STEP}
    for estimate in found.values():
        assert estimate.value.shape == ()
        assert abs(estimate.value - 1.3 * np.cos(0.4)) <= estimate.bound
        assert estimate.bound < 1e-8


@pytest.mark.parametrize("shape", [(3, 4), (40, 30), (200, 3)])
@pytest.mark.parametrize("f", [np.tanh, np.abs, lambda x: np.cumsum(x, -1), lambda x: x.sum()], ids=range(4))
def test_the_forwards_are_known_beforehand(f, shape: tuple[int, int]) -> None:
    x = np.random.default_rng(0).normal(size=shape)
    x[0, 0] = 0.0
    operation, seen = watched(lambda x: f(x), {"x": x})
    v = np.ones(np.shape(f(x)))
    estimate = moving_witnesses(operation, "x", v)[0]
    groups = estimate.notes.get("groups")
    usual, most = evaluations_planned(operation, "x", v.size, groups)
    assert (estimate.notes["planned"], estimate.notes["at most"]) == (usual, most)
    assert len(seen) <= most
    assert len(seen) <= evaluations_planned(operation, "x", v.size)[1]


def test_the_clock_decides_nothing_but_a_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    operation, _ = watched(lambda x: np.tanh(x), {"x": np.linspace(-1, 1, 7)})
    v = np.ones(7)
    first = moving_witnesses(operation, "x", v)[0]
    monkeypatch.setattr(moving.time, "perf_counter", lambda: 1e12)
    second = moving_witnesses(operation, "x", v)[0]
    assert np.array_equal(first.value, second.value)
    assert np.array_equal(first.bound, second.bound)
    late = moving_witnesses(operation, "x", v, deadline=0.0)
    assert [e.witness for e in late] == [DIFFERENCE]
    assert not late[0].speaks().any()


def test_too_many_entries_get_directions() -> None:
    x = np.random.default_rng(0).normal(size=3000)
    operation, seen = watched(lambda x: np.cumsum(np.sin(x))[-1] ** 2, {"x": x})
    (estimate,) = moving_witnesses(operation, "x", np.ones(()))
    assert estimate.witness == DIRECTIONS
    assert len(seen) <= estimate.notes["at most"]
    gradient = 2 * np.sin(x).sum() * np.cos(x)
    along = np.array([(gradient * d).sum() for d in estimate.notes["directions"]])
    assert (np.abs(estimate.value - along) <= estimate.bound + 1e-13 * np.abs(gradient).sum()).all()


# ---------------------------------------------------------------------- the complex step

ANALYTIC = {
    "sin": (np.sin, np.cos),
    "exp": (np.exp, np.exp),
    "tanh": (np.tanh, lambda x: 1 / np.cosh(x) ** 2),
    "cube": (lambda x: x**3, lambda x: 3 * x**2),
    "inverse": (lambda x: 1 / x, lambda x: -1 / x**2),
    "gauss": (lambda x: np.exp(-x * x / 2), lambda x: -x * np.exp(-x * x / 2)),
    "fast": (lambda x: np.sin(100 * x), lambda x: 100 * np.cos(100 * x)),
    "linear": (lambda x: x, lambda x: np.ones_like(x)),
}
VALUES = {
    "normal": lambda r, n: r.normal(size=n),
    "decades": lambda r, n: r.choice([-1.0, 1.0], n) * 10 ** r.uniform(-8, 2, n),
    "near 1": lambda r, n: 1 + 1e-5 * r.normal(size=n),
}


@pytest.mark.parametrize("values", VALUES)
@pytest.mark.parametrize("kind", ["elementwise", "mixed", "scalar"])
def test_the_complex_step_stays_within_its_bound_and_the_bound_is_not_wide(values: str, kind: str) -> None:
    """1,440 healthy functions and points; `scalar` cancels inside the code, where no term shows it."""
    for place, (name, (f, slope)) in enumerate(ANALYTIC.items()):
        rng = np.random.default_rng(place)
        x = VALUES[values](rng, 20)
        w, u = (np.eye(20), np.ones(20)) if kind == "elementwise" else (rng.normal(size=(20, 9)), rng.normal(size=9))
        mixed = (lambda x, f=f, w=w, u=u: (f(x) @ w) @ u) if kind == "scalar" else (lambda x, f=f, w=w: f(x) @ w)
        v = np.ones(()) if kind == "scalar" else rng.normal(size=w.shape[1])
        operation, _ = watched(mixed, {"x": x}, complex_too=True)
        (found,) = (e for e in moving_witnesses(operation, "x", v) if e.witness == COMPLEX_STEP)
        pull = u if kind == "scalar" else v
        truth = np.asarray((w.astype(WIDE) @ pull.astype(WIDE)) * slope(x.astype(WIDE)), np.float64)
        assert (np.abs(found.value - truth) <= found.bound + 2.0**-53 * np.abs(truth)).all(), name
        typical = np.abs(slope(x)) * (np.abs(w) @ np.abs(pull))
        assert np.median(found.bound[typical > 0] / typical[typical > 0]) < 1e-11, name


def test_the_bound_is_at_least_a_rounding_of_the_terms() -> None:
    terms = np.array([1.0, 1e6, 0.0])
    bound = rounding(np.zeros(3), terms)
    assert (bound >= 2.0**-53 * terms).all()
    assert (bound <= 1e3 * 2.0**-53 * terms).all()
