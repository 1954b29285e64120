from __future__ import annotations

import re
from pathlib import Path

import pytest
from graphql import OperationDefinitionNode, build_schema, parse, validate

import flash
from flash.cloud import client
from flash.cloud.operations import OPERATIONS, Operation

PACKAGE = Path(flash.__file__).parent
SCHEMA = build_schema((PACKAGE / "schema.graphql").read_text(encoding="utf-8"))


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=list(OPERATIONS))
def test_every_document_is_valid_against_the_schema(operation: Operation):
    """Client and local platform agree because both are checked against one schema."""
    document = parse(operation.text)
    (definition,) = document.definitions

    assert validate(SCHEMA, document) == []
    assert isinstance(definition, OperationDefinitionNode)
    assert (definition.operation.value == "mutation") is operation.is_mutation


def test_every_operation_is_used():
    """A document that nobody sends is not kept."""
    sources = "".join(path.read_text(encoding="utf-8") for path in Path(client.__file__).parent.glob("*.py"))

    assert set(re.findall(r'_(?:ask|myself|endpoint)\(\s*"(\w+)"', sources)) == set(OPERATIONS)
