"""Points in between: their gradients are judged like any other, and the first wrong line is named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import crosscheck
from crosscheck import tap
from crosscheck import tap as mark
from crosscheck.doors.lines import line_in
from crosscheck.doors.points import mentions_tap

RNG = np.random.default_rng(5)
INPUTS = {"x": RNG.normal(size=(4, 3)), "w": RNG.normal(size=(3, 5)), "b": RNG.normal(size=5)}


def forward(x: Any, w: Any, b: Any) -> Any:
    z = tap("z", x @ w + b)
    return 2 * tap("h", np.maximum(z, 0))


def reference(x: Any, w: Any, b: Any) -> Any:
    z = tap("z", x @ w + b)
    return 2 * tap("h", jax.nn.relu(z))


def unmarked(x: Any, w: Any, b: Any) -> Any:
    return 2 * np.maximum(x @ w + b, 0)


def backward(grad_output: Any, x: Any, w: Any, b: Any) -> Any:
    grad_h = 2 * grad_output
    grad_z = grad_h * (x @ w + b > 0)
    return {"h": grad_h, "z": grad_z, "x": grad_z @ w.T, "w": x.T @ grad_z, "b": grad_z.sum(0)}


def without_mask(grad_output: Any, x: Any, w: Any, b: Any) -> Any:
    grad_h = 2 * grad_output
    grad_z = grad_h * 1.0
    return {"h": grad_h, "z": grad_z, "x": grad_z @ w.T, "w": x.T @ grad_z, "b": grad_z.sum(0)}


def said(result: crosscheck.Result) -> str:
    return next((f.explanation for f in result.findings if f.kind == "line-by-line"), "")


WAYS = {
    "both": (forward, reference),
    "recorded": (forward, None),
    "compiled": (forward, jax.jit(reference)),
    "the reference alone": (unmarked, reference),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_right_derivation_agrees_at_every_point(way: str) -> None:
    given, truth = WAYS[way]
    result = crosscheck.check(given, backward, INPUTS, truth)
    assert result, result
    assert list(result.gradients) == ["h", "z", "x", "w", "b"]
    assert not said(result)
    assert not [f for f in result.findings if f.kind == "zero-size"]


@pytest.mark.parametrize("way", WAYS)
def test_the_first_wrong_line_is_named(way: str) -> None:
    given, truth = WAYS[way]
    result = crosscheck.check(given, without_mask, INPUTS, truth)
    verdicts = {k: g.verdict for k, g in result.gradients.items()}
    assert verdicts == {"h": "agree", **dict.fromkeys(("z", "x", "w", "b"), "disagree")}
    assert said(result).startswith("h is right, and z is the first that is wrong (test_between.py:")
    assert "grad_z = grad_h * 1.0); x, w, b, derived after it" in said(result)
    kinds = [d.kind for d in result.gradients["z"].diagnoses]
    assert kinds[-1] == "line"
    if truth is reference:
        assert "mask of relu" in result.gradients["z"].diagnoses[0].explanation


def test_what_is_wrong_after_a_right_point_is_told_from_it() -> None:
    result = crosscheck.check(forward, lambda g, x, w, b: {**backward(g, x, w, b), "w": 2 * w}, INPUTS, reference)
    assert said(result).startswith("h, z, x are right, and w is the first that is wrong")
    assert "derived after it" not in said(result)


def test_nothing_rounds_at_exact_points_with_points_marked() -> None:
    result = crosscheck.check(forward, backward, INPUTS, reference)
    assert "exact" in result.statement
    assert {g.exact for g in result.gradients.values()} <= {"equal", "equal but for ties"}


def test_float32_is_judged_as_float32() -> None:
    result = crosscheck.check(forward, backward, {k: a.astype(np.float32) for k, a in INPUTS.items()}, reference)
    assert result, result
    assert result.dtype == np.float32


def test_wrt_leaves_out_inputs_and_no_points() -> None:
    result = crosscheck.check(forward, backward, INPUTS, reference, wrt=("x",))
    assert list(result.gradients) == ["h", "z", "x"]


# ---------------------------------------------------------------------- loops

STEPS = {"x": RNG.normal(size=(4, 3)), "u": 0.5 * RNG.normal(size=(3, 3))}


def recurrent(x: Any, u: Any) -> Any:
    h = np.zeros(3)
    for t in range(4):
        h = tap("h", np.tanh(x[t] + h @ u))
    return h


def through_time(grad_output: Any, x: Any, u: Any, bug: int | None = None) -> Any:
    h = [np.zeros(3)]
    for t in range(4):
        h.append(np.tanh(x[t] + h[-1] @ u))
    grad_h: list[Any] = [None, None, None, grad_output]
    grad_x, grad_u = np.zeros_like(x), np.zeros_like(u)
    for t in reversed(range(4)):
        grad_x[t] = grad_h[t] * (1 - h[t + 1] ** 2)
        grad_u += np.outer(h[t], grad_x[t])
        if t:
            grad_h[t - 1] = grad_x[t] @ (u if t == bug else u.T)
    return {"h": grad_h, "x": grad_x, "u": grad_u}


def test_a_point_in_a_loop_has_a_number() -> None:
    result = crosscheck.check(recurrent, through_time, STEPS)
    assert result, result
    assert list(result.gradients) == ["h[3]", "h[2]", "h[1]", "h[0]", "x", "u"]


def test_the_step_of_a_loop_that_goes_wrong_is_named() -> None:
    result = crosscheck.check(recurrent, lambda g, x, u: through_time(g, x, u, bug=2), STEPS, diagnose=False)
    assert said(result).startswith("h[3], h[2] are right, and h[1] is the first that is wrong")


def test_the_steps_may_be_returned_by_their_names() -> None:
    def by_name(grad_output: Any, x: Any, u: Any) -> Any:
        found = through_time(grad_output, x, u)
        return {**{f"h[{t}]": found["h"][t] for t in (3, 2, 1, 0)}, "x": found["x"], "u": found["u"]}

    assert crosscheck.check(recurrent, by_name, STEPS)


# ---------------------------------------------------------------------- outside of a check

ONE = {"x": RNG.normal(size=3)}


def doubled(grad_output: Any, x: Any) -> Any:
    return {"z": 2 * grad_output, "x": 2 * grad_output}


@jax.jit
def compiled(x: Any) -> Any:
    return 2 * tap("z", x)


def test_it_is_the_identity_outside() -> None:
    a = np.ones(3)
    assert tap("z", a) is a
    assert np.array_equal(jax.grad(lambda x: jnp.sum(compiled(x) ** 2))(a), 8 * a)
    assert np.array_equal(jax.jit(jax.vmap(lambda x: tap("z", x) * 3))(a), 3 * a)


def test_a_check_leaves_nothing_behind() -> None:
    assert crosscheck.check(lambda x: 2 * tap("z", x), doubled, ONE, jax.jit(lambda x: 2 * tap("z", x)))
    assert np.array_equal(compiled(jnp.ones(3)), 2 * np.ones(3))
    a = np.ones(3)
    assert tap("z", a) is a


def test_what_backward_does_not_return_is_said() -> None:
    result = crosscheck.check(lambda x: mark("y", mark("z", 2 * x)), doubled_at_z, ONE)
    assert result, result
    assert [f.explanation for f in result.findings if f.kind == "not-judged"] == [
        "marked, and backward returns no gradient there, so it is not judged: y"
    ]


def doubled_at_z(grad_output: Any, x: Any) -> Any:
    return {"z": grad_output, "x": 2 * grad_output}


def test_points_without_gradients_change_nothing() -> None:
    result = crosscheck.check(lambda x: tap("z", 2 * x), lambda grad_output, x: 2 * grad_output, ONE)
    assert result, result
    assert list(result.gradients) == ["x"]


def test_a_mark_that_nothing_depends_on_is_told() -> None:
    def unused(x: Any) -> Any:
        z = 2 * x
        y = tap("z", z)
        return z * x if y is not None else y

    result = crosscheck.check(unused, lambda g, x: {"z": g * x, "x": 4 * g * x}, ONE, diagnose=False)
    assert not result
    assert "no output depends on z as it is marked" in said(result)


def test_code_that_marks_nothing_is_not_called_once_more() -> None:
    assert mentions_tap(forward)
    assert mentions_tap(compiled)
    assert mentions_tap(lambda x: mark("z", x))
    assert mentions_tap(lambda x: crosscheck.tap("z", x))
    assert mentions_tap(lambda x: compiled(x))
    assert not mentions_tap(unmarked, None)


def test_nested_inputs_several_outputs_and_complex_numbers() -> None:
    def product(p: Any) -> Any:
        z = tap("z", p["a"] * np.exp(1j * p["b"]))
        return {"real": z.real, "size": (z * z.conj()).real}

    def back(g: Any, p: Any) -> Any:
        z = p["a"] * np.exp(1j * p["b"])
        grad_z = g["real"] + 2 * z * g["size"]
        grad_a = (grad_z.conj() * np.exp(1j * p["b"])).real
        return {"z": grad_z, "p": {"a": grad_a, "b": (grad_z.conj() * 1j * z).real}}

    inputs = {"p": {"a": RNG.normal(size=3), "b": RNG.normal(size=3)}}
    result = crosscheck.check(product, back, inputs, convention="pytorch")
    assert result, result
    assert list(result.gradients) == ["z.real", "z.imag", "p.a", "p.b"]


def test_what_is_written_into_a_marked_view_shows() -> None:
    def doubled_in_place(x: Any) -> Any:
        z = tap("z", x[1:])
        z *= 2
        return z

    result = crosscheck.check(
        doubled_in_place, lambda g, x: {"z": 2 * g, "x": np.append(0, 2 * g)}, {"x": RNG.normal(size=4)}
    )
    assert "mutated-argument" in {f.kind for f in result.findings}


# ---------------------------------------------------------------------- refusals


def in_scan(x: Any) -> Any:
    return jax.lax.scan(lambda c, a: (c, 2 * tap("z", a)), 0.0, x)[1]


def dropped(x: Any) -> Any:
    tap("z", x)
    return 2 * x


def of(f: Callable[..., Any], back: Callable[..., Any] = doubled, truth: Any = None) -> Callable[[], Any]:
    return lambda: crosscheck.check(f, back, ONE, truth)


REFUSED = {
    "scan": (of(lambda x: 2 * x, truth=in_scan), r"tap\('z'\) stands inside jax\.jit, vmap, scan .* in the reference"),
    "jit": (of(lambda x: 2 * x, truth=lambda x: compiled(x) + 0), r"stands inside jax\.jit"),
    "vmap": (of(lambda x: 2 * x, truth=jax.vmap(lambda x: 2 * tap("z", x))), "stands inside"),
    "dropped": (of(dropped), r"what it returns is not used: write z = tap\('z', \.\.\.\)"),
    "an input's name": (of(lambda x: 2 * tap("x", x)), "the point x has the name of an input"),
    "nobody's name": (of(lambda x: 2 * tap("y", x)), r"gradient for z, which is neither an input \(x\) nor a point"),
    "integers": (of(lambda x: 2 * x * tap("z", np.ones(3, int))), "is given an array of int64, in forward"),
    "a tuple": (of(lambda x: 2 * tap("z", (x, x))[0]), "is given a tuple"),
    "no word": (of(lambda x: 2 * tap("z 1", x)), "it must be a word"),
    "one alone": (of(lambda x: 2 * tap("z", x), truth=lambda x: 2 * x), "marked in forward and not in the reference"),
    "two shapes": (
        of(lambda x: 2 * tap("z", x), truth=lambda x: 2 * tap("z", x[None])[0]),
        r"the point z has shape \(3,\) in forward and \(1, 3\) in the reference",
    ),
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_cannot_be_a_point_is_refused_in_a_sentence(why: str) -> None:
    call, sentence = REFUSED[why]
    with pytest.raises((TypeError, ValueError), match=sentence):
        call()


# ---------------------------------------------------------------------- lines


def put_into_a_dictionary(g: Any, x: Any) -> Any:
    found = {}
    found["z"] = 2 * g
    return found


def by_keywords(g: Any, x: Any) -> Any:
    grad_z = 2 * g
    grad_z *= 1
    return dict(z=grad_z)


def with_a_comment(g: Any, x: Any) -> Any:
    return {"z": g * (x != "#")}  # (3), and more words


def test_a_line_is_told_without_its_comment() -> None:
    line = line_in(with_a_comment, "z")
    assert line is not None
    assert line.text == 'return {"z": g * (x != "#")}'


def test_a_line_is_found_in_the_source() -> None:
    line = line_in(put_into_a_dictionary, "z")
    assert line is not None
    assert line.text == 'found["z"] = 2 * g'
    changed = line_in(by_keywords, "z")
    assert changed is not None
    assert changed.text == "grad_z *= 1"
    assert line_in(by_keywords, "y") is None
    assert line_in(np.sin, "z") is None
