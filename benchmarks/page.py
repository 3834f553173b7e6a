"""Pictures of the page, and what fifty uploads at once take: ``python benchmarks/page.py``.

Needs Debian's packages chromium and chromium-driver. It starts ``perceptualloss serve`` by itself.
"""

from __future__ import annotations

import argparse
import base64
import io
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx2
import numpy as np
from PIL import Image
from selenium.webdriver import Chrome

from chromium import chromium, wait

SIZES = {"desktop": (1440, 900), "phone": (390, 844)}
SIDE = 2000  # pixels of the pictures that are uploaded: 4 megapixels


@contextmanager
def served() -> Iterator[tuple[str, int]]:
    """Serve the page from a process of its own; give its address and the process's number."""
    words = [sys.executable, "-u", "-m", "perceptualloss", "serve", "--port", "0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[-1], process.pid
        finally:
            process.terminate()


def memory(process: int, what: str) -> float:
    """Return megabytes that a process has ("VmRSS") or had at most ("VmHWM")."""
    for line in Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines():
        if line.startswith(what):
            return int(line.split()[1]) / 1024
    raise ValueError(what)


def uploads(address: str, process: int, count: int) -> None:
    """Upload so many pictures at once while a page is asked for, and print what came of it."""
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, "PNG", compress_level=1)
    data, waits, stop = buffer.getvalue(), list[float](), threading.Event()
    before = memory(process, "VmRSS")

    def ask() -> None:
        with httpx2.Client(timeout=60) as client:
            while not stop.wait(0.2):
                start = time.perf_counter()
                client.get(address).raise_for_status()
                waits.append(time.perf_counter() - start)

    def upload(number: int) -> int:
        with httpx2.Client(timeout=600) as client:
            return client.post(f"{address}api/pictures?name={number}.png", content=data).status_code

    asking = threading.Thread(target=ask)
    asking.start()
    start = time.perf_counter()
    with ThreadPoolExecutor(count) as pool:
        answers = Counter(pool.map(upload, range(count)))
    seconds = time.perf_counter() - start
    stop.set()
    asking.join()
    print(f"{count} uploads of {SIDE} x {SIDE} pixels, {len(data) / 1e6:.1f} MB each, at once: {dict(answers)}")
    print(f"  {seconds:.1f} s; memory {before:.0f} MB before, at most {memory(process, 'VmHWM'):.0f} MB")
    print(f"  meanwhile the page itself came in {np.median(waits):.3f} s (median), {max(waits):.3f} s (longest)")


def click(browser: Chrome, selector: str) -> None:
    """Click, also on what an animation moves."""
    browser.execute_script("document.querySelector(arguments[0]).click()", selector)


def settled(browser: Chrome) -> None:
    """Wait until nothing is computed or fetched."""
    time.sleep(1.5)
    wait(browser, "document.querySelector('#busy').hidden && document.querySelector('#progress').hidden")
    time.sleep(1.5)


def screenshots(address: str, out: Path) -> None:
    """Write pictures of the page: two widths, light and dark, both languages."""
    for device, (width, height) in SIZES.items():
        with chromium(out, width, height) as browser:
            metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": device == "phone"}
            browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
            browser.get(address)
            wait(browser, "document.documentElement.dataset.ready")
            for theme, language in (("light", "en"), ("dark", "de")):
                browser.execute_script(
                    "document.documentElement.dataset.theme = arguments[0];"
                    "const list = document.querySelector('#language'); list.value = arguments[1];"
                    "list.dispatchEvent(new Event('change'))",
                    theme,
                    language,
                )
                time.sleep(1)
                for name in steps(browser):
                    file = out / f"{device}-{name}-{theme}-{language}.png"
                    browser.execute_script("document.activeElement.blur()")
                    whole = browser.execute_script("return document.documentElement.scrollHeight")
                    clip = {"x": 0, "y": 0, "width": width, "height": max(whole, height), "scale": 1}
                    shot = browser.execute_cdp_cmd(
                        "Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip}
                    )
                    file.write_bytes(base64.b64decode(shot["data"]))
                    print(f"  {file}", flush=True)
            for line in browser.get_log("browser"):  # type: ignore[no-untyped-call]
                print("  the browser says:", line["message"])


def steps(browser: Chrome) -> Iterator[str]:
    """Go through the page, and name what is to be seen."""
    yield "start"
    click(browser, "[data-example=chelsea]")
    wait(browser, "!document.querySelector('#work').hidden")
    click(browser, "[data-task=upscale]")
    click(browser, "#scales label:first-child input")
    click(browser, "#run")
    wait(browser, "!document.querySelector('#result').hidden")
    settled(browser)
    yield "slider"
    click(browser, "[data-mode=side]")
    for _ in range(2):
        click(browser, "#zoom-full")
        click(browser, "#zoom-in")
    settled(browser)
    yield "side"
    click(browser, "#zoom-fit")
    click(browser, "[data-mode=map]")
    settled(browser)
    yield "map"
    click(browser, "[data-example=noisy]")
    time.sleep(1)
    click(browser, "#run")
    settled(browser)
    yield "restored"
    click(browser, "[data-task=stylize]")
    click(browser, "#run")
    settled(browser)
    yield "painted"
    click(browser, "#delete")
    wait(browser, "document.querySelector('#work').hidden")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/page"), help="where the pictures go")
    parser.add_argument("--uploads", type=int, default=50, help="how many at once; 0 for none")
    parser.add_argument("--pictures", action=argparse.BooleanOptionalAction, default=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with served() as (address, process):
        if options.uploads:
            uploads(address, process, options.uploads)
        if options.pictures:
            screenshots(address, options.out.resolve())


if __name__ == "__main__":
    main()
