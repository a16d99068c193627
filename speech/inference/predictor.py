"""Predictions for the passages of one recording, and for all of it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, compress
from typing import Any, NamedTuple

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
from speech.inference.embedder import Embed
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
"""Of each model, of each class."""


class Predicted(NamedTuple):
    """What is predicted of a chunk, and what of it counts for the whole recording.

    Attributes
    ----------
    segment
        The prediction.
    probabilities
        Of each model; nothing without speech.
    vector
        What is compared with the enrolled speakers, shape (dimensions,); nothing without speech.
    """

    segment: Segment
    probabilities: Probabilities = ()
    vector: NDArray[np.floating] = np.empty(0)


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
    embedder: Embed | None
    gate: bool = True

    def predict_passage(self, passage: Passage) -> list[Predicted]:
        """Predict the chunks of a passage; it depends on no other.

        Raises
        ------
        AudioError
            If its samples are so large that nothing can be computed from them.
        UserError
            If a model's values are.
        """
        signal = passage.signal
        bounds = chunk_bounds(len(signal), **self.models[0].spec.chunks.model_dump())
        silent = find_silence(signal, bounds)
        speech = find_speech(signal, bounds, silent)
        if not self.gate:
            silent, speech = np.zeros_like(silent), np.ones_like(speech)
        of_speech = (
            self._predict_speech(signal, bounds, silent, speech) if speech.any() else iter(())
        )
        predicted = []
        clipped = find_clipped(passage, bounds)
        for chunk, bound in enumerate(bounds):
            start, end = ((passage.start + edge) / SAMPLE_RATE for edge in bound)
            flags = [SHORT] if bound[1] - bound[0] < self._chunk_samples else []
            flags += [CLIPPED] if clipped[chunk] else []
            if speech[chunk]:
                probabilities, vector, score = next(of_speech)
                segment = self._segment(start, end, end - start, probabilities, score, flags)
                predicted.append(Predicted(segment, probabilities, vector))
            else:
                flags += [SILENT if silent[chunk] else NOT_SPEECH]
                predicted.append(Predicted(Segment(start, end, flags=flags)))
        return predicted

    def predict_whole(
        self, name: str, chunks: Sequence[Predicted], end: float, stream: Stream
    ) -> Answer:
        """Predict a whole recording, and stretches of it: all chunks with speech count alike.

        Parameters
        ----------
        name
            Of the recording.
        chunks
            All of them, in order.
        end
            Of the recording, in seconds: what is left over may be in no chunk.
        stream
            What they were decoded from.
        """
        segments = [chunk.segment for chunk in chunks]
        flags = [RESAMPLED] if stream.sample_rate != SAMPLE_RATE else []
        flags += [CHANNELS_CANCEL] if stream.cancelled else []
        # In hours of music some chunks are detected as speech.
        others = sum(NOT_SPEECH in segment.flags for segment in segments)
        speech = sum(bool(chunk.probabilities) for chunk in chunks)
        flags += [MOSTLY_NOT_SPEECH] if others > speech > 0 else []
        flags += [SEVERAL_VOICES] if several_voices(segments) else []
        parts = []
        for place in stretches(segments):
            stop = end if place.stop == len(chunks) else segments[place.stop - 1].end
            parts.append(self._over(chunks[place], stop))
        return Answer(name, self._over(chunks, end, flags), parts, segments)

    def _over(self, chunks: Sequence[Predicted], end: float, added: Sequence[str] = ()) -> Segment:
        """Predict what consecutive chunks hold together, and add flags of the recording."""
        segments = [chunk.segment for chunk in chunks]
        start = segments[0].start
        flags = [SHORT] if round((end - start) * SAMPLE_RATE) < self._chunk_samples else []
        flags += [CLIPPED] if any(CLIPPED in segment.flags for segment in segments) else []
        flags += added
        probabilities = _average(chunks)
        if not probabilities:
            silent = all(SILENT in segment.flags for segment in segments)
            return Segment(start, end, flags=[*flags, SILENT if silent else NOT_SPEECH])
        vectors = [chunk.vector for chunk in chunks if chunk.probabilities]
        vector = np.stack(vectors).mean(axis=0, dtype=np.float64, keepdims=True)
        (score,) = self._open_set_scores(vector, "utterance_threshold")
        return self._segment(start, end, _speech_seconds(segments), probabilities, score, flags)

    def _predict_speech(
        self,
        signal: NDArray[np.float32],
        bounds: Bounds,
        silent: NDArray[np.bool_],
        speech: NDArray[np.bool_],
    ) -> Iterator[tuple[Probabilities, NDArray[np.float32], float | None]]:
        """Predict the chunks with speech: what models say, what is compared, how similar it is."""
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
        vectors = np.empty((len(spoken), 0), np.float32)
        if self.open_set:
            vectors = read_inputs(tensors, self.open_set.spec, spoken, counted)
        scores = self._open_set_scores(vectors, "chunk_threshold")
        return zip(zip(*probabilities, strict=True), vectors, scores, strict=True)

    @property
    def _chunk_samples(self) -> int:
        return seconds_to_samples(self.models[0].spec.chunks.seconds)

    def _open_set_scores(self, vectors: NDArray[np.floating], threshold: str) -> list[float | None]:
        """Score vectors against the enrolled speakers; None without a speaker model."""
        if self.open_set is None:
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


def probabilities_of_whole(passages: Iterable[Sequence[Predicted]]) -> Probabilities:
    """Average over all chunks with speech of a recording; nothing if there are none."""
    return _average(list(chain.from_iterable(passages)))


def _average(chunks: Sequence[Predicted]) -> Probabilities:
    """Average over the chunks with speech as the pipeline does; nothing if there are none."""
    with_speech = [chunk.probabilities for chunk in chunks if chunk.probabilities]
    return [
        from_logarithms(logarithms_of(np.array(own, np.float64)).mean(axis=0))
        for own in zip(*with_speech, strict=True)
    ]


def _speech_seconds(chunks: Sequence[Segment]) -> float:
    """Count speech once, though the last chunk may overlap the one before."""
    seconds, counted_to = 0.0, 0.0
    for chunk in chunks:
        if chunk.speech_seconds:
            seconds += chunk.end - max(chunk.start, counted_to)
            counted_to = chunk.end
    return seconds
