"""The endpoints of a module that had to be run, put together with what was read of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from flash.bundle.declared import Declared, FoundFunction, located
from flash.bundle.reader import Reader, endpoint_of
from flash.errors import DiscoveryError
from flash.model.app import Location

if TYPE_CHECKING:
    from flash.bundle.evaluation import EvaluatedEndpoint, EvaluatedFunction, Evaluation

__all__ = ["evaluated"]


def evaluated(reader: Reader, evaluation: Evaluation) -> list[Declared]:
    """What running the reader's module declares.

    Args:
        reader: What was read of it.
        evaluation: What came of running it.

    Raises:
        DiscoveryError: It cannot be run, or says something else than what is written.
        DeclarationError: An endpoint's definition is wrong.
    """
    # first what was made: an endpoint that is wrong ends the import, and is told better from here
    declared = [_declared(reader, made) for made in evaluation.endpoints]
    if evaluation.failure is not None:
        _refuse(reader, evaluation.failure)
    _check_agreement(reader, declared)
    _add_functions(reader, declared, evaluation)
    if evaluation.variables:
        names = ", ".join(evaluation.variables)
        reader.notes.append(
            f"{reader.module.path}: reads {names} from the environment when it is imported: a build sees none of it,"
            " so that it is the same on every machine"
        )
    return declared


def _declared(reader: Reader, made: EvaluatedEndpoint) -> Declared:
    location = Location(reader.module.path, made.line)
    with located(location):
        endpoint = endpoint_of(list(made.args), made.kwargs)
    read = _read_at(reader, made.line)
    variable = read.variable if read is not None else reader.variables.get(made.line)
    return Declared(endpoint, reader.module, location, variable)


def _read_at(reader: Reader, line: int) -> Declared | None:
    for declared in reader.declared:
        node = declared.node
        if node is not None and node.lineno <= line <= (node.end_lineno or node.lineno):
            return declared
    return None


def _check_agreement(reader: Reader, declared: list[Declared]) -> None:
    """What could be read must be what was made."""
    for read in reader.declared:
        made = [each for each in declared if _read_at(reader, each.location.line) is read]
        if not made:
            raise DiscoveryError(
                f"{read.endpoint!r} is written here, but running the file does not make it",
                path=read.location.path,
                line=read.location.line,
                hint="declare it at the top level of the module, not under a condition",
            )
        if any(each.endpoint.spec != read.endpoint.spec for each in made):
            raise DiscoveryError(
                f"{read.endpoint!r} is not the same when the file runs as it is written",
                path=read.location.path,
                line=read.location.line,
                hint="a name in its arguments changes while the file runs: give the value a name of its own",
            )


def _add_functions(reader: Reader, declared: list[Declared], evaluation: Evaluation) -> None:
    for endpoint, made in zip(declared, evaluation.endpoints, strict=True):
        for function in made.functions:
            found = _found(reader, endpoint, function)
            if function.method is None:
                endpoint.add_function(found)
            else:
                endpoint.add_route(found, function.method, function.path)


def _found(reader: Reader, endpoint: Declared, function: EvaluatedFunction) -> FoundFunction:
    definition = reader.modules.definition(function.module, function.name)
    if definition is None:
        raise DiscoveryError(
            f"{endpoint.endpoint!r} serves {function.name!r}, which no worker could import from {function.module!r}",
            path=endpoint.location.path,
            line=endpoint.location.line,
            hint="define the function at the top level of a module of the project",
        )
    return FoundFunction(definition.node, definition.module, Location(definition.module.path, definition.node.lineno))


def _refuse(reader: Reader, error: DiscoveryError) -> NoReturn:
    """The file cannot be read, and cannot be run either: both are told."""
    first = reader.unread[0]
    where = "" if error.path is None or error.line is None else f" ({error.path}:{error.line})"
    raise DiscoveryError(
        f"{first.message}; and running it failed: {error.message}{where}",
        path=first.path,
        line=first.line,
        hint=error.hint or first.hint,
    ) from error
