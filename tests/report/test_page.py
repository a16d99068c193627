"""The page of a run: it answers first, reads with 3 speakers and with 500, and is one file."""

import html
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from made_up import FEATURES_OF, MODELS, UTTERANCES, make_up_run

from speech.errors import UserError
from speech.params import SAMPLE
from speech.report import wording
from speech.report.page import report_page

FIGURES = {
    *("Minutes per speaker", "Duration of utterances", "Outliers"),
    "Correlation of each coefficient with gender",
    *("Distribution of a coefficient by gender", "Gender accuracy by normalisation of the frames"),
    *("MFCC in two dimensions", "wav2vec 2.0 in two dimensions"),
    *("Agreement of clusters with labels", "Optimism of careless splits"),
    *("Accuracy by layer of wav2vec 2.0", "Gender accuracy by number of training speakers"),
    "Speaker verification (DET curve)",
}
TITLES = {"gender": "Gender", "speaker": "Speakers"}
OF_A_TASK = {"all models", "confusion matrix", "ROC curves", "reliability diagram"}
OF_A_TASK |= {"accuracy by duration", "accuracy of each speaker", "learning curves of the networks"}


def default_params():
    return yaml.safe_load((Path(__file__).parents[2] / "params.yaml").read_text("utf-8"))


def page_of(run, **settings):
    return report_page(run, default_params() | settings)


