"""Every params.yaml that cannot be run with is refused in one sentence, before any work."""

from datetime import date
from pathlib import Path

import pytest
import yaml
from nested import with_changes

from speech.errors import UserError
from speech.params import load_params

CHANGED = [
    # unknown keys, and missing ones
    ("formants", 1, "unknown key @; the keys allowed there are corpus, external, "),
    ("mfcc.coeficients", 1, "unknown key @; the keys allowed there are coefficie"),
    ("svm.seed", 1, "unknown key @; the keys allowed there are C, kernel, gamma, max_examples."),
    ("search.logistic.c", [1.0], "unknown key @; the keys allowed there are C, "),
    ("corpus_sha256.dev-cleen", "0", "unknown key @; the keys allowed there"),
    ("inputs.wav2vec2.layer", ..., "the key @ is missing; set it, or restore it from git"),
    # of another type
    ("mfcc.coefficients", "13", '@ is "13", but should be a valid integer; change'),
    ("mfcc.energy", 1, "@ is 1, but should be a valid boolean; change it."),
    ("mfcc", 3, "@ is 3, but should be a block of keys; change it."),
    ("models", "svm", '@ is "svm", but should be a valid list; change it.'),
    ("mlp.hidden", [64, "wide"], '@[1] is "wide", but should be a valid integer; change'),
    ("wav2vec2.layers", "some", "@ is \"some\", but should be a valid list or 'all';"),
    ("corpus", None, "@ is null, but should be a valid list or a valid string; change it."),
    ("gender_overrides", [1], "@ is [1], but should be a block of keys or a valid "),
    ("svm.gamma", "wide", "@ is \"wide\", but should be a valid number or 'scale' or 'auto'"),
    ("search.mlp.hidden", [64], "@[0] is 64, but should be a valid list; change it."),
    ("seed", date(2026, 1, 1), '@ is "2026-01-01", but should be a valid integer; change it.'),
    ("seed", {(1, 2): 3}, "@ is {}, but should be a valid integer; change it."),
    ("gender_overrides", {(1, 2): "F"}, "@ is [1, 2], but should be a "),
    # no number, out of range, far out of range
    ("logistic.C", float("inf"), "@ is Infinity, but should be a finite number; change it."),
    ("sample_corpus.minutes", 1e300, "@ is 1e+300, but should be less than or "),
    ("compute.device", "gpu", "@ is \"gpu\", but should be 'auto', 'cpu', 'cuda' or 'mps'"),
    ("compute.jobs", 0, "@ is 0, but should be -1 or greater than or equal to 1; change"),
    ("augmentation.snr_db", [-9000, 5], "@[0] is -9000, but should be greater "),
    ("svm.gamma", -1.0, "@ is -1.0, but should be greater than 0 or 'scale' or 'auto'; "),
    ("search.svm.C", [1.0, 0], "@[1] is 0, but should be greater than 0; change it."),
    ("sample_encoder.hidden", 100, "@ is 100, but should be a multiple of 16; "),
    ("models", [], "@ is [], but should be at least 1 item; change it."),
    # names and places
    ("model", "forest", "@ is \"forest\", but should be 'dummy', 'logistic', 'svm', 'lda', "),
    (
        "models",
        ["logistic"] * 2,
        '@ is ["logistic", "logistic"], but should be a list that repeats no name;',
    ),
    (
        "tasks",
        ["gender"] * 2,
        '@ is ["gender", "gender"], but should be a list that repeats no name;',
    ),
    ("corpus", ["dev-clean", "sample"], "@[1] is \"sample\", but should be 'dev-clean', "),
    (
        "corpus",
        ["dev-clean"] * 2,
        '@ is ["dev-clean", "dev-clean"], but should be a list that repeats no',
    ),
    ("external", "sample", "@ is sample, which is synthesised and validates nothing; name "),
    ("corpus", "a" * 100_000, f'@ is "{"a" * 59}…, but should be a valid list or at most 4096 '),
    ("corpus", "a\0b", '@ is "a\\u0000b", but should be a valid list or text without the '),
    ("corpus_mirror", "", '@ is "", but should be at least 1 character; change it.'),
    ("corpus_sha256", {"dev-clean": "76f8"}, '@.dev-clean is "76f8", but should be 64 '),
    ("gender_overrides", {7976: "f"}, "@.7976 is \"f\", but should be 'F' or 'M'; "),
    # values that contradict each other
    ("augmentation.snr_db", [30, 5], "@ is [30, 5], but should be the lowest "),
    ("pitch.floor_hz", 500, "@ (500) must be below pitch.ceiling_hz (400); change one"),
    ("mfcc.low_hz", 6000, "@ (6000) must be below mfcc.high_hz (6000); change one of the"),
    ("mfcc.coefficients", 41, "@ (41) cannot exceed mfcc.filters (40); change one "),
    ("mfcc.fft", 256, "@ (256) must cover mfcc.window_seconds (400 samples); change one of "),
    ("mfcc.delta_orders", 0, "inputs.mfcc.statistics has delta_correlation, but @ "),
    ("models", ["mlp", "cnn"], "model (logistic) must be among @ (mlp, cnn); change one of "),
    ("wav2vec2.layers", [0, 6], "inputs.wav2vec2.layer (4) must be among @ ([0, 6]); "),
    ("wav2vec2.sequence_layer", 9, "@ (9) must not exceed sample_encoder.laye"),
    ("wav2vec2.layers", [4, 9], "@ (9) must not exceed sample_encoder.layers (6); change one "),
    ("inputs.wav2vec2.layer", 7, "@ (7) must not exceed sample_encoder.layers "),
]
"""Key, value (...: removed) and how the sentence begins; @ stands for the key."""

