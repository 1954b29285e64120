"""The table of the gate: for each way to run tests, whether a promotion happened, and if not, which condition refused.

Each row is a run of pytest with ``--flash-deploy`` in a project whose tests all pass, but for what the row changes. A
row says what its exit status is, what the report says, and which codes stand in the way; whether a promotion was asked
for is read from the fake pipeline.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
from fakes_pytest_flash import CONFTEST, SETTINGS

from pytest_flash.stages import Stages

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fakes_pytest_flash import FlashProject

OK, FAILED, INTERRUPTED, INTERNAL, USAGE = range(5)
IS_9 = pytest.version_tuple >= (9,)

ONE = "def test_one(): pass\n\ndef test_other(): pass\n"
TWO = "def test_two(): pass\n"
# contract checks with one input each: how many they try is not what is asked here
NAME = {
    "type": "object",
    "properties": {"name": {"enum": ["Ada"]}},
    "required": ["name"],
    "additionalProperties": False,
}
SCHEMAS = {"schemas": {name: {"input": NAME} for name in ("hello", "echo")}}
TARGET = 'target = "local"'
FILES = {
    "scenario.json": json.dumps(SCHEMAS),
    "tests/test_one.py": ONE,
    "tests/test_two.py": TWO,
    "pyproject.toml": SETTINGS + 'testpaths = ["tests"]\n',
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One way to run the tests.

    Attributes:
        arguments: Beside ``--flash-deploy`` and ``--flash-report``.
        files: Beside :data:`FILES`, or in place of them; an empty text: without that one.
        settings: Lines after ``testpaths`` in ``[tool.pytest.ini_options]``.
        before: Arguments of a run before, without a deployment, in which ``BROKEN`` is set.
        codes: What is in the way, without ``FLASH-G``; none: it is promoted, unless *outcome* says something else.
        evidence: A part of the evidence of one of these, or of a note.
        outcome: Of the report; None: there is none.
        variables: Of the environment.
        is_child: Whether it needs a process of its own.
        needs: A plugin that it needs.
        protection: Lines of ``[tool.flash.environments.production]``.
        branch: What is checked out; ``HEAD``: a detached head; empty: there is no checkout.
        is_dirty: Whether a file there is not committed.
        is_early: Whether it is refused before anything is built.
    """

    arguments: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    settings: str = ""
    before: tuple[str, ...] | None = None
    codes: str = ""
    evidence: str = ""
    outcome: str | None = ""
    status: int | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    is_child: bool = False
    needs: str = ""
    protection: str = ""
    branch: str = ""
    is_dirty: bool = False
    is_early: bool = False


def check(project: FlashProject, monkeypatch: pytest.MonkeyPatch, row: Row) -> None:
    """Run it, and compare."""
    if row.needs:
        pytest.importorskip(row.needs)
    prepare(project, row)
    if row.before is not None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("BROKEN", "1")
            project.run(*row.before)
    for name, value in row.variables.items():
        monkeypatch.setenv(name, value.format(path=project.path, PYTHONPATH=os.environ["PYTHONPATH"]))
    # after the gate, and a second for each row: no test here is marked for the smoke run
    monkeypatch.setattr(Stages, "_run_pytest", lambda *_, **__: (int(pytest.ExitCode.NO_TESTS_COLLECTED), ""))
    run = project.run_in_child if row.is_child else project.run
    result = run("--flash-deploy=production", "--flash-report=report.json", *row.arguments)
    compare(project, row, int(result.ret))


def prepare(project: FlashProject, row: Row) -> None:
    """Write the project's files."""
    files = {**FILES, **row.files}
    files["pyproject.toml"] += f"{row.settings}\n"
    files["pyproject.toml"] = files["pyproject.toml"].replace(TARGET, f"{TARGET}\n{row.protection}")
    project.write({name: text for name, text in files.items() if text})
    if row.branch:
        git = ("git", "-c", "user.email=dev@example.org", "-c", "user.name=dev", "-c", "commit.gpgsign=false")
        commands: list[tuple[str, ...]] = [("init", "-q", "-b", row.branch), ("add", "."), ("commit", "-qm", "all")]
        if row.branch == "HEAD":
            commands[0] = ("init", "-q")
            commands.append(("checkout", "-q", "--detach"))
        for command in commands:
            subprocess.run([*git, *command], cwd=project.path, check=True)
    if row.is_dirty:
        project.write({"notes.txt": "not committed"})


def compare(project: FlashProject, row: Row, status: int) -> None:
    """What was promoted, what the report says, and how the run ended."""
    outcome = row.outcome if row.outcome != "" else ("refused" if row.codes else "deployed")
    report: Any = project.report() if (project.path / "report.json").exists() else None
    gate = [] if report is None else report["gate"]
    in_the_way = {condition["code"] for condition in gate if condition["outcome"] in {"refused", "inconclusive"}}
    told = [line for condition in gate for line in condition["evidence"]]
    told += [] if report is None else report["gate_notes"]
    seen = (outcome if report is None and outcome is None else report and report["outcome"], told)
    assert (seen[0], in_the_way) == (outcome, {f"FLASH-G{code}" for code in row.codes.split()}), told
    assert ("promote" in project.events) is (outcome == "deployed")
    if row.is_early:
        assert project.events == []
        assert {condition["outcome"] for condition in gate[:9]} == {"not-judged"}
    assert [line for line in told if row.evidence in line] or not row.evidence, told
    default = OK if outcome == "deployed" else FAILED
    assert status == (default if row.status is None else row.status)


