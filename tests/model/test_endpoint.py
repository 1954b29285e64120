"""What users write: the constructor's rules, and what decorating does."""

from __future__ import annotations

import asyncio
import functools
import inspect
import re
from typing import TYPE_CHECKING, Any

import pytest
from fakes_model import RecordingCaller
from hypothesis import given
from hypothesis import strategies as st

from flash.errors import CallError, DeclarationError
from flash.model.dispatch import Target, override_caller
from flash.model.endpoint import Endpoint, bound, checked_path
from flash.model.hardware import (
    CpuInstanceType,
    CudaVersion,
    DataCenter,
    GpuGroup,
    NetworkVolume,
    PodTemplate,
    ServerlessScalerType,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

CPU = "cpu3c-1-2"


def test_without_a_choice_an_endpoint_has_the_platforms_defaults() -> None:
    """Any GPU anywhere, none to one worker, a minute of idling."""
    spec = Endpoint(name="e").spec
    assert spec.is_gpu
    assert not spec.is_client
    assert (spec.workers_min, spec.workers_max, spec.idle_timeout_s, spec.gpu_count) == (0, 1, 60, 1)
    assert (spec.execution_timeout_ms, spec.flashboot, spec.scaler_type, spec.scaler_value) == (0, True, None, 4)
    assert (spec.min_cuda_version, spec.max_concurrency, spec.container_disk_gb) == ("12.8", 1, 64)
    assert spec.locations == ",".join(center.value for center in DataCenter)
    assert (spec.dependencies, spec.system_dependencies, spec.volumes, spec.env) == ((), (), (), ())


def test_a_cpu_endpoint_has_nothing_of_a_gpu() -> None:
    """Instances instead of pools, no CUDA, no data centers, the instances' disk."""
    spec = Endpoint(name="e", cpu=[CpuInstanceType.CPU5C_4_8, CPU]).spec
    assert spec.instance_ids == ("cpu5c-4-8", CPU)
    assert (spec.gpu_ids, spec.min_cuda_version, spec.locations, spec.is_gpu) == (None, None, None, False)
    assert spec.container_disk_gb == 10


def test_everything_can_be_chosen() -> None:
    """Each parameter comes out in the specification."""
    volume, template = NetworkVolume(name="v", datacenter="US-CA-2"), PodTemplate(containerDiskInGb=100)
    spec = Endpoint(
        "e",
        gpu=[GpuGroup.ADA_24, "AMPERE_16"],
        workers=(1, 5),
        idle_timeout=3600,
        dependencies=["requests", "pillow>=10"],
        system_dependencies=("ffmpeg",),
        accelerate_downloads=False,
        volume=volume,
        datacenter=["us_ca_2", DataCenter.EU_RO_1, "US-CA-2"],
        env={"B": "2", "A": "1"},
        gpu_count=2,
        execution_timeout_ms=5000,
        flashboot=False,
        scaler_type="REQUEST_COUNT",
        scaler_value=9,
        template=template,
        min_cuda_version=CudaVersion.V12_1,
        max_concurrency=3,
    ).spec
    assert (spec.gpu_ids, spec.gpu_count, spec.min_cuda_version) == ("ADA_24,AMPERE_16", 2, "12.1")
    assert (spec.workers_min, spec.workers_max, spec.idle_timeout_s) == (1, 5, 3600)
    assert (spec.dependencies, spec.system_dependencies) == (("requests", "pillow>=10"), ("ffmpeg",))
    assert (spec.volumes, spec.locations, spec.template) == ((volume,), "US-CA-2,EU-RO-1", template)
    assert spec.env == (("A", "1"), ("B", "2"))
    assert (spec.execution_timeout_ms, spec.flashboot, spec.max_concurrency) == (5000, False, 3)
    assert (spec.scaler_type, spec.scaler_value, spec.container_disk_gb) == ("REQUEST_COUNT", 9, 100)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"dependancies": ["x"]}, "no parameter 'dependancies'\nhint: did you mean 'dependencies'?"),
        ({"python_version": "3.12"}, "no parameter 'python_version'"),
        ({"name": ""}, "endpoint name ''"),
        ({"name": "a/b"}, "endpoint name 'a/b'"),
        ({"name": "../../evil name"}, 'the first a letter or digit\nhint: write name="evil-name"'),
        ({"name": "-a"}, "endpoint name '-a'"),
        ({"name": "a" * 64}, "is not 1 to 63"),
        ({"name": "a\n"}, "endpoint name 'a\\n'"),
        ({"name": 3}, "endpoint name 3"),
        ({"gpu": "AMPERE_61"}, "unknown GPU 'AMPERE_61'\nhint: did you mean 'AMPERE_16'?"),
        ({"gpu": []}, "gpu is an empty list"),
        ({"gpu": GpuGroup.ANY, "cpu": CPU}, "gpu and cpu exclude each other"),
        ({"cpu": "cpu3c-1-3"}, "unknown CPU 'cpu3c-1-3'\nhint: did you mean 'cpu3c-1-2'?"),
        ({"cpu": []}, "cpu is an empty list"),
        ({"workers": True}, "workers True"),
        ({"workers": -1}, "workers -1"),
        ({"workers": "3"}, "workers '3'"),
        ({"workers": (3, 1)}, "the least is over the most\nhint: write workers=(1, 3)"),
        ({"workers": (1, 2, 3)}, "not a pair"),
        ({"workers": (False, 1)}, "workers False"),
        ({"workers": (-1, 1)}, "workers -1"),
        ({"idle_timeout": 0}, "idle_timeout 0 is not a whole number from 1 to 3600"),
        ({"idle_timeout": 3601}, "idle_timeout 3601"),
        ({"idle_timeout": 1.5}, "idle_timeout 1.5"),
        ({"dependencies": "requests"}, "dependencies 'requests' is no list"),
        ({"dependencies": ["requests", 3]}, "dependencies has 3"),
        ({"dependencies": [" "]}, "dependencies has ' '"),
        ({"system_dependencies": {"ffmpeg"}}, "system_dependencies {'ffmpeg'} is no list"),
        ({"accelerate_downloads": 1}, "accelerate_downloads 1"),
        ({"flashboot": "yes"}, "flashboot 'yes'"),
        ({"volume": []}, "volume is an empty list"),
        ({"volume": "v"}, "volume 'v' is no NetworkVolume"),
        ({"volume": [NetworkVolume("a"), NetworkVolume("b")]}, "two volumes in data center 'EU-RO-1'"),
        ({"volume": NetworkVolume("a"), "datacenter": "US-CA-2"}, "volume 'a' is in 'EU-RO-1'"),
        ({"cpu": CPU, "volume": NetworkVolume("a", datacenter="US-CA-2")}, "volume 'a' is in 'US-CA-2'"),
        ({"datacenter": []}, "datacenter is an empty list"),
        ({"datacenter": "EU-R0-1"}, "did you mean 'EU-RO-1'"),
        ({"cpu": CPU, "datacenter": "US-CA-2"}, "datacenter 'US-CA-2' has no CPU endpoints\nhint: they run in EU-RO-1"),
        ({"env": ["A"]}, "env is a list"),
        ({"env": {"A": 1}}, "env 'A' is a int"),
        ({"env": {"": "x"}}, "env has ''"),
        ({"gpu_count": 0}, "gpu_count 0"),
        ({"execution_timeout_ms": -1}, "execution_timeout_ms -1"),
        ({"scaler_type": "QUEUE"}, "unknown scaler type 'QUEUE'\nhint: did you mean 'QUEUE_DELAY'?"),
        ({"scaler_value": 0}, "scaler_value 0"),
        ({"template": {}}, "template {} is no PodTemplate"),
        ({"cpu": CPU, "template": PodTemplate(containerDiskInGb=11)}, "a disk of 11 GB, cpu3c-1-2 at most 10 GB"),
        ({"min_cuda_version": "12.11"}, "unknown CUDA version '12.11'"),
        ({"cpu": CPU, "min_cuda_version": "12.1"}, "min_cuda_version '12.1' on a CPU endpoint"),
        ({"max_concurrency": 0}, "max_concurrency 0"),
        ({"id": " "}, "id ' '"),
        ({"image": ""}, "image ''"),
        ({"id": "a", "image": "b"}, "id and image exclude each other"),
    ],
)
def test_a_wrong_value_is_refused_where_it_is_written(arguments: dict[str, Any], expected: str) -> None:
    """The error has the parameter and its value, and is a ValueError too."""
    with pytest.raises(DeclarationError) as caught:
        Endpoint(**{"name": "e", **arguments})
    assert expected in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_an_error_names_the_endpoint() -> None:
    """A project has several."""
    with pytest.raises(DeclarationError, match="endpoint 'e': workers True"):
        Endpoint(name="e", workers=True)


