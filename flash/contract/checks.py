"""Conformance of one function or route: every valid input gets an answer that keeps to the output's schema.

Inputs come from Hypothesis, the same ones on every run. What has no type is not guessed at: the report says so instead.
Nothing is printed, and no failing input is remembered anywhere but in the error.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import seed as with_seed
from hypothesis.errors import HypothesisException

from flash.contract.strategies import Unsupported, from_schema
from flash.contract.typed import typed_part
from flash.contract.validate import validate
from flash.errors import ContractViolation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hypothesis import strategies as st

    from flash.model.manifest import CallSchema

__all__ = ["DEFAULT_EXAMPLES", "CheckReport", "CheckTarget", "Reply", "check_function"]

DEFAULT_EXAMPLES: Final = 25
"""Each is a call of a real worker; most contracts break on the first few, which are the smallest."""

_SHRINKING_CALLS: Final = 60
"""Calls spent on making a failing input smaller. Without a limit Hypothesis may go on for minutes."""

_LINE_LENGTH: Final = 200

Failure = Literal["crashed", "refused", "mismatched"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What an endpoint answered to one input.

    Attributes:
        ok: Whether it ran to its end.
        rejected: Whether it said that the input does not fit its signature: HTTP 422, or a job's failure that says so.
        output: The decoded result, where it is ok.
        error: Its report in one line or more, where it is not.
        status: The HTTP status or the job's state, for the message.
    """

    ok: bool
    rejected: bool = False
    output: object = None
    error: str = ""
    status: int | str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckTarget:
    """A function of an endpoint, and how to call it.

    Attributes:
        method: A class endpoint's method, else None.
        invoke: Sends an input and waits for the reply. What it raises, such as a platform that is gone, ends the check.
        curl: The shell line that sends an input; it must name the API key's variable, not hold the key.
        path_parameters: Names of arguments that travel in a route's path, where text can be neither empty, nor a dot
            segment, nor contain a slash.
    """

    endpoint: str
    function: str
    schema: CallSchema
    invoke: Callable[[object], Reply]
    curl: Callable[[object], str]
    method: str | None = None
    path_parameters: tuple[str, ...] = ()

    @property
    def has_example(self) -> bool:
        """Whether the schema's example can be sent: the smallest text, the empty one, cannot travel in a path."""
        return self.schema.example is not None and _fits_a_path(self.schema.example, self.path_parameters)

    @property
    def name(self) -> str:
        """``gpu_hello`` or ``Model.predict``."""
        return self.function if self.method is None else f"{self.function}.{self.method}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """A check that found nothing wrong, and how hard it looked.

    Attributes:
        function: With the method's name after a dot, for a class.
        outcome: ``untyped`` where inputs could not be generated.
        examples: How many different inputs were sent.
        reason: Why it was not fuzzed, or what was left unchecked; empty where everything was checked.
    """

    endpoint: str
    function: str
    outcome: Literal["passed", "untyped"]
    examples: int
    reason: str = ""


def check_function(
    target: CheckTarget, *, max_examples: int = DEFAULT_EXAMPLES, seed: int | None = None
) -> CheckReport:
    """Call a function with valid inputs and check what it answers.

    The schema's own example goes first, so that a function that always fails costs one call. An input is sent once: a
    failing one is believed.

    Args:
        target: What to call.
        max_examples: How many inputs at most, the example included.
        seed: Other inputs than on every other run.

    Raises:
        ContractViolation: A valid input was refused, made the function fail, or was answered off the output's schema.
            The message says which; ``detail`` has the smallest such input found, the reply, and a curl line.
    """
    calls = _Calls(target)
    schema = target.schema
    if schema.error is not None:
        return calls.report("untyped", schema.error)
    if schema.input is None:
        return calls.report("untyped", "there is no schema of its input")
    fuzzed, left_out, reason = typed_part(schema.input, schema.untyped)
    notes = [f"not fuzzed, because untyped: {', '.join(left_out)}"] if left_out else []
    if not reason:
        try:
            inputs = _inputs(fuzzed, target.path_parameters)
        except Unsupported as error:
            reason = f"not fuzzed: {error.message}"
    if reason:
        return calls.report("untyped", _tried(calls, reason))

    if target.has_example and not validate(schema.input, schema.example):
        calls.check(schema.example)
    reason = _fuzz(calls, inputs, max_examples=max_examples, seed=seed)
    if reason:
        return calls.report("untyped", reason)
    if schema.output is None:
        notes.append("its result has no type: not checked")
    return calls.report("passed", "; ".join(notes))


@dataclass(slots=True)
class _Violation:
    kind: Failure
    value: object
    reply: Reply
    problems: list[str]


@dataclass(slots=True)
class _Calls:
    """What was sent, and what came of it."""

    target: CheckTarget
    outcomes: dict[str, _Violation | None] = field(default_factory=dict)
    first: _Violation | None = None
    shrinking: int = 0
    broken: Exception | None = None

    def report(self, outcome: Literal["passed", "untyped"], reason: str) -> CheckReport:
        return CheckReport(
            endpoint=self.target.endpoint,
            function=self.target.name,
            outcome=outcome,
            examples=len(self.outcomes),
            reason=reason,
        )

    def check(self, value: object) -> None:
        """Send *value* unless it was sent before; raise on the kind of failure that came first."""
        key = json.dumps(value, sort_keys=True)
        if key not in self.outcomes:
            if self.first is not None:
                self.shrinking += 1
                if self.shrinking > _SHRINKING_CALLS:
                    return
            self.outcomes[key] = self._judged(value, self.target.invoke(value))
        violation = self.outcomes[key]
        if violation is None or (self.first is not None and violation.kind != self.first.kind):
            return
        self.first = self.first or violation
        raise _error(self.target, violation)

    def _judged(self, value: object, reply: Reply) -> _Violation | None:
        if reply.rejected:
            return _Violation("refused", value, reply, [])
        if not reply.ok:
            return _Violation("crashed", value, reply, [])
        if self.target.schema.output is None:
            return None
        problems = validate(self.target.schema.output, reply.output)
        return _Violation("mismatched", value, reply, problems) if problems else None


def _fuzz(calls: _Calls, inputs: st.SearchStrategy[Any], *, max_examples: int, seed: int | None) -> str:
    """Send inputs; the reason why none could be generated, or nothing."""

    def check(value: object) -> None:
        if calls.broken is not None:
            return
        try:
            calls.check(value)
        except ContractViolation:
            raise
        except Exception as error:  # noqa: BLE001  # why: whatever stops the calls is no finding to be shrunk
            calls.broken = error

    configured = settings(
        max_examples=max(1, max_examples - len(calls.outcomes)),
        deadline=None,
        database=None,
        backend="hypothesis",
        derandomize=seed is None,
        verbosity=Verbosity.quiet,
        print_blob=False,
        report_multiple_bugs=False,
        # never "explain": it traces the caller's process, and the function runs in another
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    run = configured(given(inputs)(check))
    if seed is not None:
        run = with_seed(seed)(run)
    try:
        run()
    except ContractViolation as violation:
        # a new one: Hypothesis has left notes about its own inner function on this one
        raise ContractViolation(violation.message, hint=violation.hint, detail=violation.detail) from None
    except HypothesisException as error:
        return f"not fuzzed: no valid input could be generated: {_one_line(str(error))}"
    if calls.broken is not None:
        raise calls.broken
    return ""


def _tried(calls: _Calls, reason: str) -> str:
    """Try the example, of which nobody knows whether it means anything to the function: only a wrong output counts."""
    example = calls.target.schema.example
    if not calls.target.has_example:
        return reason
    try:
        calls.check(example)
    except ContractViolation:
        if calls.first is None or calls.first.kind == "mismatched":
            raise
        verdict = "was refused" if calls.first.kind == "refused" else "made it fail"
        return f"{reason}; {_as_json(example)} {verdict}: {_one_line(calls.first.reply.error)}"
    return f"{reason}; {_as_json(example)} was answered"


def _inputs(schema: Mapping[str, Any], path_parameters: tuple[str, ...]) -> st.SearchStrategy[Any]:
    inputs = from_schema(schema)
    return inputs.filter(lambda value: _fits_a_path(value, path_parameters)) if path_parameters else inputs


def _fits_a_path(value: Any, path_parameters: tuple[str, ...]) -> bool:
    """Whether the arguments that travel in a path arrive as they are; anything else would be another route."""
    if not path_parameters or not isinstance(value, dict):
        return True
    segments = [value[name] for name in path_parameters if isinstance(value.get(name), str)]
    return all(segment.strip(".") and "/" not in segment for segment in segments)


_WHAT: Final[dict[Failure, tuple[str, str]]] = {
    "crashed": (
        "failed on a valid input",
        "handle the input, or narrow the type so that it is not valid: Annotated[int, Field(ge=1)], Literal[...]",
    ),
    "refused": (
        "refused a valid input",
        "say in the type what the function wants, so that callers can read it: Annotated[str, Field(min_length=1)]",
    ),
    "mismatched": (
        "answered off its return type",
        "mend the return annotation or the value",
    ),
}


def _error(target: CheckTarget, violation: _Violation) -> ContractViolation:
    what, hint = _WHAT[violation.kind]
    reply = violation.reply
    because = violation.problems[0] if violation.problems else reply.error
    said = _as_json(reply.output) if reply.ok else reply.error
    status = "" if reply.status is None else f"{reply.status} "
    lines = [
        f"input:    {_as_json(violation.value)}",
        f"reply:    {status}{said}",
        *(f"problem:  {problem}" for problem in violation.problems),
        f"again:    {target.curl(violation.value)}",
    ]
    return ContractViolation(
        f"endpoint {target.endpoint!r}: {target.name} {what}, {_one_line(_as_json(violation.value))}: "
        f"{_one_line(because) or 'no reason given'}",
        hint=hint,
        detail="\n".join(lines),
    )


def _as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=repr)


def _one_line(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _LINE_LENGTH else flat[: _LINE_LENGTH - 1] + "…"
