"""How the page writes numbers and names: percent with intervals, models, features, splits."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

MODELS = {
    **{"dummy": "naive baseline", "logistic": "logistic regression", "svm": "SVM", "lda": "LDA"},
    **{"mlp": "MLP", "cnn": "CNN", "best": "the best model of the other folds"},
}
FEATURES = {"mfcc": "MFCC", "mfcc_pitch": "MFCC + pitch", "wav2vec2": "wav2vec 2.0"}
GENDERS = {"F": "women", "M": "men", "all": "all speakers"}
SPLITS = {
    "random-chunk": "random chunks",
    "random-utterance": "random utterances",
    "chapter-disjoint": "disjoint chapters",
    "speaker-disjoint": "disjoint speakers",
}
UNKNOWN = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"


def model(name: str) -> str:
    """Name a model."""
    return MODELS.get(name, name)


def features(name: str) -> str:
    """Name a kind of features."""
    return FEATURES.get(name, name)


def system(name: str) -> str:
    """Name a model with its features, which the tables write ``model · features``."""
    of_model, _, of_features = name.partition(" · ")
    return f"{model(of_model)} · {features(of_features)}"


def gender(name: Any) -> str:
    """Name a gender, or say that none is on record."""
    return GENDERS.get(name, "not on record")


def name(value: Any) -> str:
    """Write a name; one that is not on record is a dash."""
    return UNKNOWN if pd.isna(value) else str(value)


def number(value: float | None, digits: int = 2) -> str:
    """Write a number; one that is not defined is a dash."""
    if value is None or math.isnan(value):
        return UNKNOWN
    return f"{value:,.{digits}f}".replace("-", MINUS)


def count(value: float) -> str:
    """Write a whole number."""
    return number(value, 0)


def percent(value: float | None) -> str:
    """Write a share as percent: 97.1 %."""
    shown = points(value)
    return shown if shown == UNKNOWN else f"{shown} %"


def points(value: float | None) -> str:
    """Write a share as percent without the sign: 97.1."""
    return UNKNOWN if value is None else number(100 * value, 1)


def interval(scores: Mapping[str, float | None], score: str) -> str:
    """Write one of some scores as percent, with its interval: 97.1 % [94.6, 99.2]."""
    ends = [points(scores[f"{score}_{end}"]) for end in ("low", "high")]
    shown = percent(scores[score])
    return shown if UNKNOWN in (shown, *ends) else f"{shown} [{', '.join(ends)}]"


def plural(value: int, one: str, many: str | None = None) -> str:
    """Count things: 1 speaker, 2 speakers."""
    return f"{count(value)} {one if value == 1 else many or one + 's'}"


def listed(parts: Iterable[str]) -> str:
    """Join words as a sentence does: a, b and c."""
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last
