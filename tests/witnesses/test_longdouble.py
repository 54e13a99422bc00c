"""The hand-written code in longdouble: what counts, what is silent and why, and what it shows."""

from __future__ import annotations

import warnings
from queue import SimpleQueue
from typing import Any

import numpy as np
import pytest

from crosscheck.doors.layers import from_layer
from crosscheck.operation import OUTPUT, Operation
from crosscheck.witnesses import longdouble
from crosscheck.witnesses.longdouble import LONG, long_run, own_rounding
from tests.witnesses.styles import LIFTED, PLAIN, STYLES, cotangent, forward, operation, point, truth, vectorised

pytestmark = pytest.mark.skipif(np.finfo(LONG).nmant <= 52, reason="longdouble is double here")

UNIT = float(np.finfo(LONG).eps) / 2
# Each entry of the styles comes of fewer than 64 roundings, each of at most a unit of terms below 16 in sum.
ROUNDED = 64 * UNIT * 16


def distances(found: longdouble.LongRun) -> dict[str, float]:
    true = truth(cotangent(), **point())
    return {k: float(np.abs(g - true[k]).max()) for k, g in found.gradients.items() if g is not None}


@pytest.mark.parametrize("name", STYLES)
def test_every_style(name: str) -> None:
    style = STYLES[name]
    found = long_run(operation(style.backward), cotangent())
    speaking = {k for k, g in found.gradients.items() if g is not None}
    assert all(d <= ROUNDED for d in distances(found).values())
    if style.expected in (PLAIN, LIFTED):
        assert speaking == {"x", "w", "b"}
        assert not found.reasons
        assert bool(found.lifted) == (style.expected == LIFTED)
    else:
        assert speaking == {"x", "w", "b"} - set(style.silent)
        assert all(style.expected in found.reasons[k] for k in style.silent)
        assert bool(found.silent) == (not speaking)


def test_the_table_is_long_enough() -> None:
    counts = [sum(s.expected == kind for s in STYLES.values()) for kind in (PLAIN, LIFTED)]
    assert min(counts) >= 12
    assert len(STYLES) - sum(counts) >= 8


@pytest.mark.parametrize("name", [k for k, s in STYLES.items() if s.expected in (PLAIN, LIFTED)])
def test_a_mistake_of_a_last_bit_of_float64_shows_in_every_style(name: str) -> None:
    backward = STYLES[name].backward

    def wrong(g, x, w, b):
        return {k: a * (1 + np.longdouble(2.0**-50)) for k, a in backward(g, x, w, b).items()}

    found = long_run(operation(wrong), cotangent())
    true = truth(cotangent(), **point())
    for k, g in found.gradients.items():
        assert g is not None
        assert np.abs(g - true[k] * (1 + np.longdouble(2.0**-50))).max() <= ROUNDED
        assert np.abs(g - true[k]).max() > 8 * ROUNDED


def test_the_codes_own_rounding_is_measured_and_not_estimated() -> None:
    """The variance by E[x²] - E[x]² loses what the offset squares: here 4 digits of 16, to be seen entry by entry."""
    x = 1e3 + np.random.default_rng(0).normal(size=50)

    def naive(x):
        return (x**2).mean() - x.mean() ** 2

    def backward(g, x):
        return {"x": g * 2 * (x - x.mean()) / len(x) / naive(x)}

    at = operation(backward, {"x": x}, lambda x: np.log(naive(x)))
    g = np.array(1.0)
    hand, found = at.gradients(g), long_run(at, g)
    own = own_rounding(hand, found)
    assert own["x"].dtype == np.float64
    true = 2 * (x.astype(LONG) - x.astype(LONG).mean()) / 50 / ((x.astype(LONG) - x.astype(LONG).mean()) ** 2).mean()
    error = np.abs(hand["x"] - true).astype(float)
    # The naive sum is as bad in longdouble, 2^-11 of it: three digits of the error are known.
    assert np.abs(own["x"] - error).max() <= 2.0**-9 * error.max()
    assert error.max() > 1e3 * np.spacing(np.abs(hand["x"]).max())


