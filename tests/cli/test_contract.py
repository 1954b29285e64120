"""``flash contract``: what is promised, and what a change of that breaks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flash.cli.main import main

STRING, NUMBER = {"type": "string"}, {"type": "number"}


def write(path: Path, schema: dict[str, Any]) -> Path:
    """A manifest of one function with one parameter."""
    given = {"type": "object", "properties": {"name": schema}, "required": ["name"], "additionalProperties": False}
    contract = {"": {"input": given, "output": STRING}}
    function = {"name": "hello", "module": "app", "contract": contract}
    path.write_text(json.dumps({"resources": {"greeter": {"functions": [function]}}}), encoding="utf-8")
    return path


def test_what_breaks_is_listed_with_status_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For people, and for programs."""
    old, new = write(tmp_path / "old.json", STRING), write(tmp_path / "new.json", NUMBER)
    root = f"--root={tmp_path}"
    assert main(["contract", "diff", str(old), str(new), root]) == 1
    said = capsys.readouterr().out
    assert "FLASH-C206 greeter/hello input/name: parameter takes fewer types: string → number" in said
    assert "1 breaking" in said
    assert main(["contract", "diff", str(old), str(new), root, "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["is_compatible"] is False
    assert [one["rule"] for one in document["changes"]] == ["FLASH-C206"]


def test_what_breaks_nobody_has_status_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And says so."""
    old = write(tmp_path / "old.json", STRING)
    assert main(["contract", "diff", str(old), str(old), f"--root={tmp_path}"]) == 0
    assert "nothing has changed for callers" in capsys.readouterr().out


def test_a_contract_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As a signature, or with its schemas."""
    path = write(tmp_path / "m.json", STRING)
    assert main(["contract", "show", str(path), f"--root={tmp_path}"]) == 0
    assert "hello(name: string) → string" in capsys.readouterr().out
    assert main(["contract", "show", str(path), f"--root={tmp_path}", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["endpoints"]["greeter"][0]["output"] == STRING


def test_a_file_that_is_not_there_is_said_to_be_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A name with a folder or an ending is a file's, not an environment's."""
    assert main(["contract", "show", "no/such.json", f"--root={tmp_path}"]) == 1
    assert "there is no such file" in capsys.readouterr().err
