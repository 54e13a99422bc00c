"""Which entries share an evaluation: the patterns, and that nothing of the size of inputs times outputs is kept."""

import tracemalloc

import numpy as np
import pytest

from crosscheck.witnesses.groups import Footprint, Plan, find_plan, probes

Array = np.ndarray


def plan_of(f, x: Array) -> tuple[Plan, int]:
    calls = []

    def counted(z: Array) -> Array:
        calls.append(1)
        return f(z)

    return find_plan(counted, x, np.random.default_rng(0)), len(calls)


def strided(x: Array) -> Array:
    return x[0:-2:2] * x[1:-1:2] + x[2::2]


PATTERNS = {
    "elementwise": (np.tanh, 1),
    "reversed": (lambda x: np.tanh(x[::-1]), 1),
    "a window of three": (lambda x: x[2:] + x[1:-1] * x[:-2], 3),
    "stride two": (strided, 3),
    "rolled": (lambda x: x * np.roll(x, 1), 2),
    "cumulative": (np.cumsum, None),
    "a sum": (lambda x: np.atleast_1d(x.sum()), None),
}


@pytest.mark.parametrize("n", [17, 101])
@pytest.mark.parametrize("name", PATTERNS)
def test_groups_are_separate_and_whole(name: str, n: int) -> None:
    """Every entry once, and an output that moves with an entry is owned by it: against one entry at a time."""
    f, _ = PATTERNS[name]
    x = np.random.default_rng(1).normal(size=n)
    y = f(x)
    plan, calls = plan_of(f, x)
    assert calls <= probes(x.shape)
    groups = list(plan.groups())
    assert len(groups) == plan.evaluations
    assert sorted(np.concatenate([g.entries for g in groups])) == list(range(n))
    for group in groups:
        assert group.owner is not None
        for member, entry in enumerate(group.entries):
            z = x.copy()
            z[entry] += 0.37
            moved = np.flatnonzero(f(z) != y)
            assert (group.owner[moved] == member).all()


@pytest.mark.parametrize("name", PATTERNS)
def test_the_number_of_groups_does_not_grow(name: str) -> None:
    f, wanted = PATTERNS[name]
    plans = [plan_of(f, np.random.default_rng(1).normal(size=n)) for n in (401, 2001)]
    counts = [plan.evaluations for plan, _ in plans]
    assert all(calls <= probes((n,)) for n, (_, calls) in zip((401, 2001), plans, strict=True))
    if wanted is None:
        assert counts == [401, 2001]
    elif name not in ("reversed", "rolled"):  # those run against the direction of the rule, or around the end
        assert counts == [wanted, wanted]


def test_a_footprint_is_what_it_predicts() -> None:
    """Rows by the rule, period by period, against the rows written out."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        step, shift = int(rng.integers(1, 4)), int(rng.integers(1, 4))
        n, m = int(rng.integers(30, 60)), int(rng.integers(20, 90))
        head = [np.unique(rng.integers(0, 6, 2)) for _ in range(20 - step)]
        head += [np.unique(20 // step * shift + rng.integers(0, 5, 3)) for _ in range(step)]
        head = [row[row < m] for row in head]
        footprint = Footprint(n, m, tuple(head), step, shift)
        rows = list(head)
        for i in range(20, n):
            row = rows[i - step] + shift
            rows.append(row[row < m])
        for period in (1, 2, 5, 7):
            disjoint = True
            for start in range(min(period, n)):
                positions, outputs = footprint.pairs(start, period)
                wanted = [(j, int(o)) for j, i in enumerate(range(start, n, period)) for o in rows[i]]
                assert sorted(zip(positions.tolist(), outputs.tolist(), strict=True)) == sorted(wanted)
                disjoint &= len(set(outputs.tolist())) == len(outputs)
            assert footprint.separated(period) == disjoint


@pytest.mark.parametrize("shape", [(100_000,), (50_000, 2), (300, 300)])
def test_the_plan_of_many_entries_is_small(shape: tuple[int, ...]) -> None:
    """A footprint of inputs times outputs would be 10¹⁰ numbers."""
    x = np.random.default_rng(0).normal(size=shape)
    tracemalloc.start()
    plan, _ = plan_of(np.tanh, x)
    groups = sum(g.entries.size for g in plan.groups())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert groups == x.size
    assert plan.evaluations == 1
    assert peak < 20 * x.nbytes
