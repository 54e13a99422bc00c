"""Laws of the operations: `forward` and `backward` of every file, called as plain functions."""

from collections.abc import Callable, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pytest

from manual import convolution, flatten, linear, max_pooling, mean_squared_error, relu, sigmoid, soft_relu
from manual import softmax_cross_entropy as cross_entropy

Array = np.ndarray
Rng = np.random.Generator


class Case(NamedTuple):
    operation: str
    shapes: tuple[tuple[int, ...], ...]  # of the positional arrays
    hyper: Mapping[str, Any] = MappingProxyType({})

    def arrays(self, rng: Rng, dtype: type = np.float64) -> list[Array]:
        return [rng.normal(size=shape).astype(dtype) for shape in self.shapes]

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
every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


def run(case: Case, arrays: list[Array], g: Array | None = None) -> tuple[Any, Array, tuple[Array, ...]]:
    """y, the gradient that went back, the gradients that came."""
    y, saved = case.module.forward(*arrays, **case.hyper)
    g = np.random.default_rng(1).normal(size=y.shape).astype(y.dtype) if g is None else g
    return y, g, case.module.backward(g, saved)


# ---------------------------------------------------------------------- the gradients


@every_case
def test_the_complex_step_confirms_every_gradient(case: Case, rng: Rng) -> None:
    """Along any direction V, ⟨G, Im f(X + ihV) / h⟩ = ⟨∂L/∂X, V⟩ to rounding: nothing is subtracted, so h can be tiny.

    Decisions (a mask, a maximum, a branch) are taken by the real part, the rest is analytic.
    """
    arrays, h = case.arrays(rng), 1e-30
    _, g, gradients = run(case, arrays)
    for at, gradient in enumerate(gradients):
        direction = rng.normal(size=arrays[at].shape)
        nudged: list[Array] = list(arrays)
        nudged[at] = arrays[at] + 1j * h * direction
        y = case.module.forward(*(a.astype(complex) for a in nudged), **case.hyper)[0]
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


# ---------------------------------------------------------------------- whose arrays are whose


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
    again, saved = case.module.forward(*arrays, **case.hyper)
    if np.ndim(y):
        again[...] = 7.0
    for a, b in zip(expected, case.module.backward(g, saved), strict=True):
        np.testing.assert_array_equal(a, b)


@every_case
def test_two_passes_do_not_share_what_they_save(case: Case, rng: Rng) -> None:
    """Shapes are equal, so whatever is kept per shape is the same for both."""
    first, second = case.arrays(rng), case.arrays(rng)
    y, g, expected = run(case, [a.copy() for a in first])
    one, saved = case.module.forward(*first, **case.hyper)
    case.module.forward(*second, **case.hyper)
    np.testing.assert_array_equal(one, y)
    gradients = case.module.backward(g, saved)
    run(case, second)
    for again in (gradients, case.module.backward(g, saved)):
        for a, b in zip(expected, again, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if len(case.shapes[0]) == 4 or name == "linear"])
def test_an_empty_batch(name: str, rng: Rng) -> None:
    case = CASES[name]
    arrays = case.arrays(rng)
    y, _, gradients = run(case, [arrays[0][:0], *arrays[1:]])
    assert y.size == 0
    if case.operation != "flatten" or case.hyper["start_dim"] != -3:
        assert y.shape[0] == 0
    assert gradients[0].shape == (0, *arrays[0].shape[1:])
    assert all(not gradient.any() for gradient in gradients[1:])


# ---------------------------------------------------------------------- each operation by itself


@pytest.mark.parametrize(("stride", "padding"), [((1, 1), (0, 0)), ((2, 1), (1, 2))])
def test_the_convolution_is_the_lectures_sum(stride: tuple[int, int], padding: tuple[int, int], rng: Rng) -> None:
    x, w, bias = (rng.integers(-4, 5, shape).astype(float) for shape in ((2, 3, 5, 6), (4, 3, 2, 3), (4,)))
    padded = np.pad(x, ((0, 0), (0, 0), (padding[0],) * 2, (padding[1],) * 2))
    y = convolution.forward(x, w, bias, stride=stride, padding=padding)[0]
    for b, c, h, i_w in np.ndindex(y.shape):
        window = padded[b, :, h * stride[0] : h * stride[0] + 2, i_w * stride[1] : i_w * stride[1] + 3]
        assert y[b, c, h, i_w] == np.sum(window * w[c]) + bias[c]  # integers: exact


def test_the_filter_is_not_flipped_on_the_way_forward_and_is_on_the_way_back() -> None:
    w = np.array([[[[1.0, 2.0], [3.0, 4.0]]]])
    one = np.zeros((1, 1, 3, 3))
    one[0, 0, 1, 1] = 1.0
    y, saved = convolution.forward(one, w, np.zeros(1))
    np.testing.assert_array_equal(y[0, 0], [[4, 3], [2, 1]])
    g = np.zeros((1, 1, 2, 2))
    g[0, 0, 0, 1] = 1.0
    grad_x = convolution.backward(g, saved)[0]
    np.testing.assert_array_equal(grad_x[0, 0], [[0, 1, 2], [0, 3, 4], [0, 0, 0]])


