"""The page in a real browser: it asks for nothing, says nothing, runs over nowhere, and hides nothing from paper."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any, Final

import pytest
from fakes_report import ALL, rolled_back

from flash.report.document import Failure
from flash.report.page import as_page

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHROMIUM: Final = shutil.which("chromium") or shutil.which("google-chrome")
# it is not to ask anybody for anything by itself, and a CI machine's user may be root
ARGUMENTS: Final = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
PHONE: Final = {"width": 390, "height": 844}
DESK: Final = {"width": 1280, "height": 900}

REQUIRED: Final = os.environ.get("FLASH_REQUIRE_BROWSER", "") == "1"

pytestmark = pytest.mark.xdist_group("browser")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One for all tests."""
    if CHROMIUM is None:
        reason = "there is no Chromium here (Debian: apt-get install chromium)"
        if REQUIRED:
            pytest.fail(f"FLASH_REQUIRE_BROWSER is set, and {reason}")
        pytest.skip(reason)
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield found
        found.close()


@pytest.fixture
def said() -> list[str]:
    """What the browser said and asked for."""
    return []


def shown(browser: Any, folder: Path, text: str, said: list[str], **options: Any) -> Any:
    """A page in a window of its own."""
    path = folder / "report.html"
    path.write_text(text, encoding="utf-8")
    page = browser.new_page(**options)
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: said.append(request.url))
    page.on("dialog", lambda dialog: said.append(dialog.message))
    page.goto(path.as_uri())
    assert said.pop(0) == path.as_uri()
    return page


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ALL)
def test_it_fits_and_asks_for_nothing(
    browser: Any, tmp_path: Path, said: list[str], name: str, scheme: str, size: dict[str, int]
) -> None:
    """Without a word in the console; the policy lets its own style sheet through."""
    page = shown(browser, tmp_path, as_page(ALL[name]()), said, viewport=size, color_scheme=scheme)
    assert said == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("getComputedStyle(document.querySelector('main')).maxWidth") != "none"
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(int(part) for part in background.removeprefix("rgb(").removesuffix(")").split(","))
    assert (brightness > 600) == (scheme == "light")
    page.close()


def test_long_names_do_not_widen_a_phones_page(browser: Any, tmp_path: Path, said: list[str]) -> None:
    """A node id without a place to break, a log line of any length."""
    long = "x" * 2000
    report = rolled_back(app=long, live=long, error=Failure(message=long, hint=long, detail=long), notes=(long,))
    page = shown(browser, tmp_path, as_page(report), said, viewport=PHONE)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.close()


def test_nothing_that_a_run_named_is_run(browser: Any, tmp_path: Path, said: list[str]) -> None:
    """Neither as a script, nor as a handler; and what is there is there as text."""
    hostile = "<img src=x onerror=alert(1)><script>alert(2)</script><svg onload=alert(3)>"
    report = rolled_back(app=hostile, error=Failure(message=hostile, detail=hostile), notes=(hostile,))
    page = shown(browser, tmp_path, as_page(report), said)
    assert said == []
    assert hostile in page.inner_text("h1")
    page.close()


def test_a_click_opens_what_is_folded(browser: Any, tmp_path: Path, said: list[str]) -> None:
    """Without a script."""
    page = shown(browser, tmp_path, as_page(ALL["deployed"]()), said)
    call = page.locator("pre.call").first
    assert not call.is_visible()
    page.get_by_text("Try it").first.click()
    assert call.is_visible()
    assert "curl -X POST" in call.inner_text()
    page.close()


def test_paper_shows_what_is_folded(browser: Any, tmp_path: Path, said: list[str]) -> None:
    """Nobody can click on it; and it is black on white."""
    page = shown(browser, tmp_path, as_page(ALL["deployed"]()), said, color_scheme="dark")
    page.emulate_media(media="print")
    assert page.locator("pre.call").first.is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.close()