@pytest.fixture
def run(tmp_path):
    return make_up_run(tmp_path, 3)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Make up a run of three speakers and its page, for tests that change nothing."""
    run = make_up_run(tmp_path_factory.mktemp("run"), 3)
    return run, page_of(run)


@pytest.fixture(scope="module", params=[3, 500])
def sized(request, tmp_path_factory):
    return request.param, page_of(make_up_run(tmp_path_factory.mktemp("run"), request.param))


def without_scripts(page):
    return re.sub(r"<(script|style)\b.*?</\1>", "", page, flags=re.DOTALL)


def words_of(page):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", without_scripts(page)))


def figures_of(page):
    found = re.findall(
        r"<figcaption[^>]*><h3>(.*?)</h3>.*?<script type=\"application/json\">(.*?)</script>",
        page,
        flags=re.DOTALL,
    )
    return {title.replace("&#39;", "'"): json.loads(data) for title, data in found}


def table_of(page, caption):
    return re.search(rf"<caption>{caption}, in numbers</caption>(.*?)</table>", page, re.DOTALL)[1]


def rows_of(page, caption):
    rows = re.findall(r"<tr>(.*?)</tr>", table_of(page, caption))
    return [re.findall(r"<td.*?>(.*?)</td>", row) for row in rows]


def test_the_answer_comes_before_any_section_in_words_and_with_intervals(small):
    run, page = small
    score = json.loads((run.results / "gender.json").read_text("utf-8"))["utterance"]
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


def test_an_encoder_of_another_family_is_called_by_its_name(run):
    run.change_results("encoder", {"family": "WavLM"})
    page = without_scripts(page_of(run, encoder="microsoft/wavlm-base-plus"))
    assert "wav2vec 2.0" not in page
    assert "pitch, and WavLM (microsoft/wavlm-base-plus)" in page
    assert "Accuracy by layer of WavLM" in page


def test_the_page_is_one_file_that_requests_nothing_and_its_links_lead_somewhere(sized):
    _, page = sized
    assert "default-src 'none'" in page
    assert not re.search(r"<(link|img|iframe)\b|<script[^>]*\bsrc=", page)
    assert page.count("plotly.js v") == 1
    assert len(page.encode()) < 8e6
    body = without_scripts(page)
    levels = [int(level) for level in re.findall(r"<h(\d)", body)]
    assert levels[0] == 1
    assert (np.diff(levels) <= 1).all()
    ids = re.findall(r'\bid="([^"]+)"', body)
    assert len(set(ids)) == len(ids)
    assert set(re.findall(r'(?:href="#|aria-labelledby=")([^"]+)', body)) <= set(ids)


def test_every_figure_is_there_with_a_sentence_and_its_numbers(sized):
    speakers, page = sized
    expected = {f"{task}: {what}" for task in TITLES.values() for what in OF_A_TASK}
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
    drawn = ("curve", "diagram", "matrix", "dimensions", "Duration of utterances")
    without = {title for title in expected if any(word in title for word in drawn)}
    assert {title.replace("&#39;", "'") for title in tables} == expected - without


def test_no_legend_or_axis_is_endless(sized):
    for title, figure in figures_of(sized[1]).items():
        seen = [trace for trace in figure["data"] if trace.get("visible") is not False]
        assert 0 < len(seen) <= 8, title
        for trace in seen:
            assert len({x for x in trace.get("x", ()) if isinstance(x, str)}) <= 60, title


def test_a_map_names_every_dot_and_is_coloured_by_speaker_at_first(sized):
    speakers, page = sized
    for features in ("MFCC", "wav2vec 2.0"):
        figure = figures_of(page)[f"{features} in two dimensions"]
        (trace,) = figure["data"]
        assert trace["text"][0] == "100-0-0000, speaker 100 (F), chapter 1000"
        colours = figure["choices"]["Colour by"]
        assert trace["marker"]["color"] == colours["speaker"]["marker.color"][0]
        assert len(colours["speaker"]["key"]) == speakers
        assert all(len(one["marker.color"][0]) == speakers * UTTERANCES for one in colours.values())


def test_a_choice_shows_the_traces_of_one_name_and_the_headline_model_first(small):
    figures = figures_of(small[1])
    # Of the made-up models, svm is picked.
    for task, system in (("Gender", "SVM · MFCC"), ("Speakers", "SVM · wav2vec 2.0")):
        figure = figures[f"{task}: reliability diagram"]
        assert next(iter(figure["choices"]["Model"])) == system
        shown = [one["visible"] for one in figure["choices"]["Model"].values()]
        assert shown[0] == [trace["visible"] for trace in figure["data"]]
        assert all(sum(each) == 1 for each in zip(*shown, strict=True))


def test_a_table_shows_formatted_values_and_sorts_by_the_plain_ones(run):
    run.change_plot(
        "gender/suspects",
        lambda text: text.replace("150.0", "150.25", 1).replace("150.0", "", 1),
    )
    page = page_of(run)
    assert '<td class="number" data-value="150.25">150</td>' in page
    assert f'<td class="number" data-value="">{wording.NOTHING}</td>' in page
    assert '<th scope="col" class=number><button type="button">Minutes</button></th>' in page


def test_settings_versions_digest_and_rates_of_rejection_are_reported(small):
    run, page = small
    for text in ("coefficients: 30", "  sequence_layer: 4", "plotly 7"):
        assert text in page
    assert "of one gender are harder to distinguish: 12.5 % with MFCC, 12.5 %" in words_of(page)
    assert "it rejects 2.0 % [1.0, 3.0] (at worst, room: 9.0 %)" in words_of(page)
    for rate in ("15.0 % [14.0, 16.0]", "21.0 % [20.0, 22.0]", "5.0 % [4.0, 6.0]"):
        assert f"<td>{rate}</td>" in page
    # The same run gives the same bytes.
    assert page_of(run) == page


def test_names_are_shown_as_they_are_whatever_they_look_like(run):
    hostile, seen = "a&amp;b<i>\u202e</script>", "a&amp;b<i>\\u202e</script>"
    odd = {"100": hostile, "101": "NA", "102": "007"}
    columns = ["speaker_id", "actual", "predicted", "label"]
    run.change_plots(lambda _, table: table.replace(dict.fromkeys(columns, odd)))
    corpus = pd.read_parquet(run.utterances).replace({"speaker_id": odd})
    corpus.to_parquet(run.utterances)
    run.rejected.write_text(f'path,utterance_id,left_out_of,reason\n{hostile},u,both,"a & b"\n')
    page = page_of(run)
    assert "\u202e" not in page
    assert hostile not in page
    cells = {html.unescape(cell) for cell in re.findall(r"<td>(.*?)</td>", page)}
    assert {seen, "NA", "007"} <= cells


def test_what_is_not_known_is_a_dash_and_never_breaks_the_page(run):
    def emptied(name, table):
        unknown = {"low", "high", "median_f0_hz"}
        unknown |= {"gender"} if name.endswith(("_map", "speakers")) else set()
        return table.assign(**dict.fromkeys(unknown & set(table.columns), ""))

    run.change_plots(emptied)
    assert not re.search(r"\bnan\b", words_of(page_of(run)), flags=re.IGNORECASE)


def test_what_the_user_changed_or_left_out_and_suspected_labels_are_reported(run, small):
    override = {"speaker": "100", "from": "M", "to": "F", "reason": "listened"}
    corpus = {"gender_overrides": [override], "left_out_by_subset.speakers": 4}
    corpus |= {"female.speakers": 1, "male.speakers": 1}
    corpus |= {"subset.speakers_per_gender": 9, "subset.chapters_at_least": 2}
    corpus |= {"sessions": "one per file where none is named (3 of 3 files)"}
    run.change_results("corpus", corpus)
    run.change_results("split", {"speaker.speakers_left_out": 1})
    run.change_plot("gender/suspects", lambda text: text.replace("101,M,False", "101,M,True"))
    page = page_of(run)
    assert page.count("SHA-256") == 1
    words = words_of(page)
    for sentence in (
        "A subset of the corpus is used: 9 speakers of each gender and 2 chapters of a speaker at",
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

    def left_out(name, table):
        if name == "picked":
            return table[table["model"] != "logistic"]
        return table.head(0) if name in ("outliers", "curves", "tuning") else table

    run.change_plots(left_out)
    page = page_of(run)
    assert not any(caption in page for caption in captions)
    titles = figures_of(page).keys()
    assert not any("Outliers" in title or "networks" in title for title in titles)


def test_precision_and_recall_are_in_words_and_in_every_table_of_models_and_speakers(small):
    run, page = small
    words = words_of(page)
    assert words.count("macro precision of 82.0 %, a macro recall of 78.0 %") == 2
    for task, title in TITLES.items():
        models = pd.read_csv(run.plots / task / "models.csv").query("level == 'utterance'")
        for score in ("precision", "recall"):
            value = models[models["score"] == score]["value"].iloc[0]
            assert f'data-value="{value:.6g}"' in table_of(page, f"{title}: all models")
    precision, recall = by_class(run, "speaker")
    rows = {row[0]: row for row in rows_of(page, "Speakers: accuracy of each speaker")}
    assert rows["100"][4:6] == [precision["100"], recall["100"]]
    precision, recall = by_class(run, "gender")
    for name, gender in {"F": "women", "M": "men"}.items():
        assert f"predicted as {gender}'s, {precision[name]} are (precision)" in words
        assert f"of {gender}'s utterances, {recall[name]} are recognised (recall)" in words


def by_class(run, task):
    """Compute the precision and recall of each class, as the page writes them."""
    table = pd.read_csv(run.plots / task / "confusion.csv", dtype=str)
    right = table["actual"] == table["predicted"]
    return [right.groupby(table[of]).mean().map(wording.percent) for of in ("predicted", "actual")]


def test_how_it_was_done_follows_the_settings(small):
    run, page = small
    for text in (
        "windows of 25 ms every 10 ms, from 40 mel filters between 60 and 6,000 Hz, with their",
        "(960 numbers).",
        "naive baseline: the most frequent label",
        "5 folds of 1 speakers",
        "The one used here is untrained: 6 layers",
    ):
        assert text in words_of(page), text
    params = default_params()
    params["mfcc"] |= {"coefficients": 20, "delta_orders": 0, "energy": False}
    statistics = params["inputs"]["mfcc"]
    statistics |= {"statistics": ["mean", "correlation"], "normalisation": "none"}
    params["mlp"]["hidden"] = [256]
    params |= {"models": ["mlp", "bayes"], "tune": True, "encoder": "facebook/wav2vec2-base"}
    params["headline_features"]["gender"] = "mfcc_pitch"
    words = words_of(report_page(run, params))
    for text in (
        "20 mel-frequency cepstral coefficients",
        "between 60 and 6,000 Hz. Pitch",
        "of its frames, as they are, the mean of each coefficient and the correlations between the "
        "first 20 coefficients (210 numbers, and those of the",
        "with 256 hidden units",
        "bayes",
        "chosen within each training part",
        "The one used here is facebook/wav2vec2-base",
    ):
        assert text in words, text
    assert not any(text in words for text in ("baseline: the", "random weights", "log energy"))
    # One that was added, and that the template does not know.
    statistics["statistics"] = ["mean", "skewness"]
    text = "of its frames, as they are, the mean of each coefficient and skewness. Models"
    assert text in words_of(report_page(run, params))


@pytest.mark.parametrize(("mfcc", "below"), [(0.81, True), (0.8, False)])
@pytest.mark.parametrize("encoder", [SAMPLE, "facebook/wav2vec2-base"])
def test_why_wav2vec2_is_below_mfcc_is_said_only_where_it_is(run, mfcc, below, encoder):
    table = pd.read_csv(run.plots / "speaker/models.csv")
    same = (table["model"] == "logistic") & (table["score"] == "accuracy")
    table.loc[same & (table["features"] == "mfcc"), "value"] = mfcc
    table.to_csv(run.plots / "speaker/models.csv", index=False)
    words = words_of(page_of(run, encoder=encoder))
    assert words.count("On MFCC, logistic regression reaches 81.0 %") == below
    why = "this wav2vec 2.0 is untrained" if encoder == SAMPLE else "not fine-tuned here"
    assert words.count(why) == below


def test_conclusions_on_the_features_follow_from_the_tables(run):
    words = words_of(page_of(run))
    outliers = pd.read_csv(run.plots / "mfcc/outliers.csv")["utterance_id"]
    for text in (
        "2 coefficients of 30 go with gender: c00 and c01 (",
        f"The most outlying: {outliers[0]} (9.5), {outliers[1]} (9.5), {outliers[2]} (9.5).",
        "none, level and standard clearly lowers the accuracy; no other",
        "The one in use, level, has",
        "-10.0 points [-20.0, -5.0] more than none",
    ):
        assert text.replace("-", wording.MINUS) in words.replace("-", wording.MINUS), text
    run.change_plot("mfcc/normalisations", lambda text: text.replace("-0.05", "0.05"))
    assert "no normalisation is clearly better or worse than none" in words_of(page_of(run))


def test_each_map_is_interpreted_by_its_scores(small):
    run, page = small
    words = words_of(page)
    for name, kind in (("MFCC", "mfcc"), ("wav2vec 2.0", "wav2vec2")):
        table = pd.read_csv(run.plots / f"clusters/{kind}_agreement.csv")
        rand = table.set_index(["algorithm", "label", "score"])["value"]["kmeans", "speaker", "ari"]
        speakers = f"{wording.agreement(rand)} the speakers (adjusted Rand index {rand:.2f})"
        assert f"{name}: 3 k-means clusters {speakers}" in words
    assert words.count("leaves 12.5 % out as noise") == 2


def test_a_session_of_librispeech_is_called_a_chapter_where_the_promise_is_made(run):
    caveat = "In LibriSpeech a session is a chapter, often of the same book and month"
    assert caveat not in words_of(page_of(run))
    assert words_of(page_of(run, corpus="dev-clean")).count(caveat) == 1
    corpus = pd.read_parquet(run.utterances)
    corpus.assign(utterance_id="ann/" + corpus["utterance_id"]).to_parquet(run.utterances)
    for task in FEATURES_OF:
        path = run.folds / f"{task}.csv"
        path.write_text(
            "".join(f"ann/{line}" if line[0].isdigit() else line for line in path.open())
        )
    assert caveat not in words_of(page_of(run, corpus="my/recordings"))


def leave_out(run, task):
    """Leave of a task what its stages leave when it is not asked for."""
    for name in ("split", "split_audit", "layers"):
        run.change_results(name, {task: ...})
    (run.results / f"{task}.json").write_text("{}")
    (run.folds / f"{task}.csv").write_text("utterance_id,fold\n")
    shutil.rmtree(run.plots / task)
    of_task = {"gender": ["normalisations", "correlation", "learning_curve"], "speaker": ["det"]}

    def without(name, table):
        table = table.head(0) if name in of_task[task] else table
        table = table[table["task"] != task] if "task" in table else table
        if task == "gender" and name in ("density", "distributions"):
            table = table[table["gender"] == "F"].assign(gender="all")
        return table

    run.change_plots(without)
    if task == "speaker":
        (run.results / "verification.json").write_text("{}")
        run.change_results("rejection", {"speakers": {}})


@pytest.mark.parametrize(("task", "other"), [("gender", "speaker"), ("speaker", "gender")])
def test_a_task_that_was_not_asked_for_has_a_sentence_in_place_of_its_section(run, task, other):
    leave_out(run, task)
    page = page_of(run, tasks=[other])
    sentence = f"The {task} task was not asked for (tasks in params.yaml)."
    assert words_of(page).count(sentence) == 2  # in the lead and in its section
    titles = figures_of(page).keys()
    assert f"{TITLES[other]}: all models" in titles
    assert not any(title.startswith(f"{TITLES[task]}: ") for title in titles)
    assert ("Speaker verification (DET curve)" in titles) == (other == "speaker")
    assert not re.search(r"\bnan\b", words_of(page), flags=re.IGNORECASE)


def external_results():
    """Make up what an external validation of the gender models leaves."""
    scores = {"printed": 0.975, "printed_low": 0.955, "accuracy": 0.9, "low": 0.87, "high": 0.95}
    scores |= {"accuracy_F": 0.85, "accuracy_M": None, "f1": 0.9}
    scores |= {"expected_calibration_error": 0.04}
    systems = [
        {"model": model, "features": kind, "headline": (model, kind) == ("logistic", "mfcc_pitch")}
        | {"printed_high": None if kind == "mfcc" else 0.995, **scores}
        for kind in FEATURES_OF["gender"]
        for model in MODELS
    ]
    counts = {"utterances": 26, "speakers": 13, "minutes": 5.2, "unanswered": 1 / 26}
    return {"gender": {"systems": systems, **counts}, "speaker": None}


def test_accuracy_on_another_corpus_is_shown_beside_that_out_of_fold(run):
    title = "Gender: out of fold and on the other corpus"
    run.change_results("external", external_results())
    page = page_of(run, external="/mine/other voices")
    words = words_of(page)
    lead = words_of(page.partition("<main>")[0])
    assert "On other voices, which took no part: 90.0 % [87.0, 95.0]." in lead
    for text in (
        "on other voices: 26 utterances of 13 speakers who are not in this corpus, 5 minutes.",
        "has 97.5 % [95.5, 99.5] out of fold, and 90.0 % there.",
        "give no answer to 3.8 %",
        "On other voices, the external corpus, this was not tried: it has no other session of a",
    ):
        assert text in words, text
    figure = figures_of(page)[title]
    assert [trace["name"] for trace in figure["data"]] == ["out of fold", "other corpus"]
    assert [len(trace["y"]) for trace in figure["data"]] == [len(MODELS)] * 2
    rows = rows_of(page, title)
    assert len(rows) == len(MODELS) * len(FEATURES_OF["gender"])
    last = ["97.5 % [95.5, 99.5]", "90.0 % [87.0, 95.0]", f"{wording.MINUS}7.5", "85.0 %"]
    assert rows[-1][2:] == [*last, wording.NOTHING, "4.0 %"]
    assert not re.search(r"\bnan\b", words, flags=re.IGNORECASE)


def test_a_missing_file_is_named_with_what_to_do(run):
    path = run.plots / "det.csv"
    path.unlink()
    with pytest.raises(UserError, match=re.escape(f"{path}: no such file; run `dvc repro`")):
        page_of(run)
