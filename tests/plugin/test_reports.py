"""What a run leaves: files of four kinds, and what a CI system is told; and never a secret."""

from __future__ import annotations

import re
from textwrap import dedent
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from fakes_pytest_flash import CONFTEST

from flash.report.document import Report

if TYPE_CHECKING:
    from fakes_pytest_flash import FlashProject

TESTS = """
@pytest.mark.flash_smoke
def test_smoke(flash_endpoint):
    assert flash_endpoint("greeter").runsync({"name": "Ada"}).output.startswith("Hello Ada")

def test_ordinary(): pass
"""
FAILING = """
def helper(value):
    assert value == 2

def test_bad(flash_endpoint):
    flash_endpoint("greeter")
    helper(1)

def test_skipped(): pytest.skip("not today")

@pytest.mark.xfail(reason="issue 17")
def test_expected(): raise RuntimeError

@pytest.fixture
def broken(): raise OSError("no disk")

def test_error(broken): pass
"""
ROLLED_BACK = (
    TESTS + "\n@pytest.mark.flash_deployed_only\ndef test_live(flash_endpoint):\n    raise RuntimeError('live')\n"
)


def read(project: FlashProject) -> Report:
    """``report.json``, as a reader of the schema reads it."""
    return Report.read(project.path / "report.json")


# ---------------------------------------------------------------------------------------------------------------------
# The document


def test_a_deployment_is_told_whole(project: FlashProject) -> None:
    """Stages with their times, artifact, lock, gate, endpoints, tests, smoke tests, and what was live before."""
    project.tests(TESTS)
    assert project.run("--flash-deploy=production", "--flash-report=report.json").ret == 0
    report = read(project)
    assert (report.schema_, report.outcome, report.environment, report.target) == (1, "deployed", "production", "local")
    assert (report.previous_digest, report.error, report.rollback) == ("0" * 64, None, None)
    assert report.artifact is not None
    assert report.artifact.digest == report.digest
    assert report.lock is not None
    assert report.lock.distributions == ()
    assert report.gate_outcome == "pass"
    assert [one.name for one in report.endpoints] == ["api", "greeter"]
    assert [one.id for one in report.contract] == ["flash::contract[greeter]", "flash::contract[api/echo]"]
    assert [(one.id, one.outcome) for one in report.tests] == [
        ("test_app.py::test_smoke", "passed"),
        ("test_app.py::test_ordinary", "passed"),
    ]
    assert [(one.id, one.outcome) for one in report.smoke] == [("test_app.py::test_smoke", "passed")]
    starts = [one.started_at for one in report.stages]
    assert starts == sorted(filter(None, starts))
    assert report.started_at == starts[0]


def test_failures_have_their_place_their_words_and_their_workers_logs(project: FlashProject) -> None:
    """The line is that of the test's own file, which may be a helper's."""
    project.tests(FAILING)
    project.run("--flash-deploy=production", "--flash-report=report.json")
    report = read(project)
    tests = {one.id.partition("::")[2]: one for one in report.tests}
    assert {name: one.outcome for name, one in tests.items()} == {
        "test_bad": "failed",
        "test_skipped": "skipped",
        "test_expected": "xfailed",
        "test_error": "error",
    }
    source = (project.path / "test_app.py").read_text(encoding="utf-8").splitlines()
    bad = tests["test_bad"]
    assert (bad.path, bad.reason) == ("test_app.py", "assert 1 == 2")
    assert source[(bad.line or 0) - 1].strip() == "assert value == 2"
    assert ">       assert value == 2" in bad.text
    assert "last words" not in bad.text
    assert [tests[name].reason for name in ("test_skipped", "test_expected")] == ["not today", "issue 17"]
    assert tests["test_error"].reason == "OSError: no disk"
    assert [(log.endpoint, log.of, log.lines) for log in report.logs] == [
        ("greeter", "test_app.py::test_bad", ("last words of greeter",))
    ]
    assert report.outcome == "refused"
    assert report.endpoints == ()


