"""What of a project's imports a worker will not find, and what is left alone."""

from __future__ import annotations

from pathlib import Path
from textwrap import indent

import pytest
from fakes_audit import CPU, GPU, Shipped, audited
from hypothesis import given
from hypothesis import strategies as st

from flash.model.hardware import PYTHON_VERSIONS

EXAMPLES = Path(__file__).parents[3] / "examples"
SKELETON = Path(__file__).parents[3] / "flash/cli/skeleton"
WORK = "def work(): ...\n"
YAML = Shipped("pyyaml", ("yaml/__init__.py", "yaml/nodes.py", "_yaml/__init__.py"))


def body(code: str) -> str:
    """A CPU endpoint whose function does *code*."""
    return f"{CPU}def work():\n{indent(code, '    ')}\n"


def top(code: str) -> str:
    """A CPU endpoint in a module that begins with *code*."""
    return f"{code}\n{CPU}{WORK}"


MISSING = {
    "at the top": (top("import yaml"), "app.py:1", "endpoint 'worker' imports 'yaml'"),
    "in the function": (body("import yaml"), "app.py:5", "endpoint 'worker' imports 'yaml'"),
    "a part of it": (body("from yaml.nodes import Node"), "app.py:5", "'yaml'"),
    "by another name": (top("import yaml as settings"), "app.py:1", "'yaml'"),
    "one of several": (top("import json, yaml"), "app.py:1", "'yaml'"),
    "in the body of a class": (top("class Model:\n    import yaml"), "app.py:2", "'yaml'"),
    "in a block": (body("with open('x') as file:\n    import yaml"), "app.py:6", "'yaml'"),
    "in the branch for Linux": (top("import sys\nif sys.platform == 'linux':\n    import yaml"), "app.py:3", "'yaml'"),
    "in the branch for this Python": (
        top("import sys\nif sys.version_info >= (3, 11):\n    import yaml"),
        "app.py:3",
        "'yaml'",
    ),
    "where not only types are checked": (
        top("from typing import TYPE_CHECKING\nif not TYPE_CHECKING:\n    import yaml"),
        "app.py:3",
        "'yaml'",
    ),
    "beside a guard": (top("try:\n    import ujson\nexcept ImportError:\n    pass\nimport yaml"), "app.py:5", "'yaml'"),
    "where something else is caught": (
        top("try:\n    import yaml\nexcept ValueError:\n    pass"),
        "app.py:2",
        "'yaml'",
    ),
    "in the end of a try": (top("try:\n    pass\nfinally:\n    import yaml"), "app.py:4", "'yaml'"),
    "in a helper that it calls": (
        top("def load(text):\n    import yaml\n    return yaml.safe_load(text)").replace("...", "return load('')"),
        "app.py:2",
        "'yaml'",
    ),
    "removed from the standard library": (
        body("import imp"),
        "app.py:5",
        "'imp', Python 3.12 removed it from the standard library",
    ),
    "of Windows": (top("import winreg"), "app.py:1", "'winreg', the standard library has it on Windows only"),
    "torch, without a GPU": (body("import torch"), "app.py:5", "'torch', which nothing provides"),
}


@pytest.mark.parametrize("case", MISSING)
def test_an_import_that_nothing_provides_is_found(case: str, tmp_path: Path) -> None:
    """One error, at the statement."""
    source, place, words = MISSING[case]
    (finding,) = audited(tmp_path, {"app.py": source})
    assert f"{finding.path}:{finding.line}" == place
    assert words in finding.message
    assert finding.is_error
    assert finding.hint


