"""A headless Chromium of Debian's, for tests and pictures of the page."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.support.ui import WebDriverWait

BROWSER, DRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")
_WORDS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage --hide-scrollbars --force-device-scale-factor=1"
)


def missing() -> str:
    """Return what of it this machine lacks."""
    return " and ".join(str(file) for file in (BROWSER, DRIVER) if not file.exists())


@contextmanager
def chromium(downloads: Path, width: int = 1440, height: int = 900, language: str = "en") -> Iterator[webdriver.Chrome]:
    """Give a browser with a profile of its own."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(BROWSER)
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        for word in (*_WORDS.split(), f"--window-size={width},{height}", f"--user-data-dir={profile}"):
            options.add_argument(word)
        options.add_experimental_option(
            "prefs", {"download.default_directory": str(downloads), "intl.accept_languages": language}
        )
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(DRIVER)))
        try:
            yield driver
        finally:
            driver.quit()


def wait(browser: webdriver.Chrome, condition: str, seconds: float = 120) -> None:
    """Wait until an expression of JavaScript is true."""
    WebDriverWait(browser, seconds, 0.05).until(lambda _: browser.execute_script(f"return Boolean({condition})"))
