"""Artifacts are unpacked once, and nothing in them leaves its folder."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from fakes_emulator import archive, digest_of

from flash.emulator.artifacts import ArtifactStore, check_member
from flash.errors import NotFound, PlatformError


def _store(tmp_path: Path, content: bytes) -> tuple[ArtifactStore, str]:
    store = ArtifactStore(tmp_path)
    store.upload_path("artifacts/a.tar.gz").write_bytes(content)
    return store, digest_of(content)


def _archive_with(member: tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        tar.addfile(member, io.BytesIO(b"x" * member.size))
    return buffer.getvalue()


def _member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, link
    return member


BAD = [
    _member("../outside.py"),
    _member("a/../../outside.py"),
    _member("link", tarfile.SYMTYPE, "/etc"),
    _member("a/link", tarfile.SYMTYPE, "../../outside"),
    _member("hard", tarfile.LNKTYPE, "../outside"),
    _member("device", tarfile.CHRTYPE),
]


def test_an_artifact_is_unpacked_once_per_digest(tmp_path: Path) -> None:
    """The second time its folder is taken as it is."""
    store, digest = _store(tmp_path, archive({"pkg/a.py": "x = 1\n"}))
    folder = store.unpack("artifacts/a.tar.gz", digest)
    assert (folder / "pkg" / "a.py").read_text(encoding="utf-8") == "x = 1\n"
    (folder / "mark").touch()
    assert store.unpack("artifacts/a.tar.gz", digest) == folder
    assert (folder / "mark").exists()
    assert [path.name for path in folder.parent.iterdir()] == [digest]


@pytest.mark.parametrize("member", BAD, ids=lambda member: member.name)
def test_a_member_that_leaves_the_folder_is_refused(tmp_path: Path, member: tarfile.TarInfo) -> None:
    """By the standard library's filter and by our own check alike, and nothing half-unpacked stays."""
    store, digest = _store(tmp_path / "home", _archive_with(member))
    with pytest.raises(PlatformError):
        store.unpack("artifacts/a.tar.gz", digest)
    with pytest.raises(PlatformError):
        check_member(member)
    assert not list((tmp_path / "home" / "artifacts").iterdir())
    assert not (tmp_path / "outside.py").exists()


def test_ordinary_members_pass_the_check() -> None:
    """Files, folders, and links within."""
    for member in (
        _member("a/b.py"),
        _member("./a"),
        _member("d", tarfile.DIRTYPE),
        _member("a/link", tarfile.SYMTYPE, "../b"),
        _member("hard", tarfile.LNKTYPE, "a/b.py"),
    ):
        check_member(member)


@pytest.mark.parametrize("content", [b"\x1f\x8b broken", archive({"a": "b" * 5000})[:-40]], ids=["noise", "cut short"])
def test_a_broken_archive_is_an_error(tmp_path: Path, content: bytes) -> None:
    """It is told, and no folder is left."""
    store, digest = _store(tmp_path, content)
    with pytest.raises(PlatformError, match="cannot be unpacked"):
        store.unpack("artifacts/a.tar.gz", digest)
    assert not list((tmp_path / "artifacts").iterdir())


@pytest.mark.parametrize("was_unpacked", [False, True])
def test_a_flipped_byte_is_noticed(tmp_path: Path, *, was_unpacked: bool) -> None:
    """Whoever wants to make a build of what was changed on the disk is refused."""
    content = archive({"a": "b"})
    store, digest = _store(tmp_path, content)
    if was_unpacked:
        store.admit("artifacts/a.tar.gz", digest)
    store.upload_path("artifacts/a.tar.gz").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(PlatformError, match="changed after its upload"):
        store.admit("artifacts/a.tar.gz", digest)
    assert store.folder(digest).is_dir() == was_unpacked


def test_an_upload_that_is_gone_is_told_as_such(tmp_path: Path) -> None:
    """So that a client that has the bytes sends them again."""
    store, digest = _store(tmp_path, archive({"a": "b"}))
    store.upload_path("artifacts/a.tar.gz").unlink()
    with pytest.raises(NotFound, match="Artifact not found"):
        store.admit("artifacts/a.tar.gz", digest)


def test_a_fresh_start_removes_what_nothing_refers_to(tmp_path: Path) -> None:
    """Half-done work of a killed platform, and artifacts of deleted apps."""
    store, digest = _store(tmp_path, archive({"a": "b"}))
    store.unpack("artifacts/a.tar.gz", digest)
    (tmp_path / "uploads" / ".part-x").touch()
    (tmp_path / "artifacts" / ".part-y").mkdir()
    again = ArtifactStore(tmp_path)
    again.keep_only({"artifacts/a.tar.gz"}, {digest})
    assert [path.name for path in (tmp_path / "uploads").iterdir()] == ["a.tar.gz"]
    assert [path.name for path in (tmp_path / "artifacts").iterdir()] == [digest]
    again.keep_only(set(), set())
    assert not list((tmp_path / "uploads").iterdir())
    assert not list((tmp_path / "artifacts").iterdir())
