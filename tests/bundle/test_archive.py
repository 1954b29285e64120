"""The archive: the same bytes for the same content, whole or not there."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from fakes_bundle import pack as packed
from fakes_bundle import project
from hypothesis import given
from hypothesis import strategies as st

from flash.errors import ArtifactTooLarge, BuildError

NAMES = st.text(alphabet="abcdé .-_", min_size=1, max_size=120).filter(
    lambda name: name not in (".", "..") and len(name.encode()) < 200
)
TREES = st.dictionaries(NAMES, st.tuples(st.binary(max_size=200), st.booleans()), max_size=6)


def pack(root: Path, tree: dict[str, tuple[bytes, bool]], *, order: int, umask: int, mtime: int) -> tuple[str, bytes]:
    previous = os.umask(umask)
    try:
        staging = root / f"staging-{order}-{umask}"
        (staging / "sub").mkdir(parents=True)
        for name, (content, executable) in sorted(tree.items(), reverse=bool(order)):
            path = staging / "sub" / name
            path.write_bytes(content)
            path.chmod((0o777 if executable else 0o666) & ~umask)
            os.utime(path, (mtime, mtime))
        digest, size = packed(staging, root / f"{order}-{umask}.tar.gz")
    finally:
        os.umask(previous)
    content = (root / f"{order}-{umask}.tar.gz").read_bytes()
    assert size == len(content)
    with tarfile.open(fileobj=io.BytesIO(content), mode="r|gz") as tar:
        names = [member.name for member in tar]
    assert names == sorted(f"sub/{name}" for name in tree)
    return digest, content


@given(TREES, st.integers(0, 2**31))
def test_the_same_content_gives_the_same_bytes(tree: dict[str, tuple[bytes, bool]], mtime: int) -> None:
    """Whatever order, umask and times the files were made with."""
    with TemporaryDirectory() as folder:
        first = pack(Path(folder), tree, order=0, umask=0o022, mtime=0)
        second = pack(Path(folder), tree, order=1, umask=0o077, mtime=mtime)
    assert first == second


def test_members_are_plain_files_without_owner_or_time(tmp_path: Path) -> None:
    """Nothing in it tells who built it, and when."""
    project(tmp_path / "in", {"a.py": "x", "sub/run.sh": "y"})
    (tmp_path / "in/sub/run.sh").chmod(0o700)
    packed(tmp_path / "in", tmp_path / "out.tar.gz")
    with tarfile.open(tmp_path / "out.tar.gz") as tar:
        members = {member.name: member for member in tar}
    assert list(members) == ["a.py", "sub/run.sh"]
    assert [member.mode for member in members.values()] == [0o644, 0o755]
    assert {(0, 0, "", "", 315532800)} == {(m.uid, m.gid, m.uname, m.gname, m.mtime) for m in members.values()}


def test_the_gzip_header_has_no_name_and_no_time(tmp_path: Path) -> None:
    """Bytes 3 to 8 are flags and time."""
    project(tmp_path / "in", {"a.py": "x"})
    packed(tmp_path / "in", tmp_path / "out.tar.gz")
    content = (tmp_path / "out.tar.gz").read_bytes()
    assert bytes(5) == content[3:8]
    assert gzip.decompress(content)


def test_over_the_limit_names_the_largest_and_leaves_what_was_there(tmp_path: Path) -> None:
    """The hint says what to leave out."""
    project(tmp_path / "in", {"a.bin": "x" * 1000})
    (tmp_path / "out.tar.gz").write_text("before", encoding="utf-8")
    with pytest.raises(
        ArtifactTooLarge, match=r"the limit is 0\.00 MiB\nhint: .*--exclude.*; largest: scipy 99 MiB"
    ) as error:
        packed(tmp_path / "in", tmp_path / "out.tar.gz", limit_bytes=10, largest=["scipy 99 MiB"])
    assert error.value.limit_bytes == 10 < error.value.size_bytes
    assert (tmp_path / "out.tar.gz").read_text(encoding="utf-8") == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out.tar.gz"]


def test_a_folder_that_cannot_be_written_is_a_build_error(tmp_path: Path) -> None:
    """It names the file."""
    project(tmp_path, {"in/a.py": "", "file": ""})
    with pytest.raises(BuildError, match=r"out\.tar\.gz: cannot write the artifact"):
        packed(tmp_path / "in", tmp_path / "file" / "out.tar.gz")
