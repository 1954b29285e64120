"""The values of secrets: looked up where a deployment starts, given to the platform's templates, told to nobody."""

from __future__ import annotations

import gzip
import json
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes_deploy import manifest
from fakes_runpod import KEY, Runpod
from fakes_secrets import Maker, known_shapes, private_keys

from flash.deploy.secrets import Secrets, users_of
from flash.emulator.access import Access
from flash.errors import FlashError, PlatformError, SettingsError
from flash.model.manifest import Artifact, Manifest
from flash.preview import history, planning, promote
from flash.preview.describer import declared_environment
from flash.project import Project, known_secrets, load_project, secret_values

ONE, TWO = "1" * 64, "2" * 64
OLD, NEW = Maker(21).mixed(24), Maker(22).mixed(24)


@pytest.fixture
def runpod() -> Iterator[Runpod]:
    """Runpod, as its contract describes it."""
    with Runpod().answering() as answering:
        yield answering


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project with a key, and without secrets."""
    for name in ("API_BASE_URL", "ENDPOINT_BASE_URL", "REST_API_URL", "HAPI_URL", "CONSOLE_URL"):
        monkeypatch.delenv(f"RUNPOD_{name}", raising=False)
    for name in (
        "FLASH_LB_BASE_URL",
        "HTTPS_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
        "HF_TOKEN",
        "DB_PASSWORD",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RUNPOD_API_KEY", KEY)
    root = tmp_path / "demo"
    root.mkdir()
    (root / "pyproject.toml").write_text('[tool.flash]\napp = "demo"\n')
    return load_project(root)


def released(project: Project, what: Manifest, digest: str) -> Artifact:
    path = project.make_flash_dir() / f"{digest[:6]}.tar.gz"
    path.write_bytes(gzip.compress(digest.encode(), mtime=0))
    return Artifact(path=path, sha256=digest, size_bytes=path.stat().st_size, manifest=what, files=())


def deploy(project: Project, what: Manifest, digest: str = ONE, said: list[str] | None = None) -> Any:
    promotion = promote.promote(
        project,
        released(project, what, digest),
        environment="production",
        target="runpod",
        report=[].append if said is None else said.append,
    )
    promotion.finish()
    return promotion


def with_secret(**references: str) -> Manifest:
    return manifest("gpu", secrets=references or {"TOKEN": "HF_TOKEN"})


def test_a_secret_reaches_the_template_and_nothing_else(
    project: Project, runpod: Runpod, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the manifest that the platform keeps, nor a line of the report, nor a file of the project's."""
    monkeypatch.setenv("HF_TOKEN", OLD)
    said: list[str] = []
    promotion = deploy(project, with_secret(), said=said)
    assert runpod.variables("production", "gpu")["TOKEN"] == OLD
    kept = json.dumps(runpod.sent("FinalizeArtifactUpload")) + json.dumps(runpod.sent("updateFlashBuildManifest"))
    assert "HF_TOKEN" in kept
    for text in (kept, *said, repr(promotion), str(promotion.plan), json.dumps(promotion.plan.as_json())):
        assert OLD not in text
    for file in project.root.rglob("*"):
        assert not file.is_file() or OLD.encode() not in file.read_bytes()


def test_a_missing_secret_is_told_before_anything_changes(project: Project, runpod: Runpod) -> None:
    """With its endpoint; all that are missing at once."""
    with pytest.raises(SettingsError) as caught:
        deploy(project, manifest("gpu", "cpu", secrets={"TOKEN": "HF_TOKEN", "PASSWORD": "DB_PASSWORD"}))
    assert "'HF_TOKEN' of gpu, cpu; 'DB_PASSWORD' of gpu, cpu" in str(caught.value)
    assert runpod.mutations == []


