"""``flash history`` and ``flash rollback``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from fakes_cli import DIGEST, MANIFEST, STATE, live

from flash.cli.main import main
from flash.cloud.records import BuildRecord
from flash.deploy.ledger import Line
from flash.errors import Busy, NotFound, Refused, SettingsError
from flash.model.manifest import DeploymentEntry

if TYPE_CHECKING:
    from pathlib import Path

    from fakes_cli import FakeServices


def line(build_id: str, number: int | None, entry: DeploymentEntry | None, digest: str = DIGEST) -> Line:
    manifest = MANIFEST.model_copy(update={"digest": digest or None, "deployment": entry})
    build = BuildRecord(id=build_id, object_key="key", created_at="2026-01-02T03:04:05.000Z", manifest=manifest)
    return Line(number=number, build=build, entry=entry, is_live=number == 0)


@pytest.fixture
def versions(services: FakeServices) -> tuple[Line, ...]:
    """A deployment over something that others deployed, rolled back and deployed again."""
    entry = DeploymentEntry(
        run="r2", environment="staging", action="deploy", state="verified", gate="passed", git="c0ffee"
    )
    undone = entry.model_copy(update={"state": "rolled-back", "git": None})
    found = (line("build-3", 0, entry), line("build-2", None, undone, "1" * 64), line("build-1", 1, None, ""))
    services.versions = found
    return found


def test_the_history_shows_what_was_live_and_how_far_back_it_lies(
    project: Path, services: FakeServices, versions: tuple[Line, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """The newest first; what was rolled back has no number, and what is not known says so."""
    assert main(["history", "--env", "staging"], services) == 0
    assert services.asked == [("history", {"environment": "staging", "target": "local"})]
    assert capsys.readouterr().out == (
        "staging of demo on local\n"
        "\n"
        "  N  created                   action        state        gate    artifact      build    commit\n"
        "  0  2026-01-02T03:04:05.000Z  deploy        verified     passed  5f5f5f5f5f5f  build-3  c0ffee  live\n"
        "  -  2026-01-02T03:04:05.000Z  deploy        rolled-back  passed  111111111111  build-2\n"
        "  1  2026-01-02T03:04:05.000Z  not by Flash                       unknown       build-1\n"
        "\n"
        "  flash rollback N puts version N back\n"
    )


def test_hosts_of_two_platforms_are_told_in_a_line_of_progress(
    project: Path,
    services: FakeServices,
    versions: tuple[Line, ...],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not as a warning of Python's; and not where Runpod is not meant."""
    monkeypatch.setenv("RUNPOD_API_BASE_URL", "http://127.0.0.1:9911")
    assert main(["history", "--env", "production"], services) == 0
    assert capsys.readouterr().err.startswith("! RUNPOD_API_BASE_URL is set and RUNPOD_ENDPOINT_BASE_URL is not: ")
    assert main(["history", "--env", "staging", "--target", "local"], services) == 0
    assert capsys.readouterr().err == ""


def test_a_history_with_no_version_to_go_back_to_offers_none(
    project: Path, services: FakeServices, versions: tuple[Line, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """What was rolled back is a line without a number."""
    services.versions = versions[:2]
    assert main(["history", "--env", "staging"], services) == 0
    assert "flash rollback" not in capsys.readouterr().out


def test_the_history_as_json_has_the_whole_entry(
    project: Path, services: FakeServices, versions: tuple[Line, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """Null where nobody knows."""
    assert main(["history", "--env", "staging", "--json"], services) == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["app"], data["environment"], data["target"]) == ("demo", "staging", "local")
    assert data["versions"][0] == {
        "number": 0,
        "live": True,
        "build": "build-3",
        "digest": DIGEST,
        "created_at": "2026-01-02T03:04:05.000Z",
        "action": "deploy",
        "state": "verified",
        "gate": "passed",
        "receipt": None,
        "git": "c0ffee",
        "run": "r2",
        "previous_build": None,
        "previous_digest": None,
    }
    assert (data["versions"][2]["digest"], data["versions"][2]["action"]) == (None, None)


def test_an_environment_without_a_deployment_has_no_history(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says so."""
    assert main(["history", "--env", "staging"], services) == 0
    assert capsys.readouterr().out == "staging of demo on local: nothing was deployed yet\n"


def test_a_bare_command_means_the_only_environment_there_is(project: Path, services: FakeServices) -> None:
    """As everywhere where something is live."""
    services.live, services.platform = {"local": (live("staging"),)}, STATE
    assert main(["history", "--target", "local"], services) == 0
    assert services.asked[-1] == ("history", {"environment": "staging", "target": "local"})


@pytest.mark.parametrize(("given", "wanted"), [([], ""), (["2"], "2"), (["5f5f"], "5f5f")])
def test_a_version_is_put_back(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str], given: list[str], wanted: str
) -> None:
    """The one before, so many back, or one by its digest; says what is live, and that it was verified."""
    assert main(["rollback", *given, "--env", "staging"], services) == 0
    asked = {"wanted": wanted, "environment": "staging", "target": "local", "allow_delete": False}
    assert services.asked == [("roll_back", asked)]
    out, err = capsys.readouterr()
    assert out == "✓ build build-0 is live again: read back, and healthy\n"
    assert err == "staging lb_worker\n"


def test_a_rollback_as_json(project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]) -> None:
    """What is live now, of which build it was made, and what it replaced."""
    assert main(["rollback", "--env", "staging", "--allow-delete", "--json"], services) == 0
    assert services.asked[0][1]["allow_delete"] is True
    data = json.loads(capsys.readouterr().out)
    assert {name: data[name] for name in ("outcome", "digest", "build", "of_build", "previous_build")} == {
        "outcome": "rolled-back",
        "digest": DIGEST,
        "build": "build-1",
        "of_build": "build-0",
        "previous_build": None,
    }
    assert [endpoint["name"] for endpoint in data["endpoints"]] == ["lb_worker", "gpu_worker"]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotFound("there is nothing to roll 'staging' back to", hint="deploy another version instead"), 1),
        (Refused("'5f' is the beginning of 2 digests", reasons=["5f1", "5f2"], hint="give more of it"), 1),
        (Busy("environment 'staging' is being deployed to by ada@host", hint="wait"), 1),
        (SettingsError("'x' is neither a number of versions nor the beginning of a digest", hint="see"), 2),
    ],
)
def test_what_cannot_be_put_back_says_why(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str], error: Exception, status: int
) -> None:
    """With a hint, and nothing on stdout."""
    services.refuse["roll_back"] = error
    assert main(["rollback", "--env", "staging"], services) == status
    out, err = capsys.readouterr()
    assert out == ""
    assert str(error).splitlines()[0] in err
    assert "hint: " in err