FILES = {
    "a key twice": ("mfcc:\n  fft: 512\n  fft: 1024", "line 3 @ (found duplicate key "),
    "an alias": ("a: &x 1\nseed: *x", "line 2 @ (an alias, write out what it stands"),
    "100,000 brackets": ("a:\n  " + "[" * 100_000, "is nested too deep; mend that."),
    "code": ("a: !!python/object/apply:os.getpid []", "line 1 @ (could not determine"),
    "another YAML": ("%YAML 1.1\n---\nseed: 017", "has a directive of YAML (%); remove that line."),
    "two colons": ("seed: 1: 2", "line 1 @ (mapping values are not allowed here); me"),
    "a tab": ("a: 1\n\tb: 2", "line 2 @ (found character '\\t' that cannot start any "),
    "a control character": ("seed: \x01", "@ (special characters are not allowed); "),
    "a number of 5,000 digits": ("seed: " + "9" * 5000, "has a number or date that cannot be read"),
    "a date of no month": ("seed: 2026-13-01", "has a number or date that cannot be read; mend"),
    "a number as a key": ("1: sample", "unknown key 1; the keys allowed there are corpus, "),
    "a list as a key": ("? [1, 2]\n: 3", "unknown key (1, 2); the keys allowed there are corpus, "),
    "nothing": ("", "holds no keys; restore it from git."),
    "a list": ("- svm\n- mlp", "holds no keys; restore it from git."),
    "Latin-1": ("corpus: Käse".encode("latin-1"), "is not UTF-8 text; save it as UTF-8."),
}
"""What stands in the file, and how the sentence begins; @ stands for `is not valid YAML`."""


def refusal(path):
    """Give the sentence, without the file's name."""
    with pytest.raises(UserError) as caught:
        load_params(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert message.endswith(".")
    assert "\n" not in message
    assert ". " not in message, "more than one sentence"
    assert len(message) < 600
    for jargon in ("nput should", "after validation", "nstance", "dictionary", "iteral"):
        assert jargon not in message, "the words of pydantic"
    return message.removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    ("key", "value", "sentence"), CHANGED, ids=[f"{key}={str(v)[:20]}" for key, v, _ in CHANGED]
)
def test_a_value_that_cannot_be_is_quoted_with_what_can(
    shipped_params, tmp_path, key, value, sentence
):
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(with_changes(shipped_params, {key: value})))
    assert refusal(path).startswith(sentence.replace("@", key))


@pytest.mark.parametrize(("text", "sentence"), FILES.values(), ids=FILES)
def test_a_file_that_is_no_params_is_refused_by_its_line(tmp_path, text, sentence):
    path = tmp_path / "params.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert refusal(path).startswith(sentence.replace("@", "is not valid YAML"))


def test_a_file_that_is_not_there_is_named_with_where_to_run_and_a_folder_is_none(tmp_path):
    assert refusal(Path("nowhere/params.yaml")).startswith("no such file; run from the root")
    assert refusal(tmp_path) == "cannot be read (Is a directory); mend that."
