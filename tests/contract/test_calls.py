"""Calls between endpoints: whether they resolve, and whether they do while two versions overlap."""

from __future__ import annotations

import sys
from dataclasses import replace
from importlib import import_module, invalidate_caches
from typing import TYPE_CHECKING, Any

import pytest
from fakes_bundle import project
from hypothesis import given, settings
from hypothesis import strategies as st

from flash.bundle.discover import discover
from flash.bundle.sources import project_files
from flash.contract.call_checks import check_calls, unresolved
from flash.contract.calls import callers_of, judge_callers
from flash.contract.resolving import problems
from flash.contract.rules import RULES
from flash.errors import ContractViolation
from flash.model.calls import CallEdge
from flash.model.endpoint import bound
from flash.model.manifest import CallSchema, FunctionEntry, Manifest, Resource
from flash.model.schema import call_schema
from flash.model.signature import public_methods

if TYPE_CHECKING:
    from pathlib import Path

    from flash.contract.change import Change

HEAD = """\
from typing import Literal, Optional, TypedDict
from pydantic import BaseModel
from flash import Endpoint
class Out(TypedDict):
    score: float
class Wide(TypedDict):
    score: float
    label: str
"""
INFER = '@Endpoint(name="infer", cpu="cpu3c-1-2")\n'
CALLER = 'from flash import Endpoint\nfrom callees import *\n@Endpoint(name="prep", cpu="cpu3c-1-2")\n'


def manifest(root: Path, callees: str, caller: str) -> Manifest:
    """What a build makes of a module of callees and one of a caller."""
    project(root, {"callees.py": f"{HEAD}{callees}", "app.py": f"{CALLER}{caller}"})
    app = discover(root, project_files(root).files, app_name="demo")
    sys.path.insert(0, str(root))
    sys.dont_write_bytecode = True
    try:
        invalidate_caches()
        sys.modules.pop("callees", None)
        module: Any = import_module("callees")
    finally:
        sys.path.remove(str(root))
        sys.modules.pop("callees", None)
    resources = {}
    for endpoint in app:
        entries = []
        for one in endpoint.functions:
            served = getattr(module, one.name, None)
            mark = None if served is None else bound(served)
            contract = {}
            if mark is not None and one.is_class:
                contract = {name: call_schema(method) for name, method in public_methods(served).items()}
            elif mark is not None:
                contract = {"": call_schema(mark.function)}
            entries.append(
                FunctionEntry(
                    name=one.name,
                    module=one.module,
                    is_class=one.is_class,
                    is_generator=one.is_generator,
                    class_methods=list(one.methods),
                    http_method=one.http_method,
                    http_path=one.http_path,
                    contract=contract,
                    calls=list(one.edges),
                )
            )
        resources[endpoint.name] = Resource(is_load_balanced=endpoint.is_load_balanced, functions=entries)
    return Manifest(resources=resources)


@pytest.fixture
def judged(tmp_path: Path) -> Any:
    """What comes of two versions, each of a callee and a caller."""

    def judge(old: tuple[str, str], new: tuple[str, str]) -> tuple[Change, ...]:
        return judge_callers(manifest(tmp_path / "old", *old), manifest(tmp_path / "new", *new))

    return judge


def fired(changes: tuple[Change, ...]) -> list[str]:
    """Rules and pointers."""
    return [f"{one.rule[-4:]} {one.pointer}".strip() for one in changes]


def queue(signature: str) -> str:
    """A queue endpoint's function."""
    return f"{INFER}def infer{signature}: ...\n"


def prep(line: str) -> str:
    """A caller of one line."""
    return f"def prep(x: str):\n    {line}\n"


# ---------------------------------------------------------------------------------------------------------------------
# In one build


