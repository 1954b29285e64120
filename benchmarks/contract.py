"""Schemas of 1,000 functions, beside what pydantic alone needs for them, and the OpenAPI document of them all.

    python benchmarks/contract.py

Half of the functions have types of their own, so that nothing is worked out once for all. Processor time, median.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, Field, TypeAdapter, create_model

from flash.model import schema, signature
from flash.model.manifest import CallSchema, FunctionEntry, Manifest, Resource
from flash.model.openapi import openapi, openapi_text

FUNCTIONS = 1000
RUNS = 5
BAR_S = 2.0


def functions() -> list[Callable[..., Any]]:
    """Of every second one nobody has seen the types."""
    shared = model(0)
    return [function(model(number) if number % 2 else shared, number) for number in range(FUNCTIONS)]


def model(number: int) -> type[BaseModel]:
    fields: dict[str, Any] = {
        "name": (str, "a"),
        "amount": (int, Field(default=1, ge=0)),
        "tags": (list[str], []),
        f"only_{number}": (float | None, None),
    }
    return create_model(f"Model{number}", **fields)


def function(kind: type[BaseModel], number: int) -> Callable[..., Any]:
    def called(order, times=1, mode="quick"): ...  # type: ignore[no-untyped-def]

    called.__name__ = f"function_{number}"
    called.__annotations__ = {"order": kind, "times": int, "mode": str, "return": dict[str, kind]}  # type: ignore[valid-type]
    return called


def described(found: list[Callable[..., Any]]) -> list[CallSchema]:
    schema._KNOWN.clear()
    signature._USABLE.clear()
    return [schema.call_schema(one) for one in found]


def floor(found: list[Callable[..., Any]]) -> None:
    """A schema for what goes in, and one for what comes out."""
    for one in found:
        hints = one.__annotations__
        TypeAdapter(hints["order"]).json_schema()
        TypeAdapter(hints["return"]).json_schema(mode="serialization")


def timed(call: Callable[[], Any]) -> float:
    began = time.process_time()
    call()
    return time.process_time() - began


def main() -> None:
    ours, pydantics, documents = [], [], []
    for _ in range(RUNS):
        found = functions()
        pydantics.append(timed(lambda found=found: floor(found)))  # type: ignore[misc]
        found = functions()
        ours.append(timed(lambda found=found: described(found)))  # type: ignore[misc]
        resources = {
            f"endpoint_{number}": Resource(
                functions=[FunctionEntry(name=f"function_{number}", module="m", contract={"": one})]
            )
            for number, one in enumerate(described(found))
        }
        manifest = Manifest(project_name="benchmark", resources=resources)
        documents.append(timed(lambda manifest=manifest: openapi_text(openapi(manifest))))  # type: ignore[misc]
    taken = statistics.median(ours)
    print(
        json.dumps(
            {
                "functions": FUNCTIONS,
                "schemas_s": round(taken, 3),
                "pydantic_alone_s": round(statistics.median(pydantics), 3),
                "openapi_s": round(statistics.median(documents), 3),
                "bar_s": BAR_S,
                "is_met": taken <= BAR_S,
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
