"""A pair with saved values: positional parameters are arrays, the rest goes by keyword."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import crosscheck
from crosscheck.doors.modules import from_module, positional_names
from tests.doors.planting import normal

Array = np.ndarray


class Scaled:
    """y = factor · x · w + target, with what it saves in the open."""

    @staticmethod
    def forward(x: Array, w: Array, *, factor: float = 1.0, target: Any = 0.0) -> tuple[Array, Any]:
        return factor * x * w + target, (x, w, factor)

    @staticmethod
    def backward(grad_output: Array, saved: Any) -> Any:
        x, w, factor = saved
        return factor * grad_output * w, factor * grad_output * x


INPUTS = {"x": np.array([1.0, 2.0]), "w": np.array([3.0, 5.0])}


def test_arrays_by_position_hyperparameters_by_keyword() -> None:
    operation = from_module(Scaled, INPUTS, hyperparameters={"factor": 10.0})
    assert operation.wrt == ("x", "w")
    assert operation.output().tolist() == [30.0, 100.0]
    gradients = operation.gradients(np.ones(2))
    assert {k: g.tolist() for k, g in gradients.items()} == {"x": [30.0, 50.0], "w": [10.0, 20.0]}
    assert positional_names(Scaled.forward) == ["x", "w"]


def test_what_is_beyond_the_arrays_is_passed_on_and_not_differentiated() -> None:
    operation = from_module(Scaled, {**INPUTS, "target": np.array([7.0, 7.0])})
    assert operation.wrt == ("x", "w")
    assert operation.output().tolist() == [10.0, 17.0]


def test_the_reference_is_given_the_hyperparameters() -> None:
    operation = from_module(
        Scaled, INPUTS, lambda x, w, factor: factor * jnp.asarray(x) * w, hyperparameters={"factor": 10.0}
    )
    assert operation.reference is not None
    assert np.asarray(operation.reference(**INPUTS)).tolist() == [30.0, 100.0]


def test_the_name_is_the_modules_last() -> None:
    named = SimpleNamespace(__name__="package.scaled", forward=Scaled.forward, backward=Scaled.backward)
    assert from_module(named, INPUTS).name == "scaled"
    assert from_module(Scaled(), INPUTS).name == "Scaled"


def returning(gradients: Any) -> Any:
    return SimpleNamespace(__name__="mine", forward=Scaled.forward, backward=lambda grad_output, saved: gradients)


def test_gradients_may_be_a_tuple_a_list_or_named() -> None:
    x, w = np.ones(2), np.zeros(2)
    for given in ((x, w), [x, w], {"w": w, "x": x}):
        gradients = from_module(returning(given), INPUTS).gradients(np.ones(2))
        assert gradients["x"].tolist() == [1.0, 1.0]
        assert gradients["w"].tolist() == [0.0, 0.0]


def test_another_number_of_gradients_is_an_error_that_counts() -> None:
    for given, count in ((np.ones(2), 1), ((np.ones(2),) * 3, 3)):
        with pytest.raises(ValueError, match=rf"backward of mine.*{count} gradients.*2 arrays.*x, w"):
            from_module(returning(given), INPUTS).gradients(np.ones(2))


def test_a_forward_without_saved_values_is_an_error() -> None:
    bare = SimpleNamespace(__name__="mine", forward=lambda x, w: x * w, backward=Scaled.backward)
    with pytest.raises(TypeError, match=r"forward of mine.*\(y, saved\).*ndarray"):
        from_module(bare, INPUTS).output()


# ---------------------------------------------------------------------- pairs of every make


def affine_forward(x: Any, w: Any) -> Any:
    return x @ w, (x, w)


def affine_backward(dout: Any, cache: Any) -> Any:
    x, w = cache
    return dout @ w.T, x.T @ dout


class CacheFirst:
    """Static methods, of which backward takes the cache first."""

    forward = staticmethod(affine_forward)

    @staticmethod
    def backward(cache: Any, dout: Any) -> Any:
        return affine_backward(dout, cache)


class WithContext:
    """As PyTorch's own."""

    @staticmethod
    def forward(ctx: Any, x: Any, w: Any) -> Any:
        ctx.save_for_backward(x, w)
        ctx.scale = 2.0
        return ctx.scale * x @ w

    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        x, w = ctx.saved_tensors
        return ctx.scale * grad @ w.T, ctx.scale * x.T @ grad


