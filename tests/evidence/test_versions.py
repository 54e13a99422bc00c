import platform

import numpy as np

from crosscheck.evidence.versions import versions


def test_they_are_those_that_run() -> None:
    said = versions()
    assert (said["python"], said["numpy"]) == (platform.python_version(), np.__version__)
    assert {"crosscheck", "jax", "scipy"} <= said.keys()
