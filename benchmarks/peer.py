"""What a user waits for, beside ``runpod-flash`` 1.21 doing the same: start-up, builds, a preview; and the first test.

    python benchmarks/peer.py [--rounds 5] [--peer FOLDER] [--only start-up ...]

The peer has a virtual environment of its own, with pip, as ``python -m venv`` makes it; ``--peer`` keeps that between
runs. Both sides build the worker files of ``examples/quickstart``, which are in the peer's spelling, for one target
Python; that the artifacts declare the same endpoints and hold the same distributions is checked. Ours and theirs run
in turn; figures are medians of wall time in seconds, ratios are medians over neighbouring pairs. Bytecode is written
first. The previews come last, and fewer of them where ten minutes would not be enough: `n` says how many.

- *first build*: a new copy of the project, an empty home, nothing in any cache, ours or uv's or pip's
- *rebuild*: there, again; and again after an edit of one worker file
- *first test*: from the start of pytest until a test's body runs, with a preview and without Flash
- *preview*: ``flash deploy --preview`` of eight endpoints with containers, until it says that they run. The peer's
  containers are stand-ins, because its images cannot be had everywhere: they do not load the project, and the peer does
  not ask whether they serve. It publishes every load-balanced endpoint on port 8000, so that the eight are one of those
  and seven queues; what it says to half of each, as in ``startup.py``, is recorded.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from uv import find_uv_bin

RESULTS = Path(__file__).parent / "results" / "peer.json"
QUICKSTART = Path(__file__).parents[1] / "examples" / "quickstart"
REQUIREMENT = "runpod-flash==1.21.*"
PYTHON = "3.11"  # the quickstart's
OURS = Path(sys.executable).with_name("flash")
COMMAND_S = 180.0
WHOLE_S = 600.0
RESERVE_S = 50.0  # a round of previews, and the one that does not start

EDITED = "gpu_worker.py"
TOUCHED = ('f"Hello, {name}!"', 'f"Hello {round}, {name}!"')

FIRST_TEST = """
import os, pathlib, time


def test_first({fixture}):
    pathlib.Path(os.environ["FIRST_TEST"]).write_text(repr(time.monotonic()))
