"""The commands about our own layers: `crosscheck run`, `list`, `demo`, `train`.

They reach the command line as entry points. Nothing here imports JAX or the layers before a command needs them, so that
`--help` answers at once.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from crosscheck.cli import budget_option


@click.command()
@click.option(
    "--layer",
    "layers",
    multiple=True,
    metavar="NAME",
    help="Only the cases of this layer, a name from `crosscheck list`; may be repeated.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of every random draw.")
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write every result to this file.",
)
@budget_option
def run(layers: tuple[str, ...], seed: int, json_file: Path | None, budget: float | None) -> None:
    """Cross-check every layer, then the lecture's complete CNN on real images.

    For every gradient: hand-derived against autodiff, hand-derived against finite differences, autodiff against
    finite differences, entry by entry.
    """
    from crosscheck.lecture.running import run_cases, select

    try:
        cases = select(layers)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--layer") from None
    if json_file is not None and not json_file.parent.is_dir():
        raise click.BadParameter(f"there is no folder {json_file.parent}", param_hint="--json")
    sys.exit(run_cases(cases, seed, json_file, budget))


@click.command("list")
@click.option("--layer", "layers", multiple=True, metavar="NAME", help="Only the cases of this layer.")
def list_cases(layers: tuple[str, ...]) -> None:
    """List the cases: layer, kind, name."""
    from crosscheck.lecture.running import select

    try:
        cases = select(layers)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--layer") from None
    width = max(len(case.layer) for case in cases)
    for case in cases:
        click.echo(f"{case.layer:<{width}}  {case.kind:<11}  {case.configuration}")


# The names in `crosscheck.lecture.demo.MISTAKES`, which loads the layers.
DEMONSTRATIONS = (
    "sign",
    "mean",
    "unflipped",
    "missing-mask",
    "border",
    "first-sample",
    "ones",
    "one-entry",
    "overwritten",
    "writes",
)


@click.command()
@click.argument("mistake", type=click.Choice(DEMONSTRATIONS), default="unflipped")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of every random draw.")
@budget_option
def demo(mistake: str, seed: int, budget: float | None) -> None:
    """Plant a MISTAKE into a real layer and show everything the judge says."""
    from crosscheck.lecture.demo import MISTAKES, demonstrate
    from crosscheck.traces.programs import keep_compilations

    keep_compilations()
    click.echo(f"Planted: {MISTAKES[mistake].sentence}.\n")
    result = demonstrate(mistake, seed, budget)
    click.echo(str(result))


@click.command()
@click.argument("data", type=click.Choice(["digits", "patterns"]), default="digits")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of every random draw.")
@click.option("--epochs", type=click.IntRange(min=1), help="How often every image is seen; the recipe's if not given.")
@click.option("--double", is_flag=True, help="Compute in float64, not float32.")
@click.option("--check", is_flag=True, help="Cross-check every step against JAX's from the same place.")
@budget_option
def train(data: str, seed: int, epochs: int | None, double: bool, check: bool, budget: float | None) -> None:
    """Train the lecture's CNN on DATA, show loss and accuracy, test it at the end."""
    from crosscheck.lecture.train_command import run_training

    if budget is not None and not check:
        raise click.BadParameter("it is for the cross-checks: give --check too", param_hint="--budget")
    sys.exit(run_training(data, seed=seed, epochs=epochs, single=not double, check=check, budget=budget))
