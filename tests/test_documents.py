"""What the documents name is there: imports of their Python blocks, modules in their text, entries of the reference."""

import ast
import importlib
import re
from pathlib import Path
from types import ModuleType

import pytest

import perceptualloss
from perceptualloss import metrics

ROOT = Path(__file__).parents[1]
PACKAGE = Path(perceptualloss.__file__).parent
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^( *)```python\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
FILE = re.compile(r"`((?:[\w.]+/)*\w+\.pyi?)`")
ENTRY = re.compile(r"^::: (\S+)$", re.MULTILINE)
DOTTED = re.compile(r"\bperceptualloss((?:\.\w+)+)")


def there(path: str) -> object:
    """Return what a dotted path names: a module, or something in one."""
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith("perceptualloss"):
            raise
    parent, _, name = path.rpartition(".")
    return getattr(there(parent), name)


def imported(block: str) -> list[str]:
    """Return the paths of what a block imports from this package."""
    paths = []
    for node in ast.walk(ast.parse(block)):
        if isinstance(node, ast.Import):
            paths += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            paths += [f"{node.module}.{alias.name}" for alias in node.names]
    return [path for path in paths if path.partition(".")[0] == "perceptualloss"]


def blocks(document: Path) -> list[str]:
    """Return the Python blocks of a document, without the indentation that they share."""
    found = BLOCK.findall(document.read_text(encoding="utf-8"))
    return [re.sub(f"^{indent}", "", text, flags=re.MULTILINE) for indent, text in found]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_python_blocks_parse_and_import_what_is_there(document: Path) -> None:
    for block in blocks(document):
        for path in imported(block):
            there(path)


def test_blocks_are_seen() -> None:
    assert sum(len(imported(block)) for document in DOCUMENTS for block in blocks(document)) > 40


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_that_the_text_names_are_there(document: Path) -> None:
    for path in sorted(set(DOTTED.findall(document.read_text(encoding="utf-8")))):
        there(f"perceptualloss{path}")


def reference_pages() -> dict[str, str]:
    """Return the text of each page of the reference by its name."""
    return {page.name: page.read_text(encoding="utf-8") for page in sorted((ROOT / "docs" / "reference").glob("*.md"))}


def reference_entries() -> list[str]:
    """Return the path of every entry of the reference."""
    return [path for text in reference_pages().values() for path in ENTRY.findall(text)]


def test_the_reference_lists_what_is_there_and_once() -> None:
    listed = reference_entries()
    assert len(listed) > 200
    assert sorted(set(listed)) == sorted(listed)
    for path in listed:
        there(path)


def test_every_public_name_has_an_entry_in_the_reference() -> None:
    listed = {there(path) for path in reference_entries() if callable(there(path))}
    for package in (perceptualloss, metrics):
        assert not [name for name in package.__all__ if getattr(package, name) not in listed]


def test_what_documents_import_has_an_entry_in_the_reference() -> None:
    paths = {path for document in DOCUMENTS for block in blocks(document) for path in imported(block)}
    named = {path for path in paths if not isinstance(there(path), ModuleType)}
    listed = [there(path) for path in reference_entries()]
    assert [path for path in sorted(named) if there(path) not in listed] == []


def test_the_index_of_the_reference_has_every_page_and_so_has_the_navigation() -> None:
    pages = reference_pages()
    index, navigation = pages.pop("index.md"), (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for page in pages:
        assert f"<!-- names: {page} -->" in index
        assert f"- reference/{page}" in navigation


def test_every_room_stands_in_the_architecture_and_says_what_lives_there() -> None:
    tree = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").partition("## Contracts")[0]
    rooms = [file.parent for file in PACKAGE.rglob("__init__.py") if file.parent != PACKAGE]
    assert len(rooms) > 12
    for room in rooms:
        assert f"{room.name}/" in tree, f"{room.name} is missing in docs/architecture.md"
        says = ast.get_docstring(ast.parse((room / "__init__.py").read_text(encoding="utf-8"))) or ""
        assert len(says.splitlines()) >= 3, f"{room.name}/__init__.py does not say what lives there"


@pytest.mark.parametrize(
    "document",
    [path for path in DOCUMENTS if "course" not in path.parts],  # there they are the learner's
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_files_that_the_text_names_are_there(document: Path) -> None:
    for name in sorted(set(FILE.findall(document.read_text(encoding="utf-8")))):
        places = (ROOT, PACKAGE, PACKAGE / "course" / "solutions", ROOT / "tests" / "losses")
        assert any((place / name).is_file() for place in places), name
