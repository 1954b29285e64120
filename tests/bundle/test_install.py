"""uv, run on wheels that the tests make themselves: no index is asked."""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from fakes_index import wheel

from flash.bundle.install import Uv, Wanted
from flash.errors import DependencyError, PreviewError, TargetPythonMissing

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def index(tmp_path: Path) -> Path:
    """A folder of wheels: app → lib → (heavy, only for 3.12), clash → lib<1."""
    folder = tmp_path / "wheels"
    wheel(folder, "app", requires=["lib>=1", "heavy", "new; python_version >= '3.12'", "win; sys_platform == 'win32'"])
    wheel(folder, "lib")
    wheel(folder, "heavy", tag="cp312-cp312-win_amd64")
    wheel(folder, "new")
    wheel(folder, "clash", requires=["lib<1"])
    wheel(folder, "native", tag="cp312-cp312-manylinux_2_28_x86_64")
    return folder


@pytest.fixture
def uv(index: Path, tmp_path: Path) -> Uv:
    """An uv with that folder as its only index, and a cache of its own."""
    return Uv(
        {
            "PIP_FIND_LINKS": str(index),
            "PIP_NO_INDEX": "1",
            "UV_CACHE_DIR": str(tmp_path / "cache"),
            "HOME": str(tmp_path),
            # what must not reach the child
            "VIRTUAL_ENV": "/nowhere",
            "PYTHONPATH": "/nowhere",
            "UV_CONSTRAINT": "/nowhere.txt",
            "UV_PYTHON": "2.7",
        }
    )


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_wheels_for_the_target_are_installed_flat(uv: Uv, tmp_path: Path) -> None:
    """Markers and tags are the target's; what is excluded is not looked at; scripts and uv's own files are gone."""
    lines: list[str] = []
    found = uv.install(Wanted(("app",), "3.12", excluded=("heavy",)), target=tmp_path / "out", report=lines.append)
    assert [(each.name, each.version) for each in found] == [("app", "1.0"), ("lib", "1.0"), ("new", "1.0")]
    assert sorted(tree(tmp_path / "out")) == sorted(
        f"{name}{suffix}"
        for name in ("app", "lib", "new")
        for suffix in (
            ".py",
            *(f"-1.0.dist-info/{file}" for file in ("METADATA", "RECORD", "WHEEL", "entry_points.txt")),
        )
    )
    assert found[0].requires[:2] == ("lib>=1", "heavy")
    assert found[0].top_level == ("app-1.0.dist-info", "app.py")
    assert found[0].size_bytes == sum(len(text) for path, text in tree(tmp_path / "out").items() if path[:3] == "app")
    assert lines == ["resolving 1 requirement for Python 3.12 on Linux x86-64", "installed 3 distributions (0.00 MiB)"]


def test_another_target_gets_what_its_markers_say(uv: Uv, tmp_path: Path) -> None:
    """Whatever Python runs this."""
    found = uv.install(Wanted(("app",), "3.10", excluded=("heavy",)), target=tmp_path / "o", report=lambda _: None)
    assert [each.name for each in found] == ["app", "lib"]


def test_two_installations_are_the_same_bytes(uv: Uv, tmp_path: Path) -> None:
    """From a cold cache and a warm one, into folders of different names."""
    for name in ("one", "another"):
        uv.install(Wanted(("lib", "new"), "3.12"), target=tmp_path / name, report=lambda _: None)
    assert tree(tmp_path / "one") == tree(tmp_path / "another")


