"""A subset of LibriSpeech through DVC: fetched at the first run, and never again."""

import hashlib

import pytest


@pytest.fixture
def library(mirror, bare, dev_clean_archive):
    """Offer eight voices as dev-clean on a server, and tell the project of it."""
    content = dev_clean_archive.read_bytes()
    mirror.put(dev_clean_archive.name, content)
    bare.set(corpus_sha256={"dev-clean": hashlib.sha256(content).hexdigest()})
    bare.commit("An archive of our own")
    return bare


def test_a_subset_is_fetched_at_the_first_run_and_never_again(mirror, library):
    dev_clean = ["-S", "corpus=dev-clean", "-S", f"corpus_mirror={mirror.host}"]
    result = library.dvc("exp", "run", *dev_clean, "index_corpus")
    assert result.stages_run == ["check_params", "fetch_corpus", "index_corpus"]
    assert "32 utterances of 8 speakers" in result.closing_line("index_corpus")
    assert len(mirror.log) == 1

    assert library.dvc("repro", "index_corpus").stages_run == []
    forced = library.dvc("repro", "--force", "--single-item", "fetch_corpus")
    assert forced.stages_run == ["fetch_corpus"]
    assert len(mirror.log) == 1


def test_a_mirror_that_has_nothing_is_one_sentence_and_no_traceback(mirror, library):
    mirror.files.clear()
    library.set(corpus="dev-clean", corpus_mirror=f"{mirror.host}/speech")
    result = library.run("dvc", "repro", "fetch_corpus")
    assert result.status != 0
    said = f"fetch_corpus: {mirror.host}/speech/dev-clean.tar.gz: the server says 404 Not Found; "
    assert said in result.err
    assert "Traceback" not in result.out + result.err
