"""The doors of JAX: `check_custom_vjp` and `check_custom_jvp`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import numpy as np

from crosscheck.doors.door import door, shown
from crosscheck.doors.structure import Structure
from crosscheck.doors.tangents import check_jvp
from crosscheck.evidence.result import Result
from crosscheck.frameworks.arguments import argument_names, float32_only
from crosscheck.frameworks.question import Manners, Question, answered
from crosscheck.jax.calls import TRACING, RuleCall, as_numpy, cotangent_like, inexact_places, is_array
from crosscheck.jax.undecorated import plain_of, rule_of, rules_inside, static_places, without_rules
from crosscheck.jax.ways import ways_of
from crosscheck.operation import OUTPUT, Array, Arrays, Notice, describe
from crosscheck.traces.precision import double_precision


@door
def check_custom_vjp(
    f: Callable[..., Any],
    *args: Any,
    reference: Callable[..., Any] | None = None,
    grad_output: Any = None,
    wrt: tuple[str, ...] | None = None,
    seed: int = 0,
    diagnose: bool = True,
    budget: float | None = None,
    accuracy: float | Mapping[str, float] | None = None,
) -> Result:
    """Check the rule of a `jax.custom_vjp` against autodiff of the function that it was written for.

    The rule is called under `jit`, and besides without it, under `vmap`, for one input and through one output at a
    time. 64 bits are switched on for as long as a call lasts, in this thread alone; a rule that takes or makes float32
    only is judged as float32.

    Args:
        f: the decorated function, or one that wraps it (a `jit`); or any function with custom rules somewhere inside.
        args: the point: arrays and pytrees of arrays, as f takes them. What is in `nondiff_argnums`, integers and what
            is no array is passed on.
        reference: `reference(*args)`, the function whose derivative the rule is to be. None: the undecorated function;
            of a function that is no rule itself, the same function with every custom rule inside left out.
        grad_output: the cotangent, in the structure of the output. None: drawn at random.
        wrt: the arguments to differentiate, or leaves of them, by their names in f's signature; None: every floating
            one.
        seed, diagnose, budget, accuracy: as in `crosscheck.check`. With a budget the rule is called in one way only.

    Returns:
        A `Result` with a gradient for every leaf; those of complex leaves are in JAX's convention.
    """
    manners = Manners(grad_output, wrt, seed, diagnose, budget, accuracy)
    return answered(question_of("check_custom_vjp", f, args, reference, forward_mode=False), manners)


@door
def check_custom_jvp(
    f: Callable[..., Any],
    *args: Any,
    reference: Callable[..., Any] | None = None,
    grad_output: Any = None,
    wrt: tuple[str, ...] | None = None,
    seed: int = 0,
    diagnose: bool = True,
    budget: float | None = None,
    accuracy: float | Mapping[str, float] | None = None,
) -> Result:
    """Check the rule of a `jax.custom_jvp` against autodiff of the function that it was written for.

    The rule is transposed by JAX, as everybody who calls `jax.grad` has it done, and what comes of it is judged;
    forward mode must then say the same of every entry. A rule that cannot be transposed is judged in forward mode
    alone, as `crosscheck.check_jvp` does it.

    Args and result: as `check_custom_vjp`.
    """
    question = question_of("check_custom_jvp", f, args, reference, forward_mode=True)
    called: RuleCall = question.forward.__self__  # type: ignore[attr-defined]
    refusal = refused(called, question.inputs)
    if refusal is None:
        return answered(question, Manners(grad_output, wrt, seed, diagnose, budget, accuracy))
    return tangents_of(called, question, reference or undecorated(f, args)[0], wrt, seed, diagnose, budget)


# ---------------------------------------------------------------------- what is asked

UNDECORATED = "JAX's autodiff of the undecorated function, for which it cannot vouch"


def question_of(
    who: str, f: Callable[..., Any], args: tuple[Any, ...], reference: Callable[..., Any] | None, *, forward_mode: bool
) -> Question:
    if not callable(f):
        raise TypeError(f"f is {shown(f)}; it must be a function with a custom rule")
    if reference is not None and not callable(reference):
        raise TypeError(f"reference is {shown(reference)}; it must be a function, or None")
    if not args:
        raise TypeError(f"{who} was given no arguments for {name_of(f)}: its point comes after it")
    names, fixed = arguments(f, args)
    called = RuleCall(f, tuple(names.values()), fixed)
    inputs = {name: given(args[i]) for i, name in names.items()}
    remarks: list[Notice] = []
    known, inside = (reference, ()) if reference is not None else undecorated(f, args)
    if known is None:
        raise TypeError(
            f"{name_of(f)} is no custom_vjp or custom_jvp, and no function inside of it brings a rule: give reference="
        )
    if inside:
        what = ", ".join(inside)
        remarks.append(Notice("rules", f"the reference is the same function without the custom rules of {what}", False))
    remarks += in_single(called, inputs)
    plain = RuleCall(known, called.names, fixed)

    def referring(structure: Structure) -> Callable[..., Any] | None:
        found: Any = partial(of_arrays, structure, plain)
        found.source = "" if reference is not None else UNDECORATED
        return found if traceable(plain, inputs, remarks) else None

    return Question(
        name_of(f),
        called.forward,
        called.backward,
        inputs,
        "jax",
        referring,
        partial(own_program, called),
        partial(ways_of, called, forward_mode=forward_mode),
        lambda: tuple(remarks),
    )


def undecorated(f: Callable[..., Any], args: tuple[Any, ...]) -> tuple[Callable[..., Any] | None, tuple[str, ...]]:
    """The function that f's rule was written for; of an f that is none, f without the rules inside, and their names."""
    plain = plain_of(f)
    if plain is not None:
        return plain, ()
    fixed = {i: a for i, a in enumerate(args) if not all(map(is_array, jax.tree.leaves(a)))}

    def free(*moving: Any) -> Any:
        rest = iter(moving)
        return f(*[fixed[i] if i in fixed else next(rest) for i in range(len(args))])

    with double_precision():
        try:
            inside = rules_inside(free, *[a for i, a in enumerate(args) if i not in fixed])
        except TRACING as error:
            raise TypeError(
                f"f is {shown(f)}, which JAX cannot trace ({describe(error).splitlines()[0]}); it must be a function "
                "with a custom rule, in jax.numpy"
            ) from error
    return (without_rules(f) if inside else None), inside


