"""Which engine runs: the names, the policies, blocks, dtypes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from manual import (
    kernels,
)
from manual.kernels import ENGINES
from tests.manual.kernels.arguments import arrays
from tests.refusals import refused


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: kernels.forward(*arrays(), engine="fft"), ("engine", "'fft'", "one of auto, fast, exact, definition")),
        (
            lambda: kernels.forward(*arrays(), engine="pointwise"),
            ("engine 'pointwise'", "cannot do this", "the kernel is (3, 3)"),
        ),
    ],
)
def test_what_is_refused(call: Callable[[], Any], words: tuple[str, ...]) -> None:
    refused(call, ValueError, *words)


@pytest.mark.parametrize("name", ["definition", "gemm", "small"])
def test_a_block_decides_for_the_calls_inside(name: str) -> None:
    with kernels.use("exact"), kernels.use(name):
        _, saved = kernels.forward(*arrays(), engine="auto")
    assert saved.engine == name
    assert kernels.forward(*arrays(), engine="gemm")[1].engine == "gemm"


def test_a_block_with_an_unknown_name() -> None:
    with pytest.raises(ValueError, match="engine is 'quick'"), kernels.use("quick"):
        pass


def test_exact_means_exact() -> None:
    for x, filters in (
        ((2, 4, 9, 8), (6, 4, 1, 1)),
        ((4, 64, 30, 30), (64, 64, 3, 3)),
        ((2, 32, 40, 40), (32, 32, 9, 9)),
    ):
        with kernels.use("exact"):
            assert ENGINES[kernels.forward(*arrays(x, filters))[1].engine].exact


@pytest.mark.parametrize("dtype", [np.complex128, np.longdouble, np.float16])
def test_other_dtypes_go_to_the_definition(dtype: Any) -> None:
    data = arrays(dtype=dtype)
    y, saved = kernels.forward(*data)
    assert (saved.engine, y.dtype) == ("definition", dtype)
    with pytest.raises(ValueError, match=f"engine 'gemm' .* the arrays have dtype {np.dtype(dtype)}"):
        kernels.forward(*data, engine="gemm")


def test_mixed_dtypes_go_to_the_definition() -> None:
    x, filters, biases = arrays()
    y, saved = kernels.forward(x.astype(np.complex128), filters, biases)
    assert (saved.engine, y.dtype) == ("definition", np.complex128)
