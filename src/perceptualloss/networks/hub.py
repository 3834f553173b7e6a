"""Networks and recipes that others share on the Hugging Face hub: an address, and the file that it stands for."""

from __future__ import annotations

import hashlib
import importlib
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from perceptualloss.errors import InputError

log = logging.getLogger(__name__)

NETWORK, RECIPE = "network.safetensors", "recipe.yaml"  # what a shared network and its recipe are called there
LARGEST = {".safetensors": 2**32 + 2**23, ".yaml": 2**20}  # bytes, by kind of file: the only kinds that are fetched
TIMEOUT = 10  # seconds without an answer
_PICKLES = (".bin", ".pth", ".pt", ".ckpt", ".pkl", ".pickle", ".joblib")
_PART = r"[A-Za-z0-9_][\w.-]{0,95}"
# One slash is what a Path makes of two.
_ADDRESS = re.compile(rf"hf:/{{1,2}}(?P<repo>{_PART}/{_PART}?)(?:@(?P<revision>[\w.-]+))?(?:/(?P<file>[\w./-]+))?")
_COMMIT = re.compile("[0-9a-f]{40}")


def is_hub_address(name: object) -> bool:
    """Whether a name is meant as an address of the hub.

    >>> is_hub_address("hf://anna/my-network"), is_hub_address(Path("hf://anna/my-network")), is_hub_address("wave")
    (True, True, False)
    """
    return isinstance(name, str | os.PathLike) and str(name).startswith("hf:")


def parse_address(address: str) -> tuple[str, str | None, str | None]:
    """Return repository, revision and file of an address; None for what it does not name.

    Raises:
        InputError: for something else.

    >>> parse_address("hf://anna/my-network@v1/x4/network.safetensors")
    ('anna/my-network', 'v1', 'x4/network.safetensors')
    """
    found = _ADDRESS.fullmatch(address)
    if found is None or ".." in address:
        raise InputError("an address such as hf://user/name or hf://user/name@revision", repr(address[:200]))
    return found["repo"], found["revision"], found["file"]


def hub_file(address: str | os.PathLike[str], usual: str = NETWORK, token: str | None = None) -> Path:
    """Return the file that an address stands for, from the hub or from the cache of huggingface_hub.

    The hub is asked which commit a branch or tag means, and the file is downloaded unless the cache has it. Where a
    whole commit is named and the cache has its file, nobody is asked. Where the hub cannot be reached, the newest copy
    in the cache is taken and a warning says so. The content is compared with the hash by which the hub names it.

    Args:
        address: ``hf://user/name``, with ``@`` and a commit, tag or branch, and a file, as wanted.
        usual: the file, if the address names none; its suffix is the only one that is fetched.
        token: the user's, for private repositories; None is what ``hf auth login`` or ``HF_TOKEN`` gave.

    Raises:
        InputError: for an address that is none, a missing or private repository, revision or file, a file of another
            kind or of too many bytes, a damaged one, or no connection and no copy in the cache.
    """
    repo, revision, file = parse_address(str(address))
    file, revision, suffix = file or usual, revision or "main", Path(usual).suffix
    if Path(file).suffix != suffix:
        remedy = "Files of other kinds may run code and are not fetched."
        raise InputError(f"a file that ends in {suffix} at hf://{repo}", repr(file), remedy)
    hub = hub_library()
    cached = hub.try_to_load_from_cache(repo, file, revision=revision)
    where: dict[str, Any] = {"repo_id": repo, "filename": file, "revision": revision, "token": token}
    if not (isinstance(cached, str) and _COMMIT.fullmatch(revision)):
        try:
            with hub_errors(repo, revision):
                _check_offered(hub, file, repo, revision, token)
                cached = hub.hf_hub_download(**where)
        except Unreachable as error:
            if not isinstance(cached, str):
                remedy = f"Connect once, or put {file} on this machine and name the file."
                got = f"no connection to the hub ({error.reason}), and no copy in {hub_cache()}"
                raise InputError(f"{file} of hf://{repo}", got, remedy) from error
            log.warning("the hub cannot be reached (%s): %s is taken from the cache", error.reason, repo)
    path = Path(str(cached))
    log.info("hf://%s@%s", repo, next((part for part in path.parts if _COMMIT.fullmatch(part)), revision))
    _check_hash(path)
    return path


