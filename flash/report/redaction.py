"""Takes secrets out of a report: whatever failed may have printed its environment."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from flash.cloud.address import redact
from flash.report.document import Report

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["redacted", "secrets_of"]

_SECRET_NAME: Final = re.compile(
    r"(^|_)(API_?KEY|KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?|AUTH)S?($|_)", re.IGNORECASE
)
_PATH: Final = re.compile(r"[./~]")
_SHORTEST: Final = 8
"""Shorter values are words and numbers of everyday text; nobody would recognize what is left of it."""


def secrets_of(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The values in an environment whose names say that they are secrets; paths to such values are none.

    >>> secrets_of({"HF_TOKEN": "hf_0123456789", "SSH_KEY": "/home/ada/.ssh/id", "JOB_TOKENS": "1", "HOME": "/"})
    ('hf_0123456789',)
    """
    return tuple(
        value
        for name, value in environment.items()
        if _SECRET_NAME.search(name) and len(value.strip()) >= _SHORTEST and not _PATH.match(value)
    )


def redacted(report: Report, secrets: Iterable[str]) -> Report:
    """The report without the secrets, also where they are quoted, escaped, or part of a URL."""
    data = report.as_json()
    # most are nowhere in it, which one look at the whole tells
    whole = json.dumps(data, ensure_ascii=False)
    spellings = {spelling for secret in secrets for spelling in _spellings(secret)}
    printed = [spelling for spelling in spellings if json.dumps(spelling, ensure_ascii=False)[1:-1] in whole]
    # the longest first: one may be the beginning of another
    return Report.parse(_cleaned(data, sorted(printed, key=len, reverse=True))) if printed else report


def _spellings(secret: str) -> Iterator[str]:
    bare = secret.strip()
    if len(bare) < _SHORTEST:
        return
    yield from (secret, bare, repr(bare)[1:-1], json.dumps(bare)[1:-1], quote(bare, safe=""))
    # a line of a key that has several
    yield from (line for part in bare.splitlines() if len(line := part.strip()) >= _SHORTEST)


def _cleaned(value: Any, secrets: list[str]) -> Any:
    if isinstance(value, str):
        for secret in secrets:
            value = redact(value, secret)
        return value
    if isinstance(value, list):
        return [_cleaned(item, secrets) for item in value]
    if isinstance(value, dict):
        return {_cleaned(key, secrets): _cleaned(item, secrets) for key, item in value.items()}
    return value
