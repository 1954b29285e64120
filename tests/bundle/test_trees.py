"""Trees as projects have them, and as nobody would want them: each ships as it is, or is refused by name."""

from __future__ import annotations

import os
import socket
import subprocess
import tarfile
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import pytest
from fakes_bundle import QUEUE, flash_build, project, write

from flash.bundle.discover import discover
from flash.bundle.modules import read_modules
from flash.bundle.sources import project_files
from flash.errors import DiscoveryError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from flash.model.app import App


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with settings and no endpoint yet."""
    return project(tmp_path / "app", {"pyproject.toml": "[tool.flash]\napp = 'demo'\npython = '3.11'\n"})


def endpoint(name: str, *imports: str) -> str:
    """A module with an endpoint of this name."""
    return "\n".join([*imports, QUEUE.replace('"worker"', f'"{name}"').replace("def work", f"def {name}")])


def read(root: Path) -> App:
    return discover(root, project_files(root).files, app_name="demo")


def places(app: App) -> dict[str, str]:
    """By endpoint, the module that a worker imports."""
    return {each.name: each.functions[0].module for each in app}


def packed(root: Path) -> set[str]:
    with tarfile.open(root / ".flash/artifact.tar.gz") as tar:
        return {name for name in tar.getnames() if not name.startswith("flash/")}


# ------------------------------------------------------------------------------------------------------------- Imports


def test_modules_that_import_each_other_are_read(root: Path) -> None:
    """Nothing is imported to read them, and each is in the closure of the other."""
    project(
        root,
        {
            "a.py": endpoint("one", "import b"),
            "b.py": endpoint("two", "from c import x", "import a"),
            "c.py": "import b\nx = 1\n",
            "d.py": "import d\n",
        },
    )
    assert places(read(root)) == {"one": "a", "two": "b"}
    modules = read_modules(root, project_files(root).files)
    for name in ("a", "b", "c"):
        assert {module.name for module in modules.closure([name])} == {"a", "b", "c"}
    assert modules.third_party_imports(["d"]) == frozenset()


def test_constants_that_refer_to_each_other_are_an_error(root: Path) -> None:
    """A name without a value is no endless loop."""
    project(root, {"a.py": "from b import N\nM = N\n", "b.py": "from a import M\nN = M\n"})
    write(root / "c.py", "from a import M\nfrom flash import Endpoint\n@Endpoint(name=M)\ndef f(): ...\n")
    with pytest.raises(DiscoveryError, match=r"^b\.py:2: `M` cannot be read .* depends on itself"):
        read(root)


@pytest.mark.parametrize("names", ["first.second.a", "first.b"])
def test_folders_without_init_are_packages(root: Path, names: str) -> None:
    """Namespace packages: absolute and relative imports in them are the project's own."""
    project(
        root,
        {
            "first/second/a.py": endpoint("one", "from . import helper", "import first.b", "from first import second"),
            "first/second/helper.py": "import third_party\n",
            "first/b.py": endpoint("two", "from .second.helper import x", "import first"),
        },
    )
    assert places(read(root)) == {"two": "first.b", "one": "first.second.a"}
    modules = read_modules(root, project_files(root).files)
    assert modules.third_party_imports([names]) == {"flash", "third_party"}
    assert "first.second.helper" in {module.name for module in modules.closure([names])}


def test_namespace_packages_of_a_src_folder_are_imported_from_there(root: Path) -> None:
    """As an installed project would be."""
    project(root, {"src/space/inner/a.py": endpoint("one", "from space import other"), "src/space/other.py": ""})
    assert places(read(root)) == {"one": "space.inner.a"}


def test_a_package_hands_on_what_its_init_imports(root: Path) -> None:
    """Names of an ``__init__.py`` are the modules' own: nothing stands in for a package of the project."""
    project(
        root,
        {
            "workers/__init__.py": "from workers.cpu import cpu_router\nfrom .names import NAME\n",
            "workers/names.py": "NAME = 'handed-on'\n",
            "workers/cpu.py": endpoint("cpu") + "cpu_router = object()\n",
            "main.py": "from workers import NAME, cpu_router\nfrom flash import Endpoint\n"
            "@Endpoint(name=NAME)\ndef f(): ...\n",
        },
    )
    assert places(read(root)) == {"handed-on": "main", "cpu": "workers.cpu"}


# ----------------------------------------------------------------------------------------------------------- Notebooks


def test_a_notebook_ships_as_data_and_is_never_read(root: Path) -> None:
    """A worker may run one; an endpoint in it is none, which the build says."""
    cell = 'from flash import Endpoint\\n", "@Endpoint(name=\\"x\\")\\n'
    project(root, {"worker.py": QUEUE, "explore.ipynb": f'{{"cells": [{{"source": ["{cell}"]}}]}}'})
    write(root / "plain.ipynb", '{"cells": [{"source": ["print(1)"]}]}')
    write(root / ".ipynb_checkpoints/explore-checkpoint.ipynb", "{}")
    app = read(root)
    assert [each.name for each in app] == ["worker"]
    assert [note for note in app.notes if "ipynb" in note] == [
        "explore.ipynb: endpoints in a notebook are not read: write them into a module"
    ]
    assert flash_build(root) == 0
    assert {name for name in packed(root) if "ipynb" in name} == {"explore.ipynb", "plain.ipynb"}


# ------------------------------------------------------------------------------------------------------ Names and depth


@pytest.mark.parametrize("name", ["with space.py", "größe.py", "日本語.py", "a-b.py", "class.py", "_.py", "1.py"])
def test_a_module_of_any_name_is_imported_by_it(root: Path, name: str) -> None:
    """A worker imports modules by text: names need not be identifiers."""
    write(root / name, QUEUE)
    assert places(read(root)) == {"worker": name.removesuffix(".py")}


