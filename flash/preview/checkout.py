"""What git says of a project's folder. The only place that runs ``git``, and it changes nothing.

Asked once in a run, before anything is built: what the run itself writes is no change of the user's.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Checkout", "read_checkout"]

_WITHIN_S: Final = 30.0
_BYTECODE: Final = "__pycache__/"
_COMMAND: Final = (
    *("git", "--no-optional-locks", "-c", "core.fsmonitor=false", "-c", "core.quotePath=false"),
    *("status", "--porcelain=v2", "--branch", "--untracked-files=normal", "--ignore-submodules=none", "-z"),
)
# CI systems check out commits, not branches, and say which branch it is: commit, prefix of the value, variable
_TOLD_BY_CI: Final = (
    ("GITHUB_SHA", "refs/heads/", "GITHUB_REF"),
    ("CI_COMMIT_SHA", "", "CI_COMMIT_BRANCH"),  # GitLab
    ("BUILDKITE_COMMIT", "", "BUILDKITE_BRANCH"),
    ("CIRCLE_SHA1", "", "CIRCLE_BRANCH"),
)


@dataclass(frozen=True, slots=True)
class Checkout:
    """A git checkout.

    Attributes:
        commit: 40 or 64 hexadecimal digits.
        branch: None on a detached head, unless the CI system says which branch the commit is built for.
        is_dirty: Whether something differs from the commit, files that git does not know included. Bytecode that
            Python writes beside the modules that it imports is no such file: no run could be clean twice.
        changed: What does, relative to the checkout.
        branch_told_by: The CI system's variable that names the branch, or the empty string.
    """

    commit: str
    branch: str | None
    is_dirty: bool = False
    changed: tuple[str, ...] = ()
    branch_told_by: str = ""


def read_checkout(root: Path, *, environment: Mapping[str, str]) -> Checkout | None:
    """The checkout that *root* is in; None without git, outside of a checkout, and before its first commit.

    Args:
        root: A folder.
        environment: This process's. Variables that would have git look elsewhere are not passed on.
    """
    inherited = {name: value for name, value in environment.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            _COMMAND,
            cwd=root,
            env={**inherited, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_WITHIN_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode != 0:
        return None
    return _with_branch_of_ci(_parsed(done.stdout.decode("utf-8", "replace")), environment)


def _parsed(status: str) -> Checkout | None:
    """Take the answer apart. Source: git's documentation, git-status, "Porcelain Format Version 2", read 2026-11."""
    commit, branch, changed = "", "", list[str]()
    entries = iter(status.split("\0"))
    for entry in entries:
        kind, _, rest = entry.partition(" ")
        if kind == "#":
            name, _, value = rest.partition(" ")
            commit = value if name == "branch.oid" else commit
            branch = value if name == "branch.head" else branch
        elif kind == "1":
            changed.append(rest.split(" ", 7)[-1])
        elif kind == "2":
            changed.append(rest.split(" ", 8)[-1])
            next(entries, None)  # what it was called before
        elif kind == "u":
            changed.append(rest.split(" ", 9)[-1])
        elif kind == "?" and not rest.endswith(_BYTECODE):
            changed.append(rest)
    if not commit or commit == "(initial)":
        return None
    return Checkout(commit, None if branch == "(detached)" else branch, bool(changed), tuple(changed))


def _with_branch_of_ci(checkout: Checkout | None, environment: Mapping[str, str]) -> Checkout | None:
    if checkout is None or checkout.branch is not None:
        return checkout
    for commit, prefix, name in _TOLD_BY_CI:
        value = environment.get(name, "")
        # of this very commit: what it says of another one is nothing
        if environment.get(commit) == checkout.commit and value.startswith(prefix) and value != prefix:
            branch = value.removeprefix(prefix)
            return Checkout(checkout.commit, branch, checkout.is_dirty, checkout.changed, name)
    return checkout
