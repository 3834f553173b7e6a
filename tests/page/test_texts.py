"""What the page says, in German and English."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from perceptualloss.page.files import FOLDER
from perceptualloss.page.texts import LANGUAGES, chosen_language, texts

TABLES = {language: texts(language) for language in LANGUAGES}


def test_both_tables_have_the_same_keys_and_values() -> None:
    assert [*TABLES["en"]] == [*TABLES["de"]]
    for key, sentence in TABLES["en"].items():
        assert sorted(re.findall(r"\{\w+\}", sentence)) == sorted(re.findall(r"\{\w+\}", TABLES["de"][key])), key
        assert sentence.strip()


def test_what_the_code_says_is_in_the_tables() -> None:
    known = {*TABLES["en"]}
    python = "".join(file.read_text(encoding="utf-8") for file in FOLDER.glob("*.py"))
    codes = {*re.findall(r'PageError\(\s*"(\w+)"', python), *re.findall(r'", "(\w+)"\),\n', python)}
    assert codes
    assert {f"error.{code}" for code in codes} <= known
    script = "".join(file.read_text(encoding="utf-8") for file in (FOLDER / "static").glob("*.js"))
    said = {
        *re.findall(r'\bsay\("([\w.]+)"', script),
        *(f"error.{code}" for code in re.findall(r'Refusal\("(\w+)"', script)),
    }
    assert said
    assert said <= known
    template = (FOLDER / "templates" / "index.html.jinja").read_text(encoding="utf-8")
    assert set(re.findall(r'(?:\bt|label)\("([\w.]+)"\)', template)) <= known


@pytest.mark.parametrize(
    ("cookie", "accepted", "language"),
    [
        (None, None, "en"),
        (None, "de", "de"),
        (None, "de-CH,de;q=0.9,en;q=0.8", "de"),
        (None, "en-GB,en;q=0.9,de;q=0.8", "en"),
        (None, "fr,de;q=0.3", "de"),
        (None, "de;q=0,en;q=0.1", "en"),
        (None, "fr", "en"),
        (None, "de;q=x,;;,,q=", "en"),
        ("de", "en", "de"),
        ("xx", "de", "de"),
        ("../de", None, "en"),
    ],
)
def test_the_language_of_a_visitor(cookie: str | None, accepted: str | None, language: str) -> None:
    assert chosen_language(cookie, accepted) == language


@pytest.mark.parametrize("language", LANGUAGES)
def test_page_and_errors_are_in_it(visitor: Any, language: str) -> None:
    headers = {"Accept-Language": language}
    page = visitor.client.get("/", headers=headers).text
    assert f'<html lang="{language}">' in page
    assert TABLES[language]["hero"] in page
    told = visitor.upload(b"text", **headers).json()["error"]
    assert told["text"] == TABLES[language]["error.not_a_picture"]
    assert told["detail"].startswith("expected a.png to be a picture")


@pytest.mark.parametrize(
    ("cookie", "found"), [("dark", ' data-theme="dark"'), ("x onload=y", ""), ("light", ' data-theme="light"')]
)
def test_the_theme_that_was_chosen(visit: Callable[..., Any], cookie: str, found: str) -> None:
    page = visit().client.get("/", headers={"Cookie": f"theme={cookie}"}).text
    assert f'<html lang="en"{found}>' in page