@pytest.mark.parametrize(
    "wrong", [{"stride": (True, 1)}, {"stride": (1.0, 1)}, {"dilation": (1, True)}, {"groups": True}]
)
def test_a_size_that_only_equals_an_integer_is_refused_every_time(wrong: dict[str, Any]) -> None:
    """True == 1.0 == 1, so what is remembered of an equal, right configuration must not answer for a wrong one."""
    arrays = np.ones((1, 1, 3, 3)), np.ones((1, 1, 2, 2)), np.ones(1)
    convolution.forward(*arrays, stride=(1, 1), dilation=(1, 1), groups=1)
    with pytest.raises(TypeError, match="must be an integer"):
        convolution.forward(*arrays, **wrong)


def test_the_linear_layer_by_hand() -> None:
    x, w, bias = np.array([[1.0, 2.0]]), np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), np.array([10.0, 20.0, 30.0])
    y, saved = linear.forward(x, w, bias)
    np.testing.assert_array_equal(y, [[19, 32, 45]])
    grad_x, grad_w, grad_bias = linear.backward(np.array([[1.0, 0.0, -1.0]]), saved)
    np.testing.assert_array_equal(grad_x, [[-2, -2]])
    np.testing.assert_array_equal(grad_w, [[1, 0, -1], [2, 0, -2]])
    np.testing.assert_array_equal(grad_bias, [1, 0, -1])


def test_of_equal_maxima_the_first_in_row_major_order_wins() -> None:
    """Decided by the order of the window, not of memory or of the columns: (0, 2) before (1, 0)."""
    x = np.array([[[[0.0, 1.0, 5.0], [5.0, 2.0, 5.0]]]])
    y, saved = max_pooling.forward(x, pool_size=(2, 3), stride=(1, 1))
    np.testing.assert_array_equal(y, [[[[5.0]]]])
    np.testing.assert_array_equal(max_pooling.backward(np.ones_like(y), saved)[0], [[[[0, 0, 1], [0, 0, 0]]]])


def test_a_constant_image_gives_everything_to_the_first_entry_of_each_window() -> None:
    y, saved = max_pooling.forward(np.zeros((1, 1, 4, 4)), pool_size=(2, 2), stride=(2, 2))
    expected = np.zeros((1, 1, 4, 4))
    expected[..., ::2, ::2] = y + np.array([[1, 2], [3, 4]])
    np.testing.assert_array_equal(max_pooling.backward(np.array([[[[1.0, 2], [3, 4]]]]), saved)[0], expected)


def test_overlapping_windows_add_up() -> None:
    x = np.zeros((1, 1, 3, 3))
    x[0, 0, 1, 1] = 1.0
    _, saved = max_pooling.forward(x, pool_size=(2, 2), stride=(1, 1))
    grad_x = max_pooling.backward(np.array([[[[1.0, 20.0], [300.0, 4000.0]]]]), saved)[0]
    np.testing.assert_array_equal(grad_x, 4321.0 * x)


def test_what_no_whole_window_reaches_is_left_out() -> None:
    x = np.zeros((1, 1, 3, 5))
    x[0, 0, 2, 4] = 9.0
    y, saved = max_pooling.forward(x, pool_size=(2, 2), stride=(2, 2))
    np.testing.assert_array_equal(y, np.zeros((1, 1, 1, 2)))
    assert not max_pooling.backward(np.ones_like(y), saved)[0][0, 0, 2].any()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", ["max", "inf", "-inf", "nan"])
def test_pooling_takes_any_number_without_a_warning(value: str, dtype: type) -> None:
    big = np.finfo(dtype).max if value == "max" else dtype(value)
    x = np.zeros((1, 1, 4, 4), dtype)
    x[0, 0, 2:, 2:] = big
    x[0, 0, 0, 0] = -big
    y, saved = max_pooling.forward(x, pool_size=(2, 2), stride=(2, 2))
    np.testing.assert_array_equal(y[0, 0, 1, 1], big)
    g = np.full((1, 1, 2, 2), np.finfo(dtype).max, dtype)
    g[0, 0, 0, 1] = np.inf
    grad_x = max_pooling.backward(g, saved)[0]
    np.testing.assert_array_equal(np.sort(grad_x[grad_x != 0]), np.sort(g.ravel()))  # each to one winner
    assert grad_x[0, 0, 2, 2] == g[0, 0, 1, 1]