GUARDED = {
    "a fallback": "try:\n    import yaml\nexcept ImportError:\n    yaml = None",
    "a fallback module": "try:\n    import ujson as json\nexcept ModuleNotFoundError:\n    import simplejson as json",
    "one of several errors": "try:\n    import yaml\nexcept (ImportError, OSError):\n    yaml = None",
    "any error": "try:\n    import yaml\nexcept Exception:\n    yaml = None",
    "a bare except": "try:\n    import yaml\nexcept:\n    yaml = None",
    "what follows in else": "try:\n    import yaml\nexcept ImportError:\n    pass\nelse:\n    import yaml.nodes",
    "suppressed": "import contextlib\nwith contextlib.suppress(ImportError):\n    import yaml",
    "types": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import yaml",
    "types by their module": "import typing\nif typing.TYPE_CHECKING:\n    import yaml",
    "Windows": "import sys\nif sys.platform == 'win32':\n    import winreg",
    "Windows by its start": "import sys\nif sys.platform.startswith('win'):\n    import winreg",
    "not Linux": "import sys\nif sys.platform != 'linux':\n    import pywintypes",
    "another system": "import platform\nif platform.system() == 'Darwin':\n    import AppKit",
    "an older Python": "import sys\nif sys.version_info < (3, 11):\n    import tomli",
    "the else of a newer one": "import sys\nif sys.version_info >= (3, 11):\n    pass\nelse:\n    import tomli",
    "asked before": "import importlib.util\nif importlib.util.find_spec('yaml'):\n    import yaml",
    "asked before, by a name": "from importlib.util import find_spec\nHERE = find_spec('yaml') is not None\n"
    "if HERE:\n    import yaml",
    "a flag": "try:\n    import yaml\n    ON = True\nexcept ImportError:\n    ON = 0\nif ON:\n    import yaml.nodes",
    "run as a script": "if __name__ == '__main__':\n    import yaml",
    "never": "if False:\n    import yaml",
}


@pytest.mark.parametrize("case", GUARDED)
@pytest.mark.parametrize("place", [top, body])
def test_a_guarded_import_is_left_alone(case: str, place: object, tmp_path: Path) -> None:
    """Who asks first, or catches what comes of it, knows what to do."""
    assert audited(tmp_path, {"app.py": place(GUARDED[case])}) == []  # type: ignore[operator]


FINE = {
    "the standard library": body("import json, os.path, xml.etree.ElementTree\nfrom email.mime import text"),
    "Flash": body("import flash\nfrom runpod_flash import Endpoint"),
    "a distribution of another name": body("import yaml\nfrom yaml.nodes import Node\nfrom yaml import *"),
    "what every image has": body("import requests, pydantic, runpod, fastapi, typing_extensions"),
    "dynamic imports": body("import importlib\nimportlib.import_module('yaml2')\n__import__('yaml3')"),
    "private modules": body("import _socket, _something"),
}


@pytest.mark.parametrize("case", FINE)
def test_what_is_there_is_found(case: str, tmp_path: Path) -> None:
    """Nothing is said of it."""
    assert audited(tmp_path, {"app.py": FINE[case]}, YAML) == []


LOCAL = {
    "a module beside it": {"app.py": body("import helpers"), "helpers.py": ""},
    "a package": {"app.py": body("from pkg.sub import tool"), "pkg/__init__.py": "", "pkg/sub/__init__.py": "tool = 1"},
    "a re-export": {
        "app.py": body("from pkg import tool"),
        "pkg/__init__.py": "from .core import tool",
        "pkg/core.py": "tool = 1",
    },
    "a re-export of everything": {
        "app.py": body("from pkg import tool"),
        "pkg/__init__.py": "from .core import *",
        "pkg/core.py": "tool = 1",
    },
    "what comes to be on demand": {
        "app.py": body("from pkg import tool"),
        "pkg/__init__.py": "def __getattr__(name):\n    return name\n",
    },
    "a namespace package": {
        "app.py": body("import space.tool\nfrom space import other"),
        "space/tool.py": "",
        "space/other.py": "",
    },
    "a relative import": {"pkg/app.py": body("from . import tool\nfrom .tool import x"), "pkg/tool.py": "x = 1"},
    "an src layout": {"src/app.py": body("import helpers"), "src/helpers.py": ""},
    "a circle": {"app.py": body("import one"), "one.py": "import two", "two.py": "import one"},
    "an extension module": {
        "app.py": body("import fast, pkg.faster"),
        "fast.abi3.so": "",
        "pkg/faster.cpython-312-x86_64-linux-gnu.so": "",
    },
    "a folder named as a module is": {"app.py": body("import json.decoder"), "json/data.txt": "x"},
    "what a package puts in its path": {
        "app.py": body("import pkg.elsewhere"),
        "pkg/__init__.py": "__path__.append('/opt/more')",
    },
}


