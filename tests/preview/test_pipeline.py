"""The pipeline that the command line and the plugin share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fakes_cli import preview_attachment

from flash.preview.pipeline import RealPipeline
from flash.project import load_project

if TYPE_CHECKING:
    from pathlib import Path


def test_workers_that_were_asked_for_are_settled_without_a_look_for_others(tmp_path: Path) -> None:
    """What is said is what a preview then has."""
    pipeline = RealPipeline("process")
    assert pipeline.settle(load_project(tmp_path)) == pipeline.backend == "process"


def test_another_process_attaches_to_what_was_written(tmp_path: Path) -> None:
    """As xdist's workers and the smoke run do; the file holds a key, so nobody else can read it."""
    attachment = preview_attachment()
    attachment.write(tmp_path / "preview.json")
    assert RealPipeline("auto").attach(tmp_path / "preview.json") == attachment
    assert (tmp_path / "preview.json").stat().st_mode & 0o077 == 0
