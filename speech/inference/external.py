"""External validation: trained models asked about a corpus that took no part in their training.

Each utterance is predicted as predict.py predicts it: chunks without speech do not count. Where all
of an utterance is without speech, predict.py gives no answer; how often is ``unanswered``. For the
scores the models are asked about all chunks of such an utterance nevertheless, so that the accuracy
is one of all utterances, as the accuracy out of fold is.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from speech.audio.stream import AudioError, open_stream
from speech.corpus.index import CorpusIndex, index_corpus
from speech.corpus.layouts import Location, list_recordings, locate, with_genders
from speech.corpus.spreadsheet import read_header
from speech.errors import UserError
from speech.evaluation.calibration import expected_calibration_error, reliability
from speech.evaluation.scores import average_by
from speech.evaluation.systems import ECE
from speech.inference.embedder import Embed, embedder_for
from speech.inference.models import ChosenModel, load_model, require_same_features
from speech.inference.passages import cut_passages
from speech.inference.predictor import Predictor, Probabilities, probabilities_of_whole
from speech.inference.recogniser import SHORTEST_SECONDS
from speech.parallel import Progress, silent, spread
from speech.params import Task
from speech.storage.predictions import predicted_classes, with_probabilities


class Validation(NamedTuple):
    """What came out.

    Attributes
    ----------
    systems
        One row per model: ``model``, ``features``, ``accuracy``, ``low``, ``high``,
        ``accuracy_F``, ``accuracy_M``, ``f1`` (macro, over the classes that occur) and the
        expected calibration error.
    utterances, speakers, minutes
        How much they were asked about.
    unanswered
        Share of the utterances that predict.py gives no answer for: nothing of them is speech.
    """

    systems: pd.DataFrame
    utterances: int
    speakers: int
    minutes: float
    unanswered: float


def find_labelled(labels: Path, folders: Sequence[Path]) -> Location:
    """Find the recordings that a table says the speakers and genders of.

    Parameters
    ----------
    labels
        A table with a column ``path``, which names the recordings itself; or one of speaker_id and
        gender, or a SPEAKERS.TXT, for the folder that holds the recordings.
    folders
        None, or that folder.

    Raises
    ------
    UserError
        If the table cannot be read, or is not for what is named beside it.
    """
    if not (labels.is_file() and os.access(labels, os.R_OK)):
        raise UserError(f"--labels: {labels} is no file that can be read; name a table.")
    if labels.suffix.lower() == ".csv" and "path" in read_header(labels):
        if folders:
            raise UserError(
                f"{labels}: names the recordings itself, by its column path; leave {folders[0]} "
                "out, or the column."
            )
        return locate(labels)
    if len(folders) != 1 or not folders[0].is_dir():
        raise UserError(
            f"{labels}: has no column path, and so goes with one folder, that holds a folder for "
            "each speaker; name that, or add the column."
        )
    return Location(folders[0], labels)


def read_corpus(
    location: Location,
    *,
    min_seconds: float = SHORTEST_SECONDS,
    jobs: int = 1,
    progress: Progress = silent,
) -> CorpusIndex:
    """List the usable utterances of a corpus in any layout; the parameters are `index_corpus`'s."""
    recordings = with_genders(list_recordings(location))
    # predict.py refuses what is shorter.
    shortest = max(min_seconds, SHORTEST_SECONDS)
    return index_corpus(
        location.audio, recordings, min_seconds=shortest, jobs=jobs, progress=progress
    )


def find_overlap(utterances: pd.DataFrame, trained: pd.DataFrame) -> pd.DataFrame:
    """Find what of a corpus took part in training.

    One id is one person, in whatever layout; so is whoever has a recording in both corpora.

    Parameters
    ----------
    utterances, trained
        Of this corpus and of the one in training, as the index lists them.

    Returns
    -------
    DataFrame
        Of each utterance of this corpus whether the ``recording``, the ``speaker`` and the
        ``session`` are in both.
    """
    recording = utterances["content"].isin(trained["content"])
    known = {*trained["speaker_id"], *utterances.loc[recording, "speaker_id"]}
    sessions = pd.MultiIndex.from_frame(trained[["speaker_id", "chapter_id"]])
    own = pd.MultiIndex.from_frame(utterances[["speaker_id", "chapter_id"]])
    # A file that is a session by itself is named by its path, which says nothing here.
    is_named = utterances["chapter_id"] != utterances["utterance_id"]
    return pd.DataFrame(
        {
            "recording": recording,
            "speaker": utterances["speaker_id"].isin(known),
            "session": own.isin(sessions) & is_named,
        }
    )


