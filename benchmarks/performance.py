"""Measure everything, print it, and write docs/performance.md with its pictures. Start it by `python -m benchmarks`."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks import (
    choices,
    contenders,
    convolution_errors,
    document,
    layers,
    pictures,
    profile,
    report,
    scaling,
    training,
)
from benchmarks.alternation import Product, Timed, time_in_turns
from benchmarks.workloads import WORKLOADS
from manual import kernels
from reference.precision import double_precision

DTYPES: tuple[type[np.floating[Any]], ...] = (np.float32, np.float64)
BATCHES = (32, 256)  # of a training step
ROOT = Path(__file__).parents[1]
MEASURED = ROOT / "build" / "bench"

Rows = list[dict[str, Any]]


def convolution(rounds: int) -> Rows:
    rows: Rows = []
    for dtype in DTYPES:
        product = Product(dtype)
        for workload in WORKLOADS:
            for direction in contenders.DIRECTIONS:
                field = contenders.contenders(workload, direction, dtype, np.random.default_rng(0))
                timed = time_in_turns(field.contenders, product, rounds=rounds)
                row = facts(timed) | {
                    "workload": workload.name,
                    "dtype": np.dtype(dtype).name,
                    "direction": direction,
                    "engines": field.engines,
                    "flops": 2 * workload.multiplications * (1 if direction == "forward" else 2),
                }
                rows.append(row)
                click.echo(report.line(row))
    for row in rows:
        if report.misses(row):
            workload = next(w for w in WORKLOADS if w.name == row["workload"])
            row["profile"] = profile.of_convolution(workload, row["direction"], row["dtype"], "auto")
    return rows


def other_layers(rounds: int) -> Rows:
    rows: Rows = []
    for dtype in DTYPES:
        product = Product(dtype)
        for work in layers.works():
            field = layers.contenders(work, dtype, np.random.default_rng(0))
            field["copy"] = layers.copy_of(work, dtype)
            timed = time_in_turns(field, product, rounds=rounds)
            rows.append(
                facts(timed)
                | {"layer": work.name, "dtype": np.dtype(dtype).name, "flops": work.flops, "copies": work.copies}
            )
            click.echo(report.layer_line(rows[-1]))
    return rows


def training_steps(rounds: int) -> Rows:
    rows: Rows = []
    for dtype in DTYPES:
        product = Product(dtype)
        for batch in BATCHES:
            made = training.contenders(batch, dtype)
            timed = time_in_turns(made.steps, product, rounds=rounds)
            parts = training.where_the_time_goes(made)
            rows.append(facts(timed) | {"batch": batch, "dtype": np.dtype(dtype).name, "parts": parts})
            click.echo(report.training_line(rows[-1]))
    return rows


def growth(_: int) -> Rows:
    rows: Rows = []
    for workload in scaling.GROWING:
        for along in ("batch", "area"):
            grown = scaling.growth(workload, along)
            rows.append(grown._asdict() | {"exponent": grown.exponent})
            click.echo(f"{grown.engine:<12} {along:<6} time ~ size^{grown.exponent:.2f}")
    return rows


def costs(_: int) -> Rows:
    memory = scaling.new_memory()
    rows = [
        cost._asdict() | {"first_is_cheap": cost.first_is_cheap, "new_memory": memory} for cost in scaling.all_costs()
    ]
    click.echo(f"scratch at most {max(row['scratch'] for row in rows) / 2**20:.0f} MiB")
    return rows


def errors(_: int) -> Rows:
    rows: Rows = []
    for found in convolution_errors.growth():
        rows.append(found._asdict())
        click.echo(f"{found.dtype} {found.engine:<12} C_in {found.channels:<5} {found.rms:.2g} {found.largest:.2g}")
    return rows


def error_against_speed(rounds: int) -> Rows:
    """Every engine on one 3×3 and one 11×11 workload: time and error."""
    rows: Rows = []
    for dtype in DTYPES:
        product = Product(dtype)
        for workload in WORKLOADS:
            if workload.name not in ("resnet56", "large"):
                continue
            able = tuple(engine for engine in kernels.ENGINES if convolution_errors.can(engine, workload))
            field = contenders.contenders(workload, "forward", dtype, np.random.default_rng(0), able)
            timed = time_in_turns({name: field.contenders[name] for name in able}, product, rounds=rounds)
            for engine in able:
                rms, largest = convolution_errors.of_workload(engine, workload, dtype)
                rows.append(
                    {
                        "workload": workload.name,
                        "dtype": np.dtype(dtype).name,
                        "engine": engine,
                        "seconds": timed.median(engine),
                        "rms": rms,
                        "largest": largest,
                    }
                )
                click.echo(
                    f"{workload.name} {rows[-1]['dtype']} {engine:<12} {timed.median(engine) * 1e3:8.2f} ms {rms:.2g}"
                )
    return rows


def choice(rounds: int) -> Rows:
    """Every engine around the thresholds of the choice; fewer rounds, there are many."""
    rows: Rows = []
    for dtype in DTYPES:
        product = Product(dtype)
        for one in choices.CHOICES:
            timed = time_in_turns(choices.contenders(one, dtype), product, rounds=max(1, rounds // 2))
            rows.append(
                facts(timed)
                | {
                    "threshold": one.threshold,
                    "workload": one.workload.name,
                    "multiplications": one.workload.multiplications,
                    "dtype": np.dtype(dtype).name,
                    "chosen": choices.chosen(one, dtype),
                }
            )
            click.echo(report.choice_line(rows[-1]))
    return rows


def facts(timed: Timed) -> dict[str, Any]:
    return {"seconds": timed.seconds, "product": timed.product, "dropped": timed.dropped}


SECTIONS: dict[str, Callable[[int], Rows]] = {
    "convolution": convolution,
    "choice": choice,
    "layers": other_layers,
    "training": training_steps,
    "growth": growth,
    "costs": costs,
    "errors": errors,
    "speed": error_against_speed,
}


@click.command()
@click.argument("sections", nargs=-1, type=click.Choice(list(SECTIONS)))
@click.option("--rounds", default=7, show_default=True, type=click.IntRange(1), help="Undisturbed rounds to time.")
@click.option("--measure/--no-measure", default=True, help="--no-measure: only write the document again.")
def main(sections: tuple[str, ...], rounds: int, measure: bool) -> None:
    """Measure SECTIONS (all without any), print them, and write docs/performance.md and docs/img/.

    Every section's figures are kept in build/bench/; the document is written from those, once all are there.
    """
    for name, fact in report.environment().items():
        click.echo(f"{name}: {fact}")
    MEASURED.mkdir(parents=True, exist_ok=True)
    for name in (sections or SECTIONS) if measure else ():
        click.echo(f"\n{name}")
        with double_precision():
            rows = SECTIONS[name](rounds)
        kept = {"environment": report.environment(), "rounds": rounds, "rows": rows}
        (MEASURED / f"{name}.json").write_text(json.dumps(kept, indent=1), encoding="utf-8")
    missing = [name for name in SECTIONS if not (MEASURED / f"{name}.json").exists()]
    if missing:
        click.echo(f"not measured yet: {', '.join(missing)}; the document stays as it is")
        return
    measured = {name: json.loads((MEASURED / f"{name}.json").read_text(encoding="utf-8")) for name in SECTIONS}
    pictures.draw(measured, ROOT / "docs" / "img")
    text = document.document(measured)
    (ROOT / "docs" / "performance.md").write_text(text, encoding="utf-8")
    click.echo("\n" + text)


if __name__ == "__main__":
    sys.exit(main())
