"""Scores are scikit-learn's; intervals are those of a bootstrap over whole speakers."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from speech.evaluation.scores import (
    SCORES,
    average_by,
    draw_speakers,
    score_levels,
    score_table,
    share_with_interval,
    speaker_level,
    speaker_table,
)
from speech.storage.predictions import (
    SMALLEST_PROBABILITY,
    classes_of,
    predicted_classes,
    probabilities_of,
)

TASKS = ["gender", "speaker"]


def made_up(task, *, speakers=8, rows=15, skill=1.2, seed=0):
    """Make predictions up, of speakers with unequal numbers of rows and unequal luck."""
    random = np.random.default_rng(seed)
    names = [str(100 + number) for number in range(speakers)]
    counts = random.integers(rows // 2 + 1, rows + 1, size=speakers)
    speaker = np.repeat(names, counts)
    genders = np.array(["F", "M"])[np.arange(speakers) % 2]
    label = np.repeat(genders, counts) if task == "gender" else speaker
    classes = sorted(set(label))
    luck = np.repeat(random.normal(skill, 1, size=speakers), counts)
    evidence = random.normal(size=(len(label), len(classes)))
    evidence += luck[:, None] * (np.array(classes) == label[:, None])
    probabilities = np.exp(evidence) / np.exp(evidence).sum(axis=1, keepdims=True)
    columns = {
        "utterance_id": [f"{name}-{number:04d}" for number, name in enumerate(speaker)],
        "speaker_id": speaker,
        "chapter_id": [f"{name}-{number % 2}" for number, name in enumerate(speaker)],
        "label": label,
    }
    probabilities = pd.DataFrame(probabilities, columns=[f"p_{name}" for name in classes])
    return pd.DataFrame(columns).join(probabilities)


def sklearn_scores(table):
    """Score by scikit-learn alone."""
    classes = classes_of(table)
    probabilities = probabilities_of(table)
    label, predicted = table["label"].to_numpy(object), predicted_classes(table)
    macro = {"labels": classes, "average": "macro", "zero_division": 0}
    truth = label == "M" if classes == ["F", "M"] else label
    ranked = probabilities[:, 1] if classes == ["F", "M"] else probabilities
    auc = metrics.roc_auc_score(truth, ranked, multi_class="ovr", average="macro")
    return {
        "accuracy": metrics.accuracy_score(label, predicted),
        "precision": metrics.precision_score(label, predicted, **macro),
        "recall": metrics.balanced_accuracy_score(label, predicted),
        "f1": metrics.f1_score(label, predicted, **macro),
        "roc_auc": auc,
        "log_loss": metrics.log_loss(label, probabilities, labels=classes),
    }


def values(scores, column="value"):
    return scores.set_index("score")[column].to_dict()


def constant(table, **probabilities):
    return table.assign(**{f"p_{name}": value for name, value in probabilities.items()})


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("task", TASKS)
def test_every_value_is_scikit_learns_and_within_its_interval(task, seed):
    table = made_up(task, seed=seed)
    scores = score_table(table, task, resamples=200)
    assert tuple(values(scores)) == SCORES
    assert values(scores) == pytest.approx(sklearn_scores(table), abs=1e-12)
    assert (scores["low"] <= scores["value"]).all()
    assert (scores["value"] <= scores["high"]).all()


@pytest.mark.parametrize("task", TASKS)
def test_a_class_that_is_never_predicted_scores_zero_and_nothing_is_nan(task):
    table = made_up(task)
    table = constant(table, **dict.fromkeys(classes_of(table)[1:], 0.0))
    scores = score_table(table, task, resamples=100)
    assert values(scores)["precision"] == pytest.approx(sklearn_scores(table)["precision"])
    assert np.isfinite(scores[["value", "low", "high"]].to_numpy()).all()


def test_a_certain_mistake_costs_the_same_in_single_and_double_precision():
    table = made_up("gender")
    tables = [constant(table, F=smallest, M=1.0) for smallest in (0.0, 1e-300, 1e-12)]
    losses = [values(score_table(own, "gender", resamples=100))["log_loss"] for own in tables]
    expected = -np.log(SMALLEST_PROBABILITY) * (table["label"] == "F").mean()
    assert losses == pytest.approx([expected] * 3, rel=1e-6)


def test_a_constant_prediction_has_an_auc_of_one_half_whatever_its_last_bit():
    table = constant(made_up("gender"), F=0.45, M=0.55)
    lengths = np.arange(len(table)) % 9 + 1
    noisy = table.assign(p_M=[sum([0.55] * n) / n for n in lengths])
    assert len(set(noisy["p_M"])) > 1
    assert values(score_table(noisy, "gender", resamples=100))["roc_auc"] == 0.5


def assert_intervals(table, task, resampled):
    """Compare the intervals with the percentiles of scores that were resampled one by one."""
    scores = score_table(table, task, resamples=100, seed=5)
    expected = pd.DataFrame(resampled).quantile([0.025, 0.975])
    for column, ends in zip(("low", "high"), expected.to_dict("records"), strict=True):
        assert values(scores, column) == pytest.approx(ends, abs=1e-12)


def test_gender_intervals_are_those_of_tables_with_whole_speakers_repeated():
    table = made_up("gender", seed=3)
    speakers, of_row = np.unique(table["speaker_id"], return_inverse=True)
    gender = table.groupby("speaker_id")["label"].first().loc[speakers]
    drawn = draw_speakers(pd.factorize(gender, sort=True)[0], 100, seed=5)
    repeated = [table.loc[np.repeat(table.index, counts[of_row])] for counts in drawn]
    assert_intervals(table, "gender", [sklearn_scores(rows) for rows in repeated])


def test_speaker_intervals_are_those_of_averages_over_the_classes_drawn():
    table = made_up("speaker", seed=3)
    classes, of_row = np.unique(table["label"], return_inverse=True)
    label, predicted = table["label"].to_numpy(object), predicted_classes(table)
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        label, predicted, labels=list(classes), zero_division=0
    )
    is_class = label[:, None] == classes
    auc = metrics.roc_auc_score(is_class, probabilities_of(table), average=None)
    of_class = {"precision": precision, "recall": recall, "f1": f1, "roc_auc": auc}
    resampled = []
    for counts in draw_speakers(np.zeros(len(classes), dtype=int), 100, seed=5):
        averages = {name: np.mean(np.repeat(value, counts)) for name, value in of_class.items()}
        rows = table.loc[np.repeat(table.index, counts[of_row])]
        right = predicted_classes(rows) == rows["label"].to_numpy(object)
        loss = metrics.log_loss(rows["label"], probabilities_of(rows), labels=list(classes))
        resampled.append(averages | {"accuracy": right.mean(), "log_loss": loss})
    assert_intervals(table, "speaker", resampled)


@pytest.mark.parametrize("task", TASKS)
def test_the_seed_alone_decides_the_draws_and_the_order_of_rows_does_not_matter(task):
    table = made_up(task)
    shuffled = table.sample(frac=1, random_state=0)
    first, again, other = (
        score_table(rows, task, resamples=100, seed=seed)
        for rows, seed in ((table, 1), (shuffled, 1), (table, 2))
    )
    pd.testing.assert_frame_equal(first, again, rtol=1e-12)
    assert not first["low"].equals(other["low"])


@given(strata=st.lists(st.integers(0, 3), min_size=1, max_size=30), seed=st.integers(0, 2**32 - 1))
def test_each_draw_has_as_many_speakers_of_a_stratum_as_there_are(strata, seed):
    strata = np.array(strata)
    drawn = draw_speakers(strata, 20, seed)
    assert drawn.shape == (20, len(strata))
    assert (drawn >= 0).all()
    for stratum in np.unique(strata):
        members = strata == stratum
        assert (drawn[:, members].sum(axis=1) == members.sum()).all()


def test_speakers_are_scored_by_the_mean_probabilities_of_their_utterances():
    table = made_up("gender")
    expected = table.groupby(["speaker_id", "label"], as_index=False)[["p_F", "p_M"]].mean()
    pd.testing.assert_frame_equal(speaker_level(table)[expected.columns], expected)
    scores = score_levels(table, table, "gender", resamples=100).query("level == 'speaker'")
    right = predicted_classes(expected) == expected["label"]
    assert values(scores)["accuracy"] == pytest.approx(right.mean())


@pytest.mark.parametrize("task", TASKS)
def test_the_speaker_table_summarises_each_speakers_predictions(task):
    utterances = made_up(task, rows=6)
    chunks = pd.concat([utterances, utterances.iloc[::2]], ignore_index=True)
    genders = pd.Series({name: "FM"[int(name) % 2] for name in utterances["speaker_id"].unique()})
    table = speaker_table(chunks, utterances, genders, task).set_index("speaker_id")
    for name, own in utterances.groupby("speaker_id"):
        sizes = [own["chapter_id"].nunique(), len(own), (chunks["speaker_id"] == name).sum()]
        row = table.loc[name]
        assert row[["chapters", "utterances", "chunks"]].tolist() == sizes
        right = predicted_classes(own) == own["label"].to_numpy(object)
        assert row["utterance_accuracy"] == pytest.approx(right.mean())
        assert row["true_probability"] == pytest.approx(own[f"p_{own['label'].iloc[0]}"].mean())
    assert table["gender"].to_dict() == genders.to_dict()
    assert ("predicted" in table) == (task == "gender")
    if task == "gender":
        assert list(table["predicted"]) == list(predicted_classes(speaker_level(utterances)))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"label": "X"}, "'X' is not among the classes"),
        ({"speaker_id": "one"}, "one label"),
        ({"p_F": np.nan}, "finite"),
        ({"p_F": -0.1}, "not negative"),
        ({"p_F": 0.0, "p_M": 0.0}, "not all zero"),
        ({"p_X": 0.0}, "no row has the label 'X'"),
    ],
)
def test_impossible_predictions_are_refused(changes, complaint):
    with pytest.raises(ValueError, match=complaint):
        score_table(made_up("gender").assign(**changes), "gender")
    with pytest.raises(ValueError, match="every class must be one speaker"):
        score_table(made_up("gender"), "speaker")


@pytest.mark.parametrize("task", TASKS)
def test_a_share_and_one_group_of_all_rows_have_the_accuracy_and_its_interval(task):
    table = made_up(task)
    whole = score_table(table, task, resamples=200).set_index("score").loc["accuracy"].tolist()
    groups = average_by(table, pd.Series("all", table.index), task, resamples=200)
    assert groups["rows"].tolist() == [len(table)]
    assert groups["speakers"].tolist() == [table["speaker_id"].nunique()]
    assert groups.loc[0, ["value", "low", "high"]].tolist() == pytest.approx(whole)
    correct, speaker = predicted_classes(table) == table["label"], table["speaker_id"]
    if task == "speaker":
        share = share_with_interval(correct.to_numpy(), speaker.to_numpy(str), resamples=200)
        assert share == pytest.approx(whole)
    assert np.isnan(share_with_interval(np.zeros(0, bool), np.array([], dtype=str))).all()


@pytest.mark.parametrize("task", TASKS)
def test_each_group_is_averaged_over_its_own_rows_and_rows_without_a_group_are_left_out(task):
    table = made_up(task).sample(frac=1, random_state=0)
    group = table["chapter_id"].str[-1].where(np.arange(len(table)) % 5 > 0)
    lengths = pd.Series(np.arange(len(table)), table.index)
    right = predicted_classes(table) == table["label"]
    for values, expected in ((None, right), (lengths, lengths)):
        groups = average_by(table, group, task, values=values, resamples=200).set_index("group")
        assert list(groups.index) == ["0", "1"]
        for name, own in groups.iterrows():
            assert own["rows"] == (group == name).sum()
            assert own["value"] == pytest.approx(expected[group == name].mean())


def test_a_group_of_one_speaker_has_an_interval_from_the_resamples_that_drew_the_speaker():
    table = made_up("gender")
    first = table["speaker_id"] == table["speaker_id"].iloc[0]
    groups = average_by(table, first, "gender", resamples=200).set_index("group")
    assert groups.loc[True, "low"] == groups.loc[True, "value"] == groups.loc[True, "high"]
