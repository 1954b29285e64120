"""What is swept, and what is left, with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from flash.bundle.claims import claimed_folder
from flash.deploy.journal import Journal
from flash.preview.sweep import Swept, sweep
from flash.project import Project, Settings

NOBODY = "http://127.0.0.1:9 demo/production"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A ``FLASH_HOME`` of the test's own."""
    monkeypatch.setenv("FLASH_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project without a build."""
    return Project(tmp_path, Settings("demo"))


def no_containers(_home: Path) -> Swept:
    """No engine answers."""
    return Swept()


def refused(_what: str) -> bool:
    """Nothing may go from Runpod."""
    return False


def test_nothing_is_made_where_there_is_nothing(home: Path, project: Project, tmp_path: Path) -> None:
    """Looking leaves no trace."""
    assert sweep(project, may_touch_runpod=refused, containers=no_containers) == Swept()
    assert list(tmp_path.iterdir()) == []


def test_abandoned_folders_go_and_claimed_ones_stay(home: Path, project: Project) -> None:
    """Of previews and of bases half made; finished bases are nobody's to remove."""
    for name in ("previews/preview-1", "bases/.making-1", "bases/python3.11-x"):
        (home / name).mkdir(parents=True)
    with claimed_folder(home / "previews", "preview-") as preview, claimed_folder(home / "bases", ".making-") as base:
        swept = sweep(project, may_touch_runpod=refused, containers=no_containers)
        assert preview.is_dir()
        assert base.is_dir()
    assert swept == Swept((f"folder {home / 'previews/preview-1'}", f"folder {home / 'bases/.making-1'}"))
    assert (home / "bases/python3.11-x").is_dir()


def test_containers_go_before_the_folders_whose_locks_say_whose_they_are(home: Path, project: Project) -> None:
    """And are told first."""
    folder = home / "previews/preview-1"
    folder.mkdir(parents=True)

    def containers(where: Path) -> Swept:
        assert (where, folder.is_dir()) == (home, True)
        return Swept(("container c",))

    assert sweep(project, may_touch_runpod=refused, containers=containers).removed == (
        "container c",
        f"folder {folder}",
    )


def pending(project: Project, where: str = NOBODY) -> tuple[Journal, str]:
    """A run that made an endpoint and is not settled."""
    journal = Journal.of(project)
    run = journal.begin(where)
    journal.intended(run, "endpoint", "gpu")
    return journal, run


def test_a_deployment_that_runs_is_not_touched(home: Path, project: Project) -> None:
    """Its process holds the run's lock."""
    pending(project)
    assert sweep(project, may_touch_runpod=refused, containers=no_containers) == Swept()


def test_a_dead_run_where_another_deploys_waits(home: Path, project: Project) -> None:
    """What it made may be in use before it is live."""
    _, dead = pending(project)
    pending(project)
    die(project, dead)
    swept = sweep(project, may_touch_runpod=refused, containers=no_containers)
    assert swept.left == (f"{NOBODY}: somebody deploys there now",)


def test_what_is_on_a_platform_that_cannot_be_asked_is_left(home: Path, project: Project) -> None:
    """And told where it is."""
    _, dead = pending(project)
    die(project, dead)
    swept = sweep(project, may_touch_runpod=refused, containers=no_containers)
    assert swept.left == (f"{NOBODY}: http://127.0.0.1:9 is no platform that can be asked now",)


def die(project: Project, run: str) -> None:
    """As the end of the run's process does."""
    from flash.deploy import journal

    (held,) = [path for path in journal._held if run in path]
    journal._held.pop(held).release()
