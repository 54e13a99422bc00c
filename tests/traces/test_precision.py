"""float64 in JAX, for one thread and only inside of the context."""

import threading

import jax.numpy as jnp
import numpy as np
import pytest

from crosscheck.traces.precision import double_precision


@pytest.fixture
def outside() -> np.dtype:
    return jnp.ones(1).dtype


def test_inside_it_is_float64_and_outside_what_it_was(outside: np.dtype) -> None:
    with double_precision():
        assert jnp.ones(1).dtype == np.float64
        with double_precision():
            assert jnp.ones(1).dtype == np.float64
        assert jnp.ones(1).dtype == np.float64
    assert jnp.ones(1).dtype == outside


def test_float32_stays_float32_and_what_was_made_keeps_its_dtype() -> None:
    with double_precision():
        assert jnp.asarray(np.ones(1, np.float32)).dtype == np.float32
        made = jnp.asarray(np.array([0.1]))
    assert made.dtype == np.float64
    assert np.asarray(made).item() == 0.1


def test_it_is_left_when_an_exception_passes(outside: np.dtype) -> None:
    @double_precision()
    def fail() -> None:
        raise KeyError(jnp.ones(1).dtype.name)

    with pytest.raises(KeyError, match="float64"):
        fail()
    assert jnp.ones(1).dtype == outside


def test_other_threads_are_left_alone(outside: np.dtype) -> None:
    seen = []
    with double_precision():
        thread = threading.Thread(target=lambda: seen.append(jnp.ones(1).dtype))
        thread.start()
        thread.join()
    assert seen == [outside]
