"""The index and the features of a made-up corpus, as the stages leave them under data/."""

import json

import numpy as np
import pandas as pd

from speech.features.mfcc import frame_count
from speech.features.settings import REFERENCE
from speech.features.store import speaker_file, write_speaker
from stages.paths import ENCODER_FACTS, MFCC, PITCH, UTTERANCES, WAV2VEC2

SAMPLES, CHUNKS = 48_000, 2


def write_features(genders, *, sessions=2, utterances=1, copies=0, states=3):
    """Write features of speakers 0, 1, …, of these genders; return the index."""
    random = np.random.default_rng(0)
    frames, rows = frame_count(SAMPLES), []
    for number, gender in enumerate(genders):
        mfcc, pitch, wav2vec2 = {}, {}, {}
        for item in range(utterances * sessions):
            session = f"{item // utterances}"
            name = f"{number}-{session}-{item}"
            for copy in ("", *(f"/copy{k}" for k in range(copies))):
                mfcc[name + copy] = random.normal(size=(frames, 60)).astype(np.float32)
            pitch[f"{name}/pitch"] = np.full((frames, 2), 0.5, dtype=np.float32)
            pooled = random.normal(size=(CHUNKS, states, 16)).astype(np.float32)
            sequence = random.normal(size=(CHUNKS, 25, 8)).astype(np.float16)
            wav2vec2 |= {f"{name}/pooled": pooled, f"{name}/sequence": sequence}
            rows.append((name, f"{number}", session, gender, SAMPLES, SAMPLES / 16_000))
        for folder, tensors in ((MFCC, mfcc), (PITCH, pitch), (WAV2VEC2, wav2vec2)):
            write_speaker(speaker_file(folder, f"{number}"), tensors, "", {})
    facts = {"states": states, "family": "wav2vec 2.0", "mode": str(REFERENCE)}
    ENCODER_FACTS.write_text(json.dumps({"files": {}, **facts}))
    columns = ["utterance_id", "speaker_id", "chapter_id", "gender", "samples", "seconds"]
    table = pd.DataFrame(rows, columns=columns)
    table.to_parquet(UTTERANCES)
    return table
