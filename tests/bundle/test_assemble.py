"""A whole build, from a project to its artifact."""

from __future__ import annotations

import ast
import json
import tarfile
from typing import TYPE_CHECKING, NoReturn

import pytest
from fakes_bundle import QUEUE, FakeDescriber, FakeInstaller, Package, project, write

from flash.bundle.assemble import BuildRequest, build
from flash.bundle.cache import Cache
from flash.bundle.discover import discover
from flash.errors import ArtifactTooLarge, BuildError, DependencyError, DiscoveryError
from flash.model.manifest import CallSchema, Manifest

if TYPE_CHECKING:
    from pathlib import Path

    from flash.model.manifest import Artifact

WEB = """
from runpod_flash import Endpoint, GpuGroup, NetworkVolume, PodTemplate

api = Endpoint(name="lb_worker", cpu="cpu5c-2-4", workers=(1, 3))

@api.post("/process")
async def process(data: dict) -> dict:
    from gpu_worker import gpu_hello
    return await gpu_hello(data)

@api.get("/health")
def health() -> dict:
    return {"ok": True}
"""
GPU = """
from runpod_flash import Endpoint, GpuGroup, NetworkVolume, PodTemplate

@Endpoint(
    name="gpu_worker", gpu=GpuGroup.AMPERE_16, workers=3, dependencies=["torch", "numpy", "rich"],
    volume=NetworkVolume(name="models"), template=PodTemplate(containerDiskInGb=100, env=[{"key": "A", "value": "1"}]),
    env={"MODE": "fast"}, max_concurrency=2,
)
class gpu_hello:
    def run(self, data: dict) -> dict:
        return data
"""


def run(
    root: Path,
    *,
    index: dict[str, Package] | None = None,
    describer: FakeDescriber | None = None,
    lines: list[str] | None = None,
    installer: FakeInstaller | None = None,
    **request: object,
) -> Artifact:
    asked = {"app_name": "demo", "python_version": "3.11", **request}
    return build(
        BuildRequest(root=root, **asked),  # type: ignore[arg-type]
        installer=installer or FakeInstaller(index or {}),
        describer=describer or FakeDescriber(),
        cache=Cache(root.with_name(f"{root.name}-cache")),
        report=(lines if lines is not None else []).append,
    )


def left_in(root: Path) -> list[str]:
    return sorted(path.name for path in (root / ".flash").iterdir())


def test_the_artifact_holds_what_a_worker_needs(tmp_path: Path) -> None:
    """Project, handlers, manifest, requirements, distributions, and our runtime."""
    project(tmp_path, {"worker.py": QUEUE, "lib/data.json": "{}", "tests/test_a.py": "", ".env": "KEY=1", "run.sh": ""})
    (tmp_path / "requirements.txt").write_text("rich\n", encoding="utf-8")
    (tmp_path / "run.sh").chmod(0o755)
    artifact = run(
        tmp_path, index={"rich": Package("13.0", files={"rich/__init__.py": "", "rich-13.0.dist-info/RECORD": ""})}
    )
    assert artifact.path == tmp_path / ".flash/artifact.tar.gz"
    ours = [path for path in artifact.files if path.startswith("flash/")]
    assert [path for path in artifact.files if path not in ours] == [
        *("flash_manifest.json", "handler_worker.py", "lib/data.json", "requirements.txt"),
        *("rich-13.0.dist-info/RECORD", "rich/__init__.py", "run.sh", "worker.py"),
    ]
    assert {"flash/__init__.py", "flash/errors.py", "flash/alias.py", "flash/model/app.py"} <= set(ours)
    assert {path.split("/")[1] for path in ours} == {"__init__.py", "errors.py", "alias.py", "model", "runtime"}
    with tarfile.open(artifact.path) as tar:
        names = tar.getnames()
        assert tuple(sorted(names)) == artifact.files
        # what seldom changes comes first, and last what tells of all else
        assert names[0].startswith("rich")
        assert names[-1] == "flash_manifest.json"
        assert tar.getmember("run.sh").mode == 0o755
        requirements = tar.extractfile("requirements.txt")
        assert requirements is not None
        assert requirements.read().decode() == "# What this artifact holds.\nrich==13.0\n"
    assert left_in(tmp_path) == [".gitignore", "artifact.tar.gz", "build.json", "flash_manifest.json"]
    assert artifact.manifest == Manifest.read(tmp_path / ".flash/flash_manifest.json")


