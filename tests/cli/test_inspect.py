"""``flash inspect``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from fakes_artifact import MANIFEST, demo, packed, stable, wheel
from fakes_cli import contents
from hypothesis import given
from hypothesis import strategies as st

from flash.bundle import contents as bundle_contents
from flash.bundle.difference import difference
from flash.cli import render_artifact, render_difference
from flash.cli.main import main
from flash.deploy.envelope import read_envelope
from flash.model.manifest import FunctionEntry, Resource

if TYPE_CHECKING:
    from fakes_cli import FakeServices

GOLDENS = Path(__file__).parent / "goldens"


def changed() -> dict[str, str]:
    """The files of another small artifact, with something of each kind changed."""
    resources = {
        "gpu_worker": MANIFEST.resources["gpu_worker"].model_copy(
            update={"fingerprint": "ef" * 32, "workers_max": 3, "env": {"TOKEN": "hunter2"}, "secrets": {"KEY": "K"}}
        ),
        "new_worker": Resource(image_name="example/image:1"),
    }
    manifest = MANIFEST.model_copy(update={"resources": resources, "excluded": {}, "routes": {}})
    gone = ("left_pad", "data/", "handler_lb")
    files = {path: text for path, text in demo(manifest=manifest).items() if not path.startswith(gone)}
    return {
        **files,
        **wheel("left-pad", "1.3.0", {"left_pad/__init__.py": "x" * 9000}),
        **wheel("rich", "15.0", {"rich/__init__.py": "r" * 70_000}),
        "six.py": "z" * 901,
        "gpu_worker.py": "def hello(): return 1",
        "models/a-very-long-folder-name/another-very-long-folder-name/weights-of-the-model.bin": "w" * 3000,
    }


def read(folder: Path, files: dict[str, str], name: str = "artifact") -> bundle_contents.Contents:
    """What is in an artifact, the same everywhere."""
    return stable(bundle_contents.read(packed(folder / f"{name}.tar.gz", files)), name)


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("view", ["contents", "tree", "diff"])
def test_what_people_read_is_as_its_golden_and_fits(tmp_path: Path, view: str, width: int) -> None:
    """In terminals of both widths."""
    found = read(tmp_path, changed())
    if view == "diff":
        old = read(tmp_path, demo(), "old")
        text = render_difference.difference_text(
            difference(old, found), str(old.artifact.path), str(found.artifact.path), width=width
        )
    else:
        show = {"contents": render_artifact.contents_text, "tree": render_artifact.tree_text}[view]
        text = show(found, width=width)
    assert max(map(len, text.splitlines())) <= width
    golden = GOLDENS / "inspect" / f"{view}_{width}.txt"
    assert text + "\n" == golden.read_text(encoding="utf-8")


def test_json_has_what_a_program_needs(tmp_path: Path) -> None:
    """Sizes in bytes, endpoints as the manifest has them."""
    data: dict[str, Any] = render_artifact.contents_data(contents())
    assert data["distributions"] == [
        {"name": "humanize", "files": 40, "size_bytes": 3 * 2**20, "packed_bytes": None, "version": "4.9.0"},
        {"name": "typing-extensions", "files": 3, "size_bytes": 170_000, "packed_bytes": None, "version": "4.15.0"},
    ]
    data = render_artifact.contents_data(read(tmp_path, demo()))
    assert data["endpoints"] == [
        {
            "name": "gpu_worker",
            "kind": "queue",
            "hardware": "2 x AMPERE_16",
            "image": "runpod/flash:py3.12",
            "workers": [0, 1],
            "functions": ["hello"],
            "routes": [],
            "provided": ["torch"],
            "variables": [],
            "secrets": {},
            "fingerprint": "ab" * 32,
        },
        {
            "name": "lb_worker",
            "kind": "load-balanced",
            "hardware": "cpu3c-1-2",
            "image": "",
            "workers": [0, 1],
            "functions": ["health"],
            "routes": ["GET /health"],
            "provided": [],
            "variables": [],
            "secrets": {},
            "fingerprint": "",
        },
    ]
    assert (data["flash"], data["source_fingerprint"]) == ("0.1.0", "cd" * 32)
    assert json.loads(json.dumps(data)) == data


def test_many_endpoints_have_a_line_each(tmp_path: Path) -> None:
    """A thousand can still be read."""
    many = {f"worker_{number:03}": MANIFEST.resources["gpu_worker"] for number in range(100)}
    found = read(tmp_path, demo(manifest=MANIFEST.model_copy(update={"resources": many})))
    lines = render_artifact.contents_text(found).splitlines()
    assert sum(line.startswith("  worker_") for line in lines) == 100
    assert not any("fingerprint" in line for line in lines)


def test_a_long_name_is_never_cut_and_its_details_are_wrapped_below(tmp_path: Path) -> None:
    """A route stays with its function, an image's name can be copied."""
    functions = [FunctionEntry(name=f"f{n}", module="m", http_method="GET", http_path=f"/things/{n}") for n in range(9)]
    endpoint = Resource(is_load_balanced=True, functions=functions, image_name="image-" * 20, gpu_ids="AMPERE_16")
    manifest = MANIFEST.model_copy(
        update={"resources": {"long-" * 13: endpoint}, "routes": {}, "excluded": {"torch": "because " * 20}}
    )
    lines = render_artifact.contents_text(read(tmp_path, demo(manifest=manifest)), width=80).splitlines()
    assert f"  {'long-' * 13}" in lines
    assert "    kind         load-balanced, AMPERE_16, 0-1 workers" in lines
    assert any("image-" * 20 in line for line in lines)
    assert all(f"GET /things/{n} → f{n}" in "\n".join(lines) for n in range(9))
    assert max(len(line) for line in lines if "image-" not in line) <= 80


