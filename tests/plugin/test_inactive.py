"""A run that does not use the plugin pays for next to nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fakes_pytest_flash import PLUGIN, FlashProject

if TYPE_CHECKING:
    import pytest

AT_EXIT = """
import atexit, sys

@atexit.register
def tell():
    ours = [name for name in sys.modules if name.partition(".")[0] in {"flash", "pytest_flash", "runpod_flash"}]
    heavy = [name for name in ("httpx", "pydantic", "graphql", "starlette", "uv") if name in sys.modules]
    print("LOADED", *sorted(ours), "HEAVY", *heavy)
"""


def loaded(result: pytest.RunResult) -> tuple[set[str], set[str]]:
    """Our modules and heavy ones, at the exit of the child."""
    found = re.search(r"^LOADED (.*) HEAVY ?(.*)$", result.stdout.str(), re.MULTILINE)
    assert found is not None
    return set(found[1].split()), set(found[2].split())


def test_an_unused_plugin_loads_only_its_entry_point_options_and_fixtures(plain: pytest.Pytester) -> None:
    """Seen from outside and at the exit, because summaries and teardowns load modules too."""
    plain.makeconftest(AT_EXIT)
    plain.makepyfile("def test_one(): pass")
    result = plain.runpytest_subprocess(*PLUGIN, "-p", "no:hypothesispytest", "-p", "no:respx")
    assert result.ret == 0
    ours, heavy = loaded(result)
    assert ours == {"pytest_flash", "pytest_flash.plugin", "pytest_flash.options", "pytest_flash.fixtures"}
    assert heavy == set()


def test_a_plain_run_in_a_flash_project_loads_nothing_more(project: FlashProject) -> None:
    """Finding the root reads text, not TOML."""
    project.write({"conftest.py": AT_EXIT})
    project.tests("def test_one(): pass")
    result = project.run_in_child("-p", "no:hypothesispytest", "-p", "no:respx")
    assert loaded(result)[0] == {"pytest_flash", "pytest_flash.plugin", "pytest_flash.options", "pytest_flash.fixtures"}


def test_tests_that_need_a_preview_are_skipped_without_one(project: FlashProject) -> None:
    """Each says which option it needs, and nothing is asked of the pipeline."""
    project.tests(
        """
        @pytest.mark.parametrize("name", ["flash_artifact", "flash_manifest", "flash_preview", "flash_endpoint"])
        def test_it(request, name):
            request.getfixturevalue(name)

        def test_deployed(flash_deployment): pass

        def test_project(flash_project):
            assert flash_project.settings.app == "demo"

        @pytest.mark.flash_deployed_only
        def test_later(): raise AssertionError
        """
    )
    result = project.run("-rs")
    result.assert_outcomes(passed=1, skipped=6)
    reasons = re.findall(r"^SKIPPED \[(\d)\].*: (.*)$", result.stdout.str(), re.MULTILINE)
    assert reasons == [("4", "needs --flash-preview"), ("1", "needs --flash-preview"), ("1", "runs after promotion")]
    assert "plugin.py" not in result.stdout.str()
    assert project.events == []


def test_it_can_be_turned_off(project: FlashProject) -> None:
    """A run without the plugin is a run without it."""
    project.write({"conftest.py": ""})
    project.tests("def test_one(): pass")
    result = project.pytester.runpytest_subprocess("-p", "no:flash")
    result.assert_outcomes(passed=1)


def test_it_works_where_plugins_are_not_loaded_by_themselves(
    project: FlashProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some projects name each plugin."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    project.tests("def test_one(flash_endpoint): flash_endpoint('greeter')")
    result = project.pytester.runpytest_subprocess("-p", "pytest_flash.plugin", "--flash-preview")
    result.assert_outcomes(passed=5)


def test_every_fixture_and_marker_is_told(project: FlashProject) -> None:
    """``pytest --fixtures`` and ``--markers`` are their documentation."""
    fixtures = project.run("--fixtures").stdout.str()
    for name in ("project", "artifact", "manifest", "preview", "endpoint", "deployment"):
        assert re.search(rf"^flash_{name} \[session scope\] -- .*\n    \S+", fixtures, re.MULTILINE)
    markers = project.run("--markers").stdout.str()
    for name in ("smoke", "deployed_only", "preview_only", "contract"):
        assert f"@pytest.mark.flash_{name}: " in markers
