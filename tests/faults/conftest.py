"""One platform for all cases of a process; each case has an app of its own there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from faults.proxy import FAULTS, Plan
from faults.world import NEW, OLD, Outcome, World


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A quick platform, with a proxy before it."""
    world = World(tmp_path_factory.mktemp("faults"))
    yield world
    world.close()


@dataclass
class Scene:
    """An app, a checkout of it, and what is live."""

    world: World
    scenario: str
    app: str
    root: Path
    endpoints_before: set[str]

    @property
    def before(self) -> str | None:
        """What is live before the part that is broken."""
        if self.scenario.endswith("first"):
            return None
        return OLD if self.scenario.endswith("redeploy") else NEW

    @property
    def target(self) -> str:
        """Where it goes: by Flash's extensions, or as to Runpod, where there are none."""
        return "runpod" if self.scenario.startswith("runpod") else "local"

    @property
    def after(self) -> str:
        """What is to be live after it."""
        return OLD if self.scenario in {"rollback", "put-back"} else NEW

    def run(self, at: str = "", fault: str = "", *, persists: bool = False, **job: Any) -> Outcome:
        """Do what the scenario is about, with that fault."""
        plan = Plan()
        if fault == "refused":
            job["refused"] = {"at": at, "persists": persists}
        elif fault:
            plan = Plan(at=at, fault=FAULTS[fault], persists=persists)
        if self.scenario == "rollback":
            plan.is_armed = False
            job["action"] = "roll back"
        elif self.scenario == "put-back":
            job["action"] = "put back"
        return self.world.run(self.root, NEW, plan, target=self.target, **job)

    def live(self) -> str | None:
        """What is served; the old version or the new one, entirely."""
        return self.world.live(self.app, self.before, self.after)

    def is_between(self) -> bool:
        """Whether each endpoint serves the old version or the new one."""
        return self.world.is_between(self.app, self.before, self.after)

    def check_converges(self, root: Path | None = None) -> None:
        """The next run, on a clean connection, makes the new version live and leaves nothing beside it."""
        root = root or self.root
        again = self.world.run(root, NEW, target=self.target)
        if again.phase != "deployed":
            pytest.fail(f"the next run did not converge: {again}", pytrace=False)
        self.world.live(self.app, NEW)
        left = self.world.leftovers(self.app, root, self.endpoints_before)
        if left:
            pytest.fail(f"left over: {'; '.join(left)}\n{again}", pytrace=False)


@pytest.fixture
def scene(world: World, request: pytest.FixtureRequest) -> Iterator[Scene]:
    """What the parameter ``case`` or ``scenario`` begins with."""
    given = request.node.callspec.params
    scenario = given["case"].scenario if "case" in given else given["scenario"]
    app = world.new_name()
    before = world.endpoints()
    root = world.checkout(app)
    scene = Scene(world, scenario, app, root, before)
    versions = [] if scene.before is None else [OLD, NEW] if scenario == "put-back" else [OLD]
    for version in versions:
        done = world.run(root, version, target=scene.target)
        assert done.phase == "deployed", done
    yield scene
    world.forget(app)
