"""A run that never was: every table the page reads, for as many speakers as one likes."""

import itertools
import json
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[2]
MODELS = ["dummy", "logistic", "svm", "lda", "mlp", "cnn"]
FEATURES_OF = {"gender": ["mfcc", "mfcc_pitch", "wav2vec2"], "speaker": ["mfcc", "wav2vec2"]}
ALGORITHMS = ["kmeans", "agglomerative", "hdbscan", "kmeans_2", "agglomerative_2"]
UTTERANCES = 6
"""Of each speaker, in two chapters."""


def files_of_a_run(speakers):
    """Make up what the stages leave: bytes by path. The metrics are those in the repository."""
    random = np.random.default_rng(speakers)
    corpus = _corpus(speakers, random)
    tables = {
        "mfcc/effect_sizes": _by_coefficient(random),
        "mfcc/correlation": _by_coefficient(random),
        "mfcc/density": _densities(random),
        "mfcc/normalisations": _normalisations(random),
        "mfcc/outliers": corpus.head(3).assign(distance=9.5, p_corrected=1e-5),
        "split_audit": _splits(random),
        "layers": _intervals(
            random,
            itertools.product(["gender", "speaker"], range(7), ["utterance"]),
            "task",
            "layer",
            "level",
        ),
        "learning_curve": _intervals(
            random, itertools.product(FEATURES_OF["gender"], [2, 4, 8]), "features", "speakers"
        ),
        "det": _det(),
        "gender/suspects": _suspects(corpus, random),
    }
    for task in FEATURES_OF:
        tables |= {f"{task}/{name}": made for name, made in _scores(task, corpus, random).items()}
    for kind in FEATURES_OF["speaker"]:
        tables[f"clusters/{kind}_map"] = _map(corpus, random)
        tables[f"clusters/{kind}_agreement"] = _agreement(random)
    files = {f"plots/{name}.csv": _csv(table) for name, table in tables.items()}
    files["data/utterances.parquet"] = corpus.to_parquet(index=False)
    files["data/rejected.csv"] = b"path,utterance_id,left_out_of,reason\n"
    files["params.yaml"] = (ROOT / "params.yaml").read_bytes()
    for path in (ROOT / "metrics").glob("*.json"):
        metrics = json.loads(path.read_text("utf-8"))
        if path.stem == "corpus":
            metrics["speakers"] = speakers
            metrics["female"]["speakers"] = (speakers + 1) // 2
            metrics["male"]["speakers"] = speakers // 2
        if path.stem in FEATURES_OF:
            metrics["counts"]["speakers"] = speakers
        files[f"metrics/{path.name}"] = json.dumps(metrics).encode()
    files["metrics/rejection.json"] = json.dumps(_rejection()).encode()
    return files


def _csv(table):
    return table.to_csv(index=False).encode()


def _corpus(speakers, random):
    rows = [
        (f"{speaker}-{number % 2}-{number:04d}", f"{speaker}", f"{speaker}{number % 2}")
        for speaker in range(100, 100 + speakers)
        for number in range(UTTERANCES)
    ]
    corpus = pd.DataFrame(rows, columns=["utterance_id", "speaker_id", "chapter_id"])
    corpus["gender"] = ["FM"[int(speaker) % 2] for speaker in corpus["speaker_id"]]
    corpus["path"] = corpus["utterance_id"] + ".wav"
    corpus["seconds"] = random.uniform(2, 15, len(corpus)).round(2)
    return corpus.assign(sample_rate=16_000)


def _intervals(random, keys, *names):
    table = pd.DataFrame(list(keys), columns=list(names))
    table["value"] = random.uniform(0.3, 0.95, len(table))
    return table.assign(low=table["value"] - 0.05, high=table["value"] + 0.05)


def _by_coefficient(random):
    return _intervals(random, [(f"c{number:02d}",) for number in range(30)], "coefficient")


def _densities(random):
    keys = itertools.product([f"c{number:02d}" for number in range(30)], "FM", range(20))
    table = pd.DataFrame(list(keys), columns=["coefficient", "gender", "value"])
    return table.assign(density=random.random(len(table)))


def _normalisations(random):
    names = ["none", "utterance_mean", "utterance", "standard", "robust"]
    keys = itertools.product(names, [True, False])
    table = _intervals(random, keys, "normalisation", "standardised")
    return table.rename(columns={"value": "accuracy"})


def _splits(random):
    careless = ["random-chunk", "random-utterance", "chapter-disjoint"]
    keys = [("gender from mfcc", split) for split in [*careless, "speaker-disjoint"]]
    keys += [("speaker from wav2vec2", split) for split in careless]
    table = _intervals(random, keys, "features", "split")
    return table.assign(system="svm · mfcc", level="utterance", score="accuracy")


