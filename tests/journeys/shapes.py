"""One app that has every shape that real apps have, at once; its own tests call every endpoint."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from journeys.conftest import Shell

__all__ = ["ENDPOINTS", "IMAGE_APP", "write_app"]

ENDPOINTS: Final = (
    *("Ledger", "basket", "older-gpu", "older-web", "shop-ask", "shop-echo", "shop-model", "shop-price", "shop-total"),
    *("shop-web", "shop-words"),
)
"""What is deployed; the endpoint that is known by its id is not."""

_APP: Final = {
    "pyproject.toml": """
        [tool.flash]
        app = "shapes"
        python = "{python}"

        [tool.pytest.ini_options]
        testpaths = ["tests"]
        strict = true
        filterwarnings = ["error"]

        [tool.uv]
        no-index = true
        find-links = ["{index}"]
    """,
    "settings.py": """
        PREFIX = "shop"
        SIZES = {"small": "cpu3c-1-2", "large": "cpu3c-2-4"}
        PINS = {"tiny": "1.0"}
        LISTED = [f"{name}=={version}" for name, version in PINS.items()]
    """,
    # a package that re-exports, and what others import from it
    "shop/__init__.py": """
        from .core import *
        from .core import Model
        from .pricing import price as price_of
    """,
    "shop/core.py": """
        import asyncio

        __all__ = ["total", "words"]

        def total(values: list[int]) -> int:
            return sum(values)

        def words(text: str):
            yield from text.split()

        class Model:
            def __init__(self) -> None:
                self.made = "once"
                self.calls = 0

            async def predict(self, x: float) -> float:
                await asyncio.sleep(0)
                self.calls += 1
                return 2 * x

            async def seen(self) -> dict[str, object]:
                return {"made": self.made, "calls": self.calls}
    """,
    "shop/pricing.py": """
        import tiny  # installed nowhere but in the artifact

        def price(pence: int) -> str:
            return tiny.pounds(pence)
    """,
    # functions of other files, several in a file, names and dependencies from constants and expressions
    "served.py": """
        import shop
        import tiny
        from flash import CpuInstanceType, Endpoint
        from settings import LISTED, PREFIX, SIZES
        from shop import Model, price_of

        CPU = SIZES["small"]

        total = Endpoint(name=f"{PREFIX}-total", cpu=CPU)(shop.total)
        Endpoint(name=PREFIX + "-words", cpu=CPU)(shop.words)
        Endpoint(name="-".join((PREFIX, "model")), cpu=CpuInstanceType.CPU3C_1_2)(Model)

        @Endpoint(name="{}-price".format(PREFIX), cpu=CPU, dependencies=LISTED)
        def price(pence: int) -> dict[str, str]:
            return {"here": price_of(pence), "tiny": tiny.__name__}

        @Endpoint(cpu=CPU, dependencies=[*LISTED])
        async def basket(pence: list[int]) -> str:
            # a plain function of another endpoint: the call goes there
            return tiny.pounds(total(pence))

        @Endpoint(cpu=SIZES["large"], max_concurrency=2)
        class Ledger:
            async def add(self, line: str) -> str:
                return f"added {line}"
    """,
    # what a script does when it is run, it does when it is imported too
    "noisy.py": """
        import asyncio

        from flash import Endpoint

        print("noisy: imported")

        @Endpoint(name="shop-echo", cpu="cpu3c-1-2")
        async def echo(text: str) -> str:
            return text

        print("noisy:", asyncio.run(echo("warm")))
    """,
    "web.py": """
        import asyncio

        from flash import Endpoint
        from served import price
        from settings import PREFIX

        async def warm_up() -> str:
            return "warm"

        print("web:", asyncio.run(warm_up()))

        api = Endpoint(name=f"{PREFIX}-web", cpu="cpu3c-1-2")

        @api.get("/items/{key}")
        def item(key: str, many: int = 1) -> dict[str, object]:
            return {"key": key, "many": many}

        @api.post("/price")
        async def priced(pence: int) -> dict[str, str]:
            return price(pence)

        @api.delete("/items/{key:path}")
        async def gone(key: str) -> str:
            return key
    """,
    "known.py": """
        from flash import Endpoint

        legacy = Endpoint(id="abcdefghij0123")
    """,
    "asking.py": """
        import known
        from flash import Endpoint, FlashError

        @Endpoint(name="shop-ask", cpu="cpu3c-1-2")
        async def ask(endpoint_id: str, values: list[int]) -> dict:
            try:
                asked = Endpoint(id=endpoint_id) if endpoint_id else known.legacy
                return {"sum": (await asked.runsync({"values": values})).output}
            except FlashError as error:
                return {"said": error.message}
    """,
    "older.py": """
        from runpod_flash import CpuLiveLoadBalancer, CpuLiveServerless, remote

        config = CpuLiveServerless(name="older-gpu", workersMax=2)
        web = CpuLiveLoadBalancer(name="older-web")

        @remote(resource_config=config, dependencies=["tiny==1.0"])
        async def old(data: dict) -> dict:
            import tiny

            return {"got": data, "pounds": tiny.pounds(100)}

        @remote(web, method="POST", path="/twice")
        def twice(x: int) -> int:
            return 2 * x

        @remote(web, method="GET", path="/up")
        async def up() -> dict:
            return {"up": True}

        if __name__ == "__main__":
            raise SystemExit("run by a worker")
    """,
    "tests/test_shapes.py": """
        import flash
        import known
        import pytest

        def output(endpoint, **given):
            job = endpoint.runsync(given)
            assert job.status == "COMPLETED", job.error
            return job.output

        @pytest.mark.parametrize(
            ("name", "given", "expected"),
            [
                ("shop-total", {"values": [1, 2, 3]}, 6),
                ("shop-words", {"text": "a b"}, ["a", "b"]),
                ("shop-model", {"method": "predict", "x": 1.5}, 3.0),
                ("shop-price", {"pence": 150}, {"here": "1.50", "tiny": "tiny"}),
                ("basket", {"pence": [100, 50]}, "1.50"),
                ("Ledger", {"line": "first"}, "added first"),
                ("shop-echo", {"text": "hello"}, "hello"),
                ("older-gpu", {"data": {"k": 1}}, {"got": {"k": 1}, "pounds": "1.00"}),
            ],
        )
        def test_queue_endpoints_answer(name, given, expected, flash_endpoint):
            assert output(flash_endpoint(name), **given) == expected

        def test_a_class_is_constructed_once(flash_endpoint):
            model = flash_endpoint("shop-model")
            output(model, method="predict", x=1)
            before = output(model, method="seen")["calls"]
            output(model, method="predict", x=1)
            assert output(model, method="seen") == {"made": "once", "calls": before + 1}

        def test_routes_answer(flash_endpoint):
            web, older = flash_endpoint("shop-web"), flash_endpoint("older-web")
            assert web.get("/items/pen", params={"many": 2}).json() == {"key": "pen", "many": 2}
            assert web.delete("/items/a/b").json() == "a/b"
            assert web.post("/price", json={"pence": 150}).json() == {"here": "1.50", "tiny": "tiny"}
            assert older.post("/twice", json={"x": 2}).json() == 4
            assert older.get("/up").json() == {"up": True}

        def test_what_a_module_prints_is_in_the_log(flash_preview):
            assert "noisy: warm" in flash_preview.logs("shop-echo")
            assert "web: warm" in flash_preview.logs("shop-web")

        def test_what_is_known_by_its_id_is_not_deployed(flash_preview):
            assert known.legacy.is_client
            assert sorted(flash_preview.endpoints) == ENDPOINTS

        def test_what_is_known_by_its_id_is_called(flash_endpoint):
            endpoint_id = flash_endpoint("shop-total").url.rpartition("/")[2]
            assert flash.Endpoint(id=endpoint_id).runsync({"values": [1, 2]}).output == 3
            ask = flash_endpoint("shop-ask")
            assert output(ask, endpoint_id=endpoint_id, values=[1, 2]) == {"sum": 3}
            assert "endpoint 'abcdefghij0123': 404" in output(ask, endpoint_id="", values=[])["said"]

        def test_what_is_not_there_is_answered_for(flash_mock):
            flash_mock("abcdefghij0123").runsync(input={"values": [1]}).respond(output=1)
            assert known.legacy.runsync({"values": [1]}).output == 1
    """,
}

IMAGE_APP: Final = {
    "engine.py": """
        from flash import Endpoint
        from settings import PREFIX, SIZES

        engine = Endpoint(name=f"{PREFIX}-engine", image="{image}", cpu=SIZES["small"])
    """,
    "tests/test_engine.py": """
        def test_the_image_answers(flash_endpoint):
            job = flash_endpoint("shop-engine").runsync({"text": "hello"})
            assert (job.status, job.output) == ("COMPLETED", {"upper": "HELLO"})
    """,
}
"""What comes to it where workers are containers."""

_WHEEL: Final = {
    "tiny.py": "def pounds(pence):\n    return f'{pence / 100:.2f}'\n",
    "tiny-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n",
    "tiny-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
}


def write_app(shell: Shell, python: str, image: str = "") -> None:
    """Write the app, with an endpoint of *image* where there is one, and the index of its dependency beside it."""
    index = shell.root.with_name("index")
    index.mkdir()
    with zipfile.ZipFile(index / "tiny-1.0-py3-none-any.whl", "w") as wheel:
        for name, text in _WHEEL.items():
            wheel.writestr(name, text)
        wheel.writestr("tiny-1.0.dist-info/RECORD", "".join(f"{name},,\n" for name in _WHEEL))
    files = {**_APP, **(IMAGE_APP if image else {})}
    names = sorted([*ENDPOINTS, *(["shop-engine"] if image else [])])
    changes = {"{python}": python, "{index}": str(index), "{image}": image, "== ENDPOINTS": f"== {names}"}
    for mark, value in changes.items():
        files = {name: text.replace(mark, value) for name, text in files.items()}
    shell.write(files)