def load_models(
    models: Path, task: Task, choices: Sequence[str], encoder: Path | None = None
) -> tuple[list[ChosenModel], Embed | None]:
    """Load several models of a task, and the encoder of those on wav2vec 2.0.

    Parameters
    ----------
    models, encoder
        As for `speech.Recogniser`.
    task
        Which.
    choices
        The models, as ``<features>-<model>``.

    Raises
    ------
    UserError
        As `load_model` and `find_encoder`; or if the models do not share their features' settings.
    """
    chosen = [load_model(models, task, choice) for choice in choices]
    require_same_features([(str(model), model.spec) for model in chosen])
    return chosen, embedder_for(chosen, models, encoder)


def validate(
    chosen: Sequence[ChosenModel],
    embedder: Embed | None,
    audio: Path,
    utterances: pd.DataFrame,
    *,
    resamples: int = 1000,
    seed: int = 0,
    jobs: int = 1,
    progress: Progress = silent,
) -> Validation:
    """Ask models about utterances, all of them in one pass, and score each.

    Parameters
    ----------
    chosen, embedder
        As `load_models` returns them.
    audio
        The folder of the recordings.
    utterances
        As `read_corpus` lists them, with a gender (gender) or of enrolled speakers (speaker).
    resamples, seed
        Of the bootstrap over speakers.
    jobs, progress
        As in `speech.parallel.spread`.

    Raises
    ------
    UserError
        If there are no utterances, or a recording is not what it was when it was listed.
    """
    if utterances.empty:
        raise UserError(f"{audio}: has no recording of a speaker with F or M on record; add some.")
    task, settings = chosen[0].task, chosen[0].spec.chunks
    # With the gate as predict.py has it, then without.
    predictors = [Predictor(chosen, None, 0.0, embedder, gate) for gate in (True, False)]

    def ask(path: str) -> tuple[bool, Probabilities]:
        for predictor in predictors:
            try:
                with open_stream(audio / path) as stream:
                    passages = cut_passages(stream, chunk_seconds=settings.seconds)
                    own = probabilities_of_whole([*map(predictor.predict_passage, passages)])
            except AudioError as error:
                raise UserError(f"{audio / path}: {error}; remove or repair it.") from None
            if own:
                break
        return predictor.gate, own

    asked = spread(ask, utterances["path"].tolist(), jobs, progress, prefer="threads")
    labels = utterances["gender" if task == "gender" else "speaker_id"]
    table = utterances[["utterance_id", "speaker_id", "gender"]].assign(label=labels)
    rows = []
    for number, model in enumerate(chosen):
        probabilities: NDArray[np.floating] = np.stack([own[number] for _, own in asked])
        rows.append(
            {
                "model": model.model,
                "features": model.features,
                **_scores(
                    with_probabilities(table, model.classifier.classes, probabilities),
                    task,
                    resamples=resamples,
                    seed=seed,
                ),
            }
        )
    return Validation(
        pd.DataFrame(rows),
        utterances=len(utterances),
        speakers=utterances["speaker_id"].nunique(),
        minutes=float(utterances["seconds"].sum()) / 60,
        unanswered=float(np.mean([not gate for gate, _ in asked])),
    )


def _scores(table: pd.DataFrame, task: Task, *, resamples: int, seed: int) -> dict[str, float]:
    """Score one model: all utterances, those of women, those of men."""
    from sklearn.metrics import f1_score

    resampling = {"resamples": resamples, "seed": seed}
    everything = pd.Series("all", index=table.index)
    (whole,) = average_by(table, everything, task, **resampling).itertuples()
    by_gender = average_by(table, table["gender"], task, **resampling).set_index("group")["value"]
    present = sorted(set(table["label"]))
    predicted = predicted_classes(table)
    return {
        **{"accuracy": whole.value, "low": whole.low, "high": whole.high},
        **{f"accuracy_{gender}": by_gender.get(gender, np.nan) for gender in "FM"},
        "f1": f1_score(table["label"], predicted, labels=present, average="macro", zero_division=0),
        ECE: expected_calibration_error(reliability(table, task, **resampling)),
    }
