"""No speaker and no session is predicted by a model that learnt from it: the project's promise."""

from typing import ClassVar, get_args

import numpy as np
import pandas as pd
import pytest
from made_corpus import SEED, SESSION, chunk_table
from pydantic import PositiveFloat
from sklearn.naive_bayes import GaussianNB

from speech.classifiers.calibrated import Calibrated, fit_calibrated
from speech.classifiers.classical import ScikitClassifier
from speech.classifiers.networks import MlpModel
from speech.classifiers.registry import CLASSIFIERS, load_classifier, save_classifier
from speech.errors import UserError
from speech.folds import Task
from speech.storage.examples import Examples
from speech.storage.predictions import predicted_classes
from speech.training import cross_validation
from speech.training.cross_validation import TRAIN_ONLY, cross_validate

TASKS = get_args(Task)
QUICK = {"hidden": [8], "epochs": 2, "batch_size": 64}


def numbered(table):
    """Make examples whose input is the number of their row, and that of their copy its negative."""
    rows = np.arange(len(table), dtype=np.float32)[:, None]
    return Examples(table, rows, (-rows,))


def clustered(table, *, seed=0, dimensions=6):
    """Make examples of which every speaker has a place of its own."""
    random = np.random.default_rng(seed)
    place = {name: random.normal(scale=2, size=dimensions) for name in table["speaker_id"].unique()}
    means = np.stack([place[name] for name in table["speaker_id"]])
    inputs = means + random.normal(scale=0.3, size=means.shape)
    return Examples(table, inputs.astype(np.float32))


def validated(model, task, examples, **changes):
    """Cross-validate over the folds of the examples, in this process."""
    return cross_validate(model, task, examples, **{"seed": SEED, "jobs": 1} | changes)


class Spy:
    """A classifier that learns nothing and remembers which rows it was given."""

    form, calibration_fits = "pooled", 0
    curves: ClassVar[list[dict[str, float]]] = []

    def __init__(self, *, validation_fraction=0.2, seed=0):  # noqa: ARG002
        self.validation_fraction = validation_fraction

    def fit(self, training, validation=None):
        self.classes = sorted(set(training.labels.tolist()))
        self.training, self.validation = training, validation
        return self

    def predict_proba(self, inputs):
        tested = inputs[:, 0].astype(int)
        validation = [] if self.validation is None else rows_of(self.validation)
        self.seen.append((rows_of(self.training), validation, tested))
        assert (self.training.copies[0] == -self.training.inputs).all()
        # What is predicted gives the row, so that every prediction can be traced to its example.
        first = tested / 1e4
        rest = np.repeat((1 - first)[:, None], len(self.classes) - 1, axis=1)
        return np.column_stack([first, rest / rest.shape[1]]).astype(np.float32)


def rows_of(data):
    return data.inputs[:, 0].astype(int)


@pytest.fixture(params=[True, False], ids=["network", "no network"])
def is_network(request):
    return request.param


@pytest.fixture
def spied(is_network, monkeypatch):
    """Cross-validate a spy; give the table, (training, validation, tested) rows and the result."""

    def run(task, table=None, **options):
        spy = type("ThisSpy", (Spy,), {"trains_in_epochs": is_network, "seen": []})
        monkeypatch.setitem(CLASSIFIERS, "mlp", spy)
        table = chunk_table(task) if table is None else table
        return table, spy.seen, validated("mlp", task, numbered(table), **options)

    return run


@pytest.mark.parametrize("task", TASKS)
def test_training_validation_and_test_share_no_speaker_or_session(spied, is_network, task):
    table, seen, _ = spied(task)
    assert len(seen) == table["fold"].nunique() > 1
    for training, validation, tested in seen:
        learnt = [*training, *validation]
        assert not set(table.loc[tested, SESSION[task]]) & set(table.loc[learnt, SESSION[task]])
        # All the rest is learnt from, and each row is in one part.
        assert sorted([*learnt, *tested]) == list(table.index)
        # For speakers, a whole session would be too much to lose.
        assert bool(len(validation)) == (is_network and task == "gender")
        if len(validation):
            train, held_out = table.loc[training], table.loc[validation]
            assert not set(train["speaker_id"]) & set(held_out["speaker_id"])
            assert set(train["label"]) == set(held_out["label"]) == set(table["label"])
            assert 0.1 < len(held_out) / len(learnt) < 0.4


