"""Sealed JSON files: what was written is read, anything else is refused."""

import json

import pytest

from speech.errors import UserError
from speech.storage.sealed import read_sealed, write_sealed

CONTENT = {"name": "Zoë", "share": 0.1, "list": [1, 2], "nested": {"b": None, "a": True}}


@pytest.fixture
def file(tmp_path):
    write_sealed(tmp_path / "card.json", 3, CONTENT)
    return tmp_path / "card.json"


def test_what_was_written_is_read_however_it_is_laid_out(file, tmp_path):
    assert read_sealed(file, 3, "copy it anew") == CONTENT
    write_sealed(tmp_path / "again.json", 3, CONTENT)
    assert (tmp_path / "again.json").read_bytes() == file.read_bytes()
    edit(file)
    assert (tmp_path / "again.json").read_bytes() != file.read_bytes()
    assert read_sealed(file, 3, "copy it anew") == CONTENT


def edit(file, **changes):
    file.write_text(json.dumps(json.loads(file.read_text("utf-8")) | changes), "utf-8")


DAMAGES = {
    "a value was changed": (lambda file: edit(file, share=0.2), "was changed"),
    "a key was added": (lambda file: edit(file, more=1), "was changed"),
    "the seal was changed": (lambda file: edit(file, seal="0"), "was changed"),
    "binary": (lambda file: file.write_bytes(b"\xff\x00"), "damaged"),
    "a list": (lambda file: file.write_text("[]"), "damaged"),
}


@pytest.mark.parametrize(("damage", "reason"), DAMAGES.values(), ids=DAMAGES)
def test_anything_else_is_refused_with_the_remedy(file, damage, reason):
    damage(file)
    with pytest.raises(UserError, match=rf"^{file}: .*{reason}.*copy it anew\.$"):
        read_sealed(file, 3, "copy it anew")