def test_the_manifest_says_what_was_declared(tmp_path: Path) -> None:
    """A superset of the page's, and nothing that tells the time."""
    project(tmp_path, {"lb_worker.py": WEB, "gpu_worker.py": GPU})
    manifest = run(tmp_path, index={"rich": Package()}).manifest
    data = manifest.as_json()
    assert data["project_name"] == "demo"
    assert data["routes"] == {"lb_worker": {"POST /process": "process", "GET /health": "health"}}
    assert data["function_registry"] == {"gpu_hello": "gpu_worker", "process": "lb_worker", "health": "lb_worker"}
    assert data["excluded"] == {"numpy": "the GPU image ships it", "torch": "the GPU image ships it"}
    assert "generated_at" not in data
    web, gpu = data["resources"]["lb_worker"], data["resources"]["gpu_worker"]
    assert web["is_load_balanced"]
    assert web["makes_remote_calls"]
    assert not gpu["makes_remote_calls"]
    assert (web["imageName"], gpu["imageName"]) == ("runpod/flash-lb-cpu:py3.11-latest", "runpod/flash:py3.11-latest")
    assert (web["scalerType"], gpu["scalerType"]) == ("REQUEST_COUNT", "QUEUE_DELAY")
    assert (web["workersMin"], web["workersMax"], gpu["workersMax"]) == (1, 3, 3)
    assert (web["instanceIds"], gpu["gpuIds"]) == (["cpu5c-2-4"], "AMPERE_16")
    assert gpu["provided"] == ["numpy", "torch"]
    assert gpu["networkVolumes"] == [{"name": "models", "size": 100, "dataCenterId": "EU-RO-1"}]
    assert gpu["template"] == {"containerDiskInGb": 100, "env": [{"key": "A", "value": "1"}]}
    assert web["template"] == {"containerDiskInGb": 30}
    assert (gpu["env"], gpu["max_concurrency"], gpu["handler_file"]) == ({"MODE": "fast"}, 2, "handler_gpu_worker.py")
    assert gpu["functions"] == [
        {
            "name": "gpu_hello",
            "module": "gpu_worker",
            "is_async": False,
            "is_class": True,
            "is_generator": False,
            "class_methods": ["run"],
            "contract": {},
        }
    ]


def test_handlers_are_python_that_loads_what_the_manifest_says(tmp_path: Path) -> None:
    """One attribute, which the images look for."""
    project(tmp_path, {"lb_worker.py": WEB, "gpu_worker.py": GPU})
    run(tmp_path, index={"rich": Package()}, keep_build_dir=True)
    staged = tmp_path / ".flash/.build"
    queue = (staged / "handler_gpu_worker.py").read_text(encoding="utf-8")
    web = (staged / "handler_lb_worker.py").read_text(encoding="utf-8")
    ast.parse(queue)
    ast.parse(web)
    assert "handler, stream = queue_handlers('gpu_worker', 'gpu_worker', 'gpu_hello', is_class=True)\n" in queue
    assert "app = application('lb_worker')\n" in web
    for text in (queue, web):
        assert text.index("flash.alias.take_over()") < text.index("from flash.runtime")
        assert text.endswith('if __name__ == "__main__":\n    from flash.runtime.worker import main\n\n    main()\n')


def test_two_builds_are_the_same_bytes(tmp_path: Path) -> None:
    """On another path too."""
    digests = set()
    for name in ("one", "other"):
        root = project(tmp_path / name, {"worker.py": QUEUE, "requirements.txt": "rich"})
        digests |= {run(root, index={"rich": Package()}).sha256 for _ in range(2)}
    assert len(digests) == 1
    write(root / "worker.py", QUEUE + "# changed\n")
    assert run(root, index={"rich": Package()}).sha256 not in digests