"""

IMAGE = "flash-benchmark-peer:stand-in"
# as process 1 it would not end at SIGTERM, and the peer would wait 10 s for each
STAND_IN = (
    "import http.server, os, signal; signal.signal(signal.SIGTERM, lambda *_: os._exit(0)); "
    "http.server.ThreadingHTTPServer(('', 80), http.server.SimpleHTTPRequestHandler).serve_forever()"
)
COUNT = 8


class Failed(Exception):
    """A measured command did not do what it is measured at; the text is what it printed."""


def environment(**more: str) -> dict[str, str]:
    """This process's, without what would change what is measured."""
    dropped = ("RUNPOD_", "PYTEST_", "PYTHON", "VIRTUAL_ENV", "FLASH_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped) or name == "FLASH_HOME"}
    # its hint at a newer version is a request over the network
    return {**kept, "FLASH_NO_UPDATE_CHECK": "1", "RUNPOD_FLASH_SILENCE_DEPRECATION": "1", **more}


def wall_s(command: Sequence[str | Path], folder: Path, variables: Mapping[str, str]) -> float:
    start = time.perf_counter()
    done = subprocess.run(
        command,
        cwd=folder,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=COMMAND_S,
    )
    taken = time.perf_counter() - start
    if done.returncode != 0:
        raise Failed(f"{' '.join(map(str, command))}: exit status {done.returncode}\n{done.stdout}")
    return taken


@dataclass(frozen=True)
class Peer:
    """The environment with the peer."""

    folder: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"

    @property
    def flash(self) -> Path:
        """Its command."""
        return self.folder / "bin" / "flash"

    @property
    def path(self) -> str:
        """A PATH with its commands first."""
        return f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"

    def install(self) -> str:
        """Make it unless it is there; returns the version."""
        if not self.flash.exists():
            uv = find_uv_bin()
            commands: tuple[list[str | Path], ...] = (
                [uv, "venv", "--seed", "--clear", "--python", PYTHON, self.folder],
                [uv, "pip", "install", "--compile-bytecode", "--python", self.python, REQUIREMENT],
            )
            for command in commands:
                wall_s(command, Path.cwd(), environment())
        code = "import importlib.metadata as m; print(m.version('runpod-flash'))"
        return subprocess.check_output([self.python, "-c", code], text=True, env=environment()).strip()


def compared(pairs: Sequence[tuple[float, float]], other: str, digits: int = 2) -> dict[str, object]:
    ours, theirs = (statistics.median(values) for values in zip(*pairs, strict=True))
    return {
        "flash_s": round(ours, digits),
        f"{other}_s": round(theirs, digits),
        # neighbours in time: what slows the machine down slows both
        f"{other}_over_flash": round(statistics.median(theirs / ours for ours, theirs in pairs), 2),
        "n": len(pairs),
        "pairs_s": [[round(ours, digits), round(theirs, digits)] for ours, theirs in pairs],
    }


def start_up(peer: Peer, scratch: Path, rounds: int) -> dict[str, object]:
    variables = environment()
    commands: dict[str, tuple[list[str | Path], list[str | Path]]] = {
        "flash --version": ([OURS, "--version"], [peer.flash, "--version"]),
        "from flash import Endpoint": (
            [sys.executable, "-c", "from flash import Endpoint"],
            [peer.python, "-c", "from runpod_flash import Endpoint"],
        ),
    }
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for number in range(rounds + 1):  # the first writes the bytecode
        for name, (ours, theirs) in commands.items():
            pair = wall_s(ours, scratch, variables), wall_s(theirs, scratch, variables)
            if number:
                taken[name].append(pair)
    return {name: compared(pairs, "peer", 3) for name, pairs in taken.items()}


def copy_of_quickstart(root: Path, *, tests: bool = False) -> Path:
    root.mkdir(parents=True)
    for path in (*QUICKSTART.glob("*.py"), QUICKSTART / "pyproject.toml"):
        shutil.copy(path, root)
    if tests:
        (root / "tests").mkdir()
    return root


def contents(root: Path) -> tuple[list[str], list[str]]:
    """The endpoints of a built artifact, and the distributions in it."""
    manifest = json.loads((root / ".flash" / "flash_manifest.json").read_text(encoding="utf-8"))
    with tarfile.open(root / ".flash" / "artifact.tar.gz") as archive:
        folders = {name.removeprefix("./").split("/")[0] for name in archive.getnames()}
    distributions = {name.split("-")[0] for name in folders if name.endswith(".dist-info")}
    return sorted(manifest["resources"]), sorted(distributions)


class Builder:
    """One side's builds, all in folders of its own."""

    def __init__(self, scratch: Path, command: Sequence[str | Path], path: str) -> None:
        self._scratch = scratch
        self._command = command
        self._path = path
        self.root = scratch

    def build(self) -> float:
        """Build what is there."""
        home = self.root.parent / "home"
        # no cache of ours, of uv or of pip is anywhere else
        apart = {"HOME": home, "XDG_CACHE_HOME": home / ".cache", "FLASH_HOME": home / "flash"}
        variables = environment(PATH=self._path, **{name: str(value) for name, value in apart.items()})
        for name in ("UV_CACHE_DIR", "PIP_CACHE_DIR"):
            variables.pop(name, None)
        return wall_s(self._command, self.root, variables)

    def first(self, number: int) -> float:
        """Build a new copy, with nothing cached."""
        shutil.rmtree(self._scratch, ignore_errors=True)
        self.root = copy_of_quickstart(self._scratch / f"round-{number}" / "quickstart")
        (self.root.parent / "home").mkdir()
        return self.build()

    def edited(self, number: int) -> float:
        """Change one worker file, and build."""
        path = self.root / EDITED
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace(TOUCHED[0], TOUCHED[1].replace("{round}", str(number))), encoding="utf-8")
        if path.read_text(encoding="utf-8") == text:
            raise Failed(f"there is nothing to edit in {path}")
        return self.build()


def builds(peer: Peer, scratch: Path, rounds: int) -> dict[str, object]:
    ours = Builder(scratch / "ours", [OURS, "build"], os.environ["PATH"])
    theirs = Builder(scratch / "theirs", [peer.flash, "build", "--python-version", PYTHON], peer.path)
    taken: dict[str, list[tuple[float, float]]] = {}
    for number in range(rounds):
        taken.setdefault("first build", []).append((ours.first(number), theirs.first(number)))
        taken.setdefault("rebuild, unchanged", []).append((ours.build(), theirs.build()))
        taken.setdefault("rebuild, one file edited", []).append((ours.edited(number), theirs.edited(number)))
        if contents(theirs.root) != contents(ours.root):
            raise Failed(f"not the same app: {contents(ours.root)} and {contents(theirs.root)}")
    endpoints, distributions = contents(ours.root)
    return {
        "endpoints": endpoints,
        "distributions": distributions,
        **{name: compared(pairs, "peer") for name, pairs in taken.items()},
    }


