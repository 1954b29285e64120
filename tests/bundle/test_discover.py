"""What the source of a project declares."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fakes_bundle import QUEUE, project

from flash.bundle.discover import discover
from flash.bundle.sources import project_files
from flash.errors import BuildError, DeclarationError, DiscoveryError
from flash.model.hardware import DataCenter, NetworkVolume

if TYPE_CHECKING:
    from pathlib import Path

    from flash.model.app import App, Function


def read(root: Path, **files: str) -> App:
    """The app that *files* declare; ``a__b`` is ``a/b.py``."""
    project(root, {f"{name.replace('__', '/')}.py": text for name, text in files.items()})
    sources = project_files(root)
    return discover(root, sources.files, app_name="demo", ignored=sources.ignored)


def only(app: App) -> Function:
    (endpoint,) = app.endpoints
    (function,) = endpoint.functions
    return function


@pytest.mark.parametrize(
    "source",
    [
        "from flash import Endpoint\n@Endpoint(name='w')\ndef work(): ...",
        "from runpod_flash import Endpoint\n@Endpoint('w')\ndef work(): ...",
        "import flash\n@flash.Endpoint(name='w')\ndef work(): ...",
        "import runpod_flash as rf\n@rf.Endpoint(name='w')\ndef work(): ...",
        "from runpod_flash import Endpoint as E\n@E(name='w')\ndef work(): ...",
        "from runpod_flash import *\n@Endpoint(name='w')\ndef work(): ...",
        "try:\n    from runpod_flash import Endpoint\nexcept ImportError:\n    x = 1\n@Endpoint('w')\ndef work(): ...",
        "from flash import Endpoint\nif True:\n    @Endpoint(name='w')\n    def work(): ...",
        "from flash import Endpoint\nw = Endpoint(name='w')\n@w\ndef work(): ...",
        "from flash import Endpoint\nw: Endpoint = Endpoint(name='w')\n@w\ndef work(): ...",
    ],
)
def test_every_spelling_of_a_queue_endpoint_is_read(tmp_path: Path, source: str) -> None:
    """Whatever the module is imported as."""
    app = read(tmp_path, worker=source)
    assert [endpoint.name for endpoint in app] == ["w"]
    assert only(app).name == "work"


def test_an_endpoint_that_a_module_of_the_project_hands_on_is_read(tmp_path: Path) -> None:
    """``Endpoint`` may come through a package of the user's."""
    app = read(
        tmp_path,
        common="from base.here import Endpoint",
        base__here="from flash import Endpoint",
        worker="from common import Endpoint\n@Endpoint()\ndef work(): ...",
    )
    assert app["work"].name == "work"


def test_nothing_of_the_project_runs(tmp_path: Path) -> None:
    """Neither what is imported nor what stands at the top of a module."""
    source = "import not_installed_anywhere\nraise SystemExit(3)\n" + QUEUE
    assert only(read(tmp_path, worker=source)).name == "work"


@pytest.mark.parametrize(
    ("definition", "is_async", "is_generator", "is_class", "methods"),
    [
        ("def f(): ...", False, False, False, ()),
        ("async def f(): ...", True, False, False, ()),
        ("def f():\n    yield 1", False, True, False, ()),
        ("async def f():\n    async for x in y():\n        yield x", True, True, False, ()),
        ("def f():\n    def inner():\n        yield 1\n    return list(inner())", False, False, False, ()),
        (
            "class f:\n def __init__(s): 0\n def b(s): 0\n async def a(s): 0\n def _c(s): 0\n @property\n def d(s): 0",
            *(False, False, True, ("b", "a")),
        ),
    ],
)
def test_the_kind_of_a_function_is_read(
    tmp_path: Path, definition: str, is_async: bool, is_generator: bool, is_class: bool, methods: tuple[str, ...]
) -> None:
    """Sync, async, generator or class."""
    function = only(read(tmp_path, worker=f"from flash import Endpoint\n@Endpoint()\n{definition}"))
    assert (is_async, is_generator, is_class, methods) == (
        function.is_async,
        function.is_generator,
        function.is_class,
        function.methods,
    )


def test_methods_of_a_base_class_of_the_project_come_first(tmp_path: Path) -> None:
    """Those of bases from elsewhere cannot be known."""
    function = only(
        read(
            tmp_path,
            base="class Base:\n    def one(self): ...",
            worker="from base import Base\nfrom flash import Endpoint\n@Endpoint()\nclass W(Base):\n def two(s): ...",
        )
    )
    assert function.methods == ("one", "two")


