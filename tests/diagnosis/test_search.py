"""The loop over the table: what it names, what it leaves unnamed, and that nothing stops the verdict."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import crosscheck
from crosscheck.diagnosis import budget, diagnose_all, search
from crosscheck.diagnosis.candidates import Candidate
from crosscheck.evidence.result import Result
from crosscheck.operation import Operation
from tests.diagnosis.derivations import (
    CHAIN,
    CONV,
    ENTROPY,
    NORM,
    OVERLAP,
    STRIDED,
    Array,
    Arrays,
    Base,
)
from tests.diagnosis.harness import (
    ENOUGH,
    Planted,
    drawn,
    judged,
    of,
    planted_operation,
    reasons,
)


@pytest.mark.parametrize("base", [CONV, OVERLAP, ENTROPY, NORM, CHAIN], ids=["conv", "pool", "loss", "norm", "chain"])
@pytest.mark.parametrize("noise", ["random", "shuffled", "cubed", "a thousandth"])
def test_garbage_gets_no_name(base: Base, noise: str, rng: np.random.Generator) -> None:
    def spoiled(right: Arrays, g: Array, **inputs: Array) -> Array:
        draw, a = np.random.default_rng(5), right[next(iter(right))]
        return {
            "random": lambda: draw.normal(size=a.shape),
            "shuffled": lambda: draw.permutation(a.ravel()).reshape(a.shape),
            "cubed": lambda: a**3,
            "a thousandth": lambda: a * (1 + 1e-3 * draw.normal(size=a.shape)),
        }[noise]()

    name = next(iter(base.shapes))
    operation = planted_operation(base, name, spoiled, drawn(base, rng))
    v = rng.normal(size=operation.output().shape)
    found = reasons(operation, v)[name]
    # A maximum that only some entries win leaves the others right: the place may be told, and is true.
    assert not found or found[0].kind in ("localized", "border")
    for place in found:
        assert "factor" not in place.evidence


def test_the_same_call_gives_the_same_answer(rng: np.random.Generator) -> None:
    row = Planted("", STRIDED, "x", of(STRIDED, "x", step=1), "shifted")
    operation = planted_operation(row.base, row.gradient, row.mistake, drawn(row.base, rng))
    v = rng.normal(size=operation.output().shape)
    first, second = (reasons(operation, v) for _ in range(2))
    assert first == second


def unnamed(rng: np.random.Generator) -> tuple[Operation, Array]:
    """An operation whose wrong gradient no candidate explains: the whole table is tried."""
    operation = planted_operation(CHAIN, "x", lambda r, g, **_: np.cos(9 * r["x"]), drawn(CHAIN, rng))
    return operation, rng.normal(size=operation.output().shape)


def test_what_the_work_does_not_reach_is_said(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    operation, v = unnamed(rng)
    tried: list[Candidate] = []
    fit = search.fit
    monkeypatch.setattr(search, "fit", lambda *args: tried.append(args[3]) or fit(*args))
    whole = diagnose_all(operation, v, *judged(operation, v), work=ENOUGH)
    everything = len(tried)
    tried.clear()
    short = diagnose_all(operation, v, *judged(operation, v), work=1e6)
    assert whole.diagnoses["x"] == short.diagnoses["x"] == []
    assert whole.remarks == []
    assert 0 < len(tried) < everything / 4
    (remark,) = short.remarks
    assert remark.kind == "left-out"
    assert "for x" in remark.explanation
    assert f"of {len(search.TABLE)} families of mistakes" in remark.explanation


def test_work_is_counted_and_the_clock_is_not_read(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    operation, v = unnamed(rng)
    clock = iter(range(10**9))
    monkeypatch.setattr(budget.time, "perf_counter", lambda: float(1000 * next(clock)))  # a machine that stands still
    first, second = (diagnose_all(operation, v, *judged(operation, v), work=3e6) for _ in range(2))
    assert first == second
    assert next(clock) == 0
    late = diagnose_all(operation, v, *judged(operation, v), budget=1.0)
    assert late.diagnoses["x"] == []
    assert [remark.kind for remark in late.remarks] == ["left-out"]


def test_a_reference_of_very_many_different_steps_is_not_searched(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each would be compiled by itself: where shapes grow with every turn, for minutes."""
    monkeypatch.setattr(search, "MOST_PIECES", 40)

    def loop(xp: Any, x: Any) -> Any:
        states = x[None]
        for _ in range(25):
            states = xp.concatenate([states, xp.tanh(states.sum(0) + x)[None]])
        return states.sum(0)

    def wrong(g: Array, x: Array) -> Arrays:
        return {"x": np.cos(x) * g}

    result = crosscheck.check(lambda x: loop(np, x), wrong, {"x": rng.normal(size=3)}, lambda x: loop(jnp, x))
    assert result.verdict == "disagree"
    assert not result.gradients["x"].diagnoses
    (finding,) = [f for f in result.findings if f.kind == "left-out"]
    assert not finding.fails
    assert "different steps" in finding.explanation