MARKS = {
    "tests/test_one.py": """
        import pytest

        @pytest.mark.slow
        def test_one(): pass

        def test_other(): pass
    """
}
SELECTING = {
    "nothing special": Row(),
    "-k of all": Row(arguments=("-k", "test or contract")),
    "-k": Row(arguments=("-k", "not two"), codes="004", evidence="1 test deselected: tests/test_two.py::test_two"),
    "-k of nothing": Row(arguments=("-k", "nothing"), codes="001 004 006"),
    "-k without the contract": Row(arguments=("-k", "not contract"), codes="004 006"),
    "-m": Row(arguments=("-m", "not slow"), files=MARKS, settings='markers = ["slow"]', codes="004"),
    "-m of all": Row(arguments=("-m", "not slow"), settings='markers = ["slow"]'),
    "-k in PYTEST_ADDOPTS": Row(variables={"PYTEST_ADDOPTS": "-k one"}, codes="004 006"),
    "-m in addopts": Row(settings='addopts = "-m \'not slow\'"\nmarkers = ["slow"]', files=MARKS, codes="004"),
    "--deselect": Row(arguments=("--deselect", "tests/test_two.py"), codes="004 005"),
    "--deselect in addopts": Row(settings='addopts = "--deselect=tests/test_two.py"', codes="004"),
    "a node id": Row(
        arguments=("tests/test_one.py::test_one",), codes="005", evidence="path arguments: tests/test_one"
    ),
    "every node id": Row(arguments=("tests/test_one.py::test_one", "tests/test_one.py::test_other"), codes="005"),
    "a file": Row(arguments=("tests/test_one.py",), codes="005"),
    "every file": Row(arguments=("tests/test_one.py", "tests/test_two.py"), codes="005"),
    "testpaths": Row(arguments=("tests",)),
    "testpaths twice": Row(arguments=("tests", "tests")),
    "testpaths and a node id": Row(arguments=("tests", "tests/test_one.py::test_one")),
    "the root": Row(arguments=(".",)),
    "one of two testpaths": Row(
        files={"pyproject.toml": SETTINGS + 'testpaths = ["tests", "more"]\n', "more/test_more.py": TWO},
        arguments=("tests",),
        codes="005",
    ),
    "a folder in a project without testpaths": Row(
        files={"pyproject.toml": SETTINGS}, arguments=("tests",), codes="005"
    ),
    "testpaths of a dot": Row(files={"pyproject.toml": SETTINGS + 'testpaths = ["."]\n'}),
    "testpaths that are not there": Row(
        files={"pyproject.toml": SETTINGS.replace('["error"]', "[]") + 'testpaths = ["missing"]\n'}
    ),
    "--keep-duplicates": Row(arguments=("--keep-duplicates", "tests", "tests")),
    "arguments from a file": Row(
        files={"arguments.txt": "--ignore=tests/test_two.py"}, arguments=("@arguments.txt",), codes="005"
    ),
    "--ignore": Row(arguments=("--ignore=tests/test_two.py",), codes="005"),
    "--ignore in two words": Row(arguments=("--ignore", "tests/test_two.py"), codes="005"),
    "--ignore-glob": Row(arguments=("--ignore-glob=*two*",), codes="005"),
    "--ignore in PYTEST_ADDOPTS": Row(variables={"PYTEST_ADDOPTS": "--ignore=tests/test_two.py"}, codes="005"),
    "--ignore in addopts": Row(
        settings='addopts = "--ignore=tests/test_two.py"',
        evidence="not collected, as the project's own settings want it: tests/test_two.py",
    ),
    "--pyargs of a folder": Row(arguments=("--pyargs", "tests"), codes="005"),
    "--pyargs of a module": Row(arguments=("--pyargs", "json"), codes="005", status=FAILED),
    "--pyargs": Row(arguments=("--pyargs",), files={"pyproject.toml": SETTINGS}),
    "--import-mode": Row(arguments=("--import-mode=importlib",)),
    "--doctest-modules": Row(arguments=("--doctest-modules",), files={"tests/helper.py": '"""\n>>> 1\n1\n"""\n'}),
    "a doctest that fails": Row(
        arguments=("--doctest-modules",), files={"tests/helper.py": '"""\n>>> 1\n2\n"""\n'}, codes="002"
    ),
}

