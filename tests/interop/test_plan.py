"""What ``runpod-flash`` deployed is planned over as what it is: nothing of how it writes a manifest is a difference."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from interop.conftest import Local, Terminal, ours

pytestmark = [pytest.mark.interop, pytest.mark.xdist_group("interop-plan")]

APP = {
    "pyproject.toml": """
        [tool.flash]
        app = "taken"
        python = "3.11"
    """,
    "workers.py": """
        from runpod_flash import Endpoint, GpuGroup


        @Endpoint(name="echo", cpu="cpu3c-1-2", env={"MODE": "quick"})
        async def echo(text: str = "nothing") -> dict:
            return {"said": text}


        @Endpoint(name="gpu", gpu=GpuGroup.AMPERE_16, workers=(0, 3), idle_timeout=30)
        async def gpu(text: str = "nothing") -> dict:
            return {"said": text}
    """,
    "web.py": """
        from runpod_flash import Endpoint

        api = Endpoint(name="web", cpu="cpu3c-1-2", workers=(1, 2))


        @api.post("/sum")
        async def add(numbers: list[int], plus: int = 0) -> dict:
            return {"sum": sum(numbers) + plus}
    """,
}


def plan(app: Terminal, local: Local) -> dict[str, Any]:
    """What our ``flash plan`` says."""
    said = ours(local.home, "plan", "--env", "production", "--target", "local", "--json", cwd=app.root)
    return dict(json.loads(said))


def test_what_the_peer_deployed_is_taken_over_in_place(terminal: Terminal, local: Local) -> None:
    """The plan has no settings that differ, the ids stay, and afterwards there is nothing left to do."""
    app = replace(terminal, root=terminal.root / "taken")
    app.write(APP)
    app.flash("deploy", "--python-version", "3.11")
    before = app.ids

    first = plan(app, local)

    images = {"echo": "runpod/flash-cpu", "gpu": "runpod/flash", "web": "runpod/flash-lb-cpu"}
    # it packs for the Python that it is told, and runs that on images of its default: a difference indeed
    assert {step["name"]: step["reasons"] for step in first["steps"]} == {
        name: [f"imageName {image}:py3.12-latest → {image}:py3.11-latest", "what it runs was not deployed by Flash"]
        for name, image in images.items()
    }
    assert {step["name"]: step["id"] for step in first["steps"]} == before

    ours(local.home, "deploy", "--env", "production", "--target", "local", "--no-gate", cwd=app.root)
    done = plan(app, local)
    assert (done["is_empty"], done["summary"]["keep"]) == (True, 3)
    assert {step["name"]: step["id"] for step in done["steps"]} == before
