"""A subset of LibriSpeech through DVC: fetched at the first run, and never again."""

import hashlib
import tarfile

import pytest


@pytest.fixture
def library(mirror, bare, folder_corpus, tmp_path):
    """Offer the small corpus as dev-clean on a server, and tell the project of it."""
    source, archive = folder_corpus(), tmp_path / "dev-clean.tar.gz"
    (source / "small").rename(source / "dev-clean")
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(source, "LibriSpeech")
    content = archive.read_bytes()
    mirror.put(archive.name, content)
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
