"""The explorer and a report in a real browser: nothing goes wrong, nothing goes elsewhere, keys are
enough."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import which
from typing import Any

import pytest

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
pytest.importorskip("shiny", reason="shiny is not installed")
from axe_core_python.selenium import Axe  # noqa: E402
from command import Run  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
CHROMIUM, DRIVER = which("chromium"), which("chromedriver")
PATIENCE = 60
"""Seconds that anything may take on a busy machine."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM or not DRIVER, reason="there is no chromium or chromedriver"),
]


def until(condition: Callable[[], Any]) -> Any:
    """What a condition comes to once it holds."""
    end = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
    return found


@pytest.fixture
def server() -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The address of a page, and the program behind it."""
    command = ["-c", "from cli.entry import run; run()", "explore", "--no-browser"]
    with subprocess.Popen(
        [sys.executable, *command, str(ROOT / "cases" / "two_vendors.yaml")],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip(), process
        process.kill()


@pytest.fixture
def browser() -> Iterator[Any]:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1400,1700"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


def test_the_page_follows_the_keys(server: tuple[str, Any], browser: Any) -> None:
    """One visit, from the address to the end of the program."""
    address, process = server
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{20,}", address)
    browser.get(address)
    assert "Two vendors" in browser.title

    def text(name: str) -> str:
        return str(browser.find_element(By.ID, name).text)

    until(lambda: "worth 65.346 million USD more" in text("answer"))
    until(lambda: browser.find_elements(By.TAG_NAME, "table"))
    until(lambda: text("state") == "")

    # the keys reach a slider, and move the answer
    slider = browser.find_element(By.ID, "at-security.rivalry")
    for _ in range(30):
        if browser.switch_to.active_element == slider:
            break
        browser.switch_to.active_element.send_keys(Keys.TAB)
    browser.switch_to.active_element.send_keys(Keys.END)
    until(lambda: "in the case as loaded, where it is worth 65.346" in text("answer"))
    until(lambda: text("state") == "" and "security.rivalry=0.6" in command(browser))
    shown = browser.find_element(By.CSS_SELECTOR, "tr.best").text
    assert "Plain subsidies per unit" in shown
    assert "8.3066" in shown  # what pigou evaluate finds at a rivalry of 0.6
    assert axe(browser) == []
    saved = browser.execute_async_script(
        "fetch(document.getElementById('save').href).then(r => r.text()).then(arguments[0])"
    )
    assert "rivalry: 0.6\n" in saved

    # an answer that is late is marked until it is of where the sliders stand
    process.send_signal(signal.SIGSTOP)
    slider.send_keys(Keys.HOME)
    assert slider.get_property("value") == "0.15"
    assert "in the case as loaded, where it is worth 65.346" in text("answer")
    assert busy(browser)
    process.send_signal(signal.SIGCONT)
    until(lambda: not busy(browser))
    assert "in the case as loaded, where it is worth 65.346" in text("answer")
    assert "rivalry=0.15" in command(browser)

    # a market that is none is said so, and taken back
    field = browser.find_element(By.CSS_SELECTOR, '[data-key="demand.cross_slope"] [type=number]')
    field.clear()
    field.send_keys("2", Keys.TAB)
    until(lambda: "must lie in [0, own_slope = 1.5)" in text("answer"))
    browser.find_element(By.ID, "reset").send_keys(Keys.ENTER)
    until(lambda: "worth 65.346" in text("answer") and "evaluate" in command(browser))
    assert field.get_property("value") == "1"
    assert slider.get_property("value") == "0.3"

    quiet(browser)
    asked = requests(browser)
    assert len(asked) > 5
    here = address.partition("?")[0]
    assert [url for url in asked if not url.startswith((here, "data:"))] == []

    browser.get("about:blank")
    assert process.wait(PATIENCE) == 0
    assert process.stderr.read() == ""


def test_a_report_opens_on_its_own(browser: Any, run: Run, tmp_path: Path) -> None:
    """One file, without scripts, of which nothing is fetched."""
    page = tmp_path / "report.html"
    case = str(ROOT / "cases" / "two_vendors.yaml")
    assert run("report", case, "--out", str(page), "--quiet").code == 0
    browser.get(page.as_uri())
    assert "Two vendors" in browser.title
    assert [one.text for one in browser.find_elements(By.TAG_NAME, "h1")] != []
    assert all(one.size["width"] > 100 for one in browser.find_elements(By.TAG_NAME, "svg"))
    assert browser.find_elements(By.TAG_NAME, "script") == []
    assert axe(browser) == []
    quiet(browser)
    assert {url for url in requests(browser) if not url.startswith("data:")} == {page.as_uri()}


def quiet(browser: Any) -> None:
    """Nothing went wrong on the page."""
    severe = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert severe == []


def requests(browser: Any) -> list[str]:
    """What the page asked for."""
    return [
        message["params"]["request"]["url"]
        for entry in browser.get_log("performance")
        if (message := json.loads(entry["message"])["message"])["method"]
        == "Network.requestWillBeSent"
    ]


def busy(browser: Any) -> bool:
    """Whether what is shown is marked as not being of where the controls stand."""
    return bool(browser.find_element(By.ID, "results").get_attribute("aria-busy") == "true")


def command(browser: Any) -> str:
    """What the page says leads to what it shows."""
    return str(browser.find_element(By.ID, "command").get_property("value"))


def axe(browser: Any) -> list[Any]:
    """What axe finds wrong with the page as it is."""
    return [
        (one["id"], one["help"], [node["html"] for node in one["nodes"]])
        for one in Axe().run(browser)["violations"]
    ]
