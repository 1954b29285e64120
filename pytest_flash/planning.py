"""What the fixture ``flash_plan`` gives: the plan of the promotion that the run ends with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flash.errors import SettingsError
from flash.project import load_project, target_of
from pytest_flash.activation import pipeline_of
from pytest_flash.fixtures import root_key
from pytest_flash.options import options_key

if TYPE_CHECKING:
    import pytest

    from flash.deploy.plan import Plan
    from flash.model.manifest import Artifact

__all__ = ["plan_of_run"]


def plan_of_run(config: pytest.Config, artifact: Artifact) -> Plan:
    """What promoting *artifact* would change, as of now. Any process of the run can ask.

    Raises:
        SettingsError: The run is to deploy nothing.
        PlatformError: The platform said no, or does not answer.
    """
    options = config.stash[options_key]
    if options.deploy is None:
        raise SettingsError("a run without --flash-deploy has no plan", hint="add --flash-deploy=ENV")
    project = load_project(config.stash[root_key], app=options.app, exclude=options.exclude)
    target = target_of(project, options.deploy, options.target)
    return pipeline_of(config).plan(project, artifact, environment=options.deploy, target=target)