class WrongContext(WithContext):
    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        x, w = ctx.saved_tensors
        return ctx.scale * grad @ w.T, x.T @ grad


@pytest.mark.parametrize(
    "pair", [(affine_forward, affine_backward), CacheFirst, WithContext], ids=["tuple", "static", "context"]
)
def test_pairs_of_every_make(pair: Any) -> None:
    rng = np.random.default_rng(0)
    inputs = {"x": rng.normal(size=(3, 4)), "w": rng.normal(size=(4, 2))}
    result = crosscheck.check_operation(pair, inputs)
    assert result, result
    assert set(result.gradients) == {"x", "w"}
    wrong = crosscheck.check_operation(WrongContext, inputs)
    assert not wrong.gradients["w"].passed


def activated(x: Array, w: Array, kind: str) -> tuple[Array, tuple[Array, ...]]:
    z = x @ w
    return (np.tanh(z) if kind == "tanh" else z), (x, w, z)


def activated_back(dout: Array, cache: tuple[Array, ...], kind: str, scale: float = 1.0) -> tuple[Array, Array]:
    x, w, z = cache
    dz = scale * (dout * (1 - np.tanh(z) ** 2) if kind == "tanh" else dout)
    return dz @ w.T, x.T @ dz


def test_hyperparameters_go_to_backward_too_where_it_asks_for_them() -> None:
    inputs = {"x": normal(5, 4), "w": normal(4, 3)}
    pair = (activated, activated_back)
    assert crosscheck.check_operation(pair, inputs, hyperparameters={"kind": "tanh"})
    # What backward alone takes is not forward's.
    assert crosscheck.check_operation(pair, inputs, hyperparameters={"kind": "tanh", "scale": 1.0})
    wrong = crosscheck.check_operation(pair, inputs, hyperparameters={"kind": "tanh", "scale": 1.5})
    assert wrong.verdict == "disagree"


def test_what_backward_lacks_is_said_beside_its_own_exception() -> None:
    def defaulting(x: Array, w: Array, kind: str = "tanh") -> tuple[Array, tuple[Array, ...]]:
        return activated(x, w, kind)

    with pytest.raises(TypeError, match="missing 1 required positional argument: 'kind'") as raised:
        crosscheck.check_operation((defaulting, activated_back), {"x": normal(5, 4), "w": normal(4, 3)})
    assert "hyperparameters={'kind': ...}" in " ".join(raised.value.__notes__)


def cell(x: Array, h: Array, w: Array, mask: Array) -> tuple[Array, Array, tuple[Array, ...]]:
    h = np.tanh(x @ w + h) * mask
    return h, h.sum(1), (x, w, h, mask)


def cell_back(dh: Array, cache: tuple[Array, ...]) -> tuple[Array, Array, Array]:
    x, w, h, mask = cache
    dz = dh.reshape(h.shape) * (mask - h**2)
    return dz @ w.T, dz, x.T @ dz


def test_fewer_gradients_than_outputs_and_than_arrays() -> None:
    inputs = {"x": normal(5, 4), "h": normal(5, 3), "w": normal(4, 3), "mask": np.ones((5, 3))}
    with pytest.raises(AttributeError) as raised:
        crosscheck.check_operation((cell, cell_back), inputs)
    assert "outputs=1" in " ".join(raised.value.__notes__)
    with pytest.raises(ValueError, match="returned 3 gradients for the 4 arrays"):
        crosscheck.check_operation((cell, cell_back), inputs, outputs=1)
    assert crosscheck.check_operation((cell, cell_back), inputs, outputs=1, wrt=("x", "h", "w"))