@pytest.mark.parametrize(
    ("callee", "line", "said"),
    [
        ("(data: str)", "return infer(payload=x)", ["no parameter 'payload'", "parameter 'data' is not given"]),
        ("(data: str)", "return infer()", ["parameter 'data' is not given"]),
        ("(data: str)", "return infer(x, 1)", ["1 positional arguments more"]),
        ("(data: str)", "return infer(5)", ["'data' does not take 5"]),
        ("(data: Literal['a', 'b'])", "return infer('c')", ["""'data' does not take "c":"""]),
        ("(data: int = 1)", "return infer(None)", ["'data' does not take null"]),
        ("(data: list[int])", "return infer([1, 'a'])", ["""'data' does not take [1, "a"]:"""]),
        ("(data: dict)", "return infer(other=x)", ["no parameter 'other'"]),
        ("(data: Out)", "return infer({'score': 'x'})", ["'data' does not take"]),
        ("(data: str) -> Out", "return infer(x)['label']", ["answer has no 'label'"]),
        ("(data: str) -> str", "return infer(x)['label']", ["answer has no 'label'"]),
    ],
)
def test_a_call_that_cannot_be_taken_is_found(tmp_path: Path, callee: str, line: str, said: list[str]) -> None:
    """With the line that it is on."""
    found = unresolved(manifest(tmp_path, queue(callee), prep(line)), "prep", "prep")
    for one, words in zip(found, said, strict=True):
        assert str(one).startswith("app.py:5: infer(")
        assert words in one.said


@pytest.mark.parametrize(
    ("callee", "line"),
    [
        ("(data: str, steps: int = 1) -> Out", "return infer(x)['score']"),
        ("(data: str, steps: int = 1)", "return infer(x, steps=2)"),
        ("(data: str)", "return infer(**x)"),
        ("(data: str, **rest)", "return infer(x, more=1)"),
        ("(data)", "return infer(object())"),
        ("(data: dict)", "return infer({'a': 1})"),
        ("(data: dict)", "return infer(data={})"),
        ("(data: Optional[Out] = None)", "return infer()"),
        ("(data: Optional[Out] = None)", "return infer(None)"),
        ("(data: dict) -> dict", "return infer({})['anything']"),
        ("(data: str) -> Optional[Out]", "return infer(x)['score']"),
        ("(data: str)", "return map(infer, x)"),
        ("(data: float)", "return infer(1)"),
        ("(data: tuple[int, int])", "return infer((1, 2))"),
    ],
)
def test_a_call_that_is_taken_is_not(tmp_path: Path, callee: str, line: str) -> None:
    """Nor one of which it is not known what it gives."""
    assert unresolved(manifest(tmp_path, queue(callee), prep(line)), "prep", "prep") == []


def test_calls_of_methods_are_told_with_the_method_that_makes_them(tmp_path: Path) -> None:
    """What runs when an instance is made, with the first."""
    caller = (
        "class prep:\n    def __init__(self):\n        infer(1)\n"
        "    def one(self): ...\n    def two(self):\n        infer(2)\n"
    )
    found = manifest(tmp_path, queue("(data: str)"), caller)
    assert [one.place for one in unresolved(found, "prep", "prep", "one")] == ["app.py:6"]
    assert [one.place for one in unresolved(found, "prep", "prep", "two")] == ["app.py:9"]


def test_a_method_that_there_is_not_is_found(tmp_path: Path) -> None:
    """Whichever arguments it would have."""
    callee = f"{INFER}class Model:\n    def predict(self, x: str): ...\n"
    found = unresolved(manifest(tmp_path, callee, prep("return Model().predikt(x)")), "prep", "prep")
    assert [str(one) for one in found] == ["app.py:5: Model.predikt(…): class 'Model' has no method 'predikt'"]


