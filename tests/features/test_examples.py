"""Chunks as classifiers see them: cut from the stored features, in both forms."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech.audio.chunks import chunk_bounds
from speech.errors import UserError
from speech.features.examples import load_examples, mfcc_statistics
from speech.features.mfcc import frame_count
from speech.features.store import Recipe, read_speaker, speaker_file, write_speaker
from speech.params import MfccInput, Params

SAMPLES = {
    "10-1-0000": 32_000,  # one chunk exactly
    "10-1-0001": 80_000,  # two, and one that reaches back
    "10-2-0000": 12_000,  # shorter than a chunk
    "9-1-0000": 64_000,  # two
}
COEFFICIENTS, DELTAS, CORRELATED = 5, 1, 4
COLUMNS = COEFFICIENTS * (1 + DELTAS)
PAIRS = CORRELATED * (CORRELATED - 1) // 2
LAYERS, HIDDEN = 4, 6
FORMS = ["pooled", "frames"]


@pytest.fixture
def params(make_params):
    return make_params(
        **{
            "mfcc.coefficients": COEFFICIENTS,
            "mfcc.delta_orders": DELTAS,
            "inputs.mfcc.normalisation": "none",
            "inputs.mfcc.statistics": ["mean", "std", "correlation"],
            "inputs.mfcc.correlated": CORRELATED,
            "inputs.wav2vec2.layer": 2,
            "wav2vec2.layers": "all",
            "wav2vec2.sequence_stride": 4,
        }
    )


@pytest.fixture
def utterances():
    """List the utterances in an order that is none."""
    rows = [(name, *name.split("-")[:2], samples) for name, samples in SAMPLES.items()]
    table = pd.DataFrame(rows, columns=["utterance_id", "speaker_id", "chapter_id", "samples"])
    return table.sample(frac=1, random_state=0)


@pytest.fixture
def stored(tmp_path, params, utterances):
    return store(tmp_path, params, utterances)


def store(folder, params, utterances):
    """Make features up, stored as the extraction stages store them: in two folders."""
    random = np.random.default_rng(0)
    for speaker, own in utterances.groupby("speaker_id"):
        mfcc, pitch, wav2vec2 = {}, {}, {}
        for row in own.itertuples():
            name = row.utterance_id
            frames = frame_count(row.samples, params.mfcc)
            mfcc[name] = random.normal(size=(frames, COLUMNS)).astype(np.float32)
            # Whatever rises tells which frames a chunk got.
            log_pitch = 7 + np.arange(frames) / 1000
            pitch[f"{name}/pitch"] = np.column_stack([log_pitch, log_pitch / 10]).astype(np.float32)
            bounds = chunk_bounds(row.samples, params.chunks)
            states = (min(row.samples, 32_000) - 400) // 320 + 1
            wav2vec2[f"{name}/pooled"] = random.normal(
                size=(len(bounds), LAYERS, 2 * HIDDEN)
            ).astype(np.float32)
            wav2vec2[f"{name}/sequence"] = random.normal(
                size=(len(bounds), -(-states // 4), HIDDEN)
            ).astype(np.float16)
            if row.samples >= 32_000:
                wav2vec2[f"{name}/half/pooled"] = random.normal(
                    size=(1, LAYERS, 2 * HIDDEN)
                ).astype(np.float32)
                wav2vec2[f"{name}/half/sequence"] = random.normal(size=(1, 13, HIDDEN)).astype(
                    np.float16
                )
        for kind, tensors in (("mfcc", mfcc), ("pitch", pitch), ("wav2vec2", wav2vec2)):
            write_speaker(speaker_file(folder / kind, speaker), tensors, Recipe("s", {}))
    return folder


@pytest.fixture
def load(stored, params, utterances):
    def load(features, form, params=params):
        return load_examples([stored / features], features, utterances, params, form)

    return load


@pytest.fixture
def tensor(stored):
    from safetensors.numpy import load_file

    def tensor(features, name):
        speaker = name.split("-")[0]
        return load_file(speaker_file(stored / features, speaker))[name]

    return tensor


def rows_of(examples, utterance):
    return examples.inputs[(examples.table["utterance_id"] == utterance).to_numpy()]


@pytest.mark.parametrize(
    ("features", "form", "shape"),
    [
        ("mfcc", "pooled", (COEFFICIENTS + COLUMNS + PAIRS,)),
        ("mfcc", "frames", (198, COLUMNS)),
        ("wav2vec2", "pooled", (2 * HIDDEN,)),
        ("wav2vec2", "frames", (25, HIDDEN)),
    ],
)
def test_inputs_have_one_row_per_chunk_and_the_form_asked_for(load, features, form, shape):
    examples = load(features, form)
    assert examples.inputs.shape == (7, *shape)
    assert examples.inputs.dtype == np.float32
    assert np.isfinite(examples.inputs).all()
    assert len(examples.table) == 7


@pytest.mark.parametrize(
    ("features", "tail"),
    # The chunks of wav2vec 2.0 were cut when they were extracted; those of MFCC are cut here.
    [("mfcc", "overlap"), ("mfcc", "drop"), ("wav2vec2", "overlap")],
)
@pytest.mark.parametrize("form", FORMS)
def test_the_table_tells_the_chunk_grid_sorted_by_utterance(
    tmp_path, params, utterances, features, form, tail
):
    chunks = params.chunks.model_copy(update={"tail": tail})
    params = params.model_copy(update={"chunks": chunks})
    folder = store(tmp_path, params, utterances) / features
    examples = load_examples([folder], features, utterances, params, form)
    expected = [
        (name, number, start / 16_000, stop / 16_000)
        for name in SAMPLES
        for number, (start, stop) in enumerate(chunk_bounds(SAMPLES[name], params.chunks))
    ]
    columns = ["utterance_id", "chunk", "start_seconds", "end_seconds"]
    assert list(examples.table[columns].itertuples(index=False, name=None)) == expected
    assert len(examples.inputs) == len(expected) == {"overlap": 7, "drop": 6}[tail]
    merged = examples.table.merge(utterances, on="utterance_id", suffixes=("", "_of"))
    assert (merged["speaker_id"] == merged["speaker_id_of"]).all()
    assert (merged["chapter_id"] == merged["chapter_id_of"]).all()


def test_mfcc_frames_are_those_whose_windows_start_in_the_chunk(load, tensor):
    frames, examples = tensor("mfcc", "10-1-0001"), load("mfcc", "frames")
    first, second, last = rows_of(examples, "10-1-0001")
    np.testing.assert_array_equal(first, frames[:198])
    np.testing.assert_array_equal(second, frames[200:398])
    np.testing.assert_array_equal(last, frames[300:498])


def test_mfcc_pooled_is_the_statistics_of_the_very_frames(load, params):
    pooled, frames = load("mfcc", "pooled"), load("mfcc", "frames")
    whole = (pooled.table["utterance_id"] != "10-2-0000").to_numpy()
    expected = [
        mfcc_statistics(chunk, COEFFICIENTS, params.inputs.mfcc) for chunk in frames.inputs[whole]
    ]
    np.testing.assert_allclose(pooled.inputs[whole], expected, rtol=1e-5, atol=1e-6)


def test_pitch_comes_after_the_mfcc_of_the_same_frames(load, stored, params, utterances):
    folders = [stored / "mfcc", stored / "pitch"]
    for form, width in (("pooled", 5), ("frames", 2)):
        alone = load("mfcc", form)
        both = load_examples(folders, "mfcc_pitch", utterances, params, form)
        np.testing.assert_array_equal(both.inputs[..., :-width], alone.inputs)
        pd.testing.assert_frame_equal(both.table, alone.table)
    pitch = rows_of(both, "10-1-0001")[1, :, -2]
    np.testing.assert_allclose(pitch, 7 + np.arange(200, 398) / 1000, rtol=1e-6)
    pooled = load_examples(folders, "mfcc_pitch", utterances, params, "pooled")
    median, share = rows_of(pooled, "10-1-0001")[1, [-4, -1]]
    assert median == pytest.approx(np.median(pitch), rel=1e-6)
    assert share == 1


def test_a_short_utterances_frames_are_repeated_not_padded(load, tensor):
    (mfcc,) = rows_of(load("mfcc", "frames"), "10-2-0000")
    stored = tensor("mfcc", "10-2-0000")
    assert len(stored) == 73
    np.testing.assert_array_equal(mfcc, np.concatenate([stored, stored, stored])[:198])

    (sequence,) = rows_of(load("wav2vec2", "frames"), "10-2-0000")
    stored = tensor("wav2vec2", "10-2-0000/sequence")[0].astype(np.float32)
    assert len(stored) == 10
    np.testing.assert_array_equal(sequence, np.concatenate([stored, stored, stored])[:25])


def test_a_short_utterances_statistics_are_those_of_its_own_frames(load, tensor, params):
    (pooled,) = rows_of(load("mfcc", "pooled"), "10-2-0000")
    np.testing.assert_allclose(
        pooled,
        mfcc_statistics(tensor("mfcc", "10-2-0000"), COEFFICIENTS, params.inputs.mfcc),
        rtol=1e-5,
        atol=1e-6,
    )


def statistics(frames, coefficients, *names, correlated=2):
    settings = MfccInput.model_construct(statistics=list(names), correlated=correlated)
    return mfcc_statistics(np.asarray(frames, dtype=np.float32), coefficients, settings)


def test_statistics_by_hand():
    frames = [[1, 10, 0, 5], [3, 10, 0, -5]]
    # Two static coefficients and their deltas: two means, four standard deviations.
    np.testing.assert_allclose(statistics(frames, 2, "mean"), [2, 10])
    np.testing.assert_allclose(statistics(frames, 2, "std"), [1, 0, 0, 5])
    # The second coefficient does not move, so it goes with nothing.
    np.testing.assert_allclose(statistics(frames, 2, "correlation"), [0])
    np.testing.assert_allclose(statistics(frames, 2, "std", "mean"), [1, 0, 0, 5, 2, 10])
    # One frame has no spread.
    np.testing.assert_allclose(
        statistics(frames[:1], 2, "mean", "std", "correlation"), [1, 10, 0, 0, 0, 0, 0]
    )


def test_correlations_are_those_of_numpy():
    frames = np.random.default_rng(0).normal(size=(198, 10))
    expected = np.corrcoef(frames[:, :4].T)[np.triu_indices(4, 1)]
    found = statistics(frames, 5, "correlation", correlated=4)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_delta_correlations_are_those_of_the_same_coefficients_deltas():
    frames = np.random.default_rng(0).normal(size=(198, 15))
    expected = np.corrcoef(frames[:, 5:9].T)[np.triu_indices(4, 1)]
    found = statistics(frames, 5, "delta_correlation", correlated=4)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_correlations_do_not_see_the_microphone():
    """What a microphone adds to every frame, and a gain on a coefficient, make no difference."""
    frames = np.random.default_rng(0).normal(size=(198, 4))
    heard_otherwise = frames * [1, 3, 0.5, 2] + [10, -5, 0, 3]
    np.testing.assert_allclose(
        statistics(frames, 4, "correlation", correlated=4),
        statistics(heard_otherwise, 4, "correlation", correlated=4),
        atol=1e-5,
    )


def test_no_more_coefficients_are_correlated_than_there_are():
    assert len(statistics(np.eye(5), 3, "correlation", correlated=9)) == 3
    assert len(statistics(np.eye(6), 3, "delta_correlation", correlated=9)) == 3


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("how", ["utterance_mean", "utterance"])
def test_normalisation_is_over_the_utterance_not_the_chunk(load, params, tensor, form, how):
    inputs = params.inputs.model_copy(
        update={"mfcc": params.inputs.mfcc.model_copy(update={"normalisation": how})}
    )
    normalised = load("mfcc", form, params.model_copy(update={"inputs": inputs}))
    frames = tensor("mfcc", "10-1-0001")
    expected = frames - frames.mean(axis=0)
    if how == "utterance":
        expected = expected / frames.std(axis=0)
    second = rows_of(normalised, "10-1-0001")[1]
    chunk = expected[200:398]
    wanted = chunk if form == "frames" else mfcc_statistics(chunk, COEFFICIENTS, params.inputs.mfcc)
    np.testing.assert_allclose(second, wanted, rtol=1e-5, atol=1e-5)
    assert abs(chunk.mean(axis=0)).max() > 1e-3


@pytest.mark.parametrize(
    ("layers", "layer", "position"),
    [("all", 0, 0), ("all", 3, 3), ([0, 2, 5, 9], 5, 2), ([9, 5, 2, 0], 5, 1)],
)
def test_the_chosen_layer_is_found_among_the_kept_ones(
    load, make_params, tensor, layers, layer, position
):
    kept = {"wav2vec2.layers": layers, "inputs.wav2vec2.layer": layer}
    params = make_params(**kept, **{"sample_encoder.layers": 9})
    pooled = load("wav2vec2", "pooled", params)
    for name in SAMPLES:
        np.testing.assert_array_equal(
            rows_of(pooled, name), tensor("wav2vec2", f"{name}/pooled")[:, position]
        )


def test_the_order_of_the_utterances_changes_nothing(load, stored, params, utterances):
    for features in ("mfcc", "wav2vec2"):
        examples = load(features, "pooled")
        turned = load_examples([stored / features], features, utterances[::-1], params, "pooled")
        np.testing.assert_array_equal(examples.inputs, turned.inputs)
        pd.testing.assert_frame_equal(examples.table, turned.table)


def test_some_utterances_of_a_speaker_are_loaded_alone(stored, params, utterances, load):
    chosen = utterances[utterances["utterance_id"] == "10-1-0001"]
    alone = load_examples([stored / "mfcc"], "mfcc", chosen, params, "frames")
    np.testing.assert_array_equal(alone.inputs, rows_of(load("mfcc", "frames"), "10-1-0001"))


@pytest.mark.parametrize("features", ["mfcc", "wav2vec2"])
def test_a_speaker_without_features_is_named(load, stored, features):
    speaker_file(stored / features, "9").unlink()
    with pytest.raises(UserError, match=r"9\.safetensors.*dvc repro"):
        load(features, "pooled")


@given(
    samples=st.integers(32_001, 500_000),
    window=st.sampled_from([0.02, 0.025, 0.032, 0.0301]),
    hop=st.sampled_from([0.005, 0.007, 0.01, 0.0101, 0.0125, 0.0103]),
    seconds=st.sampled_from([0.5, 1.0, 2.0, 1.999]),
    tail=st.sampled_from(["overlap", "drop"]),
)
def test_every_chunk_has_its_own_frames_on_any_grid(
    tmp_path_factory, shipped_params, samples, window, hop, seconds, tail
):
    """A frame is cut at ``hop`` rounded to samples; the chunks must count in the same steps."""
    content = shipped_params | {
        "mfcc": shipped_params["mfcc"] | {"window_seconds": window, "hop_seconds": hop, "fft": 512},
        "chunks": {"seconds": seconds, "hop_seconds": seconds, "tail": tail},
    }
    params = Params.model_validate(content, strict=True)
    count = frame_count(samples, params.mfcc)
    step = round_half_up(hop * 16_000)
    # Each frame tells the sample that it starts at.
    columns = np.full(params.mfcc.coefficients * 2, step, dtype=np.float32)
    frames = np.arange(count, dtype=np.float32)[:, None] * columns
    folder = tmp_path_factory.mktemp("grid")
    write_speaker(speaker_file(folder, "1"), {"1-1-1": frames}, Recipe("s", {}))
    utterance = pd.DataFrame(
        [("1-1-1", "1", "1", samples)],
        columns=["utterance_id", "speaker_id", "chapter_id", "samples"],
    )
    examples = load_examples([folder], "mfcc", utterance, params, "frames")
    # Not the first column, whose level is taken away.
    for (start, stop), chunk in zip(
        chunk_bounds(samples, params.chunks), examples.inputs[:, :, 1], strict=True
    ):
        assert len(chunk) == frame_count(stop - start, params.mfcc)
        assert (np.diff(chunk) == step).all()
        assert start - step < chunk[0] <= start


def round_half_up(value):
    return int(value + 0.5)


def halves_of(folders, features, utterances, params, form):
    return load_examples(folders, features, utterances, params, form, halves=True).halves


HALVES = {"10-1-0000": (8_000, 24_000), "10-1-0001": (32_000, 48_000), "9-1-0000": (24_000, 40_000)}
"""The middle seconds of those that have two."""


@pytest.mark.parametrize("features", ["mfcc", "wav2vec2"])
@pytest.mark.parametrize("form", FORMS)
def test_halves_are_loaded_when_asked_for_with_the_columns_and_shape_of_chunks(
    stored, params, utterances, features, form
):
    folders = [stored / features]
    chunks = load_examples(folders, features, utterances, params, form)
    halves = halves_of(folders, features, utterances, params, form)
    assert chunks.halves is None
    assert halves.copies == ()
    assert halves.inputs.shape == (3, *chunks.inputs.shape[1:])
    assert halves.inputs.dtype == np.float32
    assert halves.table.dtypes.to_dict() == chunks.table.dtypes.to_dict()
    bounds = halves.table.set_index("utterance_id")[["start_seconds", "end_seconds"]] * 16_000
    assert {name: tuple(row) for name, row in bounds.iterrows()} == HALVES


@pytest.mark.parametrize("normalisation", ["none", "level", "utterance"])
@pytest.mark.parametrize("form", FORMS)
def test_a_half_is_what_a_recording_of_it_alone_would_be(
    tmp_path, stored, params, utterances, normalisation, form
):
    given_ = params.inputs.mfcc.model_copy(update={"normalisation": normalisation})
    inputs = params.inputs.model_copy(update={"mfcc": given_})
    params = params.model_copy(update={"inputs": inputs})
    folders = [stored / "mfcc", stored / "pitch"]
    halves = halves_of(folders, "mfcc_pitch", utterances, params, form)
    name = "10-1-0001"
    own = read_speaker(speaker_file(stored / "mfcc", "10")) | read_speaker(
        speaker_file(stored / "pitch", "10")
    )
    alone = {part: own[part][200:298] for part in (name, f"{name}/pitch")}
    write_speaker(speaker_file(tmp_path / "alone", "10"), alone, Recipe("s", {}))
    recording = utterances[utterances["utterance_id"] == name].assign(samples=16_000)
    expected = load_examples([tmp_path / "alone"], "mfcc_pitch", recording, params, form).inputs
    found = rows_of(halves, name)
    np.testing.assert_array_equal(found[:, :98] if form == "frames" else found, expected)
    if form == "frames":
        # Repeated to the length of a chunk, as short utterances are.
        np.testing.assert_array_equal(found[:, 98:196], expected)


def test_halves_of_wav2vec2_are_those_embedded_by_themselves(stored, params, utterances, tensor):
    folders = [stored / "wav2vec2"]
    pooled = halves_of(folders, "wav2vec2", utterances, params, "pooled")
    frames = halves_of(folders, "wav2vec2", utterances, params, "frames")
    for name in HALVES:
        expected = tensor("wav2vec2", f"{name}/half/pooled")[:, 2]
        np.testing.assert_array_equal(rows_of(pooled, name), expected)
        expected = tensor("wav2vec2", f"{name}/half/sequence")
        np.testing.assert_array_equal(rows_of(frames, name)[:, :13], expected)


@pytest.mark.parametrize("form", FORMS)
def test_where_no_one_has_a_whole_chunk_there_are_no_halves(stored, params, utterances, form):
    short = utterances[utterances["samples"] < 32_000]
    chunks = load_examples([stored / "mfcc"], "mfcc", short, params, form, halves=True)
    assert len(chunks.halves.table) == 0
    assert chunks.halves.table.dtypes.to_dict() == chunks.table.dtypes.to_dict()
    assert chunks.halves.inputs.shape == (0, *chunks.inputs.shape[1:])
