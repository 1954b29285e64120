"""Reports of runs that nobody made: deployed, refused, rolled back, failed."""

from __future__ import annotations

from typing import Any

from flash.report.document import (
    Artifact,
    Case,
    Condition,
    Distribution,
    Endpoint,
    Failure,
    Git,
    Lock,
    Log,
    Report,
    Rollback,
    Stage,
)

DIGEST = "5f" * 32
BEFORE = "0a" * 32
SMOKE = "tests/test_endpoints.py::test_the_api_calls_the_other_endpoint"

_CONDITIONS = (
    ("FLASH-G001", "at least one test or contract check passed", "14 passed"),
    ("FLASH-G002", "nothing failed", "no failure, no error"),
    ("FLASH-G003", "the run came to its end", "16 tests had an outcome"),
    ("FLASH-G004", "nothing was deselected", "all tests that were collected ran"),
    ("FLASH-G005", "the run covers the project", "no argument narrows it"),
    ("FLASH-G006", "the contract checks passed", "3 endpoints checked"),
    ("FLASH-G007", "the artifact is the one that was tested", "digest 5f5f5f5f5f5f"),
    ("FLASH-G008", "it was tested with its own wheels", "the preview ran what the artifact holds"),
)


def conditions(**refused: str) -> tuple[Condition, ...]:
    """All conditions; those that are named by number (``G004``) are refused, with that evidence."""
    return tuple(
        Condition(
            code=code,
            title=title,
            outcome="refused" if code[-4:] in refused else "pass",
            evidence=(refused.get(code[-4:], evidence),),
            remedy="run without -k, -m, --lf, --deselect" if code[-4:] in refused else "",
        )
        for code, title, evidence in _CONDITIONS
    )


def stage(name: str, start: float, took: float, message: str = "", **more: Any) -> Stage:
    """A stage that began *start* seconds into the run."""
    given = {"outcome": "passed", **more}
    at = f"2026-11-23T09:00:{start:06.3f}Z"
    return Stage(id=f"flash::{name}", message=message, started_at=at, duration_s=took, **given)


ENDPOINTS = (
    Endpoint(
        name="lb_worker",
        kind="load-balanced",
        id="abc123abc123ab",
        url="http://127.0.0.1:8787/lb/abc123abc123ab",
        routes=("POST /process", "GET /health"),
        example={"input": {}},
    ),
    Endpoint(
        name="gpu_worker",
        kind="queue",
        id="def456def456de",
        url="http://127.0.0.1:8787/v2/def456def456de",
        example={"input": {"name": "Ada"}},
    ),
    Endpoint(
        name="cpu_worker",
        kind="queue",
        id="ghi789ghi789gh",
        url="http://127.0.0.1:8787/v2/ghi789ghi789gh",
        example={"input": {}},
    ),
)


def case(nodeid: str, outcome: str = "passed", took: float = 0.02, **more: Any) -> Case:
    """A test or a check."""
    path = None if nodeid.startswith("flash::") else nodeid.partition("::")[0]
    return Case.model_validate({"id": nodeid, "outcome": outcome, "duration_s": took, "path": path, **more})


CONTRACT = (
    case("flash::contract[lb_worker/process]", took=0.61),
    case("flash::contract[lb_worker/health]", took=0.04),
    case("flash::contract[gpu_worker]", took=0.48),
    case("flash::contract[cpu_worker]", took=0.39, untyped="the return value has no type"),
)
TESTS = (
    *(case(f"tests/test_endpoints.py::test_an_empty_input_greets_the_world[{name}]") for name in ("gpu", "cpu")),
    case(SMOKE, took=0.12, line=17),
    *(case(f"tests/test_endpoints.py::test_the_api_needs_no_input[body{number}]") for number in range(8)),
    case("tests/test_endpoints.py::test_live", "skipped", 0.0, reason="runs after promotion"),
    case("tests/test_endpoints.py::test_french", "xfailed", 0.03, reason="accents are lost, issue 17"),
)


def hourly(idle: float | None, worst: float | None) -> dict[str, Any]:
    """A cost as plans have it."""
    return {"idle_per_hour": idle, "worst_case_per_hour": worst, "unknown": [] if idle is not None else ["CPU workers"]}


PLAN = {
    "format": 1,
    "is_empty": False,
    "steps": [
        {
            "action": "update",
            "name": "gpu_worker",
            "reasons": ["new code", "workersMax 2 → 3"],
            "cost": hourly(0, 2.74),
        },
        {"action": "create", "name": "lb_worker", "reasons": ["not there yet"], "cost": hourly(None, None)},
        {"action": "keep", "name": "cpu_worker", "reasons": ["unchanged"], "cost": hourly(None, None)},
    ],
    "cost": hourly(None, None),
    "prices": {"as_of": "2026-08-14"},
}

