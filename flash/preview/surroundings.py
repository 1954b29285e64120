"""Gathers what is known of a deployment before anything is built: git's facts, the approval, the freeze windows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flash.deploy.gate import before_building
from flash.deploy.surroundings import Surroundings
from flash.errors import Refused
from flash.preview.checkout import Checkout, read_checkout
from flash.project import EnvironmentSettings
from flash.protection.freeze import frozen_by

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from flash.project import Project

__all__ = ["demand", "surroundings"]


def surroundings(
    project: Project,
    environment: str,
    *,
    variables: Mapping[str, str],
    now: datetime,
    checkout: Checkout | None = None,
) -> Surroundings:
    """What the settings of *environment* ask for, and what of it holds.

    Args:
        project: Whose settings and whose checkout.
        environment: Where something is to be deployed.
        variables: This process's environment. Nothing of it is kept but whether it approves, and the CI's branch.
        now: With a time zone.
        checkout: What :func:`read_checkout` said, where that was asked already.
    """
    protection = project.settings.environments.get(environment, EnvironmentSettings()).protection
    seen = checkout or read_checkout(project.root, environment=variables)
    token = variables.get(protection.approval_env) if protection.approval_env is not None else None
    return Surroundings(
        environment=environment,
        required_markers=protection.required_markers,
        allowed_branches=protection.branches,
        wants_clean_tree=protection.clean_tree,
        commit=None if seen is None else seen.commit,
        branch=None if seen is None else seen.branch,
        branch_told_by="" if seen is None else seen.branch_told_by,
        changed=() if seen is None else seen.changed,
        approval_env=protection.approval_env or "",
        approval=protection.approval(token),
        frozen_by=frozen_by(protection.freeze, now),
    )


def demand(
    project: Project,
    environment: str,
    *,
    variables: Mapping[str, str],
    now: datetime,
    checkout: Checkout | None = None,
) -> None:
    """Refuse what the settings of *environment* do not allow here and now, where no test is run that could show it.

    Raises:
        Refused: Something of it does not hold.
    """
    verdict = before_building(surroundings(project, environment, variables=variables, now=now, checkout=checkout))
    if verdict.in_the_way:
        raise Refused(
            f"environment {environment!r} does not take this deployment",
            reasons=verdict.reasons,
            hint="; ".join(condition.remedy for condition in verdict.in_the_way),
        )
