"""A load-balanced endpoint: an HTTP API that calls the other endpoint."""

from flash import Endpoint

api = Endpoint(name="lb_worker", cpu="cpu3c-1-2", workers=(1, 3))


@api.post("/greetings")
def make_greeting(name: str = "world") -> dict[str, str]:
    """Have ``gpu_worker`` greet *name*."""
    # Once deployed this call goes to the other endpoint; in a script or a unit test it runs right here.
    from gpu_worker import greet

    return {"greeting": greet(name)["message"]}


@api.get("/health")
def health() -> dict[str, str]:
    """Say that the API is up."""
    return {"status": "ok"}
