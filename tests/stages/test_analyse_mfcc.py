"""The stage analyse_mfcc on made-up features: its files, their columns, and their determinism."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from speech.errors import UserError
from speech.features.store import Recipe, speaker_file, write_speaker
from speech.params import load_params
from stages.analyse_mfcc import analyse_mfcc
from stages.paths import FOLDS, METRICS, MFCC, PLOTS, UTTERANCES

PARAMS = load_params(Path(__file__).parents[2] / "params.yaml")
COLUMNS = PARAMS.mfcc.coefficients * (1 + PARAMS.mfcc.delta_orders)
SPEAKERS = [f"{number:03d}" for number in range(8)]
ODD = "003-9-0004"


@pytest.fixture
def inputs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    rows = []
    for number, speaker in enumerate(SPEAKERS):
        frames = {}
        voice = random.normal(0, 3, COLUMNS)
        voice[3] += 20 * (number % 2)
        for item in range(36):
            name = f"{speaker}-9-{item:04d}"
            frames[name] = random.normal(voice, 5, (70, COLUMNS)).astype(np.float32)
            rows.append((name, speaker, "9", "FM"[number % 2] if number < 7 else None, 0.7))
        if speaker == ODD[:3]:
            frames[ODD][:, 5] += 40
        write_speaker(speaker_file(MFCC, speaker), frames, Recipe("", {}))
    columns = ["utterance_id", "speaker_id", "chapter_id", "gender", "seconds"]
    table = pd.DataFrame(rows, columns=columns)
    table.to_parquet(UTTERANCES)
    labelled = table[table["gender"].notna()]
    fold = labelled["speaker_id"].astype(int) // 2 % 2
    FOLDS.mkdir()
    labelled[["utterance_id"]].assign(fold=fold).to_csv(FOLDS / "gender.csv", index=False)
    return table


def written() -> dict[str, bytes]:
    files = [METRICS / "mfcc.json", *(PLOTS / "mfcc").iterdir()]
    return {str(path): path.read_bytes() for path in sorted(files)}


def test_metrics_say_what_was_found(inputs):
    words = analyse_mfcc(PARAMS)
    assert "c03 differs most" in words
    metrics = json.loads((METRICS / "mfcc.json").read_text())
    assert metrics["utterances"] == 288
    assert metrics["utterances_without_gender"] == 36
    assert metrics["frames"] == 288 * 70
    assert metrics["outliers"]["count"] == 1
    assert metrics["outliers"]["judged"] == 288
    assert metrics["gender"]["strongest"]["coefficient"] == "c03"
    assert metrics["gender"]["strongest"]["d"] < -2
    table = pd.read_csv(PLOTS / "mfcc" / "normalisations.csv")
    assert (table["low"] <= table["accuracy"]).all()
    assert (table["accuracy"] <= table["high"]).all()
    standardised = table[table["standardised"]]
    assert metrics["accuracy"] == pytest.approx(
        dict(zip(standardised["normalisation"], standardised["accuracy"], strict=True)), rel=1e-3
    )
    assert list(metrics["accuracy"]) == [
        "none",
        "utterance_mean",
        "utterance",
        "standard",
        "robust",
    ]


def test_tables_have_their_columns(inputs):
    analyse_mfcc(PARAMS)
    tables = {path.stem: pd.read_csv(path) for path in (PLOTS / "mfcc").iterdir()}
    assert sorted(tables) == [
        "correlation",
        "density",
        "distributions",
        "effect_sizes",
        "normalisations",
        "outliers",
    ]
    assert list(tables["correlation"]) == [
        *("coefficient", "value", "low", "high"),
        *("rank_biserial", "p", "p_corrected"),
    ]
    assert list(tables["effect_sizes"]) == ["coefficient", "value", "low", "high"]
    assert list(tables["correlation"]["coefficient"][:2]) == ["c00 energy", "c01"]
    assert list(tables["outliers"]["utterance_id"]) == [ODD]
    assert list(tables["outliers"]["coefficient"]) == ["c05"]
    assert list(tables["density"]) == ["coefficient", "gender", "value", "density"]
    assert set(tables["distributions"]["gender"]) == {"F", "M"}
    assert len(tables["normalisations"]) == 10


def test_files_are_identical_whatever_the_order_of_the_table(inputs):
    analyse_mfcc(PARAMS)
    first = written()
    inputs.sample(frac=1, random_state=1).to_parquet(UTTERANCES)
    analyse_mfcc(PARAMS)
    assert written() == first


def test_a_missing_features_file_is_named(inputs):
    speaker_file(MFCC, "005").unlink()
    with pytest.raises(UserError, match=r"005\.safetensors"):
        analyse_mfcc(PARAMS)
