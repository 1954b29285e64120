"""The commands' half of Runpod, as exchanges: promoted, listed, removed; scoped, and strict on everything else."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes_deploy import manifest
from fakes_runpod import KEY, RUNPOD, Runpod

from flash.cli.services import RealServices
from flash.errors import FlashError, NotFound, Refused, SettingsError
from flash.model.manifest import Artifact, Manifest
from flash.preview import promote
from flash.project import Project, console_url, load_project, runpod_services

ONE = "1" * 64


@pytest.fixture
def runpod() -> Iterator[Runpod]:
    """Runpod, as its contract describes it."""
    with Runpod().answering() as answering:
        yield answering


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project with a key, and none of the variables that move the hosts."""
    for name in ("API_BASE_URL", "ENDPOINT_BASE_URL", "REST_API_URL", "HAPI_URL", "CONSOLE_URL"):
        monkeypatch.delenv(f"RUNPOD_{name}", raising=False)
    for name in ("FLASH_LB_BASE_URL", "CONSOLE_BASE_URL", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RUNPOD_API_KEY", KEY)
    root = tmp_path / "demo"
    root.mkdir()
    (root / "pyproject.toml").write_text('[tool.flash]\napp = "demo"\n')
    return load_project(root)


def artifact(project: Project, what: Manifest, digest: str = ONE) -> Artifact:
    path = project.make_flash_dir() / f"{digest[:6]}.tar.gz"
    path.write_bytes(gzip.compress(digest.encode(), mtime=0))
    return Artifact(path=path, sha256=digest, size_bytes=path.stat().st_size, manifest=what, files=())


def deploy(project: Project, what: Manifest, digest: str = ONE, environment: str = "production", **options: Any) -> Any:
    promotion = promote.promote(
        project,
        artifact(project, what, digest),
        environment=environment,
        target="runpod",
        report=lambda _: None,
        **options,
    )
    promotion.finish()
    return promotion


def test_a_target_on_runpod_is_asked_something_harmless_before_anything_is_built(project: Project, runpod: Runpod):
    """One query, which tells a wrong key."""
    promote.check_target(project, "production", "runpod", report=lambda _: None)
    assert runpod.told == ["getFlashAppByName"]


def test_a_promotion_goes_to_the_real_hosts(project: Project, runpod: Runpod):
    """And the endpoints' URLs are those of the contract."""
    promotion = deploy(project, manifest("gpu_worker", "lb_worker"))

    assert {endpoint.name: endpoint.url for endpoint in promotion.deployment.endpoints} == {
        "gpu_worker": f"https://api.runpod.ai/v2/{runpod.live('production')['gpu_worker'].id}",
        "lb_worker": f"https://{runpod.live('production')['lb_worker'].id}.api.runpod.ai",
    }
    assert promotion.attachment.backend == "runpod"
    assert not promotion.is_local


def test_an_unchanged_promotion_costs_four_requests_at_most(project: Project, runpod: Runpod):
    """The target's check included, and none of them changes anything."""
    deploy(project, manifest("gpu_worker"))
    runpod.told.clear()
    runpod.requests.clear()

    promote.check_target(project, "production", "runpod", report=lambda _: None)
    deploy(project, manifest("gpu_worker"))

    assert len(runpod.told) <= 4, runpod.told
    assert runpod.mutations == []


def test_an_endpoint_that_would_go_is_refused_before_anything_is_made(project: Project, runpod: Runpod):
    """And goes, with its workers first, where that is allowed."""
    deploy(project, manifest("one", "two"))
    before = dict(runpod.endpoints)
    runpod.told.clear()
    runpod.requests.clear()

    with pytest.raises(Refused, match="would lose 1 endpoint"):
        deploy(project, manifest("one"), "2" * 64)
    assert runpod.mutations == []
    assert runpod.endpoints == before

    deploy(project, manifest("one"), "2" * 64, allow_delete=True)
    assert set(runpod.live("production")) == {"one"}


def test_a_digest_that_the_platform_has_is_not_uploaded_again(project: Project, runpod: Runpod):
    """For another environment of the app, a build is made of the same object."""
    deploy(project, manifest("gpu_worker"))
    deploy(project, manifest("gpu_worker"), environment="staging")
    assert runpod.told.count("PUT upload") == 1


def test_undeploying_removes_one_environment(project: Project, runpod: Runpod):
    """Other environments, other apps and what no app has are never even looked at."""
    deploy(project, manifest("gpu_worker"))
    deploy(project, manifest("gpu_worker"), environment="staging")
    runpod.told.clear()
    runpod.requests.clear()

    gone = promote.undeploy(project, environment="production", target="runpod", report=lambda _: None)

    assert gone == ("gpu_worker",)
    assert set(runpod.live("staging")) == {"gpu_worker"}
    assert "getFlashApps" not in runpod.told
    assert runpod.told.count("deleteEndpoint") == 1


def test_what_is_not_there_cannot_be_undeployed(project: Project, runpod: Runpod):
    """Nothing is changed to find that out."""
    with pytest.raises(NotFound):
        promote.undeploy(project, environment="production", target="runpod", report=lambda _: None)
    assert runpod.mutations == []


def test_environments_are_listed_made_and_shown(project: Project, runpod: Runpod):
    """``flash env``, by the contract's operations."""
    services = RealServices()
    address = services.address(project, "runpod")
    assert address == RUNPOD

    services.create_environment(project, address, "try")
    deploy(project, manifest("gpu_worker"))

    assert [live.name for live in services.environments(project, address)] == ["try", "production"]
    live = services.environment(project, address, "production")
    assert live is not None
    assert set(live.endpoints) == {"gpu_worker"}


def test_an_app_goes_with_its_environments_and_nothing_else(project: Project, runpod: Runpod):
    """``flash app delete``: endpoints, environments, app, in this order."""
    services = RealServices()
    deploy(project, manifest("gpu_worker"))
    runpod.apps["other"] = "app-other"
    runpod.told.clear()
    runpod.requests.clear()

    gone = services.delete_app(project, RUNPOD, report=lambda _: None)

    assert gone == ("production",)
    assert list(runpod.apps) == ["other"]
    kept = [one for one in runpod.mutations if one.startswith("delete")]
    assert kept == ["deleteEndpoint", "deleteFlashEnvironment", "deleteFlashEnvironment", "deleteFlashApp"]


def test_an_app_whose_name_somebody_else_has_is_told(project: Project, runpod: Runpod):
    """The platform refuses it, and it is not among ours."""
    runpod.fails["createFlashApp"] = ["an app named 'demo' already exists"] * 9
    with pytest.raises(FlashError, match="already exists") as caught:
        deploy(project, manifest("gpu_worker"))
    assert "choose another" in caught.value.hint
    assert runpod.environments == {}


@pytest.mark.parametrize("name", ["", " ", "x" * 300, "a/b", "naïve", "a\nb", "-x"])
def test_an_app_name_that_cannot_be_is_told_before_any_request(name: str, tmp_path: Path, runpod: Runpod):
    """1 to 63 characters, as for endpoints."""
    (tmp_path / "pyproject.toml").write_text("[tool.flash]\n")
    with pytest.raises(SettingsError) as caught:
        load_project(tmp_path, app=name)
    assert len(str(caught.value)) < 1000
    assert runpod.told == []


def test_another_platforms_key_is_not_sent_to_runpods_other_hosts(monkeypatch: pytest.MonkeyPatch, project: Project):
    """Where the control plane is elsewhere, so are the rest, or nowhere."""
    assert runpod_services() == ("https://rest.runpod.io/v1", "https://hapi.runpod.net")
    monkeypatch.setenv("RUNPOD_API_BASE_URL", "http://127.0.0.1:1")
    assert runpod_services() == ("", "")
    monkeypatch.setenv("RUNPOD_REST_API_URL", "http://127.0.0.1:1/v1/")
    assert runpod_services() == ("http://127.0.0.1:1/v1", "")


def test_the_console_has_two_variables(monkeypatch: pytest.MonkeyPatch, project: Project):
    """The older one still counts."""
    assert console_url() == "https://console.runpod.io"
    monkeypatch.setenv("CONSOLE_BASE_URL", "https://old.example")
    assert console_url() == "https://old.example"
    monkeypatch.setenv("RUNPOD_CONSOLE_URL", "https://new.example/")
    assert console_url() == "https://new.example"


def test_a_check_of_the_target_tells_hosts_of_two_platforms(
    project: Project, runpod: Runpod, monkeypatch: pytest.MonkeyPatch
):
    """On the channel that the run reports on."""
    monkeypatch.setenv("RUNPOD_API_BASE_URL", "https://api.runpod.io")
    lines: list[str] = []
    promote.check_target(project, "production", "runpod", report=lines.append)
    assert [line[:32] for line in lines] == ["! RUNPOD_API_BASE_URL is set and"]


def test_volumes_without_a_rest_host_are_told(project: Project, runpod: Runpod, monkeypatch: pytest.MonkeyPatch):
    """Only where one has to be looked for."""
    monkeypatch.setenv("RUNPOD_URL_MIXED_OK", "1")
    monkeypatch.setenv("RUNPOD_API_BASE_URL", "https://api.runpod.io")
    what = manifest("gpu_worker", network_volumes=[{"name": "models", "dataCenterId": "EU-RO-1"}])
    with pytest.raises(FlashError, match="has no network volumes") as caught:
        deploy(project, what)
    assert "RUNPOD_REST_API_URL" in caught.value.hint
