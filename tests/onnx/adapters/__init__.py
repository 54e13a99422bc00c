"""From ONNX nodes to layers here, a few lines per operator; importing this registers them all."""

from tests.onnx.adapters import activations, attending, losses, normalization, pooling, products, resizing, shapes

__all__ = ["activations", "attending", "losses", "normalization", "pooling", "products", "resizing", "shapes"]
