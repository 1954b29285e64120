"""Whatever becomes of a request: one version is served, what is reported is true, and the next run converges."""

from __future__ import annotations

import json
import re

import pytest
from faults import cases
from faults.cases import Case
from faults.conftest import Scene
from faults.world import KEY, Outcome

pytestmark = pytest.mark.faults

_TIMEOUT_S = 0.4
_UNCERTAIN = re.compile(r"not known|unknown|cannot be told|may run either version")
"""How an error says that nobody knows what is live, or, where endpoints are switched one by one, that it differs."""


@pytest.mark.parametrize("case", list(cases.faults()), ids=str)
def test_a_fault_leaves_the_old_version_or_the_new_one(scene: Scene, case: Case) -> None:
    """One request goes wrong, or all from there on."""
    outcome = scene.run(case.at, case.fault, persists=case.persists, timeout_s=_TIMEOUT_S)

    if case.is_rolling and _UNCERTAIN.search(outcome.said.get("message", "")):
        assert scene.is_between(), outcome
    else:
        check_told(outcome, scene)
    scene.check_converges()


@pytest.mark.parametrize("case", list(cases.kills()), ids=str)
def test_a_kill_leaves_the_old_version_or_the_new_one(scene: Scene, case: Case) -> None:
    """SIGKILL strikes before a request is heard, or before its answer is."""
    outcome = scene.run(case.at, case.fault)

    assert outcome.status == -9, outcome
    if case.is_rolling:
        assert scene.is_between(), outcome
    else:
        scene.live()
    if case.is_elsewhere:
        # whoever comes from elsewhere cannot know that the run is dead before its lease has ended
        scene.world.pass_time(60)
        scene.check_converges(scene.world.checkout(scene.app))
    # what the journal says of the dead run is no news any more, where another run has cleaned up
    scene.check_converges()


def check_told(outcome: Outcome, scene: Scene) -> None:
    """One version is served; what was reported is which, or that this is not known."""
    try:
        live = scene.live()
    except AssertionError as error:
        pytest.fail(f"{error}; {outcome}", pytrace=False)
    assert KEY not in json.dumps(outcome.said)
    if "crash" in outcome.said:
        pytest.fail(f"crashed: {outcome.said['crash']}", pytrace=False)
    served = {
        "check": scene.before,
        "promote": scene.before,
        "finish": scene.after,
        "deployed": scene.after,
        "roll back": scene.before,
        "put back": scene.before,
        "rolled back": scene.after,
    }
    if live != served[outcome.phase] and not _UNCERTAIN.search(outcome.said.get("message", "")):
        pytest.fail(f"{live} is served, which was not told: {outcome}", pytrace=False)
    if not outcome.has_struck:
        pytest.fail(f"the fault did not strike: FAULTS=record makes the table anew; {outcome}", pytrace=False)
