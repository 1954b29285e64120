"""Which release a promotion is about: what a receipt speaks for, or what another environment runs. Pure.

Everything is compared before anything is changed: what does not fit is refused here, with what would mend it.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from flash.deploy.receipt import manifest_digest
from flash.deploy.release import Release
from flash.errors import ReceiptError, Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from flash.cloud.records import BuildRecord, LiveEnvironment
    from flash.deploy.envelope import Believer
    from flash.deploy.receipt import Receipt, Sealed
    from flash.model.manifest import Artifact

__all__ = ["check_receipt", "release_of_environment", "release_of_receipt"]

_PASSED: Final = re.compile(r"(\d{1,9}) (?:contract checks? )?passed")
_BYTES = "name the file that was tested: --artifact FILE; or deploy that commit again: flash deploy"


def check_receipt(sealed: Sealed, *, app: str, trusted: Sequence[Believer]) -> str:
    """Whether a receipt lets this app's artifact through.

    Returns:
        The id of the trusted key that signed it; empty where no key is trusted, so that no signature is asked for.

    Raises:
        ReceiptError: It is about another app or another artifact, its gate refused, or nobody trusted has signed it.
    """
    receipt = sealed.receipt
    signer = sealed.envelope.check_signature(tuple(trusted)) if trusted else ""
    if receipt.app != app:
        raise ReceiptError(
            f"the receipt is about the app {receipt.app!r}, this one is {app!r}",
            hint="promote from a checkout of that app, or say --app",
        )
    _check_gate(receipt)
    return signer


def _check_gate(receipt: Receipt) -> None:
    gate = receipt.gate
    conditions = gate.get("conditions")
    if not isinstance(conditions, list) or not conditions or not all(isinstance(one, dict) for one in conditions):
        raise ReceiptError("the receipt has no decision of the gate", hint="write a new one")
    against = [f"{one.get('code')}: {one.get('outcome')}" for one in conditions if one.get("outcome") != "pass"]
    if gate.get("outcome") != "pass" or against:
        told = ", ".join(against) or f"its outcome is {gate.get('outcome')!r}"
        raise ReceiptError(
            f"the receipt is of a run that the gate refused: {told}", hint="mend what it names, and run all tests again"
        )
    if gate.get("digest") != receipt.digest:
        raise ReceiptError("the receipt's gate has judged another artifact than its subject", hint="write a new one")
    _check_counts(receipt, conditions)


def _check_counts(receipt: Receipt, conditions: Sequence[Mapping[str, Any]]) -> None:
    """What the gate has counted as passed must be among the outcomes; more than that is no claim of the gate's."""
    passed = sum(outcome == "passed" for outcome in receipt.outcomes.values())
    for one in conditions:
        if one.get("code") != "FLASH-G001":
            continue
        told = _PASSED.search(str(one.get("evidence")))
        counted = max(1, int(told[1]) if told is not None else 1)
        if passed < counted:
            raise ReceiptError(
                f"the receipt contradicts itself: its gate has counted {counted} passed, its outcomes have {passed}",
                hint="take the file as it was written, or run all tests again and write a new one",
            )


def release_of_receipt(
    sealed: Sealed, *, target: str, builds: Sequence[BuildRecord], artifact: Artifact | None
) -> Release:
    """The release that a receipt speaks for.

    Args:
        sealed: Checked already.
        target: Where it goes: the receipt's hint counts on the same kind of platform only.
        builds: Of the app on that platform, the newest first.
        artifact: A file on this machine whose sha256 was computed; another one than the receipt's is refused.

    Raises:
        ReceiptError: The bytes are not to be had, or something else is where they should be.
    """
    receipt = sealed.receipt
    if artifact is not None and artifact.sha256 != receipt.digest:
        raise ReceiptError(
            f"the artifact's sha256 is {artifact.sha256}, the receipt's is {receipt.digest}",
            hint="name the file that was tested, or leave --artifact out: the platform may have it",
        )
    fitting = [one for one in builds if _is_of(one, receipt.digest)]
    found = next((one for one in fitting if _manifest_sha256(one) == receipt.manifest_sha256), None)
    if artifact is not None:
        release = Release.of(artifact)
    else:
        _check_hint(receipt, target, builds)
        if found is None:
            raise _not_there(receipt.digest, has_digest=bool(fitting), builds=builds)
        release = Release.of_build(found, action="promote")
    return replace(
        release,
        object_key=None if found is None else found.object_key,
        action="promote",
        gate="receipt",
        receipt=sealed.sha256,
        git=None if receipt.git is None else receipt.git.commit,
    )


