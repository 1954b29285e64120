from __future__ import annotations

import gzip
import socket
import ssl
import struct
import threading
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fakes_cloud import KEY, Clock, platform

from flash.cloud import upload
from flash.errors import ArtifactTooLarge, DeployError, PlatformError, PlatformUnreachable

if TYPE_CHECKING:
    from pathlib import Path

PREPARED = {
    "data": {"prepareFlashArtifactUpload": {"uploadUrl": "http://127.0.0.1:1/upload/k?sig=SIGNED", "objectKey": "key1"}}
}


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    path = tmp_path / "artifact.tar.gz"
    path.write_bytes(gzip.compress(b"x" * 100))
    return path


def test_an_upload_is_one_put_with_its_length_and_without_the_key(artifact: Path):
    """The signed URL is the permission; storage must never see the key."""
    client, script, _ = platform(PREPARED, httpx.Response(201))
    assert client.upload("a1", artifact, lambda _: None) == "key1"
    prepared, put = script.requests
    size = artifact.stat().st_size
    assert script.sent(0)["variables"]["input"] == {"flashAppId": "a1", "tarballSize": size}
    assert prepared.headers["authorization"].endswith(KEY)
    assert put.content == artifact.read_bytes()
    assert put.headers["content-length"] == str(size)
    assert put.headers["content-type"] == "application/gzip"
    assert "authorization" not in put.headers
    assert "transfer-encoding" not in put.headers


def test_an_upload_is_sent_whole_again_when_the_connection_fails(artifact: Path):
    """Three times at most, after 2 and 4 seconds."""
    lines: list[str] = []
    client, script, clock = platform(
        PREPARED, httpx.ConnectError("refused"), httpx.WriteTimeout("slow"), httpx.Response(200)
    )
    client.upload("a1", artifact, lines.append)
    assert script.requests[-1].content == artifact.read_bytes()
    assert [request.method for request in script.requests] == ["POST", "PUT", "PUT", "PUT"]
    assert clock.slept == [2.0, 4.0]
    assert lines == [
        "upload: cannot reach http://127.0.0.1:1/upload/k: refused; trying again",
        "upload: http://127.0.0.1:1/upload/k did not answer in time (WriteTimeout); trying again",
    ]


def test_a_large_upload_says_how_far_it_is(tmp_path: Path):
    """Ten lines; a small one is done before anybody could read them."""
    path = tmp_path / "artifact.tar.gz"
    with path.open("wb") as file:
        file.write(b"\x1f\x8b")
        file.truncate(20 * 2**20)
    lines: list[str] = []
    client, _, _ = platform(PREPARED, httpx.Response(200))
    client.upload("a1", path, lines.append)
    assert len(lines) == 10
    assert (lines[0], lines[-1]) == ("uploaded 2.0 of 20.0 MiB", "uploaded 20.0 of 20.0 MiB")


def test_an_upload_gives_up_after_three_attempts(artifact: Path):
    """The error shows the place, never the signature."""
    client, _, _ = platform(PREPARED, *[httpx.ConnectError("refused")] * 3)
    with pytest.raises(PlatformUnreachable) as caught:
        client.upload("a1", artifact, lambda _: None)
    assert "SIGNED" not in str(caught.value)
    assert "/upload/k" in str(caught.value)


def test_a_certificate_that_is_not_trusted_is_not_tried_again(artifact: Path):
    """It will not be in two seconds either."""
    distrust = httpx.ConnectError("tls")
    distrust.__cause__ = ssl.SSLCertVerificationError("self-signed")
    client, _, clock = platform(PREPARED, distrust)
    with pytest.raises(PlatformError, match="is not trusted here"):
        client.upload("a1", artifact, lambda _: None)
    assert clock.slept == []


def test_a_refused_upload_is_not_about_the_key(artifact: Path):
    """403 from storage says that the URL's time is over."""
    client, _, _ = platform(*[PREPARED, httpx.Response(403, text="expired")] * 2)
    with pytest.raises(PlatformError, match="403: expired") as caught:
        client.upload("a1", artifact, lambda _: None)
    assert type(caught.value) is PlatformError


