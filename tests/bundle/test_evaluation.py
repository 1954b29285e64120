"""What only running a module tells, and that only such a module is run."""

from __future__ import annotations

import os
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest
from fakes_bundle import QUEUE, project

from flash.bundle.discover import discover
from flash.bundle.evaluation import Evaluation, evaluate_modules
from flash.bundle.modules import Module, Modules, read_modules
from flash.bundle.sources import project_files
from flash.errors import DeclarationError, DiscoveryError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from flash.model.app import App

# a child that never ends is told from one that is slow by this much
LIMIT_S = 3.0
COMPUTED = "\n@Endpoint(name='-'.join(['w' for _ in range(2)]), cpu='cpu3c-1-2')\ndef work(): ...\n"
"""An endpoint ``w-w`` whose name is worked out."""


def read(root: Path, *, limit_s: float = 20.0, **files: str) -> App:
    """The app that *files* declare; ``a__b`` is ``a/b.py``."""
    project(root, {f"{name.replace('__', '/')}.py": text for name, text in files.items()})
    return discover(
        root, project_files(root).files, app_name="demo", evaluate=partial(evaluate_modules, limit_s=limit_s)
    )


def never(_root: Path, wanted: Sequence[Module], _modules: Modules) -> Mapping[str, Evaluation]:
    raise AssertionError([module.path for module in wanted])


@pytest.mark.parametrize(
    "source",
    [
        (
            "import asyncio, not_installed\nfrom flash import Endpoint\n"
            "@Endpoint(name='w')\ndef work(): ...\nasyncio.run(work())\nprint(not_installed.x)"
        ),
        "from flash import Endpoint\nNAMES = ['w']\n@Endpoint(name=NAMES[0].format().lower())\ndef work(): ...",
        (
            "import os\nfrom flash import Endpoint\nold = Endpoint(id=os.environ['ID'])\n"
            "@Endpoint(name='w')\nasync def work():\n    return await Endpoint(id='x').runsync({})"
        ),
    ],
)
def test_a_module_that_can_be_read_is_never_run(tmp_path: Path, source: str) -> None:
    """Whatever else it does when it is imported."""
    project(tmp_path, {"worker.py": source})
    app = discover(tmp_path, ["worker.py"], app_name="demo", evaluate=never)
    assert [endpoint.name for endpoint in app] == ["w"]


@pytest.mark.parametrize(
    ("source", "functions"),
    [
        (f"from flash import Endpoint{COMPUTED}", {"w-w": ["work"]}),
        (
            (
                "from flash import Endpoint\ndef cpu(name):\n    return Endpoint(name=name, cpu='cpu3c-1-2')\n"
                "@cpu('one')\ndef work(): ...\n@cpu('two')\nclass Other:\n    def run(self): ...\n"
            ),
            {"one": ["work"], "two": ["Other"]},
        ),
        (
            (
                "from functools import partial\nfrom flash import Endpoint\ncpu = partial(Endpoint, cpu='cpu3c-1-2')\n"
                "@cpu(name='one')\ndef work(): ...\n"
            ),
            {"one": ["work"]},
        ),
        (
            (
                "from flash import Endpoint\nclass Small(Endpoint):\n    def __init__(self, name):\n"
                "        super().__init__(name, cpu='cpu3c-1-2')\n@Small('one')\ndef work(): ...\n"
            ),
            {"one": ["work"]},
        ),
        (
            (
                "from flash import Endpoint\napi = Endpoint(name='web')\n@api.get('/fixed')\ndef fixed(): ...\n"
                "def one(): ...\ndef two(): ...\nfor p, f in {'/1': one, '/2': two}.items():\n    api.post(p)(f)\n"
            ),
            {"web": ["fixed", "one", "two"]},
        ),
        (
            (
                "from runpod_flash import LiveServerless, remote\nC = {'name': 'old'}\nC.update(workersMax=3)\n"
                "@remote(resource_config=LiveServerless(**C))\nasync def work(): ...\n"
            ),
            {"old": ["work"]},
        ),
    ],
)
def test_endpoints_that_are_made_when_the_file_runs_are_found(
    tmp_path: Path, source: str, functions: dict[str, list[str]]
) -> None:
    """Computed names, loops, factories, partial applications, subclasses."""
    app = read(tmp_path, worker=source)
    assert {endpoint.name: [each.name for each in endpoint.functions] for endpoint in app} == functions


