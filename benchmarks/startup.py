"""How long eight endpoints take from start to all ready, beside starting eight plain servers at once and polling them.

    python benchmarks/startup.py [--rounds 5] [--backend process] [--backend docker]

Ours is a whole preview of a built artifact: the platform's own start, upload, eight workers, until every endpoint is
healthy and live; its image was made in a round before, as it is once for each artifact. The floor is eight times
``uvicorn`` with a FastAPI application of one route, as processes of the same base environment, or as containers of the
same base image on a network of their own. Ours and floor run in turn; the figures are medians in seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from flash import project
from flash.bundle.install import Uv
from flash.model.manifest import Artifact
from flash.preview import building, session
from flash.preview.backend import Backend, choose
from flash.preview.bases import Bases

RESULTS = Path(__file__).parent / "results" / "startup.json"
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
COUNT = 8
BAR = 1.5
HELLO = "import fastapi\n\napp = fastapi.FastAPI()\n\n\n@app.get('/ping')\ndef ping() -> str:\n    return 'pong'\n"
SERVE = "import uvicorn\n" + HELLO + "\n\nuvicorn.run(app, host='0.0.0.0', port=80, access_log=False)\n"


def write_project(root: Path) -> None:
    """Half of the endpoints have a queue, half serve HTTP."""
    (root / "pyproject.toml").write_text(f'[tool.flash]\napp = "eight"\npython = "{PYTHON}"\n', encoding="utf-8")
    for number in range(0, COUNT, 2):
        (root / f"worker_{number}.py").write_text(
            "from flash import Endpoint\n\n\n"
            f'@Endpoint(name="queue_{number}", cpu="cpu3c-1-2")\n'
            f"def work_{number}(n: int = 1) -> int:\n    return n\n\n\n"
            f'api = Endpoint(name="api_{number}", cpu="cpu3c-1-2")\n\n\n'
            f'@api.get("/number")\n'
            f"def number_{number}(n: int = 1) -> int:\n    return n\n",
            encoding="utf-8",
        )


def answers(opener: urllib.request.OpenerDirector, url: str) -> bool:
    try:
        with opener.open(url, timeout=5):
            return True
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def await_pings(urls: Sequence[str]) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for url in urls:
        while not answers(opener, url):
            time.sleep(0.02)


def plain_processes(python: Path, folder: Path) -> float:
    """Eight times uvicorn, at once, each on a socket that it is given."""
    (folder / "hello.py").write_text(HELLO, encoding="utf-8")
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(COUNT)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    start = time.perf_counter()
    running = [
        subprocess.Popen(
            [str(python), "-m", "uvicorn", "hello:app", "--port", str(port), "--log-level", "error"], cwd=folder
        )
        for port in ports
    ]
    try:
        await_pings([f"http://127.0.0.1:{port}/ping" for port in ports])
        return time.perf_counter() - start
    finally:
        for process in running:
            process.kill()
        for process in running:
            process.wait()


def plain_containers(image: str) -> float:
    """Eight times ``docker run``, at once, polled at their addresses."""

    def docker(*arguments: str) -> str:
        done = subprocess.run(["docker", *arguments], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    network = f"flash-benchmark-{os.getpid()}"
    docker("network", "create", network)
    names: list[str] = []

    def run(number: int) -> str:
        name = f"{network}-{number}"
        names.append(name)
        docker("run", "-d", "--rm", "--name", name, "--network", network, image, "python", "-c", SERVE)
        address = docker("inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", name)
        return f"http://{address}:80/ping"

    start = time.perf_counter()
    try:
        with ThreadPoolExecutor(COUNT) as pool:
            urls = list(pool.map(run, range(COUNT)))
        await_pings(urls)
        return time.perf_counter() - start
    finally:
        docker("rm", "-f", *names)
        docker("network", "rm", network)


@contextmanager
def base_image(bases: Bases, host: str) -> Iterator[str]:
    """The workers' own base image, with its library on the path as theirs have it."""
    from flash.emulator.launchers.base_images import BaseImages
    from flash.emulator.launchers.images import LIBRARY_FOLDER
    from flash.emulator.launchers.sdk import DockerContainers

    base = BaseImages(DockerContainers(host), bases.library).tag(PYTHON)
    tag = f"flash-benchmark:{os.getpid()}"
    dockerfile = f"FROM {base}\nENV PYTHONPATH={LIBRARY_FOLDER} PYTHONDONTWRITEBYTECODE=1\n"
    build = ["docker", "build", "-q", "-t", tag, "-"]
    subprocess.run(build, input=dockerfile.encode(), check=True, capture_output=True)
    try:
        yield tag
    finally:
        subprocess.run(["docker", "rmi", tag], check=True, capture_output=True)


def preview(opened: project.Project, artifact: Artifact, backend: Backend) -> float:
    start = time.perf_counter()
    with session.start_preview(opened, artifact, report=lambda _: None, backend=backend):
        return time.perf_counter() - start


def measure(ours: Callable[[], float], floor: Callable[[], float], rounds: int) -> dict[str, object]:
    ours(), floor()
    pairs = [(ours(), floor()) for _ in range(rounds)]
    mine, theirs = (statistics.median(values) for values in zip(*pairs, strict=True))
    # neighbours in time: what slows the machine down slows both
    ratio = statistics.median(one / other for one, other in pairs)
    return {
        "preview_s": round(mine, 2),
        "floor_s": round(theirs, 2),
        "ratio": round(ratio, 2),
        "bar": BAR,
        "holds": ratio <= BAR,
        "pairs_s": [[round(one, 2), round(other, 2)] for one, other in pairs],
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--backend", action="append", choices=("process", "docker"))
    options = parser.parse_args()
    # machines that set it would measure the compiler; the first, unmeasured round writes the bytecode
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    report: dict[str, object] = {
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
        "endpoints": COUNT,
        "rounds": options.rounds,
    }
    bases = Bases(project.flash_home() / "bases", Uv(project.environment()), lambda _: None)
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        write_project(root)
        opened = project.load_project(root)
        artifact = building.build(opened, report=lambda _: None)
        for name in options.backend or ("process", "docker"):
            backend = choose(name, (PYTHON,))

            def ours(backend: Backend = backend) -> float:
                return preview(opened, artifact, backend)

            if name == "process":
                report[name] = measure(ours, lambda: plain_processes(bases.python(PYTHON), root), options.rounds)
            else:
                with base_image(bases, backend.host) as image:
                    report[name] = measure(ours, lambda image=image: plain_containers(image), options.rounds)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    json.dump(report, sys.stdout, indent=2)


if __name__ == "__main__":
    main()