def first_test(scratch: Path, rounds: int) -> dict[str, object]:
    """The first test that uses a preview; the floor is a test that uses nothing, without Flash."""
    stamp = scratch / "stamp"
    pytest = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    root = copy_of_quickstart(scratch / "with-preview", tests=True)
    (root / "tests" / "test_first.py").write_text(FIRST_TEST.format(fixture="flash_preview"), encoding="utf-8")
    plain = copy_of_quickstart(scratch / "without", tests=True)
    (plain / "tests" / "test_first.py").write_text(FIRST_TEST.format(fixture=""), encoding="utf-8")
    # contract checks are items of their own
    preview = [*pytest, "--flash-preview", "--flash-backend=process", "-m", "not flash_contract"]

    def until_first_test(command: Sequence[str], folder: Path) -> float:
        stamp.unlink(missing_ok=True)
        start = time.monotonic()  # one clock for all processes of a machine
        wall_s(command, folder, environment(FIRST_TEST=str(stamp)))
        return float(stamp.read_text()) - start

    taken = [
        (until_first_test(preview, root), until_first_test([*pytest, "-p", "no:flash"], plain))
        for _ in range(rounds + 1)  # the first warms: the base environment, uv's cache, bytecode
    ][1:]
    ours_s, floor_s = (statistics.median(values) for values in zip(*taken, strict=True))
    return {
        "preview_s": round(ours_s, 2),
        "floor_s": round(floor_s, 2),
        "ratio": round(statistics.median(ours / floor for ours, floor in taken), 2),
        "over_floor_s": round(statistics.median(ours - floor for ours, floor in taken), 2),
        "n": rounds,
        "pairs_s": [[round(ours, 2), round(floor, 2)] for ours, floor in taken],
    }


@dataclass(frozen=True)
class Marks:
    """Lines that tell where a preview is."""

    built: str
    ready: str


OUR_MARKS = Marks("workers: ", "Preview is running")
THEIR_MARKS = Marks("Docker network: ", "Press Ctrl+C to stop")