def test_routes_keep_their_order_and_places(tmp_path: Path) -> None:
    """One endpoint, many functions."""
    app = read(
        tmp_path,
        workers__web="""\
        from flash import Endpoint

        api = Endpoint(name="web", cpu="cpu3c-1-2", workers=(1, 3))

        @api.post("/items/{item_id}")
        async def change(item_id: int): ...

        @api.get(path="/health")
        def health(): ...
        """,
    )
    assert app["web"].routes == {"POST /items/{item_id}": "change", "GET /health": "health"}
    assert app["web"].variable == "api"
    assert (app["web"].spec.workers_min, app["web"].spec.workers_max) == (1, 3)
    assert [function.module for function in app["web"].functions] == ["workers.web"] * 2
    assert [str(function.location) for function in app["web"].functions] == ["workers/web.py:6", "workers/web.py:9"]


def test_arguments_are_read_without_running_them(tmp_path: Path) -> None:
    """Literals, constants of this and other modules, sums, products, enumerations and value types."""
    app = read(
        tmp_path,
        settings="COMMON = ['six']\nSECONDS = 60\nENV = {'A': '1'}",
        worker="""\
        import flash
        import settings
        from flash import CpuInstanceType, DataCenter, Endpoint, NetworkVolume, PodTemplate
        from settings import COMMON as SHARED

        SIZES = (0, 2 + 1)
        PREFIX: str = "my-"
        VOLUME = NetworkVolume(name="models", size=50)
        DEFAULTS = {"idle_timeout": settings.SECONDS * 2, "flashboot": not True}

        @Endpoint(
            name=PREFIX + "worker",
            cpu=[CpuInstanceType.CPU3C_1_2, flash.CpuInstanceType["CPU3C_2_4"], CpuInstanceType("cpu3g-1-4")],
            workers=SIZES,
            dependencies=[*SHARED, *("idna",)] + ["attrs"],
            env={**settings.ENV, "B": DataCenter.EU_RO_1.value} | {"C": "3"},
            volume=VOLUME,
            template=PodTemplate(containerDiskInGb=5),
            **DEFAULTS,
        )
        def work(): ...
        """,
    )
    spec = app["my-worker"].spec
    assert spec.instance_ids == ("cpu3c-1-2", "cpu3c-2-4", "cpu3g-1-4")
    assert (spec.workers_min, spec.workers_max, spec.idle_timeout_s, spec.flashboot) == (0, 3, 120, False)
    assert spec.dependencies == ("six", "idna", "attrs")
    assert spec.env == (("A", "1"), ("B", "EU-RO-1"), ("C", "3"))
    assert (NetworkVolume(name="models", size=50, datacenter=DataCenter.EU_RO_1),) == spec.volumes
    assert spec.template is not None
    assert spec.template.containerDiskInGb == 5


@pytest.mark.parametrize(
    ("name", "read_as"),
    [
        ("f'{APP}-worker'", "demo-worker"),
        ("f'{APP!s:>6}-{SIZE:02d}'.strip()", "demo-03"),
        ("APP + '-' + str(SIZE)", "demo-3"),
        ("'-'.join([APP, *PARTS])", "demo-a-b"),
        ("'{}-{x}'.format(APP, x=PARTS[1])", "demo-b"),
        ("APP.upper().replace('D', 'T')", "TEMO"),
        ("TABLE.get('missing', APP)", "demo"),
        ("sorted(TABLE.values())[0]", "one"),
        ("max(PARTS, key=None)", "b"),
        ("settings.NAMES['main'].lower()", "main-1"),
        ("E_NAME", "alias"),
    ],
)
def test_expressions_of_constants_are_read(tmp_path: Path, name: str, read_as: str) -> None:
    """F-strings, pure methods and built-in functions; nothing runs."""
    app = read(
        tmp_path,
        settings="NAMES = {'main': 'MAIN-1'}",
        worker="import settings\nfrom flash import Endpoint as E\nAPP = 'demo'\nSIZE = 3\nPARTS = ('a', 'b')\n"
        "E_NAME = 'alias'\nTABLE = {'a': 'one'}\nSmall = E\nraise SystemExit\n"
        f"@Small(name={name})\ndef work(): ...",
    )
    assert [endpoint.name for endpoint in app] == [read_as]


