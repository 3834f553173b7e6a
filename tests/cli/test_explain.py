"""What is wrong with options takes one short line."""

from __future__ import annotations

import pytest

from perceptualloss import cli


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("upscale a.jpg --scale x", "expected --scale a number, got x"),
        ("upscale a.jpg --scale", "expected --scale a number, got no value"),
        ("upscale a.jpg --kind mes", "expected --kind mse, perceptual or adversarial, got mes"),
        ("upscale a.jpg --tile x", "expected --tile a whole number, got x"),
        ("upscale a.jpg --perception x", "expected --perception a number, got x"),
        ("upscale a.jpg --scal 2", "got --scal. Did you mean --scale?"),
        ("upscale a.jpg --match_histogram 3", "got '3'"),
        ("upscale", "expected paths (pictures, videos and folders"),
        ("restore --of noise a.jpg", "If they stand behind --of, which takes several words, put them before it."),
        ("upscal a.jpg", "Did you mean 'upscale'?"),
        ("stylize a.jpg --steps 1.5", "expected --steps a whole number, got 1.5"),
        ("stylize a.jpg --method opt", "expected --method network or optimize, got opt"),
        ("loss-map a.png", "expected target (what it should look like, of the same size) for perceptualloss loss-map"),
        ("reconstruct a.png --space x", "expected --space pixels or frequencies, got x"),
        ("compare --stepz 3", "got --stepz. Did you mean --steps?"),
        ("compare --warm_up_step=3", "got --warm-up-step. Did you mean --warm-up-steps?"),
        ("train denoise --steps abc", "expected --steps a whole number, got abc"),
        ("train-loss-network", "expected --architecture and --out for perceptualloss train-loss-network, got none"),
        ("evaluate a b --metrics", "expected --metrics"),
        ("recipes --quiet", "got --quiet"),
    ],
)
def test_what_is_wrong_with_options(words: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(words.split()) == 2
    shown = capsys.readouterr().err
    assert said in shown
    assert shown.count("\n") == 1
    assert len(shown) < 260  # the commands alone have 160 letters
