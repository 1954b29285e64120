"""``--flash-receipt``: what the gate let through is written down, and nothing else is."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest
from fakes_pytest_flash import PACKED
from fakes_receipt import key_pair

from flash.bundle.sources import project_files
from flash.deploy.provenance import check_receipt
from flash.deploy.receipt import Sealed, open_receipt
from flash.deploy.signature import trusted_keys

if TYPE_CHECKING:
    from fakes_pytest_flash import FlashProject

TESTS = """
@pytest.mark.flash_smoke
def test_smoke(flash_endpoint):
    assert flash_endpoint("greeter").runsync({"name": "Ada"}).output.startswith("Hello Ada")

@pytest.mark.flash_deployed_only
def test_live(flash_deployment): pass

@pytest.mark.skip(reason="no GPU here")
def test_skipped(): pass

@pytest.mark.xfail(reason="not yet", strict=True)
def test_expected(): assert False

def test_ordinary(): pass
"""
CONTRACT = {"flash::contract[api/echo]": "passed", "flash::contract[greeter]": "passed"}


def read(project: FlashProject, name: str = "r.json") -> Sealed:
    """The receipt that a run has written."""
    return open_receipt((project.path / name).read_bytes())


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "xdist"])
def test_a_deployment_is_written_down_when_it_is_verified(project: FlashProject, workers: tuple[str, ...]) -> None:
    """Digest, outcomes by node id, the gate's decision, and where it went; under xdist too."""
    project.tests(TESTS)
    result = project.run_in_child("--flash-deploy=production", "--flash-receipt=r.json", "-v", *workers)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*flash::receipt PASSED*"])
    receipt = read(project).receipt
    assert check_receipt(read(project), app="demo", trusted=()) == ""
    assert receipt.digest == hashlib.sha256(PACKED).hexdigest()
    assert (receipt.app, receipt.environment, receipt.size_bytes) == ("demo", "production", len(PACKED))
    assert receipt.outcomes == {
        **CONTRACT,
        "test_app.py::test_expected": "xfailed",
        "test_app.py::test_live": "skipped",
        "test_app.py::test_ordinary": "passed",
        "test_app.py::test_skipped": "skipped",
        "test_app.py::test_smoke": "passed",
    }
    assert receipt.markers["flash_smoke"] == ["test_app.py::test_smoke"]
    assert receipt.gate["outcome"] == "pass"
    assert receipt.gate["environment"] == "production"
    assert [(one.name, one.version) for one in receipt.lock] == [("humanize", "4.9.0")]
    assert (receipt.waivers, receipt.git) == ([], None)
    assert sorted(receipt.versions) == ["flash", "pytest", "python"]
    assert receipt.seeds["contract-checks"] == "derandomized"
    assert receipt.promoted is not None
    assert (receipt.promoted.environment, receipt.promoted.target) == ("production", "local")
    assert receipt.promoted.build_id == "build-2"


def test_a_preview_alone_is_judged_for_no_environment(project: FlashProject) -> None:
    """What an environment asks for is judged when the receipt is used for it."""
    project.tests(TESTS)
    result = project.run("--flash-preview", "--flash-receipt=r.json")
    assert result.ret == 0
    receipt = read(project).receipt
    assert (receipt.environment, receipt.promoted, receipt.gate["outcome"]) == (None, None, "pass")
    assert not [event for event in project.events if event.startswith("promote")]


def test_the_same_run_writes_the_same_bytes(project: FlashProject) -> None:
    """No time, no path, no random word is in it."""
    project.tests(TESTS)
    written = []
    for name in ("one.json", "two.json"):
        project.run("--flash-preview", f"--flash-receipt={name}")
        written.append((project.path / name).read_bytes())
    assert written[0] == written[1]


@pytest.mark.parametrize("stage", ["--flash-preview", "--flash-deploy=production"])
@pytest.mark.parametrize(
    ("arguments", "scenario", "said"),
    [
        (("-k", "smoke or contract"), {}, "FLASH-G004"),
        (("test_app.py::test_smoke",), {}, "FLASH-G005"),
        ((), {"answers": "number"}, "FLASH-G006"),
        ((), {"build": "build"}, "cannot install"),
        ((), {"preview": "worker"}, "died at start"),
    ],
    ids=["deselected", "narrowed", "broken contract", "no build", "no preview"],
)
def test_a_refused_run_leaves_no_receipt(
    project: FlashProject, stage: str, arguments: tuple[str, ...], scenario: dict[str, Any], said: str
) -> None:
    """Not that of an earlier run either, and it says so; the run fails, whatever its tests say."""
    project.tests(TESTS)
    assert project.run("--flash-preview", "--flash-receipt=r.json").ret == 0
    project.scenario(**scenario)
    result = project.run(stage, "--flash-receipt=r.json", *arguments)
    assert result.ret == 1
    result.stdout.fnmatch_lines([f"*{said}*", "note: no receipt was written to r.json"])
    assert not (project.path / "r.json").exists()


