"""Judging measured passages, one after the other, and summing them up."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech.inference.answers import (
    CLIPPED,
    LOW_CONFIDENCE,
    MOSTLY_NOT_SPEECH,
    NOT_SPEECH,
    RESAMPLED,
    SHORT,
    SILENT,
    UNKNOWN_VOICE,
    Answer,
    Segment,
)
from speech.inference.measured import Measured
from speech.inference.models import ChosenModel
from speech.inference.passages import Passage
from speech.params import SAMPLE_RATE, Chunks, Task
from speech.predictions import from_logarithms, logarithms_of
from speech.rejection.model_file import Rejection

_NEAREST = 3
"""How many of the known speakers are named."""


class Judge:
    """Hears the passages of one recording in order, and answers about each chunk and about all.

    Memory grows by one `Segment` for every chunk, and by nothing else.
    """

    def __init__(self, models: Sequence[ChosenModel], rejection: Rejection, chunks: Chunks) -> None:
        self._models = models
        self._rejection = rejection
        self._chunks = chunks
        self._segments: list[Segment] = []
        self._sums: dict[Task, NDArray[np.float64]] = {}
        """By task, of the logarithms of the probabilities of all chunks with speech."""
        self._voice: NDArray[np.float64] = np.zeros(1)
        """Sum of the features by which voices are known, of all chunks with speech."""
        self._spoken = 0
        self._samples = 0

    def hear(self, passage: Passage, measured: Measured) -> None:
        """Judge the next passage."""
        probabilities, scores = self._judge(measured) if measured.speech.any() else ({}, None)
        place = np.cumsum(measured.speech) - 1
        for chunk, (start, stop) in enumerate(measured.bounds):
            begin, end = ((passage.start + edge) / SAMPLE_RATE for edge in (start, stop))
            flags = [SHORT] if stop - start < self._chunks.samples else []
            flags += [CLIPPED] if measured.clipped[chunk] else []
            if measured.speech[chunk]:
                row = place[chunk]
                judged = {task: rows[row] for task, rows in probabilities.items()}
                score = None if scores is None else float(scores[row])
                segment = self._segment(begin, end, end - begin, judged, score, flags)
            else:
                flags += [SILENT if measured.silent[chunk] else NOT_SPEECH]
                segment = Segment(begin, end, flags=flags)
            self._segments.append(segment)
        self._samples = passage.start + len(passage.signal)

    def _judge(
        self, measured: Measured
    ) -> tuple[dict[Task, NDArray[np.floating]], NDArray[np.float64] | None]:
        """Ask the models about each chunk with speech, and keep count for the summary.

        Returns
        -------
        probabilities
            By task, shape (chunks with speech, classes).
        scores
            How much each voice is like one that is known; None if nobody asked.
        """
        probabilities: dict[Task, NDArray[np.floating]] = {}
        scores = None
        self._spoken += int(measured.speech.sum())
        for model in self._models:
            judged = model.classifier.predict_proba(model_inputs(model, measured))
            probabilities[model.task] = judged
            logarithms = logarithms_of(judged.astype(np.float64))
            self._sums[model.task] = self._sums.get(model.task, 0) + logarithms.sum(axis=0)
            if model.task == "speaker":
                known = self._rejection.voices[model.features]
                vectors = voice_inputs(model, measured, self._rejection)
                self._voice = self._voice + vectors.sum(axis=0, dtype=np.float64)
                scores = known.voices.scores(vectors) - known.chunk_threshold
        return probabilities, scores

    def answer(self, name: str, sample_rate: int) -> Answer:
        """Sum up what was heard.

        Parameters
        ----------
        name
            What the recording is called.
        sample_rate
            Hz, as recorded.
        """
        flags = [SHORT] if self._samples < self._chunks.samples else []
        flags += [CLIPPED] if any(CLIPPED in s.flags for s in self._segments) else []
        flags += [RESAMPLED] if sample_rate != SAMPLE_RATE else []
        end = self._samples / SAMPLE_RATE
        if not self._spoken:
            silent = all(SILENT in segment.flags for segment in self._segments)
            flags += [SILENT if silent else NOT_SPEECH]
            return Answer(name, Segment(0.0, end, flags=flags), self._segments)
        # In hours of music, some chunk or other passes for speech.
        others = sum(NOT_SPEECH in segment.flags for segment in self._segments)
        flags += [MOSTLY_NOT_SPEECH] if others > self._spoken else []
        judged = {task: from_logarithms(sums / self._spoken) for task, sums in self._sums.items()}
        summary = self._segment(0.0, end, self._speech_seconds(), judged, self._score(), flags)
        return Answer(name, summary, self._segments)

    def _segment(
        self,
        start: float,
        end: float,
        speech_seconds: float,
        judged: dict[Task, NDArray[np.floating]],
        voice_score: float | None,
        flags: list[str],
    ) -> Segment:
        told: dict[str, Any] = {}
        unsure = False
        for model in self._models:
            probabilities = judged[model.task]
            order = np.argsort(-probabilities, kind="stable")
            best, sure = model.classifier.classes[order[0]], float(probabilities[order[0]])
            if model.task == "gender":
                told |= {"gender": best, "gender_probability": sure}
                unsure |= sure < self._rejection.low_confidence
            else:
                known = voice_score is not None and voice_score >= 0
                told["speaker"] = best if known else None
                told["nearest"] = [
                    (model.classifier.classes[place], float(probabilities[place]))
                    for place in order[:_NEAREST]
                ]
                told["voice_score"] = voice_score
                unsure |= known and sure < self._rejection.low_confidence
                flags = flags if known else [*flags, UNKNOWN_VOICE]
        flags = [*flags, LOW_CONFIDENCE] if unsure else flags
        return Segment(start, end, speech_seconds, flags=flags, **told)

    def _score(self) -> float | None:
        """Return how much the whole recording's voice is like one that is known."""
        for model in self._models:
            if model.task == "speaker":
                known = self._rejection.voices[model.features]
                mean = self._voice[None] / self._spoken
                return float(known.voices.scores(mean)[0] - known.utterance_threshold)
        return None

    def _speech_seconds(self) -> float:
        """Count the speech once, though the last chunk may reach back into the one before."""
        seconds, heard_to = 0.0, 0.0
        for segment in self._segments:
            if segment.speech_seconds:
                seconds += segment.end - max(segment.start, heard_to)
                heard_to = segment.end
        return seconds


def model_inputs(model: ChosenModel, measured: Measured) -> NDArray[np.float32]:
    """Give what a model is given of each chunk with speech."""
    form = model.classifier.form
    return measured.inputs(model.features, model.recipe, form, model.classifier.frames)


def voice_inputs(
    model: ChosenModel, measured: Measured, rejection: Rejection
) -> NDArray[np.float32]:
    """Give what voices are known by of each chunk with speech, for a speaker model."""
    return measured.inputs(model.features, rejection.voices[model.features].recipe, "pooled")
