"""What lies in an artifact, by what brought it."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import fakes_artifact
import pytest
from fakes_artifact import demo
from hypothesis import given
from hypothesis import strategies as st

from flash.bundle import contents
from flash.bundle.contents import Contents, Part
from flash.errors import BuildError, ManifestError
from flash.model.manifest import FunctionEntry, Manifest, Resource

MANIFEST = Manifest(
    project_name="demo",
    resources={
        "gpu_worker": Resource(
            gpu_ids="AMPERE_16", gpu_count=2, functions=[FunctionEntry(name="hello", module="gpu_worker")]
        )
    },
).text()
FILES = {
    "flash_manifest.json": MANIFEST,
    "handler_gpu_worker.py": "h" * 10,
    "requirements.txt": "",
    "flash/__init__.py": "f" * 20,
    "flash/runtime/worker.py": "f" * 30,
    "gpu_worker.py": "g" * 40,
    "data/a.txt": "a",
    "data/deep/b.txt": "bb",
    "handler_mine.py": "mine",
    "typing_extensions.py": "t" * 100,
    "typing_extensions-4.15.0.dist-info/METADATA": "m",
    "typing_extensions-4.15.0.dist-info/RECORD": (
        "typing_extensions.py,sha256=x,100\r\ntyping_extensions-4.15.0.dist-info/METADATA,,\r\n"
        '"../../bin/with,comma",,\r\n__pycache__/typing_extensions.cpython-311.pyc,,\r\n'
    ),
    "big/__init__.py": "b" * 1000,
    "Big_Thing-1.0.dist-info/RECORD": "big/__init__.py,,\nBig_Thing-1.0.dist-info/RECORD,,\n",
    "_flash/sets/0a1b/old/__init__.py": "o" * 7,
    "_flash/sets/0a1b/old-0.1.dist-info/RECORD": "old/__init__.py,,\n",
}


def packed(folder: Path, files: dict[str, str]) -> Path:
    """An archive of these files."""
    path = folder / "artifact.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return path


@pytest.fixture
def found(tmp_path: Path) -> Contents:
    """What is in an artifact of everything."""
    return contents.read(packed(tmp_path, FILES))


def test_a_distribution_has_what_its_record_lists_and_its_metadata(found: Contents) -> None:
    """Largest first; what a record lists and the artifact has not does not count."""
    record = FILES["typing_extensions-4.15.0.dist-info/RECORD"]
    assert [(part.name, part.version, part.files) for part in found.distributions] == [
        ("big-thing", "1.0", 2),
        ("typing-extensions", "4.15.0", 3),
        ("old", "0.1", 2),
    ]
    assert found.distributions[1].size_bytes == 100 + 1 + len(record)


def test_what_the_build_made_is_told_apart_from_the_project(found: Contents) -> None:
    """A handler is one that the manifest names: a file of the user's may look like one."""
    assert (found.generated.files, found.runtime) == (3, Part("flash", 2, 50))
    assert found.project == (
        Part("data/", 2, 3),
        Part("gpu_worker.py", 1, 40),
        Part("handler_mine.py", 1, 4),
    )


def test_every_file_is_part_of_one_thing(found: Contents) -> None:
    """Sizes and counts add up."""
    parts = [*found.project, found.generated, found.runtime, *found.distributions]
    assert sum(part.files for part in parts) == len(FILES)
    assert sum(part.size_bytes for part in parts) == found.unpacked_bytes


@given(
    st.dictionaries(st.sampled_from(["a.py", "b/c.py", "b/d.py", "e/f/g.py"]), st.text("x", max_size=9), min_size=1),
    st.lists(st.sampled_from(["a.py", "b/c.py", "../x", "missing", ""]), max_size=4),
)
def test_no_record_makes_a_file_count_twice(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, str], recorded: list[str]
) -> None:
    """Whatever two distributions say of the same file."""
    records = {f"d{number}-1.dist-info/RECORD": "".join(f"{path},,\n" for path in recorded) for number in range(2)}
    everything = {**files, **records, "flash_manifest.json": Manifest().text()}
    found = contents.read(packed(tmp_path_factory.mktemp("artifact"), everything))
    parts = [*found.project, found.generated, found.runtime, *found.distributions]
    assert sum(part.files for part in parts) == len(everything)


def test_what_is_no_artifact_is_an_error(tmp_path: Path) -> None:
    """It names the file."""
    nonsense = tmp_path / "nonsense.tar.gz"
    nonsense.write_text("no archive", encoding="utf-8")
    for path in (nonsense, tmp_path / "missing.tar.gz"):
        with pytest.raises(BuildError, match=r"cannot read the artifact"):
            contents.read(path)
    with pytest.raises(ManifestError):
        contents.read(packed(tmp_path, {"a.py": ""}))


def test_every_distribution_is_locked_by_what_it_lists(tmp_path: Path) -> None:
    """Also those of a set of their own; a record names the sha256 of each file."""
    found = contents.locked(packed(tmp_path, FILES))
    assert [(one.name, one.version) for one in found] == [
        ("big-thing", "1.0"),
        ("old", "0.1"),
        ("typing-extensions", "4.15.0"),
    ]
    record = FILES["Big_Thing-1.0.dist-info/RECORD"].encode()
    assert found[0].record_sha256 == hashlib.sha256(record).hexdigest()


def test_the_flash_that_built_it_is_known(tmp_path: Path) -> None:
    """By its own part in it."""
    assert contents.read(fakes_artifact.packed(tmp_path / "a.tar.gz", demo())).flash_version == "0.1.0"
    odd = demo(**{"flash/__init__.py": "__version__ = version('pytest-flash')\n"})
    assert contents.read(fakes_artifact.packed(tmp_path / "b.tar.gz", odd)).flash_version == ""


def test_the_projects_own_files_are_what_nothing_else_brought(tmp_path: Path) -> None:
    """Sorted, without handlers, distributions and Flash."""
    own = contents.read(fakes_artifact.packed(tmp_path / "a.tar.gz", demo())).own_files()
    assert own == ("data/deep/words.txt", "gpu_worker.py", "lb_worker.py")


@pytest.mark.parametrize(
    ("name", "manifest", "told", "hint"),
    [
        ("flash_manifest.json", "{", "is no JSON", "flash build"),
        ("flash_manifest.json", "[" * 100_000, "is no JSON", "flash build"),
        ("flash_manifest.json", '{"resources": []}', "resources", ""),
        ("flash_manifest.json", '{"generated_at": "2026-08-01"}', "not one of Flash's", "runpod-flash built it"),
        ("./flash_manifest.json", "{}", "there is no flash_manifest.json at its top", "runpod-flash built it"),
        ("other.json", "{}", "there is no flash_manifest.json at its top", "it is no artifact"),
    ],
    ids=["half", "deep", "wrong", "foreign", "foreign-paths", "none"],
)
def test_a_manifest_that_is_none_of_ours_is_an_error(
    tmp_path: Path, name: str, manifest: str, told: str, hint: str
) -> None:
    """It says whose it is."""
    with pytest.raises(ManifestError, match=told) as refused:
        contents.read(packed(tmp_path, {"a.py": "", name: manifest}))
    assert hint in refused.value.hint
