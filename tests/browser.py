"""Debian's Chromium, headless and with the network off, driven by selenium."""

from __future__ import annotations

import json
import shutil
import time
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium")
CHROMEDRIVER = shutil.which("chromedriver")
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None or CHROMEDRIVER is None, reason="chromium or chromedriver is missing (Debian: chromium-driver)"
)


def start(width: int = 1300, height: int = 900, *flags: str) -> Any:
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    offline = (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-dev-shm-usage",
    )
    for flag in (*offline, "--host-resolver-rules=MAP * ~NOTFOUND", f"--window-size={width},{height}", *flags):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(str(CHROMEDRIVER)))


class Page:
    """One page in a browser, with what the tests ask of it."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, url: str, scheme: str = "light", width: int = 1300) -> Page:
        emulate = self.driver.execute_cdp_cmd
        emulate("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        emulate("Emulation.setDeviceMetricsOverride", size)
        self.driver.get_log("browser")
        self.driver.get("about:blank")
        self.driver.get(url)
        return self

    def js(self, script: str, *args: Any) -> Any:
        return self.driver.execute_script(script, *args)

    def wait(self, script: str, seconds: float = 30) -> Any:
        """Until the script returns something true."""
        end = time.monotonic() + seconds
        while not (found := self.js(script)):
            assert time.monotonic() < end, f"not within {seconds} s: {script}"
            time.sleep(0.05)
        return found

    def show(self, selector: str) -> None:
        """Scroll to an element, as a reader does."""
        self.js("document.querySelector(arguments[0]).scrollIntoView({block: 'center', behavior: 'instant'})", selector)

    def ready(self) -> None:
        """Until the results are there."""
        self.wait("return document.querySelector('[data-view=results].drawn')")

    def ids(self) -> list[str]:
        """Those of the rows of the results that are in the page."""
        rows = "document.querySelectorAll('table.results tr[data-id]')"
        return list(self.js(f"return [...{rows}].map(row => row.dataset.id)"))

    def filter(self, text: str) -> None:
        """As if it were typed at once."""
        self.js(
            """const box = document.querySelector('.chooser input');
            box.value = arguments[0]; box.dispatchEvent(new Event('input'))""",
            text,
        )

    def column(self, table: str, number: int) -> list[str]:
        script = "return [...document.querySelectorAll(arguments[0] + ' tbody tr')].filter(r => !r.hidden)"
        return list(self.js(script + ".map(r => r.cells[arguments[1]].textContent.trim())", table, number))

    def ink(self, selector: str) -> int:
        """How many pixels of a canvas are not blank and have a colour (grid and text are grey)."""
        return int(
            self.js(
                """const c = document.querySelector(arguments[0]);
                const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; let n = 0;
                for (let i = 0; i < d.length; i += 4)
                  if (d[i + 3] > 99 && Math.abs(d[i] - d[i + 1]) + Math.abs(d[i + 1] - d[i + 2]) > 60) n++;
                return n;""",
                selector,
            )
        )

    def wait_ink(self, selector: str, seconds: float = 10) -> int:
        """The ink of a canvas as soon as there is some."""
        end = time.monotonic() + seconds
        while not (found := self.ink(selector)):
            assert time.monotonic() < end, f"nothing was drawn within {seconds} s: {selector}"
            time.sleep(0.05)
        return found

    def errors(self) -> list[str]:
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] != "INFO"]

    def requests(self) -> list[str]:
        """Every address that was asked for, but files, inline data and blank pages."""
        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        urls = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
        return [url for url in urls if not url.startswith(("file:", "data:", "about:", "blob:"))]


def scroll_through(page: Page) -> None:
    """To the end, which moves away while plots are drawn."""
    y = 0
    while y < page.js("return document.documentElement.scrollHeight"):
        page.js("scrollTo({top: arguments[0], behavior: 'instant'})", y)
        time.sleep(0.03)
        y += 600