def test_a_tree_collapses_what_is_too_much_to_read(tmp_path: Path) -> None:
    """Folders of many files; JSON has each of them."""
    found = read(tmp_path, demo(**{f"data/{number}.txt": "" for number in range(200)}))
    text = render_artifact.tree_text(found)
    assert "  data/" in text
    assert "… 201 entries" in text
    assert "199.txt" not in text
    data: dict[str, Any] = render_artifact.tree_data(found)
    assert len(data["tree"]) == len(found.entries)
    by_path = {one["path"]: one for one in data["tree"]}
    assert [by_path[path]["of"] for path in ("data/0.txt", "flash_manifest.json", "flash/__init__.py", "six.py")] == [
        "project",
        "build",
        "flash",
        "distribution",
    ]
    assert by_path["six.py"]["distribution"] == "six"


def test_nothing_in_an_artifact_reaches_the_terminal_as_it_is(tmp_path: Path) -> None:
    """Names may hold escapes: of files, distributions, endpoints and reasons."""
    evil = "\x1b]0;owned\x07"
    manifest = MANIFEST.model_copy(
        update={
            "project_name": evil,
            "resources": {
                evil: MANIFEST.resources["gpu_worker"].model_copy(update={"image_name": evil, "gpu_ids": evil})
            },
            "excluded": {evil: evil},
        }
    )
    files = demo(manifest=manifest) | {f"{evil}.py": "", f"data/{evil}/a": ""} | {f"{evil}-1.dist-info/METADATA": ""}
    old, found = read(tmp_path, demo(), "old"), read(tmp_path, files)
    for text in (
        render_artifact.contents_text(found, width=80),
        render_artifact.tree_text(found, width=80),
        render_difference.difference_text(difference(old, found), "a", "b", width=80),
    ):
        assert "\x1b" not in text
        assert "\x07" not in text


def test_the_difference_as_json_has_every_file(tmp_path: Path) -> None:
    """And no value of a variable."""
    found = difference(read(tmp_path, demo(), "old"), read(tmp_path, changed()))
    data: dict[str, Any] = render_difference.difference_data(found, "a", "b")
    assert data["files"]["project"] == {
        "added": ["models/a-very-long-folder-name/another-very-long-folder-name/weights-of-the-model.bin"],
        "removed": ["data/deep/words.txt"],
        "changed": ["gpu_worker.py"],
    }
    assert data["distributions"] == [
        {"name": "left-pad", "from": "1.2.0", "to": "1.3.0"},
        {"name": "rich", "from": None, "to": "15.0"},
    ]
    assert {"name": "workersMax", "from": "1", "to": "3"} in data["settings"]["gpu_worker"]
    assert (data["same_bytes"], data["same_content"]) == (False, False)
    assert "hunter2" not in json.dumps(data)


