"""CI systems: what they are told in their own language, only where they are there, and never a secret."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fakes_report import ENDPOINTS, case, deployed, failed, refused, rolled_back

from flash.report.document import Failure
from pytest_flash.ci import GitHub, GitLab, detect, error_commands, outputs

if TYPE_CHECKING:
    from fakes_pytest_flash import FlashProject

TESTS = "def test_good(): pass\n"
FAILING = "def test_bad():\n    value = 1\n    assert value == 2, 'a, b: 100%'\n"


@pytest.fixture
def github(project: FlashProject, monkeypatch: pytest.MonkeyPatch) -> Path:
    """GitHub Actions around the run; the folder with its files."""
    folder = project.path / "runner"
    folder.mkdir()
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(project.path.parent))
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(folder / "summary.md"))
    monkeypatch.setenv("GITHUB_OUTPUT", str(folder / "output"))
    return folder


def lines_of(result: pytest.RunResult, beginning: str) -> list[str]:
    return [line for line in result.outlines if line.startswith(beginning)]


# ---------------------------------------------------------------------------------------------------------------------
# Whether there is one


@pytest.mark.parametrize(
    ("environment", "kind"),
    [
        ({"GITHUB_ACTIONS": "true"}, GitHub),
        ({"GITLAB_CI": "true"}, GitLab),
        ({"GITHUB_ACTIONS": "false", "GITLAB_CI": ""}, type(None)),
        ({"CI": "true"}, type(None)),
        ({}, type(None)),
    ],
)
def test_the_system_is_known_by_its_own_variable(environment: dict[str, str], kind: type) -> None:
    """``CI`` alone says nothing."""
    assert isinstance(detect(environment), kind)


def test_outside_of_ci_nothing_of_it_is_written(project: FlashProject, tmp_path: Path) -> None:
    """Not even where a summary's file is named."""
    project.tests(FAILING)
    result = project.run("--flash-deploy=production")
    assert lines_of(result, "::") == []
    assert "section_start" not in result.stdout.str()


def test_a_run_without_flash_is_left_alone(project: FlashProject, github: Path) -> None:
    """Also on demand, where nothing was asked for."""
    project.tests(FAILING)
    assert lines_of(project.run(), "::") == []
    project.write({"pytest.ini": "[pytest]\nflash_on_demand = true\n"})
    assert lines_of(project.run("-k", "bad"), "::") == []
    assert list(github.iterdir()) == []


# ---------------------------------------------------------------------------------------------------------------------
# GitHub


def test_github_gets_a_summary_with_the_verdict_first(project: FlashProject, github: Path) -> None:
    """What was there already stays."""
    (github / "summary.md").write_text("# Before\n", encoding="utf-8")
    project.tests(TESTS)
    assert project.run("--flash-deploy=production").ret == 0
    lines = (github / "summary.md").read_text(encoding="utf-8").splitlines()
    assert lines[:2] == ["# Before", "## ✅ demo is live in production"]


def test_github_gets_outputs_for_the_next_steps(project: FlashProject, github: Path) -> None:
    """A line each; URLs by name."""
    project.tests(TESTS)
    project.run("--flash-deploy=production")
    told = dict(line.split("=", 1) for line in (github / "output").read_text(encoding="utf-8").splitlines())
    assert (told["flash-outcome"], told["flash-environment"]) == ("deployed", "production")
    assert re.fullmatch("[0-9a-f]{64}", told["flash-digest"])
    assert json.loads(told["flash-endpoints"])["greeter"] == "http://127.0.0.1:9/v2/abcdefghij0124"


def test_github_gets_an_annotation_on_the_line_that_failed(project: FlashProject, github: Path) -> None:
    """Refusals first; the file is named from the checkout's folder."""
    project.tests(FAILING)
    result = project.run("--flash-deploy=production")
    commands = lines_of(result, "::error")
    assert commands[0].startswith("::error title=FLASH-G002 nothing failed::refused: 1 failure")
    assert "%0Ahint: " in commands[0]
    folder = project.path.name
    assert commands[1] == (
        f"::error file={folder}/test_app.py,line=4,title=test_app.py%3A%3Atest_bad::AssertionError: a, b: 100%25"
    )


