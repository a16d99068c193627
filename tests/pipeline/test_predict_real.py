"""predict.py on real speakers and sessions that are not in training."""

import shutil

import numpy as np
import pytest

from speech import Recogniser

FEMALE = ["84", "1462", "1673", "1988", "1993", "2035", "2277"]
MALE = ["174", "251", "652", "1272", "2086", "2428", "2803"]
HELD_OUT = ["84", "1462", "174", "251"]
CHAPTERS, UTTERANCES = 2, 6
"""Of each speaker in training."""


@pytest.fixture(scope="module")
def predicted(dev_clean_20, new_project, tmp_path_factory):
    """Train on some speakers' first chapters, and predict the others.

    Gives the recogniser and two lists of (speaker, summary): of unknown speakers, and of further
    sessions of enrolled ones.
    """
    source, place = dev_clean_20 / "LibriSpeech", tmp_path_factory.mktemp("real speakers")
    corpus = place / "corpus"
    corpus.mkdir()
    shutil.copy(source / "SPEAKERS.TXT", corpus)
    unknown, enrolled = [], []
    for speaker in FEMALE + MALE:
        chapters = sorted((source / "dev-clean" / speaker).iterdir())
        files = [sorted(chapter.glob("*.mp3")) for chapter in chapters]
        if speaker in HELD_OUT:
            unknown += [(speaker, path) for chapter in files for path in chapter[:4]]
            continue
        enrolled += [(speaker, path) for chapter in files[CHAPTERS:] for path in chapter[:4]]
        for chapter in files[:CHAPTERS]:
            for path in chapter[:UTTERANCES]:
                copy = corpus / path.relative_to(source)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, copy)
    project = new_project(place / "project")
    project.set(corpus=str(corpus), models=["logistic"], model="logistic")
    project.set(**{"headline_features.speaker": "mfcc"})
    inputs = ["gender-mfcc", "gender-mfcc_pitch", "gender-wav2vec2", "speaker-mfcc"]
    fits = [f"fit {name} logistic" for name in [*inputs, "speaker-wav2vec2"]]
    project.make_examples()
    project.stages(*fits, "validate_externally", "evaluate", "fit_rejection")
    recogniser = Recogniser(project.root / "models")
    return recogniser, *(
        [(speaker, recogniser.predict(path).summary) for speaker, path in kind]
        for kind in (unknown, enrolled)
    )


def test_the_gender_of_speakers_not_in_training_is_mostly_right(predicted):
    _, unknown, _ = predicted
    right = [one.gender == ("F" if name in FEMALE else "M") for name, one in unknown if one.gender]
    assert np.mean(right) > 0.75


def test_enrolled_speakers_in_new_sessions_score_above_unknown_speakers(predicted):
    _, *kinds = predicted
    unknown, enrolled = (
        np.array([one.open_set_score for _, one in kind if one.nearest]) for kind in kinds
    )
    # The area under the ROC curve.
    assert np.mean(enrolled[:, None] > unknown) > 0.75


def test_the_nearest_speaker_is_mostly_the_right_one(predicted):
    _, _, enrolled = predicted
    assert np.mean([one.nearest[0][0] == name for name, one in enrolled if one.nearest]) > 0.6
