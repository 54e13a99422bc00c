"""Layers and pairs that return several outputs: each is judged, whichever way backward takes its gradient."""

# pyright: reportIncompatibleMethodOverride=false

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import crosscheck

Array = np.ndarray
RNG = np.random.default_rng(5)
X, H, C = RNG.normal(size=(3, 4)), RNG.normal(size=(3, 5)), RNG.normal(size=(3, 5))
W, U = RNG.normal(size=(4, 5)), RNG.normal(size=(5, 5))


def cell(x: Array, h: Array, c: Array, w: Array, u: Array) -> tuple[Array, Array, Any]:
    """A cell with a forget gate and nothing else: c' = σ(a) c + tanh(a), h' = tanh(c')."""
    a = x @ w + h @ u
    gate, t = 1 / (1 + np.exp(-a)), np.tanh(a)
    new = gate * c + t
    return np.tanh(new), new, (x, h, c, w, u, gate, t, new)


def cell_back(dh: Array, dc: Array, cache: Any) -> tuple[Array, ...]:
    x, h, c, w, u, gate, t, new = cache
    dnew = dc + dh * (1 - np.tanh(new) ** 2)
    da = dnew * (c * gate * (1 - gate) + 1 - t**2)
    return da @ w.T, da @ u.T, dnew * gate, x.T @ da, h.T @ da


def without_dc(dh: Array, dc: Array, cache: Any) -> tuple[Array, ...]:
    """The gradient that comes through c' alone is forgotten."""
    return cell_back(dh, 0 * dc, cache)


class Cell:
    """Two outputs, and two gradients."""

    def __init__(self, back: Any = cell_back) -> None:
        self.w, self.u, self.back = W.copy(), U.copy(), back

    def forward(self, x: Array, h: Array, c: Array) -> Any:
        new_h, new_c, self.cache = cell(x, h, c, self.w, self.u)
        return new_h, new_c

    def backward(self, dh: Array, dc: Array) -> Any:
        *inputs, self.dw, self.du = self.back(dh, dc, self.cache)
        return tuple(inputs)


class Unnamed(Cell):
    """Nothing in the names says that the second argument is a gradient."""

    def backward(self, one: Array, two: Array) -> Any:
        return super().backward(one, two)


class AsOne(Cell):
    def backward(self, grads: Any) -> Any:
        return super().backward(*grads)


class WithCache(Cell):
    def forward(self, x: Array, h: Array, c: Array) -> Any:
        return cell(x, h, c, self.w, self.u)

    def backward(self, dh: Array, dc: Array, cache: Any) -> Any:
        self.cache = cache
        return super().backward(dh, dc)


class OfState(Cell):
    """A nested input, a nested output, a nested gradient."""

    def forward(self, x: Array, state: Any) -> Any:
        h, c = super().forward(x, *state)
        return h * 2.0, {"h": h, "c": c}

    def backward(self, dy: Array, dstate: Any) -> Any:
        dx, dh, dc = super().backward(dstate["h"] + 2.0 * dy, dstate["c"])
        return dx, (dh, dc)


INPUTS: dict[Any, Any] = {OfState: (X, (H, C))}


@pytest.mark.parametrize("kind", [Cell, Unnamed, AsOne, WithCache, OfState])
def test_every_output_is_judged(kind: Any) -> None:
    given = INPUTS.get(kind, (X, H, C))
    result = crosscheck.check_layer(kind(), given)
    assert result, result
    assert {"x", "w", "u"} < set(result.gradients)
    assert not crosscheck.check_layer(kind(without_dc), given, diagnose=False)


def test_what_comes_through_one_output_is_named() -> None:
    result = crosscheck.check_layer(Cell(without_dc), (X, H, C))
    assert result.gradients["w"].diagnoses[0].explanation == "the gradient of w leaves out what comes through y[1]"


def test_what_is_an_output_or_a_cache_is_asked_where_nothing_tells() -> None:
    result = crosscheck.check_layer(Unnamed(without_dc), (X, H, C), diagnose=False)
    assert any(finding.kind == "ambiguous" and "outputs=..." in finding.explanation for finding in result.findings)
    assert not crosscheck.check_layer(Unnamed(without_dc), (X, H, C), outputs=2, diagnose=False).gradients["w"].passed


def test_a_second_argument_that_is_ignored_does_not_become_a_cache() -> None:
    class Ignoring(Cell):
        def backward(self, dh: Array, dc: Array) -> Any:
            return super().backward(dh, np.zeros_like(dh))

    assert not crosscheck.check_layer(Ignoring(), (X, H, C))


