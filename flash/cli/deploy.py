"""``flash deploy``: a test run whose last stage is the deployment. There is no second pipeline.

Two exceptions, each its own branch: ``--preview`` serves the artifact here, and ``--no-gate`` deploys without tests.
"""

from __future__ import annotations

import signal
import tempfile
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
from flash.cli.status import DONE, FAILED, USAGE, UsageError
from flash.errors import DeployError, FlashError, Refused

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from flash.cli.child import Ended
    from flash.cli.command import Context
    from flash.cli.console import Console
    from flash.cli.report import Report
    from flash.deploy.plan import Plan
    from flash.preview.pipeline import Pipeline, Promotion
    from flash.project import Project, TargetName

__all__ = ["DEPLOY", "pytest_arguments"]

_PYTEST_INTERRUPTED: Final = 2
_PYTEST_USAGE: Final = 4


def _configure(parser: argparse.ArgumentParser) -> None:
    add_environment_option(parser)
    add_target_option(parser)
    add_backend_option(parser)
    add_project_options(parser, builds=True)
    parser.add_argument("--allow-delete", action="store_true", help="let endpoints go that the project no longer has")
    parser.add_argument(
        "--plan", type=Path, metavar="FILE", help="do what flash plan --out FILE said, and refuse anything else"
    )
    parser.add_argument(
        "--report",
        type=Path,
        metavar="FILE",
        action="append",
        default=[],
        help="write what came of it to FILE: .html, .md, .env or JSON; can be given more than once",
    )
    parser.add_argument(
        "--receipt", type=Path, metavar="FILE", help="write what the gate let through to FILE, for flash promote"
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--preview", action="store_true", help="deploy nothing: build, and serve here until Ctrl+C")
    how.add_argument("--no-gate", action="store_true", help="deploy without running any test")


def _run(options: argparse.Namespace, context: Context) -> int:
    project = open_project(options)
    if options.preview:
        from flash.cli.preview import preview

        _reject_what_a_preview_ignores(options)
        return preview(project, options.backend, context)
    from flash.cli.environments import choose_environment
    from flash.project import environment as surrounding_variables
    from flash.project import target_of, withheld

    if options.no_gate and options.receipt is not None:
        raise UsageError(
            "flash deploy: --receipt has no meaning with --no-gate",
            hint="a receipt says what the gate let through; leave one of the two out",
        )
    for report in options.report:
        if not report.absolute().parent.is_dir():
            raise UsageError(f"--report: there is no folder {report.absolute().parent}", hint="make it first")
    planned = _planned(options)
    named = wanted_target(options)
    wanted = options.env if options.env is not None or planned is None else planned.environment
    environment = choose_environment(project, wanted, named, context.services)
    target = target_of(project, environment, named)
    pipeline = context.services.pipeline(options.backend)
    variables = surrounding_variables()
    # what starts here may stay: a local platform
    with withheld(project, environment):
        pipeline.check_target(project, environment, target, report=context.console.progress)
        if planned is not None:
            # the promotion checks it again, with the artifact; what is wrong already is told before anything is built
            live = pipeline.look(project, environment, target)
            planned.check(live, app=project.settings.app, environment=environment, target=target)
        if options.no_gate:
            return _ungated(pipeline, project, environment, target, options, context, planned, variables)
    return _gated(project, environment, options, context)


def _planned(options: argparse.Namespace) -> Plan | None:
    if options.plan is None:
        return None
    from flash.preview.planning import read_plan

    return read_plan(options.plan)


# ---------------------------------------------------------------------------------------------------------------------
# As the last stage of a test run


def _gated(project: Project, environment: str, options: argparse.Namespace, context: Context) -> int:
    from flash.cli.report import Report

    with tempfile.TemporaryDirectory(prefix="flash-deploy-") as folder:
        report_path = Path(folder) / "report.json"
        arguments = pytest_arguments(project.root, environment, report_path, options)
        ended = context.services.run(arguments, cwd=project.root)
        report = Report.read(report_path)
    if _is_interruption(ended, report):
        raise KeyboardInterrupt
    if report is None:
        raise _unreported(ended)
    return _tell(report, ended, context)


def pytest_arguments(root: Path, environment: str, report: Path, options: argparse.Namespace) -> list[str]:
    """What Python is called with to build, test and deploy the project in *root*."""
    given = {
        "--flash-target": options.target,
        "--flash-backend": None if options.backend == "auto" else options.backend,
        "--flash-app": options.app,
        "--flash-exclude": ",".join(options.exclude),
        "--flash-receipt": "" if options.receipt is None else str(options.receipt.absolute()),
        "--flash-planned": "" if options.plan is None else str(options.plan.absolute()),
    }
    return [
        "-m",
        "pytest",
        str(root),
        f"--flash-root={root}",
        f"--flash-deploy={environment}",
        f"--flash-report={report}",
        "--flash-no-summary",
        *(f"--flash-report={wanted.absolute()}" for wanted in options.report),
        *(f"{name}={value}" for name, value in given.items() if value),
        *(["--flash-allow-delete"] if options.allow_delete else []),
    ]


def _is_interruption(ended: Ended, report: Report | None) -> bool:
    """Status 2 of pytest comes after Ctrl+C, and also where collection failed; only the first is an interruption."""
    if ended.interrupted or ended.status == -signal.SIGINT:
        return True
    return ended.status == _PYTEST_INTERRUPTED and report is not None and report.outcome == "interrupted"


def _unreported(ended: Ended) -> FlashError:
    if ended.status == _PYTEST_USAGE:
        return UsageError(
            "pytest did not accept its arguments or its settings; what it said is above",
            hint="see the [tool.pytest.ini_options] of the project, and PYTEST_ADDOPTS",
        )
    how = f"was ended by signal {-ended.status}" if ended.status < 0 else f"ended with status {ended.status}"
    return DeployError(
        f"the test run {how} before it came to a verdict",
        hint="what it said is above; `flash env get NAME` shows what is live",
    )


def _tell(report: Report, ended: Ended, context: Context) -> int:
    from flash.cli import render
    from flash.deploy.summary import deployed_block
    from flash.project import program

    data = render.report_data(report)
    if report.outcome == "deployed":
        context.console.result(deployed_block(report, is_local=report.is_local, program=program()), data)
        if ended.status != DONE:
            context.console.progress(f"✗ deployed, but the test run ended with status {ended.status}; see above")
        return DONE if ended.status == DONE else FAILED
    error = _refusal(report)
    context.console.failure(error, data)
    return USAGE if ended.status == _PYTEST_USAGE else FAILED


def _refusal(report: Report) -> FlashError:
    from flash.cli import render

    what = "rolled back" if report.outcome == "rolled-back" else "not deployed to"
    message = f"{what} {report.environment}: {report.message or report.outcome}"
    if report.outcome == "refused":
        error = Refused(message, hint=report.hint)
        error.detail = render.gate_text(report.stands_in_the_way)
        return error
    return DeployError(message, hint=report.hint, detail="\n".join(filter(None, [report.detail, report.live])))


# ---------------------------------------------------------------------------------------------------------------------
# --no-gate


def _ungated(
    pipeline: Pipeline,
    project: Project,
    environment: str,
    target: TargetName,
    options: argparse.Namespace,
    context: Context,
    planned: Plan | None,
    variables: Mapping[str, str],
) -> int:
    from datetime import datetime, timezone

    from flash.cli import render
    from flash.deploy.summary import deployed_block
    from flash.preview.checkout import read_checkout
    from flash.preview.surroundings import demand
    from flash.project import program

    console = context.console
    console.progress("! --no-gate: deploying without tests")
    checkout = read_checkout(project.root, environment=variables)
    # what is not about tests holds without them too
    demand(project, environment, variables=variables, now=datetime.now(timezone.utc), checkout=checkout)
    artifact = pipeline.build(project, report=console.progress)
    promotion = pipeline.promote(
        project,
        artifact,
        environment=environment,
        target=target,
        report=console.progress,
        allow_delete=options.allow_delete,
        planned=planned,
        gate="ungated",
        git=None if checkout is None else checkout.commit,
    )
    promotion.finish()
    deployment = promotion.deployment
    data = {
        "app": deployment.app,
        "environment": deployment.environment,
        "digest": deployment.digest,
        "outcome": "deployed",
        "gate": [],
        "endpoints": [render.endpoint_data(endpoint) for endpoint in deployment.endpoints],
    }
    _write_reports(project, promotion, target, options.report, console)
    console.result(deployed_block(deployment, is_local=promotion.is_local, program=program()), data)
    return DONE


def _write_reports(
    project: Project, promotion: Promotion, target: TargetName, files: Sequence[Path], console: Console
) -> None:
    """Write what a deployment without tests has to tell; one that cannot be written undoes nothing."""
    if not files:
        return
    from flash.deploy.secrets import users_of
    from flash.project import dotenv, environment, known_secrets
    from flash.report.document import Endpoint, Report
    from flash.report.files import write_file
    from flash.report.redaction import redacted, secrets_of

    deployment = promotion.deployment
    report = Report(
        app=deployment.app,
        environment=deployment.environment,
        target=target,
        outcome="deployed",
        digest=deployment.digest,
        previous_digest=deployment.previous,
        endpoints=tuple(Endpoint(**endpoint.as_json()) for endpoint in deployment.endpoints),
        notes=("deployed without tests: --no-gate",),
    )
    values = known_secrets(project, users_of(deployment.manifest)) if deployment.manifest is not None else {}
    clean = redacted(report, (*secrets_of({**dotenv(project), **environment()}), *values.values()))
    try:
        for path in files:
            write_file(clean, path)
    except OSError as error:
        console.progress(f"! the report could not be written: {error}")


# ---------------------------------------------------------------------------------------------------------------------
# --preview


def _reject_what_a_preview_ignores(options: argparse.Namespace) -> None:
    for name in ("env", "target", "allow_delete", "plan", "report", "receipt"):
        if getattr(options, name):
            raise UsageError(
                f"flash deploy: --{name.replace('_', '-')} has no meaning with --preview",
                hint="a preview is an environment of its own, on this machine; leave one of the two out",
            )


DEPLOY = Command(
    _configure,
    _run,
    epilog="exit status: 0 deployed, 1 refused or failed, 2 usage, 130 interrupted",
    checks_target=True,
)
