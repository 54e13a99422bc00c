"""Attention: heads side by side, caches joined, and every way of forbidding a pair as one mask."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.onnx.calls import Array, Call, NotHere, adapts, call, constant, floating
from tests.onnx.nodes import Node

SCORES = "the scores, the last output, are none of the layer"


@adapts("Attention")
def attended(node: Node) -> Call:
    attributes = node.attributes
    if attributes.get("softcap"):
        raise NotHere("a soft cap on the scores: attention here has a mask and heads")
    queries, keys, values = (floating(a) for a in node.inputs[:3])
    flat = queries.ndim == 3
    q, k, v = queries, keys, values
    if flat:
        counts = (attributes["q_num_heads"], *2 * (attributes["kv_num_heads"],))
        q, k, v = (apart(a, heads) for a, heads in zip((q, k, v), counts, strict=True))
    also: dict[int, Call] = {}
    past = 0
    if node.input(4) is not None:
        before, past = [floating(node.inputs[place]) for place in (4, 5)], node.inputs[4].shape[2]
        for place, (old, new) in enumerate(zip(before, (k, v), strict=True), 1):
            if node.output(place) is not None:
                also[place] = call("concatenation", old, new, hyper={"axis": 2})
        k, v = (np.concatenate(pair, axis=2) for pair in zip(before, (k, v), strict=True))
    repeats = q.shape[1] // k.shape[1]
    k, v = np.repeat(k, repeats, axis=1), np.repeat(v, repeats, axis=1)
    heads = q.shape[1]
    hyper = {"heads": heads, "mask": mask(node, q, k, past), "scale": attributes.get("scale")}
    note = ""
    if node.output(3) is not None and attributes.get("qk_matmul_output_mode", 0) == 3:
        eye = np.broadcast_to(np.eye(k.shape[2], dtype=v.dtype), (*k.shape[:2], k.shape[2], k.shape[2]))
        also[3] = call("attention", *map(together, (q, k, eye)), hyper=hyper, read=lambda y: apart(y, heads))
    elif node.output(3) is not None:
        note = SCORES

    def read(y: Array) -> Array:
        return y if flat else apart(y, heads)

    return call("attention", *map(together, (q, k, v)), hyper=hyper, read=read, also=also, note=note)


def apart(array: Array, heads: int) -> Array:
    """(B, T, heads · D) as (B, heads, T, D)."""
    return array.reshape(*array.shape[:2], heads, -1).transpose(0, 2, 1, 3)


def together(array: Array) -> Array:
    """The other way round."""
    return array.transpose(0, 2, 1, 3).reshape(array.shape[0], array.shape[2], -1)


def mask(node: Node, q: Array, k: Array, past: int) -> Any:
    """What is added to the scores, or which pairs are allowed where nothing but -∞ is."""
    (batch, heads, asking, _), asked, attributes = q.shape, k.shape[2], node.attributes
    added, filled = np.zeros((batch, heads, asking, asked)), node.input(6)
    given = node.input(3)
    if given is not None:
        more = [(0, 0)] * (given.ndim - 1) + [(0, asked - given.shape[-1])]
        if given.dtype == bool:
            numbers = np.where(np.pad(given, more), 0.0, -np.inf)
        else:
            numbers = np.pad(given.astype(np.float64), more, constant_values=-np.inf)
        added = added + numbers
    offset = np.full(batch, past) if filled is None else np.reshape(filled, -1) - asking
    away = np.arange(asked) - np.arange(asking)[:, None] - offset[:, None, None]  # how far behind its own place
    allowed = np.ones(away.shape, bool)
    if attributes.get("is_causal"):
        allowed &= away <= 0
    if attributes.get("left_window_size", -1) >= 0:
        allowed &= -away <= attributes["left_window_size"]
    if attributes.get("right_window_size", -1) >= 0:
        allowed &= away <= attributes["right_window_size"]
    if filled is not None:
        allowed &= np.arange(asked) < np.reshape(filled, (-1, 1, 1))
    added = np.where(allowed[:, None], added, -np.inf)
    if not added.any():
        return None
    return added == 0 if np.isin(added, (0, -np.inf)).all() else constant(added)