def test_github_folds_what_stages_tell(project: FlashProject, github: Path) -> None:
    """Also where nobody watches a terminal."""
    project.tests(TESTS)
    result = project.run("--flash-preview")
    result.stdout.fnmatch_lines(
        [
            "::group::flash::build",
            "  flash: installing nothing",
            "::endgroup::",
            "flash .*",
            "::group::flash::preview*",
        ],
        consecutive=False,
    )
    index = result.outlines.index("::group::flash::build")
    assert result.outlines[index + 1] == "  flash: installing nothing"
    assert len(lines_of(result, "::group::")) == len(lines_of(result, "::endgroup::")) == 2


def test_a_failed_stage_ends_its_group_before_it_is_told(project: FlashProject, github: Path) -> None:
    """Nobody has to unfold a failure."""
    project.tests(TESTS)
    project.scenario(build="build")
    result = project.run("--flash-preview")
    result.stdout.fnmatch_lines(
        ["::group::flash::build", "::endgroup::", "::error title=flash%3A%3Abuild::cannot install *%0Ahint: *"]
    )


def test_quiet_runs_fold_nothing(project: FlashProject, github: Path) -> None:
    """There is nothing to fold."""
    project.tests(TESTS)
    assert lines_of(project.run("--flash-preview", "-q"), "::group::") == []


def test_github_is_told_without_a_terminal_reporter_too(project: FlashProject, github: Path) -> None:
    """The log is where its commands go."""
    project.tests(FAILING)
    result = project.run_in_child("--flash-deploy=production", "-p", "no:terminal")
    assert len(lines_of(result, "::error")) == 2
    assert (github / "summary.md").exists()


def test_settings_that_are_wrong_are_told_to_github(project: FlashProject, github: Path) -> None:
    """Although no test ran."""
    project.scenario(check_target="settings")
    result = project.run_in_child("--flash-deploy=production")
    assert lines_of(result, "::error") == ["::error title=flash::no key and no target%0Ahint: set RUNPOD_API_KEY"]


def test_the_smoke_run_tells_github_nothing(project: FlashProject, github: Path) -> None:
    """Its parent does."""
    project.tests("@pytest.mark.flash_deployed_only\ndef test_live():\n    assert False\n")
    result = project.run("--flash-deploy=production")
    titles = [line.partition("title=")[2].partition("::")[0] for line in lines_of(result, "::error")]
    assert titles == ["flash%3A%3Asmoke[production]", "test_app.py%3A%3Atest_live"]
    assert (github / "summary.md").read_text(encoding="utf-8").count("## ❌ demo") == 1


def test_no_secret_reaches_github(project: FlashProject, github: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither its files nor its log."""
    monkeypatch.setenv("MODEL_TOKEN", "hf_SECRET_value")
    project.tests("import os\ndef test_bad():\n    raise RuntimeError(os.environ['MODEL_TOKEN'])\n")
    result = project.run("--flash-deploy=production")
    assert [line for line in lines_of(result, "::error") if "SECRET" in line] == []
    assert "SECRET" not in (github / "summary.md").read_text(encoding="utf-8")


def test_a_file_that_github_named_and_nobody_can_write_is_a_note(
    project: FlashProject, github: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The deployment stands."""
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(github))
    project.tests(TESTS)
    result = project.run("--flash-deploy=production")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["note: the CI system was not told: Is a directory"])


def test_the_summary_has_room_for_what_the_step_wrote_already(tmp_path: Path) -> None:
    """More than 1 MiB a step, and GitHub shows none of it."""
    path = tmp_path / "summary.md"
    many = tuple(case(f"test_a.py::test_{number}", "failed", text="x" * 4000) for number in range(30))
    path.write_bytes(b"x" * (2**20 - 8000))
    GitHub(summary=path, output=None, workspace=None).finish(rolled_back(tests=many), root=tmp_path, write=print)
    written = path.read_bytes()
    assert len(written) <= 2**20
    assert b"## \xe2\x9d\x8c quickstart was rolled back" in written
    path.write_bytes(b"x" * 2**20)
    GitHub(summary=path, output=None, workspace=None).finish(deployed(), root=tmp_path, write=print)
    assert path.stat().st_size == 2**20


