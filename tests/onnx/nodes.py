"""The node tests that the `onnx` package generates, read into plain arrays.

Each is one node with inputs and the outputs that ONNX's own reference makes of them. What the package adds to them,
the same data with the operator written out as its function body ("_expanded"), says nothing new and is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np

Array = np.ndarray

MISSING = "ONNX's node tests need the package onnx: pip install 'crosscheck[onnx]' (make onnx does)"


@dataclass(frozen=True)
class Node:
    """One node test.

    Args:
        name: the package's, without "test_".
        operator: such as "Conv".
        attributes: those that the node sets.
        inputs: by place; None where an optional one is left out.
        outputs: the same.
    """

    name: str
    operator: str
    attributes: dict[str, Any]
    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]

    def input(self, place: int) -> Any:
        """The input at a place, None where it is left out."""
        return self.inputs[place] if place < len(self.inputs) else None

    def output(self, place: int) -> Any:
        """The output at a place, None where it is left out."""
        return self.outputs[place] if place < len(self.outputs) else None


def installed() -> str:
    """The version of the package.

    Raises:
        ModuleNotFoundError: it is not installed.
    """
    try:
        return import_module("onnx").__version__
    except ImportError as error:
        raise ModuleNotFoundError(MISSING) from error


@cache
def nodes() -> tuple[Node, ...]:
    """All node tests, the same numbers on every call: the package draws some from NumPy's global generator."""
    installed()
    attribute_of = import_module("onnx.helper").get_attribute_value
    collect = import_module("onnx.backend.test.case.node").collect_testcases
    state = np.random.get_state()  # noqa: NPY002
    np.random.seed(0)  # noqa: NPY002
    try:
        with np.errstate(all="ignore"):
            cases = collect(None)
    finally:
        np.random.set_state(state)  # noqa: NPY002
    found = []
    for case in cases:
        if "_expanded" in case.name or case.model is None or case.data_sets is None:
            continue
        (node,), ((inputs, outputs),) = case.model.graph.node, case.data_sets
        values = {a.name: attribute_of(a) for a in node.attribute}
        attributes = {name: v.decode() if isinstance(v, bytes) else v for name, v in values.items()}
        name = case.name.removeprefix("test_")
        found.append(
            Node(name, node.op_type, attributes, placed(node.input, inputs), placed(node.output, outputs)),
        )
    return tuple(found)


def placed(names: Any, values: Any) -> tuple[Any, ...]:
    """The values that are there at their places; None where an optional one has no name."""
    rest = iter(values)
    return tuple(next(rest) if name else None for name in names)
