"""What the roundings compile, and once: a program of one key is one program (`traces.fingerprint`).

The numbers that a program closes over are arguments, so the same program with other weights is not compiled again; what
cannot be an argument (a literal, a constant inside a branch) is part of the key with every bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from crosscheck.traces.programs import Programs

# Compiled pieces; a long program that is evaluated by equations needs some hundred.
COMPILED: Programs[Callable[..., Any]] = Programs(512)
compiled = COMPILED.get