def release_of_environment(
    live: LiveEnvironment | None,
    name: str,
    *,
    source: Sequence[BuildRecord],
    builds: Sequence[BuildRecord],
    artifact: Artifact | None,
) -> Release:
    """The release that is live and verified in another environment.

    Args:
        live: That environment.
        name: What it is called.
        source: The builds of the app on its platform.
        builds: Those on the platform that the release goes to: the same ones, where it is the same.
        artifact: A file on this machine, for another platform, which may not have the bytes.

    Raises:
        Refused: Nothing verified is live there.
        ReceiptError: The bytes are not to be had.
    """
    manifest = None if live is None else live.manifest
    if live is None or live.active_build_id is None or manifest is None:
        raise Refused(f"nothing is live in {name!r}", hint=f"deploy there first: flash deploy --env {name}")
    entry, digest = manifest.deployment, manifest.digest
    hint = f"deploy there with tests first: flash deploy --env {name}; or promote by a receipt"
    if entry is None or digest is None:
        raise Refused(f"what is live in {name!r} has no entry in the ledger: nobody knows what tested it", hint=hint)
    if entry.state != "verified":
        raise Refused(f"what is live in {name!r} is not verified: the ledger says {entry.state}", hint=hint)
    if entry.gate not in {"passed", "receipt"}:
        raise Refused(f"what is live in {name!r} was deployed without the gate", hint=hint)
    if artifact is not None and artifact.sha256 != digest:
        raise ReceiptError(
            f"the artifact's sha256 is {artifact.sha256}, what is live in {name!r} is {digest}",
            hint="name the file that was deployed there, or leave --artifact out: the platform may have it",
        )
    # of the very build that is live, where it is this platform's; else of any that is the same
    same = [one for one in source if one.id == live.active_build_id]
    here = {one.id for one in builds}
    expected = manifest_digest(manifest)
    candidates = [one for one in (*(one for one in same if one.id in here), *builds) if _is_of(one, digest)]
    found = next((one for one in candidates if _manifest_sha256(one) == expected), None)
    if found is None and artifact is None:
        raise _not_there(digest, has_digest=bool(candidates), builds=builds)
    return Release(
        manifest=manifest.packed(),
        digest=digest,
        artifact=artifact,
        object_key=None if found is None else found.object_key,
        action="promote",
        gate="receipt",
        receipt=entry.receipt,
        git=entry.git,
    )


def _check_hint(receipt: Receipt, target: str, builds: Iterable[BuildRecord]) -> None:
    """What the receipt says of where the bytes are must not be contradicted by the platform."""
    hint = receipt.promoted
    if hint is None or hint.target != target:
        return
    for build in builds:
        if build.id == hint.build_id or (hint.object_key is not None and build.object_key == hint.object_key):
            stored = None if build.manifest is None else build.manifest.digest
            if stored != receipt.digest:
                raise ReceiptError(
                    f"build {build.id}, which the receipt names, is of the artifact {stored or 'unknown'} by now, "
                    f"not of {receipt.digest}",
                    hint=_BYTES,
                )


def _not_there(digest: str, *, has_digest: bool, builds: Sequence[BuildRecord]) -> ReceiptError:
    if has_digest:
        return ReceiptError(
            f"the platform has the artifact {digest[:12]}, but with another manifest than the one that was tested",
            hint=_BYTES,
        )
    return ReceiptError(
        f"the artifact {digest[:12]} is neither here nor among the {len(builds)} build(s) of the app on the platform",
        hint=_BYTES,
    )


def _is_of(build: BuildRecord, digest: str) -> bool:
    return build.manifest is not None and build.manifest.digest == digest


def _manifest_sha256(build: BuildRecord) -> str:
    return "" if build.manifest is None else manifest_digest(build.manifest)
