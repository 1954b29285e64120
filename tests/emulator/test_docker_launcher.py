"""Launching workers in containers, on an engine in memory."""

from __future__ import annotations

import asyncio
import signal
import stat
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from fakes_docker import FakeContainers

from flash.emulator.launchers import WorkerSpec
from flash.emulator.launchers.docker import DockerLauncher
from flash.emulator.launchers.leftovers import Labels, lock_of, sweep
from flash.errors import PreviewError

DIGEST = "d1" * 32
PYTHON_IMAGE = "python:3.11-slim"


class Scene:
    """A user's home, an engine, and launchers of platforms."""

    def __init__(self, tmp_path: Path) -> None:
        self.home = tmp_path / "home"
        self.engine = FakeContainers()
        self.engine.images[PYTHON_IMAGE] = "sha256:python"
        self.compiled: list[Path] = []
        self.libraries: list[tuple[str, tuple[str, ...]]] = []

    def launcher(self, name: str = "platform", *, is_preview: bool = False) -> DockerLauncher:
        """Of a platform in the folder *name*."""
        folder = self.home / name
        folder.mkdir(parents=True, exist_ok=True)
        return DockerLauncher(
            self.engine,
            labels=Labels.of(self.home, folder),
            folder=folder,
            library_for=self.library,
            compile_for=lambda version, path: self.compiled.append(path),
            is_preview=is_preview,
        )

    def library(self, version: str, provided: tuple[str, ...]) -> Path:
        self.libraries.append((version, provided))
        folder = self.home / "-".join(("library", version, *provided))
        folder.mkdir(exist_ok=True)
        (folder / "fastapi.py").touch()
        return folder

    def spec(self, name: str = "e", *, worker: str = "w1", digest: str = DIGEST, **changes: Any) -> WorkerSpec:
        """A worker of an endpoint whose handler is in its artifact."""
        artifact = self.home / "artifacts" / digest
        artifact.mkdir(parents=True, exist_ok=True)
        (artifact / f"handler_{name}.py").touch()
        given: dict[str, Any] = {
            "worker_id": worker,
            "endpoint_id": "id",
            "endpoint_name": name,
            "is_load_balanced": False,
            "python_version": "3.11",
            "provided": (),
            "image": "runpod/flash:py3.11-latest",
            "artifact_dir": artifact,
            "environment": {"RUNPOD_API_BASE_URL": "http://10.9.0.1:99", "PYTHONPATH": "/evil", "MINE": "1"},
            "log_path": self.home / f"{worker}.log",
        }
        return WorkerSpec(**{**given, **changes})


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


@asynccontextmanager
async def opened(launcher: DockerLauncher) -> AsyncIterator[DockerLauncher]:
    """Open within the block."""
    await launcher.open()
    yield launcher
    await launcher.aclose()


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(test())


def test_a_worker_runs_its_artifact_on_a_network_of_the_platform(scene: Scene) -> None:
    """In /app, under its endpoint's name, with what it is told and nothing that changes what it imports."""

    async def test() -> None:
        async with opened(scene.launcher()) as launcher:
            worker = await launcher.launch(scene.spec("gpu_worker"))
            request = scene.engine.only.request
            assert (request.alias, request.hostname, request.working_dir) == ("gpu_worker", "w1", "/app")
            assert request.command == ("python", "-m", "flash.runtime.worker")
            assert request.environment["MINE"] == "1"
            assert request.environment["PYTHONPATH"] == "/opt/flash/library"
            assert request.environment["FLASH_OWNER_URL"] == "http://10.9.0.1:99/flash/owner"
            assert request.labels["flash.endpoint"] == "gpu_worker"
            assert request.labels["flash.folder"] == str(scene.home / "platform")
            assert worker.url is None
            assert worker.exit_code() is None
        assert (scene.engine.containers, scene.engine.networks) == ({}, {})

    run(test)


def test_a_load_balanced_worker_is_reached_at_its_own_address(scene: Scene) -> None:
    """On port 80, as on Runpod, unless it is told another."""

    async def test() -> None:
        async with opened(scene.launcher()) as launcher:
            first = await launcher.launch(scene.spec(is_load_balanced=True))
            told = {"RUNPOD_API_BASE_URL": "http://x", "PORT": "8000"}
            second = await launcher.launch(scene.spec(worker="w2", is_load_balanced=True, environment=told))
            assert (first.url, second.url) == ("http://10.9.0.2:80", "http://10.9.0.3:8000")

    run(test)