def arguments(f: Callable[..., Any], args: tuple[Any, ...]) -> tuple[dict[int, str], dict[int, Any]]:
    """The names of the arguments that vary, and those that are given once, both by position."""
    places = static_places(f, len(args)) if rule_of(f) is not None else frozenset()
    fixed = {i: a for i, a in enumerate(args) if i in places or not any(map(is_array, jax.tree.leaves(a)))}
    if len(fixed) == len(args):
        raise TypeError(f"nothing of {name_of(f)} is differentiated: no argument is an array of floats")
    own = argument_names(f, len(args))
    return {i: own[i] for i in range(len(args)) if i not in fixed}, fixed


def given(value: Any) -> Any:
    """An argument as NumPy arrays, nested as it was."""
    return jax.tree.map(as_numpy, value)


def name_of(f: Any) -> str:
    return getattr(f, "__name__", None) or getattr(rule_of(f), "__name__", None) or type(f).__name__


# ---------------------------------------------------------------------- how it is called


def in_single(called: RuleCall, inputs: Mapping[str, Any]) -> list[Notice]:
    """Sets a rule to float32 that takes nothing else; what is said of it."""
    wider = {k: jax.tree.map(widest, a) for k, a in inputs.items()}
    return float32_only(called, lambda: gradient_of_ones(called, wider))


def widest(leaf: Any) -> Any:
    a = np.asarray(leaf)
    return a.astype({"f": np.float64, "c": np.complex128}[a.dtype.kind]) if a.dtype.kind in "fc" else leaf


def gradient_of_ones(called: RuleCall, inputs: Mapping[str, Any]) -> None:
    """One call, whose exception says whether the rule works at all."""

    def work(leaves: list[Any], rebuild: Any) -> Any:
        y, pull = called.pulled(leaves, rebuild)
        return pull(jax.tree.map(ones_like, y))

    called.run(work, "first", inputs)


