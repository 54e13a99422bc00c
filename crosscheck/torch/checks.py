"""The doors of PyTorch: `check_function` and `check_module`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from crosscheck.doors.door import door, shown
from crosscheck.doors.functions import structure_of
from crosscheck.doors.structure import Structure
from crosscheck.doors.trees import leaves, rebuilt
from crosscheck.evidence.result import Result
from crosscheck.frameworks.arguments import float32_only
from crosscheck.frameworks.otherwise import with_findings
from crosscheck.frameworks.question import Manners, Question, answered
from crosscheck.operation import Notice, describe
from crosscheck.torch.calls import TensorCall, differentiable
from crosscheck.torch.context import has_setup, names_of, own_forward, writes
from crosscheck.torch.double import differentiated_twice
from crosscheck.torch.functions import Functions, plainly
from crosscheck.torch.lines import lines_of_backward, of_gradients
from crosscheck.torch.needs import one_thread, pytorch
from crosscheck.torch.reference import Autograd
from crosscheck.torch.tensors import array, is_real
from crosscheck.torch.ways import ways_of


@door
def check_function(
    function: Any,
    *args: Any,
    reference: Callable[..., Any] | None = None,
    grad_output: Any = None,
    wrt: tuple[str, ...] | None = None,
    seed: int = 0,
    diagnose: bool = True,
    budget: float | None = None,
    accuracy: float | Mapping[str, float] | None = None,
    double_backward: bool = False,
) -> Result:
    """Check a hand-written `torch.autograd.Function` against autograd of a plain forward.

    The backward is called as autograd calls it, and besides with cotangents in other layouts, for one input and
    through one output at a time, twice through one graph, under `vmap` where it has a rule, in forward mode where it
    has a `jvp`, and where it can be differentiated, a second time.

    Args:
        function: the class; not an instance.
        args: what `function.apply` takes. Tensors that require a gradient are differentiated; where none does, all of
            floats. They are not written to.
        reference: `reference(*args)`, a plain function of the same arguments. None: the Function's own forward, run
            under autograd with a stand-in for `ctx`; where that does not carry gradients (it detaches, calls NumPy or
            C++), differences of it judge alone, which is said.
        grad_output: the cotangent, in the structure of the output. None: drawn at random.
        wrt: the arguments to differentiate, by their names in the forward.
        seed, diagnose, budget, accuracy: as in `crosscheck.check`. With a budget it is called in one way only.
        double_backward: whether the check fails where the backward can be differentiated, and its derivative is wrong.
            That is said in any case.

    Returns:
        A `Result` with a gradient for every tensor; those of complex ones are in PyTorch's convention.
    """
    torch = pytorch()
    if not (isinstance(function, type) and issubclass(function, torch.autograd.Function)):
        raise TypeError(f"function is {shown(function)}; it must be a subclass of torch.autograd.Function")
    if not any(isinstance(a, torch.Tensor) for a in args):
        raise TypeError(f"no tensor was given for {function.__name__}: its arguments come after it")
    names = names_of(function, len(args))
    tensors = {name: a for name, a in zip(names, args, strict=True) if isinstance(a, torch.Tensor)}
    fixed = {i: a for i, a in enumerate(args) if not isinstance(a, torch.Tensor)}
    places = [i for i in range(len(args)) if i not in fixed]

    def of_tensors(f: Callable[..., Any]) -> Callable[..., Any]:
        def call(**named: Any) -> Any:
            every = {**fixed, **{i: named[names[i]] for i in places}}
            return f(*[every[i] for i in range(len(args))])

        return call

    try:
        said, done = writes(function, args)
    except Exception:  # what its forward does to a stand-in nobody knows: it is called as it is
        said, done = frozenset(), frozenset()
    remarks = [
        Notice("writes", f"forward writes to {names[i]} without ctx.mark_dirty", True) for i in sorted(done - said)
    ]
    subject = Subject(
        function.__name__, of_tensors(function.apply), tensors, remarks, frozenset(names[i] for i in said)
    )
    vmaps = bool(getattr(function, "generate_vmap_rule", False)) or "vmap" in vars(function)
    plain = of_tensors(reference or own_forward(function))
    return asked(
        subject,
        plain,
        Manners(grad_output, wrt, seed, diagnose, budget, accuracy),
        own=reference is None,
        vmaps=vmaps and has_setup(function),
        pushes=function.jvp is not torch.autograd.Function.jvp,
        twice=double_backward,
    )


@door
def check_module(
    module: Any,
    *inputs: Any,
    reference: Callable[..., Any] | None = None,
    grad_output: Any = None,
    wrt: tuple[str, ...] | None = None,
    seed: int = 0,
    diagnose: bool = True,
    budget: float | None = None,
    accuracy: float | Mapping[str, float] | None = None,
) -> Result:
    """Check a module, or any function of tensors, whose autograd passes through hand-written Functions.

    Args:
        module: called with the inputs. The gradients of its parameters are judged, too, by their names; the module
            itself, its buffers and the gradients that it holds are left as they are.
        inputs: tensors, and whatever else the module takes.
        reference: a module with parameters of the same names, or a function of the inputs and, by keyword where it
            takes them, of the parameters. None: the module itself, with the forward of every Function run under
            autograd in its place.
        wrt: of the inputs, by their names in the forward, and of the parameters, what is to be judged.
        grad_output, seed, diagnose, budget, accuracy: as in `check_function`.
    """
    if not callable(module):
        raise TypeError(f"module is {shown(module)}; it must be a torch.nn.Module or a function of tensors")
    if isinstance(module, type):
        raise TypeError(f"module is the class {module.__name__}; give one, {module.__name__}(...)")
    given = next((a for a in inputs if isinstance(a, np.ndarray) and a.dtype.kind in "fc"), None)
    if given is not None and not any(isinstance(a, pytorch().Tensor) for a in inputs):
        raise TypeError("inputs has an array of NumPy, and no tensor; give it as one, torch.from_numpy(...)")
    functions = Functions(module, inputs)
    tensors = functions.tensors
    if not tensors:
        raise TypeError(f"no tensor was given for {functions.name}: its inputs come after it")
    remarks: list[Notice] = []
    own = reference is None
    if own:
        replaced = functions.hand_written()
        if not replaced:
            raise TypeError(
                f"{functions.name} calls no hand-written Function: autograd would be its own reference; give reference="
            )
        remarks.append(
            Notice(
                "rules", f"the reference is the same with the forwards of {', '.join(replaced)} under autograd", False
            )
        )
        plain = plainly(functions.call)
    else:
        assert reference is not None
        plain = functions.referring(reference)
    subject = Subject(
        functions.name, functions.call, tensors, remarks, contiguous=frozenset(tensors) - set(functions.names)
    )
    return asked(subject, plain, Manners(grad_output, wrt, seed, diagnose, budget, accuracy), own=own)


# ---------------------------------------------------------------------- what is asked

NO_REFERENCE = "give reference=, the same forward as a plain function of tensors"
AUTOGRAD_ITSELF = "no hand-written Function is called: it is PyTorch's own derivative that is judged"
OWN = "PyTorch's autograd of the Function's own forward, for which it cannot vouch"


class Subject:
    """A function of tensors by name, as it is to be judged.

    Args:
        name: for the report.
        call: `call(**tensors)`.
        tensors: the point.
        remarks: what is to be said of it.
        dirty: the names of the tensors that it may write to.
        contiguous: those of parameters, which nobody lays out otherwise.
    """

    def __init__(
        self,
        name: str,
        call: Callable[..., Any],
        tensors: Mapping[str, Any],
        remarks: list[Notice],
        dirty: frozenset[str] = frozenset(),
        contiguous: frozenset[str] = frozenset(),
    ) -> None:
        self.contiguous = contiguous
        self.name, self.call, self.remarks, self.dirty = name, call, remarks, dirty
        self.devices = {k: t.device for k, t in tensors.items()}
        for k, t in tensors.items():
            if t.layout is not pytorch().strided:
                raise TypeError(f"{k} is of layout {t.layout}; dense tensors are judged")
        self.inputs = {k: array_of_tensor(k, t) for k, t in tensors.items()}
        real = [k for k, t in tensors.items() if is_real(t)]
        own = [k for k in real if k not in contiguous]
        asked = [k for k in own if tensors[k].requires_grad] or own
        self.moving = tuple(k for k in real if k in asked or (k in contiguous and tensors[k].requires_grad))
        if not self.moving:
            raise TypeError(f"nothing of {name} is differentiated: no tensor is of floats")

    def called(self, f: Callable[..., Any]) -> TensorCall:
        found = TensorCall(f, self.moving, self.devices)
        found.dirty, found.contiguous = self.dirty, self.contiguous
        return found

    def wrt(self, given: Any) -> tuple[str, ...]:
        """The names to differentiate: asked for, or those that require a gradient."""
        if given is None:
            return self.moving
        return (given,) if isinstance(given, str) else tuple(given)


def array_of_tensor(name: str, t: Any) -> Any:
    torch = pytorch()
    if t.dtype in (torch.float16, torch.bfloat16):
        raise TypeError(f"{name} is of {t.dtype}; float32 and float64 are judged: give it in one of them")
    return array(t)


def asked(
    subject: Subject,
    plain: Callable[..., Any] | None,
    manners: Manners,
    *,
    own: bool,
    vmaps: bool = False,
    pushes: bool = False,
    twice: bool | None = None,
) -> Result:
    """The judge's result on a subject and its plain forward."""
    with one_thread():
        return answer(subject, plain, manners, own=own, vmaps=vmaps, pushes=pushes, twice=twice)