OTHER_SETTINGS = "[pytest]\ntestpaths = tests\npython_files = test_one.py\n"
ELSEWHERE = {"elsewhere/pyproject.toml": SETTINGS, "elsewhere/tests/test_far.py": TWO}
SETTINGS_OF_THE_RUN = {
    "-o testpaths": Row(arguments=("-o", "testpaths=tests/test_one.py"), codes="005", evidence="option -o testpaths="),
    "-o python_files": Row(arguments=("-o", "python_files=test_one.py"), codes="005"),
    "-o python_functions": Row(arguments=("--override-ini=python_functions=test_o*",), codes="005"),
    "-o addopts": Row(settings='addopts = "--doctest-modules"', arguments=("-o", "addopts="), codes="005"),
    "-o norecursedirs": Row(arguments=("-o", "norecursedirs=deep"), codes="005"),
    "-o xfail_strict": Row(arguments=("-o", "xfail_strict=false"), codes="005"),
    "-o of where to write": Row(arguments=("-o", "cache_dir=.cache", "-o", "log_level=DEBUG")),
    "-c of other settings": Row(files={"other.ini": OTHER_SETTINGS}, arguments=("-c", "other.ini"), codes="005"),
    "-c of what is hidden by others": Row(
        files={"pytest.ini": "[pytest]\ntestpaths = tests\n", "tox.ini": OTHER_SETTINGS},
        arguments=("-c", "tox.ini"),
        codes="005",
    ),
    "-c of the project's own": Row(arguments=("-c", "pyproject.toml")),
    "-c in PYTEST_ADDOPTS": Row(
        files={"other.ini": OTHER_SETTINGS}, variables={"PYTEST_ADDOPTS": "-c other.ini"}, codes="005"
    ),
    "settings of a folder within": Row(
        files={
            "part/pytest.ini": "[pytest]\ntestpaths = unit\n",
            "part/unit/test_unit.py": TWO,
            "part/conftest.py": CONFTEST.replace("config.rootpath", "config.rootpath.parent"),
        },
        arguments=("part",),
        codes="005",
        evidence="not those of the whole project",
    ),
    "--rootdir of the root": Row(arguments=("--rootdir=.", "tests")),
    "--rootdir elsewhere": Row(
        files={"part/tests/test_part.py": TWO, "part/conftest.py": ""},
        arguments=("--rootdir=part", "part/tests"),
        codes="005",
        is_child=True,
        variables={"FLASH_FAKE_ROOT": "."},
    ),
    "--flash-root elsewhere": Row(files=ELSEWHERE, arguments=("--flash-root=elsewhere",), codes="005"),
    "--flash-root of the root": Row(arguments=("--flash-root=.",)),
    "--noconftest": Row(
        files={"own.py": CONFTEST},
        arguments=("--noconftest", "-p", "own"),
        variables={"PYTHONPATH": "{path}:{PYTHONPATH}"},
        codes="005",
        is_child=True,
    ),
    "--confcutdir": Row(arguments=("--confcutdir=.",), codes="005"),
    "-p no:terminal": Row(arguments=("-p", "no:terminal")),
    "-p no:cacheprovider": Row(arguments=("-p", "no:cacheprovider")),
    "-p no:junitxml": Row(arguments=("-p", "no:junitxml")),
    "-p no:xdist": Row(arguments=("-p", "no:xdist")),
    "-p no:warnings": Row(arguments=("-p", "no:warnings")),
    "-p no:python": Row(arguments=("-p", "no:python"), codes="005", evidence="option -p no:python"),
    "-p no:unittest": Row(
        files={"tests/test_two.py": "import unittest\nclass T(unittest.TestCase):\n    def test_it(self): assert 0\n"},
        arguments=("-p", "no:unittest"),
        codes="005",
    ),
    "-p no: of the project's own": Row(settings='addopts = "-p no:doctest"'),
    "-p no:flash-observer": Row(arguments=("-p", "no:flash-observer"), codes="001 003 005 006"),
    "-p no:flash-contract": Row(arguments=("-p", "no:flash-contract"), codes="005 006"),
    "-p no:flash-watch": Row(arguments=("-p", "no:flash-watch", "-k", "not two"), codes="005"),
    "-p no:flash-doorkeeper": Row(arguments=("-p", "no:flash-doorkeeper"), codes="005"),
    "-p no:flash-watch in addopts": Row(settings='addopts = "-p no:flash-watch"', codes="005"),
    "-p no:flash": Row(arguments=("-p", "no:flash"), outcome=None, status=USAGE, is_child=True),
    "-q": Row(arguments=("-q",)),
    "-qq": Row(arguments=("-qq",)),
    "-v": Row(arguments=("-v",)),
    "-s": Row(arguments=("-s",)),
    "--no-header and --no-summary": Row(arguments=("--no-header", "--no-summary")),
    "-W error": Row(arguments=("-W", "error")),
}

BROKEN = """
    import os

    def test_one(): assert "BROKEN" not in os.environ

    def test_other(): pass
"""
FAILING = """
    def test_one(): assert False

    def test_other(): pass
"""
FAILING_LATE = {"tests/test_two.py": "def test_two(): assert False\n"}
CUTTING = {
    "-x": Row(arguments=("-x",)),
    "-x and a failure": Row(arguments=("-x",), files={"tests/test_one.py": FAILING}, codes="002 003"),
    "-x and a failure of the last test": Row(arguments=("-x",), files=FAILING_LATE, codes="002 003"),
    "--maxfail": Row(arguments=("--maxfail=1",)),
    "--maxfail that is reached": Row(arguments=("--maxfail=1",), files={"tests/test_one.py": FAILING}, codes="002 003"),
    "--maxfail that is not reached": Row(arguments=("--maxfail=2",), files={"tests/test_one.py": FAILING}, codes="002"),
    "--exitfirst in addopts": Row(settings='addopts = "-x"', files={"tests/test_one.py": FAILING}, codes="002 003"),
    "--lf, nothing failed before": Row(before=(), arguments=("--lf",)),
    "--lf without a run before": Row(arguments=("--lf",)),
    "--lf": Row(
        files={"tests/test_one.py": BROKEN}, before=(), arguments=("--lf",), codes="004 005 006", evidence="option --lf"
    ),
    "--lf in PYTEST_ADDOPTS": Row(
        files={"tests/test_one.py": BROKEN}, before=(), variables={"PYTEST_ADDOPTS": "--lf"}, codes="004 005 006"
    ),
    "--lf without failures, none": Row(before=(), arguments=("--lf", "--lfnf=none"), codes="001 004 006"),
    "--ff": Row(files={"tests/test_one.py": BROKEN}, before=(), arguments=("--ff",)),
    "--nf": Row(before=(), arguments=("--nf",)),
    "--sw": Row(arguments=("--sw",)),
    "--sw and a failure": Row(arguments=("--sw",), files={"tests/test_one.py": FAILING}, codes="002 003"),
    "--sw after a failure": Row(
        files={"tests/test_two.py": BROKEN}, before=("--flash-preview", "--sw"), arguments=("--sw",), codes="004 006"
    ),
    "--stepwise-skip": Row(arguments=("--sw-skip",), files={"tests/test_one.py": FAILING}, codes="002"),
    "--collect-only": Row(arguments=("--collect-only",), outcome=None, status=OK),
    "--co -q": Row(arguments=("--co", "-q"), outcome=None, status=OK),
    "--setup-only": Row(arguments=("--setup-only",), codes="001 003 006"),
    "--setup-plan": Row(arguments=("--setup-plan",), codes="001 003 006"),
    "--setup-show": Row(arguments=("--setup-show",)),
    "--fixtures": Row(arguments=("--fixtures",), outcome=None, status=OK),
    "--fixtures-per-test": Row(arguments=("--fixtures-per-test",), outcome=None, status=OK),
    "--cache-show": Row(arguments=("--cache-show",), outcome=None, status=OK),
    "--markers": Row(arguments=("--markers",), outcome=None, status=OK),
    "--help": Row(arguments=("--help",), outcome=None, status=OK),
    "--version": Row(arguments=("--version",), outcome=None, status=OK),
    "pytest.exit": Row(
        files={"tests/test_two.py": "import pytest\ndef test_two(): pytest.exit('enough')\n"},
        outcome="interrupted",
        status=INTERRUPTED,
    ),
    "pytest.exit that says success": Row(
        files={"tests/test_two.py": "import pytest\ndef test_two(): pytest.exit('enough', returncode=0)\n"},
        outcome="interrupted",
        status=FAILED,
    ),
    "pytest.exit while collecting": Row(
        files={"tests/test_two.py": "import pytest\npytest.exit('enough', returncode=0)\n"},
        codes="001 002 003 006 007",
    ),
    "--looponfail": Row(arguments=("-f",), outcome=None, status=USAGE, needs="xdist"),
    "Ctrl+C": Row(
        files={
            "tests/test_two.py": "import os, signal\ndef test_two():\n"
            "    os.kill(os.getpid(), signal.SIGINT)\n    signal.pause()\n"
        },
        outcome="interrupted",
        status=INTERRUPTED,
        is_child=True,
    ),
    "shouldstop": Row(
        files={"tests/test_two.py": "def test_two(request): request.session.shouldstop = 'no time left'\n"},
        codes="003",
        evidence="no time left",
    ),
    "shouldfail": Row(
        files={"tests/test_two.py": "def test_two(request): request.session.shouldfail = 'too bad'\n"}, codes="003"
    ),
    "an end of the process": Row(
        files={"tests/test_two.py": "import os\ndef test_two(): os._exit(0)\n"}, outcome=None, status=OK, is_child=True
    ),
    "sys.exit": Row(files={"tests/test_two.py": "import sys\ndef test_two(): sys.exit(0)\n"}, codes="002"),
}


