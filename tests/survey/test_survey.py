"""Surveys end to end: planted conditions, right layers, code that raises, and what a caller may get wrong."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import crosscheck
from crosscheck import spaces, survey
from crosscheck.deadline import Deadline
from crosscheck.judge import judge
from crosscheck.surveys.made import Factory
from crosscheck.surveys.visits import OUTCOMES, Visitor
from tests.survey.planted import is_found
from tests.survey.plants.plant import Plant
from tests.survey.table import HEALTHY, PLANTS

BRIEF = {"a scalar takes the mean"}


def product(x: Any, w: Any) -> Any:
    return x * w


def healthy(grad_output: Any, x: Any, w: Any) -> dict[str, Any]:
    return {"x": grad_output * w, "w": (grad_output * x).sum(0)}


def inputs(rng: np.random.Generator, rows: int = 2, columns: int = 3) -> dict[str, Any]:
    return {"x": rng.normal(size=(rows, columns)), "w": rng.normal(size=columns)}


@pytest.mark.parametrize("plant", [p for p in PLANTS if p.name in BRIEF], ids=lambda p: p.name)
def test_a_planted_condition_is_found(plant: Plant) -> None:
    found = survey(plant.make, plant.space, diagnose=False)
    assert is_found(found, plant), str(found)
    assert len(found.visits) <= 200


# Every ninth; `make survey-planted` goes through all, of which nine in ten have to be worded as planted.
@pytest.mark.proof
@pytest.mark.parametrize("plant", PLANTS[1::9], ids=lambda p: p.name)
def test_planted_conditions_are_found(plant: Plant) -> None:
    found = survey(plant.make, plant.space, diagnose=False, seed=1)
    assert is_found(found, plant), str(found)


def test_of_a_right_layer_no_condition_is_said() -> None:
    _, make, space = next(row for row in HEALTHY if row[0] == "product")
    found = survey(make, space, configurations=40)
    assert found, found
    assert {row.verdict for row in found.rows} == {"right"}
    assert found.check is None


@pytest.mark.proof
@pytest.mark.parametrize(("name", "make", "space"), HEALTHY[::3], ids=[row[0] for row in HEALTHY[::3]])
def test_of_no_right_layer_a_condition_is_said(name: str, make: Any, space: Any) -> None:
    found = survey(make, space, seed=1)
    assert found, found


@pytest.mark.proof
@pytest.mark.parametrize("plant", PLANTS[::9], ids=lambda p: p.name)
def test_the_brief_verdict_is_that_of_a_recorded_forward(plant: Plant) -> None:
    """A survey's verdicts come from differences alone: the same configurations by autodiff of the recorded forward."""
    visitor = Visitor(Factory(plant.make), 0, Deadline())
    space, rng = plant.space.only(visitor.factory.names_of(plant.space)), np.random.default_rng(0)
    for point in space.cover()[:8]:
        configuration = space.settle(point, rng)
        assert configuration is not None
        brief = visitor(configuration)
        asked: dict[str, Any] = {"exact": False, "diagnose": False, "progress": False, "here": True}
        result = judge(visitor.operation(configuration), **asked)
        for name, gradient in result.gradients.items():
            if brief.outcomes[name] != "empty":
                assert OUTCOMES[gradient.verdict] == brief.outcomes[name], (configuration, name)


def test_what_raises_is_a_line_and_not_the_end() -> None:
    def make(kernel: int, stride: int, rng: Any) -> Any:
        if stride > kernel:
            raise ValueError(f"stride {stride} is larger than kernel {kernel}")
        return product, healthy, inputs(rng)

    found = survey(make, {"kernel": (1, 2, 3), "stride": (1, 2, 3)}, diagnose=False)
    raised = found.rows[0]
    assert raised.name.startswith("raises ValueError")
    assert raised.when is not None
    assert (raised.when.text, raised.when.exact) == ("kernel < stride", True)
    assert found.gradients["x"].counts == {"right": raised.when.otherwise, "raised": raised.when.holds}
    assert raised.smallest == {"kernel": 1, "stride": 2}
    assert found.check is None
    assert found.summary() == (
        f"product: raises ValueError exactly when kernel < stride; {len(found.visits)} configurations"
    )


