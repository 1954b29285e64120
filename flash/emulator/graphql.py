"""The control plane: ``schema.graphql`` executed over the state.

The schema is read at the first request: its library takes longer to import than the rest of the platform.
"""

from __future__ import annotations

import logging
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from ariadne import graphql, make_executable_schema
from graphql import FieldNode, FragmentDefinitionNode, GraphQLError, OperationDefinitionNode, Visitor, parse, visit

from flash.emulator.resolvers import MUTATIONS, QUERIES, Call
from flash.errors import FlashError

if TYPE_CHECKING:
    from graphql import DocumentNode

    from flash.emulator.access import Grant
    from flash.emulator.platform import Platform

__all__ = ["ControlPlane"]

_LOG: Final = logging.getLogger(__name__)
# the library reports every error, with a traceback, also "there is none"; what matters is reported below
_NOWHERE: Final = _LOG.getChild("library")
_NOWHERE.disabled = True
_WITHOUT_KEY: Final = frozenset({"createFlashAuthRequest", "flashAuthRequestStatus"})
# what a worker needs to find the endpoints of its environment, and nothing that shows their configuration
_FOR_WORKERS: Final = frozenset({"flashEnvironment", "flashBuild"})
_FIELDS_FOR_WORKERS: Final = _FOR_WORKERS | {
    "__typename", "activeBuildId", "createdAt", "endpoints", "id", "manifest", "name", "networkVolumes", "objectKey",
    "state",
}  # fmt: skip


class ControlPlane:
    """Executes documents."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        text = resources.files("flash").joinpath("schema.graphql").read_text(encoding="utf-8")
        self._schema = make_executable_schema(text, QUERIES, MUTATIONS)

    async def execute(self, body: object, grant: Grant | None, *, lease: str = "") -> dict[str, Any] | None:
        """The reply to a request's body, or None where *grant* does not cover it; *lease* is what it shows.

        Shape: ``{"query": str, "variables"?: object, "operationName"?: str}`` to
        ``{"data"?: object, "errors"?: [{"message": str}]}``; ``errors`` is absent where there are none.
        """
        query = body.get("query") if isinstance(body, dict) else None
        if not isinstance(query, str):
            return None if grant is None else {"errors": [{"message": "the body must be an object with a query"}]}
        try:
            document = parse(query)
        except GraphQLError as error:
            return None if grant is None else {"errors": [{"message": f"Syntax error: {error.message}"}]}
        if not _is_covered(document, grant):
            return None
        _, reply = await graphql(
            self._schema,
            body,
            query_document=document,
            context_value=Call(self._platform, grant, lease),
            error_formatter=self._format,
            logger=_NOWHERE,
        )
        if not reply.get("errors"):
            reply.pop("errors", None)
        return dict(reply)

    def _format(self, error: GraphQLError, debug: bool = False) -> dict[str, Any]:  # noqa: ARG002  ariadne's
        cause = error.original_error
        shown: dict[str, Any] = {"message": error.message}
        if error.path is not None:
            shown["path"] = list(error.path)
        if isinstance(cause, FlashError):
            shown["message"] = cause.message
            if cause.hint:
                shown["extensions"] = {"hint": cause.hint}
        elif cause is not None and not isinstance(cause, GraphQLError):
            _LOG.error("the control plane failed at %s", error.path, exc_info=cause)
            shown["message"] = "Internal server error"
        return shown


class _Fields(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def enter_field(self, node: FieldNode, *_: object) -> None:
        self.names.add(node.name.value)


def _is_covered(document: DocumentNode, grant: Grant | None) -> bool:
    if grant is not None and grant.is_owner:
        return True
    roots = _roots(document)
    if roots <= _WITHOUT_KEY:
        return bool(roots)
    if grant is None or not grant.calls_others:
        return False
    fields = _Fields()
    visit(document, fields)
    return roots <= _FOR_WORKERS and fields.names <= _FIELDS_FOR_WORKERS


def _roots(document: DocumentNode) -> set[str]:
    """Names of the fields that the operations ask for; an empty name where a fragment hides them."""
    roots: set[str] = set()
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode):
            for selection in definition.selection_set.selections:
                roots.add(selection.name.value if isinstance(selection, FieldNode) else "")
        elif not isinstance(definition, FragmentDefinitionNode):
            roots.add("")
    return roots
