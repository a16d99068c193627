"""Some of the mutated recordings of benchmarks/fuzz_audio.py, which tries ten thousand."""

import importlib.util
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "fuzz_audio.py"


def test_mutated_recordings_are_decoded_alike_everywhere_or_refused(tmp_path):
    spec = importlib.util.spec_from_file_location("fuzz_audio", SCRIPT)
    fuzz = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fuzz)
    outcomes = fuzz.try_out(range(300), tmp_path)
    assert sum(outcomes.values()) == 300
    assert outcomes["decoded"] > 50
    assert outcomes["undecodable"] > 50
