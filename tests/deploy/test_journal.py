from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flash.deploy.journal import Journal
from flash.errors import DeployError
from flash.project import Project, Settings


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "journal.jsonl"


def names(journal: Journal) -> list[tuple[str, str, str | None]]:
    return [(one.kind, one.name, one.id) for one in journal.pending()]


def test_a_journal_that_was_never_written_has_nothing_pending(path: Path):
    """There is no file, and reading makes none."""
    assert Journal(path).pending() == ()
    assert not path.exists()


def test_a_projects_journal_makes_its_folder_with_the_file_that_hides_it(tmp_path: Path):
    """When something is written, not when it is read."""
    project = Project(tmp_path, Settings("demo"))
    journal = Journal.of(project)
    assert (journal.pending(), journal.busy()) == ((), frozenset())
    assert not project.flash_dir.exists()
    journal.settled(journal.begin("http://p demo/production"))
    assert (project.flash_dir / ".gitignore").read_text(encoding="utf-8") == "*\n"


def test_what_was_intended_is_pending_until_it_is_removed(path: Path):
    """With its id once it has one; another process reads the same."""
    journal = Journal(path)
    run = journal.begin("http://p demo/production")
    journal.intended(run, "environment", "production")
    journal.intended(run, "endpoint", "gpu")
    journal.made(run, "endpoint", "gpu", "id1")
    assert names(Journal(path)) == [("environment", "production", None), ("endpoint", "gpu", "id1")]
    assert {(one.run, one.where) for one in journal.pending()} == {(run, "http://p demo/production")}
    journal.removed(run, "endpoint", "gpu")
    assert names(journal) == [("environment", "production", None)]


def test_what_a_settled_run_made_is_there_to_stay(path: Path):
    """Other runs stay pending."""
    journal = Journal(path)
    kept, killed = journal.begin("p a/x"), journal.begin("p a/x")
    for run in (kept, killed):
        journal.intended(run, "endpoint", "gpu")
    journal.settled(kept)
    assert [one.run for one in journal.pending()] == [killed]


def test_removing_what_was_never_made_is_fine(path: Path):
    """A removal may be written twice."""
    journal = Journal(path)
    journal.removed(journal.begin("p a/x"), "endpoint", "gpu")
    assert journal.pending() == ()


@given(cut=st.integers(min_value=1, max_value=200))
def test_a_last_line_that_was_torn_was_never_written(tmp_path_factory: pytest.TempPathFactory, cut: int):
    """Wherever the crash cut it: what was whole is kept, and the next line follows it."""
    path = tmp_path_factory.mktemp("journal") / "j.jsonl"
    journal = Journal(path)
    run = journal.begin("p a/x")
    journal.intended(run, "endpoint", "first")
    whole = path.read_bytes()
    journal.intended(run, "endpoint", "sécond")
    line = path.read_bytes()[len(whole) :]
    path.write_bytes(whole + line[: min(cut, len(line) - 1)])

    assert [one.name for one in journal.pending()] == ["first"]
    journal.intended(run, "endpoint", "third")
    assert [one.name for one in journal.pending()] == ["first", "third"]
    assert [json.loads(one)["event"] for one in path.read_text("utf-8").splitlines()] == ["began", *["intended"] * 2]


@pytest.mark.parametrize("line", ["{", "[]", '{"run": "r", "event": "made"}', '{"event": "settled"}', "3"])
def test_another_line_that_cannot_be_read_is_an_error_that_names_it(path: Path, line: str):
    """It is not skipped."""
    path.parent.mkdir()
    path.write_text(f'{{"run": "r", "event": "settled"}}\n{line}\n', encoding="utf-8")
    with pytest.raises(DeployError) as caught:
        Journal(path).pending()
    assert (caught.value.path, caught.value.line) == (str(path), 2)


def test_a_journal_that_cannot_be_opened_is_an_error(path: Path):
    """A folder in its place."""
    path.mkdir(parents=True)
    with pytest.raises(DeployError, match="cannot read the journal"):
        Journal(path).pending()


def test_a_run_is_alive_until_it_is_settled_or_its_process_is_gone(path: Path):
    """Another journal object may settle it; nothing but the journal stays."""
    run = Journal(path).begin("http://p demo/production")
    Journal(path).intended(run, "endpoint", "gpu")
    assert (Journal(path).abandoned(), Journal(path).busy()) == ((), {"http://p demo/production"})
    Journal(path).settled(run)
    assert Journal(path).busy() == frozenset()
    assert list(path.parent.iterdir()) == [path]


def test_what_a_killed_process_has_pending_is_abandoned(path: Path):
    """The operating system gives up its lock."""
    code = (
        "import os, pathlib, sys\n"
        "from flash.deploy.journal import Journal\n"
        "journal = Journal(pathlib.Path(sys.argv[1]))\n"
        "journal.intended(journal.begin('http://p demo/production'), 'endpoint', 'gpu')\n"
        "os.abort()"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], stderr=subprocess.DEVNULL)
    assert [one.name for one in Journal(path).abandoned()] == ["gpu"]
    assert Journal(path).busy() == frozenset()


def test_a_run_is_dead_only_if_the_journal_knows_it(path: Path):
    """Of a run of another checkout, nothing is known."""
    journal = Journal(path)
    assert not journal.is_dead("another")
    run = journal.begin("http://127.0.0.1:1 demo/production")
    assert not Journal(path).is_dead(run)
    journal.settled(run)
    assert Journal(path).is_dead(run)


DYING = """
import os, sys
from pathlib import Path
from flash.deploy.journal import Journal
journal = Journal(Path(sys.argv[1]))
run = journal.begin(sys.argv[2])
journal.intended(run, "endpoint", "gpu")
print(run, flush=True)
os._exit(9)
"""


def test_dead_runs_are_settled_where_a_later_one_has_ended_well(path: Path):
    """Not those elsewhere, and not those that live; the platform of this machine may have had another port."""
    journal = Journal(path)
    places = ["http://127.0.0.1:1 a/x", "http://localhost:2 a/x", "http://127.0.0.1:1 a/y", "https://api.test a/x"]
    runs = []
    for place in places:
        command = [sys.executable, "-c", DYING, str(path), place]
        runs.append(subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip())
    mine = journal.begin(places[0])
    journal.intended(mine, "endpoint", "gpu")
    journal.settle_dead(places[0])
    assert [one.run for one in journal.pending()] == [runs[2], runs[3], mine]
