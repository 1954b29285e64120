"""Which files ship."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from fakes_bundle import project, write
from fakes_deploy import manifest

from flash.bundle.sources import BUILT_IN, SECRET, project_files
from flash.deploy.plan import plan
from flash.errors import BuildError

if TYPE_CHECKING:
    from pathlib import Path


def shipped(root: Path, *names: str, **ignore_files: str) -> tuple[str, ...]:
    project(root, dict.fromkeys(names, "x"))
    for name, text in ignore_files.items():
        write(root / f".{name}", text)
    return project_files(root).files


def test_files_are_sorted_posix_paths(tmp_path: Path) -> None:
    """Order is that of the names, whatever the file system's is."""
    assert shipped(tmp_path, "b0.py", "b/d/e.bin", "a.py", "b/c.py") == ("a.py", "b/c.py", "b/d/e.bin", "b0.py")


@pytest.mark.parametrize(
    "secret",
    [
        *(".env", ".env.production", "deep/.env.local", "key.pem", "id_rsa", "id_rsa.pub", "id_ed25519"),
        *("credentials.json", "credentials-prod.json", ".netrc", ".ssh/config", ".aws/credentials"),
    ],
)
def test_secrets_never_ship(tmp_path: Path, secret: str) -> None:
    """Not even where .flashignore asks for them."""
    assert shipped(tmp_path, "a.py", secret, flashignore=f"!{secret}\n!/{secret}\n") == ("a.py",)
    assert [rule for path, rule in project_files(tmp_path).ignored.items() if rule == SECRET] == [SECRET]


@pytest.mark.parametrize("example", [".env.example", "deep/.env.sample", ".env.template", ".env.production.example"])
def test_an_example_of_a_secret_never_ships_and_is_no_secret(tmp_path: Path, example: str) -> None:
    """It is there to be read: a warning of it would teach people to pass over warnings."""
    assert shipped(tmp_path, "a.py", example, flashignore=f"!{example}\n") == ("a.py",)
    assert project_files(tmp_path).secrets == ()


@pytest.mark.parametrize(
    "name",
    [
        *("tests/a.py", "test_a.py", "pkg/a_test.py", "conftest.py", ".git/config", ".flash/artifact.tar.gz"),
        *(
            "__pycache__/a.pyc",
            "build/a.py",
            ".venv/lib/a.py",
            "docs/a.txt",
            "NOTES.md",
            "x.tar.gz",
            "node_modules/a.js",
        ),
    ],
)
def test_what_no_worker_needs_does_not_ship(tmp_path: Path, name: str) -> None:
    """Tests, environments, caches, documents."""
    assert shipped(tmp_path, "a.py", name) == ("a.py",)


def test_readme_settings_and_data_ship(tmp_path: Path) -> None:
    """Code may read them at run time."""
    names = ("README.md", "data/weights.bin", "pyproject.toml", "requirements.txt")
    assert names == shipped(tmp_path, *names)


def test_a_virtual_environment_of_any_name_does_not_ship(tmp_path: Path) -> None:
    """pyvenv.cfg marks it."""
    assert shipped(tmp_path, "a.py", "my-env/pyvenv.cfg", "my-env/lib/b.py") == ("a.py",)


def test_gitignore_hides_with_gits_rules(tmp_path: Path) -> None:
    """Anchors, negation and directories mean what they mean to git."""
    assert shipped(
        tmp_path,
        *("a.log", "keep.log", "only_root.txt", "sub/only_root.txt", "out/x", "out/keep.log"),
        gitignore="*.log\n!keep.log\n/only_root.txt\nout/\n",
    ) == ("keep.log", "sub/only_root.txt")


def test_a_deeper_gitignore_speaks_for_its_folder(tmp_path: Path) -> None:
    """Its patterns are relative to where it lies, and win over those above."""
    project(tmp_path, {".gitignore": "*.bin\n", "sub/.gitignore": "!keep.bin\n/own.txt\n"})
    assert shipped(tmp_path, "a.bin", "own.txt", "sub/keep.bin", "sub/b.bin", "sub/own.txt") == (
        "own.txt",
        "sub/keep.bin",
    )


def test_all_but_what_a_list_names_may_be_hidden(tmp_path: Path) -> None:
    """The usual way to say it, ``*`` and then ``!*/``, enters folders at any depth."""
    for name in ("a.py", "a.txt", "deep/b.py", "deep/b.txt", "deep/er/c.py"):
        write(tmp_path / name, "x")
    write(tmp_path / ".gitignore", "*\n!*/\n!*.py\n")
    assert project_files(tmp_path).files == ("a.py", "deep/b.py", "deep/er/c.py")


def test_flashignore_wins_over_gitignore_and_the_built_in_list(tmp_path: Path) -> None:
    """It is the last word on what is not secret."""
    assert shipped(
        tmp_path,
        *("model.bin", "docs/prompt.md", "notebook.ipynb"),
        gitignore="model.bin\n",
        flashignore="!model.bin\n!docs/\n!docs/*.md\n*.ipynb\n",
    ) == ("docs/prompt.md", "model.bin")


