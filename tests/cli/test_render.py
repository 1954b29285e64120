"""Values as text, against what stands in ``goldens/``, and as JSON."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes_cli import DIGEST, ENDPOINTS, STATE, artifact, contents, preview_attachment

from flash.cli import render, render_artifact
from flash.cli.render import EnvironmentRow
from flash.cli.report import Condition

GOLDENS = Path(__file__).parent / "goldens"

ROWS = (
    EnvironmentRow("production", "runpod", None, None, 0, is_configured=True),
    EnvironmentRow("staging", "local", "build-1", DIGEST, 2, is_configured=True),
    EnvironmentRow("theirs", "runpod", "build-9", None, 3, is_configured=False),
    EnvironmentRow("try", "local", "build-1", DIGEST, 1, is_configured=False),
)
GATE = (
    Condition(
        code="FLASH-G001",
        title="nothing failed",
        outcome="refused",
        evidence=("1 failed: tests/test_app.py::test_hello",),
        remedy="mend what failed",
    ),
    Condition(
        code="FLASH-G009",
        title="the wheels are the target's",
        outcome="inconclusive",
        evidence=("built on darwin", "for linux"),
        remedy="",
    ),
)

TEXTS = {
    "build": render.build_text(artifact(), size_limit_mib=500),
    "environment": render.environment_text(
        "staging", app="demo", target="local", build="build-1", digest=DIGEST, endpoints=ENDPOINTS
    ),
    "environment_empty": render.environment_text(
        "staging", app="demo", target="local", build=None, digest=None, endpoints=()
    ),
    "environments": render.environments_text(ROWS, app="demo"),
    "environments_none": render.environments_text((), app="demo"),
    "inspect": render_artifact.contents_text(contents()),
    "gate": render.gate_text(GATE),
    "platform": render.platform_text(STATE),
    "platform_none": render.platform_text(None),
    "platform_env": render.exports(render.platform_variables(STATE)),
    "preview": render.preview_text(preview_attachment()),
}


@pytest.mark.parametrize("name", TEXTS)
def test_text_is_as_its_golden(name: str) -> None:
    """What people read changes on purpose only."""
    assert TEXTS[name] + "\n" == (GOLDENS / f"{name}.txt").read_text(encoding="utf-8")


def test_every_golden_is_compared() -> None:
    """None is left over."""
    assert {path.stem for path in GOLDENS.glob("*.txt")} == set(TEXTS)


def test_a_build_as_json() -> None:
    """Endpoints in the manifest's order; the distributions that lie at the top of the artifact."""
    assert render.build_data(artifact(), app="demo") == {
        "app": "demo",
        "artifact": "/project/.flash/artifact.tar.gz",
        "sha256": DIGEST,
        "size_bytes": 3 * 2**20,
        "files": 8,
        "python": "3.11",
        "endpoints": [
            {"name": "lb_worker", "kind": "load-balanced", "routes": ["POST /process", "GET /health"]},
            {"name": "gpu_worker", "kind": "queue", "routes": []},
        ],
        "distributions": [
            {"name": "humanize", "version": "4.9.0"},
            {"name": "typing-extensions", "version": "4.15.0"},
        ],
        "excluded": {"torch": "shipped by every worker image"},
    }


def test_the_platform_as_json_does_not_show_the_key() -> None:
    """``flash platform env`` is the one that does."""
    assert render.platform_data(STATE) == {
        "running": True,
        "url": "http://127.0.0.1:8787",
        "backend": "process",
        "pid": 4321,
    }
    assert render.platform_data(None) == {"running": False}


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (2**20, "1.0 MiB"), (5 * 2**30, "5120.0 MiB")],
)
def test_a_size_has_the_unit_that_reads_best(size_bytes: int, text: str) -> None:
    """Limits are given in MiB, so nothing larger is used."""
    assert render.size_text(size_bytes) == text