def test_the_output_speaks_for_itself() -> None:
    found = long_run(operation(vectorised), cotangent())
    assert found.output is not None
    assert found.output.dtype == LONG
    in_double = operation(vectorised, forward=lambda x, w, b: forward(x, w, b).astype("d"))
    found = long_run(in_double, cotangent())
    assert found.output is None
    assert found.reasons == {OUTPUT: "it returns float64 for longdouble"}
    assert found.silent == ""


def test_one_gradient_may_be_silent_while_the_others_speak() -> None:
    def backward(g, x, w, b):
        return {**vectorised(g, x, w, b), "w": vectorised(g, x, w, b)["w"].astype("d")}

    found = long_run(operation(backward), cotangent())
    assert found.gradients["w"] is None
    assert found.gradients["x"] is not None
    assert found.silent == ""
    assert "float64" in found.reasons["w"]


@pytest.mark.parametrize(
    ("backward", "why"),
    [
        (lambda g, x: {"x": 3.0 * g}, "the cotangent alone moves it"),
        (lambda g, x: {"x": 0 * x}, "zero everywhere"),
        (lambda g, x: {"x": np.ones_like(x)}, "constant"),
        (lambda g, x: {"x": np.where(x > 0, g, 0)}, "a mask"),
        (lambda g, x: {"x": g * (x == x.max())}, "a maximum"),
        (lambda g, x: {"x": np.zeros(6)}, "zeros made in float64, lifted"),
        (lambda g, x: {"x": g * (1 + 1e-3 * x)}, "hardly depends on x: hardly"),
        (lambda g, x: {"x": g / np.sqrt((x**2).sum())}, "scales"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_does_not_move_for_good_reason_is_not_silent(backward: Any, why: str) -> None:
    x = np.array([0.0, 2.0, -1.0, 0.5, 0.1, 3.0])
    found = long_run(operation(backward, {"x": x}, lambda x: 3.0 * x), np.linspace(1, 2, 6))
    assert found.reasons == {}, why


@pytest.mark.parametrize("cast", ["float16", "float32", "float64"])
@pytest.mark.parametrize("what", ["x", "g"])
def test_a_cast_on_the_way_is_noticed(cast: str, what: str) -> None:
    """By a name that cannot be lifted; of one operand only, and back, so that the dtype is longdouble."""

    def backward(g, x):
        if what == "g":
            g = g.astype(cast).astype(g.dtype)
        else:
            x = x.astype(cast).astype(x.dtype)
        return {"x": g * np.cos(x)}

    rng = np.random.default_rng(0)
    at = operation(backward, {"x": rng.normal(size=20)}, lambda x: np.sin(x))
    found = long_run(at, rng.normal(size=20))
    if cast == "float16":  # a move of 2^-24 does not reach its last bit; its error of 2^-11 is anybody's to see
        assert found.gradients["x"] is not None
    else:
        assert found.silent == "it rounds to a coarser precision inside"


@pytest.mark.parametrize("terms", [10, 1000])
@pytest.mark.parametrize("cast", [True, False])
def test_neither_many_terms_nor_a_bad_condition_hides_or_fakes_a_cast(terms: int, cast: bool) -> None:
    """A sum of many squares that nearly cancels: 2^-53 of each term is far above 2^-64 of the sum."""

    def backward(g, x):
        squares = (x**2).astype("d").astype(x.dtype) if cast else x**2
        return {"x": g * x * (squares.mean() - x.mean() ** 2)}

    x = 1e4 + np.random.default_rng(terms).normal(size=terms)
    found = long_run(operation(backward, {"x": x}, lambda x: x), np.ones(terms))
    assert bool(found.silent) == cast


def test_inputs_are_converted_exactly_and_the_rest_is_left() -> None:
    seen: SimpleQueue[Any] = SimpleQueue()  # a list would be put back

    def backward(g, **values):
        seen.put((g, values))
        return {k: values[k] * g for k in ("c", "f", "scalar")}

    c = np.arange(6.0).reshape(2, 3) / 7
    inputs = {
        "c": c,
        "f": np.asfortranarray(c),
        "scalar": np.array(0.1),
        "weights": c > 0.3,
        "labels": np.array([1, 2], np.int8),
        "fixed": np.full(3, 0.3, np.float32),
    }
    before = {k: a.copy() for k, a in inputs.items()}
    at = Operation("seen", lambda v: v["c"].sum(), lambda g, v: backward(g, **v), inputs, ("c", "f", "scalar"), None)
    found = long_run(at, np.array(0.7))
    assert found.silent == ""
    assert [seen.get()[0].dtype for _ in range(2)] == [np.float64] * 2  # at the point and beside it
    g, values = seen.get()
    assert g.dtype == LONG
    assert g == 0.7
    assert g.shape == ()
    for k in ("c", "f", "scalar", "fixed"):
        assert values[k].dtype == LONG
        assert np.array_equal(values[k], inputs[k])
        assert values[k].shape == inputs[k].shape
    assert values["c"].flags.c_contiguous
    assert values["f"].flags.f_contiguous
    assert values["weights"].dtype == bool
    assert values["labels"].dtype == np.int8
    assert all(np.array_equal(before[k], a) and before[k].dtype == a.dtype for k, a in inputs.items())


def test_code_that_writes_to_its_arguments_writes_to_copies() -> None:
    inputs, g = point(), cotangent()

    def backward(g, x, w, b):
        found = vectorised(g, x, w, b)
        for a in (g, x, w, b):
            a[...] = np.nan
        return found

    assert long_run(operation(backward, inputs), g).silent == ""
    assert all(np.array_equal(a, point()[k]) for k, a in inputs.items())
    assert np.array_equal(g, cotangent())


def test_nothing_that_the_code_raises_or_warns_of_passes() -> None:
    def backward(g, x, w, b):
        warnings.warn("longdouble!", stacklevel=1)
        if x.dtype == LONG:
            raise KeyError("no such dtype\nand more")
        return vectorised(g / 0.0, x, w, b)

    found = long_run(operation(backward), cotangent())
    assert found.silent == "it refuses longdouble: KeyError: 'no such dtype\\nand more'"
    assert found.output is not None


def test_what_fails_in_float64_is_silent_too() -> None:
    def backward(g, x, w, b):
        raise ValueError

    assert long_run(operation(backward), cotangent()).silent == "it refuses longdouble: ValueError"


def test_not_finite_where_float64_is() -> None:
    def backward(g, x, w, b):
        return {k: a * (np.nan if a.dtype == LONG else 1) for k, a in vectorised(g, x, w, b).items()}

    assert "not finite" in long_run(operation(backward), cotangent()).silent


def test_not_finite_where_float64_is_not_either() -> None:
    found = long_run(operation(lambda g, x: {"x": g / x}, {"x": np.array([0.0, 1])}, np.log), np.ones(2))
    assert found.silent == ""


def test_another_shape_is_silent() -> None:
    def backward(g, x, w, b):
        return {k: a[None] if a.dtype == LONG else a for k, a in vectorised(g, x, w, b).items()}

    assert "shape (1, 4, 3)" in long_run(operation(backward), cotangent()).silent


def test_too_large_is_counted_in_entries_and_evaluations() -> None:
    calls: SimpleQueue[Any] = SimpleQueue()

    def backward(g, x):
        calls.put(x.dtype)
        return {"x": g}

    most = longdouble.WORK // longdouble.LONG_EVALUATIONS // 3
    fits = long_run(operation(backward, {"x": np.ones(most)}, lambda x: x), np.ones(most))
    assert fits.silent == ""
    calls = SimpleQueue()
    large = long_run(operation(backward, {"x": np.ones(most + 1)}, lambda x: x), np.ones(most + 1))
    assert f"{3 * most + 3} entries are too many" in large.silent
    assert calls.get() == np.float64
    assert calls.empty()


def test_where_longdouble_is_double_it_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(longdouble, "LONG", np.dtype(np.float64))
    found = long_run(operation(vectorised), cotangent())
    assert found.silent == "longdouble is no wider than double here"
    assert found.gradients == {"x": None, "w": None, "b": None}


class Dense:
    """A layer that copies its parameters into float64 arrays, and its gradients into others."""

    def __init__(self) -> None:
        self.flat = np.concatenate([point()["w"].ravel(), point()["b"]])
        self.grad = np.zeros_like(self.flat)
        self.calls: list[str] = []

    @property
    def parameters(self) -> np.ndarray:
        return self.flat

    @parameters.setter
    def parameters(self, values: np.ndarray) -> None:
        self.flat[:] = values

    @property
    def gradients(self) -> np.ndarray:
        return self.grad

    def forward(self, x):
        self.saved = x, np.tanh(x @ self.flat[:15].reshape(3, 5) + self.flat[15:])
        self.calls.append(str(x.dtype))
        return self.saved[1]

    def backward(self, g):
        x, y = self.saved
        z = g * (1 - y**2)
        self.grad[:15] = (x.T @ z).ravel()
        self.grad[15:] = z.sum(0)
        return z @ self.flat[:15].reshape(3, 5).T


def test_a_layer_that_holds_float64_is_lifted_and_left_as_it_was() -> None:
    layer = Dense()
    at = from_layer(layer, point()["x"])
    before = at.gradients(cotangent())
    found = long_run(at, cotangent())
    assert found.reasons == {}
    assert set(found.lifted) >= {"parameters"}
    true = truth(cotangent(), **point())
    flat = found.gradients["parameters"]
    assert flat is not None
    assert np.abs(flat - np.concatenate([true["w"].ravel(), true["b"]])).max() <= ROUNDED
    after = at.gradients(cotangent())
    assert all(np.array_equal(before[k], a) and a.dtype == np.float64 for k, a in after.items())
    assert layer.calls == []  # it is a copy that ran


def test_what_code_binds_meanwhile_is_put_back() -> None:
    class Running:
        def __init__(self) -> None:
            self.mean = np.zeros(5)
            self.seen: list[Any] = []
            self.cache: dict[str, Any] = {}

        def backward(self, g, x, w, b):
            self.mean = 0.9 * self.mean + 0.1 * x.mean()
            self.seen.append(x)
            self.cache[str(x.dtype)] = x
            self.last = x
            return vectorised(g, x, w, b)

    layer = Running()
    assert long_run(operation(layer.backward), cotangent()).silent == ""
    assert layer.mean.dtype == np.float64
    assert not layer.mean.any()
    assert layer.seen == []
    assert layer.cache == {}
    assert not hasattr(layer, "last")


@pytest.mark.parametrize("mean", [0.0, 1e2, 1e4, 1e6])
@pytest.mark.parametrize("coarser", ["<f8", "<f4"])
def test_ill_conditioned_code_is_told_from_coarse_code(mean: float, coarser: str) -> None:
    """h⁴ is large beside its rounding, and falls; what is rounded on the way does not, or all at once."""

    def normed(x):
        return (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5)

    def batch_norm(g, x):
        y = normed(x)
        return {"x": (g - g.mean(0) - y * (g * y).mean(0)) / np.sqrt(x.var(0) + 1e-5)}

    def coarse(g, x):
        return batch_norm(g, x.astype(coarser).astype(x.dtype))

    for seed in range(5):
        rng = np.random.default_rng(seed)
        inputs, v = {"x": mean + rng.normal(size=(16, 4))}, rng.normal(size=(16, 4))
        assert not long_run(operation(batch_norm, inputs, normed), v).reasons
        assert "coarser" in long_run(operation(coarse, inputs, normed), v).reasons["x"]


def test_a_step_too_small_to_stir_float32_is_not_taken_for_fine() -> None:
    """At 2^-27 nothing inside moves any more: what is left of N is longdouble's own."""

    def softmax(x):
        e = np.exp(x - x.max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True)

    def by_float32(g, x):
        p = softmax(x.astype("<f4"))
        return {"x": p * (g - (g * p).sum(-1, keepdims=True))}

    for seed in range(30):
        rng = np.random.default_rng(seed)
        inputs, v = {"x": 3 * rng.normal(size=(4, 6))}, rng.normal(size=(4, 6))
        assert "coarser" in long_run(operation(by_float32, inputs, softmax), v).reasons["x"]
