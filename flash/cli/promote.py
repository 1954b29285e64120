"""``flash promote``: what was tested before goes live elsewhere, without being built or tested again.

Either a receipt says what was tested, or another environment runs it. Everything that can be refused is refused before
the first change; then the rollout is that of every deployment, and the smoke tests of this checkout run against it.
"""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from flash.cli.command import (
    Command,
    add_backend_option,
    add_environment_option,
    add_project_options,
    add_target_option,
    open_project,
    wanted_target,
)
from flash.cli.status import DONE, FAILED, INTERRUPTED, UsageError
from flash.errors import DeployError, FlashError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from flash.cli.command import Context
    from flash.preview.backend import Wanted
    from flash.preview.pipeline import Promotion
    from flash.preview.receipts import Found
    from flash.project import Project, TargetName

__all__ = ["PROMOTE", "add_release_options", "find_release", "smoke_arguments"]

_PYTEST_NO_TESTS: Final = 5
_SMOKE_MARKS: Final = "flash_smoke or flash_deployed_only"


def _configure(parser: argparse.ArgumentParser) -> None:
    add_release_options(parser, is_required=True)
    add_environment_option(parser)
    add_target_option(parser)
    parser.add_argument(
        "--plan", type=Path, metavar="FILE", help="do what flash plan --out FILE said, and refuse anything else"
    )
    parser.add_argument("--allow-delete", action="store_true", help="let endpoints go that the artifact does not have")
    parser.add_argument("--no-smoke", action="store_true", help="run no test against what is live then")
    add_backend_option(parser)
    add_project_options(parser, builds=False)


def add_release_options(parser: argparse.ArgumentParser, *, is_required: bool) -> None:
    """What there is to promote: ``--receipt`` or ``--from``, and ``--artifact``."""
    what = parser.add_mutually_exclusive_group(required=is_required)
    what.add_argument(
        "--receipt", type=Path, metavar="FILE", help="promote what this receipt of --flash-receipt speaks for"
    )
    what.add_argument("--from", dest="source", metavar="ENV", help="promote what is live and verified in ENV")
    parser.add_argument(
        "--artifact", type=Path, metavar="FILE", help="the artifact, where the platform does not have it"
    )


def find_release(
    options: argparse.Namespace,
    project: Project,
    environment: str,
    target: TargetName,
    context: Context,
    *,
    wanted: Wanted = "auto",
) -> Found:
    """What these options let into an environment.

    Raises:
        UsageError: It would be promoted to where it is.
        FlashError: It may not be promoted there.
    """
    from flash.project import environment_name, target_of

    source = None
    if options.source is not None:
        name = environment_name(project, options.source)
        if name == environment:
            raise UsageError(f"flash promote: --from and --env are both {environment!r}", hint="name two environments")
        source = name, target_of(project, name, wanted_target(options))
    found = context.services.find_release(
        project,
        environment=environment,
        target=target,
        receipt=options.receipt,
        source=source,
        artifact=options.artifact,
        wanted=wanted,
        report=context.console.progress,
    )
    for note in found.notes:
        context.console.progress(f"! {note}")
    return found


def _run(options: argparse.Namespace, context: Context) -> int:
    from flash.cli.environments import choose_environment
    from flash.preview.planning import read_plan
    from flash.project import target_of

    console, services = context.console, context.services
    project = open_project(options)
    planned = None if options.plan is None else read_plan(options.plan)
    named = wanted_target(options)
    meant = options.env if options.env is not None or planned is None else planned.environment
    environment = choose_environment(project, meant, named, services)
    target = target_of(project, environment, named)
    with _saying_when_stopped(lambda: f"nothing was changed in {environment}", context):
        found = find_release(options, project, environment, target, context, wanted=options.backend)
    signed = f", signed by key {found.signer[:19]}…" if found.signer else ""
    console.progress(f"promoting artifact {found.release.digest[:12]} to {environment}{signed}")
    with _saying_when_stopped(lambda: _what_is_live(project, environment, target, context), context):
        promotion = services.promote_release(
            project,
            found.release,
            environment=environment,
            target=target,
            allow_delete=options.allow_delete,
            planned=planned,
            wanted=options.backend,
            report=console.progress,
        )
    try:
        smoke = "not run" if options.no_smoke else _smoke(project, promotion, context)
    except DeployError as error:
        _roll_back(promotion, found, error, context, smoke="failed")
        return FAILED
    except KeyboardInterrupt:
        # whoever stops the run leaves nothing unverified behind
        _roll_back(promotion, found, DeployError("interrupted"), context, smoke="interrupted")
        return INTERRUPTED
    except BaseException:
        # nor does an error that nobody expects
        promotion.roll_back(report=console.progress)
        raise
    try:
        promotion.finish()
    except FlashError as error:
        console.progress(f"! the version before is not retired yet: {error}")
    return _tell(promotion, found, smoke, context)


