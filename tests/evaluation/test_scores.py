"""Scores are scikit-learn's; intervals are those of a bootstrap over whole speakers."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from speech.evaluation.scores import (
    SCORES,
    accuracy_by,
    classes_of,
    draw_speakers,
    score_levels,
    score_table,
    speaker_level,
    speaker_table,
)
from speech.predictions import SMALLEST_PROBABILITY, predicted_classes, probabilities_of

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
    table = pd.DataFrame(
        {
            "utterance_id": [f"{name}-{number:04d}" for number, name in enumerate(speaker)],
            "speaker_id": speaker,
            "chapter_id": [f"{name}-{number % 2}" for number, name in enumerate(speaker)],
            "fold": 0,
            "label": label,
        }
    )
    return table.join(pd.DataFrame(probabilities, columns=[f"p_{name}" for name in classes]))


def sklearn_scores(table):
    """Score by scikit-learn alone."""
    classes = classes_of(table)
    probabilities = probabilities_of(table)
    label, predicted = table["label"].to_numpy(object), predicted_classes(table)
    macro = {"labels": classes, "average": "macro", "zero_division": 0}
    if classes == ["F", "M"]:
        auc = metrics.roc_auc_score(label == "M", probabilities[:, 1])
    else:
        auc = metrics.roc_auc_score(
            label, probabilities, multi_class="ovr", average="macro", labels=classes
        )
    return {
        "accuracy": metrics.accuracy_score(label, predicted),
        "balanced_accuracy": metrics.balanced_accuracy_score(label, predicted),
        "precision": metrics.precision_score(label, predicted, **macro),
        "recall": metrics.recall_score(label, predicted, **macro),
        "f1": metrics.f1_score(label, predicted, **macro),
        "roc_auc": auc,
        "log_loss": metrics.log_loss(label, probabilities, labels=classes),
    }


def values(scores, column="value"):
    return scores.set_index("score")[column].to_dict()


def constant_predictions(table, **probabilities):
    return table.assign(**{f"p_{name}": value for name, value in probabilities.items()})


# Values


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("task", TASKS)
def test_every_value_is_scikit_learns(task, seed):
    table = made_up(task, seed=seed)
    scores = values(score_table(table, task, resamples=100, seed=0))
    assert tuple(scores) == SCORES
    assert scores == pytest.approx(sklearn_scores(table), abs=1e-12)


@pytest.mark.parametrize("task", TASKS)
def test_a_class_that_is_never_predicted_scores_zero_and_nothing_is_nan(task):
    table = made_up(task)
    nobody = [name for name in classes_of(table) if name != classes_of(table)[0]]
    table = constant_predictions(table, **dict.fromkeys(nobody, 0.0))
    scores = score_table(table, task, resamples=100, seed=0)
    assert values(scores)["precision"] == pytest.approx(sklearn_scores(table)["precision"])
    assert np.isfinite(scores[["value", "low", "high"]].to_numpy()).all()


def test_of_equal_probabilities_the_first_class_is_predicted():
    table = constant_predictions(made_up("gender"), F=0.5, M=0.5)
    assert set(predicted_classes(table)) == {"F"}


def test_probabilities_are_scaled_to_sum_to_one():
    table = made_up("gender")
    doubled = table.assign(p_F=2 * table["p_F"], p_M=2 * table["p_M"])
    np.testing.assert_allclose(probabilities_of(doubled), probabilities_of(table), rtol=1e-15)


def test_a_certain_mistake_costs_the_same_in_single_and_double_precision():
    table = made_up("gender")
    losses = [
        values(
            score_table(
                constant_predictions(table, F=doubt, M=1.0),
                "gender",
                resamples=100,
                seed=0,
            )
        )["log_loss"]
        for doubt in (0.0, 1e-300, 1e-12)
    ]
    expected = -np.log(SMALLEST_PROBABILITY) * (table["label"] == "F").mean()
    assert losses == pytest.approx([expected] * 3, rel=1e-6)


def test_a_constant_prediction_has_an_auc_of_one_half_whatever_its_last_bit():
    table = constant_predictions(made_up("gender"), F=0.45, M=0.55)
    lengths = np.arange(len(table)) % 9 + 1
    noisy = table.assign(p_M=[sum([0.55] * n) / n for n in lengths])
    assert len(set(noisy["p_M"])) > 1
    assert values(score_table(noisy, "gender", resamples=100, seed=0))["roc_auc"] == 0.5


# Intervals


def test_gender_intervals_are_those_of_tables_with_whole_speakers_repeated():
    table = made_up("gender", seed=3)
    speakers, of_row = np.unique(table["speaker_id"], return_inverse=True)
    gender = table.groupby("speaker_id")["label"].first().loc[speakers]
    drawn = draw_speakers(pd.factorize(gender, sort=True)[0], 100, seed=5)
    brute = pd.DataFrame(
        [sklearn_scores(table.loc[np.repeat(table.index, counts[of_row])]) for counts in drawn]
    )
    scores = score_table(table, "gender", resamples=100, seed=5)
    for column, percentile in (("low", 2.5), ("high", 97.5)):
        expected = dict(zip(brute, np.percentile(brute, percentile, axis=0), strict=True))
        assert values(scores, column) == pytest.approx(expected, abs=1e-12)


def test_speaker_intervals_are_those_of_averages_over_the_classes_drawn():
    table = made_up("speaker", seed=3)
    classes, of_row = np.unique(table["label"], return_inverse=True)
    label, predicted = table["label"].to_numpy(object), predicted_classes(table)
    per_class = {"labels": list(classes), "average": None, "zero_division": 0}
    recall = metrics.recall_score(label, predicted, **per_class)
    of_class = {
        "balanced_accuracy": recall,
        "precision": metrics.precision_score(label, predicted, **per_class),
        "recall": recall,
        "f1": metrics.f1_score(label, predicted, **per_class),
        "roc_auc": [
            metrics.roc_auc_score(label == name, probabilities_of(table)[:, number])
            for number, name in enumerate(classes)
        ],
    }
    drawn = draw_speakers(np.zeros(len(classes), dtype=int), 100, seed=5)
    brute = []
    for counts in drawn:
        averages = {name: np.mean(np.repeat(value, counts)) for name, value in of_class.items()}
        rows = table.loc[np.repeat(table.index, counts[of_row])]
        averages["accuracy"] = (predicted_classes(rows) == rows["label"].to_numpy(object)).mean()
        averages["log_loss"] = metrics.log_loss(
            rows["label"], probabilities_of(rows), labels=list(classes)
        )
        brute.append(averages)
    brute = pd.DataFrame(brute)
    scores = score_table(table, "speaker", resamples=100, seed=5)
    for column, percentile in (("low", 2.5), ("high", 97.5)):
        expected = dict(zip(brute, np.percentile(brute, percentile, axis=0), strict=True))
        assert values(scores, column) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("task", TASKS)
def test_an_independent_bootstrap_gives_about_the_same_interval(task):
    table = made_up(task, speakers=16, seed=1)
    by_speaker = dict(
        list(
            table.assign(correct=predicted_classes(table) == table["label"]).groupby("speaker_id")[
                "correct"
            ]
        )
    )
    strata = table.groupby("speaker_id")["label"].first()
    strata = strata if task == "gender" else strata.map(lambda _: "all")
    random = np.random.default_rng(99)
    accuracies = []
    for _ in range(1000):
        chosen = np.concatenate(
            [random.choice(group.index, len(group)) for _, group in strata.groupby(strata)]
        )
        accuracies.append(np.concatenate([by_speaker[name] for name in chosen]).mean())
    scores = score_table(table, task, resamples=2000, seed=0).set_index("score")
    low, high = np.percentile(accuracies, [2.5, 97.5])
    assert scores.loc["accuracy", "low"] == pytest.approx(low, abs=0.015)
    assert scores.loc["accuracy", "high"] == pytest.approx(high, abs=0.015)


@pytest.mark.parametrize("task", TASKS)
def test_every_interval_holds_its_value(task):
    scores = score_table(made_up(task, speakers=20), task, resamples=500, seed=0)
    assert (scores["low"] <= scores["value"]).all()
    assert (scores["value"] <= scores["high"]).all()


def test_more_rows_of_the_same_speakers_do_not_narrow_an_interval():
    table = made_up("gender")
    tenfold = pd.concat([table] * 10, ignore_index=True)
    once, often = (
        score_table(rows, "gender", resamples=300, seed=0).set_index("score")
        for rows in (table, tenfold)
    )
    pd.testing.assert_frame_equal(once, often, rtol=1e-9)


def test_more_speakers_narrow_an_interval():
    few, many = (
        score_table(made_up("gender", speakers=n), "gender", resamples=300, seed=0) for n in (8, 64)
    )
    width_of_few, width_of_many = (
        (scores["high"] - scores["low"]).iloc[0] for scores in (few, many)
    )
    assert width_of_many < 0.6 * width_of_few


@pytest.mark.parametrize("task", TASKS)
def test_the_order_of_rows_does_not_matter(task):
    table = made_up(task)
    shuffled = table.sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(
        score_table(table, task, resamples=100, seed=0),
        score_table(shuffled, task, resamples=100, seed=0),
        rtol=1e-12,
    )


def test_the_seed_alone_decides_the_draws():
    table = made_up("gender")
    first, again, other = (
        score_table(table, "gender", resamples=100, seed=seed) for seed in (1, 1, 2)
    )
    pd.testing.assert_frame_equal(first, again, check_exact=True)
    assert not first["low"].equals(other["low"])


@given(
    strata=st.lists(st.integers(0, 3), min_size=1, max_size=30),
    seed=st.integers(0, 2**32 - 1),
)
def test_each_draw_has_as_many_speakers_of_a_stratum_as_there_are(strata, seed):
    strata = np.array(strata)
    drawn = draw_speakers(strata, 20, seed)
    assert drawn.shape == (20, len(strata))
    assert (drawn >= 0).all()
    for stratum in np.unique(strata):
        members = strata == stratum
        assert (drawn[:, members].sum(axis=1) == members.sum()).all()


# Levels and tables


def test_gender_has_three_levels_and_speaker_two():
    for task, levels in (
        ("gender", ["chunk", "utterance", "speaker"]),
        ("speaker", ["chunk", "utterance"]),
    ):
        table = made_up(task)
        scores = score_levels(table, table, task, resamples=100, seed=0)
        assert list(scores["level"].unique()) == levels
        assert list(scores.columns) == ["level", "score", "value", "low", "high"]
        assert len(scores) == len(levels) * len(SCORES)


def test_a_speakers_probabilities_are_the_mean_of_the_utterances():
    table = made_up("gender")
    speakers = speaker_level(table)
    expected = table.groupby("speaker_id")[["p_F", "p_M"]].mean()
    assert list(speakers["speaker_id"]) == list(expected.index)
    np.testing.assert_allclose(speakers[["p_F", "p_M"]], expected, rtol=1e-12)
    assert list(speakers["label"]) == list(table.groupby("speaker_id")["label"].first())


@pytest.mark.parametrize("task", TASKS)
def test_the_speaker_table_tells_how_each_speaker_fared(task):
    utterances = made_up(task, rows=6)
    chunks = pd.concat([utterances, utterances.iloc[::2]], ignore_index=True)
    corpus = utterances[["speaker_id"]].assign(
        gender=["FM"[int(name) % 2] for name in utterances["speaker_id"]]
    )
    told = speaker_table(chunks, utterances, corpus, task).set_index("speaker_id")
    for name, own in utterances.groupby("speaker_id"):
        row = told.loc[name]
        assert row["gender"] == "FM"[int(name) % 2]
        assert row["chapters"] == own["chapter_id"].nunique()
        assert row["utterances"] == len(own)
        assert row["chunks"] == (chunks["speaker_id"] == name).sum()
        right = predicted_classes(own) == own["label"].to_numpy(object)
        assert row["utterance_accuracy"] == pytest.approx(right.mean())
        of_truth = [line[f"p_{line['label']}"] for _, line in own.iterrows()]
        assert row["true_probability"] == pytest.approx(np.mean(of_truth))
    if task == "gender":
        assert list(told["predicted"]) == list(predicted_classes(speaker_level(utterances)))
    else:
        assert "predicted" not in told


# What is refused


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda table: table.assign(label="X"), "'X' is not among the classes"),
        (lambda table: table[table["label"] == "F"], "no row has the label 'M'"),
        (lambda table: table.assign(speaker_id="one"), "one label"),
        (lambda table: table.assign(p_F=np.nan), "finite"),
        (lambda table: table.assign(p_F=-0.1), "not negative"),
        (lambda table: table.assign(p_F=0.0, p_M=0.0), "not all zero"),
        (lambda table: table.assign(p_X=0.0), "no row has the label 'X'"),
    ],
)
def test_impossible_predictions_are_refused(spoil, complaint):
    with pytest.raises(ValueError, match=complaint):
        score_table(spoil(made_up("gender")), "gender", resamples=100, seed=0)


def test_a_speaker_task_whose_classes_are_not_its_speakers_is_refused():
    with pytest.raises(ValueError, match="every class must be one speaker"):
        score_table(made_up("gender"), "speaker", resamples=100, seed=0)


# Parts of a table


@pytest.mark.parametrize("task", TASKS)
def test_one_part_that_is_the_whole_has_the_wholes_accuracy_and_interval(task):
    table = made_up(task)
    whole = score_table(table, task, resamples=200, seed=0).set_index("score").loc["accuracy"]
    parts = accuracy_by(table, pd.Series("all", table.index), task, resamples=200, seed=0)
    assert parts["rows"].tolist() == [len(table)]
    assert parts["speakers"].tolist() == [table["speaker_id"].nunique()]
    assert parts.loc[0, ["value", "low", "high"]].tolist() == pytest.approx(whole.tolist())


@pytest.mark.parametrize("task", TASKS)
def test_each_part_is_scored_by_its_own_rows_and_rows_without_a_part_by_none(task):
    table = made_up(task).sample(frac=1, random_state=0)
    groups = table["chapter_id"].str[-1].where(np.arange(len(table)) % 5 > 0)
    parts = accuracy_by(table, groups, task, resamples=200, seed=0).set_index("group")
    right = predicted_classes(table) == table["label"]
    assert list(parts.index) == ["0", "1"]
    for name, part in parts.iterrows():
        assert part["rows"] == (groups == name).sum()
        assert part["value"] == pytest.approx(right[groups == name].mean())


def test_a_part_of_one_speaker_has_an_interval_from_the_resamples_that_drew_the_speaker():
    table = made_up("gender")
    first = table["speaker_id"] == table["speaker_id"].iloc[0]
    parts = accuracy_by(table, first, "gender", resamples=200, seed=0).set_index("group")
    assert parts.loc[True, "low"] == parts.loc[True, "value"] == parts.loc[True, "high"]
