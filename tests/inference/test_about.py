"""What --about says of the encoder: which it is, and whether training ran it another way."""

from types import SimpleNamespace

import pytest

from speech.features.settings import REFERENCE
from speech.inference.about import describe


@pytest.mark.parametrize("mode", [str(REFERENCE), "bfloat16 with openvino on cpu", None])
def test_the_encoder_is_named_and_how_it_was_run_where_it_is_not_run_so_here(tmp_path, mode):
    (tmp_path / "model.json").touch()
    model = SimpleNamespace(
        task="gender",
        features="wav2vec2",
        model="svm",
        encoder_family="WavLM",
        spec=SimpleNamespace(encoder_mode=mode),
        card={"trained_on": {"speakers": 2, "utterances": 4, "seconds": 60}},
        folder=tmp_path,
        headline=SimpleNamespace(encoder="mine", corpus="mine", scores={}),
    )
    rates = {"speech_false_rejection" + end: 0.0 for end in ("", "_low", "_high")}
    rejection = SimpleNamespace(rates={"speech": rates, "speakers": {}}, low_confidence=0.8)
    text = describe([model], rejection)
    assert "Gender: svm on WavLM (mine)\n" in text
    said = "  embedded  in bfloat16 with openvino on cpu; here in float32 with torch on cpu\n"
    assert (said in text) == (mode not in (str(REFERENCE), None))
    assert ("embedded" in text) == (said in text)
