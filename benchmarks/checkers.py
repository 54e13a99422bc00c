"""The same mistakes through other gradient checkers: `python -m benchmarks.checkers` (or `make checkers`).

Every tool gets the same hand-written NumPy forward and backward, wrapped as it wants them: as a
torch.autograd.Function, a jax.custom_vjp around callbacks, a HIPS autograd primitive; each with its defaults. A tool
that is not installed (they come with the extra `peers`) gives an empty column. The table is written to
docs/checkers.md.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from crosscheck.doors.layers import from_layer
from crosscheck.judge import judge
from crosscheck.lecture.planted import Mutant, all_mutants
from crosscheck.operation import Arrays, Operation
from manual import ConvolutionalLayer
from reference.precision import double_precision

Array = np.ndarray
Check = Callable[[Operation], bool]  # whether the tool lets the operation pass

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "checkers.md"


def split(operation: Operation) -> tuple[list[str], Arrays]:
    names = list(operation.wrt)
    return names, {k: a for k, a in operation.inputs.items() if k not in names}


# ---------------------------------------------------------------------- the tools


def crosscheck_itself(operation: Operation) -> bool:
    return judge(operation, differences=False, diagnose=False).passed


def torch_gradcheck(operation: Operation, *, fast: bool) -> bool:
    import torch  # pyright: ignore[reportMissingImports]

    names, constants = split(operation)

    class Wrapped(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *tensors: Any) -> Any:
            ctx.save_for_backward(*tensors)
            values = dict(zip(names, (t.detach().numpy() for t in tensors), strict=True))
            return torch.from_numpy(np.array(operation.forward({**constants, **values})))

        @staticmethod
        def backward(ctx: Any, *grad_outputs: Any) -> Any:
            values = dict(zip(names, (t.detach().numpy() for t in ctx.saved_tensors), strict=True))
            (g,) = grad_outputs
            found = operation.backward(g.detach().numpy(), {**constants, **values})
            return tuple(torch.from_numpy(np.array(found[k])) for k in names)

    tensors = [torch.from_numpy(operation.inputs[k].copy()).requires_grad_() for k in names]
    return bool(torch.autograd.gradcheck(Wrapped.apply, tensors, fast_mode=fast, check_undefined_grad=False))


def jax_check_grads(operation: Operation) -> bool:
    import jax
    from jax.test_util import check_grads

    names, constants = split(operation)
    shape = jax.ShapeDtypeStruct(operation.output().shape, operation.output().dtype)
    shapes = tuple(jax.ShapeDtypeStruct(operation.inputs[k].shape, operation.inputs[k].dtype) for k in names)

    def values(arrays: Any) -> Arrays:
        return {**constants, **{k: np.array(a) for k, a in zip(names, arrays, strict=True)}}

    def call(*arrays: Any) -> Any:
        return jax.pure_callback(lambda *a: np.asarray(operation.forward(values(a))), shape, *arrays)

    def pull(kept: Any, g: Any) -> Any:
        def gradients(g: Any, *a: Any) -> Any:
            found = operation.backward(np.array(g), values(a))
            return tuple(np.array(found[k]) for k in names)

        return jax.pure_callback(gradients, shapes, g, *kept)

    wrapped = jax.custom_vjp(call)
    wrapped.defvjp(lambda *arrays: (call(*arrays), arrays), pull)
    with double_precision():
        check_grads(wrapped, tuple(operation.inputs[k] for k in names), order=1, modes=["rev"])
    return True


def hips_check_grads(operation: Operation) -> bool:
    from autograd.extend import defvjp, primitive  # pyright: ignore[reportMissingImports]
    from autograd.test_util import check_grads  # pyright: ignore[reportMissingImports]

    names, constants = split(operation)

    def values(arrays: Any) -> Arrays:
        return {**constants, **dict(zip(names, map(np.array, arrays), strict=True))}

    wrapped = primitive(lambda *arrays: np.asarray(operation.forward(values(arrays))))
    rules = [
        lambda y, *arrays, k=k: lambda g: np.array(operation.backward(np.array(g), values(arrays))[k]) for k in names
    ]
    defvjp(wrapped, *rules)
    every = tuple(range(len(names)))  # its default is the first argument alone
    check_grads(wrapped, every, modes=["rev"], order=1)(*(operation.inputs[k] for k in names))
    return True


TOOLS: dict[str, tuple[str, Check]] = {
    "crosscheck": ("jax", crosscheck_itself),
    "torch gradcheck": ("torch", lambda operation: torch_gradcheck(operation, fast=False)),
    "torch gradcheck, fast": ("torch", lambda operation: torch_gradcheck(operation, fast=True)),
    "jax check_grads": ("jax", jax_check_grads),
    "autograd check_grads": ("autograd", hips_check_grads),
}


# ---------------------------------------------------------------------- what they are given


def layer_sized(change: Callable[[Arrays], None] | None = None, scale: float = 1.0) -> Callable[[], Operation]:
    """A convolution 16→16 on (2, 16, 8, 8): an ordinary layer, still small."""

    def make() -> Operation:
        rng = np.random.default_rng(0)
        base = from_layer(ConvolutionalLayer(16, 16, 3, padding=1, rng=rng), rng.normal(size=(2, 16, 8, 8)))

        def backward(g: Array, values: Arrays) -> Arrays:
            found = {k: scale * np.array(a) for k, a in base.backward(g, values).items()}
            if change is not None:
                change(found)
            return found

        return replace(
            base,
            forward=lambda values: scale * base.forward(values),
            backward=backward,
            reference=None if base.reference is None else lambda **v: scale * base.reference(**v),  # type: ignore[misc]
            moving_forward=None,
            own_bounds=None,
        )

    return make


def one_lost(found: Arrays) -> None:
    found["filters"][3, 5, 1, 2] = 0.0


def one_tenth_off(found: Arrays) -> None:
    found["filters"][3, 5, 1, 2] *= 1.1


def all_lost(found: Arrays) -> None:
    for a in found.values():
        a[...] = 0.0


# name -> (the operation, whether a tool should let it pass)
ORDINARY: dict[str, tuple[Callable[[], Operation], bool]] = {
    "healthy": (layer_sized(), True),
    "healthy, outputs times 1e-7": (layer_sized(scale=1e-7), True),
    "one of 2,304 filter entries zero": (layer_sized(one_lost), False),
    "one filter entry 10% off": (layer_sized(one_tenth_off), False),
    "all gradients zero, outputs times 1e-7": (layer_sized(all_lost, 1e-7), False),
}


def healthy_operations() -> list[tuple[str, Operation]]:
    """The operations behind the mutants, several draws of each."""
    makers = {mutant.healthy: mutant.name.split(":")[0] for mutant in all_mutants()}
    return [(name, make(np.random.default_rng(seed))) for make, name in makers.items() for seed in (1, 2, 3)]


def passes(check: Check, operation: Operation) -> bool:
    """Whether the tool lets it pass; any exception is its way of saying no."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return check(operation)
    except Exception:
        return False


