"""What XLA compiled for an earlier run of these tests is not compiled again."""

import tempfile
from pathlib import Path

import jax
import pytest


@pytest.fixture(scope="session", autouse=True)
def compilations() -> None:
    jax.config.update("jax_compilation_cache_dir", str(Path(tempfile.gettempdir()) / "crosscheck-rounding"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