def answer(
    subject: Subject,
    plain: Callable[..., Any] | None,
    manners: Manners,
    *,
    own: bool,
    vmaps: bool,
    pushes: bool,
    twice: bool | None,
) -> Result:
    """`twice`: whether a wrong second derivative fails; None: it is not asked for."""
    wrt = subject.wrt(manners.wrt)
    unknown = [k for k in wrt if k not in subject.inputs]
    if unknown:
        raise ValueError(f"wrt names {unknown[0]!r}; there are {', '.join(subject.inputs)}")
    subject.moving = tuple(k for k in subject.inputs if k in wrt)
    called, reference = subject.called(subject.call), subject.called(plain or subject.call)
    remarks = [*subject.remarks, *in_single(called, subject.inputs)]
    if not any_differentiable(called, subject.inputs):
        called.marked = False  # its gradient is zero, then: is it?
    usable = plain is not None
    if own and usable:
        why_not = cut_off(reference, subject.inputs)
        if why_not:
            usable = False
            sentence = f"{why_not}: differences of the forward judge alone; give reference="
            remarks.append(Notice("no-reference", sentence, False))

    def ways(structure: Structure) -> Any:
        return ways_of(called, structure, vmaps=vmaps, pushes=pushes)

    question = Question(
        subject.name,
        called.forward,
        called.backward,
        subject.inputs,
        "pytorch",
        (lambda structure: Autograd(structure, reference, OWN if own else "")) if usable else None,
        None,
        ways,
        lambda: tuple(remarks),
        NO_REFERENCE if plain is not None else AUTOGRAD_ITSELF,
    )
    result = answered(question, replace(manners, wrt=subject.moving))
    wrong = [k for k, g in result.gradients.items() if g.verdict == "disagree"]
    if manners.budget is not None:
        return result
    structure = structure_of(called.forward, subject.inputs, "pytorch")
    if wrong:  # and so will be its derivative
        return with_lines(result, lines_of_backward(called, structure, result.evidence.cotangent))
    if twice is None or not usable:
        return result
    return with_findings(result, differentiated_twice(called, reference, structure, manners.seed, fails=twice))


