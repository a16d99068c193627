"""The page of a run: it answers first, reads with 3 speakers and with 500, and is one file."""

import io
import json
import re
from html.parser import HTMLParser

import pandas as pd
import plotly.graph_objects
import pytest
from made_up import files_of_a_run

from speech.errors import UserError
from speech.params import SAMPLE
from speech.report.comparison import comparison
from speech.report.run import Run
from speech.report.whole import flattened, report
from speech.report.wording import MINUS, UNKNOWN, system
from stages.report import PLACES

SIZES = [3, 24, 500]


def run_of(files):
    def read(path):
        if path.as_posix() not in files:
            raise FileNotFoundError(path)
        return files[path.as_posix()]

    return Run(read, PLACES)


def page_of(speakers, revision=None, **settings):
    run = run_of(files_of_a_run(speakers))
    return report(run, flattened(run.settings()) | settings, revision)


@pytest.fixture(scope="module", params=SIZES, ids=lambda speakers: f"{speakers} speakers")
def sized(request):
    return request.param, page_of(request.param)


def figures_of(page):
    (data,) = re.findall(r'<script type="application/json" id="figures">(.*?)</script>', page)
    return json.loads(data)


def without_scripts(page):
    return re.sub(r"<(script|style)\b.*?</\1>", "", page, flags=re.DOTALL)


class Outline(HTMLParser):
    """Gathers headings, ids and links, and sees that what is opened is closed."""

    VOID = frozenset({"meta", "br", "link"})

    def __init__(self):
        super().__init__()
        self.levels, self.ids, self.links, self.images, self.open = [], [], [], [], []

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if re.fullmatch(r"h\d", tag):
            self.levels.append(int(tag[1]))
        self.ids += [found["id"]] if "id" in found else []
        self.links += [found["href"]] if tag == "a" else []
        self.images += [found.get("aria-label")] if found.get("role") == "img" else []
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def outline(page):
    parser = Outline()
    parser.feed(without_scripts(page))
    assert parser.open == []
    return parser


def test_the_answer_comes_before_any_section_in_words_and_with_intervals():
    lead = page_of(24).partition("<main>")[0]
    gender = json.loads(files_of_a_run(24)["metrics/gender.json"])["utterance"]
    low, high = (100 * gender[f"accuracy_{end}"] for end in ("low", "high"))
    assert f"{100 * gender['accuracy']:.1f} %" in lead
    assert f"{low:.1f} to {high:.1f}" in lead
    assert "24 speakers never heard in training" in lead


def test_leakage_is_told_of_the_model_that_was_audited_whatever_the_headline():
    page = without_scripts(page_of(3, **{"audit_split.model": "svm", "model": "mlp"}))
    assert re.search(r"support vector machine would have claimed .* instead of", page)
    assert "Support vector machine on the same chunks" in page


@pytest.mark.parametrize(
    ("settings", "warned"),
    [
        ({"corpus": SAMPLE, "encoder": SAMPLE}, ["synthesised", "random weights"]),
        ({"corpus": "dev-clean", "encoder": SAMPLE}, ["random weights"]),
        ({"corpus": SAMPLE, "encoder": "facebook/wav2vec2-base"}, ["synthesised"]),
        ({"corpus": "dev-clean", "encoder": "facebook/wav2vec2-base"}, []),
    ],
)
def test_a_banner_says_when_scores_are_of_no_people_or_of_no_trained_encoder(settings, warned):
    page = page_of(3, **settings)
    banner = re.findall(r'<p class="banner".*?</p>', page)
    assert len(banner) == (1 if warned else 0)
    assert all(word in banner[0] for word in warned)


def test_the_page_is_one_file_that_asks_for_nothing(sized):
    _, page = sized
    assert "default-src 'none'" in page
    assert not re.search(r"<(link|img|iframe)\b|<script[^>]*\bsrc=", page)
    assert page.count("plotly.js v") == 1
    assert len(page.encode()) < 8e6


def test_the_page_is_well_formed_and_its_headings_skip_no_level(sized):
    found = outline(sized[1])
    assert found.levels.count(1) == 1
    assert found.levels[0] == 1
    assert all(b - a <= 1 for a, b in zip(found.levels, found.levels[1:], strict=False))
    assert len(set(found.ids)) == len(found.ids)
    assert {link[1:] for link in found.links} <= set(found.ids)


def test_no_two_headings_or_tables_are_called_the_same(sized):
    text = without_scripts(sized[1])
    for called in (r"<h\d[^>]*>(.*?)</h\d>", r"<caption>(.*?)</caption>"):
        names = re.findall(called, text)
        assert len(names) > 10
        assert len(set(names)) == len(names)


