"""Twenty real speakers are indexed and dealt to folds as they are known to be."""

import json

import pytest


def test_the_corpus_is_what_it_is_known_to_be(dev_clean_20, bare):
    bare.set(corpus=str(dev_clean_20), **{"folds.gender": 5, "folds.speaker": 3})
    bare.stages("check_params", "fetch_corpus", "index_corpus", "split_by_speaker")
    corpus, split = (
        json.loads((bare.root / "data/results" / f"{name}.json").read_text("utf-8"))
        for name in ("corpus", "split")
    )
    known = {"utterances": 1313, "speakers": 20, "chapters": 48}
    assert known.items() <= corpus.items()
    assert corpus["minutes"] == pytest.approx(162, abs=1)
    assert corpus["female"]["speakers"] == 9
    assert corpus["male"]["speakers"] == 11
    assert corpus["rejected"]["files"] == 0
    assert split["gender"]["speakers"] == 20
    known = {"speakers": 16, "speakers_left_out": 4, "left_out": "1919, 2078, 422, 777"}
    assert known.items() <= split["speaker"].items()
