"""A corpus of whose speakers no gender is known runs to the page, and to predict.py."""

import json


def test_speakers_without_genders_are_recognised_and_the_page_says_what_was_not_asked(
    first_run, bare, folder_corpus
):
    corpus = folder_corpus() / "small"
    names = sorted(folder.name for folder in corpus.iterdir())
    (corpus / "speakers.csv").write_text("\n".join(["speaker_id", *names]) + "\n")
    (corpus.parent / "SPEAKERS.TXT").unlink()
    bare.set(corpus=str(corpus), tasks=["speaker"])
    _, whole = first_run
    result = bare.straight_on(*whole.commands)
    assert "not asked for (tasks in params.yaml): gender" in result.closing_line("split_by_speaker")
    page = (bare.root / "plots/report.html").read_text("utf-8")
    assert "The gender task was not asked for" in page
    assert "Women and men are not compared: the gender task was not asked for." in page
    assert f"{len(names)} without a gender on record" in page
    assert "Speakers: confusion matrix" in page
    assert "Gender: confusion matrix" not in page
    # To DVC it is a whole run: no output is missing, though half of them are empty.
    bare.dvc("commit", "--force")
    assert bare.dvc("repro").stages_run == []

    said = bare.must("python", "predict.py", "--format", "json", str(corpus / "1/0/1-0-0000.wav"))
    (answer,) = json.loads(said.out)
    assert answer["gender"] is None
    assert answer["nearest"][0]["speaker"] in names
    refused = bare.run("python", "predict.py", "--gender-model", "mfcc-svm", str(corpus))
    assert (refused.status, refused.out) == (2, "")
    assert "has no model for gender, because only speaker was asked for" in refused.err
