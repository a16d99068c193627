"""Layers are scored on held-out data, and chosen without a look at what they are scored on."""

import numpy as np
import pandas as pd
import pytest
from made_corpus import chunk_table

from speech.errors import UserError
from speech.features.store import speaker_file, write_speaker
from speech.storage.predictions import predicted_classes
from speech.training.layer_probe import kept_layers, load_layer, probe_layer, probe_task

CHUNKS, DIMENSIONS = 2, 12
NOTHING, SPEAKER, SESSION, GENDER = range(4)
"""What the layers of the made-up encoder separate."""
FOLDS = {"gender": 4, "speaker": 3}
HEAD = {"C": 0.1, "inner": 3, "seed": 17}


@pytest.fixture(scope="module")
def corpus():
    return dealt("gender")


def dealt(task):
    """Give a task's utterances with label and fold."""
    table = chunk_table(task, 14, utterances=3, chunks=1, folds=FOLDS[task])
    return table.drop(columns="chunk")


def place(random, names):
    """Give each name a place of its own."""
    places = {name: random.normal(scale=2, size=DIMENSIONS) for name in sorted(set(names))}
    return np.stack([places[name] for name in names])


@pytest.fixture(scope="module")
def states(corpus):
    """Make the pooled states up of each utterance: (utterances, chunks, layers, dimensions)."""
    random = np.random.default_rng(0)
    means = [
        np.zeros((len(corpus), DIMENSIONS)),
        place(random, corpus["speaker_id"]),
        place(random, corpus["chapter_id"]),
        place(random, corpus["gender"]),
    ]
    clean = np.repeat(np.stack(means, axis=1)[:, None], CHUNKS, axis=1)
    return (clean + random.normal(scale=0.7, size=clean.shape)).astype(np.float32)


def store(folder, corpus, states):
    for speaker, own in corpus.groupby("speaker_id"):
        tensors = {f"{corpus['utterance_id'][row]}/pooled": states[row] for row in own.index}
        write_speaker(speaker_file(folder, speaker), tensors, "", {})
    return folder


@pytest.fixture(scope="module")
def stored(tmp_path_factory, corpus, states):
    return store(tmp_path_factory.mktemp("wav2vec2"), corpus, states)


def probe(folder, task, layers):
    return probe_task(folder, dealt(task), task, layers, jobs=1, **HEAD)


def accuracy(predictions):
    return (predicted_classes(predictions) == predictions["label"]).mean()


def test_layers_are_loaded_chunk_by_chunk_beside_the_rows_of_their_utterances(
    stored, corpus, states
):
    table, loaded = load_layer(stored, corpus.sample(30, random_state=0), 3)
    row_of = pd.Series(corpus.index, index=corpus["utterance_id"])
    rows = row_of[table["utterance_id"]].to_numpy()
    assert len(loaded) == 30 * CHUNKS
    np.testing.assert_array_equal(loaded, states[rows, table["chunk"]][:, 3])
    assert (table["gender"].to_numpy() == corpus["gender"].to_numpy()[rows]).all()
    assert kept_layers(stored, corpus, "all") == [0, 1, 2, 3]
    assert kept_layers(stored, corpus, [0, 4, 6]) == [0, 4, 6]


def test_a_speaker_without_features_is_named_with_what_to_do(tmp_path, corpus):
    with pytest.raises(UserError, match=r"101\.safetensors.*dvc repro"):
        load_layer(tmp_path, corpus, 0)


def test_a_layer_that_separates_only_sessions_is_not_chosen_for_the_speaker(stored):
    """Inside a session it would be the best: the inner folds hold whole sessions out."""
    table, states = load_layer(stored, dealt("speaker"), SESSION)
    _, validation = probe_layer("speaker", table, states, **HEAD)
    assert max(validation.values()) < 0.3


def test_nested_predictions_are_those_of_the_layer_of_each_folds_own_choice(
    tmp_path, corpus, states
):
    """Two layers, each of which is blank in some folds, are both chosen."""
    first = (corpus["fold"] < 2).to_numpy()
    mixed = states[:, :, [GENDER, GENDER]].copy()
    # What a fold cannot learn from is of no use to any other: without folds 0 and 1 the first
    # layer is the better one, without folds 2 and 3 the second.
    mixed[first, :, 0] = states[first, :, NOTHING]
    mixed[~first, :, 1] = states[~first, :, NOTHING]
    probed = probe(store(tmp_path, corpus, mixed), "gender", [3, 8])
    chosen = probed.chosen.set_index("fold")
    assert chosen["layer"][[0, 1, 2, 3]].tolist() == [3, 3, 8, 8]
    # So every fold is scored where it is blank, and choosing gives less than either layer.
    assert accuracy(probed.nested) < min(map(accuracy, probed.layers.values())) - 0.1


@pytest.mark.parametrize(("task", "layer"), [("gender", SPEAKER), ("speaker", SESSION)])
def test_what_a_fold_chooses_does_not_depend_on_what_it_is_tested_on(stored, task, layer):
    table, states = load_layer(stored, dealt(task), layer)
    _, before = probe_layer(task, table, states, **HEAD)
    test = (table["fold"] == 0).to_numpy()
    states = np.where(test[:, None], 100 * states[::-1] + 7, states).astype(np.float32)
    names = sorted(set(table["label"]))
    swapped = table["label"].map(dict(zip(names, names[::-1], strict=True)))
    table = table.assign(label=table["label"].where(~test, swapped))
    _, after = probe_layer(task, table, states, **HEAD)
    assert after[0] == before[0]
    assert any(after[fold] != before[fold] for fold in before)


def test_of_equal_layers_the_first_is_chosen(tmp_path, corpus, states):
    folder = store(tmp_path, corpus, states[:, :, [SPEAKER, SPEAKER]])
    assert set(probe(folder, "speaker", [2, 4]).chosen["layer"]) == {2}


def test_where_nothing_can_be_validated_the_validation_is_no_number():
    """Each speaker has two utterances, one in either fold."""
    table = pd.DataFrame({"speaker_id": [*"1122"], "chapter_id": [*"1212"], "fold": [0, 1, 0, 1]})
    table["utterance_id"] = table["speaker_id"] + "-" + table["chapter_id"]
    table = table.assign(chunk=0, label=table["speaker_id"])
    states = np.array([[0.0], [0.1], [5.0], [5.1]], dtype=np.float32)
    predictions, validation = probe_layer("speaker", table, states, **HEAD)
    assert np.isnan([*validation.values()]).all()
    assert predicted_classes(predictions).tolist() == [*"1122"]