def test_nothing_to_install_runs_nothing(uv: Uv, tmp_path: Path) -> None:
    """Not even uv."""
    assert uv.install(Wanted((), "3.12"), target=tmp_path / "o", report=lambda _: None) == ()
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    ("requirements", "version", "message", "hint"),
    [
        (["missing"], "3.12", "missing is in none of the folders of wheels", "pip download"),
        (["lib==2"], "3.12", "lib==2", "a version that the index has"),
        (["clash", "lib>=1"], "3.12", "lib", "versions that agree"),
        (["native"], "3.11", "native 1.0 has no wheel for Python 3.11", "native 1.0 has one for Python 3.12"),
    ],
)
def test_what_cannot_be_installed_is_an_error_with_uvs_words(
    uv: Uv, tmp_path: Path, requirements: list[str], version: str, message: str, hint: str
) -> None:
    """The first line has the reason; the detail has all of it."""
    with pytest.raises(DependencyError) as raised:
        uv.install(Wanted(tuple(requirements), version), target=tmp_path / "o", report=lambda _: None)
    assert message in raised.value.message
    assert "\n" not in raised.value.message
    assert hint in raised.value.hint
    assert "No solution found" in raised.value.detail
    assert "/nowhere" not in raised.value.detail


def test_the_running_python_is_found_without_a_search(uv: Uv) -> None:
    """The base interpreter, not the virtual environment of Flash."""
    found = uv.find_python(HERE)
    assert found == Path(os.path.realpath(sys.executable))


def test_a_python_that_is_not_there_is_none(uv: Uv) -> None:
    """A search downloads nothing."""
    assert uv.find_python("3.99") is None


def test_a_python_that_cannot_be_downloaded_is_an_error(uv: Uv) -> None:
    """It says what to do."""
    with pytest.raises(TargetPythonMissing, match=r"Python 3\.99 is not on this machine.*\nhint: .*\[tool\.flash\]"):
        uv.download_python("3.99")


def test_pyenvs_shims_do_not_hide_its_interpreters(tmp_path: Path) -> None:
    """A shim of a version that is not selected only fails."""
    shims, versions = tmp_path / "pyenv/shims", tmp_path / "pyenv/versions/3.98.1/bin"
    for folder, text in ((shims, "exit 127"), (versions, f'exec {sys.executable} "$@"')):
        folder.mkdir(parents=True)
        (folder / "python3.98").write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        (folder / "python3.98").chmod(0o755)
    from flash.bundle.install import interpreter_folders

    assert interpreter_folders({"PATH": f"{shims}:/usr/bin", "PYENV_ROOT": str(tmp_path / "pyenv")}, "3.98") == (
        f"/usr/bin:{versions}"
    )


def test_a_base_environment_is_made_filled_and_made_anew(uv: Uv, tmp_path: Path) -> None:
    """Compiled, so that workers start fast."""
    import subprocess

    python = uv.make_venv(tmp_path / "base", Path(sys.executable))
    uv.install_into_venv(tmp_path / "base", [])
    uv.install_into_venv(tmp_path / "base", ["lib"])
    answer = subprocess.run(
        [python, "-c", "import lib; print(lib.VERSION)"], capture_output=True, text=True, check=True, encoding="utf-8"
    )
    assert answer.stdout == "1.0\n"
    assert list((tmp_path / "base").rglob("lib.*.pyc"))
    uv.make_venv(tmp_path / "base", Path(sys.executable))
    assert not list((tmp_path / "base").rglob("lib.py"))


def test_a_base_environment_that_cannot_be_made_is_an_error(uv: Uv, tmp_path: Path) -> None:
    """With uv's words."""
    with pytest.raises(PreviewError, match="cannot make a virtual environment for /nowhere/python"):
        uv.make_venv(tmp_path / "base", Path("/nowhere/python"))
    uv.make_venv(tmp_path / "base", Path(sys.executable))
    with pytest.raises(PreviewError, match=r"(?s)cannot install missing into a base environment.*hint: .*missing"):
        uv.install_into_venv(tmp_path / "base", ["missing"])


