"""The trained models as one listener: a recording in, an answer out."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from io import BytesIO
from os import cpu_count
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from speech.audio.decode import AudioError
from speech.audio.stream import open_stream
from speech.errors import UserError
from speech.inference.answers import Answer
from speech.inference.embedder import Embedder
from speech.inference.measured import Measured
from speech.inference.models import (
    HEADLINE,
    ChosenModel,
    find_encoder,
    load_model,
    same_chunks,
)
from speech.inference.passages import Passage, cut_passages
from speech.inference.summary import Judge, model_inputs, voice_inputs
from speech.params import SAMPLE_RATE, Task
from speech.rejection.model_file import VoiceModel, read_rejection
from speech.storage.progress import ByteProgress, unseen

SHORTEST_SECONDS = 0.5
"""Of a recording that is answered at all: nothing shorter is learnt from (index.min_seconds)."""

_MOST_JOBS = 8
"""Unless a user asks for more: each takes about 50 MB while it works."""


class Recogniser:
    """Listens to recordings with the trained models.

    Parameters
    ----------
    models
        The folder of trained models, which `dvc repro` makes; it may have been moved.
    tasks
        What is asked: ``gender``, ``speaker``, or both.
    gender_model, speaker_model
        Which model answers, as ``<features>-<model>``, such as ``mfcc-logistic``; by itself the
        headline model of the task.
    encoder
        Folder of the wav2vec 2.0 that the models on it were trained with; by itself it is looked
        for at ``<models>/encoder`` and ``<models>/../data/encoder``.
    jobs
        How many passages of a recording are measured at once; -1 for one per core, eight at most.
        Never changes an answer.

    Raises
    ------
    UserError
        If a model or the encoder is not there, of another version, damaged or changed.

    Examples
    --------
    >>> from speech import Recogniser
    >>> voice = Recogniser("models", tasks=["gender"])  # doctest: +SKIP
    >>> voice.predict("talk.mp3").summary.gender  # doctest: +SKIP
    'F'
    """

    def __init__(
        self,
        models: str | Path = "models",
        *,
        tasks: Sequence[Task] = ("gender", "speaker"),
        gender_model: str = HEADLINE,
        speaker_model: str = HEADLINE,
        encoder: str | Path | None = None,
        jobs: int = -1,
    ) -> None:
        folder = Path(models)
        choices = {"gender": gender_model, "speaker": speaker_model}
        self.models: list[ChosenModel] = [load_model(folder, t, choices[t]) for t in tasks]
        """The models that answer, one per task."""
        self.rejection = read_rejection(folder / "rejection")
        """What decides that nothing is answered."""
        for model in self.models:
            if model.task == "speaker":
                self._require_voices(model, folder)
        same_chunks(
            [("rejection", self.rejection.recipe), *((str(m), m.recipe) for m in self.models)]
        )
        self.chunks = self.rejection.recipe.chunks
        """How a recording is cut."""
        on_wav2vec2 = [model for model in self.models if model.features == "wav2vec2"]
        named = Path(encoder) if encoder is not None else None
        encoders = [find_encoder(folder, model, named) for model in on_wav2vec2]
        recipes = [model.recipe for model in on_wav2vec2]
        recipes += [self._voices_of(m).recipe for m in on_wav2vec2 if m.task == "speaker"]
        of_frames = [m.recipe for m in on_wav2vec2 if m.classifier.form == "frames"]
        self._embed = Embedder.of_models(encoders[0], recipes, of_frames) if encoders else None
        self._jobs = jobs if jobs > 0 else min(cpu_count() or 1, _MOST_JOBS)

    def predict(self, recording: str | Path | BinaryIO, progress: ByteProgress = unseen) -> Answer:
        """Listen to a recording of any length; memory does not grow with it.

        Parameters
        ----------
        recording
            A file that libsndfile decodes (WAV, FLAC, MP3, OGG, AIFF, …), at any rate and with any
            number of channels, or such a file opened in binary mode.
        progress
            Told the seconds that were heard, and of how many, passage by passage.

        Returns
        -------
        Answer
            About the whole (``summary``) and about each chunk (``segments``); times in seconds.

        Raises
        ------
        AudioError
            If it cannot be read or decoded, is empty, or too short.
        """
        name = str(recording) if isinstance(recording, str | Path) else "-"
        source = Path(recording) if isinstance(recording, str | Path) else recording
        judge = Judge(self.models, self.rejection, self.chunks)
        with open_stream(source) as stream, threadpool_limits(1):
            passages = cut_passages(stream, self.chunks)
            for passage, measured in self._measured(_long_enough(passages)):
                judge.hear(passage, measured)
                heard = passage.start + len(passage.signal)
                progress(heard // SAMPLE_RATE, stream.seconds)
            return judge.answer(name, stream.sample_rate)

    def predict_signal(self, signal: NDArray[np.floating], rate: int) -> Answer:
        """Listen to samples in memory.

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
            If the samples are integers: whose full scale is not ±1.
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

    def answer(
        self, name: str, recording: Path | BinaryIO, progress: ByteProgress = unseen
    ) -> Answer:
        """Listen to a recording; one that cannot be heard is told, not raised.

        Parameters
        ----------
        name
            What it is called in the answer.
        recording, progress
            As in `predict`.
        """
        try:
            heard = self.predict(recording, progress)
        except AudioError as error:
            return Answer(name, error=str(error))
        return Answer(name, heard.summary, heard.segments)

    def _measured(self, passages: Iterable[Passage]) -> Iterator[tuple[Passage, Measured]]:
        """Measure some passages at once; they are given in order, and never many are waiting."""
        waiting: deque[tuple[Passage, Future[Measured]]] = deque()
        with ThreadPoolExecutor(self._jobs) as pool:
            for passage in passages:
                waiting.append((passage, pool.submit(self._measure, passage)))
                if len(waiting) > self._jobs:
                    first, future = waiting.popleft()
                    yield first, future.result()
            while waiting:
                first, future = waiting.popleft()
                yield first, future.result()

    def _measure(self, passage: Passage) -> Measured:
        measured = Measured(passage, self.chunks, self.rejection, self._embed)
        if measured.speech.any():
            for model in self.models:
                model_inputs(model, measured)
                if model.task == "speaker":
                    voice_inputs(model, measured, self.rejection)
        return measured

    def _require_voices(self, model: ChosenModel, folder: Path) -> None:
        """Make sure that voices are known by what a speaker model hears."""
        place = folder / "rejection"
        if model.features not in self.rejection.voices:
            raise UserError(
                f"{place}: knows no voices by {model.features}; run `dvc repro` to make it."
            )
        if self._voices_of(model).recipe.encoder != model.recipe.encoder:
            raise UserError(
                f"{place}: knows voices by another encoder than {model.folder.name}; copy all "
                "models of one run."
            )

    def _voices_of(self, model: ChosenModel) -> VoiceModel:
        return self.rejection.voices[model.features]


def _long_enough(passages: Iterator[Passage]) -> Iterator[Passage]:
    shortest = round(SHORTEST_SECONDS * SAMPLE_RATE)
    for passage in passages:
        if passage.start == 0 and len(passage.signal) < shortest:
            seconds = len(passage.signal) / SAMPLE_RATE
            raise AudioError(
                f"too short ({seconds:.2f} s; at least {SHORTEST_SECONDS:g} s are needed)"
            )
        yield passage
