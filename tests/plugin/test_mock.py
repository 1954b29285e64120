"""``flash_mock``: answers for endpoints in unit tests, and fails what does not fit."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from fakes_pytest_flash import ROOT

from flash.cli.init import skeleton_files

if TYPE_CHECKING:
    from fakes_pytest_flash import FlashProject

WORKERS = """
    from flash import Endpoint

    api = Endpoint(name="api", cpu="cpu3c-1-2")

    @Endpoint(name="greeter", cpu="cpu3c-1-2")
    def hello(name: str = "world") -> str:
        return f"Hello {name} from here"

    @Endpoint(name="slow", cpu="cpu3c-1-2")
    async def slow(name: str) -> str:
        return f"slow {name} from here"

    @Endpoint(name="counter", cpu="cpu3c-1-2")
    class Counter:
        def add(self, number: int) -> int:
            return number

    @api.post("/greetings")
    def greet(name: str) -> dict:
        return {"greeting": hello(name)}

    @api.get("/items/{number}")
    def item(number: int) -> dict:
        return {"number": number}
"""


@pytest.fixture
def mocked(project: FlashProject) -> FlashProject:
    """A project with workers, and no stage option."""
    project.write({"workers.py": WORKERS})
    return project


def passes(project: FlashProject, test: str, *, count: int = 1) -> None:
    project.tests("from workers import *\n" + test)
    result = project.run()
    result.assert_outcomes(passed=count)
    assert project.events == []


def fails(project: FlashProject, test: str, *said: str, **outcomes: int) -> None:
    project.tests("from workers import *\n" + test)
    result = project.run()
    result.assert_outcomes(**(outcomes or {"failed": 1}))
    for line in said:
        result.stdout.fnmatch_lines([line])
    # neither our frames nor what respx says
    result.stdout.no_fnmatch_line("*pytest_flash*mock*.py:*")
    result.stdout.no_fnmatch_line("*During handling of the above exception*")


def test_a_remote_call_is_answered_and_what_it_sent_can_be_seen(mocked: FlashProject) -> None:
    """Nothing is built or started for it."""
    passes(
        mocked,
        """
def test_it(flash_mock):
    answer = flash_mock("greeter").runsync.respond(output="hi")
    assert hello.remote("Ada") == "hi"
    assert answer.called and answer.inputs == [{"name": "Ada"}]
    assert flash_mock.calls.call_count == 1
""",
    )


def test_a_plain_call_goes_to_the_mock_where_the_endpoint_is_answered_for(mocked: FlashProject) -> None:
    """As in a worker; functions of all other endpoints, and ``.local``, run here."""
    passes(
        mocked,
        """
def test_it(flash_mock):
    flash_mock("greeter").runsync.respond(output="hi")
    assert greet("Ada") == {"greeting": "hi"}
    assert hello.local("Ada") == "Hello Ada from here"

def test_afterwards():
    assert hello("Ada") == "Hello Ada from here"
""",
        count=2,
    )


def test_async_functions_classes_and_routes_are_answered(mocked: FlashProject) -> None:
    """Each as its client would call it."""
    passes(
        mocked,
        """
import asyncio

def test_it(flash_mock):
    flash_mock("slow").runsync(input={"name": "Ada"}).respond(output="done")
    added = flash_mock("counter").runsync.mock(side_effect=lambda input: input["number"] + 1)
    posted = flash_mock("api").post("/greetings", json={"name": "Ada"}).respond(json={"greeting": "hi"})
    flash_mock("api").get("/items/{number}").respond(json={"number": 7})
    assert asyncio.run(slow.remote("Ada")) == "done"
    assert Counter().add(2) == 3
    assert added.inputs == [{"method": "add", "number": 2}]
    assert greet.remote("Ada") == {"greeting": "hi"}
    assert posted.called
    assert item.remote(3) == {"number": 7}
""",
    )


def test_clients_are_given_to_code_that_takes_one(mocked: FlashProject) -> None:
    """Jobs that are submitted, their streams, and routes; sync and async."""
    passes(
        mocked,
        """
import asyncio

