"""What the platform remembers, and what it refuses to open."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path

import pytest
from fakes_emulator import CountingIds, ManualClock

from flash.emulator.state import State
from flash.errors import NotFound, PlatformError, PreviewError


def _open(path: Path) -> State:
    ids = CountingIds()
    ids.count = 100 if path.exists() else 0
    return State(path, clock=ManualClock(), new_id=ids)


def test_what_is_deployed_survives_a_restart(tmp_path: Path) -> None:
    """The file has everything, and is readable by its owner only."""
    path = tmp_path / "state.db"
    state = _open(path)
    app = state.create_app("demo")
    environment = state.create_environment(app.id, "production")
    upload = state.create_upload(app.id, 5)
    state.complete_upload(upload.object_key, "d" * 64)
    build = state.create_build(app.id, upload.object_key, {"resources": {}})
    endpoint, _ = state.versions.save({"name": "e", "flashEnvironmentId": environment.id, "flashBuildId": build.id})
    state.activate(environment.id, build.id)
    state.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = _open(path)
    assert again.environment(environment.id).active_build_id == build.id
    (version,) = again.versions.of(endpoint.id)
    assert (version.state.value, version.build_id) == ("ACTIVE", build.id)
    assert again.build(build.id).sha256 == "d" * 64
    again.close()


def test_two_platforms_do_not_share_a_state(tmp_path: Path) -> None:
    """The second is told why."""
    state = _open(tmp_path / "state.db")
    with pytest.raises(PreviewError, match="locked") as caught:
        _open_at_once(tmp_path / "state.db")
    assert "another local platform" in caught.value.hint
    state.close()


def _open_at_once(path: Path) -> State:
    return State(path, clock=ManualClock(), new_id=CountingIds())


def test_a_state_of_another_version_is_not_touched(tmp_path: Path) -> None:
    """It says which format it has."""
    path = tmp_path / "state.db"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(PreviewError, match="format 99"):
        _open(path)


def test_what_is_no_state_is_an_error(tmp_path: Path) -> None:
    """Never a fresh start over it."""
    path = tmp_path / "state.db"
    path.write_text("something else entirely" * 100, encoding="utf-8")
    with pytest.raises(PreviewError, match="not a database"):
        _open(path)


def test_a_failing_mutation_leaves_nothing(tmp_path: Path) -> None:
    """Activation of a build of another app changes neither environment nor versions."""
    state = _open(tmp_path / "state.db")
    one, other = state.create_app("one"), state.create_app("other")
    environment = state.create_environment(one.id, "production")
    upload = state.create_upload(other.id, 5)
    with pytest.raises(PlatformError, match="has not arrived"):
        state.create_build(other.id, upload.object_key, {})
    state.complete_upload(upload.object_key, "d" * 64)
    with pytest.raises(PlatformError, match="another app"):
        state.create_build(one.id, upload.object_key, {})
    build = state.create_build(other.id, upload.object_key, {})
    with pytest.raises(PlatformError, match="does not belong"):
        state.activate(environment.id, build.id)
    assert state.environment(environment.id).active_build_id is None
    state.close()


def test_deleting_an_app_takes_all_of_it(tmp_path: Path) -> None:
    """Environments, endpoints, builds and uploads go; another app's stay."""
    state = _open(tmp_path / "state.db")
    ids = {}
    for name in ("one", "other"):
        app = state.create_app(name)
        environment = state.create_environment(app.id, "production")
        upload = state.create_upload(app.id, 5)
        state.complete_upload(upload.object_key, name * 10)
        build = state.create_build(app.id, upload.object_key, {})
        state.versions.save({"name": "e", "flashEnvironmentId": environment.id, "flashBuildId": build.id})
        ids[name] = (app.id, build.id)
    state.delete_app(ids["one"][0])
    with pytest.raises(NotFound, match="App not found"):
        state.app(ids["one"][0])
    with pytest.raises(NotFound, match="Build not found"):
        state.build(ids["one"][1])
    assert len(state.versions.endpoints()) == 1
    assert state.references()[1] == {"other" * 10}
    state.delete_app("nothere")
    state.close()


def test_names_and_sizes_have_bounds(tmp_path: Path) -> None:
    """What cannot be is refused with the value."""
    state = _open(tmp_path / "state.db")
    with pytest.raises(PlatformError, match="app name ''"):
        state.create_app("")
    app = state.create_app("demo")
    with pytest.raises(PlatformError, match="tarballSize is 0"):
        state.create_upload(app.id, 0)
    with pytest.raises(NotFound, match="App not found"):
        state.create_environment("nothere", "production")
    state.close()
