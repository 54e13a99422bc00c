"""Empty arrays that are read before they are set, and those that are not."""

from __future__ import annotations

import numpy as np
import pytest

import crosscheck

Array = np.ndarray
X = np.random.default_rng(0).normal(size=(5, 4))


def test_a_sum_into_an_empty_array_is_found_though_the_numbers_are_right() -> None:
    def backward(g: Array, x: Array) -> dict[str, Array]:
        dx = np.empty_like(x)
        dx[np.isfinite(dx)] = 0  # as fresh memory mostly is
        dx += g * np.cos(x)
        return {"x": dx}

    result = crosscheck.check(lambda x: np.sin(x), backward, {"x": X}, diagnose=False)
    assert not result
    assert [f.kind for f in result.findings if f.fails] == ["uninitialised"], result


def test_an_output_of_which_an_entry_is_never_written_is_found() -> None:
    from numpy import empty

    def forward(x: Array) -> Array:
        y = empty(x.shape)
        y[np.isfinite(y)] = 0
        y[1:] = x[1:] ** 3
        return y

    def backward(g: Array, x: Array) -> dict[str, Array]:
        dx = 3 * g * x**2
        dx[0] = 0
        return {"x": dx}

    result = crosscheck.check(forward, backward, {"x": X}, diagnose=False)
    assert "the output depends on memory that numpy.empty leaves" in " ".join(str(result).split())


@pytest.mark.parametrize("out", [True, False])
def test_what_is_written_first_is_not_accused(out: bool) -> None:
    def backward(g: Array, x: Array) -> dict[str, Array]:
        dx, mask = np.empty(x.shape), x > 0
        if out:
            np.multiply(g, np.cos(x), out=dx)
        else:
            dx[mask], dx[~mask] = (g * np.cos(x))[mask], (g * np.cos(x))[~mask]
        return {"x": dx}

    assert crosscheck.check(lambda x: np.sin(x), backward, {"x": X}, diagnose=False)


def test_a_layer_is_looked_at_too() -> None:
    class Scale:
        def __init__(self) -> None:
            self.w = np.arange(1.0, 5.0)

        def forward(self, x: Array) -> Array:
            self.x = x
            return x * self.w

        def backward(self, g: Array) -> Array:
            self.dw = np.empty_like(self.w)
            self.dw[np.isfinite(self.dw)] = 0
            for one, x in zip(g, self.x, strict=True):
                self.dw += one * x
            return g * self.w

    result = crosscheck.check_layer(Scale(), X, diagnose=False)
    assert [f.kind for f in result.findings if f.fails] == ["uninitialised"], result


def test_the_memory_of_the_call_before_is_not_said_to_be_added_to() -> None:
    last = np.zeros((4, 3))

    def backward(g: Array, x: Array, w: Array) -> dict[str, Array]:
        dw = np.empty(w.shape)
        if np.isfinite(dw).all():
            dw[...] = last  # as memory that is handed out again mostly is
        dw += x.T @ g
        last[...] = dw
        return {"x": g @ w.T, "w": dw}

    inputs = {"x": X, "w": np.random.default_rng(1).normal(size=(4, 3))}
    result = crosscheck.check(lambda x, w: x @ w, backward, inputs, diagnose=False)
    assert [f.kind for f in result.findings] == ["uninitialised"], result
