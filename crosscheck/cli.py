"""The command line. What it can do comes as entry points in the group `crosscheck.commands`, a click command each.

Nothing is imported before a command needs it, so that `--help` answers at once.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any

import click

from crosscheck.encoding import never_unwritable
from crosscheck.interrupts import listening

AGREED, DISAGREED, MISUSED, UNDECIDED = 0, 1, 2, 3
STATUSES = {"agree": AGREED, "disagree": DISAGREED, "undecided": UNDECIDED}

COMMANDS = "crosscheck.commands"  # the group of entry points


# An option of every command that checks something.
budget_option = click.option(
    "--budget",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Leave out what is not done by then, and say so; none by default.",
)


def status_of(*verdicts: str) -> int:
    """The exit status of some verdicts: a disagreement before what is undecided, and that before agreement."""
    found = {STATUSES[verdict] for verdict in verdicts}
    return next((s for s in (DISAGREED, UNDECIDED) if s in found), AGREED)


class Commands(click.Group):
    """A group whose further commands are entry points, in the order of their names."""

    def announced(self) -> dict[str, EntryPoint]:
        return {entry.name: entry for entry in entry_points(group=COMMANDS)}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *self.announced()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        own = super().get_command(ctx, cmd_name)
        if own is None and cmd_name in self.announced():
            return self.announced()[cmd_name].load()
        return own

    def main(self, *args: Any, **extra: Any) -> Any:
        """The command beside this thread, which listens for Ctrl-C (exit status 130)."""
        never_unwritable()
        return listening(lambda: super(Commands, self).main(*args, **extra))


SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 80}


@click.group(cls=Commands, context_settings=SETTINGS)
@click.version_option(package_name="crosscheck")
def main() -> None:
    """Cross-check hand-derived gradients against autodiff and finite differences.

    Exit status: 0 if every gradient agrees, 1 if one disagrees, 2 for wrong use,
    3 if none disagrees and one is undecided, 130 if interrupted: what is finished
    by then is printed.
    """


if __name__ == "__main__":
    main()
