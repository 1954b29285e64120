"""``flash promote`` on a real local platform: what fits goes live without an upload, what does not changes nothing.

Every request is written down on its way, so that *nothing was changed* is what the platform was asked, not what we say.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from fakes_receipt import edited, key_pair
from faults.proxy import Plan, Proxy
from faults.world import KEY, NEW, OLD, QuickPlatform, make_artifact

from flash.cli.main import main
from flash.cloud.address import PlatformAddress
from flash.cloud.client import PlatformClient
from flash.cloud.operations import OPERATIONS
from flash.deploy.receipt import GitState, Promoted, Receipt, manifest_digest, seal
from flash.deploy.signature import signing_key
from flash.errors import NotFound
from flash.model.manifest import Artifact, DeploymentEntry, Manifest
from flash.preview import promote
from flash.project import load_project

CHANGING = {name for name, operation in OPERATIONS.items() if operation.is_mutation} | {"upload"}
SETTINGS = """
[tool.flash]
app = "{app}"
python = "3.11"
{project}
[tool.flash.environments.staging]
target = "local"
[tool.flash.environments.production]
target = "local"
{production}
"""


@dataclass
class Place:
    """A platform, a proxy that writes down what it is asked, and one app there."""

    home: Path
    proxy: Proxy
    platform: QuickPlatform
    app: str = "demo0"

    @property
    def client(self) -> PlatformClient:
        """What looks at the platform, past the proxy."""
        url = self.platform.url
        return PlatformClient(PlatformAddress(url, f"{url}/v2", f"{url}/lb", KEY))

    def checkout(self, name: str, *, project: str = "", production: str = "") -> Path:
        """A clone that nothing was built in."""
        root = self.home / self.app / name
        root.mkdir(parents=True)
        text = SETTINGS.format(app=self.app, project=project, production=production)
        (root / "pyproject.toml").write_text(text, encoding="utf-8")
        return root

    def artifact(self, version: str = NEW) -> Artifact:
        """What was built somewhere else; of this app alone, so that no other test has uploaded it."""
        folder = self.home / self.app / "built"
        folder.mkdir(parents=True, exist_ok=True)
        given = make_artifact(folder, f"{version}-{self.app}")
        return Artifact(
            path=Path(given["path"]),
            sha256=given["sha256"],
            size_bytes=given["size_bytes"],
            manifest=Manifest.parse(given["manifest"]),
            files=tuple(given["files"]),
        )

    def deploy(self, artifact: Artifact, environment: str = "staging", **given: Any) -> promote.Promotion:
        """Deploy it from a checkout of its own, and keep it."""
        project = load_project(self.checkout(f"deploys-{environment}-{artifact.sha256[:6]}"))
        promotion = promote.promote(
            project,
            artifact,
            environment=environment,
            target="local",
            report=lambda _: None,
            **{"gate": "passed", "git": "c" * 40, **given},
        )
        promotion.finish()
        return promotion

    def digest(self, environment: str = "production") -> str | None:
        """What is live there."""
        with self.client as client:
            live = client.environment(self.app, environment)
        return None if live is None or live.manifest is None else live.manifest.digest

    def endpoints(self, environment: str) -> set[str]:
        """Ids of the endpoints there."""
        with self.client as client:
            live = client.environment(self.app, environment)
        return set() if live is None else set(live.endpoints.values())

    def entry(self, environment: str = "production") -> DeploymentEntry:
        """What the ledger says of it."""
        with self.client as client:
            live = client.environment(self.app, environment)
        assert live is not None
        assert live.manifest is not None
        assert live.manifest.deployment is not None
        return live.manifest.deployment

    def asked(self, run: Callable[[], int]) -> tuple[int, list[str]]:
        """The exit status of *run*, and what the platform was asked meanwhile."""
        self.proxy.begin(Plan())
        status = run()
        return status, [name.partition("[")[0] for name in self.proxy.end().seen]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """One platform for all tests; each has an app of its own."""
    home = tmp_path_factory.mktemp("receipts")
    platform = QuickPlatform(home / "quick")
    proxy = Proxy(platform.url)
    (home / "platform").mkdir()
    state = {"url": proxy.url, "api_key": KEY, "pid": os.getpid(), "backend": "process"}
    (home / "platform" / "platform.json").write_text(json.dumps(state), encoding="utf-8")
    yield Place(home, proxy, platform)
    proxy.close()
    platform.close()


@pytest.fixture
def place(shared: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """The platform, with an app of the test's own."""
    shared.app = f"demo{int(shared.app.removeprefix('demo')) + 1}"
    monkeypatch.setenv("FLASH_HOME", str(shared.home))
    for name in ("FLASH_TARGET", "FLASH_SIGNING_KEY", "RUNPOD_API_KEY", "APPROVAL"):
        monkeypatch.delenv(name, raising=False)
    return replace(shared)


