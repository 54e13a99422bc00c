"""From ONNX nodes to layers here, a few lines per operator; importing this registers them all."""

from tests.onnx.adapters import (
    activations,
    attending,
    convolving,
    losses,
    normalization,
    pooling,
    products,
    resizing,
    shapes,
)
from tests.onnx.calls import ADAPTERS

__all__ = [
    "ADAPTERS",
    "activations",
    "attending",
    "convolving",
    "losses",
    "normalization",
    "pooling",
    "products",
    "resizing",
    "shapes",
]
