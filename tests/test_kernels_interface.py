"""The interface of the kernels: errors in words, the choice, threads, plans."""

import multiprocessing
import pickle
import threading
import tracemalloc
from typing import Any

import numpy as np
import pytest

from manual import kernels
from manual.kernels import ENGINES, gemm, threads, transform, winograd
from manual.kernels.stages import Stages, groups

Array = np.ndarray


def arrays(x: tuple[int, ...] = (2, 4, 9, 8), filters: tuple[int, ...] = (6, 4, 3, 3), dtype: Any = np.float64) -> Any:
    """x, filters, biases."""
    rng = np.random.default_rng(0)
    return tuple(rng.standard_normal(shape).astype(dtype) for shape in (x, filters, filters[:1]))


# ---------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("changed", "hyperparameters", "words"),
    [
        ({"x": (2, 4, 9)}, {}, r"x has shape \(2, 4, 9\); it must have 4 axes \(B, C_in, H, W\)"),
        ({"filters": (6, 3, 3, 3)}, {}, r"x has 4 channels .* take 3"),
        ({}, {"groups": 4}, "groups is 4; it does not divide the 6 filters"),
        ({}, {"groups": 2}, r"x has 4 channels .* take 4 in each of 2 groups"),
        ({}, {"stride": (0, 1)}, "rows of stride is 0; it must be at least 1"),
        ({}, {"dilation": (1, 0)}, "columns of dilation is 0"),
        ({}, {"padding": (1, 1, 1)}, r"padding is \(1, 1, 1\); it must be a pair"),
        ({}, {"padding": ((1, -1), (0, 0))}, "bottom of padding is -1; it must be at least 0"),
        ({}, {"dilation": (1, 4)}, r"kernel \(3, 3\) \(dilated to \(3, 9\)\) does not fit the padded input \(9, 8\)"),
        ({}, {"engine": "fft"}, "engine is 'fft'; it must be one of auto, fast, exact, definition"),
        ({}, {"engine": "pointwise"}, r"engine 'pointwise' cannot do this convolution: the kernel is \(3, 3\)"),
        ({"x": (2, 0, 9, 8), "filters": (6, 0, 3, 3)}, {}, "only the batch may be empty"),
    ],
)
def test_errors(changed: dict[str, Any], hyperparameters: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        kernels.forward(*arrays(**changed), **hyperparameters)


def test_a_gradient_of_another_shape() -> None:
    y, saved = kernels.forward(*arrays())
    with pytest.raises(ValueError, match=r"grad_output has shape \(2, 6, 7\); the output has shape \(2, 6, 7, 6\)"):
        kernels.backward(y[..., 0], saved)


def test_biases_of_another_shape() -> None:
    x, filters, _ = arrays()
    with pytest.raises(ValueError, match=r"biases has shape \(5,\); one bias per filter has shape \(6,\)"):
        kernels.forward(x, filters, np.zeros(5))


def test_hyperparameters_that_are_no_integers() -> None:
    with pytest.raises(TypeError, match="must be an integer"):
        kernels.forward(*arrays(), stride=(1.5, 1))  # pyright: ignore[reportArgumentType]


# ---------------------------------------------------------------------- the choice


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


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "dilation"), [(9, 3, 1, 1), (9, 4, 1, 2), (8, 3, 2, 1), (7, 2, 5, 1)]
)
def test_same_padding(size: int, kernel: int, stride: int, dilation: int) -> None:
    padding = kernels.same_padding((size, size), (kernel, kernel), (stride, stride), (dilation, dilation))
    x, filters, biases = arrays((1, 1, size, size), (1, 1, kernel, kernel))
    y, _ = kernels.forward(x, filters, biases, stride=(stride, stride), padding=padding, dilation=(dilation, dilation))
    assert y.shape[2:] == (-(-size // stride),) * 2
    assert padding[0][1] - padding[0][0] in (0, 1)


def test_saved_can_be_pickled() -> None:
    y, saved = kernels.forward(*arrays())
    again = pickle.loads(pickle.dumps(saved))
    for mine, theirs in zip(kernels.backward(y, again), kernels.backward(y, saved), strict=True):
        np.testing.assert_array_equal(mine, theirs)


# ---------------------------------------------------------------------- threads


def blas_threads() -> list[int]:
    """Of the libraries that the guard knows; others may be loaded later, but NumPy does not use them."""
    with threads.blas_at_one_thread:
        libraries = threads.blas_at_one_thread.libraries
    return [library.get_num_threads() for library in libraries or ()]


LARGE = ((4, 16, 40, 40), (16, 16, 3, 3))


def test_threads_give_the_same_result_and_blas_gets_its_own_back() -> None:
    data, before = arrays(*LARGE), blas_threads()
    with threads.threads(3):
        first, saved = kernels.forward(*data, engine="gemm")
        again, _ = kernels.forward(*data, engine="gemm")
    np.testing.assert_array_equal(first, again)
    kernels.backward(first, saved)
    assert blas_threads() == before


def test_overlapping_guards_restore_blas() -> None:
    before = blas_threads()
    inside, outside = threading.Barrier(2), threading.Barrier(2)

    def hold() -> None:
        with threads.blas_at_one_thread:
            inside.wait()
        outside.wait()

    other = threading.Thread(target=hold)
    other.start()
    with threads.blas_at_one_thread:
        inside.wait()
        outside.wait()  # the first out leaves BLAS as it is
        assert set(blas_threads()) == {1}
    other.join()
    assert blas_threads() == before


def test_an_error_in_a_part_reaches_the_caller_and_blas_is_restored() -> None:
    before = blas_threads()

    def work(part: int) -> None:
        if part == 1:
            raise ArithmeticError("part 1")

    with pytest.raises(ArithmeticError, match="part 1"):
        threads.run(work, 3)
    assert blas_threads() == before


def test_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    kernels.set_num_threads(3)
    assert kernels.num_threads() == 3
    kernels.set_num_threads(None)
    for text, number in (("5", 5), (" 1 ", 1)):
        monkeypatch.setenv(threads.ENVIRONMENT, text)
        assert threads.number_from_environment() == number
    monkeypatch.setenv(threads.ENVIRONMENT, "many")
    with pytest.raises(ValueError, match="MANUAL_NUM_THREADS is 'many'; it must be a positive integer"):
        threads.number_from_environment()
    with pytest.raises(ValueError, match="number of threads is 0; it must be at least 1"):
        kernels.set_num_threads(0)


def in_a_child(queue: Any) -> None:
    """Run in a child: how many threads it may use, its result, and whether BLAS got its threads back."""
    y, saved = kernels.forward(*arrays(*LARGE), engine="gemm")
    queue.put((threads.number_from_environment(), y, kernels.backward(y, saved)[0], blas_threads()))


@pytest.mark.filterwarnings("ignore:.*fork")  # by Python 3.12 and later, and by JAX if it is loaded
@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_a_child_process(method: str) -> None:
    if method == "forkserver":
        pytest.skip("as fork, from another parent")
    data = arrays(*LARGE)
    y, saved = kernels.forward(*data, engine="gemm")  # the parent's pool is in use
    context: Any = multiprocessing.get_context(method)
    queue = context.Queue()
    child = context.Process(target=in_a_child, args=(queue,))
    child.start()
    number, theirs, gradient, blas = queue.get(timeout=60)
    child.join(60)
    assert (number, child.exitcode) == (1, 0)
    np.testing.assert_allclose(theirs, y, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(gradient, kernels.backward(y, saved)[0], rtol=1e-12, atol=1e-10)
    assert blas == blas_threads()


# ---------------------------------------------------------------------- plans


@pytest.mark.parametrize(
    ("engine", "calls", "pool"),
    [
        pytest.param("small", 2500, False, id="small"),
        pytest.param("gemm", 2500, False, id="gemm"),
        *(pytest.param(name, 200, True, id=f"{name}, pool") for name in ("gemm", "winograd4x2", "transform")),
    ],
)
def test_two_callers_at_one_shape(engine: str, calls: int, pool: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """10,000 calls of one shape, two at a time with different data: always the same results, no growth."""
    if pool:
        for module in (gemm, transform, winograd):
            monkeypatch.setattr(module, "PARALLEL", 0)
    failures: list[int] = []

    def call(seed: int, times: int) -> None:
        rng = np.random.default_rng(seed)
        data = [rng.standard_normal(array.shape) for array in arrays((2, 2, 6, 5), (3, 2, 3, 3))]
        y, saved = kernels.forward(*data, engine=engine)
        results = (y, *kernels.backward(y, saved))
        for _ in range(times):
            y_again, saved = kernels.forward(*data, engine=engine)
            again = (y_again, *kernels.backward(y_again, saved))
            if not all(map(np.array_equal, again, results)):
                failures.append(seed)
                return

    def both(times: int) -> None:
        callers = [threading.Thread(target=call, args=(seed, times)) for seed in range(2)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()

    with threads.threads(2):
        both(50)
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        both(calls)
        grown = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
    assert not failures
    assert grown < 400_000  # a second plan, if the two never met before; 100 bytes a call would be a million


@pytest.mark.parametrize("seed", range(200))
def test_an_image_stays_with_its_thread_from_group_to_group(seed: int) -> None:
    """A thread carries the last rows of a block to the next block of the image: no other image may come between."""
    rng = np.random.default_rng(seed)
    number, blocks, parts = (int(n) for n in rng.integers(1, 9, 3))
    sizes = [int(n) for n in rng.integers(1, 20, blocks)]
    images = [[(image, place) for place in range(blocks)] for image in range(number)]
    limit = int(rng.integers(1, 3 * number * sum(sizes)))
    found = groups(images, lambda block: sizes[block[1]], limit, parts)
    assert sorted(block for group in found for image in group for block in image) == [
        block for image in images for block in image
    ]
    carried: dict[int, tuple[int, int]] = {}  # by thread, the block it did last
    for group in found:
        total = sum(sizes[place] for image in group for _, place in image)
        assert total <= limit or all(len(image) == 1 for image in group)
        stages = Stages(group, lambda _: 1, parts)
        for thread, share in enumerate(kernels.threads.share(len(stages.places), parts)):
            for image in share:
                for (which, place), _ in stages.places[image]:
                    assert place == 0 or carried[thread] == (which, place - 1)
                    carried[thread] = (which, place)


def test_the_cache_is_bounded() -> None:
    rng = np.random.default_rng(0)
    for height in range(20, 60):
        x = rng.standard_normal((1, 16, height, 40))
        y, saved = kernels.forward(x, rng.standard_normal((16, 16, 3, 3)), np.zeros(16), engine="gemm")
        kernels.backward(y, saved)
    assert kernels.cache.nbytes <= kernels.cache.limit
    assert kernels.cache.nbytes == sum(size for plans in kernels.cache.free.values() for _, size in plans)


def test_scratch_stays_small_whatever_the_batch() -> None:
    """Beyond inputs and outputs a call holds what its plan holds, and that does not grow with the batch."""
    for engine in ENGINES:
        if engine == "definition":
            continue
        for batch in (4, 64):
            x, filters, biases = arrays((batch, 8, 24, 24), (8, 8, 1, 1) if engine == "pointwise" else (8, 8, 3, 3))
            kernels.cache.clear()
            tracemalloc.start()
            y, saved = kernels.forward(x, filters, biases, engine=engine)
            gradients = kernels.backward(y, saved)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            results = y.nbytes + sum(gradient.nbytes for gradient in gradients)
            assert peak - results < 48 * 2**20, (engine, batch, peak - results)


def test_columns_of_many_groups_stay_small() -> None:
    geometry = kernels.describe((16, 64, 56, 56), (64, 1, 3, 3), (64,), (1, 1), ((1, 1), (1, 1)), (1, 1), 64)
    for plan in (gemm.Forward, gemm.BackwardByColumns, gemm.BackwardByCorrelation):
        assert plan(geometry, np.float64, 2).nbytes < 16 * 2**20