def test_a_rollback_is_told_with_its_reason(project: FlashProject) -> None:
    """And whether it succeeded."""
    project.tests(ROLLED_BACK)
    project.run("--flash-deploy=production", "--flash-report=report.json")
    report = read(project)
    assert report.outcome == "rolled-back"
    assert report.live == "the version before is live again"
    assert report.rollback is not None
    assert (report.rollback.outcome, report.rollback.live) == ("restored", report.live)
    source = (project.path / "test_app.py").read_text(encoding="utf-8").splitlines()
    (live,) = [one for one in report.smoke if one.outcome == "failed"]
    assert (live.reason, source[(live.line or 0) - 1].strip()) == ("RuntimeError: live", "raise RuntimeError('live')")
    project.scenario(rollback="key")
    project.run("--flash-deploy=production", "--flash-report=report.json")
    rollback = read(project).rollback
    assert rollback is not None
    assert (rollback.outcome, rollback.live) == ("failed", "")


def test_a_worker_that_died_has_its_log_in_the_report(project: FlashProject) -> None:
    """With the endpoint's name."""
    project.scenario(preview="worker")
    project.run("--flash-preview", "--flash-report=report.json")
    assert [(log.endpoint, log.of, log.lines) for log in read(project).logs] == [
        ("greeter", "flash::preview[process]", ("ImportError: no module",))
    ]


def test_the_place_of_an_error_in_the_sources_is_told_apart(project: FlashProject) -> None:
    """Message, file and line."""
    project.scenario(build="discovery")
    project.run("--flash-preview", "--flash-report=report.json")
    error = read(project).error
    assert error is not None
    assert (error.message, error.path, error.line) == ("no endpoint found", "app.py", 3)


def test_the_last_attempt_of_a_test_that_is_run_again_counts(project: FlashProject) -> None:
    """Another plugin's word for the attempts before is ``rerun``."""
    again = """
            import pytest

            @pytest.hookimpl(tryfirst=True)
            def pytest_runtest_protocol(item, nextitem):
                if "flaky" not in item.nodeid:
                    return None
                from _pytest.runner import runtestprotocol
                first, second = (runtestprotocol(item, nextitem=nextitem, log=False) for _ in range(2))
                for report in first:
                    if report.when == "call":
                        report.outcome = "rerun"
                    item.ihook.pytest_runtest_logreport(report=report)
                for report in second:
                    item.ihook.pytest_runtest_logreport(report=report)
                return True
            """
    project.write({"conftest.py": CONFTEST + dedent(again)})
    project.tests("TIMES = []\ndef test_flaky():\n    TIMES.append(1)\n    assert len(TIMES) == 2\n")
    project.run("--flash-preview", "--flash-report=report.json")
    assert [(one.id, one.outcome, one.text) for one in read(project).tests] == [
        ("test_app.py::test_flaky", "passed", "")
    ]


def test_it_is_written_under_xdist_too(project: FlashProject) -> None:
    """What workers saw has come to the owner of the run."""
    pytest.importorskip("xdist")
    project.tests(FAILING)
    project.run_in_child("-n2", "--flash-deploy=production", "--flash-report=report.json")
    report = read(project)
    bad = next(one for one in report.tests if one.id.endswith("test_bad"))
    assert (bad.outcome, bad.path, bad.reason) == ("failed", "test_app.py", "assert 1 == 2")
    assert [log.endpoint for log in report.logs] == ["greeter"]


# ---------------------------------------------------------------------------------------------------------------------
# Files


def test_the_ending_of_a_file_says_what_is_in_it(project: FlashProject) -> None:
    """Any number of them, of the same run."""
    project.tests(TESTS)
    names = ("a.json", "a.html", "a.md", "a.env", "a.verdict")
    assert project.run("--flash-deploy=production", *(f"--flash-report={name}" for name in names)).ret == 0
    written = {name: (project.path / name).read_text(encoding="utf-8") for name in names}
    assert written["a.html"].startswith("<!doctype html>")
    assert written["a.md"].startswith("## ✅ demo is live in production")
    assert written["a.env"].startswith("FLASH_REPORT_OUTCOME=deployed\n")
    assert written["a.verdict"] == written["a.json"]


