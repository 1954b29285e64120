"""``flash inspect --verify``: whether a provenance statement is about an artifact, and who has signed it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flash.cli.command import open_project
from flash.errors import ReceiptError

if TYPE_CHECKING:
    import argparse
    from pathlib import Path
    from typing import Any

    from flash.bundle.contents import Contents
    from flash.deploy.envelope import Envelope

__all__ = ["verified"]


def verified(options: argparse.Namespace, contents: Contents) -> tuple[str, dict[str, object]]:
    """Check the statement in ``options.verify``, and say what it says, as text and as JSON.

    A signature is asked for where the project's ``receipt-keys`` name keys.

    Raises:
        ReceiptError: It cannot be read, is about another artifact, says what is not so, or is not signed as asked.
        SettingsError: A key is none, or the extra ``sign`` is missing.
    """
    from flash.bundle.statement import problems_of
    from flash.deploy.envelope import read_json
    from flash.deploy.signature import trusted_keys

    path: Path = options.verify
    keys = trusted_keys(open_project(options).settings.receipt_keys)
    try:
        envelope = _envelope(path)
        stated = read_json(envelope.payload)
        problems = problems_of(stated, contents)
        if problems:
            raise ReceiptError(problems[0], hint="flash build --provenance FILE writes the one of what it builds")
        signer = envelope.check_signature(keys) if keys else ""
    except ReceiptError as error:
        raise ReceiptError(error.message, path=str(path), hint=error.hint) from error
    commit = _commit(stated)
    lines = [
        f"✓ {path} is about this artifact, and what it says is in it is in it",
        "",
        f"  sha256  {contents.artifact.sha256}",
        f"  signed  {signer or _unchecked(envelope)}",
        f"  commit  {commit.get('commit') or 'not said'}{' and changes' if commit.get('isDirty') else ''}",
    ]
    data: dict[str, object] = {
        "artifact": str(contents.artifact.path),
        "sha256": contents.artifact.sha256,
        "statement": str(path),
        "signed_by": signer or None,
        "checkout": commit or None,
    }
    return "\n".join(lines), data


def _envelope(path: Path) -> Envelope:
    from flash.deploy.envelope import read_envelope

    try:
        return read_envelope(path.read_bytes())
    except OSError as error:
        raise ReceiptError(
            f"cannot read the statement: {error.strerror}", hint="flash build --provenance FILE writes one"
        ) from error


def _unchecked(envelope: Envelope) -> str:
    if not envelope.signatures:
        return "by nobody"
    return "not checked: receipt-keys in [tool.flash] names no key"


def _commit(stated: dict[str, Any]) -> dict[str, Any]:
    for one in stated["predicate"]["buildDefinition"]["resolvedDependencies"]:
        if one.get("name") == "checkout" and isinstance(one.get("digest"), dict):
            annotations = one.get("annotations")
            known = annotations if isinstance(annotations, dict) else {}
            return {"commit": str(one["digest"].get("gitCommit", "")), "isDirty": known.get("isDirty") is True}
    return {}
