"""Statistics of the MFCC against hand computation, SciPy and scikit-learn on all frames at once."""

from typing import get_args

import numpy as np
import pandas as pd
import pytest
from made_corpus import chunk_table
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import RobustScaler, StandardScaler

from speech.exploration.mfcc_analysis import (
    MOMENTS,
    NORMALISATIONS,
    coefficient_names,
    compare_normalisations,
    densities,
    distributions,
    frame_moments,
    gender_differences,
    holm,
    summarise,
)
from speech.features.normalise import Normalisation, normalise

SETTINGS = {"C": 0.1, "resamples": 100}
"""What is made up here is learnt with a weaker penalty than real speech."""
COEFFICIENTS = 4
NAMES = coefficient_names(COEFFICIENTS)


def corpus(speakers=12, utterances=8, shift=6.0, unlabelled=()):
    """Make up frames: women, of odd numbers, differ in the second coefficient only.

    A column of deltas follows the static coefficients.
    """
    random = np.random.default_rng(0)
    table = chunk_table("gender", speakers, chapters=2, utterances=utterances, chunks=1, folds=3)
    frames = {}
    for speaker, own in table.groupby("speaker_id"):
        voice = random.normal(0, 1, COEFFICIENTS)
        voice[1] += shift * (int(speaker) % 2)
        frames[speaker] = {}
        for name in own["utterance_id"]:
            length = random.integers(60, 120)
            static = random.normal(voice, [2, 3, 4, 5], (length, COEFFICIENTS))
            delta = random.normal(0, 1, (length, 1))
            frames[speaker][name] = np.hstack([static, delta]).astype(np.float32)
    table.loc[table["speaker_id"].isin(unlabelled), ["gender", "fold"]] = None
    return table, frames


def summary_of(table, frames):
    return summarise(table, frames.__getitem__, coefficients=COEFFICIENTS)


@pytest.fixture(scope="module")
def made_up():
    return corpus()


@pytest.fixture(scope="module")
def summary(made_up):
    return summary_of(*made_up)


def static_frames(frames, speakers):
    parts = [part for speaker in speakers for part in frames[speaker].values()]
    return np.concatenate(parts)[:, :COEFFICIENTS].astype(np.float64)


def test_moments_are_those_of_scipy():
    frames = np.random.default_rng(1).gamma(2, 3, (500, COEFFICIENTS)).astype(np.float32)
    wide = frames.astype(np.float64)
    expected = [wide.mean(0), wide.std(0), stats.skew(wide), stats.kurtosis(wide)]
    np.testing.assert_allclose(frame_moments(frames), expected, rtol=1e-9)
    constant = np.full((50, 1), -36.0437, np.float32)
    np.testing.assert_allclose(frame_moments(constant)[1:, 0], 0, atol=1e-9)


def test_the_sample_holds_every_nth_frame_of_each_utterance(made_up, summary):
    table, frames = made_up
    assert len(summary.frames) == summary.utterances["frames"].sum()
    few = summarise(table, frames.__getitem__, coefficients=COEFFICIENTS, every=10)
    row = few.utterances["utterance_id"].eq("104-1041-2").idxmax()
    expected = frames["104"]["104-1041-2"][::10, :COEFFICIENTS]
    np.testing.assert_array_equal(few.frames[few.rows == row], expected)


def test_neither_augmented_copies_and_deltas_nor_the_order_of_rows_matter(made_up, summary):
    table, frames = made_up
    noisy = {
        speaker: own | {f"{name}/copy0": part + 100 for name, part in own.items()}
        for speaker, own in frames.items()
    }
    other = summary_of(table.sample(frac=1, random_state=3), noisy)
    pd.testing.assert_frame_equal(other.utterances, summary.utterances)
    np.testing.assert_array_equal(other.moments, summary.moments)
    np.testing.assert_array_equal(other.frames, summary.frames)
    assert other.moments.shape == (len(table), len(MOMENTS), COEFFICIENTS)


def test_distributions_and_densities_describe_the_frames_of_each_gender(made_up, summary):
    _, frames = made_up
    women = static_frames(frames, [speaker for speaker in frames if int(speaker) % 2])
    table = distributions(summary, NAMES)
    assert list(table["coefficient"].unique()) == ["c00 energy", "c01", "c02", "c03"]
    assert coefficient_names(2, energy=False) == ["c00", "c01"]
    row = table[(table["coefficient"] == "c01") & (table["gender"] == "F")].iloc[0]
    assert row["frames"] == len(women)
    assert row["mean"] == pytest.approx(women[:, 1].mean(), abs=1e-6)
    assert row["q95"] == pytest.approx(np.quantile(women[:, 1], 0.95), abs=1e-6)
    # A density encloses the area between its outermost quantiles.
    for _, curve in densities(summary, NAMES).groupby(["coefficient", "gender"]):
        step = curve["value"].diff().iloc[1]
        assert curve["density"].sum() * step == pytest.approx(0.98, abs=0.02)