def test_a_file_that_cannot_be_written_is_told_and_changes_nothing(project: FlashProject) -> None:
    """What is live is live; the other files are written."""
    project.tests(TESTS)
    (project.path / "folder.html").mkdir()
    result = project.run("--flash-deploy=production", "--flash-report=folder.html", "--flash-report=report.json")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["note: the report *folder.html could not be written: Is a directory"])
    assert read(project).outcome == "deployed"


def test_a_report_into_a_folder_that_is_not_there_is_a_usage_error(project: FlashProject) -> None:
    """Before anything is built."""
    result = project.run("--flash-deploy=production", "--flash-report=nowhere/report.json")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert project.events == []


def test_no_file_shows_a_secret(project: FlashProject, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the environment and of ``.env``, in failures, output and notes."""
    monkeypatch.setenv("MODEL_TOKEN", "hf_SECRET_of_the_environment")
    project.write({".env": "DB_PASSWORD='SECRET of dotenv'\nPLAIN=ordinary words"})
    project.tests(
        """
        import os
        def test_bad():
            print("SECRET of dotenv, ordinary words")
            assert os.environ["MODEL_TOKEN"] == ""
        """
    )
    names = ("a.json", "a.html", "a.md")
    project.run("--flash-deploy=production", *(f"--flash-report={name}" for name in names))
    for name in names:
        text = (project.path / name).read_text(encoding="utf-8")
        assert "SECRET" not in text, name
        assert "***, ordinary words" in text.replace("\\*", "*"), name


# ---------------------------------------------------------------------------------------------------------------------
# JUnit XML


def test_stages_have_properties_in_junit_xml(project: FlashProject) -> None:
    """The digest, the endpoints' URLs, and the gate's decision."""
    project.tests(TESTS)
    project.run("--flash-deploy=production", "--junit-xml=junit.xml")
    suite = ET.parse(project.path / "junit.xml").getroot()[0]  # noqa: S314  written just now
    properties = {
        str(case.get("name")): {one.get("name"): one.get("value") for one in case.iter("property")}
        for case in suite.findall("testcase")
    }
    digest = properties["build"]["flash.digest"]
    assert re.fullmatch("[0-9a-f]{64}", str(digest))
    deploy = properties["deploy[production]"]
    assert deploy["flash.digest"] == digest
    assert deploy["flash.environment"] == "production"
    assert deploy["flash.url.greeter"] == "http://127.0.0.1:9/v2/abcdefghij0124"
    assert deploy["flash.gate"] == "pass"
    assert str(deploy["FLASH-G001"]).startswith("pass: ")


def test_a_refusal_has_its_conditions_in_junit_xml(project: FlashProject) -> None:
    """And failures have their hints."""
    project.tests(TESTS)
    project.run("--flash-deploy=production", "-k", "ordinary", "--junit-xml=junit.xml")
    text = (project.path / "junit.xml").read_text(encoding="utf-8")
    assert 'name="FLASH-G004" value="refused: ' in text
    project.scenario(build="build")
    project.run("--flash-preview", "--junit-xml=junit.xml")
    assert 'name="flash.hint" value="check the spelling"' in (project.path / "junit.xml").read_text(encoding="utf-8")


def test_a_test_that_cannot_import_an_endpoint_says_what_mends_that(project: FlashProject) -> None:
    """As the page does: in the file that the endpoint is declared in, not at the test's own imports."""
    project.write({"app.py": "import nothing_of_that_name\n"})
    project.tests("import app\n")
    result = project.run("--flash-deploy=production")
    result.stdout.fnmatch_lines(["note: app.py imports at its top what is not installed here; import packages*"])
    project.tests("import nothing_of_that_name\n")
    assert "imports at its top" not in project.run("--flash-deploy=production").stdout.str()


def test_a_gate_that_refuses_a_receipt_says_so_in_full(project: FlashProject) -> None:
    """There is no environment then, and still a verdict with what would change it."""
    project.tests(TESTS)
    result = project.run("--flash-preview", "--flash-receipt=r.json", "-k", "ordinary", "--flash-report=report.json")
    result.stdout.fnmatch_lines(["no receipt: the gate refused", "  FLASH-G004 *", "    hint: run without -k*"])
    assert read(project).outcome == "refused"
