"""Attention with a mistake that shows at some configurations only."""

from __future__ import annotations

import numpy as np

from crosscheck import spaces
from tests.survey.layers import (
    Attention,
    softmax,
)
from tests.survey.plants.plant import Make, Plant, times

Array = np.ndarray


def attention(kind: type[Attention]) -> Make:
    def make(batch, heads, queries, keys, size, causal, rng):
        layer = kind(heads, causal)
        shapes = {
            "q": (batch, queries, heads * size),
            "k": (batch, keys, heads * size),
            "v": (batch, keys, heads * size),
        }
        inputs = {name: rng.normal(size=shape) for name, shape in shapes.items()}

        def backward(grad_output, q, k, v):
            layer.forward(q, k, v)
            return dict(zip("qkv", layer.backward(grad_output), strict=True))

        return layer.forward, backward, inputs

    return make


class HeadsInOrder(Attention):
    """Heads are put together without putting positions first."""

    def for_values(self, u):
        return np.ascontiguousarray(self.p.swapaxes(2, 3) @ u).reshape(len(u), self.k.shape[2], -1)


class Unmasked(Attention):
    def for_values(self, u):
        return self.merged(softmax(self.scale * self.q @ self.k.swapaxes(2, 3)).swapaxes(2, 3) @ u)


class ScaledByKeys(Attention):
    def for_queries(self, dz):
        return self.merged(dz @ self.k / np.sqrt(self.k.shape[2]))


class OneHeadScale(Attention):
    """The scale of the whole width, not of a head."""

    def for_keys(self, dz):
        return super().for_keys(dz) / np.sqrt(self.heads)


class CausalScale(Attention):
    """With a causal mask the scale is forgotten."""

    def for_queries(self, dz):
        return self.merged((1.0 if self.causal else self.scale) * dz @ self.k)


ATTENTION = spaces.attention()
SEVERAL_HEADS = ("heads ≥ 2",)
ATTENTIONS = (
    Plant("heads put together too early", attention(HeadsInOrder), ATTENTION, "v", times(SEVERAL_HEADS, ("keys ≥ 2",))),
    Plant(
        "values unmasked",
        attention(Unmasked),
        ATTENTION,
        "v",
        times(("causal = True",), ("queries ≥ 2", "keys ≥ 2")),
    ),
    Plant("scaled by the number of keys", attention(ScaledByKeys), ATTENTION, "q", ("keys ≠ size",)),
    Plant("scaled by the whole width", attention(OneHeadScale), ATTENTION, "k", SEVERAL_HEADS),
)
