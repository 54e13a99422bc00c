"""A layer that reads integers as indices is judged by its parameters; integers in place of numbers are refused."""

import numpy as np
import pytest

import crosscheck

Array = np.ndarray

X = np.array([[0, 2, 2], [1, 4, 0]])


class Table:
    """An embedding, as such are written."""

    def __init__(self) -> None:
        self.table = np.random.default_rng(0).normal(size=(5, 3))

    def forward(self, x: Array) -> Array:
        self.x = x
        return self.table[x]

    def backward(self, g: Array) -> None:
        self.grad_table = np.zeros_like(self.table)
        np.add.at(self.grad_table, self.x, g)


class Overwriting(Table):
    """Of a row that comes again, only what arrives last."""

    def backward(self, g: Array) -> None:
        self.grad_table = np.zeros_like(self.table)
        self.grad_table[self.x] = g


class Returning(Table):
    """Something for the indices, too."""

    def backward(self, g: Array) -> Array:  # type: ignore[override]
        super().backward(g)
        return np.zeros(self.x.shape)


class ReturningNothing(Table):
    """A number that stands for nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = 5.0

    def backward(self, g: Array) -> int:  # type: ignore[override]
        super().backward(g)
        return 0


class ReturningAnotherShape(Table):
    """What would be a gradient if the indices were a matrix; the table is updated at once."""

    def backward(self, g: Array, learning_rate: float) -> Array:  # type: ignore[override]
        step = np.zeros_like(self.table)
        np.add.at(step, self.x, g)
        passed = g @ self.table.T
        self.table -= learning_rate * step
        return passed


class ReturningItHalved(Table):
    """The gradient of the table itself, which is what is judged: it is nowhere else."""

    def backward(self, g: Array) -> Array:  # type: ignore[override]
        out = np.zeros_like(self.table)
        np.add.at(out, self.x, g / 2)
        return out


class Times:
    """Numbers, which integers can stand for."""

    def __init__(self) -> None:
        self.w = np.full(3, 0.5)

    def forward(self, x: Array) -> Array:
        self.x = x
        return x * self.w

    def backward(self, g: Array) -> Array:
        self.grad_w = (self.x * g).sum(0)
        return g * self.w


@pytest.mark.parametrize("layer", [Table, Returning, ReturningNothing, ReturningAnotherShape])
def test_a_lookup_is_judged_by_its_table(layer: type[Table]) -> None:
    result = crosscheck.check_layer(layer(), X)
    assert result.passed
    assert set(result.gradients) == {"table"}


def test_a_returned_gradient_of_the_table_is_judged() -> None:
    assert crosscheck.check_layer(ReturningItHalved(), X).gradients["table"].verdict == "disagree"


def test_a_row_that_is_overwritten_is_named() -> None:
    result = crosscheck.check_layer(Overwriting(), X)
    assert not result.passed
    assert result.gradients["table"].diagnoses[0].kind == "overwritten"


def test_numbers_must_still_be_floats() -> None:
    with pytest.raises(TypeError, match="x has dtype int64; it must be float32 or float64"):
        crosscheck.check_layer(Times(), X)