def ones_like(leaf: Any) -> Any:
    a = jax.numpy.asarray(leaf)
    inexact = jax.numpy.issubdtype(a.dtype, jax.numpy.inexact)
    return jax.numpy.ones_like(a) if inexact else np.zeros(a.shape, jax.dtypes.float0)


def traceable(plain: RuleCall, inputs: Mapping[str, Any], remarks: list[Notice]) -> bool:
    """Whether JAX can trace the reference; what is said where not."""
    leaves, tree = jax.tree.flatten(plain.listed(inputs))
    places = [i for i, leaf in enumerate(leaves) if is_array(leaf)]

    def at(arrays: list[Any]) -> Any:
        every = list(leaves)
        for i, a in zip(places, arrays, strict=True):
            every[i] = a
        return plain.f(*plain.arguments(jax.tree.unflatten(tree, every)))

    def of_ones(arrays: list[Any]) -> Any:
        moving = inexact_places(arrays)

        def of_moving(*moved: Any) -> Any:
            every = list(arrays)
            for i, a in zip(moving, moved, strict=True):
                every[i] = a
            return at(every)

        y, pull = jax.vjp(of_moving, *[arrays[i] for i in moving])
        return pull(jax.tree.map(ones_like, y))

    with double_precision():
        try:
            jax.make_jaxpr(at)([leaves[i] for i in places])
            jax.make_jaxpr(of_ones)([leaves[i] for i in places])
        except Exception as error:
            sentence = f"the reference has no derivative of its own ({describe(error)}): differences judge alone"
            remarks.append(Notice("no-reference", sentence, False))
            return False
    return True


def of_arrays(structure: Structure, plain: RuleCall, /, **values: Any) -> Any:
    """The reference as a function of the judge's arrays, in one vector."""
    return structure.of_reference(plain.f(*plain.arguments(plain.listed(structure.nested(values)))), values)


def own_program(called: RuleCall, structure: Structure, wrt: tuple[str, ...]) -> Callable[[Arrays, Array], Any]:
    """The backward as a program of the judge's arrays, whose roundings are drawn (`Operation.own_program`)."""

    def program(**values: Any) -> Any:
        v = values.pop(OUTPUT)
        named = structure.nested(values)
        leaves, tree = jax.tree.flatten(called.listed(named))
        y, pull = called.pulled(leaves, lambda every: jax.tree.unflatten(tree, every))
        found = structure.gradients(
            called.by_name(pull(cotangent_like(y, structure.cotangent(v, values))), named), values
        )
        return jax.numpy.concatenate([jax.numpy.ravel(found[k]) for k in wrt])

    return lambda inputs, v: program


# ---------------------------------------------------------------------- rules without a reverse mode


def refused(called: RuleCall, inputs: Mapping[str, Any]) -> Exception | None:
    """What reverse mode raises where forward mode works; None where it raises nothing, or both do."""
    try:
        gradient_of_ones(called, inputs)
        return None
    except Exception as error:
        said = error
    try:
        tangents = {k: jax.tree.map(np.zeros_like, a) for k, a in inputs.items()}
        moved(called, tangents, **inputs)
    except Exception:
        return None
    return said


def moved(called: RuleCall, tangents: Mapping[str, Any], /, **inputs: Any) -> Any:
    """ẏ by the rule."""

    def work(leaves: list[Any], rebuild: Any, given: list[Any]) -> Any:
        return called.pushed(leaves, rebuild, given)[1]

    given = jax.tree.leaves(called.listed(tangents))
    return called.run(work, "tangent", inputs, given)


def tangents_of(
    called: RuleCall, question: Question, reference: Any, wrt: Any, seed: int, diagnose: bool, budget: float | None
) -> Result:
    plain = RuleCall(reference, called.names, called.fixed)

    def forward(**named: Any) -> Any:
        with double_precision():
            return jax.tree.map(as_numpy, called.f(*called.arguments(called.listed(named))))

    def referring(**named: Any) -> Any:
        return plain.f(*plain.arguments(plain.listed(named)))

    forward.__name__ = question.name
    return check_jvp(
        forward,
        partial(moved, called),
        question.inputs,
        referring,
        wrt=wrt,
        convention="jax",
        seed=seed,
        diagnose=diagnose,
        budget=budget,
    )