def test_there_is_one_image_for_each_artifact_and_base(scene: Scene) -> None:
    """Eight workers that start at once share one; what a GPU image ships makes another base. Nothing but copies."""

    async def test() -> None:
        async with opened(scene.launcher()) as launcher:
            await asyncio.gather(*(launcher.launch(scene.spec(f"e{n}", worker=f"w{n}")) for n in range(8)))
            await launcher.launch(scene.spec("gpu", worker="w8", provided=("torch",)))
        images = {each[0].partition(":")[0]: each for each in scene.engine.built}
        assert [tag.partition("-")[2].partition(":")[0][:6] for tag, _, _ in scene.engine.built] == [
            "base",
            "worker",
            "base",
            "worker",
        ]
        assert images["flash-base"][1] == f"FROM {PYTHON_IMAGE}\nCOPY content /opt/flash/library\n"
        assert images["flash-base"][2] == ["content", "content/fastapi.py"]
        _, worker, names = scene.engine.built[1]
        assert worker.splitlines() == [f"FROM {scene.engine.built[0][0]}", "COPY content /app"]
        assert "content/handler_e0.py" in names
        assert scene.libraries.count(("3.11", ("torch",))) == 1

    run(test)


def test_what_a_preview_built_is_promoted_as_it_is(scene: Scene) -> None:
    """The platform's image is the preview's under another name, and outlives it."""

    async def test() -> None:
        async with opened(scene.launcher("preview", is_preview=True)) as preview:
            await preview.launch(scene.spec())
        async with opened(scene.launcher()) as platform:
            await platform.launch(scene.spec())
            assert len(scene.engine.built) == 2
            image = scene.engine.only.request.image
            assert image.startswith("flash-worker-")
        assert image in scene.engine.images

    run(test)


def test_only_the_last_previews_image_stays(scene: Scene) -> None:
    """It may be repeated at once; one that another preview runs stays too."""

    async def test() -> None:
        def previews() -> set[str]:
            return {tag.rpartition(":")[2][:4] for tag in scene.engine.images if tag.startswith("flash-preview-")}

        for digest in ("aaaa", "bbbb"):
            async with opened(scene.launcher("preview", is_preview=True)) as preview:
                await preview.launch(scene.spec(digest=digest * 16))
        assert previews() == {"bbbb"}
        async with opened(scene.launcher("other", is_preview=True)) as other:
            await other.launch(scene.spec(digest="bbbb" * 16))
            async with opened(scene.launcher("preview", is_preview=True)) as preview:
                await preview.launch(scene.spec(digest="cccc" * 16))
            assert previews() == {"bbbb", "cccc"}

    run(test)


def test_a_platforms_image_goes_with_the_last_version_of_its_artifact(scene: Scene) -> None:
    """Not while a container that is going away has it: then it is tried again."""

    async def test() -> None:
        async with opened(scene.launcher()) as platform:
            worker = await platform.launch(scene.spec())
            image = scene.engine.only.request.image
            assert await platform.keep({DIGEST})
            assert not await platform.keep(set())
            assert image in scene.engine.images
            await worker.stop(1)
            assert await platform.keep(set())
            assert image not in scene.engine.images

    run(test)


def test_a_platform_that_starts_again_knows_its_images(scene: Scene) -> None:
    """Those of artifacts that are not deployed any more go."""

    async def test() -> None:
        async with opened(scene.launcher()) as platform:
            await platform.launch(scene.spec())
        async with opened(scene.launcher()) as platform:
            assert [tag for tag in scene.engine.images if tag.startswith("flash-worker-")]
            assert await platform.keep(set())
            assert not [tag for tag in scene.engine.images if tag.startswith("flash-worker-")]

    run(test)


def test_what_a_worker_writes_is_in_its_log_before_its_end_is_told(scene: Scene) -> None:
    """The log is private; a signal's number is negative, as for processes."""

    async def test() -> None:
        async with opened(scene.launcher()) as launcher:
            worker = await launcher.launch(scene.spec())
            container = scene.engine.only
            container.on_output(b"hello\n")
            worker.ended(137)
            assert worker.exit_code() is None
            scene.engine.end(container, 137, b"last words\n")
            assert worker.exit_code() == -signal.SIGKILL
            log = scene.home / "w1.log"
            assert log.read_bytes() == b"hello\nlast words\n"
            assert stat.S_IMODE(log.stat().st_mode) == 0o600
            other = await launcher.launch(scene.spec(worker="w2"))
            scene.engine.end(scene.engine.only, 3)
            assert other.exit_code() == 3

    run(test)


