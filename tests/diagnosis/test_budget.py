"""Work is counted, and every kind of step weighs what it does."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from crosscheck.diagnosis.budget import MULTIPLICATION, STEP, WORK_OF_A_TURN, Budget, pass_work
from crosscheck.traces.tape import record


def work(function, **shapes: tuple[int, ...]) -> float:
    inputs = {k: np.ones(shape) for k, shape in shapes.items()}
    return pass_work(record(function, inputs, tuple(inputs)))


def test_a_share_is_taken_and_what_is_left_of_it_put_back() -> None:
    budget = Budget(90)
    share = budget.share(3)
    assert (share.left, budget.left) == (30, 60)
    share.spend(31)
    assert share.ended
    assert not budget.ended
    budget.give_back(share)
    assert budget.left == 59
    assert not Budget(1).ended
    assert Budget(1, seconds=-1.0).ended
    assert Budget(1, seconds=-1.0).share(2).ended


def test_a_pass_weighs_its_steps_its_entries_and_its_products() -> None:
    assert work(lambda x: jnp.sin(x), x=(5, 4)) == STEP + 20
    assert work(lambda x, w: x @ w, x=(5, 4), w=(4, 3)) == STEP + 15 + MULTIPLICATION * 60
    convolution = work(lambda x, w: jax.lax.conv_general_dilated(x, w, (1, 1), "VALID"), x=(2, 3, 6, 6), w=(4, 3, 3, 3))
    assert convolution == STEP + 2 * 4 * 16 + MULTIPLICATION * 2 * 4 * 16 * 27


def test_a_loop_weighs_what_is_in_it() -> None:
    def loop(x):
        return jax.lax.scan(lambda carry, row: (carry + jnp.sin(row), None), jnp.zeros(7), x)[0]

    turns = work(loop, x=(200, 7)) - work(loop, x=(100, 7))
    assert turns == 100 * 2 * (WORK_OF_A_TURN + 7)
