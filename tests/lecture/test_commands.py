"""`crosscheck run` from outside: its exit status, its file, its message on wrong use."""

import json

from click.testing import CliRunner

from crosscheck.cli import AGREED, DISAGREED, MISUSED, main
from manual import ReLUActivation


def test_json_holds_every_case_and_verdict(tmp_path):
    path = tmp_path / "results.json"
    shown = CliRunner().invoke(main, ["run", "--layer", "relu", "--json", str(path)])
    assert shown.exit_code == AGREED, shown.output
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content["passed"] is True
    assert [case["layer"] for case in content["cases"]] == ["relu"] * 3  # twice backward, and its tangent
    assert {case["verdict"] for case in content["cases"]} == {"agree"}
    assert list(tmp_path.iterdir()) == [path]  # nothing half-written beside it


def test_an_unknown_layer_is_wrong_use_and_named():
    shown = CliRunner().invoke(main, ["run", "--layer", "rleu"])
    assert shown.exit_code == MISUSED
    assert "Usage:" in shown.output
    assert "--layer" in shown.output
    assert "'rleu'" in shown.output


def test_a_wrong_gradient_exits_1_and_is_shown(monkeypatch, tmp_path):
    backward = ReLUActivation.backward
    monkeypatch.setattr(ReLUActivation, "backward", lambda self, grad_output: -backward(self, grad_output))
    path = tmp_path / "results.json"
    shown = CliRunner().invoke(main, ["run", "--layer", "relu", "--json", str(path)])
    assert shown.exit_code == DISAGREED, shown.output
    assert "WRONG" in shown.output
    assert "3 failed" in shown.output
    assert json.loads(path.read_text(encoding="utf-8"))["passed"] is False
