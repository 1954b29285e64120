"""What builds keep for one another, and that nobody has to trust it."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fakes_bundle import FakeDescriber, FakeInstaller, Package, project, write

from flash.bundle.assemble import BuildRequest, build
from flash.bundle.cache import Cache
from flash.model.manifest import CallSchema

if TYPE_CHECKING:
    from flash.model.manifest import Artifact

DAY_S = 24 * 3600
WORKER = """
from flash import Endpoint

@Endpoint(name="{name}", cpu="cpu3c-1-2", dependencies={dependencies})
def {name}_work(text: str) -> str:
    return text
"""


# in an order of its own, as parameters have one
SCHEMA = CallSchema(
    input={"type": "object", "properties": {"text": {"type": "string", "default": "x"}, "a": {"type": "integer"}}}
)


class Machine:
    """A user's cache, an index, and projects."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = 1000.0
        self.cache = Cache(folder / "cache", now=lambda: self.now)
        self.installer = FakeInstaller(
            {
                "one": Package(
                    "1", files={"one/__init__.py": "ONE = 1", "shared/x.py": "from one", "examples/x.py": ""}
                ),
                "two": Package("2", files={"two/__init__.py": "TWO = 2", "shared/x.py": "from two"}),
            }
        )
        self.describer = FakeDescriber({"worker": {"worker_work": {"": SCHEMA}}})
        self.lines: list[str] = []

    def project(self, name: str = "app", *, endpoint: str = "worker", dependencies: tuple[str, ...] = ("one",)) -> Path:
        return project(self.folder / name, {"worker.py": WORKER.format(name=endpoint, dependencies=list(dependencies))})

    def build(self, root: Path, **request: object) -> Artifact:
        self.lines.clear()
        return build(
            BuildRequest(root=root, app_name="demo", python_version="3.11", **request),  # type: ignore[arg-type]
            installer=self.installer,
            describer=self.describer,
            cache=self.cache,
            report=self.lines.append,
        )

    @property
    def installs(self) -> int:
        return len(self.installer.calls)

    def kept(self, pattern: str) -> list[Path]:
        return sorted((self.folder / "cache").glob(pattern))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_what_one_project_has_installed_and_compressed_serves_another(machine: Machine):
    """Distributions, layers and descriptions know no project."""
    first = machine.build(machine.project("a"))
    layers = {path: path.stat().st_mtime_ns for path in machine.kept("layers/*/*")}
    second = machine.build(machine.project("b"))
    assert machine.installs == 1
    assert len(machine.describer.seen) == 1
    assert {path: path.stat().st_ino for path in machine.kept("layers/*/*")}.keys() == layers.keys()
    assert first.sha256 == second.sha256


def test_an_artifact_is_the_same_with_and_without_a_cache(machine: Machine):
    """Whatever was kept, dropped or made again."""
    root = machine.project(dependencies=("one", "two"))
    first = machine.build(root)
    assert machine.build(root).sha256 == first.sha256
    for gone in ("layers", "trees", "resolved", "described"):
        shutil.rmtree(machine.folder / "cache" / gone)
        assert machine.build(root).sha256 == first.sha256, gone


def test_after_an_edit_only_what_was_edited_is_described_again(machine: Machine):
    """One endpoint of two."""
    root = machine.project()
    write(root / "other.py", WORKER.format(name="other", dependencies=[]))
    machine.build(root)
    write(root / "other.py", WORKER.format(name="other", dependencies=[]) + "# edited\n")
    machine.build(root)
    assert machine.describer.asked == [["other", "worker"], ["other"]]
    assert machine.installs == 1


def test_versions_that_nobody_has_pinned_are_asked_for_once_a_day(machine: Machine):
    """And before that if the user says so."""
    root = machine.project()
    machine.build(root)
    machine.now += DAY_S - 1
    machine.build(root)
    assert machine.installs == 1
    machine.build(root, upgrade=True)
    assert machine.installs == 2
    machine.now += DAY_S + 1
    machine.build(root)
    assert machine.installs == 3


def test_a_file_that_two_distributions_have_ships_once_as_it_was_installed(machine: Machine):
    """The last one that is installed wins, as with pip."""
    artifact = machine.build(machine.project(dependencies=("one", "two")))
    assert artifact.files.count("shared/x.py") == 1
    assert "shared/x.py" in artifact.files


