"""What the axes of arrays are called: "channels", "kernel rows", "batch"."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from crosscheck.evidence.wording import listed as listed
from crosscheck.traces.primitives import primitive as words_of
from crosscheck.traces.tape import Tape

IMAGE = ("batch", "channels", "rows", "columns")
OUTPUT_IMAGE = ("batch", "output channels", "output rows", "output columns")
FILTERS = ("output channels", "input channels", "kernel rows", "kernel columns")
MATRIX = ("inputs", "outputs")
# By number of axes, where nothing more is known.
PLAIN = {
    0: (),
    1: ("entries",),
    2: ("batch", "features"),
    3: ("batch", "rows", "columns"),
    4: IMAGE,
}
# ... and where nobody knows of samples: words that are true of any array.
PLAIN_BUT_NO_BATCH = {
    2: ("rows", "columns"),
    3: ("slices", "rows", "columns"),
    4: ("slices", "axis 1", "axis 2", "axis 3"),
}
# Data in columns: of a product W x the right operand is the samples.
COLUMNS = ("features", "batch")
# Without a reference, only an array's name tells a parameter from data.
PARAMETERS = ("filter", "kernel", "weight")

# The pairs of axes whose product is an area.
AREAS = (
    ("kernel rows", "kernel columns"),
    ("window rows", "window columns"),
    ("output rows", "output columns"),
    ("rows", "columns"),
)


def area(rows: str, columns: str) -> str:
    return f"{rows} · {columns}"


SINGULAR = {
    "batch": "sample",
    "channels": "channel",
    "rows": "row",
    "columns": "column",
    "output channels": "output channel",
    "output rows": "output row",
    "output columns": "output column",
    "input channels": "input channel",
    "kernel rows": "kernel row",
    "kernel columns": "kernel column",
    "inputs": "input",
    "outputs": "output",
    "features": "feature",
    "entries": "entry",
    "slices": "slice",
}


def plain_names(ndim: int) -> tuple[str, ...]:
    return PLAIN.get(ndim) or tuple(f"axis {i}" for i in range(ndim))


def axis_names(name: str, shape: Sequence[int], tape: Tape | None, *, data: bool = False) -> tuple[str, ...]:
    """The words for the axes of the input `name`, from what the reference does with it; `data`: it comes first, as data
    does."""
    data = data and not re.fullmatch(r"[wW]\d*", name) and not any(word in name.lower() for word in PARAMETERS)
    if tape is not None:
        place = tape.inputs[name]
        for step in tape.steps:
            if place in step.reads:
                written = tape.avals[step.writes[0]].shape
                words = role(step.name, step.eqn.params, step.reads.index(place), tuple(shape), written)
                if words is not None:
                    return {MATRIX: COLUMNS, MATRIX[::-1]: COLUMNS[::-1]}.get(words, words) if data else words
    elif any(word in name.lower() for word in PARAMETERS):
        return {4: FILTERS, 2: MATRIX}.get(len(shape)) or plain_names(len(shape))
    if len(shape) == 1 and "bias" in name.lower():
        return ("outputs",)
    return plain_names(len(shape))


def as_told(
    names: tuple[str, ...], shape: Sequence[int], output: Sequence[int], *, batch: bool = True
) -> tuple[str, ...]:
    """The words for the axes as a sentence has them: of samples only where a batch was recognised, and the output has
    as many of them."""
    if names != PLAIN.get(len(shape)) or not shape:
        return names
    if batch and (not output or output[0] == shape[0]):
        return names
    return PLAIN_BUT_NO_BATCH.get(len(shape), names)


def one_of(word: str, index: int) -> str:
    """ "column 3", "index 3 of axis 1"."""
    return f"index {index} of {word}" if word.startswith("axis ") else f"{SINGULAR.get(word, word)} {index}"


def role(
    primitive: str, params: dict, operand: int, shape: tuple[int, ...], written: tuple[int, ...]
) -> tuple[str, ...] | None:
    """The words for an array's axes from one step that reads it; None if the step says nothing."""
    ndim = len(shape)
    if ndim == 1 and primitive in ("broadcast_in_dim", "reshape") and len(written) in (2, 4):
        # A vector that is spread over images or rows: one number per channel or per output.
        long = [axis for axis, size in enumerate(written) if size == shape[0]]
        axis = params["broadcast_dimensions"][0] if primitive == "broadcast_in_dim" else long[-1] if long else -1
        if axis == 1:
            return ("output channels",) if len(written) == 4 else ("outputs",)
    if primitive == "conv_general_dilated" and ndim == 4:
        numbers = params["dimension_numbers"]
        spec, words = ((numbers.lhs_spec, IMAGE), (numbers.rhs_spec, FILTERS))[operand]
        return tuple(words[spec.index(axis)] for axis in range(4))
    if primitive == "dot_general" and ndim == 2:
        (_, right), _ = params["dimension_numbers"]
        if operand == 1 and len(right) == 1:
            return MATRIX if right[0] == 0 else MATRIX[::-1]
    return None


def output_names(ndim: int) -> tuple[str, ...]:
    if ndim == 4:
        return OUTPUT_IMAGE
    if ndim == 2:
        return ("batch", "outputs")
    return plain_names(ndim)


def along(names: Sequence[str], axes: Iterable[int]) -> str:
    return listed(names[a] for a in axes)


# ---------------------------------------------------------------------- steps


def step_name(primitive: str, within: str) -> str:
    """A step in words, with the function it stands in where that says more."""
    if primitive.startswith("custom_"):
        return within or "an activation"
    name = words_of(primitive).words
    readable = within.strip("_").replace("_", " ")
    return f"{name} in {readable}" if readable and readable not in (primitive, name) else name


def operand_name(primitive: str, operand: int) -> str:
    return words_of(primitive).operand(operand)
