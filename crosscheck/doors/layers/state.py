"""What forward leaves behind, compared with what the reference says it becomes: running statistics, a hidden state.

It is an output that is not differentiated. It is held against the reference's by the same comparison as the output,
with the same allowance for rounding, one array at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from crosscheck.doors.layers.pairing import by_word
from crosscheck.doors.layers.places import Path, at, private
from crosscheck.doors.layers.route import Route
from crosscheck.judge import judge
from crosscheck.operation import Array, Arrays, Notice, Operation, wide


def output_alone(reference: Callable[..., Any]) -> Callable[..., Any]:
    """Of a reference that returns (y, state), the output."""
    return lambda **values: both(reference(**values))[0]


def both(returned: Any) -> tuple[Any, Any]:
    if not (isinstance(returned, tuple) and len(returned) == 2 and isinstance(returned[1], dict)):
        raise TypeError(
            f"reference returned a {type(returned).__name__}; with state= it must return (y, {{name: what it becomes}})"
        )
    return returned


def compared(
    route: Route, arrays: Arrays, names: tuple[str, ...], reference: Callable[..., Any] | None
) -> Iterator[Notice]:
    """A sentence for each array of the state that is not what the reference says.

    Raises:
        ValueError: there is no reference to compare it with.
    """
    words, title = route.calling.ways.state, route.calling.title
    if words and reference is None:
        raise ValueError(
            f"state names {', '.join(words)}, and there is no reference to compare it with: give reference="
        )
    for word in words:
        path = by_word(route.base, word, "state")
        result = judge(
            left_behind(route, path, word, arrays, names, reference),
            differences=False,
            exact=False,
            diagnose=False,
            progress=False,
        )
        pairs = [p for p in (result.evidence.forward, result.evidence.forward_single) if p is not None]
        wrong = [p for p in pairs if p.disagree.any()]
        if wrong:
            yield Notice(
                "state",
                f"{word} after forward of {title} differs from the reference's at {int(wrong[0].disagree.sum())} of "
                f"{wrong[0].disagree.size} entries, by up to {wrong[0].error:.3g}",
                True,
            )
    if words:
        yield Notice("state", f"compared with the reference after forward of {title}: {', '.join(words)}", False)


def left_behind(
    route: Route, path: Path, word: str, arrays: Arrays, names: tuple[str, ...], reference: Any
) -> Operation:
    """The operation whose output is one array of the state; nobody looks at its gradients."""

    def made(wider: bool) -> Operation:
        def forward(values: Arrays) -> Any:
            layer = private(route.base, wider)
            route.forward(layer, values)
            return at(layer, path)

        def backward(grad_output: Array, values: Arrays) -> Arrays:
            return {k: np.zeros_like(values[k]) for k in names}

        def becomes(**values: Any) -> Any:
            state = both(reference(**values))[1]
            if word not in state:
                raise ValueError(f"state names {word!r}; the reference returns {', '.join(map(str, state)) or 'none'}")
            return state[word]

        given = {k: wide(a) for k, a in arrays.items()} if wider else arrays
        return Operation(f"{route.calling.title}.{word}", forward, backward, given, names, becomes, lambda: made(True))

    return made(False)