def test_an_endpoint_is_put_on_functions_of_other_files_by_a_call(tmp_path: Path) -> None:
    """Re-exported by a package; the function is imported from where it is defined, and calls of it are found."""
    project(tmp_path, {"lib/__init__.py": "from .impl import *\nfrom .impl import Model"})
    app = read(
        tmp_path,
        lib__impl="def work(): ...\ndef page(): ...\nclass Model:\n    async def run(self): ...",
        worker="""\
        import lib
        from flash import Endpoint
        from lib import Model, page

        served = Endpoint(name="queue")(lib.work)
        Endpoint(name="model")(Model)
        api = Endpoint(name="web")
        api.get("/page")(page)
        """,
        other="from flash import Endpoint\nfrom worker import served\n@Endpoint()\ndef other(): return served()",
    )
    functions = {endpoint.name: endpoint.functions[0] for endpoint in app}
    assert {name: (each.module, each.name) for name, each in functions.items()} == {
        "queue": ("lib.impl", "work"),
        "model": ("lib.impl", "Model"),
        "web": ("lib.impl", "page"),
        "other": ("other", "other"),
    }
    assert functions["web"].route == "GET /page"
    assert functions["model"].methods == ("run",)
    assert functions["other"].calls == ("work",)


def test_older_remote_is_read_with_a_note_to_move(tmp_path: Path) -> None:
    """One configuration from elsewhere, a load-balanced one with two routes, and a function that stays local."""
    app = read(
        tmp_path,
        configs="from runpod_flash import GpuGroup, LiveServerless\n"
        "gpu = LiveServerless(name='gpu', gpus=[GpuGroup.AMPERE_16], workersMax=3)",
        worker="""\
        import runpod_flash
        from configs import gpu
        from runpod_flash import CpuLiveLoadBalancer, remote

        @remote(resource_config=gpu, dependencies=["six"])
        async def work(data: dict) -> dict: ...

        web = CpuLiveLoadBalancer(name="web")

        @remote(web, method="POST", path="/a", dependencies=["idna"])
        def a(): ...

        @runpod_flash.remote(web, method="GET", path="/b", dependencies=["attrs", "idna"])
        def b(): ...

        @remote(resource_config=None, local=True)
        def here(): ...
        """,
    )
    assert [endpoint.name for endpoint in app] == ["gpu", "web"]
    assert (app["gpu"].spec.gpu_ids, app["gpu"].spec.workers_max) == ("AMPERE_16", 3)
    assert app["web"].routes == {"POST /a": "a", "GET /b": "b"}
    assert app["web"].spec.dependencies == ("idna", "attrs")
    assert app.notes == (
        (
            "worker.py:5: @remote is read as Endpoint(name='gpu', workers=(0, 3), gpu=GpuGroup.AMPERE_16,"
            " dependencies=['six']); write that instead, it is what Flash goes on with"
        ),
        (
            "worker.py:10: @remote is read as Endpoint(name='web', cpu=CpuInstanceType.CPU3G_2_8,"
            " dependencies=['idna']); write that instead, it is what Flash goes on with"
        ),
    )


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("@remote(LiveServerless(name='a', workersMaxx=1))\ndef f(): ...", r":2: LiveServerless has no field"),
        ("@remote(LiveServerless(name='../a'))\ndef f(): ...", r":2: endpoint name '\.\./a'"),
        ("@remote(LiveLoadBalancer(name='a'))\ndef f(): ...", r":2: .*are no route"),
        (
            "c = LiveServerless(name='a')\n@remote(c)\ndef f(): ...\n@remote(c)\ndef g(): ...",
            r":6: .*runs 'f' \(worker\.py:4\) already",
        ),
    ],
)
def test_older_remote_that_is_wrong_has_its_place(tmp_path: Path, body: str, message: str) -> None:
    """And a hint."""
    with pytest.raises(DeclarationError, match=rf"(?s)^worker\.py{message}.*\nhint: "):
        read(tmp_path, worker=f"from runpod_flash import *\n{body}")


