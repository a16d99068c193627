"""predict.py on real voices: speakers, and sessions of known speakers, that no model ever heard."""

import shutil

import numpy as np
import pytest

from speech import Recogniser

FEMALE = ["84", "1462", "1673", "1988", "1993", "2035", "2277"]
MALE = ["174", "251", "652", "1272", "2086", "2428", "2803"]
UNHEARD = ["84", "1462", "174", "251"]
CHAPTERS, UTTERANCES = 2, 6
"""Of each speaker in training."""


@pytest.fixture(scope="module")
def real(dev_clean_20, new_project, tmp_path_factory):
    """Train on some speakers' first chapters; give the models and what they have not heard."""
    source, place = dev_clean_20 / "LibriSpeech", tmp_path_factory.mktemp("real voices")
    corpus = place / "corpus"
    corpus.mkdir()
    shutil.copy(source / "SPEAKERS.TXT", corpus)
    strangers, sessions = {}, {}
    for speaker in FEMALE + MALE:
        chapters = sorted((source / "dev-clean" / speaker).iterdir())
        files = [sorted(chapter.glob("*.mp3")) for chapter in chapters]
        if speaker in UNHEARD:
            strangers[speaker] = [path for chapter in files for path in chapter[:4]]
            continue
        sessions[speaker] = [path for chapter in files[CHAPTERS:] for path in chapter[:4]]
        for chapter in files[:CHAPTERS]:
            for path in chapter[:UTTERANCES]:
                copy = corpus / path.relative_to(source)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, copy)
    project = new_project(place / "project")
    project.set(corpus=str(corpus), models=["logistic"], model="logistic", **{"parallel.jobs": -1})
    project.set(**{"headline_features.speaker": "mfcc"})
    project.dvc("repro", "evaluate@gender", "evaluate@speaker", "fit_rejection")
    voice = Recogniser(project.root / "models")
    heard = {
        name: {speaker: [voice.predict(path).summary for path in paths] for speaker, paths in kind}
        for name, kind in (("strangers", strangers.items()), ("sessions", sessions.items()))
    }
    return voice, heard


def test_real_speech_is_taken_for_speech(real):
    _, heard = real
    spoken = [
        one.speech_seconds > 0
        for kind in heard.values()
        for answers in kind.values()
        for one in answers
    ]
    assert len(spoken) > 40
    assert np.mean(spoken) > 0.9


def test_the_gender_of_voices_never_heard_is_told(real):
    _, heard = real
    right = [
        one.gender == ("F" if speaker in FEMALE else "M")
        for speaker, answers in heard["strangers"].items()
        for one in answers
        if one.gender
    ]
    assert np.mean(right) > 0.75


def test_known_voices_are_told_from_strangers_in_sessions_never_heard(real):
    _, heard = real
    strangers, known = (
        np.array([one.voice_score for answers in kind.values() for one in answers if one.nearest])
        for kind in (heard["strangers"], heard["sessions"])
    )
    # The area under the ROC curve: how often a known voice scores above a stranger.
    assert np.mean(known[:, None] > strangers) > 0.75


def test_the_nearest_of_known_voices_is_mostly_the_right_one(real):
    _, heard = real
    right = [
        one.nearest[0][0] == speaker
        for speaker, answers in heard["sessions"].items()
        for one in answers
        if one.nearest
    ]
    assert np.mean(right) > 0.6


def test_the_errors_that_were_measured_are_told_with_the_models(real):
    voice, _ = real
    speech, voices = voice.rejection.rates["speech"], voice.rejection.rates["voices"]
    assert speech["chunk"]["nonspeech_accepted"] <= 0.05
    assert 0 < voices["mfcc"]["eer"] < 0.4
    assert voices["mfcc"]["eer_low"] <= voices["mfcc"]["eer"] <= voices["mfcc"]["eer_high"]
