"""The module ``runpod_flash``: what older apps import, and how it gets into ``sys.modules``."""

from __future__ import annotations

import asyncio
import inspect
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fakes_model import RecordingCaller

import flash
from flash import alias
from flash.errors import CallError, DeclarationError
from flash.model.dispatch import Target, override_caller
from flash.model.endpoint import Endpoint, bound

if TYPE_CHECKING:
    from collections.abc import Iterator

SHARED = [
    "CpuInstanceType",
    "CudaVersion",
    "DataCenter",
    "GpuGroup",
    "GpuType",
    "NetworkVolume",
    "PodTemplate",
    "ServerlessScalerType",
]
RESOURCES = [
    "CpuLiveLoadBalancer",
    "CpuLiveServerless",
    "CpuLoadBalancerSlsResource",
    "CpuServerlessEndpoint",
    "LiveLoadBalancer",
    "LiveServerless",
    "LoadBalancerSlsResource",
    "ServerlessEndpoint",
]
OTHERS = ["CPU_DATACENTERS", "DEFAULT_WORKERS_MAX", "DEFAULT_WORKERS_MIN", "Endpoint", "EndpointJob", "FlashApp"]
OTHERS += ["ResourceManager", "ServerlessType", "remote"]


def _run(code: str, *path: Path) -> str:
    """What *code* prints in a new interpreter, with *path* and our own packages on ``sys.path``."""
    head = f"import sys; sys.path[:0] = {[*map(str, path), str(Path(flash.__file__).parents[1])]!r}\n"
    command = [sys.executable, "-I", "-W", "error", "-c", head + code]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder with another ``runpod_flash``, as stock images have one."""
    package = tmp_path / "site" / "runpod_flash"
    (package / "protos").mkdir(parents=True)
    (package / "__init__.py").write_text("Endpoint = 'theirs'\n")
    (package / "protos" / "__init__.py").write_text("")
    (package / "protos" / "remote_execution.py").write_text(
        "from runpod_flash import Endpoint\nclass FunctionRequest: ...\n"
    )
    return package.parent


# --------------------------------------------------------------------------------------------------------------- Names


def test_it_has_the_whole_table_of_names() -> None:
    """Of the release that apps were written for, and no other."""
    assert sorted([*SHARED, *RESOURCES, *OTHERS]) == alias.module().__all__
    assert all(hasattr(alias.module(), name) for name in alias.module().__all__)


@pytest.mark.parametrize("name", SHARED)
def test_what_flash_has_is_the_same_object(name: str) -> None:
    """An enumeration of one module is understood by the other."""
    assert getattr(alias.module(), name) is getattr(flash, name)


def test_workers_have_the_same_defaults() -> None:
    """None to one."""
    module: Any = alias.module()
    assert (module.DEFAULT_WORKERS_MIN, module.DEFAULT_WORKERS_MAX) == (0, 1)
    assert module.DataCenter.EU_RO_1 in module.CPU_DATACENTERS
    assert [kind.value for kind in module.ServerlessType] == ["QB", "LB"]


@pytest.mark.parametrize("name", ["ResourceManager", "FlashApp"])
def test_what_works_another_way_says_how(name: str) -> None:
    """It can be imported; using it is an error with a hint."""
    with pytest.raises(DeclarationError) as caught:
        getattr(alias.module(), name)(name="gpu")
    assert name in caught.value.message
    assert caught.value.hint


def test_the_hint_is_what_to_write_instead() -> None:
    """Where there is something else."""
    with pytest.raises(DeclarationError) as caught:
        alias.module().FlashApp()
    assert "flash deploy" in caught.value.hint


def test_class_methods_of_such_classes_say_it_too() -> None:
    """Tools that look for underscored names find none."""
    app = alias.module().FlashApp
    with pytest.raises(DeclarationError, match=r"FlashApp\.from_name"):
        app.from_name("demo")
    assert not hasattr(app, "_nothing")
    assert not isinstance(3, app)
    assert inspect.isclass(app)


# ------------------------------------------------------------------------------------------------------------- Clients


def test_what_is_asked_of_a_known_endpoint_is_always_awaited() -> None:
    """Also where no loop runs yet, as ``asyncio.run`` is handed it."""
    module: Any = alias.module()
    caller = RecordingCaller(
        replies=[{"id": "j", "status": "IN_QUEUE"}, {"id": "j", "status": "COMPLETED", "output": 1}]
    )
    known = module.Endpoint(id="abc")
    with override_caller(caller):
        job = asyncio.run(known.run({"n": 1}))
        assert isinstance(job, module.EndpointJob)
        assert not job.done
        assert asyncio.run(job.wait(timeout=10)).output == 1
        caller.answer = {"up": True}
        assert asyncio.run(known.get("/up")) == {"up": True}
    assert [how for how, _ in caller.sent] == ["asend"] * 3


# -------------------------------------------------------------------------------------------------------------- Remote


def test_remote_makes_a_queue_endpoint_of_its_resource() -> None:
    """The function runs here, and awaits as it did."""
    module: Any = alias.module()
    config = module.LiveServerless(name="gpu", gpus=[flash.GpuGroup.AMPERE_16], workersMax=3)

    @module.remote(resource_config=config, dependencies=["six"])
    async def work(x: int) -> int:
        return 2 * x

    mark = bound(work)
    assert mark is not None
    assert (mark.spec.name, mark.spec.gpu_ids, mark.spec.dependencies) == ("gpu", "AMPERE_16", ("six",))
    assert (mark.spec.workers_min, mark.spec.workers_max) == (0, 3)
    assert asyncio.run(work(2)) == 4


def test_functions_of_a_load_balanced_resource_share_its_endpoint() -> None:
    """Each with its route."""
    module: Any = alias.module()
    config = module.CpuLiveLoadBalancer(name="web")
    first = module.remote(config, method="post", path="/double")(_double)
    second = module.remote(config, method="GET", path="/count")(_count)
    marks = [bound(first), bound(second)]
    assert [mark.target.route for mark in marks if mark] == [("POST", "/double"), ("GET", "/count")]
    assert marks[0] is not None
    assert marks[0].spec.instance_ids == ("cpu3g-2-8",)
    assert first(2) == 4


def test_a_function_that_stays_local_is_left_alone() -> None:
    """``local=True`` says that it is no endpoint's."""
    module: Any = alias.module()
    assert module.remote(resource_config=None, local=True)(_double) is _double