def test_an_error_shows_no_value_of_the_environment() -> None:
    """It may be a secret."""
    with pytest.raises(DeclarationError) as caught:
        Endpoint(name="e", env={"TOKEN": b"hunter2"})  # type: ignore[dict-item]
    assert "hunter2" not in str(caught.value)


def test_only_the_name_is_positional() -> None:
    """Everything else is a keyword."""
    with pytest.raises(TypeError):
        Endpoint("e", "id")  # type: ignore[misc]


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", fullmatch=True))
def test_names_of_letters_digits_dots_underscores_and_hyphens_are_taken(name: str) -> None:
    """Up to 63, the first a letter or digit."""
    assert Endpoint(name=name).name == name


@given(st.text(max_size=70).filter(lambda text: not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", text)))
def test_other_names_are_not(name: str) -> None:
    """A name becomes a file and part of a URL."""
    with pytest.raises(DeclarationError):
        Endpoint(name=name)


@pytest.mark.parametrize(
    ("given_", "expected"), [(None, (0, 1)), (0, (0, 0)), (3, (0, 3)), ((1, 5), (1, 5)), ([2, 2], (2, 2))]
)
def test_workers_are_the_most_or_a_pair(given_: Any, expected: tuple[int, int]) -> None:
    """One number is the most."""
    endpoint = Endpoint(name="e", workers=given_)
    assert (endpoint.workers_min, endpoint.workers_max) == expected


def test_an_id_or_an_image_makes_a_client() -> None:
    """An id needs neither name nor hardware; an image needs a name and has a GPU by default."""
    by_id, by_image = Endpoint(id="abc"), Endpoint(name="e", image="me/mine:1")
    assert (by_id.is_client, by_id.spec.gpu_ids, by_id.spec.locations, by_id.is_cpu) == (True, None, None, False)
    assert (by_image.is_client, by_image.spec.is_gpu, by_image.spec.image) == (True, True, "me/mine:1")
    with pytest.raises(DeclarationError, match="needs a name"):
        Endpoint(image="me/mine:1")


def test_a_client_runs_no_function() -> None:
    """Its verbs are calls."""
    with pytest.raises(DeclarationError, match="stands for a deployed endpoint"):
        Endpoint(id="abc")(lambda: None)
    with pytest.raises(DeclarationError, match="stands for an image"):
        Endpoint(name="e", image="i")(lambda: None)


# ---------------------------------------------------------------------------------------------------------- Decorating


def test_a_decorated_function_stays_an_ordinary_one() -> None:
    """Name, docstring, signature and result are its own."""

    @Endpoint(name="e")
    def greet(name: str, *, loud: bool = False) -> str:
        """Greet."""
        return name.upper() if loud else name

    assert greet("you", loud=True) == "YOU"
    assert greet.local("you") == "you"
    assert (greet.__name__, greet.__doc__) == ("greet", "Greet.")  # type: ignore[attr-defined]
    assert str(inspect.signature(greet)) == "(name: 'str', *, loud: 'bool' = False) -> 'str'"


async def _coroutine(x: int) -> int:
    return x


def _generator(x: int) -> Iterator[int]:
    yield x
    yield x + 1


async def _async_generator(x: int) -> AsyncIterator[int]:
    yield x
    yield x + 1


def _plain(x: int) -> int:
    return x


KINDS = [inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction]


@pytest.mark.parametrize("function", [_plain, _coroutine, _generator, _async_generator])
def test_a_wrapper_is_of_the_functions_kind(function: Any) -> None:
    """So are ``local`` and ``remote``."""
    wrapper = Endpoint(name="e")(function)
    expected = [kind(function) for kind in KINDS]
    for place in (wrapper, wrapper.local, wrapper.remote):
        assert [kind(place) for kind in KINDS] == expected


def _result(outcome: Any) -> Any:
    """What a call of any kind comes to."""

    async def collect() -> Any:
        if inspect.isasyncgen(outcome):
            return [item async for item in outcome]
        return await outcome

    if inspect.isawaitable(outcome) or inspect.isasyncgen(outcome):
        return asyncio.run(collect())
    return list(outcome) if inspect.isgenerator(outcome) else outcome


@pytest.mark.parametrize(
    ("function", "expected"), [(_plain, 3), (_coroutine, 3), (_generator, [3, 4]), (_async_generator, [3, 4])]
)
def test_a_call_runs_here_without_a_caller_and_at_home(function: Any, expected: Any) -> None:
    """In tests and scripts, and in a worker of the same endpoint."""
    wrapper = Endpoint(name="e")(function)
    caller = RecordingCaller(here="e")
    assert _result(wrapper(3)) == expected
    with override_caller(caller):
        assert _result(wrapper(3)) == expected
        assert _result(wrapper.local(3)) == expected
    assert caller.calls == []


@pytest.mark.parametrize(
    ("function", "how", "answer"),
    [
        (_plain, "call", 7),
        (_coroutine, "acall", 7),
        (_generator, "call", [7, 8]),
        (_async_generator, "acall", [7, 8]),
    ],
)
def test_a_call_from_another_endpoint_goes_to_the_functions_own(function: Any, how: str, answer: Any) -> None:
    """By name of the parameters; ``remote`` goes there from home too, and ``local`` never."""
    wrapper = Endpoint(name="e")(function)
    caller = RecordingCaller(here="other", answer=answer)
    with override_caller(caller):
        assert _result(wrapper(3)) == answer
        assert _result(wrapper.local(3)) != answer
    at_home = RecordingCaller(here="e", answer=answer)
    with override_caller(at_home):
        assert _result(wrapper.remote(3)) == answer
    target = Target("e", function.__name__)
    assert caller.calls == at_home.calls == [(how, target, {"x": 3})]


@pytest.mark.parametrize("function", [_plain, _coroutine, _generator, _async_generator])
def test_remote_without_anything_to_call_says_so(function: Any) -> None:
    """With a hint at how to run it here."""
    with pytest.raises(CallError, match=r"remote\(\): nothing is deployed or previewed.*\nhint: leave .remote out"):
        _result(Endpoint(name="e")(function).remote(3))


@pytest.mark.parametrize("function", [_generator, _async_generator])
def test_an_endpoint_that_streams_answers_a_list(function: Any) -> None:
    """Anything else is an error that names the endpoint."""
    wrapper = Endpoint(name="e")(function)
    with override_caller(RecordingCaller(answer="ab")), pytest.raises(CallError, match="endpoint 'e' answered no list"):
        _result(wrapper(3))


def test_arguments_travel_by_name() -> None:
    """Positional ones get their parameters', defaults stay with the endpoint, ``**kwargs`` are spread."""

    @Endpoint(name="e")
    def function(a: int, b: int = 2, /, *, c: int = 3, **rest: int) -> None: ...

    caller = RecordingCaller()
    with override_caller(caller):
        function(1, c=4, d=5)
    assert caller.calls[0][2] == {"a": 1, "c": 4, "d": 5}


def test_arguments_without_a_name_cannot_travel() -> None:
    """An endpoint takes an object of parameters."""

    @Endpoint(name="e")
    def function(*items: int) -> None: ...

    with override_caller(RecordingCaller()), pytest.raises(CallError, match=r"\*items takes has no name"):
        function(1)


def test_arguments_that_do_not_fit_are_a_type_error_there_as_here() -> None:
    """Before anything is sent."""
    wrapper = Endpoint(name="e")(_plain)
    caller = RecordingCaller()
    with override_caller(caller), pytest.raises(TypeError):
        wrapper(1, 2)  # type: ignore[call-arg]
    assert caller.calls == []


def test_the_name_is_the_functions_where_none_is_given() -> None:
    """The object itself stays without."""
    endpoint = Endpoint(cpu=CPU)

    @endpoint
    def resize() -> None: ...

    mark = bound(resize)
    assert mark is not None
    assert (mark.target, mark.spec) == (Target("resize", "resize"), endpoint.spec_named("resize"))
    assert (mark.function, mark.spec.name) == (resize.local, "resize")
    assert (endpoint.name, endpoint.spec.name, repr(endpoint)) == (None, "", "Endpoint()")


def test_a_name_of_its_own_wins_over_the_functions() -> None:
    """``spec_named`` is for those that have none."""
    endpoint = Endpoint(name="e")
    assert endpoint.spec_named("other") is endpoint.spec


def test_a_functions_name_that_no_endpoint_can_have_is_refused() -> None:
    """A lambda has none; a leading underscore is not allowed."""
    with pytest.raises(DeclarationError, match="endpoint name '<lambda>'"):
        Endpoint()(lambda: None)


def test_one_endpoint_runs_one_function() -> None:
    """The error names both and where they stand."""
    endpoint = Endpoint(name="e")
    endpoint(_plain)
    with pytest.raises(DeclarationError, match=r"runs '_plain' \(.*test_endpoint\.py:\d+\).* '_coroutine' \(.*:\d+\)"):
        endpoint(_coroutine)


def test_one_function_has_one_endpoint() -> None:
    """Also where another decorator lies between."""
    inner = Endpoint(name="a")(_plain)

    @functools.wraps(inner)
    def between(x: int) -> int:
        return inner(x)

    for function in (inner, between):
        with pytest.raises(DeclarationError, match="belongs to endpoint 'a' already"):
            Endpoint(name="b")(function)


@pytest.mark.parametrize("target", [3, "f", print, functools.partial(_plain, 1), staticmethod(_plain)])
def test_only_functions_and_classes_are_decorated(target: Any) -> None:
    """Anything else has no source that could ship."""
    with pytest.raises(DeclarationError, match="no function and no class"):
        Endpoint(name="e")(target)


def test_a_forgotten_call_is_noticed() -> None:
    """``@Endpoint`` without parentheses."""
    with pytest.raises(DeclarationError, match="called before it decorates\nhint: write @Endpoint"):
        Endpoint(_plain)  # type: ignore[arg-type]


def test_what_is_not_decorated_is_bound_to_nothing() -> None:
    """Of any type."""
    assert [bound(thing) for thing in (_plain, int, 3, None, Endpoint(name="e"))] == [None] * 5


# ------------------------------------------------------------------------------------------------------------- Classes


class _Base:
    def inherited(self) -> str:
        return "base"


def _counter() -> type:
    class Counter(_Base):
        """Counts."""

        kind = "counter"

        def __init__(self, start: int = 0) -> None:
            self.start = start

        def add(self, x: int) -> int:
            """Add."""
            return self.start + x

        async def aadd(self, x: int) -> int:
            return self.add(x)

        def each(self) -> Iterator[int]:
            yield self.start

        @staticmethod
        def free() -> str:
            return "free"

        @property
        def double(self) -> int:
            return 2 * self.start

        def _private(self) -> str:
            return "private"

    return Counter


def test_a_decorated_class_is_the_class_itself() -> None:
    """Instances work here as before, methods have ``local`` too."""
    original = _counter()
    counter_class: Any = Endpoint(name="e")(original)
    assert counter_class is original
    counter = counter_class(5)
    assert (counter.add(1), counter.add.local(1), _result(counter.aadd(1)), _result(counter.each())) == (6, 6, 6, [5])
    assert (counter.free(), counter.double, counter._private(), counter.inherited()) == ("free", 10, "private", "base")
    assert str(inspect.signature(counter.add)) == "(x: 'int') -> 'int'"
    assert list(inspect.signature(counter_class.add).parameters) == ["self", "x"]
    assert (counter_class.add(counter, 2), counter_class.add.__doc__) == (7, "Add.")
    assert inspect.iscoroutinefunction(counter.aadd)


def test_a_class_is_bound_and_its_subclass_is_not() -> None:
    """A subclass is another class."""
    counter_class = Endpoint(name="e")(_counter())
    mark = bound(counter_class)
    assert mark is not None
    assert (mark.function, mark.target) == (counter_class, Target("e", "Counter"))
    assert bound(type("Sub", (counter_class,), {})) is None


def test_methods_of_a_class_elsewhere_go_there() -> None:
    """Its constructor does not run; every public method travels with its name, inherited ones too."""
    counter_class: Any = Endpoint(name="e")(_counter())
    caller = RecordingCaller(here="other", answer=["there"])
    with override_caller(caller):
        counter = counter_class("nonsense")
        outcomes = [counter.add(1), _result(counter.aadd(x=2)), _result(counter.each()), counter.inherited()]
        assert counter._private() == "private"
    assert not hasattr(counter, "start")
    assert outcomes == [["there"]] * 4
    assert [(how, target.method, arguments) for how, target, arguments in caller.calls] == [
        ("call", "add", {"x": 1}),
        ("acall", "aadd", {"x": 2}),
        ("call", "each", {}),
        ("call", "inherited", {}),
    ]


def test_a_base_class_is_left_alone() -> None:
    """Only the decorated class changes."""
    before = vars(_Base)["inherited"]
    Endpoint(name="e")(_counter())
    assert vars(_Base)["inherited"] is before


def test_methods_call_each_other_at_home() -> None:
    """In the worker that is theirs."""
    counter_class: Any = Endpoint(name="e")(_counter())
    caller = RecordingCaller(here="e")
    with override_caller(caller):
        counter = counter_class(1)
        assert _result(counter.aadd(2)) == 3
    assert caller.calls == []


def test_remote_of_a_method_names_class_and_method() -> None:
    """When there is nothing to call."""
    counter: Any = Endpoint(name="e")(_counter())()
    with pytest.raises(CallError, match=r"Counter\.add\.remote\(\)"):
        counter.add.remote(1)


def test_a_class_without_a_constructor_is_fine() -> None:
    """It has nothing to skip."""

    @Endpoint(name="e")
    class Empty:
        def hello(self) -> str:
            return "hello"

    assert Empty().hello() == "hello"


def test_a_subclass_of_an_endpoints_class_may_be_an_endpoint() -> None:
    """Its methods, inherited ones too, go to its own."""
    base = Endpoint(name="a")(_counter())
    derived: Any = Endpoint(name="b")(type("Derived", (base,), {}))
    caller = RecordingCaller(here="other")
    with override_caller(caller):
        derived().add(1)
    assert [target for _, target, _ in caller.calls] == [Target("b", "Derived", method="add")]


# -------------------------------------------------------------------------------------------------------------- Routes


def test_routes_make_an_endpoint_load_balanced() -> None:
    """And scale it by requests; each function is bound with its route."""
    api = Endpoint(name="api", cpu=CPU)
    assert (api.is_load_balanced, api.scaler_type) == (False, ServerlessScalerType.QUEUE_DELAY)
    routes = []
    for method, decorate in [
        ("GET", api.get),
        ("POST", api.post),
        ("PUT", api.put),
        ("PATCH", api.patch),
        ("DELETE", api.delete),
    ]:

        @decorate("/items/{item_id}")
        def item(item_id: int) -> int:
            return item_id

        mark = bound(item)
        assert mark is not None
        routes.append(mark.target.route)
        assert item(3) == 3
        assert mark.target.route == (method, "/items/{item_id}")
    assert len(set(routes)) == 5
    assert (api.is_load_balanced, api.scaler_type) == (True, ServerlessScalerType.REQUEST_COUNT)


def test_a_route_of_another_endpoint_is_called_there() -> None:
    """The target has the route."""

    @Endpoint(name="api").post("/process")
    async def process(x: int) -> int:
        return x

    caller = RecordingCaller(here="other", answer=9)
    with override_caller(caller):
        assert _result(process(1)) == 9
    assert caller.calls == [("acall", Target("api", "process", route=("POST", "/process")), {"x": 1})]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("process", "does not start with '/'\nhint: write '/process'"),
        ("", "does not start with '/'"),
        ("/ping", "reserved"),
        ("/execute", "reserved"),
        ("/execute/", "reserved"),
        ("/a b", "has a blank"),
        ("/a?b=1", "has a blank, '?'"),
        ("/a/{}", "braces"),
        ("/a/{1}", "braces"),
        ("/a/{b", "braces"),
        ("/a/b}", "braces"),
        (None, "no string"),
        (_plain, "no string"),
    ],
)
def test_a_wrong_path_is_refused(path: Any, expected: str) -> None:
    """Before anything is decorated."""
    with pytest.raises(DeclarationError) as caught:
        Endpoint(name="api").get(path)
    assert expected in str(caught.value)