@pytest.mark.parametrize(
    ("argument", "why"),
    [
        ("dependencies=open('x').read().split()", "worked out when the file runs"),
        ("env={'KEY': os.environ['KEY']}", "not a constant of a module of this project"),
        ("name=f'{PREFIX}-x'", "not a constant"),
        ("name=f'{TWICE_OF(2)}'", "worked out when the file runs"),
        ("name='{}'.format()", "it fails"),
        ("dependencies=list({'a', 'b'})", "order of a set"),
        ("workers=TWICE", "assigned more than once, or changed later"),
        ("dependencies=GROWN", "assigned more than once, or changed later"),
        ("name=LOOP", "depends on itself"),
        ("name=numpy.name", "not a constant"),
        ("workers=3 / 2", "only sums and products"),
        ("name=-'x'", "only numbers have a sign"),
        ("workers=[1, 2][5]", "no such item"),
        ("**settings()", "worked out when the file runs"),
        ("**[1]", "it is no dict"),
    ],
)
def test_what_cannot_be_read_is_an_error_with_its_place(tmp_path: Path, argument: str, why: str) -> None:
    """Nothing is taken for empty."""
    source = (
        "import os\nimport numpy\nfrom flash import Endpoint\nTWICE = 1\nTWICE = 2\nGROWN = []\nGROWN.append('six')\n"
        f"LOOP = LOOP\n@Endpoint(cpu='cpu3c-1-2',\n    {argument})\ndef work(): ..."
    )
    with pytest.raises(DiscoveryError, match=rf"^worker\.py:(10|8): .*cannot be read without running.*{why}.*\nhint: "):
        read(tmp_path, worker=source)


@pytest.mark.parametrize(
    ("argument", "message", "hint"),
    [
        ("gpu='RTX9999'", "unknown GPU 'RTX9999'", "did you mean"),
        ("cpu='cpu99-1-2'", "unknown CPU 'cpu99-1-2'", "did you mean"),
        ("datacenter=DataCenter.US_GA_2", "do not run in data center 'US-GA-2'", "they run in"),
        ("gpu=GpuGroup.AMPERE_17", "GpuGroup has no member 'AMPERE_17'", r"did you mean GpuGroup\.AMPERE_16\?"),
        ("dependancies=[]", "no parameter 'dependancies'", "did you mean 'dependencies'"),
        ("name='../evil'", "endpoint name '../evil'", "write name="),
        ("workers=(3, 1)", "workers", "write"),
        ("workers=-1", "workers -1 is not a whole number", ""),
        ("volume=NetworkVolume(size=1)", "NetworkVolume", ""),
    ],
)
def test_a_wrong_declaration_has_its_place_and_a_hint(tmp_path: Path, argument: str, message: str, hint: str) -> None:
    """The rules are Endpoint's own."""
    source = f"from flash import *\n\n\n@Endpoint({argument})\ndef work(): ..."
    with pytest.raises(DeclarationError, match=rf"(?s)^worker\.py:4: .*{message}.*{hint}"):
        read(tmp_path, worker=source)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("@Endpoint(name='a')\ndef f(): ...\n@Endpoint(name='a')\ndef g(): ...", r":4: endpoint 'a' .*at worker\.py:2"),
        ("@Endpoint(name='a')\ndef f(): ...\n@Endpoint(name='b')\ndef f(): ...", r":5: function 'f' .*at worker\.py:3"),
        ("e = Endpoint(name='a')\n@e\ndef f(): ...\n@e\ndef g(): ...", r":6: .*runs 'f' \(worker\.py:4\) already"),
        ("e = Endpoint(name='a')\n@e\ndef f(): ...\n@e.get('/x')\ndef g(): ...", r":6: .*cannot have routes too"),
        ("e = Endpoint(name='a')\n@e.get('/x')\ndef f(): ...\n@e\ndef g(): ...", r":6: .*cannot run 'g' too"),
        (
            "e = Endpoint(name='a')\n@e.get('/x/{a}')\ndef f(): ...\n@e.get('/x/{b}')\ndef g(): ...",
            r":6: route 'GET /x/\{b\}' of endpoint 'a' is declared twice, first at worker\.py:4",
        ),
        ("e = Endpoint(name='a')\n@e.get('/ping')\ndef f(): ...", r":4: path '/ping' is reserved"),
        ("e = Endpoint(name='a')\n@e.post('x')\ndef f(): ...", r":4: path 'x' does not start with '/'"),
        ("e = Endpoint(name='a')\n@e.get('/a')\n@e.post('/a')\ndef f(): ...", r":5: 'f' is decorated for 2"),
        ("e = Endpoint(name='a')\n@e.head('/a')\ndef f(): ...", r":3: e\.head is no route"),
        ("e = Endpoint(name='a')\n@e.get('/a', 1)\ndef f(): ...", r":3: .*does not name one path"),
        ("e = Endpoint(name='a')\n@e.get('/a')\nclass f: ...", r":4: route 'GET /a' is a class"),
        ("@Endpoint\ndef f(): ...", r":2: @Endpoint on 'f' is not called"),
        ("@Endpoint('a', 'b')\ndef f(): ...", r":2: Endpoint: .*positional"),
        ("@Endpoint(id='x')\ndef f(): ...", r":3: .*has an id or an image"),
        ("@Endpoint()\nclass f:\n    def _g(self): ...", r":3: class 'f' has no public method"),
    ],
)
def test_endpoints_that_exclude_each_other_are_an_error(tmp_path: Path, body: str, message: str) -> None:
    """Both places are named."""
    with pytest.raises(DeclarationError, match=rf"^worker\.py{message}.*\nhint: "):
        read(tmp_path, worker=f"from flash import Endpoint\n{body}")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("e = Endpoint(name='a')", r":2: Endpoint\(name='a'\) serves nothing"),
        ("def g():\n    @Endpoint(name='a')\n    def f(): ...", r":4: endpoint function 'f' is inside a function"),
        ("from flash import remote\n@remote(resource_config=None)\ndef f(): ...", r":3: flash has no 'remote'"),
    ],
)
def test_what_would_be_lost_is_an_error(tmp_path: Path, body: str, message: str) -> None:
    """An endpoint that is written down is deployed, or the build says why not."""
    with pytest.raises(DiscoveryError, match=rf"^worker\.py{message}.*\nhint: "):
        read(tmp_path, worker=f"from flash import Endpoint\n{body}")


