from __future__ import annotations

from collections.abc import Mapping

from fakes_deploy import manifest, queue_resource
from hypothesis import given
from hypothesis import strategies as st

from flash.cloud.client import LiveEnvironment
from flash.deploy.plan import (
    CreateEndpoint,
    DeleteEndpoint,
    KeepEndpoint,
    UpdateEndpoint,
    plan,
)
from flash.model.manifest import Manifest


def live(what: Manifest | None, ids: Mapping[str, str] | None = None, digest: str = "d1") -> LiveEnvironment:
    return LiveEnvironment(
        id="env1",
        name="prod",
        app_id="app1",
        active_build_id=None if what is None else "build0",
        manifest=None if what is None else what.model_copy(update={"digest": digest}),
        endpoints=ids if ids is not None else {name: f"id_{name}" for name in ([] if what is None else what.resources)},
    )


NAMES = st.lists(st.sampled_from(["a", "b", "c", "lb_worker"]), unique=True)


@given(NAMES)
def test_a_plan_from_an_app_to_itself_is_empty(names: list[str]):
    """The same artifact is live already."""
    what = manifest(*names)
    assert plan(what, live(what), digest="d1").is_empty


@given(NAMES, NAMES)
def test_a_plan_leads_from_what_is_live_to_what_is_declared(before: list[str], after: list[str]):
    """Carried out, it leaves exactly the endpoints of the manifest."""
    steps = plan(manifest(*after), live(manifest(*before)), digest="d2").steps
    created = {step.name for step in steps if isinstance(step, CreateEndpoint)}
    deleted = {step.name for step in steps if isinstance(step, DeleteEndpoint)}
    assert (set(before) | created) - deleted == set(after)
    assert created.isdisjoint(before)
    assert deleted.isdisjoint(after)


def test_a_first_deployment_creates_everything():
    """There is no environment yet."""
    steps = plan(manifest("gpu"), None, digest="d1")
    assert steps.steps == (CreateEndpoint("gpu", "not there yet"),)
    assert steps.base_build_id is None


def test_new_code_updates_every_endpoint():
    """They share one artifact."""
    steps = plan(manifest("a", "b", fingerprint="f2"), live(manifest("a", "b")), digest="d2").steps
    assert steps == (UpdateEndpoint("a", "new code", "id_a"), UpdateEndpoint("b", "new code", "id_b"))


def test_the_same_code_in_another_artifact_is_an_update_too():
    """Its dependencies changed."""
    (step,) = plan(manifest("a"), live(manifest("a")), digest="d2").steps
    assert step == UpdateEndpoint("a", "new artifact", "id_a")


def test_a_changed_setting_is_shown_with_both_values():
    """In wire spelling, as the manifest has it."""
    (step,) = plan(manifest("a", workers_max=3), live(manifest("a", workers_max=2)), digest="d1").steps
    assert step == UpdateEndpoint("a", "workersMax 2 → 3", "id_a")


def test_a_setting_that_came_or_went_says_none():
    """An unset value is a value too."""
    (step,) = plan(manifest("a", locations="EU-RO-1"), live(manifest("a")), digest="d1").steps
    assert step.reason == "locations none → EU-RO-1"


def test_values_of_variables_are_never_in_a_plan():
    """They may be secrets."""
    text = plan(manifest("a", env={"TOKEN": "hunter2"}), live(manifest("a")), digest="d1").text()
    assert "env changed" in text
    assert "hunter2" not in text


def test_an_endpoint_that_was_never_activated_is_updated_under_its_id():
    """A killed run left it behind."""
    steps = plan(manifest("a"), live(None, {"a": "id_a"}), digest="d1").steps
    assert steps == (UpdateEndpoint("a", "there, but never activated", "id_a"),)


def test_an_endpoint_that_the_project_no_longer_declares_is_deleted():
    """Last, and by name."""
    steps = plan(manifest("a"), live(manifest("a"), {"z": "1", "a": "id_a", "m": "2"}), digest="d1").steps
    assert steps == (
        KeepEndpoint("a", "unchanged", "id_a"),
        DeleteEndpoint("m", "no longer in the project", "2"),
        DeleteEndpoint("z", "no longer in the project", "1"),
    )


def test_an_endpoint_that_lives_elsewhere_is_not_deployed():
    """A client by id calls what somebody else deployed; an image of somebody else's is ours to run."""
    by_id = queue_resource("a", client_mode=True, image_name="")
    by_image = queue_resource("b", client_mode=True, image_name="vllm/vllm:1")
    steps = plan(Manifest(resources={"a": by_id, "b": by_image}), None, digest="d1").steps
    assert [step.name for step in steps] == ["b"]


def test_a_plan_reads_as_text():
    """One line a step."""
    steps = plan(
        manifest("gpu_worker", "new", fingerprint="f2"),
        live(manifest("gpu_worker"), {"gpu_worker": "1", "old": "2"}),
        digest="d2",
    )
    assert steps.text() == (
        "~ update gpu_worker  new code\n"
        "+ create new         not there yet\n"
        "- delete old         no longer in the project"
    )


def test_an_empty_plan_says_so():
    """With the artifact that is live."""
    what = manifest("a")
    assert plan(what, live(what, digest="d" * 64), digest="d" * 64).text() == (
        "nothing would change: artifact dddddddddddd is live"
    )
