"""What all classifiers promise, on small made-up speakers."""

import copy
import gc
import itertools
import json
import random
import shutil
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import safetensors.numpy
from made_examples import examples_of, write_examples
from scipy.special import softmax
from sklearn.metrics import log_loss

from speech.classifiers import classical
from speech.classifiers.calibrated import Calibrated, fit_calibrated
from speech.classifiers.graph import adamw, import_keras
from speech.classifiers.networks import MlpModel
from speech.classifiers.registry import CLASSIFIERS, load_classifier, save_classifier
from speech.errors import UserError
from speech.storage.examples import Examples, read_examples
from speech.storage.sealed import read_sealed, write_sealed

MODELS = list(CLASSIFIERS)
SEED = 5
SPEAKERS = ["anna", "bert", "carl é"]
FRAMES, DIMENSIONS = 16, 6
QUICK = {"epochs": 5, "decay": "none", "batch_size": 24, "dropout": 0.1, "learning_rate": 0.03}
SMALL = {"mlp": {"hidden": [16], **QUICK}, "cnn": {"channels": [8, 8], "kernel": 3, **QUICK}}

every_model = pytest.mark.parametrize("model", MODELS)
# What both networks share is tested on the quicker one.
every_model_but_cnn = pytest.mark.parametrize("model", [name for name in MODELS if name != "cnn"])


def build(model, **changes):
    """Build a small classifier."""
    return CLASSIFIERS[model](seed=SEED, **SMALL.get(model, {}) | changes)


def examples(model, *, seed=0, noise=1.0, offset=0.0, speakers=SPEAKERS):
    """Make chunks up, in the form that a model takes; every speaker has a direction of its own."""
    random = np.random.default_rng(seed)
    directions = np.random.default_rng(99).normal(size=(len(SPEAKERS), DIMENSIONS))
    rows = [
        (SPEAKERS.index(name), f"{name}-{session}", f"{name}-{session}-{utterance}")
        for name in speakers[::-1]
        for session in range(2)
        for utterance in range(4)
        for _ in range(3)
    ]
    numbers, sessions, utterances = (np.array(column) for column in zip(*rows, strict=True))
    noises = random.normal(size=(len(rows), FRAMES, DIMENSIONS))
    frames = (2 * directions[numbers, None] + noise * noises + offset).astype(np.float32)
    pooled = np.concatenate([frames.mean(axis=1), frames.std(axis=1)], axis=1)
    inputs = pooled if CLASSIFIERS[model].form == "pooled" else frames
    return examples_of(inputs, np.array(SPEAKERS)[numbers], sessions, utterances)


def training_and_validation(model):
    validation = examples(model, seed=1) if CLASSIFIERS[model].trains_in_epochs else None
    return examples(model), validation


def held_out(model):
    return examples(model, seed=2).inputs


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def fitted():
    """Fit every model once; this is the first fit of the networks that tests share."""
    return {
        model: fit_calibrated(build(model), *training_and_validation(model), seed=SEED)
        for model in MODELS
    }