def receipt_of(place: Place, artifact: Artifact, promotion: promote.Promotion | None = None, **changes: Any) -> Receipt:
    """What the run that deployed it has written down."""
    gate = {
        "outcome": "pass",
        "environment": "staging",
        "digest": artifact.sha256,
        "conditions": [{"code": "FLASH-G001", "outcome": "pass"}],
        "notes": [],
    }
    given: dict[str, Any] = {
        "app": place.app,
        "digest": artifact.sha256,
        "size_bytes": artifact.size_bytes,
        "fingerprint": artifact.manifest.source_fingerprint,
        "manifest_sha256": manifest_digest(artifact.manifest),
        "python": "3.11",
        "environment": "staging",
        "outcomes": {"test_app.py::test_smoke": "passed"},
        "markers": {"flash_smoke": ["test_app.py::test_smoke"]},
        "gate": gate,
        "git": GitState(commit="c" * 40, branch="main"),
    }
    if promotion is not None:
        deployment = promotion.deployment
        given["promoted"] = Promoted(
            environment="staging", target="local", build_id=deployment.build_id, object_key=deployment.object_key
        )
    return Receipt(**{**given, **changes})


def promotes(root: Path, *arguments: str | Path) -> Callable[[], int]:
    """``flash promote`` to production, without smoke tests."""
    given = ["promote", "--root", str(root), "--env", "production", "--no-smoke", *map(str, arguments)]
    return lambda: main(given)


# ---------------------------------------------------------------------------------------------------------------------
# What fits


