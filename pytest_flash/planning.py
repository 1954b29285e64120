"""What the fixture ``flash_plan`` gives: the plan of the promotion that the run ends with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flash.deploy.plan import Plan
from flash.errors import SettingsError
from flash.project import load_project, target_of

if TYPE_CHECKING:
    from pathlib import Path

    from flash.model.manifest import Artifact
    from flash.preview.pipeline import Pipeline
    from pytest_flash.options import Options

__all__ = ["FlashPlan", "plan_of_run"]

FlashPlan = Plan
"""What the fixture ``flash_plan`` gives."""


def plan_of_run(root: Path, options: Options, pipeline: Pipeline, artifact: Artifact) -> FlashPlan:
    """What promoting *artifact* would change, as of now. Any process of the run can ask.

    Raises:
        SettingsError: The run is to deploy nothing.
        PlatformError: The platform said no, or does not answer.
    """
    if options.deploy is None:
        raise SettingsError("a run without --flash-deploy has no plan", hint="add --flash-deploy=ENV")
    project = load_project(root, app=options.app, exclude=options.exclude)
    target = target_of(project, options.deploy, options.target)
    return pipeline.plan(project, artifact, environment=options.deploy, target=target)
