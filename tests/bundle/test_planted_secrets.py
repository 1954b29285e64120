"""Twenty secrets and more, planted wherever people leave them: none reaches an artifact or an output."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from fakes_bundle import Building
from fakes_secrets import assigned_values, known_shapes, private_keys

from flash.cli.main import main

SHAPES = known_shapes(7)
KEYS = private_keys(7)
VALUES = assigned_values(7)

APP = f"""\
import os
from flash import Endpoint, Secret

SLACK = "{SHAPES["a Slack token"]}"
client = dict(api_key="{VALUES["api_key"]}")
HALVES = "{SHAPES["a Stripe key"][:12]}" + "{SHAPES["a Stripe key"][12:]}"

@Endpoint(
    name="greeter",
    cpu="cpu3c-1-2",
    env={{
        "HF_TOKEN": "{SHAPES["a Hugging Face token"]}",
        "STRIPE": HALVES,
        "WANDB": Secret("WANDB_API_KEY"),
    }},
)
def greet(name: str) -> str:
    return name
"""

NOTEBOOK = {
    "cells": [
        {
            "cell_type": "code",
            "source": ["import openai\n", f"openai.api_key = '{SHAPES['an OpenAI key']}'\n"],
            "outputs": [{"output_type": "stream", "text": [f"using {SHAPES['an Anthropic key']}\n"]}],
        }
    ],
    "nbformat": 4,
}

# what ships, and the lines on which there is something
SHIPPED: dict[str, tuple[str | bytes, tuple[int, ...]]] = {
    "app.py": (APP, (4, 5, 8, 12)),
    "config/service.json": (
        json.dumps({"type": "service_account", "private_key": KEYS["PKCS #8"], "client_id": "1"}, indent=2),
        (3,),
    ),
    "config/settings.yaml": (
        f"db:\n  url: {SHAPES['a password in a URL']}\n  password: {VALUES['DB_PASSWORD']}\n",
        (2, 3),
    ),
    "config/app.toml": (f'[auth]\nclient_secret = "{VALUES["client_secret"]}"\n', (2,)),
    "settings.ini": (f"[smtp]\nsmtp_passwd = {VALUES['smtp_passwd']}\n", (2,)),
    "run.sh": (
        f"#!/bin/sh\nexport AWS_ACCESS_KEY_ID={SHAPES['an AWS access key']}\nexport X={SHAPES['a GitHub token']}\n",
        (2, 3),
    ),
    "Dockerfile": (f"FROM scratch\nENV RUNPOD={SHAPES['a Runpod key']}\n", (2,)),
    "notes.txt": (f"ask Ada\n\n{KEYS['OpenSSH']}", (3,)),
    "deploy_key": (KEYS["OpenSSL"], (1,)),
    "backup.asc": (KEYS["PGP"], (1,)),
    ".npmrc": (f"registry=https://npm.acme-lab.com\n//npm.acme-lab.com/:_authToken={SHAPES['an npm token']}\n", (2,)),
    "pip.conf": (f"[global]\npassword = {SHAPES['a PyPI token']}\n", (2,)),
    "explore.ipynb": (json.dumps(NOTEBOOK, indent=1), (7, 13)),
    "web/app.js": (
        f"const sg = '{SHAPES['a SendGrid key']}';\nfetch(u, {{headers: {{t: '{SHAPES['a JSON Web Token']}'}}}})\n",
        (1, 2),
    ),
    "data.csv": (f"id,token\n1,{SHAPES['a GitLab token']}\n2,{SHAPES['a DigitalOcean token']}\n", (2, 3)),
    "azure.txt": (SHAPES["an Azure storage key"], (1,)),
    "windows.txt": (f"\ufeffone\r\n{SHAPES['a Telegram token']}\r\n".encode("utf-16-le"), (2,)),
    "main.tf": (f'variable "t" {{\n  default = "{SHAPES["a Databricks token"]}"\n}}\n', (2,)),
}  # fmt: skip

# what never ships, whatever is in it
KEPT_BACK: dict[str, str] = {
    ".env": f"RUNPOD_API_KEY={known_shapes(8)['a Runpod key']}\nWANDB_API_KEY={known_shapes(8)['a Google API key']}\n",
    ".env.production": f"DB_PASSWORD={assigned_values(8)['DB_PASSWORD']}\n",
    "sub/.env.local": f"TOKEN={assigned_values(8)['auth_token']}\n",
    "id_rsa": private_keys(8)["OpenSSH"],
    "certs/server.key": private_keys(8)["PKCS #8"],
    "server.pem": private_keys(8)["OpenSSL"],
    "credentials.json": json.dumps({"token": known_shapes(8)["a GitHub token"]}),
    "service-account-prod.json": json.dumps({"private_key": private_keys(8)["PGP"]}),
    ".aws/credentials": f"aws_secret_access_key = {assigned_values(8)['client_secret']}\n",
    ".netrc": f"machine acme-lab.com password {assigned_values(8)['smtp_passwd']}\n",
    "secrets.toml": f'key = "{assigned_values(8)["encryption_key"]}"\n',
}


def planted() -> list[str]:
    """Every secret, in pieces that no text has by chance."""
    shapes = (*SHAPES.values(), *VALUES.values(), *known_shapes(8).values(), *assigned_values(8).values())
    lines = [line for keys in (KEYS, private_keys(8)) for key in keys.values() for line in key.splitlines()]
    return [*shapes, *(line for line in lines if len(line) == 64)]


def leaked(data: str | bytes) -> list[str]:
    text = data if isinstance(data, bytes) else data.encode()
    return [secret for secret in planted() if secret.encode() in text or secret.encode("utf-16-le") in text]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with all of them."""
    root = tmp_path / "demo"
    for name, text in [*((name, text) for name, (text, _) in SHIPPED.items()), *KEPT_BACK.items()]:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    (root / "pyproject.toml").write_text('[tool.flash]\napp = "demo"\n')
    return root


