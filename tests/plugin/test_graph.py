"""The calls between endpoints in the report."""

from __future__ import annotations

from fakes_pytest_flash import FlashProject

from flash.contract.calls import judge_callers
from flash.model.calls import CallEdge
from flash.model.manifest import CallSchema, FunctionEntry, Manifest, Resource
from pytest_flash.graph import calls_of


def app(parameter: str) -> Manifest:
    """A callee, and two callers of it, one of which gives the argument by its name."""
    schema = CallSchema(
        input={
            "type": "object",
            "properties": {parameter: {"type": "string"}},
            "required": [parameter],
            "additionalProperties": False,
        }
    )
    edge = CallEdge(at="app.py:7", endpoint="infer", function="infer", arguments=[parameter])
    unread = CallEdge(at="app.py:9", function="Endpoint(id='k')", is_open=True, why="by its id")
    entries = {
        "infer": FunctionEntry(name="infer", module="infer", contract={"": schema}),
        "prep": FunctionEntry(name="run", module="prep", calls=[edge, unread]),
    }
    return Manifest(resources={name: Resource(functions=[entry]) for name, entry in entries.items()})


def test_calls_are_told_with_what_breaks() -> None:
    """Those that the rules of callers name, by their lines."""
    changes = [change.as_json() for change in judge_callers(app("data"), app("payload"))]
    first, second = calls_of(app("payload"), changes)
    assert (first.caller, first.function, first.endpoint, first.call) == ("prep", "run", "infer", "infer(payload=…)")
    lacks = "it has no parameter {!r}; its parameter {!r} is not given"
    assert first.breaks == (
        f"FLASH-C501: app.py:7 (live): prep/run calls infer(data=…): {lacks.format('data', 'payload')}",
        f"FLASH-C502: app.py:7 (new): prep/run calls infer(payload=…): {lacks.format('payload', 'data')}",
    )
    assert (second.breaks, second.unread, second.is_foreign) == ((), "by its id", True)
    assert [call.breaks for call in calls_of(app("payload"))] == [(), ()]


def test_the_report_has_them(project: FlashProject) -> None:
    """Also where nothing is deployed."""
    project.scenario(calls={"echo": [{"at": "app.py:12", "endpoint": "greeter", "function": "hello", "is_open": True}]})
    project.run("--flash-preview", "--flash-report=report.json", "--flash-report=report.html")
    (call,) = project.report()["calls"]
    assert (call["caller"], call["endpoint"], call["at"], call["breaks"]) == ("api", "greeter", "app.py:12", [])
    assert "Calls between endpoints" in (project.path / "report.html").read_text(encoding="utf-8")
