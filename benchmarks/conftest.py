from typing import Any

import pytest

from benchmarks import training
from benchmarks.report import TIMED, TRAINED, environment, table


def pytest_configure(config: pytest.Config) -> None:
    config.stash[TIMED] = []
    config.stash[TRAINED] = []


def pytest_report_header() -> list[str]:
    return [f"{name}: {fact}" for name, fact in environment().items()]


def pytest_benchmark_update_machine_info(machine_info: dict[str, Any]) -> None:
    machine_info["benchmarks"] = environment()


@pytest.hookimpl(trylast=True)  # under pytest-benchmark's own table
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.stash[TIMED]:
        terminalreporter.section("the convolution beside its peers")
        for line in table(config.stash[TIMED]):
            terminalreporter.write_line(line)
    if config.stash[TRAINED]:
        terminalreporter.section("a training step of the lecture's CNN beside its peers")
        for line in training.table(config.stash[TRAINED]):
            terminalreporter.write_line(line)
