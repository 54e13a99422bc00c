"""Lifting: the names that code looks up stand for longdouble, on one thread, for a while, and NumPy is left alone."""

from __future__ import annotations

import sys
import threading
from queue import SimpleQueue
from typing import Any

import numpy as np
import pytest
from numpy import float64, zeros

from crosscheck.witnesses.lifting import CREATION, lifted
from crosscheck.witnesses.namespaces import reached
from tests.witnesses import foreign_module
from tests.witnesses.styles import STYLES, cotangent, point

LONG = np.dtype(np.longdouble)
pytestmark = pytest.mark.skipif(np.finfo(LONG).nmant <= 52, reason="longdouble is double here")

MAKES = {
    "zeros": lambda: np.zeros(3),
    "ones": lambda: np.ones((2, 3)),
    "empty": lambda: np.empty(3),
    "full": lambda: np.full(3, 0.1),
    "zeros_like": lambda: np.zeros_like(np.random.default_rng(0).normal(size=3)),
    "ones_like": lambda: np.ones_like(np.random.default_rng(0).normal(size=3)),
    "empty_like": lambda: np.empty_like(np.random.default_rng(0).normal(size=3)),
    "full_like": lambda: np.full_like(np.random.default_rng(0).normal(size=3), 0.1),
    "eye": lambda: np.eye(3),
    "identity": lambda: np.identity(3),
    "tri": lambda: np.tri(3),
    "arange": lambda: np.arange(0.0, 1.0, 0.1),
    "linspace": lambda: np.linspace(0, 1, 7),
    "logspace": lambda: np.logspace(0, 1, 7),
    "geomspace": lambda: np.geomspace(1, 2, 7),
    "fromiter": lambda: np.fromiter([0.1, 0.2], float),
    "fromfunction": lambda: np.fromfunction(lambda i: i / 3, (4,)),
    "array": lambda: np.array([0.1, 1 / 3]),
    "asarray": lambda: np.asarray([0.1, 1 / 3], "f8"),
    "asanyarray": lambda: np.asanyarray([0.1], np.dtype("float64")),
    "ascontiguousarray": lambda: np.ascontiguousarray([0.1], float),
    "asfortranarray": lambda: np.asfortranarray([[0.1]], np.float64),
}
LEFT = {
    "zeros of integers": (lambda: np.zeros(3, int), np.int64),
    "zeros of booleans": (lambda: np.zeros(3, bool), np.bool_),
    "zeros of float32": (lambda: np.zeros(3, dtype=np.float32), np.float32),
    "zeros of 'f4'": (lambda: np.zeros(3, "f4"), np.float32),
    "arange": (lambda: np.arange(3), np.int64),
    "array of integers": (lambda: np.array([1, 2]), np.int64),
    "full of an integer": (lambda: np.full(3, 1), np.int64),
    "eye of integers": (lambda: np.eye(3, dtype=int), np.int64),
    "order": (lambda: np.array([[1, 2]], None, order="F"), np.int64),
}


@pytest.mark.parametrize("name", CREATION)
def test_what_makes_float64_makes_longdouble_of_the_same_numbers(name: str) -> None:
    plain = MAKES[name]()
    with lifted(MAKES[name]):
        made = MAKES[name]()
    assert plain.dtype == np.float64
    assert made.dtype == LONG
    assert made.shape == plain.shape
    assert "empty" in name or np.array_equal(made, plain)


@pytest.mark.parametrize("name", LEFT)
def test_integers_booleans_and_float32_stay(name: str) -> None:
    make, dtype = LEFT[name]
    with lifted(make):
        assert make().dtype == dtype


def scalars(x: Any) -> dict[str, Any]:
    return {
        "np.float64": np.float64(x),
        "float64": float64(x),
        "float": float(x),
        "cast": np.ones(1, np.longdouble).astype(float)[0],
        "complex": np.zeros(1, complex)[0],
        "np.complex128": np.complex128(x),
        "from a string": float("0.5"),
    }


def test_scalars_and_dtypes() -> None:
    third = np.longdouble(1) / 3
    with lifted(scalars):
        made = scalars(third)
    assert made.pop("from a string") == 0.5
    assert made["np.float64"] == made["float64"] == made["float"] == third
    assert {type(v) for k, v in made.items() if "complex" in k} == {np.clongdouble}
    assert {type(v) for k, v in made.items() if "complex" not in k} == {np.longdouble}
    assert type(scalars(0.5)["float"]) is float


def questions(x: Any) -> list[bool]:
    return [
        isinstance(x, float),
        isinstance(x, float64),
        isinstance(0.5, float),
        isinstance("0.5", float),
        isinstance(1j, complex),
        np.zeros(2).dtype == np.float64,
        np.zeros(2).dtype == float,
        np.issubdtype(np.zeros(2).dtype, float),
        np.dtype(float) == np.dtype(float64),
    ]


def test_questions_about_types_are_answered_as_in_float64() -> None:
    plain = questions(np.float64(0.5))
    with lifted(questions):
        assert questions(np.longdouble(0.5)) == plain


def constants() -> tuple[Any, ...]:
    return np.finfo(float).eps, np.finfo(np.float64).tiny, np.finfo(np.ones(1)[0]).max, np.finfo(np.float32).eps