@pytest.mark.parametrize("case", LOCAL)
def test_modules_of_the_project_are_found(case: str, tmp_path: Path) -> None:
    """However they are laid out."""
    assert audited(tmp_path, LOCAL[case]) == []


def test_a_local_module_that_an_ignore_rule_drops_is_named_with_its_importer_and_the_rule(tmp_path: Path) -> None:
    """The rule is where the user has to look."""
    files = {"app.py": body("from helpers import tool"), "helpers.py": "tool = 1\n", ".gitignore": "helpers.py\n"}
    (finding,) = audited(tmp_path, files)
    assert finding.headline == (
        "app.py:5: endpoint 'worker' imports 'helpers', the project's own helpers.py, which does not ship: .gitignore"
        " (import-ignored)"
    )
    assert finding.hint == "if it should ship, write !/helpers.py into .flashignore, or change the rule"
    assert finding.is_error


DROPPED = {
    "a module of a package": (
        {"app.py": body("import pkg.made"), "pkg/__init__.py": "", "pkg/made.py": "", ".gitignore": "made.py"},
        "pkg/made.py",
    ),
    "taken from a package": (
        {"app.py": body("from pkg import made"), "pkg/__init__.py": "", "pkg/made.py": "", ".gitignore": "made.py"},
        "pkg/made.py",
    ),
    "a folder": ({"app.py": body("from build.tools import x"), "build/tools.py": "x = 1"}, "build/tools"),
    "a package": ({"app.py": body("import data"), "data/__init__.py": "", ".flashignore": "data/"}, "data/"),
    "below a folder": (
        {"app.py": body("import a.b.c"), "a/__init__.py": "", "a/b/c.py": "", ".flashignore": "a/b/"},
        "a/b/c",
    ),
    "relative": (
        {"pkg/app.py": body("from ._version import v"), "pkg/_version.py": "v = 1", ".gitignore": "_version.py"},
        "pkg/_version.py",
    ),
    "below src": ({"src/app.py": body("import made"), "src/made.py": "", ".gitignore": "made.py"}, "src/made.py"),
    "tests": ({"app.py": body("from tests.data import x"), "tests/data.py": "x = 1"}, "tests/data"),
    "an extension module": (
        {"app.py": body("import fast"), "fast.cpython-312-x86_64-linux-gnu.so": "", ".gitignore": "*.so"},
        "fast.cpython-312-x86_64-linux-gnu.so",
    ),
}


@pytest.mark.parametrize("case", DROPPED)
def test_whatever_of_the_project_was_dropped_is_found(case: str, tmp_path: Path) -> None:
    """Modules, folders, packages, extensions."""
    files, named = DROPPED[case]
    (finding,) = audited(tmp_path, files)
    assert (finding.code, finding.is_error) == ("import-ignored", True)
    assert f"the project's own {named}" in finding.message


def test_a_module_of_the_project_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """Nobody else can have it."""
    (finding,) = audited(tmp_path, {"app.py": body("import pkg.nothing"), "pkg/__init__.py": ""})
    assert "'pkg.nothing', and the project has no such module" in finding.message


def test_an_extension_module_for_another_python_is_named(tmp_path: Path) -> None:
    """It lies there, and is not looked for."""
    files = {"app.py": body("import fast"), "fast.cpython-311-x86_64-linux-gnu.so": ""}
    (finding,) = audited(tmp_path, files)
    assert finding.code == "import-python"
    assert "fast.cpython-311-x86_64-linux-gnu.so" in finding.message


