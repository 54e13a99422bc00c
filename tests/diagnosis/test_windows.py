"""Window matrices: the gradients that they give, and the mistakes that are other matrices."""

from __future__ import annotations

import numpy as np
import pytest

from crosscheck.diagnosis.windows import Axis, gradient_of_w, gradient_of_x, index_mistakes, only, windows_of
from crosscheck.traces.tape import record
from tests.diagnosis import references
from tests.oracles import forward_by_windows

PLAIN = Axis(out=4, kernel=3, size=6, stride=1, dilation=1, before=0, after=0)
STRIDED = Axis(out=3, kernel=3, size=6, stride=2, dilation=1, before=1, after=1)


def test_a_matrix_reads_what_the_window_reads() -> None:
    matrix = STRIDED.matrix()
    for h in range(3):
        for i in range(3):
            row = np.zeros(6)
            if 0 <= 2 * h + i - 1 < 6:
                row[2 * h + i - 1] = 1
            np.testing.assert_array_equal(matrix[h, i], row)


@pytest.mark.parametrize(("stride", "padding"), [((1, 1), (0, 0)), ((2, 1), (1, 2))])
def test_with_right_matrices_the_gradients_are_right(stride, padding, rng: np.random.Generator) -> None:
    x, w, b = rng.normal(size=(2, 3, 6, 7)), rng.normal(size=(4, 3, 3, 2)), np.zeros(4)
    pads = ((padding[0], padding[0]), (padding[1], padding[1]))

    def forward(x, w):
        return references.convolution(x, w, b, stride=stride, padding=padding)

    tape = record(forward, {"x": x, "w": w}, ("x", "w"))
    step = next(step for step in tape.steps if step.name == "conv_general_dilated")
    windows = windows_of(tape, step)
    assert windows is not None
    g = rng.normal(size=forward_by_windows(x, w, b, stride, pads).shape)
    # The convolution is linear in each: ⟨G, conv(dx, w)⟩ = ⟨∂L/∂X, dx⟩.
    dx, dw = rng.normal(size=x.shape), rng.normal(size=w.shape)
    along_x = np.sum(g * forward_by_windows(dx, w, b, stride, pads))
    along_w = np.sum(g * forward_by_windows(x, dw, b, stride, pads))
    assert np.sum(gradient_of_x(g, w, windows) * dx) == pytest.approx(along_x, rel=1e-12)
    assert np.sum(gradient_of_w(g, x, windows) * dw) == pytest.approx(along_w, rel=1e-12)


@pytest.mark.parametrize("axis", [PLAIN, STRIDED, PLAIN._replace(dilation=2, size=8)])
def test_every_mistake_changes_a_matrix(axis: Axis) -> None:
    columns = axis._replace(kernel=2)
    found = list(index_mistakes(axis, columns))
    right = axis.matrix(), columns.matrix()
    for variant in found:
        changed = variant.rows.matrix(), variant.columns.matrix()
        assert [m.shape for m in changed] == [m.shape for m in right]
        assert not all(np.array_equal(a, b) for a, b in zip(changed, right, strict=True)), variant.text
    assert len(set(found)) == len(found)
    texts = " / ".join(variant.text for variant in found)
    assert ("stride forgotten" in texts) == (axis.stride > 1)
    assert ("dilation forgotten" in texts) == (axis.dilation > 1)
    assert ("padding not taken off" in texts) == (axis.before > 0)


def test_only_one_window_keeps_an_entry() -> None:
    for last in (True, False):
        kept, all_ = (m.sum(1) > 0 for m in (only(PLAIN.matrix(), last=last), PLAIN.matrix()))
        assert (kept.sum(0) == 1).all()
        covering = np.argwhere(all_[:, 2]).ravel()
        assert np.argwhere(kept[:, 2]).item() == (covering[-1] if last else covering[0])
    assert not PLAIN._replace(stride=3).overlaps
