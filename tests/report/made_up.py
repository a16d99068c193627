"""A made-up run: every table that the page reads, for as many speakers as one likes."""

import itertools
import json
from pathlib import Path

import numpy as np
import pandas as pd

from speech.report.run import Run

ROOT = Path(__file__).parents[2]
MODELS = ["dummy", "logistic", "svm", "lda", "mlp", "cnn"]
FEATURES_OF = {"gender": ["mfcc", "mfcc_pitch", "wav2vec2"], "speaker": ["mfcc", "wav2vec2"]}
ALGORITHMS = ["kmeans", "agglomerative", "hdbscan", "kmeans_2", "agglomerative_2"]
COEFFICIENTS = [f"c{number:02d}" for number in range(30)]
UTTERANCES = 6
"""Of each speaker, in two chapters."""


def make_up_run(folder, speakers):
    """Write what the stages leave; metrics are based on those in the repository."""
    random = np.random.default_rng(speakers)
    run = Run(*(folder / name for name in ("u.parquet", "rejected.csv", "audio", "m", "p")))
    corpus = _corpus(speakers, random)
    corpus.to_parquet(run.utterances, index=False)
    run.rejected.write_text("path,utterance_id,left_out_of,reason\n")
    for task in FEATURES_OF:
        (run.plots / task).mkdir(parents=True)
        for name, table in _task_tables(task, corpus, random).items():
            table.to_csv(run.plots / task / f"{name}.csv", index=False)
    for name, table in _other_tables(corpus, random).items():
        (run.plots / name).parent.mkdir(exist_ok=True)
        table.to_csv(run.plots / f"{name}.csv", index=False)
    run.metrics.mkdir()
    for path in (ROOT / "metrics").glob("*.json"):
        change_metrics(run, path.stem, json.loads(path.read_text("utf-8")))
    _change_size(run, speakers)
    return run


def change_metrics(run, name, changes):
    """Change some metrics of a made-up run; nested ones are changed one by one."""
    path = run.metrics / f"{name}.json"
    old = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    path.write_text(json.dumps(_changed(old, changes)))


def change_plot(run, name, change):
    """Change a table of a made-up run by a function from text to text."""
    path = run.plots / f"{name}.csv"
    path.write_text(change(path.read_text("utf-8")))


def _changed(old, changes):
    if not (isinstance(old, dict) and isinstance(changes, dict)):
        return changes
    return old | {name: _changed(old.get(name), value) for name, value in changes.items()}


def _change_size(run, speakers):
    women = {"speakers": (speakers + 1) // 2}
    sizes = {"speakers": speakers, "female": women, "male": {"speakers": speakers // 2}}
    change_metrics(run, "corpus", sizes)
    for task in FEATURES_OF:
        change_metrics(run, task, {"counts": {"speakers": speakers}})
    change_metrics(run, "mfcc", {"outliers": {"count": 1, "scored": speakers * UTTERANCES}})
    layer = {"layer_in_use": 4, "accuracy_in_use": 0.8, "chosen_layer": 5}
    layer |= _ends("nested_accuracy", 0.79)
    change_metrics(run, "layers", dict.fromkeys(FEATURES_OF, layer))
    speech = _ends("speech_false_rejection", 0.02)
    speech["speech_false_rejection_by_condition"] = {"clean": 0.02, "room": 0.09}
    known = _ends("equal_error_rate", 0.15) | _ends("known_false_rejection", 0.21)
    known |= _ends("unknown_false_acceptance", 0.05)
    rejection = {"speech": speech, "speakers": dict.fromkeys(FEATURES_OF["speaker"], known)}
    change_metrics(run, "rejection", rejection)


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
    corpus["path"] = corpus["utterance_id"] + ".wav"
    return corpus.assign(seconds=random.uniform(2, 15, len(corpus)).round(2))


def _scored(random, keys, *names):
    """Make up values with intervals for all combinations of keys."""
    table = pd.DataFrame(list(itertools.product(*keys)), columns=list(names))
    table["value"] = random.uniform(0.3, 0.95, len(table))
    return table.assign(low=table["value"] - 0.05, high=table["value"] + 0.05)


def _other_tables(corpus, random):
    tasks, probit = list(FEATURES_OF), np.linspace(-3, 0, 20)
    normalisations = (["none", "utterance_mean", "standard"], [True, False])
    density = _scored(random, (COEFFICIENTS, "FM", range(20)), "coefficient", "gender", "value")
    splits = ["random-chunk", "random-utterance", "chapter-disjoint", "speaker-disjoint"]
    splits = _scored(random, (tasks, splits), "task", "split")
    nested = _scored(random, (tasks, "012"), "task", "fold").drop(columns=["low", "high"])
    shares = {"validation_accuracy": 0.8, "utterance_accuracy": 0.7}
    det = _scored(random, (FEATURES_OF["gender"], probit), "features", "false_alarm_probit")
    outliers = corpus.head(30)[["utterance_id", "speaker_id", "chapter_id"]]
    tables = {
        "mfcc/effect_sizes": _scored(random, (COEFFICIENTS,), "coefficient"),
        "mfcc/correlation": _scored(random, (COEFFICIENTS,), "coefficient"),
        "mfcc/density": density.iloc[:, :3].assign(density=0.1),
        "mfcc/normalisations": _scored(
            random, normalisations, "normalisation", "standardised"
        ).rename(columns={"value": "accuracy"}),
        "mfcc/outliers": outliers.assign(distance=9.5, threshold=9.0, outlier=True),
        "split_audit": splits.assign(system="svm · mfcc", level="utterance", score="accuracy"),
        "layers": _scored(random, (tasks, range(7), ["utterance"]), "task", "layer", "level"),
        "layers_nested": nested.assign(layer=4, **shares),
        "learning_curve": _scored(random, (FEATURES_OF["gender"], [2, 4]), "features", "speakers"),
        "det": det.assign(false_alarm=0.1, miss=0.1, miss_probit=-3 - det["false_alarm_probit"]),
    }
    for kind in FEATURES_OF["speaker"]:
        clusters = {f"cluster_{name}": random.integers(-1, 5, len(corpus)) for name in ALGORITHMS}
        places = {"x": random.normal(size=len(corpus)), "y": random.normal(size=len(corpus))}
        views = [corpus.assign(map=view, **places, **clusters) for view in ("pca", "tsne")]
        tables[f"clusters/{kind}_map"] = pd.concat(views)
        keys = (ALGORITHMS, ["speaker", "gender", "chapter"], ["ari", "nmi", "purity"])
        tables[f"clusters/{kind}_agreement"] = _scored(random, keys, "algorithm", "label", "score")
    return tables


def _task_tables(task, corpus, random):
    systems = [f"{model} · {kind}" for kind in FEATURES_OF[task] for model in MODELS]
    label = corpus["gender" if task == "gender" else "speaker_id"]
    predicted = np.where(random.random(len(label)) < 0.8, label, random.permutation(label))
    levels, scores = ["chunk", "utterance"], ["accuracy", "f1", "roc_auc", "log_loss"]
    scores += ["balanced_accuracy"]
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
        "genders": _scored(random, (levels, "FM"), "level", "gender"),
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