_COMMON: dict[str, Any] = {
    "generator": "pytest-flash 1.0",
    "app": "quickstart",
    "environment": "production",
    "target": "local",
    "digest": DIGEST,
    "started_at": "2026-11-23T09:00:00.000Z",
    "artifact": Artifact(digest=DIGEST, size_bytes=4_404_019, files=212, python="3.11"),
    "lock": Lock(
        digest="c0" * 32,
        distributions=(
            Distribution(name="python-slugify", version="8.0.4"),
            Distribution(name="rapidfuzz", version="3.14.3"),
        ),
    ),
    "git": Git(commit="3f" * 20, branch="main", is_dirty=False),
    "contract": CONTRACT,
    "tests": TESTS,
    "tests_started_at": "2026-11-23T09:00:05.100Z",
    "tests_duration_s": 2.2,
    "untyped": {"flash::contract[cpu_worker]": "the return value has no type"},
}
_BUILT = (
    stage("build", 0.0, 2.4, f"sha256:{DIGEST}"),
    stage("preview[process]", 2.4, 2.6, "http://127.0.0.1:40123"),
)
_NOTES = (
    "skipped: tests/test_endpoints.py::test_live (runs after promotion)",
    "failed as expected: tests/test_endpoints.py::test_french (accents are lost, issue 17)",
)


def deployed(**changes: Any) -> Report:
    """All went well."""
    return Report(
        **{
            **_COMMON,
            "outcome": "deployed",
            "previous_digest": BEFORE,
            "duration_s": 12.6,
            "stages": (
                *_BUILT,
                stage("deploy[production]", 7.4, 4.1),
                stage("smoke[production]", 11.5, 1.1, "6 passed, 1 skipped"),
            ),
            "gate": conditions(),
            "gate_outcome": "pass",
            "gate_notes": _NOTES,
            "plan": PLAN,
            "endpoints": ENDPOINTS,
            "smoke": (case(SMOKE, took=0.2), case("tests/test_endpoints.py::test_live", took=0.01)),
            **changes,
        }
    )


def refused(**changes: Any) -> Report:
    """Tests were left out."""
    return Report(
        **{
            **_COMMON,
            "outcome": "refused",
            "duration_s": 7.4,
            "stages": (
                *_BUILT,
                stage(
                    "deploy[production]", 7.4, 0.0, "the gate refused: FLASH-G004 11 tests deselected", outcome="failed"
                ),
            ),
            "gate": conditions(G004="11 tests deselected"),
            "gate_outcome": "refused",
            "gate_notes": _NOTES,
            "tests": TESTS[:1],
            "error": Failure(message="the gate refused: FLASH-G004 11 tests deselected"),
            **changes,
        }
    )


_FAILURE = """\
    @pytest.mark.flash_smoke
    def test_the_api_calls_the_other_endpoint(flash_endpoint):
        response = flash_endpoint("lb_worker").post("/process", json={"input": {"name": "Ada"}})

>       assert response.status_code == 200
E       assert 500 == 200
E        +  where 500 = <Response [500 Internal Server Error]>.status_code

tests/test_endpoints.py:21: AssertionError"""


def rolled_back(**changes: Any) -> Report:
    """A smoke test failed."""
    why = f"1 smoke test failed: {SMOKE}"
    live = "build 7k2m (artifact 0a0a0a0a0a0a) is live in production again"
    return Report(
        **{
            **_COMMON,
            "outcome": "rolled-back",
            "previous_digest": BEFORE,
            "duration_s": 14.9,
            "stages": (
                *_BUILT,
                stage("deploy[production]", 7.4, 4.1),
                stage("smoke[production]", 11.5, 1.3, why, outcome="failed"),
                stage("rollback[production]", 12.8, 2.1, live),
            ),
            "gate": conditions(),
            "gate_outcome": "pass",
            "gate_notes": _NOTES,
            "error": Failure(message=why, detail=f"1 failed, 5 passed\nfailed {SMOKE}"),
            "live": live,
            "rollback": Rollback(outcome="restored", because=why, live=live),
            "plan": PLAN,
            "smoke": (
                case(SMOKE, "failed", 0.2, reason="assert 500 == 200", text=_FAILURE, line=21),
                case("tests/test_endpoints.py::test_live", took=0.01),
            ),
            "logs": (
                Log(
                    endpoint="lb_worker",
                    of=SMOKE,
                    lines=(
                        "starting lb_worker",
                        "POST /process",
                        "Traceback (most recent call last):",
                        '  File "/app/lb_worker.py", line 14, in process',
                        "    greeting = await cpu_hello(name=name)",
                        "flash.errors.RemoteError: endpoint 'cpu_worker': KeyError: 'GREETINGS'",
                    ),
                ),
            ),
            **changes,
        }
    )


def failed(**changes: Any) -> Report:
    """A worker died in the preview."""
    message = "endpoint 'gpu_worker': exited with status 1: ModuleNotFoundError: No module named 'transformers'"
    hint = "import packages inside the endpoint function, and name them in dependencies=[...]"
    tail = (
        "Traceback (most recent call last):",
        '  File "/app/gpu_worker.py", line 3, in <module>',
        "    import transformers",
        "ModuleNotFoundError: No module named 'transformers'",
    )
    return Report(
        **{
            **_COMMON,
            "outcome": "failed",
            "duration_s": 4.0,
            "stages": (_BUILT[0], stage("preview[process]", 2.4, 1.6, message, outcome="failed", hint=hint)),
            "contract": (),
            "tests": (),
            "tests_started_at": None,
            "tests_duration_s": 0.0,
            "untyped": {},
            "error": Failure(message=message, hint=hint, detail="\n".join(tail)),
            "logs": (Log(endpoint="gpu_worker", of="flash::preview[process]", lines=tail),),
            **changes,
        }
    )


ALL = {"deployed": deployed, "refused": refused, "rolled-back": rolled_back, "failed": failed}
