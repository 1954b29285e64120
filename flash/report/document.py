"""The report of a run: one document, from which everything else is rendered. ``docs/reports.md`` tells every field.

Within one number of ``schema``, fields are added, and none is renamed, removed or given another meaning. A reader skips
what it does not know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from flash.deploy.deployment import DeployedEndpoint
from flash.errors import ManifestError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "SCHEMA",
    "Artifact",
    "CanaryEndpoint",
    "CanaryStep",
    "Case",
    "Condition",
    "Distribution",
    "Endpoint",
    "Failure",
    "Git",
    "Lock",
    "Log",
    "Report",
    "Rollback",
    "Stage",
]

SCHEMA: Final = 1


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class Failure(_Value):
    """Why the run did not come to what it was for."""

    message: str = Field(description="what went wrong, in one line")
    hint: str = Field(default="", description="what mends it; empty where nothing is known")
    detail: str = Field(default="", description="evidence of more than one line, such as the end of a worker's log")
    path: str | None = Field(default=None, description="the file that it is about, relative to the project's root")
    line: int | None = Field(default=None, description="the line in it, from 1")


class Artifact(_Value):
    """What was built."""

    digest: str = Field(description="sha256 of the file, 64 hexadecimal digits")
    size_bytes: int = Field(description="of the file, packed")
    files: int = Field(description="how many files are in it")
    python: str = Field(description="the version that its workers run")


class Git(_Value):
    """The checkout that the run was started in."""

    commit: str = Field(description="40 or 64 hexadecimal digits")
    branch: str | None = Field(default=None, description="null on a detached head")
    is_dirty: bool = Field(description="whether something differs from it, files that git does not know included")


class Distribution(_Value):
    """A distribution in the artifact."""

    name: str = Field(description="in lower case, with `-`")
    version: str = Field(description="as installed")


class Lock(_Value):
    """What was installed into the artifact."""

    digest: str = Field(description="sha256 over the sorted lines `NAME==VERSION`, each with its newline")
    distributions: tuple[Distribution, ...] = Field(description="sorted; two versions of one where endpoints disagree")


class Stage(_Value):
    """A stage that ended, in the order of the run."""

    id: str = Field(description="`flash::build`, `flash::deploy[production]`, …: the name in pytest's own reports")
    outcome: Literal["passed", "failed", "skipped"] = Field(description="`passed`, `failed` or `skipped`")
    message: str = Field(description="what came of it; why it failed or was skipped")
    hint: str = Field(default="", description="what mends a failure")
    started_at: str | None = Field(default=None, description="ISO 8601, UTC")
    duration_s: float = Field(default=0.0, description="seconds; a deployment's are without its canary's")


class Condition(_Value):
    """One condition of the gate."""

    code: str = Field(description="stable: `FLASH-G001`, …")
    outcome: Literal["pass", "refused", "inconclusive", "not-judged"] = Field(
        description="`pass`, `refused`, `inconclusive` (not seen, which is no pass) or `not-judged` (nothing was run)"
    )
    title: str = Field(description="what must hold")
    evidence: tuple[str, ...] = Field(description="what was seen, a line each")
    remedy: str = Field(description="what would change the outcome; empty for a pass")
    items: tuple[str, ...] = Field(default=(), description="all that the evidence counts, such as node ids")


class Endpoint(_Value):
    """An endpoint that is live in the environment."""

    name: str = Field(description="as in `@Endpoint(name=…)`")
    kind: Literal["queue", "load-balanced"] = Field(description="`queue` or `load-balanced`")
    id: str = Field(description="the platform's; it survives redeployment")
    url: str = Field(description="what is called")
    routes: tuple[str, ...] = Field(default=(), description="`POST /process`, …; none for a queue")
    example: Any = Field(
        default=None,
        description="what *Try it* sends: a job for a queue, else the arguments of a route; null where none is known",
    )

    def deployed(self) -> DeployedEndpoint:
        """As everything else knows it."""
        return DeployedEndpoint(
            name=self.name, kind=self.kind, id=self.id, url=self.url, routes=self.routes, example=self.example
        )


class Case(_Value):
    """A test, or one contract check of an endpoint's function."""

    id: str = Field(description="pytest's node id; `flash::contract[ENDPOINT]` or `[ENDPOINT/function]` for a check")
    outcome: Literal["passed", "failed", "error", "skipped", "xfailed", "xpassed"] = Field(
        description="`passed`, `failed`, `error` (set-up or tear-down), `skipped`, `xfailed` or `xpassed`"
    )
    duration_s: float = Field(default=0.0, description="seconds, with set-up and tear-down")
    reason: str = Field(default="", description="of a skip or an expected failure; the last line of a failure")
    untyped: str = Field(default="", description="what a contract check left out, because it has no type")
    text: str = Field(default="", description="a failure as pytest shows it")
    path: str | None = Field(default=None, description="of the test, relative to pytest's root")
    line: int | None = Field(default=None, description="where it failed in that file, else where it begins; from 1")


class CanaryEndpoint(_Value):
    """What an endpoint's new version has shown in a step of the canary."""

    name: str = Field(description="as in `@Endpoint(name=…)`")
    outcome: Literal["pass", "fail", "not-enough-data"] = Field(description="`pass`, `fail` or `not-enough-data`")
    evidence: str = Field(description="why, in one line")
    samples: int = Field(description="answers of the new version in this step")
    failures: int = Field(description="those of them that were failures")
    old_samples: int = Field(default=0, description="answers of the version before it, in all steps so far")
    old_failures: int = Field(default=0, description="those of them that were failures")


