"""Where an artifact comes from, as a statement: in-toto's, with SLSA's provenance. Pure, but for `declarations`.

It says what the artifact itself shows and what the build was told, and nothing that nobody looked at. Who signs it is
for an envelope to say (``flash.deploy.envelope``).

Source: SLSA, "Build: Provenance" v1.0 and v1.1, read 2026-11.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final, Protocol

from flash.bundle.install import TARGET_PLATFORM
from flash.bundle.reading import printable
from flash.bundle.sbom import OWN_NAME, purl_of
from flash.model.intoto import STATEMENT_TYPE, canonical, statement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from flash.bundle.contents import Contents

__all__ = [
    "BUILDER_ID",
    "BUILD_TYPE",
    "PREDICATE_TYPE",
    "Source",
    "declarations",
    "payload_of",
    "problems_of",
    "statement_of",
]

PREDICATE_TYPE: Final = "https://slsa.dev/provenance/v1"
BUILD_TYPE: Final = "urn:pytest-flash:build:v1"
"""What ``flash build`` does: docs/artifact.md has the parameters. The number changes with their meaning."""
BUILDER_ID: Final = "urn:pytest-flash:builder:local"
"""Flash on a machine of which it knows nothing: whether to believe it is a matter of who has signed."""

_DECLARING: Final = ("pylock.toml", "pyproject.toml", "requirements.txt", "uv.lock")


class Source(Protocol):
    """The checkout that was built; ``flash.preview.checkout.Checkout`` is one."""

    @property
    def commit(self) -> str:
        """40 or 64 hexadecimal digits."""
        ...

    @property
    def branch(self) -> str | None:
        """None where no branch is checked out."""
        ...

    @property
    def is_dirty(self) -> bool:
        """Whether something differs from the commit."""
        ...

    @property
    def changed(self) -> tuple[str, ...]:
        """What does, relative to the checkout."""
        ...


def declarations(root: Path) -> dict[str, str]:
    """The sha256 of each file at the project's top that may say what is installed: declarations and locks, by name."""
    return {
        name: hashlib.sha256((root / name).read_bytes()).hexdigest() for name in _DECLARING if (root / name).is_file()
    }


def statement_of(
    contents: Contents,
    *,
    settings: Mapping[str, Any] | None = None,
    declared: Mapping[str, str] | None = None,
    source: Source | None = None,
    byproducts: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The provenance of an artifact. The same arguments give the same statement: no time is in it.

    Shape: an in-toto statement; the predicate is ``{"buildDefinition": {"buildType", "externalParameters",
    "internalParameters", "resolvedDependencies": [{"name", "uri", "digest", "annotations"}]}, "runDetails":
    {"builder", "byproducts"}}``

    Args:
        contents: What is in the artifact.
        settings: What the build was told, as JSON types; None where only the artifact is known.
        declared: Of files that say what is installed, the sha256 by name: see :func:`declarations`.
        source: The checkout, as it was before the build.
        byproducts: Of what was written beside the artifact, the sha256 by name.
    """
    manifest = contents.artifact.manifest
    parameters: dict[str, Any] = {
        "app": manifest.project_name,
        "python": manifest.python_version,
        "platform": TARGET_PLATFORM,
    }
    definition = {
        "buildType": BUILD_TYPE,
        "externalParameters": parameters if settings is None else {**parameters, "settings": dict(settings)},
        "internalParameters": {
            "leftOut": dict(sorted(manifest.excluded.items())),
            "statedBy": "inspection" if settings is None else "build",
        },
        "resolvedDependencies": [
            *([] if source is None else [_checkout(source)]),
            *({"name": name, "digest": {"sha256": digest}} for name, digest in sorted((declared or {}).items())),
            *_materials(contents),
        ],
    }
    details: dict[str, Any] = {
        "builder": {"id": BUILDER_ID, "version": {OWN_NAME: contents.flash_version} if contents.flash_version else {}}
    }
    if byproducts:
        details["byproducts"] = [
            {"name": name, "digest": {"sha256": digest}} for name, digest in sorted(byproducts.items())
        ]
    return statement(
        subject="artifact.tar.gz",
        sha256=contents.artifact.sha256,
        predicate_type=PREDICATE_TYPE,
        predicate={"buildDefinition": definition, "runDetails": details},
    )


def payload_of(stated: Mapping[str, Any]) -> bytes:
    """What an envelope holds, and what is signed: the same statement gives the same bytes."""
    return canonical(stated)


def problems_of(stated: Mapping[str, Any], contents: Contents) -> tuple[str, ...]:
    """Why a statement is not about an artifact, or says of it what is not so; nothing where it fits."""
    if stated.get("_type") != STATEMENT_TYPE or stated.get("predicateType") != PREDICATE_TYPE:
        return (f"it is no provenance: its predicateType is {printable(repr(stated.get('predicateType')))[:80]}",)
    subjects = stated.get("subject")
    digests = {
        one["digest"].get("sha256")
        for one in (subjects if isinstance(subjects, list) else [])
        if isinstance(one, dict) and isinstance(one.get("digest"), dict)
    }
    if contents.artifact.sha256 not in digests:
        return (f"it is about another artifact: none of its subjects has the sha256 {contents.artifact.sha256}",)
    known = {one["name"]: one["digest"] for one in _materials(contents)}
    said = _said(stated)
    return tuple(
        f"it says of {printable(name)!r} what is not so: {_told(said.get(name))}, not {_told(known.get(name))}"
        for name in sorted(known.keys() | said.keys())
        if known.get(name) != said.get(name)
    )


def _said(stated: Mapping[str, Any]) -> dict[str, Any]:
    """The digests of what the statement says is in the artifact, by name."""
    found: Any = stated.get("predicate")
    for key in ("buildDefinition", "resolvedDependencies"):
        found = found.get(key) if isinstance(found, dict) else None
    return {
        str(one.get("name")): one.get("digest")
        for one in (found if isinstance(found, list) else [])
        if isinstance(one, dict) and isinstance(one.get("digest"), dict) and "dirHash" in one["digest"]
    }


def _told(digest: object) -> str:
    return "nothing" if not isinstance(digest, dict) else printable(str(digest.get("dirHash")))[:12]


def _checkout(source: Source) -> dict[str, Any]:
    known: dict[str, Any] = {"isDirty": source.is_dirty, "branch": source.branch, "changed": sorted(source.changed)}
    return {
        "name": "checkout",
        "digest": {"gitCommit": source.commit},
        "annotations": {name: value for name, value in known.items() if value not in (None, [])},
    }


def _materials(contents: Contents) -> Sequence[dict[str, Any]]:
    """What an artifact is made of: each with the ``dirHash`` of its files, which anybody can compute who has it."""
    own, runtime = contents.own_files(), contents.runtime_files()
    version = contents.flash_version
    return [
        {
            "name": "project files",
            "digest": {"dirHash": contents.digest_of(own)},
            "annotations": {
                "files": len(own),
                "sourceFingerprint": contents.artifact.manifest.source_fingerprint,
            },
        },
        {"name": "flash/", "uri": purl_of(OWN_NAME, version), "digest": {"dirHash": contents.digest_of(runtime)}},
        *(
            {
                "name": printable(one.info.removesuffix(".dist-info")),
                "uri": purl_of(one.name, one.version),
                "digest": {"dirHash": one.tree_sha256},
                "annotations": {
                    "files": len(one.files),
                    **({} if one.record_sha256 is None else {"recordSha256": one.record_sha256}),
                },
            }
            for one in contents.shipped
        ),
    ]