@pytest.fixture(scope="module")
def saved_all(fitted, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for model, classifier in fitted.items():
        save_classifier(folder / model, classifier, {"model": model, "task": "speaker"})
    return folder


@pytest.fixture
def saved(saved_all, tmp_path):
    """Copy a model, to damage it."""
    return Path(shutil.copytree(saved_all / "mlp", tmp_path / "mlp"))


@every_model
def test_probabilities_of_the_sorted_classes_sum_to_one_and_are_right(fitted, model):
    test = examples(model, seed=2)
    probabilities = fitted[model].predict_proba(test.inputs)
    assert fitted[model].classes == sorted(SPEAKERS)
    assert probabilities.shape == (len(test.labels), len(SPEAKERS))
    assert probabilities.dtype == np.float32
    assert (probabilities >= 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    accuracy = (np.array(SPEAKERS)[probabilities.argmax(axis=1)] == test.labels).mean()
    assert accuracy == pytest.approx(1 / 3) if model == "dummy" else accuracy > 0.95


@every_model_but_cnn
def test_neither_the_scale_of_features_nor_a_constant_one_matters(model):
    data, test = examples(model), held_out(model)
    for inputs in (data.inputs, test):
        inputs[:, 0] = 7
    gain = np.float32(2.0) ** np.arange(data.inputs.shape[-1]) * 64
    found = build(model).fit(replace(data, inputs=data.inputs * gain)).predict_proba(test * gain)
    expected = build(model).fit(data).predict_proba(test)
    np.testing.assert_allclose(found, expected, atol=1e-3)


@every_model_but_cnn
def test_copies_are_further_training_examples(model):
    clean = examples(model)
    with_copy = replace(clean, copies=(examples(model, seed=4, noise=2).inputs,))
    table, arrays = pd.concat([clean.table] * 2), (clean.inputs, *with_copy.copies)
    joined = Examples(table.reset_index(drop=True), np.concatenate(arrays))
    one, same, alone = (
        build(model).fit(data).predict_proba(held_out(model)) for data in (with_copy, joined, clean)
    )
    np.testing.assert_allclose(one, same, atol=1e-4)
    assert model == "dummy" or not np.array_equal(one, alone)


def test_of_more_examples_than_a_fit_may_hold_it_gets_the_same_share_of_each_session():
    clean = examples("svm")
    data = replace(clean, copies=(-clean.inputs,))
    drawn, labels = data.with_copies(100, SEED)
    assert len(labels) == len(drawn) == 100
    # Each row is one of the examples or of their copies, with its own label, and is there once.
    known = {row.tobytes(): place for place, row in enumerate([*clean.inputs, *-clean.inputs])}
    places = [known[row.tobytes()] for row in drawn]
    assert places == sorted(set(places))
    rows = np.array(places) % len(clean)
    np.testing.assert_array_equal(labels, clean.labels[rows])
    sizes = np.unique(clean.sessions[rows], return_counts=True)[1]
    assert len(sizes) == 6
    assert sizes.max() - sizes.min() <= 1
    assert not np.array_equal(drawn, data.with_copies(100, SEED + 1)[0])


@pytest.mark.parametrize("model", ["logistic", "svm", "lda"])
def test_a_limit_that_bites_fits_the_sample_and_one_that_does_not_changes_nothing(model):
    random, labels = np.random.default_rng(0), np.repeat(SPEAKERS, 50)
    inputs = random.normal(size=(len(labels), DIMENSIONS)).astype(np.float32)
    data = examples_of(inputs, labels, labels, labels)
    options = {"max_iter": 50} if model == "logistic" else {}
    fits = {
        most: build(model, max_examples=most, **options).fit(data).predict_proba(inputs)
        for most in (100, 150, None)
    }
    drawn = examples_of(*data.with_copies(100, SEED))
    sample = build(model, max_examples=None, **options).fit(drawn)
    np.testing.assert_array_equal(fits[100], sample.predict_proba(inputs))
    np.testing.assert_array_equal(fits[150], fits[None])
    assert not np.array_equal(fits[100], fits[150])


@every_model
def test_mapped_examples_are_fitted_and_predicted_as_those_in_memory(model, tmp_path):
    clean, copied = (examples(model, seed=seed, noise=4) for seed in (0, 4))
    in_memory = replace(clean, copies=(copied.inputs,))
    write_examples(tmp_path, in_memory, in_memory)
    on_disk = read_examples(tmp_path, copies=True)
    assert isinstance(on_disk.inputs, np.memmap)
    chosen = np.random.default_rng(0).permutation(len(clean))[:50]
    one, same = (
        build(model).fit(data[chosen]).predict_proba(data.inputs) for data in (in_memory, on_disk)
    )
    np.testing.assert_array_equal(one, same)


@pytest.mark.parametrize(("frames", "most", "steps"), [(25, 100, 25), (198, 100, 99), (16, 5, 4)])
def test_the_convolutional_network_skips_frames_only_of_long_examples(frames, most, steps):
    network = build("cnn", max_steps=most).build((frames, DIMENSIONS), 2)
    first = next(layer for layer in network.layers if "conv" in layer.name)
    assert first.output.shape[1] == steps


@pytest.mark.parametrize("speakers", [2, 3])
@pytest.mark.parametrize("hyperparameters", [{}, {"gamma": "scale"}, {"kernel": "linear"}])
def test_the_svm_scores_a_label_by_its_smallest_margin_of_scikit_learn(
    speakers, hyperparameters, monkeypatch
):
    monkeypatch.setattr(classical, "_MARGINS_AT_ONCE", 100)  # a few examples at a time
    data = examples("svm", noise=6, speakers=SPEAKERS[:speakers])
    classifier = build("svm", **hyperparameters).fit(data)
    margins = classifier.estimator.decision_function(data.inputs)
    if speakers == 2:
        margins = -margins[:, np.newaxis]
    pairs = [*itertools.combinations(range(speakers), 2)]
    over = [
        [margins[:, pairs.index((a, b))] for b in range(a + 1, speakers)]
        + [-margins[:, pairs.index((b, a))] for b in range(a)]
        for a in range(speakers)
    ]
    expected = softmax(np.min(over, axis=1).T, axis=1)
    np.testing.assert_allclose(classifier.predict_proba(data.inputs), expected, atol=1e-6)


@every_model
def test_a_fit_starts_anew_and_leaves_copies_of_the_classifier_alone(model, saved_all, tmp_path):
    """Byte by byte, though networks share a graph."""
    first = build(model).fit(examples(model, seed=3, offset=5))
    # Only what is trained in epochs has curves.
    assert bool(first.curves) == (model in SMALL)
    first.save(tmp_path / "before")
    second = copy.copy(first).fit(examples(model, seed=3, speakers=SPEAKERS[1:]))
    assert second.classes == SPEAKERS[1:]
    second.fit(examples(model, seed=4, noise=4))
    first.save(tmp_path / "after")
    assert contents(tmp_path / "before") == contents(tmp_path / "after")
    again = fit_calibrated(second, *training_and_validation(model), seed=SEED)
    save_classifier(tmp_path / model, again, {"model": model, "task": "speaker"})
    assert contents(tmp_path / model) == contents(saved_all / model)


@every_model
def test_a_saved_model_predicts_what_the_fitted_one_did_and_is_no_pickle(fitted, saved_all, model):
    loaded, card = load_classifier(saved_all / model)
    expected = fitted[model].predict_proba(held_out(model))
    np.testing.assert_array_equal(loaded.predict_proba(held_out(model)), expected)
    assert loaded.classes == fitted[model].classes == card["classes"]
    assert loaded.frames == fitted[model].frames
    assert (card["model"], card["task"]) == (model, "speaker")
    for name, content in contents(saved_all / model).items():
        # Neither of the two formats can hold a pickle.
        (json.loads if Path(name).suffix == ".json" else safetensors.numpy.load)(content)


def change_card(folder, **changes):
    """Change what a card says, with a valid seal."""
    card = read_sealed(folder / "model.json", 6, "")
    write_sealed(folder / "model.json", changes.pop("format", 6), card | changes)


DAMAGES = {
    "no folder": shutil.rmtree,
    "card of another format": lambda folder: change_card(folder, format=0),
    "unknown model": lambda folder: change_card(folder, model="forest"),
    "model is no name": lambda folder: change_card(folder, model=["svm"]),
    "a file too many": lambda folder: (folder / "more.json").write_text("{}"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_model_is_refused_in_one_sentence_with_its_folder(saved, damage):
    damage(saved)
    with pytest.raises(UserError, match=f"{saved.name}.*run `dvc repro` to fit it.$") as error:
        load_classifier(saved)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("architecture", [{"magic": 1}, {"hidden": [17]}], ids=str)
def test_weights_of_another_architecture_are_refused(saved, architecture):
    """Though the digests on the card may be right."""
    file = saved / "network.json"
    description = json.loads(file.read_text("utf-8")) | {"architecture": architecture}
    file.write_text(json.dumps(description))
    with pytest.raises(UserError, match="damaged"):
        Calibrated.load(saved, MlpModel)


def test_a_network_trains_all_epochs_and_validation_data_are_for_the_curves_only(recwarn):
    training, validation = (examples("mlp", seed=seed, noise=8) for seed in (0, 1))
    network = build("mlp").fit(training, validation)
    assert [row["epoch"] for row in network.curves] == list(range(1, 1 + QUICK["epochs"]))
    of_both = {"loss", "validation_loss", "accuracy", "validation_accuracy"}
    assert set(network.curves[0]) == {"epoch", *of_both}
    probabilities = network.predict_proba(validation.inputs)
    loss = log_loss(validation.labels, probabilities, labels=SPEAKERS)
    assert loss == pytest.approx(network.curves[-1]["validation_loss"], rel=1e-3)
    alone = build("mlp").fit(training)
    assert "validation_loss" not in alone.curves[0]
    np.testing.assert_array_equal(alone.predict_proba(validation.inputs), probabilities)
    assert [str(warning.message) for warning in recwarn] == []


@pytest.mark.parametrize("decay", ["none", "cosine"])
def test_the_learning_rate_stays_or_falls_along_half_a_cosine(monkeypatch, decay):
    rates, graph_of = [], MlpModel._graph

    def spied(network):
        graph = graph_of(network)

        def train(*arguments):
            rates.extend(arguments[-2].tolist())
            return graph.train(*arguments)

        return graph._replace(train=train)

    monkeypatch.setattr(MlpModel, "_graph", spied)
    build("mlp", decay=decay, epochs=4, batch_size=40).fit(examples("mlp"))
    steps = 4 * 2  # Two batches in an epoch.
    along = (1 + np.cos(np.pi * np.arange(steps) / steps)) / 2
    np.testing.assert_allclose(rates, 0.03 * (along if decay == "cosine" else 1), rtol=1e-5)


@pytest.mark.parametrize("model", SMALL)
def test_networks_do_not_touch_the_random_numbers_that_all_threads_share(model):
    """Another thread, such as one of a Dask worker, draws from them while a network is built."""
    before = random.getstate()
    build(model, dropout=0.37).fit(examples(model))
    assert random.getstate() == before


def test_chosen_frames_are_not_copied():
    data = replace(examples("cnn"), copies=(examples("cnn", seed=4).inputs,))
    odd, late = np.arange(len(data)) % 2 == 1, np.arange(8, 30)
    chosen, kept = data[odd][late], np.flatnonzero(odd)[late]
    for rows, array in ((chosen.inputs, data.inputs), (*chosen.copies, *data.copies)):
        assert rows.shape == (len(kept), FRAMES, DIMENSIONS)
        array[kept[0]] += 1
        np.testing.assert_array_equal(rows[np.array([3, 0])], array[kept[[3, 0]]])


def test_adamw_is_that_of_keras():
    keras = import_keras()
    random = np.random.default_rng(SEED)
    start, *slopes = (random.normal(size=(4, 3)).astype(np.float32) for _ in range(6))
    variable = keras.Variable(start)
    optimizer = keras.optimizers.AdamW(0.03, weight_decay=0.2)
    weights, moments = [start], [np.float32(0), np.zeros_like(start), np.zeros_like(start)]
    for slope in slopes:
        optimizer.apply([keras.ops.convert_to_tensor(slope)], [variable])
        weights, moments = adamw(weights, moments, [slope], np.float32(0.03), np.float32(0.2))
    np.testing.assert_allclose(weights[0], variable.numpy(), rtol=1e-5)


def test_a_fitted_network_lets_its_training_data_go():
    training = examples("cnn")
    inputs = weakref.ref(training.inputs)
    network = build("cnn", epochs=1).fit(training)
    del training
    gc.collect()
    assert network.classes == SPEAKERS
    assert inputs() is None
