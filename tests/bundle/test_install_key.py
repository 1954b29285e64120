"""The key of a set of distributions: what changes what gets installed changes it, and nothing else does."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from fakes_bundle import write
from hypothesis import given
from hypothesis import strategies as st

from flash.bundle.install import Uv, Wanted

if TYPE_CHECKING:
    from pathlib import Path

PLAIN = Wanted(("six==1.16", "attrs"), "3.12")
lines = st.lists(
    st.sampled_from(["six", "attrs>=20", "idna==3.4 --hash=sha256:00", "click; os_name == 'nt'"]), max_size=4
)


@given(lines, lines, st.lists(st.sampled_from(["torch", "numpy"])), st.sampled_from(["3.10", "3.13"]), st.booleans())
def test_the_key_is_that_of_a_set_of_wishes(
    requirements: list[str], constraints: list[str], excluded: list[str], python: str, hashes: bool
) -> None:
    """Neither order nor repetition matters, and each of the fields does."""
    uv = Uv({})
    wanted = Wanted(tuple(requirements), python, tuple(constraints), hashes, tuple(excluded))
    key = uv.key(wanted)
    assert key == uv.key(
        replace(
            wanted,
            requirements=(*reversed(requirements), *requirements),
            constraints=tuple(reversed(constraints)),
            excluded=(*excluded, *excluded),
        )
    )
    for other in (
        replace(wanted, requirements=(*requirements, "rich")),
        replace(wanted, constraints=(*constraints, "rich")),
        replace(wanted, excluded=(*excluded, "rich")),
        replace(wanted, hashes_required=not hashes),
        replace(wanted, python_version="3.11"),
        replace(wanted, options=("--index-url https://other.invalid/simple",)),
    ):
        assert uv.key(other) != key


@pytest.mark.parametrize(
    "variable",
    ["UV_INDEX_URL", "UV_DEFAULT_INDEX", "UV_EXTRA_INDEX_URL", "PIP_INDEX_URL", "UV_INDEX", "UV_FIND_LINKS"],
)
def test_where_distributions_come_from_is_part_of_the_key(variable: str) -> None:
    """In uv's spelling and in pip's; how they get here is not."""
    assert Uv({variable: "https://a.invalid/simple"}).key(PLAIN) != Uv({variable: "https://b.invalid/simple"}).key(
        PLAIN
    )
    assert Uv({variable: "https://a.invalid/simple"}).key(PLAIN) != Uv({}).key(PLAIN)
    with_name = Uv({variable: "https://user:secret@a.invalid/simple"}).key(PLAIN)
    assert with_name == Uv({variable: "https://a.invalid/simple"}).key(PLAIN)


def test_how_distributions_get_here_is_no_part_of_the_key() -> None:
    """Proxies, time-outs, and whatever else the environment has."""
    assert Uv({"UV_HTTP_TIMEOUT": "3", "HTTPS_PROXY": "http://p.invalid", "LANG": "C"}).key(PLAIN) == Uv({}).key(PLAIN)


@pytest.mark.parametrize("variable", ["PIP_NO_INDEX", "UV_NO_INDEX"])
def test_without_an_index_the_key_is_another(variable: str) -> None:
    """What is found then may be something else."""
    assert Uv({variable: "1"}).key(PLAIN) != Uv({}).key(PLAIN)


def test_the_platform_is_part_of_the_key() -> None:
    """A set for this machine is none for a worker."""
    assert Uv({}, platform="aarch64-apple-darwin").key(PLAIN) != Uv({}).key(PLAIN)


def test_settings_of_the_project_are_part_of_the_key_and_its_place_is_not(tmp_path: Path) -> None:
    """[tool.uv] and uv.toml, in the project and above, as uv finds them."""
    uv = Uv({"HOME": str(tmp_path / "home")})
    keys = []
    for name, files in {
        "none": {},
        "also-none": {"pyproject.toml": "[project]\nname = 'a'"},
        "table": {"pyproject.toml": "[tool.uv]\nindex-url = 'https://a.invalid'"},
        "same": {"pyproject.toml": "# why\n[tool.uv]\nindex-url = 'https://a.invalid'"},
        "other": {"pyproject.toml": "[tool.uv]\nindex-url = 'https://b.invalid'"},
        "file": {"uv.toml": "index-url = 'https://a.invalid'"},
    }.items():
        for path, text in files.items():
            write(tmp_path / name / path, text)
        (tmp_path / name / "app").mkdir(parents=True)
        keys.append(uv.key(replace(PLAIN, folder=tmp_path / name / "app")))
    assert keys[0] == keys[1] == uv.key(PLAIN)
    assert keys[2] == keys[3]
    assert len(set(keys)) == 4


def test_settings_of_the_user_are_part_of_the_key(tmp_path: Path) -> None:
    """As is a file that a variable names."""
    write(tmp_path / "home/.config/uv/uv.toml", "index-url = 'https://a.invalid'")
    write(tmp_path / "given.toml", "index-url = 'https://b.invalid'")
    home = {"HOME": str(tmp_path / "home")}
    keys = {Uv(env).key(PLAIN) for env in ({}, home, {**home, "UV_CONFIG_FILE": str(tmp_path / "given.toml")})}
    assert len(keys) == 3


@pytest.mark.parametrize("how", ["variable", "option", "setting", "file"])
def test_a_wheel_that_was_made_anew_in_a_local_folder_changes_the_key(tmp_path: Path, how: str) -> None:
    """Its name is the same, and its bytes are not."""
    wheel = write(tmp_path / "wheels/six-1.0-py3-none-any.whl", "one")
    write(tmp_path / "pyproject.toml", "[tool.uv]\nfind-links = ['wheels']" if how == "setting" else "")
    url = wheel.parent.as_uri()
    uv = Uv({"UV_FIND_LINKS": str(wheel.parent)} if how == "variable" else {})
    wanted = replace(
        PLAIN,
        folder=tmp_path,
        options=(f"--find-links {url}",) if how == "option" else (),
        requirements=(f"six @ {wheel.as_uri()}",) if how == "file" else ("six",),
    )
    before = uv.key(wanted)
    assert uv.key(wanted) == before
    os.utime(wheel, (1, 1))
    assert uv.key(wanted) != before
