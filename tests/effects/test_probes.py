"""The table of probes: every row speaks for a planted effect, and for healthy code none does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from crosscheck.effects.audit import look
from crosscheck.effects.calls import Calls
from crosscheck.effects.probes import PROBES
from tests.effects.healthy import Array, Arrays, Rng, dense_backward
from tests.effects.planted import BY_PROBE, FAILING, TOLD, Effect, Memory, calls, healthy, planted


@pytest.mark.parametrize(("effect", "kind"), FAILING, ids=lambda p: getattr(p, "__name__", p))
def test_planted_effects_fail_under_their_names(effect: Effect, kind: str, rng: Rng) -> None:
    for _ in range(5):
        failing = [f.kind for f in planted(effect, rng).findings if f.fails]
        assert failing
        assert failing[0] == kind


@pytest.mark.parametrize(("effect", "kind"), TOLD, ids=lambda p: getattr(p, "__name__", p))
def test_harmless_effects_are_told_and_do_not_fail(effect: Effect, kind: str, rng: Rng) -> None:
    for _ in range(5):
        findings = planted(effect, rng).findings
        assert {f.kind for f in findings} == {kind}
        assert not any(f.fails for f in findings)


def test_what_wants_c_contiguous_arrays_refuses_two_layouts(rng: Rng) -> None:
    def both(m: Memory, g: Array, x: Array, w: Array, b: Array) -> Arrays:
        if not x.flags.c_contiguous:
            raise TypeError("x must be C-contiguous")
        return dense_backward(g, x, w, b)

    findings = planted(both, rng).findings
    assert [(f.kind, f.fails) for f in findings] == [("noncontiguous", False), ("fortran-order", False)]


def speaking(given: Calls) -> set[str]:
    """The names of the rows that say something, and go on as they would."""
    spoke = set()

    def spied(probe: Any) -> Any:
        def expectation(calls: Calls, answer: Any) -> Iterator[str]:
            for sentence in probe.expectation(calls, answer):
                spoke.add(probe.name)
                yield sentence

        return probe._replace(expectation=expectation)

    look(given, [spied(probe) for probe in PROBES])
    return spoke


@pytest.mark.parametrize("probe", PROBES, ids=lambda p: p.name)
def test_every_row_speaks_for_a_planted_effect(probe: Any, rng: Rng) -> None:
    effect, forward = BY_PROBE[probe.name]
    given = calls(effect, rng, forward=forward)
    assert probe.name in speaking(given)
    assert (probe.kind, probe.fails) in {(f.kind, f.fails) for f in given.findings.values()}


@pytest.mark.parametrize("name", [n for n, (_, forward) in BY_PROBE.items() if forward.__name__ != "plain"])
def test_effects_of_the_forward_are_blamed_on_it(name: str, rng: Rng) -> None:
    effect, forward = BY_PROBE[name]
    findings = planted(effect, rng, forward=forward).findings
    assert findings
    assert all("forward" in f.explanation or "output" in f.explanation for f in findings)


def test_no_row_speaks_for_healthy_code(rng: Rng) -> None:
    assert not speaking(calls(healthy, rng))


def test_rows_have_names_of_their_own() -> None:
    assert sorted(p.name for p in PROBES) == sorted(BY_PROBE)
