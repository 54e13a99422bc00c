from typing import Any

import pytest

from benchmarks.report import TIMED, environment, table


def pytest_configure(config: pytest.Config) -> None:
    config.stash[TIMED] = []


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
