"""Options, the project's root, and what is importable there."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes_pytest_flash import PLUGIN, FlashProject

from pytest_flash.options import find_root, looks_like_contract


def flash_project(folder: Path) -> Path:
    """A folder with settings of ours."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text("[tool.flash]\n", encoding="utf-8")
    return folder


def test_the_root_is_the_nearest_project_above_the_first_path_argument(tmp_path: Path) -> None:
    """Node ids count by their file; what does not exist does not count."""
    outer = flash_project(tmp_path / "outer")
    inner = flash_project(outer / "inner")
    (inner / "tests").mkdir()
    fallback = Path("/elsewhere")
    assert find_root(["inner/tests/test_x.py::test_y"], here=outer, fallback=fallback) == outer
    assert find_root(["inner/tests::x"], here=outer, fallback=fallback) == inner
    assert find_root(["nowhere", "inner"], here=outer, fallback=fallback) == inner
    assert find_root([], here=inner / "tests", fallback=fallback) == inner


def test_without_a_project_the_root_is_the_fallback(tmp_path: Path) -> None:
    """A pyproject.toml of somebody else is none of ours."""
    (tmp_path / "pyproject.toml").write_text("[tool.ruff]\n", encoding="utf-8")
    assert find_root([], here=tmp_path, fallback=Path("/elsewhere")) == Path("/elsewhere")


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("flash::contract[api/echo]", True),
        ("examples/quickstart/flash::contract[api]", True),
        ("flash/test_contract.py::test_x", False),
        ("tests/flash", False),
    ],
)
def test_node_ids_of_contract_checks_are_recognised(argument: str, *, expected: bool) -> None:
    """Also as pytest prints them from another folder."""
    assert looks_like_contract(argument) is expected


def test_a_contract_check_cannot_be_an_argument(project: FlashProject) -> None:
    """The error says how to run one."""
    result = project.run("--flash-preview", "flash::contract[greeter]")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *cannot be an argument*-k *-m flash_contract*--lf"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--flash-deploy=",), "*--flash-deploy needs the name of an environment*"),
        (("--flash-root=nowhere", "--flash-preview"), "*--flash-root: 'nowhere' is not a folder"),
        (("--flash-report=nowhere/report.json",), "*--flash-report: there is no folder *nowhere"),
        (("--flash-attach=nowhere.json",), "*--flash-attach: there is no file *nowhere.json"),
        (("--flash-target=moon",), "*invalid choice: 'moon'*"),
    ],
)
def test_a_value_that_cannot_be_used_is_a_usage_error(
    project: FlashProject, arguments: tuple[str, ...], message: str
) -> None:
    """Nothing is asked of the pipeline."""
    result = project.run(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])
    assert project.events == []


def test_the_preview_option_does_not_eat_a_path(project: FlashProject) -> None:
    """``pytest --flash-preview tests`` is what people type."""
    project.write({"tests/test_one.py": "def test_one(): pass"})
    project.run("--flash-preview", "tests").assert_outcomes(passed=5)


def test_the_project_is_importable_from_conftest_files(project: FlashProject) -> None:
    """Root and ``src`` come first; so a worker module hides an installed one of its name."""
    project.write(
        {
            "app/pyproject.toml": "[tool.flash]",
            "app/json.py": "mine = True",
            "app/src/lib.py": "value = 1",
            "app/tests/conftest.py": "import lib, worker",
            "app/worker.py": """
                from runpod_flash import Endpoint
                import flash
                assert issubclass(Endpoint, flash.Endpoint)
            """,
            "app/tests/test_it.py": """
                import sys
                from pathlib import Path

                def test_path():
                    root = Path(__file__).parents[1]
                    assert str(root) in sys.path
                    assert sys.path.index(str(root)) < sys.path.index(str(root / "src"))
            """,
        }
    )
    project.run_in_child("--import-mode=importlib", "app/tests").assert_outcomes(passed=1)


def test_other_projects_keep_their_path(plain: pytest.Pytester) -> None:
    """Only in a Flash project is the path touched."""
    plain.makepyprojecttoml("[tool.ruff]\n")
    plain.makepyfile("import os, sys\ndef test_path(): assert os.getcwd() not in sys.path")
    plain.runpytest_inprocess(*PLUGIN, "--import-mode=importlib").assert_outcomes(passed=1)


def test_app_root_and_exclusions_can_be_given(project: FlashProject) -> None:
    """They override and extend the settings."""
    project.write({"other/pyproject.toml": "[tool.flash]\nexclude = ['a']"})
    project.tests(
        """
        def test_it(flash_project):
            assert flash_project.root.name == "other"
            assert flash_project.settings.app == "mine"
            assert set(flash_project.settings.exclude) == {"a", "b", "c", "d"}
        """
    )
    result = project.run("--flash-root=other", "--flash-app=mine", "--flash-exclude=b, c", "--flash-exclude=d")
    result.assert_outcomes(passed=1)


def test_a_wrong_setting_is_told_before_anything_is_built(project: FlashProject) -> None:
    """Exit status 4; the report says it too."""
    project.write({"pyproject.toml": "[tool.flash]\nappp = 'demo'\n"})
    result = project.run("--flash-preview", "--flash-report=report.json")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *appp*", "*hint:*app*"])
    assert "appp" in project.report()["error"]["message"]
    assert project.events == []
