"""A suite with the plugin: `python -m pytest examples/suite`, and `--runxfail` to see the page of the wrong one."""

from functools import partial

import jax.numpy as jnp
import numpy as np
import pytest
from layers import (
    attention,
    attention_backward,
    average_pool,
    average_pool_backward,
    average_pool_wrong,
    dense,
    dense_backward,
    layer_norm,
    layer_norm_backward,
)

from crosscheck.pytest import configurations

WINDOWS = (
    {"window": 2, "stride": 2},
    {"window": 3, "stride": 1},
    {"window": 3, "stride": 4},
)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@configurations(one={"batch": 1, "width": 1}, several={"batch": 4, "width": 3})
def test_dense(gradcheck, rng, batch, width):
    inputs = {"x": rng.normal(size=(batch, 5)), "w": rng.normal(size=(5, width)), "b": rng.normal(size=width)}
    gradcheck(dense, dense_backward, inputs, lambda x, w, b: jnp.einsum("bd,do->bo", x, w) + b)


def test_layer_norm(gradcheck, rng):
    inputs = {"x": rng.normal(size=(3, 6)), "gain": rng.normal(size=6), "bias": rng.normal(size=6)}
    gradcheck(layer_norm, layer_norm_backward, inputs)


def test_attention(gradcheck, rng):
    inputs = {name: rng.normal(size=(4, 3)) for name in ("q", "k", "v")}
    gradcheck(attention, attention_backward, inputs)


@configurations(*WINDOWS)
def test_average_pool(gradcheck, rng, window, stride):
    how = {"window": window, "stride": stride}
    gradcheck(partial(average_pool, **how), partial(average_pool_backward, **how), {"x": rng.normal(size=(2, 9))})


@pytest.mark.xfail(strict=True, reason="windows that overlap are assigned, not added")
def test_average_pool_where_windows_overlap(gradcheck, rng):
    how = {"window": 3, "stride": 1}
    gradcheck(partial(average_pool, **how), partial(average_pool_wrong, **how), {"x": rng.normal(size=(2, 9))})
