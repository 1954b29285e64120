"""``flash build --sbom --provenance``: a real build, and what is written beside its artifact."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from fakes_bundle import QUEUE, Building, FakeDescriber, write

from flash.cli.main import main
from flash.deploy.envelope import Envelope, read_envelope

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from flash.model.manifest import CallSchema


@pytest.fixture
def app(project: Path) -> Path:
    """A project that can be built."""
    write(project / "worker.py", QUEUE)
    write(project / "requirements.txt", "six\n")
    return project


@pytest.fixture
def key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A key to sign with, which is configured; the public half."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    monkeypatch.setenv("FLASH_SIGNING_KEY", pem.decode())
    return (
        private.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
    )


def built(*options: str, services: Building | None = None) -> int:
    """``flash build OPTIONS`` in the current folder, with stand-ins for the index and the worker."""
    return main(["build", *options], services or Building())  # type: ignore[arg-type]  # a part of it


def stated(path: Path) -> tuple[Envelope, dict[str, Any]]:
    """A statement's envelope, and what it says of the build."""
    envelope = read_envelope(path.read_bytes())
    definition: dict[str, Any] = json.loads(envelope.payload)["predicate"]["buildDefinition"]
    return envelope, definition


def test_both_are_written_and_said(app: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are about the artifact that was built, and the statement knows the bill."""
    assert built("--sbom", "bom.json", "--provenance", "made.json", "--json") == 0
    captured = capsys.readouterr()
    data = json.loads(captured.out)
    assert (data["sbom"], data["provenance"]) == ("bom.json", "made.json")
    assert captured.err.endswith("wrote bom.json\nwrote made.json\n")
    bill = (app / "bom.json").read_text(encoding="utf-8")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill) is None
    assert json.loads(bill)["metadata"]["component"]["hashes"][0]["content"] == data["sha256"]
    envelope, _ = stated(app / "made.json")
    said = json.loads(envelope.payload)
    assert said["subject"][0]["digest"] == {"sha256": data["sha256"]}
    assert said["predicate"]["runDetails"]["byproducts"] == [
        {"name": "bom.json", "digest": {"sha256": hashlib.sha256(bill.encode()).hexdigest()}}
    ]


def test_the_statement_has_what_the_build_was_told(app: Path) -> None:
    """Settings with the options merged, and the files that say what is installed."""
    assert built("--provenance", "made.json", "--exclude", "numpy") == 0
    envelope, definition = stated(app / "made.json")
    assert envelope.signatures == ()
    assert definition["externalParameters"]["settings"] == {
        "allowSecrets": [],
        "bundle": [],
        "dependencyGroup": None,
        "exclude": ["numpy"],
        "provided": [],
        "python": "3.11",
        "sizeLimitMib": 500,
    }
    names = [one["name"] for one in definition["resolvedDependencies"]]
    assert names[:2] == ["pyproject.toml", "requirements.txt"]
    assert definition["internalParameters"]["statedBy"] == "build"


def test_the_commit_is_that_of_before_the_build(app: Path) -> None:
    """What the build writes is no change of the user's."""

    def git(*arguments: str) -> str:
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *arguments]
        return subprocess.run(command, cwd=app, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "all")
    assert built("--provenance", "made.json") == 0
    _, definition = stated(app / "made.json")
    checkout = definition["resolvedDependencies"][0]
    assert (checkout["name"], checkout["digest"]) == ("checkout", {"gitCommit": git("rev-parse", "HEAD")})
    assert checkout["annotations"]["isDirty"] is False


def test_the_statement_is_signed_and_verified(app: Path, key: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With the key of receipts; the build does not see it."""
    seen: list[str | None] = []

    class Watching(FakeDescriber):
        def __call__(self, *given: Any) -> Mapping[str, Mapping[str, Mapping[str, CallSchema]]]:
            seen.append(os.environ.get("FLASH_SIGNING_KEY"))
            return super().__call__(*given)

    assert built("--provenance", "made.json", services=Building(describer=Watching())) == 0
    assert seen in ([None], [])
    assert "FLASH_SIGNING_KEY" in os.environ
    settings = (app / "pyproject.toml").read_text(encoding="utf-8")
    write(app / "pyproject.toml", settings.replace('app = "demo"', f'app = "demo"\nreceipt-keys = ["{key}"]'))
    capsys.readouterr()
    assert main(["inspect", "--verify", "made.json", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["signed_by"].startswith("sha256:")


def test_nothing_is_built_where_they_could_not_be_written(
    app: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither for a place, nor for a key, nor for a library that is missing."""
    assert built("--sbom", "missing/bom.json") == 2
    assert built("--sbom", "-") == 2
    monkeypatch.setenv("FLASH_SIGNING_KEY", "missing.pem")
    assert built("--provenance", "made.json") == 2
    assert os.environ["FLASH_SIGNING_KEY"] == "missing.pem"
    monkeypatch.setitem(__import__("sys").modules, "cyclonedx", None)
    assert built("--sbom", "bom.json") == 2
    told = capsys.readouterr().err
    assert "pip install 'pytest-flash[sbom]'" in told
    assert "found 1 endpoint" not in told
    assert not (app / ".flash").exists()


def test_a_build_that_fails_writes_neither(app: Path) -> None:
    """There is nothing for them to be about."""
    write(app / "worker.py", "")
    assert built("--sbom", "bom.json", "--provenance", "made.json") == 1
    assert not (app / "bom.json").exists()
    assert not (app / "made.json").exists()


def test_two_builds_of_the_same_have_the_same_papers(app: Path) -> None:
    """No time is in them."""
    texts = []
    for name in ("one", "two"):
        assert built("--sbom", "bom.json", "--provenance", "made.json") == 0
        texts.append([(app / file).read_text(encoding="utf-8") for file in ("bom.json", "made.json")])
        for file in ("bom.json", "made.json"):
            (app / file).unlink()
        write(app / "out" / f"{name}.log", "")
        (app / "out" / f"{name}.log").unlink()
    assert texts[0] == texts[1]