class TestPerEndpoint:
    """Each endpoint is judged by what its own workers run and have."""

    def test_a_gpu_image_has_torch_and_a_cpu_image_has_not(self, tmp_path: Path) -> None:
        """The same import is fine in one, and an error in the other."""
        files = {"gpu.py": f"{GPU}def train():\n    import torch, numpy\n", "cpu.py": body("import torch")}
        excluded = {"torch": "the GPU image ships it"}
        (finding,) = audited(tmp_path, files, excluded=excluded)
        assert (finding.path, finding.is_error) == ("cpu.py", True)
        assert "'torch', which was left out (the GPU image ships it), and its image has none" in finding.message
        assert finding.hint.startswith('bundle = ["torch"]')

    def test_what_another_endpoint_does_in_its_function_happens_elsewhere(self, tmp_path: Path) -> None:
        """Endpoints may stand in one module, and call each other."""
        both = f"{GPU}def train():\n    import torch\n\n{CPU.partition('@')[1]}{CPU.partition('@')[2]}{WORK}"
        files = {"app.py": both, "other.py": body("from app import train\ntrain()").replace("work", "call")}
        assert audited(tmp_path, files) == []

    def test_a_helper_may_be_meant_for_the_endpoint_that_has_what_it_needs(self, tmp_path: Path) -> None:
        """A CPU endpoint that uses another function of the same module is fine."""
        files = {
            "tools.py": "def plain():\n    return 1\n\ndef heavy():\n    import torch\n    return torch\n",
            "gpu.py": f"{GPU}def train():\n    from tools import heavy\n    return heavy()\n",
            "cpu.py": body("from tools import plain\nreturn plain()"),
        }
        assert audited(tmp_path, files) == []

    def test_a_helper_that_it_calls_is_its_own(self, tmp_path: Path) -> None:
        """By whatever name it is imported."""
        files = {
            "tools.py": "def heavy():\n    import torch\n    return torch\n",
            "cpu.py": body("from tools import heavy as run\nreturn run()"),
        }
        (finding,) = audited(tmp_path, files)
        assert (finding.path, finding.line, finding.is_error) == ("tools.py", 2, True)

    def test_a_function_of_the_same_name_elsewhere_is_another(self, tmp_path: Path) -> None:
        """Unless it is imported, or an attribute of something."""
        files = {
            "tools.py": "import other\n\ndef load():\n    return other\n\ndef plain():\n    return load()\n",
            "other.py": "def load():\n    import toml\n",
            "cpu.py": body("from tools import plain\nreturn plain()"),
        }
        assert [finding.is_error for finding in audited(tmp_path, files)] == [False]

    def test_what_is_never_run_calls_nothing(self, tmp_path: Path) -> None:
        """A branch for another system."""
        files = {
            "tools.py": "import sys\n\ndef load():\n    import toml\n\nif sys.platform == 'win32':\n    load()\n",
            "cpu.py": body("import tools\nreturn tools"),
        }
        assert [finding.is_error for finding in audited(tmp_path, files)] == [False]

    def test_what_nothing_calls_is_a_warning(self, tmp_path: Path) -> None:
        """A worker may never come to it."""
        files = {
            "tools.py": "def plain():\n    return 1\n\ndef plot():\n    import matplotlib\n",
            "cpu.py": body("from tools import plain\nreturn plain()"),
        }
        (finding,) = audited(tmp_path, files)
        assert not finding.is_error
        assert finding.message == "endpoint 'worker' may import 'matplotlib', which nothing provides"

    def test_what_a_condition_decides_is_a_warning(self, tmp_path: Path) -> None:
        """Nobody can tell whether it holds."""
        (finding,) = audited(tmp_path, {"app.py": body("import os\nif os.environ.get('X'):\n    import yaml")})
        assert not finding.is_error

    def test_what_a_guard_keeps_out_may_import_what_it_likes(self, tmp_path: Path) -> None:
        """The failure of a module is the failure of its import."""
        files = {
            "app.py": top("try:\n    from extras import tool\nexcept ImportError:\n    tool = None"),
            "extras.py": "import toml\ntool = 1\n",
        }
        findings = audited(tmp_path, files)
        assert [finding.is_error for finding in findings] == [False]
        assert "no endpoint imports this module" in findings[0].message

    def test_methods_of_a_class_are_its_own(self, tmp_path: Path) -> None:
        """What is called over the wire, and what the interpreter calls."""
        methods = "    def __init__(self):\n        import yaml\n    def run(self):\n        import toml\n"
        found = audited(tmp_path, {"app.py": f"{CPU}class Model:\n{methods}"})
        assert [(finding.line, finding.is_error) for finding in found] == [(6, True), (8, True)]

    def test_endpoints_with_the_same_gap_share_a_finding(self, tmp_path: Path) -> None:
        """One import, one line."""
        names = ["a", "b", "c", "d", "e"]
        files = {f"{name}.py": f"import shared\n{CPU.replace('worker', name)}def run_{name}(): ...\n" for name in names}
        (finding,) = audited(tmp_path, {**files, "shared.py": "import yaml\n"})
        assert finding.message.startswith("endpoints 'a', 'b', 'c' and 2 more import 'yaml'")

    def test_a_script_that_no_endpoint_imports_is_a_warning(self, tmp_path: Path) -> None:
        """Once for each name; the scripts of tools are not spoken of."""
        files = {
            "app.py": f"{CPU}{WORK}",
            "train.py": "import toml\n",
            "plot.py": "import toml\n",
            "setup.py": "import setuptools\n",
        }
        (finding,) = audited(tmp_path, files)
        assert (finding.path, finding.is_error) == ("plot.py", False)