def test_the_same_name_in_two_files_names_both(tmp_path: Path) -> None:
    """Endpoint names are the app's."""
    with pytest.raises(DeclarationError, match=r"b\.py:4: endpoint 'worker' is declared twice, first at a\.py:4"):
        read(tmp_path, a=QUEUE, b=QUEUE)


def test_an_endpoint_of_another_file_cannot_be_extended(tmp_path: Path) -> None:
    """Its routes are where it is made."""
    api = "from flash import Endpoint\napi = Endpoint(name='a')\n@api.get('/x')\ndef x(): ..."
    with pytest.raises(DiscoveryError, match=r"more\.py:3: 'y' is decorated with an Endpoint of main\.py"):
        read(tmp_path, main=api, more="from main import api\n\n@api.get('/y')\ndef y(): ...")


def test_a_known_endpoint_is_not_part_of_the_app_and_an_image_is(tmp_path: Path) -> None:
    """An id is deployed already; an image has no functions."""
    app = read(
        tmp_path,
        worker=QUEUE + "\nold = Endpoint(id='abc')\nvllm = Endpoint(name='vllm', image='vllm/vllm:1', gpu='ADA_24')\n",
    )
    assert [endpoint.name for endpoint in app] == ["worker", "vllm"]
    assert app["vllm"].functions == ()


def test_a_syntax_error_has_its_line(tmp_path: Path) -> None:
    """In any file that ships."""
    with pytest.raises(DiscoveryError, match=r"^helper\.py:2: syntax error: .*\nhint: .*\.flashignore"):
        read(tmp_path, worker=QUEUE, helper="x = 1\ndef broken(:\n")


def test_a_source_encoding_is_honoured(tmp_path: Path) -> None:
    """A coding line is legal Python."""
    (tmp_path / "latin.py").write_bytes(b"# -*- coding: latin-1 -*-\nNAME = 'caf\xe9'\n")
    assert only(read(tmp_path, worker=QUEUE)).name == "work"
    for content, place in [
        (b"X = 1\nNAME = 'caf\xe9'\n", r"bad\.py:2: .*\nhint: save it as UTF-8, .*coding: latin-1"),
        (b"X = 1\n\n\nNAME = 'caf\xe9'\n", r"bad\.py:4: not utf-8: byte 0xe9"),
        (b"# coding: nonsense\n", r"bad\.py:1: its encoding cannot be told: unknown encoding: nonsense"),
        (b"# coding: ascii\n\n\nNAME = 'caf\xe9'\n", r"bad\.py:4: not ascii: byte 0xe9"),
        (b"X = 1\0\n", r"bad\.py.*null bytes.*\nhint: "),
    ]:
        (tmp_path / "bad.py").write_bytes(content)
        with pytest.raises(DiscoveryError, match=f"^{place}"):
            read(tmp_path)


