"""A secret is a reference: in the declaration, in what is read of it, in the manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fakes_secrets import known_shapes

import flash
from flash import Endpoint, Secret
from flash.bundle.discover import discover
from flash.bundle.manifests import manifest_of
from flash.bundle.requirements import plan_requirements
from flash.errors import DeclarationError
from flash.model.manifest import Manifest

if TYPE_CHECKING:
    from pathlib import Path

ENDPOINT = """\
from flash import Endpoint, Secret

{before}
@Endpoint(name="greeter", cpu="cpu3c-1-2", env={env})
def greet(name: str) -> str:
    return name
"""
DECLARED = [
    ("", '{"HF_TOKEN": Secret("HF_TOKEN"), "MODE": "fast"}'),
    ('TOKEN = Secret("HF_TOKEN")', '{"HF_TOKEN": TOKEN, "MODE": "fast"}'),
    ('ENV = {"HF_TOKEN": Secret(name="HF_TOKEN")}', '{**ENV, "MODE": "fast"}'),
    # this one is not read, but run
    ('ENV = {name: Secret(name) for name in ("HF_TOKEN",)}', '{**ENV, "MODE": "fast"}'),
]


@pytest.mark.parametrize(("before", "env"), DECLARED)
def test_it_is_read_as_it_is_written(tmp_path: Path, before: str, env: str) -> None:
    """As a literal, a constant, in a dict that is merged, by running the module."""
    (tmp_path / "app.py").write_text(ENDPOINT.format(before=before, env=env))
    spec = discover(tmp_path, ["app.py"], app_name="demo")["greeter"].spec
    assert spec.secrets == (("HF_TOKEN", "HF_TOKEN"),)
    assert spec.env == (("MODE", "fast"),)


def test_the_manifest_has_the_reference_only(tmp_path: Path) -> None:
    """And a manifest without one is what it was before there were any."""
    (tmp_path / "app.py").write_text(ENDPOINT.format(before="", env='{"TOKEN": Secret("HF_TOKEN")}'))
    app = discover(tmp_path, ["app.py"], app_name="demo")
    requirements = plan_requirements(app, tmp_path, exclude=(), bundle=(), python_version="3.12", imports={})
    manifest = manifest_of(app, requirements, python_version="3.12")
    assert manifest.resources["greeter"].secrets == {"TOKEN": "HF_TOKEN"}
    assert manifest.resources["greeter"].env == {}
    assert Manifest.parse(manifest.as_json()) == manifest
    (tmp_path / "app.py").write_text(ENDPOINT.format(before="", env="{}"))
    plain = manifest_of(discover(tmp_path, ["app.py"], app_name="demo"), requirements, python_version="3.12")
    assert "secrets" not in plain.as_json()["resources"]["greeter"]


@pytest.mark.parametrize("value", [["HF_TOKEN"], "HF_TOKEN", {"TOKEN": {"name": "HF_TOKEN"}}, 3])
def test_a_manifest_of_others_may_mean_something_else_by_it(value: object) -> None:
    """It can be read none the less."""
    data = {"resources": {"greeter": {"secrets": value}}}
    assert Manifest.parse(data).resources["greeter"].secrets is None


@pytest.mark.parametrize("name", ["", "hf_token", "HF-TOKEN", "1TOKEN", "a b", None, 3, "X" * 101])
def test_a_name_is_one_of_a_variable(name: object) -> None:
    """In upper case: a value in its place is noticed."""
    with pytest.raises(DeclarationError, match="Secret takes the name of a variable"):
        Secret(name)  # type: ignore[arg-type]


# one in upper case could be a name; it is found by its shape in the file that has it
@pytest.mark.parametrize("secret", [secret for secret in known_shapes().values() if not secret.isupper()])
def test_a_value_in_place_of_the_name_is_refused_and_not_shown(secret: str) -> None:
    """It would be a reference in the manifest."""
    with pytest.raises(DeclarationError) as caught:
        Secret(secret)
    assert secret not in str(caught.value)


def test_it_is_no_part_of_a_text() -> None:
    """Its value is not known yet."""
    with pytest.raises(DeclarationError, match="cannot be a part of a text"):
        f"postgres://app:{Secret('DB_PASSWORD')}@host/"
    assert repr(Secret("DB_PASSWORD")) == "Secret(name='DB_PASSWORD')"


def test_it_is_a_public_name() -> None:
    """Beside Endpoint."""
    assert "Secret" in flash.__all__
    assert Endpoint(name="a", cpu="cpu3c-1-2", env={"B": "1", "A": Secret("S")}).spec.secrets == (("A", "S"),)