def test_what_always_raises_ends_soon() -> None:
    def make(rows: int) -> Any:
        raise KeyError("beta")

    found = survey(make, {"rows": (1, 2)})
    assert not found
    assert "raises KeyError" in str(found)
    assert len(found.visits) < 20


def half_of_the_columns(grad_output: Any, x: Any, w: Any) -> dict[str, Any]:
    return {"x": grad_output * w, "w": (grad_output * x)[: x.shape[1]].sum(0)}


@pytest.fixture(scope="module")
def wrong() -> crosscheck.Survey:
    """A gradient that is wrong for more rows than columns, with a cause and a smallest configuration."""

    def make(rows: int, columns: int, rng: Any, scale: float = 1.0) -> Any:
        return product, half_of_the_columns, inputs(rng, rows, columns)

    return survey(make, {"rows": (1, 2, 3, 5), "columns": (1, 2, 4), "scale": (1.0,)}, name="halves")


def test_the_record_has_everything(wrong: crosscheck.Survey) -> None:
    row = wrong.gradients["w"]
    assert row.when is not None
    assert row.when.text == "rows > columns"
    assert row.when.wrong == row.when.holds == row.counts["wrong"]
    assert row.smallest == {"rows": 2, "columns": 1, "scale": 1.0}
    assert wrong.check is not None
    assert wrong.check.gradients["w"].verdict == "disagree"
    assert not wrong
    assert wrong.fixed == ("scale = 1.0",)
    with pytest.raises(crosscheck.SurveyMismatch, match="rows > columns") as caught:
        wrong.raise_for_failure()
    assert caught.value.survey is wrong


def test_the_record_is_plain_for_json(wrong: crosscheck.Survey) -> None:
    said = json.loads(json.dumps(wrong.to_dict(), allow_nan=False))
    assert said["rows"][0]["when"]["text"] == "rows > columns"
    assert len(said["configurations"]) == len(wrong.visits)


def test_the_page_fits_80_columns(wrong: crosscheck.Survey) -> None:
    assert max(map(len, str(wrong).splitlines())) <= 80
    assert str(wrong).splitlines()[0] == wrong.summary() == repr(wrong)
    assert wrong.summary().startswith("halves: w wrong exactly when rows > columns; ")


def test_the_same_seed_gives_the_same_page() -> None:
    make = next(p for p in PLANTS if p.name == "a scalar takes the mean").make
    first, second = (survey(make, spaces.elementwise(), configurations=6, diagnose=False, seed=3) for _ in range(2))
    assert first.to_dict() == second.to_dict()


def test_a_budget_ends_it_and_is_said() -> None:
    def make(rows: int, rng: Any) -> Any:
        return product, healthy, inputs(rng, rows)

    found = survey(make, {"rows": (1, 2, 3)}, budget=0.0)
    assert not found
    assert not found.visits
    assert found.left_out
    assert "the budget ended" in str(found)


