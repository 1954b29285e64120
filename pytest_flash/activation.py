"""Which part of the plugin a process needs: it owns the run, is a worker of one, or looks at a deployment."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from flash.preview.pipeline import Pipeline, RealPipeline
from pytest_flash.canary import Repeater, notes_path
from pytest_flash.ci import detect
from pytest_flash.connection import Connection, FromFile, LogSections
from pytest_flash.contract import ContractItems
from pytest_flash.controller import Controller, Doorkeeper
from pytest_flash.distribution import WORKERINPUT, Distribution, Worker
from pytest_flash.fixtures import connection_key, root_key
from pytest_flash.gatekeeper import Gatekeeper
from pytest_flash.options import options_key
from pytest_flash.smoke import Recorder, results_path
from pytest_flash.subject import Subject
from pytest_flash.teller import Teller
from pytest_flash.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flash.deploy.plan import Plan
    from flash.model.manifest import Artifact
    from pytest_flash.options import Options

__all__ = ["activate", "clock_key", "pipeline_key", "pipeline_of"]

pipeline_key = pytest.StashKey[Pipeline]()
"""Set by tests of the plugin in ``pytest_configure``; the real one is used otherwise."""

clock_key: pytest.StashKey[Callable[[], datetime]] = pytest.StashKey()
"""The same, for what the time is."""


def activate(config: pytest.Config, options: Options, child_environment: Mapping[str, str]) -> None:
    """Register what this process needs; the smoke run gets *child_environment*.

    Raises:
        pytest.UsageError: ``--flash-attach`` names no file.
    """
    if options.attach is not None and options.repeat_fd is not None:
        _activate_canary(config, options.attach, options.repeat_fd)
    elif options.attach is not None:
        _activate_smoke(config, options.attach)
    elif hasattr(config, "workerinput"):
        _activate_worker(config, config.workerinput.get(WORKERINPUT))
    else:
        _activate_owner(config, options, child_environment)


def _activate_owner(config: pytest.Config, options: Options, child_environment: Mapping[str, str]) -> None:
    if options.owner_fd is not None:
        from pytest_flash.owner import end_with_owner

        end_with_owner(options.owner_fd)
    teller = Teller(options.reports, detect(child_environment), child_environment, config.rootpath)
    controller = Controller(
        config,
        options,
        root=config.stash[root_key],
        pipeline=lambda: pipeline_of(config),
        child_environment=child_environment,
        teller=teller,
        gatekeeper=Gatekeeper(options.deploy, child_environment, _clock(config)),
    )
    connection = Connection(controller, _planner(config))
    _connect(config, connection)
    register = config.pluginmanager.register
    register(controller, "flash-controller")
    register(controller.observer, "flash-observer")
    register(teller.chronicle, "flash-chronicle")
    # each of the two finds out later whether it is the one: xdist decides after us
    watch = Watch(config)
    register(watch, "flash-watch")
    register(Doorkeeper(controller, watch), "flash-doorkeeper")
    register(Distribution(controller), "flash-distribution")
    register(ContractItems(connection, lambda: controller.subjects), "flash-contract")


def _activate_worker(config: pytest.Config, data: dict[str, Any] | None) -> None:
    if data is None:
        return
    config.stash[root_key] = Path(data["root"])
    connection = Connection(FromFile(Path(data["attachment"]), lambda: pipeline_of(config)), _planner(config))
    _connect(config, connection)
    subjects = [Subject(*subject) for subject in data["subjects"]]
    config.pluginmanager.register(ContractItems(connection, lambda: subjects), "flash-contract")
    watch = Watch(config)
    config.pluginmanager.register(watch, "flash-watch")
    config.pluginmanager.register(Worker(config, watch), "flash-worker")


def _activate_smoke(config: pytest.Config, attachment: Path) -> None:
    if not attachment.is_file():
        raise pytest.UsageError(f"--flash-attach: there is no file {attachment}")
    _connect(config, Connection(FromFile(attachment, lambda: pipeline_of(config)), _planner(config)))
    config.pluginmanager.register(Recorder(results_path(attachment)), "flash-recorder")


def _activate_canary(config: pytest.Config, attachment: Path, descriptor: int) -> None:
    connection = Connection(FromFile(attachment, lambda: pipeline_of(config)), _planner(config))
    # no logs of the many that may fail
    config.stash[connection_key] = connection
    repeater = Repeater(
        lambda: connection.preview().endpoints, connection.close, descriptor=descriptor, path=notes_path(attachment)
    )
    config.pluginmanager.register(repeater, "flash-repeater")


def _clock(config: pytest.Config) -> Callable[[], datetime]:
    def now() -> datetime:
        clock = config.stash.get(clock_key, None)
        return datetime.now(timezone.utc) if clock is None else clock()

    return now


def _connect(config: pytest.Config, connection: Connection) -> None:
    config.stash[connection_key] = connection
    config.pluginmanager.register(LogSections(connection), "flash-logs")


def _planner(config: pytest.Config) -> Callable[[Artifact], Plan]:
    def plan(artifact: Artifact) -> Plan:
        from pytest_flash.planning import plan_of_run

        return plan_of_run(config.stash[root_key], config.stash[options_key], pipeline_of(config), artifact)

    return plan


def pipeline_of(config: pytest.Config) -> Pipeline:
    """What takes this run from sources to a deployment."""
    if pipeline_key not in config.stash:
        config.stash[pipeline_key] = RealPipeline(config.stash[options_key].backend)
    return config.stash[pipeline_key]