def test_every_figure_is_told_in_words(sized):
    _, page = sized
    labels = outline(page).images
    assert len(labels) == len(figures_of(page)) > 20
    assert all(label and len(label) > 40 for label in labels)


def test_every_figure_has_something_to_draw_and_is_what_plotly_knows(sized):
    for figure in figures_of(sized[1]):
        if figure["points"]:
            continue
        text = json.dumps([figure["traces"], figure["layout"]])
        # The page's script puts in the colours and thins out names.
        traces, layout = json.loads(re.sub(r'"@\w+"', '"#123456"', text))
        for axis in ("xaxis", "yaxis"):
            layout[axis].pop("names", None)
        # Whatever plotly does not know, it refuses here.
        plotly.graph_objects.Figure(traces, layout)
        assert all(len(trace["x"]) for trace in traces)


def test_no_legend_or_axis_is_endless(sized):
    for figure in figures_of(sized[1]):
        chosen = next(iter((figure["choices"] or {"": {"": None}}).values()))
        for numbers in chosen.values():
            traces = [figure["traces"][n] for n in numbers] if numbers else figure["traces"]
            named = [t for t in traces if t.get("name") and t.get("showlegend", True)]
            assert len(named) <= 8
        for axis in ("xaxis", "yaxis"):
            assert figure["layout"].get(axis, {}).get("names", 0) <= 60


def test_of_many_speakers_the_most_frequent_confusions_are_listed_instead_of_a_matrix():
    few, many = page_of(24), page_of(500)
    assert "Speakers: who is taken for whom" in few
    assert "Speakers: who is taken for whom" not in many
    assert re.search(r"The 20 most frequent of \d+ confusions", many)


def test_a_map_knows_utterance_speaker_chapter_and_gender_of_every_dot(sized):
    speakers, page = sized
    maps = [figure["points"] for figure in figures_of(page) if figure["points"]]
    assert len(maps) == 2
    for points in maps:
        number = len(points["about"])
        assert number == speakers * 6
        assert points["about"][0] == "100-0-0000<br>speaker 100 (F), chapter 1000"
        assert set(points["views"]) == {"t-SNE", "PCA"}
        assert [*points["groups"]][:3] == ["gender", "speaker", "chapter"]
        assert all(len(group["of"]) == number for group in points["groups"].values())
        assert len(points["groups"]["speaker"]["names"]) == speakers


def test_the_record_has_settings_versions_and_a_digest_but_no_commit_unless_it_is_told():
    page, copy = page_of(3), page_of(3, revision="0123abc")
    for text in ("mfcc.coefficients", "plotly 7", "SHA-256", "report.audio"):
        assert text in page
    assert "0123abc" not in page
    assert "0123abc" in copy


def test_what_is_read_twice_is_written_alike():
    assert page_of(24) == page_of(24)


def test_names_that_look_like_markup_are_shown_as_they_are():
    files = files_of_a_run(3)
    files["data/rejected.csv"] += b'<script>alert(1)</script>,u,both,"a & b"\n'
    run = run_of(files)
    page = report(run, flattened(run.settings()))
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_what_is_not_known_is_a_dash_and_never_breaks_the_page():
    files = files_of_a_run(3)
    for path, content in files.items():
        if path.endswith(".csv") and path.startswith("plots"):
            unknown = {"low", "high", "median_f0_hz"}
            if path.endswith(("_map.csv", "speaker/speakers.csv")):
                unknown.add("gender")
            table = pd.read_csv(io.BytesIO(content), dtype=str)
            table[list(unknown & set(table.columns))] = ""
            files[path] = table.to_csv(index=False).encode()
    run = run_of(files)
    text = without_scripts(report(run, flattened(run.settings())))
    assert not re.search(r"\bnan\b", text, re.IGNORECASE)


def test_what_the_user_changed_or_left_out_is_told():
    files = files_of_a_run(3)
    corpus = json.loads(files["metrics/corpus.json"])
    corpus |= {"speakers": 3, "sessions": "one per file where none is named (3 of 3 files)"}
    corpus["female"]["speakers"] = corpus["male"]["speakers"] = 1
    change = {"speaker": "100", "from": "M", "to": "F", "reason": "listened"}
    corpus |= {"gender_overrides": [change], "left_out_by_subset": {"speakers": 4}}
    files["metrics/corpus.json"] = json.dumps(corpus).encode()
    split = json.loads(files["metrics/split.json"])
    split["speaker"]["speakers_left_out"] = 1
    files["metrics/split.json"] = json.dumps(split).encode()
    run = run_of(files)
    page = report(run, flattened(run.settings()))
    assert "3 speakers (1 woman, 1 man and 1 without a gender on record)" in page
    assert "speaker scores come out too good" in page
    assert "Labels overridden by the user: 100 to F." in page
    assert "4 speakers left out by the settings of subset" in page
    assert "1 speaker with a single session cannot take part" in page