def commands(report: Any, root: Path = Path("/work/repo/sub")) -> list[str]:
    return error_commands(report, root=root, workspace=Path("/work/repo"))


def test_no_more_annotations_than_are_shown() -> None:
    """The last says how many there are."""
    many = tuple(case(f"test_a.py::test_{number}", "failed", reason="no", line=3) for number in range(30))
    told = commands(refused(tests=many))
    assert len(told) == 10
    assert told[0].startswith("::error title=FLASH-G004 ")
    assert told[-1] == "::error title=22 more::22 more failures%3A see the summary".replace("%3A", ":")


def test_a_name_ends_no_command_and_begins_none() -> None:
    """Line ends, colons and commas in node ids and messages are escaped; colours are dropped."""
    hostile = "a,b:c%d\r\n::set-output name=x::y\x1b[31m"
    told = commands(refused(gate=(), tests=(case(f"t.py::t[{hostile}]", "failed", reason=hostile, line=3),)))
    assert len(told) == 1
    assert "\n" not in told[0]
    assert "\r" not in told[0]
    assert "\x1b" not in told[0]
    properties, _, message = told[0].removeprefix("::error ").partition("::")
    assert properties.count(",") == 2
    assert message == "a,b:c%25d%0A::set-output name=x::y"


def test_a_file_outside_of_the_checkout_is_not_named() -> None:
    """GitHub could not show it."""
    bad = case("test_a.py::test_x", "failed", reason="no", line=3)
    told = commands(refused(gate=(), tests=(bad,)), root=Path("/elsewhere"))
    assert told == ["::error title=test_a.py%3A%3Atest_x::no"]
    assert "file=sub/test_a.py,line=3" in commands(refused(gate=(), tests=(bad,)))[0]


def test_a_stage_that_failed_in_a_file_points_there() -> None:
    """Such as a build, at the line of a declaration."""
    message = "endpoint 'x': gpu is 'H1000'"
    error = Failure(message=message, hint="did you mean 'H100'?", path="app.py", line=7)
    stage = failed().stages[1].model_copy(update={"message": f"app.py:7: {message}", "hint": error.hint})
    told = commands(failed(error=error, stages=(stage,)))
    assert told[0].startswith("::error file=sub/app.py,line=7,title=flash%3A%3Apreview[process]::app.py:7: endpoint")
    assert told[0].endswith("%0Ahint: did you mean 'H100'?")


def test_outputs_are_one_line_each() -> None:
    """Whatever an app is called."""
    told = dict(outputs(deployed(app="a\nb=c")))
    assert told["flash-app"] == "a b=c"
    assert json.loads(told["flash-endpoints"]) == {endpoint.name: endpoint.url for endpoint in ENDPOINTS}


# ---------------------------------------------------------------------------------------------------------------------
# GitLab


def test_gitlab_gets_collapsed_sections(project: FlashProject, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start and an end for each stage, each at the beginning of its line, with a name GitLab takes."""
    monkeypatch.setenv("GITLAB_CI", "true")
    project.tests(TESTS)
    result = project.run("--flash-preview")
    text = result.stdout.str()
    starts = re.findall(
        r"^\x1b\[0Ksection_start:\d+:([\w.-]+)\[collapsed=true\]\r?\n?\x1b\[0K(.*)$", text, re.MULTILINE
    )
    ends = re.findall(r"^\x1b\[0Ksection_end:\d+:([\w.-]+)", text, re.MULTILINE)
    assert starts == [("flash__build", "flash::build"), ("flash__preview_process_", "flash::preview[process]")]
    assert ends == [name for name, _ in starts]
    assert "  flash: installing nothing" in text
    assert lines_of(result, "::") == []


def test_gitlabs_marks_are_as_its_documentation_has_them() -> None:
    """With the carriage return that hides them."""
    gitlab = GitLab()
    start = gitlab.section_start("flash::build", "Build\nit", 1560896352.4)
    assert start == "\x1b[0Ksection_start:1560896352:flash__build[collapsed=true]\r\x1b[0KBuild it"
    assert gitlab.section_end("flash::build", 1560896353) == "\x1b[0Ksection_end:1560896353:flash__build\r\x1b[0K"
