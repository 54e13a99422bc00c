"""How a scan divides what it is given: constants, the carry, and what it goes through step by step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def scan_sizes(params: Mapping[str, Any]) -> tuple[int, int]:
    """How many of a scan's operands are constants, and how many are carried; the rest are gone through.

    Up to JAX 0.11 the two numbers are parameters of the primitive, from 0.12 on a tree of three parts is.
    """
    if "ft_in" not in params:
        return params["num_consts"], params["num_carry"]
    constants, carried, _ = params["ft_in"].unpack()
    return len(list(constants)), len(list(carried))
