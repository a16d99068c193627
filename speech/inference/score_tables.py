"""Scores of trained models as text: a table for people, CSV and JSON for programs."""

from collections.abc import Callable

import pandas as pd

from speech.evaluation.systems import ECE
from speech.inference.external import Validation
from speech.storage.results import percent

_DIGITS = 4


def _table(validation: Validation) -> str:
    """Align columns for people: accuracy out of fold, and on these recordings."""
    names = ("model", "out of fold", "these recordings", "women", "men", "calibration error")
    lines: list[tuple[str, ...]] = [names]
    lines += [
        (
            f"{row['features']}-{row['model']}",
            percent(row["printed"], row["printed_low"], row["printed_high"]),
            percent(row["accuracy"], row["low"], row["high"]),
            *(percent(row[name]) for name in ("accuracy_F", "accuracy_M", ECE)),
        )
        for _, row in validation.systems.iterrows()
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    table = ["  ".join(map(str.ljust, line, widths)).rstrip() + "\n" for line in lines]
    return "".join(table) + (
        f"recordings: {validation.utterances:,}, of speakers: {validation.speakers:,}, "
        f"{validation.minutes:.1f} minutes; {percent(validation.unanswered)} would get no "
        "answer, because nothing in them is speech\n"
    )


def _rows(validation: Validation) -> pd.DataFrame:
    systems, *counts = validation
    return systems.assign(**dict(zip(validation._fields[1:], counts, strict=True))).round(_DIGITS)


FORMATS: dict[str, Callable[[Validation], str]] = {
    "table": _table,
    "csv": lambda scored: _rows(scored).to_csv(index=False, lineterminator="\n"),
    "json": lambda scored: _rows(scored).to_json(orient="records") + "\n",
    "jsonl": lambda scored: _rows(scored).to_json(orient="records", lines=True),
}
