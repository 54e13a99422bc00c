"""The same operation at other sizes: smaller where the forward is large, and one axis shorter to
tell two sizes apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from crosscheck import draws
from crosscheck.diagnosis.factors import Reading
from crosscheck.diagnosis.points import Array, Arrays
from crosscheck.diagnosis.problem import Problem
from crosscheck.diagnosis.scalars import scalars_of
from crosscheck.diagnosis.sizes import sizes_of, special_sizes
from crosscheck.diagnosis.tolerances import RATIO, RATIO_STEP, TELLING
from crosscheck.diagnosis.words import AREAS, area
from crosscheck.operation import Operation

# Axes that must change together, whatever array they are in.
GROUPS = (
    ("batch",),
    ("rows",),
    ("columns",),
    ("channels", "input channels"),
    ("output channels",),
    ("inputs", "features"),
    ("outputs",),
    ("kernel rows",),
    ("kernel columns",),
    ("entries",),
)
Axes = Mapping[str, tuple[str, ...]]


def shortened(inputs: Arrays, axes: Axes, words: Iterable[str], size: int) -> Arrays | None:
    """Every axis of one of these names cut to `size`; None if that changes nothing."""
    words = set(words)
    out, changed = {}, False
    for name, a in inputs.items():
        cut = tuple(slice(0, size) if w in words else slice(None) for w in axes[name])
        # An integer input along the batch (labels) has no words of its own.
        if not axes[name] or a.ndim != len(axes[name]):
            cut = ()
        out[name] = a[cut].copy()
        changed = changed or out[name].shape != a.shape
    return out if changed else None


def fits(operation: Operation, inputs: Arrays) -> Array | None:
    """The forward's output at other sizes; None if the sizes do not fit together."""
    try:
        with np.errstate(all="ignore"):
            y = operation.at(inputs).output()
    except Exception:  # whatever the user's code says to shapes that the user did not choose
        return None
    return y if y.size and np.isfinite(y).all() else None


def agreeing(problem: Problem, name: str, found: list[Reading]) -> list[Reading]:
    """The readings of a factor that also hold at other sizes.

    The truth there is one directional difference of the forward, which needs no compilation; a
    ratio of two numbers tells 3 (the batch) from 3 (the kernel) well enough. Nearly every small number
    is some size less one: such a reading is believed only where it was asked.
    """
    operation, given = problem.operation, problem.given
    contested = {plain(name) for r in found for name in r.names()}
    left, asked = found, set[str]()
    for group in GROUPS:
        if not left or not contested & concerned(group):
            continue
        lengths = [
            size
            for k, a in given.inputs.items()
            for size, word in zip(a.shape, problem.axes[k], strict=True)
            if word in group
        ]
        for smaller in (min(lengths, default=0) - 1, min(lengths, default=0) - 2):
            if smaller < 1:
                continue
            inputs = shortened(given.inputs, problem.axes, group, smaller)
            y = None if inputs is None else fits(operation, inputs)
            if inputs is None or y is None or y.ndim != given.v.ndim:
                continue
            measured = ratio(operation.at(inputs), name, y.shape, problem.rng)
            if measured is None:
                continue
            shapes = {k: a.shape for k, a in inputs.items()}
            there = sizes_of(shapes, problem.axes, y.shape, problem.output_axes, problem.windows())
            sizes = {s.name: s.value for s in (*there, *special_sizes(there, scalars_of(given)))}
            left = [r for r in left if abs(r.value(sizes) - measured) <= RATIO * abs(measured)]
            asked |= concerned(group)
            break
    return [r for r in left if all(name == plain(name) or plain(name) in asked for name in r.names())]


def plain(name: str) -> str:
    """The size of which a name is that less one; the name itself else."""
    return name.removeprefix("(").removesuffix(" - 1)") if name.endswith(" - 1)") else name


def asked_elsewhere(problem: Problem, reading: Reading) -> bool:
    """Whether what a reading calls a size less one has another size at the point at other sizes, if there is one."""
    point = problem.elsewhere()
    if point is None:
        return True
    here = problem.numbers(problem.given)
    sizes = {plain(name) for name in reading.names() if name != plain(name)}
    return all(point.sizes.get(size) != here.get(size) for size in sizes)


def concerned(group: tuple[str, ...]) -> set[str]:
    """The names of sizes that change with a group of axes."""
    names = set(group)
    if names & {"rows", "columns", "kernel rows", "kernel columns"}:
        axis = "rows" if names & {"rows", "kernel rows"} else "columns"
        names |= {f"output {axis}", f"kernel {axis}"}
        names |= {area(rows, columns) for rows, columns in AREAS if rows != "window rows"}  # a pool's own size
    names |= {"entries of the output", "entries of x"}
    return names


def ratio(operation: Operation, name: str, shape: tuple[int, ...], rng: np.random.Generator) -> float | None:
    """⟨hand-derived gradient, d⟩ over the forward's difference along d, for the first of a few d that decides."""
    v = draws.cotangent(shape, rng)
    x = operation.inputs[name]
    step = RATIO_STEP * (float(np.abs(x).max(initial=0.0)) or 1.0)
    try:
        gradient = operation.gradients(v)[name]
        if gradient.shape != x.shape:
            return None
        for _ in range(3):
            d = rng.normal(size=x.shape)
            change = operation.output({name: x + step * d}) - operation.output({name: x - step * d})
            true = float(np.sum(v * change)) / (2 * step)
            hand = float(np.sum(gradient * d))
            typical = float(np.sqrt(np.sum(gradient**2)))
            if abs(true) > 0 and abs(hand) > TELLING * typical:
                return hand / true
    except Exception:  # whatever the user's code says to numbers and sizes that the user did not choose
        return None
    return None


# Sizes to cut to: pairwise different where they may meet, and large enough for borders and strides
# to be seen.
SMALL = {
    "batch": 2,
    "rows": 13,
    "columns": 12,
    "channels": 3,
    "output channels": 4,
    "inputs": 7,
    "outputs": 5,
}


def cut_down(axes: Axes, operation: Operation) -> Operation:
    """The operation at a smaller point, as far as its sizes fit together; the same object if they do not at all."""
    for group in GROUPS:
        if group[0] not in SMALL:
            continue
        inputs = shortened(operation.inputs, axes, group, SMALL[group[0]])
        if inputs is not None and fits(operation, inputs) is not None:
            operation = operation.at(inputs)
    return operation
