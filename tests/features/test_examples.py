"""Examples as classifiers are given them: cut from the stored features, in both forms."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech.audio.chunks import chunk_bounds, seconds_to_samples
from speech.errors import UserError
from speech.features.examples import build_examples, frames_of_chunk
from speech.features.feature_spec import FeatureSpec, KeptStates, SpecInputs
from speech.features.mfcc import frame_count
from speech.features.normalise import normalise
from speech.features.pitch import pitch_statistics
from speech.features.statistics import mfcc_statistics
from speech.features.store import read_speaker, speaker_file, write_speaker
from stages.build_examples import spec_of
from stages.paths import FEATURES

SAMPLES = {
    "10-1-0000": 32_000,  # one chunk exactly
    "10-1-0001": 80_000,  # two, and one that reaches back
    "10-2-0000": 12_000,  # shorter than a chunk
    "9-1-0000": 64_000,  # two
}
GRID = {"seconds": 2.0, "hop_seconds": 2.0, "tail": "overlap"}
COEFFICIENTS, COLUMNS, HIDDEN = 5, 10, 6
VERSIONS = ["", "/copy0", "/copy1"]
KEPT = [0, 2, 4, 5]
"""Hidden states of the encoder."""
STATISTICS = {
    "coefficients": COEFFICIENTS,
    "statistics": ["mean", "std", "correlation"],
    "correlated": 4,
}
MADE_OF = {
    "mfcc.coefficients": COEFFICIENTS,
    "inputs.mfcc.statistics": STATISTICS["statistics"],
    "inputs.mfcc.correlated.gender": STATISTICS["correlated"],
}
FORMS = ["pooled", "frames"]


@pytest.fixture(scope="module")
def utterances():
    """List the utterances in an order that is none; speaker 9 has no gender on record."""
    rows = [(name, *name.split("-")[:2], samples) for name, samples in SAMPLES.items()]
    table = pd.DataFrame(rows, columns=["utterance_id", "speaker_id", "chapter_id", "samples"])
    table["gender"] = table["speaker_id"].map({"10": "F"})
    return table.sample(frac=1, random_state=0)


@pytest.fixture(scope="module")
def stored(tmp_path_factory, utterances):
    """Make features up, stored as the extraction stages store them: three folders."""
    folder, random = tmp_path_factory.mktemp("features"), np.random.default_rng(0)
    for speaker, own in utterances.groupby("speaker_id"):
        stored = {"mfcc": {}, "pitch": {}, "wav2vec2": {}}
        for name, samples in zip(own["utterance_id"], own["samples"], strict=True):
            frames, chunks = frame_count(samples), len(chunk_bounds(samples, **GRID))
            for version in VERSIONS:
                stored["mfcc"][name + version] = random.normal(size=(frames, COLUMNS))
            # What rises shows which frames a chunk got.
            log_pitch = 7 + np.arange(frames) / 100
            stored["pitch"][f"{name}/pitch"] = np.column_stack([log_pitch, log_pitch / 10])
            pooled = random.normal(size=(chunks, len(KEPT), 2 * HIDDEN))
            sequence = random.normal(size=(chunks, 25 if samples >= 32_000 else 10, HIDDEN))
            stored["wav2vec2"] |= {f"{name}/pooled": pooled, f"{name}/sequence": sequence}
        for kind, made in stored.items():
            tensors = {
                name: array.astype(np.float16 if "sequence" in name else np.float32)
                for name, array in made.items()
            }
            write_speaker(speaker_file(folder / kind, speaker), tensors, "s", {})
    return folder


@pytest.fixture
def build(stored, utterances, make_params, tmp_path):
    def build(
        features="mfcc", form="pooled", utterances=utterances, *, how="none", layer=2, **options
    ):
        tail = options.pop("tail", "overlap")
        params = make_params(**MADE_OF, **{"inputs.mfcc.normalisation": how, "chunks.tail": tail})
        if features == "wav2vec2":
            kept = KeptStates(layers=KEPT, sequence_layer=4, sequence_stride=2)
            inputs = SpecInputs(wav2vec2={"layer": layer})
            spec = FeatureSpec(chunks=params.chunks, inputs=inputs, wav2vec2=kept)
        else:
            spec = spec_of(params, "gender", features)
        folders = [stored / folder.name for folder in FEATURES[features]]
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.safetensors"
        return build_examples(folders, utterances, spec, form, path, **{"jobs": 1} | options)

    return build


@pytest.fixture
def tensor(stored):
    def tensor(kind, name):
        return read_speaker(stored / kind, name.split("-")[0])[name]

    return tensor


def rows_of(examples, utterance):
    return examples.inputs[(examples.table["utterance_id"] == utterance).to_numpy()]


# --- the chunk grid ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("features", "form", "shape"),
    [
        ("mfcc", "pooled", (COEFFICIENTS + COLUMNS + 6,)),
        ("mfcc", "frames", (198, COEFFICIENTS)),
        ("mfcc_pitch", "pooled", (COEFFICIENTS + COLUMNS + 6 + 5,)),
        ("mfcc_pitch", "frames", (198, COEFFICIENTS + 2)),
        ("wav2vec2", "pooled", (2 * HIDDEN,)),
        ("wav2vec2", "frames", (25, HIDDEN)),
    ],
)
def test_there_is_one_row_per_chunk_sorted_and_of_the_form_asked_for(
    build, utterances, features, form, shape
):
    examples = build(features, form)
    assert examples.inputs.shape == (7, *shape)
    assert examples.inputs.dtype == (np.float32 if form == "pooled" else np.float16)
    assert np.isfinite(examples.inputs).all()
    expected = [
        (name, number, start / 16_000, stop / 16_000)
        for name in SAMPLES
        for number, (start, stop) in enumerate(chunk_bounds(SAMPLES[name], **GRID))
    ]
    columns = ["utterance_id", "chunk", "start_seconds", "end_seconds"]
    assert list(examples.table[columns].itertuples(index=False, name=None)) == expected
    merged = examples.table.merge(utterances, on="utterance_id", suffixes=("", "_of"))
    for column in ("speaker_id", "chapter_id", "gender"):
        assert merged[column].equals(merged[f"{column}_of"])
    # The order of the utterances, and how many workers there are, change nothing.
    turned = build(features, form, utterances[::-1], jobs=2)
    np.testing.assert_array_equal(examples.inputs, turned.inputs)
    pd.testing.assert_frame_equal(examples.table, turned.table)


def test_some_utterances_of_a_speaker_can_be_cut_alone_and_without_the_rest_at_the_end(
    build, utterances
):
    chosen = utterances[utterances["utterance_id"] == "10-1-0001"]
    alone = build(form="frames", utterances=chosen, tail="drop")
    np.testing.assert_array_equal(alone.inputs, rows_of(build(form="frames"), "10-1-0001")[:2])
    with pytest.raises(UserError, match=r"11\.safetensors.*dvc repro"):
        build(utterances=utterances.assign(speaker_id="11"))


# --- what a chunk is given --------------------------------------------------------------------


@given(
    samples=st.integers(32_001, 500_000),
    window=st.sampled_from([0.02, 0.025, 0.032, 0.0301]),
    hop=st.sampled_from([0.005, 0.007, 0.01, 0.0101, 0.0125, 0.0103]),
    seconds=st.sampled_from([0.5, 1.0, 2.0, 1.999]),
    tail=st.sampled_from(["overlap", "drop"]),
)
def test_every_chunk_has_its_own_frames_on_any_grid(samples, window, hop, seconds, tail):
    """A frame is cut at ``hop`` rounded to samples; the chunks must count in the same steps."""
    grid = {"window_seconds": window, "hop_seconds": hop}
    step = seconds_to_samples(hop)
    # Each frame is the sample that it starts at.
    starts = np.arange(frame_count(samples, **grid)) * step
    for start, stop in chunk_bounds(samples, seconds=seconds, hop_seconds=seconds, tail=tail):
        chunk = starts[frames_of_chunk((start, stop), **grid)]
        assert len(chunk) == frame_count(stop - start, **grid)
        assert (np.diff(chunk) == step).all()
        assert start - step < chunk[0] <= start


@pytest.mark.parametrize(("place", "version"), [*enumerate(VERSIONS)])
@pytest.mark.parametrize("how", ["none", "level", "utterance_mean", "utterance"])
def test_both_forms_are_made_of_the_frames_in_the_chunk_normalised_over_the_utterance(
    build, tensor, how, place, version
):
    """Pitch comes after the MFCC of the same frames, and is that of the clean utterance."""
    given = []
    for form, width in (("pooled", 5), ("frames", 2)):
        examples = build("mfcc_pitch", form, how=how, copies=len(VERSIONS) - 1)
        alone = build("mfcc", form, how=how)
        np.testing.assert_array_equal(examples.inputs[..., :-width], alone.inputs)
        assert alone.copies == ()
        inputs = (examples.inputs, *examples.copies)[place]
        given.append({name: rows_of(replace(examples, inputs=inputs), name) for name in SAMPLES})
    for name, starts in (("10-1-0001", (0, 200, 300)), ("10-2-0000", (0,))):
        whole = normalise(tensor("mfcc", name + version), how)
        pitch = tensor("pitch", f"{name}/pitch")
        for vector, sequence, start in zip(*(own[name] for own in given), starts, strict=True):
            chunk, pitch_of_chunk = whole[start : start + 198], pitch[start : start + 198]
            expected = mfcc_statistics(chunk, **STATISTICS)
            np.testing.assert_allclose(vector[:-5], expected, rtol=1e-5, atol=1e-6)
            np.testing.assert_array_equal(vector[-5:], pitch_statistics(pitch_of_chunk, pitch))
            expected = np.column_stack([chunk[:, :COEFFICIENTS], pitch_of_chunk])
            # Frames of short utterances are repeated, not padded.
            expected = np.tile(expected.astype(np.float16), (3, 1))[: len(sequence)]
            np.testing.assert_array_equal(sequence, expected)
            assert len(sequence) == 198


@pytest.mark.parametrize(("position", "layer"), list(enumerate(KEPT)))
def test_wav2vec2_is_the_layer_in_use_and_the_sequence_repeated_where_it_is_short(
    build, tensor, position, layer
):
    pooled, frames = (build("wav2vec2", form, layer=layer) for form in FORMS)
    for name in SAMPLES:
        expected = tensor("wav2vec2", f"{name}/pooled")[:, position]
        np.testing.assert_array_equal(rows_of(pooled, name), expected)
        own = np.tile(tensor("wav2vec2", f"{name}/sequence"), (1, 3, 1))[:, :25]
        np.testing.assert_array_equal(rows_of(frames, name), own)


# --- statistics of a chunk --------------------------------------------------------------------


def statistics(frames, coefficients, *names, correlated=2):
    options = {"coefficients": coefficients, "statistics": names, "correlated": correlated}
    return mfcc_statistics(np.asarray(frames, dtype=np.float32), **options)


def test_statistics_by_hand():
    frames = [[1, 10, 0, 5], [3, 10, 0, -5]]
    # Two static coefficients and their deltas: four standard deviations, two means.
    np.testing.assert_allclose(statistics(frames, 2, "std", "mean"), [1, 0, 0, 5, 2, 10])
    # The second coefficient is constant, so it is correlated with nothing.
    np.testing.assert_allclose(statistics(frames, 2, "correlation"), [0])
    # One frame has no spread.
    one = statistics(frames[:1], 2, "mean", "std", "correlation")
    np.testing.assert_allclose(one, [1, 10, 0, 0, 0, 0, 0])
    # No more coefficients are correlated than there are.
    assert len(statistics(np.eye(6), 3, "delta_correlation", correlated=9)) == 3


@pytest.mark.parametrize(("name", "first"), [("correlation", 0), ("delta_correlation", 5)])
def test_correlations_are_those_of_numpy_whatever_the_microphone_adds(name, first):
    frames = np.random.default_rng(0).normal(size=(198, 10))
    expected = np.corrcoef(frames[:, first : first + 4].T)[np.triu_indices(4, 1)]
    other_microphone = frames * np.linspace(0.5, 3, 10) + np.linspace(-5, 9, 10)
    for recorded in (frames, other_microphone):
        found = statistics(recorded, 5, name, correlated=4)
        np.testing.assert_allclose(found, expected, atol=1e-5)