@pytest.mark.parametrize("scenario", [{"promote": "worker"}], ids=["no rollout"])
def test_what_was_not_verified_is_not_written_down(project: FlashProject, scenario: dict[str, Any]) -> None:
    """The gate let it through, and it did not come to live well."""
    project.tests(TESTS)
    project.scenario(**scenario)
    assert project.run("--flash-deploy=production", "--flash-receipt=r.json").ret == 1
    assert not (project.path / "r.json").exists()


def test_a_failing_smoke_test_leaves_no_receipt(project: FlashProject) -> None:
    """What was rolled back in staging must not go to production by its receipt."""
    project.tests(TESTS + "\n@pytest.mark.flash_deployed_only\ndef test_fails_when_live(): assert False\n")
    result = project.run("--flash-deploy=production", "--flash-receipt=r.json")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["note: no receipt was written to r.json"])
    assert "rollback" in project.events


def test_a_key_signs_it_and_no_test_sees_the_key(project: FlashProject, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has its public half can tell."""
    private, public = key_pair()
    monkeypatch.setenv("FLASH_SIGNING_KEY", private.decode())
    project.tests("import os\n" + TESTS + "\ndef test_env(): assert 'FLASH_SIGNING_KEY' not in os.environ\n")
    result = project.run("--flash-preview", "--flash-receipt=r.json", "-v")
    assert result.ret == 0
    assert check_receipt(read(project), app="demo", trusted=trusted_keys([public]))
    assert b"PRIVATE" not in (project.path / "r.json").read_bytes() + read(project).envelope.payload
    assert "FLASH_SIGNING_KEY" in __import__("os").environ


def test_secrets_and_paths_of_this_machine_are_not_in_it(
    project: FlashProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reasons of skips are people's own words."""
    monkeypatch.setenv("HF_TOKEN", "hf_0123456789")
    project.tests(f"@pytest.mark.skip(reason='hf_0123456789 in {project.path}/x')\ndef test_x(): pass\n" + TESTS)
    assert project.run("--flash-preview", "--flash-receipt=r.json").ret == 0
    sealed = read(project)
    assert b"hf_0123456789" not in sealed.envelope.payload
    assert str(project.path).encode() not in sealed.envelope.payload
    assert "skipped: test_app.py::test_x (*** in ./x)" in sealed.receipt.gate["notes"]


def test_a_receipt_never_ships(project: FlashProject) -> None:
    """Or the next build had another digest."""
    project.tests(TESTS)
    project.run("--flash-preview", "--flash-receipt=r.json")
    assert (project.path / "r.json").exists()
    assert "r.json" not in project_files(project.path).files


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--flash-receipt=r.json",), "needs --flash-preview or --flash-deploy=ENV"),
        (("--flash-preview", "--flash-receipt=no/r.json"), "there is no folder"),
        (("--flash-preview", "--flash-receipt=test_app.py"), "something is there that is no receipt"),
    ],
)
def test_where_there_can_be_none_it_is_told_at_once(
    project: FlashProject, arguments: tuple[str, ...], said: str
) -> None:
    """Before anything is built; nobody's file is overwritten."""
    project.tests(TESTS)
    result = project.run(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert said in result.stderr.str() + result.stdout.str()
    assert "build" not in project.events
    assert "def test_smoke" in (project.path / "test_app.py").read_text(encoding="utf-8")


def test_a_key_that_is_none_is_told_at_once(project: FlashProject, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not after an hour of tests."""
    monkeypatch.setenv("FLASH_SIGNING_KEY", "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----")
    project.tests(TESTS)
    result = project.run("--flash-preview", "--flash-receipt=r.json")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "no private key in PEM" in result.stderr.str()
    assert "hunter2" not in result.stderr.str() + result.stdout.str()
    assert project.events == []


def test_nothing_is_removed_or_written_by_a_look_at_the_collection(project: FlashProject) -> None:
    """``--collect-only`` judges nothing."""
    project.tests(TESTS)
    project.run("--flash-preview", "--flash-receipt=r.json")
    before = (project.path / "r.json").read_bytes()
    assert project.run("--flash-preview", "--flash-receipt=r.json", "--collect-only").ret == 0
    assert (project.path / "r.json").read_bytes() == before
