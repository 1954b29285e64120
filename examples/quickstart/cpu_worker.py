"""A queue endpoint on CPUs, with dependencies of its own."""

from typing import TypedDict

from runpod_flash import Endpoint

GREETINGS = {"English": "Hello", "French": "Bonjour", "German": "Hallo", "Spanish": "Hola"}


class CpuHello(TypedDict):
    message: str
    slug: str


@Endpoint(name="cpu_worker", cpu="cpu3c-1-2", workers=2, dependencies=["python-slugify>=8", "rapidfuzz>=3"])
def cpu_hello(name: str = "world", language: str = "English") -> CpuHello:
    """Greet *name* in the language that is spelled most like *language*."""
    # Imported here, not at the top of the file: only the worker has them.
    from rapidfuzz import fuzz
    from slugify import slugify

    closest = max(GREETINGS, key=lambda known: fuzz.WRatio(language, known))
    message = f"{GREETINGS[closest]}, {name}!"
    return {"message": message, "slug": slugify(message)}
