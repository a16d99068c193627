"""Every file of a corpus is either a row of the index or reported with its reason."""

import random
import shutil

import pandas as pd
import pytest

import speech.corpus.index
from speech.audio.decode import inspect_audio
from speech.corpus.index import describe_corpus, index_corpus
from speech.corpus.layouts import Location, Recording, list_recordings, with_genders
from speech.errors import UserError

GENDERS = {"1": "F", "2": "M", "3": None}


@pytest.fixture(scope="module")
def pristine(tmp_path_factory, write_audio, voice):
    """Three speakers with two utterances of 2.5 s each; below letters that need quoting."""
    root = tmp_path_factory.mktemp("index") / "Hörbücher & co" / "日本 speech"
    for speaker in GENDERS:
        for number in range(2):
            path = root / "dev" / speaker / "7" / f"{speaker}-7-{number:04d}.flac"
            write_audio(path, voice(2.5, seed=10 * int(speaker) + number))
    return root


@pytest.fixture
def audio(pristine, tmp_path):
    """Copy the recordings, to be spoilt."""
    return shutil.copytree(pristine, tmp_path / pristine.name)


def listed(audio, genders=GENDERS):
    """List a corpus in LibriSpeech layout, with these genders in SPEAKERS.TXT."""
    table = audio / "SPEAKERS.TXT"
    table.write_text("".join(f"{name} | {gender} |\n" for name, gender in genders.items()))
    return with_genders(list_recordings(Location(audio, table)))


def index(audio, genders=GENDERS, **changes):
    return index_corpus(audio, listed(audio, genders), **changes)


def reasons(found):
    """Return [(path's name, task, reason)]."""
    return [
        (row.path.rsplit("/", 1)[-1], row.left_out_of, row.reason)
        for row in found.rejected.itertuples()
    ]


def same(first, second):
    for table in ("utterances", "rejected", "facts"):
        pd.testing.assert_frame_equal(getattr(first, table), getattr(second, table))


def utterance(audio, speaker="1", number=0, suffix="flac"):
    return audio / "dev" / speaker / "7" / f"{speaker}-7-{number:04d}.{suffix}"


def test_every_utterance_is_a_row_with_what_is_known_of_it(audio, write_audio, voice):
    write_audio(utterance(audio, number=1), voice(3.0, rate=44_100), 44_100)
    table = index(audio).utterances
    assert table["utterance_id"].tolist() == [f"{s}-7-000{n}" for s in "123" for n in (0, 1)]
    assert table["speaker_id"].tolist() == list("112233")
    assert table["gender"].where(table["gender"].notna(), "").tolist() == [*"FFMM", "", ""]
    first = {
        "utterance_id": "1-7-0000",
        "speaker_id": "1",
        "chapter_id": "7",
        "gender": "F",
        "path": "dev/1/7/1-7-0000.flac",
        "seconds": 2.5,
        "samples": 40_000,
        "sample_rate": 16_000,
        "channels_cancel": False,
        "digest": inspect_audio(utterance(audio)).digest,
        "content": inspect_audio(utterance(audio)).content,
    }
    assert list(table.iloc[0].to_dict().items()) == list(first.items())
    # Samples are counted at 16 kHz, seconds as recorded.
    assert table.loc[1, ["samples", "seconds", "sample_rate"]].tolist() == [48_000, 3.0, 44_100]


# --- what is left out -------------------------------------------------------------------------


def test_what_one_task_cannot_use_is_left_out_of_that_task_alone(audio, write_audio, voice):
    write_audio(utterance(audio, number=0), voice(2.0))
    write_audio(utterance(audio, number=1), voice(2.0)[:-1])
    shutil.copy(utterance(audio), audio / "noise.flac")
    found = index(audio)
    assert len(found.utterances) == 6
    assert reasons(found) == [
        ("1-7-0001.flac", "speaker", "shorter than one chunk"),
        ("3-7-0000.flac", "gender", "no gender on record"),
        ("3-7-0001.flac", "gender", "no gender on record"),
        ("noise.flac", "both tasks", "wrong name: not <speaker>-<chapter>-<utterance>"),
    ]


def test_of_two_formats_the_first_that_can_be_decoded_is_used(audio, write_audio, voice):
    write_audio(utterance(audio, suffix="wav"), voice(2.5))
    reason = "same utterance again (first in dev/1/7/1-7-0000.flac)"
    assert reasons(index(audio))[0] == ("1-7-0000.wav", "both tasks", reason)
    utterance(audio).write_text("no sound")
    assert "dev/1/7/1-7-0000.wav" in index(audio).utterances["path"].tolist()


