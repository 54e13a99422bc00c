"""One look at a layer, on which everything that is found out of it is written down."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from crosscheck.doors.layers.declared import Declared
from crosscheck.doors.layers.places import Held, Path
from crosscheck.doors.layers.ways import Calling
from crosscheck.operation import Array, Arrays, Notice


@dataclass
class Looking:
    """One look at a layer: what is known so far.

    Args:
        calling: its methods.
        base: a private copy.
        inputs: by name.
        wrt: those that are differentiated.
        declared: its own naming of its parameters, where it has one.
        y: the output, or one vector of several.
        layout: where several lie in it.
        steady: whether forward gives the same again; False: from the layer as given; None: never.
        moving: the arrays that the output depends on, without constants.
        constants: the paths of arrays that are none of the parameters.
        remarks: what is to be said.
    """

    calling: Calling
    base: Any
    inputs: Arrays
    wrt: tuple[str, ...]
    declared: Declared | None = None
    y: Array = field(default_factory=lambda: np.zeros(0))
    layout: Any = None
    steady: bool | None = True
    moving: list[Held] = field(default_factory=list)
    constants: frozenset[Path] = frozenset()
    remarks: list[Notice] = field(default_factory=list)

    def say(self, kind: str, explanation: str, fails: bool = False) -> None:
        self.remarks.append(Notice(kind, explanation, fails))

    @property
    def title(self) -> str:
        return self.calling.title

    def run(self, layer: Any) -> Any:
        """The output, of a layer that names its parameters with those that it has in `base`."""
        if self.declared is not None:
            self.declared.assign(layer, self.declared.values(self.base))
        return self.calling.run(layer, self.inputs)[0]
