"""Operations at their smallest: axes of length 1, arrays without axes, single values."""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from manual import softmax_cross_entropy as cross_entropy

Array = np.ndarray
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


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int64])
def test_labels_of_any_integer_dtype(dtype: Any, rng: np.random.Generator) -> None:
    logits, labels = rng.normal(size=(3, 4)), np.array([3, 0, 1])
    assert (
        cross_entropy.forward(logits, target=labels.astype(dtype))[0]
        == cross_entropy.forward(logits, target=np.eye(4)[labels])[0]
    )


def test_a_certain_and_right_prediction_loses_nothing() -> None:
    loss, _ = cross_entropy.forward(np.array([[1000.0, -1000.0]]), target=np.array([0]))
    assert str(loss) == "0.0"  # and not -0.0


@pytest.mark.parametrize("operation", ["mean_squared_error", "softmax_cross_entropy"])
def test_a_loss_of_nothing_is_refused(operation: str) -> None:
    with pytest.raises(ValueError, match=r"prediction has shape \(0, 3\); a mean over nothing has no value"):
        import_module(f"manual.{operation}").forward(np.ones((0, 3)), target=np.ones((0, 3)))