@pytest.mark.parametrize("task", TASKS)
def test_every_chunk_gets_its_own_prediction_once_unless_it_is_for_training_only(spied, task):
    table = chunk_table(task)
    alone = table["speaker_id"] == "103"
    table["fold"] = table["fold"].where(~alone, TRAIN_ONLY)
    _, seen, result = spied(task, table)
    used, chunks = table[~alone], result.chunks.reset_index(drop=True)
    assert sorted(np.concatenate([rows for _, _, rows in seen])) == list(used.index)
    for training, validation, _ in seen:
        assert set(table.index[alone]) <= {*training, *validation}
    columns = [f"p_{name}" for name in sorted(set(table["label"]))]
    assert list(chunks.columns) == [*table.columns, *columns]
    np.testing.assert_allclose(chunks[columns[0]], used.index / 1e4, atol=1e-6)
    np.testing.assert_allclose(chunks[columns].sum(axis=1), 1, atol=1e-5)
    pd.testing.assert_frame_equal(chunks[table.columns], used.reset_index(drop=True))


@pytest.mark.parametrize("task", TASKS)
def test_of_more_probabilities_than_are_kept_whole_utterances_are_predicted_and_all_learnt_from(
    spied, task, monkeypatch
):
    table, all_seen, whole = spied(task)
    classes = table["label"].nunique()
    most = len(table) * classes // 2
    monkeypatch.setattr(cross_validation, "MOST_PROBABILITIES", most)
    _, seen, result = spied(task)
    kept = result.chunks
    assert len(kept) * classes <= most
    assert kept["speaker_id"].nunique() == table["speaker_id"].nunique()
    # Of each speaker about the same share; of each utterance all chunks or none.
    by_speaker = kept.groupby("speaker_id").size()
    assert by_speaker.max() - by_speaker.min() <= 4
    expected = whole.chunks[whole.chunks["utterance_id"].isin(kept["utterance_id"])]
    pd.testing.assert_frame_equal(kept, expected.reset_index(drop=True))
    for (training, validation, _), (same, alike, _) in zip(seen, all_seen, strict=True):
        np.testing.assert_array_equal(training, same)
        np.testing.assert_array_equal(validation, alike)


@pytest.mark.parametrize(
    ("model", "task"),
    [("logistic", "speaker"), ("svm", "speaker"), ("lda", "gender"), ("mlp", "gender")],
)
def test_what_a_model_learns_does_not_depend_on_what_it_is_tested_on(model, task, monkeypatch):
    """Scalers, temperatures and stopping see training data only: test data may be anything."""
    table = chunk_table(task, 8, folds=3)
    table["fold"] = (table["fold"] > 0).astype(int)
    data = clustered(table)
    probe, learnt = data.inputs[::5].copy(), []

    def probed(*given, **named):
        learnt.append(fit_calibrated(*given, **named).predict_proba(probe))
        return fit_calibrated(*given, **named)

    monkeypatch.setattr(cross_validation, "fit_calibrated", probed)
    inputs, labels, test = data.inputs.copy(), data.labels, table["fold"] == 0
    inputs[test], labels[test] = 1e3 * inputs[test] + 7e4, labels[test][::-1]
    for some in (data, Examples(table.assign(label=labels), inputs)):
        validated(model, task, some, hyperparameters=QUICK if model == "mlp" else {})
    first, second, first_again, second_again = learnt
    np.testing.assert_array_equal(first, first_again)
    # The model of the other fold did learn from what was changed.
    assert not np.array_equal(second, second_again)


def test_the_number_of_workers_changes_no_bit_of_a_result(tmp_path):
    """With one worker all folds share a compiled network, with two there are two of them."""
    table = chunk_table("gender", 8, chapters=2, folds=3)
    data, written, results = clustered(table), [], []
    for jobs in (1, 2):
        options = {"hyperparameters": QUICK, "jobs": jobs}
        results.append(validated("mlp", "gender", data, final=True, **options))
        folder = tmp_path / str(jobs)
        save_classifier(folder, results[-1].model, {"model": "mlp"})
        written.append({file.name: file.read_bytes() for file in folder.iterdir()})
    assert written[0] == written[1]
    alone, together = results
    pd.testing.assert_frame_equal(alone.chunks, together.chunks, check_exact=True)
    pd.testing.assert_frame_equal(alone.curves, together.curves, check_exact=True)
    assert alone.temperatures == together.temperatures
    # Networks have a curve per fold.
    assert list(alone.curves.columns) == cross_validation.CURVES
    assert set(alone.curves["fold"]) == {0, 1, 2}


