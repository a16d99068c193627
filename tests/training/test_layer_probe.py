"""Layers are judged on what is unheard, and chosen without a look at what they are judged on."""

import numpy as np
import pandas as pd
import pytest

from speech.errors import UserError
from speech.features.store import Recipe, speaker_file, write_speaker
from speech.folds import gender_folds, speaker_folds
from speech.params import Probe
from speech.training.layer_probe import (
    ALL_FOLDS,
    kept_layers,
    load_layers,
    probe_layer,
    probe_task,
)

SPEAKERS, CHAPTERS, UTTERANCES, CHUNKS, DIMENSIONS = 20, 3, 3, 2, 12
NOTHING, VOICE, SESSION, GENDER = range(4)
"""What the layers of the made-up encoder know."""
TRUTH = {"gender": GENDER, "speaker": VOICE}
HEAD = Probe(C=0.1, max_iter=500, inner_folds=3)


@pytest.fixture
def params(make_params):
    changes = {"folds.gender": 4, "folds.speaker": 3, "evaluate.resamples": 100}
    return make_params(**changes, **{"parallel.jobs": 1, "probe.C": HEAD.C})


@pytest.fixture(scope="module")
def corpus():
    rows = [
        (f"{speaker}-{chapter}-{number}", str(speaker), str(chapter), "FM"[speaker % 2], 4.0)
        for speaker in range(100, 100 + SPEAKERS)
        for chapter in range(CHAPTERS)
        for number in range(UTTERANCES)
    ]
    columns = ["utterance_id", "speaker_id", "chapter_id", "gender", "seconds"]
    return pd.DataFrame(rows, columns=columns)


def dealt(corpus, task, params):
    """Give a task's utterances with label and fold."""
    if task == "gender":
        folds = gender_folds(corpus, params.folds.gender, params.seed)
    else:
        folds = speaker_folds(corpus, params.folds.speaker)
    label = corpus["gender" if task == "gender" else "speaker_id"]
    return corpus.assign(label=label).merge(folds, on="utterance_id")


def place(random, names):
    """Give each name a place of its own."""
    places = {name: random.normal(scale=2, size=DIMENSIONS) for name in sorted(set(names))}
    return np.stack([places[name] for name in names])


@pytest.fixture(scope="module")
def states(corpus):
    """Make the pooled states up of each utterance, [utterances, chunks, layers, dimensions]."""
    random = np.random.default_rng(0)
    means = [
        np.zeros((len(corpus), DIMENSIONS)),
        place(random, corpus["speaker_id"]),
        place(random, corpus["speaker_id"] + corpus["chapter_id"]),
        place(random, corpus["gender"]),
    ]
    clean = np.repeat(np.stack(means, axis=1)[:, None], CHUNKS, axis=1)
    return (clean + random.normal(scale=0.7, size=clean.shape)).astype(np.float32)


@pytest.fixture(scope="module")
def stored(tmp_path_factory, corpus, states):
    folder = tmp_path_factory.mktemp("wav2vec2")
    for speaker, own in corpus.groupby("speaker_id"):
        tensors = {f"{corpus['utterance_id'][row]}/pooled": states[row] for row in own.index}
        write_speaker(speaker_file(folder, speaker), tensors, Recipe("", {}))
    return folder


# --- reading ----------------------------------------------------------------------------------


@pytest.mark.parametrize("layer", range(4))
def test_a_layer_is_loaded_chunk_by_chunk_next_to_its_utterances_row(stored, corpus, states, layer):
    some = corpus.sample(30, random_state=0)
    table, loaded = load_layers(stored, some, layer)
    assert loaded.shape == (30 * CHUNKS, DIMENSIONS)
    row_of = pd.Series(corpus.index, index=corpus["utterance_id"])
    rows = row_of[table["utterance_id"]].to_numpy()
    np.testing.assert_array_equal(loaded, states[rows, table["chunk"], layer])
    assert (table["gender"].to_numpy() == corpus["gender"].to_numpy()[rows]).all()


@pytest.mark.parametrize(("kept", "numbers"), [("all", [0, 1, 2, 3]), ([0, 4, 6], [0, 4, 6])])
def test_layers_bear_the_numbers_of_what_was_kept(stored, corpus, kept, numbers):
    assert kept_layers(stored, corpus, kept) == numbers


def test_a_speaker_without_features_is_named_with_what_to_do(tmp_path, corpus):
    with pytest.raises(UserError, match=r"100\.safetensors.*dvc repro"):
        load_layers(tmp_path, corpus, 0)


# --- judging and choosing ---------------------------------------------------------------------


@pytest.fixture(params=TRUTH)
def task(request):
    return request.param


def test_the_layer_that_knows_what_is_asked_is_found_and_chosen_in_every_fold(
    stored, corpus, params, task
):
    probed = probe_task(stored, dealt(corpus, task, params), task, [0, 5, 7, 9], params)
    accuracy = probed.layers.set_index(["layer", "level"])["value"]
    known = [0, 5, 7, 9][TRUTH[task]]
    assert accuracy[known, "utterance"] > 0.95
    rest = accuracy.drop(known, level="layer").xs("chunk", level="level")
    # A speaker's place tells the gender of a few; nothing else does.
    assert (rest < 0.75).all()
    assert set(probed.chosen["layer"]) == {known}
    assert (probed.layers["low"] <= probed.layers["value"]).all()


