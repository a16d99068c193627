"""Stages that analyse features, on made-up ones: their files, their columns, their closing lines.

MFCC are of the speaker and the gender, of which c03 alone as frames; wav2vec 2.0 is of the chapter
alone, but for one layer.
"""

import contextlib
import json
import re

import numpy as np
import pandas as pd
import pytest
from made_corpus import chunk_table
from made_examples import write_examples

from speech.exploration.mfcc_analysis import NORMALISATIONS
from speech.features.store import speaker_file, write_speaker
from speech.params import FEATURES_OF
from speech.storage.examples import Examples
from stages import audit_split as audit
from stages.analyse_mfcc import analyse_mfcc
from stages.learning_curve import learning_curve
from stages.paths import EXAMPLES, FOLDS, MFCC, PLOTS, RESULTS, UTTERANCES, WAV2VEC2
from stages.probe_layers import probe_layers
from stages.reduce_and_cluster import reduce_and_cluster
from stages.verify_speakers import DET, verify_speakers

ODD = "104-1040-1"
FOLD_COUNTS = {"gender": 3, "speaker": 2}
SHAPE = {"chapters": 2, "utterances": 3}
NAMES = ["utterance_id", "speaker_id", "chapter_id", "gender"]
KEPT, BEST_LAYER, LAYER_IN_USE = [0, 3, 5], 3, 5
SETTINGS = {
    **{"headline_features.gender": "mfcc", "headline_features.speaker": "wav2vec2"},
    **{f"folds.{task}": count for task, count in FOLD_COUNTS.items()},
    **{"compute.jobs": 1, "evaluate.resamples": 100, "learning_curve.draws": 2},
    **{"wav2vec2.layers": KEPT, "inputs.wav2vec2.layer": LAYER_IN_USE, "verification.trials": 9},
}


def dealt(task):
    """List the chunks of 13 speakers: the first has one chapter, the last no gender on record."""
    table = chunk_table("speaker", 13, **SHAPE, folds=FOLD_COUNTS["speaker"])
    first, last = (table["speaker_id"] == name for name in ("101", "113"))
    table.loc[last, "gender"] = None
    table.loc[first, ["chapter_id", "session", "fold"]] = ["1010", "1010", -1]
    if task == "speaker":
        return table
    others = chunk_table("gender", 12, **SHAPE, folds=FOLD_COUNTS["gender"])
    fold = others.drop_duplicates("utterance_id").set_index("utterance_id")["fold"]
    fold = table["utterance_id"].map(fold).fillna(-1).astype(int)
    return table.assign(label=table["gender"], session=table["speaker_id"], fold=fold)


def write_inputs():
    random = np.random.default_rng(0)
    table = dealt("speaker")
    speaker = table["speaker_id"].astype(int).to_numpy() - 101
    speakers, chapters = random.normal(size=(13, 8)), random.normal(size=(26, 30))
    speakers[:, :4] += 3 * (np.arange(13) % 2)[:, None]
    of = {"mfcc": speakers[speaker], "wav2vec2": chapters[pd.factorize(table["session"])[0]]}
    of["mfcc_pitch"] = of["mfcc"]
    for task, kinds in FEATURES_OF.items():
        for kind in kinds:
            inputs = of[kind] + random.normal(scale=0.4, size=of[kind].shape)
            inputs = inputs[::-1].astype(np.float32)
            # In another order than elsewhere: utterances are found by name.
            examples = Examples(dealt(task)[::-1].reset_index(drop=True), inputs, (inputs,))
            write_examples(EXAMPLES / f"{task}-{kind}", examples, examples)
    corpus = table.drop_duplicates("utterance_id").assign(seconds=4.0)
    corpus[[*NAMES, "seconds"]].to_parquet(UTTERANCES)
    FOLDS.mkdir()
    for task in FOLD_COUNTS:
        folds = dealt(task).query("fold >= 0").drop_duplicates("utterance_id")
        folds[["utterance_id", "fold"]].to_csv(FOLDS / f"{task}.csv", index=False)
    for name, own in corpus.groupby("speaker_id"):
        place = np.zeros((len(KEPT), 8))
        place[KEPT.index(BEST_LAYER)] = random.normal(scale=3, size=8)
        pooled = (place + random.normal(size=(len(own), 2, *place.shape))).astype(np.float32)
        frames = random.normal(size=(len(own), 70, 60)).astype(np.float32)
        frames[..., 3] -= own["gender"].iloc[0] == "F"
        frames[own["utterance_id"] == ODD, :, 5] += 40
        mfcc = dict(zip(own["utterance_id"], frames, strict=True))
        wav2vec2 = dict(zip(own["utterance_id"] + "/pooled", pooled, strict=True))
        for folder, tensors in ((MFCC, mfcc), (WAV2VEC2, wav2vec2)):
            write_speaker(speaker_file(folder, name), tensors, "", {})