def test_settings_of_the_index_reach_uv_and_nothing_else_does() -> None:
    """Its own spelling wins over pip's."""
    from flash.bundle.install import child_environment

    kept = child_environment(
        {
            "PIP_INDEX_URL": "https://pip.invalid/simple",
            "PIP_EXTRA_INDEX_URL": "https://extra.invalid/simple",
            "PIP_FIND_LINKS": "/a /b",
            "UV_EXTRA_INDEX_URL": "https://uv.invalid/simple",
            "UV_INDEX_PRIVATE_PASSWORD": "secret",
            "SSL_CERT_FILE": "/certs.pem",
            "HTTPS_PROXY": "http://proxy.invalid",
            "UV_OVERRIDE": "x",
            "UV_PRERELEASE": "allow",
            "RUNPOD_API_KEY": "secret",
            "CONDA_PREFIX": "/conda",
        }
    )
    assert kept == {
        "UV_INDEX_URL": "https://pip.invalid/simple",
        "UV_EXTRA_INDEX_URL": "https://uv.invalid/simple",
        "UV_FIND_LINKS": "/a,/b",
        "UV_INDEX_PRIVATE_PASSWORD": "secret",
        "SSL_CERT_FILE": "/certs.pem",
        "HTTPS_PROXY": "http://proxy.invalid",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONNOUSERSITE": "1",
        "LC_ALL": "C.UTF-8",
    }


def test_bytecode_is_written_beside_every_module_that_compiles(uv: Uv, tmp_path: Path) -> None:
    """It holds whatever the time stamps say, so that a copy in an image may be younger; what is no Python is left."""
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "good.py").write_text("x = 1\n", encoding="utf-8")
    (tmp_path / "pkg" / "template.py").write_text("{{ cookiecutter }}(\n", encoding="utf-8")
    uv.compile(Path(sys.executable), tmp_path / "pkg")
    (compiled,) = (tmp_path / "pkg" / "__pycache__").iterdir()
    assert compiled.name.startswith("good.")
    # PEP 552: a hash that is not checked
    assert compiled.read_bytes()[4:8] == (1).to_bytes(4, "little")


def test_an_interpreter_that_cannot_be_started_is_an_error(uv: Uv, tmp_path: Path) -> None:
    """It was there a moment ago."""
    with pytest.raises(PreviewError, match="cannot start"):
        uv.compile(tmp_path / "python", tmp_path)


def test_a_set_of_wishes_is_installed_by_links_into_the_cache(uv: Uv, tmp_path: Path) -> None:
    """What is settled afterwards is replaced, so the cache stays as it was: the next installation is the same."""
    wanted = Wanted(("app",), "3.12", excluded=("heavy",))
    found = uv.install(wanted, target=tmp_path / "one", report=lambda _: None)
    assert (tmp_path / "one/app.py").stat().st_nlink > 1
    assert [each.name for each in found] == ["app", "lib", "new"]
    assert uv.install(wanted, target=tmp_path / "two", report=lambda _: None) == found
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_what_ships_of_a_distribution_is_known_from_its_record(uv: Uv, tmp_path: Path) -> None:
    """Its files, without what the installer left; its wheel's tags; whether others find it by its entry points."""
    (native,) = uv.install(Wanted(("native",), "3.12"), target=tmp_path / "o", report=lambda _: None)
    assert native.tags == ("cp312-cp312-manylinux_2_28_x86_64",)
    assert native.files == tuple(
        sorted(
            ["native.py", *(f"native-1.0.dist-info/{x}" for x in ("METADATA", "RECORD", "WHEEL", "entry_points.txt"))]
        )
    )
    assert not native.is_plugin


def test_constraints_bind_what_is_needed_indirectly_and_their_hashes_count(uv: Uv, index: Path, tmp_path: Path) -> None:
    """As a lock's do."""
    wheel(index, "lib", "2.0")
    digest = hashlib.sha256((index / "lib-1.0-py3-none-any.whl").read_bytes()).hexdigest()
    good = Wanted(("app",), "3.10", (f"lib==1.0 --hash=sha256:{digest}",), excluded=("heavy",))
    found = uv.install(good, target=tmp_path / "good", report=lambda _: None)
    assert [each.version for each in found if each.name == "lib"] == ["1.0"]
    bad = replace(good, constraints=(f"lib==1.0 --hash=sha256:{'0' * 64}",))
    with pytest.raises(DependencyError, match="lib") as raised:
        uv.install(bad, target=tmp_path / "bad", report=lambda _: None)
    assert "Hash mismatch" in raised.value.detail
    assert not list((tmp_path / "bad").glob("*.py"))