def test_the_environment_wins_over_the_file_and_an_empty_value_is_none(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is with the key."""
    (project.root / ".env").write_text(f"HF_TOKEN={OLD}\nDB_PASSWORD=' '\n")
    assert known_secrets(project, ["HF_TOKEN", "DB_PASSWORD"]) == {"HF_TOKEN": OLD}
    monkeypatch.setenv("HF_TOKEN", NEW)
    assert secret_values(project, {"HF_TOKEN": ["gpu"]}) == {"HF_TOKEN": NEW}
    monkeypatch.setenv("HF_TOKEN", "  ")
    assert known_secrets(project, ["HF_TOKEN"]) == {"HF_TOKEN": OLD}


def test_a_changed_value_is_a_change_of_the_endpoint(
    project: Project, runpod: Runpod, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the same artifact: the plan says so, without the value, and the deployment brings it."""
    monkeypatch.setenv("HF_TOKEN", OLD)
    deploy(project, with_secret())
    same = planning.make_plan(project, with_secret(), digest=ONE, environment="production", target="runpod")
    assert same.is_empty
    monkeypatch.setenv("HF_TOKEN", NEW)
    plan = planning.make_plan(project, with_secret(), digest=ONE, environment="production", target="runpod")
    assert plan.updated == ("gpu",)
    assert "env: the secret of TOKEN has another value" in plan.text()
    assert OLD not in plan.text()
    assert NEW not in plan.text()
    deploy(project, with_secret())
    assert runpod.variables("production", "gpu")["TOKEN"] == NEW
    monkeypatch.delenv("HF_TOKEN")
    untold = planning.make_plan(project, with_secret(), digest=ONE, environment="production", target="runpod")
    assert "secret 'HF_TOKEN' of gpu is not set here" in untold.text()


def test_what_is_put_back_has_its_own_value_again(
    project: Project, runpod: Runpod, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong one may be why it is put back."""
    monkeypatch.setenv("HF_TOKEN", OLD)
    deploy(project, with_secret())
    monkeypatch.setenv("HF_TOKEN", NEW)
    promotion = promote.promote(
        project, released(project, with_secret(), TWO), environment="production", target="runpod", report=[].append
    )
    assert runpod.variables("production", "gpu")["TOKEN"] == NEW
    promotion.roll_back(report=[].append)
    assert runpod.variables("production", "gpu")["TOKEN"] == OLD


def test_the_way_back_is_open_without_the_value(
    project: Project, runpod: Runpod, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who rolls back need not have it: what is live is kept."""
    monkeypatch.setenv("HF_TOKEN", OLD)
    deploy(project, with_secret())
    deploy(project, with_secret(), TWO)
    monkeypatch.delenv("HF_TOKEN")
    history.roll_back(project, "", environment="production", target="runpod", report=[].append)
    assert runpod.variables("production", "gpu")["TOKEN"] == OLD


def test_a_secret_that_is_declared_no_longer_goes_from_the_template(
    project: Project, runpod: Runpod, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a variable does."""
    monkeypatch.setenv("HF_TOKEN", OLD)
    deploy(project, with_secret())
    deploy(project, manifest("gpu", fingerprint="f2"), TWO)
    assert "TOKEN" not in runpod.variables("production", "gpu")


def test_an_answer_that_quotes_the_value_is_told_without_it(
    project: Project, runpod: Runpod, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the error, in those that it came from, and in a traceback."""
    monkeypatch.setenv("HF_TOKEN", OLD)
    runpod.fails["saveEndpoint"] = f'Variable "$input" got invalid value {{"env": [{{"value": "{OLD}"}}]}}'
    with pytest.raises(FlashError) as caught:
        deploy(project, with_secret())
    told = "".join(traceback.format_exception(caught.value))
    assert "***" in str(caught.value)
    assert OLD not in told


def refuse(value: str, secrets: Secrets) -> None:
    with secrets.hidden():
        try:
            raise ValueError(value)
        except ValueError as error:
            raise PlatformError("no", detail=f"sent: {value}") from error


@pytest.mark.parametrize("value", [*known_shapes().values(), *private_keys().values(), 'a"b\\c%d/e f'])
def test_values_are_hidden_however_they_are_written(value: str) -> None:
    """Quoted, escaped, in a URL, line by line, and in the causes of an error."""
    secrets = Secrets.of(with_secret(), {"HF_TOKEN": value})
    for text in (value, repr(value), json.dumps({"env": value}), *value.splitlines()):
        assert len(text) < 5 or value.strip() not in secrets.hide(f"it said {text}!")
        assert "***" in secrets.hide(f"it said {text}!") or len(text) < 5
    said: list[str] = []
    secrets.telling(said.append)(f"gpu printed {value}")
    with pytest.raises(PlatformError) as caught:
        refuse(value, secrets)
    assert value not in "".join([*said, *traceback.format_exception(caught.value), repr(secrets)])


def test_a_short_value_is_hidden_nowhere() -> None:
    """It is a part of every second word."""
    assert Secrets.of(with_secret(), {"HF_TOKEN": "a"}).hide("a banana") == "a banana"


def test_the_local_platform_hides_what_its_workers_print() -> None:
    """As it does with keys."""
    access = Access("key-of-the-platform")
    access.hide([OLD, "on"])
    assert access.redact(f"printed {OLD} on stdout") == "printed *** on stdout"


def test_who_needs_a_secret_is_known() -> None:
    """An endpoint that is only called needs none."""
    what = manifest("gpu", "cpu", secrets={"A": "HF_TOKEN", "B": "HF_TOKEN", "C": "OTHER"})
    assert users_of(what) == {"HF_TOKEN": ("gpu", "cpu"), "OTHER": ("gpu", "cpu")}
    assert users_of(manifest("gpu")) == {}


def test_a_description_knows_the_variable_and_not_the_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that asks for it as it is imported can be described."""
    monkeypatch.setenv("HF_TOKEN", OLD)
    assert declared_environment(with_secret(), ["gpu"])["TOKEN"] == "set at deployment"
