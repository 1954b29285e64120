"""Plans of a project, and plans in files."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes_deploy import manifest, queue_resource

from flash.cloud.records import LiveEnvironment
from flash.deploy.plan import plan
from flash.errors import DeployError, SettingsError
from flash.model.manifest import CallSchema, FunctionEntry, Manifest
from flash.preview.planning import look, make_plan, read_plan, runpod_notes, write_plan
from flash.preview.releasing import remembered
from flash.project import Project, load_project


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Of a user who has no key and runs no platform."""
    monkeypatch.setenv("FLASH_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("RUNPOD_API_KEY", raising=False)
    root = tmp_path / "project"
    root.mkdir()
    (root / "pyproject.toml").write_text('[tool.flash]\napp = "demo"\n', encoding="utf-8")
    return load_project(root)


def test_without_a_platform_nothing_is_live_and_none_is_started(project: Project, tmp_path: Path) -> None:
    """The plan says so, because what was stopped may come back."""
    assert look(project, "production", "local") is None
    made = make_plan(project, manifest("gpu"), digest="d1", environment="production", target="local")
    assert made.created == ("gpu",)
    assert "no local platform runs" in made.notes[0]
    assert not (tmp_path / "home" / "platform").exists()


def test_runpod_without_a_key_is_an_error_of_settings(project: Project) -> None:
    """Nobody could be asked."""
    with pytest.raises(SettingsError, match="needs an API key"):
        make_plan(project, manifest("gpu"), digest="d1", environment="production", target="runpod")


def test_a_plan_is_kept_in_a_file(tmp_path: Path) -> None:
    """And read again."""
    made = plan(manifest("gpu", "lb_worker"), None, digest="d1", app="demo", environment="production", notes=["…"])
    path = tmp_path / "plan.json"
    write_plan(made, path)
    assert read_plan(path) == made


@pytest.mark.parametrize("content", [None, b"", b"\xff", b"[]", b"{}", b'{"format": 1}'])
def test_a_file_that_holds_no_plan_is_named(tmp_path: Path, content: bytes | None) -> None:
    """With how to make one there."""
    path = tmp_path / "plan.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DeployError) as error:
        read_plan(path)
    assert error.value.path == str(path)
    assert error.value.hint == f"make one: flash plan --out {path}"


def test_what_runpods_images_do_not_do_is_in_its_plans(project: Project) -> None:
    """A preview streams, and Runpod's own images do not; nobody should find that out in production."""
    entry = FunctionEntry(name="tokens", module="gpu", is_generator=True, contract={"": CallSchema()})
    streaming = Manifest(resources={"gpu": queue_resource("gpu", functions=[entry], max_concurrency=4)})
    notes = runpod_notes(project, streaming, "production", has_own_wheels=False)
    assert [note.partition(":")[0] for note in notes] == ["gpu", "gpu"]
    assert "do not stream" in notes[0]


def test_wheels_of_this_machine_are_told_unless_the_environment_accepts_them(project: Project) -> None:
    """The gate would refuse them, after all the tests."""
    accepting = project.root / "pyproject.toml"
    accepting.write_text("[tool.flash.environments.production]\naccept-host-wheels = true\n", encoding="utf-8")
    accepts = load_project(project.root)
    (note,) = runpod_notes(project, manifest("gpu"), "production", has_own_wheels=True)
    assert "accept-host-wheels" in note
    assert runpod_notes(project, manifest("gpu"), "production", has_own_wheels=False) == []
    assert runpod_notes(accepts, manifest("gpu"), "production", has_own_wheels=True) == []


class Forgetful:
    """A rollout that knows of endpoints which nobody would miss."""

    def __init__(self, *names: str) -> None:
        self.names = frozenset(names)

    def forgotten(self, control: object, live: LiveEnvironment) -> frozenset[str]:
        return self.names & live.endpoints.keys()


def test_what_a_dead_run_has_left_is_in_no_plan() -> None:
    """Neither kept nor deleted: the next deployment removes it unasked."""
    environment = LiveEnvironment(
        id="env1",
        name="production",
        app_id="app1",
        active_build_id="build0",
        manifest=manifest("gpu").model_copy(update={"digest": "d1"}),
        endpoints={"gpu": "id_gpu", "half_made": "id_half"},
    )
    seen = remembered(environment, None, Forgetful("half_made"))  # type: ignore[arg-type]
    assert plan(manifest("gpu"), seen, digest="d1").is_empty
    assert remembered(environment, None, Forgetful()) is environment  # type: ignore[arg-type]
    assert remembered(None, None, Forgetful()) is None  # type: ignore[arg-type]