def with_lines(result: Result, lines: Mapping[str, str]) -> Result:
    """The result with the lines of the backward that compute what is wrong."""
    wrong = [k for k, g in result.gradients.items() if g.verdict == "disagree"]
    return replace(result, reasons=replace(result.reasons, lines=of_gradients(lines, wrong)))


def any_differentiable(called: TensorCall, inputs: Mapping[str, Any]) -> bool:
    """Whether some output hangs on an input, as autograd sees it; True where the call itself fails."""
    try:
        returned = called.run({k: a.copy() for k, a in inputs.items()})[1]
    except Exception:  # it will say so itself when it is judged
        return True
    return any(differentiable(t) for _, t in leaves(returned))


def in_single(called: TensorCall, inputs: Mapping[str, Any]) -> list[Notice]:
    """Sets a function to float32 that takes nothing else; what is said of it."""
    wider = {
        k: a.astype({"f": np.float64, "c": np.complex128}[a.dtype.kind]) if a.dtype.kind in "fc" else a
        for k, a in inputs.items()
    }

    def once() -> None:
        y = called.forward(**{k: a.copy() for k, a in wider.items()})
        called.gradients({k: a.copy() for k, a in wider.items()}, ones_like(y))

    return float32_only(called, once)


def ones_like(y: Any) -> Any:
    return rebuilt(y, lambda name, a: np.ones_like(a) if isinstance(a, np.ndarray) and a.dtype.kind in "fc" else None)


def cut_off(reference: TensorCall, inputs: Mapping[str, Any]) -> str:
    """Why the Function's own forward carries no gradient; "" where it does."""
    try:
        y = reference.forward(**{k: a.copy() for k, a in inputs.items()})
        found = reference.gradients({k: a.copy() for k, a in inputs.items()}, ones_like(y))
    except Exception as error:
        return f"autograd does not take the forward ({describe(error)})"
    lost = [k for k in reference.moving if found[k] is None]
    return f"autograd of the forward does not reach {', '.join(lost)}" if lost else ""
