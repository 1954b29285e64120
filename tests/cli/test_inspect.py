"""``flash inspect``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from fakes_cli import contents

from flash.cli import render_artifact
from flash.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

    from fakes_cli import FakeServices


def test_json_has_what_a_program_needs() -> None:
    """Sizes in bytes, endpoints as the manifest has them."""
    data = render_artifact.contents_data(contents())
    assert data["distributions"] == [
        {"name": "humanize", "files": 40, "size_bytes": 3 * 2**20, "version": "4.9.0"},
        {"name": "typing-extensions", "files": 3, "size_bytes": 170_000, "version": "4.15.0"},
    ]
    assert data["endpoints"] == [
        {
            "name": "lb_worker",
            "kind": "load-balanced",
            "hardware": "-",
            "workers": [0, 1],
            "functions": ["process", "health"],
            "routes": ["POST /process", "GET /health"],
        },
        {
            "name": "gpu_worker",
            "kind": "queue",
            "hardware": "AMPERE_16",
            "workers": [0, 1],
            "functions": ["gpu_hello"],
            "routes": [],
        },
    ]
    assert json.loads(json.dumps(data)) == data


def test_without_a_build_there_is_nothing_to_look_into(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message says how to make one."""
    assert main(["inspect"], services) == 1
    assert capsys.readouterr().err == (
        f"✗ {project / '.flash/artifact.tar.gz'}: there is no artifact yet\nhint: flash build makes it\n"
    )


def test_a_file_that_is_no_artifact_is_an_error(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """Any file can be named."""
    assert main(["inspect", "pyproject.toml"], services) == 1
    assert capsys.readouterr().err.startswith("✗ pyproject.toml: cannot read the artifact")
