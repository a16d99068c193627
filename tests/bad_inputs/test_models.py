"""Models that are damaged, forged or not to be read: one sentence each, before anything runs."""

import json
import os
import shutil
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from made_models import GENDER, SPEAKER, make_models, reseal, rewrite
from safetensors.numpy import load_file, save_file

from speech import Recogniser
from speech.classifiers.calibrated import Calibrated
from speech.errors import UserError
from speech.features.feature_spec import FeatureSpec, KeptStates, SpecInputs
from speech.inference import predictor
from speech.inference.models import require_same_features
from speech.params import Params

CARD, TREE, ARRAYS = "model.json", "estimator.json", "estimator.safetensors"
REJECTION = "rejection/rejection.safetensors"


@pytest.fixture(scope="module")
def whole(tmp_path_factory, shipped_params):
    folder = tmp_path_factory.mktemp("whole") / "models"
    return make_models(folder, Params.model_validate(shipped_params, strict=True))


@pytest.fixture
def models(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "models")


def write(name, content):
    return lambda models: (models / name).write_bytes(content)


def forge(name, content):
    """Write a file of the gender model, and a seal that fits."""

    def edit(models):
        (models / GENDER / name).write_bytes(content)
        reseal(models / GENDER)

    return edit


def spoiled(models, path, value, place=0):
    """Put a value into an array; give the digest of the file then."""
    arrays = {name: array.copy() for name, array in load_file(models / path).items()}
    name = next(name for name, array in arrays.items() if array.dtype.kind == "f")
    arrays[name].flat[place] = value
    save_file(arrays, models / path)
    return sha256((models / path).read_bytes()).hexdigest()


def forge_weights(value):
    def edit(models):
        spoiled(models, f"{GENDER}/{ARRAYS}", value)
        reseal(models / GENDER)

    return edit


def forge_rejection(models):
    rewrite(models / "rejection/rejection.json", sha256=spoiled(models, REJECTION, np.nan))


def forge_network(models):
    """Put a network with a weight that is no number in place of the model."""
    folder = models / GENDER
    for name in (TREE, ARRAYS):
        (folder / name).unlink()
    description = {"classes": ["F", "M"], "shape": [4], "architecture": {}}
    (folder / "network.json").write_text(json.dumps(description))
    weights = {"mean": np.zeros(4), "std": np.ones(4), "000": np.array([[0.0, np.nan]])}
    save_file(weights, folder / "weights.safetensors")
    rewrite(folder / CARD, model="mlp")
    reseal(folder)
    folder.rename(models / "gender-mfcc/mlp")
    rewrite(models / "gender-headline.json", model="mlp")


def endless(name):
    def edit(models):
        (models / name).unlink()
        (models / name).symlink_to("/dev/zero")

    return edit


def pipe(models):
    os.mkfifo(models / GENDER / "more")


def changed(name):
    """Change a digit, so that JSON stays JSON and numbers stay numbers."""

    def edit(models):
        content = (models / name).read_bytes()
        place = max(content.rfind(digit) for digit in (b"1", b"7", b"\x00"))
        (models / name).write_bytes(content[:place] + b"2" + content[place + 1 :])

    return edit


def gone(name):
    return lambda models: (models / name).unlink()


def swapped(models):
    (models / GENDER).rename(models / "kept")
    (models / SPEAKER).rename(models / GENDER)


