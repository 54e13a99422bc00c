"""The forwards of `derivations` in jax.numpy: what a user of the judge would write down as a reference."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp


def convolution(
    x: Any,
    filters: Any,
    biases: Any,
    stride: tuple[int, int] = (1, 1),
    padding: Any = (0, 0),
) -> jax.Array:
    around = [(p, p) if isinstance(p, int) else p for p in padding]
    y = jax.lax.conv_general_dilated(x, filters, stride, around, dimension_numbers=("NCHW", "OIHW", "NCHW"))
    return y + biases.reshape(1, -1, 1, 1)


def max_pooling(x: Any, pool_size: tuple[int, int], stride: tuple[int, int] | None = None) -> jax.Array:
    steps = pool_size if stride is None else stride
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 1, *pool_size), (1, 1, *steps), "VALID")


def linear(x: Any, weights: Any, biases: Any) -> jax.Array:
    return x @ weights + biases


def mean_squared_error(prediction: Any, target: Any) -> jax.Array:
    return jnp.mean((prediction - target) ** 2)


def softmax_cross_entropy(logits: Any, labels: Any) -> jax.Array:
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits, axis=1), labels[:, None], axis=1))
