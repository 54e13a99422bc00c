"""Max pooling: its definition by hand, and the fast path against its definition."""

from typing import Any, NamedTuple

import numpy as np
import pytest

from manual import MaxPoolingLayer, max_pooling
from manual.machine import pooling
from manual.machine.plans import cache
from manual.machine.threads import threads
from tests.refusals import refused

Array = np.ndarray
Rng = np.random.Generator


# ---------------------------------------------------------------------- the definition, by hand


def by_loops(x: Array, pool_size: tuple[int, int], stride: tuple[int, int], g: Array) -> tuple[Array, Array]:
    """Equations (1) and (3), one comparison at a time."""
    (p, q), (s, t) = pool_size, stride
    y, grad_x = np.empty_like(g), np.zeros_like(x)
    for b, c, h, w in np.ndindex(g.shape):
        best = (0, 0)
        for i, j in np.ndindex(p, q):
            if x[b, c, s * h + i, t * w + j] > x[b, c, s * h + best[0], t * w + best[1]]:
                best = (i, j)
        y[b, c, h, w] = x[b, c, s * h + best[0], t * w + best[1]]
        grad_x[b, c, s * h + best[0], t * w + best[1]] += g[b, c, h, w]
    return y, grad_x


@pytest.mark.parametrize("seed", range(30))
def test_the_definition_is_the_maximum_of_every_window(seed: int) -> None:
    """At integers, where ties are common and sums exact."""
    rng = np.random.default_rng(seed)
    pool_size, stride = pairs(rng), pairs(rng)
    x = rng.integers(-3, 4, (2, 2, *(rng.integers(0, 6, 2) + pool_size))).astype(float)
    y = max_pooling.values(x, pool_size, stride)
    g = rng.integers(-9, 10, y.shape).astype(float)
    wanted, wanted_grad = by_loops(x, pool_size, stride, g)
    np.testing.assert_array_equal(y, wanted)
    np.testing.assert_array_equal(max_pooling.gradient(g, x, pool_size, stride), wanted_grad)


def pairs(rng: Rng) -> tuple[int, int]:
    rows, columns = (int(n) for n in rng.integers(1, 5, 2))
    return rows, columns


# ---------------------------------------------------------------------- the fast path is the definition


class Drawn(NamedTuple):
    x: Array
    g: Array
    pool_size: tuple[int, int]
    stride: tuple[int, int]


VALUES = ("normal", "ties", "zeros of both signs", "infinite", "NaN", "all NaN")


def draw(rng: Rng, values: str, dtype: Any) -> Drawn:
    """Windows that overlap, lie apart or fill the image; images of one entry; rows that no window reaches."""
    pool_size, stride = pairs(rng), pairs(rng)
    more = rng.integers(0, 9, 2) * (rng.random() < 0.9)
    shape = (*(int(n) for n in rng.integers(1, 5, 2)), *(int(n) for n in more + pool_size))
    x = rng.normal(size=shape).astype(dtype)
    if values != "normal":
        x = np.round(x)
    if values == "zeros of both signs":
        x = np.where(rng.random(shape) < 0.5, -0.0, 0.0).astype(dtype) * (np.abs(x) < 1) + np.minimum(x, 0)
    special = {"infinite": [np.inf, -np.inf], "NaN": [np.nan, np.inf, -np.inf], "all NaN": [np.nan]}.get(values)
    if special:
        x[rng.random(shape) < (1 if values == "all NaN" else 0.3)] = rng.choice(special)
    y = max_pooling.values(x, pool_size, stride)
    g = rng.normal(size=y.shape).astype(dtype)
    g[rng.random(g.shape) < 0.1] = -0.0
    if rng.random() < 0.3:
        x, g = np.asfortranarray(x), g[..., ::-1]
    return Drawn(x, g, pool_size, stride)


def same_bits(mine: Array, theirs: Array) -> None:
    """Equal floats of one dtype have the same bits, but for zeros, whose sign is not promised, and for NaN."""
    assert mine.dtype == theirs.dtype
    np.testing.assert_array_equal(mine, theirs, strict=True)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("values", VALUES)