STAGES = (
    *(analyse_mfcc, audit.audit_split, learning_curve, probe_layers, reduce_and_cluster),
    verify_speakers,
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, make_params):
    """Run all stages once, for tests that only read; keep what examples and scores were asked."""
    folder, params = tmp_path_factory.mktemp("project"), make_params(**SETTINGS)
    read, scored = [], []

    def watched(name, calls):
        function = getattr(audit, name)

        def watching(*given, **named):
            calls.append((*given, *named.values()))
            return function(*given, **named)

        patch.setattr(audit, name, watching)

    with contextlib.chdir(folder), pytest.MonkeyPatch.context() as patch:
        write_inputs()
        watched("read_examples", read)
        watched("score_levels", scored)
        lines = {stage.__name__: stage(params) for stage in STAGES}
    return folder, lines, read, scored


@pytest.fixture
def lines(finished, monkeypatch):
    monkeypatch.chdir(finished[0])
    return finished[1]


def results(name):
    return json.loads((RESULTS / f"{name}.json").read_text("utf-8"))


def plot(name):
    return pd.read_csv(PLOTS / f"{name}.csv")


INTERVAL = ["value", "low", "high"]
CLUSTERS = [f"cluster_{name}" for name in ("kmeans", "agglomerative", "hdbscan")]
STATISTICS = ["mean", "std", "skewness", "kurtosis", "q05", "q25", "q50", "q75", "q95"]
TABLES = {
    "mfcc/correlation": [
        *("coefficient", *INTERVAL, "d", "d_low", "d_high", "p", "p_corrected", "significant")
    ],
    "mfcc/density": ["coefficient", "gender", "value", "density"],
    "mfcc/distributions": ["coefficient", "gender", "frames", *STATISTICS],
    "mfcc/normalisations": [
        *("normalisation", "standardised", "accuracy", "low", "high"),
        *("difference", "difference_low", "difference_high"),
    ],
    "mfcc/outliers": [
        "utterance_id",
        "speaker_id",
        "chapter_id",
        "distance",
        "threshold",
        "outlier",
    ],
    "split_audit": ["task", "split", "system", "features", "level", "score", *INTERVAL],
    "learning_curve": ["speakers", *INTERVAL, "features"],
    "layers": ["task", "layer", "level", *INTERVAL],
    "layers_nested": ["task", "fold", "layer", "validation_accuracy", "utterance_accuracy"],
    "clusters/mfcc_map": ["map", "x", "y", *NAMES, *CLUSTERS],
    "clusters/wav2vec2_agreement": ["algorithm", "label", "score", "value"],
    "det": DET,
}


@pytest.mark.parametrize("name", TABLES)
def test_every_table_has_its_columns(lines, name):
    assert list(plot(name)) == TABLES[name]


def test_coefficients_are_described_and_compared_between_genders(lines):
    assert "c03 differs most" in lines["analyse_mfcc"]
    differences = plot("mfcc/correlation").set_index("coefficient")
    assert list(differences.index[:2]) == ["c00 energy", "c01"]
    assert differences.loc["c03", "d"] < -2
    assert set(plot("mfcc/distributions")["gender"]) == {"F", "M"}
    assert plot("mfcc/normalisations")["normalisation"].tolist() == 2 * [*NORMALISATIONS]
    outliers = plot("mfcc/outliers")
    assert (len(outliers), outliers["utterance_id"][0]) == (78, ODD)


