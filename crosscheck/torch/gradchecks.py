"""`torch.autograd.gradcheck`, with this judge inside."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from crosscheck.doors.door import door, shown
from crosscheck.evidence.result import Result
from crosscheck.evidence.wording import listed
from crosscheck.frameworks.question import Manners
from crosscheck.operation import Notice
from crosscheck.torch.checks import Subject, asked
from crosscheck.torch.functions import Functions, plainly
from crosscheck.torch.needs import pytorch

UNSUPPORTED = {
    "check_batched_grad": "batched gradients",
    "check_batched_forward_grad": "batched gradients of forward mode",
    "check_forward_ad": "forward mode",
    "check_grad_dtypes": "the dtypes of gradients",
    "masked": "sparse tensors",
}


@door
def gradcheck(
    func: Any,
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """`torch.autograd.gradcheck` by its own signature: `from crosscheck.torch import gradcheck` is all that changes.

    Args:
        func: a function of tensors to a tensor or several.
        inputs: a tensor or several; those that require a gradient are checked.
        eps, atol, rtol, nondet_tol: accepted, and read by nobody: they neither widen nor narrow the verdict, whose
            allowance follows from the roundings.
        raise_exception: whether a failure raises PyTorch's `GradcheckError`, with the whole page; else it returns
            False. A check that could not be decided is a failure, too.
        check_undefined_grad, fast_mode: accepted: outputs without a cotangent and every single entry are looked at
            whatever they say.
        check_grad_dtypes, check_batched_grad, check_batched_forward_grad, check_forward_ad, masked: refused by name
            when set, as is check_backward_ad=False.

    Returns:
        True where every gradient agrees.
    """
    torch = pytorch()
    settings = {
        "check_batched_grad": check_batched_grad,
        "check_batched_forward_grad": check_batched_forward_grad,
        "check_forward_ad": check_forward_ad,
        "check_grad_dtypes": check_grad_dtypes,
        "masked": masked,
    }
    for name, value in settings.items():
        if value:
            raise ValueError(f"{name}={value!r} is not supported: PyTorch's own gradcheck has {UNSUPPORTED[name]}")
    if not check_backward_ad:
        raise ValueError("check_backward_ad=False is not supported: the backward is what is checked here")
    if not callable(func):
        raise TypeError(f"func is {shown(func)}; it must be a function of tensors")
    given = (inputs,) if isinstance(inputs, torch.Tensor) else tuple(inputs) if isinstance(inputs, Sequence) else inputs
    if not isinstance(given, tuple):
        raise TypeError(f"inputs is {shown(inputs)}; it must be a tensor or a sequence of tensors")
    if not any(isinstance(a, torch.Tensor) and a.requires_grad for a in given):
        raise ValueError("gradcheck expects at least one input tensor to require a gradient, and none does")
    tolerances = {"eps": (eps, 1e-6), "atol": (atol, 1e-5), "rtol": (rtol, 1e-3), "nondet_tol": (nondet_tol, 0.0)}
    unread = [f"{name}={value!r}" for name, (value, default) in tolerances.items() if value != default]
    result = judged(func, given, unread)
    if not result and raise_exception:
        raise import_module("torch.autograd.gradcheck").GradcheckError(str(result))
    return bool(result)


def judged(func: Any, inputs: tuple[Any, ...], unread: Sequence[str] = ()) -> Result:
    """The whole result, of which `gradcheck` says yes or no; it says that the tolerances `unread` are not read."""
    functions = Functions(func, inputs, parameters=False)
    replaced = functions.hand_written()
    remarks: list[Notice] = []
    if replaced:
        what = ", ".join(replaced)
        remarks.append(Notice("rules", f"the reference is the same with the forwards of {what} under autograd", False))
    if unread:
        sentence = f"{listed(unread)} neither widen nor narrow the verdict: the allowance follows from the roundings"
        remarks.append(Notice("tolerances", sentence, False))
    subject = Subject(functions.name, functions.call, functions.tensors, remarks, frozenset())
    plain = plainly(functions.call) if replaced else None
    return asked(subject, plain, Manners(), own=True)