def two(text: str) -> dict[str, str]:
    """``test_two.py`` in another way."""
    return {"tests/test_two.py": "import pytest\n" + text}


OUTCOMES = {
    "a failure": Row(files={"tests/test_one.py": FAILING}, codes="002"),
    "xfail": Row(
        files=two("@pytest.mark.xfail(reason='known')\ndef test_two(): assert 0\n"),
        evidence="failed as expected: tests",
    ),
    "xfail, strict": Row(files=two("@pytest.mark.xfail(strict=True)\ndef test_two(): assert 0\n")),
    "xfail of another error": Row(
        files=two("@pytest.mark.xfail(raises=ValueError)\ndef test_two(): assert 0\n"), codes="002"
    ),
    "xfail in the test": Row(files=two("def test_two(): pytest.xfail('known')\n"), evidence="failed as expected"),
    "xfail that is not run": Row(files=two("@pytest.mark.xfail(run=False)\ndef test_two(): assert 0\n")),
    "xpass": Row(
        files={**two("@pytest.mark.xfail(strict=False)\ndef test_two(): pass\n")},
        evidence="passed although expected to fail",
    ),
    "xpass, strict": Row(files=two("@pytest.mark.xfail(strict=True)\ndef test_two(): pass\n"), codes="002"),
    "--runxfail": Row(
        arguments=("--runxfail",), files=two("@pytest.mark.xfail\ndef test_two(): assert 0\n"), codes="002"
    ),
    "skip": Row(
        files=two("@pytest.mark.skip('not now')\ndef test_two(): pass\n"), evidence="skipped: tests/test_two.py"
    ),
    "skipif": Row(files=two("@pytest.mark.skipif(True, reason='no GPU')\ndef test_two(): pass\n"), evidence="(no GPU)"),
    "skip in the test": Row(files=two("def test_two(): pytest.skip('not now')\n"), evidence="(not now)"),
    "importorskip": Row(
        files=two("pytest.importorskip('nothing_of_that_name')\ndef test_two(): pass\n"),
        evidence="skipped: tests/test_two.py",
    ),
    "a module that skips itself": Row(
        files=two("pytest.skip('not here', allow_module_level=True)\n"),
        evidence="skipped: tests/test_two.py (not here)",
    ),
    "every test is skipped": Row(
        files={
            "tests/conftest.py": "import pytest\ndef pytest_collection_modifyitems(items):\n    for item in items:\n"
            "        item.add_marker(pytest.mark.skip('off'))\n"
        },
        codes="001 006",
    ),
    "reruns, passed in the end": Row(
        files=two("attempts = []\ndef test_two():\n    attempts.append(1)\n    assert len(attempts) > 2\n"),
        arguments=("--reruns=2",),
        evidence="passed after 2 failed attempts: tests/test_two.py::test_two",
        needs="pytest_rerunfailures",
    ),
    "reruns, failed in the end": Row(
        files=two("def test_two(): assert 0\n"), arguments=("--reruns=1",), codes="002", needs="pytest_rerunfailures"
    ),
    "reruns of a set-up": Row(
        files=two(
            "attempts = []\n@pytest.fixture\ndef slow():\n    attempts.append(1)\n"
            "    assert len(attempts) > 1\ndef test_two(slow): pass\n"
        ),
        arguments=("--reruns=1",),
        evidence="passed after 1 failed attempt",
        needs="pytest_rerunfailures",
    ),
    "no test at all": Row(
        files={"tests/test_one.py": "", "tests/test_two.py": "", "tests/readme.txt": "none"},
        evidence="the project has no tests of its own; 2 contract checks passed",
    ),
    "no test and no contract": Row(
        files={"tests/test_one.py": "", "tests/test_two.py": "", "tests/readme.txt": "none"},
        arguments=("-p", "no:flash-contract"),
        codes="001 005 006",
    ),
    "a collection error": Row(files=two("import nothing_of_that_name\n"), codes="001 002 003 006 007"),
    "a syntax error": Row(files=two("def test_two(:\n"), codes="001 002 003 006 007"),
    "--continue-on-collection-errors": Row(
        files=two("import nothing_of_that_name\n"), arguments=("--continue-on-collection-errors",), codes="002"
    ),
    "a set-up that fails": Row(
        files=two("@pytest.fixture\ndef bad(): assert 0\ndef test_two(bad): pass\n"),
        codes="002",
        evidence="1 error: tests",
    ),
    "a tear-down that fails": Row(
        files=two("@pytest.fixture\ndef bad():\n    yield\n    assert 0\ndef test_two(bad): pass\n"), codes="002"
    ),
    "a session's tear-down that fails": Row(
        files=two("@pytest.fixture(scope='session')\ndef bad():\n    yield\n    assert 0\ndef test_two(bad): pass\n"),
        codes="002",
    ),
    "a tear-down that skips": Row(
        files=two("@pytest.fixture\ndef bad():\n    yield\n    pytest.skip('late')\ndef test_two(bad): pass\n"),
        evidence="skipped: tests/test_two.py::test_two (late)",
    ),
    "a warning as an error": Row(
        files=two("import warnings\ndef test_two(): warnings.warn('old', stacklevel=1)\n"), codes="002"
    ),
    "subtests": Row(
        files=two("def test_two(subtests):\n    with subtests.test(msg='part'): pass\n"), needs="_pytest.subtests"
    ),
    "a subtest that fails": Row(
        files=two("def test_two(subtests):\n    with subtests.test(msg='part'): assert 0\n"),
        codes="002",
        needs="_pytest.subtests",
    ),
    "a subtest that is skipped": Row(
        files=two("def test_two(subtests):\n    with subtests.test(msg='part'): pytest.skip('off')\n"),
        evidence="skipped: tests/test_two.py::test_two [part] (off)",
        needs="_pytest.subtests",
    ),
    "unittest": Row(files=two("import unittest\nclass T(unittest.TestCase):\n    def test_it(self): pass\n")),
    "unittest that fails": Row(
        files=two("import unittest\nclass T(unittest.TestCase):\n    def test_it(self): self.fail()\n"), codes="002"
    ),
    "unittest's class set-up that fails": Row(
        files=two(
            "import unittest\nclass T(unittest.TestCase):\n    @classmethod\n    def setUpClass(cls): raise OSError\n"
            "    def test_it(self): pass\n"
        ),
        codes="002",
    ),
    "unittest's expected failure": Row(
        files=two(
            "import unittest\nclass T(unittest.TestCase):\n    @unittest.expectedFailure\n"
            "    def test_it(self): self.fail()\n"
        ),
        evidence="failed as expected",
    ),
    "unittest's unexpected success": Row(
        files=two(
            "import unittest\nclass T(unittest.TestCase):\n    @unittest.expectedFailure\n    def test_it(self): pass\n"
        ),
        codes="002",
    ),
    "unittest's skip": Row(
        files=two(
            "import unittest\nclass T(unittest.TestCase):\n    @unittest.skip('off')\n    def test_it(self): pass\n"
        ),
        evidence="(off)",
    ),
    "an empty set of parameters": Row(
        files=two("@pytest.mark.parametrize('x', [])\ndef test_two(x): pass\n"), evidence="got empty parameter set"
    ),
    "an async test that nothing runs": Row(files=two("async def test_two(): pass\n"), codes="002"),
    "a broken contract": Row(files={"scenario.json": json.dumps({**SCHEMAS, "answers": "number"})}, codes="002 006"),
    "too many warnings": Row(
        files=two("import warnings\ndef test_two(): warnings.warn('old', stacklevel=1)\n"),
        arguments=("--max-warnings=0", "-W", "default"),
        codes="002",
        evidence="max-warnings is 0",
    ),
    "an artifact that was changed": Row(
        files=two("def test_two(flash_artifact): flash_artifact.path.write_bytes(b'other')\n"), codes="007"
    ),
}
if not hasattr(pytest.Config, "max_warnings") and pytest.version_tuple < (9, 1):
    del OUTCOMES["too many warnings"]