def test_jobs(flash_mock):
    endpoint = flash_mock("greeter")
    endpoint.run(input={"name": "Ada"}).respond(output="hi")
    endpoint.run.respond(chunks=["a", "b"])
    endpoint.runsync.respond(output=1)
    job = endpoint.client.run({"name": "Ada"})
    assert (job.wait().output, job.poll().status) == ("hi", "COMPLETED")
    other = endpoint.client.run({})
    assert list(other.stream()) == ["a", "b"] == other.wait().output
    assert endpoint.client.runsync({}).output == 1

    async def again():
        job = await endpoint.client.arun({})
        return [chunk async for chunk in job.astream()], (await endpoint.client.arunsync({})).output

    assert asyncio.run(again()) == (["a", "b"], 1)

def test_routes(flash_mock):
    flash_mock("api").get("/health").respond(503, text="not yet")
    assert flash_mock("api").client.get("/health").status_code == 503
""",
        count=2,
    )


def test_a_failure_is_answered_as_the_platform_reports_one(mocked: FlashProject) -> None:
    """The client's job is FAILED; the function's call raises."""
    passes(
        mocked,
        """
from flash.errors import RemoteError

def test_it(flash_mock):
    flash_mock("greeter").runsync.fail("out of memory")
    flash_mock("greeter").run.fail("out of memory")
    reply = flash_mock("greeter").client.runsync({})
    assert (reply.status, reply.error) == ("FAILED", "out of memory")
    with pytest.raises(RemoteError, match="out of memory"):
        hello.remote()
    with pytest.raises(RemoteError, match="out of memory"):
        list(flash_mock("greeter").client.run({}).stream())
""",
    )


def test_a_later_answer_to_the_same_replaces_the_earlier(mocked: FlashProject) -> None:
    """As in respx; and the first of those that fit answers."""
    passes(
        mocked,
        """
def test_it(flash_mock):
    greeter = flash_mock("greeter")
    greeter.runsync(input={"name": "Ada"}).respond(output="Ada")
    greeter.runsync.respond(output=1)
    assert (hello.remote("Ada"), hello.remote("Bob")) == ("Ada", 1)
    greeter.runsync.respond(output=2)
    assert (hello.remote("Ada"), hello.remote("Bob")) == ("Ada", 2)
""",
    )


def test_a_call_that_nothing_answers_fails_and_says_what_was_declared(mocked: FlashProject) -> None:
    """Also where the endpoint is not answered for at all."""
    fails(
        mocked,
        """
def test_it(flash_mock):
    flash_mock("greeter").runsync(input={"name": "Ada"}).respond(output="hi")
    hello.remote("Bob")
""",
        'flash_mock: no answer is declared for runsync of endpoint \'greeter\' with input {"name": "Bob"}',
        '- runsync of endpoint \'greeter\' with input {"name": "Ada"}',
    )
    fails(
        mocked,
        "def test_it(flash_mock): greet.remote('Bob')",
        'flash_mock: no answer is declared for POST /greetings of \'api\' with body {"name":"Bob"}',
        "declared: nothing",
    )


def test_a_call_that_nothing_answers_cannot_be_swallowed(mocked: FlashProject) -> None:
    """A thread keeps it to itself; the test fails at its end."""
    fails(
        mocked,
        """
import threading

@pytest.mark.filterwarnings("ignore")
def test_it(flash_mock):
    thread = threading.Thread(target=lambda: hello.remote("Bob"))
    thread.start()
    thread.join()
""",
        'flash_mock: no answer is declared for runsync of endpoint \'greeter\' with input {"name": "Bob"}',
        passed=1,
        errors=1,
    )


def test_an_answer_that_nobody_asked_for_fails(mocked: FlashProject) -> None:
    """All of them are named; what was asked for is not."""
    fails(
        mocked,
        """
def test_it(flash_mock):
    flash_mock("greeter").runsync.respond(output="hi")
    flash_mock("greeter").run(input={"name": "Ada"}).respond(output="hi")
    flash_mock("api").post("/greetings", json={"name": "Ada"}).respond(json={})
    hello.remote()
""",
        "flash_mock: declared, and never called:",
        '- run of endpoint \'greeter\' with input {"name": "Ada"}',
        "- POST /greetings of 'api' json={'name': 'Ada'}",
        passed=1,
        errors=1,
    )


def test_a_test_that_did_not_pass_is_no_second_failure(mocked: FlashProject) -> None:
    """It had no occasion to ask."""
    fails(
        mocked,
        """