def test_what_is_hidden_names_its_rule(tmp_path: Path) -> None:
    """A directory that was not entered ends with a slash."""
    project(tmp_path, {".gitignore": "worker.py\nout/\n", "worker.py": "", "out/a.py": "", "sub/.gitignore": "x.py"})
    write(tmp_path / "sub/x.py", "")
    write(tmp_path / "docs/a.txt", "")
    ignored = project_files(tmp_path).ignored
    assert ".gitignore" == ignored["worker.py"] == ignored["out/"]
    assert ignored["sub/x.py"] == "sub/.gitignore"
    assert ignored["docs/"] == BUILT_IN


def test_a_link_inside_the_project_ships_as_what_it_points_at(tmp_path: Path) -> None:
    """File or folder."""
    project(tmp_path, {"real/a.txt": "x"})
    (tmp_path / "file.txt").symlink_to("real/a.txt")
    (tmp_path / "folder").symlink_to("real")
    assert project_files(tmp_path).files == ("file.txt", "folder/a.txt", "real/a.txt")


def test_a_link_out_of_the_project_is_an_error(tmp_path: Path) -> None:
    """Its content is on this machine only."""
    outside = write(tmp_path / "outside.txt", "x")
    root = project(tmp_path / "app", {"a.py": ""})
    (root / "link.txt").symlink_to(outside)
    with pytest.raises(BuildError, match=r"^link\.txt: the link leaves the project.*\nhint: .*\.flashignore"):
        project_files(root)
    write(root / ".flashignore", "link.txt\n")
    assert project_files(root).files == ("a.py",)


def test_a_link_to_nothing_is_an_error(tmp_path: Path) -> None:
    """So is one to itself."""
    (tmp_path / "gone").symlink_to("missing")
    with pytest.raises(BuildError, match="gone: the link points at nothing: 'missing'"):
        project_files(tmp_path)
    (tmp_path / "gone").unlink()
    (tmp_path / "self").symlink_to("self")
    with pytest.raises(BuildError, match="self: the link points at nothing"):
        project_files(tmp_path)


def test_a_circle_of_links_is_an_error(tmp_path: Path) -> None:
    """It names the link, once."""
    project(tmp_path, {"sub/a.py": ""})
    (tmp_path / "sub/loop").symlink_to("..")
    with pytest.raises(BuildError, match="sub/loop: the link leads in a circle"):
        project_files(tmp_path)


def test_a_link_does_not_smuggle_a_secret(tmp_path: Path) -> None:
    """What may not ship under its own name may not under another."""
    project(tmp_path, {".env": "KEY=1", "a.py": ""})
    (tmp_path / "settings.txt").symlink_to(".env")
    sources = project_files(tmp_path)
    assert sources.files == ("a.py",)
    assert sources.secrets == (".env", "settings.txt")


def test_a_pipe_does_not_ship(tmp_path: Path) -> None:
    """Only regular files do."""
    os.mkfifo(tmp_path / "pipe")
    assert project_files(tmp_path).files == ()


def test_a_name_that_is_not_utf_8_is_an_error(tmp_path: Path) -> None:
    """It would mean something else on another machine."""
    (tmp_path / os.fsdecode(b"caf\xe9.txt")).write_text("x", encoding="utf-8")
    with pytest.raises(BuildError, match=r"b'caf\\xe9\.txt' is not UTF-8"):
        project_files(tmp_path)


def test_an_ignore_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """It is not taken for an empty one."""
    (tmp_path / ".flashignore").write_bytes(b"\xff\xfe")
    with pytest.raises(BuildError, match=r"^\.flashignore: cannot read it"):
        project_files(tmp_path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("plan.json", json.dumps(plan(manifest("gpu"), None, digest="d1").as_json(), indent=2)),
        ("report.json", '{\n  "schema": 1,\n  "generator": "pytest-flash 1.2.3",\n  "app": "demo"\n}\n'),
        ("receipt.json", '{\n  "payloadType": "application/vnd.in-toto+json",\n  "payload": ""\n}\n'),
        (
            "ci/report.HTML",
            '<!doctype html><head><meta charset="utf-8"><meta name="generator" content="pytest-flash 1">',
        ),
        ("deploy.env", "FLASH_REPORT_OUTCOME=deployed\n"),
        (
            "junit.xml",
            '<?xml version="1.0" encoding="utf-8"?><testsuites name="pytest tests"><testsuite/></testsuites>',
        ),
    ],
)
def test_what_runs_write_never_ships(tmp_path: Path, name: str, text: str) -> None:
    """Or a plan beside the sources would make another artifact of them than the one that it is of."""
    project(tmp_path, {"a.py": "x", name: text, f"mine/{name}": text[:10]})
    assert project_files(tmp_path).files == ("a.py", f"mine/{name}")
    assert "wrote it" in project_files(tmp_path).ignored[name]