def hook(text: str, **more: Any) -> Row:
    """A row whose conftest has a hook."""
    files = {"tests/conftest.py": "import pytest\n" + text, **more.pop("files", {})}
    return Row(files=files, **more)


CHANGED_REPORT = """
@pytest.hookimpl(wrapper=True{first})
def pytest_runtest_makereport(item, call):
    report = yield
    report.outcome = "passed"
    report.longrepr = None
    return report
"""
HOOKS = {
    "deselects": hook(
        "def pytest_collection_modifyitems(config, items):\n    config.hook.pytest_deselected(items=[items.pop()])\n",
        codes="004",
    ),
    "drops a test": hook(
        "def pytest_collection_modifyitems(items): items.pop()\n",
        codes="004",
        evidence="1 test taken out of the run by a hook: tests/test_two.py::test_two",
    ),
    "drops a test when collection is over": hook(
        "def pytest_collection_finish(session): session.items.pop()\n", codes="004"
    ),
    "drops a test before the loop": hook(
        "@pytest.hookimpl(tryfirst=True)\ndef pytest_runtestloop(session): session.items.pop()\n", codes="003"
    ),
    "drops the contract checks": hook(
        "def pytest_collection_modifyitems(items):\n"
        "    items[:] = [item for item in items if 'contract' not in item.nodeid]\n",
        codes="006",
    ),
    "drops everything": hook("def pytest_collection_modifyitems(items): items.clear()\n", codes="001 004 006"),
    "sorts": hook("def pytest_collection_modifyitems(items): items.reverse()\n"),
    "collect_ignore": hook(
        "collect_ignore = ['test_two.py']\n",
        evidence="not collected, as the project's own settings want it: tests/test_two.py",
    ),
    "ignores a folder": hook(
        "def pytest_ignore_collect(collection_path): return True if collection_path.name == 'deep' else None\n",
        files={"tests/deep/test_deep.py": "assert 0"},
        evidence="not collected, as the project's own settings want it: tests/deep",
    ),
    "xfails all": hook(
        "def pytest_collection_modifyitems(items):\n"
        "    for item in items:\n        item.add_marker(pytest.mark.xfail(strict=False))\n",
        codes="001 006",
    ),
    "changes reports": hook(
        CHANGED_REPORT.format(first=""),
        files={"tests/test_one.py": FAILING},
        codes="002",
        evidence="a hook made a pass of it",
    ),
    "changes reports, last of all": hook(
        CHANGED_REPORT.format(first=", tryfirst=True"), files={"tests/test_one.py": FAILING}, codes="002"
    ),
    "changes reports that are told": hook(
        "@pytest.hookimpl(tryfirst=True)\ndef pytest_runtest_logreport(report): report.outcome = 'passed'\n",
        files={"tests/test_one.py": FAILING},
        codes="002",
    ),
    "runs no test": hook("def pytest_runtest_protocol(): return True\n", codes="001 003 006"),
    "runs no loop": hook(
        "@pytest.hookimpl(tryfirst=True)\ndef pytest_runtestloop(): return True\n", codes="001 003 006"
    ),
    "swallows what tests raise": hook(
        "@pytest.hookimpl(wrapper=True)\ndef pytest_runtest_call():\n"
        "    try:\n        yield\n    except AssertionError:\n        pass\n",
        files={"tests/test_one.py": FAILING},
        codes="002",
        evidence="a hook made a pass of it",
    ),
    "sets the exit status": hook(
        "def pytest_sessionfinish(session): session.exitstatus = 0\n", files={"tests/test_one.py": FAILING}, codes="002"
    ),
    "sets the exit status, last of all": hook(
        "@pytest.hookimpl(wrapper=True, tryfirst=True)\ndef pytest_sessionfinish(session):\n"
        "    yield\n    session.exitstatus = 0\n",
        files={"tests/test_one.py": FAILING},
        codes="002",
    ),
    "forgets failures": hook(
        "@pytest.hookimpl(wrapper=True)\ndef pytest_runtestloop(session):\n"
        "    result = yield\n    session.testsfailed = 0\n    return result\n",
        files={"tests/test_one.py": FAILING},
        codes="002",
    ),
    "fails the run": hook(
        "@pytest.hookimpl(wrapper=True)\ndef pytest_runtestloop(session):\n"
        "    result = yield\n    session.testsfailed += 1\n    return result\n",
        codes="002",
        evidence="another plugin failed the run",
    ),
    "breaks": hook("def pytest_runtest_setup(): raise OSError('broken hook')\n", codes="002"),
    "has an internal error": hook(
        "def pytest_runtest_logreport(report):\n    if 'test_one' in report.nodeid: raise OSError\n",
        outcome="failed",
        status=INTERNAL,
    ),
    "has an internal error while collecting": hook(
        "def pytest_collection_modifyitems(): raise OSError\n", outcome=None, status=INTERNAL
    ),
}