@pytest.fixture
def declared(flash_mock):
    flash_mock("greeter").runsync.respond(output="hi")

def test_failed(declared): raise AssertionError

def test_skipped(declared): pytest.skip("not today")

@pytest.mark.xfail(strict=True)
def test_expected(declared): raise AssertionError
""",
        failed=1,
        skipped=1,
        xfailed=1,
    )


def test_what_a_side_effect_raises_the_caller_gets(mocked: FlashProject) -> None:
    """As in respx: an assertion in it is an assertion of the test."""
    passes(
        mocked,
        """
def test_it(flash_mock):
    def answer(input):
        assert input["name"] == "Ada"

    flash_mock("greeter").runsync.mock(side_effect=answer)
    with pytest.raises(AssertionError, match="Bob"):
        hello.remote("Bob")
""",
    )


def test_it_takes_precedence_over_a_preview_for_its_test_only(mocked: FlashProject) -> None:
    """Before and after, calls reach the preview."""
    mocked.tests(
        """
        from workers import hello

        def test_before(): assert hello.remote("Ada") == "Hello Ada from preview"

        def test_mocked(flash_mock):
            flash_mock("greeter").runsync.respond(output="hi")
            assert hello.remote("Ada") == "hi"

        def test_after(): assert hello.remote("Ada") == "Hello Ada from preview"
        """
    )
    mocked.run("--flash-preview").assert_outcomes(passed=7)  # with the contract checks


def test_a_missing_extra_is_named(mocked: FlashProject) -> None:
    """With the command that installs it."""
    mocked.tests(
        """
        import sys

        def test_it(monkeypatch, request):
            monkeypatch.setitem(sys.modules, "respx", None)
            request.getfixturevalue("flash_mock")
        """
    )
    result = mocked.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*flash_mock needs the extra 'mock', which is not installed",
            "*hint: pip install 'pytest-flash[[]mock[]]'",
        ]
    )


def test_endpoints_with_an_id_or_an_image_are_answered(mocked: FlashProject) -> None:
    """By id or by name, as jobs and as routes, in either spelling; no key is needed."""
    mocked.write(
        {
            "known.py": """
                import flash
                import runpod_flash

                legacy = flash.Endpoint(id="abc123")
                engine = flash.Endpoint(name="engine", image="me/mine:1")
                older = runpod_flash.Endpoint(id="old456")
            """
        }
    )
    passes(
        mocked,
        """
import asyncio
from known import engine, legacy, older

def test_it(flash_mock):
    summed = flash_mock("abc123").runsync.respond(output=3)
    flash_mock("abc123").get("/items/{number}").respond(json={"number": 7})
    flash_mock("engine").runsync(input={"x": 1}).fail("out of memory")
    flash_mock("old456").run.respond(output="done")
    assert legacy.runsync({"values": [1, 2]}).output == 3
    assert summed.inputs == [{"values": [1, 2]}]
    assert legacy.get("/items/7") == {"number": 7}
    assert engine.runsync({"x": 1}).error == "out of memory"

    async def submit():
        job = await older.run({"n": 1})
        return await job.wait()

    assert asyncio.run(submit()).output == "done"
""",
    )
    fails(
        mocked,
        """
from known import legacy

def test_it(flash_mock):
    legacy.run({"n": 1})
""",
        "*no answer is declared for run of endpoint 'abc123' with input {\"n\": 1}*",
        failed=1,
    )


def test_annotations_have_a_name_to_import(mocked: FlashProject) -> None:
    """``from pytest_flash import FlashMock``."""
    passes(
        mocked,
        """
from pytest_flash import FlashMock

def test_it(flash_mock: FlashMock):
    assert isinstance(flash_mock, FlashMock)
""",
    )


def test_the_example_of_the_page_passes(mocked: FlashProject) -> None:
    """With the workers of a new project."""
    page = (ROOT / "docs/fixtures.md").read_text(encoding="utf-8")
    found = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert found is not None
    for name in ("gpu_worker.py", "lb_worker.py"):
        mocked.write({name: skeleton_files("demo", "3.11")[name]})
    mocked.tests(found[1])
    mocked.run().assert_outcomes(passed=1)
