"""What tells speech and known voices from others, on disk: JSON and safetensors, no pickle."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from speech.errors import UserError
from speech.features.feature_spec import Recipe, read_recipe
from speech.params import Mfcc
from speech.rejection.enrolled_speakers import EnrolledSpeakers
from speech.rejection.speech_likeness import SpeechLikeness, movement_statistics
from speech.storage.sealed import read_sealed, write_sealed

_FORMAT = 2
_CARD, _ARRAYS = "rejection.json", "rejection.safetensors"
_REMEDY = "copy the folder of models anew, or run `dvc repro` to make it"


class SpeechModel(NamedTuple):
    """What speech of some length is like, and how far from it speech may be."""

    frames: int
    likeness: SpeechLikeness
    threshold: float


class VoiceModel(NamedTuple):
    """Whose voices are known on some features, from which score on one is, by which recipe."""

    voices: EnrolledSpeakers
    chunk_threshold: float
    utterance_threshold: float
    recipe: Recipe


@dataclass(frozen=True)
class Rejection:
    """When the answer is: unknown.

    Attributes
    ----------
    recipe
        Of the MFCC and chunks that speech is judged by.
    speech
        Models of speech, the longest first.
    voices
        By kind of features.
    low_confidence
        Below this probability an answer counts as unsure.
    rates
        How often each decision goes wrong, as measured; see metrics/rejection.json.
    """

    recipe: Recipe
    speech: list[SpeechModel]
    voices: Mapping[str, VoiceModel]
    low_confidence: float
    rates: Mapping[str, Any]

    @property
    def mfcc(self) -> Mfcc:
        """What speech is judged by."""
        if self.recipe.mfcc is None:
            raise ValueError("a recipe without MFCC")
        return self.recipe.mfcc

    def is_speech(self, frames: NDArray[np.float32]) -> bool:
        """Tell whether the frames of a chunk, not normalised, are of speech.

        What is shorter than the shortest model is taken for speech: too short to tell.
        """
        for model in self.speech:
            if len(frames) >= model.frames:
                statistics = movement_statistics(frames, self.mfcc)
                return bool(model.likeness.distances(statistics[None])[0] <= model.threshold)
        return True


def write_rejection(
    folder: Path,
    recipe: Mapping[str, Any],
    speech: Sequence[SpeechModel],
    voices: Mapping[str, VoiceModel],
    low_confidence: float,
    rates: Mapping[str, Any],
) -> None:
    """Write all that is needed to reject.

    Parameters
    ----------
    folder
        Made if it is not there.
    recipe
        As `speech.features.feature_spec.recipe_of` gives it for MFCC.
    speech, voices, low_confidence, rates
        As `Rejection` has them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, NDArray] = {}
    for model in speech:
        arrays |= _arrays_of(model.likeness, f"speech/{model.frames}")
    for features, known in voices.items():
        arrays |= _arrays_of(known.voices, f"voices/{features}")
    save_file(arrays, folder / _ARRAYS)
    content = {
        "recipe": recipe,
        "speech": {str(model.frames): model.threshold for model in speech},
        "voices": {
            features: {
                "chunk_threshold": known.chunk_threshold,
                "utterance_threshold": known.utterance_threshold,
                "recipe": known.recipe.model_dump(),
            }
            for features, known in voices.items()
        },
        "low_confidence": low_confidence,
        "rates": rates,
        "sha256": _digest(folder / _ARRAYS),
    }
    write_sealed(folder / _CARD, _FORMAT, content)


def read_rejection(folder: Path) -> Rejection:
    """Read what `write_rejection` wrote; arrays of voices are read when they are asked for.

    Raises
    ------
    UserError
        If a file is missing, of another version, damaged or changed.
    """
    card = read_sealed(folder / _CARD, _FORMAT, _REMEDY)
    path = folder / _ARRAYS
    if not path.is_file() or card.get("sha256") != _digest(path):
        raise UserError(f"{path}: is not the file that belongs to {_CARD}; {_REMEDY}.")
    try:
        speech = [
            SpeechModel(int(frames), _read(SpeechLikeness, path, f"speech/{frames}"), threshold)
            for frames, threshold in card["speech"].items()
        ]
        voices = {
            features: VoiceModel(
                _read(EnrolledSpeakers, path, f"voices/{features}"),
                known["chunk_threshold"],
                known["utterance_threshold"],
                read_recipe(known["recipe"], folder / _CARD),
            )
            for features, known in card["voices"].items()
        }
        return Rejection(
            read_recipe(card["recipe"], folder / _CARD),
            speech,
            voices,
            card["low_confidence"],
            card["rates"],
        )
    except (KeyError, TypeError, ValueError, SafetensorError):
        raise UserError(f"{folder}: is damaged; {_REMEDY}.") from None


def _arrays_of(learnt: SpeechLikeness | EnrolledSpeakers, prefix: str) -> dict[str, NDArray]:
    return {
        f"{prefix}/{field.name}": np.ascontiguousarray(getattr(learnt, field.name))
        for field in fields(learnt)
    }


def _read(kind: type, path: Path, prefix: str) -> Any:
    with safe_open(path, framework="numpy") as file:
        return kind(**{f.name: file.get_tensor(f"{prefix}/{f.name}") for f in fields(kind)})


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
