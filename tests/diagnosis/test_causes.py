"""One cause of several wrong gradients is named once, for all of them."""

from __future__ import annotations

import numpy as np
import pytest

from crosscheck.doors.functions import from_functions
from tests.diagnosis.derivations import (
    CHAIN,
    chain_backward,
)
from tests.diagnosis.harness import (
    drawn,
    reasons,
)


@pytest.mark.parametrize(
    ("mistake", "kind"),
    [("no mask", "missing-mask"), ("inverted", "wrong-mask"), ("swapped", "wrong-winner"), ("shared", "spread")],
)
def test_a_common_cause_is_named_once(mistake: str, kind: str, rng: np.random.Generator) -> None:
    inputs = drawn(CHAIN, rng)
    operation = from_functions(
        CHAIN.forward, lambda g, **i: chain_backward(g, **i, mistake=mistake), inputs, CHAIN.reference
    )
    v = rng.normal(size=operation.output().shape)
    found = reasons(operation, v)
    assert list(found) == ["x", "filters", "biases"]
    assert {d[0].kind for d in found.values()} == {kind}
    assert all(d[0].evidence["gradients"] == ["x", "filters", "biases"] for d in found.values())
