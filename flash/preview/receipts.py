"""Promotion of what was tested before: the receipt is read, the target's conditions are judged, the bytes are found.

Nothing here changes anything anywhere: it is all over before the first mutation is sent.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from flash.bundle import archive
from flash.bundle.files import digest_of
from flash.cloud.client import PlatformClient
from flash.deploy.gate import before_promotion
from flash.deploy.provenance import check_receipt, release_of_environment, release_of_receipt
from flash.deploy.receipt import open_receipt
from flash.deploy.signature import trusted_keys
from flash.deploy.surroundings import BY_RECEIPT
from flash.errors import ReceiptError, Refused
from flash.preview.checkout import Checkout
from flash.preview.surroundings import surroundings

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from flash.cloud.address import PlatformAddress
    from flash.cloud.records import BuildRecord
    from flash.deploy.gate import Surroundings, Verdict
    from flash.deploy.receipt import GitState, Sealed
    from flash.deploy.release import Release
    from flash.model.manifest import Artifact
    from flash.project import Project, TargetName

__all__ = ["Found", "Where", "asked_of", "find_release", "is_like_the_workers", "read_receipt"]


@dataclass(frozen=True, slots=True)
class Found:
    """What may be promoted.

    Attributes:
        verdict: On the conditions that are about the target.
        signer: The id of the trusted key that signed the receipt; empty where no signature is asked for.
        notes: What people should know, a line each.
    """

    release: Release
    verdict: Verdict
    signer: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Where an environment lives, and how it is reached.

    Attributes:
        address: Called when the platform is to be asked, and not before: it may start a local one.
    """

    environment: str
    target: TargetName
    address: Callable[[], PlatformAddress]


