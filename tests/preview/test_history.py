"""The ledger and back to a version of it, over real HTTP, each time from another checkout."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from faults.world import ENVIRONMENT, NEW, OLD, World

from flash.cloud.records import BuildRecord
from flash.errors import NotFound
from flash.model.manifest import DeploymentEntry, Manifest
from flash.preview import history
from flash.project import load_project

if TYPE_CHECKING:
    from flash.project import Project

ENTRY = DeploymentEntry(run="r", environment="production", action="deploy", state="verified")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A platform with workers that are ready at once, which is the local one of this process too."""
    world = World(tmp_path)
    monkeypatch.setenv("FLASH_HOME", str(world.home / f"home-{world.proxy.url.rpartition(':')[2]}"))
    yield world
    world.close()


def checkout(world: World, app: str) -> Project:
    """A project that has never deployed anything."""
    return load_project(world.checkout(app))


def test_a_version_is_put_back_from_a_checkout_that_never_deployed_it(world: World) -> None:
    """Nothing is sent again; the ledger of each checkout says the same."""
    app = world.new_name()
    for version in (OLD, NEW):
        assert world.run(world.checkout(app), version).phase == "deployed"
    done = history.roll_back(checkout(world, app), "", environment=ENVIRONMENT, target="local", report=lambda _: None)
    assert done.message.endswith("read back, and healthy")
    assert world.live(app, OLD) == OLD
    lines = history.history(checkout(world, app), environment=ENVIRONMENT, target="local")
    assert [(line.number, line.entry.action, line.entry.state) for line in lines if line.entry is not None] == [
        (0, "rollback", "verified"),
        (None, "deploy", "rolled-back"),
        (None, "deploy", "verified"),
    ]
    assert lines[0].digest == lines[2].digest == done.deployment.digest
    with pytest.raises(NotFound, match="nothing to roll"):
        history.roll_back(checkout(world, app), "", environment=ENVIRONMENT, target="local", report=lambda _: None)


def test_a_doubtful_version_is_put_back_and_said_to_be_doubtful(world: World) -> None:
    """One that was rolled back itself; another is put back without a word."""
    app = world.new_name()
    for version in (OLD, NEW):
        world.run(world.checkout(app), version)
    project, lines = checkout(world, app), list[str]()
    undone = history.history(project, environment=ENVIRONMENT, target="local")[0]
    history.roll_back(project, "", environment=ENVIRONMENT, target="local", report=lines.append)
    assert not any(line.startswith("!") for line in lines)
    history.roll_back(project, undone.digest, environment=ENVIRONMENT, target="local", report=lines.append)
    assert [line for line in lines if line.startswith("!")] == [
        f"! build {undone.build.id}, which was put back, was rolled back itself before"
    ]


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (None, "! build b was not deployed by Flash: no gate has let it through"),
        (ENTRY, None),
        (ENTRY.model_copy(update={"gate": "passed"}), None),
        (ENTRY.model_copy(update={"gate": "ungated"}), "! build b, which was put back, went live without a gate"),
    ],
)
def test_what_no_gate_let_through_is_doubtful(entry: DeploymentEntry | None, said: str | None) -> None:
    """An entry that does not say is of a library's deployment, or an older one."""
    build = BuildRecord(id="b", object_key="k", created_at="", manifest=Manifest(deployment=entry))
    doubt = history.doubt(build)
    assert doubt is None if said is None else f"! {doubt}".startswith(said)


def test_what_a_rollback_leaves_in_the_checkout_is_ignored_by_git(world: World) -> None:
    """And a look at the history leaves nothing."""
    app = world.new_name()
    for version in (OLD, NEW):
        world.run(world.checkout(app), version)
    project = checkout(world, app)
    history.history(project, environment=ENVIRONMENT, target="local")
    assert not project.flash_dir.exists()
    history.roll_back(project, "", environment=ENVIRONMENT, target="local", report=lambda _: None)
    assert (project.flash_dir / "journal.jsonl").exists()
    assert (project.flash_dir / ".gitignore").read_text(encoding="utf-8") == "*\n"


def test_an_environment_that_is_not_there_has_no_history(world: World) -> None:
    """The hint says how to see those that are."""
    world.run(world.checkout("demo"), OLD)
    for ask in (
        lambda: history.history(checkout(world, "demo"), environment="staging", target="local"),
        lambda: history.roll_back(
            checkout(world, "demo"), "", environment="staging", target="local", report=lambda _: None
        ),
    ):
        with pytest.raises(NotFound, match="app 'demo' has no environment 'staging'") as caught:
            ask()
        assert "flash env list" in caught.value.hint
