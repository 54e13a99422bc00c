"""A JSON file that appears whole or not at all."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any


def as_json(content: Any) -> str:
    """The text of a JSON file."""
    return f"{json.dumps(content, indent=1, ensure_ascii=False)}\n"


def write_whole(path: Path, content: Any) -> None:
    """Write beside it, and put it in its place when it is complete; what was there before stays until then."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(as_json(content))
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def why_not_writable(path: Path) -> str:
    """Why a file cannot be written there; "" where it can."""
    if not path.parent.is_dir():
        return f"there is no folder {path.parent}"
    if path.is_dir():
        return f"{path} is a folder"
    return "" if os.access(path.parent, os.W_OK) else f"the folder {path.parent} cannot be written to"