# ---------------------------------------------------------------------------------------------------------------------
# The smoke tests


def _smoke(project: Project, promotion: Promotion, context: Context) -> str:
    """Run this checkout's smoke tests against what is live; says what came of it.

    Raises:
        DeployError: One failed, or they could not be run.
    """
    with tempfile.TemporaryDirectory(prefix="flash-promote-") as folder:
        attachment = Path(folder, "deployment.json")
        promotion.attachment.write(attachment)
        ended = context.services.run(
            smoke_arguments(project.root, attachment),
            cwd=project.root,
            without=_withheld(project, promotion.deployment.environment),
            # where a test was when somebody pressed Ctrl+C would hide what is live now
            hushes_interrupted=True,
        )
    if ended.interrupted:
        raise KeyboardInterrupt
    if ended.status == DONE:
        return "passed"
    if ended.status == _PYTEST_NO_TESTS:
        return "no tests"
    raise DeployError(
        f"the smoke tests failed: pytest ended with status {ended.status}",
        hint="what it said is above; --no-smoke promotes without them",
    )


def _withheld(project: Project, environment: str) -> list[str]:
    """Variables that tests do not see: pytest's own options, the key that signs receipts, the token of an approval."""
    from flash.project import SIGNING_KEY

    settings = project.settings.environments.get(environment)
    approval = None if settings is None else settings.protection.approval_env
    return ["PYTEST_ADDOPTS", SIGNING_KEY, *([] if approval is None else [approval])]


def smoke_arguments(root: Path, attachment: Path) -> list[str]:
    """What Python is called with to run the smoke tests of the project in *root*."""
    return [
        *("-m", "pytest", str(root), "-m", _SMOKE_MARKS),
        *(f"--flash-root={root}", f"--flash-attach={attachment}", "-o", "addopts="),
    ]


# ---------------------------------------------------------------------------------------------------------------------
# What is told


@contextmanager
def _saying_when_stopped(what: Callable[[], str], context: Context) -> Iterator[None]:
    """Say what an interruption of the block leaves live."""
    try:
        yield
    except KeyboardInterrupt:
        context.console.progress(what())
        raise


def _what_is_live(project: Project, environment: str, target: TargetName, context: Context) -> str:
    """As the platform tells it: who stops a rollout cannot know how far it has come, nor whether all was put back."""
    services = context.services
    try:
        found = services.environment(project, services.address(project, target), environment)
    except FlashError as error:
        return f"! what is live in {environment} is not known: {error.headline}"
    build = None if found is None else found.active_build_id
    return f"{'nothing' if build is None else f'build {build}'} is live in {environment}"


def _roll_back(promotion: Promotion, found: Found, error: DeployError, context: Context, *, smoke: str) -> None:
    try:
        live = promotion.roll_back(report=context.console.progress)
    except FlashError as second:
        message = f"{error.message}; and it could not be put back: {second.headline}"
        raise DeployError(message, hint=second.hint, detail=second.detail) from second
    environment = promotion.deployment.environment
    told = DeployError(f"rolled back {environment}: {error.message}", hint=error.hint, detail=live)
    context.console.failure(told, _data(promotion, found, outcome="rolled-back", smoke=smoke, with_endpoints=False))


def _tell(promotion: Promotion, found: Found, smoke: str, context: Context) -> int:
    from flash.deploy.summary import deployed_block
    from flash.project import program

    if smoke != "passed":
        why = "--no-smoke" if smoke == "not run" else "no test here is marked flash_smoke or flash_deployed_only"
        context.console.progress(f"! what is live was not smoke-tested: {why}")
    text = deployed_block(promotion.deployment, is_local=promotion.is_local, program=program())
    data = _data(promotion, found, outcome="deployed", smoke=smoke, with_endpoints=True)
    context.console.result(text, data)
    return DONE


def _data(promotion: Promotion, found: Found, *, outcome: str, smoke: str, with_endpoints: bool) -> dict[str, object]:
    from flash.cli import render

    deployment, release = promotion.deployment, found.release
    endpoints = deployment.endpoints if with_endpoints else ()
    return {
        "app": deployment.app,
        "environment": deployment.environment,
        "digest": deployment.digest,
        "previous_digest": deployment.previous,
        "build": deployment.build_id,
        "outcome": outcome,
        "action": "promote",
        "receipt": release.receipt,
        "signed_by": found.signer or None,
        "git": release.git,
        "gate": [{"code": one.code, "outcome": one.outcome} for one in found.verdict.conditions],
        "smoke": smoke,
        "endpoints": [render.endpoint_data(endpoint) for endpoint in endpoints],
    }


PROMOTE = Command(
    _configure,
    _run,
    epilog="exit status: 0 promoted, 1 refused, failed or rolled back, 2 usage, 130 interrupted",
)