def run(root: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("RUNPOD_", "PYTEST_"))}
    here = Path(__file__).parents[2]
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=root,
        env={**environment, "FLASH_HOME": str(root.parent / "home"), "PYTHONPATH": str(here)},
        capture_output=True,
        check=False,
    )


def test_there_are_more_than_twenty_kinds() -> None:
    """In code, env=, .env, JSON, YAML, key files, notebooks, and so on."""
    assert len({*SHAPES, *KEYS, *VALUES}) > 20
    assert sum(len(lines) for _, lines in SHIPPED.values()) > 20


@pytest.mark.parametrize(
    "arguments",
    [
        ("flash", "build"),
        ("flash", "build", "--json", "--keep-build-dir"),
        ("flash", "plan", "--target", "local"),
        ("flash", "deploy", "--target", "local", "--no-gate", "--report", "told.html"),
        ("pytest", "-vv", "--flash-deploy=production", "--flash-target=local", "--showlocals", "--tb=long",
         "--flash-report=told.json", "--flash-report=told.html", "--flash-report=told.md", "--flash-report=told.env"),
    ],
    ids=["build", "json", "plan", "deploy", "pytest"],
)  # fmt: skip
def test_no_output_has_one_and_each_is_named(root: Path, arguments: tuple[str, ...]) -> None:
    """By file and line; and nothing that is left behind has one."""
    before = {path for path in root.rglob("*") if path.is_file()}
    done = run(root, *arguments)
    said = done.stdout + done.stderr
    assert done.returncode == 1
    assert leaked(said) == []
    places = [f"{name}:{line}: a" for name, (_, lines) in SHIPPED.items() for line in lines]
    told = said.decode().replace("\\n", "\n")
    assert [place for place in places if place not in told] == []
    for path in {path for path in root.rglob("*") if path.is_file()} - before:
        assert leaked(path.read_bytes()) == [], path
    assert not (root / ".flash/artifact.tar.gz").exists()


def test_what_never_ships_is_told_and_stops_nothing(
    root: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a reference is no value: neither the artifact nor the manifest has one."""
    for name in SHIPPED:
        (root / name).unlink()
    monkeypatch.setenv("FLASH_HOME", str(root.parent / "home"))
    monkeypatch.setenv("WANDB_API_KEY", known_shapes(8)["a Google API key"])
    source = APP.replace(f'        "HF_TOKEN": "{SHAPES["a Hugging Face token"]}",\n        "STRIPE": HALVES,\n', "")
    lines = [line for line in source.splitlines() if not line.startswith(("SLACK", "client", "HALVES"))]
    (root / "app.py").write_text("\n".join(lines))
    assert main(["build", "--root", str(root), "--json"], Building()) == 0  # type: ignore[arg-type]  # a part of it
    printed = capfd.readouterr()
    assert leaked(printed.out + printed.err) == []
    for name in KEPT_BACK:
        assert name.replace(".aws/credentials", ".aws/") in printed.err
    with tarfile.open(root / ".flash/artifact.tar.gz") as archive:
        assert not set(archive.getnames()) & set(KEPT_BACK)
        packed = archive.extractfile("flash_manifest.json")
        assert packed is not None
        manifest = json.loads(packed.read())
    assert manifest["resources"]["greeter"]["secrets"] == {"WANDB": "WANDB_API_KEY"}
    assert leaked(gzip.decompress((root / ".flash/artifact.tar.gz").read_bytes())) == []
    for path in (root / ".flash").rglob("*"):
        assert not path.is_file() or leaked(path.read_bytes()) == [], path


def test_what_is_allowed_ships(root: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Knowingly; and the settings say where."""
    monkeypatch.setenv("FLASH_HOME", str(root.parent / "home"))
    (root / "pyproject.toml").write_text(
        f'[tool.flash]\napp = "demo"\nallow-secrets = {json.dumps([*SHIPPED, "gone/**"])}\n'
    )
    assert main(["build", "--root", str(root)], Building()) == 0  # type: ignore[arg-type]  # a part of it
    assert "allow-secrets has 'gone/**', which allows nothing" in capfd.readouterr().err
    with tarfile.open(root / ".flash/artifact.tar.gz") as archive:
        assert set(SHIPPED) <= set(archive.getnames())