def test_a_cache_that_looks_like_an_output_stays_one() -> None:
    class Squares:
        def forward(self, x: Array) -> Any:
            return x * x, x

        def backward(self, dy: Array, d: Array) -> Array:  # the name says nothing: it is the input
            return 2.0 * dy * d

    assert crosscheck.check_layer(Squares(), X)


class Attention:
    """An output, and the weights that it was made with."""

    def forward(self, x: Array) -> Any:
        e = np.exp(x @ x.T)
        self.x, self.p = x, e / e.sum(1, keepdims=True)
        return self.p @ x, self.p

    def backward(self, dy: Array) -> Array:
        dp = dy @ self.x.T
        da = self.p * (dp - (dp * self.p).sum(1, keepdims=True))
        return self.p.T @ dy + (da + da.T) @ self.x


def test_an_output_without_a_gradient_fails_by_its_place_unless_it_is_said() -> None:
    result = crosscheck.check_layer(Attention(), X)
    assert result.gradients["x"].passed
    assert not result
    said = " ".join(finding.explanation for finding in result.findings)
    assert "backward takes no gradient of [1]: it was not judged" in said
    assert "outputs=1" in said
    assert crosscheck.check_layer(Attention(), X, outputs=1)


def test_outputs_must_be_a_count() -> None:
    with pytest.raises(TypeError, match=r"outputs is 'y'; it must be how many"):
        crosscheck.check_layer(Attention(), X, outputs="y")  # pyright: ignore[reportArgumentType]


def test_a_reference_returns_what_forward_returns() -> None:
    def reference(x: Any, h: Any, c: Any, w: Any, u: Any) -> Any:
        a = x @ w + h @ u
        new = c / (1 + jnp.exp(-a)) + jnp.tanh(a)
        return jnp.tanh(new), new

    assert crosscheck.check_layer(Cell(), (X, H, C), reference)
    exchanged = crosscheck.check_layer(Cell(), (X, H, C), lambda **given: reference(**given)[::-1])
    assert not exchanged


# ---------------------------------------------------------------------- pairs

GIVEN = {"x": X, "h": H, "c": C, "w": W, "u": U}


def nested(x: Array, h: Array, c: Array, w: Array, u: Array) -> Any:
    *y, cache = cell(x, h, c, w, u)
    return tuple(y), cache


def cache_first(cache: Any, dh: Array, dc: Array) -> Any:
    return cell_back(dh, dc, cache)


def by_names(dh: Array, dc: Array, cache: Any) -> Any:
    return dict(zip(("dx", "dh", "dc", "dw", "du"), cell_back(dh, dc, cache), strict=True))


def one_tuple(grads: Any, cache: Any) -> Any:
    dh, dc = grads
    return cell_back(dh, dc, cache)


@pytest.mark.parametrize(
    "pair",
    [(cell, cell_back), (nested, cell_back), (nested, one_tuple), (cell, cache_first), (cell, by_names)],
    ids=["each", "nested", "one tuple", "cache first", "by names"],
)
def test_pairs_of_several_outputs(pair: Any) -> None:
    assert crosscheck.check_operation(pair, GIVEN)


def test_a_pair_is_wrong_through_one_output() -> None:
    result = crosscheck.check_operation((cell, without_dc), GIVEN)
    assert result.gradients["u"].diagnoses[0].explanation == "the gradient of u leaves out what comes through y[1]"


def test_parameters_in_a_dictionary_and_their_gradients_by_how_they_are_spelled() -> None:
    def forward(x: Array, parameters: Any) -> Any:
        a = np.tanh(parameters["W"] @ x + parameters["b"])
        return a, (a, x, parameters)

    def backward(da: Array, cache: Any) -> Any:
        a, x, parameters = cache
        dz = da * (1 - a**2)
        return {"dx": parameters["W"].T @ dz, "dW": dz @ x.T, "db": dz.sum(1, keepdims=True)}

    given = {"x": X, "parameters": {"W": RNG.normal(size=(2, 3)), "b": RNG.normal(size=(2, 1))}}
    result = crosscheck.check_operation((forward, backward), given)
    assert result, result
    assert set(result.gradients) == {"x", "parameters.W", "parameters.b"}


def test_an_output_without_a_gradient_of_a_pair_is_said_by_number() -> None:
    def three(x: Array, h: Array, c: Array, w: Array, u: Array) -> Any:
        new_h, new_c, cache = cell(x, h, c, w, u)
        return new_h, new_c, 1 / new_c, cache

    with pytest.raises(TypeError, match=r"backward of three takes dh, dc, cache; forward returns 3 outputs.*outputs="):
        crosscheck.check_operation((three, cell_back), GIVEN)
    assert crosscheck.check_operation((three, cell_back), GIVEN, outputs=2)
