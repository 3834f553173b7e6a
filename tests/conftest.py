"""What several tests need, and what a run says of those that fail.

Slow packages are imported where they are used: the process that hands the tests out to others needs none of them.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Generator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from _pytest.doctest import DoctestModule
from hypothesis import HealthCheck, settings

# The same examples in every run, so that a change breaks a test and not chance; HYPOTHESIS_PROFILE=search draws others.
_UNTIMED = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}  # a busy machine is no fault
settings.register_profile("same", derandomize=True, **_UNTIMED)
settings.register_profile("search", **_UNTIMED)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


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
    import torch  # noqa: PLC0415 (slow)

    torch.default_generator.manual_seed(0)  # torch.manual_seed writes down the whole stack for every kind of device
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(0)


@pytest.fixture(scope="session")
def small_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with four small photos, pieces of those that scikit-image ships."""
    from perceptualloss.data.folder import builtin_photos  # noqa: PLC0415 (slow)
    from perceptualloss.pictures.images import read_image, write_image  # noqa: PLC0415 (slow)

    folder = tmp_path_factory.mktemp("photos")
    for i, file in enumerate(builtin_photos()[:4]):
        piece = read_image(file)[:, :, 100:148, 100 : 152 + 4 * i]
        write_image(piece, folder / f"{i}-{file.stem}.png")
    return folder


def _as_a_program(rank: int, function: Callable[..., None], *arguments: Any) -> None:
    """Call a function with the start method that a program has: workers by a forkserver import torch for seconds."""
    multiprocessing.set_start_method(None, force=True)
    function(rank, *arguments)


@pytest.fixture(scope="session")
def in_processes(pytestconfig: pytest.Config) -> Iterator[Callable[..., None]]:
    """Call a function of a test's module in processes of their own, with (rank, *arguments); what one raises, fails.

    For what forks, talks through gloo, or sends or gets signals: pytest's process has threads, and what reaches it
    from outside ends whatever runs then, in pytest too. The processes are forked by one that has imported the slow
    packages and has no threads.
    """
    if sys.platform != "linux":
        pytest.skip("processes are forked, because a fresh one imports torch for seconds")
    from torch.multiprocessing import start_processes  # noqa: PLC0415 (slow)

    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(["pytest", "hypothesis", "lightning", "perceptualloss.training.run"])

    def call(function: Callable[..., None], *arguments: Any, processes: int = 1, seconds: float = 300) -> None:
        running = start_processes(
            _as_a_program, (function, *arguments), processes, join=False, start_method="forkserver"
        )
        end = time.monotonic() + seconds
        while not running.join(timeout=1):
            if time.monotonic() > end:
                for process in running.processes:
                    process.kill()
                pytest.fail(f"not done after {seconds} seconds")

    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(pytestconfig.rootpath)  # where tests.losses.test_wrapped is found
        yield call


@pytest.fixture(scope="module")
def thin_vggs() -> Iterator[None]:
    """VGG-16 and VGG-19 with a sixteenth of their channels, and layers of the same names: built and run in no time."""
    from torchvision.models.vgg import cfgs, make_layers  # noqa: PLC0415 (slow)

    from perceptualloss.features.architectures import ARCHITECTURES  # noqa: PLC0415 (slow)

    with pytest.MonkeyPatch.context() as patch:
        for name, configuration in (("vgg16", "D"), ("vgg19", "E")):
            thin = [kind if kind == "M" else int(kind) // 16 for kind in cfgs[configuration]]
            patch.setitem(ARCHITECTURES, name, partial(make_layers, thin, batch_norm=False))
        yield


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What drives a browser, which benchmarks use, too."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))
    tools = importlib.import_module("chromium")
    if missing := tools.missing():
        reason = f"needs {missing} (Debian's packages chromium and chromium-driver)"
        pytest.fail(reason) if os.environ.get("PERCEPTUALLOSS_NEEDS_CHROMIUM") else pytest.skip(reason)
    return tools


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


@pytest.hookimpl(wrapper=True)
def pytest_collect_file() -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
    """Look for no examples in the docstrings of tests, which have none; the package's are tests."""
    found = yield
    return [collector for collector in found if not isinstance(collector, DoctestModule)]


def pytest_configure(config: pytest.Config) -> None:
    """Let the process that reports say at once what fails."""
    if not hasattr(config, "workerinput"):  # one of pytest-xdist's workers
        config.pluginmanager.register(AtOnce(config))
