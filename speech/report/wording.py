"""How the page writes numbers and names: percent with intervals, models, features, splits."""

import math
from collections.abc import Collection, Iterable, Mapping
from contextvars import ContextVar
from typing import Any

import pandas as pd

from speech.storage.results import NOTHING, printable

MODELS = {
    **{"dummy": "naive baseline", "logistic": "logistic regression", "svm": "SVM", "lda": "LDA"},
    **{"mlp": "MLP", "cnn": "CNN", "best": "the best model of the other folds"},
}
FEATURES = {"mfcc": "MFCC", "mfcc_pitch": "MFCC + pitch", "wav2vec2": "wav2vec 2.0"}
encoder: ContextVar[str] = ContextVar("encoder", default=FEATURES["wav2vec2"])
"""What the features of the encoder are called on this page: the encoder may be of its kin."""
GENDERS = {"F": "women", "M": "men", "all": "all speakers"}
SPLITS = {
    "random-chunk": "random chunks",
    "random-utterance": "random utterances",
    "chapter-disjoint": "disjoint chapters",
    "speaker-disjoint": "disjoint speakers",
}
MINUS = "\N{MINUS SIGN}"


def model(name: str) -> str:
    """Name a model."""
    return MODELS.get(name, name)


def features(name: str) -> str:
    """Name a kind of features."""
    return encoder.get() if name == "wav2vec2" else FEATURES.get(name, name)


def system(name: str) -> str:
    """Name a model with its features, which the tables write ``model · features``."""
    of_model, _, of_features = name.partition(" · ")
    return f"{model(of_model)} · {features(of_features)}"


def in_words(table: pd.DataFrame) -> pd.DataFrame:
    """Name the models, features and systems in a table."""
    named = {"model": model, "features": features, "system": system}
    return table.assign(**{name: table[name].map(named[name]) for name in named if name in table})


def gender(name: Any) -> str:
    """Name a gender, or say that none is on record."""
    return GENDERS.get(name, "not on record")


def name(value: Any) -> str:
    """Write a name; one that is not on record is a dash.

    Signs that cannot be seen are written out, for they may turn the direction of what follows.
    """
    if pd.isna(value):
        return NOTHING
    return printable(str(value))


def number(value: float | None, digits: int = 2) -> str:
    """Write a number; one that is not defined is a dash."""
    if value is None or math.isnan(value):
        return NOTHING
    return f"{value:,.{digits}f}".replace("-", MINUS)


def count(value: float) -> str:
    """Write a whole number."""
    return number(value, 0)


def percent(value: float | None) -> str:
    """Write a share as percent: 97.1 %."""
    shown = points(value)
    return shown if shown == NOTHING else f"{shown} %"


def points(value: float | None) -> str:
    """Write a share as percent without the sign: 97.1."""
    return NOTHING if value is None else number(100 * value, 1)


def interval(scores: Mapping[str, float | None], score: str) -> str:
    """Write one of some scores as percent, with its interval: 97.1 % [94.6, 99.2]."""
    ends = [points(scores[f"{score}_{end}"]) for end in ("low", "high")]
    shown = percent(scores[score])
    return shown if NOTHING in (shown, *ends) else f"{shown} [{', '.join(ends)}]"


def ranged(values: Collection[int]) -> str:
    """Write the smallest and the largest of some counts: 4 to 6."""
    ends = sorted({min(values), max(values)})
    return " to ".join(map(count, ends))


def agreement(rand: float) -> str:
    """Say in words how well clusters agree with labels, by their adjusted Rand index."""
    words = {0.8: "almost match", 0.5: "largely match", 0.2: "partly match"}
    return next((word for least, word in words.items() if rand >= least), "hardly match")


def plural(value: int, one: str, many: str | None = None) -> str:
    """Count things: 1 speaker, 2 speakers."""
    return f"{count(value)} {one if value == 1 else many or one + 's'}"


def listed(parts: Iterable[Any]) -> str:
    """Join words as a sentence does: a, b and c."""
    *first, last = map(str, parts)
    return f"{', '.join(first)} and {last}" if first else last
