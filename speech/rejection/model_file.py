"""The models that reject, on disk: JSON and safetensors, no pickle."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError

from speech.errors import UserError
from speech.features.feature_spec import FeatureSpec, read_spec
from speech.rejection.enrolled_speakers import EnrolledSpeakers
from speech.storage.arrays import write_arrays
from speech.storage.files import replacing_folder, sha256_of
from speech.storage.sealed import load_arrays, read_sealed, write_sealed

_FORMAT = 3
_CARD, _ARRAYS = "rejection.json", "rejection.safetensors"
_REMEDY = "copy the folder of models anew, or run `dvc repro` to make it"


class OpenSet(NamedTuple):
    """The enrolled speakers and the scores from which a voice is one of theirs.

    Attributes
    ----------
    enrolled
        The speakers.
    chunk_threshold, utterance_threshold
        Least scores of a chunk, and of the mean of several, of an enrolled speaker.
    spec
        How the pooled features are made.
    """

    enrolled: EnrolledSpeakers
    chunk_threshold: float
    utterance_threshold: float
    spec: FeatureSpec


@dataclass(frozen=True)
class Rejection:
    """When a recording gets no answer, or an unsure one.

    Attributes
    ----------
    speakers
        The open set, by kind of features.
    low_confidence
        A prediction below this probability is unsure.
    rates
        How often each decision is wrong: the content of data/results/rejection.json.
    """

    speakers: Mapping[str, OpenSet]
    low_confidence: float
    rates: Mapping[str, Any]


def write_rejection(folder: Path, rejection: Rejection) -> None:
    """Write the models.

    Parameters
    ----------
    folder
        Made or replaced.
    rejection
        What to write.
    """
    arrays = {
        f"{features}/{name}": array
        for features, open_set in rejection.speakers.items()
        for name, array in asdict(open_set.enrolled).items()
    }
    speakers = {
        features: {
            "chunk_threshold": open_set.chunk_threshold,
            "utterance_threshold": open_set.utterance_threshold,
            "spec": open_set.spec.model_dump(),
        }
        for features, open_set in rejection.speakers.items()
    }
    with replacing_folder(folder) as unfinished:
        write_arrays(unfinished / _ARRAYS, arrays)
        content = {
            "speakers": speakers,
            "low_confidence": rejection.low_confidence,
            "rates": rejection.rates,
            "sha256": sha256_of(unfinished / _ARRAYS),
        }
        write_sealed(unfinished / _CARD, _FORMAT, content)


def read_rejection(folder: Path) -> Rejection:
    """Read what `write_rejection` wrote.

    Raises
    ------
    UserError
        If a file is missing, of another version, damaged or changed.
    """
    card = read_sealed(folder / _CARD, _FORMAT, _REMEDY)
    path = folder / _ARRAYS
    if not path.is_file() or card.get("sha256") != sha256_of(path):
        raise UserError(f"{path}: is not the file that belongs to {_CARD}; {_REMEDY}.")
    try:
        arrays = load_arrays(path)
        speakers = {
            features: OpenSet(
                EnrolledSpeakers(
                    *(arrays[f"{features}/{field.name}"] for field in fields(EnrolledSpeakers))
                ),
                own["chunk_threshold"],
                own["utterance_threshold"],
                read_spec(own["spec"], folder / _CARD),
            )
            for features, own in card["speakers"].items()
        }
        return Rejection(speakers, card["low_confidence"], card["rates"])
    except (KeyError, TypeError, ValueError, SafetensorError):
        raise UserError(f"{folder}: is damaged; {_REMEDY}.") from None
