"""The stage report: what the page is given, and where it is written."""

from pathlib import Path

import stages.report


def test_the_page_is_given_the_params_as_dvc_reads_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # By YAML 1.1 these would be words.
    Path("params.yaml").write_text("svm: {gamma: 1e-05}\nlogistic: {C: 6e1}\n", "utf-8")
    given = []
    monkeypatch.setattr(stages.report, "report_page", lambda _, own: given.append(own) or "page")
    monkeypatch.setattr(stages.report, "frame", lambda: "frame")
    stages.report.report(None)
    assert given == [{"svm": {"gamma": 0.00001}, "logistic": {"C": 60.0}}]
    assert list(given[0]) == ["svm", "logistic"]
    written = {path.name: path.read_text("utf-8") for path in Path("plots").iterdir()}
    assert written == {"report.html": "page", "frame.html": "frame"}