def test_what_tuning_chose_is_listed_where_anything_was_tuned():
    files = files_of_a_run(3)
    run = run_of(files)
    assert "Gender: what tuning chose" in report(run, flattened(run.settings()))
    for task in ("gender", "speaker"):
        path = f"plots/{task}/tuning.csv"
        files[path] = files[path].splitlines(keepends=True)[0]
    assert "what tuning chose" not in report(run, flattened(run.settings()))


def test_what_best_picked_is_listed_and_of_one_model_nothing_is():
    files = files_of_a_run(3)
    run = run_of(files)
    page = report(run, flattened(run.settings()) | {"model": "best"})
    table = page.partition("<caption>Gender: which model was picked</caption>")[2]
    picked = re.findall(r"<tr><td>(.*?)</td><td>(.*?)</td>", table.partition("</table>")[0])
    assert picked == [
        (scored, "support vector machine") for scored in ("fold 0", "fold 1", "to keep")
    ]
    # Where one model is shown first, it is the one to keep.
    shown = [
        next(iter(f["choices"]["Model"]))
        for f in figures_of(page)
        if "Model" in (f["choices"] or {})
    ]
    chosen = run.settings()["headline_features"]
    assert shown == [system(f"svm · {chosen[task]}") for task in ("gender", "speaker")]
    for task in ("gender", "speaker"):
        path = f"plots/{task}/picked.csv"
        files[path] = b"".join(
            line for line in files[path].splitlines(keepends=True) if b"logistic" not in line
        )
    assert "which model was picked" not in report(run, flattened(run.settings()))


def test_suspected_labels_are_named_as_suspects():
    files = files_of_a_run(3)
    files["plots/gender/suspects.csv"] = files["plots/gender/suspects.csv"].replace(
        b"101,M,False", b"101,M,True"
    )
    run = run_of(files)
    page = report(run, flattened(run.settings()))
    assert "Look at the labels of 101:" in page
    assert "not verdicts" in page
    assert "Look at the labels" not in page_of(3)


def test_how_often_predict_errs_about_strangers_and_other_sounds_is_told():
    text = without_scripts(page_of(3))
    for told in (
        "0.5 % of 194 made noises and tunes for speech",
        "2.0 % [2.0, 2.0] of clean chunks of unheard voices for none (room, the worst condition "
        "tried: 9.0 %)",
        "<td>MFCC</td><td>15.0 % [15.0, 15.0]</td><td>21.0 % [21.0, 21.0]</td>",
    ):
        assert told in text


def test_a_missing_table_is_named_with_what_to_do():
    files = files_of_a_run(3)
    del files["plots/det.csv"]
    run = run_of(files)
    with pytest.raises(UserError, match=r"^plots/det\.csv: no such file; run `dvc repro`"):
        report(run, flattened(run.settings()))


def test_two_runs_side_by_side_show_what_changed_and_only_that():
    old, new = files_of_a_run(24), files_of_a_run(24)
    metrics = json.loads(new["metrics/gender.json"])
    metrics["utterance"]["accuracy"] -= 0.05
    new["metrics/gender.json"] = json.dumps(metrics).encode()
    new["params.yaml"] = new["params.yaml"].replace(b"\nseed: 17", b"\nseed: 18")
    page = without_scripts(comparison({"main": run_of(old), "here": run_of(new)}))
    assert f"{MINUS}5.0 points" in page
    assert "Metrics that differ: 1 of" in page
    assert "gender.utterance.accuracy" in page
    assert re.search(r"<td>seed</td><td>17</td><td>18</td>", page)
    assert "<td>model</td>" not in page


def test_a_revision_without_tables_is_compared_by_its_metrics():
    bare = {
        path: content for path, content in files_of_a_run(3).items() if not path.startswith("plots")
    }
    page = comparison({"main": run_of(bare), "here": run_of(files_of_a_run(3))})
    assert "no picture, for want of a table" in page
    assert "All metrics are the same." in page


def test_metrics_that_one_revision_has_not_are_dashes():
    older = files_of_a_run(3)
    del older["metrics/rejection.json"]
    page = without_scripts(comparison({"main": run_of(older), "here": run_of(files_of_a_run(3))}))
    assert re.search(rf"<td>rejection\.voices\.mfcc\.eer</td><td>{UNKNOWN}</td><td>0.15</td>", page)
    assert "in main. metrics/rejection.json: no such file" in page
