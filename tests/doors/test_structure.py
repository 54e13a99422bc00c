"""Several outputs and nested inputs: right gradients agree, wrong ones are named by leaf and by output."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import pytest

import crosscheck

Array = np.ndarray


def refused(call: Callable[[], Any], kind: type[Exception], *words: str) -> None:
    with pytest.raises(kind) as caught:
        call()
    assert all(word in str(caught.value) for word in words), caught.value


@dataclass
class Params:
    w: Any
    b: Any


class Out(NamedTuple):
    y: Any
    rest: Any


def inputs(dtype: Any = np.float64) -> dict[str, Any]:
    rng = np.random.default_rng(0)

    def draw(*shape: int) -> Array:
        return rng.normal(size=shape).astype(dtype)

    return {
        "x": draw(4, 3),
        "params": Params(draw(3, 2), draw(2)),
        "state": (draw(4, 2), {"c": draw(4, 2)}),
        "scale": 0.5,
        "rows": np.array([2, 0, 2]),
        "mode": "tanh",
        "count": 3,
        "flag": True,
        "nothing": None,
    }


def function(xp: Any) -> Callable[..., Any]:
    def forward(x: Any, params: Any, state: Any, scale: Any, rows: Any, mode: Any, count: Any, **others: Any) -> Any:
        assert mode == "tanh"
        assert type(count) is int
        assert others == {"flag": True, "nothing": None}
        h, c = state[0], state[1]["c"]
        z = x @ params.w + params.b + h
        return Out(xp.tanh(z)[rows] * scale, {"loss": xp.sum(z * c), "steps": count})

    return forward


forward, reference = function(np), function(jnp)


def backward(grad_output: Any, x: Any, params: Any, state: Any, scale: Any, rows: Any, **others: Any) -> dict[str, Any]:
    assert type(grad_output) is Out
    assert grad_output.rest["steps"] is None
    h, c = state[0], state[1]["c"]
    z = x @ params.w + params.b + h
    g = np.zeros_like(z)
    np.add.at(g, rows, grad_output.y * scale)
    g = g * (1 - np.tanh(z) ** 2) + grad_output.rest["loss"] * c
    return {
        "x": g @ params.w.T,
        "params": Params(x.T @ g, g.sum(0)),
        "state": (g, {"c": grad_output.rest["loss"] * z}),
        "scale": (grad_output.y * np.tanh(z)[rows]).sum(),
        "mode": None,
    }


LEAVES = ["x", "params.w", "params.b", "state[0]", "state[1].c", "scale"]


@pytest.mark.parametrize("given", [reference, None])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_right_gradients_agree_and_are_named_by_leaf(given: Any, dtype: Any) -> None:
    before = inputs(dtype)
    result = crosscheck.check(forward, backward, before, given)
    assert result, result
    assert list(result.gradients) == LEAVES
    assert (result.evidence.reference is not None) == (given is not None or result.evidence.source.startswith("rec"))
    assert before["x"].tobytes() == inputs(dtype)["x"].tobytes()
    assert any("y.rest.steps" in f.explanation for f in result.findings)


def scaled(found: dict[str, Any]) -> None:
    found["params"].w[2, 1] *= 1 + 1e-7


def swapped(found: dict[str, Any]) -> None:
    found["state"] = (found["state"][1]["c"], {"c": found["state"][0]})


def summed(found: dict[str, Any]) -> None:
    found["params"].b = found["params"].b + 1e-6


def nothing(found: dict[str, Any]) -> None:
    found["state"] = (found["state"][0], None)


# what is done to the right gradients -> the leaves that are wrong, and words of the report
PLANTED: dict[str, tuple[Callable[[dict[str, Any]], None], set[str], str]] = {
    "one entry scaled": (scaled, {"params.w"}, "params.w[2, 1]: hand-derived"),
    "two leaves of one shape exchanged": (swapped, {"state[0]", "state[1].c"}, "are exchanged"),
    "a constant added": (summed, {"params.b"}, "params.b"),
    "None for what moves the output": (nothing, {"state[1].c"}, "returned None as the gradient of state[1].c"),
}


SLOWER = [pytest.param(name, marks=pytest.mark.proof) for name in PLANTED if name != "one entry scaled"]


@pytest.mark.parametrize("name", ["one entry scaled", *SLOWER])
def test_a_wrong_leaf_is_named(name: str) -> None:
    change, wrong, words = PLANTED[name]
    given = None if change in (scaled, nothing) else reference

    def mistaken(grad_output: Any, **values: Any) -> dict[str, Any]:
        found = backward(grad_output, **values)
        change(found)
        return found

    result = crosscheck.check(forward, mistaken, inputs(), given)
    assert result.verdict == "disagree"
    assert {k for k, g in result.gradients.items() if g.verdict == "disagree"} == wrong
    assert words in " ".join(str(result).split())


def test_an_output_that_is_left_out_is_named() -> None:
    def mistaken(grad_output: Any, **values: Any) -> dict[str, Any]:
        right = backward(grad_output, **values)
        loss = {"loss": 0.0 * grad_output.rest["loss"], "steps": None}
        without = backward(Out(grad_output.y, loss), **values)
        return {**right, "x": without["x"]}

    result = crosscheck.check(forward, mistaken, inputs())
    assert [k for k, g in result.gradients.items() if g.verdict == "disagree"] == ["x"]
    assert result.gradients["x"].diagnoses[0].kind == "output-left-out"
    assert result.gradients["x"].diagnoses[0].evidence == {"outputs": ["y.rest.loss"]}


@pytest.mark.proof
def test_an_output_that_is_wrong_and_not_left_out_is_named() -> None:
    def mistaken(grad_output: Any, **values: Any) -> dict[str, Any]:
        loss = {"loss": 1.5 * grad_output.rest["loss"], "steps": None}
        return backward(Out(grad_output.y, loss), **values)

    result = crosscheck.check(forward, mistaken, inputs(), reference)
    kinds = {k: [d.kind for d in g.diagnoses[:1]] for k, g in result.gradients.items() if not g}
    assert kinds["x"] == ["output"]
    assert "wrong through y.rest.loss only" in result.gradients["x"].diagnoses[0].explanation


def test_where_forwards_differ_is_said_by_output() -> None:
    def other(**values: Any) -> Any:
        y, rest = reference(**values)
        return Out(y.at[1, 0].add(1.0), rest)

    result = crosscheck.check(forward, backward, inputs(), other)
    assert result.verdict == "disagree"
    assert "the output at which the forwards differ most is y.y[1, 0]" in " ".join(str(result).split())


def test_none_is_zero_and_right_where_nothing_moves() -> None:
    def halves(x: Any, pair: Any) -> Any:
        return 3.0 * x, pair[0] * x

    def back(grad_output: Any, x: Any, pair: Any) -> dict[str, Any]:
        first, second = grad_output
        return {"x": 3 * first + second * pair[0], "pair": [second * x, None]}

    given = {"x": np.array([1.5, -2.0]), "pair": (np.array([0.3, 0.4]), np.array([0.7, -0.1, 2.0]))}
    result = crosscheck.check(halves, back, given, halves)
    assert result, result
    assert "returned None as the gradient of pair[1]" in " ".join(str(result).split())


def test_only_what_wrt_names_is_judged() -> None:
    result = crosscheck.check(forward, backward, inputs(), reference, wrt=("params", "state[0]"))
    assert list(result.gradients) == ["params.w", "params.b", "state[0]"]

    def only_b(grad_output: Any, **values: Any) -> dict[str, Any]:
        return {"params": {"b": backward(grad_output, **values)["params"].b}}

    assert crosscheck.check(forward, only_b, inputs(), reference, wrt=("params.b",))


def test_a_number_stays_a_number_and_a_0d_array_an_array() -> None:
    seen: dict[str, set[Any]] = {"a": set(), "b": set(), "c": set()}

    def scale(x: Any, a: Any, b: Any, c: Any) -> Any:
        for k, value in {"a": a, "b": b, "c": c}.items():
            seen[k].add((type(value), np.shape(value)))
        return x * a * b * c, float(np.float64(1)) * a

    def back(grad_output: Any, x: Any, a: Any, b: Any, c: Any) -> dict[str, Any]:
        g, of_a = grad_output
        s = (g * x).sum()
        return {"x": g * a * b * c, "a": s * b * c + of_a, "b": np.array(s * a * c), "c": s * a * b}

    given = {"x": np.array([1.5, -2.0, 0.3]), "a": 0.5, "b": np.array(1.25), "c": np.float64(0.75)}
    result = crosscheck.check(scale, back, given, lambda x, a, b, c: (x * a * b * c, a))
    assert result, result
    kinds = {k: {t for t, _ in found} for k, found in seen.items()}
    assert float in kinds["a"]
    assert np.ndarray not in kinds["a"]
    assert np.ndarray in kinds["b"]
    assert np.float64 in kinds["c"]
    assert {shape for found in seen.values() for _, shape in found} == {()}


def test_a_leaf_without_entries_is_passed_on() -> None:
    def double(p: Any) -> Any:
        return {"y": 2 * p["w"], "e": p["e"]}

    given = {"p": {"w": np.array([1.0, -0.5]), "e": np.zeros((0, 3))}}
    result = crosscheck.check(double, lambda g, p: {"p": {"w": 2 * g["y"], "e": g["e"]}}, given, double)
    assert result, result
    assert list(result.gradients) == ["p.w"]


def test_a_given_cotangent_has_the_structure_of_the_output() -> None:
    v = Out(np.full((3, 2), 0.5), {"loss": -1.5})
    result = crosscheck.check(forward, backward, inputs(), reference, grad_output=v)
    assert result
    assert result.evidence.cotangent.tolist() == [0.5] * 6 + [-1.5]
    bad = Out(np.ones((2, 3)), {"loss": 1.0})
    refused(lambda: crosscheck.check(forward, backward, inputs(), grad_output=bad), ValueError, "grad_output", "y")


def test_what_does_not_fit_gets_a_sentence() -> None:
    def returning(gradients: Any) -> Callable[[], Any]:
        return lambda: crosscheck.check(forward, lambda g, **v: {**backward(g, **v), **gradients}, inputs(), reference)

    refused(returning({"params": np.ones(3)}), TypeError, "params", "ndarray", "Params")
    refused(returning({"params": {"w": np.ones((3, 2))}}), ValueError, "no gradient for params.b")
    refused(returning({"params": {"w": 0, "b": 0, "v": 0}}), ValueError, "params.v", "params.w, params.b")
    less = lambda **v: reference(**v).y  # noqa: E731
    refused(lambda: crosscheck.check(forward, backward, inputs(), less), ValueError, "reference", ".y")
    turned = lambda **v: Out(reference(**v).y.T, reference(**v).rest)  # noqa: E731
    refused(lambda: crosscheck.check(forward, backward, inputs(), turned), ValueError, "(2, 3)", "(3, 2)")
    twice = {"a": {"b": np.ones(2)}, "a.b": np.ones(2)}
    refused(lambda: crosscheck.check(lambda **v: 1.0, lambda g, **v: {}, twice), ValueError, "a.b")


def test_outputs_whose_shapes_hang_on_values_and_other_orders_of_keys() -> None:
    """A reference may build its dictionary in another order."""

    def two(x: Any) -> Any:
        return {"a": x * x, "b": 3.0 * x}

    def other(x: Any) -> Any:
        return {"b": 3.0 * x, "a": x * x}

    given = {"x": np.array([0.5, -1.5, 2.0])}
    assert crosscheck.check(two, lambda g, x: {"x": 2 * x * g["a"] + 3 * g["b"]}, given, other)
    assert not crosscheck.check(two, lambda g, x: {"x": 2 * x * g["b"] + 3 * g["a"]}, given, other)


def test_a_cotangent_that_is_written_to_is_seen() -> None:
    def two(x: Any) -> Any:
        return x * x, 3.0 * x

    def back(grad_output: Any, x: Any) -> dict[str, Any]:
        first, second = grad_output
        gradient = 2 * x * first + 3 * second
        first *= 0.5
        return {"x": gradient}

    result = crosscheck.check(two, back, {"x": np.array([0.5, -1.5, 2.0])}, two)
    assert result.verdict == "disagree"
    assert any(f.kind == "mutated-argument" for f in result.findings)