def _det():
    probit = np.linspace(-3, 0, 20)
    curve = {
        "false_alarm": 0.1,
        "miss": 0.1,
        "false_alarm_probit": probit,
        "miss_probit": -3 - probit,
    }
    return pd.concat([pd.DataFrame(curve).assign(features=one) for one in FEATURES_OF["gender"]])


def _suspects(corpus, random):
    speakers = corpus.drop_duplicates("speaker_id")
    doubt = {
        "label_probability": 0.5,
        "utterances_against": 0.1,
        "systems": 12,
        "systems_against": 1,
    }
    table = pd.DataFrame({"speaker_id": speakers["speaker_id"], "label": speakers["gender"]})
    return table.assign(suspect=False, **doubt, median_f0_hz=150.0)


def _scores(task, corpus, random):
    systems = [(f"{m} · {f}", m, f) for f in FEATURES_OF[task] for m in MODELS]
    names = ["system", "model", "features"]
    label = corpus["gender" if task == "gender" else "speaker_id"]
    predicted = np.where(random.random(len(label)) < 0.8, label, random.permutation(label))
    scores = ["accuracy", "balanced_accuracy", "f1", "roc_auc", "log_loss"]
    speakers = corpus.drop_duplicates("speaker_id")[["speaker_id", "gender"]]
    share = random.uniform(0.3, 1, len(speakers))
    counts = {"chapters": 2, "utterances": UTTERANCES, "chunks": 20, "chunk_accuracy": share}
    curves = [
        (system, fold, epoch, part)
        for system, model, _ in systems
        for fold, epoch, part in itertools.product(
            range(3), range(1, 6), ["training", "validation"]
        )
        if model in ("mlp", "cnn")
    ]
    bins = [(*system, "utterance", number) for system in systems for number in (8, 12, 15)]
    points = [(*system, number / 10) for system in systems for number in range(11)]
    roc = pd.DataFrame(points, columns=[*names, "false_positive"])
    by_speaker = speakers.assign(**counts, utterance_accuracy=share, true_probability=share)
    return {
        "models": _intervals(
            random,
            [(*s, lv, sc) for s in systems for lv in ("chunk", "utterance") for sc in scores],
            *names,
            "level",
            "score",
        ),
        "confusion": pd.DataFrame(
            {"utterance_id": corpus["utterance_id"], "actual": label, "predicted": predicted}
        ),
        "roc": roc.assign(true_positive=roc["false_positive"] ** 0.2, threshold=0.5),
        "reliability": _intervals(random, bins, *names, "level", "bin").assign(
            expected_calibration_error=0.05,
            calibration_error_by_chance=0.02,
            rows=20,
            speakers=5,
            confidence=0.8,
        ),
        "by_length": _intervals(random, [("2 s",), ("4 s",), ("utterance",)], "length"),
        "genders": _intervals(
            random, itertools.product(["chunk", "utterance"], "FM"), "level", "gender"
        ),
        "speakers": by_speaker.assign(predicted="F") if task == "gender" else by_speaker,
        "tuning": pd.DataFrame(
            [("svm · mfcc", "0", '{"C": 1.0}', 0.4, 0.9, chosen) for chosen in (True, False)],
            columns=["system", "fold", "settings", "log_loss", "accuracy", "chosen"],
        ),
        "picked": pd.DataFrame(
            [
                (fold, model, 0.4, 0.9, model == "svm")
                for fold in ("0", "1", "all")
                for model in ("logistic", "svm")
            ],
            columns=["fold", "model", "log_loss", "accuracy", "picked"],
        ),
        "curves": pd.DataFrame(curves, columns=["system", "fold", "epoch", "part"]).assign(
            loss=0.5
        ),
    }


def _rejection():
    ends = ("", "_low", "_high")
    voices = {"eer": 0.15, "known_refused": 0.21, "unknown_accepted": 0.05}
    speech = {f"speech_refused{end}": 0.02 for end in ends}
    when = {"clean": 0.02, "room": 0.09}
    speech |= {"speech_refused_when": when, "nonspeech_accepted": 0.005, "signals": 194}
    rates = {f"{name}{end}": rate for name, rate in voices.items() for end in ends}
    return {"speech": {"chunk": speech}, "voices": dict.fromkeys(FEATURES_OF["speaker"], rates)}


def _map(corpus, random):
    names = corpus[["utterance_id", "speaker_id", "chapter_id", "gender"]]
    views = []
    for view in ("pca", "tsne"):
        x, y = random.normal(size=(2, len(corpus)))
        places = {"map": view, "x": x, "y": y}
        clusters = {
            f"cluster_{name}": random.integers(-1, 5, len(corpus)) for name in ALGORITHMS[:3]
        }
        views.append(names.assign(**places, **clusters))
    return pd.concat(views)


def _agreement(random):
    keys = itertools.product(ALGORITHMS, ["speaker", "gender", "chapter"], ["ari", "nmi", "purity"])
    table = pd.DataFrame(list(keys), columns=["algorithm", "label", "score"])
    return table.assign(value=random.random(len(table)))