def test_no_difference_is_said_in_a_line(tmp_path: Path) -> None:
    """The same bytes, or the same content in other bytes."""
    one, other = read(tmp_path, demo()), read(tmp_path, dict(reversed(demo().items())), "other")
    assert "same bytes" in render_difference.difference_text(difference(one, one), "a", "b")
    assert "a worker gets the same files" in render_difference.difference_text(difference(one, other), "a", "b")


def test_a_long_list_of_files_is_cut(tmp_path: Path) -> None:
    """With how many there are more."""
    many = read(tmp_path, demo(**{f"data/{number}.txt": "" for number in range(99)}), "many")
    text = render_difference.difference_text(difference(read(tmp_path, demo()), many), "a", "b")
    assert "… and 59 files more; --json lists all" in text


@given(st.text(max_size=60), st.integers(3, 60))
def test_what_is_shortened_keeps_its_ends(text: str, width: int) -> None:
    """And is never longer than it was or may be."""
    short = render_artifact.shortened(text, width)
    assert len(short) <= max(min(len(text), width), 0)
    assert short == text or (short[0] == text[0] and short[-1] == text[-1])


# ---------------------------------------------------------------------------------------------------------------------
# the command


@pytest.fixture
def built(project: Path) -> Path:
    """An artifact where the project's last build lies."""
    (project / ".flash").mkdir()
    return packed(project / ".flash/artifact.tar.gz", demo())


def test_the_last_build_is_what_is_shown(
    built: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a name; piped, lines are as long as they need."""
    assert main(["inspect"], services) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"{built}\n")
    assert "left-pad 1.2.0" in out
    assert main(["inspect", "--tree", "--json"], services) == 0
    assert {one["path"] for one in json.loads(capsys.readouterr().out)["tree"]} == set(demo())


def test_two_artifacts_are_compared(
    built: Path, services: FakeServices, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the one that is named to the last build."""
    old = packed(tmp_path / "old.tar.gz", changed())
    assert main(["inspect", "--diff", str(old)], services) == 0
    assert "- rich" in capsys.readouterr().out
    assert main(["inspect", str(old), "--diff", str(built), "--json"], services) == 0
    assert json.loads(capsys.readouterr().out)["to"]["artifact"] == str(old)


def test_a_bill_can_go_to_stdout_alone(built: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]) -> None:
    """So that a scanner can read it from a pipe."""
    assert main(["inspect", "--sbom", "-"], services) == 0
    captured = capsys.readouterr()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(captured.out) is None
    assert captured.err == ""