def test_the_fingerprint_is_of_the_projects_own_files(tmp_path: Path) -> None:
    """A change of a dependency does not change it, one of a file does."""
    project(tmp_path, {"worker.py": QUEUE, "requirements.txt": "rich"})
    first = run(tmp_path, index={"rich": Package("1")}).manifest.source_fingerprint
    assert run(tmp_path, index={"rich": Package("2")}).manifest.source_fingerprint == first
    write(tmp_path / "more.txt", "x")
    assert run(tmp_path, index={"rich": Package("2")}).manifest.source_fingerprint != first


def test_schemas_are_in_the_manifest_that_ships(tmp_path: Path) -> None:
    """The describer sees the staged tree, with a manifest; what it leaves behind does not ship."""
    project(tmp_path, {"worker.py": QUEUE})
    schema = CallSchema(input={"type": "object"}, untyped=["return"])
    describer = FakeDescriber(
        {"worker": {"work": {"": schema}}}, leaves=("log.txt", "__pycache__/worker.cpython-311.pyc")
    )
    artifact = run(tmp_path, describer=describer)
    assert artifact.manifest.resources["worker"].functions[0].contract == {"": schema}
    assert [list(manifest.resources) for manifest in describer.seen] == [["worker"]]
    assert "log.txt" not in artifact.files
    with tarfile.open(artifact.path) as tar:
        packed = tar.extractfile("flash_manifest.json")
        assert packed is not None
        assert json.load(packed) == artifact.manifest.as_json()


def test_an_image_has_no_handler(tmp_path: Path) -> None:
    """It is deployed as it is."""
    project(tmp_path, {"worker.py": QUEUE + "\nvllm = Endpoint(name='vllm', image='vllm/vllm:1', gpu='ADA_24')\n"})
    artifact = run(tmp_path)
    resource = artifact.manifest.resources["vllm"]
    assert (resource.image_name, resource.client_mode, resource.handler_file) == ("vllm/vllm:1", True, None)
    assert "handler_vllm.py" not in artifact.files


def test_numpy_for_a_cpu_endpoint_is_installed_once_it_is_known_to_be_needed(tmp_path: Path) -> None:
    """The first installation shows it; the GPU endpoint then uses the same."""
    cpu = QUEUE.replace('cpu="cpu3c-1-2"', 'cpu="cpu3c-1-2", dependencies=["pandas"]')
    project(tmp_path, {"worker.py": cpu, "gpu_worker.py": GPU})
    installer = FakeInstaller({"pandas": Package(requires=("numpy>=1",)), "numpy": Package("2.0"), "rich": Package()})
    lines: list[str] = []
    artifact = run(tmp_path, installer=installer, lines=lines)
    assert ["numpy" in excluded for _, excluded in installer.calls] == [True, False]
    assert "numpy.py" in artifact.files
    assert artifact.manifest.resources["gpu_worker"].provided == ["torch"]
    assert "bundled numpy: the image of CPU endpoint 'worker' has none" in lines


def test_the_user_sees_short_lines(tmp_path: Path) -> None:
    """What was found, left out, installed and packed."""
    project(tmp_path, {"gpu_worker.py": GPU, ".env.production": "KEY=1"})
    lines: list[str] = []
    artifact = run(tmp_path, index={"rich": Package()}, lines=lines)
    assert lines[:-1] == [
        "found 1 endpoint: gpu_worker",
        "left out, as it may hold a secret: .env.production",
        "installed 1",
        "left out numpy: the GPU image ships it",
        "left out torch: the GPU image ships it",
    ]
    assert lines[-1].startswith(f"packed {len(artifact.files)} files (0.")
    assert lines[-1].endswith(f"sha256 {artifact.sha256[:12]}")


def test_a_dependency_that_does_not_exist_names_who_asked(tmp_path: Path) -> None:
    """What was built before stays, and nothing half-made."""
    project(tmp_path, {"worker.py": QUEUE})
    before = run(tmp_path)
    project(tmp_path, {"worker.py": QUEUE.replace('cpu="cpu3c-1-2"', 'cpu="cpu3c-1-2", dependencies=["nope-nope"]')})
    with pytest.raises(
        DependencyError, match=r"^worker\.py:4: cannot install 'nope-nope' \(endpoint 'worker'\): .*\nhint"
    ):
        run(tmp_path)
    assert left_in(tmp_path) == [".gitignore", "artifact.tar.gz", "build.json", "flash_manifest.json"]
    assert before.path.stat().st_size == before.size_bytes


