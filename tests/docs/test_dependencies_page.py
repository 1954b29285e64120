"""docs/dependencies.md says what the build does with dependencies."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fakes_bundle import project, write
from fakes_requirements import endpoint, plan

from flash.bundle.discover import discover
from flash.errors import DependencyError
from flash.model.hardware import AUTO_EXCLUDED

PAGE = (Path(__file__).parents[2] / "docs/dependencies.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return PAGE.split(f"## {title}\n")[1].split("\n## ")[0]


def rows(title: str) -> list[list[str]]:
    lines = [line for line in section(title).splitlines() if line.startswith("| ")][2:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def test_the_example_declares_what_it_shows(tmp_path: Path) -> None:
    """Constants and a literal in one list."""
    found = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    write(tmp_path / "main.py", "from flash import Endpoint\n" + found[1])
    (declared,) = discover(tmp_path, ["main.py"], app_name="demo")
    assert declared.spec.dependencies == ("pillow>=11", "pyyaml; python_version >= '3.11'", "python-slugify")


def test_the_table_of_sources_is_their_order(tmp_path: Path) -> None:
    """Each takes the place of those below it."""
    files = {
        "pyproject.toml": '[project]\nname = "p"\ndependencies = ["three"]\n[dependency-groups]\ng = ["one"]\n',
        "requirements.txt": "two\n",
    }
    package = 'name = "four"\nversion = "1"\nwheels = [{path = "four-1-py3-none-any.whl"}]\n'
    lock = f'lock-version = "1.0"\n[[packages]]\n{package}'
    project(tmp_path, files)
    assert plan(tmp_path, group="g").install == ("one",)
    assert plan(tmp_path).install == ("two",)
    (tmp_path / "requirements.txt").unlink()
    assert plan(tmp_path).install == ("three",)
    project(tmp_path, {"pyproject.toml": "", "pylock.toml": lock})
    assert plan(tmp_path).install == ("four==1",)
    assert [row[0] for row in rows("Which file of the project counts")] == ["1", "2", "3", "4"]


@pytest.mark.parametrize("line", ["git+https://a.invalid/x", "-e .", "./folder", "x @ https://a.invalid/x-1.tar.gz"])
def test_what_the_page_says_is_refused_is_refused(tmp_path: Path, line: str) -> None:
    """With file and line."""
    project(tmp_path, {"requirements.txt": f"{line}\n", "folder/x.py": ""})
    with pytest.raises(DependencyError, match=r"^requirements\.txt:1: "):
        plan(tmp_path)


@pytest.mark.parametrize(
    "line", ["six @ https://${TOKEN}@a.invalid/six-1-py3-none-any.whl", "--pre", "--no-binary :all:"]
)
def test_options_that_the_page_does_not_have_are_refused(tmp_path: Path, line: str) -> None:
    """With file and line."""
    write(tmp_path / "requirements.txt", f"{line}\n")
    with pytest.raises(DependencyError, match=r"^requirements\.txt:1: "):
        plan(tmp_path)


def test_the_page_has_what_is_left_out_by_itself(tmp_path: Path) -> None:
    """And no name that is not."""
    named = {name for row in rows("What is left out") for name in re.findall(r"`([a-z0-9-]+)`", row[0])}
    for name in sorted(named - {"exclude"}):
        write(tmp_path / "requirements.txt", f"{name}\ntorch\n")
        gpu = plan(tmp_path).install if name != "numpy" else ()
        assert gpu == (), name
    assert set(AUTO_EXCLUDED) <= named


def test_a_frozen_list_is_installed_without_what_the_page_says(tmp_path: Path) -> None:
    """What an endpoint asks for itself stays."""
    write(tmp_path / "requirements.txt", "torch==2.9\nnvidia-cublas-cu12==12.8\nnumpy==2\n")
    assert plan(tmp_path, endpoint("cpu", "numpy")).install == ("numpy", "numpy==2")
