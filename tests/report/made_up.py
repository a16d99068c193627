"""A made-up run: every table that the page reads, for as many speakers as one likes."""

import itertools
import json

import numpy as np
import pandas as pd
from nested import with_changes

from speech.report.run import Run

MODELS = ["dummy", "logistic", "svm", "lda", "mlp", "cnn"]
FEATURES_OF = {"gender": ["mfcc", "mfcc_pitch", "wav2vec2"], "speaker": ["mfcc", "wav2vec2"]}
ALGORITHMS = ["kmeans", "agglomerative", "hdbscan", "kmeans_2", "agglomerative_2"]
COEFFICIENTS = [f"c{number:02d}" for number in range(30)]
UTTERANCES = 6
"""Of each speaker, in two chapters."""


class MadeUpRun(Run):
    """A run whose files can be changed."""

    def change_results(self, name, changes):
        """Change some results; keys are joined by dots, ``...`` removes one."""
        path = self.results / f"{name}.json"
        path.write_text(json.dumps(with_changes(json.loads(path.read_text("utf-8")), changes)))

    def change_plot(self, name, change):
        """Change the table behind a plot by a function from text to text."""
        path = self.plots / f"{name}.csv"
        path.write_text(change(path.read_text("utf-8")))

    def change_plots(self, change):
        """Change all of them by a function of the table's name and its frame of text."""
        for path in self.plots.rglob("*.csv"):
            change(path.stem, pd.read_csv(path, dtype=str)).to_csv(path, index=False)


def make_up_run(folder, speakers):
    """Write what the stages leave."""
    random = np.random.default_rng(speakers)
    names = ("utterances.parquet", "rejected.csv", "folds", "results", "plots")
    run = MadeUpRun(*(folder / name for name in names))
    corpus = _corpus(speakers, random)
    corpus.to_parquet(run.utterances, index=False)
    run.rejected.write_text("path,utterance_id,left_out_of,reason\n")
    run.folds.mkdir()
    for task, unit in {"gender": "speaker_id", "speaker": "chapter_id"}.items():
        fold = corpus[unit].astype(int) % 3
        corpus[["utterance_id"]].assign(fold=fold).to_csv(run.folds / f"{task}.csv", index=False)
        (run.plots / task).mkdir(parents=True)
        for name, table in _task_tables(task, corpus, random).items():
            table.to_csv(run.plots / task / f"{name}.csv", index=False)
    for name, table in _other_tables(corpus, random).items():
        (run.plots / name).parent.mkdir(exist_ok=True)
        table.to_csv(run.plots / f"{name}.csv", index=False)
    run.results.mkdir()
    for name, result in _results(speakers).items():
        (run.results / f"{name}.json").write_text(json.dumps(result))
    return run


