import numpy as np
import pytest

pytest_plugins = ("pytester",)


@pytest.fixture
def rng() -> np.random.Generator:
    """The same draws for every test, alone or in the suite, whatever it is called."""
    return np.random.default_rng(20_240_607)


@pytest.fixture(scope="session", autouse=True)
def compilations() -> None:
    """What XLA compiled for `crosscheck run` or an earlier run of the suite is not compiled again."""
    from crosscheck.traces.programs import keep_compilations

    keep_compilations()
