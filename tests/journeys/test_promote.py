"""``flash promote`` as a user meets it: tested in one checkout, live from another one, without a build."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from fakes_receipt import key_pair
from journeys.conftest import Platform, Shell, urls

from flash.deploy.receipt import open_receipt

pytestmark = pytest.mark.journey

STAGING = '\n[tool.flash.environments.staging]\ntarget = "local"\n'


def live(shell: Shell, environment: str) -> str | None:
    """The digest that is live there."""
    answer = shell.flash("env", "get", environment, "--json")
    return json.loads(answer.stdout)["digest"] if answer.returncode == 0 else None


def uploads(shell: Shell) -> list[str]:
    """What the platform was sent."""
    return sorted(path.name for path in (shell.home / "platform" / "uploads").iterdir())


@pytest.fixture
def tested(project: Shell) -> Shell:
    """A git checkout whose tests deploy to staging."""
    settings = project.root / "pyproject.toml"
    settings.write_text(settings.read_text(encoding="utf-8") + STAGING, encoding="utf-8")
    (project.root / ".gitignore").write_text("__pycache__/\n.flash/\n", encoding="utf-8")
    name = ("-c", "user.name=t", "-c", "user.email=t@example.invalid")
    for arguments in (("init", "-q", "-b", "main"), ("add", "."), (*name, "commit", "-q", "-m", "first")):
        subprocess.run(["git", *arguments], cwd=project.root, check=True)
    return project


def clone(shell: Shell, name: str) -> Shell:
    """Another checkout of the same, elsewhere."""
    root = shell.root.parent / name / "demo"
    subprocess.run(["git", "clone", "-q", str(shell.root), str(root)], check=True)
    assert not (root / ".flash").exists()
    return replace(shell, root=root)


def test_what_passed_in_staging_goes_to_production_from_another_checkout(
    tested: Shell, platform: Platform, tmp_path: Path
) -> None:
    """The same digest: nothing is built there, and nothing is sent again."""
    receipt = tmp_path / "r.json"
    done = tested.pytest("--flash-deploy=staging", f"--flash-receipt={receipt}")
    assert done.returncode == 0, done.stdout + done.stderr
    sent = uploads(tested)
    assert len(sent) == 1
    elsewhere = clone(tested, "elsewhere")

    promoted = elsewhere.flash("promote", "--receipt", str(receipt), "--env", "production")

    assert promoted.returncode == 0, promoted.stderr
    assert live(elsewhere, "production") == live(tested, "staging") == open_receipt(receipt.read_bytes()).receipt.digest
    assert uploads(tested) == sent
    assert not list((elsewhere.root / ".flash").glob("*.tar.gz"))
    assert not {"flash::build", "packed", "resolving"} & set(promoted.stderr.split())
    # its smoke test ran against what is live
    assert "1 passed" in promoted.stderr
    answer = platform.post(f"{urls(promoted.stdout)['greeter']}/runsync", {"input": {"name": "you"}})
    assert answer.json()["output"] == "Hello, you!"
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=tested.root, capture_output=True, text=True, check=True)
    assert open_receipt(receipt.read_bytes()).receipt.git.commit == commit.stdout.strip()


def test_a_smoke_test_that_fails_there_puts_the_old_version_back(
    tested: Shell, platform: Platform, tmp_path: Path
) -> None:
    """From staging, without a receipt; exit status 1, and what was live serves on."""
    assert tested.pytest("--flash-deploy=production").returncode == 0
    before = live(tested, "production")
    source = tested.root / "greeter.py"
    source.write_text(source.read_text(encoding="utf-8").replace("!", "!!"), encoding="utf-8")
    (tested.root / "tests" / "test_greeter.py").write_text("def test_nothing(): pass\n", encoding="utf-8")
    assert tested.pytest("--flash-deploy=staging").returncode == 0
    # a clone of the first commit: its smoke test wants the old answer
    elsewhere = clone(tested, "elsewhere")

    promoted = elsewhere.flash("promote", "--from", "staging", "--env", "production", "--json")

    assert promoted.returncode == 1
    assert "rolled back production: the smoke tests failed" in promoted.stderr
    assert json.loads(promoted.stdout)["outcome"] == "rolled-back"
    assert live(elsewhere, "production") == before


def test_a_flipped_byte_and_a_strange_key_are_refused(tested: Shell, platform: Platform, tmp_path: Path) -> None:
    """Nothing is live in production afterwards; the right key lets the right bytes in."""
    private, public = key_pair()
    receipt = tmp_path / "r.json"
    tested = replace(tested, environment={"FLASH_SIGNING_KEY": private.decode()})
    assert tested.pytest("--flash-preview", f"--flash-receipt={receipt}").returncode == 0
    elsewhere = replace(clone(tested, "elsewhere"), environment={})
    settings = elsewhere.root / "pyproject.toml"
    text = settings.read_text(encoding="utf-8")
    artifact = tmp_path / "artifact.tar.gz"
    shutil.copyfile(tested.root / ".flash" / "artifact.tar.gz", artifact)
    options = ("promote", "--receipt", str(receipt), "--env", "production", "--artifact", str(artifact))

    settings.write_text(text.replace("[tool.flash]\n", f'[tool.flash]\nreceipt-keys = ["{key_pair()[1]}"]\n'))
    strange = elsewhere.flash(*options)
    settings.write_text(text.replace("[tool.flash]\n", f'[tool.flash]\nreceipt-keys = ["{public}"]\n'))
    content = artifact.read_bytes()
    artifact.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
    flipped = elsewhere.flash(*options)
    artifact.write_bytes(content)
    right = elsewhere.flash(*options)

    assert (strange.returncode, flipped.returncode, right.returncode) == (1, 1, 0), right.stderr
    assert "receipt-keys does not list" in strange.stderr
    assert "it is not the artifact that was tested" in flipped.stderr
    assert "signed by key sha256:" in right.stderr
    assert live(elsewhere, "production") == open_receipt(receipt.read_bytes()).receipt.digest
