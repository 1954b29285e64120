"""What is written beside an artifact: a bill of materials, a provenance statement. Checked before anything is built."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from flash.cli.status import UsageError
from flash.errors import BuildError, SettingsError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from flash.bundle.contents import Contents
    from flash.bundle.statement import Source
    from flash.cli.console import Console
    from flash.deploy.envelope import Signer
    from flash.project import Project

__all__ = ["STDOUT", "Papers", "Told", "add_paper_options", "as_built"]

STDOUT: Final = Path("-")


@dataclass(frozen=True, slots=True)
class Told:
    """What a build was told, which its artifact does not say.

    Attributes:
        settings: As JSON types.
        declared: The sha256 of each file that says what is installed.
        source: The checkout, before the build.
    """

    settings: Mapping[str, Any]
    declared: Mapping[str, str]
    source: Source | None


class Papers:
    """What ``--sbom`` and ``--provenance`` ask for.

    Args:
        sbom: Where the bill goes, if there is to be one.
        provenance: Where the statement goes.
        signs: Whether the statement is signed with the key that is configured: only who has built it can vouch for it.

    Raises:
        SettingsError: The extra is missing, the signing key is none, or a file cannot be written.
        UsageError: ``SOURCE_DATE_EPOCH`` is no time, or both go to stdout.
    """

    def __init__(self, sbom: Path | None, provenance: Path | None, *, signs: bool) -> None:
        self._sbom, self._provenance = sbom, provenance
        if sbom is not None and sbom == provenance:
            raise UsageError("--sbom and --provenance name the same file", hint="give each its own")
        for option, path in (("--sbom", sbom), ("--provenance", provenance)):
            _check_place(option, path)
        self._timestamp: datetime | None = None
        if sbom is not None:
            from flash.bundle.sbom import check_extra

            check_extra()
            self._timestamp = _source_date()
        self._signer: Signer | None = None
        self._put_back: Callable[[], None] | None = None
        if signs and provenance is not None:
            self._read_key()

    @property
    def are_wanted(self) -> bool:
        """Whether there is to be any."""
        return self._sbom is not None or self._provenance is not None

    @property
    def takes_stdout(self) -> bool:
        """Whether one of them is what goes there, instead of the verb's own result."""
        return STDOUT in (self._sbom, self._provenance)

    def close(self) -> None:
        """Leave this process's environment as it was."""
        if self._put_back is not None:
            self._put_back()
            self._put_back = None

    def write(self, contents: Contents, console: Console, told: Told | None = None) -> dict[str, str]:
        """Write them, and return where they are, by the name of the option.

        Args:
            contents: Of the artifact.
            console: What goes to stdout goes there.
            told: What only who has built it knows.

        Raises:
            BuildError: They cannot be written.
        """
        found: dict[str, str] = {}
        beside: dict[str, str] = {}
        if self._sbom is not None:
            from flash.bundle.sbom import sbom_of

            text = sbom_of(contents, timestamp=self._timestamp)
            beside[self._sbom.name] = hashlib.sha256(text.encode()).hexdigest()
            found |= _written("sbom", self._sbom, text, console)
        if self._provenance is not None:
            found |= _written("provenance", self._provenance, self._stated(contents, told, beside), console)
        return found

    def _stated(self, contents: Contents, told: Told | None, beside: Mapping[str, str]) -> str:
        from flash.bundle.statement import payload_of, statement_of
        from flash.deploy.envelope import Envelope

        if told is None:
            stated = statement_of(contents)
        else:
            stated = statement_of(
                contents,
                settings=told.settings,
                declared=told.declared,
                source=told.source,
                byproducts={name: digest for name, digest in beside.items() if name != STDOUT.name},
            )
        return Envelope.of(payload_of(stated), self._signer).text()

    def _read_key(self) -> None:
        from flash import project as settings
        from flash.deploy.signature import signing_key

        content = settings.signing_key()
        self._signer = None if content is None else signing_key(content)
        # the user's modules are imported to describe them: they have no business with it
        self._put_back = settings.withhold(settings.SIGNING_KEY)


def add_paper_options(parser: argparse.ArgumentParser) -> None:
    """``--sbom`` and ``--provenance``."""
    parser.add_argument(
        "--sbom", type=Path, metavar="FILE", help="write a bill of materials, CycloneDX as JSON, to FILE"
    )
    parser.add_argument(
        "--provenance", type=Path, metavar="FILE", help="write where it comes from, an in-toto statement, to FILE"
    )


def as_built(project: Project) -> Told:
    """What a build of *project* is told; asked before it, as it was then."""
    from flash import project as settings
    from flash.bundle.statement import declarations
    from flash.preview.checkout import read_checkout

    own = project.settings
    return Told(
        settings={
            "allowSecrets": sorted(own.allow_secrets),
            "bundle": sorted(own.bundle),
            "dependencyGroup": own.dependency_group,
            "exclude": sorted(own.exclude),
            "provided": sorted(own.provided),
            "python": own.python,
            "sizeLimitMib": own.size_limit_mib,
        },
        declared=declarations(project.root),
        source=read_checkout(project.root, environment=settings.environment()),
    )


def _written(option: str, path: Path, text: str, console: Console) -> dict[str, str]:
    if path == STDOUT:
        console.text(text.rstrip("\n"))
        return {}
    from flash.bundle.files import write_text

    try:
        write_text(path, text)
    except OSError as error:
        raise BuildError(f"--{option}: cannot write it: {error.strerror}", path=str(path)) from error
    console.progress(f"wrote {path}")
    return {option: str(path)}


def _check_place(option: str, path: Path | None) -> None:
    if path is None or path == STDOUT:
        return
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise SettingsError(
            f"{option}: nothing can be written there", path=str(path), hint="name a file in a folder that is there"
        )


def _source_date() -> datetime | None:
    """The time to say, as reproducible-builds.org has it; none where nobody sets one."""
    from datetime import datetime, timezone

    given = os.environ.get("SOURCE_DATE_EPOCH", "").strip()
    if not given:
        return None
    try:
        return datetime.fromtimestamp(int(given), tz=timezone.utc)
    except (ValueError, OverflowError, OSError) as error:
        raise UsageError(f"SOURCE_DATE_EPOCH is {given!r}", hint="set it to seconds since 1970, or unset it") from error