DEEP = 100_000 * b"["
OTHER_FILES = f"{GENDER}: its files are not those that the model was saved with"
NO_MODEL = "no model of this project, or damaged"
OTHER_ARRAYS = f"{REJECTION}: is not the file that belongs to rejection.json"
TABLE = {
    # Damaged.
    "the card changed": (changed(f"{GENDER}/{CARD}"), f"{GENDER}/{CARD}: was changed since"),
    "the estimator changed": (changed(f"{GENDER}/{TREE}"), OTHER_FILES),
    "the weights changed": (changed(f"{GENDER}/{ARRAYS}"), OTHER_FILES),
    "the headline changed": (changed("gender-headline.json"), "headline.json: was changed since"),
    "the rejection changed": (changed("rejection/rejection.json"), "rejection.json: was changed"),
    "its arrays changed": (changed(REJECTION), OTHER_ARRAYS),
    "no estimator": (gone(f"{GENDER}/{TREE}"), OTHER_FILES),
    "no headline": (gone("gender-headline.json"), "gender-headline.json: no such file"),
    "no rejection": (gone("rejection/rejection.json"), "rejection.json: no such file"),
    "no arrays of it": (gone(REJECTION), OTHER_ARRAYS),
    "another model's folder": (swapped, "holds another model than its name says"),
    "a card of brackets": (write(f"{GENDER}/{CARD}", DEEP), "damaged or not a file of this"),
    "a headline of brackets": (write("gender-headline.json", DEEP), "damaged or not a file of"),
    # Forged, with a seal that fits.
    "weights that are no numbers": (forge_weights(np.nan), NO_MODEL),
    "infinite weights": (forge_weights(-np.inf), NO_MODEL),
    "weights near the largest double": (forge_weights(1e308), NO_MODEL),
    "a network's weights that are no numbers": (forge_network, NO_MODEL),
    "speakers that are no numbers": (forge_rejection, "rejection: is damaged"),
    "no temperature": (forge("temperature.json", b"{}"), NO_MODEL),
    "a temperature that is none": (forge("temperature.json", b'{"temperature": NaN}'), NO_MODEL),
    "a temperature of 0": (forge("temperature.json", b'{"temperature": 0}'), NO_MODEL),
    "a temperature of brackets": (forge("temperature.json", DEEP), NO_MODEL),
    "an estimator of brackets": (forge(TREE, DEEP), NO_MODEL),
    "an estimator of another kind": (forge(TREE, b"{}"), NO_MODEL),
    # What has no end.
    "an endless card": (endless(f"{GENDER}/{CARD}"), "damaged or not a file of this project"),
    "endless weights": (endless(f"{GENDER}/{ARRAYS}"), f"{GENDER}/{ARRAYS}: is no file"),
    "an endless headline": (endless("gender-headline.json"), "damaged or not a file of this"),
    "endless arrays": (endless(REJECTION), OTHER_ARRAYS),
    "a pipe": (pipe, f"{GENDER}/more: is no file"),
}


@pytest.mark.parametrize(("spoil", "said"), TABLE.values(), ids=TABLE)
def test_a_model_that_is_not_as_it_was_saved_is_refused_in_one_sentence(models, spoil, said):
    spoil(models)
    with pytest.raises(UserError) as error:
        Recogniser(models)
    assert said in str(error.value)
    assert str(error.value).startswith(str(models))
    assert str(error.value).endswith(".")
    assert "\n" not in str(error.value)


def test_a_model_whose_values_overflow_gives_no_answer(whole, monkeypatch):
    def overflow(self, inputs):
        return np.full((len(inputs), len(self.classes)), np.nan)

    monkeypatch.setattr(predictor, "find_speech", lambda *given: ~given[-1])
    monkeypatch.setattr(Calibrated, "predict_proba", overflow)
    noise = np.random.default_rng(5).uniform(-0.3, 0.3, 40_000)
    with pytest.raises(UserError, match=f"{GENDER}: predicts no numbers"):
        Recogniser(whole, jobs=1).predict_signal(noise, 16_000)


@pytest.mark.parametrize("where", ["", GENDER, "rejection"])
def test_what_the_system_leaves_in_a_folder_is_passed_over(models, where):
    (models / where / ".DS_Store").write_bytes(b"\0")
    (models / where / ".directory").mkdir()
    assert len(Recogniser(models).models) == 2


@contextmanager
def without_rights():
    """Read as somebody who may not read everything, which root may."""
    if root := os.geteuid() == 0:
        os.seteuid(65_534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


@pytest.fixture
def open_models(whole):
    """Make models where everybody may look for them, as they may not in pytest's own folders."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        models = shutil.copytree(whole, Path(folder) / "models")
        yield models


@pytest.mark.parametrize(
    "name",
    [
        *(GENDER, f"{GENDER}/{CARD}", f"{GENDER}/{ARRAYS}", "gender-headline.json"),
        *("rejection", "rejection/rejection.json", REJECTION),
    ],
)
def test_what_may_not_be_read_is_named(open_models, name):
    closed = open_models / name
    rights = closed.stat().st_mode
    closed.chmod(0)
    try:
        with without_rights(), pytest.raises(UserError) as error:
            Recogniser(open_models)
    finally:
        closed.chmod(rights)
    assert str(error.value).startswith(f"{closed}")
    assert "cannot be read (Permission denied)" in str(error.value)


@pytest.mark.parametrize("layer", [4, 5])
def test_models_that_are_given_another_layer_of_the_encoder_are_refused_together(params, layer):
    """It is computed once: the second would be given the layer of the first."""
    asked = params.inputs.wav2vec2
    kept = KeptStates(layers=[4, 5], sequence_layer=4, sequence_stride=4)
    specs = [
        FeatureSpec(
            chunks=params.chunks,
            inputs=SpecInputs(wav2vec2=asked.model_copy(update={"layer": own})),
            wav2vec2=kept,
            encoder={"config.json": "0"},
        )
        for own in (4, layer)
    ]
    named = list(zip(("gender", "speaker"), specs, strict=True))
    if layer == 4:
        require_same_features(named)
    else:
        with pytest.raises(UserError, match=r"speaker: was trained with other inputs\.wav2vec2"):
            require_same_features(named)
