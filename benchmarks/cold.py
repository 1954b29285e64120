"""What Flash costs whom it does nothing for: a pytest run without it, `flash --version`, and the import.

    python benchmarks/cold.py [--rounds 21]

Each measured command stands beside its floor, run in turn in the same loop; the figures are medians of whole processes'
wall time, in milliseconds, and the differences to the floor. Bytecode is written first: machines that set
PYTHONDONTWRITEBYTECODE would otherwise measure the compiler.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RESULTS = Path(__file__).parent / "results" / "cold.json"
PYTEST = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
COMMANDS = {
    "python": [sys.executable, "-c", "pass"],
    "from flash import Endpoint": [sys.executable, "-c", "from flash import Endpoint"],
    "flash --version": [str(Path(sys.executable).with_name("flash")), "--version"],
    "pytest -p no:flash": [*PYTEST, "-p", "no:flash"],
    "pytest": PYTEST,
}
# what it costs, over what, and the bar in milliseconds
BARS = {
    "from flash import Endpoint": ("python", 30.0),
    "flash --version": (None, 120.0),
    "pytest": ("pytest -p no:flash", 5.0),
}


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def wall_ms(command: list[str], folder: Path) -> float:
    start = time.perf_counter()
    subprocess.run(command, cwd=folder, env=environment(), stdout=subprocess.DEVNULL, check=True)
    return (time.perf_counter() - start) * 1000


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=21)
    rounds = parser.parse_args().rounds
    taken: dict[str, list[float]] = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "test_nothing.py").write_text("def test_nothing():\n    pass\n", encoding="utf-8")
        for command in COMMANDS.values():
            wall_ms(command, folder)
        for _ in range(rounds):
            for name, command in COMMANDS.items():
                taken[name].append(wall_ms(command, folder))
    medians = {name: statistics.median(values) for name, values in taken.items()}
    rows = {}
    for name, (floor, bar_ms) in BARS.items():
        # pairs of neighbours in time: what slows the machine down slows both
        cost = statistics.median(
            value - (taken[floor][index] if floor else 0.0) for index, value in enumerate(taken[name])
        )
        rows[name] = {"over": floor or "nothing", "cost_ms": round(cost, 1), "bar_ms": bar_ms, "holds": cost <= bar_ms}
    report = {
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
        "rounds": rounds,
        "median_ms": {name: round(value, 1) for name, value in medians.items()},
        "cost": rows,
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    json.dump(report, sys.stdout, indent=2)


if __name__ == "__main__":
    main()