def test_every_split_is_scored_at_every_level_and_what_each_careless_one_adds(lines, finished):
    _, _, read, scored = finished
    folders = [EXAMPLES / name for name in ("gender-mfcc", "speaker-wav2vec2")]
    assert read == [(folder, "pooled", True) for folder in folders]
    scores, metrics = plot("split_audit"), results("split_audit")
    assert set(scores["score"]) == {"accuracy"}
    assert set(scores["features"]) == {"gender from mfcc", "speaker from wav2vec2"}
    assert set(scores["system"]) == {"logistic · mfcc", "logistic · wav2vec2"}
    splits = ["random-chunk", "random-utterance", "chapter-disjoint", "speaker-disjoint"]
    for task, own in {"gender": splits, "speaker": splits[:-1]}.items():
        levels = dict(iter(scores[scores["task"] == task].groupby("level")))
        assert levels["chunk"]["split"].tolist() == levels["utterance"]["split"].tolist() == own
        names = [split.replace("-", "_") for split in own]
        accuracy, optimism = metrics[task]["accuracy"], metrics[task]["optimism"]
        values = dict(zip(names, levels["utterance"]["value"], strict=True))
        assert accuracy == pytest.approx(values, rel=1e-3)
        careless = {name: 100 * (accuracy[name] - accuracy[names[-1]]) for name in names[:-1]}
        assert optimism == pytest.approx(careless, abs=0.02)
    assert optimism["random_chunk"] > 50
    line = lines["audit_split"]
    assert line.startswith("utterance accuracy of logistic: gender ")
    assert f"speaker {100 * accuracy['random_chunk']:.1f} % random-chunk, " in line
    # An utterance whose chunks are in several folds is scored once.
    chunks, utterances, *_ = scored[0]
    assert chunks.groupby("utterance_id")["fold"].nunique().max() > 1
    assert utterances["utterance_id"].is_unique
    assert len(utterances) == chunks["utterance_id"].nunique()


def test_each_kind_of_features_has_a_learning_curve_and_its_end_in_the_results(lines):
    points = r"[+-]\d+\.\d points \[[+-]\d+\.\d, [+-]\d+\.\d\]"
    assert re.fullmatch(
        f"up to 8 training speakers; the last doubling added {points} with mfcc, "
        f"{points} with mfcc_pitch, {points} with wav2vec2",
        lines["learning_curve"],
    )
    curves, metrics = plot("learning_curve"), results("learning_curve")
    assert set(curves["features"]) == set(metrics) == {"mfcc", "mfcc_pitch", "wav2vec2"}
    for features, own in metrics.items():
        of_features = curves[curves["features"] == features]
        assert of_features["speakers"].tolist() == [2, 4, 8]
        assert own["speakers"] == 8
        assert own["accuracy"] == pytest.approx(of_features["value"].iloc[-1], rel=1e-3)
        assert own["doubling_low"] <= own["doubling"] <= own["doubling_high"]
    assert metrics["mfcc"]["accuracy"] > 0.9 > metrics["wav2vec2"]["accuracy"]


def test_both_tasks_are_probed_layer_by_layer_and_fold_by_fold(lines):
    metrics = results("layers")
    assert list(metrics) == list(FOLD_COUNTS)
    layers, nested = plot("layers"), plot("layers_nested")
    for task, own in metrics.items():
        assert own["nested_accuracy_low"] <= own["nested_accuracy"] <= own["nested_accuracy_high"]
        of_task = layers[layers["task"] == task]
        for _, by_layer in of_task.groupby("level"):
            assert by_layer["layer"].tolist() == KEPT
        in_use = of_task.query("level == 'utterance' and layer == @LAYER_IN_USE")["value"].item()
        assert own["layer_in_use"] == LAYER_IN_USE
        assert own["accuracy_in_use"] == pytest.approx(in_use, abs=1e-3)
        chosen = nested[nested["task"] == task].set_index("fold")
        assert chosen.index.tolist() == [*map(str, range(FOLD_COUNTS[task])), "all"]
        assert own["chosen_layer"] == chosen.loc["all", "layer"]
        # Not the best point of the curve over layers, which nobody could have known.
        accuracy = chosen.loc["all", "utterance_accuracy"]
        assert own["nested_accuracy"] == pytest.approx(accuracy, abs=1e-3)
    speaker = metrics["speaker"]
    assert speaker["chosen_layer"] == BEST_LAYER
    assert speaker["nested_accuracy"] > 0.9 > speaker["accuracy_in_use"]
    line = lines["probe_layers"]
    assert line.startswith("3 layers; utterance accuracy: gender ")
    assert line.endswith(f"% with a layer chosen in training (by all data: {BEST_LAYER})")


