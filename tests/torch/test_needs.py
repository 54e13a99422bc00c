"""Without PyTorch the judge works, and its door says what is missing."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
CODE = """
import sys
sys.modules["torch"] = None
import crosscheck
door = crosscheck.torch.check_function
try:
    door(int, 1)
except ImportError as error:
    print(error)
"""


def test_the_door_names_the_extra() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "crosscheck.torch needs PyTorch: pip install 'crosscheck[torch]'"