def test_an_upload_url_that_has_expired_is_asked_for_again(artifact: Path):
    """Once: it may have taken long until it was its turn."""
    client, script, _ = platform(PREPARED, httpx.Response(403, text="expired"), PREPARED, httpx.Response(200))
    lines: list[str] = []
    client.upload("a1", artifact, lines.append)
    assert len(script.requests) == 4
    assert any("asking for another upload URL" in line for line in lines)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_storage_that_passes_through_a_bad_moment_is_tried_again(artifact: Path, status: int):
    """At the same URL."""
    client, script, clock = platform(PREPARED, httpx.Response(status), httpx.Response(200))
    client.upload("a1", artifact, lambda _: None)
    assert (len(script.requests), len(clock.slept)) == (3, 1)


@pytest.mark.parametrize(("name", "content"), [("a.zip", b"\x1f\x8b"), ("a.tar.gz", b"PK"), ("a.tar.gz", None)])
def test_what_is_no_artifact_is_refused_before_anything_is_asked(tmp_path: Path, name: str, content: Any):
    """Name, first bytes, and being there."""
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    client, script, _ = platform()
    with pytest.raises(DeployError) as caught:
        client.upload("a1", path, lambda _: None)
    assert caught.value.path == str(path)
    assert "flash build" in caught.value.hint
    assert script.requests == []


def test_what_the_platform_will_not_take_is_refused_with_both_sizes(tmp_path: Path):
    """1500 MiB; the file is sparse."""
    path = tmp_path / "a.tar.gz"
    with path.open("wb") as file:
        file.write(b"\x1f\x8b")
        file.truncate(upload.UPLOAD_LIMIT_BYTES + 2**20)
    with pytest.raises(ArtifactTooLarge, match="1501 MiB, the platform takes 1500 MiB") as caught:
        upload.check_artifact(path)
    assert caught.value.limit_bytes == upload.UPLOAD_LIMIT_BYTES


class CuttingStorage:
    """A storage on loopback that hangs up in the middle of the first uploads."""

    def __init__(self, *, cut_at: int, cuts: int) -> None:
        self.cut_at = cut_at
        self.cuts = cuts
        self.received: list[bytes] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}/upload/k?sig=SIGNED"

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as file:
                size = 0
                while (line := file.readline()) not in {b"\r\n", b""}:
                    name, _, value = line.decode().partition(":")
                    size = int(value) if name.lower() == "content-length" else size
                if len(self.received) < self.cuts:
                    self.received.append(file.read(self.cut_at))
                    # what was not read is answered with a reset, as when a proxy gives up
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                else:
                    self.received.append(file.read(size))
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(10)


@pytest.mark.parametrize("tenth", range(1, 10))
@pytest.mark.parametrize("cuts", [1, 3])
def test_an_upload_that_is_cut_is_sent_whole_again_or_fails_in_words(tmp_path: Path, tenth: int, cuts: int):
    """At each tenth: once, and it arrives; each time, and it says so, without the permission in its URL."""
    path = tmp_path / "artifact.tar.gz"
    content = b"\x1f\x8b" + bytes(range(256)) * 8192
    path.write_bytes(content)
    storage, clock = CuttingStorage(cut_at=len(content) * tenth // 10, cuts=cuts), Clock()
    lines: list[str] = []

    def put() -> None:
        with httpx.Client(trust_env=False) as client:
            upload.put_artifact(
                path, storage.url, client=client, report=lines.append, sleep=clock.sleep, jitter=lambda: 0.5
            )

    try:
        if cuts == 1:
            put()
            assert storage.received[-1] == content
        else:
            with pytest.raises(PlatformUnreachable, match="upload: cannot reach") as caught:
                put()
            assert caught.value.hint
            assert "SIGNED" not in str(caught.value)
        assert len(lines) == min(cuts, 2)
        assert not any("SIGNED" in line for line in lines)
    finally:
        storage.close()