def test_the_description_counts_what_the_index_holds(audio, write_audio, voice):
    write_audio(utterance(audio), voice(1.0))
    utterance(audio, "2").write_text("no sound")
    (audio / "noise.flac").touch()
    assert describe_corpus(index(audio)) == {
        "speakers": 3,
        "chapters": 3,  # of one name, but by three speakers
        "utterances": 5,
        "minutes": round(11 / 60, 2),
        "female": {"speakers": 1, "chapters": 1, "utterances": 2, "minutes": round(3.5 / 60, 2)},
        "male": {"speakers": 1, "chapters": 1, "utterances": 1, "minutes": round(2.5 / 60, 2)},
        "left_out_by_subset": {"speakers": 0, "utterances": 0},
        "channels_cancel": 0,
        "rejected": {
            "files": 2,
            "reasons": {
                "no gender on record": 2,
                "shorter than one chunk": 1,
                "undecodable": 1,
                "wrong name: not <speaker>-<chapter>-<utterance>": 1,
            },
        },
    }


# --- what is refused --------------------------------------------------------------------------


def test_a_corpus_without_any_usable_file_is_refused(audio, tmp_path):
    for path in audio.rglob("*.flac"):
        path.write_bytes(b"")
    with pytest.raises(UserError, match=r"none of its 6 .*1-7-0000\.flac, because of: empty file"):
        index(audio)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"^corpus: no audio file in it; put recordings at <subset"):
        index(tmp_path / "empty")


# --- what is remembered -----------------------------------------------------------------------


def test_a_second_run_decodes_only_files_with_new_content(
    audio, write_audio, voice, tmp_path, monkeypatch
):
    decoded = []
    monkeypatch.setattr(
        speech.corpus.index,
        "inspect_audio",
        lambda path: decoded.append(path.name) or inspect_audio(path),
    )
    utterance(audio, "3").write_text("no sound")
    before = index(audio)
    assert len(decoded) == 6
    before.facts.to_parquet(tmp_path / "facts.parquet")
    known = pd.read_parquet(tmp_path / "facts.parquet")
    decoded.clear()
    same(index(audio, known=known), before)
    with pytest.raises(UserError, match=r"shorter than index\.min_seconds \(3 s\)"):
        index(audio, known=known, min_seconds=3.0)
    assert decoded == []
    write_audio(utterance(audio), voice(3.0, seed=99))
    utterance(audio, "2").rename(utterance(audio, "2", 5))
    after = index(audio, known=known).utterances
    assert decoded == ["1-7-0000.flac"]
    assert after["seconds"][0] == 3.0
    decoded.clear()
    index(audio, known=pd.DataFrame({"name": ["x"]}))
    monkeypatch.setattr(speech.corpus.index, "decoder_digest", lambda: "newer")
    index(audio, known=known)
    assert len(decoded) == 12, "facts of another shape or decoder are not trusted"
    assert "2-7-0005" in after["utterance_id"].tolist()


def test_the_result_does_not_depend_on_order_or_jobs_and_progress_counts_recordings(audio):
    steps = []

    def progress(items, total):
        assert total == 6
        return (steps.append(item) or item for item in items)

    utterance(audio).write_text("no sound")
    shuffled = random.Random(3).sample(listed(audio), 6)
    same(index_corpus(audio, shuffled, jobs=2, progress=progress), index(audio))
    assert len(steps) == 6


# --- ids, which users choose as they like -----------------------------------------------------


@pytest.mark.parametrize(
    ("key", "name"),
    [
        *(("speaker_id", name) for name in ("", "a\nb", "..", ".a", "x" * 101, "ä" * 51)),
        *(("utterance_id", name) for name in ("../x", "", "a\0b")),
    ],
)
def test_an_id_that_cannot_name_features_is_refused_with_its_file(audio, key, name):
    ids = {"utterance_id": "u", "speaker_id": "s", "chapter_id": "c"} | {key: name}
    with pytest.raises(UserError, match=rf"^corpus: dev/1/7/1-7-0000\.flac has the {key} '"):
        index_corpus(audio, [Recording("dev/1/7/1-7-0000.flac", **ids)])