def test_the_derivative_of_relu_at_zero_is_zero() -> None:
    y, saved = relu.forward(np.array([-1.0, -0.0, 0.0, 1.0, np.nan]))
    np.testing.assert_array_equal(y, [0, 0, 0, 1, np.nan])
    np.testing.assert_array_equal(relu.backward(np.ones(5), saved)[0], [0, 0, 0, 1, 0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_arguments_do_not_overflow(dtype: type) -> None:
    x = np.array([-np.inf, -1000, -100, 0, 100, 1000, np.inf], dtype)
    y, saved = soft_relu.forward(x)
    np.testing.assert_allclose(y, [0, 0, np.exp(dtype(-100)), np.log(2), 100, 1000, np.inf], rtol=1e-6)
    np.testing.assert_allclose(soft_relu.backward(np.ones_like(x), saved)[0], [0, 0, y[2], 0.5, 1, 1, 1], rtol=1e-6)
    y, saved = sigmoid.forward(x)
    np.testing.assert_allclose(y, [0, 0, np.exp(dtype(-100)), 0.5, 1, 1, 1], rtol=1e-6)
    assert np.isfinite(sigmoid.backward(np.ones_like(x), saved)[0]).all()


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "soft_relu"])
def test_large_complex_arguments_do_not_overflow(name: str) -> None:
    module = import_module(f"manual.{name}")
    x = np.array([-1000.0, -1.0, 0.0, 1.0, 1000.0])
    slope = np.imag(module.forward(x + 1e-30j)[0]) / 1e-30
    np.testing.assert_allclose(slope, module.backward(np.ones(5), module.forward(x)[1])[0], rtol=1e-13, atol=1e-300)


def test_flatten_joins_the_axes_asked_for() -> None:
    x = np.arange(120.0).reshape(2, 3, 4, 5)
    shapes = {(1, -1): (2, 60), (0, -1): (120,), (2, 3): (2, 3, 20), (-3, -2): (2, 12, 5), (1, 1): (2, 3, 4, 5)}
    for (start, end), shape in shapes.items():
        y, saved = flatten.forward(x, start_dim=start, end_dim=end)
        assert y.shape == shape
        np.testing.assert_array_equal(y.ravel(), x.ravel())
        np.testing.assert_array_equal(flatten.backward(y, saved)[0], x)


# ---------------------------------------------------------------------- the losses


def test_the_mean_squared_error_by_hand() -> None:
    value, saved = mean_squared_error.forward(np.array([[1.0, 2.0], [3.0, 5.0]]), target=np.array([[1, 0], [0, 1]]))
    assert value == (0 + 4 + 9 + 16) / 4
    np.testing.assert_array_equal(mean_squared_error.backward(np.float64(2), saved)[0], [[0, 2], [3, 4]])


def test_labels_stand_for_certain_probabilities(rng: Rng) -> None:
    logits, labels = rng.normal(size=(4, 3)), np.array([2, 0, 0, 1])
    by_label = cross_entropy.forward(logits, target=labels)
    by_probability = cross_entropy.forward(logits, target=np.eye(3)[labels])
    assert by_label[0] == by_probability[0]
    one = np.float64(1)
    np.testing.assert_array_equal(
        cross_entropy.backward(one, by_label[1]), cross_entropy.backward(one, by_probability[1])
    )


def test_equal_logits_cost_the_logarithm_of_the_classes() -> None:
    value, saved = cross_entropy.forward(np.zeros((2, 4)), target=np.array([0, 3]))
    assert abs(value - np.log(4)) < 1e-15
    np.testing.assert_array_equal(cross_entropy.backward(np.float64(8), saved)[0], [[-3, 1, 1, 1], [1, 1, 1, -3]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_logits_of_a_thousand(dtype: type) -> None:
    logits = np.array([[1000, -1000, 0], [-1000, 1000, 1000], [-1000, -1000, -1000]], dtype)
    for labels, expected in (([0, 1, 2], [0, np.log(2), np.log(3)]), ([1, 0, 0], [2000, 2000 + np.log(2), np.log(3)])):
        value, saved = cross_entropy.forward(logits, target=np.array(labels))
        np.testing.assert_allclose(value, np.mean(expected), rtol=1e-6)
        gradient = cross_entropy.backward(dtype(1), saved)[0]
        assert np.isfinite(gradient).all()
        np.testing.assert_allclose(gradient.sum(axis=1), 0, atol=1e-6)


def test_an_impossible_class_costs_nothing_where_it_is_not_the_target() -> None:
    value, saved = cross_entropy.forward(np.array([[0.0, -np.inf]]), target=np.array([0]))
    assert value == 0
    np.testing.assert_array_equal(cross_entropy.backward(np.float64(1), saved)[0], [[0, 0]])


def test_every_operation_is_in_the_table() -> None:
    """A file with a forward and a backward and no case here fails."""
    from pathlib import Path

    import manual

    folder = Path(manual.__file__).parent
    modules = {path.stem for path in folder.glob("*.py") if "\ndef backward(" in path.read_text(encoding="utf-8")}
    assert modules == {case.operation for case in CASES.values()}