def test_a_layer_that_knows_the_session_only_is_not_chosen_for_the_speaker(stored, corpus, params):
    """Inside a session it would be the best: the inner folds hold whole sessions out."""
    utterances = dealt(corpus, "speaker", params)
    table, heard = load_layers(stored, utterances, SESSION)
    probed = probe_layer("speaker", table, heard, HEAD, params.seed)
    assert max(probed.validation.values()) < 0.3


def test_the_choice_is_recorded_for_every_fold_and_for_all(stored, corpus, params, task):
    probed = probe_task(stored, dealt(corpus, task, params), task, range(4), params)
    chosen = probed.chosen.set_index("fold")
    folds = list(range(getattr(params.folds, task)))
    assert list(chosen.index) == [*folds, ALL_FOLDS]
    assert chosen["validation_accuracy"].between(0.9, 1).all()
    nested = probed.nested.set_index("level")
    for level in ("chunk", "utterance"):
        accuracy = chosen[f"{level}_accuracy"]
        assert accuracy[ALL_FOLDS] == pytest.approx(nested["value"][level])
        assert accuracy[folds].min() <= accuracy[ALL_FOLDS] <= accuracy[folds].max()


def test_nested_accuracy_takes_each_fold_from_the_layer_of_its_own_choice(
    tmp_path, corpus, states, params
):
    """Two layers, each of which is blank for the men or women of some folds, are both chosen."""
    utterances = dealt(corpus, "gender", params)
    fold = utterances.set_index("utterance_id")["fold"][corpus["utterance_id"]].to_numpy()
    mixed = states[:, :, [GENDER, GENDER]].copy()
    # What a fold cannot learn from is of no use to any other: without folds 0 and 1 the first
    # layer knows more, without folds 2 and 3 the second.
    mixed[fold < 2, :, 0] = states[fold < 2, :, NOTHING]
    mixed[fold >= 2, :, 1] = states[fold >= 2, :, NOTHING]
    for speaker, own in corpus.groupby("speaker_id"):
        tensors = {f"{corpus['utterance_id'][row]}/pooled": mixed[row] for row in own.index}
        write_speaker(speaker_file(tmp_path, speaker), tensors, Recipe("", {}))
    probed = probe_task(tmp_path, utterances, "gender", [3, 8], params)
    chosen = probed.chosen.set_index("fold")
    assert chosen["layer"][[0, 1, 2, 3]].tolist() == [3, 3, 8, 8]
    # So every fold is judged where it is blank, and choosing gives less than either layer.
    nested = probed.nested.set_index("level")["value"]["chunk"]
    single = probed.layers.set_index(["level", "layer"])["value"]["chunk"]
    assert nested < single.min() - 0.1


@pytest.mark.parametrize("what", ["labels", "inputs"])
def test_what_a_fold_chooses_does_not_depend_on_what_it_is_tested_on(
    stored, corpus, params, task, what
):
    utterances = dealt(corpus, task, params)
    table, heard = load_layers(stored, utterances, SESSION if task == "speaker" else VOICE)
    before = probe_layer(task, table, heard, HEAD, params.seed)
    tested = (table["fold"] == 0).to_numpy()
    if what == "inputs":
        heard = np.where(tested[:, None], 100 * heard[::-1] + 7, heard).astype(np.float32)
    else:
        names = sorted(set(table["label"]))
        swapped = table["label"].map(dict(zip(names, names[::-1], strict=True)))
        table = table.assign(label=table["label"].where(~tested, swapped))
    after = probe_layer(task, table, heard, HEAD, params.seed)
    assert after.validation[0] == before.validation[0]
    assert any(after.validation[fold] != before.validation[fold] for fold in before.validation)


def test_equal_layers_are_told_apart_by_their_order(tmp_path, corpus, states, params):
    for speaker, own in corpus.groupby("speaker_id"):
        tensors = {
            f"{corpus['utterance_id'][row]}/pooled": states[row][:, [VOICE, VOICE]]
            for row in own.index
        }
        write_speaker(speaker_file(tmp_path, speaker), tensors, Recipe("", {}))
    probed = probe_task(tmp_path, dealt(corpus, "speaker", params), "speaker", [2, 4], params)
    assert set(probed.chosen["layer"]) == {2}


def test_the_same_seed_gives_the_same_to_the_last_bit_however_it_is_spread(
    stored, corpus, make_params, task
):
    told = []
    for jobs in (1, 2):
        params = make_params(**{"parallel.jobs": jobs, "evaluate.resamples": 100})
        told.append(probe_task(stored, dealt(corpus, task, params), task, range(4), params))
    for part in ("layers", "chosen", "nested"):
        pd.testing.assert_frame_equal(*(getattr(one, part) for one in told), check_exact=True)


def test_where_nothing_can_be_validated_the_validation_is_no_number():
    table = pd.DataFrame(
        {
            "utterance_id": ["1-1-0", "1-2-0", "2-1-0", "2-2-0"],
            "speaker_id": ["1", "1", "2", "2"],
            "chapter_id": ["1", "2", "1", "2"],
            "chunk": 0,
            "label": ["1", "1", "2", "2"],
            "fold": [0, 1, 0, 1],
        }
    )
    heard = np.array([[0.0], [0.1], [5.0], [5.1]], dtype=np.float32)
    probed = probe_layer("speaker", table, heard, HEAD, seed=0)
    assert np.isnan([*probed.validation.values()]).all()
    assert (probed.predictions["p_2"] > 0.5).tolist() == [False, False, True, True]
