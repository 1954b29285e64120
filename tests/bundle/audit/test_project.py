"""The whole audit, as a build does it: what it refuses, what it says, and what it leaves alone."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from fakes_audit import CPU, GPU, Wheel, installed, shared_object
from fakes_bundle import project
from journeys.shapes import write_app

from flash.bundle.audit import Finding, refuse, warnings_of
from flash.bundle.cache import Cache
from flash.bundle.checks import audit
from flash.bundle.discover import app_of
from flash.bundle.modules import read_modules
from flash.bundle.request import BuildRequest
from flash.bundle.sources import project_files
from flash.bundle.trees import DistributionSet
from flash.errors import AuditFailed, BuildError
from flash.project import load_project

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[3]
LINUX = "cp312-cp312-manylinux_2_17_x86_64"
MODULE = shared_object("libc.so.6", symbols=["PyInit_thing"])
WORK = "def work(): ...\n"
API = "from flash import Endpoint\napi = Endpoint(name='api', cpu='cpu3c-1-2')\n\n"
USE = f"{CPU}def work():\n    import thing\n"


def audited(
    folder: Path, files: Mapping[str, str], *wheels: Wheel, excluded: Mapping[str, str] | None = None
) -> list[str]:
    """What a build says of a project of *files* with *wheels*, unless it refuses it."""
    root, tree = project(folder / "app", files), folder / "tree"
    shipped = installed(tree, *wheels)
    sources = project_files(root)
    modules = read_modules(root, sources.files)
    settings = load_project(root).settings
    return audit(
        BuildRequest(root=root, app_name="demo", python_version="3.12", provided=settings.provided),
        app_of(modules, root, app_name="demo", ignored=sources.ignored),
        modules,
        sources,
        SimpleNamespace(excluded=excluded or {}, provided={}),  # type: ignore[arg-type]
        DistributionSet(tree if wheels else None, shipped),  # type: ignore[arg-type]
        Cache(folder / "cache"),
        pytest.fail,
    )


PURE = Wheel(files={"thing/__init__.py": b""})
NATIVE = "thing.cpython-312-x86_64-linux-gnu.so"

BROKEN: dict[str, tuple[dict[str, str], list[Wheel], str]] = {
    "a cp311 extension": (
        {"app.py": USE},
        [Wheel(tag="cp311-cp311-manylinux_2_17_x86_64", files={"thing.cpython-311-x86_64-linux-gnu.so": MODULE})],
        "wheel-tag",
    ),
    "a cp311 extension in a wheel that says otherwise": (
        {"app.py": USE},
        [Wheel(tag=LINUX, files={"thing.cpython-311-x86_64-linux-gnu.so": MODULE})],
        "extension-tag",
    ),
    "a musllinux wheel": (
        {"app.py": USE},
        [Wheel(tag="cp312-cp312-musllinux_1_2_x86_64", files={NATIVE: MODULE})],
        "wheel-tag",
    ),
    "a wheel for macOS": (
        {"app.py": USE},
        [Wheel(tag="cp312-cp312-macosx_11_0_arm64", files={"thing.py": b""})],
        "wheel-tag",
    ),
    "a library that nobody has": (
        {"app.py": USE},
        [Wheel(tag=LINUX, files={NATIVE: shared_object("libnowhere.so.1", symbols=["PyInit_thing"])})],
        "library-missing",
    ),
    "an import that nothing provides": ({"app.py": USE}, [], "import-missing"),
    "a module that an ignore rule drops": (
        {"app.py": USE, "thing.py": "", ".flashignore": "thing.py"},
        [],
        "import-ignored",
    ),
    "an extension of the project for another Python": (
        {"app.py": USE, "thing.cpython-310-x86_64-linux-gnu.so": ""},
        [],
        "import-python",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_artifact_is_refused(case: str, tmp_path: Path) -> None:
    """With a place, a code and a hint."""
    files, wheels, code = BROKEN[case]
    with pytest.raises(AuditFailed, match=rf"\({code}\)") as caught:
        audited(tmp_path, files, *wheels)
    assert caught.value.path
    assert caught.value.hint
    assert isinstance(caught.value, BuildError)


CLEAN: dict[str, tuple[dict[str, str], list[Wheel]]] = {
    "no dependencies": ({"app.py": f"{CPU}{WORK}"}, []),
    "a pure dependency": ({"app.py": USE}, [PURE]),
    "a native one": ({"app.py": USE}, [Wheel(tag=LINUX, files={NATIVE: MODULE})]),
    "on GPUs": ({"app.py": f"{GPU}def train():\n    import torch\n    import numpy\n"}, []),
    "a class": (
        {"app.py": f"{CPU}class Model:\n    def __init__(self):\n        import thing\n    def run(self): ...\n"},
        [PURE],
    ),
    "routes": (
        {"app.py": f"{API}@api.get('/x')\ndef x():\n    import thing\n"},
        [PURE],
    ),
    "an image of one's own": (
        {"app.py": f"{CPU}{WORK}\nmine = Endpoint(name='mine', image='me/mine:1', gpu='any')\n"},
        [],
    ),
    "in an src layout": ({"src/app.py": USE, "src/more.py": "import thing\n"}, [PURE]),
    "a client of another endpoint": (
        {"app.py": f"from flash import Endpoint\nother = Endpoint(id='abc')\n{CPU}def work():\n    return other\n"},
        [],
    ),
}


@pytest.mark.parametrize("case", CLEAN)
def test_a_clean_artifact_is_left_alone(case: str, tmp_path: Path) -> None:
    """No error, no warning."""
    files, wheels = CLEAN[case]
    assert audited(tmp_path, files, *wheels) == []


@pytest.mark.parametrize("case", ["import thing", "import yaml", "import sklearn.svm"])
def test_a_setting_takes_what_it_provides_out(case: str, tmp_path: Path) -> None:
    """``provided`` in the settings names modules, distributions or libraries."""
    files = {"app.py": f"{CPU}def work():\n    {case}\n"}
    with pytest.raises(AuditFailed):
        audited(tmp_path / "without", files)
    settings = '[tool.flash]\nprovided = ["thing", "PyYAML", "scikit-learn"]\n'
    assert audited(tmp_path / "with", {**files, "pyproject.toml": settings}) == []


def test_a_set_is_audited_once(tmp_path: Path) -> None:
    """The second time nobody looks into its files."""
    wheel = Wheel(tag="cp312-cp312-musllinux_1_2_x86_64", files={NATIVE: MODULE})
    for _ in range(2):
        with pytest.raises(AuditFailed, match="musl"):
            audited(tmp_path, {"app.py": USE}, wheel)
        shutil.rmtree(tmp_path / "tree")
        (tmp_path / "tree").mkdir()
        wheel = Wheel(files={NATIVE: b""})


class Folder:
    """Of a shell, what writing an app into it needs."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, files: Mapping[str, str]) -> None:
        """Write the files of a project."""
        project(self.root, files)


