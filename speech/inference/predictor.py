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
from speech.inference.voices import several_voices
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
    segments
        Of each chunk.
    spoken
        How many chunks are speech. Of those are:
    log_sums
        Sums of the logarithms of the probabilities, of each model.
    vector_sum
        Sum of the features that are compared with those of the enrolled speakers.
    """

    stop: int
    segments: list[Segment]
    spoken: int
    log_sums: Probabilities
    vector_sum: NDArray[np.float64]


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
        vectors = np.empty((0, 0), np.float32)
        if speech.any():
            probabilities, vectors = self._predict_chunks(signal, bounds, silent, speech)
        rows = zip(*probabilities, strict=True)
        scores = iter(self._open_set_scores(vectors, "chunk_threshold"))
        segments = []
        clipped = find_clipped(passage, bounds)
        for chunk, bound in enumerate(bounds):
            start, end = ((passage.start + edge) / SAMPLE_RATE for edge in bound)
            flags = [SHORT] if bound[1] - bound[0] < self._chunk_samples else []
            flags += [CLIPPED] if clipped[chunk] else []
            if speech[chunk]:
                segment = self._segment(start, end, end - start, next(rows), next(scores), flags)
            else:
                flags += [SILENT if silent[chunk] else NOT_SPEECH]
                segment = Segment(start, end, flags=flags)
            segments.append(segment)
        return Predicted(
            passage.start + len(signal),
            segments,
            int(speech.sum()),
            [logarithms_of(own.astype(np.float64)).sum(axis=0) for own in probabilities],
            vectors.sum(axis=0, dtype=np.float64),
        )

    def predict_whole(self, name: str, passages: Sequence[Predicted], stream: Stream) -> Answer:
        """Predict a whole recording: all chunks with speech count alike.

        Parameters
        ----------
        name
            Of the recording.
        passages
            All of them, in order.
        stream
            What they were decoded from.
        """
        segments = [segment for passage in passages for segment in passage.segments]
        samples, spoken = passages[-1].stop, sum(passage.spoken for passage in passages)
        flags = [SHORT] if samples < self._chunk_samples else []
        flags += [CLIPPED] if any(CLIPPED in segment.flags for segment in segments) else []
        flags += [RESAMPLED] if stream.sample_rate != SAMPLE_RATE else []
        flags += [CHANNELS_CANCEL] if stream.cancelled else []
        end = samples / SAMPLE_RATE
        if not spoken:
            silent = all(SILENT in segment.flags for segment in segments)
            flags += [SILENT if silent else NOT_SPEECH]
            return Answer(name, Segment(0.0, end, flags=flags), segments)
        # In hours of music some chunks are detected as speech.
        others = sum(NOT_SPEECH in segment.flags for segment in segments)
        flags += [MOSTLY_NOT_SPEECH] if others > spoken else []
        flags += [SEVERAL_VOICES] if several_voices(segments) else []
        with_speech = [passage for passage in passages if passage.spoken]
        averaged = probabilities_of_whole(passages)
        vector = np.sum([passage.vector_sum for passage in with_speech], axis=0) / spoken
        (score,) = self._open_set_scores(np.atleast_2d(vector), "utterance_threshold")
        summary = self._segment(0.0, end, _speech_seconds(segments), averaged, score, flags)
        return Answer(name, summary, segments)

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
    spoken = sum(passage.spoken for passage in passages)
    log_sums = zip(*(passage.log_sums for passage in passages if passage.spoken), strict=True)
    return [from_logarithms(np.sum(own, axis=0) / spoken) for own in log_sums]


def _speech_seconds(segments: Sequence[Segment]) -> float:
    """Count speech once, though the last chunk may overlap the one before."""
    seconds, counted_to = 0.0, 0.0
    for segment in segments:
        if segment.speech_seconds:
            seconds += segment.end - max(segment.start, counted_to)
            counted_to = segment.end
    return seconds
