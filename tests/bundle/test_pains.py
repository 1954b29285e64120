"""What goes wrong with ``runpod-flash`` 1.21 on real apps and on bad input: each row has a test, here or elsewhere.

The rows are those of measurements of 2026-11: of its own examples, of apps on branches, of snippets of its pages, of
input that is wrong.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from fakes_bundle import QUEUE, flash_build, project
from fakes_runtime import make_artifact, queue_resource

from flash.bundle.discover import discover
from flash.bundle.sources import project_files
from flash.errors import DeclarationError, DiscoveryError

if TYPE_CHECKING:
    from flash.model.app import App

TESTS: Final = Path(__file__).parents[1]

ELSEWHERE: Final = {
    # bad input
    "no endpoints: an empty artifact": "journeys/test_bad_input.py::test_sources_that_are_wrong_are_told_by_the_place",
    "no endpoints: the user's print ran": "bundle/test_evaluation.py::test_a_module_that_can_be_read_is_never_run",
    "a syntax error, without a caret": "bundle/test_discover.py::test_a_syntax_error_has_its_line",
    "two functions, one name, one file: the second dropped": (
        "bundle/test_discover.py::test_endpoints_that_exclude_each_other_are_an_error"
    ),
    "the same in two files: paths of a scratch folder": (
        "bundle/test_discover.py::test_the_same_name_in_two_files_names_both"
    ),
    "a duplicate route, a reserved path: no line": (
        "journeys/test_bad_input.py::test_sources_that_are_wrong_are_told_by_the_place"
    ),
    "a dependency that does not exist: not whose": (
        "journeys/test_bad_input.py::test_a_dependency_that_does_not_exist_is_named_with_the_endpoint_that_wants_it"
    ),
    "pins that conflict: the installer's words": (
        "bundle/test_bad_input.py::test_pins_that_contradict_name_both_endpoints"
    ),
    "numpy>>1 installed some numpy": "bundle/test_bad_input.py::test_what_is_no_requirement_is_refused",
    "unknown GPU or CPU: no near match": (
        "journeys/test_bad_input.py::test_sources_that_are_wrong_are_told_by_the_place"
    ),
    "gpu and cpu, workers, a misspelt keyword": (
        "bundle/test_discover.py::test_a_wrong_declaration_has_its_place_and_a_hint"
    ),
    "a name that is a path: no handler": "bundle/test_bad_input.py::test_a_name_that_is_a_path_is_refused",
    "import torch at the top, not installed": (
        "runtime/test_describe.py::test_what_cannot_be_imported_is_untyped_with_the_reason"
    ),
    "a module that hangs when it is imported": (
        "runtime/test_describe.py::test_it_ends_by_itself_whatever_a_module_does"
    ),
    "the same where it must be run to be read": (
        "bundle/test_evaluation.py::test_a_module_that_cannot_be_run_is_a_named_error_within_the_limit"
    ),
    "names in a package's __init__.py": "bundle/test_trees.py::test_a_package_hands_on_what_its_init_imports",
    "sys.exit at import was swallowed": "runtime/test_describe.py::test_a_module_that_exits_ends_the_description",
    "600 MB packed without a warning": (
        "bundle/test_archive.py::test_over_the_limit_names_the_largest_and_leaves_what_was_there"
    ),
    "loops of links, links to nothing or to the outside": (
        "bundle/test_bad_input.py::test_links_that_mean_nothing_elsewhere_are_refused"
    ),
    "pipes left out in silence": "bundle/test_trees.py::test_pipes_sockets_and_devices_are_left_out_and_told",
    "source that is not UTF-8": "bundle/test_bad_input.py::test_source_that_cannot_be_decoded_is_refused",
    "a coding cookie was not honoured": "bundle/test_bad_input.py::test_a_legal_coding_line_is_honoured",
    "a file name that is not UTF-8": "bundle/test_bad_input.py::test_a_file_name_that_is_not_utf_8_is_refused",
    "secrets packed, nested .gitignore not honoured": (
        "bundle/test_bad_input.py::test_pipes_secrets_and_what_nested_ignore_files_hide_are_not_packed"
    ),
    "a project folder that cannot be written": (
        "bundle/test_bad_input.py::test_a_project_folder_that_cannot_be_written_is_refused"
    ),
    "files and folders that cannot be read": "bundle/test_bad_input.py::test_what_cannot_be_read_or_written_is_refused",
    "Ctrl+C while installing left its folder": (
        "bundle/test_bad_input.py::test_ctrl_c_while_installing_leaves_what_was_there"
    ),
    "Ctrl+C while packing left half an artifact": (
        "bundle/test_bad_input.py::test_ctrl_c_while_packing_leaves_what_was_there"
    ),
    # apps
    "no two builds are equal": "bundle/test_assemble.py::test_two_builds_are_the_same_bytes",
    "the whole SDK shipped for one line of requirements": (
        "bundle/test_install_rules.py::test_flash_itself_brings_nothing_along"
    ),
    "torch downloaded and then skipped, nvidia-* shipped": (
        "bundle/test_install_rules.py::test_torch_is_not_downloaded_and_takes_its_libraries_along"
    ),
    "--exclude kept what only that needs": (
        "bundle/test_install_rules.py::test_what_only_an_excluded_distribution_needs_goes_with_it"
    ),
    "markers judged by the developer's Python": (
        "bundle/test_bad_input.py::test_a_marker_is_judged_for_the_workers_python"
    ),
    "the SDK's former name": (
        "bundle/test_discover.py::test_an_app_of_the_name_before_the_last_is_told_what_to_import"
    ),
    "a third-party import at the top of a file": (
        "bundle/test_evaluation.py::test_what_is_not_installed_is_stood_in_for"
    ),
    "each module imported again for every endpoint": (
        "journeys/test_imports.py::test_a_module_is_imported_once_in_a_build"
    ),
}
"""What went wrong, and the test that it does not here."""


@pytest.mark.parametrize("row", ELSEWHERE)
def test_a_row_has_its_test(row: str) -> None:
    """A test that is renamed takes its row along."""
    file, _, name = ELSEWHERE[row].partition("::")
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def read(root: Path, **files: str) -> App:
    """The app that *files* declare; ``a__b`` is ``a/b.py``."""
    project(root, {f"{name.replace('__', '/')}.py": text for name, text in files.items()})
    return discover(root, project_files(root).files, app_name="demo")


@pytest.mark.parametrize("files", [(), ("notes.txt",), ("web/index.html", "data.csv")])
def test_a_folder_without_python_is_no_project(
    tmp_path: Path, files: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """It says what to write."""
    project(tmp_path, dict.fromkeys(files, "x"))
    assert flash_build(tmp_path) == 1
    said = capsys.readouterr().err
    assert "no endpoint found" in said
    assert "from flash import Endpoint" in said
    assert not (tmp_path / ".flash/artifact.tar.gz").exists()


@pytest.mark.parametrize(
    "written", ["DataCenter.US_GA_2", "DataCenter['US_GA_2']", "'US-GA-2'", "['EU-RO-1', 'us-ga-2']"]
)
def test_a_data_center_that_is_gone_is_told_by_its_line(tmp_path: Path, written: str) -> None:
    """With those that there are; a snippet of a page may still have it."""
    with pytest.raises(DeclarationError, match=r"^worker\.py:\d: .*US-GA-2.*\nhint: they run in .*EU-RO-1"):
        read(
            tmp_path,
            worker=f"from runpod_flash import *\n@Endpoint(name='a', datacenter={written})\nasync def f(): ...\n",
        )


@pytest.mark.parametrize("given", ["'ADA_24,AMPERE_48'", "['ADA_24', 'AMPERE_48']"])
def test_pools_of_older_resources_that_are_the_platforms_words_are_told(tmp_path: Path, given: str) -> None:
    """By their line, with what to write; what the pages have is read."""
    source = (
        "from runpod_flash import GpuGroup, LiveServerless, remote\n"
        "@remote(resource_config=LiveServerless(name='a', {}))\nasync def f(): ...\n"
    )
    with pytest.raises(DeclarationError, match=r"^worker\.py:2: .*gpuIds.*\nhint: write gpus=\["):
        read(tmp_path, worker=source.format(f"gpuIds={given}"))
    app = read(tmp_path, worker=source.format("gpus=[GpuGroup.ADA_24, GpuGroup.AMPERE_48]"))
    assert app["a"].spec.gpu_ids == "ADA_24,AMPERE_48"


@pytest.mark.parametrize("given", ["('six',)", "DEPS", "[*DEPS]", "list(DEPS)", "DEPS + MORE", "lib.DEPS", "IMPORTED"])
def test_dependencies_are_read_however_they_are_written(tmp_path: Path, given: str) -> None:
    """Not a literal list alone."""
    app = read(
        tmp_path,
        lib="DEPS = ['six']\n",
        worker="from flash import Endpoint\nimport lib\nfrom lib import DEPS as IMPORTED\n"
        f"DEPS = ['six']\nMORE = []\n@Endpoint(name='a', dependencies={given})\nasync def f(): ...\n",
    )
    assert app["a"].spec.dependencies == ("six",)


@pytest.mark.parametrize(
    "does",
    [
        "asyncio.run(f())",
        "runpod.serverless.start({'handler': f})",
        "raise SystemExit(3)",
        "import structlog, langgraph.graph",
        "while True: ...",
        "result = asyncio.run(Endpoint(id='abc').runsync({}))",
    ],
)
def test_what_a_file_does_when_it_runs_keeps_none_from_reading_it(tmp_path: Path, does: str) -> None:
    """It is not run to find out what it declares."""
    source = f"import asyncio\nfrom flash import Endpoint\n@Endpoint(name='a')\nasync def f(): ...\n{does}\n"
    assert [endpoint.name for endpoint in read(tmp_path, worker=source)] == ["a"]


def test_the_same_function_name_in_two_files_names_both(tmp_path: Path) -> None:
    """Functions are found by their names from every endpoint: this cannot be allowed, and is told with the places."""
    with pytest.raises(
        DeclarationError, match=r"^b\.py:5: function 'work' is declared twice, first at a\.py:5\nhint: "
    ):
        read(tmp_path, a=QUEUE, b=QUEUE.replace('"worker"', '"other"'))


def described(tree: Path, **declared: str) -> Any:
    """What a build says of the functions in *tree*."""
    out = tree.with_name("described.json")
    environment = {"PATH": os.environ.get("PATH", ""), **declared}
    command = [sys.executable, "-m", "flash.runtime.describe", str(out)]
    subprocess.run(command, cwd=tree, env=environment, capture_output=True, check=True, timeout=60)
    return json.loads(out.read_text(encoding="utf-8"))


def test_a_function_that_is_called_at_import_runs_where_it_is_built(tmp_path: Path) -> None:
    """As in a worker: nobody is called over a network, and there is no platform to be reached."""
    source = (
        "import asyncio\nfrom flash import Endpoint\n@Endpoint(name='e', cpu='cpu3c-1-2')\n"
        "async def f(x: int = 1) -> int:\n    return x + 1\nassert asyncio.run(f(2)) == 3\n"
    )
    tree = tmp_path / "tree"
    make_artifact(tree, {"seen_calling.py": source}, {"e": queue_resource("seen_calling", "f")}, with_flash=True)
    schema = described(tree)["endpoints"]["e"]["f"][""]
    assert schema["output"] == {"type": "integer"}
    assert "error" not in schema


def test_a_known_endpoint_that_is_called_at_import_fails_the_build(tmp_path: Path) -> None:
    """With the place: a build calls no endpoint of anybody's."""
    source = (
        "import asyncio\nfrom flash import Endpoint\nother = Endpoint(id='abc')\n"
        "asyncio.run(other.runsync({}))\nasync def f(x: int): ...\n"
    )
    tree = tmp_path / "tree"
    make_artifact(tree, {"seen_known.py": source}, {"e": queue_resource("seen_known", "f")}, with_flash=True)
    failure = described(tree)["failure"]
    assert (failure["path"], failure["line"]) == ("seen_known.py", 4)