def test_over_the_limit_names_the_largest(tmp_path: Path) -> None:
    """Distributions, and files of the project that are as large."""
    project(tmp_path, {"worker.py": QUEUE, "requirements.txt": "big\nsmall\n"})
    (tmp_path / "weights.bin").write_bytes(bytes(2 * 2**20))
    index = {"big": Package(files={"big.py": "#" * 3 * 2**20}), "small": Package(files={"small.py": "#" * 2**10})}
    with pytest.raises(ArtifactTooLarge, match=r"largest: big 3\.0 MiB, weights\.bin 2\.0 MiB, small 0\.00 MiB"):
        run(tmp_path, index=index, size_limit_bytes=1000)
    assert left_in(tmp_path) == [".gitignore"]


def test_nothing_is_left_by_a_project_without_endpoints(tmp_path: Path) -> None:
    """Not even the folder."""
    project(tmp_path, {"a.py": ""})
    with pytest.raises(DiscoveryError):
        run(tmp_path)
    assert not (tmp_path / ".flash").exists()


def test_a_build_that_was_killed_does_not_disturb_the_next(tmp_path: Path) -> None:
    """What it left is removed."""
    left = (".flash/.build/stale.py", ".flash/.artifact.tar.gz.x1", ".flash/build.lock")
    left += (".flash/.build-x1/output",)
    project(tmp_path, {"worker.py": QUEUE, **dict.fromkeys(left, "")})
    assert "stale.py" not in run(tmp_path).files
    assert left_in(tmp_path) == [".gitignore", "artifact.tar.gz", "build.json", "build.lock", "flash_manifest.json"]


def test_an_interrupted_build_leaves_nothing(tmp_path: Path) -> None:
    """Ctrl+C arrives anywhere."""
    project(tmp_path, {"worker.py": QUEUE})

    class Interrupted(FakeDescriber):
        def __call__(self, *_: object) -> NoReturn:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, describer=Interrupted())
    assert left_in(tmp_path) == [".gitignore"]


@pytest.mark.parametrize(
    ("files", "package", "message"),
    [
        ({}, {"flash/__init__.py": ""}, r"distribution 'dep' has a top-level 'flash'.*\nhint: .*--exclude dep"),
        ({}, {"runpod_flash/__init__.py": ""}, "distribution 'dep' has a top-level 'runpod_flash'"),
        ({"yaml.py": ""}, {"yaml/__init__.py": ""}, r"^yaml\.py: distribution 'dep' has a module 'yaml' too"),
        ({"yaml/x.py": ""}, {"yaml.py": ""}, r"^yaml/x\.py: distribution 'dep' has a module 'yaml' too"),
        ({"handler_worker.py": ""}, {}, r"^handler_worker\.py: the build generates a file of this name"),
        ({"flash_manifest.json": ""}, {}, r"^flash_manifest\.json: the build generates"),
    ],
)
def test_names_that_would_hide_one_another_are_an_error(
    tmp_path: Path, files: dict[str, str], package: dict[str, str], message: str
) -> None:
    """Both are named."""
    project(tmp_path, {"worker.py": QUEUE, "requirements.txt": "dep", **files})
    with pytest.raises(BuildError, match=message):
        run(tmp_path, index={"dep": Package(files=package)})


def test_a_file_beside_modules_that_a_distribution_brings_too_is_the_projects(tmp_path: Path) -> None:
    """Licences and examples hide nothing that anyone imports."""
    project(tmp_path, {"worker.py": QUEUE, "requirements.txt": "dep", "LICENSE": "mine", "examples/a.py": "mine"})
    package = Package(files={"LICENSE": "theirs", "examples/a.py": "theirs", "examples/b.py": "theirs", "dep.py": ""})
    artifact = run(tmp_path, index={"dep": package}, keep_build_dir=True)
    assert {"LICENSE", "examples/a.py", "examples/b.py"} <= set(artifact.files)
    for name in ("LICENSE", "examples/a.py"):
        assert (tmp_path / ".flash/.build" / name).read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("name", ["constants.py", "handler.py", "logger/__init__.py"])