def test_a_failure_of_the_search_leaves_the_verdict(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    """One family fails for one gradient: the other gradient keeps its reason, the check its verdict and the report."""
    inputs = drawn(CONV, rng)

    def backward(g: Array, **values: Array) -> Arrays:
        right = CONV.backward(g, **values)
        return {**right, "x": np.cos(right["x"]), "filters": right["filters"][:, :, ::-1]}

    def failing(problem: Any, name: str) -> Any:
        if name == "x":
            raise KeyError("factor")
        return iter(())

    monkeypatch.setattr(search, "TABLE", (failing, *search.TABLE))
    result = crosscheck.check(CONV.forward, backward, inputs, CONV.reference)
    assert result.verdict == "disagree"
    assert result.gradients["x"].verdict == "disagree"
    assert result.gradients["filters"].diagnoses[0].kind == "flipped"
    (finding,) = [finding for finding in result.findings if finding.kind == "internal"]
    assert not finding.fails
    for told in ("gradient of x", "KeyError", "'factor'", "report"):
        assert told in finding.explanation
    assert "KeyError" in str(result)


def wrong_sine() -> Result:
    x = np.array([0.3, 2.0])
    return crosscheck.check(lambda x: np.sin(x), lambda g, x: {"x": g * x}, {"x": x}, lambda x: jnp.sin(x))


def test_a_failure_before_the_search_leaves_the_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    def posed(*args: Any, **rest: Any) -> Any:
        raise ValueError("4 is not in list")

    monkeypatch.setattr(search, "posed", posed)
    result = wrong_sine()
    assert result.verdict == "disagree"
    assert [f.kind for f in result.findings if "4 is not in list" in f.explanation] == ["internal"]


def test_it_is_not_caught_that_someone_wants_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    def posed(*args: Any, **rest: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(search, "posed", posed)
    with pytest.raises(KeyboardInterrupt):
        wrong_sine()


# ---------------------------------------------------------------------- programs on which the search once failed


def test_repeated_rows_that_are_averaged(rng: np.random.Generator) -> None:
    """A kind "scaled" without a factor beside other gradients."""
    index = np.array([1, 3, 1, 0, 1])

    def backward(g: Array, table: Array, index: Array) -> Arrays:
        out = np.zeros_like(table)
        np.add.at(out, index, g)
        return {"table": out / np.maximum(np.bincount(index, minlength=len(table)), 1)[:, None]}

    inputs = {"table": rng.normal(size=(5, 3)), "index": index}
    result = crosscheck.check(lambda table, index: table[index], backward, inputs, lambda table, index: table[index])
    assert result.verdict == "disagree"
    assert not [f for f in result.findings if f.kind == "internal"]


def test_a_step_that_no_gradient_passes_has_a_name(rng: np.random.Generator) -> None:
    """A constant that the reference closes over is spread by a step of the same name as the inputs are."""
    mean, deviation = np.array([0.1, -0.2, 0.3]), np.array([1.1, 0.8, 1.4])

    def backward(g: Array, x: Array, gamma: Array, beta: Array) -> Arrays:  # the formula of training
        d, h = g * gamma, (x - mean) / deviation
        return {
            "x": (d - d.mean(0) - h * (d * h).mean(0)) / deviation,
            "gamma": (g * h).sum(0),
            "beta": g.sum(0),
        }

    def forward(x: Any, gamma: Any, beta: Any) -> Any:
        return gamma * (x - mean) / deviation + beta

    inputs = {"x": rng.normal(size=(6, 3)), "gamma": rng.normal(size=3), "beta": rng.normal(size=3)}
    result = crosscheck.check(forward, backward, inputs, forward)
    assert result.verdict == "disagree"
    assert not [f for f in result.findings if f.kind == "internal"]


@pytest.mark.parametrize("part", ["product", "values"])
def test_a_step_that_writes_several_arrays(part: str, rng: np.random.Generator) -> None:
    def of_numpy(a: Array) -> Array:
        u, s, vt = np.linalg.svd(a, full_matrices=False)
        return u @ vt if part == "product" else s

    def of_jax(a: Any) -> Any:
        u, s, vt = jnp.linalg.svd(a, full_matrices=False)
        return u @ vt if part == "product" else s

    a = rng.normal(size=(5, 3))
    result = crosscheck.check(of_numpy, lambda g, a: {"a": g.sum() + a}, {"a": a}, of_jax)
    assert result.verdict == "disagree"
    assert not [f for f in result.findings if f.kind == "internal"]
