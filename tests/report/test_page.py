"""The page of a run: it answers first, reads with 3 speakers and with 500, and is one file."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import soundfile
import yaml
from made_up import FEATURES_OF, ROOT, UTTERANCES, change_metrics, change_plot, make_up_run
from plotly import graph_objects as go

from speech.errors import UserError
from speech.params import SAMPLE
from speech.report.page import report_page
from speech.report.wording import UNKNOWN

FIGURES = {
    *("Minutes per speaker", "Duration of utterances", "Outliers"),
    *("Effect size of gender on each coefficient", "Correlation of each coefficient with gender"),
    *("Distribution of a coefficient by gender", "Gender accuracy by normalisation of the frames"),
    *("MFCC in two dimensions", "wav2vec 2.0 in two dimensions"),
    *("Agreement of clusters with labels", "Optimism of careless splits"),
    *("Accuracy by layer of wav2vec 2.0", "Gender accuracy by number of training speakers"),
    "Speaker verification (DET curve)",
}
OF_A_TASK = {"all models", "confusion matrix", "ROC curves", "reliability diagram"}
OF_A_TASK |= {"accuracy by duration", "women and men apart", "accuracy of each speaker"}
OF_A_TASK |= {"learning curves of the networks"}
WITHOUT_NUMBERS = {"Duration of utterances", "Distribution of a coefficient by gender"}
"""Besides curves, maps and matrices."""


def page_of(run, **settings):
    params = yaml.safe_load((ROOT / "params.yaml").read_text("utf-8"))
    return report_page(run, params | settings)


@pytest.fixture
def run(tmp_path):
    return make_up_run(tmp_path, 3)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Make up a run of three speakers and its page, for tests that change nothing."""
    run = make_up_run(tmp_path_factory.mktemp("run"), 3)
    return run, page_of(run)


@pytest.fixture(scope="module", params=[3, 500], ids=["3 speakers", "500 speakers"])
def sized(request, small, tmp_path_factory):
    few = request.param == 3
    folder = tmp_path_factory.mktemp("run")
    return request.param, small[1] if few else page_of(make_up_run(folder, request.param))


def without_scripts(page):
    return re.sub(r"<(script|style)\b.*?</\1>", "", page, flags=re.DOTALL)


def words_of(page):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", without_scripts(page)))


def figures_of(page):
    found = re.findall(
        r"<h3>(.*?)</h3>.*?<script type=\"application/json\">(.*?)</script>", page, flags=re.DOTALL
    )
    return {title.replace("&#39;", "'"): json.loads(data) for title, data in found}


class Outline(HTMLParser):
    """Gathers what headings, links and labels refer to, and sees that tags are closed."""

    VOID = frozenset({"meta", "br", "link"})

    def __init__(self, page):
        super().__init__()
        self.levels, self.ids, self.refers, self.open = [], [], [], []
        self.feed(without_scripts(page))
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.levels += [int(tag[1])] if re.fullmatch(r"h\d", tag) else []
        self.ids += [found["id"]] if "id" in found else []
        self.refers += [found["href"].removeprefix("#")] if "href" in found else []
        self.refers += [found["aria-labelledby"]] if "aria-labelledby" in found else []
        self.open += [] if tag in self.VOID else [tag]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_answer_comes_before_any_section_in_words_and_with_intervals(small):
    run, page = small
    score = json.loads((run.metrics / "gender.json").read_text("utf-8"))["utterance"]
    lead = page.partition("<main>")[0]
    low, high = (100 * score[f"accuracy_{end}"] for end in ("low", "high"))
    assert f"{100 * score['accuracy']:.1f} %" in lead
    assert f"{low:.1f} to {high:.1f}" in lead
    assert "Gender, of speakers not in training" in lead
    assert re.search(r"SVM would have reported\s.*instead of", lead, flags=re.DOTALL)


@pytest.mark.parametrize("corpus", [SAMPLE, "dev-clean"])
@pytest.mark.parametrize("encoder", [SAMPLE, "facebook/wav2vec2-base"])
def test_a_banner_warns_of_synthesised_speech_and_an_untrained_encoder(small, corpus, encoder):
    page = page_of(small[0], corpus=corpus, encoder=encoder)
    banner = "".join(re.findall(r'<p class="banner".*?</p>', page, flags=re.DOTALL))
    assert ("synthesised" in banner) == (corpus == SAMPLE)
    assert ("random weights" in banner) == (encoder == SAMPLE)
    assert bool(banner) == (SAMPLE in (corpus, encoder))


