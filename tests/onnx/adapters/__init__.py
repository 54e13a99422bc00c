"""From ONNX nodes to layers here, a few lines per operator; importing this registers them all."""

from tests.onnx.adapters import activations, normalization, pooling, shapes

__all__ = ["activations", "normalization", "pooling", "shapes"]