def test_all_folds_share_one_graph(monkeypatch):
    """TensorFlow takes longer to trace a small network than to train it."""
    built, build = [], MlpModel.build

    def counting(*arguments):
        built.append(arguments)
        return build(*arguments)

    monkeypatch.setattr(MlpModel, "build", counting)
    table = chunk_table("speaker", 4, utterances=2, folds=3)
    # No other test has a graph of this architecture.
    unused = QUICK | {"epochs": 1, "dropout": 0.123}
    validated("mlp", "speaker", clustered(table), hyperparameters=unused, jobs=2)
    assert len(built) == 1


def test_each_fold_is_predicted_with_the_hyperparameters_tuned_for_it():
    table = chunk_table("gender", 8)
    data, own = clustered(table), {"C": 1e-4}
    mixed = validated("logistic", "gender", data, tuned={1: own}).chunks
    shipped = validated("logistic", "gender", data).chunks
    other = validated("logistic", "gender", data, hyperparameters=own).chunks
    expected = shipped.where(shipped["fold"] != 1, other)
    pd.testing.assert_frame_equal(mixed, expected, check_exact=True)
    assert not shipped.equals(mixed)


def test_a_network_trains_on_a_single_utterance_per_speaker(recwarn):
    table = chunk_table("speaker", 6, chapters=2, utterances=1, folds=2)
    result = validated("mlp", "speaker", clustered(table), hyperparameters=QUICK)
    assert len(result.curves) == QUICK["epochs"] * 2
    assert result.curves["loss"].notna().all()
    assert result.curves["validation_loss"].isna().all()
    assert [str(warning.message) for warning in recwarn] == []


@pytest.mark.parametrize(
    ("task", "shape", "units"),
    [
        ("gender", {"folds": 3}, "sessions"),
        ("speaker", {"folds": 3}, "sessions"),
        # In training each has one chapter, which cannot be learnt from and held out at once.
        ("speaker", {"chapters": 2, "folds": 2}, "utterances"),
    ],
)
def test_temperatures_are_learnt_from_held_out_units_and_the_final_one_is_their_mean(
    task, shape, units
):
    table = chunk_table(task, 8, **shape)
    result = validated("logistic", task, clustered(table), final=True)
    assert result.calibrated_on == units
    assert len(set(result.temperatures)) == shape["folds"]
    assert np.log(result.model.temperature) == pytest.approx(np.log(result.temperatures).mean())


@pytest.mark.parametrize("model", ["logistic", "lda"])
def test_a_limit_that_not_every_label_fits_in_is_one_sentence(model):
    few = {"max_examples": 6}
    with pytest.raises(UserError, match=r"^max_examples is 6, but there are 6 labels"):
        validated(model, "speaker", clustered(chunk_table("speaker", 6)), hyperparameters=few)


class NaiveBayes(ScikitClassifier):
    """As little as a new classifier has to be."""

    def __init__(self, *, smoothing: PositiveFloat = 1e-9, seed: int = 0):  # noqa: ARG002
        self.estimator = GaussianNB(var_smoothing=smoothing)


def test_one_class_and_one_line_in_the_registry_make_a_new_classifier(monkeypatch, tmp_path):
    monkeypatch.setitem(CLASSIFIERS, "bayes", NaiveBayes)
    table = chunk_table("speaker", 6)
    data, own = clustered(table), {"smoothing": 0.1}
    result = validated("bayes", "speaker", data, hyperparameters=own, final=True)
    assert (predicted_classes(result.chunks) == table["label"]).mean() > 0.95
    # The final model is fitted on everything, and is given the folds' temperature.
    card = {"model": "bayes", "task": "speaker"}
    save_classifier(tmp_path / "m", result.model, card)
    loaded, read = load_classifier(tmp_path / "m")
    expected = Calibrated(NaiveBayes(**own).fit(data), result.model.temperature)
    np.testing.assert_array_equal(
        loaded.predict_proba(data.inputs), expected.predict_proba(data.inputs)
    )
    assert loaded.classes == read["classes"] == sorted(set(data.labels))
    assert card.items() <= read.items()