def test_the_page_is_one_file_that_requests_nothing_and_its_links_lead_somewhere(sized):
    _, page = sized
    assert "default-src 'none'" in page
    assert not re.search(r"<(link|img|iframe)\b|<script[^>]*\bsrc=", page)
    assert page.count("plotly.js v") == 1
    assert len(page.encode()) < 8e6
    found = Outline(page)
    assert found.levels[0] == 1
    assert (np.diff(found.levels) <= 1).all()
    assert len(set(found.ids)) == len(found.ids)
    assert set(found.refers) <= set(found.ids)


def test_every_figure_is_there_with_a_sentence_and_its_numbers(sized):
    speakers, page = sized
    expected = {f"{task}: {what}" for task in ("Gender", "Speakers") for what in OF_A_TASK}
    expected |= FIGURES
    if speakers == 500:
        # A matrix would not be legible: the most frequent confusions are listed instead.
        expected.remove("Speakers: confusion matrix")
        assert re.search(r"<details open><summary>The 20 most frequent of \d+ confusions", page)
    assert ("would not be legible" in page) == (speakers == 500)
    assert set(figures_of(page)) == expected
    captions = re.findall(r"<figcaption.*?<p>(.*?)</p></figcaption>", page, flags=re.DOTALL)
    assert len(captions) == len(expected)
    assert all(len(caption) > 30 for caption in captions)
    tables = set(re.findall(r"<caption>(.*?), in numbers</caption>", page))
    curves = ("curve", "diagram", "matrix", "dimensions")
    without = {t for t in expected if any(word in t for word in curves)} | WITHOUT_NUMBERS
    assert {title.replace("&#39;", "'") for title in tables} == expected - without


def test_plotly_knows_all_that_is_drawn_and_no_legend_or_axis_is_endless(sized):
    for title, figure in figures_of(sized[1]).items():
        # What it does not know, it refuses here.
        drawing = go.Figure(figure["data"], figure["layout"])
        seen = [trace for trace in drawing.data if trace.visible is not False]
        assert 0 < len(seen) <= 8, title
        for trace in seen:
            names = {x for x in trace.x if isinstance(x, str)} if trace.x is not None else set()
            assert len(names) <= 60, title


def test_a_map_names_every_dot_and_is_coloured_by_each_label_and_clustering(sized):
    speakers, page = sized
    for features in ("MFCC", "wav2vec 2.0"):
        figure = figures_of(page)[f"{features} in two dimensions"]
        (trace,) = figure["data"]
        assert trace["text"][0] == "100-0-0000<br>speaker 100 (F), chapter 1000"
        assert set(figure["choices"]["Map"]) == {"t-SNE", "PCA"}
        colours = figure["choices"]["Colour by"]
        assert [*colours][:3] == ["gender", "speaker", "chapter"]
        assert colours["gender"]["key"] == ["women", "men"]
        assert len(colours["speaker"]["key"]) == speakers
        for update in colours.values():
            assert len(update["marker.color"][0]) == speakers * UTTERANCES


def test_a_choice_shows_the_traces_of_one_name_and_the_headline_model_first(small):
    figures = figures_of(small[1])
    for figure in figures.values():
        for options in figure["choices"].values():
            shown = [option["visible"] for option in options.values() if "visible" in option]
            if shown:
                assert shown[0] == [trace["visible"] for trace in figure["data"]]
                assert all(sum(each) == 1 for each in zip(*shown, strict=True))
    # Of the made-up models, svm is picked.
    for task, system in (("Gender", "SVM · MFCC + pitch"), ("Speakers", "SVM · wav2vec 2.0")):
        first, *_ = figures[f"{task}: reliability diagram"]["choices"]["Model"]
        assert first == system


def test_a_table_shows_formatted_values_and_sorts_by_the_plain_ones(run):
    for value in ("150.25", ""):
        change_plot(
            run, "gender/suspects", lambda text, value=value: text.replace("150.0", value, 1)
        )
    page = page_of(run)
    assert '<td class="number" data-value="150.25">150</td>' in page
    assert f'<td class="number" data-value="">{UNKNOWN}</td>' in page
    assert '<th scope="col" class=number><button type="button">Minutes</button></th>' in page