def _results(speakers):
    women, men = {"speakers": (speakers + 1) // 2}, {"speakers": speakers // 2}
    utterances = speakers * UTTERANCES
    sizes = {"speakers": speakers, "chapters": 2 * speakers, "utterances": utterances}
    counts = {"speakers": speakers, "utterances": utterances, "chunks": 3 * utterances}
    macro = _ends("accuracy", 0.8) | {"precision": 0.82, "recall": 0.78, "f1": 0.79}
    clusters = {"points": utterances, "points_available": utterances, "speakers": speakers}
    clusters |= {"dimensions": 246, "variance_in_map": 0.4}
    clusters |= {"hdbscan_clusters": 2, "hdbscan_noise": 0.125}
    splits = {"random_chunk": 0.99, "speaker_disjoint": 0.8}
    layer = {"layer_in_use": 4, "accuracy_in_use": 0.8, "chosen_layer": 5}
    layer |= _ends("nested_accuracy", 0.79)
    conditions = {"speech_false_rejection_by_condition": {"clean": 0.02, "room": 0.09}}
    known = _ends("equal_error_rate", 0.15) | _ends("known_false_rejection", 0.21)
    known |= _ends("unknown_false_acceptance", 0.05)
    subset = ("speakers_per_gender", "minutes_per_speaker")
    return {
        "corpus": sizes
        | {"minutes": 20.5, "female": women, "male": men, "gender_overrides": []}
        | {"left_out_by_subset": {"speakers": 0}, "sessions": "as the corpus names them"}
        | {"subset": {**dict.fromkeys(subset), "chapters_at_least": 1}},
        "encoder": {"family": "wav2vec 2.0", "mode": "float32 with torch on cpu"},
        "split": {"gender": {}, "speaker": {"speakers_left_out": 0}},
        **{f"clusters_{kind}": clusters for kind in FEATURES_OF["speaker"]},
        "speaker": {"counts": counts, "chunk": macro, "utterance": macro},
        "gender": {
            "counts": counts,
            "speaker": {"accuracy": 1},
            "chunk": macro,
            "utterance": macro | {"accuracy_F": 0.7, "accuracy_M": 0.9},
        },
        "split_audit": {task: {"accuracy": splits} for task in FEATURES_OF},
        "layers": dict.fromkeys(FEATURES_OF, layer),
        "learning_curve": {},
        "external": {},
        "verification": dict.fromkeys(
            FEATURES_OF["gender"],
            _ends("equal_error_rate", 0.1) | {"same_gender_equal_error_rate": 0.125},
        ),
        "rejection": {
            "speech": _ends("speech_false_rejection", 0.02) | conditions,
            "speakers": dict.fromkeys(FEATURES_OF["speaker"], known),
        },
    }


def _ends(name, value):
    return {name: value, f"{name}_low": value - 0.01, f"{name}_high": value + 0.01}


def _corpus(speakers, random):
    rows = [
        (f"{speaker}-{number % 2}-{number:04d}", f"{speaker}", f"{speaker}{number % 2}")
        for speaker in range(100, 100 + speakers)
        for number in range(UTTERANCES)
    ]
    corpus = pd.DataFrame(rows, columns=["utterance_id", "speaker_id", "chapter_id"])
    corpus["gender"] = ["FM"[int(speaker) % 2] for speaker in corpus["speaker_id"]]
    return corpus.assign(seconds=random.uniform(2, 15, len(corpus)).round(2))


def _scored(random, keys, *names):
    """Make up values with intervals for all combinations of keys."""
    table = pd.DataFrame(list(itertools.product(*keys)), columns=list(names))
    table["value"] = random.uniform(0.3, 0.95, len(table))
    return table.assign(low=table["value"] - 0.05, high=table["value"] + 0.05)


def _other_tables(corpus, random):
    tasks, probit = list(FEATURES_OF), np.linspace(-3, 0, 20)
    normalisations = (["none", "level", "standard"], [True, False])
    correlation = _scored(random, (COEFFICIENTS,), "coefficient").assign(p_corrected=0.5)
    correlation = correlation.assign(d=2.0, d_low=1.0, d_high=3.0, significant=False)
    correlation.loc[:1, ["p_corrected", "significant"]] = [0.01, True]
    moments = dict.fromkeys(["mean", "std", "skewness", "kurtosis", "q05", "q50"], 1.5)
    density = _scored(random, (COEFFICIENTS, "FM", range(20)), "coefficient", "gender", "value")
    distributions = density[["coefficient", "gender"]].drop_duplicates()
    splits = ["random-chunk", "random-utterance", "chapter-disjoint", "speaker-disjoint"]
    splits = _scored(random, (tasks, splits), "task", "split")
    det = _scored(random, (FEATURES_OF["gender"], probit), "features", "false_alarm_probit")
    outliers = corpus.head(30)[["utterance_id", "speaker_id", "chapter_id"]]
    tables = {
        "mfcc/correlation": correlation,
        "mfcc/distributions": distributions.assign(**moments),
        "mfcc/density": density.iloc[:, :3].assign(density=0.1),
        "mfcc/normalisations": _scored(random, normalisations, "normalisation", "standardised")
        .rename(columns={"value": "accuracy"})
        .assign(difference=-0.1, difference_low=-0.2, difference_high=-0.05),
        "mfcc/outliers": outliers.assign(distance=9.5, threshold=9.0, outlier=True),
        "split_audit": splits.assign(system="svm · mfcc", level="utterance", score="accuracy"),
        "layers": _scored(random, (tasks, range(7), ["utterance"]), "task", "layer", "level"),
        "learning_curve": _scored(random, (FEATURES_OF["gender"], [2, 4]), "features", "speakers"),
        "det": det.assign(false_alarm=0.1, miss=0.1, miss_probit=-3 - det["false_alarm_probit"]),
    }
    for kind in FEATURES_OF["speaker"]:
        clusters = {f"cluster_{name}": random.integers(-1, 5, len(corpus)) for name in ALGORITHMS}
        places = {"x": random.normal(size=len(corpus)), "y": random.normal(size=len(corpus))}
        views = [corpus.assign(map=view, **places, **clusters) for view in ("pca", "tsne")]
        tables[f"clusters/{kind}_map"] = pd.concat(views)
        labels, scores = ["speaker", "gender", "chapter"], ["ari", "nmi", "purity", "silhouette"]
        keys = ([*ALGORITHMS, "truth"], labels, scores)
        tables[f"clusters/{kind}_agreement"] = _scored(random, keys, "algorithm", "label", "score")
    return tables


def _task_tables(task, corpus, random):
    systems = [f"{model} · {kind}" for kind in FEATURES_OF[task] for model in MODELS]
    label = corpus["gender" if task == "gender" else "speaker_id"]
    predicted = np.where(random.random(len(label)) < 0.8, label, random.permutation(label))
    levels, scores = ["chunk", "utterance"], ["accuracy", "f1", "roc_auc", "log_loss"]
    scores += ["precision", "recall"]
    roc = _named(_scored(random, (systems, np.linspace(0, 1, 6)), "system", "false_positive_rate"))
    bins = _named(_scored(random, (systems, (8, 12)), "system", "bin"))
    errors = {"expected_calibration_error": 0.05, "calibration_error_by_chance": 0.02}
    networks = [system for system in systems if system.startswith(("mlp", "cnn"))]
    curves = (networks, ["training", "validation"], "012", range(1, 6))
    speakers = corpus.drop_duplicates("speaker_id")[["speaker_id", "gender"]]
    accuracy = random.uniform(0.3, 1, len(speakers))
    counts = {"chapters": 2, "utterances": UTTERANCES, "chunk_accuracy": accuracy}
    counts |= {"utterance_accuracy": accuracy, "true_probability": accuracy}
    suspects = speakers.rename(columns={"gender": "label"})
    evidence = {"label_probability": 0.5, "utterances_against": 0.1, "systems": 12}
    both = {"log_loss": 0.4, "accuracy": 0.9}
    picks = pd.DataFrame({"fold": ["0", "0", "all", "all"], "model": ["logistic", "svm"] * 2})
    tuning = pd.DataFrame({"fold": ["0", "0"], "chosen": [True, False], "settings": '{"C": 1.0}'})
    tables = {
        "models": _named(_scored(random, (systems, levels, scores), "system", "level", "score")),
        "confusion": corpus[["utterance_id"]].assign(actual=label, predicted=predicted),
        "roc": roc.assign(true_positive_rate=roc["false_positive_rate"] ** 0.2),
        "reliability": bins.assign(level="utterance", rows=20, confidence=0.8, **errors),
        "by_duration": _scored(random, (["2 s", "4 s", "utterance"],), "duration"),
        "speakers": speakers.assign(**counts),
        "curves": _scored(random, curves, "system", "part", "fold", "epoch").assign(loss=0.5),
        "picked": picks.assign(picked=picks["model"] == "svm", **both),
        "tuning": tuning.assign(system="svm · mfcc", **both),
    }
    if task == "gender":
        tables["suspects"] = suspects.assign(
            suspect=False, **evidence, systems_against=1, median_f0_hz=150.0
        )
    return tables


def _named(table):
    table[["model", "features"]] = table["system"].str.split(" · ", expand=True)
    return table
