"""Every engine against the definition, and the definition against plain loops."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from manual import kernels
from manual.kernels import (
    ENGINES,
    banded,
    bounds,
    channels,
    dense,
    depthwise,
    gemm,
    lanes,
    small,
    transform,
    transform_tiles,
    unfolding,
    winograd,
)
from manual.kernels.geometry import Geometry
from manual.machine import products
from manual.machine.layout import samples_last
from tests.oracles import convolution_by_loops

Array = np.ndarray

DTYPES = (np.float32, np.float64)
CONFIGURATIONS = {"as it is": 300, "tiny blocks": 100, "tiny groups": 100, "strips": 100}
# Of products: so small that every one is cut, as if BLAS had kernels for them.
PIECES = {
    **{"PRODUCT": 60, "OUTPUTS": 24, "NARROWEST": 8, "WIDTHS": (5, 3, 2), "HEIGHTS": ((3, 0), (2, 0))},
    "in_place": lambda: True,
}
OTHERS = [name for name in ENGINES if name != "definition"]


def draw(rng: np.random.Generator, name: str) -> Geometry:
    """A configuration that the engine can do: any that comes up, or one bent to what it takes."""
    while True:
        groups = int(rng.choice([1, 1, 1, 2, 3]))
        inputs, outputs = (int(n) for n in rng.integers(1, 5, 2))
        size = rng.integers(1, 15, 2)
        kernel, stride, dilation = rng.integers(1, 6, 2), rng.choice([1, 1, 1, 2, 3, 7], 2), rng.choice([1, 1, 2, 3], 2)
        padding = rng.integers(0, 4, (2, 2)) * rng.integers(0, 2)
        if rng.random() < 0.1:
            kernel = size  # as large as the input
        if rng.random() < 0.2:
            inputs = outputs = 1  # depthwise, if there are groups
        x_shape = (int(rng.integers(0, 5)), groups * inputs, *size)
        filters_shape = (groups * outputs, inputs, *kernel)
        try:
            bent = bend(name, x_shape, filters_shape, stride, padding, dilation, groups)
            geometry = kernels.describe(ints(x_shape), ints(bent[0]), ints(bent[0][:1]), *bent[1:])
        except ValueError:  # the kernel does not fit
            continue
        if ENGINES[name].refusal(geometry) is None:
            return geometry


def bend(name: str, x: Any, filters: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    """filters, stride, padding, dilation and groups, such that the engine takes them."""
    if name == "dense":
        filters, padding, dilation, groups = (filters[0], *x[1:]), np.zeros((2, 2), int), (1, 1), 1
    if name in ("depthwise", "banded"):
        filters, groups = (x[1], 1, *filters[2:]), x[1]
    if name == "channels":
        filters, groups = (filters[0], x[1], *filters[2:]), 1
    if name == "pointwise":
        filters, stride, padding = (*filters[:2], 1, 1), (1, 1), np.zeros((2, 2), int)
    if name.startswith("winograd"):
        filters, stride, dilation, groups = (*filters[:2], 3, 3), (1, 1), (1, 1), 1
    if name == "transform":
        stride, groups = (1, 1), 1
    return filters, ints(stride), (ints(padding[0]), ints(padding[1])), ints(dilation), groups


def ints(values: Any) -> tuple[int, ...]:
    return tuple(int(value) for value in values)


def arrays(rng: np.random.Generator, geometry: Geometry, dtype: Any, *, integers: bool) -> list[Array]:
    """x, filters, biases and grad_output."""
    shapes = (geometry.input_shape, geometry.filters_shape, geometry.filters_shape[:1], geometry.output_shape)
    if integers:
        return [rng.integers(-4, 5, shape).astype(dtype) for shape in shapes]
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


def hyperparameters(geometry: Geometry) -> dict[str, Any]:
    return {name: getattr(geometry, name) for name in ("stride", "padding", "dilation", "groups")}


def run(engine: str, data: Sequence[Array], geometry: Geometry) -> list[Array]:
    """y and the three gradients."""
    x, filters, biases, g = data
    y, saved = kernels.forward(x, filters, biases, **hyperparameters(geometry), engine=engine)
    assert saved.engine == engine
    return [y, *kernels.backward(g, saved)]


def limits(engine: str, data: Sequence[Array], geometry: Geometry) -> list[Array]:
    """The bounds on them."""
    (x, filters, biases, g), e = data, ENGINES[engine]
    y_bound = e.output_bound(x, filters, biases, geometry, bounds.worst)
    return [y_bound, *e.gradient_bounds(g, x, filters, geometry, bounds.worst)]


@pytest.fixture(params=CONFIGURATIONS)
def configurations(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """How many to try. With blocks of a few rows and three threads, shapes that a test can afford reach every seam."""
    forget()
    if request.param != "as it is":
        monkeypatch.setattr(gemm, "BLOCK", 2000)
        monkeypatch.setattr(gemm, "LEAST_POSITIONS", 1)
        monkeypatch.setattr(gemm, "PARALLEL", 0)
        monkeypatch.setattr(small, "GROUP", 6000)
        monkeypatch.setattr(small, "PARALLEL", 0)
        monkeypatch.setattr(lanes, "BLOCK", 500)
        monkeypatch.setattr(lanes, "LANES", 2)
        monkeypatch.setattr(lanes, "PARALLEL", 0)
        monkeypatch.setattr(winograd, "BLOCK", 8000)
        monkeypatch.setattr(winograd, "PARALLEL", 0)
        monkeypatch.setattr(dense, "PARALLEL", 0)
        monkeypatch.setattr(depthwise, "BLOCK", 1500)
        monkeypatch.setattr(depthwise, "PARALLEL", 0)
        monkeypatch.setattr(banded, "WIDEST", 3)
        monkeypatch.setattr(banded, "BLOCK", 1500)
        monkeypatch.setattr(banded, "PARALLEL", 0)
        for name, value in PIECES.items():
            monkeypatch.setattr(products, name, value)
        monkeypatch.setattr(channels, "PARALLEL", 0)
        monkeypatch.setattr(channels, "BLOCK", 2000)
        monkeypatch.setattr(channels, "COLUMNS", 6000)
        monkeypatch.setattr(channels, "GIVEN", 6000)
        monkeypatch.setattr(transform, "PARALLEL", 0)
        monkeypatch.setattr(transform, "BLOCK", 4000)
        monkeypatch.setattr(transform_tiles, "LONGEST", 8)
        if request.param != "tiny blocks":
            group = 40_000 if request.param == "tiny groups" else 1  # smaller than an image: strips of it
            monkeypatch.setattr(winograd, "CACHED_FILTERS", 0)
            monkeypatch.setattr(winograd, "GROUP", group)
            monkeypatch.setattr(transform, "GROUP", group)
            monkeypatch.setattr(unfolding, "COPIES", 0)
        with kernels.threads.threads(3):
            yield CONFIGURATIONS[request.param]
    else:
        yield CONFIGURATIONS[request.param]
    forget()


def forget() -> None:
    """What was made with other constants."""
    kernels.cache.clear()
    transform_tiles.tiling.cache_clear()
    small.layout_of.cache_clear()
    lanes.layout_of.cache_clear()
    depthwise.layout_of.cache_clear()
    banded.layout_of.cache_clear()
    products.width_of.cache_clear()
    products.height_of.cache_clear()


# ---------------------------------------------------------------------- the definition against loops


def test_the_definition_is_the_sum_of_the_lecture() -> None:
    rng = np.random.default_rng(5)
    done = 0
    while done < 60:
        geometry = draw(rng, "definition")
        if geometry.multiplications > 20_000:
            continue
        data = arrays(rng, geometry, np.float64, integers=True)
        looped = convolution_by_loops(*data, **hyperparameters(geometry))
        for mine, theirs in zip(run("definition", data, geometry), looped, strict=True):
            np.testing.assert_array_equal(mine, theirs)
        done += 1


# ---------------------------------------------------------------------- the others against the definition


@pytest.mark.parametrize("name", [name for name in OTHERS if ENGINES[name].exact])
def test_exact_engines_at_integers(name: str, configurations: int) -> None:
    rng = np.random.default_rng(1)
    for number in range(configurations):
        geometry = draw(rng, name)
        data = arrays(rng, geometry, DTYPES[number % 2], integers=True)
        for mine, theirs in zip(run(name, data, geometry), run("definition", data, geometry), strict=True):
            assert mine.dtype == data[0].dtype
            np.testing.assert_array_equal(mine, theirs, err_msg=str(geometry))


@pytest.mark.parametrize("name", ENGINES)
def test_every_engine_stays_within_its_bound(name: str, configurations: int) -> None:
    rng = np.random.default_rng(2)
    for number in range(configurations):
        geometry = draw(rng, name)
        data = arrays(rng, geometry, DTYPES[number % 2], integers=False)
        exact = run("definition", [array.astype(np.longdouble) for array in data], geometry)
        bounded = limits(name, data, geometry)
        for mine, truth, limit in zip(run(name, data, geometry), exact, bounded, strict=True):
            assert mine.shape == limit.shape
            assert (np.abs(mine - truth) <= limit).all(), geometry


def innermost(array: np.ndarray) -> np.ndarray:
    """With its first axis last in memory."""
    return np.moveaxis(np.moveaxis(array, 0, -1).copy(), -1, 0)


@pytest.mark.parametrize("name", OTHERS)
def test_any_layout_of_the_arguments(name: str) -> None:
    """Strided, Fortran-ordered and read-only arguments give the same bits; none is written to."""
    rng = np.random.default_rng(3)
    for _ in range(40):
        geometry = draw(rng, name)
        data = arrays(rng, geometry, np.float32, integers=False)
        plain = run(name, data, geometry)
        for relayout in (np.asfortranarray, strided, read_only, innermost):
            moved = [relayout(array) for array in data]
            before = [array.copy() for array in moved]
            limit = limits(name, data, geometry)
            for mine, theirs, error in zip(run(name, moved, geometry), plain, limit, strict=True):
                assert mine.flags.c_contiguous or (name == "lanes" and samples_last(mine).flags.c_contiguous)
                assert mine.flags.writeable
                assert (np.abs(mine - theirs) <= 2 * error).all(), geometry
            for array, copy in zip(moved, before, strict=True):
                np.testing.assert_array_equal(array, copy)


def strided(array: Array) -> Array:
    wide = np.full((*array.shape[:-1], 2 * array.shape[-1]), np.nan, array.dtype)
    wide[..., ::2] = array
    return wide[..., ::2]


def read_only(array: Array) -> Array:
    copy = array.copy()
    copy.flags.writeable = False
    return copy


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_nothing_leaks_from_one_call_to_the_next(name: str, dtype: Any) -> None:
    """A call with NaN in every argument, then the same shape clean: the bits of a fresh plan."""
    rng = np.random.default_rng(4)
    for _ in range(40):
        geometry = draw(rng, name)
        data = arrays(rng, geometry, dtype, integers=False)
        kernels.cache.clear()
        fresh = run(name, data, geometry)
        with np.errstate(invalid="ignore"):
            spoilt = [np.full_like(array, np.nan) for array in data]
            run(name, spoilt, geometry)
        for again, first in zip(run(name, data, geometry), fresh, strict=True):
            np.testing.assert_array_equal(again, first)


@pytest.mark.parametrize("name", OTHERS)
def test_an_empty_batch(name: str) -> None:
    geometry = draw(np.random.default_rng(6), name)._replace(batch=0)
    data = arrays(np.random.default_rng(6), geometry, np.float32, integers=False)
    y, grad_x, grad_filters, grad_biases = run(name, data, geometry)
    assert (y.shape, grad_x.shape) == (geometry.output_shape, geometry.input_shape)
    assert not grad_filters.any()
    assert not grad_biases.any()


@pytest.mark.parametrize("name", OTHERS)
def test_the_adjoint_identity(name: str) -> None:
    """⟨G, Y⟩ is linear in X, and in filters and bias: the gradients reproduce it, to the bounds of both sides."""
    rng = np.random.default_rng(7)
    for _ in range(30):
        geometry = draw(rng, name)
        x, filters, biases, g = arrays(rng, geometry, np.float64, integers=False)
        for inner, bias in ((("x", "y"), 0 * biases), (("filters", "biases", "y"), biases)):
            data: dict[str, Array] = dict(zip(("x", "filters", "biases", "g"), (x, filters, bias, g), strict=True))
            of: dict[str, Array] = dict(
                zip(("y", "x", "filters", "biases"), run(name, [*data.values()], geometry), strict=True)
            )
            off = dict(zip(of, limits(name, [*data.values()], geometry), strict=True))
            data["y"] = g
            sides = {key: product(of[key], data[key]) for key in inner}
            allowed = sum(product(off[key], np.abs(data[key])) for key in inner)
            assert abs(sides.pop("y") - sum(sides.values())) <= allowed, geometry


def product(a: Array, b: Array) -> Any:
    """⟨a, b⟩, wide enough that its own rounding is nothing beside the bounds."""
    return np.sum(a.astype(np.longdouble) * b.astype(np.longdouble))


# How large an engine's error may be, as a root mean square, beside the definition's on the same data: what `choice`
# says that "auto" keeps to, and for winograd4x4, which only "fast" takes, its table's largest, rounded up.
MOST = {name: 4 for name in OTHERS} | {"winograd4x4": 8}


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_an_engines_errors_are_not_many_times_the_definitions(name: str, dtype: Any) -> None:
    """The bounds are hundreds of times the errors; an engine that lost two digits would stay within them."""
    rng = np.random.default_rng(8)
    kernel = {"pointwise": (1, 1), "dense": (14, 14)}.get(name, (3, 3))
    edge, groups = int(kernel == (3, 3)), 16 if name in ("depthwise", "banded") else 1
    around = ((edge, edge), (edge, edge))
    geometry = kernels.describe((2, 16, 14, 14), (16, 16 // groups, *kernel), (16,), (1, 1), around, (1, 1), groups)
    data = arrays(rng, geometry, dtype, integers=False)
    exact = run("definition", [array.astype(np.longdouble) for array in data], geometry)
    for mine, plain, truth in zip(run(name, data, geometry), run("definition", data, geometry), exact, strict=True):
        ours, definitions = (np.sqrt(np.mean((np.abs(found - truth) ** 2).astype(float))) for found in (mine, plain))
        if mine.ndim == 4:  # not the bias gradient, a few plain sums
            assert ours <= MOST[name] * definitions


def test_a_zero_beside_the_band_hides_no_infinity() -> None:
    """0·∞ is NaN: what `banded` multiplies by the zeros of its matrix must not come out."""
    rng = np.random.default_rng(9)
    for done in range(20):
        geometry = draw(rng, "banded")
        x, filters, biases, g = arrays(rng, geometry, DTYPES[done % 2], integers=True)
        x.flat[rng.permutation(x.size)[:3]] = (np.inf, -np.inf, np.nan)[: x.size]
        with np.errstate(invalid="ignore"):
            y, truth = (run(name, (x, filters, biases, g), geometry)[0] for name in ("banded", "definition"))
        np.testing.assert_array_equal(y, truth, err_msg=str(geometry))