def test_a_long_way_to_an_import_is_followed(tmp_path: Path) -> None:
    """However many modules lie between."""
    files = {f"m{number}.py": f"import m{number + 1}\n" for number in range(1500)}
    (finding,) = audited(tmp_path, {"app.py": body("import m0"), **files, "m1500.py": "import toml\n"})
    assert (finding.path, finding.is_error) == ("m1500.py", True)


def test_a_setting_says_what_else_an_image_has(tmp_path: Path) -> None:
    """By the name of the distribution or of the module."""
    files = {"app.py": body("import yaml\nimport cv2.dnn")}
    assert audited(tmp_path, files, provided={"worker": ["PyYAML", "cv2"]}) == []


def test_a_folder_that_was_dropped_may_be_named_as_what_the_image_has(tmp_path: Path) -> None:
    """As caches and results are."""
    files = {"app.py": body("import requests\nimport wandb"), "requests/log.txt": "", "wandb/log.txt": ""}
    ignored = {".gitignore": "requests/\nwandb/\n"}
    assert audited(tmp_path, {**files, **ignored}, provided={"worker": ["wandb"]}) == []


def test_what_the_user_left_out_is_a_warning(tmp_path: Path) -> None:
    """They may know that the image has it; the tables do not."""
    (finding,) = audited(tmp_path, {"app.py": body("import sklearn.svm")}, excluded={"scikit-learn": "--exclude"})
    assert not finding.is_error
    assert finding.hint == 'if the image has it, write provided = ["scikit-learn"] in [tool.flash]'


def test_what_an_image_has_by_chance_is_to_be_declared(tmp_path: Path) -> None:
    """Something else in it needs it today."""
    (finding,) = audited(tmp_path, {"app.py": body("import httpx")})
    assert (finding.code, finding.is_error) == ("import-undeclared", True)


def test_modules_of_a_namespace_are_told_apart(tmp_path: Path) -> None:
    """Several distributions share a folder that is no package."""
    shipped = Shipped("protobuf", ("google/protobuf/__init__.py",))
    files = {
        "app.py": body("from google.protobuf import message\nfrom google.cloud import storage\nfrom google import auth")
    }
    found = audited(tmp_path, files, shipped)
    assert [finding.message.split(" imports ")[1].split(",")[0] for finding in found] == [
        "'google.cloud'",
        "'google.auth'",
    ]


