"""What workers are: asked for, or what can be had, with the reason."""

from __future__ import annotations

from typing import Any

import pytest

from flash.emulator.launchers.engine import Engine
from flash.errors import PreviewError
from flash.preview.backend import PROCESSES, Backend, choose

IMAGE = "/images/python%3A3.11-slim/json"
REGISTRY = "/distribution/python%3A3.11-slim/json"


def engine(*known: str, refusal: str = "") -> Any:
    """Looks at an engine that knows those paths."""
    return lambda host: Engine(host, "28.1", refusal, lambda path: (200 if path in known else 404, {}))


def taken(look: Any, wanted: Any = "auto", *, has_extra: bool = True) -> Backend:
    return choose(wanted, ("3.11",), look=look, has_extra=lambda: has_extra)


@pytest.mark.parametrize("known", [IMAGE, REGISTRY])
def test_auto_takes_containers_where_the_image_is_there_or_can_be_pulled(known: str) -> None:
    """The reason is the engine."""
    backend = taken(engine(known))
    assert (backend.name, str(backend)) == ("docker", "docker (Docker 28.1)")


@pytest.mark.parametrize(
    ("look", "has_extra", "reason"),
    [
        (lambda host: "no Docker engine answers", True, "no Docker engine answers"),
        (engine(IMAGE, refusal="a rootless engine"), True, "a rootless engine"),
        (engine(IMAGE), False, "the extra 'docker' is not installed"),
        (engine(), True, "image python:3.11-slim is not here and cannot be pulled"),
    ],
)
def test_what_stands_in_the_way_is_a_reason_for_auto_and_an_error_where_containers_were_asked_for(
    look: Any, has_extra: bool, reason: str
) -> None:
    """The error has a hint, and names the way to do without."""
    assert taken(look, has_extra=has_extra) == Backend("process", reason)
    with pytest.raises(PreviewError) as raised:
        taken(look, "docker", has_extra=has_extra)
    assert raised.value.message == f"no containers: {reason}"
    assert "process" in raised.value.hint or "pytest-flash[docker]" in raised.value.hint


@pytest.mark.parametrize(
    ("variables", "hint"),
    [({}, "start Docker, "), ({"DOCKER_HOST": "unix:///nowhere"}, "correct or unset DOCKER_HOST, ")],
)
def test_where_no_engine_answers_the_hint_is_about_the_one_that_was_asked(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], hint: str
) -> None:
    """Whoever has set ``DOCKER_HOST`` may have another that runs."""
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(PreviewError) as raised:
        taken(lambda host: f"no engine at {host}", "docker")
    assert raised.value.hint.startswith(hint)


def test_processes_are_taken_without_a_look() -> None:
    """Nobody asks an engine then."""
    assert taken(None, "process") is PROCESSES


def test_any_of_several_base_images_will_do() -> None:
    """A platform does not know yet what will be deployed to it."""
    assert choose("auto", ("3.12", "3.11"), look=engine(IMAGE), has_extra=lambda: True).name == "docker"
