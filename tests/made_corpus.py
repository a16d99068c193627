"""A made-up corpus, chunk by chunk, as the examples of a task list it."""

import numpy as np
import pandas as pd

from speech.folds import gender_folds, speaker_folds

SEED = 17
SESSION = {"gender": "speaker_id", "speaker": "chapter_id"}
"""What is never in both training and test."""


def chunk_table(task, speakers=12, *, chapters=3, utterances=4, chunks=2, folds=4):
    """List the chunks of so many speakers, every second a woman, with label, session and fold."""
    rows = [
        (f"{speaker}-{chapter}-{number}", str(speaker), str(chapter), "MF"[speaker % 2])
        for speaker in range(101, 101 + speakers)
        for chapter in range(10 * speaker, 10 * speaker + chapters)
        for number in range(utterances)
    ]
    columns = ["utterance_id", "speaker_id", "chapter_id", "gender"]
    listed = pd.DataFrame(rows, columns=columns).assign(seconds=4.0)
    dealt = gender_folds(listed, folds, SEED) if task == "gender" else speaker_folds(listed, folds)
    table = listed.drop(columns="seconds").loc[np.repeat(listed.index, chunks)]
    table = table.assign(chunk=np.tile(np.arange(chunks), len(listed))).reset_index(drop=True)
    return table.assign(
        label=table["gender" if task == "gender" else "speaker_id"],
        session=table[SESSION[task]],
        fold=table["utterance_id"].map(dealt.set_index("utterance_id")["fold"]),
    )
