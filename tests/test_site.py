"""The documents as a site: the slider in a browser, and the checks that a build makes."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PAGE = """<!doctype html><meta charset="utf-8"><link rel="stylesheet" href="{assets}/site.css">
<div class="before-after"><p>
<img alt="MSE" src="{images}/start-mse.jpg"><img alt="Perceptual" src="{images}/start-original.jpg">
</p></div>
<script src="{assets}/slider.js"></script>"""


def hook(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / "hooks" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_slider_follows_pointer_and_keys(tools: Any, tmp_path: Path) -> None:
    from selenium.webdriver import ActionChains  # noqa: PLC0415 (few processes of the tests need it)
    from selenium.webdriver.common.actions.pointer_input import PointerInput  # noqa: PLC0415

    docs = (ROOT / "docs").as_uri()
    (tmp_path / "page.html").write_text(PAGE.format(assets=f"{docs}/assets", images=f"{docs}/images"))
    with tools.chromium(tmp_path, width=420) as browser:
        browser.get((tmp_path / "page.html").as_uri())
        tools.wait(browser, "document.querySelector('.before-after.ready')")
        tools.wait(browser, "[...document.images].every((image) => image.complete && image.naturalWidth)")

        def place() -> str:
            return str(browser.execute_script("return getComputedStyle(document.querySelector('.line')).left"))

        stage = browser.find_element("css selector", ".stage")
        wide = stage.size["width"]
        assert float(place()[:-2]) == pytest.approx(wide / 2, abs=1)
        slider = browser.find_element("css selector", "input")
        slider.send_keys("\ue012" * 10)  # arrow left
        assert float(place()[:-2]) == pytest.approx(wide * 0.4, abs=1)
        assert slider.get_attribute("aria-valuetext") == "40% MSE, the rest Perceptual"
        for kind in ("mouse", "touch"):
            pointer = ActionChains(browser, devices=[PointerInput(kind, kind)])
            pointer.move_to_element(stage).click_and_hold().move_by_offset(wide // 4, 0).release().perform()
            assert float(place()[:-2]) == pytest.approx(wide * 0.75, abs=wide * 0.02)
            slider.send_keys("\ue011")  # home
            assert float(place()[:-2]) == pytest.approx(0, abs=1)
        assert [tag.text for tag in browser.find_elements("css selector", ".tag")] == ["MSE", "Perceptual"]
        assert not [line for line in browser.get_log("browser") if line["level"] == "SEVERE"]


def test_a_navigation_lists_the_pages_of_a_folder_and_no_empty_group(tmp_path: Path) -> None:
    (tmp_path / "losses").mkdir()
    for name in ("b.md", "a.md"):
        (tmp_path / "losses" / name).touch()
    entries = ["index.md", {"Losses": ["losses.md", "losses/*.md"]}, {"Notebooks": ["notebooks/*.md"]}]
    expected = ["index.md", {"Losses": ["losses.md", "losses/a.md", "losses/b.md"]}]
    assert hook("pages").expanded(entries, tmp_path) == expected


@pytest.mark.parametrize(
    ("code", "whole"),
    [
        ("--scale 2", True),
        ("-o", True),
        ("course-upscale4x-adversarial", True),
        ("MSELoss", False),
        ("perceptualloss compare --minutes 5", False),
        ("runs/a-very-long-name/of-a-file/that-no-phone/has-room-for", False),
    ],
)
def test_options_and_names_with_hyphens_stay_in_one_piece(code: str, whole: bool) -> None:
    page = SimpleNamespace(file=SimpleNamespace(src_uri="recipes.md"))
    content = hook("pages").on_page_content(f"<td><code>{code}</code></td>", page)
    assert ('class="whole"' in content) == whole
    assert code in content


def test_a_picture_opens_by_a_click_unless_it_is_a_link_or_one_of_two() -> None:
    page = SimpleNamespace(file=SimpleNamespace(src_uri="gallery.md"))
    one = '<img alt="one" src="images/one.jpg" />'
    linked, two = f'<p><a href="large.jpg">{one}</a></p>', f"<p>{one}\n{one}</p>"
    content = hook("pages").on_page_content(f"<p>{one}</p>{linked}{two}", page)
    assert content == f'<p><a href="images/one.jpg">{one}</a></p>{linked}{two}'


@pytest.mark.parametrize(
    ("link", "loaded", "wrong"),
    [
        ("../b/", False, ""),
        ("../b/index.html#there", False, ""),
        ("#here", False, ""),
        ("../b/#gone", False, "no such heading"),
        ("../c/", False, "no such file"),
        ("https://example.org/a", False, ""),
        ("http://example.org/a", False, "no address of the form https://host/..."),
        ("https://example.org/a.js", True, "loaded from another host"),
        ("data:,", True, ""),
    ],
)
def test_links_of_a_built_site_are_checked(link: str, loaded: bool, wrong: str, tmp_path: Path) -> None:
    check = hook("check")
    pages = {}
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "index.html").touch()
        pages[f"{name}/index.html"] = check.Links('<h2 id="here"></h2><h2 id="there"></h2>')
    assert check.fault(link, loaded, "a/index.html", pages, tmp_path) == wrong


def test_links_of_the_files_beside_the_site_lead_somewhere() -> None:
    for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        for link in re.findall(r"\]\(([^)\s]+)\)", (ROOT / name).read_text(encoding="utf-8")):
            place, _, anchor = link.partition("#")
            if place.startswith("https://"):
                continue
            assert (ROOT / place).is_file(), f"{name}: {link}"
            if anchor:
                heads = re.findall(r"^#+ (.+)$", (ROOT / place).read_text(encoding="utf-8"), re.M)
                names = [re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads]
                assert anchor in names, f"{name}: {link}"
