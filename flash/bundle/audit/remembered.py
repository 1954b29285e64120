"""The audit of a set of distributions, done once and kept beside the set."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import flash
from flash.bundle.audit.distributions import audit_distributions
from flash.bundle.audit.findings import Finding
from flash.bundle.files import write_text

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from flash.bundle.audit.wheels import Shipped

__all__ = ["audit_set"]

_FORMAT: Final = 1


def audit_set(
    tree: Path | None,
    distributions: Sequence[Shipped],
    *,
    kept: Path,
    python_version: str,
    platform: str,
    images: Collection[str],
    provided: Collection[str] = (),
) -> tuple[Finding, ...]:
    """The same as :func:`audit_distributions`, done only if it has not been.

    Args:
        tree: Where the distributions lie. Its name stands for its content; None where there are none.
        distributions: What was installed there.
        kept: The folder in which findings are kept.
        python_version: The workers'.
        platform: As uv spells it.
        images: The kinds of images that there are endpoints for.
        provided: Libraries that all images have besides what the tables say.
    """
    if tree is None:
        return ()
    asked = [_FORMAT, flash.__version__, tree.name, python_version, platform, sorted(images), sorted(provided)]
    file = kept / f"{hashlib.sha256(json.dumps(asked).encode()).hexdigest()}.json"
    known = _read(file)
    if known is not None:
        return known
    found = audit_distributions(
        tree,
        distributions,
        python_version=python_version,
        platform=platform,
        images=images,
        provided=provided,
    )
    with suppress(OSError):
        # a cache that cannot be written costs time, nothing else
        write_text(file, json.dumps([asdict(finding) for finding in found]))
    return found


def _read(file: Path) -> tuple[Finding, ...] | None:
    try:
        return tuple(Finding(**each) for each in json.loads(file.read_bytes()))
    except (OSError, ValueError, TypeError):
        # not there, or not whole: it is made again
        return None