def test_a_factory_of_another_file_is_found(tmp_path: Path) -> None:
    """Through a helper of its own, and a package that hands it on."""
    project(tmp_path, {"lib/__init__.py": "from .make import small"})
    app = read(
        tmp_path,
        lib__make="from flash import Endpoint\ndef base(n): return Endpoint(name=n)\ndef small(n): return base(n)",
        worker="import lib\n\n@lib.small('one')\ndef work(): ...\n",
    )
    assert [(endpoint.name, str(endpoint.location)) for endpoint in app] == [("one", "worker.py:3")]
    assert app["one"].functions[0].module == "worker"


def test_values_come_through_as_they_are(tmp_path: Path) -> None:
    """Enumerations, volumes, templates, tuples: the same specification as if it had been read."""
    arguments = (
        "gpu=[GpuGroup.ADA_24, GpuType.NVIDIA_L4], workers=(1, 2), env={'A': 'b'}, dependencies=['six'],"
        " volume=NetworkVolume(name='v', size=20), datacenter=DataCenter.EU_RO_1,"
        " template=PodTemplate(containerDiskInGb=9, env=[{'key': 'K', 'value': 'V'}], config={'a': 1})"
    )
    app = read(
        tmp_path,
        read=f"from flash import *\n@Endpoint(name='a', {arguments})\ndef one(): ...",
        run=f"from flash import *\n@Endpoint(name=''.join(c for c in 'b'), {arguments})\ndef two(): ...",
    )
    one, two = (endpoint.spec for endpoint in app)
    assert {name: getattr(one, name) for name in type(one).__slots__ if name != "name"} == {
        name: getattr(two, name) for name in type(two).__slots__ if name != "name"
    }


def test_what_is_not_installed_is_stood_in_for(tmp_path: Path) -> None:
    """Imported, called, subclassed, used as a decorator, in annotations."""
    app = read(
        tmp_path,
        helper="from nowhere_at_all.deep import thing",
        worker="""\
        import nowhere_at_all as nw
        import nowhere_at_all.sub.module
        from nowhere_at_all import Base, log
        from flash import Endpoint
        import helper

        DEVICE = "cuda" if nw.cuda.is_available() else "cpu"
        LOGGER = nw.get_logger(__name__)[0]
        with nw.context() as c:
            nw.LIMIT = 3 + nw.OTHER
        for x in nw.things: ...

        class Item(Base, table=True):
            a: nw.Tensor | None = nw.field(3)

        @Endpoint(name="-".join(n for n in ("a", "b")), cpu="cpu3c-1-2")
        @log
        def work(item: Item) -> nw.Tensor["x"]: ...
        """,
    )
    assert app["a-b"].functions[0].name == "work"


@pytest.mark.parametrize(
    "argument", ["dependencies=[f'numpy=={nw.version}' for _ in 'x']", "env={'A': nw.x for _ in 'x'}"]
)
def test_a_value_of_something_that_is_not_installed_is_an_error(tmp_path: Path, argument: str) -> None:
    """It is never taken for one."""
    source = (
        f"import nowhere_at_all as nw\nfrom flash import Endpoint\n@Endpoint(name='a', {argument})\ndef work(): ...\n"
    )
    with pytest.raises(DiscoveryError, match=r"^worker\.py:3: .*'nowhere_at_all\..*not installed here.*\nhint: "):
        read(tmp_path, worker=source)


@pytest.mark.parametrize(
    ("does", "message"),
    [
        ("import time; time.sleep(600)", r"took more than 3 s"),
        ("raise SystemExit(3)", r"exits when it is imported, with status 3 \(worker\.py:2\)"),
        ("import os; os._exit(5)", r"ended the interpreter with status 5"),
        ("import os; os.fork()", r"forks when it is imported \(worker\.py:2\)"),
        ("import subprocess; subprocess.run(['true'])", r"starts a process when it is imported"),
        ("import os; os.system('true')", r"starts a process when it is imported"),
        ("input()", r"reads standard input when it is imported \(worker\.py:2\)"),
        ("import sys; sys.stdin.read()", r"reads standard input when it is imported"),
        ("open(0).read()", r"reads standard input when it is imported"),
        ("import socket; socket.create_connection(('127.0.0.1', 9))", r"network|connection"),
        ("1 / 0", r"ZeroDivisionError: division by zero \(worker\.py:2\)"),
        ("import os; KEY = os.environ['SECRET']", r"KeyError: 'SECRET' \(worker\.py:2\)"),
        ("import helper", r"ValueError: no \(helper\.py:1\)"),
        ("from helper2 import nothing", r"ImportError: cannot import name 'nothing' from 'helper2' \(helper2\.py\)"),
    ],
)
def test_a_module_that_cannot_be_run_is_a_named_error_within_the_limit(tmp_path: Path, does: str, message: str) -> None:
    """It names what could not be read, and why running the file did not help."""
    begun = time.monotonic()
    with pytest.raises(
        DiscoveryError, match=rf"^worker\.py:3: `.*cannot be read .*; and running it failed: .*{message}.*\nhint: "
    ):
        read(
            tmp_path,
            limit_s=LIMIT_S,
            worker=f"from flash import Endpoint\n{does}{COMPUTED}",
            helper="raise ValueError('no')",
            helper2="",
        )
    assert time.monotonic() - begun < LIMIT_S + 20