def test_an_await_at_the_top_is_told_when_it_is_imported(tmp_path: Path) -> None:
    """A fragment of a page is no module; the parser alone takes it for one."""
    source = "async def f(x: int): ...\nawait f(1)\n"
    tree = tmp_path / "tree"
    make_artifact(tree, {"seen_await.py": source}, {"e": queue_resource("seen_await", "f")}, with_flash=True)
    failure = described(tree)["failure"]
    assert "'await' outside function" in failure["message"]
    assert (failure["path"], failure["line"]) == ("seen_await.py", 2)


def test_a_python_that_no_worker_has_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With those that they have."""
    project(tmp_path, {"pyproject.toml": "[tool.flash]\npython = '3.9'\n", "worker.py": QUEUE})
    assert flash_build(tmp_path) != 0
    said = capsys.readouterr().err
    assert "'3.9'" in said
    assert "3.12" in said
    assert "Traceback" not in said


def test_nothing_that_is_found_depends_on_hidden_state(tmp_path: Path) -> None:
    """A second reading says the same, and a module that only a rule hides is named with it."""
    project(tmp_path, {"worker.py": QUEUE, ".gitignore": "worker.py\n"})
    for _ in range(2):
        with pytest.raises(DiscoveryError, match=r"except in worker\.py, which is hidden: \.gitignore"):
            discover(tmp_path, [], app_name="demo", ignored=project_files(tmp_path).ignored)
