"""The tangents of our layers: JAX's, and the transpose of the layers' own backward, entry by entry."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from crosscheck.evidence.estimate import HAND
from crosscheck.exact.run import exact_run
from crosscheck.judge import judge
from crosscheck.lecture.architectures import ARCHITECTURES, IMAGE_BATCH
from crosscheck.lecture.cases import Case, tangents
from crosscheck.lecture.nonzero import nonzero
from crosscheck.lecture.rows import LOSSES, ROWS, LayerRow
from crosscheck.lecture.running import check_case
from crosscheck.lecture.tangent_cases import LECTURE, SQUARED_ROW, of_layer, of_loss, of_row
from crosscheck.lecture.tangents import adjoint, moved, parted, point
from crosscheck.operation import Arrays, Operation
from manual import BatchNorm, Layer, LinearLayer
from tests.manual.test_tangents import EXACT

Array = np.ndarray
Rng = np.random.Generator

CASES = list(tangents())
# Where nothing rounds, tests/manual/test_tangents.py holds the backward to be the transpose to the last bit.
ROUNDING = [case for case in CASES if case.layer not in EXACT]
POINTS = [(row, name) for row in ROWS for name in list(row.cases)[1:]]


# What these make of their input is one line of `standardization`, which is asked day by day.
SHARED = ("layer_norm", "group_norm")


@pytest.mark.parametrize(
    "case",
    [pytest.param(c, id=c.name, marks=[pytest.mark.proof] if c.layer in SHARED else []) for c in ROUNDING],
)
def test_the_backward_is_its_transpose_where_both_round(case: Case) -> None:
    """Without the twin: differences of the tangent, each with what it may round, against the backward."""
    result = judge(replace(case.operation(), reference=None), exact=False, diagnose=False, progress=False)
    result.raise_for_failure()


@pytest.mark.proof
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_is_what_jax_says(case: Case) -> None:
    result = check_case(case, seed=1)
    result.raise_for_failure()
    assert not any(g.undecided.any() for g in result.gradients.values())


@pytest.mark.proof
@pytest.mark.parametrize(("row", "name"), POINTS, ids=[f"{row.operation} {name}" for row, name in POINTS])
def test_it_is_what_jax_says_at_every_point_with_a_name(row: LayerRow, name: str, rng: Rng) -> None:
    for dtype in (np.float64, np.float32):
        judge(of_row(row, name, dtype).build(rng), progress=False).raise_for_failure()


@pytest.mark.proof
def test_the_losses_are_what_jax_says_at_every_point_with_a_name(rng: Rng) -> None:
    reductions = replace(SQUARED_ROW, cases={r: {"reduction": r} for r in ("sum", "none")})
    for row in (reductions, *LOSSES):
        for name in row.cases:
            for case in of_loss(row, name):
                judge(case.build(rng), progress=False).raise_for_failure()


@pytest.mark.proof
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_network_has_its_from_its_layers(name: str, rng: Rng) -> None:
    """Without differences, which are asked of every layer alone.

    Of a bias before a normalization nothing arrives but rounding, which may be zero, too: then there is nothing to see.
    """
    operation = of_layer(ARCHITECTURES[name], IMAGE_BATCH)(rng)
    result = judge(operation, differences=False, exact=False, progress=False)
    unseen = [k for k, gradient in result.gradients.items() if gradient.verdict == "undecided"]
    for k in unseen:
        assert k.endswith("biases")
        assert not result.evidence.gradients[k].estimates[HAND].value.any()
    assert result.verdict == ("undecided" if unseen else "agree"), result


# How to make every layer, and the shape of its input.
LAYERS: dict[str, tuple[Callable[[Rng], Layer], tuple[int, ...]]] = {
    **{operation: (make, shape) for operation, (_, make, shape) in LECTURE.items()},
    **{
        row.operation: (
            lambda rng, row=row: row.layer(next(iter(row.cases)), rng),
            row.point(next(iter(row.cases)))["shape"],
        )
        for row in ROWS
    },
}


# Of indices nothing is nudged: such a layer is asked by its cases, along its table.
LOOKED_UP = {row.operation for row in ROWS if row.indices is not None}


@pytest.mark.proof
@pytest.mark.parametrize("operation", [name for name in LAYERS if name not in LOOKED_UP])
def test_it_is_right_along_each_input_alone_and_along_all(operation: str, rng: Rng) -> None:
    """As `check_jvp` asks it, at two points."""
    make, shape = LAYERS[operation]
    judge(moved(nonzero(make(rng), rng), rng.normal(size=shape)), progress=False).raise_for_failure()


def whole(layer: Layer, x: Array, rng: Rng) -> Operation:
    """The layer at whole numbers, multiples of 3 all different: no maximum ties, and hard swish divides."""
    layer.parameters = rng.integers(1, 4, layer.parameters.size)
    x = 3.0 * rng.permutation(np.arange(x.size) - x.size // 2).reshape(x.shape)
    return adjoint(layer, x, {k: np.ones(a.shape) for k, a in point(layer, x).items()})


@pytest.mark.proof
@pytest.mark.parametrize("operation", sorted(EXACT & LAYERS.keys() - {"multiply", "projection", "average_pooling"}))
def test_both_are_exact_where_arithmetic_is(operation: str, rng: Rng) -> None:
    """Two that are left out are asked inside layers that are not exact; of the third no exact point is found."""
    make, shape = LAYERS[operation]
    run = exact_run(whole(make(rng), np.zeros(shape), rng), seed=0)
    assert run.applies, run.reason
    assert {run.forward, *run.outcomes.values()} == {"equal"}
    assert all(d.agrees for d in run.difference.values())


# ---------------------------------------------------------------------- planted


def wrong(operation: Operation, change: Callable[[Array, Arrays], Any]) -> Operation:
    """A tangent that is changed by what the nudges are."""
    return replace(operation, forward=lambda v: change(operation.forward(v), parted(v)[1]))


def batch_norm(rng: Rng) -> Operation:
    return of_layer(lambda rng: BatchNorm(3), (4, 3))(rng)


PLANTED: dict[str, tuple[Callable[[Rng], Operation], Callable[[Array, Arrays], Any], set[str]]] = {
    "a sign": (batch_norm, lambda y, n: -y, {"nudge x", "nudge scales", "nudge biases"}),
    "a factor of 1 + 1e-9": (batch_norm, lambda y, n: y * (1 + 1e-9), {"nudge x", "nudge scales", "nudge biases"}),
    "a parameter's nudge forgotten": (batch_norm, lambda y, n: y - n["biases"], {"nudge biases"}),
    "one sample's nudge for all": (
        of_layer(lambda rng: LinearLayer(3, 2, rng=rng), (4, 3)),
        lambda y, n: np.tile(y[:1], (4, 1)),
        {"nudge x", "nudge weights"},
    ),
}


QUICK = "a parameter's nudge forgotten"
LATER = [pytest.param(n, marks=[] if n == QUICK else [pytest.mark.proof]) for n in PLANTED]


@pytest.mark.parametrize("name", LATER)
def test_a_planted_mistake_in_a_tangent_is_caught(name: str, rng: Rng) -> None:
    """By the backward alone, and by JAX alone."""
    healthy, change, where = PLANTED[name]
    operation = wrong(healthy(rng), change)
    alone = judge(replace(operation, reference=None), exact=False, diagnose=False, progress=False)
    assert {k for k, g in alone.gradients.items() if g.verdict == "disagree"} == where
    beside = judge(operation, differences=False, exact=False, diagnose=False, progress=False)
    assert beside.verdict == "disagree"
    assert beside.forward is not None
    assert beside.forward.disagree.any()
