"""The generator: reproducible, complete, and of programs that a check may fairly be asked about."""

from collections import Counter

import numpy as np
import pytest

from tests.programs.generate import DEEPEST, ENTRIES, REGIMES, generate
from tests.programs.ops import OPS
from tests.programs.plants import KINDS, draw, planted
from tests.programs.program import Program, Step, functions
from tests.programs.truth import truth

MANY = range(4 * len(OPS))


@pytest.fixture(scope="module")
def drawn() -> list:
    return [generate(0, index) for index in MANY]


def test_the_same_seed_and_index_give_the_same_program() -> None:
    first, second = generate(3, 17).program, generate(3, 17).program
    assert first.source() == second.source()
    assert first.source() != generate(4, 17).program.source()


def test_every_operation_comes_in_one_round_and_every_regime_with_most_of_them(drawn: list) -> None:
    one_round = drawn[: len(OPS)]
    assert {s.op for d in one_round for s in d.program.steps.values()} == set(OPS)
    assert {d.regime for d in one_round} == set(REGIMES)
    met = {(d.compulsory, d.regime) for d in drawn}
    assert len(met) == len(drawn)  # no pair twice before the others have come


def test_depths_sizes_and_both_precisions(drawn: list) -> None:
    depths = Counter(d.program.depth for d in drawn)
    assert set(range(1, 16)) <= set(depths)
    assert 20 < max(depths) <= DEEPEST
    assert {str(d.program.grad_output.dtype) for d in drawn} == {"float32", "float64"}
    assert max(v.size for d in drawn for v in d.program.inputs.values()) <= ENTRIES


def test_values_are_what_the_regimes_promise(drawn: list) -> None:
    inputs = {k: [v for d in drawn if d.regime == k for v in d.program.inputs.values()] for k in REGIMES}
    assert any((v == 0).any() for v in inputs["zeros"])
    assert any(np.abs(v).max() > 1e140 for v in inputs["huge"])
    assert any(np.abs(v).min() < 1e-140 for v in inputs["huge"])
    assert any(v.min() > 1e6 for v in inputs["offset"])
    ones = [v for v in inputs["near one"] if (np.abs(v - 1) < 1e-5).all()]
    assert any((v != 1).any() for v in ones)
    assert any((v == np.round(v)).all() and v.size > 4 for v in inputs["integers"])


def test_the_hand_written_code_is_finite_and_repeats_itself(drawn: list) -> None:
    for d in drawn[:100]:
        forward, backward, _ = functions(d.program)
        assert np.isfinite(forward(**d.program.inputs)).all()
        first, second = (backward(d.program.grad_output, **d.program.inputs) for _ in range(2))
        for name, grad in first.items():
            assert grad.shape == d.program.inputs[name].shape
            assert grad.dtype == d.program.grad_output.dtype
            assert np.array_equal(grad, second[name])


def test_the_source_makes_the_program_again(drawn: list) -> None:
    for d in drawn[:100]:
        again = eval(d.program.source(), {"np": np, "Program": Program, "Step": Step})
        assert again.steps == d.program.steps
        for name, value in d.program.inputs.items():
            assert again.inputs[name].dtype == value.dtype
            assert np.array_equal(again.inputs[name], value)
        assert np.array_equal(again.grad_output, d.program.grad_output)


def test_every_kind_of_mistake_is_planted_and_counts(drawn: list) -> None:
    kinds: Counter[str] = Counter()
    for index, d in enumerate(drawn[:150]):
        rng = np.random.default_rng(index)
        for _ in range(3):
            plant = draw(rng, d.program)
            kinds.update([] if plant is None else [plant.kind])
    assert set(kinds) == set(KINDS)


def test_a_planted_mistake_changes_the_computed_gradient_by_what_the_truth_says(drawn: list) -> None:
    counted = 0
    for index, d in enumerate(drawn[:40]):
        program = d.program
        found = planted(program, truth(program), (0, index, 1))
        if found is None:
            continue
        counted += 1
        _, right, _ = functions(program)
        _, wrong, _ = functions(program, found.plant.change(program))
        before, after = (f(program.grad_output, **program.inputs)[found.name][found.index] for f in (right, wrong))
        # Rounding is at most a hundredth of the mistake, on either side: plants.ABOVE_ROUNDING.
        assert abs(float(after) - float(before)) == pytest.approx(found.changed, rel=0.02)
        assert found.size >= 1e-3
    assert counted > 30