def test_an_app_of_every_shape_is_left_alone(tmp_path: Path) -> None:
    """Re-exports, src of others, routes, classes, clients, functions of other files."""
    (tmp_path / "shapes").mkdir()
    folder = Folder(tmp_path / "shapes/app")
    write_app(folder, "3.12", image="me/mine:1")  # type: ignore[arg-type]
    files = {
        path.relative_to(folder.root).as_posix(): path.read_text(encoding="utf-8") for path in folder.root.rglob("*.py")
    }
    assert len(files) > 10
    assert audited(tmp_path, files, Wheel(name="tiny", files={"tiny.py": b""})) == []


class TestRefusing:
    """What a user sees."""

    def test_ten_are_told_in_full_and_the_rest_are_counted(self) -> None:
        """The first is the message."""
        findings = [Finding("code", f"problem {number:02}", "app.py", number, "mend it") for number in range(1, 15)]
        with pytest.raises(AuditFailed) as caught:
            refuse(reversed(findings))
        error = caught.value
        assert error.headline == "app.py:1: problem 01 (code)"
        assert error.hint == "mend it"
        assert "- app.py:10: problem 10 (code)" in error.detail
        assert "problem 11" not in error.detail
        assert error.detail.endswith("- and 4 more errors")
        assert len(error.findings) == len(findings)

    def test_warnings_refuse_nothing(self) -> None:
        """They are lines for the report."""
        findings = [Finding("code", "odd", "app.py", 2, "look at it", is_error=False), Finding("other", "bad", "b.py")]
        assert warnings_of(findings) == ["! app.py:2: odd (code); look at it"]
        refuse(findings[:1])


def test_the_page_lists_every_code() -> None:
    """Whoever meets a code finds it in docs/audit.md."""
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "flash/bundle/audit").glob("*.py"))
    codes = set(re.findall(r'"((?:import|wheel|extension|binary|library|requirement|glibc)(?:-[a-z]+)?)"', sources))
    page = (ROOT / "docs/audit.md").read_text(encoding="utf-8")
    assert {code for code in codes if f"`{code}`" not in page} <= {"import"}
