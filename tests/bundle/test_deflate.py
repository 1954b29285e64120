"""Pieces of a gzip stream, compressed apart and joined."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flash.bundle import deflate
from flash.bundle.deflate import GZIP_HEADER, PIECE_BYTES, Piece, combined, compressed, gzip_trailer


def joined(pieces: list[Piece]) -> bytes:
    crc, size = combined((piece.crc, piece.size) for piece in pieces)
    return GZIP_HEADER + b"".join(piece.packed for piece in pieces) + gzip_trailer(crc, size)


def mixed(seed: int, size: int) -> bytes:
    """Text, zeros and noise by turns, so that libdeflate ends blocks at all sorts of places."""
    source = random.Random(seed)  # noqa: S311  to be repeated, not to be secret
    made = bytearray()
    while len(made) < size:
        kind = source.randrange(4)
        if kind == 0:
            made += source.randbytes(source.randrange(1, 40_000))
        elif kind == 1:
            made += bytes(source.randrange(1, 200_000))
        elif kind == 2:
            made += b" ".join(source.choice((b"import", b"def", b"return", b"self.x")) for _ in range(9_000))
        else:
            made += bytes(source.choices(range(source.randrange(2, 256)), k=source.randrange(1, 60_000)))
    return bytes(made[:size])


@given(st.lists(st.binary(max_size=3000), max_size=8))
def test_joined_pieces_are_one_gzip_member_of_their_contents(contents: list[bytes]):
    """Whatever they hold, empty ones included."""
    stream = joined([compressed(content) for content in contents])
    reader = zlib.decompressobj(zlib.MAX_WBITS | 16)
    assert reader.decompress(stream) == b"".join(contents)
    assert reader.eof
    assert reader.unused_data == b""


@pytest.mark.parametrize("seed", range(12))
def test_content_of_many_blocks_is_read_back(seed: int):
    """And comes from libdeflate, not from what stands in where its blocks cannot be told apart."""
    content = mixed(seed, PIECE_BYTES)
    piece = compressed(content)
    assert gzip.decompress(joined([piece, compressed(b"end")])) == content + b"end"
    assert abs(len(piece.packed) - len(deflate.deflate.deflate_compress(content, 6))) <= 5


@given(st.integers(0, 2**32), st.integers(1, 60_000))
@settings(max_examples=60, deadline=None)
def test_equal_content_makes_equal_pieces(seed: int, size: int):
    """The digest of an artifact depends on it."""
    content = mixed(seed, size)
    assert compressed(content) == compressed(bytes(bytearray(content)))
    assert zlib.decompressobj(-15).decompress(compressed(content).packed) == content


def test_what_libdeflate_does_not_make_is_refused_and_zlib_stands_in(monkeypatch: pytest.MonkeyPatch):
    """A library that answers with something else never gets its bytes into an artifact."""
    content = mixed(1, 100_000)
    for wrong in (b"", b"\x00" * 50, zlib.compress(content), deflate.deflate.deflate_compress(content + b"x", 6)):
        monkeypatch.setattr(deflate.deflate, "deflate_compress", lambda _content, _level, wrong=wrong: wrong)
        assert gzip.decompress(joined([compressed(content)])) == content


@given(st.lists(st.binary(max_size=500), max_size=10))
def test_checksums_combine_as_contents_do(contents: list[bytes]):
    """For any cuts, empty ones included."""
    whole = b"".join(contents)
    assert combined((zlib.crc32(part), len(part)) for part in contents) == (zlib.crc32(whole), len(whole))


def test_a_size_over_32_bits_wraps_in_the_trailer():
    """As RFC 1952 has it."""
    assert gzip_trailer(1, 2**32 + 5)[-4:] == (5).to_bytes(4, "little")


def test_the_stream_mode_of_tarfile_reads_it_to_its_end():
    """It stops after the first of several members, so there may be one only."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for name in "abc":
            member = tarfile.TarInfo(name)
            member.size = 70_000
            tar.addfile(member, io.BytesIO(mixed(3, 70_000)))
    content = raw.getvalue()
    stream = joined([compressed(content[start : start + 10_000]) for start in range(0, len(content), 10_000)])
    with tarfile.open(fileobj=io.BytesIO(stream), mode="r|gz") as tar:
        assert [member.name for member in tar] == ["a", "b", "c"]
