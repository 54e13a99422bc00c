"""Right Functions are not accused, wrong ones are caught and named; modules, gradcheck, second derivatives."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

torch: Any = pytest.importorskip("torch")

import crosscheck  # noqa: E402
from tests.torch.functions import RIGHT, WRONG, Case, made, normal, product, product_back, sine, sine_back  # noqa: E402

FEW = 3  # of each are asked every day


def params(cases: list[Case]) -> list[Any]:
    return [
        pytest.param(case, id=case.name, marks=[] if number < FEW else [pytest.mark.proof])
        for number, case in enumerate(cases)
    ]


def wrong_words(result: crosscheck.Result) -> str:
    return " ".join(str(result).split())


@pytest.mark.parametrize("case", params(RIGHT))
def test_a_right_function_agrees(case: Case) -> None:
    tensors = [a for a in case.args if isinstance(a, torch.Tensor)]
    before = [a.clone() for a in tensors]
    result = crosscheck.torch.check_function(case.function, *case.args)
    assert result, result
    assert all(map(torch.equal, tensors, before))


@pytest.mark.parametrize("case", params(WRONG))
def test_a_wrong_function_is_caught_and_named(case: Case) -> None:
    result = crosscheck.torch.check_function(case.function, *case.args)
    assert result.verdict == "disagree", result
    assert case.words in wrong_words(result)


SINE, TWICE = made(sine, sine_back), made(sine, lambda ctx, g: 2 * sine_back(ctx, g))


def test_gradcheck_has_the_signature_of_pytorchs() -> None:
    assert inspect.signature(crosscheck.torch.gradcheck).parameters.keys() == (
        inspect.signature(torch.autograd.gradcheck).parameters.keys()
    )
    ours, theirs = (
        {k: p.default for k, p in inspect.signature(f).parameters.items()}
        for f in (crosscheck.torch.gradcheck, torch.autograd.gradcheck)
    )
    assert ours == theirs


def test_gradcheck_says_yes_and_no() -> None:
    x = normal(3).requires_grad_()
    wide = {"atol": 1e3, "rtol": 1e3, "eps": 1e-2, "nondet_tol": 1e3}
    assert crosscheck.torch.gradcheck(SINE.apply, (x,), atol=0.0, rtol=0.0) is True
    assert crosscheck.torch.gradcheck(TWICE.apply, (x,), raise_exception=False, **wide) is False
    with pytest.raises(torch.autograd.gradcheck.__globals__["GradcheckError"], match="2 times too large") as shown:
        crosscheck.torch.gradcheck(TWICE.apply, x, **wide)
    said = " ".join(str(shown.value).split())
    assert "eps=0.01, atol=1000.0, rtol=1000.0 and nondet_tol=1000.0 neither widen nor narrow the verdict" in said


class Pushing(torch.autograd.Function):
    """A cube, with a forward mode whose exponent is a class attribute."""

    power = 2

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        ctx.save_for_forward(x)
        return x**3

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_tensors
        return 3 * g * x**2

    @classmethod
    def jvp(cls, ctx: Any, t: Any) -> Any:
        (x,) = ctx.saved_tensors
        return 3 * t * x**cls.power


class PushingWrong(Pushing):
    power = 3


def test_forward_mode_says_the_same() -> None:
    x = normal(2, 3)
    assert crosscheck.torch.check_function(Pushing, x)
    result = crosscheck.torch.check_function(PushingWrong, x)
    assert result.gradients["x"].passed
    assert "forward-mode: in forward mode, the gradient of x is another one" in wrong_words(result)


@pytest.mark.parametrize(
    "option",
    ["check_batched_grad", "check_batched_forward_grad", "check_forward_ad", "check_grad_dtypes", "masked"],
)
def test_gradcheck_refuses_by_name(option: str) -> None:
    x = normal(3).requires_grad_()
    with pytest.raises(ValueError, match=f"{option}=True is not supported"):
        crosscheck.torch.gradcheck(torch.sin, x, **{option: True})


def test_gradcheck_wants_what_pytorchs_wants() -> None:
    with pytest.raises(ValueError, match="at least one input tensor to require a gradient"):
        crosscheck.torch.gradcheck(torch.sin, normal(3))
    with pytest.raises(ValueError, match="check_backward_ad=False is not supported"):
        crosscheck.torch.gradcheck(torch.sin, normal(3).requires_grad_(), check_backward_ad=False)


@pytest.mark.proof
def test_gradcheck_without_a_function_of_ones_own() -> None:
    z = torch.view_as_complex(normal(3, 2)).requires_grad_()
    x = normal(2, 3).requires_grad_()
    assert crosscheck.torch.gradcheck(lambda z: (z * z.conj()).real, z)
    assert crosscheck.torch.gradcheck(torch.nn.Softmax(-1), (x,))
    assert not crosscheck.torch.gradcheck(lambda x: 2 * x.detach(), x, raise_exception=False)


@pytest.mark.proof
def test_a_module_is_judged_with_its_parameters_and_left_alone() -> None:
    class Layer(torch.nn.Module):
        def __init__(self, function: Any) -> None:
            super().__init__()
            self.linear, self.norm, self.function = torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3), function

        def forward(self, x: Any) -> Any:
            return self.function.apply(self.norm(self.linear(x)))

    x = normal(5, 4, dtype=torch.float32)
    layer = Layer(SINE)
    before = {k: v.clone() for k, v in layer.state_dict().items()}
    result = crosscheck.torch.check_module(layer, x)
    assert result, result
    assert set(result.gradients) == {"x", "linear.weight", "linear.bias", "norm.weight", "norm.bias"}
    assert all(torch.equal(before[k], v) for k, v in layer.state_dict().items())
    assert all(p.grad is None and isinstance(p, torch.nn.Parameter) for p in layer.parameters())
    wrong = crosscheck.torch.check_module(Layer(TWICE), x)
    assert "2 times too large" in wrong.gradients["linear.weight"].diagnoses[0].explanation


@pytest.mark.proof
def test_a_second_derivative_that_autograd_cannot_know_is_said() -> None:
    def kept(ctx: Any, x: Any) -> Any:
        ctx.y = x.exp()
        return ctx.y.clone()

    function = made(kept, lambda ctx, g: g * ctx.y.detach())
    result = crosscheck.torch.check_function(function, normal(3))
    assert result, result
    assert "double-backward" in {f.kind for f in result.findings}
    assert not crosscheck.torch.check_function(function, normal(3), double_backward=True)
    assert crosscheck.torch.check_function(made(product, product_back), normal(3), normal(3), double_backward=True)


@pytest.mark.parametrize(
    ("function", "args", "sentence"),
    [
        (SINE.apply, (normal(2),), "it must be a subclass of torch.autograd.Function"),
        (SINE, (3.0,), "no tensor was given for sine"),
        (SINE, (torch.tensor([1, 2]),), "nothing of sine is differentiated"),
        (SINE, (normal(2).to(torch.float16),), "x is of torch.float16; float32 and float64 are judged"),
    ],
)
def test_a_wrong_call_is_one_sentence(function: Any, args: tuple[Any, ...], sentence: str) -> None:
    with pytest.raises(TypeError, match=sentence):
        crosscheck.torch.check_function(function, *args)


def test_a_module_is_made_and_gets_tensors() -> None:
    with pytest.raises(TypeError, match=r"module is the class Linear; give one, Linear"):
        crosscheck.torch.check_module(torch.nn.Linear, normal(2))
    with pytest.raises(TypeError, match="inputs has an array of NumPy, and no tensor"):
        crosscheck.torch.check_module(torch.nn.Linear(3, 2), np.ones((2, 3)))


def test_the_threads_are_as_they_were() -> None:
    before = torch.get_num_threads()
    with pytest.raises(ZeroDivisionError):
        crosscheck.torch.check_function(made(lambda ctx, x: 1 / 0, sine_back), normal(2))
    assert torch.get_num_threads() == before
