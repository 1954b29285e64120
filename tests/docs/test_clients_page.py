"""The page on clients says what they are called with, and its example runs."""

from __future__ import annotations

import asyncio
import inspect
import re
from pathlib import Path
from typing import Any

from fakes_model import RecordingCaller

from flash import Endpoint, EndpointJob
from flash.model.dispatch import override_caller

PAGE = (Path(__file__).parents[2] / "docs/clients.md").read_text(encoding="utf-8")


def test_the_example_runs() -> None:
    """In both kinds of functions."""
    found = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    names: dict[str, Any] = {}
    exec(compile(found[1], "clients.md", "exec"), names)  # noqa: S102  the page is ours
    done = {"id": "j1", "status": "COMPLETED", "output": "short"}
    caller = RecordingCaller(replies=[done, done, {"page": 7}])
    with override_caller(caller):
        assert names["summarise"]("long") == "short"
        assert asyncio.run(names["both"]("long")) == ["short", {"page": 7}]
    assert [request.path for _, request in caller.sent] == ["/runsync?wait=60000", "/run", "/pages/7"]


def test_the_table_has_the_signatures() -> None:
    """Each name, parameter and default."""
    for name in ("run", "runsync", "cancel", "health"):
        parameters = list(inspect.signature(getattr(Endpoint, name)).parameters.values())[1:]
        written = ", ".join(
            each.name if each.default is each.empty else f"{each.name}={each.default!r}" for each in parameters
        )
        assert f"| `{name}({written})` |" in PAGE
    for verb in ("get", "post", "put", "patch", "delete"):
        signature = inspect.signature(getattr(Endpoint, verb))
        assert [each.default for each in signature.parameters.values()][2:] == [None, 60.0]
    for name in ("status", "cancel", "wait"):
        assert f"`{name}(" in PAGE
        assert hasattr(EndpointJob, name)