@pytest.mark.parametrize("path", ["/", "/a", "/a/{b}", "/a/{b:path}", "/a-{b}.json", "/pings", "/ping/me"])
def test_other_paths_are_taken(path: str) -> None:
    """As they are."""
    assert checked_path(path) == path


@pytest.mark.parametrize("second", ["/items/{a}", "/items/{b}"])
def test_two_routes_alike_are_refused(second: str) -> None:
    """Also where only the parameter is called otherwise; another method is another route."""
    api = Endpoint(name="api")
    api.get("/items/{a}")(_plain)
    api.post("/items/{a}")(_coroutine)
    with pytest.raises(DeclarationError, match=r"GET /items/\{.\} twice: '_plain' \(.*\) and '_generator' \("):
        api.get(second)(_generator)


def test_routes_need_a_name() -> None:
    """There is no function that could give it."""
    with pytest.raises(DeclarationError, match="needs a name"):
        Endpoint(cpu=CPU).get("/x")


def test_a_class_cannot_be_a_route() -> None:
    """A route is a function."""
    with pytest.raises(DeclarationError, match="a route is a function"):
        Endpoint(name="api").get("/x")(_Base)


def test_an_endpoint_has_a_queue_or_routes_and_not_both() -> None:
    """In either order."""
    api, queue = Endpoint(name="api"), Endpoint(name="queue")
    api.get("/x")(_plain)
    with pytest.raises(DeclarationError, match="has the route GET /x of '_plain'"):
        api(_coroutine)
    queue(_coroutine)
    with pytest.raises(DeclarationError, match=r"runs '_coroutine' .* the route GET /x too"):
        queue.get("/x")


def test_routes_are_not_scaled_by_a_queue() -> None:
    """They have none."""
    with pytest.raises(DeclarationError, match="no queue to scale by"):
        Endpoint(name="api", scaler_type=ServerlessScalerType.QUEUE_DELAY).get("/x")
    assert Endpoint(name="api", scaler_type="REQUEST_COUNT").scaler_type is ServerlessScalerType.REQUEST_COUNT
