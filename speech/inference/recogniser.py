"""The trained models applied to recordings: one in, predictions out."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from io import BytesIO
from os import cpu_count
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from speech.audio import SAMPLE_RATE
from speech.audio.decode import AudioError
from speech.audio.stream import open_stream
from speech.errors import UserError
from speech.evaluation.headline import require_trained, trained_tasks
from speech.inference.answers import Answer
from speech.inference.embedder import embedder_for
from speech.inference.models import (
    HEADLINE,
    ChosenModel,
    find_models,
    is_pretrained,
    load_model,
    require_same_features,
)
from speech.inference.passages import Passage, cut_passages
from speech.inference.predictor import Predicted, Predictor
from speech.params import Task
from speech.rejection.model_file import OpenSet, read_rejection
from speech.storage.progress import ByteProgress, unseen

SHORTEST_SECONDS = 0.5
"""Of a recording; training uses nothing shorter either (index.min_seconds)."""

_MOST_JOBS = 8
"""Unless a user asks for more: each takes about 50 MB while it works."""


class Recogniser:
    """Predicts the gender and the speaker of recordings with the trained models.

    Parameters
    ----------
    models
        The folder of trained models, which `dvc repro` makes; it may have been moved. If not given,
        ``models`` where there are some, else the gender model that comes with the project.
    tasks
        ``gender``, ``speaker``, or both; if not given, those that models were trained for.
    gender_model, speaker_model
        Which model predicts, as ``<features>-<model>``, such as ``mfcc-logistic``; the headline
        model of the task if not given.
    encoder
        Folder of the wav2vec 2.0 that the models on it were trained with; if not given, it is
        looked for at ``<models>/encoder`` and ``<models>/../data/encoder``.
    jobs
        How many passages of a recording are measured at once; -1 for one per core, eight at most.
        Never changes a prediction.

    Raises
    ------
    UserError
        If a model or the encoder is not there, of another version, damaged or changed.

    Examples
    --------
    >>> from speech import Recogniser
    >>> recogniser = Recogniser("models", tasks=["gender"])  # doctest: +SKIP
    >>> recogniser.predict("talk.mp3").summary.gender  # doctest: +SKIP
    'F'
    """

    def __init__(
        self,
        models: str | Path | None = None,
        *,
        tasks: Sequence[Task] | None = None,
        gender_model: str = HEADLINE,
        speaker_model: str = HEADLINE,
        encoder: str | Path | None = None,
        jobs: int = -1,
    ) -> None:
        named = Path(encoder) if encoder is not None else None
        try:
            self.folder = find_models(Path(models) if models is not None else None)
            """Of the models."""
            self._load(self.folder, tasks, {"gender": gender_model, "speaker": speaker_model})
            self._embedder = embedder_for(self.models, self.folder, named)
        except OSError as error:
            raise UserError(
                f"{error.filename}: cannot be read ({error.strerror}); correct its access rights, "
                "or name another folder of models or encoder."
            ) from None
        self._jobs = jobs if jobs > 0 else min(cpu_count() or 1, _MOST_JOBS)

    @property
    def open_set(self) -> OpenSet | None:
        """The enrolled speakers, by the features of the speaker model; None without one."""
        for model in self.models:
            if model.task == "speaker":
                return self.rejection.speakers.get(model.features)
        return None

    def predict(self, recording: str | Path | BinaryIO, progress: ByteProgress = unseen) -> Answer:
        """Predict a recording of any length; memory does not grow with it.

        Parameters
        ----------
        recording
            A file that libsndfile decodes (WAV, FLAC, MP3, OGG, AIFF, …), at any rate and with any
            number of channels, or such a file opened in binary mode.
        progress
            Called with the seconds done and all of them, passage by passage.

        Returns
        -------
        Answer
            For the whole (``summary``), for each stretch of one voice (``segments``) and for each
            chunk (``chunks``); times in seconds.

        Raises
        ------
        AudioError
            If it cannot be read or decoded, is empty, or too short.
        """
        name = str(recording) if isinstance(recording, str | Path) else "-"
        source = Path(recording) if isinstance(recording, str | Path) else recording
        predictor = Predictor(
            self.models, self.open_set, self.rejection.low_confidence, self._embedder
        )
        chunks: list[Predicted] = []
        with open_stream(source) as stream, threadpool_limits(1):
            passages = cut_passages(stream, chunk_seconds=self.models[0].spec.chunks.seconds)
            for stop, predicted in self._predicted(predictor, _long_enough(passages)):
                chunks += predicted
                progress(stop // SAMPLE_RATE, stream.seconds)
            return predictor.predict_whole(name, chunks, stop / SAMPLE_RATE, stream)

    def predict_signal(self, signal: NDArray[np.floating], rate: int) -> Answer:
        """Predict samples in memory.

        Parameters
        ----------
        signal
            Shape (samples,) or (samples, channels), full scale ±1.
        rate
            Hz.

        Returns
        -------
        Answer
            As of a file with the same samples.

        Raises
        ------
        AudioError
            As `predict`.
        TypeError
            If the samples are integers, whose full scale is not ±1.
        """
        if not np.issubdtype(signal.dtype, np.floating):
            raise TypeError(
                f"samples are {signal.dtype}; give fractions of full scale, such as "
                "samples / 32768 of 16 bits"
            )
        content = BytesIO()
        soundfile.write(content, signal.astype(np.float32), rate, "FLOAT", format="WAV")
        content.seek(0)
        return self.predict(content)

    def _load(
        self, folder: Path, tasks: Sequence[Task] | None, choices: Mapping[Task, str]
    ) -> None:
        if is_pretrained(folder) and ("speaker" in (tasks or ()) or choices["speaker"] != HEADLINE):
            raise UserError(
                "speaker: the model that comes with the project predicts the gender only; run "
                "`dvc repro` on recordings of your speakers, or name models of theirs by --models."
            )
        if tasks is None:
            # A model that is named for a task without one is refused, not passed over.
            trained = trained_tasks(folder)
            tasks = [task for task in choices if task in trained or choices[task] != HEADLINE]
        for task in tasks:
            require_trained(folder, task)
        self.models: list[ChosenModel] = [load_model(folder, t, choices[t]) for t in tasks]
        """One per task."""
        self.rejection = read_rejection(folder / "rejection")
        """Decides which recordings get no answer, or an unsure one."""
        named = [(str(model), model.spec) for model in self.models]
        if self.open_set:
            named.append((str(folder / "rejection"), self.open_set.spec))
        elif "speaker" in tasks:
            raise UserError(
                f"{folder / 'rejection'}: has no speakers enrolled for this model; run `dvc repro` "
                "to make it."
            )
        require_same_features(named)

    def _predicted(
        self, predictor: Predictor, passages: Iterable[Passage]
    ) -> Iterator[tuple[int, list[Predicted]]]:
        """Predict some passages at once; give where each ends and its chunks, in order."""

        def predict(passage: Passage) -> tuple[int, list[Predicted]]:
            return passage.start + len(passage.signal), predictor.predict_passage(passage)

        waiting: deque[Future[tuple[int, list[Predicted]]]] = deque()
        with ThreadPoolExecutor(self._jobs) as pool:
            for passage in passages:
                waiting.append(pool.submit(predict, passage))
                if len(waiting) > self._jobs:  # never keep many
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()


def _long_enough(passages: Iterator[Passage]) -> Iterator[Passage]:
    first = next(passages, None)
    # Nothing at all may be left of some samples at a higher rate.
    seconds = len(first.signal) / SAMPLE_RATE if first else 0.0
    if first is None or seconds < SHORTEST_SECONDS:
        raise AudioError(f"too short ({seconds:.2f} s; at least {SHORTEST_SECONDS:g} s are needed)")
    yield first
    yield from passages