class CanaryStep(_Value):
    """A step of the canary."""

    weight: int = Field(description="percent of the calls that the new version got")
    outcome: Literal["pass", "fail", "not-enough-data"] = Field(description="the worst of its endpoints")
    duration_s: float = Field(default=0.0, description="seconds")
    endpoints: tuple[CanaryEndpoint, ...] = Field(description="those that change")


class Log(_Value):
    """The end of what an endpoint's workers wrote, kept where something failed."""

    endpoint: str = Field(description="its name")
    of: str = Field(description="what failed: the id of a stage, a test or a contract check")
    lines: tuple[str, ...] = Field(description="the last lines, oldest first")


class Rollback(_Value):
    """What came of putting back what was live before."""

    outcome: Literal["restored", "failed"] = Field(description="`restored`, and verified; or `failed`")
    because: str = Field(description="why it was wanted")
    live: str = Field(description="what is live now, in words; empty where it failed")


class Report(_Value):
    """The whole run."""

    schema_: int = Field(default=SCHEMA, alias="schema", description="1; another number is another document")
    generator: str = Field(default="", description="what wrote it: `pytest-flash 1.2.3`")
    app: str = Field(description="the app's name; empty where the settings could not be read")
    environment: str | None = Field(description="where it was to go; null where nothing was to be deployed")
    target: str | None = Field(default=None, description="`runpod` or `local`; null where that is not known")
    outcome: str = Field(
        description="`deployed`, `refused`, `failed`, `rolled-back`, `interrupted`, `planned`; `passed` where nothing "
        "was to be deployed"
    )
    digest: str | None = Field(default=None, description="of the artifact that was tested; null where none was built")
    previous_digest: str | None = Field(default=None, description="what was live before, where that is known")
    started_at: str | None = Field(default=None, description="ISO 8601, UTC")
    duration_s: float = Field(default=0.0, description="seconds, from the first stage to the last")
    error: Failure | None = Field(default=None, description="why it is neither `deployed` nor `passed`")
    live: str = Field(default="", description="what is live after a rollback, in words")
    rollback: Rollback | None = Field(default=None, description="null where there was nothing to put back")
    artifact: Artifact | None = Field(default=None, description="null where none was built")
    lock: Lock | None = Field(default=None, description="null where nothing was built")
    git: Git | None = Field(default=None, description="null outside of a checkout")
    stages: tuple[Stage, ...] = Field(default=(), description="those that ended, in their order")
    gate: tuple[Condition, ...] = Field(default=(), description="every condition; empty where the gate was not asked")
    gate_outcome: Literal["pass", "refused", "inconclusive"] | None = Field(
        default=None, description="the worst of them in one word; null where the gate was not asked"
    )
    gate_notes: tuple[str, ...] = Field(
        default=(), description="skips and expected failures, which pass and are listed"
    )
    plan: dict[str, Any] | None = Field(default=None, description="what was to change, as `flash plan --json` has it")
    endpoints: tuple[Endpoint, ...] = Field(
        default=(), description="what is live; empty unless the outcome is `deployed`"
    )
    contract: tuple[Case, ...] = Field(default=(), description="the contract checks, in the order in which they ran")
    tests: tuple[Case, ...] = Field(default=(), description="the project's own tests, against the preview")
    tests_started_at: str | None = Field(default=None, description="when the first test or check began")
    tests_duration_s: float = Field(default=0.0, description="seconds, from the first to the last")
    canary: tuple[CanaryStep, ...] = Field(
        default=(), description="the steps in which the new version was tried; empty where it was not"
    )
    smoke: tuple[Case, ...] = Field(default=(), description="tests against what was deployed")
    logs: tuple[Log, ...] = Field(default=(), description="of workers, for what failed")
    untyped: dict[str, str] = Field(default_factory=dict, description="what contract checks left out, by node id")
    notes: tuple[str, ...] = Field(default=(), description="what else people should know, a line each")

    @property
    def is_local(self) -> bool:
        """Whether the environment is on the local platform."""
        return self.target == "local"

    @property
    def is_good(self) -> bool:
        """Whether the run came to what it was for."""
        return self.outcome in {"deployed", "passed", "planned"}

    @property
    def in_the_way(self) -> tuple[Condition, ...]:
        """The gate's conditions that did not pass."""
        return tuple(condition for condition in self.gate if condition.outcome in {"refused", "inconclusive"})

    @property
    def failed(self) -> tuple[Case, ...]:
        """Checks and tests that failed, against the preview and against what was deployed."""
        return tuple(case for case in (*self.contract, *self.tests, *self.smoke) if case.outcome in {"failed", "error"})

    def as_json(self) -> dict[str, Any]:
        """Plain data: what ``--flash-report=FILE.json`` holds."""
        return self.model_dump(mode="json", by_alias=True)

    @classmethod
    def parse(cls, data: object, *, where: str = "the report") -> Report:
        """Take what :meth:`as_json` made.

        Raises:
            ManifestError: It is something else, or of another schema.
        """
        if isinstance(data, dict) and data.get("schema") not in {None, SCHEMA}:
            raise ManifestError(
                f"{where} has schema {data['schema']!r}, this version reads {SCHEMA}",
                hint="read it with the version of pytest-flash that wrote it",
            )
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            field = ".".join(str(part) for part in first["loc"]) or "the whole"
            raise ManifestError(f"{where} is no report of a run: {field}: {first['msg']}") from error

    @classmethod
    def read(cls, path: Path) -> Report:
        """Read a file that a run wrote.

        Raises:
            ManifestError: It cannot be read, or is something else.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise ManifestError(f"cannot read the report {path}: {error}") from error
