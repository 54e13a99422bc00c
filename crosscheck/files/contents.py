"""What a file says, by the names it uses.

forward, backward, inputs       the pair, as `crosscheck.check` takes it; inputs as arrays or shapes (`drawing`)
reference                       the same forward in jax.numpy, if there is one
options                         a dictionary of what else `check` takes: wrt, convention, accuracy, fixed, on, ...
make, space                     a factory and a space, for a survey
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from crosscheck.doors.door import shown
from crosscheck.files.loading import Refused

NEEDED = ("forward", "backward", "inputs")
# What the command line has, or the file by a name of its own.
ELSEWHERE = ("seed", "budget", *NEEDED, "reference")


class Contents(NamedTuple):
    """See above; None what is not there."""

    forward: Callable[..., Any] | None
    backward: Callable[..., Any] | None
    inputs: Any
    reference: Callable[..., Any] | None
    options: dict[str, Any]
    make: Callable[..., Any] | None
    space: Any


def contents_of(module: ModuleType, path: Path, check: Callable[..., Any]) -> Contents:
    """What the file says; a `Refused` that names what is missing."""
    said = vars(module)
    survey = "make" in said and "space" in said
    for one, other in (("make", "space"), ("space", "make")):
        if one in said and other not in said and not any(k in said for k in NEEDED):
            raise Refused(f"{path} has {one} and no {other}: a survey takes both")
    for name in NEEDED if not survey or any(k in said for k in NEEDED) else ():
        if name not in said:
            raise Refused(missing(name, said, path))
    options = said.get("options", {})
    known = [k for k in inspect.signature(check).parameters if k not in ELSEWHERE]
    if not isinstance(options, Mapping):
        raise Refused(f"{path}: options is {shown(options)}; it must be a dictionary of {', '.join(known)}")
    for key in options:
        if key not in known:
            raise Refused(f"{path}: options has {key!r}; it may have {', '.join(known)}")
    forward, backward, inputs, reference = (said.get(k) for k in (*NEEDED, "reference"))
    make, space = (said["make"], said["space"]) if survey else (None, None)
    return Contents(forward, backward, inputs, reference, dict(options), make, space)


def missing(name: str, said: Mapping[str, Any], path: Path) -> str:
    close = difflib.get_close_matches(name, [k for k in said if not k.startswith("_")], n=1, cutoff=0.7)
    has = f" (it has {close[0]})" if close else ""
    return (
        f"{path} has no {name}{has}: a file to be checked has forward, backward and inputs; "
        "`crosscheck new` writes one to begin with"
    )