def test_papers_are_written_beside_what_is_shown(
    built: Path,
    services: FakeServices,
    project: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The statement of who has not built it says so, and is not signed whatever key is there."""
    monkeypatch.setenv("FLASH_SIGNING_KEY", "no key at all")
    assert main(["inspect", "--sbom", "bom.json", "--provenance", "made.json", "--json"], services) == 0
    captured = capsys.readouterr()
    assert captured.err == "wrote bom.json\nwrote made.json\n"
    data = json.loads(captured.out)
    assert (data["sbom"], data["provenance"]) == ("bom.json", "made.json")
    envelope = read_envelope((project / "made.json").read_bytes())
    assert envelope.signatures == ()
    definition = json.loads(envelope.payload)["predicate"]["buildDefinition"]
    assert definition["internalParameters"]["statedBy"] == "inspection"


def test_the_time_of_a_bill_is_what_is_set(
    built: Path, services: FakeServices, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or none; what is no time is a wrong setting."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1795000000")
    assert main(["inspect", "--sbom", "-"], services) == 0
    assert json.loads(capsys.readouterr().out)["metadata"]["timestamp"].startswith("2026-11-18T")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    assert main(["inspect", "--sbom", "-"], services) == 2
    assert "SOURCE_DATE_EPOCH is 'yesterday'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["--tree", "--diff", "x"], 2, "not allowed with"),
        (["--sbom", "-", "--provenance", "-"], 2, "the same file"),
        (["--sbom", "missing/bom.json"], 2, "nothing can be written there"),
        (["--sbom", "."], 2, "nothing can be written there"),
        (["--diff", "missing.tar.gz"], 1, "missing.tar.gz: cannot read the artifact"),
        (["--verify", "missing.json"], 1, "missing.json: cannot read the statement"),
        (["--verify", "pyproject.toml"], 1, "pyproject.toml: it is no JSON"),
    ],
)
def test_what_cannot_be_done_is_said(
    built: Path,
    services: FakeServices,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    status: int,
    told: str,
) -> None:
    """With the option or the file."""
    assert main(["inspect", *arguments], services) == status
    assert told in capsys.readouterr().err


def test_a_statement_is_checked_against_the_artifact(
    built: Path, services: FakeServices, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that is about another is refused."""
    assert main(["inspect", "--provenance", "made.json"], services) == 0
    capsys.readouterr()
    assert main(["inspect", "--verify", "made.json"], services) == 0
    out = capsys.readouterr().out
    assert out.startswith("✓ made.json is about this artifact")
    assert "signed  by nobody" in out
    other = packed(tmp_path / "other.tar.gz", changed())
    assert main(["inspect", str(other), "--verify", "made.json"], services) == 1
    assert "it is about another artifact" in capsys.readouterr().err


def test_a_signature_is_asked_for_where_keys_are_trusted(
    built: Path, services: FakeServices, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The keys of receipts."""
    assert main(["inspect", "--provenance", "made.json"], services) == 0
    settings = (project / "pyproject.toml").read_text(encoding="utf-8")
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKdo7Fgc1s8pTT9qJ9JyH3T9TvK9Wk4XrM5o0hH0gq5K"
    settings = settings.replace('app = "demo"', f'app = "demo"\nreceipt-keys = ["{key}"]')
    (project / "pyproject.toml").write_text(settings, encoding="utf-8")
    capsys.readouterr()
    assert main(["inspect", "--verify", "made.json"], services) == 1
    assert "is not signed" in capsys.readouterr().err


def test_a_terminal_has_a_width(built: Path, services: FakeServices, monkeypatch: pytest.MonkeyPatch) -> None:
    """What somebody looks at fits it."""
    packed(built, demo(**{f"{'deep/' * 30}weights.bin": "w"}))
    written: list[str] = []
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys, "stdout", Terminal(written))
    assert main(["inspect", "--tree"], services) == 0
    lines = "".join(written).splitlines()[1:]
    assert max(map(len, lines)) <= 80


class Terminal:
    """Stands in for one, as stdout."""

    encoding = "utf-8"

    def __init__(self, written: list[str]) -> None:
        self._written = written

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> None:
        self._written.append(text)

    def flush(self) -> None:
        """Everything is there already."""


def test_without_a_build_there_is_nothing_to_look_into(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message says how to make one."""
    assert main(["inspect"], services) == 1
    assert capsys.readouterr().err == (
        f"✗ {project / '.flash/artifact.tar.gz'}: there is no artifact yet\nhint: flash build makes it\n"
    )


def test_a_file_that_is_no_artifact_is_an_error(
    project: Path, services: FakeServices, capsys: pytest.CaptureFixture[str]
) -> None:
    """Any file can be named."""
    assert main(["inspect", "pyproject.toml"], services) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("✗ pyproject.toml: cannot read the artifact")
    assert "hint: flash build makes an artifact" in captured.err


def test_the_library_for_bills_is_loaded_for_bills_only(built: Path) -> None:
    """It takes longer to import than everything else that looks into an artifact."""
    code = "import sys; from flash.cli.main import main; main(sys.argv[1:]); sys.exit('cyclonedx' in sys.modules)"
    without = subprocess.run([sys.executable, "-c", code, "inspect", str(built)], check=False, capture_output=True)
    with_bill = subprocess.run(
        [sys.executable, "-c", code, "inspect", str(built), "--sbom", "-"], check=False, capture_output=True
    )
    assert (without.returncode, with_bill.returncode) == (0, 1)
