"""Right rules are not accused, wrong ones are caught and named; and nothing of the caller's JAX is touched."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import crosscheck
from tests.jax.rules import RIGHT, WRONG, Rule, both, normal, with_jvp, with_vjp

FEW = 3  # of each are asked every day


def params(rules: list[Rule]) -> list[Any]:
    return [
        pytest.param(rule, id=rule.name, marks=[] if number < FEW else [pytest.mark.proof])
        for number, rule in enumerate(rules)
    ]


def check(rule: Rule, **options: Any) -> crosscheck.Result:
    door = crosscheck.jax.check_custom_jvp if rule.forward_mode else crosscheck.jax.check_custom_vjp
    return door(rule.f, *rule.args, **options)


@pytest.mark.parametrize("rule", params(RIGHT))
def test_a_right_rule_agrees(rule: Rule) -> None:
    result = check(rule)
    assert result, result


@pytest.mark.parametrize("rule", params(WRONG))
def test_a_wrong_rule_is_caught_and_named(rule: Rule) -> None:
    result = check(rule)
    assert result.verdict == "disagree", result
    assert rule.words in " ".join(str(result).split())


def scaled_by(factor: float) -> Any:
    return with_vjp(
        lambda k, x, y: k * x * y,
        lambda k, x, y: (k * x * y, (x, y)),
        lambda k, saved, g: (factor * k * saved[1] * g, k * saved[0] * g),
        (0,),
    )


@pytest.mark.parametrize("factor", [1.0, 3.0])
def test_of_a_partial_or_a_vmap_the_reference_takes_what_it_takes(factor: float) -> None:
    """A partial holds arguments of the rule; the vmap of a rule is another function than the rule."""
    x, y = normal(3), normal(4, 3)
    held = partial(scaled_by(factor), 2.0)
    assert bool(crosscheck.jax.check_custom_vjp(held, x, y[0])) == (factor == 1)
    mapped = jax.vmap(held, in_axes=(None, 0))
    assert bool(crosscheck.jax.check_custom_vjp(mapped, x, y)) == (factor == 1)


def test_a_key_of_random_numbers_is_passed_on() -> None:
    def kept(x: Any, key: Any) -> Any:
        return jnp.where(jax.random.bernoulli(key, 0.5, x.shape), 2 * x, 0)

    def backward(factor: float, key: Any, g: Any) -> Any:
        return jnp.where(jax.random.bernoulli(key, 0.5, g.shape), factor * g, 0), None

    for factor, right in ((2.0, True), (1.0, False)):
        rule = with_vjp(kept, both(kept, lambda x, key: key), partial(backward, factor))
        assert bool(crosscheck.jax.check_custom_vjp(rule, normal(6), jax.random.key(0))) == right


def test_the_configuration_is_as_it_was() -> None:
    assert not jax.config.read("jax_enable_x64")

    def refusing(x: Any) -> Any:
        raise ZeroDivisionError("on purpose")

    with pytest.raises(ZeroDivisionError):
        crosscheck.jax.check_custom_vjp(with_vjp(refusing, refusing, refusing), np.ones(2))
    assert not jax.config.read("jax_enable_x64")
    assert jnp.ones(1).dtype == jnp.float32


@pytest.mark.parametrize(
    ("f", "args", "sentence"),
    [
        (3, (np.ones(2),), "f is 3, an int; it must be a function with a custom rule"),
        (np.sin, (np.ones(2),), "f is <ufunc .sin.>, an ufunc, which JAX cannot trace"),
        (jnp.sin, (), "was given no arguments"),
        (lambda x: x * 2, (np.ones(2),), "no function inside of it brings a rule: give reference="),
        (with_jvp(jnp.sin, None), (3,), "nothing of sin is differentiated"),
    ],
)
def test_a_wrong_call_is_one_sentence(f: Any, args: tuple[Any, ...], sentence: str) -> None:
    with pytest.raises(TypeError, match=sentence):
        crosscheck.jax.check_custom_vjp(f, *args)


@pytest.mark.proof
def test_a_reference_may_be_given() -> None:
    half = with_vjp(jnp.sin, lambda x: (jnp.sin(x), x), lambda x, g: (g * jnp.cos(x),))
    assert crosscheck.jax.check_custom_vjp(half, normal(3), reference=jnp.sin)
    assert not crosscheck.jax.check_custom_vjp(half, normal(3), reference=jnp.cos, diagnose=False)


@pytest.mark.proof
def test_a_rule_that_jax_cannot_trace_is_called_as_it_is() -> None:
    def bwd(x: Any, g: Any) -> Any:
        return (jnp.asarray(np.cos(np.asarray(x)) * np.asarray(g)),)

    result = crosscheck.jax.check_custom_vjp(with_vjp(jnp.sin, lambda x: (jnp.sin(x), x), bwd), normal(3))
    assert all(g.passed for g in result.gradients.values()), result
    assert "under vmap, it raises" in " ".join(str(result).split())


def test_a_rule_of_a_forward_in_bfloat16_is_not_accused_by_steps() -> None:
    """Its differences are steps or nothing; what autodiff, rounded as coarsely, cannot tell is left undecided."""
    rng = np.random.default_rng(0)

    def given(wrong: bool) -> Any:
        @jax.custom_vjp
        def f(x: Any, w: Any) -> Any:
            return (x.astype(jnp.bfloat16) @ w.astype(jnp.bfloat16)).astype(x.dtype)

        f.defvjp(lambda x, w: (f(x, w), (x, w)), lambda s, g: (g @ (s[1] if wrong else s[1].T), s[0].T @ g))
        return f

    x, w = (rng.normal(size=shape).astype(np.float32) for shape in ((4, 3), (3, 3)))
    right = crosscheck.jax.check_custom_vjp(given(False), x, w, diagnose=False)
    assert right.verdict == "undecided"
    assert "rounds to fewer bits than float32 has" in " ".join(str(right).split())
    assert crosscheck.jax.check_custom_vjp(given(True), x, w, diagnose=False).verdict == "disagree"
