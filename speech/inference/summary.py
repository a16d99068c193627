"""Predictions for the passages of one recording, and for all of it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech.audio import SAMPLE_RATE
from speech.audio.chunks import seconds_to_samples
from speech.inference.answers import (
    CHANNELS_CANCEL,
    CLIPPED,
    LOW_CONFIDENCE,
    MOSTLY_NOT_SPEECH,
    NOT_SPEECH,
    RESAMPLED,
    SHORT,
    SILENT,
    UNKNOWN_SPEAKER,
    Answer,
    Segment,
)
from speech.inference.measured import Measured
from speech.inference.models import ChosenModel
from speech.params import Task
from speech.predictions import from_logarithms, logarithms_of
from speech.rejection.model_file import OpenSet

_NEAREST = 3
"""How many of the enrolled speakers are named."""

Probabilities = dict[Task, NDArray[np.floating]]


class Predictor:
    """Predicts each chunk of a recording, passage by passage, and then the whole recording.

    Memory grows by one `Segment` per chunk and by nothing else.

    Parameters
    ----------
    models
        One per task.
    open_set
        The enrolled speakers, if there is a speaker model.
    low_confidence
        A prediction below this probability is flagged.
    """

    def __init__(
        self, models: Sequence[ChosenModel], open_set: OpenSet | None, low_confidence: float
    ) -> None:
        self._models = models
        self._open_set = open_set
        self._low_confidence = low_confidence
        self._chunk_samples = seconds_to_samples(models[0].spec.chunks.seconds)
        self._segments: list[Segment] = []
        self._log_sums: Probabilities = {}
        """Sums of the logarithms of the probabilities of all chunks with speech."""
        self._vector_sum: NDArray[np.float64] = np.zeros(1)
        self._spoken = 0
        self._samples = 0

    def add(self, measured: Measured) -> None:
        """Predict the chunks of the next passage."""
        probabilities: Probabilities = {}
        scores = np.empty(0)
        if measured.speech.any():
            self._spoken += int(measured.speech.sum())
            for model in self._models:
                rows = model.classifier.predict_proba(measured.inputs[model.task])
                probabilities[model.task] = rows
                log_sum = logarithms_of(rows.astype(np.float64)).sum(axis=0)
                self._log_sums[model.task] = self._log_sums.get(model.task, 0) + log_sum
            if self._open_set and measured.vectors is not None:
                self._vector_sum = self._vector_sum + measured.vectors.sum(0, dtype=np.float64)
                scores = self._open_set.enrolled.scores(measured.vectors)
                scores -= self._open_set.chunk_threshold
        row = -1
        for chunk, bound in enumerate(measured.bounds):
            start, end = ((measured.start + edge) / SAMPLE_RATE for edge in bound)
            flags = [SHORT] if bound[1] - bound[0] < self._chunk_samples else []
            flags += [CLIPPED] if measured.clipped[chunk] else []
            if measured.speech[chunk]:
                row += 1
                own = {task: rows[row] for task, rows in probabilities.items()}
                score = float(scores[row]) if len(scores) else None
                segment = self._segment(start, end, end - start, own, score, flags)
            else:
                flags += [SILENT if measured.silent[chunk] else NOT_SPEECH]
                segment = Segment(start, end, flags=flags)
            self._segments.append(segment)
        self._samples = measured.stop

    def answer(self, name: str, sample_rate: int, *, channels_cancel: bool = False) -> Answer:
        """Predict the whole recording: all chunks with speech count alike.

        Parameters
        ----------
        name
            Of the recording.
        sample_rate
            Hz, as recorded.
        channels_cancel
            Whether the average of its channels is silent.
        """
        flags = [SHORT] if self._samples < self._chunk_samples else []
        flags += [CLIPPED] if any(CLIPPED in s.flags for s in self._segments) else []
        flags += [RESAMPLED] if sample_rate != SAMPLE_RATE else []
        flags += [CHANNELS_CANCEL] if channels_cancel else []
        end = self._samples / SAMPLE_RATE
        if not self._spoken:
            silent = all(SILENT in segment.flags for segment in self._segments)
            flags += [SILENT if silent else NOT_SPEECH]
            return Answer(name, Segment(0.0, end, flags=flags), self._segments)
        # In hours of music some chunks are detected as speech.
        others = sum(NOT_SPEECH in segment.flags for segment in self._segments)
        flags += [MOSTLY_NOT_SPEECH] if others > self._spoken else []
        averaged = {task: from_logarithms(s / self._spoken) for task, s in self._log_sums.items()}
        score = None
        if self._open_set:
            mean = self._vector_sum[None] / self._spoken
            score = float(self._open_set.enrolled.scores(mean)[0])
            score -= self._open_set.utterance_threshold
        summary = self._segment(0.0, end, self._speech_seconds(), averaged, score, flags)
        return Answer(name, summary, self._segments)

    def _segment(
        self,
        start: float,
        end: float,
        speech_seconds: float,
        probabilities: Probabilities,
        voice_score: float | None,
        flags: list[str],
    ) -> Segment:
        predicted: dict[str, Any] = {}
        confidences = []
        for model in self._models:
            own, classes = probabilities[model.task], model.classifier.classes
            order = np.argsort(-own, kind="stable")
            best, probability = classes[order[0]], float(own[order[0]])
            if model.task == "gender":
                predicted |= {"gender": best, "gender_probability": probability}
                confidences.append(probability)
            else:
                nearest = [(classes[place], float(own[place])) for place in order[:_NEAREST]]
                predicted |= {"nearest": nearest, "voice_score": voice_score}
                if voice_score is not None and voice_score >= 0:
                    predicted["speaker"] = best
                    confidences.append(probability)
                else:
                    flags = [*flags, UNKNOWN_SPEAKER]
        if any(confidence < self._low_confidence for confidence in confidences):
            flags = [*flags, LOW_CONFIDENCE]
        return Segment(start, end, speech_seconds, flags=flags, **predicted)

    def _speech_seconds(self) -> float:
        """Count speech once, though the last chunk may overlap the one before."""
        seconds, counted_to = 0.0, 0.0
        for segment in self._segments:
            if segment.speech_seconds:
                seconds += segment.end - max(segment.start, counted_to)
                counted_to = segment.end
        return seconds