def test_a_method_of_a_base_that_could_not_be_imported_may_be_there(tmp_path: Path) -> None:
    """As nobody has seen the class."""
    callee = f"{INFER}class Model:\n    def predict(self, x: str): ...\n"
    found = manifest(tmp_path, callee, prep("return Model().inherited(x)"))
    (entry,) = found.resources["infer"].functions
    unseen = replace(entry, contract={"predict": CallSchema(error="untyped: ModuleNotFoundError: No module 'torch'")})
    seen = replace(found, resources={**found.resources, "infer": Resource(functions=[unseen])})
    assert unresolved(seen, "prep", "prep") == []


def test_the_check_names_the_first_and_tells_all(tmp_path: Path) -> None:
    """With the place, for editors and annotations."""
    found = manifest(tmp_path, queue("(data: str)"), prep("return infer(1), infer(y=x)"))
    with pytest.raises(ContractViolation) as raised:
        check_calls(found, "prep", "prep")
    assert (raised.value.path, raised.value.line) == ("app.py", 5)
    assert raised.value.message.startswith("endpoint 'prep': prep calls infer(data=1), which is not taken: 'data'")
    assert raised.value.message.endswith(", and 2 more")
    assert len(raised.value.detail.splitlines()) == 3
    check_calls(found, "infer", "infer")


# ---------------------------------------------------------------------------------------------------------------------
# Two versions


def test_a_renamed_parameter_fails_both_ways(judged: Any) -> None:
    """Although the caller is updated in the same commit: both calls are named, with their lines."""
    found = judged(
        (queue("(data: str)"), prep("return infer(data=x)")),
        (queue("(payload: str)"), f"\n{prep('return infer(payload=x)')}"),
    )
    assert fired(found) == ["C501 input", "C502 input"]
    first = found[0]
    assert (first.endpoint, first.operation, first.old, first.new) == (
        "infer",
        "infer",
        "infer(data)",
        "infer(payload)",
    )
    assert first.callers == (
        "app.py:5 (live): prep calls infer(data=…): it has no parameter 'data'; its parameter 'payload' is not given",
        "app.py:6 (new): prep calls infer(payload=…)",
    )
    assert found[1].callers == (
        "app.py:6 (new): prep calls infer(payload=…): it has no parameter 'payload'; its parameter 'data' is not given",
        "app.py:5 (live): prep calls infer(data=…)",
    )
    for change in found:
        assert "expand and contract" in RULES[change.rule].why


def test_a_positional_argument_travels_by_the_name_that_it_has(judged: Any) -> None:
    """So that a rename breaks a caller whose line is the same."""
    caller = prep("return infer(x)")
    found = judged((queue("(data: str)"), caller), (queue("(payload: str)"), caller))
    assert fired(found) == ["C501 input", "C502 input"]


def test_expanding_and_contracting_is_let_through(judged: Any) -> None:
    """Each of its three steps."""
    steps = [
        ("(data: str)", "infer(data=x)"),
        ("(data: str | None = None, payload: str | None = None)", "infer(data=x)"),
        ("(data: str | None = None, payload: str | None = None)", "infer(payload=x)"),
        ("(payload: str)", "infer(payload=x)"),
    ]
    built = [(queue(callee), prep(f"return {line}")) for callee, line in steps]
    assert [judged(built[step], built[step + 1]) for step in range(3)] == [(), (), ()]


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("(data: str)", "(data: str, lang: str = 'en')", "return infer(data=x)"),
        ("(data: str)", "(data: str | int)", "return infer(data=x)"),
        ("(data: int)", "(data: float)", "return infer(data=x)"),
        ("(data: int)", "(data: float)", "return infer(data=3)"),
        ("(data: str, lang: str = 'en')", "(data: str)", "return infer(data=x)"),
        ("(data: str) -> Out", "(data: str) -> Wide", "return infer(data=x)['score']"),
        ("(data: dict)", "(data: dict, more: int = 1)", "return infer(data=x)"),
        ("(data: str)", "(data: str)", "return infer(payload=x)"),
        ("(data: str)", "(data)", "return infer(data=x)"),
        ("(data: str) -> Out", "(data: str)", "return infer(data=x)['score']"),
        ("(data: str) -> str", "(data: str) -> int", "infer(data=x)"),
    ],
)
def test_what_fits_both_is_let_through(judged: Any, old: str, new: str, line: str) -> None:
    """And what fits neither is not this comparison's business."""
    assert judged((queue(old), prep(line)), (queue(new), prep(line))) == ()


