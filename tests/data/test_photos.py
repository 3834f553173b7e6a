from __future__ import annotations

from pathlib import Path

import pytest

from perceptualloss.data import folder as photos
from perceptualloss.data.folder import builtin_photos
from perceptualloss.errors import InputError
from perceptualloss.pictures.images import read_image


def test_the_split_is_fixed_and_keeps_both_motorcycles_on_one_side() -> None:
    training = {path.name for path in builtin_photos("training")}
    validation = [path.name for path in builtin_photos("validation")]
    assert validation == ["chelsea.png", "coffee.png"]
    assert not training & set(validation)
    assert {"motorcycle_left.png", "motorcycle_right.png", "astronaut.png"} <= training
    assert len(builtin_photos()) == len(training) + len(validation)


def test_every_photo_is_readable_and_large_enough() -> None:
    for path in builtin_photos():
        assert min(read_image(path).shape[-2:]) >= 300


def test_another_split_and_a_missing_photo_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="Did you mean 'training'"):
        builtin_photos("trainin")  # type: ignore[arg-type]
    monkeypatch.setattr(photos, "TRAINING", ("no_such_photo.png",))
    with pytest.raises(InputError, match=r"no_such_photo\.png.*Reinstall scikit-image"):
        builtin_photos("training")


def test_paths_are_files_of_the_package() -> None:
    assert all(isinstance(path, Path) and path.parent.name == "data" for path in builtin_photos())