# ------------------------------------------------------------------------------------------------------------ Endpoint


def _double(x: int) -> int:
    return 2 * x


async def _adouble(x: int) -> int:
    return 2 * x


def _count(x: int) -> Iterator[int]:
    yield x


@pytest.fixture
def older() -> type[Endpoint]:
    """``Endpoint`` of ``runpod_flash``."""
    kind: type[Endpoint] = alias.module().Endpoint
    return kind


async def _call(function: Any, *args: Any) -> tuple[bool, Any]:
    outcome = function(*args)
    is_awaitable = inspect.isawaitable(outcome)
    return is_awaitable, await outcome if is_awaitable else outcome


def test_endpoint_is_a_subclass_of_its_own(older: type[Endpoint]) -> None:
    """With the same rules, and the name that users know."""
    assert issubclass(older, flash.Endpoint)
    assert older is not flash.Endpoint
    assert (older.__name__, repr(older(name="e"))) == ("Endpoint", "Endpoint(name='e')")
    with pytest.raises(DeclarationError, match="did you mean 'dependencies'"):
        older(name="e", dependancies=[])  # type: ignore[arg-type]


def test_a_plain_function_gives_its_value_where_no_loop_runs(older: type[Endpoint]) -> None:
    """Here and remotely."""
    double = older(name="e")(_double)
    caller = RecordingCaller(here="other", answer=9)
    assert double(2) == 4
    with override_caller(caller):
        assert (double(2), double.remote(3)) == (9, 9)
    assert [how for how, _, _ in caller.calls] == ["call", "call"]


def test_a_plain_function_gives_an_awaitable_where_a_loop_runs(older: type[Endpoint]) -> None:
    """Here and remotely; remotely without blocking the loop."""
    double = older(name="e")(_double)
    caller = RecordingCaller(here="other", answer=9)
    assert asyncio.run(_call(double, 2)) == (True, 4)
    with override_caller(caller):
        assert asyncio.run(_call(double, 2)) == (True, 9)
        assert asyncio.run(_call(double.remote, 3)) == (True, 9)
    assert caller.calls == [("acall", Target("e", "_double"), {"x": 2}), ("acall", Target("e", "_double"), {"x": 3})]


