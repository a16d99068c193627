"""The table of predictions that classifiers leave behind and everything downstream reads.

One row per chunk, utterance or speaker: its ``speaker_id``, its true class ``label`` and one column
``p_<class>`` per class, in the order of the classes.
"""

import pandas as pd

PROBABILITY = "p_"
"""What the names of the probability columns begin with."""


def classes_of(table: pd.DataFrame) -> list[str]:
    """Name the classes of a table of predictions, in the order of their columns.

    Parameters
    ----------
    table
        Predictions.

    Returns
    -------
    list of str
        The classes.
    """
    return [
        name.removeprefix(PROBABILITY) for name in table.columns if name.startswith(PROBABILITY)
    ]


def utterance_level(chunks: pd.DataFrame) -> pd.DataFrame:
    """Average the predictions over each utterance's chunks; all chunks count alike.

    Parameters
    ----------
    chunks
        Predictions per chunk, with ``utterance_id``, ``chapter_id`` and ``fold``.

    Returns
    -------
    DataFrame
        One row per utterance, in the order of the chunks, without the chunk columns.
    """
    keys = ["utterance_id", "speaker_id", "chapter_id", "fold", "label"]
    columns = [PROBABILITY + name for name in classes_of(chunks)]
    return chunks.groupby(keys, sort=False, as_index=False)[columns].mean()
