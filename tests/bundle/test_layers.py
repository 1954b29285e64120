"""Layers of an archive: what is in their files, and what is noticed of it."""

from __future__ import annotations

import gzip
import io
import tarfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flash.bundle import archive
from flash.bundle.layers import Compressing, Damaged, Layers, Member, tar_stream
from flash.errors import BuildError

if TYPE_CHECKING:
    from pathlib import Path

NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=("Cs",)), min_size=1, max_size=90)
MEMBERS = st.lists(
    st.tuples(st.lists(NAMES.filter(lambda name: name not in (".", "..")), min_size=1, max_size=5), st.binary()),
    max_size=6,
    unique_by=lambda member: "/".join(member[0]),
)


def read(stream: bytes) -> dict[str, tuple[bytes, int]]:
    with tarfile.open(fileobj=io.BytesIO(stream)) as tar:
        found = {member.name: (tar.extractfile(member), member.mode) for member in tar}
    return {name: (b"" if file is None else file.read(), mode) for name, (file, mode) in found.items()}


@given(MEMBERS)
def test_whatever_a_file_is_called_it_is_read_back(members: list[tuple[list[str], bytes]]):
    """Spaces, newlines, non-ASCII and long names included."""
    given_members = [Member("/".join(parts), content, len(content)) for parts, content in members]
    stream = b"".join(tar_stream(given_members)) + bytes(1024)
    assert read(stream) == {member.name: (member.content, 0o644) for member in given_members}


@pytest.mark.parametrize("name", ["n" * 100, "n" * 101, "d/" * 40 + "n" * 255, "é" * 60, "a b\n\tc"])
@pytest.mark.parametrize("is_executable", [True, False])
def test_a_header_is_one_that_tarfile_reads_the_same(name: str, is_executable: bool):
    """Owner, time and mode of every member are the same."""
    stream = b"".join(tar_stream([Member(name, b"x" * 700, 700, is_executable)])) + bytes(1024)
    with tarfile.open(fileobj=io.BytesIO(stream)) as tar:
        (member,) = tar.getmembers()
    assert (member.name, member.size, member.uid, member.gid, member.uname, member.mtime, member.type) == (
        *(name, 700, 0, 0, "", 315_532_800, tarfile.REGTYPE),
    )
    assert member.mode == (0o755 if is_executable else 0o644)


def test_a_size_that_the_plain_header_cannot_hold_is_in_an_extended_one():
    """8 GiB and more."""
    content = next(tar_stream([Member("big", _Endless(), 2**33)]))  # type: ignore[arg-type]
    assert tarfile.TarInfo.frombuf(content[:512], "utf-8", "strict").type == tarfile.XHDTYPE
    assert f"size={2**33}\n".encode() in content[512:1024]


class _Endless:
    """As much content as anybody reads."""

    def open(self, _mode: str, buffering: int) -> _Endless:
        return self

    def __enter__(self) -> _Endless:  # noqa: PYI034
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def read(self, size: int) -> bytes:
        return bytes(size)


@pytest.mark.parametrize("size", [99, 101])
def test_a_file_that_changed_since_it_was_measured_is_refused(tmp_path: Path, size: int):
    """A tar whose header tells another size than its content has would be read as garbage."""
    file = tmp_path / "a.bin"
    file.write_bytes(bytes(100))
    with pytest.raises(BuildError, match=r"^a\.bin: it changed while it was read"):
        list(tar_stream([Member("a.bin", file, size)]))


def stored(tmp_path: Path) -> tuple[Layers, str, list[Member]]:
    members = [Member(f"{name}.bin", name.encode() * 2**19, 2**19) for name in "abc"]
    key = Layers.key((member.name, "x") for member in members)
    layers = Layers(tmp_path / "layers")
    with Compressing(workers=3) as compressing:
        layers.make(key, members, compressing)
    return layers, key, members


def test_a_kept_layer_gives_the_bytes_that_a_new_one_would(tmp_path: Path):
    """However many workers made it."""
    layers, key, members = stored(tmp_path)
    kept = layers.get(key)
    with Compressing(workers=1) as compressing:
        new = compressing.layer(members)
    assert kept is not None
    assert b"".join(kept.chunks()) == b"".join(new.chunks())
    assert (kept.crc, kept.size, kept.packed_size) == (new.crc, new.size, new.packed_size)
    archive.write(tmp_path / "out.tar.gz", [kept])
    assert gzip.decompress((tmp_path / "out.tar.gz").read_bytes())[: new.size] == b"".join(tar_stream(members))


def test_a_layer_that_is_not_there_is_none(tmp_path: Path):
    """And nothing is made by asking."""
    assert Layers(tmp_path / "layers").get("0" * 64) is None
    assert not (tmp_path / "layers").exists()


@pytest.mark.parametrize("at", [0, 11, 15, 18, 22, 30, 37, 40, 500, -1])
def test_a_flipped_bit_of_a_kept_layer_never_gets_into_an_archive(tmp_path: Path, at: int):
    """Wherever it is."""
    layers, key, _ = stored(tmp_path)
    (file,) = (tmp_path / "layers").glob("*/*")
    content = bytearray(file.read_bytes())
    content[at] ^= 1
    file.write_bytes(content)
    with pytest.raises(Damaged) as caught:
        archive.write(tmp_path / "out.tar.gz", [layer for layer in [layers.get(key)] if layer is not None])
    assert caught.value.place == file
    assert not (tmp_path / "out.tar.gz").exists()


@pytest.mark.parametrize("size", [0, 5, 60])
def test_half_a_layer_is_told(tmp_path: Path, size: int):
    """As a full disk of before might have left it."""
    layers, key, _ = stored(tmp_path)
    (file,) = (tmp_path / "layers").glob("*/*")
    file.write_bytes(file.read_bytes()[:size])
    with pytest.raises(Damaged):
        layers.get(key)


def test_layers_have_a_name_for_each_content_mode_and_order():
    """And never one for two."""
    keys = {
        Layers.key(members)
        for members in (
            [("a", "1")],
            [("a", "2")],
            [("a", "1 x")],
            [("a", "1"), ("b", "1")],
            [("b", "1"), ("a", "1")],
            [("a 1\n1 b", "1")],
        )
    }
    assert len(keys) == 6
