"""What a contract check finds, what it leaves alone, and what it says."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import TypeAdapter

from flash.contract.checks import CheckReport, CheckTarget, Reply, check_function
from flash.errors import ContractViolation, PlatformUnreachable
from flash.model.manifest import CallSchema

if TYPE_CHECKING:
    from collections.abc import Callable

INTEGER = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}


@dataclass
class FakeEndpoint:
    """Answers with what a function returns, and remembers what it was sent."""

    function: Callable[[Any], object]
    inputs: list[Any] = field(default_factory=list)

    def invoke(self, value: object) -> Reply:
        self.inputs.append(value)
        try:
            return Reply(ok=True, output=self.function(value), status="COMPLETED")
        except ValueError as error:
            return Reply(ok=False, rejected=True, error=str(error), status=422)
        except ArithmeticError as error:
            return Reply(ok=False, error=f"{type(error).__name__}: {error}", status="FAILED")


def target(endpoint: FakeEndpoint, schema: CallSchema, **changes: Any) -> CheckTarget:
    """A target that sends to *endpoint*."""
    return CheckTarget(
        endpoint="worker",
        function="work",
        schema=schema,
        invoke=endpoint.invoke,
        curl=lambda value: f"curl -d '{json.dumps({'input': value})}'",
        **changes,
    )


def refuse(value: Any) -> object:
    """A binder that disagrees with the schema."""
    if value["n"] > 10:
        raise ValueError("n: too large")
    return 1


def divide(value: Any) -> object:
    """Crashes on one value in a million."""
    return 1 / (value["n"] - 7) if value["n"] != 7 else 1 // 0


def test_a_function_that_keeps_its_contract_passes() -> None:
    """And the report says how many different inputs it was sent."""
    endpoint = FakeEndpoint(lambda value: value["n"])
    report = check_function(target(endpoint, CallSchema(input=INTEGER, output={"type": "integer"})))
    assert report == CheckReport(endpoint="worker", function="work", outcome="passed", examples=len(endpoint.inputs))
    assert 20 <= len(endpoint.inputs) <= 25
    assert len({value["n"] for value in endpoint.inputs}) == len(endpoint.inputs)


def test_every_run_sends_the_same_inputs_unless_it_has_a_seed() -> None:
    """A gate must not say yes today and no tomorrow about the same bytes."""
    runs = []
    for seed in (None, None, 1):
        endpoint = FakeEndpoint(lambda value: value["n"])
        check_function(target(endpoint, CallSchema(input=INTEGER)), seed=seed)
        runs.append(endpoint.inputs)
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_a_crash_on_a_valid_input_fails_with_the_smallest_such_input() -> None:
    """Input, reply and a line to repeat it are in the error."""
    schema = CallSchema(input=INTEGER, output={"type": "number"})
    endpoint = FakeEndpoint(lambda value: 1 // 0 if value["n"] >= 20 else 1)
    with pytest.raises(ContractViolation) as caught:
        check_function(target(endpoint, schema))
    assert caught.value.message.startswith("endpoint 'worker': work failed on a valid input, {\"n\": 20}: ZeroDivision")
    assert caught.value.hint
    assert 'input:    {"n": 20}' in caught.value.detail
    assert "reply:    FAILED ZeroDivisionError" in caught.value.detail
    assert """again:    curl -d '{"input": {"n": 20}}'""" in caught.value.detail
    assert isinstance(caught.value, AssertionError)


def test_an_output_off_its_schema_fails_and_lists_what_is_wrong() -> None:
    """One line for each problem."""
    endpoint = FakeEndpoint(lambda value: {"total": str(value["n"])})
    output = TypeAdapter(dict[str, int]).json_schema()
    with pytest.raises(ContractViolation, match="answered off its return type") as caught:
        check_function(target(endpoint, CallSchema(input=INTEGER, output=output)))
    assert "problem:  $.total: '0' is not of type 'integer'" in caught.value.detail


def test_a_refused_valid_input_fails() -> None:
    """The schema says it is valid, so callers believe it."""
    with pytest.raises(ContractViolation, match="refused a valid input") as caught:
        check_function(target(FakeEndpoint(refuse), CallSchema(input=INTEGER)))
    assert 'input:    {"n": 11}' in caught.value.detail
    assert "422 n: too large" in caught.value.detail


def test_making_an_input_smaller_does_not_change_what_was_found() -> None:
    """A crash is not shrunk into a refusal."""

    def either(value: Any) -> object:
        if value["n"] > 1000:
            return 1 // 0
        if value["n"] > 500:
            raise ValueError("n: too large")
        return 1

    endpoint = FakeEndpoint(either)
    with pytest.raises(ContractViolation) as caught:
        check_function(target(endpoint, CallSchema(input=INTEGER)))
    assert ("failed on" in caught.value.message) == ("ZeroDivisionError" in caught.value.detail)


def test_the_effort_of_making_an_input_smaller_is_bounded() -> None:
    """A worker that takes seconds must not be asked a thousand times."""
    text = {"type": "object", "properties": {"text": {"type": "string", "minLength": 200}}, "required": ["text"]}
    endpoint = FakeEndpoint(lambda _: 1 // 0)
    with pytest.raises(ContractViolation):
        check_function(target(endpoint, CallSchema(input=text)))
    assert len(endpoint.inputs) <= 90


def test_an_input_is_sent_once_so_that_a_failure_is_believed() -> None:
    """A function that fails at random fails the check; Hypothesis never sees it change its mind."""
    answers = iter([1, 1, "oops"])
    endpoint = FakeEndpoint(lambda _: next(answers, 1))
    with pytest.raises(ContractViolation, match="'oops' is not of type 'integer'"):
        check_function(target(endpoint, CallSchema(input=INTEGER, output={"type": "integer"})))


def test_the_example_goes_first() -> None:
    """A function that always fails costs one call."""
    endpoint = FakeEndpoint(lambda _: 1 // 0)
    with pytest.raises(ContractViolation):
        check_function(target(endpoint, CallSchema(input=INTEGER, example={"n": 5})))
    assert endpoint.inputs == [{"n": 5}]


def test_a_function_without_parameters_is_called_once() -> None:
    """There is only one input."""
    endpoint = FakeEndpoint(lambda _: "ok")
    empty = {"type": "object", "properties": {}, "additionalProperties": False}
    report = check_function(target(endpoint, CallSchema(input=empty, output={"type": "string"}, example={})))
    assert (report.outcome, report.examples, endpoint.inputs) == ("passed", 1, [{}])


def test_a_method_is_named_with_its_class() -> None:
    """In the report and in the message."""
    endpoint = FakeEndpoint(lambda _: "ok")
    report = check_function(target(endpoint, CallSchema(input=INTEGER), method="predict"))
    assert report.function == "work.predict"


def test_a_result_without_a_type_is_not_checked_and_that_is_said() -> None:
    """Crashes are still found."""
    report = check_function(target(FakeEndpoint(lambda _: object), CallSchema(input=INTEGER, untyped=["return"])))
    assert report.outcome == "passed"
    assert report.reason == "its result has no type: not checked"


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        (CallSchema(error="ModuleNotFoundError: torch"), "ModuleNotFoundError: torch"),
        (CallSchema(), "there is no schema of its input"),
        (CallSchema(input={"properties": {"x": {}}, "required": ["x"]}, untyped=["x"]), "not fuzzed: untyped: x"),
        (CallSchema(input={"properties": {"x": {"type": "object"}}, "required": ["x"]}), "not fuzzed: untyped: x"),
        (
            CallSchema(input=TypeAdapter(dict[str, Any]).json_schema()),
            "not fuzzed: its input is an object of anything",
        ),
        (
            CallSchema(input={"properties": {"x": {"format": "file-path"}}, "required": ["x"]}),
            "not fuzzed: format 'file-path'",
        ),
    ],
)
def test_what_has_no_type_is_not_fuzzed_and_the_reason_is_said(schema: CallSchema, reason: str) -> None:
    """Nothing is sent, and nothing is claimed."""
    endpoint = FakeEndpoint(lambda _: 1 // 0)
    report = check_function(target(endpoint, schema))
    assert (report.outcome, report.examples, report.reason) == ("untyped", 0, reason)


def test_an_impossible_input_is_said_too() -> None:
    """No integer lies between one and zero."""
    schema = {"properties": {"x": {"type": "integer", "minimum": 1, "maximum": 0}}, "required": ["x"]}
    report = check_function(target(FakeEndpoint(lambda _: 1), CallSchema(input=schema)))
    assert report.outcome == "untyped"
    assert report.reason.startswith("not fuzzed: no valid input could be generated")


def test_an_untyped_function_is_tried_with_its_example() -> None:
    """Its answer is reported."""
    endpoint = FakeEndpoint(lambda _: "fine")
    schema = CallSchema(input={"type": "object"}, output={"type": "string"}, example={})
    report = check_function(target(endpoint, schema))
    assert (report.outcome, report.examples) == ("untyped", 1)
    assert report.reason.endswith("; {} was answered")


def test_an_untyped_function_that_does_not_like_its_example_is_not_to_blame() -> None:
    """Nobody said that an empty object means anything to it."""
    report = check_function(target(FakeEndpoint(lambda _: 1 // 0), CallSchema(input={"type": "object"}, example={})))
    assert report.outcome == "untyped"
    assert "{} was crashed" not in report.reason
    assert "{} made it fail: ZeroDivisionError" in report.reason


def test_an_untyped_function_still_answers_as_its_return_type_says() -> None:
    """That much was declared."""
    schema = CallSchema(input={"type": "object"}, output={"type": "string"}, example={})
    with pytest.raises(ContractViolation, match="answered off its return type"):
        check_function(target(FakeEndpoint(lambda _: 1), schema))


def test_an_untyped_parameter_that_may_be_left_out_is_left_out() -> None:
    """The others are fuzzed, and the report names it."""
    schema = {
        "type": "object",
        "properties": {
            "n": {"type": "integer"},
            "extra": {},
            "config": {"anyOf": [{"type": "object"}, {"type": "null"}]},
        },
        "required": ["n"],
        "additionalProperties": True,
    }
    endpoint = FakeEndpoint(lambda value: 1)
    report = check_function(target(endpoint, CallSchema(input=schema, output={}, untyped=["extra", "options"])))
    assert report.outcome == "passed"
    assert report.reason == "not fuzzed, because untyped: config, extra, options"
    assert {key for value in endpoint.inputs for key in value} == {"n"}


def test_text_in_a_path_is_one_segment() -> None:
    """Anything else would be another route; the smallest example, too, is one that cannot be sent."""
    schema = {"properties": {"name": {"type": "string"}}, "required": ["name"]}
    endpoint = FakeEndpoint(lambda value: value["name"])
    described = CallSchema(input=schema, example={"name": ""})
    check_function(target(endpoint, described, path_parameters=("name",)), max_examples=100)
    assert all(value["name"].strip(".") and "/" not in value["name"] for value in endpoint.inputs)


def test_a_platform_that_is_gone_ends_the_check_at_once() -> None:
    """It is no finding about the function, and nothing to make smaller."""
    calls = []

    def invoke(value: object) -> Reply:
        calls.append(value)
        raise PlatformUnreachable("nobody answers")

    with pytest.raises(PlatformUnreachable):
        check_function(
            CheckTarget(
                endpoint="worker", function="work", schema=CallSchema(input=INTEGER), invoke=invoke, curl=lambda _: ""
            )
        )
    assert len(calls) == 1


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    """The terminal is pytest's, standard output may be somebody's JSON."""
    with pytest.raises(ContractViolation):
        check_function(target(FakeEndpoint(divide), CallSchema(input=INTEGER, example={"n": 7})))
    with pytest.raises(ContractViolation):
        check_function(target(FakeEndpoint(refuse), CallSchema(input=INTEGER)))
    assert capfd.readouterr() == ("", "")
