"""What all classifiers promise, on small made-up voices."""

import gc
import json
import multiprocessing
import pickletools
import shutil
import weakref
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import yaml

from speech.classifiers.protocol import Labelled
from speech.classifiers.registry import (
    build_classifier,
    classifier_class,
    load_classifier,
    save_classifier,
)
from speech.errors import UserError
from speech.params import ModelName, Params

ROOT = Path(__file__).parents[2]
MODELS = get_args(ModelName)
NETWORKS = ["mlp", "cnn"]
SEED = 5
VOICES = ["anna", "bert", "carl"]
SESSIONS, UTTERANCES, CHUNKS = 2, 4, 3
FRAMES, DIMENSIONS = 16, 6


def small_params(**training):
    """Make the networks small; ``training`` replaces what they have in common."""
    content = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
    quick = {"epochs": 5, "patience": 4, "batch_size": 16, "dropout": 0.1, "learning_rate": 0.03}
    content["mlp"] |= {"hidden": [16], **quick, **training}
    content["cnn"] |= {"channels": [8, 8], "kernel": 3, **quick, **training}
    return Params.model_validate(content, strict=True)


def voices(model, *, seed=0, noise=1.0, offset=0.0):
    """Make chunks up, in the form that a model takes; every voice has a direction of its own."""
    random = np.random.default_rng(seed)
    directions = np.random.default_rng(99).normal(size=(len(VOICES), DIMENSIONS))
    rows = [
        (number, f"{name}-{session}", f"{name}-{session}-{utterance}")
        for number, name in enumerate(VOICES)
        for session in range(SESSIONS)
        for utterance in range(UTTERANCES)
        for _ in range(CHUNKS)
    ]
    numbers, sessions, utterances = (np.array(column) for column in zip(*rows, strict=True))
    frames = 2 * directions[numbers, None] + noise * random.normal(
        size=(len(rows), FRAMES, DIMENSIONS)
    )
    frames = frames.astype(np.float32) + np.float32(offset)
    pooled = np.concatenate([frames.mean(axis=1), frames.std(axis=1)], axis=1)
    inputs = pooled if classifier_class(model).form == "pooled" else frames
    return Labelled(inputs, np.array(VOICES)[numbers], utterances, sessions)


def parts(model):
    """Give training and validation data; the latter is None for models that need none."""
    validation = voices(model, seed=1) if classifier_class(model).stops_early else None
    return voices(model), validation


def fit_all():
    params = small_params()
    return {model: build_classifier(model, params, SEED).fit(*parts(model)) for model in MODELS}


def save_all(folder, fitted):
    for model, classifier in fitted.items():
        save_classifier(folder / model, classifier, {"model": model, "seed": SEED})


def fit_and_save_all(folder):
    save_all(folder, fit_all())


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def is_sentence(error):
    text = str(error.value)
    return "\n" not in text and text.endswith(".") and "Traceback" not in text


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """Start a process of its own that fits and saves every model, too; give it and its folder."""
    folder = tmp_path_factory.mktemp("elsewhere")
    process = multiprocessing.get_context("spawn").Process(target=fit_and_save_all, args=(folder,))
    process.start()
    yield process, folder
    process.kill()
    process.join()


@pytest.fixture(scope="module")
def fitted(elsewhere):
    """Fit every model once, while the other process does."""
    return fit_all()


@pytest.fixture(scope="module")
def saved_twice(fitted, elsewhere, tmp_path_factory):
    """Give two folders of all models: fitted and saved here, and by a process of its own."""
    here = tmp_path_factory.mktemp("here")
    save_all(here, fitted)
    process, there = elsewhere
    process.join()
    assert process.exitcode == 0
    return here, there


@pytest.fixture
def saved(saved_twice, tmp_path, request):
    """Copy one model, to damage it."""
    return Path(shutil.copytree(saved_twice[0] / request.param, tmp_path / request.param))


