"""An archive of somebody's, read from front to end."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fakes_artifact import add, demo, packed
from hypothesis import given, settings
from hypothesis import strategies as st

from flash.bundle import contents, reading
from flash.bundle.reading import printable, read_archive
from flash.errors import BuildError, FlashError

if TYPE_CHECKING:
    from collections.abc import Callable


def nothing(name: str) -> bool:
    """Keeps no file."""
    return False


def made(path: Path, *members: tarfile.TarInfo) -> Path:
    """An archive of members that have no content."""
    with tarfile.open(path, "w:gz") as tar:
        for member in members:
            tar.addfile(member)
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    """A header."""
    found = tarfile.TarInfo(name)
    found.type, found.linkname = kind, target
    return found


def test_everything_is_told_of_every_file(tmp_path: Path) -> None:
    """Size, digest, and whether it can be executed; of the archive, the digest that everybody else would see."""
    path = packed(tmp_path / "a.tar.gz", {"b.sh": "echo", "größe/a.txt": "x" * 70_000}, executable=["b.sh"])
    found = read_archive(path, keep=lambda name: name == "b.sh")
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert found.size_bytes == path.stat().st_size
    assert {name: (one.size_bytes, one.is_executable) for name, one in found.files.items()} == {
        "b.sh": (4, True),
        "größe/a.txt": (70_000, False),
    }
    assert found.files["b.sh"].sha256 == hashlib.sha256(b"echo").hexdigest()
    assert found.kept == {"b.sh": b"echo"}


def test_what_packs_badly_has_the_larger_share(tmp_path: Path) -> None:
    """Random bytes cannot be packed, zeros can; together they are no more than the archive."""
    noise = b"".join(hashlib.sha256(bytes([number % 256, number // 256])).digest() for number in range(20_000))
    path = packed(tmp_path / "a.tar.gz", {"noise": noise, "zeros": b"\0" * len(noise)})
    found = read_archive(path, keep=nothing)
    assert found.files["noise"].packed_bytes > 0.9 * found.size_bytes
    assert found.files["zeros"].packed_bytes < 0.1 * found.size_bytes
    assert sum(one.packed_bytes for one in found.files.values()) <= found.size_bytes


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (member("../evil.py"), "outside of its folder"),
        (member("a/../../evil.py"), "outside of its folder"),
        (member("/etc/evil"), "outside of its folder"),
        (member("link.py", tarfile.SYMTYPE, "/etc/passwd"), "is a link to '/etc/passwd'"),
        (member("link.py", tarfile.LNKTYPE, "other.py"), "is a link to 'other.py'"),
        (member("disk", tarfile.BLKTYPE), "no regular file"),
        (member("pipe", tarfile.FIFOTYPE), "no regular file"),
        (member("n" * 5000), "a name of 5000 characters"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.name[:12],
)
def test_a_member_that_no_artifact_has_is_refused(tmp_path: Path, wrong: tarfile.TarInfo, told: str) -> None:
    """Whatever comes before it; the message names it, and the hint says that nothing was unpacked."""
    with pytest.raises(BuildError, match=told) as refused:
        read_archive(made(tmp_path / "a.tar.gz", member("fine.py"), wrong), keep=nothing)
    assert "nothing of it was unpacked" in refused.value.hint


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    """Which of them a worker gets depends on what unpacks it."""
    with pytest.raises(BuildError, match=r"two files are called 'a\.py'"):
        read_archive(made(tmp_path / "a.tar.gz", member("a.py"), member("b.py"), member("a.py")), keep=nothing)


def test_folders_are_no_files(tmp_path: Path) -> None:
    """Other tools write them; they say nothing."""
    path = made(tmp_path / "a.tar.gz", member("folder", tarfile.DIRTYPE), member("folder/a.py"))
    assert list(read_archive(path, keep=nothing).files) == ["folder/a.py"]


def declared(size: int) -> bytes:
    """A header that declares *size* bytes, which do not come."""
    header = tarfile.TarInfo("huge.bin")
    header.size = size
    return header.tobuf(format=tarfile.GNU_FORMAT)


END = b"\0" * 1024
LONG_NAME = tarfile.TarInfo("././@LongLink")
LONG_NAME.type, LONG_NAME.size = tarfile.GNUTYPE_LONGNAME, 2**40


@pytest.mark.parametrize(
    ("content", "told"),
    [
        pytest.param(
            lambda good: gzip.compress(declared(2**50)),
            "declares 1125899906842624 bytes: no worker has room",
            id="huge",
        ),
        pytest.param(lambda good: gzip.compress(declared(2**30)), "breaks off", id="short"),
        pytest.param(
            lambda good: gzip.compress(LONG_NAME.tobuf(format=tarfile.GNU_FORMAT) + END),
            "a header of 1099511627776",
            id="long-header",
        ),
        pytest.param(lambda good: good[:-9], "breaks off", id="no-trailer"),
        pytest.param(lambda good: good[: len(good) // 2], "breaks off", id="half"),
        pytest.param(lambda good: gzip.compress(gzip.decompress(good).rstrip(b"\0")), "unexpected end", id="no-end"),
        pytest.param(lambda good: gzip.compress(gzip.decompress(good)[:1024]), "breaks off", id="ends-after-a-header"),
        pytest.param(lambda good: good[:-8] + bytes(4) + good[-4:], "incorrect data check", id="checksum"),
        pytest.param(lambda good: good + b"more", "behind its gzip member", id="garbage-behind"),
        pytest.param(lambda good: good + good, "behind its gzip member", id="second-member"),
        pytest.param(
            lambda good: gzip.compress(gzip.decompress(good) + b"more"), "behind its end", id="behind-the-end"
        ),
        pytest.param(
            lambda good: gzip.compress(gzip.decompress(good)[:512] + b"nonsense" * 512),
            "no header after 'a.py'",
            id="no-header",
        ),
        pytest.param(gzip.decompress, "incorrect header check", id="not-packed"),
        pytest.param(lambda good: b"", "breaks off", id="empty"),
        pytest.param(lambda good: gzip.compress(b""), "empty file|breaks off", id="empty-member"),
        pytest.param(lambda good: gzip.compress(b"nonsense" * 512), "cannot read the artifact", id="no-archive"),
    ],
)
def test_an_archive_that_is_broken_is_an_error(tmp_path: Path, content: Callable[[bytes], bytes], told: str) -> None:
    """Never a part of what a whole one would show."""
    path = packed(tmp_path / "a.tar.gz", {"a.py": "", "b.py": "b"})
    path.write_bytes(content(path.read_bytes()))
    with pytest.raises(BuildError, match=told) as broken:
        read_archive(path, keep=nothing)
    assert broken.value.path == str(path)
    assert broken.value.hint


@pytest.mark.parametrize(
    ("bound", "value", "told"),
    [
        ("_MOST_UNPACKED", 2**20, "unpacks to more than 0 GiB"),
        ("_MOST_FILES", 10, "more than 10 files"),
        ("_MOST_NAMES", 100, "files are in it"),
        ("_LONGEST_KEPT", 100, "more than any of its kind"),
        ("_LONGEST_HEADER", 512, "a header of 1024 bytes"),
    ],
)
def test_nothing_grows_without_a_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str, value: int, told: str
) -> None:
    """Each of the bounds, lowered to what a test can reach."""
    monkeypatch.setattr(reading, bound, value)
    path = packed(tmp_path / "a.tar.gz", {f"größe{number}": "x" * 200_000 for number in range(20)} | {"ß" * 300: ""})
    with pytest.raises(BuildError, match=told):
        read_archive(path, keep=lambda name: name == "größe3")


def test_memory_does_not_grow_with_the_artifact(tmp_path: Path) -> None:
    """A file of 20 MB costs some pieces of it."""
    path = packed(tmp_path / "a.tar.gz", {"zeros": bytes(20_000_000)})
    tracemalloc.start()
    try:
        read_archive(path, keep=nothing)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2_000_000


def test_a_header_about_all_files_is_refused(tmp_path: Path) -> None:
    """It could give each of them another name."""
    path = tmp_path / "a.tar.gz"
    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT, pax_headers={"path": "other.py"}) as tar:
        add(tar, member("a.py"))
    with pytest.raises(BuildError, match="a header about all files"):
        read_archive(path, keep=nothing)


def test_a_chain_of_headers_is_an_error(tmp_path: Path) -> None:
    """Each of them describes the next."""
    headers = b"".join(_pax({"path": f"p{number}"}) for number in range(3000))
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(headers + END))
    with pytest.raises(BuildError, match="cannot read the artifact"):
        read_archive(path, keep=nothing)


def _pax(fields: dict[str, str]) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as tar:
        one = tarfile.TarInfo("x")
        one.pax_headers = fields
        add(tar, one)
    return raw.getvalue()[:1024]


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_whatever_is_in_the_file_is_shown_or_refused(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """No byte in it leads to another exception."""
    path = packed(tmp_path_factory.mktemp("artifact") / "a.tar.gz", demo())
    raw = bytearray(gzip.decompress(path.read_bytes()))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.one_of(st.integers(0, len(raw) - 1), st.sampled_from(range(0, len(raw), 512))))
        new = data.draw(st.binary(min_size=1, max_size=12))
        raw[place : place + len(new)] = new
    path.write_bytes(gzip.compress(bytes(raw), 1))
    try:
        contents.read(path)
    except FlashError as error:
        assert error.hint or error.path  # noqa: PT017  # either is fine: being shown, or being refused


@given(st.text())
def test_a_name_is_shown_without_what_would_drive_the_terminal(name: str) -> None:
    """Escapes stay visible as such."""
    assert printable(name).isprintable()
