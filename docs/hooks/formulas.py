"""Formulas as MathML, which browsers draw by themselves: no script and no font is loaded.

Pages write them as GitHub reads them: $x^2$ in a line, $$x^2$$ in a paragraph of its own. The extension
pymdownx.arithmatex finds them, latex2mathml translates them.
"""

from __future__ import annotations

import html
import logging
import re
from typing import Any

from latex2mathml.converter import convert

LOG = logging.getLogger("mkdocs.hooks.formulas")
FORMULA = re.compile(r'<(span|div) class="arithmatex">\\[(\[](.*?)\\[)\]]</\1>', re.DOTALL)


def on_page_content(content: str, page: Any, **_: Any) -> str:
    """Replace the formulas of a page."""

    def mathml(match: re.Match[str]) -> str:
        latex = html.unescape(match[2]).strip()
        try:
            drawn = convert(latex, display="block" if match[1] == "div" else "inline")
        except Exception as error:  # one of latex2mathml's many, without a common class
            LOG.warning("%s: no formula: %s (%r)", page.file.src_uri, latex, error)
            return match[0]
        if unknown := re.findall(r">(\\\w+)<", drawn):
            LOG.warning("%s: %s is unknown in %s", page.file.src_uri, ", ".join(unknown), latex)
        return f'<{match[1]} class="formula">{drawn}</{match[1]}>'

    return FORMULA.sub(mathml, content)