@pytest.mark.parametrize("seed", range(20))
def test_the_fast_path_is_the_definition_bit_for_bit(
    values: str, dtype: Any, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sums of several windows included, since both add tap by tap. A few images at a time, on several threads."""
    rng = np.random.default_rng([seed, VALUES.index(values)])
    monkeypatch.setattr(pooling, "AT_ONCE", int(rng.integers(1, 4000)))
    monkeypatch.setattr(pooling, "PARALLEL", int(rng.integers(2)) * 10**9)
    for _ in range(5):
        x, g, pool_size, stride = draw(rng, values, dtype)
        with threads(int(rng.integers(1, 4))):
            y, saved = max_pooling.forward(x, pool_size=pool_size, stride=stride)
            (grad_x,) = max_pooling.backward(g, saved)
        same_bits(y, max_pooling.values(x, pool_size, stride))
        same_bits(grad_x, max_pooling.gradient(g, x, pool_size, stride))


@pytest.mark.parametrize("seed", range(20))
def test_of_complex_numbers_the_largest_real_part_wins_and_nan_above_all(seed: int) -> None:
    """The same entries win as of the real parts alone: what a complex step along X relies on."""
    rng = np.random.default_rng(seed)
    x, g, pool_size, stride = draw(rng, VALUES[seed % len(VALUES)], np.float64)
    nudged = x + 0j
    nudged.imag = rng.normal(size=x.shape)
    y, saved = max_pooling.forward(nudged, pool_size=pool_size, stride=stride)
    real, real_saved = max_pooling.forward(x, pool_size=pool_size, stride=stride)
    np.testing.assert_array_equal(np.real(y), real)
    np.testing.assert_array_equal(max_pooling.backward(g, saved)[0], max_pooling.backward(g, real_saved)[0])


def test_nothing_is_kept_between_calls(rng: Rng) -> None:
    """The same scratch serves both calls: NaN and infinities of the first must not reach the second."""
    hyper: dict[str, Any] = {"pool_size": (3, 2), "stride": (2, 2)}
    x = rng.normal(size=(2, 3, 7, 9))
    _, saved = max_pooling.forward(np.full_like(x, np.nan), **hyper)
    max_pooling.backward(np.full(saved.y.shape, np.inf), saved)
    y, saved = max_pooling.forward(x, **hyper)
    g = rng.normal(size=y.shape)
    same_bits(max_pooling.backward(g, saved)[0], max_pooling.gradient(g, x, (3, 2), (2, 2)))


def test_pooling_of_nothing() -> None:
    y, saved = max_pooling.forward(np.zeros((0, 3, 4, 4)), pool_size=(2, 2))
    assert y.shape == (0, 3, 2, 2)
    assert max_pooling.backward(y, saved)[0].shape == (0, 3, 4, 4)
    cache.clear()


# ---------------------------------------------------------------------- who wins, and what they get


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
def test_any_number_is_taken_without_a_warning(value: str, dtype: type) -> None:
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


# ---------------------------------------------------------------------- the layer, and refusals


def test_the_stride_is_the_pool_size_unless_given() -> None:
    assert MaxPoolingLayer((2, 3)).stride == (2, 3)
    assert MaxPoolingLayer((2, 3), 1).stride == (1, 1)


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda: MaxPoolingLayer((2, False)), TypeError, ("columns of pool_size", "bool False", "an integer")),
        (lambda: MaxPoolingLayer(2, (0, 1)), ValueError, ("rows of stride", "is 0", "at least 1")),
        (
            lambda: max_pooling.forward(np.ones((1, 1, 3, 3)), pool_size=(0, 2)),
            ValueError,
            ("rows of pool_size", "is 0", "at least 1"),
        ),
        (lambda: MaxPoolingLayer(2).forward(np.ones(3)), ValueError, ("x", "(3,)", "4 axes (B, C, H, W)")),
        (
            lambda: MaxPoolingLayer((2, 3)).forward(np.ones((1, 1, 2, 2))),
            ValueError,
            ("pool_size", "(2, 3)", "fit the input", "(2, 2)"),
        ),
    ],
)
def test_what_is_refused(call: Any, kind: type[Exception], words: tuple[str, ...]) -> None:
    refused(call, kind, *words)


@pytest.mark.parametrize("dilation", [(1, 1), (2, 1)])  # by the fast path, and by definition
def test_padding_wins_against_no_entry_of_minus_infinity(dilation: tuple[int, int], rng: np.random.Generator) -> None:
    """As in PyTorch; the twin's padding is made of numbers, and takes the gradient there."""
    x = rng.normal(size=(2, 3, 6, 5))
    x[0, 1, :3, :2] = -np.inf
    hyper: dict[str, Any] = {"pool_size": (2, 2), "stride": (1, 2), "padding": (1, 1), "dilation": dilation}
    y, saved = max_pooling.forward(x, **hyper)
    g, nudge = (rng.integers(-9, 9, one.shape).astype(float) for one in (y, x))  # whose sums are exact
    (grad_x,) = max_pooling.backward(g, saved)
    expected = np.zeros_like(x)
    for b, c, h, w in np.ndindex(y.shape):
        places = [(h + dilation[0] * i - 1, 2 * w + dilation[1] * j - 1) for i in range(2) for j in range(2)]
        inside = [at for at in places if 0 <= at[0] < 6 and 0 <= at[1] < 5]
        winner = max(inside, key=lambda at: x[b, c, at[0], at[1]])  # the first of equal ones
        expected[b, c, winner[0], winner[1]] += g[b, c, h, w]
    np.testing.assert_array_equal(grad_x, expected)
    assert np.count_nonzero(y == -np.inf) > 1
    assert np.vdot(g, max_pooling.tangent(nudge, saved)) == np.vdot(grad_x, nudge)