XDIST = {
    "-n 0": Row(arguments=("-n0",)),
    "-n 2": Row(arguments=("-n2",)),
    "-n auto": Row(arguments=("-nauto",), variables={"PYTEST_XDIST_AUTO_NUM_WORKERS": "1"}),
    **{
        f"--dist={dist}": Row(arguments=("-n1", f"--dist={dist}"))
        for dist in ("load", "loadscope", "loadfile", "worksteal", "no")
    },
    "--dist=each": Row(arguments=("--dist=each", "--tx=2*popen")),
    "--dist=loadgroup": Row(
        arguments=("-n2", "--dist=loadgroup"),
        files=two("@pytest.mark.xdist_group('together')\ndef test_two(): pass\n"),
    ),
    "--dist=loadgroup and -k": Row(
        arguments=("-n2", "--dist=loadgroup", "-k", "not two"),
        files=two("@pytest.mark.xdist_group('together')\ndef test_two(): pass\n"),
        codes="004",
    ),
    "a failure in a worker": Row(arguments=("-n1",), files={"tests/test_one.py": FAILING}, codes="002"),
    "a worker's hook drops a test": hook(
        "def pytest_collection_modifyitems(items): items.pop()\n", arguments=("-n1",), codes="004"
    ),
    "a module that skips itself in a worker": Row(
        arguments=("-n1",),
        files=two("pytest.skip('not here', allow_module_level=True)\n"),
        evidence="skipped: tests/test_two.py (not here)",
    ),
    "-p no:flash-worker": Row(arguments=("-n1", "-p", "no:flash-worker", "-k", "not two"), codes="004 005"),
    "--lf in workers": Row(
        files={"tests/test_one.py": BROKEN}, before=(), arguments=("-n1", "--lf"), codes="004 005 006"
    ),
    "-x in workers": Row(arguments=("-n1", "-x"), files={"tests/test_one.py": FAILING}, codes="002 003"),
    "a crashed worker": Row(arguments=("-n1",), files=two("import os\ndef test_two(): os._exit(0)\n"), codes="002 004"),
    "a crashed worker that is not replaced": Row(
        arguments=("-n1", "--max-worker-restart=0"),
        files=two("import os\ndef test_two(): os._exit(0)\n"),
        codes="002 004",
    ),
    "a worker that crashes at its end": hook(
        "import os\n@pytest.hookimpl(wrapper=True, tryfirst=True)\ndef pytest_sessionfinish(session):\n"
        "    if hasattr(session.config, 'workerinput'): os._exit(0)\n    yield\n",
        arguments=("-n1", "--max-worker-restart=0", "-k", "not two"),
        codes="004",
    ),
    "an internal error in a worker": hook(
        "import os\ndef pytest_runtest_teardown(item, nextitem):\n"
        "    if nextitem is None: item.session.config.hook.pytest_internalerror"
        "(excrepr='x', excinfo=pytest.ExceptionInfo.from_exception(OSError('x')))\n",
        arguments=("-n1",),
        codes="002",
    ),
    "Ctrl+C with workers": Row(
        arguments=("-n1",),
        files=two("import os, signal\ndef test_two():\n    os.kill(os.getppid(), signal.SIGINT)\n    signal.pause()\n"),
        outcome="interrupted",
        status=INTERRUPTED,
        is_child=True,
    ),
    "shouldstop in a worker": Row(
        arguments=("-n1",),
        files=two("def test_two(request): request.session.shouldstop = 'no time left'\n"),
        codes="003",
    ),
    "pytest.exit in a worker": Row(
        arguments=("-n1",),
        files=two("def test_two(): pytest.exit('enough', returncode=0)\n"),
        outcome="failed",
        status=INTERNAL,  # xdist's own
    ),
    "reruns of a crash": Row(
        arguments=("-n1", "--reruns=1"),
        files=two(
            "import os, pathlib\ndef test_two():\n    mark = pathlib.Path('crashed')\n"
            "    if not mark.exists():\n        mark.touch()\n        os._exit(0)\n"
        ),
        codes="004",
        needs="pytest_rerunfailures",
    ),
}


