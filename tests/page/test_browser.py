"""The page in a browser: a picture goes in, is enlarged, compared by slider, and what is downloaded is right."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from perceptualloss.apply.upscale import upscaler
from perceptualloss.page.app import Page

SECONDS = 120


def test_upload_wait_move_the_slider_download(
    tools: Any, served: tuple[Page, str, int], tmp_path: Path, png: Callable[..., bytes]
) -> None:
    source = tmp_path / "small.png"
    source.write_bytes(png(24, 32, dpi=(300, 300)))
    with tools.chromium(tmp_path, language="de") as browser:

        def click(selector: str) -> None:
            browser.find_element("css selector", selector).click()

        def wait(condition: str) -> None:
            tools.wait(browser, condition, SECONDS)

        browser.get(served[1])
        wait("document.documentElement.dataset.ready")
        assert browser.find_element("css selector", "h1").text == "Bilder vergrößern, restaurieren und malen"
        browser.find_element("id", "file").send_keys(str(source))
        wait("!document.querySelector('#work').hidden")
        click("#scales label:first-child")
        click("#run")
        wait("!document.querySelector('#result').hidden && document.querySelector('#busy').hidden")
        wait("document.querySelector('#right').options.length === 4")

        divider = browser.find_element("id", "divider")
        divider.send_keys("\ue012" * 5)  # arrow left
        wait("document.querySelector('#divider').getAttribute('aria-valuenow') === '40'")  # drawn with the next frame
        slider = browser.find_element("id", "perception")
        slider.send_keys("\ue014")  # arrow right: from 0.5 to 0.55
        wait("document.querySelector('#perception-dot').classList.contains('exact')")
        assert "0,55" in browser.find_element("id", "perception-state").text
        slider.send_keys("\ue014" * 2 + "\ue012" * 2)  # to 0.65 and back, so that another one may be computed meanwhile
        wait("document.querySelector('#result-text').textContent.endsWith('0,55')")

        click("#download")
        large = tmp_path / "small-upscale.png"
        wait("document.querySelector('#progress').hidden")
        while not large.is_file():
            pass
        errors = [line for line in browser.get_log("browser") if line["level"] == "SEVERE"]
        assert not errors
    upscaler(2, perception=0.55).file(source, tmp_path / "expected.png")
    assert np.array_equal(np.asarray(Image.open(large)), np.asarray(Image.open(tmp_path / "expected.png")))
    assert large.read_bytes() == (tmp_path / "expected.png").read_bytes()
