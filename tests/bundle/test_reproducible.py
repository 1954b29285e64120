"""The same project gives the same bytes, wherever, whenever and by whomever it is built."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import fakes_bundle
from fakes_bundle import QUEUE, write
from hypothesis import example, given, settings
from hypothesis import strategies as st

import flash

FILES = {
    "worker.py": QUEUE.replace('cpu="cpu3c-1-2"', 'cpu="cpu3c-1-2", dependencies=["six", "numpy"]'),
    "lib/__init__.py": "",
    "lib/tables.py": "TABLE = {'b': 1, 'a': 2}\n",
    "data/ü.txt": "äöü\n",
    "data/large.bin": "0123456789abcdef" * 80_000,
    "run.sh": "#!/bin/sh\n",
}
PLAIN: dict[str, Any] = {"seed": "0", "locale": "C.UTF-8", "zone": "UTC", "umask": 0o022, "mtime": 0}
AGAIN = {"is_reversed": False, "folder": "app", "is_warm": False}


def built(
    *,
    seed: str,
    locale: str,
    zone: str,
    umask: int,
    mtime: int,
    is_reversed: bool,
    folder: str,
    is_warm: bool,
) -> str:
    """The sha256 of the project's artifact, made in a process of its own."""
    with TemporaryDirectory() as scratch:
        root = Path(scratch, folder, "demo")
        for name, text in sorted(FILES.items(), reverse=is_reversed):
            file = write(root / name, text)
            file.chmod(0o777 & ~umask if name.endswith(".sh") else 0o666 & ~umask)
            os.utime(file, (mtime, mtime))
        home = Path(scratch, "home")
        sources = [str(Path(fakes_bundle.__file__).parent), str(Path(flash.__file__).parents[1])]
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(sources),
            "PYTHONHASHSEED": seed,
            "LC_ALL": locale,
            "TZ": zone,
            "FLASH_HOME": str(home),
            "HOME": scratch,
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        for _ in range(2 if is_warm else 1):
            shutil.rmtree(root / ".flash", ignore_errors=True)
            done = subprocess.run(
                [sys.executable, fakes_bundle.__file__, str(root)],
                env=environment,
                capture_output=True,
                text=True,
                umask=umask,
                timeout=60,
                check=False,
            )
            assert done.returncode == 0, done.stderr
        return hashlib.sha256((root / ".flash/artifact.tar.gz").read_bytes()).hexdigest()


@cache
def expected() -> str:
    return built(**PLAIN, **AGAIN)


@given(
    seed=st.sampled_from(["0", "1", "77", "random"]),
    locale=st.sampled_from(["C", "C.UTF-8", "POSIX"]),
    zone=st.sampled_from(["UTC", "Asia/Tokyo", "America/Los_Angeles"]),
    umask=st.sampled_from([0o000, 0o022, 0o027, 0o077]),
    mtime=st.integers(0, 2**31),
    is_reversed=st.booleans(),
    folder=st.sampled_from(["app", "a b/c", "ünïcode", "d/" * 20 + "deep"]),
    is_warm=st.booleans(),
)
@example(**{**PLAIN, **AGAIN, "locale": "C", "seed": "random", "folder": "ünïcode", "is_warm": True})
@settings(max_examples=8, deadline=None)
def test_an_artifact_depends_on_the_project_alone(**given_: Any):
    """Not on seeds of hashes, locale, time, zone, umask, order, path, or what is in a cache."""
    assert built(**given_) == expected()
