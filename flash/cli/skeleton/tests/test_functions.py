"""Unit tests: the functions are ordinary functions. Nothing is built, nothing is started."""

from gpu_worker import greet
from lb_worker import health, make_greeting


def test_it_greets_by_name():
    assert greet("Ada")["message"] == "Hello, Ada!"


def test_the_api_passes_the_greeting_on():
    assert make_greeting("Ada") == {"greeting": "Hello, Ada!"}


def test_the_api_is_up():
    assert health() == {"status": "ok"}