HINTS = {
    "yaml": "PyYAML",
    "cv2": "opencv-python-headless",
    "PIL": "pillow",
    "sklearn": "scikit-learn",
    "bs4": "beautifulsoup4",
    "my_tool": "my-tool",
}


@pytest.mark.parametrize("module", HINTS)
def test_a_hint_has_the_name_on_the_index(module: str, tmp_path: Path) -> None:
    """It is often another one."""
    (finding,) = audited(tmp_path, {"app.py": body(f"import {module}")})
    assert f"add '{HINTS[module]}' to dependencies" in finding.hint


@pytest.mark.parametrize("python", PYTHON_VERSIONS)
def test_the_standard_library_is_the_workers(python: str, tmp_path: Path) -> None:
    """Whatever Python builds."""
    version = tuple(map(int, python.split(".")))
    since = {"binhex": (0, 3, 11), "imp": (0, 3, 12), "cgi": (0, 3, 13), "tomllib": (3, 11, 99)}
    for module, (first, second, third) in since.items():
        lives = version < (second, third) if first == 0 else version >= (first, second)
        found = audited(tmp_path / module, {"app.py": body(f"import {module}")}, python=python)
        assert (not found) is lives


@given(
    depth=st.lists(
        st.sampled_from(["if flag:", "for x in y:", "with a:", "while b:", "class C:", "def f():"]), max_size=5
    ),
    guard=st.sampled_from(["try:", "if TYPE_CHECKING:", "with suppress(ImportError):"]),
)
def test_no_nesting_makes_an_error_of_a_guarded_import(depth: list[str], guard: str) -> None:
    """A guard holds however deep it stands, and whatever stands below it."""
    import ast

    from flash.bundle.audit.statements import Level, units_of
    from flash.bundle.modules import Module

    lines = [*depth[: len(depth) // 2], guard, *depth[len(depth) // 2 :], "import yaml"]
    text = "\n".join("    " * number + line for number, line in enumerate(lines))
    if guard == "try:":
        text += "\n" + "    " * (len(depth) // 2) + "except ImportError: pass"
    module = Module(path="a.py", name="a", tree=ast.parse(text), is_package=False, source=text)
    levels = {site.level for unit in units_of(module, "3.12") for site in unit.sites}
    assert levels <= {Level.GUARDED}


@pytest.mark.parametrize("folder", [*sorted(EXAMPLES.iterdir()), SKELETON], ids=lambda folder: folder.name)
def test_the_examples_are_clean(folder: Path, tmp_path: Path) -> None:
    """What we show and what ``flash init`` writes."""
    files = {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in folder.rglob("*")
        if path.suffix in {".py", ".toml"}
    }
    shipped = (Shipped("python-slugify", ("slugify/__init__.py",)), Shipped("rapidfuzz", ("rapidfuzz/__init__.py",)))
    assert audited(tmp_path, files, *shipped) == []


def test_the_same_of_several_lines_is_told_of_the_first(tmp_path: Path) -> None:
    """A file that imports much of what is missing has one gap."""
    (finding,) = audited(tmp_path, {"app.py": body("import toml.a\nfrom toml import b\nfrom toml.c import d")})
    assert finding.line == 5


def test_findings_come_in_an_order_of_their_own(tmp_path: Path) -> None:
    """Errors first, then by place, whatever the order of files."""
    files = {
        "b.py": "import nob\nimport nox\n",
        "app.py": f"import b\nimport noa\n{CPU}{WORK}",
        "train.py": "import noc\n",
    }
    found = audited(tmp_path, files)
    places = [(finding.path, finding.line) for finding in found]
    assert places == [("app.py", 2), ("b.py", 1), ("b.py", 2), ("train.py", 1)]