@pytest.mark.parametrize(
    ("old", "new", "lines", "expected"),
    [
        (
            "(data: str)",
            "(data: str, lang: str = 'en')",
            ("infer(data=x)", "infer(data=x, lang='fr')"),
            ["C502 input/lang"],
        ),
        (
            "(data: str)",
            "(data: str, lang: str)",
            ("infer(x)", "infer(x, 'fr')"),
            ["C501 input/lang", "C502 input/lang"],
        ),
        (
            "(data: str, lang: str = 'en')",
            "(data: str, lang: str)",
            ("infer(x)", "infer(x, 'fr')"),
            ["C501 input/lang"],
        ),
        ("(data: str)", "(data: int)", ("infer(x)", "infer(int(x))"), ["C501 input/data", "C502 input/data"]),
        ("(data: int)", "(data: str | None)", ("infer(x)", "infer(x)"), ["C501 input/data", "C502 input/data"]),
        ("(data: Literal['a'])", "(data: Literal['a', 'b'])", ("infer('a')", "infer('b')"), ["C502 input/data"]),
        ("(data: Literal['a', 'b'])", "(data: Literal['a'])", ("infer('b')", "infer('a')"), ["C501 input/data"]),
        ("(data: str) -> Out", "(data: str) -> Wide", ("infer(x)", "infer(x)['label']"), ["C502 output/label"]),
        ("(data: str) -> Wide", "(data: str) -> Out", ("infer(x)['label']", "infer(x)"), ["C501 output/label"]),
        ("(data: str) -> str", "(data: str) -> int", ("infer(x)", "infer(x)"), ["C501 output", "C502 output"]),
        ("(input: dict)", "(payload: dict)", ("infer(x)", "infer(x)"), ["C501 input/input", "C502 input/payload"]),
        ("(data: dict)", "(data: dict)", ("infer(x)", "infer(x)"), []),
    ],
)
def test_what_fits_one_is_told_for_the_other(
    judged: Any, old: str, new: str, lines: tuple[str, str], expected: list[str]
) -> None:
    """In the direction in which it fails."""
    before, after = (prep(f"return {line}") for line in lines)
    assert sorted(set(fired(judged((queue(old), before), (queue(new), after))))) == expected


def test_routes_are_reached_by_verb_and_path(judged: Any) -> None:
    """The names in a path do not travel; arguments that are null do not, in a query."""
    api = 'api = Endpoint(name="api", cpu="cpu3c-1-2")\n'
    old = f'{api}@api.get("/items/{{id}}")\ndef item(id: int, lang: str = "en") -> Out: ...\n'
    call = prep("return item(1, lang=None)")
    same = old.replace("{id}", "{key}").replace("(id: int", "(key: int")
    assert judged((old, call), (same, call)) == ()
    moved = judged((old, call), (old.replace("/items", "/things"), call))
    assert fired(moved) == ["C501", "C502"]
    assert moved[0].callers[0].endswith("endpoint 'api' has no route GET /items/{id}")
    assert fired(judged((old, call), (old.replace("api.get", "api.post"), call))) == ["C501", "C502"]


def test_routes_may_be_told_in_one_place(tmp_path: Path) -> None:
    """As in manifests that others have written; where they are told nowhere, nothing is known."""
    callee = 'api = Endpoint(name="api", cpu="cpu3c-1-2")\n@api.post("/a")\ndef a(x: str): ...\n'
    new = manifest(tmp_path, callee, prep("return a(x)"))
    (entry,) = new.resources["api"].functions
    bare = Resource(is_load_balanced=True, functions=[replace(entry, http_method=None, http_path=None, contract={})])
    for routes, expected in (({}, []), ({"POST /a": "a"}, []), ({"POST /b": "a"}, ["C502"])):
        old = replace(new, resources={**new.resources, "api": bare}, routes={"api": routes})
        assert fired(judge_callers(old, new))[-1:] == expected


