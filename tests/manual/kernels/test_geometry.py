"""The arguments of a convolution: what is refused, in words, and the padding that is called 'same'."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from manual import (
    kernels,
)
from tests.manual.kernels.arguments import arrays
from tests.refusals import refused

ones = np.ones


ERRORS: dict[str, tuple[Callable[[], Any], type[Exception], tuple[str, ...]]] = {
    "rank of x": (lambda: run(x=(2, 4, 9)), ValueError, ("x", "(2, 4, 9)", "4 axes (B, C_in, H, W)")),
    "rank of filters": (lambda: run(filters=(6, 4, 3)), ValueError, ("filters", "(6, 4, 3)", "4 axes")),
    "channels": (lambda: run(filters=(6, 3, 3, 3)), ValueError, ("x", "4 channels", "take 3")),
    "groups and filters": (lambda: run(groups=4), ValueError, ("groups", "4", "divide the 6 filters")),
    "groups and channels": (lambda: run(groups=2), ValueError, ("x", "4 channels", "take 4 in each of 2 groups")),
    "groups as text": (lambda: run(groups="2"), TypeError, ("groups", "'2'", "an integer")),
    "stride": (lambda: run(stride=(0, 1)), ValueError, ("rows of stride", "0", "at least 1")),
    "dilation": (lambda: run(dilation=(1, 0)), ValueError, ("columns of dilation", "0", "at least 1")),
    "stride of floats": (lambda: run(stride=(1.5, 1)), TypeError, ("rows of stride", "1.5", "an integer")),
    "padding of three axes": (lambda: run(padding=(1, 1, 1)), ValueError, ("padding", "(1, 1, 1)", "a pair")),
    "padding of three sides": (
        lambda: run(padding=((1, 1), (1, 1, 1))),
        ValueError,
        ("columns of padding", "(1, 1, 1)", "(left, right) pair"),
    ),
    "padding below 0": (lambda: run(padding=((1, -1), (0, 0))), ValueError, ("bottom of padding", "-1", "at least 0")),
    "columns below 0": (lambda: run(padding=((1, 1), (-2, 0))), ValueError, ("left of padding", "-2", "at least 0")),
    "another word": (lambda: run(padding="full"), ValueError, ("padding", "'full'", '"same"')),
    "a kernel that does not fit": (
        lambda: run(dilation=(1, 4)),
        ValueError,
        ("kernel", "(3, 3)", "dilated to (3, 9)", "fit the padded input", "(9, 8)"),
    ),
    "no channels": (
        lambda: run(x=(2, 0, 9, 8), filters=(6, 0, 3, 3)),
        ValueError,
        ("x", "(2, 0, 9, 8)", "only the batch may be empty"),
    ),
    "biases": (
        lambda: kernels.forward(ones((2, 4, 9, 8)), ones((6, 4, 3, 3)), ones(5)),
        ValueError,
        ("biases", "(5,)", "one bias per filter", "(6,)"),
    ),
}


def run(*, x: tuple[int, ...] = (2, 4, 9, 8), filters: tuple[int, ...] = (6, 4, 3, 3), **hyper: Any) -> Any:
    return kernels.forward(*arrays(x, filters), **hyper)


@pytest.mark.parametrize(("call", "kind", "words"), ERRORS.values(), ids=ERRORS.keys())
def test_what_is_refused(call: Callable[[], Any], kind: type[Exception], words: tuple[str, ...]) -> None:
    refused(call, kind, *words)


@pytest.mark.parametrize("one", [True, 1.0, np.float32(1)], ids=["bool", "float", "float32"])
def test_what_equals_an_integer_is_none_even_after_a_valid_call(one: Any) -> None:
    x, filters, biases = np.ones((1, 2, 5, 4)), np.ones((3, 2, 2, 2)), np.ones(3)
    hyper = {"stride": (1, 1), "dilation": (1, 1), "groups": 1, "padding": ((1, 1), (1, 1))}
    kernels.forward(x, filters, biases, **hyper)
    for name, value in (("stride", (1, one)), ("dilation", (one, 1)), ("groups", one), ("padding", ((1, one), (1, 1)))):
        with pytest.raises(TypeError, match=name):
            kernels.forward(x, filters, biases, **{**hyper, name: value})


def test_lists_of_sizes_are_taken() -> None:
    y, saved = kernels.forward(*arrays(), stride=[2, 1], padding=[[1, 1], (0, 0)])  # pyright: ignore[reportArgumentType]
    assert saved.geometry.stride == (2, 1)
    assert y.shape == (2, 6, 5, 6)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "dilation"), [(9, 3, 1, 1), (9, 4, 1, 2), (8, 3, 2, 1), (7, 2, 5, 1)]
)
def test_same_padding(size: int, kernel: int, stride: int, dilation: int) -> None:
    padding = kernels.same_padding((size, size), (kernel, kernel), (stride, stride), (dilation, dilation))
    x, filters, biases = arrays((1, 1, size, size), (1, 1, kernel, kernel))
    y, _ = kernels.forward(x, filters, biases, stride=(stride, stride), padding=padding, dilation=(dilation, dilation))
    assert y.shape[2:] == (-(-size // stride),) * 2
    assert padding[0][1] - padding[0][0] in (0, 1)


@pytest.mark.parametrize(
    "padding", [(2, 1), [2, 1], ((2, 2), 1), ((2, 2), [1, 1]), (np.int64(2), np.uint8(1))], ids=str
)
def test_a_number_for_an_axis_is_both_its_sides(padding: Any) -> None:
    _, saved = kernels.forward(*arrays(), padding=padding)
    assert saved.geometry.padding == ((2, 2), (1, 1))
    assert {type(side) for axis in saved.geometry.padding for side in axis} == {int}


def test_same_is_the_padding_that_the_sizes_ask_for() -> None:
    _, saved = kernels.forward(*arrays(), stride=(2, 1), padding="same")
    assert saved.geometry.padding == kernels.same_padding((9, 8), (3, 3), (2, 1))