every_model = pytest.mark.parametrize("model", MODELS)
# What both networks share is tested on the quicker one.
every_model_but_one = pytest.mark.parametrize("model", [name for name in MODELS if name != "cnn"])


@every_model
def test_probabilities_sum_to_one_over_the_sorted_classes(fitted, model):
    unheard = voices(model, seed=2)
    probabilities = fitted[model].predict_proba(unheard.inputs)
    assert fitted[model].classes == sorted(VOICES)
    assert probabilities.shape == (len(unheard.labels), len(VOICES))
    assert probabilities.dtype == np.float32
    assert (probabilities >= 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


@every_model
def test_all_but_the_naive_baseline_learn_what_can_be_learnt(fitted, model):
    unheard = voices(model, seed=2)
    chosen = fitted[model].predict_proba(unheard.inputs).argmax(axis=1)
    accuracy = (np.array(fitted[model].classes)[chosen] == unheard.labels).mean()
    if model == "dummy":
        assert accuracy == pytest.approx(1 / len(VOICES))
    else:
        assert accuracy > 0.95


@every_model_but_one
def test_labels_in_any_order_give_the_columns_of_the_sorted_classes(fitted, model):
    data = voices(model)
    backwards = data[np.arange(len(data.labels))[::-1]]
    again = build_classifier(model, small_params(), SEED).fit(backwards)
    assert again.classes == fitted[model].classes
    if model != "dummy":
        last = again.predict_proba(voices(model, seed=2).inputs[-1:])
        assert last.argmax() == len(VOICES) - 1


@every_model
def test_a_saved_model_predicts_what_the_fitted_one_did(fitted, model, tmp_path):
    unheard = voices(model, seed=2).inputs
    save_classifier(tmp_path / "here", fitted[model], {"model": model, "task": "speaker"})
    loaded, card = load_classifier(tmp_path / "here")
    np.testing.assert_array_equal(
        loaded.predict_proba(unheard), fitted[model].predict_proba(unheard)
    )
    assert loaded.classes == fitted[model].classes == card["classes"]
    assert card["model"] == model
    assert card["task"] == "speaker"


@every_model
def test_two_processes_save_the_same_bytes(saved_twice, model):
    first, second = (contents(folder / model) for folder in saved_twice)
    assert first.keys() == second.keys()
    assert "model.json" in first
    assert [name for name in first if first[name] != second[name]] == []


@every_model
def test_nothing_saved_is_a_pickle(saved_twice, model):
    folder = saved_twice[0] / model
    assert {path.suffix for path in folder.iterdir()} <= {".json", ".safetensors"}
    for name, content in contents(folder).items():
        assert not is_pickle(content), name


def is_pickle(content):
    try:
        return bool(list(pickletools.genops(content)))
    except Exception:  # whatever is no pickle ends in one of many kinds
        return False


def test_a_pickle_would_have_been_noticed():
    import pickle

    assert is_pickle(pickle.dumps({"weights": np.zeros(3)}))
    assert is_pickle(pickle.dumps([1.0], protocol=0))


@every_model
def test_what_does_not_train_in_epochs_has_no_curves(fitted, model):
    if model in NETWORKS:
        assert fitted[model].curves
        assert fitted[model].best_epochs > 0
    else:
        assert fitted[model].curves == []
        assert fitted[model].best_epochs == 0


def test_a_network_stops_once_validation_loss_has_not_fallen_for_its_patience():
    patience = 3
    params = small_params(patience=patience, epochs=200)
    training = voices("mlp", noise=8)
    validation = voices("mlp", seed=1, noise=8)
    network = build_classifier("mlp", params, SEED, temperature=1.0).fit(training, validation)
    losses = [row["validation_loss"] for row in network.curves]
    assert [row["epoch"] for row in network.curves] == list(range(1, len(losses) + 1))
    assert set(network.curves[0]) == {
        *("epoch", "loss", "validation_loss", "accuracy", "validation_accuracy")
    }
    assert network.best_epochs == 1 + int(np.argmin(losses))
    assert len(losses) == network.best_epochs + patience < 200

    # The weights kept are those of the best epoch, not of the last.
    probabilities = network.predict_proba(validation.inputs)
    true = np.searchsorted(VOICES, validation.labels)
    loss = -np.log(probabilities[np.arange(len(true)), true]).mean()
    assert loss == pytest.approx(min(losses), rel=1e-3)


def test_a_network_of_endless_patience_keeps_what_it_learnt_last():
    """Though validation data, which are told of, would have it stop at once."""
    params = small_params(patience=None)
    told = build_classifier("mlp", params, SEED, temperature=1.0)
    told.fit(voices("mlp"), voices("mlp", seed=1, offset=1e4))
    alone = build_classifier("mlp", params, SEED, temperature=1.0).fit(voices("mlp"))
    assert told.best_epochs == len(told.curves) == params.mlp.epochs
    assert "validation_loss" in told.curves[0]
    unheard = voices("mlp", seed=2).inputs
    np.testing.assert_array_equal(told.predict_proba(unheard), alone.predict_proba(unheard))


def test_a_decaying_learning_rate_starts_as_it_is_and_all_but_ends():
    unheard, moved = voices("mlp", seed=2).inputs, []
    for decay in ("none", "cosine"):
        params = small_params(decay=decay, epochs=20, patience=None)
        fits = [
            build_classifier("mlp", params, SEED, epochs).fit(voices("mlp"))
            for epochs in (1, 19, 20)
        ]
        first, last_but_one, last = (fit.predict_proba(unheard) for fit in fits)
        moved.append((first, np.abs(last - last_but_one).max()))
    (steady, steady_end), (decaying, decaying_end) = moved
    np.testing.assert_array_equal(steady, decaying)
    assert decaying_end < steady_end / 2


def test_what_a_network_has_learnt_from_is_let_go():
    training = voices("cnn")
    inputs = weakref.ref(training.inputs)
    classifier = build_classifier("cnn", small_params(epochs=1), SEED).fit(training)
    del training
    gc.collect()
    assert classifier.classes
    assert inputs() is None


@pytest.mark.parametrize("epochs", [1, 7])
def test_a_given_number_of_epochs_is_trained_exactly(epochs):
    params = small_params(epochs=4, patience=1)
    network = build_classifier("mlp", params, SEED, epochs).fit(voices("mlp"))
    assert len(network.curves) == network.best_epochs == epochs
    assert "validation_loss" not in network.curves[0]


def test_without_validation_a_network_trains_all_its_epochs_and_says_nothing(recwarn):
    network = build_classifier("mlp", small_params(epochs=3, patience=1), SEED).fit(voices("mlp"))
    assert len(network.curves) == network.best_epochs == 3
    assert [str(warning.message) for warning in recwarn] == []


def test_validation_data_only_tell_when_to_stop(fitted):
    """Who is told when, and is given other validation data, learns the very same."""
    told = build_classifier("mlp", small_params(), SEED, fitted["mlp"].best_epochs)
    told.fit(voices("mlp"), voices("mlp", seed=1, offset=1e4))
    unheard = voices("mlp", seed=2).inputs
    np.testing.assert_array_equal(told.predict_proba(unheard), fitted["mlp"].predict_proba(unheard))


@every_model_but_one
def test_units_of_the_features_do_not_matter(fitted, model):
    def scaled(data):
        gain = np.float32(2.0) ** np.arange(data.inputs.shape[-1]) * 64
        return Labelled(data.inputs * gain, data.labels, data.utterances, data.sessions)

    training, validation = parts(model)
    other = build_classifier(model, small_params(), SEED)
    other.fit(scaled(training), validation and scaled(validation))
    unheard = voices(model, seed=2)
    np.testing.assert_allclose(
        other.predict_proba(scaled(unheard).inputs),
        fitted[model].predict_proba(unheard.inputs),
        atol=1e-3,
    )


@every_model_but_one
def test_a_constant_feature_harms_nothing(model):
    def with_constant(data):
        inputs = data.inputs.copy()
        inputs[..., 0] = 7
        return Labelled(inputs, data.labels, data.utterances, data.sessions)

    training = with_constant(voices(model))
    classifier = build_classifier(model, small_params(), SEED).fit(training)
    assert np.isfinite(classifier.predict_proba(training.inputs)).all()


@pytest.mark.parametrize("voices_known", [2, 3])
def test_the_support_vector_machines_surest_answer_is_its_prediction(voices_known):
    data = voices("svm", noise=6)
    data = data[np.isin(data.labels, VOICES[:voices_known])]
    classifier = build_classifier("svm", small_params(), SEED).fit(data)
    machine = classifier._classifier.estimator
    surest = np.array(classifier.classes)[classifier.predict_proba(data.inputs).argmax(axis=1)]
    # Of more than two, votes and margins may disagree where it is close.
    assert (surest == machine.predict(data.inputs)).mean() > (0.9 if voices_known > 2 else 0.999)


# --- damaged and foreign folders --------------------------------------------------------------


def truncate(path):
    path.write_bytes(path.read_bytes()[:-40])


def flip(path):
    content = bytearray(path.read_bytes())
    content[: len(content) // 2] = bytes(len(content) // 2)
    path.write_bytes(bytes(content))


DAMAGES = {
    "no card": lambda folder: (folder / "model.json").unlink(),
    "card cut short": lambda folder: truncate(folder / "model.json"),
    "card is a list": lambda folder: (folder / "model.json").write_text("[]"),
    "card is binary": lambda folder: (folder / "model.json").write_bytes(b"\xff\xfe\x00"),
    "card of another format": lambda folder: edit_card(folder, format=0),
    "card of an unknown model": lambda folder: edit_card(folder, model="forest"),
    "card whose model is no name": lambda folder: edit_card(folder, model=["svm"]),
}


def edit_card(folder, **changes):
    path = folder / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("saved", ["dummy", "mlp"], indirect=True)
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_folder_without_a_sound_card_is_refused_by_name(saved, damage):
    damage(saved)
    with pytest.raises(UserError, match=saved.name) as error:
        load_classifier(saved)
    assert is_sentence(error)


@pytest.mark.parametrize("damage", [Path.unlink, truncate, flip])
@pytest.mark.parametrize(
    ("saved", "file"),
    [
        ("logistic", "estimator.json"),
        ("svm", "estimator.safetensors"),
        ("mlp", "weights.safetensors"),
        ("mlp", "network.json"),
        ("cnn", "weights.safetensors"),
        ("cnn", "network.json"),
        ("svm", "temperature.json"),
        ("mlp", "temperature.json"),
    ],
    indirect=["saved"],
)
def test_a_missing_or_damaged_file_is_refused_by_name(saved, file, damage):
    damage(saved / file)
    with pytest.raises(UserError, match=saved.name) as error:
        load_classifier(saved)
    assert is_sentence(error)


@pytest.mark.parametrize("saved", ["mlp"], indirect=True)
def test_weights_of_another_network_are_refused(saved, saved_twice):
    shutil.copy(saved_twice[0] / "cnn" / "weights.safetensors", saved)
    with pytest.raises(UserError, match="mlp") as error:
        load_classifier(saved)
    assert is_sentence(error)


@pytest.mark.parametrize("saved", ["mlp"], indirect=True)
def test_a_network_with_unknown_settings_is_refused(saved):
    path = saved / "network.json"
    description = json.loads(path.read_text())
    description["settings"]["magic"] = 1
    path.write_text(json.dumps(description))
    with pytest.raises(UserError, match="mlp") as error:
        load_classifier(saved)
    assert is_sentence(error)


def test_a_folder_that_is_not_there_is_refused_by_name(tmp_path):
    with pytest.raises(UserError, match="nowhere") as error:
        load_classifier(tmp_path / "nowhere")
    assert is_sentence(error)
