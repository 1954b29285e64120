"""The receipt of a run: what it saw, put together and written where ``--flash-receipt`` says."""

from __future__ import annotations

import os
import platform
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

import flash
from flash import project as settings
from flash.bundle import contents
from flash.deploy.receipt import (
    GitState,
    LockedDistribution,
    Promoted,
    Receipt,
    is_receipt,
    manifest_digest,
    open_receipt,
    seal,
)
from flash.deploy.secrets import users_of
from flash.deploy.signature import signing_key
from flash.errors import ReceiptError, SettingsError
from flash.preview.receipts import is_like_the_workers
from flash.report.redaction import secrets_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flash.deploy.gate import Verdict
    from flash.deploy.signature import SigningKey
    from flash.model.manifest import Artifact
    from flash.preview.checkout import Checkout
    from flash.preview.pipeline import Promotion
    from pytest_flash.facts import Observations
    from pytest_flash.stages import Stages

__all__ = ["Receipts", "receipt_of", "seeds"]

_OUTCOMES: Final = ("passed", "skipped", "xfailed", "xpassed")
_SHORTEST_SECRET: Final = 8
"""What is shorter is a part of everyday words."""


class Receipts:
    """What ``--flash-receipt`` asks for: a stage of its own, after everything else has gone well.

    Args:
        path: Where the receipt goes.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._signer: SigningKey | None = None
        self._put_back: Callable[[], None] | None = None
        self._is_written = False

    def open(self) -> None:
        """Look whether there can be one, before anything is built.

        A receipt of an earlier run is removed: a run that the gate refuses leaves none. From now on, tests and child
        processes do not see the signing key.

        Raises:
            SettingsError: Something else is in its place, or the signing key is none.
        """
        content = settings.signing_key()
        self._signer = None if content is None else signing_key(content)
        try:
            if not os.access(self._path.parent, os.W_OK):
                raise SettingsError("--flash-receipt: its folder cannot be written", path=str(self._path))
            if self._path.exists() and not is_receipt(self._path.read_bytes()):
                raise SettingsError(
                    "--flash-receipt: something is there that is no receipt",
                    path=str(self._path),
                    hint="name another file, or remove that one",
                )
            self._path.unlink(missing_ok=True)
        except OSError as error:
            raise SettingsError(
                f"--flash-receipt: cannot write there: {error.strerror}", path=str(self._path)
            ) from error
        self._put_back = settings.withhold(settings.SIGNING_KEY)

    def close(self) -> None:
        """Leave this process's environment as it was."""
        if self._put_back is not None:
            self._put_back()
            self._put_back = None

    def write(
        self,
        stages: Stages,
        seen: Observations,
        verdict: Verdict,
        *,
        config: pytest.Config,
        checkout: Checkout | None,
        environment: Mapping[str, str],
        promotion: Promotion | None,
    ) -> None:
        """``flash::receipt``.

        Args:
            stages: Built and tested.
            seen: What the run saw.
            verdict: Of the gate, which passed.
            config: Of the run.
            checkout: Of the project, before anything was built.
            environment: This process's variables; no secret in them is in the receipt.
            promotion: What the run has deployed, verified and kept, if it was to deploy anything.

        Raises:
            StageFailed: It cannot be written, and was reported.
        """

        def work() -> str:
            artifact = stages.artifact()
            receipt = receipt_of(
                artifact,
                seen,
                verdict,
                app=stages.project.settings.app,
                checkout=checkout,
                seeds=seeds(config, environment),
                promoted=None if promotion is None else _promoted(promotion),
                hidden=_hidden(stages, environment, promotion),
            )
            told = self._write(receipt)
            self._is_written = True
            return told

        stages.receipt(work)

    def note(self) -> str:
        """What people should know at the end of the run; empty where there is nothing."""
        return "" if self._is_written else f"no receipt was written to {self._path.name}"

    def _write(self, receipt: Receipt) -> str:
        text = seal(receipt, self._signer)
        try:
            handle, name = tempfile.mkstemp(prefix=".receipt-", dir=self._path.parent)
            part = Path(name)
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    file.write(text)
                part.chmod(0o644)
                part.replace(self._path)
            finally:
                part.unlink(missing_ok=True)
        except OSError as error:
            raise ReceiptError(f"the receipt cannot be written: {error.strerror}", path=str(self._path)) from error
        sha256 = open_receipt(text.encode()).sha256
        by = "unsigned" if self._signer is None else f"signed by key {self._signer.key_id[:19]}…"
        return f"sha256:{sha256[:12]} of artifact sha256:{receipt.digest[:12]}, {by}, in {self._path.name}"