def test_no_endpoint_is_an_error(tmp_path: Path) -> None:
    """It says how one is declared."""
    with pytest.raises(DiscoveryError, match=r"no endpoint found.*\nhint: decorate a function"):
        read(tmp_path, helper="def f(): ...")


def test_an_app_of_the_name_before_the_last_is_told_what_to_import(tmp_path: Path) -> None:
    """It was never installed beside the newer one."""
    with pytest.raises(DiscoveryError, match=r"^worker\.py:2: no endpoint found: tetra_rp.*\nhint: import from"):
        read(tmp_path, worker="import os\nfrom tetra_rp import LiveServerless, remote\n")


@pytest.mark.parametrize(
    ("hidden", "rule", "hint"),
    [
        ("tests/deep/worker.py", "never ships: it belongs to the tests", "move it to where it ships"),
        ("pkg/tests/worker.py", "the built-in list", "if it should ship, write !/pkg/tests/worker.py"),
    ],
)
def test_an_endpoint_among_the_tests_is_named_with_what_leaves_it_out(
    tmp_path: Path, hidden: str, rule: str, hint: str
) -> None:
    """The hint is one that helps: nothing brings back what never ships. Environments are not looked into."""
    project(tmp_path, {hidden: QUEUE, ".venv/lib/worker.py": QUEUE, "other.py": "x = 1"})
    with pytest.raises(DiscoveryError, match=rf"no endpoint found.*{hidden}, which is hidden: {rule}\nhint: {hint}"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("ignore_file", "rule", "hidden"),
    [(".gitignore", "worker.py", "worker.py"), (".flashignore", "work*/", "workers/one.py"), (None, "", "test_w.py")],
)
def test_an_endpoint_that_a_rule_hides_is_named_with_the_rule(
    tmp_path: Path, ignore_file: str | None, rule: str, hidden: str
) -> None:
    """The first thing that a user would want to know."""
    project(tmp_path, {hidden: QUEUE, "other.py": "x = 1"} | ({ignore_file: rule} if ignore_file else {}))
    shown = ignore_file or "the built-in list"
    with pytest.raises(
        DiscoveryError, match=rf"no endpoint found.*{hidden}, which is hidden: {shown}\nhint: .*!/{hidden}"
    ):
        read(tmp_path)


@pytest.mark.parametrize(
    "taken", ["flash.py", "flash/__init__.py", "flash/x.txt", "runpod_flash/__init__.py", "runpod_flash.py"]
)
def test_flashs_own_names_are_taken(tmp_path: Path, taken: str) -> None:
    """They would hide what ships."""
    project(tmp_path, {taken: "", "worker.py": QUEUE})
    with pytest.raises(BuildError, match=rf"^{taken}: the project has a top-level '(runpod_)?flash(/|\.py)'"):
        read(tmp_path)


def test_a_file_that_no_worker_can_import_is_an_error(tmp_path: Path) -> None:
    """Dots separate packages."""
    project(tmp_path, {"v1.2/worker.py": QUEUE})
    with pytest.raises(DiscoveryError, match=r"^v1\.2/worker\.py:4: .*no worker can import it"):
        read(tmp_path)


@pytest.mark.parametrize(
    "source",
    [
        "def process():\n    from cpu import hello\n    return hello()",
        "from cpu import hello as hi\ndef process():\n    return hi()",
        "import cpu\nasync def process():\n    return await cpu.hello()",
        "import cpu\ndef process():\n    return map(cpu.hello, [1])",
        "from cpu import hello\ndef process():\n    return hello.remote()",
        "from cpu import hello\ndef helper():\n    return hello()\ndef process():\n    return helper()",
        "import helpers\ndef process():\n    return helpers.through()",
        "from helpers import *\ndef process():\n    return through()",
        "from helpers import hello\ndef process():\n    return hello()",
    ],
)
def test_calls_of_other_endpoints_are_found(tmp_path: Path, source: str) -> None:
    """Under whatever name, directly, handed on, or through helpers."""
    body, _, function = source.rpartition("def process")
    keyword = "async " if body.endswith("async ") else ""
    body = body.removesuffix("async ")
    app = read(
        tmp_path,
        cpu="from flash import Endpoint\n@Endpoint(name='cpu')\ndef hello(): ...",
        helpers="from cpu import hello\ndef through():\n    return hello()",
        lb=f"from flash import Endpoint\n{body}\n@Endpoint(name='lb')\n{keyword}def process{function}",
    )
    assert app["lb"].functions[0].calls == ("hello",)
    assert app.makes_remote_calls(app["lb"])
    assert not app.makes_remote_calls(app["cpu"])