def measure(tool: str) -> dict[str, Any]:
    """One tool on everything, in this process."""
    _, check = TOOLS[tool]
    mutants: list[Mutant] = all_mutants()
    started = time.perf_counter()
    missed = [m.name for m in mutants if passes(check, m.operation(0)) and not reported(tool, m)]
    healthy = healthy_operations()
    accused = [name for name, operation in healthy if not passes(check, operation)]
    small = time.perf_counter() - started
    ordinary = {name: passes(check, make()) for name, (make, _) in ORDINARY.items()}
    named = 0
    if tool == "crosscheck":
        from crosscheck.lecture.proof import outcome

        named = sum(outcome(mutant, seed=0).named for mutant in mutants)
    return {
        "mutants": len(mutants),
        "missed": missed,
        "named": named,
        "healthy": len(healthy),
        "accused": accused,
        "ordinary": ordinary,
        "seconds": small,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def reported(tool: str, mutant: Mutant) -> bool:
    """Crosscheck lets right numbers pass and reports what is odd beside them."""
    if tool != "crosscheck":
        return False
    return any(f.kind == mutant.kind for f in judge(mutant.operation(0), differences=False, diagnose=False).findings)


def installed(package: str) -> bool:
    done = subprocess.run([sys.executable, "-c", f"import {package}"], capture_output=True)
    return done.returncode == 0


def page(found: dict[str, dict[str, Any] | None]) -> str:
    """The tables as Markdown."""
    mutants = all_mutants()
    lines = [
        "# Gradient checkers side by side",
        "",
        "Written by `python -m benchmarks.checkers`, which says how each tool is called: the same hand-written NumPy",
        "forward and backward passes, each tool with its defaults, one process each. `seconds` is for all small",
        "operations, compilation included; `memory` the process's peak. A mistake is caught if the tool does not",
        "let it pass.",
        "",
        "| checker | mutants caught | named | healthy accused | seconds | memory |",
        "|---|---|---|---|---|---|",
    ]
    for tool, outcome in found.items():
        if outcome is None:
            lines.append(f"| {tool} | not installed | | | | |")
            continue
        caught = outcome["mutants"] - len(outcome["missed"])
        named = f"{outcome['named']} of {outcome['mutants']}" if outcome["named"] else "none"
        lines.append(
            f"| {tool} | {caught} of {outcome['mutants']} | {named} | "
            f"{len(outcome['accused'])} of {outcome['healthy']} | {outcome['seconds']:.0f} | "
            f"{outcome['memory']:.0f} MiB |"
        )
    lines += ["", "## At the size of a layer", "", "A convolution 16→16, 3×3, on (2, 16, 8, 8).", ""]
    present = {tool: outcome for tool, outcome in found.items() if outcome is not None}
    lines.append("| | should | " + " | ".join(present) + " |")
    lines.append("|---|---|" + "---|" * len(present))
    for name, (_, right) in ORDINARY.items():
        words = ["passes" if outcome["ordinary"][name] else "refuses" for outcome in present.values()]
        marked = [w if (w == "passes") == right else f"**{w}**" for w in words]
        lines.append(f"| {name} | {'pass' if right else 'refuse'} | " + " | ".join(marked) + " |")
    lines += ["", "## What each missed", ""]
    kinds = {m.name: m.kind for m in mutants}
    for tool, outcome in present.items():
        listed = ", ".join(f"{name} ({kinds[name]})" for name in outcome["missed"]) or "nothing"
        lines.append(f"- **{tool}**: {listed}.")
        if outcome["accused"]:
            lines.append(f"  Accused though healthy: {', '.join(sorted(set(outcome['accused'])))}.")
    return "\n".join(lines) + "\n"


def main() -> int:
    if len(sys.argv) == 2:
        json.dump(measure(sys.argv[1]), sys.stdout)
        return 0
    found: dict[str, dict[str, Any] | None] = {}
    for tool, (package, _) in TOOLS.items():
        if not installed(package):
            found[tool] = None
            continue
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.checkers", tool], cwd=ROOT, capture_output=True, text=True
        )
        if done.returncode != 0:
            sys.stderr.write(done.stderr)
            return 1
        found[tool] = json.loads(done.stdout.splitlines()[-1])
        print(f"{tool}: done", file=sys.stderr, flush=True)
    text = page(found)
    PAGE.write_text(text, encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
