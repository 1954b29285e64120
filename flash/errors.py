"""The one exception tree of Flash. Branches answer *who has to act*.

    FlashError                          everything Flash raises on purpose
      DeclarationError (ValueError)     the user's endpoint definition
      SettingsError (ValueError)        an option, a key of [tool.flash], a missing key or target
      BuildError                        the project cannot become an artifact
        DiscoveryError                  no endpoint, a syntax error, a value that cannot be read
        DependencyError                 the requirements cannot be installed for the target
        AuditFailed                     what was built would not run in a worker; carries what was found
        ArtifactTooLarge                over the size limit
        SecretFound                     something that looks like a secret would ship
      ManifestError (ValueError)        a manifest that cannot be read
      PlatformError                     the platform said no, with operation and status
        PlatformUnreachable             network or time-out
        NotAuthorized                   no key, or a wrong one
        NotFound                        an app, environment, build, endpoint or job that is not there
      PreviewError                      the local platform or a base environment
        TargetPythonMissing             no interpreter of the wanted version
        PortTaken                       somebody else listens there
        WorkerFailed                    a worker died or never became ready; carries its log's tail
      DeployError                       a deployment that did not happen
        Busy                            somebody else deploys there now
        Unverified                      what is live is not known
        Refused                         the gate or the plan said no
        ReceiptError (ValueError)       a receipt that cannot be read or believed
      CallError                         calling an endpoint's function
        InvalidInput (ValueError)       the input does not fit the signature; names the fields
        RemoteError                     the endpoint ran and failed
        CallTimeout (TimeoutError)      a job that had not ended in time; it runs on
      ContractViolation (AssertionError)  a failing contract is a test failure, not an error

Every error says what and where in one line; ``hint`` says how to mend it.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = [
    "ArtifactTooLarge",
    "AuditFailed",
    "BuildError",
    "Busy",
    "CallError",
    "CallTimeout",
    "ContractViolation",
    "DeclarationError",
    "DependencyError",
    "DeployError",
    "DiscoveryError",
    "FlashError",
    "InvalidInput",
    "ManifestError",
    "NotAuthorized",
    "NotFound",
    "PlatformError",
    "PlatformUnreachable",
    "PortTaken",
    "PreviewError",
    "ReceiptError",
    "Refused",
    "RemoteError",
    "SecretFound",
    "SettingsError",
    "TargetPythonMissing",
    "Unverified",
    "WorkerFailed",
]


class FlashError(Exception):
    """Base of everything Flash raises on purpose.

    Attributes:
        message: One line: what, with the value in ``!r``.
        hint: How to mend it, or the empty string.
        path: The file it is about, as the user would write it.
        line: The line in that file, counted from 1.
        detail: Evidence of more than one line, such as the end of a log; shown after message and hint.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        path: str | None = None,
        line: int | None = None,
        detail: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.path = path
        self.line = line
        self.detail = detail

    @property
    def headline(self) -> str:
        """``path:line: message``, as far as they are known."""
        if self.path is None:
            return self.message
        where = self.path if self.line is None else f"{self.path}:{self.line}"
        return f"{where}: {self.message}"

    def __str__(self) -> str:
        lines = [self.headline]
        if self.hint:
            lines.append(f"hint: {self.hint}")
        if self.detail:
            lines.append(self.detail)
        return "\n".join(lines)


class DeclarationError(FlashError, ValueError):
    """The user's endpoint definition is wrong."""


class SettingsError(FlashError, ValueError):
    """An option, a key of ``[tool.flash]``, or a missing API key or target."""


class BuildError(FlashError):
    """The project cannot become an artifact."""


class DiscoveryError(BuildError):
    """Reading the project's sources found no endpoint, or something it cannot understand."""


class DependencyError(BuildError):
    """The requirements cannot be installed for the target."""


class AuditFailed(BuildError):
    """Something in the artifact is certain to fail in a worker.

    Attributes:
        findings: One line each, the one that the message is about among them.
    """

    def __init__(
        self,
        message: str,
        *,
        findings: Sequence[str],
        hint: str = "",
        path: str | None = None,
        line: int | None = None,
        detail: str = "",
    ) -> None:
        super().__init__(message, hint=hint, path=path, line=line, detail=detail)
        self.findings = tuple(findings)


