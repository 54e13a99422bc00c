"""A forward of PyTorch as a program of JAX: the same values and the same gradients, the lines, and other points."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch: Any = pytest.importorskip("torch")

import crosscheck  # noqa: E402
from crosscheck.torch.calls import TensorCall  # noqa: E402
from crosscheck.torch.programs import program_of  # noqa: E402
from crosscheck.traces.tape import record  # noqa: E402
from tests.torch.functions import made, normal, saved  # noqa: E402

F = torch.nn.functional
DAILY = 8  # forwards that are asked every day; the others by make proofs

FORWARDS: tuple[tuple[str, Any, tuple[tuple[int, ...], ...]], ...] = (
    ("softmax", lambda x: torch.softmax(x, 0), ((3, 4),)),
    ("layer norm", lambda x, w, b: F.layer_norm(x, (4,), w, b), ((3, 4), (4,), (4,))),
    ("convolution", lambda x, w, b: F.conv2d(x, w, b, stride=2, padding=1), ((2, 3, 6, 5), (4, 3, 3, 2), (4,))),
    ("linear", F.linear, ((3, 4), (2, 4), (2,))),
    ("clamp", lambda x: x.clamp(-0.5, 0.75), ((3, 4),)),
    ("variance", lambda x: x.var(1) + x.std(1, unbiased=False), ((3, 4),)),
    ("in place", lambda x: torch.zeros_like(x).add_(x).mul_(x), ((3, 4),)),
    ("rows picked", lambda x: x[torch.tensor([0, 2, 2])] * x[:, 1:2].expand(3, 4), ((3, 4),)),
    ("log-softmax", lambda x: torch.log_softmax(x, -1), ((3, 4),)),
    ("strided", lambda x, w: F.conv1d(x, w, dilation=2, groups=2), ((2, 4, 9), (6, 2, 3))),
    ("max pool", lambda x: F.max_pool2d(x, 2), ((2, 3, 4, 6),)),
    ("mean pool", lambda x: F.avg_pool2d(x, 3, 2, 1), ((2, 3, 5, 7),)),
    ("batch norm", lambda x, w, b: F.batch_norm(x, None, None, w, b, True), ((5, 3), (3,), (3,))),
    ("attention", lambda q, k, v: torch.softmax(q @ k.mT / 2, -1) @ v, ((2, 3, 4), (2, 5, 4), (2, 5, 3))),
    ("gates", lambda x: F.gelu(x) + F.silu(x) + F.softplus(x) + F.elu(x) + F.leaky_relu(x) + F.hardtanh(x), ((3, 4),)),
    (
        "functions",
        lambda x: x.sin() + x.exp() * x.tanh() + x.sigmoid() + (x * x + 1).log() + (x * x + 1).rsqrt(),
        ((5,),),
    ),
    ("logarithm of a sum", lambda x: torch.logsumexp(x, 1), ((3, 4),)),
    ("norms", lambda x: x / (x.norm(dim=1, keepdim=True) + 1), ((3, 4),)),
    ("largest", lambda x: x.max(1).values + x.amin(1), ((3, 4),)),
    ("put together", lambda x, y: torch.stack([x, y]).flip(0).cumsum(0).reshape(2, -1), ((3, 4), (3, 4))),
    ("split", lambda x: torch.cat([a * (i + 1) for i, a in enumerate(x.split(2, 1))], 1), ((3, 5),)),
    ("where", lambda x: torch.where(x > 0, x * x, x.abs()), ((3, 4),)),
    ("padded", lambda x: F.pad(x, (1, 2, 0, 1)) ** 3, ((3, 4),)),
    ("masked", lambda x: x.masked_fill(torch.eye(3, 4, dtype=torch.bool), 0).tril(), ((3, 4),)),
    ("einsum", lambda x, y: torch.einsum("ij,kj->ik", x, y), ((3, 4), (2, 4))),
    ("mean squares", lambda x, y: F.mse_loss(x, y), ((3, 4), (3, 4))),
    ("decided by a value", lambda x: x * x if float(x.detach()[0, 0]) > 0 else x.exp(), ((3, 4),)),
)


def called(f: Any, shapes: tuple[tuple[int, ...], ...]) -> tuple[TensorCall, dict[str, Any]]:
    rng = np.random.default_rng(0)
    inputs = {f"x{i}": rng.normal(size=shape) for i, shape in enumerate(shapes)}
    return TensorCall(lambda **named: f(*named.values()), tuple(inputs), {}), inputs


@pytest.mark.parametrize(
    ("name", "f", "shapes"),
    [
        pytest.param(*row, id=row[0], marks=[] if number < DAILY else [pytest.mark.proof])
        for number, row in enumerate(FORWARDS)
    ],
)
def test_the_program_has_the_values_and_the_gradients(name: str, f: Any, shapes: Any) -> None:
    call, inputs = called(f, shapes)
    program = program_of(call, inputs)
    assert program is not None
    y = call.forward(**inputs)
    v = np.random.default_rng(1).normal(size=y.shape)
    tape = record(program, inputs, tuple(inputs))
    np.testing.assert_allclose(np.asarray(tape.run(inputs)[tape.output]), y, rtol=1e-12, atol=1e-14)
    found, truth = tape.pull(tape.run(inputs), v).gradients, call.gradients(inputs, v)
    for k in inputs:
        np.testing.assert_allclose(found[k], truth[k], rtol=1e-10, atol=1e-13)


def test_another_point_may_take_another_way() -> None:
    call, inputs = called(FORWARDS[-1][1], ((3, 4),))
    program = program_of(call, inputs)
    assert program is not None
    assert program.at({"x0": inputs["x0"] + 0.5 * np.sign(inputs["x0"])}) is program
    other = program.at({"x0": -inputs["x0"]})
    assert other is not program
    np.testing.assert_allclose(other.value, np.exp(-inputs["x0"]))


@pytest.mark.parametrize(
    "f",
    [torch.linalg.svdvals, lambda x: torch.fft.rfft(x).abs(), lambda x: (x, x * x)],
    ids=["algebra", "a transform", "several outputs"],
)
def test_a_forward_that_cannot_be_followed_has_no_program(f: Any) -> None:
    call, inputs = called(f, ((3, 4),))
    assert program_of(call, inputs) is None


def swish(ctx: Any, x: Any) -> Any:
    s = torch.sigmoid(x)
    ctx.save_for_backward(x, s)
    return x * s


def without_a_factor(ctx: Any, g: Any) -> Any:
    x, s = saved(ctx)
    return g * (s + x * s)  # of the second s the factor (1 - s) is missing


def test_the_page_names_the_step_and_both_lines() -> None:
    result = crosscheck.torch.check_function(made(swish, without_a_factor), normal(4, 3))
    page = " ".join(str(result).split())
    assert "leaves out the factor 1 - y of the derivative of the sigmoid" in page
    assert "s = torch.sigmoid(x)" in page
    assert "return g * (s + x * s)" in page.partition("backward test_programs.py")[2]
    assert "differentiated twice" not in page  # it follows from what is wrong, and says nothing of its own


def test_gradcheck_finds_the_function_behind_apply() -> None:
    function = made(swish, without_a_factor)
    with pytest.raises(RuntimeError, match=r"derivative\s+of the sigmoid") as caught:
        crosscheck.torch.gradcheck(function.apply, (normal(3).requires_grad_(),))
    assert "jax" not in str(caught.value).replace("JAX", "")


def test_the_call_to_repeat_is_one() -> None:
    result = crosscheck.torch.check_function(made(swish, without_a_factor), normal(3), diagnose=False)
    assert result.call == "crosscheck.torch.check_function(function, *args, seed=0, diagnose=False)"
