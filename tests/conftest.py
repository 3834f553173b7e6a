"""What several tests need, and what a run says of those that fail."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from perceptualloss.data.folder import builtin_photos
from perceptualloss.pictures.images import read_image, write_image


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with benchmark pictures and photos, which the repository does not carry."""
    default = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("PERCEPTUALLOSS_SHARED", default))
    if not (folder / "data").is_dir():
        pytest.skip(f"needs the benchmark pictures in {folder}/data; PERCEPTUALLOSS_SHARED names another folder")
    return folder


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def small_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with four small photos, pieces of those that scikit-image ships."""
    folder = tmp_path_factory.mktemp("photos")
    for i, file in enumerate(builtin_photos()[:4]):
        piece = read_image(file)[:, :, 100:148, 100 : 152 + 4 * i]
        write_image(piece, folder / f"{i}-{file.stem}.png")
    return folder


class AtOnce:
    """Says in a few lines what fails when it fails: a log may be cut before the end, where pytest says it.

    What goes wrong outside the tests, in pytest or one of its workers, is said again at the end, after what failed.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.outside: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            self._write(
                ["", f"FAILED {report.nodeid} ({report.when})", *str(crash or report.longrepr).splitlines()[:12]]
            )

    @pytest.hookimpl(tryfirst=True)
    def pytest_internalerror(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        lines = str(excinfo.value).splitlines()  # of a worker, its traceback
        errors = [line for line in lines[:-12] if line.startswith("  ") and line[2:3].isalpha()]
        self.outside += ["", "FAILED outside the tests", *errors, *lines[-12:]]
        self._write(self.outside)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, exitstatus: int) -> None:
        if exitstatus == pytest.ExitCode.INTERNAL_ERROR:  # pytest itself does not say then what failed before
            self.config.hook.pytest_terminal_summary(
                terminalreporter=self._reporter(), exitstatus=exitstatus, config=self.config
            )

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self) -> None:
        self._write(self.outside)

    def _reporter(self) -> Any:
        return self.config.pluginmanager.getplugin("terminalreporter")

    def _write(self, lines: list[str]) -> None:
        for line in lines:
            self._reporter().write_line(line[:200])


def pytest_configure(config: pytest.Config) -> None:
    """Let the process that reports say at once what fails."""
    if not hasattr(config, "workerinput"):  # one of pytest-xdist's workers
        config.pluginmanager.register(AtOnce(config))