def test_methods_that_nobody_tells_may_be_there(tmp_path: Path) -> None:
    """Of a manifest that has neither their names nor their contracts."""
    callee = f"{INFER}class infer:\n    def predict(self, x: str): ...\n"
    new = manifest(tmp_path, callee, prep("return infer().predict(x)"))
    (entry,) = new.resources["infer"].functions
    bare = Resource(functions=[replace(entry, class_methods=[], contract={})])
    assert judge_callers(replace(new, resources={**new.resources, "infer": bare}), new) == ()


def test_kinds_of_endpoints_and_methods_count(judged: Any) -> None:
    """A class answers by method, a queue has no routes, a stream is no value."""
    model = f"{INFER}class infer:\n    def predict(self, x: str) -> str: ...\n    def embed(self, x: str) -> str: ...\n"
    call = prep("return infer().predict(x)")
    assert fired(judged((model, call), (model.replace("predict", "guess"), prep("return infer().guess(x)")))) == [
        "C501",
        "C502",
    ]
    assert fired(judged((model, call), (queue("(x: str)"), prep("return infer(x)")))) == ["C501", "C502"]
    route = 'infer_api = Endpoint(name="infer", cpu="cpu3c-1-2")\n@infer_api.post("/")\ndef infer(x: str): ...\n'
    assert fired(judged((queue("(x: str)"), prep("return infer(x)")), (route, prep("return infer(x)")))) == [
        "C501",
        "C502",
    ]
    stream = f"{INFER}def infer(x: str):\n    yield x\n"
    assert fired(judged((queue("(x: str)"), prep("return infer(x)")), (stream, prep("return infer(x)")))) == [
        "C501 output",
        "C502 output",
    ]


def test_a_callee_that_is_gone_or_not_there_yet_is_told(judged: Any) -> None:
    """The second is a note: what is live does not call it."""
    other = '@Endpoint(name="other", cpu="cpu3c-1-2")\ndef other(x: str): ...\n'
    both = queue("(x: str)") + other
    assert fired(judged((both, prep("return other(x)")), (queue("(x: str)"), prep("return infer(x)")))) == ["C501"]
    found = judged((queue("(x: str)"), prep("return infer(x)")), (both, prep("return other(x)")))
    assert fired(found) == ["C503"]
    assert RULES["FLASH-C503"].severity == "note"


def test_a_caller_that_comes_or_goes_is_called_by_nobody_yet(tmp_path: Path) -> None:
    """And where nothing is live, nothing overlaps."""
    old = manifest(tmp_path / "old", queue("(data: str)"), prep("return infer(data=x)"))
    new = manifest(tmp_path / "new", queue("(payload: str)"), prep("return infer(payload=x)"))
    without = replace(old, resources={"infer": old.resources["infer"]})
    assert judge_callers(without, new) == ()
    assert judge_callers(Manifest(), new) == ()


def test_a_build_of_which_no_calls_are_known_has_none(tmp_path: Path) -> None:
    """Of an older Flash, or of ``runpod-flash``: its callers are anybody, whom other rules protect."""
    old = manifest(tmp_path / "old", queue("(data: str)"), prep("return infer(data=x)"))
    new = manifest(tmp_path / "new", queue("(payload: str)"), prep("return infer(payload=x)"))
    bare = {
        name: replace(one, functions=[replace(each, calls=[]) for each in one.functions])
        for name, one in old.resources.items()
    }
    assert {one.rule for one in judge_callers(replace(old, resources=bare), new)} == {"FLASH-C502"}