def test_the_precision_that_code_asks_for_stays_the_one_it_was_written_with() -> None:
    plain = constants()
    with lifted(constants):
        assert constants() == plain


def test_numpy_is_not_patched() -> None:
    before = dict(vars(np))

    def inside() -> bool:
        return np is not sys.modules["numpy"] and np.zeros(2).dtype == LONG

    with lifted(inside):
        assert inside()
        real = sys.modules["numpy"]
        assert dict(vars(real)) == before
        assert real.zeros(2).dtype == real.float64
        real.random.default_rng(0).normal(size=3)
    assert dict(vars(np)) == before


@pytest.mark.parametrize("fails", [False, True])
def test_every_name_is_put_back_whatever_happens(fails: bool) -> None:
    spaces = [vars(foreign_module), globals(), __import__("tests.witnesses.styles", fromlist=["x"]).__dict__]
    before = [dict(space) for space in spaces]
    backwards = [style.backward for style in STYLES.values()]
    found = reached(*backwards)
    places = [value for value, _ in found.places()]

    def run() -> None:
        with lifted(*backwards, zeros_by_name):
            assert zeros_by_name().dtype == LONG
            for backward in backwards[:20]:
                backward(cotangent().astype(LONG), **{k: a.astype(LONG) for k, a in point().items()})
            if fails:
                raise KeyboardInterrupt

    if fails:
        with pytest.raises(KeyboardInterrupt):
            run()
    else:
        run()
    for space, was in zip(spaces, before, strict=True):
        assert space.keys() == was.keys()
        assert all(space[k] is was[k] for k in was)
    assert all(a is b for a, (b, _) in zip(places, found.places(), strict=True))


def zeros_by_name() -> np.ndarray:
    return zeros(2)


def test_other_threads_see_numpy() -> None:
    said: SimpleQueue[Any] = SimpleQueue()  # a list would be put back

    def elsewhere() -> None:
        types = [np.zeros(2).dtype, zeros(2).dtype, np.float64(1).dtype, type(float(1)), type(float64(1))]
        said.put([*types, np.zeros(2, float).dtype, isinstance(1.0, float), np.dtype(float)])

    with lifted(elsewhere):
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        elsewhere()
    double = np.dtype(np.float64)
    assert said.get() == [double, double, double, float, np.float64, double, True, double]
    assert said.get() == [LONG, LONG, LONG, np.longdouble, np.longdouble, LONG, True, LONG]


def test_two_threads_do_not_lift_each_others_code() -> None:
    wrong: list[str] = []

    def make() -> np.dtype:
        return np.zeros(2).dtype

    def work() -> None:
        for _ in range(200):
            with lifted(make):
                if make() != LONG:
                    wrong.append("not lifted")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert wrong == []
    assert make() == np.float64
    assert np is sys.modules["numpy"]


def test_nothing_lifted_stays_in_a_cache() -> None:
    foreign_module.ones_column.cache_clear()

    def cached() -> np.ndarray:
        return foreign_module.ones_column(3)

    with lifted(cached):
        assert cached().dtype == LONG
    assert cached().dtype == np.float64
    with lifted(cached):
        assert cached().dtype == LONG


def test_arrays_that_share_memory_still_do() -> None:
    class Holder:
        def __init__(self) -> None:
            self.flat = np.arange(24.0)
            self.matrix = self.flat.reshape(4, 6)
            self.part = self.matrix[1:3, ::2]
            self.turned = self.matrix[::-1].T
            self.other = np.asfortranarray(self.matrix)
            self.alone = np.arange(6.0)[::2]
            self.label = np.arange(3)
            self.empty = np.zeros((0, 3))

        def write(self) -> dict[str, np.ndarray]:
            self.flat[8] = -1
            self.turned[0, 0] = -2
            return {k: a.copy() for k, a in vars(self).items()}

    wanted = Holder().write()
    holder = Holder()
    with lifted(holder.write):
        got = holder.write()
        assert holder.other.flags.f_contiguous
    for name, a in wanted.items():
        assert np.array_equal(got[name], a), name
        assert got[name].dtype == (np.int64 if name == "label" else LONG)
    assert np.array_equal(holder.flat, np.arange(24.0))
    assert holder.flat.dtype == np.float64


class Base:
    scale = np.full(2, 0.5)

    def make(self) -> np.ndarray:
        return np.zeros(2) + self.scale


class Derived(Base):
    @staticmethod
    def plain() -> np.ndarray:
        return np.zeros(1)

    @classmethod
    def of_class(cls) -> np.ndarray:
        return cls.scale

    @property
    def made(self) -> np.ndarray:
        return np.zeros(3)

    def __call__(self) -> list[np.dtype]:
        return [self.make().dtype, self.plain().dtype, self.of_class().dtype, self.made.dtype]


def test_classes_bases_and_properties_are_reached() -> None:
    call = Derived()
    with lifted(call):
        assert call() == [LONG] * 4
        assert Base.scale.dtype == LONG
    assert call() == [np.float64] * 4


def test_libraries_are_not_entered() -> None:
    def uses() -> Any:
        return np.fft.rfft(np.linalg.norm(np.ones(3)) * np.ones(3))

    spaces = [space.get("__name__", "") for space, _ in reached(uses).globals.values()]
    assert spaces == [__name__]
