"""The chapters of the course: what is written in each, and the files that belong to it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources

from perceptualloss.course.texts import Language, text, wrapped
from perceptualloss.errors import InputError

_WIDTH = 100  # letters in a line of a skeleton's docstring


@dataclass(frozen=True)
class Chapter:
    """A chapter.

    Attributes:
        number: from 1.
        file: the name of the answer's file, unless a learner chooses another; the solution has the same one.
        name: of its page in the documents.
        calls: how each class or function of the answer is called, by its name.
        minutes: what reading, writing and checking take, about.
    """

    number: int
    file: str
    name: str
    calls: dict[str, str]
    minutes: int

    def solution(self) -> str:
        """Return the source text of a right answer."""
        return (resources.files("perceptualloss.course") / "solutions" / self.file).read_text(encoding="utf-8")

    def title(self, language: Language) -> str:
        """Return its title."""
        return text(language, f"{self.number}.title")

    def page(self, language: Language) -> str:
        """Return where the documents have it."""
        return f"docs/course/{'de/' if language == 'de' else ''}{self.name}.md"

    def skeleton(self, language: Language, file: str) -> str:
        """Return the solution with empty bodies, for a learner to fill in, below the task.

        Args:
            language: of the task.
            file: where it will stand.
        """
        lines = self.solution().splitlines()
        tree = ast.parse("\n".join(lines))
        head = tree.body[0].end_lineno or 1
        for body in sorted(_bodies(tree), key=lambda part: -part[0]):
            first, last, indent = body
            lines[first - 1 : last] = [f"{' ' * indent}raise NotImplementedError"]
        task = text(language, f"{self.number}.task")
        check = text(language, "skeleton", {"number": self.number, "file": file})
        return "\n".join(
            [
                '"""' + self.title(language),
                "",
                *wrapped(task, _WIDTH),
                "",
                *wrapped(check, _WIDTH),
                '"""',
                *lines[head:],
                "",
            ]
        )


CHAPTERS = [
    Chapter(
        1, "perceptual.py", "1-perceptual-loss", {"VGG16PerceptualLoss": "VGG16PerceptualLoss()(output, target)"}, 30
    ),
    Chapter(2, "upscale2x.py", "2-upscale2x", {"Upscale2x": "Upscale2x()(x)"}, 30),
    Chapter(3, "train_step.py", "3-training", {"train_step": "train_step(model, loss, optimizer, low, high)"}, 20),
    Chapter(
        4,
        "comparison.py",
        "4-comparing",
        {
            "split": "split(photos, held_out)",
            "psnr": "psnr(output, target)",
            "validate": "validate(model, pairs)",
        },
        40,
    ),
    Chapter(5, "upscale4x.py", "5-upscale4x", {"Upscale4x": "Upscale4x()(x)"}, 20),
    Chapter(6, "generator.py", "6-generator", {"Generator": "Generator()(x)"}, 20),
    Chapter(
        7,
        "adversarial.py",
        "7-critic",
        {
            "Critic": "Critic()(images)",
            "adversarial_step": "adversarial_step(generator, critic, optimizer_generator, optimizer_critic, low, high, "
            "perceptual_loss, tv_loss, n_critic=5, clip_value=0.01, weight_critic=0.001, weight_perceptual=1.0, "
            "weight_tv=0.001)",
        },
        60,
    ),
    Chapter(
        8,
        "style.py",
        "8-style",
        {"gram_matrix": "gram_matrix(features)", "style_loss": "style_loss(output, target)"},
        30,
    ),
    Chapter(
        9,
        "reconstruct.py",
        "9-layers",
        {"reconstruct": "reconstruct(network, photo, steps=200, learning_rate=0.05)"},
        20,
    ),
]


def find_chapter(number: int) -> Chapter:
    """Return a chapter.

    Raises:
        InputError: for a number that no chapter has.
    """
    if not 1 <= number <= len(CHAPTERS):
        raise InputError(f"a chapter from 1 to {len(CHAPTERS)}", str(number), "perceptualloss course lists them.")
    return CHAPTERS[number - 1]


def _bodies(tree: ast.Module) -> Iterator[tuple[int, int, int]]:
    """Yield first line, last line and indentation of what a learner writes of each function."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            kept = sum(ast.unparse(part) == "super().__init__()" or _is_docstring(part) for part in node.body[:1])
            yield node.body[kept].lineno, node.end_lineno or 0, node.body[0].col_offset


def _is_docstring(part: ast.stmt) -> bool:
    return isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant)