TOKEN = "let-me-through"
APPROVAL = f'approval-env = "APPROVAL"\napproval-sha256 = "{hashlib.sha256(TOKEN.encode()).hexdigest()}"'
SMOKE = 'required-markers = ["smoke"]'
MARKER = 'markers = ["smoke"]'
ALWAYS = 'freeze = [{from = "2000-01-01", until = "3000-01-01", reason = "nobody is there"}]'
NEVER = 'freeze = [{from = "2000-01-01", until = "2000-01-02"}]'


def required(text: str, **more: Any) -> Row:
    """A row whose environment requires the marker ``smoke``."""
    return Row(protection=SMOKE, settings=MARKER, files={**two(text), **more.pop("files", {})}, **more)


CLOCK = """
    def pytest_configure(config):
        from datetime import datetime, timezone
        from fakes_pytest_flash import FakePipeline
        from pytest_flash.activation import clock_key, pipeline_key

        years = iter(range(1999, 2100))
        config.stash[pipeline_key] = FakePipeline(config.rootpath)
        config.stash[clock_key] = lambda: datetime(next(years), 12, 31, tzinfo=timezone.utc)
"""
PROTECTION = {
    "a required marker": required("@pytest.mark.smoke\ndef test_two(): pass\n", evidence="smoke: 1 passed"),
    "a required marker on a class": required("@pytest.mark.smoke\nclass TestIt:\n    def test_two(self): pass\n"),
    "a required marker by a hook": required(
        "def test_two(): pass\n",
        files={
            "tests/conftest.py": "import pytest\ndef pytest_collection_modifyitems(items):\n"
            "    items[-1].add_marker(pytest.mark.smoke)\n"
        },
    ),
    "a required marker in a worker": required(
        "@pytest.mark.smoke\ndef test_two(): pass\n", arguments=("-n1",), needs="xdist", evidence="smoke: 1 passed"
    ),
    "a required marker that no test has": required("def test_two(): pass\n", codes="009", evidence="no test has it"),
    "a required marker that only a name is like": required(
        "class TestIt:\n    def test_smoke(self): pass\n",
        files={"tests/smoke/test_smoke.py": "class TestSmoke:\n    smoke = 1\n    def test_smoke(self): pass\n"},
        codes="009",
    ),
    "a required marker, skipped": required(
        "@pytest.mark.smoke\ndef test_two(): pytest.skip('off')\n", codes="009", evidence="smoke: 1 test did not run"
    ),
    "a required marker, one of two skipped": required(
        "@pytest.mark.smoke\n@pytest.mark.parametrize('off', [0, 1])\ndef test_two(off):\n"
        "    if off: pytest.skip('off')\n",
        codes="009",
    ),
    "a required marker, failed as expected": required(
        "@pytest.mark.smoke\n@pytest.mark.xfail\ndef test_two(): assert 0\n",
        codes="009",
        evidence="1 test did not pass",
    ),
    "a required marker, failed": required("@pytest.mark.smoke\ndef test_two(): assert 0\n", codes="002 009"),
    "a required marker, deselected": required(
        "@pytest.mark.smoke\ndef test_two(): pass\n", arguments=("-k", "not two"), codes="004 009"
    ),
    "a required marker on what runs after the promotion": Row(
        protection='required-markers = ["flash_smoke"]',
        files=two(
            "@pytest.mark.flash_smoke\ndef test_two(): pass\n"
            "@pytest.mark.flash_smoke\n@pytest.mark.flash_deployed_only\ndef test_live(): pass\n"
        ),
        evidence="flash_smoke: 1 passed",
    ),
    "a branch": Row(protection='branches = ["main", "release/*"]', branch="main", evidence="it is main; allowed: main"),
    "a branch by a pattern": Row(protection='branches = ["main", "release/*"]', branch="release/1"),
    "another branch": Row(
        protection='branches = ["main"]',
        branch="topic",
        codes="010",
        is_early=True,
        evidence="it is topic; allowed: main",
    ),
    "another branch, with workers": Row(
        protection='branches = ["main"]', branch="topic", arguments=("-n1",), codes="010", is_early=True, needs="xdist"
    ),
    "a detached head": Row(protection='branches = ["*"]', branch="HEAD", codes="010", is_early=True),
    "no checkout": Row(protection='branches = ["*"]\nclean-tree = true', codes="010 011", is_early=True),
    "another branch, only collected": Row(
        protection='branches = ["main"]', branch="topic", arguments=("--co",), outcome=None, status=OK
    ),
    "a clean tree": Row(protection="clean-tree = true", branch="main", evidence="nothing to commit on"),
    "a tree that is not clean": Row(
        protection="clean-tree = true", branch="main", is_dirty=True, codes="011", is_early=True, evidence="notes.txt"
    ),
    "a tree that tests make dirty": Row(
        protection="clean-tree = true",
        branch="main",
        files=two("from pathlib import Path\ndef test_two(): Path('made').touch()\n"),
    ),
    "a tree that need not be clean": Row(
        branch="main", is_dirty=True, evidence="it need not be: 1 file is not committed"
    ),
    "an approval": Row(protection=APPROVAL, variables={"APPROVAL": f" {TOKEN} "}, evidence="APPROVAL holds the token"),
    "an approval that is missing": Row(protection=APPROVAL, codes="012", is_early=True, evidence="APPROVAL is not set"),
    "an approval that is another": Row(
        protection=APPROVAL,
        variables={"APPROVAL": "other"},
        codes="012",
        is_early=True,
        evidence="does not have the sha256",
    ),
    "a freeze": Row(protection=ALWAYS, codes="013", is_early=True, evidence="3000-01-01T00:00Z: nobody is there"),
    "no freeze now": Row(protection=NEVER),
    "a freeze that begins during the run": Row(
        protection='freeze = [{from = "2000-01-01", until = "2010-01-01"}]', files={"conftest.py": CLOCK}, codes="013"
    ),
    "all at once": Row(
        protection=f'branches = ["main"]\nclean-tree = true\n{APPROVAL}\n{ALWAYS}',
        branch="topic",
        is_dirty=True,
        codes="010 011 012 013",
        is_early=True,
    ),
    "settings that are misspelt": Row(protection='branch = ["main"]', outcome="failed", status=USAGE),
}