def read_receipt(path: Path) -> Sealed:
    """Read a receipt's file.

    Raises:
        ReceiptError: It cannot be read, or is none.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ReceiptError(
            f"cannot read the receipt: {error.strerror}",
            path=str(path),
            hint="pytest --flash-deploy=staging --flash-receipt=FILE writes one",
        ) from error
    try:
        return open_receipt(content)
    except ReceiptError as error:
        raise ReceiptError(error.message, path=str(path), hint=error.hint) from error


def asked_of(
    project: Project, environment: str, *, variables: Mapping[str, str], now: datetime
) -> Callable[[GitState | None], Surroundings]:
    """What an environment asks of a promotion; of git, what holds is what held where the artifact was tested.

    Args:
        project: Whose settings.
        environment: Where the artifact is to go.
        variables: This process's environment, which may hold the approval.
        now: With a time zone.
    """

    def asked(git: GitState | None) -> Surroundings:
        # this machine's own checkout has nothing to do with what was tested
        found = surroundings(
            project, environment, variables=variables, now=now, checkout=Checkout(commit="", branch=None)
        )
        return replace(
            found,
            commit=None if git is None else git.commit,
            branch=None if git is None else git.branch,
            branch_told_by="",
            changed=() if git is None else tuple(git.changed),
        )

    return asked


def is_like_the_workers() -> bool:
    """Whether wheels for this machine are wheels for the workers."""
    return sys.platform == "linux" and platform.machine().lower() in {"x86_64", "amd64"}


def find_release(
    project: Project,
    to: Where,
    *,
    receipt: Path | None = None,
    source: Where | None = None,
    artifact: Path | None = None,
    asked: Callable[[GitState | None], Surroundings],
    control: Callable[[PlatformAddress], PlatformClient] = PlatformClient,
) -> Found:
    """What a receipt, or what is verified in another environment, lets into an environment.

    Args:
        project: Whose app it is, and whose settings say what is trusted.
        to: Where it goes.
        receipt: A receipt's file; one of this and *source* is given.
        source: The environment that it comes from.
        artifact: A file that has to be it; else the project's last build is taken where it is it.
        asked: What the target asks for, given the checkout that was tested: see :func:`asked_of`.
        control: Makes a client of a platform.

    Raises:
        ReceiptError: The receipt is not to be believed, or the bytes are not to be had.
        Refused: The target's conditions do not hold, or nothing verified is live in *source*.
        PlatformError: A platform does not answer.
    """
    keys = project.settings.receipt_keys_for(to.environment)
    if receipt is not None:
        return _of_receipt(project, to, read_receipt(receipt), keys, artifact, asked, control)
    if source is None:
        raise ReceiptError("neither a receipt nor an environment is given", hint="--receipt FILE, or --from ENV")
    if keys:
        raise Refused(
            f"{to.environment!r} takes signed receipts only: receipt-keys names whose",
            hint="promote with --receipt FILE",
        )
    return _of_environment(project, to, source, artifact, asked, control)


def _of_receipt(
    project: Project,
    to: Where,
    sealed: Sealed,
    keys: tuple[str, ...],
    artifact: Path | None,
    asked: Callable[[GitState | None], Surroundings],
    control: Callable[[PlatformAddress], PlatformClient],
) -> Found:
    receipt = sealed.receipt
    signer = check_receipt(sealed, app=project.settings.app, trusted=trusted_keys(keys))
    file = None if artifact is None else _artifact(artifact, receipt.digest)
    wanted = asked(receipt.git)
    marked = {
        marker: {nodeid: receipt.outcomes.get(nodeid, "not-run") for nodeid in receipt.markers.get(marker, ())}
        for marker in wanted.required_markers
    }
    verdict = _judged(project, to, wanted, marked, has_host_wheels=receipt.host_wheels)
    if file is None:
        file = _last_build(project, receipt.digest)
    builds, problem = _builds(project, to, control, receipt.digest)
    try:
        release = release_of_receipt(sealed, target=to.target, builds=builds, artifact=file)
    except ReceiptError as error:
        raise _damaged(error, problem) from error
    is_unchecked = bool(sealed.envelope.signatures) and not signer
    notes = ("the receipt is signed, and no receipt-keys are configured to check that",) if is_unchecked else ()
    return Found(release, verdict, signer, notes)


def _of_environment(
    project: Project,
    to: Where,
    source: Where,
    artifact: Path | None,
    asked: Callable[[GitState | None], Surroundings],
    control: Callable[[PlatformAddress], PlatformClient],
) -> Found:
    with control(source.address()) as there:
        live = there.environment(project.settings.app, source.environment)
        of_source = () if live is None else there.builds(live.app_id)
    digest = None if live is None or live.manifest is None else live.manifest.digest
    file = None
    if digest is not None:
        file = _last_build(project, digest) if artifact is None else _artifact(artifact, digest)
    builds, problem = _builds(project, to, control, digest or "")
    try:
        release = release_of_environment(live, source.environment, source=of_source, builds=builds, artifact=file)
    except ReceiptError as error:
        raise _damaged(error, problem) from error
    # of branch, tree and marks the ledger knows nothing: what the target asks of them is inconclusive
    wanted = replace(asked(None), ledger_of=source.environment)
    is_foreign = source.target == "local" and not is_like_the_workers()
    return Found(release, _judged(project, to, wanted, {}, has_host_wheels=is_foreign))


def _judged(
    project: Project,
    to: Where,
    wanted: Surroundings,
    marked: Mapping[str, Mapping[str, str]],
    *,
    has_host_wheels: bool,
) -> Verdict:
    settings = project.settings.environments.get(to.environment)
    verdict = before_promotion(
        wanted,
        marked=marked,
        has_host_wheels=to.target == "runpod" and has_host_wheels,
        accepts_host_wheels=settings is not None and settings.accept_host_wheels,
    )
    if not verdict.passed:
        raise Refused(
            f"{wanted.environment!r} does not take it: {'; '.join(verdict.reasons)}",
            reasons=[f"{one.code} {one.title}: {one.evidence}; {one.remedy}" for one in verdict.in_the_way],
            hint=(
                f"nothing was changed; {BY_RECEIPT}"
                if any(one.remedy == BY_RECEIPT for one in verdict.in_the_way)
                else "nothing was changed; mend what is named, and promote again"
            ),
        )
    return verdict


def _builds(
    project: Project, to: Where, control: Callable[[PlatformAddress], PlatformClient], digest: str
) -> tuple[tuple[BuildRecord, ...], str]:
    """The builds of the app, without those of that digest whose bytes are gone or damaged, and why the last one is.

    Only the local platform says so without being asked for another build.
    """
    with control(to.address()) as platform:
        app = platform.find_app(project.settings.app)
        found = () if app is None else platform.builds(app.id)
        if not platform.address.stages:
            return found, ""
        damaged: dict[str, str] = {}
        for build in found:
            if build.object_key in damaged or build.manifest is None or build.manifest.digest != digest:
                continue
            problem = platform.build_problem(build.id)
            if not problem:
                # the bytes are read for every question: one copy that can be used is enough
                break
            damaged[build.object_key] = problem
    return tuple(one for one in found if one.object_key not in damaged), "; ".join(damaged.values())


def _damaged(error: ReceiptError, problem: str) -> ReceiptError:
    return ReceiptError(f"the platform's copy cannot be used: {problem}", hint=error.hint) if problem else error


def _artifact(path: Path, digest: str) -> Artifact:
    """The artifact in a file, whose bytes are compared before anything in it is read.

    Raises:
        ReceiptError: It is another one, or cannot be read.
    """
    found = _sha256(path)
    if found != digest:
        raise ReceiptError(
            f"it is not the artifact that was tested: its sha256 is {found}, not {digest}",
            path=str(path),
            hint="name the file that was tested, or leave --artifact out: the platform may have it",
        )
    return archive.read(path)


def _last_build(project: Project, digest: str) -> Artifact | None:
    """The project's last build, where it is that artifact."""
    path = project.artifact_path
    return _artifact(path, digest) if path.is_file() and _sha256(path) == digest else None


def _sha256(path: Path) -> str:
    try:
        return digest_of(path)
    except OSError as error:
        raise ReceiptError(
            f"cannot read the artifact: {error.strerror}",
            path=str(path),
            hint="name the file that was tested, or leave --artifact out: the platform may have it",
        ) from error
