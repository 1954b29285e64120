"""Contract checks are test items."""

from __future__ import annotations

from fakes_pytest_flash import FlashProject, app

from pytest_flash.subject import Subject, subjects


def test_there_is_one_check_for_each_function_and_route() -> None:
    """Named by the endpoint where it has one function, in the order of declaration."""
    assert subjects(app()) == (
        Subject("greeter", "hello", "", "greeter"),
        Subject("api", "echo", "", "api/echo"),
    )


def test_checks_are_only_there_when_a_preview_is(project: FlashProject) -> None:
    """A plain run has the user's tests."""
    project.tests("def test_one(): pass")
    project.run().assert_outcomes(passed=1)


def test_testpaths_do_not_leave_them_out(project: FlashProject) -> None:
    """No file holds them."""
    project.write({"tests/test_one.py": "def test_one(): pass", "pytest.ini": "[pytest]\ntestpaths = tests\n"})
    project.run("--flash-preview").assert_outcomes(passed=5)


def test_a_project_without_tests_has_its_checks(project: FlashProject) -> None:
    """They count as tests."""
    project.run("--flash-preview").assert_outcomes(passed=4)


def test_they_can_be_selected_by_keyword_marker_and_last_failure(project: FlashProject) -> None:
    """As other tests can."""
    project.tests("def test_one(): pass")
    project.scenario(answers="number")
    project.run("--flash-preview", "-k", "contract and api").assert_outcomes(passed=3, deselected=2)
    project.run("--flash-preview", "-m", "flash_contract").assert_outcomes(passed=3, failed=1, deselected=1)
    result = project.run("--flash-preview", "--lf", "-v")
    result.assert_outcomes(passed=2, failed=1, deselected=2)
    result.stdout.fnmatch_lines(["flash::contract[[]greeter[]] FAILED*"])


def test_a_broken_contract_is_told_without_a_traceback(project: FlashProject) -> None:
    """Message, hint, the smallest input, the reply, a curl line, and the worker's log."""
    project.scenario(answers="number")
    result = project.run("--flash-preview")
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(
        [
            "endpoint 'greeter': hello answered off its return type*",
            "hint: *",
            'input:    {"name": ""}',
            '*curl -X POST http://127.0.0.1:9/v2/greeter/runsync -H "Authorization: Bearer $RUNPOD_API_KEY"*',
            "*- flash log of greeter -*",
            "FAILED flash::contract[[]greeter[]] - endpoint 'greeter': hello answered off its return type*",
        ]
    )
    result.stdout.no_fnmatch_line("*checking.py*")


def test_what_has_no_type_is_not_fuzzed_and_said(project: FlashProject) -> None:
    """It passes, with a note."""
    project.scenario(schemas={"hello": {"input": {"type": "object", "properties": {"name": {}}, "required": ["name"]}}})
    result = project.run("--flash-preview")
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["note: flash::contract[[]greeter[]]: not fuzzed: untyped: name*"])
