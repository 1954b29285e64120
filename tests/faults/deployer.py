"""Deploys when it is told to, each time in a process of its own that can be killed, without paying for the imports.

Run as a program: it reads a job a line, ``{"root", "home", "artifact", "environment", "action", …}``, forks, says the
process's id, and says how it ended. What is not Flash's here: pauses are short, an answer is waited for no longer than
the job says, the clock goes on as if they had been long, and one request may find nobody who listens.
"""

from __future__ import annotations

import faulthandler
import json
import os
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

_sleep, _monotonic = time.sleep, time.monotonic
_LONGEST_PAUSE_S = 0.02
_LONGEST_RUN_S = 60.0
_skipped_s = 0.0


def _skip(seconds: float) -> None:
    global _skipped_s
    _skipped_s += max(0.0, seconds)


def _short_sleep(seconds: float) -> None:
    _sleep(min(seconds, _LONGEST_PAUSE_S))
    _skip(seconds - _LONGEST_PAUSE_S)


# before anything of Flash's is imported: they are the defaults of its arguments
time.sleep, time.monotonic = _short_sleep, lambda: _monotonic() + _skipped_s

import httpx  # noqa: E402
from faults.proxy import ARM, HEALTH, operation_of  # noqa: E402

import flash.cli.main  # noqa: E402, F401  so that no run pays for it
from flash.cloud.address import PlatformAddress  # noqa: E402
from flash.cloud.client import PlatformClient  # noqa: E402
from flash.errors import FlashError  # noqa: E402
from flash.model.manifest import Artifact, Manifest  # noqa: E402
from flash.preview import history  # noqa: E402
from flash.preview import promote as promotion  # noqa: E402
from flash.project import load_project  # noqa: E402

# what the first client of a process loads, every run has
PlatformClient(PlatformAddress("http://127.0.0.1", "http://127.0.0.1/v2", "http://127.0.0.1/lb", "")).close()


def main() -> None:
    """Take jobs until there are no more."""
    for line in sys.stdin:
        job = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _run(job)
        _say({"pid": pid})
        _, status = os.waitpid(pid, 0)
        _say({"status": os.waitstatus_to_exitcode(status)})


def _say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def _run(job: dict[str, Any]) -> None:
    said: dict[str, Any] = {"lines": []}
    hung = Path(job["said"] + ".hung").open("w", encoding="utf-8")  # noqa: SIM115  written to at the very end
    faulthandler.dump_traceback_later(_LONGEST_RUN_S, exit=True, file=hung)
    try:
        os.environ.update(job["variables"])
        _reroute(job, said)
        _deploy(job, said)
    except FlashError as error:
        said |= {"error": type(error).__name__, "message": str(error), "detail": getattr(error, "detail", "")}
    except BaseException:  # noqa: BLE001  whatever it was, it is a result
        said["crash"] = traceback.format_exc()
    part = Path(job["said"] + ".part")
    part.write_text(json.dumps(said), encoding="utf-8")
    part.replace(job["said"])
    os._exit(0)


def _deploy(job: dict[str, Any], said: dict[str, Any]) -> None:
    project = load_project(Path(job["root"]))
    given = dict(job["artifact"])
    artifact = Artifact(
        path=Path(given["path"]),
        sha256=given["sha256"],
        size_bytes=given["size_bytes"],
        manifest=Manifest.parse(given["manifest"]),
        files=tuple(given["files"]),
    )
    report = said["lines"].append
    said["phase"] = "check"
    if job.get("checks", True):
        promotion.check_target(project, job["environment"], job["target"], report=report)
    if job["action"] == "put back":
        said["phase"] = "put back"
        history.roll_back(
            project, "1", environment=job["environment"], target=job["target"], report=report, allow_delete=True
        )
        said["phase"] = "rolled back"
        return
    said["phase"] = "promote"
    live = promotion.promote(
        project,
        artifact,
        environment=job["environment"],
        target=job["target"],
        report=report,
        allow_delete=True,
    )
    if job["action"] == "deploy":
        said["phase"] = "finish"
        live.finish()
        said["phase"] = "deployed"
        return
    httpx.get(f"{job['proxy']}{ARM}", trust_env=False).raise_for_status()
    said["phase"] = "roll back"
    said["rolled back"] = live.roll_back(report=report)
    said["phase"] = "rolled back"


def _reroute(job: dict[str, Any], said: dict[str, Any]) -> None:
    """Let no answer take long, and one request, or all from there on, find nobody who listens."""
    send = httpx.HTTPTransport.handle_request
    counts: Counter[str] = Counter()
    state = {"armed": job["action"] != "roll back"}
    timeout_s, refused = job.get("timeout_s"), job.get("refused") or {}

    def handle(self: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path == ARM:
            state["armed"] = True
        elif path != HEALTH and state["armed"] and refused:
            body = request.read() if path == "/graphql" else b""
            operation = operation_of(request.method, path, body)
            counts[operation] += 1
            if f"{operation}[{counts[operation]}]" == refused["at"] or (said.get("refused") and refused["persists"]):
                said["refused"] = True
                request.url = request.url.copy_with(port=refused["port"])
        given: dict[str, Any] = {}
        if timeout_s is not None:
            given = request.extensions.get("timeout", {})
            request.extensions["timeout"] = {
                kind: min(given.get(kind) or timeout_s, timeout_s) for kind in ("connect", "read", "write", "pool")
            }
        try:
            return send(self, request)
        except httpx.ReadTimeout:
            # so long it would have waited
            _skip((given.get("read") or 0.0) - (timeout_s or 0.0))
            raise

    httpx.HTTPTransport.handle_request = handle  # type: ignore[method-assign]


if __name__ == "__main__":
    main()
