"""Plans of requirements for tests: endpoints that declare something, in a project of given files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flash.bundle.requirements import Requirements, plan_requirements
from flash.model.app import App, DeclaredEndpoint, Function, Location
from flash.model.endpoint import Endpoint

if TYPE_CHECKING:
    from pathlib import Path


def endpoint(name: str, *dependencies: str) -> DeclaredEndpoint:
    """One with a CPU image, which ships nothing, declared in line 3 of a file of its name."""
    location = Location(f"{name}.py", 3)
    return DeclaredEndpoint(
        spec=Endpoint(name=name, dependencies=dependencies, cpu="cpu3c-1-2").spec,
        functions=(Function(name=f"f_{name}", module=name, location=location),),
        location=location,
    )


def plan(
    root: Path,
    *endpoints: DeclaredEndpoint,
    python: str = "3.12",
    group: str | None = None,
    exclude: tuple[str, ...] = (),
    bundle: tuple[str, ...] = (),
) -> Requirements:
    """The plan of an app with *endpoints* in *root*."""
    return plan_requirements(
        App("demo", endpoints), root, exclude=exclude, bundle=bundle, python_version=python, dependency_group=group
    )