def test_a_child_that_a_module_leaves_behind_is_ended(tmp_path: Path) -> None:
    """A thread, or a process that was started past the guard, does not outlive the answer."""
    read(
        tmp_path,
        worker="import threading, time\nfrom flash import Endpoint\n"
        f"threading.Thread(target=time.sleep, args=(600,)).start(){COMPUTED}",
    )


def test_asyncio_run_and_print_do_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """They are for scripts."""
    app = read(
        tmp_path,
        worker=f"import asyncio\nfrom flash import Endpoint{COMPUTED}"
        "async def main():\n    raise ValueError\nasyncio.run(main())\nprint('seen')\n",
    )
    assert app["w-w"].functions
    assert "seen" not in "".join(capfd.readouterr())


def test_the_environment_is_empty_and_what_is_asked_of_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An artifact is the same on every machine, and holds no secret of one."""
    monkeypatch.setenv("WORKERS", "7")
    app = read(
        tmp_path,
        worker="import os\nfrom flash import Endpoint\n"
        "@Endpoint(name='w', workers=int(os.getenv('WORKERS', '3')), flashboot='BOOT' not in os.environ)\n"
        "def work(): ...\n",
    )
    assert app["w"].spec.workers_max == 3
    assert [note for note in app.notes if "WORKERS, BOOT" in note and note.startswith("worker.py: ")]


def test_a_variable_that_is_needed_is_an_error_with_the_reason(tmp_path: Path) -> None:
    """Not an unexplained KeyError."""
    source = "import os\nfrom flash import Endpoint\n@Endpoint(env={'A': os.environ['SECRET']})\ndef work(): ..."
    with pytest.raises(DiscoveryError, match=r"^worker\.py:3: .*'SECRET'.*\nhint: a build sees no environment"):
        read(tmp_path, worker=source)


def test_nothing_is_written_into_the_project(tmp_path: Path) -> None:
    """No bytecode either."""
    before = {"worker.py"}
    read(tmp_path, worker=f"from flash import Endpoint{COMPUTED}")
    assert {path.name for path in tmp_path.rglob("*")} == before


def test_a_wrong_declaration_has_the_place_where_it_is_made(tmp_path: Path) -> None:
    """As if it had been read."""
    with pytest.raises(DeclarationError, match=r"^worker\.py:3: unknown GPU 'RTX9'|endpoint 'a': unknown GPU"):
        read(
            tmp_path,
            worker="from flash import Endpoint\n\n@Endpoint(name='a', gpu=''.join(c for c in 'RTX9'))\ndef work(): ...",
        )


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "if len(NAMES) > 5:\n    @Endpoint(name='b')\n    def other(): ...\n",
            r"worker\.py:5: .*'b'.* running the file does not make it",
        ),
        (
            "import sys\nsys.modules[__name__].SIZE = 2\n@Endpoint(name='b', workers=SIZE)\ndef other(): ...\n",
            r"worker\.py:6: .*'b'.* not the same when the file runs",
        ),
        (
            "Endpoint(name='-'.join(n for n in NAMES))(lambda: 1)\n",
            r"worker\.py:4: .*serves '<lambda>', which no worker",
        ),
        (
            "for n in NAMES:\n    @Endpoint(name=n)\n    def work(): ...\n",
            r"worker\.py:6: .*is inside a function, class or loop",
        ),
        ("Endpoint(name='-'.join(n for n in NAMES))\n", r"worker\.py:4: .*serves nothing"),
    ],
)
def test_what_is_run_must_agree_with_what_is_written(tmp_path: Path, body: str, message: str) -> None:
    """Otherwise one of them is not what the user means."""
    source = "from flash import Endpoint\nNAMES = ['x']\nSIZE = 1\n" + body
    if "NAMES:" not in body and "NAMES))" not in body:
        source += "@Endpoint(name='-'.join(n for n in NAMES))\ndef work(): ...\n"
    with pytest.raises((DiscoveryError, DeclarationError), match=message):
        read(tmp_path, worker=source)


def test_modules_of_a_src_folder_and_packages_are_run_as_they_are_imported(tmp_path: Path) -> None:
    """With their relative imports."""
    project(tmp_path, {"src/app/__init__.py": ""})
    app = read(
        tmp_path,
        src__app__names="NAMES = ['a', 'b']",
        src__app__worker="from flash import Endpoint\nfrom .names import NAMES\n"
        "@Endpoint(name='-'.join(n for n in NAMES))\nasync def work(): ...\n",
    )
    assert app["a-b"].functions[0].module == "app.worker"
    assert app["a-b"].functions[0].is_async


def test_the_answer_is_the_childs_alone(tmp_path: Path) -> None:
    """What the module prints, and how it is called, does not reach it; the standard library is found first."""
    project(tmp_path, {"worker.py": f"import sys\nfrom flash import Endpoint\nprint('{{' * 9, sys.argv){COMPUTED}"})
    modules = read_modules(tmp_path, ["worker.py"])
    evaluation = evaluate_modules(tmp_path, [modules["worker"]], modules)["worker"]
    assert evaluation.failure is None
    assert [made.kwargs["name"] for made in evaluation.endpoints] == ["w-w"]
    assert str(tmp_path) not in os.environ.get("PYTHONPATH", "")


def test_a_readable_module_beside_one_that_is_run_is_read(tmp_path: Path) -> None:
    """One module, not the project, is run; others only if it imports them."""
    other = f"raise SystemExit\n{QUEUE.replace('def work', 'def other')}"
    app = read(tmp_path, computed=f"from flash import Endpoint{COMPUTED}", other=other)
    assert [endpoint.name for endpoint in app] == ["w-w", "worker"]


SHARED = "from flash import Endpoint\napi = Endpoint(name='shared')\n@api.get('/x')\ndef served(): ...\n"


def test_what_an_imported_file_makes_is_that_files(tmp_path: Path) -> None:
    """Running a module imports others: their endpoints are found where they are written, once."""
    app = read(tmp_path, shared=SHARED, worker=f"from shared import api\nfrom flash import Endpoint{COMPUTED}")
    assert [(endpoint.name, str(endpoint.location)) for endpoint in app] == [
        ("shared", "shared.py:2"),
        ("w-w", "worker.py:3"),
    ]


def test_modules_that_import_each_other_are_run_together(tmp_path: Path) -> None:
    """Each has its own endpoints, whichever of them was imported first."""
    other = COMPUTED.replace("'w' for _ in range(2)", "'o' for _ in range(2)").replace("work", "other")
    app = read(
        tmp_path,
        a=f"import b\nfrom flash import Endpoint{COMPUTED}",
        b=f"import a\nfrom flash import Endpoint{other}",
    )
    assert {endpoint.name: endpoint.functions[0].module for endpoint in app} == {"w-w": "a", "o-o": "b"}


@pytest.mark.parametrize(
    "puts",
    [
        "def put(app): app.get('/y')(own)\nput(api)\n",
        "for one in [own]:\n    api.post('/y')(one)\n",
        "shared.register(own)\n",
        "[api.get(path) for path in ['/y']][0](own)\n",
    ],
)
def test_a_function_that_is_put_on_an_endpoint_of_another_file_is_refused(tmp_path: Path, puts: str) -> None:
    """What is in the manifest would depend on which file is imported first."""
    with pytest.raises(
        DiscoveryError, match=r"^worker\.py:\d+: .*(?:on|with) an Endpoint of shared\.py.*\nhint: decorate"
    ):
        read(
            tmp_path,
            shared=f"{SHARED}def register(one): api.get('/y')(one)\n",
            worker=f"import shared\nfrom shared import api\nfrom flash import Endpoint{COMPUTED}def own(): ...\n{puts}",
        )


def test_of_modules_that_are_run_together_the_one_that_fails_is_named(tmp_path: Path) -> None:
    """Also where it ends the process: those before it have answered."""
    with pytest.raises(DiscoveryError, match=r"^b\.py:3: .*ended the interpreter with status 5"):
        read(
            tmp_path,
            a=f"from flash import Endpoint{COMPUTED}",
            b=f"from flash import Endpoint\nimport os; os._exit(5){COMPUTED}",
            c=f"from flash import Endpoint{COMPUTED}",
        )
