"""Laws of the operations: `forward` and `backward` of every file, called as plain functions."""

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pytest

import manual
from tests.manual.layers import called_by_rows

Array = np.ndarray
Rng = np.random.Generator


class Case(NamedTuple):
    operation: str
    shapes: tuple[tuple[int, ...], ...]  # of the positional arrays
    hyper: Mapping[str, Any] = MappingProxyType({})
    indices: Mapping[int, Array] = MappingProxyType({})  # by position: arrays of integers, which nothing nudges

    def arrays(self, rng: Rng, dtype: type = np.float64) -> list[Array]:
        drawn = [rng.normal(size=shape).astype(dtype) for shape in self.shapes]
        return [self.indices.get(n, a) for n, a in enumerate(drawn)]

    @property
    def module(self) -> Any:
        return import_module(f"manual.{self.operation}")


IMAGES = (2, 4, 7, 6)


CASES = {
    "convolution": Case("convolution", (IMAGES, (6, 4, 3, 2), (6,))),
    "convolution 1x1": Case("convolution", (IMAGES, (6, 4, 1, 1), (6,))),
    "convolution strided": Case("convolution", (IMAGES, (6, 4, 3, 2), (6,)), {"stride": (2, 3), "padding": (1, 2)}),
    "convolution grouped": Case("convolution", (IMAGES, (6, 2, 3, 2), (6,)), {"groups": 2, "dilation": (2, 1)}),
    "convolution same": Case("convolution", (IMAGES, (6, 4, 4, 3), (6,)), {"padding": "same", "stride": (1, 2)}),
    "convolution by definition": Case("convolution", (IMAGES, (6, 4, 3, 3), (6,)), {"engine": "definition"}),
    "max_pooling": Case("max_pooling", (IMAGES,), {"pool_size": (2, 2), "stride": (2, 2)}),
    "max_pooling overlapping": Case("max_pooling", (IMAGES,), {"pool_size": (3, 2), "stride": (2, 1)}),
    "max_pooling with gaps": Case("max_pooling", (IMAGES,), {"pool_size": (1, 2), "stride": (3, 4)}),
    "flatten": Case("flatten", (IMAGES,), {"start_dim": 1, "end_dim": -1}),
    "flatten inner": Case("flatten", (IMAGES,), {"start_dim": -3, "end_dim": 2}),
    "linear": Case("linear", ((3, 5), (5, 4), (4,))),
    **{name: Case(name, ((3, 2, 4),)) for name in ("linear_activation", "relu", "sigmoid", "tanh", "soft_relu")},
    "mean_squared_error": Case("mean_squared_error", ((3, 4),), {"target": np.arange(12.0).reshape(3, 4)}),
    "softmax_cross_entropy": Case("softmax_cross_entropy", ((3, 4),), {"target": np.array([3, 0, 1])}),
    "softmax_cross_entropy soft": Case("softmax_cross_entropy", ((2, 3),), {"target": np.full((2, 3), 0.25)}),
}


BEYOND = {name: Case(*call) for name, call in called_by_rows().items()}
CASES |= BEYOND


# Of the layers beyond the lecture's the first case of each; the others with the proofs.
FIRST = {case.operation: name for name, case in reversed(BEYOND.items())}
LATER = BEYOND.keys() - FIRST.values()

every_case = pytest.mark.parametrize(
    "case",
    [pytest.param(c, id=name, marks=[pytest.mark.proof] if name in LATER else []) for name, c in CASES.items()],
)


def passed(case: Case, arrays: list[Array]) -> tuple[Any, Any]:
    """y and what is saved; a state in the dtype of the arrays, and what it becomes, are left aside."""
    real = np.real(arrays[-1]).dtype
    hyper = {k: v.astype(real) if is_floating(v) else v for k, v in case.hyper.items()}
    return case.module.forward(*arrays, **hyper)[:2]


