"""The stage analyse_mfcc on made-up features: its files and their columns."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from speech.exploration.mfcc_analysis import NORMALISATIONS
from speech.features.store import speaker_file, write_speaker
from speech.params import load_params
from stages.analyse_mfcc import analyse_mfcc
from stages.paths import FOLDS, MFCC, PLOTS, UTTERANCES

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
        copies = {f"{name}/copy0": part + 100 for name, part in frames.items()}
        write_speaker(speaker_file(MFCC, speaker), frames | copies, "", {})
    columns = ["utterance_id", "speaker_id", "chapter_id", "gender", "seconds"]
    table = pd.DataFrame(rows, columns=columns)
    table.to_parquet(UTTERANCES)
    labelled = table[table["gender"].notna()]
    fold = labelled["speaker_id"].astype(int) // 2 % 2
    FOLDS.mkdir()
    labelled[["utterance_id"]].assign(fold=fold).to_csv(FOLDS / "gender.csv", index=False)
    return table


def test_every_table_has_its_columns_and_what_was_planted(inputs):
    assert "c03 differs most" in analyse_mfcc(PARAMS)
    tables = {path.stem: pd.read_csv(path) for path in (PLOTS / "mfcc").iterdir()}
    session = ["utterance_id", "speaker_id", "chapter_id"]
    shape = ["mean", "std", "skewness", "kurtosis", "q05", "q25", "q50", "q75", "q95"]
    scores = ["accuracy", "low", "high", "difference", "difference_low", "difference_high"]
    assert {name: list(table) for name, table in tables.items()} == {
        "correlation": [
            *("coefficient", "value", "low", "high", "d", "d_low", "d_high"),
            *("p", "p_corrected", "significant"),
        ],
        "density": ["coefficient", "gender", "value", "density"],
        "distributions": ["coefficient", "gender", "frames", *shape],
        "normalisations": ["normalisation", "standardised", *scores],
        "outliers": [*session, "distance", "threshold", "outlier"],
    }
    assert list(tables["correlation"]["coefficient"][:2]) == ["c00 energy", "c01"]
    assert tables["correlation"].set_index("coefficient").loc["c03", "d"] < -2
    assert set(tables["distributions"]["gender"]) == {"F", "M"}
    assert tables["normalisations"]["normalisation"].tolist() == [*NORMALISATIONS, *NORMALISATIONS]
    assert tables["outliers"]["utterance_id"][0] == ODD
    assert len(tables["outliers"]) == 288