def test_a_receipt_moves_the_digest_without_an_upload(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """From a checkout that has nothing but the settings; the ledger says how it came there."""
    artifact = place.artifact()
    receipt = receipt_of(place, artifact, place.deploy(artifact))
    root = place.checkout("elsewhere")
    file = root / "r.json"
    file.write_text(seal(receipt, None), encoding="utf-8")
    status, asked = place.asked(promotes(root, "--receipt", file, "--json"))
    assert status == 0, capsys.readouterr().err
    assert place.digest() == place.digest("staging") == artifact.sha256
    assert not {"upload", "PrepareArtifactUpload"} & set(asked)
    entry = place.entry()
    assert (entry.action, entry.gate, entry.state, entry.git) == ("promote", "receipt", "verified", "c" * 40)
    told = json.loads(capsys.readouterr().out)
    assert (told["digest"], told["receipt"], told["smoke"]) == (artifact.sha256, entry.receipt, "not run")
    assert [endpoint["name"] for endpoint in told["endpoints"]] == ["queue", "balanced", "steady"]


def test_what_is_verified_in_staging_moves_too(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a file; two environments never share an endpoint."""
    old, new = place.artifact(OLD), place.artifact(NEW)
    place.deploy(old, "production")
    place.deploy(new)
    status, asked = place.asked(promotes(place.checkout("elsewhere"), "--from", "staging"))
    assert status == 0, capsys.readouterr().err
    assert place.digest() == new.sha256
    assert "upload" not in asked
    assert place.entry().previous_digest == old.sha256
    assert not place.endpoints("staging") & place.endpoints("production")


def test_a_file_is_uploaded_where_the_platform_has_nothing(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """Such as a receipt of a preview: that platform is gone."""
    artifact = place.artifact()
    root = place.checkout("elsewhere")
    file = root / "r.json"
    file.write_text(seal(receipt_of(place, artifact), None), encoding="utf-8")
    status, asked = place.asked(promotes(root, "--receipt", file, "--artifact", artifact.path))
    assert status == 0, capsys.readouterr().err
    assert place.digest() == artifact.sha256
    assert asked.count("upload") == 1


def test_the_last_build_will_do_where_it_is_the_one(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """Another one that lies there is not looked at."""
    artifact = place.artifact()
    root = place.checkout("elsewhere")
    (root / ".flash").mkdir()
    file = root / "r.json"
    file.write_text(seal(receipt_of(place, artifact), None), encoding="utf-8")
    (root / ".flash" / "artifact.tar.gz").write_bytes(place.artifact(OLD).path.read_bytes())
    assert place.asked(promotes(root, "--receipt", file))[0] == 1
    assert "neither here" in capsys.readouterr().err
    (root / ".flash" / "artifact.tar.gz").write_bytes(artifact.path.read_bytes())
    assert place.asked(promotes(root, "--receipt", file))[0] == 0, capsys.readouterr().err
    assert place.digest() == artifact.sha256


def test_a_signed_receipt_is_taken_where_its_key_is_trusted(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """And the key is named."""
    private, public = key_pair()
    artifact = place.artifact()
    receipt = receipt_of(place, artifact, place.deploy(artifact))
    root = place.checkout("elsewhere", production=f'receipt-keys = ["{public}"]')
    file = root / "r.json"
    file.write_text(seal(receipt, signing_key(private)), encoding="utf-8")
    assert place.asked(promotes(root, "--receipt", file, "--json"))[0] == 0
    told = json.loads(capsys.readouterr().out)
    assert told["signed_by"] == signing_key(private).key_id


def test_what_is_live_already_is_promoted_by_looking(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """A second promotion of the same receipt changes nothing."""
    artifact = place.artifact()
    receipt = receipt_of(place, artifact, place.deploy(artifact))
    root = place.checkout("elsewhere")
    file = root / "r.json"
    file.write_text(seal(receipt, None), encoding="utf-8")
    assert place.asked(promotes(root, "--receipt", file))[0] == 0
    status, asked = place.asked(promotes(root, "--receipt", file))
    assert status == 0, capsys.readouterr().err
    assert not CHANGING & set(asked)


def test_a_receipt_moves_the_digest_on_runpod_s_protocol_too(
    place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Through a candidate environment; a platform without leases and versions has the bytes as well."""
    for name, path in (("RUNPOD_API_BASE_URL", ""), ("RUNPOD_ENDPOINT_BASE_URL", "/v2"), ("FLASH_LB_BASE_URL", "/lb")):
        monkeypatch.setenv(name, f"{place.proxy.url}{path}")
    monkeypatch.setenv("RUNPOD_API_KEY", KEY)
    artifact = place.artifact()
    receipt = receipt_of(place, artifact, place.deploy(artifact))
    root = place.checkout("elsewhere")
    file = root / "r.json"
    file.write_text(seal(receipt, None), encoding="utf-8")
    status, asked = place.asked(promotes(root, "--receipt", file, "--target", "runpod"))
    assert status == 0, capsys.readouterr().err
    assert place.digest() == artifact.sha256
    assert "upload" not in asked
    assert (place.entry().action, place.entry().gate, place.entry().state) == ("promote", "receipt", "verified")


# ---------------------------------------------------------------------------------------------------------------------
# What does not


@dataclass
class Case:
    """What is wrong with a promotion; the rest of it is right."""

    place: Place
    artifact: Artifact
    promotion: promote.Promotion
    project: str = ""
    production: str = ""
    signer: bytes | None = None

    def receipt(self, **changes: Any) -> bytes:
        """The receipt's file."""
        given = receipt_of(self.place, self.artifact, self.promotion, **changes)
        return seal(given, None if self.signer is None else signing_key(self.signer)).encode()

    def store(self, **changes: Any) -> None:
        """Change what the platform has stored of the build."""
        with self.place.client as client:
            build_id = self.promotion.deployment.build_id
            manifest = client.build_manifest(build_id)
            assert manifest is not None
            client.update_build_manifest(build_id, {**manifest.as_json(), **changes})


def _flipped(case: Case) -> list[str | bytes]:
    content = case.artifact.path.read_bytes()
    path = case.artifact.path.with_name("flipped.tar.gz")
    path.write_bytes(content[:100] + bytes([content[100] ^ 1]) + content[101:])
    return [case.receipt(), "--artifact", str(path)]


def _other_artifact(case: Case) -> list[str | bytes]:
    return [case.receipt(), "--artifact", str(case.place.artifact(OLD).path)]


def _missing_artifact(case: Case) -> list[str | bytes]:
    return [case.receipt(), "--artifact", "nowhere.tar.gz"]


def _stored_digest(case: Case) -> list[str | bytes]:
    case.store(digest="a" * 64)
    return [case.receipt()]


def _stored_manifest(case: Case) -> list[str | bytes]:
    resources = {
        name: {**one.model_dump(by_alias=True), "imageName": "evil:latest"}
        for name, one in case.artifact.manifest.resources.items()
    }
    case.store(resources=resources)
    return [case.receipt()]


def _never_uploaded(case: Case) -> list[str | bytes]:
    case.artifact = case.place.artifact(OLD)
    promoted = Promoted(environment="staging", target="local", build_id="gone", object_key="artifacts/gone.tar.gz")
    return [case.receipt(promoted=promoted)]


def _unsigned(case: Case) -> list[str | bytes]:
    case.production = f'receipt-keys = ["{key_pair()[1]}"]'
    return [case.receipt()]


def _wrongly_signed(case: Case) -> list[str | bytes]:
    case.project = f'receipt-keys = ["{key_pair()[1]}"]'
    case.signer = key_pair()[0]
    return [case.receipt()]


def _changed_after_it(case: Case) -> list[str | bytes]:
    private, public = key_pair()
    case.production, case.signer = f'receipt-keys = ["{public}"]', private
    return [edited(case.receipt().decode(), keep_digest=False, predicate__environment="production")]


def _asked(case: Case, settings: str, **changes: Any) -> list[str | bytes]:
    case.production = settings
    return [case.receipt(**changes)]


def _source(case: Case, **changes: Any) -> list[str | bytes]:
    with case.place.client as client:
        manifest = client.build_manifest(case.promotion.deployment.build_id)
    assert manifest is not None
    assert manifest.deployment is not None
    case.store(deployment={**manifest.deployment.model_dump(), **changes})
    return ["--from", "staging"]


REFUSED: dict[str, tuple[Callable[[Case], list[str | bytes]], str]] = {
    "no JSON": (lambda case: [b"hello"], "it is no JSON"),
    "no receipt": (lambda case: [b'{"payloadType": "text/plain"}'], "it is no receipt"),
    "no file": (lambda case: ["--receipt", "nowhere.json"], "cannot read the receipt"),
    "unknown version": (
        lambda case: [edited(case.receipt().decode(), keep_digest=False, predicateType="pytest-flash:receipt/v2")],
        "another kind or version",
    ),
    "edited": (lambda case: [edited(case.receipt().decode(), predicate__app="x")], "it was edited"),
    "another app": (lambda case: [case.receipt(app="other")], "about the app 'other'"),
    "a gate that refused": (
        lambda case: [
            case.receipt(
                gate={
                    "outcome": "refused",
                    "digest": case.artifact.sha256,
                    "conditions": [{"code": "FLASH-G002", "outcome": "refused"}],
                }
            )
        ],
        "the gate refused: FLASH-G002",
    ),
    "another digest": (lambda case: [case.receipt(digest="a" * 64)], "another artifact than its subject"),
    "one flipped byte": (_flipped, "it is not the artifact that was tested"),
    "another artifact": (_other_artifact, "it is not the artifact that was tested"),
    "no artifact": (_missing_artifact, "cannot read the artifact"),
    "another digest stored": (_stored_digest, "is of the artifact aaaa"),
    "another manifest stored": (_stored_manifest, "with another manifest than the one that was tested"),
    "nowhere": (_never_uploaded, "neither here nor among"),
    "unsigned": (_unsigned, "is not signed"),
    "signed by somebody else": (_wrongly_signed, "receipt-keys does not list"),
    "changed after it was signed": (_changed_after_it, "changed after it"),
    "another branch": (
        lambda case: _asked(case, 'branches = ["main"]', git=GitState(commit="c" * 40, branch="feature")),
        "FLASH-G010",
    ),
    "no branch known": (lambda case: _asked(case, 'branches = ["main"]', git=None), "FLASH-G010"),
    "a dirty tree": (
        lambda case: _asked(case, "clean-tree = true", git=GitState(commit="c" * 40, branch="main", changed=["a.py"])),
        "FLASH-G011",
    ),
    "no approval": (
        lambda case: _asked(case, f'approval-env = "APPROVAL"\napproval-sha256 = "{"a" * 64}"'),
        "FLASH-G012",
    ),
    "a freeze": (
        lambda case: _asked(case, 'freeze = [{from = "2020-01-01T00:00Z", until = "2999-01-01T00:00Z"}]'),
        "FLASH-G013",
    ),
    "a required marker": (lambda case: _asked(case, 'required-markers = ["slow"]'), "FLASH-G009"),
    "staging not verified": (lambda case: _source(case, state="activated"), "is not verified"),
    "staging rolled back": (lambda case: _source(case, state="rolled-back"), "is not verified"),
    "staging without the gate": (lambda case: _source(case, gate="ungated"), "without the gate"),
    "staging without a signature": (
        lambda case: [_asked(case, f'receipt-keys = ["{key_pair()[1]}"]') and "--from", "staging"],
        "takes signed receipts only",
    ),
    "a branch that the ledger does not know": (
        lambda case: [_asked(case, 'branches = ["main"]') and "--from", "staging"],
        "hint: nothing was changed; promote with --receipt FILE",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused_before_anything_is_changed(
    name: str, place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    """The platform was asked questions at most; one line says what, another one what to do."""
    wrong, said = REFUSED[name]
    artifact = place.artifact()
    case = Case(place, artifact, place.deploy(artifact))
    arguments = wrong(case)
    root = place.checkout("elsewhere", project=case.project, production=case.production)
    if isinstance(arguments[0], bytes):
        (root / "r.json").write_bytes(arguments[0])
        arguments[:1] = ["--receipt", str(root / "r.json")]
    status, asked = place.asked(promotes(root, *(str(one) for one in arguments)))
    told = capsys.readouterr().err
    assert (status, [one for one in asked if one in CHANGING]) == (1, []), told
    assert said in told
    assert "\nhint: " in told
    assert place.digest() is None


def test_an_environment_that_is_not_there_has_nothing_to_promote(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither has an app that nobody has deployed."""
    status, asked = place.asked(promotes(place.checkout("elsewhere"), "--from", "staging"))
    assert (status, [one for one in asked if one in CHANGING]) == (1, [])
    assert "nothing is live in 'staging'" in capsys.readouterr().err


def test_a_byte_flipped_on_the_platform_s_disk_goes_live_nowhere(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    """The platform reads what it has stored before it makes another build of it; staging serves on."""
    artifact = place.artifact()
    promotion = place.deploy(artifact)
    object_key = promotion.deployment.object_key
    assert object_key is not None
    stored = place.home / "quick" / "uploads" / Path(object_key).name
    content = stored.read_bytes()
    stored.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    root = place.checkout("elsewhere")
    file = root / "r.json"
    file.write_text(seal(receipt_of(place, artifact, promotion), None), encoding="utf-8")
    for given in (("--receipt", file), ("--from", "staging")):
        status, asked = place.asked(promotes(root, *given))
        assert (status, [one for one in asked if one in CHANGING]) == (1, [])
        said = capsys.readouterr().err
        assert "what is there was changed after its upload" in said
        assert "--artifact FILE" in said
    assert (place.digest(), place.digest("staging")) == (None, artifact.sha256)
    # whoever has the bytes sends them again
    status, asked = place.asked(promotes(root, "--receipt", file, "--artifact", artifact.path))
    assert status == 0, capsys.readouterr().err
    assert (place.digest(), asked.count("upload")) == (artifact.sha256, 1)


def test_the_platform_makes_no_build_of_a_flipped_byte(place: Place) -> None:
    """Whoever asks for one, and however: Finalize is refused, and nothing comes of it."""
    artifact = place.artifact()
    deployment = place.deploy(artifact).deployment
    stored = place.home / "quick" / "uploads" / Path(str(deployment.object_key)).name
    content = stored.read_bytes()
    stored.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with place.client as client:
        app = client.find_app(place.app)
        assert app is not None
        before = client.builds(app.id)
        with pytest.raises(NotFound, match="changed after its upload"):
            client.finalize(
                app.id, str(deployment.object_key), {**artifact.manifest.as_json(), "digest": artifact.sha256}
            )
        assert client.builds(app.id) == before
