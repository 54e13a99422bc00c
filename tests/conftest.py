from collections import Counter

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


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--one-of", type=int, default=1, metavar="N", help="run every Nth parameter of a test, not all")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of every test function the first parameter and every Nth after it; all of them unless that was asked for."""
    nth = int(config.getoption("--one-of") or 1)
    met: Counter[str] = Counter()
    kept, left = [], []
    for item in items:
        function = item.nodeid.partition("[")[0]
        (left if met[function] % nth else kept).append(item)
        met[function] += 1
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = kept
