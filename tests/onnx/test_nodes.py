"""ONNX's node tests: none fails, a wrong layer fails them, and the page says what they give."""

from __future__ import annotations

import sys
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

from manual import max_pooling
from tests.onnx import run
from tests.onnx.adapters import ADAPTERS
from tests.onnx.nodes import MISSING, Node, installed, nodes
from tests.onnx.page import PAGE, others, section, summary
from tests.onnx.run import FAILED, PASSED, outcome

needs_onnx = pytest.mark.skipif(find_spec("onnx") is None, reason=MISSING)
ignoring = pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::DeprecationWarning")


@needs_onnx
@ignoring
@pytest.mark.proof
@pytest.mark.parametrize("operator", sorted(ADAPTERS))
def test_no_node_test_fails_and_the_page_says_so(operator: str) -> None:
    found = [outcome(node) for node in nodes() if node.operator == operator]
    assert [o.node.name for o in found if o.outcome == FAILED] == []
    text = PAGE.read_text(encoding="utf-8")
    assert f"\n{summary(operator, found)}\n" in text
    assert f"\n{section(operator, found)}\n" in text


@needs_onnx
@ignoring
@pytest.mark.proof
def test_the_page_has_the_operators_that_are_no_layer() -> None:
    rest = [node for node in nodes() if node.operator not in ADAPTERS]
    text = PAGE.read_text(encoding="utf-8")
    assert others(rest) in text
    assert f"With onnx {installed()}:" in text


def pooled(**changed: Any) -> Node:
    """A node test of our own making: the maxima of pairs, and where they were."""
    x = np.array([[[3.0, 1.0, 4.0, 1.5, 9.0, 2.0]]], np.float32)
    y, where = np.array([[[3.0, 4.0, 9.0]]], np.float32), np.array([[[0, 2, 4]]])
    node = Node("pairs", "MaxPool", {"kernel_shape": [2], "strides": [2]}, (x,), (y, where))
    return replace(node, **changed)


def test_a_right_node_passes_with_its_gradients() -> None:
    found = outcome(pooled())
    assert (found.outcome, found.gradients) == (PASSED, "agree (x)")


def test_another_output_or_another_place_fails() -> None:
    (y, where) = pooled().outputs
    assert outcome(pooled(outputs=(y + np.float32(1e-6), where))).outcome == FAILED
    assert outcome(pooled(outputs=(y, where + 1))).outcome == FAILED


def test_a_wrong_gradient_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    right = max_pooling.backward
    monkeypatch.setattr(max_pooling, "backward", lambda g, saved: (right(g, saved)[0] * np.float32(1.001),))
    found = outcome(pooled(outputs=(pooled().outputs[0], None)))
    assert (found.outcome, found.why) == (FAILED, "gradients: disagree")


def test_what_rounds_may_be_off_by_a_rounding_and_no_more() -> None:
    x = np.array([[[1.0, 2.0, 4.0, 8.1, 3.3, 5.7]]], np.float32)
    attributes = {"kernel_shape": [3], "strides": [3]}
    y = x.astype(np.float64).reshape(1, 1, 2, 3).mean(-1)
    node = Node("threes", "AveragePool", attributes, (x,), (y.astype(np.float32),))
    assert outcome(node).outcome == PASSED
    assert outcome(replace(node, outputs=((y * (1 + 1e-3)).astype(np.float32),))).outcome == FAILED


def test_an_operator_without_an_adapter_is_no_layer() -> None:
    assert outcome(pooled(operator="Sin")).outcome == run.NOT_HERE


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ModuleNotFoundError, match=r"onnx.*\[onnx\]"):
        installed()