def is_floating(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def run(case: Case, arrays: list[Array], g: Array | None = None) -> tuple[Any, Array, tuple[Array, ...]]:
    """y, the gradient that went back, the gradients that came."""
    y, saved = passed(case, arrays)
    g = np.random.default_rng(1).normal(size=y.shape).astype(y.dtype) if g is None else g
    return y, g, case.module.backward(g, saved)


@every_case
def test_the_complex_step_confirms_every_gradient(case: Case, rng: Rng) -> None:
    """Along any direction V, ⟨G, Im f(X + ihV) / h⟩ = ⟨∂L/∂X, V⟩ to rounding: nothing is subtracted, so h can be tiny.

    Decisions (a mask, a maximum, a branch) are taken by the real part, the rest is analytic.
    """
    arrays, h = case.arrays(rng), 1e-30
    _, g, gradients = run(case, arrays)
    for at, gradient in enumerate(gradients):
        if at in case.indices:
            assert not gradient.any()
            continue
        direction = rng.normal(size=arrays[at].shape)
        nudged: list[Array] = list(arrays)
        nudged[at] = arrays[at] + 1j * h * direction
        y = passed(case, [a if n in case.indices else a.astype(complex) for n, a in enumerate(nudged)])[0]
        assert y.dtype == np.complex128
        moved = np.sum(g * np.imag(y) / h)
        scale = np.sum(np.abs(gradient * direction)) + np.sum(np.abs(g * np.imag(y) / h))
        assert abs(moved - np.sum(gradient * direction)) <= 1e-13 * scale, at


@every_case
def test_one_gradient_per_positional_array_in_its_shape(case: Case, rng: Rng) -> None:
    arrays = case.arrays(rng)
    gradients = run(case, arrays)[2]
    assert isinstance(gradients, tuple)
    assert [gradient.shape for gradient in gradients] == [a.shape for a in arrays]


@every_case
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_is_kept(case: Case, dtype: type, rng: Rng) -> None:
    y, _, gradients = run(case, case.arrays(rng, dtype))
    assert y.dtype == dtype
    assert [gradient.dtype for gradient in gradients] == [dtype] * len(gradients)


def read_only(a: Array) -> Array:
    a.flags.writeable = False
    return a


def strided(a: Array) -> Array:
    """The same numbers, nowhere next to each other in memory."""
    wide = np.zeros(tuple(2 * n for n in a.shape), a.dtype)
    view = wide[(slice(None, None, 2),) * a.ndim]
    view[...] = a
    return view


def fortran(a: Array) -> Array:
    return np.asfortranarray(a)


def backwards(a: Array) -> Array:
    """Negative strides."""
    everywhere = (slice(None, None, -1),) * a.ndim
    return a[everywhere].copy()[everywhere]


@every_case
@pytest.mark.parametrize("form", [read_only, strided, fortran, backwards])
def test_any_layout_in_memory_is_read_and_none_is_written_to(
    case: Case, form: Callable[[Array], Array], rng: Rng
) -> None:
    plain = case.arrays(rng)
    y, g, gradients = run(case, plain)
    formed = [form(a.copy()) for a in plain]
    arriving = form(np.array(g)) if np.ndim(g) else g
    before = [a.tobytes() for a in [*formed, np.asarray(arriving)]]
    other_y, _, other_gradients = run(case, formed, arriving)
    assert before == [a.tobytes() for a in [*formed, np.asarray(arriving)]]
    for a, b in zip((y, *gradients), (other_y, *other_gradients), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-12, atol=1e-12)


@every_case
def test_results_are_new_arrays(case: Case, rng: Rng) -> None:
    arrays = case.arrays(rng)
    y, g, gradients = run(case, arrays)
    if case.operation != "flatten":  # a reshape may return a view
        results = [np.asarray(y), *gradients]
        assert not any(np.shares_memory(r, a) for r in results for a in [*arrays, np.asarray(g)])
        assert not any(np.shares_memory(a, b) for i, a in enumerate(results) for b in results[:i])


@every_case
def test_the_caller_may_write_to_the_output(case: Case, rng: Rng) -> None:
    """`g = forward(x); g -= target; backward(g)` is how the gradient of a squared error is written."""
    arrays = case.arrays(rng)
    y, g, expected = run(case, [a.copy() for a in arrays])
    again, saved = passed(case, arrays)
    if np.ndim(y):
        again[...] = 7.0
    for a, b in zip(expected, case.module.backward(g, saved), strict=True):
        np.testing.assert_array_equal(a, b)


@every_case
def test_two_passes_do_not_share_what_they_save(case: Case, rng: Rng) -> None:
    """Shapes are equal, so whatever is kept per shape is the same for both."""
    first, second = case.arrays(rng), case.arrays(rng)
    y, g, expected = run(case, [a.copy() for a in first])
    one, saved = passed(case, first)
    passed(case, second)
    np.testing.assert_array_equal(one, y)
    gradients = case.module.backward(g, saved)
    run(case, second)
    for again in (gradients, case.module.backward(g, saved)):
        for a, b in zip(expected, again, strict=True):
            np.testing.assert_array_equal(a, b)


# A batch norm in training refuses a batch of which it cannot take the variance; weights have no batch.
IMAGED = [name for name, case in CASES.items() if len(case.shapes[0]) == 4 or name == "linear"]
WITH_EMPTY = [name for name in IMAGED if CASES[name].operation != "weight_norm"]


@pytest.mark.parametrize("name", [name for name in WITH_EMPTY if not CASES[name].hyper.get("training")])
def test_an_empty_batch(name: str, rng: Rng) -> None:
    case = CASES[name]
    arrays = case.arrays(rng)
    filtered = "convolution" in case.operation  # filters have as many axes as images, and no batch
    cut = [a[:0] if a.ndim == arrays[0].ndim and not filtered else a for a in arrays[1:]]
    cut = cut if name in BEYOND else arrays[1:]
    y, _, gradients = run(case, [arrays[0][:0], *cut])
    assert y.size == 0
    if case.operation != "flatten" or case.hyper["start_dim"] != -3:
        assert y.shape[0] == 0
    assert gradients[0].shape == (0, *arrays[0].shape[1:])
    assert all(not gradient.any() for gradient in gradients[1:])


ELEMENTWISE = ("linear_activation", "relu", "sigmoid", "tanh", "soft_relu")


ONES: dict[str, tuple[str, tuple[tuple[int, ...], ...], dict[str, Any]]] = {
    "convolution": ("convolution", ((1, 1, 1, 1), (1, 1, 1, 1), (1,)), {}),
    "convolution, padded": ("convolution", ((1, 1, 1, 1), (1, 1, 3, 3), (1,)), {"padding": (1, 1)}),
    "convolution by definition": ("convolution", ((1, 1, 2, 2), (1, 1, 1, 1), (1,)), {"engine": "definition"}),
    "max pooling": ("max_pooling", ((1, 1, 2, 2),), {"pool_size": (1, 1)}),
    "linear": ("linear", ((1, 1), (1, 1), (1,)), {}),
    "linear, one sample": ("linear", ((1, 3), (3, 2), (2,)), {}),
    **{name: (name, ((1,),), {}) for name in ELEMENTWISE},
    "mean squared error": ("mean_squared_error", ((1,),), {"target": np.zeros(1)}),
    "cross-entropy": ("softmax_cross_entropy", ((1, 1),), {"target": np.array([[0.5]])}),
}


def held(saved: Any) -> Iterator[Array]:
    """Every array in what a forward pass saved."""
    if isinstance(saved, np.ndarray):
        yield saved
    elif isinstance(saved, tuple):
        for part in saved:
            yield from held(part)


@pytest.mark.parametrize(("operation", "shapes", "keywords"), ONES.values(), ids=ONES.keys())
def test_where_a_sum_has_one_term_the_result_is_still_a_copy(
    operation: str, shapes: Any, keywords: dict[str, Any], rng: np.random.Generator
) -> None:
    """A sum over an axis of length 1 could be answered by a view."""
    module = import_module(f"manual.{operation}")
    arrays = [rng.normal(size=shape) for shape in shapes]
    y, saved = module.forward(*arrays, **keywords)
    g = rng.normal(size=np.shape(y)) if np.ndim(y) else np.array(0.5)
    gradients = module.backward(g, saved)
    given = [*arrays, g, *keywords.values(), *held(saved)]
    given = [a for a in given if isinstance(a, np.ndarray)]
    for n, mine in enumerate((np.asarray(y), *gradients)):
        assert not any(np.shares_memory(mine, theirs) for theirs in given)
        assert not any(np.shares_memory(mine, other) for other in gradients[n:])
        assert mine.flags.writeable


@pytest.mark.parametrize("operation", ELEMENTWISE)
def test_a_single_number_is_an_array_without_axes(operation: str) -> None:
    module = import_module(f"manual.{operation}")
    for dtype in (np.float32, np.float64):
        y, saved = module.forward(np.array(0.5, dtype))
        (grad_x,) = module.backward(np.array(2, dtype), saved)
        assert (np.shape(y), np.shape(grad_x)) == ((), ())
        assert (y.dtype, grad_x.dtype) == (dtype, dtype)


@pytest.mark.parametrize("operation", ELEMENTWISE)
def test_nan_stays_nan(operation: str) -> None:
    assert np.isnan(import_module(f"manual.{operation}").forward(np.array([np.nan]))[0]).all()


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "soft_relu"])
def test_large_complex_arguments_do_not_overflow(name: str) -> None:
    module = import_module(f"manual.{name}")
    x = np.array([-1000.0, -1.0, 0.0, 1.0, 1000.0])
    slope = np.imag(module.forward(x + 1e-30j)[0]) / 1e-30
    np.testing.assert_allclose(slope, module.backward(np.ones(5), module.forward(x)[1])[0], rtol=1e-13, atol=1e-300)


def test_every_operation_is_in_the_table() -> None:
    """A file with a forward and a backward and no case here fails."""
    folder = Path(manual.__file__).parent
    modules = {path.stem for path in folder.glob("*.py") if "\ndef backward(" in path.read_text(encoding="utf-8")}
    assert modules == {case.operation for case in CASES.values()}
