"""Random roundings of what PyTorch computes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch: Any = pytest.importorskip("torch")

from crosscheck.torch.roundings import scattered  # noqa: E402

X = np.array([0.7, 1.3, 2.1])


def sigma(f: Callable[[Any], Any], x: np.ndarray = X) -> np.ndarray:
    """The standard deviation of the rounding of f(x)."""
    return scattered(lambda _: ([np.asarray(f(torch.tensor(x)))], [None]), 2.0**-53, 0).sigma[0]


SUMS: dict[str, Callable[[Any], Any]] = {
    "of the number": lambda x: -1e30 + x,
    "less the number": lambda x: x - 1e30,
    "from the number": lambda x: torch.rsub(x, -1e30),
    "of tensors": lambda x: torch.full_like(x, -1e30) + x,
    "with a factor": lambda x: torch.add(x, torch.full_like(x, -5e29), alpha=2),
    "less, with a factor": lambda x: torch.sub(x, torch.full_like(x, 5e29), alpha=2),
}


@pytest.mark.parametrize("add", SUMS.values(), ids=SUMS)
def test_what_vanishes_beside_a_large_number_does_not_move_it(add: Callable[[Any], Any]) -> None:
    """-1e30 for the log of zero: plus anything it is the same number, and what two of them differ by is nothing."""
    assert sigma(lambda x: torch.log(torch.sum(torch.exp(add(x) - add(x[0]))))) < 1e-15
    assert sigma(lambda x: torch.log(torch.sum(torch.exp(add(x) - add(x * 1.1 + 3))))) < 1e-15


def test_sums_in_which_a_term_is_lost_are_one_number() -> None:
    assert sigma(lambda x: (x[0] - 1e30) - (x[1] * 1.1 - 1e30)) == 0
    assert sigma(lambda x: (x[0] - 1e30) + 1e30) > 1e13  # the term itself is not known to be 0
    assert sigma(lambda x: (x[0] * 0.7 + 1e15) - (x[1] * 0.7 + 1e15)) > 0.01  # what is not lost is rounded by itself


def test_a_sum_as_large_as_one_of_its_terms_has_lost_none() -> None:
    assert sigma(lambda x: (x[0] - x[2]) - (x[1] - x[3]), np.array([0.1, 0.1, 0.2, 0.2])) > 1e-18


def test_any_seed_will_do() -> None:
    lost = scattered(lambda _: ([np.asarray(torch.tensor(X) - 1e30)], [None]), 2.0**-53, 2**40)
    assert np.all(lost.sigma[0] > 1e13)