def preview(
    command: Sequence[str | Path], folder: Path, variables: Mapping[str, str], marks: Marks
) -> dict[str, float]:
    """Serve until it is ready, then Ctrl+C; seconds from the start until ready, from built until ready, and to stop."""
    start = time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={**variables, "PYTHONUNBUFFERED": "1", "COLUMNS": "1000"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    assert process.stdout is not None
    watchdog = threading.Timer(COMMAND_S, os.killpg, (process.pid, signal.SIGKILL))
    watchdog.start()
    said: list[str] = []
    built = ready = interrupted = 0.0
    try:
        for line in process.stdout:
            said.append(line)
            if not built and marks.built in line:
                built = time.perf_counter()
            elif not ready and marks.ready in line:
                ready = time.perf_counter()
                time.sleep(0.5)  # the peer says so before it listens
                interrupted = time.perf_counter()
                process.send_signal(signal.SIGINT)
        process.wait()
    finally:
        watchdog.cancel()
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if not (built and ready) or process.returncode == -signal.SIGKILL:
        raise Failed("".join(said))
    return {"whole": ready - start, "after the build": ready - built, "stop": time.perf_counter() - interrupted}


def write_eight(root: Path, load_balanced: int) -> tuple[str, ...]:
    """Eight endpoints, so many of them load-balanced; returns their names."""
    root.mkdir()
    (root / "pyproject.toml").write_text(f'[tool.flash]\napp = "eight"\npython = "{PYTHON}"\n', encoding="utf-8")
    names = []
    for number in range(COUNT):
        if number < load_balanced:
            name = f"bench_api_{number}"
            text = (
                f'api = Endpoint(name="{name}", cpu="cpu3c-1-2")\n\n\n'
                f'@api.get("/number")\nasync def number_{number}(n: int = 1) -> dict:\n    return {{"n": n}}\n'
            )
        else:
            name = f"bench_queue_{number}"
            text = (
                f'@Endpoint(name="{name}", cpu="cpu3c-1-2")\n'
                f'async def work_{number}(n: int = 1) -> dict:\n    return {{"n": n}}\n'
            )
        (root / f"worker_{number}.py").write_text(f"from runpod_flash import Endpoint\n\n\n{text}", encoding="utf-8")
        names.append(name)
    return tuple(names)


def docker(*arguments: str, text: str | None = None, check: bool = True) -> str:
    done = subprocess.run(["docker", *arguments], input=text, capture_output=True, text=True, check=check)
    return done.stdout.strip()


@contextmanager
def stand_in() -> Iterator[dict[str, str]]:
    """The image in place of the peer's four, and the variables that name it."""
    command = json.dumps(["python", "-c", STAND_IN])
    docker("build", "-q", "-t", IMAGE, "-", text=f"FROM python:{PYTHON}-slim\nCMD {command}\n")
    try:
        yield dict.fromkeys(("FLASH_GPU_IMAGE", "FLASH_CPU_IMAGE", "FLASH_LB_IMAGE", "FLASH_CPU_LB_IMAGE"), IMAGE)
    finally:
        docker("rmi", "-f", IMAGE, check=False)


def hash_seed(peer: Peer, names: Sequence[str]) -> str:
    """One that gives each queue a port of its own: the peer takes the name's hash modulo 99."""
    code = "import sys; print(len({hash(name) % 99 for name in sys.argv[1:]}))"
    for seed in range(1, 100):
        variables = environment(PYTHONHASHSEED=str(seed))
        if int(subprocess.check_output([peer.python, "-c", code, *names], env=variables)) == len(names):
            return str(seed)
    raise Failed("no hash seed gives each queue a port")


def tidy(names: Sequence[str], said: str = "") -> None:
    """Remove what the peer leaves where it fails."""
    for name in names:
        docker("rm", "-f", f"flash-preview-{name}", check=False)
    for network in re.findall(r"Docker network: (flash-preview-\d+)", said):
        docker("network", "rm", network, check=False)


def their_error(said: str) -> str:
    """What the peer said of why, without the traceback."""
    lines = [line.strip() for line in said.splitlines()]
    wanted = [
        line for line in lines if re.search(r"already allocated|already in use|Unable to find|Error|failed", line)
    ]
    return wanted[0] if wanted else (lines[-1] if lines else "it said nothing")


def previews(peer: Peer, scratch: Path, rounds: int, until: float) -> dict[str, object]:
    """Until *until*, a time of the monotonic clock, or *rounds* times."""
    report: dict[str, object] = {"endpoints": COUNT, "peer_images": f"stand-ins on python:{PYTHON}-slim"}
    their_command: list[str | Path] = [peer.flash, "deploy", "--preview", "--python-version", PYTHON]
    root, half = scratch / "ours", scratch / "half"
    names = write_eight(root, load_balanced=1)
    their_root = shutil.copytree(root, scratch / "theirs")
    taken: list[tuple[dict[str, float], dict[str, float]]] = []
    with stand_in() as images:
        seed = hash_seed(peer, names[1:])
        variables = environment(PATH=peer.path, PYTHONHASHSEED=seed, **images)

        def theirs(folder: Path, of: Sequence[str]) -> dict[str, float]:
            try:
                return preview(their_command, folder, variables, THEIR_MARKS)
            except Failed as failed:
                tidy(of, str(failed))
                raise

        try:
            our_command: list[str | Path] = [OURS, "deploy", "--preview", "--backend", "docker"]
            preview(our_command, root, environment(), OUR_MARKS)  # makes the image, once for each artifact
            while len(taken) < rounds and not (taken and time.monotonic() + RESERVE_S > until):
                ours = preview(our_command, root, environment(), OUR_MARKS)
                taken.append((ours, theirs(their_root, names)))
        finally:
            forget_image(root)
        for name in ("whole", "after the build", "stop"):
            report[name] = compared([(ours[name], other[name]) for ours, other in taken], "peer")
        their_names = write_eight(half, load_balanced=COUNT // 2)
        try:
            theirs(half, their_names)
            report["peer_half_load_balanced"] = "starts"
        except Failed as failed:
            report["peer_half_load_balanced"] = their_error(str(failed))
    return report


def forget_image(root: Path) -> None:
    """Remove the image that our previews made of this artifact."""
    with (root / ".flash" / "artifact.tar.gz").open("rb") as archive:
        digest = hashlib.sha256(archive.read()).hexdigest()
    for image in docker("images", "-q", "--filter", f"reference=flash-preview-*:{digest[:12]}-*").split():
        docker("rmi", "-f", image, check=False)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peer", type=Path, help="where the peer's environment is kept (default: not at all)")
    parser.add_argument("--only", action="append", choices=("start-up", "build", "first test", "preview"))
    options = parser.parse_args()
    began = time.monotonic()
    # a shell's background job ignores it, and so would what it starts
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        peer = Peer((options.peer or scratch / "peer").absolute())
        report: dict[str, object] = {
            "python": platform.python_version(),
            "cpus": os.cpu_count(),
            "load": round(os.getloadavg()[0], 1),
            "peer": f"runpod-flash {peer.install()}",
        }
        parts: dict[str, Callable[[Path], dict[str, object]]] = {
            "start-up": lambda folder: start_up(peer, folder, options.rounds),
            "build": lambda folder: builds(peer, folder, options.rounds),
            "first test": lambda folder: first_test(folder, options.rounds),
            "preview": lambda folder: previews(peer, folder, options.rounds, began + WHOLE_S),
        }
        for part in options.only or parts:
            folder = scratch / part.replace(" ", "-")
            folder.mkdir()
            try:
                report[part] = parts[part](folder)
            except Failed as failed:
                report[part] = {"failed": str(failed)}
            except subprocess.CalledProcessError as failed:  # docker
                report[part] = {"failed": f"{failed}\n{failed.stderr}"}
            except (subprocess.TimeoutExpired, OSError) as failed:
                report[part] = {"failed": str(failed)}
    report["took_s"] = round(time.monotonic() - began)
    if not options.only:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    json.dump(report, sys.stdout, indent=2)


if __name__ == "__main__":
    main()