def test_both_features_are_mapped_and_their_clusters_compared_with_the_labels(lines):
    for kind, dimensions in {"mfcc": 8, "wav2vec2": 30}.items():
        metrics, points = results(f"clusters_{kind}"), plot(f"clusters/{kind}_map")
        own = {"points": 78, "points_available": 78, "dimensions": dimensions, "speakers": 13}
        assert own.items() <= metrics.items()
        found = points["cluster_hdbscan"]
        assert metrics["hdbscan_noise"] == pytest.approx((found == -1).mean(), rel=1e-3)
        assert metrics["hdbscan_clusters"] == found[found != -1].nunique()
        assert points["map"].value_counts().to_dict() == {"pca": 78, "tsne": 78}
        assert points["gender"].isna().sum() == 2 * 6
        agreement = plot(f"clusters/{kind}_agreement").set_index(["algorithm", "label", "score"])
        assert agreement.index.is_unique
        value = agreement["value"]
        speaker, gender = value["kmeans", "speaker", "ari"], value["kmeans_2", "gender", "ari"]
        assert (speaker > 0.9) == (gender > 0.9) == (kind == "mfcc")
        assert ("truth", "speaker", "silhouette") in value.index
        said = f"{kind}: 78 of 78 utterances mapped, adjusted Rand index {speaker:.2f} with the spe"
        assert f"{said}aker and {gender:.2f} with the gender (k-" in lines["reduce_and_cluster"]


def test_a_sample_of_chunks_is_mapped_the_same_by_any_number_of_workers(
    finished, tmp_path, monkeypatch, make_params
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").symlink_to(finished[0] / "data")
    files = []
    for jobs in (1, 2):
        changes = {"clusters.level": "chunk", "clusters.max_points": 100, "compute.jobs": jobs}
        words = reduce_and_cluster(make_params(**changes))
        files.append({path: path.read_bytes() for path in sorted(PLOTS.rglob("*.csv"))})
    assert files[0] == files[1]
    assert len(files[0]) == 4
    assert "wav2vec2: 100 of 156 chunks mapped" in words
    counts = plot("clusters/wav2vec2_map")["speaker_id"].value_counts()
    assert set(counts) <= {2 * 7, 2 * 8}


def test_each_kind_of_features_has_its_equal_error_rates_and_curve(lines):
    rate = r"\d+\.\d % \[\d+\.\d, \d+\.\d\]"
    rates = [
        f"{rate} with {features} \\(impostors of the same gender: \\d+\\.\\d %\\)"
        for features in FEATURES_OF["speaker"]
    ]
    assert re.fullmatch(
        f"equal error rate {', '.join(rates)}; "
        r"108 target trials across chapters of 12 speakers, \d+ impostor trials of 13",
        lines["verify_speakers"],
    )
    metrics = results("verification")
    assert list(metrics) == [*FEATURES_OF["speaker"], "counts"]
    assert metrics["mfcc"]["equal_error_rate"] < 0.1
    assert 0.3 < metrics["wav2vec2"]["equal_error_rate"] < 0.7
    own = {"speakers": 13, "speakers_with_targets": 12, "targets": 108}
    assert own.items() <= metrics["counts"].items()
    assert set(plot("det")["features"]) == set(FEATURES_OF["speaker"])