def test_who_calls_an_operation_is_told(tmp_path: Path) -> None:
    """For whoever changes it."""
    model = '@Endpoint(name="model", cpu="cpu3c-1-2")\nclass Model:\n    def predict(self, text: str): ...\n'
    found = manifest(tmp_path, queue("(data: str)") + model, prep("return infer(data=Model().predict(x))"))
    assert callers_of(found, "infer", "infer") == ("app.py:5: prep calls infer(data=…)",)
    assert callers_of(found, "infer") == callers_of(found, "infer", "infer")
    assert callers_of(found, "model", "predict") == ("app.py:5: prep calls Model.predict(text=…)",)
    assert callers_of(found, "model", "embed") == callers_of(found, "prep") == ()


# ---------------------------------------------------------------------------------------------------------------------
# Laws

NAMES = st.sampled_from(["a", "b", "c"])
SCHEMAS = st.sampled_from(
    [{"type": "string"}, {"type": "integer"}, {"type": ["string", "null"]}, {}, {"enum": [1, "x"]}, {"type": "array"}]
)


@st.composite
def call_schemas(draw: st.DrawFn) -> CallSchema:
    """Contracts of a few parameters."""
    known = draw(st.dictionaries(NAMES, SCHEMAS, max_size=3))
    return CallSchema(
        input={
            "type": "object",
            "properties": known,
            "required": sorted(draw(st.sets(st.sampled_from(sorted(known)))) if known else []),
            "additionalProperties": draw(st.booleans()),
        },
        output=draw(st.none() | SCHEMAS),
    )


@st.composite
def edges(draw: st.DrawFn) -> CallEdge:
    """Calls of it."""
    names = sorted(draw(st.sets(NAMES)))
    values = st.sampled_from([1, "x", None, [1]])
    return CallEdge(
        at="app.py:1",
        endpoint="callee",
        function="f",
        arguments=names,
        literals={name: draw(values) for name in names if draw(st.booleans())},
        is_open=draw(st.booleans()),
        reads=draw(st.lists(NAMES, max_size=1)),
        is_dropped=draw(st.booleans()),
    )


def app(schema: CallSchema, *calls: CallEdge) -> Manifest:
    """A callee and a caller."""
    return Manifest(
        resources={
            "callee": Resource(functions=[FunctionEntry(name="f", module="m", contract={"": schema})]),
            "caller": Resource(functions=[FunctionEntry(name="g", module="m", calls=list(calls))]),
        }
    )


@given(call_schemas(), st.lists(edges(), max_size=3))
def test_nothing_changes_where_nothing_does(schema: CallSchema, calls: list[CallEdge]) -> None:
    """Whatever is wrong with it."""
    assert judge_callers(app(schema, *calls), app(schema, *calls)) == ()


@settings(max_examples=300)
@given(call_schemas(), call_schemas(), edges())
def test_a_call_that_is_written_out_and_fits_both_is_let_through(
    old: CallSchema, new: CallSchema, edge: CallEdge
) -> None:
    """Where its answer is nobody's, nothing else can be wrong."""
    edge = replace(edge, literals={name: edge.literals.get(name, 1) for name in edge.arguments}, is_dropped=True)
    edge = replace(edge, reads=[])
    if problems(edge, app(old)) or problems(edge, app(new)):
        return
    assert judge_callers(app(old, edge), app(new, edge)) == ()


@given(call_schemas(), call_schemas(), edges())
def test_the_two_directions_are_one_law(old: CallSchema, new: CallSchema, edge: CallEdge) -> None:
    """A caller that stays meets, as an old one, what it meets as a new one the other way round."""
    there = judge_callers(app(old, edge), app(new, edge))
    back = judge_callers(app(new, edge), app(old, edge))
    swapped = {"FLASH-C501": "FLASH-C502", "FLASH-C502": "FLASH-C501"}
    assert sorted((swapped[one.rule], one.pointer) for one in there) == sorted((one.rule, one.pointer) for one in back)
