"""How often a deployment asks: over real HTTP, to a real local platform with workers that are ready at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from faults.world import NEW, OLD, World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A platform, and deployers as processes of their own."""
    world = World(tmp_path)
    yield world
    world.close()


def test_an_unchanged_redeployment_asks_four_times(world: World) -> None:
    """The target's check included: is the key right, what is live, in which words, and is anything left beside it."""
    root = world.checkout(world.new_name())
    assert world.run(root, OLD).phase == "deployed"
    again = world.run(root, OLD)
    assert again.phase == "deployed"
    assert again.seen == [
        "getFlashAppByName[1]",
        "getFlashAppByName[2]",
        "getFlashBuild[1]",
        "getFlashEnvironmentVersions[1]",
    ]


def test_no_deployment_asks_the_same_thing_twice(world: World) -> None:
    """But for the target's check, which comes before the build; and what it does, it does once for each endpoint."""
    root = world.checkout(world.new_name())
    first = world.run(root, OLD)
    then = world.run(root, NEW)
    for done in (first, then):
        names = [name.partition("[")[0] for name in done.seen]
        once = ("getFlashBuilds", "getFlashBuild", "acquireFlashLease", "FinalizeArtifactUpload", "upload")
        assert max(names.count(name) for name in once) == 1
        # written when it is activated, and when it is verified
        assert names.count("updateFlashBuildManifest") == 2
        assert names.count("getFlashAppByName") == 2
        assert names.count("saveEndpoint") <= 3


def test_an_artifact_that_is_there_is_not_sent_again_from_another_checkout(world: World) -> None:
    """It is found by its digest."""
    app = world.new_name()
    for version in (OLD, NEW):
        world.run(world.checkout(app), version)
    again = world.run(world.checkout(app), OLD)
    assert again.phase == "deployed"
    assert not [name for name in again.seen if "upload" in name.lower() and not name.startswith("Finalize")]
