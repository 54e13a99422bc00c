"""Mistakes in convolutions along other axes, transposed ones and embeddings, beside the one that each row has."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from crosscheck.lecture.planted.beyond import Planted, changed, made, of_row
from crosscheck.lecture.planted.changes import Array, argument, cotangent, result
from crosscheck.lecture.rows import ROWS
from crosscheck.operation import Arrays
from manual import convolution

ROW = {row.operation: row for row in ROWS}
NAMES = {operation: list(row.cases) for operation, row in ROW.items()}


def groups_mixed(w: Array) -> Array:
    """The second group's filters for the first, and the first's for the second."""
    return np.roll(w, len(w) // 2, axis=0)


def stride_forgotten(g: Array, v: Arrays) -> Array:
    """What arrives is read at places next to each other."""
    rows, columns = v["x"].shape[2:]
    filters = v["filters"]
    padded = np.pad(g, ((0, 0), (0, 0), (1, 4), (0, 4)))
    y, _ = convolution.forward(padded, filters, np.zeros(len(filters)))
    return y[:, :, :rows, :columns]


def padding_at_the_beginning(g: Array, v: Arrays) -> Array:
    """What arrives, one place late: as if the output's extra entries stood before the others."""
    return np.roll(g, -1, axis=(2, 3))


def averaged(table: Array, g: Array, v: Arrays) -> Array:
    """Divided by how often a row was looked up."""
    return table / np.maximum(np.bincount(v["x"].ravel(), minlength=len(table)), 1)[:, None]


def planted_convolutions() -> Iterator[Planted]:
    """Each with its kind."""
    line, uneven, space, _ = (of_row(ROW["convolution"], name) for name in NAMES["convolution"])
    yield "convolution 3-D: the padding not cropped", "shifted", space, result("x", lambda a: np.roll(a, 1, 4))
    yield "convolution 3-D: first axis flipped", "flipped", space, result("filters", lambda a: a[:, :, ::-1])
    yield "convolution 1-D: groups mixed", "permuted", uneven, argument("filters", groups_mixed, "x")
    yield "convolution 1-D: last place left out", "border", line, cotangent(last_left_out, "filters")
    spread, apart, along, _ = (of_row(ROW["transposed_convolution"], name) for name in NAMES["transposed_convolution"])
    operation = "transposed_convolution"
    yield f"{operation}: output padding at the wrong side", "shifted", spread, cotangent(padding_at_the_beginning, "x")
    yield f"{operation}: stride forgotten", "shifted", spread, made(stride_forgotten)
    yield f"{operation}: groups mixed", "permuted", apart, argument("filters", groups_mixed, "x")
    yield f"{operation} 1-D: filters flipped", "flipped", along, result("filters", lambda a: a[..., ::-1])
    yield f"{operation}: biases of the border lost", "border", spread, cotangent(last_left_out, "biases")
    lookup = of_row(ROW["embedding"], NAMES["embedding"][0])
    yield "embedding: repeated rows averaged", "scaled", lookup, changed("table", averaged)
    masked = of_row(ROW["embedding"], NAMES["embedding"][1])
    yield "embedding: the padding's row not masked", "missing-mask", masked, changed("table", padding_taught)


def last_left_out(g: Array, _: Arrays) -> Array:
    kept = g.copy()
    kept[..., -1] = 0
    return kept


def padding_taught(table: Array, g: Array, v: Arrays) -> Array:
    """What arrives where the padding stands is added to its row."""
    np.add.at(table, v["x"][v["x"] == 1], g[v["x"] == 1])
    return table
