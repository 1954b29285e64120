"""A load-balanced endpoint: an HTTP API that calls another endpoint."""

from typing import TypedDict

from runpod_flash import Endpoint

api = Endpoint(name="lb_worker", cpu="cpu5c-4-8", workers=(1, 5))


class Order(TypedDict, total=False):
    name: str
    language: str


class Processed(TypedDict):
    message: str
    link: str


@api.post("/process")
async def process(input: Order) -> Processed:
    """Have ``cpu_worker`` greet somebody, and link to the greeting."""
    # In a deployment this call goes to the other endpoint; in a script or a unit test it runs right here.
    from cpu_worker import cpu_hello

    hello = await cpu_hello(**input)
    return {"message": hello["message"], "link": f"/greetings/{hello['slug']}"}


@api.get("/health")
def health() -> dict[str, str]:
    """Say that the API is up."""
    return {"status": "ok"}
