"""From ``argv`` to an exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from flash import __version__
from flash.cli.main import VERBS, main

WORDS = ", ".join(sorted({name.split()[0] for name in VERBS}))


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    """``flash --version`` needs no installed metadata."""
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"flash {__version__}\n"


def test_help_lists_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    """What is not listed does not exist."""
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert [name for name in VERBS if f"  {name} " not in shown] == []


def test_no_verb_is_a_usage_error_that_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing was asked for, so nothing is on stdout."""
    assert main([]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("usage: flash COMMAND")


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each names itself, and knows ``--json``."""
    assert main([*verb.split(), "--help"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"usage: flash {verb} ")
    assert "--json" in shown


@pytest.mark.parametrize("group", ["app", "env", "platform"])
def test_a_group_of_verbs_has_help(group: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It lists its own verbs only."""
    assert main([group, "--help"]) == 0
    shown = capsys.readouterr().out
    assert f"  {group} " in shown
    assert "  build " not in shown


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["deplyo"], "flash: there is no command 'deplyo'", "did you mean `flash deploy`?"),
        (
            ["frobnicate"],
            "flash: there is no command 'frobnicate'",
            f"one of: {WORDS}",
        ),
        (["--verbose"], "flash: a command is missing", f"one of: {WORDS}"),
        (["env"], "flash env: a command is missing", "one of: list, get, create, delete"),
        (["platform", "strat"], "flash platform: there is no command 'strat'", "did you mean `flash platform start`?"),
        (
            ["env", "get"],
            "flash env get: the following arguments are required: NAME",
            "flash env get --help lists the options",
        ),
        (["build", "--frob"], "flash build: unrecognized arguments: --frob", "flash build --help lists the options"),
        (
            ["deploy", "--preview", "--no-gate"],
            "flash deploy: argument --no-gate: not allowed with argument --preview",
            "flash deploy --help lists the options",
        ),
        (["build", "--js"], "flash build: unrecognized arguments: --js", "flash build --help lists the options"),
        (
            ["platform", "start", "--port", "70000"],
            "flash platform start: argument --port: '70000' is no port: a number from 1 to 65535",
            "flash platform start --help lists the options",
        ),
    ],
)
def test_a_wrong_command_line_is_one_line_and_a_hint(
    arguments: list[str], message: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Usage errors exit with 2."""
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.err == f"✗ {message}\nhint: {hint}\n"
    assert captured.out == ""


def test_a_usage_error_is_json_where_json_is_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    """The exit status is the same, and stderr says it too."""
    assert main(["deplyo", "--json"]) == 2
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {
        "error": {"message": "flash: there is no command 'deplyo'", "hint": "did you mean `flash deploy`?"}
    }
    assert captured.err.startswith("✗ flash: there is no command 'deplyo'")


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    """``flash --help | head -0``."""
    read, write = os.pipe()
    os.close(read)
    ended = subprocess.run([sys.executable, "-m", "flash", "--help"], stdout=write, stderr=subprocess.PIPE, timeout=60)
    os.close(write)
    assert (ended.returncode, ended.stderr) == (1, b"")


def test_the_version_loads_next_to_nothing() -> None:
    """Neither the libraries that verbs use nor the slow half of the standard library."""
    code = "import sys; from flash.__main__ import main; main(['--version']); print(*sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True, text=True, timeout=60)
    loaded = {module.split(".")[0] for module in ended.stdout.split()}
    assert (
        loaded & {"argparse", "asyncio", "dataclasses", "httpx", "importlib.metadata", "inspect", "json", "pydantic"}
        == set()
    )
