"""The keys of ``[tool.flash.environments.NAME]`` that protect the environment, read and refused."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timezone, tzinfo
from typing import Any, Final, Literal, Protocol

from flash.errors import SettingsError
from flash.protection import freeze
from flash.protection.freeze import Once, Weekly

__all__ = ["KEYS", "Protection", "Reader", "read_protection"]

KEYS: Final = (
    *("required-markers", "branches", "clean-tree", "approval-env", "approval-sha256", "freeze", "timezone"),
)

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SHA256: Final = re.compile(r"[0-9a-fA-F]{64}")
_WINDOW_HINT: Final = 'write {from = "2026-12-24T00:00Z", until = "2027-01-02T00:00Z"} or "Fri 16:00-Mon 08:00"'
_ZONE_HINT: Final = 'write timezone = "Europe/Berlin"; where the system knows no time zones, pip install tzdata'


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """What an environment asks of a deployment.

    Attributes:
        required_markers: Marks that tests must have which run and pass.
        branches: What may be deployed, as patterns of the shell; empty: any branch.
        clean_tree: Whether everything must be committed.
        approval_env: The variable that the token of whoever approves is expected in; None: nobody has to.
        approval_sha256: Of that token, in hexadecimal: no secret is in the settings.
        freeze: When nothing may be deployed.
    """

    required_markers: tuple[str, ...] = ()
    branches: tuple[str, ...] = ()
    clean_tree: bool = False
    approval_env: str | None = None
    approval_sha256: str | None = None
    freeze: tuple[Once | Weekly, ...] = ()

    @property
    def wants_checkout(self) -> bool:
        """Whether anything of it is about the git checkout."""
        return bool(self.branches) or self.clean_tree

    def approval(self, token: str | None) -> Literal["not-asked", "given", "absent", "wrong"]:
        """What *token*, which nothing keeps, is worth. White space around it does not count."""
        if self.approval_sha256 is None:
            return "not-asked"
        if token is None or not token.strip():
            return "absent"
        digest = hashlib.sha256(token.strip().encode("utf-8", "surrogateescape")).hexdigest()
        return "given" if hmac.compare_digest(digest, self.approval_sha256) else "wrong"


class Reader(Protocol):
    """Who reads ``[tool.flash]``: its errors name the file."""

    def error(self, message: str, *, hint: str = "") -> SettingsError:
        """An error about the file."""
        ...

    def refuse_unknown(self, table: Mapping[str, Any], prefix: str, known: Sequence[str]) -> None:
        """Raise where *table* has another key than *known* ones."""
        ...

    def names(self, table: Mapping[str, Any], key: str) -> tuple[str, ...]:
        """A list of names."""
        ...


def read_protection(reader: Reader, table: Mapping[str, Any], where: str) -> Protection:
    """Read the keys of *table*, which is called *where* in messages.

    Raises:
        SettingsError: A value cannot be used.
    """
    approval_env, approval_sha256 = _approval(reader, table, where)
    return Protection(
        required_markers=_markers(reader, table, where),
        branches=reader.names(table, "branches"),
        clean_tree=_flag(reader, table, "clean-tree", where),
        approval_env=approval_env,
        approval_sha256=approval_sha256,
        freeze=_freeze(reader, table, where),
    )


def _flag(reader: Reader, table: Mapping[str, Any], key: str, where: str) -> bool:
    given = table.get(key, False)
    if not isinstance(given, bool):
        raise reader.error(f"{where}.{key} is {given!r}, which is not true or false")
    return given


def _markers(reader: Reader, table: Mapping[str, Any], where: str) -> tuple[str, ...]:
    given = reader.names(table, "required-markers")
    for name in given:
        if not name.isidentifier():
            raise reader.error(
                f"{where}.required-markers has {name!r}, which is no name of a marker",
                hint="a marker is required as a whole; expressions are for -m",
            )
        if name == "flash_deployed_only":
            raise reader.error(
                f"{where}.required-markers has {name!r}, whose tests run after the promotion",
                hint="leave it out: the smoke stage runs them, and a failure there rolls back",
            )
    return given


def _approval(reader: Reader, table: Mapping[str, Any], where: str) -> tuple[str | None, str | None]:
    variable, digest = table.get("approval-env"), table.get("approval-sha256")
    if variable is None and digest is None:
        return None, None
    if variable is None or digest is None:
        missing, given = ("approval-env", "approval-sha256")[:: 1 if variable is None else -1]
        raise reader.error(f"{where} has {given} and no {missing}", hint="an approval needs both")
    if not isinstance(variable, str) or _VARIABLE.fullmatch(variable) is None:
        # not the value: somebody may have written the token
        raise reader.error(
            f"{where}.approval-env is no name of a variable", hint='write approval-env = "DEPLOY_APPROVAL"'
        )
    if not isinstance(digest, str) or _SHA256.fullmatch(digest) is None:
        raise reader.error(
            f"{where}.approval-sha256 is no sha256 of 64 hexadecimal digits",
            hint="`printf %s TOKEN | sha256sum` prints that of a token; the token itself belongs into no file here",
        )
    if digest.lower() == hashlib.sha256(b"").hexdigest():
        raise reader.error(f"{where}.approval-sha256 is that of an empty token", hint="make a token, and hash that")
    return variable, digest.lower()


def _freeze(reader: Reader, table: Mapping[str, Any], where: str) -> tuple[Once | Weekly, ...]:
    given = table.get("freeze", [])
    if not isinstance(given, list):
        raise reader.error(f"{where}.freeze is {given!r}, which is no list", hint=_WINDOW_HINT)
    default = _zone(reader, table, timezone.utc, where)
    return tuple(_window(reader, one, default, f"{where}.freeze[{number}]") for number, one in enumerate(given))


def _zone(reader: Reader, table: Mapping[str, Any], default: tzinfo, where: str) -> tzinfo:
    given = table.get("timezone")
    if given is None:
        return default
    if not isinstance(given, str):
        raise reader.error(f"{where}.timezone is {given!r}, which is no text", hint=_ZONE_HINT)
    try:
        return freeze.zone(given)
    except ValueError as error:
        raise reader.error(f"{where}.timezone: {error}", hint=_ZONE_HINT) from error


def _window(reader: Reader, given: object, default: tzinfo, where: str) -> Once | Weekly:
    table = {"weekly": given} if isinstance(given, str) else given
    if not isinstance(table, Mapping):
        raise reader.error(f"{where} is {given!r}, which is no freeze window", hint=_WINDOW_HINT)
    reader.refuse_unknown(table, f"{where}.", ("from", "until", "weekly", "timezone", "reason"))
    reason = table.get("reason", "")
    if not isinstance(reason, str):
        raise reader.error(f"{where}.reason is {reason!r}, which is no text", hint=_WINDOW_HINT)
    if set(table) - {"timezone", "reason"} not in ({"weekly"}, {"from", "until"}):
        raise reader.error(f"{where} needs either weekly, or from and until", hint=_WINDOW_HINT)
    zone = _zone(reader, table, default, where)
    try:
        if "weekly" in table:
            return freeze.weekly(table["weekly"], zone, reason)
        return freeze.once(table["from"], table["until"], zone, reason)
    except ValueError as error:
        raise reader.error(f"{where} is no freeze window: {error}", hint=_WINDOW_HINT) from error
