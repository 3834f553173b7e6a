"""The card of a network or recipe that is shared: what is known of it, and what is not, as Markdown for the hub."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from perceptualloss.errors import InputError
from perceptualloss.files import to_json

LARGEST = 2**26  # bytes of an evaluation
_INTERPOLATIONS = ("bicubic", "bilinear")  # which evaluations show beside a network
_UNKNOWN = "unknown"


@dataclass(frozen=True)
class Facts:
    """What a card says.

    Attributes:
        repository: such as "anna/my-network".
        network: class of the network; "" for a recipe alone.
        arguments: of its constructor.
        scale: how many times larger it makes pictures.
        weights: how many numbers it has.
        sha256: of its file.
        settings: of its training, in words; empty if nothing is known.
        data: which pictures it was trained with, as a run records it.
        versions: of what trained it.
        validation: the last value of each curve of the training.
        recipe: whether a recipe is shared, too.
        left_out: names of settings of the recipe that were places on a machine.
        licence: its identifier, such as "apache-2.0"; "" if the user said none.
        datasets: of the hub, as the user said.
        text: the user's own.
        evaluation: what ``perceptualloss evaluate --json`` wrote, or None.
    """

    repository: str
    network: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    scale: int = 1
    weights: int = 0
    sha256: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    validation: Mapping[str, float] = field(default_factory=dict)
    recipe: bool = False
    left_out: Sequence[str] = ()
    licence: str = ""
    datasets: Sequence[str] = ()
    text: str = ""
    evaluation: Mapping[str, Any] | None = None


def model_card(facts: Facts) -> str:
    """Return the card; what nobody said is called unknown there."""
    parts = [f"# {facts.repository.partition('/')[2]}", facts.text.strip(), _summary(facts), _use(facts)]
    if facts.network:
        parts += [_network(facts), _training(facts), _pictures(facts), _figures(facts)]
    elif facts.left_out:
        parts.append(_left_out(facts))
    parts.append(_licence(facts))
    front = yaml.safe_dump(_front_matter(facts), sort_keys=False, allow_unicode=True)
    return f"---\n{front}---\n\n" + "\n\n".join(part for part in parts if part) + "\n"


def read_evaluation(file: Path) -> Mapping[str, Any]:
    """Return what ``perceptualloss evaluate --json`` wrote of one network, and of interpolations beside it.

    Raises:
        InputError: for another file, or several networks.
    """
    try:
        if file.stat().st_size > LARGEST:
            raise InputError(f"an evaluation of at most {LARGEST:,} bytes", str(file))
        data = json.loads(file.read_text(encoding="utf-8"))
        means = {str(name): _means(candidate["mean"]) for name, candidate in data["candidates"].items()}
        metrics = {str(metric["key"]): bool(metric["higher_is_better"]) for metric in data["metrics"]}
        targets, convention = str(data["settings"].get("targets", _UNKNOWN)), str(data["convention"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError("what perceptualloss evaluate --json wrote", f"{file} ({error})") from error
    networks = [name for name in means if name not in _INTERPOLATIONS]
    if len(networks) != 1:
        raise InputError("an evaluation of this network alone, and interpolations", f"{networks} in {file}")
    return {
        "network": networks[0],
        "means": means,
        "metrics": metrics,
        "targets": Path(targets).name,
        "convention": convention,
    }


def _means(means: Mapping[str, Any]) -> dict[str, float]:
    return {str(key): float(mean["value"]) for key, mean in means.items() if mean["value"] is not None}


def _front_matter(facts: Facts) -> dict[str, Any]:
    tags = ["perceptual-loss"]
    if facts.network:
        kind = "style-transfer" if facts.network == "StyleTransferNetwork" else "image-restoration"
        tags += ["super-resolution" if facts.scale > 1 else kind, facts.network]
    front: dict[str, Any] = {"library_name": "perceptualloss", "pipeline_tag": "image-to-image", "tags": tags}
    if facts.licence:
        front["license"] = facts.licence
    if facts.datasets:
        front["datasets"] = list(facts.datasets)
    if facts.evaluation is not None:
        means = facts.evaluation["means"][facts.evaluation["network"]]
        front["metrics"] = list(means)
        finite = [{"type": key, "name": key, "value": value} for key, value in means.items() if math.isfinite(value)]
        dataset = {"name": facts.evaluation["targets"], "type": facts.evaluation["targets"]}
        result = {"task": {"type": "image-to-image"}, "dataset": dataset, "metrics": finite}
        front["model-index"] = [{"name": facts.repository.partition("/")[2], "results": [result]}]
    return front


def _summary(facts: Facts) -> str:
    if not facts.network:
        return "A recipe for `perceptualloss train`: the settings of a training, without weights."
    size = f"makes pictures {facts.scale} times as large" if facts.scale > 1 else "keeps the size of pictures"
    return f"A `{facts.network}` of the Python package `perceptualloss` that {size}."


def _use(facts: Facts) -> str:
    address = f"hf://{facts.repository}"
    lines = ["pip install 'perceptualloss[hub]'"]
    if facts.network:
        command = "upscale" if facts.scale > 1 else "transform"
        if facts.network == "StyleTransferNetwork":
            command = "stylize"
        lines.append(f"perceptualloss {command} photo.jpg --network {address}")
    if facts.recipe:
        lines.append(f"perceptualloss train {address} --photos my-photos")
    text = "## Use\n\n```sh\n" + "\n".join(lines) + "\n```"
    if facts.network:
        python = f'from perceptualloss import from_pretrained\n\nnetwork = from_pretrained("{facts.repository}")'
        text += f"\n\n```python\n{python}\n```"
    return text + f"\n\n`{address}@COMMIT` is the same for ever; without a commit it is the newest."


def _network(facts: Facts) -> str:
    arguments = ", ".join(f"{name}={value!r}" for name, value in facts.arguments.items())
    rows = {
        "class": f"`{facts.network}({arguments})`",
        "weights": f"{facts.weights:,}",
        "file": "network.safetensors",
        "SHA-256": f"`{facts.sha256}`",
    }
    return "## Network\n\n" + _table(("", ""), rows.items())


def _training(facts: Facts) -> str:
    heading = "## Training\n\n"
    if not facts.settings:
        return heading + "Unknown: the file does not say how it was trained."
    said = {name: value for name, value in facts.settings.items() if value not in ("None", "[]")}
    text = heading + _table(("setting", "value"), ((name, f"`{value}`") for name, value in said.items()))
    if facts.recipe:
        text += "\n\nThe whole recipe is `recipe.yaml`. " + _left_out(facts)
    if facts.versions:
        text += "\n\nVersions: " + ", ".join(f"{name} {value}" for name, value in facts.versions.items()) + "."
    return text


def _left_out(facts: Facts) -> str:
    if not facts.left_out:
        return ""
    return f"Left out of it are places on the machine that trained it: {', '.join(facts.left_out)}."


def _pictures(facts: Facts) -> str:
    count = facts.data.get("files")
    known = "Unknown which." if count is None else f"{count} files."
    if "names_and_sizes" in facts.data:
        known += f" A hash of their names and sizes begins with `{facts.data['names_and_sizes']}`."
    if facts.datasets:
        known += " Data sets, as the author says: " + ", ".join(facts.datasets) + "."
    elif count is not None:
        known += " Which pictures these are, and their licences, the run does not record."
    return "## Pictures it was trained with\n\n" + known


def _figures(facts: Facts) -> str:
    parts = []
    if facts.evaluation is not None:
        given = facts.evaluation
        titles = [f"{key} {'↑' if higher else '↓'}" for key, higher in given["metrics"].items()]
        rows = (
            (name, *(_number(means.get(key)) for key in given["metrics"])) for name, means in given["means"].items()
        )
        parts.append(f"On `{given['targets']}` ({given['convention']}):\n\n" + _table(("", *titles), rows))
    if facts.validation:
        last = ", ".join(f"{name} {value:.4g}" for name, value in facts.validation.items())
        parts.append(f"At the last validation of the training: {last}.")
    return "## Figures\n\n" + ("\n\n".join(parts) or "None were measured.")


def _licence(facts: Facts) -> str:
    stated = f"`{facts.licence}`, as the author says." if facts.licence else "Unknown: the author states none."
    return f"## Licence\n\n{stated}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{to_json(value)}" if not math.isfinite(value) else f"{value:.4f}"


def _table(titles: Sequence[str], rows: Any) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)
