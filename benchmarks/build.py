"""How long a build takes, beside ``runpod-flash`` 1.21 building the same, and beside a floor.

    python benchmarks/build.py [--rounds 5] [--peer FOLDER] [--only ROW ...]

Ours and theirs run in turn, on copies of one project, for one target Python. Wheel caches are warm: uv's, and the
peer's pip downloads as it always does. Of ours, the base environment of local workers is there; its cache of builds is
emptied before each first build. Figures are medians of wall time in seconds, ratios medians over neighbouring pairs.

- *nothing needed*: one endpoint without dependencies
- *heavy*: requests, pillow, scikit-learn and pandas; then again after an edit of one file, and with nothing changed;
  and beside ``build_floor.py``, which does the same without Flash
- *1,000 endpoints* in 100 modules, and ours with 5,000 in 500; *20,000 files* that ship
- *memory*: the peak of our build, by what it packs
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from peer import COMMAND_S, OURS, PYTHON, Failed, Peer, compared, environment, wall_s

RESULTS = Path(__file__).parent / "results" / "build.json"
FLOOR = Path(__file__).with_name("build_floor.py")
HEAVY = ("requests", "pillow", "scikit-learn", "pandas")
BARS = {
    "nothing needed": 10.0,
    "heavy, first": 12.0,
    "heavy, one file edited": 50.0,
    "1,000 endpoints": 10.0,
    "20,000 files": 8.0,
}
UNCHANGED_S = 0.3
OVER_FLOOR = 1.4
ROWS = ("nothing needed", "heavy", "1,000 endpoints", "20,000 files", "memory")

WORKER = '''"""Endpoints {first} to {last}."""
from {package} import Endpoint

'''
FUNCTION = """
@Endpoint(name="ep-{number}", cpu="cpu3c-1-2", workers=(0, 3){more})
async def f{number}(value: int, text: str = "x") -> dict:
    total = sum(range(value))
    return {{"total": total, "text": text}}