def test_what_the_project_has_hides_what_a_distribution_has(machine: Machine):
    """Where both may stand: each path is in the archive once."""
    root = machine.project()
    write(root / "examples/x.py", "mine")
    artifact = machine.build(root)
    with tarfile.open(artifact.path) as tar:
        (member,) = [member for member in tar if member.name == "examples/x.py"]
        content = tar.extractfile(member)
        assert content is not None
        assert content.read() == b"mine"


def test_each_path_is_in_the_archive_once(machine: Machine):
    """A distribution may bring what a build makes, too, or bytecode, which does not ship."""
    machine.installer = FakeInstaller(
        {
            "one": Package(
                files={
                    "one/__init__.py": "ONE = 1",
                    "one/__pycache__/a.pyc": "x",
                    "one/b.pyc": "x",
                    "requirements.txt": "theirs",
                    "handler_worker.py": "theirs",
                    "flash_manifest.json": "{}",
                }
            )
        }
    )
    artifact = machine.build(machine.project())
    with tarfile.open(artifact.path) as tar:
        names = tar.getnames()
        pins = tar.extractfile("requirements.txt")
        assert pins is not None
        assert b"one==1.0" in pins.read()
    assert sorted(names) == sorted(set(names)) == list(artifact.files)
    assert [name for name in names if name.startswith("one/")] == ["one/__init__.py"]


@pytest.mark.parametrize("pattern", ["layers/*/*", "resolved/*", "described/*"])
@pytest.mark.parametrize("damage", ["flipped", "cut", "empty"])
def test_a_damaged_entry_is_replaced_and_told(machine: Machine, pattern: str, damage: str):
    """The artifact is what it was."""
    root = machine.project()
    before = machine.build(root)
    files = machine.kept(pattern)
    assert files
    for file in files:
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 0x15
        file.write_bytes({"flipped": bytes(content), "cut": bytes(content[:-3]), "empty": b""}[damage])
    after = machine.build(root)
    assert after.sha256 == before.sha256
    assert any("damaged" in line and "made again" in line for line in machine.lines), machine.lines
    machine.build(root)
    assert not any("damaged" in line for line in machine.lines)


def test_a_tree_that_has_lost_a_file_is_installed_again(machine: Machine):
    """Somebody has cleaned up by hand."""
    root = machine.project()
    before = machine.build(root)
    shutil.rmtree(machine.folder / "cache/layers")
    (lost,) = machine.kept("trees/*/one/__init__.py")
    lost.unlink()
    assert machine.build(root).sha256 == before.sha256
    assert any("damaged" in line for line in machine.lines)
    assert machine.installs == 2


def test_what_is_not_used_any_more_is_trimmed(machine: Machine):
    """And what is, stays."""
    machine.build(machine.project("a"))
    machine.now += 10 * DAY_S
    for path in machine.kept("**/*"):
        os.utime(path, (1000, 1000))
    assert machine.cache.trim(unused_s=30 * DAY_S) == 0
    machine.now += 30 * DAY_S
    assert machine.cache.trim(unused_s=30 * DAY_S) > 0
    assert [path for path in machine.kept("**/*") if path.is_file()] == []


def test_trimming_removes_what_a_killed_build_has_left(machine: Machine):
    """A folder whose lock nobody holds."""
    left = machine.folder / "cache/trees/.making-abc"
    write(left / "tree/half.py", "x")
    machine.cache.trim(unused_s=DAY_S)
    assert not left.exists()


def test_two_builds_may_make_the_same_at_once(machine: Machine):
    """The one that is later takes what is there."""
    root = machine.project()

    class Faster(FakeInstaller):
        """Another build ends while this one installs."""

        def install(self, *given: object, **named: object):  # type: ignore[no-untyped-def]
            found = super().install(*given, **named)  # type: ignore[arg-type]
            Machine.build(other, root)
            return found

    other = Machine(machine.folder)
    machine.installer = Faster(machine.installer.index)
    mine = machine.build(root)
    assert mine.sha256 == other.build(root).sha256
    assert len(machine.kept("trees/*")) == 1


def test_a_record_of_another_version_is_not_read(machine: Machine):
    """It is made anew, without a word: nothing is wrong."""
    root = machine.project()
    machine.build(root)
    (record,) = machine.kept("resolved/*")
    text = record.read_text().partition("\n")[2].replace('"format": 1', '"format": 0')
    record.write_text(f"{hashlib.sha256(text.encode()).hexdigest()}\n{text}")
    machine.build(root)
    assert machine.installs == 2
    assert not any("damaged" in line for line in machine.lines)
