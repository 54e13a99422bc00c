"""The notebook has a place for every heading of the lecture, and is kept without outputs."""

import json
import re
from pathlib import Path

import pytest

NOTEBOOK = json.loads((Path(__file__).parents[1] / "examples" / "lecture.ipynb").read_text(encoding="utf-8"))

HEADINGS = """
Convolutional Neural Networks
From Deep Networks to CNNs
Chain Rule for Layered CNN Architecture
CNN Chain Rule Overview
CNN Layer Types and Their Gradients
Convolutional Layer Forward Pass
Convolutional Layer Backward Pass
Max Pooling Layer Gradients
Flatten Layer Gradients
CNN Chain Rule Implementation
Multi-Path Gradient Flow in CNNs
Activation Function Integration
CNN Gradient Verification
Layered CNN Architecture Benefits
Complete CNN Gradient Flow
CNN Gradient Chain Rule
Parameter Gradients in CNNs
Implementation Verification
Educational Benefits
Summary
Code Mapping
Verification with Our Implementation
Simple CNN Implementation
Explore Different Image Patterns
Create and Test Convolutional Layer
Build Complete CNN with Layered Architecture
Train CNN for Image Classification
CNN Training Progress for image classification
Visualise CNN Feature Maps
CNN feature maps showing how the network learns to detect different patterns
Test Different CNN Architectures
Benefits of the New CNN Architecture
Compare CNN with Traditional Neural Networks
""".strip().splitlines()


def test_the_headings_are_the_lectures_in_its_order():
    text = "\n".join("".join(cell["source"]) for cell in NOTEBOOK["cells"] if cell["cell_type"] == "markdown")
    assert re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE) == HEADINGS


@pytest.mark.parametrize("cell", NOTEBOOK["cells"], ids=lambda cell: cell["id"])
def test_no_cell_has_outputs(cell):
    assert not cell.get("outputs")
    assert cell.get("execution_count") is None
