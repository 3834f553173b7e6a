"""A learner's file: opened, run within a time limit, and what goes wrong in it told with its line."""

from __future__ import annotations

import difflib
import importlib.util
import inspect
import io
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

from perceptualloss.errors import InputError

SECONDS = 120.0  # for one call into the file; a check takes a few
_MODULE = "perceptualloss_course_answer"
_LONGEST = 200  # letters of an error's text


class Mistake(Exception):
    """What is wrong with an answer; ``key`` and ``values`` find the sentence in the texts.

    Attributes:
        key: of the sentence, without "mistake.".
        values: that the sentence names.
        line: of the learner's file, where it is known.
    """

    def __init__(self, key: str, line: int | None = None, **values: object) -> None:
        self.key, self.line, self.values = key, line, values
        super().__init__(key)


class _TooLong(BaseException):
    """The file was busy for too long; no ``except Exception`` of a learner's catches it."""


class Answer:
    """A learner's file.

    Args:
        file: its path.
        calls: how what it must have is called, by name.

    Raises:
        InputError: for a path that is no readable Python file.
        Mistake: if it cannot be run, or lacks a name.
    """

    def __init__(self, file: Path, calls: Mapping[str, str]) -> None:
        self.file, self.calls = file.resolve(), calls
        if file.suffix == ".ipynb":
            raise InputError(
                "a Python file", f"the notebook {file}", "Copy the cells with your answer into a .py file."
            )
        if not file.is_file():
            raise InputError(f"a Python file {file}", "none" if not file.exists() else "a folder")
        spec = importlib.util.spec_from_loader(_MODULE, loader=None, origin=str(self.file))
        assert spec is not None
        self.module = importlib.util.module_from_spec(spec)
        self.module.__file__ = str(self.file)
        try:
            code = compile(self.file.read_bytes(), str(self.file), "exec")
        except (SyntaxError, ValueError) as error:
            line = error.lineno if isinstance(error, SyntaxError) else None
            raise Mistake("syntax", line, error=_words(error)) from error
        with _importable(self.module, self.file.parent):
            self.run(exec, code, self.module.__dict__)
        self._check_names()

    def _check_names(self) -> None:
        for name, call in self.calls.items():
            found = getattr(self.module, name, None)
            if found is None:
                own = [n for n, v in vars(self.module).items() if getattr(v, "__module__", None) == _MODULE]
                near = next(iter(difflib.get_close_matches(name, own, n=1, cutoff=0.5)), None)
                raise Mistake("name" if near is None else "name_near", name=name, call=call, near=near)
            if not callable(found):
                raise Mistake("not_callable", name=name, call=call)
            if getattr(found, "__module__", _MODULE).startswith("perceptualloss."):
                raise Mistake("not_own", name=name)

    def __getitem__(self, name: str) -> Any:
        """Return the class or function of a name."""
        return getattr(self.module, name)

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Call a class or function of the file.

        Raises:
            Mistake: if it cannot be called so, or for what it raises.
        """
        try:
            inspect.signature(self[name]).bind(*args, **kwargs)
        except TypeError as error:
            raise Mistake("signature", line_of(self[name]), name=name, call=self.calls[name]) from error
        except ValueError:
            pass  # what has no signature is called and seen
        return self.run(self[name], *args, **kwargs)

    def run(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call what leads into the file.

        Raises:
            Mistake: for what it raises, with the line of the file.
        """
        try:
            with self._time_limit(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return function(*args, **kwargs)
        except KeyboardInterrupt:
            raise
        except NotImplementedError as error:
            raise Mistake("unfinished", self.line(error)) from error
        except _TooLong as error:
            raise Mistake("too_long", self.line(error), seconds=round(SECONDS)) from error
        except SystemExit as error:
            raise Mistake("exits", self.line(error)) from error
        except ModuleNotFoundError as error:
            raise Mistake("no_module", self.line(error), module=error.name) from error
        except EOFError as error:
            raise Mistake("asks", self.line(error)) from error
        except BaseException as error:
            raise Mistake("raises", self.line(error), error=_words(error)) from error

    def line(self, error: BaseException) -> int | None:
        """Return the innermost line of the file that an exception passed."""
        lines = [
            frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(self.file)
        ]
        return lines[-1] if lines else None

    @contextmanager
    def _time_limit(self) -> Iterator[None]:
        """End what takes too long at a line of the file: without signals, and on every system."""
        end, name, before = time.monotonic() + SECONDS, str(self.file), sys.gettrace()

        def look(frame: FrameType, event: str, argument: object) -> Any:
            if frame.f_code.co_filename != name:
                return None
            if event == "line" and time.monotonic() > end:
                raise _TooLong
            return look

        stdin, sys.stdin = sys.stdin, io.StringIO()  # nobody answers input()
        sys.settrace(look)
        try:
            yield
        finally:
            sys.settrace(before)
            sys.stdin = stdin


@contextmanager
def _importable(module: ModuleType, folder: Path) -> Iterator[None]:
    """While a file runs first, it finds itself among the modules (as dataclasses want), and the files beside it."""
    sys.modules[_MODULE] = module
    sys.path.append(str(folder))  # last, so that no file there stands in for a library
    try:
        yield
    finally:
        sys.path.remove(str(folder))


def line_of(thing: object) -> int | None:
    """Return the line at which a class or function begins."""
    try:
        return inspect.getsourcelines(thing)[1]  # type: ignore[arg-type]
    except (OSError, TypeError):
        return None


def _words(error: BaseException) -> str:
    try:
        text = " ".join(str(error.msg if isinstance(error, SyntaxError) else error).split())
    except Exception:  # of a learner's own class
        text = ""
    shown = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
    return f"{type(error).__name__}: {shown}" if shown else type(error).__name__