def test_stopping_asks_first_and_kills_what_does_not_listen(scene: Scene) -> None:
    """It returns when the container is gone."""

    async def test() -> None:
        async with opened(scene.launcher()) as launcher:
            polite = await launcher.launch(scene.spec())
            container = scene.engine.only
            await polite.stop(60)
            assert container.signals == ["SIGTERM"]
            scene.engine.obeys = {"SIGKILL"}
            deaf = await launcher.launch(scene.spec(worker="w2"))
            container = scene.engine.only
            await deaf.stop(0)
            assert container.signals == ["SIGTERM", "SIGKILL"]
            assert scene.engine.containers == {}
            await deaf.stop(0)

    run(test)


def test_an_engine_that_stops_is_told_once_and_hangs_nobody(scene: Scene) -> None:
    """Its workers are dead, no new one starts, and closing asks it nothing."""

    async def test() -> None:
        launcher = scene.launcher()
        await launcher.open()
        worker = await launcher.launch(scene.spec())
        waiting = asyncio.ensure_future(launcher.lost())
        scene.engine.says_no = dict.fromkeys(("start", "things", "send_signal", "image_id"), "the engine is gone")
        scene.engine.on_lost("the Docker engine at unix:///x stopped")
        assert await waiting == "the Docker engine at unix:///x stopped"
        assert worker.exit_code() == -signal.SIGKILL
        await worker.stop(60)
        with pytest.raises(PreviewError, match="engine is gone"):
            await launcher.launch(scene.spec(worker="w2"))
        assert await launcher.keep(set())
        await launcher.aclose()

    run(test)


def test_a_base_image_that_cannot_be_pulled_is_an_error_with_what_to_do(scene: Scene) -> None:
    """One that can be pulled is, once."""

    async def test() -> None:
        del scene.engine.images[PYTHON_IMAGE]
        async with opened(scene.launcher()) as launcher:
            with pytest.raises(PreviewError, match="is not here and cannot be pulled") as raised:
                await launcher.launch(scene.spec())
            assert raised.value.hint == "docker pull python:3.11-slim"
            scene.engine.in_registry.add(PYTHON_IMAGE)
            await asyncio.gather(*(launcher.launch(scene.spec(f"e{n}", worker=f"w{n}")) for n in range(4)))
            assert scene.engine.pulled == [PYTHON_IMAGE] * 2

    run(test)


def test_an_endpoint_without_a_handler_runs_its_image_as_it_is(scene: Scene) -> None:
    """Its own command in its own folder; nothing of ours but what a platform must tell a worker."""

    async def test() -> None:
        scene.engine.in_registry.add("vendor/model:1")
        spec = scene.spec(image="vendor/model:1")
        (spec.artifact_dir / "handler_e.py").unlink()
        async with opened(scene.launcher()) as launcher:
            await launcher.launch(spec)
            request = scene.engine.only.request
            assert (request.image, request.command, request.working_dir) == ("vendor/model:1", None, None)
            assert request.environment["PYTHONPATH"] == "/evil"
            assert "FLASH_OWNER_URL" not in request.environment

    run(test)


def test_two_platforms_do_not_share_a_folder(scene: Scene) -> None:
    """The second says so, and makes nothing."""

    async def test() -> None:
        async with opened(scene.launcher()):
            networks = dict(scene.engine.networks)
            with pytest.raises(PreviewError, match="another platform runs in"):
                await scene.launcher().open()
            assert scene.engine.networks == networks

    run(test)


def leave(scene: Scene, name: str, labels: dict[str, str]) -> None:
    """A network of a platform that is not there any more."""
    scene.engine.create_network(name, labels)


def test_the_next_platform_sweeps_what_dead_ones_left(scene: Scene) -> None:
    """Dead: its folder is gone, or nobody holds its lock. What has no label, or another's, stays."""
    dead = scene.home / "dead"
    dead.mkdir(parents=True)
    live = scene.home / "live"
    live.mkdir()
    leave(scene, "of-the-dead", Labels.of(scene.home, dead).run)
    leave(scene, "of-the-gone", Labels.of(scene.home, scene.home / "gone").run)
    leave(scene, "of-the-living", Labels.of(scene.home, live).run)
    leave(scene, "of-another-user", Labels.of(scene.home / "other", dead).run)
    leave(scene, "of-nobody", {})
    own = Labels.of(scene.home, scene.home / "own")
    leave(scene, "of-our-last-run", Labels.of(scene.home, scene.home / "own").run)
    leave(scene, "of-this-run", own.run)
    with lock_of(live):
        removed = sweep(scene.engine, own)
    assert sorted(removed) == ["network of-our-last-run", "network of-the-dead", "network of-the-gone"]
    assert set(scene.engine.networks) == {"of-the-living", "of-another-user", "of-nobody", "of-this-run"}