class ArtifactTooLarge(BuildError):
    """The artifact is over its size limit; ``detail`` is a table of what is largest in it.

    Attributes:
        size_bytes: What it came to.
        limit_bytes: What it may be.
    """

    def __init__(self, message: str, *, size_bytes: int, limit_bytes: int, hint: str = "", detail: str = "") -> None:
        super().__init__(message, hint=hint, detail=detail)
        self.size_bytes = size_bytes
        self.limit_bytes = limit_bytes


class SecretFound(BuildError):
    """Something that looks like a secret would ship. Nothing of what it is, is in the error.

    Attributes:
        found: Path, line and kind of each.
    """

    def __init__(
        self,
        message: str,
        *,
        found: Sequence[tuple[str, int, str]],
        hint: str = "",
        path: str | None = None,
        line: int | None = None,
        detail: str = "",
    ) -> None:
        super().__init__(message, hint=hint, path=path, line=line, detail=detail)
        self.found = tuple(found)


class ManifestError(FlashError, ValueError):
    """A manifest that cannot be read."""


class PlatformError(FlashError):
    """The platform said no.

    Attributes:
        operation: The GraphQL operation or ``METHOD path`` that was asked for.
        status: The HTTP status, or None where there was no answer.
    """

    def __init__(
        self, message: str, *, operation: str = "", status: int | None = None, hint: str = "", detail: str = ""
    ) -> None:
        super().__init__(message, hint=hint, detail=detail)
        self.operation = operation
        self.status = status


class PlatformUnreachable(PlatformError):
    """The network failed, or nobody answered in time."""


class NotAuthorized(PlatformError):
    """No API key, or one that the platform does not accept."""


class NotFound(PlatformError):
    """An app, environment, build, endpoint or job that is not there."""


class PreviewError(FlashError):
    """The local platform, or a base environment, could not be made or found."""


class TargetPythonMissing(PreviewError):
    """There is no interpreter of the version that the workers need."""


class PortTaken(PreviewError):
    """Somebody else listens on the port that the platform was told to use."""


class WorkerFailed(PreviewError):
    """A worker died, or never became ready. ``detail`` is the end of its log.

    Attributes:
        endpoint: The endpoint's name.
    """

    def __init__(self, message: str, *, endpoint: str, hint: str = "", detail: str = "") -> None:
        super().__init__(message, hint=hint, detail=detail)
        self.endpoint = endpoint


class DeployError(FlashError):
    """A deployment that did not happen. What was live before is live still, unless the message says otherwise."""


class Busy(DeployError):
    """Somebody else deploys to the environment now. Nothing was changed."""


class Unverified(DeployError):
    """Something was activated, and the platform did not say whether it is live, or healthy. The message says so."""


class Refused(DeployError):
    """The gate or the plan said no.

    Attributes:
        reasons: One line each.
    """

    def __init__(self, message: str, *, reasons: Sequence[str] = (), hint: str = "") -> None:
        super().__init__(message, hint=hint, detail="\n".join(f"- {reason}" for reason in reasons))
        self.reasons = tuple(reasons)


class ReceiptError(DeployError, ValueError):
    """A receipt that cannot be read or believed, or that is about something else."""


class CallError(FlashError):
    """Calling an endpoint's function failed."""


class InvalidInput(CallError, ValueError):
    """The input does not fit the function's signature.

    Attributes:
        problems: ``{"loc": [...], "msg": str, "type": str}`` for each field, as FastAPI reports them.
    """

    def __init__(self, message: str, *, problems: Sequence[dict[str, object]] = (), hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.problems = tuple(problems)


class RemoteError(CallError):
    """The endpoint ran the function, and it failed; the message is what it reported."""


class CallTimeout(CallError, TimeoutError):
    """A job had not ended in time. It runs on."""


class ContractViolation(FlashError, AssertionError):
    """An endpoint broke its contract: a test failure, not an error."""
