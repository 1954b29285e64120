"""The gate's conditions that are about the place and the time of a deployment, not about its tests. Pure.

They are known before anything is built, and are told then; the gate's decision lists them again beside the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final, Literal

from flash.deploy.decision import Condition

__all__ = ["BY_RECEIPT", "Approval", "Surroundings", "judge_surroundings", "untold"]

Approval = Literal["not-asked", "given", "absent", "wrong"]
_NAMED: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What holds whatever the tests say, and what the environment's settings ask of it.

    Attributes:
        environment: Where the artifact would go.
        required_markers: Each must be on a test that passed, and on none that did not; judged after the tests.
        allowed_branches: Patterns, as the shell has them; empty: any branch, and none.
        wants_clean_tree: Whether uncommitted changes are refused.
        commit: What is checked out; None where the project is in no checkout.
        branch: None on a detached head that nothing gives a name.
        branch_told_by: The variable that names the branch of a detached head, or the empty string.
        changed: Files that differ from the commit.
        approval_env: The variable that the approval's token is expected in.
        approval: What became of that. The token itself is nowhere.
        frozen_by: The freeze window that is open now, in words, or the empty string.
        ledger_of: The environment whose ledger is all that is known of the run that tested; empty where there is more.
    """

    environment: str = ""
    required_markers: tuple[str, ...] = ()
    allowed_branches: tuple[str, ...] = ()
    wants_clean_tree: bool = False
    commit: str | None = None
    branch: str | None = None
    branch_told_by: str = ""
    changed: tuple[str, ...] = ()
    approval_env: str = ""
    approval: Approval = "not-asked"
    frozen_by: str = ""
    ledger_of: str = ""

    @property
    def table(self) -> str:
        """Where the settings are that ask for all this."""
        return f"[tool.flash.environments.{self.environment}]"


def untold(given: Surroundings, what: str) -> str:
    """The evidence where nothing but a ledger speaks for the run that tested: that is no checkout without it."""
    return f"the ledger of {given.ledger_of!r} does not tell {what}"


def judge_surroundings(given: Surroundings) -> tuple[Condition, ...]:
    """FLASH-G010 to G013."""
    return (_branch(given), _clean_tree(given), _approved(given), _not_frozen(given))


BY_RECEIPT: Final = "promote with --receipt FILE: a receipt tells it"
_NO_CHECKOUT: Final = "the project is in no git checkout with a commit"
_WHERE: Final = "deploy from a git checkout; `git status` in the project's folder says what is wrong with this one"


def _branch(given: Surroundings) -> Condition:
    code, title = "FLASH-G010", "the branch may be deployed"
    source = f" (named by {given.branch_told_by})" if given.branch_told_by else ""
    nothing = "the ledger does not tell it" if given.ledger_of else "no checkout"
    seen = nothing if given.commit is None else f"{given.branch or 'a detached head'}{source}"
    if not given.allowed_branches:
        return Condition(code, title, "pass", f"any may: {seen}")
    allowed = ", ".join(given.allowed_branches)
    remedy = f"deploy from {allowed}, or change branches in {given.table}"
    if given.ledger_of:
        return Condition(code, title, "inconclusive", untold(given, "the branch that was tested"), BY_RECEIPT)
    if given.commit is None:
        return Condition(code, title, "inconclusive", _NO_CHECKOUT, _WHERE)
    if given.branch is None:
        evidence = f"a detached head is on no branch; allowed: {allowed}"
        return Condition(code, title, "inconclusive", evidence, remedy)
    if not any(fnmatchcase(given.branch, pattern) for pattern in given.allowed_branches):
        return Condition(code, title, "refused", f"it is {seen}; allowed: {allowed}", remedy)
    return Condition(code, title, "pass", f"it is {seen}; allowed: {allowed}")


def _clean_tree(given: Surroundings) -> Condition:
    code, title = "FLASH-G011", "the working tree is clean"
    if not given.wants_clean_tree:
        state = f"{_files(given.changed)} not committed" if given.changed else "nothing to commit"
        nothing = "the ledger does not tell it" if given.ledger_of else "no checkout"
        return Condition(code, title, "pass", f"it need not be: {nothing if given.commit is None else state}")
    if given.ledger_of:
        return Condition(code, title, "inconclusive", untold(given, "whether it was"), BY_RECEIPT)
    if given.commit is None:
        return Condition(code, title, "inconclusive", _NO_CHECKOUT, _WHERE)
    if given.changed:
        evidence = f"{_files(given.changed)} not committed: {_named(given.changed)}"
        return Condition(code, title, "refused", evidence, "commit, ignore or remove them", given.changed)
    return Condition(code, title, "pass", f"nothing to commit on {given.commit[:12]}")


def _approved(given: Surroundings) -> Condition:
    code, title = "FLASH-G012", "the deployment is approved"
    if given.approval == "not-asked":
        return Condition(code, title, "pass", "no approval is asked for")
    if given.approval == "given":
        return Condition(code, title, "pass", f"{given.approval_env} holds the token")
    evidence = f"{given.approval_env} is not set"
    if given.approval == "wrong":
        evidence = f"what {given.approval_env} holds does not have the sha256 in {given.table}"
    remedy = f"let whoever approves set {given.approval_env} to the token whose sha256 is in {given.table}"
    return Condition(code, title, "refused", evidence, remedy)


def _not_frozen(given: Surroundings) -> Condition:
    code, title = "FLASH-G013", "no freeze is on"
    if not given.frozen_by:
        return Condition(code, title, "pass", "no window is open now")
    return Condition(
        code, title, "refused", given.frozen_by, f"wait until it is over, or change freeze in {given.table}"
    )


def _files(changed: tuple[str, ...]) -> str:
    return f"{len(changed)} file is" if len(changed) == 1 else f"{len(changed)} files are"


def _named(files: tuple[str, ...]) -> str:
    more = len(files) - _NAMED
    return ", ".join(files[:_NAMED]) + (f" and {more} more" if more > 0 else "")
