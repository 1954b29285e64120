"""Unit tests: the functions are ordinary functions. No build, no network, no dependencies of the workers."""

import asyncio

from gpu_worker import gpu_hello
from lb_worker import health, process


def test_gpu_hello_greets():
    assert gpu_hello("Ada")["message"] == "Hello, Ada!"
    assert gpu_hello()["message"] == "Hello, world!"


def test_process_links_to_the_greeting_of_the_other_endpoint(monkeypatch):
    async def cpu_hello(name="world"):
        return {"message": f"Hi, {name}!", "slug": f"hi-{name.lower()}"}

    monkeypatch.setattr("cpu_worker.cpu_hello", cpu_hello)

    answer = asyncio.run(process({"name": "Ada"}))

    assert answer == {"message": "Hi, Ada!", "link": "/greetings/hi-ada"}


def test_the_api_is_healthy():
    assert health() == {"status": "ok"}
