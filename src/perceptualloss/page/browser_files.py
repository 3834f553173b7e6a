"""What the page serves for the example that computes in the browser, and does not ship: onnxruntime-web, networks."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from perceptualloss.apply.backend import exported_file
from perceptualloss.errors import InputError
from perceptualloss.networks.export import check_installed
from perceptualloss.networks.named import load_network

NETWORKS = ("subpixel4x-mse", "subpixel2x-mse")
FOLDER = "PERCEPTUALLOSS_BROWSER_RUNTIME"
"""The variable that names the folder into which npm put onnxruntime-web, or that folder's dist."""
_OWN = Path(__file__).with_name("browser_runtime")
_SCRIPTS = ("ort.wasm.min.mjs", "ort.webgpu.min.mjs")
_PARTS = ("ort-wasm-simd-threaded", "ort-wasm-simd-threaded.asyncify")


def extra() -> dict[str, Path | bytes]:
    """Return it by its place below ``/browser/``; ``networks.json`` says which networks there are, or what is missing.

    The networks are exported at the first call, which takes some seconds, and kept.
    """
    runtime = runtime_files()
    if not runtime:
        return _offer(missing="runtime", command=f"npm ci --ignore-scripts --prefix {_OWN}")
    try:
        check_installed()
    except InputError:
        return _offer(missing="onnx", command="pip install 'perceptualloss[onnx]'")
    networks, files = [], dict[str, Path | bytes]()
    with tempfile.TemporaryDirectory() as folder:
        for name in NETWORKS:
            network = load_network(name)
            file = f"networks/{name}.onnx"
            files[file] = exported_file(network, Path(folder)).read_bytes()
            facts = {"scale": network.scale, "reach": network.reach, "grid": network.grid}
            networks.append({"name": name, "file": file, **facts})
    found: dict[str, Path | bytes] = {f"runtime/{file.name}": file for file in runtime}
    return found | files | _offer(networks=networks)


def runtime_files() -> list[Path]:
    """Return the files of onnxruntime-web that the browser needs, or none where they are not all there."""
    named = os.environ.get(FOLDER)
    for place in (Path(named), Path(named) / "node_modules/onnxruntime-web/dist") if named else (_dist(),):
        files = [place / name for name in (*_SCRIPTS, *(f"{part}.{end}" for part in _PARTS for end in ("mjs", "wasm")))]
        if all(file.is_file() for file in files):
            return files
    return []


def _dist() -> Path:
    return _OWN / "node_modules" / "onnxruntime-web" / "dist"


def _offer(**content: object) -> dict[str, Path | bytes]:
    return {"networks.json": json.dumps({"networks": [], **content}).encode()}
