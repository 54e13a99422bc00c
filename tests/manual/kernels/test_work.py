"""What is counted of an engine's work, against counts of another kind; and the choice that is made by it."""

import numpy as np
import pytest

from manual import kernels
from manual.kernels import ENGINES, choice
from manual.kernels.rates import BUILT_IN, seconds
from manual.kernels.work import WORK, Work, products
from tests.manual.kernels.test_engines import draw

MULTIPLY = [name for name in WORK if ENGINES[name].exact and name not in ("depthwise", "banded")]


def test_every_engine_is_counted() -> None:
    assert set(WORK) == set(ENGINES) - {"definition"}


@pytest.mark.parametrize("name", MULTIPLY)
def test_an_exact_engine_multiplies_as_often_as_the_definition(name: str) -> None:
    """Three products' worth, and what a row of ones adds: with one thread, since each has its share."""
    rng = np.random.default_rng(1)
    with kernels.threads.threads(1):
        for _ in range(60):
            geometry = draw(rng, name)
            if not geometry.batch:
                continue
            work = WORK[name](geometry, 4)
            least = 6 * geometry.multiplications
            rows, columns = geometry.size
            places = geometry.positions[0] * geometry.positions[1]
            ones = least / geometry.taps + least  # a row of ones among the taps; at most as much again
            more = max(1, rows * columns / places)  # the input's positions in place of the output's
            assert least * min(1, rows * columns / places) * 0.99 <= work.flops <= ones * more * 1.01, geometry


def test_a_product_is_slower_by_its_short_sides() -> None:
    work = products(3, 10, 20, 40)
    assert work == Work(48_000, 4_800, 2_400, 1_200, calls=work.calls)


@pytest.mark.parametrize("policy", ["auto", "fast", "exact"])
def test_the_choice_is_the_least_estimate(policy: str) -> None:
    rng = np.random.default_rng(2)
    for _ in range(60):
        geometry = draw(rng, "definition")
        chosen = kernels.choose(geometry, np.dtype(np.float32), policy)
        found = choice.estimates(geometry, np.dtype(np.float32), policy)
        assert found[chosen.name] <= min(seconds for name, seconds in found.items() if ENGINES[name].exact)
        assert all(ENGINES[name].refusal(geometry) is None for name in found)


def test_an_engine_that_rounds_more_has_to_be_faster_by_a_tenth(monkeypatch: pytest.MonkeyPatch) -> None:
    geometry = kernels.describe((4, 64, 28, 28), (64, 64, 3, 3), (64,), (1, 1), (1, 1), (1, 1), 1)
    for gain, chosen in ((0.95, "gemm"), (0.85, "winograd4x2")):
        monkeypatch.setattr(choice, "estimates", lambda *_, gain=gain: {"gemm": 1.0, "small": 1.1, "winograd4x2": gain})
        assert kernels.choose(geometry, np.dtype(np.float32)).name == chosen


@pytest.mark.parametrize("channels", [15, 47, 300])
def test_transforms_only_where_their_error_is_known_to_be_small(channels: int) -> None:
    geometry = kernels.describe(
        (4, channels, 56, 56), (channels, channels, 3, 3), (channels,), (1, 1), (1, 1), (1, 1), 1
    )
    for policy in ("auto", "exact"):
        found = choice.estimates(geometry, np.dtype(np.float32), policy)
        assert not {"winograd4x2", "winograd4x4"} & found.keys()
        assert policy == "auto" or all(ENGINES[name].exact for name in found)


def test_explain_says_what_runs_and_why_others_do_not() -> None:
    text = kernels.explain((4, 64, 28, 28), (64, 64, 3, 3), padding=(1, 1))
    first, *lines = text.splitlines()
    chosen = first.partition(",")[0]
    assert chosen in ENGINES
    by_engine = {line.split()[0]: line for line in lines}
    assert set(by_engine) == set(WORK)
    assert "the kernel is (3, 3), not (1, 1)" in by_engine["pointwise"]
    geometry = kernels.describe((4, 64, 28, 28), (64, 64, 3, 3), (64,), (1, 1), (1, 1), (1, 1), 1)
    estimate = seconds(WORK["gemm"](geometry, 4), kernels.rates.rates_of("float32", kernels.num_threads()))
    assert f"{estimate * 1e3:.3g}" in by_engine["gemm"]
    assert BUILT_IN.keys() == {"float32", "float64"}


@pytest.mark.parametrize(
    ("x", "filters", "stride", "padding"),
    [
        ((1, 512, 7, 7), (512, 512, 3, 3), 1, 1),
        ((1, 512, 14, 14), (512, 512, 3, 3), 2, 1),
        ((1, 1024, 14, 14), (2048, 1024, 1, 1), 2, 0),
    ],
)
def test_one_image_under_many_channels_is_shared_out_by_channels(
    monkeypatch: pytest.MonkeyPatch,
    x: tuple[int, ...],
    filters: tuple[int, ...],
    stride: int,
    padding: int,
) -> None:
    """The others fold a single image back on one thread."""
    monkeypatch.setattr(choice, "rates_of", lambda dtype, threads: BUILT_IN[dtype])
    geometry = kernels.describe(x, filters, filters[:1], (stride, stride), (padding, padding), (1, 1), 1)
    with kernels.threads.threads(2):
        for dtype in (np.float32, np.float64):
            assert kernels.choose(geometry, np.dtype(dtype)).name == "channels"


@pytest.mark.parametrize("batch", [1, 4])
def test_a_window_as_large_as_the_image_is_left_to_dense(batch: int) -> None:
    for channels, outputs, side in ((48, 1152, 1), (1152, 48, 1), (16, 120, 5)):
        shapes = (batch, channels, side, side), (outputs, channels, side, side), (outputs,)
        geometry = kernels.describe(*shapes, (1, 1), (0, 0), (1, 1), 1)
        assert kernels.choose(geometry, np.dtype(np.float32)).name == "dense"