def _hidden(stages: Stages, environment: Mapping[str, str], promotion: Promotion | None) -> dict[str, str]:
    """What stands in place of keys, and of paths of this machine."""
    secrets = [*secrets_of(environment), *secrets_of(settings.dotenv(stages.project)), *stages.keys]
    if stages.built is not None:
        secrets += settings.known_secrets(stages.project, users_of(stages.built.manifest)).values()
    if promotion is not None:
        secrets.append(promotion.attachment.address.api_key)
    places = {tempfile.gettempdir(): "TMP", str(Path.home()): "~", str(stages.project.root): "."}
    found = {**dict.fromkeys((one for one in secrets if len(one) >= _SHORTEST_SECRET), "***"), **places}
    # the longest first: one may be the beginning of another
    return {what: found[what] for what in sorted(found, key=len, reverse=True) if len(what) > 1}


def _promoted(promotion: Promotion) -> Promoted:
    deployment = promotion.deployment
    return Promoted(
        environment=deployment.environment,
        target="local" if promotion.is_local else "runpod",
        build_id=deployment.build_id,
        object_key=deployment.object_key,
    )


def receipt_of(
    artifact: Artifact,
    seen: Observations,
    verdict: Verdict,
    *,
    app: str,
    checkout: Checkout | None,
    seeds: Mapping[str, str | int | bool | None],
    promoted: Promoted | None,
    hidden: Mapping[str, str],
) -> Receipt:
    """What a run saw of an artifact that its gate let through.

    Args:
        artifact: It is read once more, for what it holds.
        seen: In the run.
        verdict: Of the gate, which passed.
        app: Its name.
        checkout: Of the project.
        seeds: What made the run's random choices.
        promoted: Where the run has deployed it.
        hidden: What must not be in it, by what stands there instead: keys, and paths of this machine.

    Raises:
        BuildError: The artifact cannot be read.
    """
    outcomes = {**seen.outcomes, **dict.fromkeys(seen.skipped_files, "skipped")}
    return Receipt(
        app=app,
        digest=artifact.sha256,
        size_bytes=artifact.size_bytes,
        fingerprint=artifact.manifest.source_fingerprint,
        manifest_sha256=manifest_digest(artifact.manifest),
        python=artifact.manifest.python_version,
        environment=verdict.environment or None,
        host_wheels=not is_like_the_workers(),
        outcomes={
            _text(nodeid): outcome  # type: ignore[misc]  # mypy does not narrow by membership
            for nodeid, outcome in sorted(outcomes.items())
            if outcome in _OUTCOMES
        },
        markers=_markers(seen),
        gate=_without(verdict.as_json(), hidden),
        seeds=dict(seeds),
        lock=[
            LockedDistribution(name=one.name, version=one.version, record_sha256=one.record_sha256)
            for one in contents.locked(artifact.path)
        ],
        git=None
        if checkout is None
        else GitState(commit=checkout.commit, branch=checkout.branch, changed=[_text(one) for one in checkout.changed]),
        versions={"flash": flash.__version__, "python": platform.python_version(), "pytest": pytest.__version__},
        promoted=promoted,
    )


def _markers(seen: Observations) -> dict[str, list[str]]:
    """Of the tests that ran before the promotion, those of each marker."""
    later = seen.selection.marked.get("flash_deployed_only", set())
    found = {name: sorted(map(_text, ids - later)) for name, ids in sorted(seen.selection.marked.items())}
    return {name: ids for name, ids in found.items() if ids}


def seeds(config: pytest.Config, environment: Mapping[str, str]) -> dict[str, str | int | bool | None]:
    """What made the run's random choices, as far as it is known.

    Args:
        config: Of the run; plugins that shuffle or seed have options.
        environment: This process's variables.
    """
    from hypothesis import settings as hypothesis_settings

    found: dict[str, str | int | bool | None] = {
        "PYTHONHASHSEED": environment.get("PYTHONHASHSEED", "random"),
        "contract-checks": "derandomized",
        "hypothesis-derandomize": hypothesis_settings.default.derandomize,  # type: ignore[union-attr,unused-ignore]
        "hypothesis-seed": config.getoption("--hypothesis-seed", default=None),
    }
    for name, plugin in (("randomly_seed", "pytest-randomly"), ("random_order_seed", "pytest-random-order")):
        value = getattr(config.option, name, None)
        if value is not None:
            found[plugin] = value if isinstance(value, (str, int, bool)) else str(value)
    return found


def _text(text: str) -> str:
    """A name as JSON can have it: file names may hold bytes that are no text."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _without(value: Any, hidden: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        for what, instead in hidden.items():
            value = value.replace(what, instead)
        return _text(value)
    if isinstance(value, list):
        return [_without(one, hidden) for one in value]
    if isinstance(value, dict):
        return {key: _without(one, hidden) for key, one in value.items()}
    return value