def test_settings_versions_digest_and_rates_of_rejection_are_reported(small):
    run, page = small
    for text in ("mfcc.coefficients", "plotly 7", f"SHA-256 {run.digest()[:16]}", "report.audio"):
        assert text in page
    assert "it rejects 2.0 % [1.0, 3.0] (at worst, room: 9.0 %)" in words_of(page)
    for rate in ("15.0 % [14.0, 16.0]", "21.0 % [20.0, 22.0]", "5.0 % [4.0, 6.0]"):
        assert f"<td>{rate}</td>" in page
    # The same run gives the same bytes.
    assert page_of(run) == page


def test_names_that_look_like_markup_are_shown_as_they_are(run):
    hostile = "</script><script>alert(1)</script>"
    run.rejected.write_text(f'path,utterance_id,left_out_of,reason\n{hostile},u,both,"a & b"\n')
    for name in ("clusters/mfcc_map", "gender/speakers", "mfcc/outliers"):
        change_plot(run, name, lambda text: text.replace("100,", f"{hostile},"))
    page = page_of(run)
    assert hostile not in page
    assert "&lt;/script&gt;&lt;script&gt;alert(1)" in page
    assert figures_of(page).keys() >= FIGURES


def test_what_is_not_known_is_a_dash_and_never_breaks_the_page(run):
    empty = {"low", "high", "median_f0_hz"}
    for path in run.plots.rglob("*.csv"):
        unknown = empty | ({"gender"} if path.stem.endswith(("_map", "speakers")) else set())
        table = pd.read_csv(path, dtype=str)
        table[list(unknown & set(table.columns))] = ""
        table.to_csv(path, index=False)
    assert not re.search(r"\bnan\b", words_of(page_of(run)), flags=re.IGNORECASE)


def test_what_the_user_changed_or_left_out_and_suspected_labels_are_reported(run, small):
    override = {"speaker": "100", "from": "M", "to": "F", "reason": "listened"}
    corpus = {"gender_overrides": [override], "left_out_by_subset": {"speakers": 4}}
    corpus |= {"female": {"speakers": 1}, "male": {"speakers": 1}}
    corpus |= {"sessions": "one per file where none is named (3 of 3 files)"}
    change_metrics(run, "corpus", corpus)
    change_metrics(run, "split", {"speaker": {"speakers_left_out": 1}})
    change_plot(run, "gender/suspects", lambda text: text.replace("101,M,False", "101,M,True"))
    words = words_of(page_of(run))
    for sentence in (
        "3 speakers (1 woman, 1 man and 1 without a gender on record)",
        "the speaker scores are too high",
        "Labels overridden by the user: 100 to F.",
        "4 speakers left out by the settings of subset",
        "1 speaker with a single session cannot take part",
        "Check the labels of 101:",
        "not verdicts",
    ):
        assert sentence in words
    assert "No speaker's label is contradicted" in small[1]


def test_without_choices_outliers_and_networks_their_tables_and_figures_are_left_out(run, small):
    captions = ("models picked", "hyperparameters chosen")
    assert all(f"Gender: {caption}</caption>" in small[1] for caption in captions)
    names = [
        "mfcc/outliers",
        *(f"{t}/{name}" for t in FEATURES_OF for name in ("curves", "tuning")),
    ]
    for name in names:
        change_plot(run, name, lambda text: text.splitlines(keepends=True)[0])
    for task in FEATURES_OF:
        change_plot(run, f"{task}/picked", lambda text: re.sub(r".*logistic.*\n", "", text))
    page = page_of(run)
    assert not any(caption in page for caption in captions)
    titles = figures_of(page).keys()
    assert not any("Outliers" in title or "networks" in title for title in titles)


@pytest.mark.parametrize(
    "name", ["plots/det.csv", "metrics/rejection.json", "plots/gender/roc.csv"]
)
def test_a_missing_file_is_named_with_what_to_do(run, name):
    path = (run.metrics if name.startswith("metrics") else run.plots) / name.partition("/")[2]
    path.unlink()
    with pytest.raises(UserError, match=re.escape(f"{path}: no such file; run `dvc repro`")):
        page_of(run)


def test_on_request_the_page_plays_the_speakers_whose_labels_are_most_doubtful(run):
    run.audio.mkdir()
    for speaker in (100, 101, 102):
        soundfile.write(run.audio / f"{speaker}-0-0000.wav", np.sin(np.arange(32_000) / 9), 16_000)
    page = page_of(run, report={"audio": True})
    clips = re.findall(
        r'<audio [^>]*aria-label="speaker (\d+)" src="data:audio/mpeg;base64,[^"]+"', page
    )
    assert clips == ["100", "101", "102"]
