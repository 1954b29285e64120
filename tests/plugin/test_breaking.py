"""A change that breaks callers of what is live is refused, unless it is waived or allowed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from fakes_pytest_flash import FlashProject

BEFORE = {
    "type": "object",
    "properties": {"name": {"type": "string"}},
    "required": ["name"],
    "additionalProperties": False,
}
WAIVER = """
[[waiver]]
rule = "{rule}"
scope = "greeter/*"
owner = "the greeters"
reason = "nobody has longer names"
expires = {expires}
"""
LIVE: dict[str, Any] = {"live": ["greeter", "api"], "live_schemas": {"hello": {"input": BEFORE}}}


def run(project: FlashProject, *options: str, **scenario: Any) -> pytest.RunResult:
    project.tests("def test_it(): pass")
    project.scenario(**scenario)
    return project.run(
        "--flash-deploy=production",
        "--flash-report=report.json",
        "--flash-report=r.md",
        "--flash-report=r.html",
        "--junitxml=junit.xml",
        *options,
    )


def condition(project: FlashProject) -> dict[str, Any]:
    (found,) = [one for one in project.report()["gate"] if one["code"] == "FLASH-G014"]
    return dict(found)


def test_a_first_deployment_passes(project: FlashProject) -> None:
    """Nobody relies on anything yet."""
    assert run(project).ret == 0
    assert condition(project)["evidence"] == ["nothing is live in 'production'"]


def test_what_is_live_is_compared(project: FlashProject) -> None:
    """And passes where nobody is broken."""
    assert run(project, live=["greeter", "api"]).ret == 0
    assert condition(project)["evidence"] == ["no breaking change to what is live in 'production'"]


def test_a_breaking_change_is_refused_with_old_new_and_rule(project: FlashProject) -> None:
    """On the terminal, in the report, in JUnit."""
    result = run(project, **LIVE)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*FLASH-G014*1 breaking change: FLASH-C209 greeter/hello input/name: *maxLength*8*"])
    assert "promote" not in project.events
    found = condition(project)
    assert found["outcome"] == "refused"
    assert "--flash-allow-breaking" in found["remedy"]
    (change,) = project.report()["gate_changes"]
    assert (change["rule"], change["outcome"], change["new"]) == ("FLASH-C209", "refused", {"maxLength": 8})
    for page in ("r.md", "r.html"):
        assert "greeter/hello input/name: parameter has narrower bounds" in (project.path / page).read_text("utf-8")
    assert "FLASH-C209 greeter/hello input/name" in (project.path / "junit.xml").read_text(encoding="utf-8")


def test_a_waiver_lets_it_through_and_is_told(project: FlashProject) -> None:
    """With its owner and its reason."""
    project.write({"flash-waivers.toml": WAIVER.format(rule="FLASH-C209", expires="2999-12-31")})
    result = run(project, **LIVE)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*waived: FLASH-C209*(the greeters: nobody has longer names; until 2999-12-31)"])
    assert condition(project)["evidence"] == ["1 change waived"]


def test_an_expired_waiver_fails(project: FlashProject) -> None:
    """By name."""
    project.write({"flash-waivers.toml": WAIVER.format(rule="FLASH-C209", expires="2020-01-01")})
    assert run(project, **LIVE).ret == pytest.ExitCode.TESTS_FAILED
    assert "waiver 1 (FLASH-C209 in greeter/*) expired" in condition(project)["evidence"][0]


def test_an_unused_waiver_fails(project: FlashProject) -> None:
    """It would let through what nobody has thought of."""
    project.write({"flash-waivers.toml": WAIVER.format(rule="FLASH-C201", expires="2999-12-31")})
    assert run(project, live=["greeter", "api"]).ret == pytest.ExitCode.TESTS_FAILED
    assert "covers nothing" in condition(project)["evidence"][0]


@pytest.mark.parametrize("rule", ["FLASH-G007", "FLASH-C999"])
def test_a_waiver_of_what_cannot_be_waived_ends_the_run_at_once(project: FlashProject, rule: str) -> None:
    """As any other setting that is wrong; nothing is built."""
    project.write({"flash-waivers.toml": WAIVER.format(rule=rule, expires="2999-12-31")})
    assert run(project, **LIVE).ret == pytest.ExitCode.USAGE_ERROR
    assert "build" not in project.events


def test_breaking_may_be_allowed_and_is_recorded(project: FlashProject) -> None:
    """In the notes of the decision, and so in the receipt."""
    result = run(project, "--flash-allow-breaking", **LIVE)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*allowed by --flash-allow-breaking: FLASH-C209*"])
    assert condition(project)["evidence"] == ["1 change allowed by --flash-allow-breaking"]


def test_what_cannot_be_read_is_inconclusive(project: FlashProject) -> None:
    """Which is no pass, unless that is allowed."""
    unreadable = {"live": ["greeter"], "live_problem": "it is no manifest"}
    assert run(project, **unreadable).ret == pytest.ExitCode.TESTS_FAILED
    assert condition(project)["outcome"] == "inconclusive"
    assert "it is no manifest" in condition(project)["evidence"][0]
    assert run(project, "--flash-allow-breaking", **unreadable).ret == 0