@pytest.mark.parametrize("name", ["__main__.py", "__init__.py", "a.b.py", "v1.2/a.py"])
def test_a_module_that_could_not_be_imported_by_its_name_is_refused(root: Path, name: str) -> None:
    """It would be another module, or none."""
    write(root / name, QUEUE)
    with pytest.raises(DiscoveryError, match="no worker can import it under this name"):
        read(root)


def test_files_of_any_name_ship(root: Path) -> None:
    """Spaces, line ends, quotes, other alphabets, and as long as a name may be."""
    names = {
        *("with space.txt", " leading", "trailing ", "new\nline.txt", "tab\t.txt", "quote'\".txt", "back\\slash"),
        *("größe.bin", "日本語/中.txt", "emoji-\N{ROCKET}", "-r", "$HOME", "*", "[ab]", "e\N{COMBINING ACUTE ACCENT}"),
        *("x" * 255, "ä" * 127, "!important", "#hash", "con", "a" * 200 + "/" + "b" * 200),
    }
    project(root, {"worker.py": QUEUE, **dict.fromkeys(names, "x")})
    assert names < set(project_files(root).files)
    assert flash_build(root) == 0
    assert names < packed(root)


def test_a_name_with_a_line_end_is_compared_whole(root: Path) -> None:
    """A rule for ``a.log`` hides no file whose name goes on after that."""
    project(root, {"kept.log\nx": "x", "hidden.log": "x", ".gitignore": "*.log\n"})
    assert project_files(root).files == ("kept.log\nx", "pyproject.toml")


def test_an_endpoint_sixty_folders_down_is_found_and_packed(root: Path) -> None:
    """However deep."""
    folders = [f"level{number}" for number in range(60)]
    write(root.joinpath(*folders) / "worker.py", QUEUE)
    assert places(read(root)) == {"worker": ".".join([*folders, "worker"])}
    assert flash_build(root) == 0
    assert "/".join([*folders, "worker.py"]) in packed(root)


def test_folders_deeper_than_python_may_call_are_walked(root: Path) -> None:
    """As deep as a path may be long; deeper ones are refused by the system, with a place."""
    descriptors = [os.open(root, os.O_RDONLY)]
    try:
        for _ in range(1200):
            os.mkdir("d", dir_fd=descriptors[-1])
            descriptors.append(os.open("d", os.O_RDONLY, dir_fd=descriptors[-1]))
            os.close(descriptors.pop(-2))
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=descriptors[-1]))
        assert f"{'d/' * 1200}file" in project_files(root).files
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
        # by a tool that does not recurse: pytest's own clean-up of old folders does, and would fail a later run
        subprocess.run(["rm", "-rf", root / "d"], check=True)


def test_a_module_of_a_hundred_thousand_lines_is_read(root: Path) -> None:
    """Generated tables are code, too."""
    table = "\n".join(f"    {number!r}: 'row {number}'," for number in range(100_000))
    write(root / "table.py", f"TABLE = {{\n{table}\n}}\nNAME = 'a'\n")
    write(
        root / "worker.py", "from table import NAME\nfrom flash import Endpoint\n@Endpoint(name=NAME)\ndef f(): ...\n"
    )
    assert [each.name for each in read(root)] == ["a"]


def test_a_value_that_is_nested_too_deeply_to_be_read_is_worked_out(root: Path) -> None:
    """By running the file, and never a traceback."""
    value = " + ".join(["'a'", *["''"] * 900])
    write(root / "worker.py", f"from flash import Endpoint\n@Endpoint(name={value})\ndef f(): ...\n")
    assert [each.name for each in read(root)] == ["a"]


# ------------------------------------------------------------------------------------------------------ What is no file


@pytest.fixture
def special(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """Names of what no archive of files holds; devices only where they may be made."""
    os.mkfifo(root / "pipe")
    names = {"pipe", "socket"}
    with suppress(PermissionError):
        os.mknod(root / "device", 0o020644, os.makedev(1, 3))
        names.add("device")
    monkeypatch.chdir(root)  # the path of a socket is short
    with closing(socket.socket(socket.AF_UNIX)) as listening:
        listening.bind("socket")
        yield names


def test_pipes_sockets_and_devices_are_left_out_and_told(
    root: Path, special: Iterable[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """None is opened: who reads a pipe waits for ever."""
    write(root / "worker.py", QUEUE)
    assert project_files(root).special == tuple(sorted(special))
    assert flash_build(root) == 0
    assert packed(root).isdisjoint(special)
    assert f"neither a file nor a folder: {', '.join(sorted(special))}" in capsys.readouterr().err


def test_a_link_to_a_pipe_is_left_out_like_the_pipe(root: Path) -> None:
    """It is what it points at."""
    os.mkfifo(root / "pipe")
    (root / "link.py").symlink_to("pipe")
    assert project_files(root).special == ("link.py", "pipe")


# --------------------------------------------------------------------------------------------- What others do meanwhile


def test_a_module_that_vanishes_before_it_is_read_is_an_error_by_name(root: Path) -> None:
    """What was listed must be there: nothing is left out in silence."""
    write(root / "worker.py", QUEUE)
    files = project_files(root).files
    (root / "worker.py").unlink()
    with pytest.raises(DiscoveryError, match=r"^worker\.py: cannot read it: No such file"):
        read_modules(root, files)


def test_a_folder_that_takes_a_modules_place_is_an_error_by_name(root: Path) -> None:
    """The same of a file that is none any more."""
    write(root / "worker.py", QUEUE)
    files = project_files(root).files
    (root / "worker.py").unlink()
    (root / "worker.py").mkdir()
    with pytest.raises(DiscoveryError, match=r"^worker\.py: cannot read it: Is a directory"):
        read_modules(root, files)