def hub_library() -> Any:
    """Return the module huggingface_hub.

    Raises:
        InputError: if it is not installed.
    """
    try:
        return importlib.import_module("huggingface_hub")
    except ImportError as error:
        remedy = "Install it with: pip install 'perceptualloss[hub]'"
        raise InputError("the package huggingface_hub, for hf://...", "none installed", remedy) from error


def hub_cache() -> Path:
    """Return the folder in which huggingface_hub keeps what it downloads."""
    return Path(importlib.import_module("huggingface_hub.constants").HF_HUB_CACHE)


class Unreachable(Exception):
    """The hub did not answer, for a ``reason``."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@contextmanager
def hub_errors(repo: str, revision: str = "main") -> Iterator[None]:
    """Within it, what the hub refuses is an InputError.

    Raises:
        InputError: for a repository or revision that is not there or may not be read or written.
        Unreachable: where the hub does not answer, or only that it is broken.
    """
    from httpx2 import HTTPError  # noqa: PLC0415  comes with huggingface_hub
    from huggingface_hub import errors  # noqa: PLC0415  an extra

    log_in = "Check its name; a private one needs a token: hf auth login, or the environment variable HF_TOKEN."
    try:
        yield
    except errors.GatedRepoError as error:
        raise InputError(f"the right to read {repo}", "none", "Ask for it on its page, then: hf auth login") from error
    except errors.RepositoryNotFoundError as error:
        raise InputError(f"a repository {repo} on the hub", "none that may be read", log_in) from error
    except errors.RevisionNotFoundError as error:
        raise InputError(f"a commit, tag or branch {revision} in {repo}", "none of that name") from error
    except errors.HFValidationError as error:
        raise InputError("a repository such as user/name", repr(repo[:200])) from error
    except errors.HfHubHTTPError as error:
        status = error.response.status_code
        if status in (401, 403):
            raise InputError(f"the right to do this with {repo}", f"a refusal ({status})", log_in) from error
        if status < 500:
            raise InputError(f"{repo} on the hub", f"{status}: {error.server_message or error}"[:300]) from error
        raise Unreachable(f"status {status}") from error
    except InputError:
        raise
    except (HTTPError, OSError) as error:  # no network, no such host, HF_HUB_OFFLINE
        raise Unreachable(" ".join(str(error).split())[:200] or type(error).__name__) from error


def _check_offered(hub: Any, file: str, repo: str, revision: str, token: str | None) -> None:
    """Raise unless a repository has a file, of at most as many bytes as such a file may have."""
    info = hub.HfApi().model_info(repo, revision=revision, timeout=TIMEOUT, files_metadata=True, token=token)
    sizes = {entry.rfilename: entry.size for entry in info.siblings or []}
    if file not in sizes:
        others = sorted(name for name in sizes if Path(name).suffix in LARGEST)
        pickles = sorted(name for name in sizes if Path(name).suffix in _PICKLES)
        got, remedy = f"none among its {len(sizes)} files", ""
        if others:
            got, remedy = f"{', '.join(others[:5])}", f"Name one: hf://{repo}/{others[0]}"
        elif pickles:
            got = f"only {', '.join(pickles[:3])}, which may run code and is not fetched"
            remedy = "Ask its author for safetensors."
        raise InputError(f"a file {file} in {repo}", got, remedy)
    largest = LARGEST[Path(file).suffix]
    if (sizes[file] or 0) > largest:
        raise InputError(f"{file} of at most {largest:,} bytes in {repo}", f"{sizes[file]:,}")


def _check_hash(path: Path) -> None:
    """Raise unless a file in the cache has the hash that it is named by: SHA-256, or git's SHA-1 of small files."""
    blob = path.resolve()
    name = blob.name
    if not re.fullmatch("[0-9a-f]{64}|[0-9a-f]{40}", name):  # Windows without links keeps no such name
        return
    if len(name) == 64:
        with blob.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    else:
        data = blob.read_bytes()
        digest = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
    if digest != name:
        remedy = f"It was cut off or altered: delete {blob}, and it is downloaded anew."
        raise InputError(f"{path.name} with the hash {name[:12]}... of the hub", f"{digest[:12]}...", remedy)
