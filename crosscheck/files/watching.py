"""Waiting for a save: of the file, or of what it imports from its folder.

`watchfiles` wakes us; what has changed is told by the files' own times, so that a save during a check is not missed.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

Stamps = dict[Path, tuple[int, int] | None]
LOOKED_AFTER = 1000  # milliseconds, where nothing wakes us


def watcher() -> Callable[..., Any]:
    """`watchfiles.watch`.

    Raises:
        ModuleNotFoundError: it is not installed.
    """
    return import_module("watchfiles").watch


def stamps(files: set[Path]) -> Stamps:
    """When each was written, and how long it is; None where it is not there."""
    found: Stamps = {}
    for file in files:
        try:
            status = file.stat()
            found[file] = status.st_mtime_ns, status.st_size
        except OSError:
            found[file] = None
    return found


def wait_for_change(watch: Callable[..., Any], before: Stamps, checked: Path) -> None:
    """Until one of the files is another than before, and the one that is checked is there.

    An editor may take a file away before it puts it back. What the file imports may be gone for good, or come later:
    that is a change like another.
    """
    folders = {file.parent for file in before if file.parent.is_dir()}
    woken = watch(*folders, recursive=False, yield_on_timeout=True, rust_timeout=LOOKED_AFTER, watch_filter=None)
    while (now := stamps(set(before))) == before or now[checked] is None:
        next(woken)