@pytest.mark.parametrize("row", SELECTING.values(), ids=list(SELECTING))
def test_a_run_of_less_than_everything_is_not_promoted(
    project: FlashProject, monkeypatch: pytest.MonkeyPatch, row: Row
) -> None:
    """Whichever way it was narrowed; a run of everything is, whichever way it was told so."""
    check(project, monkeypatch, row)


@pytest.mark.parametrize("row", SETTINGS_OF_THE_RUN.values(), ids=list(SETTINGS_OF_THE_RUN))
def test_settings_of_one_run_do_not_say_what_the_projects_tests_are(
    project: FlashProject, monkeypatch: pytest.MonkeyPatch, row: Row
) -> None:
    """Neither other files of settings, nor plugins that are left out."""
    check(project, monkeypatch, row)


@pytest.mark.parametrize("row", CUTTING.values(), ids=list(CUTTING))
def test_a_run_that_did_not_come_to_its_end_is_not_promoted(
    project: FlashProject, monkeypatch: pytest.MonkeyPatch, row: Row
) -> None:
    """Nor one in which no test ran; an exit status of 0 means that it was deployed, or only looked."""
    check(project, monkeypatch, row)


@pytest.mark.parametrize("row", OUTCOMES.values(), ids=list(OUTCOMES))
def test_only_passes_skips_and_expected_failures_are_promoted(
    project: FlashProject, monkeypatch: pytest.MonkeyPatch, row: Row
) -> None:
    """What is not a plain pass is listed."""
    check(project, monkeypatch, row)


@pytest.mark.parametrize("row", HOOKS.values(), ids=list(HOOKS))
def test_no_hook_of_a_conftest_promotes_what_did_not_run_or_pass(
    project: FlashProject, monkeypatch: pytest.MonkeyPatch, row: Row
) -> None:
    """Whatever it does to items, reports, or the exit status."""
    check(project, monkeypatch, row)


@pytest.mark.parametrize("row", XDIST.values(), ids=list(XDIST))
def test_workers_of_xdist_change_nothing_of_it(
    project: FlashProject, monkeypatch: pytest.MonkeyPatch, row: Row
) -> None:
    """What only they see reaches the gate."""
    pytest.importorskip("xdist")
    check(project, monkeypatch, row)


@pytest.mark.parametrize("row", PROTECTION.values(), ids=list(PROTECTION))
def test_what_an_environment_asks_for_is_asked(
    project: FlashProject, monkeypatch: pytest.MonkeyPatch, row: Row
) -> None:
    """Before anything is built, where it is known by then."""
    check(project, monkeypatch, row)


@pytest.mark.parametrize("arguments", [(), ("-n1",)], ids=["here", "in a worker"])
def test_the_token_of_an_approval_is_nowhere(
    project: FlashProject, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    """Tests do not see it, so no failure shows it; nothing that is written or printed has it."""
    if arguments:
        pytest.importorskip("xdist")
    text = "import os\ndef test_two():\n    seen = dict(os.environ)\n    assert not seen\n"
    prepare(project, Row(protection=APPROVAL, files=two(text)))
    monkeypatch.setenv("APPROVAL", TOKEN)
    report = ("--flash-report=report.json", "--flash-report=report.html", "--junitxml=junit.xml", "--showlocals", "-vv")
    result = project.run("--flash-deploy=production", *report, *arguments)
    assert {one["code"] for one in project.report()["gate"] if one["outcome"] == "refused"} == {"FLASH-G002"}
    assert TOKEN not in result.stdout.str() + result.stderr.str()
    files = [path for path in project.path.rglob("*") if path.is_file()]
    assert [path for path in files if TOKEN.encode() in path.read_bytes()] == []
    assert os.environ["APPROVAL"] == TOKEN


def test_junit_xml_has_the_decision(project: FlashProject) -> None:
    """As properties of the stage, whether the gate let it through or not."""
    prepare(project, Row())
    for arguments, expected in (((), "pass"), (("-k", "not two"), "refused")):
        project.run("--flash-deploy=production", "--junitxml=junit.xml", *arguments)
        cases = ET.parse(project.path / "junit.xml").getroot().iter("testcase")  # noqa: S314  written just now
        (stage,) = [case for case in cases if case.get("name") == "deploy[production]"]
        found = {one.get("name"): one.get("value", "") for one in stage.iter("property")}
        assert found["flash.gate"] == expected
        assert found["FLASH-G001"].startswith("pass: ")
        assert found["FLASH-G004"].startswith("pass: " if expected == "pass" else "refused: 1 test deselected")
        assert {name for name in found if name.startswith("FLASH-G")} == {f"FLASH-G{code:03}" for code in range(1, 14)}
