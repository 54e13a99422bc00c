"""The commands about a user's file: `crosscheck check` and `crosscheck new`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from crosscheck.cli import AGREED, MISUSED, budget_option

if TYPE_CHECKING:
    from crosscheck.files.loading import UserFile

STANDARD_OUTPUT = Path("-")


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of every random draw.")
@click.option("--full", is_flag=True, help="Everything that was found, not a page of it.")
@click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=Path),
    help="Also write the result to this file, whole or not at all; to standard output if it is -, and the page then "
    "to standard error.",
)
@budget_option
@click.option("--watch", is_flag=True, help="Check again on every save, until Ctrl-C.")
def check(file: Path, seed: int, full: bool, json_file: Path | None, budget: float | None, watch: bool) -> None:
    """Check the gradients in FILE: its forward against its backward.

    FILE is Python with forward(**inputs), backward(grad_output, **inputs) and
    inputs, a dictionary of arrays or of shapes to be drawn, such as {"x": (4, 3)}
    or "4,3 float32"; and, where there is one, reference, the same forward in
    jax.numpy. For a survey it has make and space. `crosscheck new` writes one.

    Exit status: 0 if every gradient agrees, 1 if one disagrees, 2 for wrong use
    or code that raises, 3 if one is undecided or still to be derived, 130 if
    interrupted.
    """
    from crosscheck.files.whole import why_not_writable

    aside = json_file == STANDARD_OUTPUT
    if json_file is not None and not aside and (reason := why_not_writable(json_file)):
        raise click.BadParameter(reason, param_hint="--json")
    from crosscheck.files.loading import UserFile

    user = UserFile(file)
    if not watch:
        sys.exit(once(user, seed, full, json_file, budget))
    from crosscheck.files.watching import stamps, wait_for_change, watcher

    try:
        waiting = watcher()
    except ModuleNotFoundError:
        raise click.UsageError("--watch needs the package watchfiles: pip install 'crosscheck[watch]'") from None
    while True:
        before = stamps(user.files)
        once(user, seed, full, json_file, budget)
        before |= {path: stamp for path, stamp in stamps(user.files).items() if path not in before}
        click.echo(f"\nwatching {file}; Ctrl-C ends", err=aside)
        wait_for_change(waiting, before, user.path.resolve())
        click.echo("", err=aside)


def once(file: UserFile, seed: int, full: bool, json_file: Path | None, budget: float | None) -> int:
    """One check, printed; its exit status."""
    from crosscheck.files.checking import checked
    from crosscheck.files.loading import Refused, filled
    from crosscheck.files.whole import as_json, write_whole
    from crosscheck.traces.programs import keep_compilations

    keep_compilations()
    try:
        found = checked(file, seed, full=full, budget=budget)
    except Refused as reason:
        said = str(reason)
        click.echo(said if "\n" in said else filled(said), err=True)
        return MISUSED
    finally:
        file.forget()
    aside = json_file == STANDARD_OUTPUT
    click.echo(found.text, err=aside)
    try:
        if aside:
            click.echo(as_json(found.content), nl=False)
        elif json_file is not None:
            write_whole(json_file, found.content)
    except OSError as error:
        click.echo(filled(f"{json_file} cannot be written: {error.strerror}"), err=True)
        return MISUSED
    return found.status


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
def new(file: Path) -> None:
    """Write FILE to begin with: a layer, derived line by line, one line left to you.

    It can be checked as it is; a file that is there is not touched.
    """
    from crosscheck.files.starting import write_start

    try:
        write_start(file)
    except FileExistsError:
        raise click.BadParameter(f"{file} is there, and stays as it is", param_hint="FILE") from None
    except OSError as error:
        raise click.BadParameter(f"{file} cannot be written: {error.strerror}", param_hint="FILE") from None
    click.echo(f"wrote {file}: one gradient in it is still to be derived; crosscheck check {file}")
    sys.exit(AGREED)