def test_holms_correction_by_hand():
    corrected = holm(np.array([0.01, 0.04, 0.03, 0.005]))
    np.testing.assert_allclose(corrected, [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm(np.array([0.6, 0.7])), [1, 1])


def test_gender_shows_in_the_planted_coefficient_alone_by_the_tests_of_scipy(summary):
    table = gender_differences(summary, NAMES, resamples=300, seed=0)
    assert table["coefficient"][table["p_corrected"] < 0.05].tolist() == ["c01"]
    assert table["coefficient"][table["significant"]].tolist() == ["c01"]
    planted = table.loc[1]
    assert 3 < planted["d_low"] < planted["d"] < planted["d_high"]
    means = pd.DataFrame(summary.moments[:, 0]).groupby(summary.utterances["speaker_id"]).mean()
    woman = means.index.astype(int) % 2 == 1
    test = stats.mannwhitneyu(means[woman], means[~woman], method="exact")
    assert table["p"].tolist() == pytest.approx(test.pvalue)
    # It is computed from Cohen's d, so both are right.
    correlation = [stats.pearsonr(woman, means[k]).statistic for k in means]
    assert table["value"].tolist() == pytest.approx(correlation)
    assert (table["low"] < table["value"]).all()
    assert (table["value"] < table["high"]).all()


def test_more_utterances_of_the_same_speakers_are_no_more_evidence(made_up, summary):
    table, frames = made_up
    short = summary_of(table.groupby("chapter_id").head(4), frames)
    few, many = (gender_differences(part, NAMES, resamples=300) for part in (short, summary))
    widths = [found["d_high"] - found["d_low"] for found in (few, many)]
    assert (widths[1] / widths[0]).between(0.7, 1.3).all()


def test_unlabelled_speakers_take_no_part_in_gender():
    table, frames = corpus(shift=1.2, unlabelled=("101", "102"))
    # So loud that a scale which they had a part in would be another.
    for speaker in ("101", "102"):
        frames[speaker] = {name: 30 * part for name, part in frames[speaker].items()}
    without = table[table["gender"].notna()]
    one, other = (
        (
            gender_differences(summary, NAMES, resamples=100),
            compare_normalisations(summary, **SETTINGS),
            distributions(summary, NAMES),
        )
        for summary in (summary_of(part, frames) for part in (table, without))
    )
    for pair in zip(one, other, strict=True):
        pd.testing.assert_frame_equal(*pair)


def test_three_speakers_of_a_gender_give_finite_values_or_no_interval():
    summary = summary_of(*corpus(speakers=6))
    table = gender_differences(summary, NAMES, resamples=200)
    assert np.isfinite(table[["value", "d", "p"]]).all(axis=None)
    assert not np.isinf(table[["low", "high", "d_low", "d_high"]]).any(axis=None)


def test_one_woman_is_compared_with_nobody():
    summary = summary_of(*corpus(speakers=6, unlabelled=("101", "103")))
    assert gender_differences(summary, NAMES).empty


def test_every_normalisation_that_models_can_be_given_is_compared():
    assert set(get_args(Normalisation)) < set(NORMALISATIONS)


@pytest.mark.parametrize("how", NORMALISATIONS)
def test_normalising_moments_equals_normalising_frames_by_training_speakers(how):
    # Hard enough for errors, and one fold louder, so that a scale fitted on all would differ.
    table, frames = corpus(shift=1.2)
    loud = table.loc[table["fold"] == 2, "speaker_id"].unique()
    frames |= {
        speaker: {name: 6 * part for name, part in frames[speaker].items()} for speaker in loud
    }
    women, correct = table["gender"].eq("F").to_numpy(), []
    for fold in range(3):
        test = (table["fold"] == fold).to_numpy()
        scaler = {"standard": StandardScaler(), "robust": RobustScaler()}.get(how)
        if scaler:
            scaler.fit(static_frames(frames, table.loc[~test, "speaker_id"].unique()))

        def inputs(name, scaler=scaler):
            static = frames[name[:3]][name][:, :COEFFICIENTS].astype(np.float64)
            scaled = scaler.transform(static) if scaler else normalise(static, how)
            return frame_moments(scaled).ravel()

        everything = np.stack([inputs(name) for name in table["utterance_id"]])
        model = LogisticRegression(C=SETTINGS["C"], max_iter=2000)
        predicted = model.fit(everything[~test], women[~test]).predict(everything[test])
        correct.extend(predicted == women[test])
    compared = compare_normalisations(summary_of(table, frames), **SETTINGS)
    row = compared[(compared["normalisation"] == how) & ~compared["standardised"]].iloc[0]
    assert row["accuracy"] == np.mean(correct)
    assert row["low"] <= row["accuracy"] <= row["high"]


def test_once_inputs_are_standardised_only_normalising_each_utterance_loses_its_mean(summary):
    table = compare_normalisations(summary, **SETTINGS)
    compared = table[table["standardised"]].set_index("normalisation")
    globally, accuracy = compared.loc[["standard", "robust"]], compared["accuracy"]
    assert (globally["accuracy"] == accuracy["none"]).all()
    assert (globally[["difference", "difference_low", "difference_high"]] == 0).all(axis=None)
    assert accuracy["none"] > 0.95
    assert accuracy["utterance_mean"] < 0.7
    assert accuracy["utterance"] < 0.7
    lost = accuracy["utterance"] - accuracy["none"]
    assert compared["difference"]["utterance"] == pytest.approx(lost)
