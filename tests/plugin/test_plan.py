"""``--flash-plan`` stops before the promotion and shows what it would change; ``--flash-planned`` holds to a plan."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from fakes_pytest_flash import FakePipeline

if TYPE_CHECKING:
    from fakes_pytest_flash import FlashProject

TESTS = """
def test_nothing_is_deleted(flash_plan):
    assert flash_plan.deleted == ()
    assert flash_plan.created == ("greeter", "api")
    assert [(step.action, step.name, step.reasons) for step in flash_plan.steps][0] == (
        "create", "greeter", ("not there yet",)
    )
    assert not flash_plan.is_empty
"""


def test_a_planned_run_does_everything_but_promote(project: FlashProject) -> None:
    """Built, previewed, tested, judged, planned, and nothing changed; the status is the tests'."""
    project.tests("def test_it(): pass")
    result = project.run("--flash-deploy=production", "--flash-plan", "-v", "--flash-report=report.json")
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        [
            "flash: *, to be planned for production",
            "flash::plan[[]production[]] PASSED*",
            "planned sha256:* for production: nothing was changed",
            "plan for production of demo, which is not there yet",
            "  + create   greeter  not there yet",
            "2 to create; artifact *",
        ]
    )
    assert project.events == ["look", "discover", "build", "preview", "close", "plan", "look"]
    report = project.report()
    assert (report["outcome"], report["error"], report["endpoints"]) == ("planned", None, [])
    assert report["plan"]["summary"]["create"] == 2
    assert [stage["id"] for stage in report["stages"]][-1] == "flash::plan[production]"
    assert {condition["outcome"] for condition in report["gate"]} == {"pass"}


def test_the_gate_is_judged_and_shown_and_fails_no_planned_run(project: FlashProject) -> None:
    """What may not be promoted may be planned; the status stays the tests'."""
    project.tests("def test_it(): pass\ndef test_more(): pass")
    result = project.run("--flash-deploy=production", "--flash-plan", "-k", "test_it", "--flash-report=report.json")
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        [
            "planned sha256:* for production: nothing was changed; the gate would refuse",
            "  FLASH-G004 *",
            "*2 to create*",
        ]
    )
    assert project.report()["outcome"] == "planned"


def test_failing_tests_fail_a_planned_run(project: FlashProject) -> None:
    """The plan is shown all the same."""
    project.tests("def test_it(): assert False")
    result = project.run("--flash-deploy=production", "--flash-plan")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["planned sha256:*; the gate would refuse", "  FLASH-G002 *", "*2 to create*"])
    assert "promote" not in project.events


def test_a_plan_that_cannot_be_made_fails_the_run(project: FlashProject) -> None:
    """As the stage that it is."""
    project.tests("def test_it(): pass")
    project.scenario(plan="key")
    result = project.run("--flash-deploy=production", "--flash-plan")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["FAILED flash::plan[[]production[]] - *the platform does not accept the API key"])


def test_a_wrong_key_is_told_before_anything_is_built(project: FlashProject) -> None:
    """Looking is the first thing that happens."""
    project.tests("def test_it(): pass")
    project.scenario(look="key")
    result = project.run("--flash-deploy=production", "--flash-plan")
    assert result.ret == 1
    assert project.events == ["look"]
    result.stdout.fnmatch_lines(["FAILED flash::plan[[]production[]] - *the platform does not accept the API key"])


@pytest.mark.parametrize("arguments", [(), ("-n2",)], ids=["here", "in two workers"])
def test_tests_have_an_opinion_of_the_plan(project: FlashProject, arguments: tuple[str, ...]) -> None:
    """In a run that promotes, the gate has it too; workers of xdist ask for themselves."""
    project.tests(TESTS)
    result = project.run_in_child("--flash-deploy=production", *arguments)
    assert result.ret == 0
    assert "promote" in project.events
    project.scenario(live=["greeter", "api", "gone"])
    refused = project.run_in_child("--flash-deploy=production", *arguments)
    assert refused.ret == 1
    refused.stdout.fnmatch_lines(["*assert ('gone',) == ()*"])


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [((), "needs --flash-deploy"), (("--flash-preview",), "needs --flash-deploy")],
    ids=["without stages", "with a preview"],
)
def test_without_a_promotion_there_is_no_plan(project: FlashProject, arguments: tuple[str, ...], reason: str) -> None:
    """Tests that ask for one are skipped, with what they need."""
    project.tests("def test_it(flash_plan): pass")
    result = project.run(*arguments, "-rs")
    result.stdout.fnmatch_lines([f"SKIPPED * {reason}"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--flash-plan"], "--flash-plan is about a promotion: add --flash-deploy=ENV"),
        (["--flash-planned=plan.json"], "--flash-planned is about a promotion: add --flash-deploy=ENV"),
        (["--flash-deploy=production", "--flash-plan", "--flash-planned=plan.json"], "leave one of them out"),
    ],
)
def test_options_that_make_no_sense_are_refused(project: FlashProject, arguments: list[str], said: str) -> None:
    """Before anything happens."""
    result = project.run(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{said}"])
    assert project.events == []


# ---------------------------------------------------------------------------------------------------------------------
# --flash-planned


def keep_plan(project: FlashProject) -> None:
    """What ``flash plan --out plan.json`` would have written now."""
    from fakes_pytest_flash import artifact

    pipeline = FakePipeline(project.path)
    made = pipeline.plan(None, artifact(pipeline.scenario), environment="production", target="local")
    project.write({"plan.json": json.dumps(made.as_json())})
    (project.path / "events.txt").unlink()


def test_what_was_planned_is_promoted(project: FlashProject) -> None:
    """It fits still."""
    project.tests("def test_it(): pass")
    keep_plan(project)
    assert project.run("--flash-deploy=production", "--flash-planned=plan.json", "--flash-report=report.json").ret == 0
    assert "promote" in project.events
    # what was changed is in the report of every run that promotes
    assert project.report()["plan"]["summary"]["create"] == 2


def test_a_plan_that_no_longer_fits_is_refused_before_anything_is_built(project: FlashProject) -> None:
    """With what has changed."""
    project.tests("def test_it(): pass")
    keep_plan(project)
    project.scenario(live=["greeter"])
    result = project.run("--flash-deploy=production", "--flash-planned=plan.json")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["nothing deployed to production: the plan no longer fits: *"])
    assert not {"build", "promote"} & set(project.events)


def test_another_artifact_than_the_planned_one_is_not_promoted(project: FlashProject) -> None:
    """Be it by a byte."""
    project.tests("def test_it(): pass")
    keep_plan(project)
    text = (project.path / "plan.json").read_text(encoding="utf-8")
    digest = json.loads(text)["digest"]
    project.write({"plan.json": text.replace(digest, "0" * 64)})
    result = project.run("--flash-deploy=production", "--flash-planned=plan.json")
    assert result.ret == 1
    result.stdout.fnmatch_lines([f"*the artifact is {digest[:12]}, the plan's is 000000000000"])
    assert "promote" not in project.events


def test_a_file_that_is_no_plan_is_told(project: FlashProject) -> None:
    """Before anything is built."""
    project.tests("def test_it(): pass")
    project.write({"plan.json": "{}"})
    result = project.run("--flash-deploy=production", "--flash-planned=plan.json")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*plan.json: that is no plan: 'format' is missing"])
    assert "build" not in project.events
