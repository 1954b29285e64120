"""How long a deployment takes, beside ``runpod-flash`` 1.21 deploying the same app to the same local platform.

    python benchmarks/deploy.py [--rounds 5] [--peer FOLDER]

Ours and theirs run in turn, each round an app of its own on both sides: a first deployment, one after an edit of one
worker file, and one of what is live already. Ours is ``flash promote --receipt FILE --no-smoke``: the artifact was
built and tested before, outside the measured time. The peer has no such command: its ``flash deploy`` always builds. So
there are two ratios: to the whole of its command, and to the rest of it without its build, measured right before.

What counts for users is when the endpoints answer. Ours are healthy when the command ends; the peer's start then. So
each measurement goes on until every endpoint has answered a request; the commands alone are given too.
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
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from peer import EDITED, OURS, PYTHON, TOUCHED, Failed, Peer, copy_of_quickstart, environment, wall_s

RESULTS = Path(__file__).parent / "results" / "deploy.json"
ANSWER_S = 180.0
BARS = {"first": 2.0, "one file edited": 5.0}
UNCHANGED_S = 1.0


@dataclass(frozen=True)
class Platform:
    """A local platform of this run's own."""

    home: Path
    url: str
    api_key: str

    def variables(self, **more: str) -> dict[str, str]:
        """For our commands."""
        return environment(FLASH_HOME=str(self.home), **more)

    def variables_of(self, peer: Peer, home: Path) -> dict[str, str]:
        """For the peer's."""
        return environment(
            PATH=peer.path,
            HOME=str(home),
            RUNPOD_API_BASE_URL=self.url,
            RUNPOD_ENDPOINT_BASE_URL=f"{self.url}/v2",
            RUNPOD_REST_API_URL=f"{self.url}/v1",
            RUNPOD_HAPI_URL=self.url,
            RUNPOD_CONSOLE_URL=self.url,
            RUNPOD_API_KEY=self.api_key,
            RUNPOD_URL_MIXED_OK="1",
        )

    def ours(self, *arguments: str, root: Path) -> str:
        """Run a command of ours that is not measured; returns what it printed."""
        done = subprocess.run(
            [OURS, *arguments],
            cwd=root,
            env=self.variables(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise Failed(f"flash {' '.join(arguments)}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def live(self, app: str, root: Path) -> dict[str, tuple[str, list[str]]]:
        """URL and routes of each endpoint that is live, by name."""
        told = json.loads(self.ours("env", "get", "production", "--app", app, "--target", "local", "--json", root=root))
        return {one["name"]: (one["url"], one.get("routes", [])) for one in told["endpoints"]}

    def until_all_answer(self, endpoints: Mapping[str, tuple[str, list[str]]]) -> None:
        """Call every endpoint, all at once, each again until it answers."""
        headers = {"Authorization": f"Bearer {self.api_key}"}
        with httpx.Client(headers=headers, timeout=ANSWER_S) as client, ThreadPoolExecutor(len(endpoints)) as pool:
            list(pool.map(lambda one: self._until_answer(client, *one), endpoints.values()))

    def _until_answer(self, client: httpx.Client, url: str, routes: list[str]) -> None:
        gets = [route.partition(" ")[2] for route in routes if route.startswith("GET ") and "{" not in route]
        deadline = time.monotonic() + ANSWER_S
        last = "nothing"
        while time.monotonic() < deadline:
            try:
                if gets:
                    answer = client.get(f"{url}{gets[0]}")
                else:
                    answer = client.post(f"{url}/runsync", json={"input": {"name": "bench"}})
                body = answer.raise_for_status().json()
            except httpx.HTTPStatusError as error:
                last = f"{error.response.status_code} {error.response.text[:500]}"
            except httpx.HTTPError as error:
                last = repr(error)
            else:
                if gets or body.get("status") in {"COMPLETED", "FAILED"}:  # either way a worker ran it
                    return
            time.sleep(0.02)
        raise Failed(f"{url} did not answer within {ANSWER_S:g} s; the last time: {last}")


@contextmanager
def local_platform(home: Path) -> Iterator[Platform]:
    """One on a free port, with processes as workers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    variables = environment(FLASH_HOME=str(home))
    wall_s([OURS, "platform", "start", "--port", port, "--backend", "process"], home.parent, variables)
    try:
        state = json.loads((home / "platform" / "platform.json").read_text(encoding="utf-8"))
        yield Platform(home, state["url"], state["api_key"])
    finally:
        wall_s([OURS, "platform", "stop"], home.parent, variables)


@dataclass(frozen=True)
class Taken:
    """Seconds of one deployment.

    Attributes:
        command: From its start to its end.
        answering: From its start until every endpoint has answered.
        build: The peer's build alone.
    """

    command: float
    answering: float
    build: float = 0.0


class Ours:
    """Our side of a round."""

    def __init__(self, at: Platform, root: Path) -> None:
        self._at = at
        self.root = root
        self._app = root.name

    def test(self) -> None:
        """Build and check the artifact; not measured."""
        command = [sys.executable, "-m", "pytest", "-q", "--flash-preview", "--flash-backend=process"]
        command += [f"--flash-app={self._app}", f"--flash-root={self.root}", "--flash-receipt=receipt.json", "."]
        wall_s(command, self.root, self._at.variables())

    def deploy(self) -> Taken:
        """Promote what was tested."""
        command: list[str | Path] = [OURS, "promote", "--receipt", "receipt.json", "--env", "production"]
        command += ["--target", "local", "--app", self._app, "--no-smoke"]
        start = time.perf_counter()
        taken = wall_s(command, self.root, self._at.variables())
        between = time.perf_counter()
        endpoints = self._at.live(self._app, self.root)
        asked = time.perf_counter() - between
        self._at.until_all_answer(endpoints)
        return Taken(taken, time.perf_counter() - start - asked)

    def remove(self) -> None:
        """Make room."""
        self._at.ours("app", "delete", self._app, "--yes", "--target", "local", root=self.root)


class Theirs:
    """The peer's."""

    def __init__(self, at: Platform, peer: Peer, root: Path, home: Path) -> None:
        self._at = at
        self._peer = peer
        self.root = root
        self._app = root.name
        self._variables = at.variables_of(peer, home)

    def deploy(self) -> Taken:
        """Its build, which its deployment repeats, and its deployment."""
        versioned = ["--python-version", PYTHON]
        build = wall_s([self._peer.flash, "build", *versioned], self.root, self._variables)
        start = time.perf_counter()
        command = [self._peer.flash, "deploy", "--env", "production", *versioned]
        taken = wall_s(command, self.root, self._variables)
        between = time.perf_counter()
        endpoints = self._at.live(self._app, self.root)
        asked = time.perf_counter() - between
        self._at.until_all_answer(endpoints)
        return Taken(taken, time.perf_counter() - start - asked, build)

    def remove(self) -> None:
        """Make room."""
        self._at.ours("app", "delete", self._app, "--yes", "--target", "local", root=self.root)


def project(root: Path) -> Path:
    """The quickstart; with FastAPI alone, as the peer serves it, its ``TypedDict`` works from Python 3.12 on only."""
    copy_of_quickstart(root)
    for path in root.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        path.write_text(
            text.replace("from typing import TypedDict", "from typing_extensions import TypedDict"), "utf-8"
        )
    return root


def edit(root: Path) -> None:
    path = root / EDITED
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(TOUCHED[0], TOUCHED[1].replace("{round}", "again")), encoding="utf-8")
    if path.read_text(encoding="utf-8") == text:
        raise Failed(f"there is nothing to edit in {path}")


def measure(at: Platform, peer: Peer, scratch: Path, rounds: int) -> dict[str, list[tuple[Taken, Taken]]]:
    found: dict[str, list[tuple[Taken, Taken]]] = {"first": [], "one file edited": [], "unchanged": []}
    home = scratch / "peer-home"
    home.mkdir()
    for number in range(rounds + 1):
        ours = Ours(at, project(scratch / f"ours-{number}"))
        theirs = Theirs(at, peer, project(scratch / f"theirs-{number}"), home)
        for what, pairs in found.items():
            if what == "one file edited":
                edit(ours.root)
                edit(theirs.root)
            if what != "unchanged":
                ours.test()
            pair = ours.deploy(), theirs.deploy()
            if number:  # the first round makes base environments, caches and bytecode
                pairs.append(pair)
        ours.remove()
        theirs.remove()
    return found


def summary(pairs: list[tuple[Taken, Taken]]) -> dict[str, object]:
    def ratio(values: list[float]) -> float:
        return round(statistics.median(values), 2)

    def seconds(values: list[float]) -> float:
        return round(statistics.median(values), 2)

    return {
        "flash_command_s": seconds([ours.command for ours, _ in pairs]),
        "flash_until_answers_s": seconds([ours.answering for ours, _ in pairs]),
        "peer_command_s": seconds([theirs.command for _, theirs in pairs]),
        "peer_build_s": seconds([theirs.build for _, theirs in pairs]),
        "peer_until_answers_s": seconds([theirs.answering for _, theirs in pairs]),
        "peer_over_flash": ratio([theirs.command / ours.command for ours, theirs in pairs]),
        "peer_over_flash_until_answers": ratio([theirs.answering / ours.answering for ours, theirs in pairs]),
        "peer_without_build_over_flash_until_answers": ratio(
            [(theirs.answering - theirs.build) / ours.answering for ours, theirs in pairs]
        ),
        "n": len(pairs),
        "pairs_s": [[[round(v, 2) for v in (one.command, one.answering, one.build)] for one in pair] for pair in pairs],
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peer", type=Path, help="where the peer's environment is kept (default: not at all)")
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        peer = Peer((options.peer or scratch / "peer").absolute())
        report: dict[str, object] = {
            "python": platform.python_version(),
            "cpus": os.cpu_count(),
            "load": round(os.getloadavg()[0], 1),
            "peer": f"runpod-flash {peer.install()}",
        }
        (scratch / "home").mkdir()
        with local_platform(scratch / "home") as at:
            found = measure(at, peer, scratch, options.rounds)
    for what, pairs in found.items():
        report[what] = summary(pairs)
    for what, bar in BARS.items():
        report[what] = {**summary(found[what]), "bar": bar}
    report["unchanged"] = {**summary(found["unchanged"]), "bar_s": UNCHANGED_S}
    report["took_s"] = round(time.monotonic() - began)
    RESULTS.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    json.dump(report, sys.stdout, indent=2)


if __name__ == "__main__":
    main()
