"""Tells others than the terminal what came of a run: the files that were asked for, and the CI system around it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from flash.errors import FlashError
from pytest_flash.chronicle import Chronicle

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from _pytest.terminal import TerminalReporter

    from pytest_flash.ci import Ci
    from pytest_flash.stages import Stages
    from pytest_flash.verdict import Verdict

__all__ = ["Teller"]


class Teller:
    """Owned by the process that owns the run.

    Args:
        files: To write the report to; their endings say how.
        ci: The system around the run, if there is one.
        environment: Of the run; the secrets in it are in no report.
        root: pytest's.
    """

    def __init__(self, files: Sequence[Path], ci: Ci | None, environment: Mapping[str, str], root: Path) -> None:
        self.chronicle = Chronicle()
        self.ci = ci
        self._files = files
        self._environment = environment
        self._root = root
        self._log: list[str] = []

    def tell(self, verdict: Verdict, stages: Stages | None) -> None:
        """Write the files, and note what the CI system is to read in the log. What cannot be written is a note."""
        if not self._files and self.ci is None:
            return
        from pytest_flash import reporting

        material = reporting.Material(
            told=tuple(self.chronicle.told.values()),
            canary=() if stages is None else stages.canary_steps,
            smoke=() if stages is None else stages.smoke_results,
            artifact=None if stages is None else stages.built,
        )
        verdict.notes += reporting.write(
            reporting.report_of(verdict, material),
            files=self._files,
            ci=self.ci,
            root=self._root,
            hidden=self._secrets(verdict, stages),
            to_log=self._log.append,
        )

    def _secrets(self, verdict: Verdict, stages: Stages | None) -> tuple[str, ...]:
        from flash.report.redaction import secrets_of

        found = list(secrets_of(self._environment))
        if verdict.promotion is not None:
            found.append(verdict.promotion.attachment.address.api_key)
        if stages is not None:
            from flash import project

            found += stages.keys
            settings = stages.project.settings.environments.values()
            # the token of an approval may be called anything
            found += [self._environment.get(one.protection.approval_env or "", "") for one in settings]
            try:
                found += [*secrets_of(project.dotenv(stages.project)), project.api_key(stages.project) or ""]
                if stages.built is not None:
                    from flash.deploy.secrets import users_of

                    # their variables may be called anything
                    found += project.known_secrets(stages.project, users_of(stages.built.manifest)).values()
            except FlashError as error:
                # nobody else could read them either
                verdict.notes.append(f"secrets in a file that cannot be read are not looked for in reports: {error}")
        return tuple(found)

    def write_log(self, terminal: TerminalReporter | None) -> None:
        """Write what the CI system is to read there; once, and without a terminal reporter too."""
        lines, self._log = self._log, []
        for line in lines:
            if terminal is None:
                print(line, file=sys.stdout)
            else:
                terminal.write_line(line)