REFUSED: tuple[tuple[Any, Any, dict[str, Any], type[Exception], str], ...] = (
    (3, {"a": (1,)}, {}, TypeError, "make is 3, an int; it must be a function"),
    (lambda a: None, 3, {}, TypeError, "space is 3, of type int"),
    (lambda a: None, {}, {}, ValueError, "space is empty"),
    (lambda a: None, {"a": "xy"}, {}, TypeError, "space gives 'xy' for 'a'"),
    (lambda a: None, {"a": ()}, {}, ValueError, "space gives no choice for 'a'"),
    (lambda b: None, {"a": (1,)}, {}, TypeError, "make needs b, which the space the choices given does not have"),
    (lambda: None, {"a": (1,)}, {}, TypeError, "make takes none of what the space"),
    (lambda a: None, {"a": (1,)}, {}, TypeError, "make gave NoneType; it must give"),
    (lambda a: {"layer": 1, "x": 2, "y": 3}, {"a": (1,)}, {}, TypeError, "make gave y beside layer and x"),
    (lambda a: None, {"a": (1,)}, {"configurations": 0}, ValueError, "configurations is 0; it must be a whole number"),
    (lambda a: None, {"a": (1,)}, {"seed": -1}, ValueError, "seed is -1"),
    (lambda a: None, {"a": (1,)}, {"budget": "x"}, TypeError, "budget is 'x'"),
)


@pytest.mark.parametrize(("make", "space", "more", "kind", "said"), REFUSED, ids=[row[-1][:40] for row in REFUSED])
def test_what_a_caller_gets_wrong_is_one_sentence(make: Any, space: Any, more: Any, kind: Any, said: str) -> None:
    with pytest.raises(kind, match=said):
        survey(make, space, **more)


def ceiling_mean(length: int, kernel: int, rng: np.random.Generator) -> Any:
    """The last window may be shorter, and its mean is over what there is; the backward divides by the kernel."""
    starts = range(0, length, kernel)

    def forward(x: Any) -> Any:
        return np.stack([x[i : i + kernel].mean() for i in starts])

    def backward(grad_output: Any, x: Any) -> Any:
        return np.repeat(grad_output, kernel)[: len(x)] / kernel

    return forward, backward, {"x": rng.normal(size=length)}


def test_a_remainder_is_a_condition_of_any_two_numbers() -> None:
    found = survey(ceiling_mean, {"length": (1, 2, 3, 4, 5, 6, 8), "kernel": (1, 2, 3)}, diagnose=False)
    row = found.gradients["x"]
    assert row.when is not None
    assert (row.when.text, row.when.exact) == ("kernel does not divide length", True)


def test_what_only_float32_gets_wrong_is_seen() -> None:
    def half_in_float32(grad_output: Any, x: Any) -> Any:
        return grad_output * x * (2 if x.dtype == np.float64 else 1)

    def make(rows: int, dtype: type, rng: np.random.Generator) -> Any:
        return lambda x: x * x, half_in_float32, {"x": rng.normal(size=(rows, 2)).astype(dtype)}

    found = survey(make, {"rows": (1, 2), "dtype": (np.float64, np.float32)}, diagnose=False)
    row = found.gradients["x"]
    assert row.when is not None
    assert (row.when.text, row.when.exact) == ("dtype = float32", True)


def swapped_operand(steps: int, rows: int, rng: np.random.Generator) -> Any:
    """h ← h · tanh(x): the gradient that goes back to tanh(x) reads tanh(x) in the place of h."""

    def states(x: Any) -> Any:
        h = [np.ones(x.shape[1])]
        for row in x:
            h.append(h[-1] * np.tanh(row))
        return h

    def backward(grad_output: Any, x: Any) -> Any:
        dx, dh = np.zeros_like(x), grad_output
        for t in reversed(range(len(x))):
            y = np.tanh(x[t])
            dx[t] = dh * y * (1 - y**2)
            dh = dh * y
        return dx

    return lambda x: states(x)[-1], backward, {"x": rng.normal(size=(steps, rows))}


@pytest.mark.proof
def test_one_cause_is_found_in_loops_of_any_length() -> None:
    found = survey(swapped_operand, {"steps": (3, 4, 5), "rows": (1, 2, 3)}, configurations=12)
    cause = found.gradients["x"].cause
    assert cause is not None
    assert cause.evidence["asked"] == 4
    assert cause.evidence["configurations"] >= 3, found
    assert f"at {'all' if cause.evidence['configurations'] == 4 else 3}" in str(found)