def test_a_loop_in_another_thread_does_not_count(older: type[Endpoint]) -> None:
    """A thread of a running loop's pool has none of its own."""
    double = older(name="e")(_double)

    async def main() -> int:
        return await asyncio.to_thread(double, 2)

    assert asyncio.run(main()) == 4


def test_local_is_the_function_itself(older: type[Endpoint]) -> None:
    """Also where a loop runs."""
    double = older(name="e")(_double)
    assert asyncio.run(_call(double.local, 2)) == (False, 4)


@pytest.mark.parametrize("function", [_adouble, _count])
def test_functions_of_other_kinds_stay_what_they_are(older: type[Endpoint], function: Any) -> None:
    """``async def`` and generators."""
    wrapper: Any = older(name="e")(function)
    assert inspect.iscoroutinefunction(wrapper) == inspect.iscoroutinefunction(function)
    assert inspect.isgeneratorfunction(wrapper) == inspect.isgeneratorfunction(function)


def test_methods_follow_the_same_rule(older: type[Endpoint]) -> None:
    """Of a class endpoint."""

    @older(name="e")
    class Model:
        def __init__(self) -> None:
            self.factor = 3

        def times(self, x: int) -> int:
            return self.factor * x

    assert Model().times(2) == 6
    assert asyncio.run(_call(Model().times, 2)) == (True, 6)


def test_routes_stay_what_they_are(older: type[Endpoint]) -> None:
    """They were ordinary functions there."""
    route = older(name="api").post("/double")(_double)
    assert asyncio.run(_call(route, 2)) == (False, 4)


def test_what_it_decorates_is_bound_as_ever(older: type[Endpoint]) -> None:
    """Worker and discovery need not know which of the two it was."""
    mark = bound(older(name="e")(_double))
    assert mark is not None
    assert (mark.target, mark.function) == (Target("e", "_double"), _double)


def test_remote_without_anything_to_call_says_so_in_a_loop_too(older: type[Endpoint]) -> None:
    """When it is awaited."""
    double = older(name="e")(_double)
    with pytest.raises(CallError, match="nothing is deployed"):
        asyncio.run(_call(double.remote, 1))


# ---------------------------------------------------------------------------------------------------------- The module


def test_the_module_is_one() -> None:
    """However it is reached."""
    assert alias.module() is alias.module()


def test_importing_flash_provides_it_where_nobody_else_does() -> None:
    """And loads nothing until it is asked for."""
    code = """
import flash
print(sorted(name for name in sys.modules if name.startswith("flash")))
import runpod_flash
from runpod_flash import Endpoint
import flash.alias
print(runpod_flash is flash.alias.module(), issubclass(Endpoint, flash.Endpoint))
"""
    assert _run(code).splitlines() == ["['flash']", "True True"]


def test_importing_flash_leaves_an_installed_one_alone(installed: Path) -> None:
    """Our finder is the last."""
    assert _run("import flash, runpod_flash; print(runpod_flash.Endpoint)", installed) == "theirs"


def test_a_take_over_replaces_one_that_was_imported(installed: Path) -> None:
    """As a handler does in a stock image; modules that the other had loaded stay reachable."""
    code = """
import runpod_flash.protos.remote_execution as theirs
import flash.alias
print(flash.alias.take_over() is sys.modules["runpod_flash"])
import runpod_flash
from runpod_flash import Endpoint
print(Endpoint.__name__, runpod_flash.protos.remote_execution is theirs)
"""
    assert _run(code, installed).splitlines() == ["True", "Endpoint True"]


def test_submodules_that_we_lack_come_from_an_installed_one(installed: Path) -> None:
    """And what they import from the package is ours."""
    code = """
import flash.alias
flash.alias.take_over()
from runpod_flash.protos import remote_execution
print(remote_execution.FunctionRequest.__name__, remote_execution.Endpoint is flash.alias.module().Endpoint)
"""
    assert _run(code, installed) == "FunctionRequest True"


def test_without_an_installed_one_there_are_no_submodules() -> None:
    """An ordinary import error; a name that nobody has is one too."""
    code = """
import flash
for line in ("import runpod_flash.core", "from runpod_flash import nothing"):
    try:
        exec(line)
    except ImportError as error:
        print(type(error).__name__)
import runpod_flash
print(hasattr(runpod_flash, "nothing"))
"""
    assert _run(code).splitlines() == ["ModuleNotFoundError", "ImportError", "False"]
