"""Every command in docs/errata.md runs and prints what the page says it prints."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SLIPS = 9


def commands() -> list[tuple[int, str, str]]:
    """The slip's number, the command and the output stated under it, in the page's order."""
    page = (ROOT / "docs" / "errata.md").read_text("utf-8")
    found = []
    for section in re.split(r"^## ", page, flags=re.MULTILINE)[1:]:
        for command, output in re.findall(r"```sh\n(.*?)```\n+```text\n(.*?)```", section, re.DOTALL):
            found.append((int(section.split(".")[0]), command, output))
    return found


def test_every_slip_has_a_command_with_its_output():
    assert sorted({number for number, _, _ in commands()}) == list(range(1, SLIPS + 1))
    assert all(output for _, _, output in commands())


@pytest.mark.parametrize(
    ("command", "output"),
    [
        pytest.param(command, output, id=f"slip{number}-{index}")
        for index, (number, command, output) in enumerate(commands())
    ],
)
def test_command_prints_what_the_page_says(command, output):
    this_python_first = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    run = subprocess.run(
        ["sh", "-c", command],
        cwd=ROOT,
        env=os.environ | {"PATH": this_python_first},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout == output
