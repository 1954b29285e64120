"""An artifact goes to the platform's storage: one streamed PUT to a signed URL, without the key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, quote, urlsplit

from flash.cloud.transport import HTTPX_ERRORS, is_distrust, said, translated
from flash.errors import ArtifactTooLarge, DeployError, PlatformError, PlatformUnreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import httpx

__all__ = ["UPLOAD_LIMIT_BYTES", "check_artifact", "put_artifact"]

UPLOAD_LIMIT_BYTES: Final = 1500 * 2**20
"""Source: the platform's own client, its check before the upload, read 2026-08."""
_ATTEMPTS: Final = 3
_TIMEOUT_S: Final = 600.0
_LONGEST_PAUSE_S: Final = 30.0
_PASSING: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_CHUNK_BYTES: Final = 2**20
_MIB: Final = 2**20
_SHORTEST_SECRET: Final = 6
_LARGE_BYTES: Final = 20 * _MIB


def check_artifact(path: Path) -> int:
    """Whether *path* can be uploaded; returns its size in bytes.

    Raises:
        DeployError: It is no gzipped tar archive, or cannot be read.
        ArtifactTooLarge: It is over what the platform takes.
    """
    if not path.name.endswith((".tar.gz", ".tgz")):
        raise DeployError("an artifact's name ends in .tar.gz", path=str(path), hint="build it again: flash build")
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            magic = file.read(2)
    except OSError as error:
        raise DeployError(
            f"cannot read the artifact: {error.strerror}", path=str(path), hint="build it: flash build"
        ) from error
    if magic != b"\x1f\x8b":
        raise DeployError(
            "the artifact is not compressed with gzip", path=str(path), hint="build it again: flash build"
        )
    if size > UPLOAD_LIMIT_BYTES:
        raise ArtifactTooLarge(
            f"the artifact is {size // _MIB} MiB, the platform takes {UPLOAD_LIMIT_BYTES // _MIB} MiB",
            size_bytes=size,
            limit_bytes=UPLOAD_LIMIT_BYTES,
            hint="leave packages out: --exclude scipy,pandas",
        )
    return size


def put_artifact(
    path: Path,
    url: str,
    *,
    client: httpx.Client,
    report: Callable[[str], None],
    sleep: Callable[[float], None],
    jitter: Callable[[], float],
) -> None:
    """Send the file, streamed with its length, up to three times when the connection or the storage fails.

    Args:
        path: The artifact; opened again for each attempt.
        url: Where the platform wants it; its query is the permission, so it is never shown.
        client: Sends no ``Authorization`` of its own.
        report: Told how far it is, a line each tenth of an artifact that takes a while.
        sleep: Waits between attempts: 2·2ⁿ seconds, at most 30, ± 20 %.
        jitter: A number from 0 to 1.

    Raises:
        PlatformUnreachable: The connection failed three times, or its certificate is not trusted.
        PlatformError: The storage refused it.
    """
    size = check_artifact(path)
    if not _is_url(url):
        raise PlatformError(
            "upload: what the platform gave to upload to is no http or https URL",
            operation="upload",
            hint="run it again; if it stays so, check RUNPOD_API_BASE_URL",
        )
    headers = {"Content-Length": str(size), "Content-Type": "application/gzip"}
    attempt = 0
    while True:
        try:
            response = client.put(url, content=_chunks(path, size, report), headers=headers, timeout=_TIMEOUT_S)
        except HTTPX_ERRORS as error:
            failure = translated(error, operation="upload", url=url, api_key="")
            attempt += 1
            is_final = not isinstance(failure, PlatformUnreachable) or attempt == _ATTEMPTS
            if is_final or is_distrust(error):
                raise failure from error
            report(f"{failure.message}; trying again")
            sleep(_pause(attempt, jitter))
            continue
        if response.status_code in _PASSING and attempt + 1 < _ATTEMPTS:
            attempt += 1
            report(f"upload: the storage answered {response.status_code}; trying again")
            sleep(_pause(attempt, jitter))
            continue
        if response.status_code >= 300:
            # 403 says that the permission in the URL has ended, nothing about the key
            raise PlatformError(
                f"upload: the storage answered {response.status_code}: {_unsigned(said(response), url)}",
                operation="upload",
                status=response.status_code,
                hint="run it again: each run asks for a new upload URL" if response.status_code == 403 else "",
            )
        return


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:  # a port that is no number, a broken IPv6 address
        return False


def _unsigned(text: str, url: str) -> str:
    """*text* without the values of the URL's query: a storage that refuses a signature quotes it."""
    for _, value in parse_qsl(urlsplit(url).query):
        if len(value) >= _SHORTEST_SECRET:
            text = text.replace(value, "***").replace(quote(value, safe=""), "***")
    return text


def _pause(attempt: int, jitter: Callable[[], float]) -> float:
    return min(2.0**attempt, _LONGEST_PAUSE_S) * (0.8 + 0.4 * jitter())


def _chunks(path: Path, size: int, report: Callable[[str], None]) -> Iterator[bytes]:
    sent, told = 0, 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk
            sent += len(chunk)
            tenth = 10 * sent // size
            if tenth > told and size >= _LARGE_BYTES:
                told = tenth
                report(f"uploaded {sent / _MIB:.1f} of {size / _MIB:.1f} MiB")