@pytest.mark.parametrize(
    ("source", "clients"),
    [
        ("old = Endpoint(id='abc')\n@LB\ndef process():\n    return old.runsync({}).output", ("id",)),
        (
            "import os\nold = Endpoint(id=os.environ['ID'])\n@LB\nasync def process():\n    return await old.get('/')",
            ("id",),
        ),
        ("@LB\nasync def process():\n    return (await Endpoint(id='x').runsync({})).output", ("id",)),
        ("@LB\ndef process():\n    from flash import Endpoint as E\n    return E(id='x').runsync({})", ("id",)),
        ("from known import old\n@LB\ndef process():\n    return old.runsync({})", ("id",)),
        ("import known\n@LB\ndef process():\n    return known.old.runsync({})", ("id",)),
        ("import known\n@LB\ndef process():\n    return known.ask()", ("id",)),
        ("from known import TABLE\n@LB\ndef process(which: str):\n    return TABLE[which].runsync({})", ("id",)),
        ("from known import made\n@LB\ndef process():\n    return made.runsync({})", ("id",)),
        ("from known import engine\n@LB\ndef process():\n    return engine.runsync({})", ("image",)),
        ("from known import engine\n@LB\nclass process:\n    def go(self):\n        return engine.run({})", ("image",)),
        ("def ids():\n    return {}\n@LB\ndef process():\n    return Endpoint(**ids()).runsync({})", ("id", "image")),
        ("import known\n@LB\ndef process():\n    return 1", ()),
    ],
)
def test_calls_of_known_endpoints_are_found(tmp_path: Path, source: str, clients: tuple[str, ...]) -> None:
    """By an id or an image, wherever the endpoint's object is: its worker needs the key."""
    known = (
        "from flash import Endpoint\nold = Endpoint(id='abc')\nengine = Endpoint(name='engine', image='i')\n"
        "TABLE = {'a': old}\ndef ask():\n    return old.runsync({})\n"
        "def make():\n    return Endpoint(id='x')\nmade = make()\n"
    )
    text = source.replace("@LB", "@Endpoint(name='lb')")
    app = read(tmp_path, known=known, lb=f"from flash import Endpoint\n{text}")
    assert app["lb"].functions[0].clients == clients
    assert app.makes_remote_calls(app["lb"]) == bool(clients)
    assert app.calls_by_id(app["lb"]) == ("id" in clients)
    assert not app.makes_remote_calls(app["engine"])


def test_a_parameter_hides_a_function_of_its_name(tmp_path: Path) -> None:
    """It is what the caller gives."""
    app = read(
        tmp_path,
        cpu="from flash import Endpoint\n@Endpoint(name='cpu')\ndef hello(): ...",
        lb="from flash import Endpoint\nfrom cpu import hello\n@Endpoint(name='lb')\ndef f(hello): return hello()",
    )
    assert app["lb"].functions[0].calls == ()


def test_a_src_folder_is_where_modules_are_imported_from(tmp_path: Path) -> None:
    """As in a package that is installed; calls inside it are found."""
    app = read(
        tmp_path,
        src__app__cpu="from flash import Endpoint\n@Endpoint(name='cpu')\ndef hello(): ...",
        src__app__lb="from flash import *\nfrom .cpu import hello\n@Endpoint(name='lb')\ndef f(): return hello()",
    )
    assert [function.module for endpoint in app for function in endpoint.functions] == ["app.cpu", "app.lb"]
    assert app["lb"].functions[0].calls == ("hello",)


def test_a_src_folder_that_is_imported_by_that_name_is_a_package(tmp_path: Path) -> None:
    """Then the root is where modules come from."""
    app = read(
        tmp_path,
        src__cpu="from flash import Endpoint\n@Endpoint(name='cpu')\ndef hello(): ...",
        lb="from flash import Endpoint\nfrom src.cpu import hello\n@Endpoint(name='lb')\ndef f(): return hello()",
    )
    assert app["cpu"].functions[0].module == "src.cpu"
    assert app["lb"].functions[0].calls == ("hello",)
