"""Predictions for the passages of one recording, and for all of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech.audio import SAMPLE_RATE
from speech.audio.chunks import chunk_bounds, seconds_to_samples
from speech.audio.stream import AudioError, Stream
from speech.errors import UserError
from speech.features.examples import Bounds
from speech.inference.answers import (
    CHANNELS_CANCEL,
    CLIPPED,
    LOW_CONFIDENCE,
    MOSTLY_NOT_SPEECH,
    NOT_SPEECH,
    RESAMPLED,
    SEVERAL_VOICES,
    SHORT,
    SILENT,
    UNKNOWN_SPEAKER,
    Answer,
    Segment,
)
from speech.inference.embedder import Embedder
from speech.inference.measure import (
    PASSAGE,
    find_clipped,
    find_silence,
    find_speech,
    measure_passage,
    read_inputs,
)
from speech.inference.models import ChosenModel
from speech.inference.passages import Passage
from speech.inference.voices import several_voices, stretches
from speech.rejection.model_file import OpenSet
from speech.storage.predictions import from_logarithms, logarithms_of

_NEAREST = 3
"""How many of the enrolled speakers are named."""

Probabilities = Sequence[NDArray[np.floating]]
"""Of each model: of each chunk with speech and each class, or of one chunk."""


@dataclass(frozen=True)
class Predicted:
    """What is predicted of a passage, and what of it counts for the whole recording.

    Attributes
    ----------
    stop
        Where the passage ends, in samples from the recording's start.
    chunks
        Of each chunk.
    speech
        Which chunks are speech. Of those are:
    logarithms
        Of the probabilities, of each model; nothing without speech.
    vectors
        What is compared with the enrolled speakers; nothing without speech.
    """

    stop: int
    chunks: list[Segment]
    speech: NDArray[np.bool_]
    logarithms: Probabilities
    vectors: NDArray[np.floating]


@dataclass(frozen=True)
class Predictor:
    """Predicts each chunk of a recording, passage by passage, and then the whole recording.

    Attributes
    ----------
    models
        One per task.
    open_set
        The enrolled speakers, if there is a speaker model.
    low_confidence
        A prediction below this probability is flagged.
    embedder
        If a model is on wav2vec 2.0.
    gate
        Whether chunks without speech get no answer.
    """

    models: Sequence[ChosenModel]
    open_set: OpenSet | None
    low_confidence: float
    embedder: Embedder | None
    gate: bool = True

    def predict_passage(self, passage: Passage) -> Predicted:
        """Predict the chunks of a passage; it depends on no other.

        Raises
        ------
        AudioError
            If its samples are so large that nothing can be computed from them.
        UserError
            If a model's values are.
        """
        signal, settings = passage.signal, self.models[0].spec.chunks
        bounds = chunk_bounds(len(signal), **settings.model_dump())
        silent = find_silence(signal, bounds)
        speech = find_speech(signal, bounds, silent)
        if not self.gate:
            silent, speech = np.zeros_like(silent), np.ones_like(speech)
        probabilities: Probabilities = []
        vectors: NDArray[np.floating] = np.empty((0, 0))
        if speech.any():
            probabilities, vectors = self._predict_chunks(signal, bounds, silent, speech)
        rows = zip(*probabilities, strict=True)
        scores = iter(self._open_set_scores(vectors, "chunk_threshold"))
        chunks = []
        clipped = find_clipped(passage, bounds)
        for chunk, bound in enumerate(bounds):
            start, end = ((passage.start + edge) / SAMPLE_RATE for edge in bound)
            flags = [SHORT] if bound[1] - bound[0] < self._chunk_samples else []
            flags += [CLIPPED] if clipped[chunk] else []
            if speech[chunk]:
                own = self._segment(start, end, end - start, next(rows), next(scores), flags)
            else:
                flags += [SILENT if silent[chunk] else NOT_SPEECH]
                own = Segment(start, end, flags=flags)
            chunks.append(own)
        logarithms = [logarithms_of(own.astype(np.float64)) for own in probabilities]
        return Predicted(passage.start + len(signal), chunks, speech, logarithms, vectors)

    def predict_whole(self, name: str, passages: Sequence[Predicted], stream: Stream) -> Answer:
        """Predict a whole recording, and stretches of it: all chunks with speech count alike.

        Parameters
        ----------
        name
            Of the recording.
        passages
            All of them, in order.
        stream
            What they were decoded from.
        """
        whole = _joined(passages)
        flags = [RESAMPLED] if stream.sample_rate != SAMPLE_RATE else []
        flags += [CHANNELS_CANCEL] if stream.cancelled else []
        # In hours of music some chunks are detected as speech.
        others = sum(NOT_SPEECH in chunk.flags for chunk in whole.chunks)
        flags += [MOSTLY_NOT_SPEECH] if others > whole.speech.sum() > 0 else []
        flags += [SEVERAL_VOICES] if several_voices(whole.chunks) else []
        summary = self._over(whole, slice(0, len(whole.chunks)), flags)
        segments = [self._over(whole, place) for place in stretches(whole.chunks)]
        return Answer(name, summary, segments, whole.chunks)

    def _over(self, whole: Predicted, place: slice, added: Sequence[str] = ()) -> Segment:
        """Predict what consecutive chunks hold together, and add flags of the recording."""
        chunks = whole.chunks[place]
        start, end = chunks[0].start, chunks[-1].end
        if place.stop == len(whole.chunks):  # What is left over may be in no chunk.
            end = whole.stop / SAMPLE_RATE
        flags = [SHORT] if round((end - start) * SAMPLE_RATE) < self._chunk_samples else []
        flags += [CLIPPED] if any(CLIPPED in chunk.flags for chunk in chunks) else []
        flags += added
        if not whole.speech[place].any():
            silent = all(SILENT in chunk.flags for chunk in chunks)
            return Segment(start, end, flags=[*flags, SILENT if silent else NOT_SPEECH])
        rows = slice(*(int(whole.speech[:edge].sum()) for edge in (place.start, place.stop)))
        averaged = [from_logarithms(own[rows].mean(axis=0)) for own in whole.logarithms]
        vector = whole.vectors[rows].mean(axis=0, dtype=np.float64, keepdims=True)
        (score,) = self._open_set_scores(vector, "utterance_threshold")
        return self._segment(start, end, _speech_seconds(chunks), averaged, score, flags)

    def _predict_chunks(
        self,
        signal: NDArray[np.float32],
        bounds: Bounds,
        silent: NDArray[np.bool_],
        speech: NDArray[np.bool_],
    ) -> tuple[Probabilities, NDArray[np.float32]]:
        """Predict the chunks with speech, and give what is compared with the enrolled speakers."""
        spoken = list(compress(bounds, speech))
        specs = [model.spec for model in self.models]
        tensors, counted = measure_passage(signal, bounds, silent, specs)
        if self.embedder:
            states = self.embedder(signal, spoken)
            tensors |= {f"{PASSAGE}/{part}": array for part, array in states.items()}
        probabilities = []
        for model in self.models:
            inputs = read_inputs(tensors, model.spec, spoken, counted, model.classifier)
            if not np.isfinite(inputs).all():
                raise AudioError("holds values that are too large for samples")
            own = model.classifier.predict_proba(inputs)
            if not np.isfinite(own).all():
                raise UserError(
                    f"{model.folder}: predicts no numbers, because its own are too large; copy "
                    "the model anew, or run `dvc repro` to fit it."
                )
            probabilities.append(own)
        if self.open_set is None:
            return probabilities, np.empty((len(spoken), 0), np.float32)
        return probabilities, read_inputs(tensors, self.open_set.spec, spoken, counted)

    @property
    def _chunk_samples(self) -> int:
        return seconds_to_samples(self.models[0].spec.chunks.seconds)

    def _open_set_scores(self, vectors: NDArray[np.floating], threshold: str) -> list[float | None]:
        """Score vectors against the enrolled speakers; None without a speaker model."""
        if self.open_set is None or not len(vectors):
            return [None] * len(vectors)
        return (self.open_set.enrolled.scores(vectors) - getattr(self.open_set, threshold)).tolist()

    def _segment(
        self,
        start: float,
        end: float,
        speech_seconds: float,
        probabilities: Probabilities,
        open_set_score: float | None,
        flags: list[str],
    ) -> Segment:
        predicted: dict[str, Any] = {}
        confidences = []
        for model, own in zip(self.models, probabilities, strict=True):
            classes = model.classifier.classes
            order = np.argsort(-own, kind="stable")
            best, probability = classes[order[0]], float(own[order[0]])
            if model.task == "gender":
                predicted |= {"gender": best, "gender_probability": probability}
                confidences.append(probability)
            else:
                nearest = [(classes[place], float(own[place])) for place in order[:_NEAREST]]
                predicted |= {"nearest": nearest, "open_set_score": open_set_score}
                if open_set_score is not None and open_set_score >= 0:
                    predicted["speaker"] = best
                    confidences.append(probability)
                else:
                    flags = [*flags, UNKNOWN_SPEAKER]
        if any(confidence < self.low_confidence for confidence in confidences):
            flags = [*flags, LOW_CONFIDENCE]
        return Segment(start, end, speech_seconds, flags=flags, **predicted)


def probabilities_of_whole(passages: Sequence[Predicted]) -> Probabilities:
    """Average over all chunks with speech of a recording; nothing if there are none."""
    return [from_logarithms(own.mean(axis=0)) for own in _joined(passages).logarithms]


def _joined(passages: Sequence[Predicted]) -> Predicted:
    """Put the passages of a recording together."""
    with_speech = [passage for passage in passages if passage.speech.any()]
    return Predicted(
        passages[-1].stop,
        [chunk for passage in passages for chunk in passage.chunks],
        np.concatenate([passage.speech for passage in passages]),
        [
            np.concatenate(own)
            for own in zip(*(passage.logarithms for passage in with_speech), strict=True)
        ],
        np.concatenate([passage.vectors for passage in with_speech or passages]),
    )


def _speech_seconds(chunks: Sequence[Segment]) -> float:
    """Count speech once, though the last chunk may overlap the one before."""
    seconds, counted_to = 0.0, 0.0
    for chunk in chunks:
        if chunk.speech_seconds:
            seconds += chunk.end - max(chunk.start, counted_to)
            counted_to = chunk.end
    return seconds
