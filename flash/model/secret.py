"""``Secret``: a value that is known where an endpoint is deployed from, and written down nowhere but there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, NoReturn

from flash.errors import DeclarationError

__all__ = ["Secret"]

# text, compiled when first used: every worker imports this
_NAME: Final = r"[A-Z_][A-Z0-9_]{0,99}"


@dataclass(frozen=True, slots=True)
class Secret:
    """What a variable of an endpoint is to have, by its name: its value is looked up at deployment.

    It is looked up in the environment of whoever deploys, then in the project's ``.env``. Neither the artifact nor the
    manifest has it.

    Attributes:
        name: Of the variable that has the value, in upper case.

    Example:
        >>> from flash import Endpoint
        >>> api = Endpoint(name="api", cpu="cpu3c-1-2", env={"HF_TOKEN": Secret("HF_TOKEN")})
        >>> api.spec.secrets
        (('HF_TOKEN', 'HF_TOKEN'),)
    """

    name: str

    def __post_init__(self) -> None:
        if not _is_name(self.name):
            # not what was given: somebody may have written the secret itself there
            raise DeclarationError(
                "Secret takes the name of a variable, in upper case: A-Z, digits and _",
                hint='write Secret("HF_TOKEN"), and set HF_TOKEN where you deploy, or in .env',
            )

    def __format__(self, spec: str, /) -> NoReturn:
        raise DeclarationError(
            f"Secret({self.name!r}) cannot be a part of a text: its value is not known before the deployment",
            hint="let the secret be the whole text, or put it together in the function",
        )


def _is_name(given: object) -> bool:
    return isinstance(given, str) and re.fullmatch(_NAME, given) is not None