"""


def endpoints(root: Path, package: str, *, modules: int = 1, each: int = 1, more: str = "") -> Path:
    """A project with so many endpoints."""
    (root / "workers").mkdir(parents=True)
    (root / "pyproject.toml").write_text(f'[tool.flash]\napp = "scale"\npython = "{PYTHON}"\n', encoding="utf-8")
    for module in range(modules):
        numbers = range(module * each, (module + 1) * each)
        text = WORKER.format(first=numbers[0], last=numbers[-1], package=package)
        text += "".join(FUNCTION.format(number=number, more=more) for number in numbers)
        (root / "workers" / f"mod_{module:04}.py").write_text(text, encoding="utf-8")
    return root


def many_files(root: Path, package: str) -> Path:
    """A project of 20,000 small files, half of them modules."""
    endpoints(root, package)
    for number in range(20_000):
        folder = root / "data" / f"d{number // 200:03}"
        folder.mkdir(parents=True, exist_ok=True)
        if number % 2:
            text = f'"""M."""\nimport os\n\ndef f{number}(x):\n    return os.path.join(str(x), "{number}")\n'
            (folder / f"m{number}.py").write_text(text, encoding="utf-8")
        else:
            (folder / f"t{number}.txt").write_text(f"file {number}\n" * 4, encoding="utf-8")
    return root


@dataclass
class Side:
    """One of the two, with projects in folders of its own."""

    scratch: Path
    command: Sequence[str | Path]
    package: str
    variables: Mapping[str, str]

    def project(self, name: str, make: Callable[[Path, str], Path]) -> Path:
        """A project, made once."""
        root = self.scratch / name
        return root if root.exists() else make(root, self.package)

    def build(self, root: Path) -> float:
        """Build what is there."""
        return wall_s(self.command, root, self.variables)

    def first(self, root: Path) -> float:
        """Build as if nothing had been built before."""
        shutil.rmtree(root / ".flash", ignore_errors=True)
        shutil.rmtree(Path(self.variables["FLASH_HOME"]) / "cache", ignore_errors=True)
        return self.build(root)

    def edited(self, root: Path, number: int) -> float:
        """Change one file, and build."""
        file = root / "workers" / "mod_0000.py"
        file.write_text(f"{file.read_text(encoding='utf-8')}\n# edit {number}\n", encoding="utf-8")
        return self.build(root)


def size_of(root: Path) -> int:
    return (root / ".flash" / "artifact.tar.gz").stat().st_size


def first_builds(
    ours: Side, theirs: Side, name: str, make: Callable[[Path, str], Path], rounds: int
) -> dict[str, object]:
    one, other = ours.project(name, make), theirs.project(name, make)
    taken = [(ours.first(one), theirs.first(other)) for _ in range(rounds + 1)][1:]  # the first writes bytecode
    return compared(taken, "peer")


def heavy(ours: Side, theirs: Side, rounds: int, scratch: Path) -> dict[str, object]:
    def make(root: Path, package: str) -> Path:
        return endpoints(root, package, more=f", dependencies={list(HEAVY)}")

    one, other = ours.project("heavy", make), theirs.project("heavy", make)
    ours.first(one)  # warms uv's cache
    taken: dict[str, list[tuple[float, float]]] = {}
    beside_floor = []
    for number in range(rounds):
        first, their_first = ours.first(one), theirs.first(other)
        taken.setdefault("heavy, first", []).append((first, their_first))
        taken.setdefault("heavy, one file edited", []).append((ours.edited(one, number), theirs.edited(other, number)))
        taken.setdefault("heavy, unchanged", []).append((ours.build(one), theirs.build(other)))
        floor = scratch / f"floor-{number}"
        floor.mkdir()
        floor_s = wall_s([sys.executable, FLOOR, floor, PYTHON, *HEAVY], floor, ours.variables)
        beside_floor.append((ours.first(one), floor_s))
    return {
        **{name: compared(pairs, "peer") for name, pairs in taken.items()},
        "artifact_bytes": {"flash": size_of(one), "peer": size_of(other)},
        "heavy, beside the floor": {
            **compared(beside_floor, "floor"),
            "flash_over_floor": round(statistics.median(mine / floor for mine, floor in beside_floor), 2),
        },
    }


def scale(ours: Side, theirs: Side, rounds: int) -> dict[str, object]:
    found = first_builds(ours, theirs, "1000", lambda root, of: endpoints(root, of, modules=100, each=10), rounds)
    large = ours.project("5000", lambda root, of: endpoints(root, of, modules=500, each=10))
    taken = [ours.first(large) for _ in range(rounds)]
    return {**found, "flash_5000_s": round(statistics.median(taken), 2)}


def peak_mib(side: Side, root: Path) -> float:
    """The largest of the build's processes."""
    shutil.rmtree(root / ".flash", ignore_errors=True)
    shutil.rmtree(Path(side.variables["FLASH_HOME"]) / "cache", ignore_errors=True)
    child = subprocess.Popen(
        side.command, cwd=root, env=side.variables, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert child.stderr is not None
    said = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    if status != 0:
        raise Failed(said.decode())
    return round(usage.ru_maxrss / 1024, 1)


def memory(ours: Side) -> dict[str, float]:
    def large(root: Path, package: str) -> Path:
        endpoints(root, package)
        with (root / "weights.bin").open("wb") as out:
            for _ in range(600):
                out.write(os.urandom(2**20))
        limit = f'[tool.flash]\napp = "large"\npython = "{PYTHON}"\nsize-limit-mib = 1000\n'
        (root / "pyproject.toml").write_text(limit, encoding="utf-8")
        return root

    return {
        "nothing needed": peak_mib(ours, ours.project("memory-one", endpoints)),
        "heavy": peak_mib(
            ours, ours.project("heavy", lambda root, of: endpoints(root, of, more=f", dependencies={list(HEAVY)}"))
        ),
        "a file of 600 MiB": peak_mib(ours, ours.project("memory-large", large)),
    }


def main() -> int:
    """Measure and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peer", type=Path, help="keep the peer's environment there")
    parser.add_argument("--only", nargs="+", choices=ROWS, default=ROWS)
    given = parser.parse_args()
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="flash-benchmark-") as folder:
        scratch = Path(folder)
        peer = Peer(given.peer or scratch / "peer")
        version = peer.install()
        home = {"HOME": str(scratch), "FLASH_HOME": str(scratch / "flash-home")}
        ours = Side(scratch / "ours", [OURS, "build"], "flash", environment(**home, UV_CACHE_DIR=str(scratch / "uv")))
        # its first builds must not empty the cache of ours
        apart = {**home, "FLASH_HOME": str(scratch / "none")}
        theirs = Side(
            *(scratch / "theirs", [peer.flash, "build", "--python-version", PYTHON], "runpod_flash"),
            environment(**apart, PATH=peer.path),
        )
        results: dict[str, object] = {
            "python": platform.python_version(),
            "cpus": os.cpu_count(),
            "load": round(os.getloadavg()[0], 1),
            "peer": f"runpod-flash {version}",
            "bars": {**BARS, "unchanged_s": UNCHANGED_S, "over_floor": OVER_FLOOR},
            "command_limit_s": COMMAND_S,
        }
        if "nothing needed" in given.only:
            results["nothing needed"] = first_builds(ours, theirs, "one", endpoints, given.rounds)
        if "heavy" in given.only:
            results |= heavy(ours, theirs, given.rounds, scratch)
        if "1,000 endpoints" in given.only:
            results["1,000 endpoints"] = scale(ours, theirs, given.rounds)
        if "20,000 files" in given.only:
            results["20,000 files"] = first_builds(ours, theirs, "files", many_files, given.rounds)
        if "memory" in given.only:
            results["peak_mib"] = memory(ours)
    results["took_s"] = round(time.monotonic() - start)
    text = json.dumps(results, indent=2)
    print(text)
    if set(given.only) == set(ROWS):
        RESULTS.write_text(f"{text}\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
