"""The table of requests is that of the deployer as it is."""

from __future__ import annotations

import json
import os

import pytest
from faults.cases import RECORDED, SCENARIOS, recorded
from faults.conftest import Scene

pytestmark = pytest.mark.faults

# asked until the workers are healthy, or those before them gone: how often is a matter of time
_POLLED = ("getFlashVersions[", "getFlashEnvironmentVersions[", "v2[", "lb[")


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_request_of_a_deployment_is_in_the_table(scene: Scene, scenario: str) -> None:
    """What is sent undisturbed is what is broken in turn; ``FAULTS=record`` writes the table anew."""
    done = scene.run()

    assert done.phase == ("rolled back" if scenario in {"rollback", "put-back"} else "deployed"), done
    assert scene.live() == scene.after
    if os.environ.get("FAULTS") == "record":
        known = recorded() if RECORDED.exists() else {}
        known[scenario] = _stable(done.seen)
        RECORDED.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
    assert _stable(done.seen) == recorded()[scenario], "FAULTS=record pytest tests/faults/test_recorded.py"


def _stable(seen: list[str]) -> list[str]:
    return [name for name in seen if not name.startswith(_POLLED) or name.endswith("[1]")]
