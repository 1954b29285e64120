"""A build that is killed, or whose disk is full: what was built before stays, and the next build succeeds."""

from __future__ import annotations

import hashlib
import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import fakes_bundle
import pytest
from fakes_bundle import QUEUE, flash_build, project

import flash
from flash.bundle import archive

if TYPE_CHECKING:
    from collections.abc import Iterator

KILLS = 20
TMPFS_KIB = (0, 4, 16, 48, 96, 144, 192, 256, 320, 512, 1024)

# counts what a build asks of the file system, and ends the process at one of them
CHILD = """
import os, signal, sys
import fakes_bundle
events, last = {"open", "os.mkdir", "os.rename", "os.link", "os.remove", "os.rmdir", "os.chmod"}, int(sys.argv[2])
seen = 0
def count(event, arguments):
    global seen
    if event in events and not str(arguments[0]).endswith((".py", ".pyc")):
        seen += 1
        if seen == last:
            os.kill(os.getpid(), signal.SIGKILL)
root = sys.argv[1]
sys.addaudithook(count)
status = fakes_bundle.flash_build(fakes_bundle.Path(root))
print("events", seen)
sys.exit(status)
"""


class Site:
    """A project that was built, then changed; and what its two artifacts are."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = folder / "app"
        self.home = folder / "home"
        monkeypatch.setenv("FLASH_HOME", str(self.home))
        project(self.root, {"worker.py": self.worker("six"), "data.bin": "x" * 3000})
        assert flash_build(self.root) == 0
        self.old = self.digest()
        self.change()
        # of the same name, which is the app's
        twin = folder / "twin" / self.root.name
        shutil.copytree(self.root, twin)
        assert flash_build(twin) == 0
        self.new = digest_of(twin)
        shutil.rmtree(self.home / "cache")

    @staticmethod
    def worker(*dependencies: str) -> str:
        return QUEUE.replace('cpu="cpu3c-1-2"', f'cpu="cpu3c-1-2", dependencies={list(dependencies)}')

    def change(self) -> None:
        project(self.root, {"worker.py": self.worker("six", "numpy"), "more.txt": "y" * 5000})

    def digest(self) -> str:
        return digest_of(self.root)

    def run(self, *, kill_at: int = 0, limit_bytes: int | None = None) -> subprocess.CompletedProcess[str]:
        def limit() -> None:
            if limit_bytes is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))

        folders = [str(Path(fakes_bundle.__file__).parent), str(Path(flash.__file__).parents[1])]
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(folders),
            "PYTHONDONTWRITEBYTECODE": "1",
            "FLASH_HOME": str(self.home),
            "NO_COLOR": "1",
        }
        return subprocess.run(
            [sys.executable, "-c", CHILD, str(self.root), str(kill_at)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            preexec_fn=limit,
        )

    def check_what_is_left(self) -> None:
        """Under the final name lies one of the two, whole; and the next build makes the new one and tidies up."""
        assert self.digest() in {self.old, self.new}
        assert archive.read(self.root / ".flash/artifact.tar.gz").manifest.resources
        assert flash_build(self.root) == 0
        assert self.digest() == self.new
        assert sorted(path.name for path in (self.root / ".flash").iterdir()) == [
            *(".gitignore", "artifact.tar.gz", "build.json", "flash_manifest.json"),
        ]
        trees = [path.name for path in (self.home / "cache/trees").iterdir() if not path.name.startswith(".")]
        assert len(trees) == 1


def digest_of(root: Path) -> str:
    return hashlib.sha256((root / ".flash/artifact.tar.gz").read_bytes()).hexdigest()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    return Site(tmp_path, monkeypatch)


def test_wherever_a_build_is_killed_the_next_one_succeeds(site: Site):
    """At twenty moments, spread over everything that it does to the file system."""
    before = site.root.with_name("before")
    shutil.copytree(site.root, before)
    whole = site.run()
    assert whole.returncode == 0, whole.stderr
    events = int(whole.stdout.split()[-1])
    assert events > KILLS
    for moment in range(KILLS):
        shutil.rmtree(site.root)
        shutil.rmtree(site.home / "cache", ignore_errors=True)
        shutil.copytree(before, site.root)
        killed = site.run(kill_at=1 + moment * events // KILLS)
        assert killed.returncode == -signal.SIGKILL, (moment, killed.stderr)
        site.check_what_is_left()


@pytest.mark.parametrize("limit_bytes", [0, 1, 100, 512, 1000, 4096, 10_000, 30_000, 60_000])
def test_a_file_that_cannot_be_written_to_its_end_is_never_under_a_final_name(site: Site, limit_bytes: int):
    """Whichever file it is that has no more room."""
    full = site.run(limit_bytes=limit_bytes)
    assert "Traceback" not in full.stderr
    if full.returncode != 0:
        assert full.returncode == 1, full.stderr
        assert "hint: " in full.stderr
    site.check_what_is_left()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if made.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {made.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_an_error_and_leaves_what_was_there(disk: Path, monkeypatch: pytest.MonkeyPatch):
    """However much there was left; with room again, the next build succeeds."""
    site = Site(disk, monkeypatch)
    before = site.root.with_name("before")
    shutil.copytree(site.root, before)
    failed = 0
    for free_kib in TMPFS_KIB:
        shutil.rmtree(site.root)
        shutil.rmtree(site.home / "cache", ignore_errors=True)
        shutil.copytree(before, site.root)
        room = os.statvfs(disk)
        filler = disk / "filler"
        filler.write_bytes(bytes(max(0, room.f_bavail * room.f_frsize - free_kib * 1024)))
        full = site.run()
        filler.unlink()
        assert "Traceback" not in full.stderr, full.stderr
        if full.returncode != 0:
            failed += 1
            assert "No space left on device" in full.stderr
            assert "hint: " in full.stderr
        site.check_what_is_left()
    assert 0 < failed < len(TMPFS_KIB)