def test_modules_of_runpods_images_are_taken_on_runpod(tmp_path: Path, name: str) -> None:
    """They share a folder with the artifact; elsewhere they do not."""
    project(tmp_path, {"worker.py": QUEUE, name: ""})
    with pytest.raises(BuildError, match=rf"^{name}: Runpod's worker images have a module of this name"):
        run(tmp_path, for_runpod=True)
    assert name in run(tmp_path).files


def test_pydantic_1_brought_by_a_dependency_is_an_error(tmp_path: Path) -> None:
    """The runtime beside it needs 2."""
    project(tmp_path, {"worker.py": QUEUE, "requirements.txt": "old"})
    index = {"old": Package(requires=("pydantic",)), "pydantic": Package("1.10.9")}
    with pytest.raises(BuildError, match=r"bring pydantic 1\.10\.9"):
        run(tmp_path, index=index)


def test_how_an_older_app_was_read_is_told(tmp_path: Path) -> None:
    """Each thing with its place."""
    project(
        tmp_path,
        {"old.py": "from runpod_flash import *\n@remote(LiveServerless(name='a'))\ndef work(): ...\n"},
    )
    lines: list[str] = []
    artifact = run(tmp_path, lines=lines)
    assert lines[1].startswith("old.py:2: @remote is read as Endpoint(name='a')")
    assert artifact.manifest.resources["a"].functions[0].name == "work"


def test_system_dependencies_are_said_to_be_the_images(tmp_path: Path) -> None:
    """Nothing installs them in a worker."""
    source = QUEUE.replace('cpu="cpu3c-1-2"', 'cpu="cpu3c-1-2", system_dependencies=["ffmpeg"]')
    project(tmp_path, {"worker.py": source})
    lines: list[str] = []
    run(tmp_path, lines=lines)
    assert any("system_dependencies" in line and "ffmpeg" in line for line in lines)


def test_an_image_of_ones_own_gets_no_dependencies_and_it_is_said(tmp_path: Path) -> None:
    """They are accepted, as the peer does, and installed nowhere; what is no requirement is nobody's business."""
    image = (
        "engine = Endpoint(name='engine', image='me/mine:1', dependencies=['six'], system_dependencies=['ffmpeg'])\n"
    )
    project(tmp_path, {"worker.py": QUEUE, "images.py": f"from flash import Endpoint\n{image}"})
    lines: list[str] = []
    artifact = run(tmp_path, lines=lines)
    (said,) = [line for line in lines if "'engine'" in line]
    assert said == (
        "! endpoint 'engine': six, ffmpeg: nothing is installed into an image of one's own, 'me/mine:1' has to have it"
    )
    assert not any(path.startswith("six") for path in artifact.files)


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """It names the folder."""
    project(tmp_path, {"worker.py": QUEUE, ".flash": "a file"})
    with pytest.raises(BuildError, match=r"\.flash: cannot write there"):
        run(tmp_path)


def test_a_handler_finds_modules_of_a_src_folder(tmp_path: Path) -> None:
    """It adds the folder to the import path, after the artifact's root."""
    project(tmp_path, {"src/app/worker.py": QUEUE})
    artifact = run(tmp_path, keep_build_dir=True)
    assert artifact.manifest.resources["worker"].functions[0].module == "app.worker"
    text = (tmp_path / ".flash/.build/handler_worker.py").read_text(encoding="utf-8")
    assert "sys.path.append(str(Path(__file__).parent / 'src'))\n" in text
    project(tmp_path, {"src/rich.py": "", "requirements.txt": "rich"})
    with pytest.raises(BuildError, match=r"^src/rich\.py: distribution 'rich' has a module 'rich' too"):
        run(tmp_path, index={"rich": Package()})


def test_what_cannot_be_imported_is_told(tmp_path: Path) -> None:
    """Its contract is not checked, and its worker may not start: the build says so, once a function."""
    project(tmp_path, {"worker.py": QUEUE})
    endpoint = discover(tmp_path, ["worker.py"], app_name="demo").endpoints[0]
    error = "untyped: ModuleNotFoundError: No module named 'not_there'"
    function = endpoint.functions[0].name
    describer = FakeDescriber({endpoint.name: {function: {"": CallSchema(error=error)}}})
    lines: list[str] = []

    run(tmp_path, describer=describer, lines=lines)

    assert f"! {endpoint.name}: {function} is {error}" in lines
