import zlib

import numpy as np
import pytest


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """A generator seeded by the test's name: the same draws every time, alone or in the suite."""
    return np.random.default_rng(zlib.crc32(request.node.name.encode()))


@pytest.fixture(scope="session", autouse=True)
def compilations() -> None:
    """What XLA compiled for `crosscheck run` or an earlier run of the suite is not compiled again."""
    from crosscheck.traces.programs import keep_compilations

    keep_compilations()
