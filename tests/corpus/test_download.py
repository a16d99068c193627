"""A download is resumed where it was cut off, and only the very bytes promised are ever used."""

import hashlib
import random
import re
import shutil
import time

import pytest

from speech.corpus import download as module
from speech.corpus.download import download
from speech.errors import UserError

CONTENT = random.Random(17).randbytes(1_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
TRIES = 6


@pytest.fixture
def waits(monkeypatch):
    """Note how long the library would sleep, and go on at once."""
    seconds = []
    monkeypatch.setattr(time, "sleep", seconds.append)
    return seconds


@pytest.fixture
def url(mirror):
    return mirror.put("dev-clean.tar.gz", CONTENT)


@pytest.fixture
def target(tmp_path):
    return tmp_path / "archives" / "dev-clean.tar.gz"


def part_of(target, content=None):
    part = target.with_name(f"{target.name}.part")
    if content is not None:
        part.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)
    return part


def refusal(match, *arguments):
    """Download what must be refused; return the one sentence."""
    with pytest.raises(UserError, match=match) as caught:
        download(*arguments)
    assert re.fullmatch(r"((?!\. ).)*\.", str(caught.value)), "not one sentence"
    return str(caught.value)


def test_a_file_comes_in_one_request_with_its_progress_and_nothing_else_is_left(
    mirror, url, target
):
    shown = []
    download(url, target, SHA256, progress=lambda done, total: shown.append((done, total)))
    assert target.read_bytes() == CONTENT
    assert list(target.parent.iterdir()) == [target]
    assert [asked.start for asked in mirror.log] == [None]
    assert shown[0] == (0, len(CONTENT))
    assert shown[-1] == (len(CONTENT), len(CONTENT))
    assert len(shown) > 10


# --- interruptions ----------------------------------------------------------------------------


def test_a_connection_cut_at_several_points_is_resumed_there(mirror, url, target, waits):
    for length in (0, 1, 65_536, 100_000, 400_000):
        mirror.misbehave(cut_after=length)
    download(url, target, SHA256)
    assert target.read_bytes() == CONTENT
    starts = [None, None, 1, 65_537, 165_537, 565_537]
    assert [asked.start for asked in mirror.log] == starts
    assert sum(asked.sent for asked in mirror.log) == len(CONTENT), "no byte came twice"


@pytest.mark.parametrize(
    ("left", "same"),
    [(CONTENT[:300_000], True), (CONTENT, True), (bytes(300_000), False), (CONTENT + b"x", False)],
    ids=["a part", "all", "of another file", "too much"],
)
def test_what_an_earlier_run_left_is_resumed_or_replaced_if_of_another_file(
    mirror, url, target, left, same
):
    part_of(target, left)
    download(url, target, SHA256)
    assert target.read_bytes() == CONTENT
    starts = [len(left)] if same else [len(left), None]
    assert [asked.start for asked in mirror.log] == starts


def test_a_server_that_does_not_know_ranges_starts_anew_and_is_given_up_in_the_end(
    mirror, url, target, waits
):
    mirror.misbehave(cut_after=400_000)
    mirror.misbehave(knows_range=False)
    download(url, target, SHA256)
    assert target.read_bytes() == CONTENT
    assert [asked.sent for asked in mirror.log] == [400_000, len(CONTENT)]
    for _ in range(2 * TRIES):
        mirror.misbehave(knows_range=False, cut_after=400_000)
    refusal("cannot be downloaded", url, target, SHA256)
    assert len(mirror.log) <= 2 + TRIES + 1


@pytest.mark.parametrize(
    "how", [{"says_length": False}, {"headers": {"Content-Encoding": "gzip"}}], ids=str
)
def test_a_body_without_a_length_or_labelled_as_compressed_is_taken(mirror, url, target, how):
    mirror.misbehave(**how)
    download(url, target, SHA256)
    assert target.read_bytes() == CONTENT


# --- servers in trouble -----------------------------------------------------------------------


def test_a_server_in_trouble_is_asked_again_for_half_a_minute(mirror, url, target, waits):
    for status in (429, 500, 502, 504):
        mirror.misbehave(status=status)
    mirror.misbehave(status=503, headers={"Retry-After": "7"})
    download(url, target, SHA256)
    assert target.read_bytes() == CONTENT
    assert waits[-1] == 7
    mirror.log.clear()
    waits.clear()
    part_of(target, CONTENT[:1000])
    for _ in range(TRIES):
        mirror.misbehave(status=503)
    said = refusal("the server says 503 Service Unavailable", url, target, SHA256)
    assert "corpus_mirror" in said
    assert len(mirror.log) == TRIES
    assert sum(waits) < 35
    assert part_of(target).read_bytes() == CONTENT[:1000], "kept for the next run"


def test_a_server_that_falls_silent_is_asked_again(mirror, url, target, waits, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT", (5, 0.2))
    mirror.misbehave(hold_after=500_000)
    download(url, target, SHA256)
    assert target.read_bytes() == CONTENT
    assert mirror.log[1].start > 400_000


@pytest.mark.parametrize("status", [204, 400, 401, 403, 404, 407])
def test_a_refusal_is_final_and_shows_no_password(mirror, url, target, status):
    mirror.misbehave(status=status)
    secret = url.replace("//", "//someone:secret@")
    refusal(rf"^{url}: the server says {status} .*corpus_mirror", secret, target, SHA256)
    assert len(mirror.log) == 1


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("http://127.0.0.1:9/a", r"\(Connection refused\)"),
        ("https:mirror/a", "certificates"),
        ("http://", "corpus_mirror"),
        ("http://[", "corpus_mirror"),
        ("http://127.0.0.1:0x/a", "corpus_mirror"),
    ],
)
def test_an_address_that_cannot_be_asked_is_named_with_the_reason(
    mirror, target, waits, address, reason
):
    address = address.replace("https:mirror", mirror.host.replace("http", "https"))
    said = refusal(f"cannot be downloaded .*{reason}", address, target, SHA256)
    assert said.startswith(address)


def test_a_proxy_of_the_environment_is_used(mirror, url, target, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, mirror.host)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "")
    wanted = "http://openslr.invalid/resources/12/dev-clean.tar.gz"
    download(wanted, target, SHA256)
    assert target.read_bytes() == CONTENT
    assert [asked.path for asked in mirror.log] == [wanted]


# --- what came --------------------------------------------------------------------------------


def test_other_bytes_than_promised_are_removed_and_do_not_replace_what_is_there(mirror, target):
    url = mirror.put("dev-clean.tar.gz", b"<html>Please log in to this network</html>")
    target.parent.mkdir()
    target.write_bytes(b"earlier")
    assert SHA256 in refusal(r"SHA-256 [0-9a-f]{64} instead of", url, target, SHA256)
    assert list(target.parent.iterdir()) == [target]
    assert target.read_bytes() == b"earlier"
    assert len(mirror.log) == 1


def test_a_full_disk_is_noticed_before_the_body_is_read(mirror, url, target, monkeypatch):
    part_of(target, CONTENT[:300_000])
    free = shutil.disk_usage(target.parent)._replace(free=699_999)
    monkeypatch.setattr(shutil, "disk_usage", lambda *_: free)
    refusal(r"archives: .* needed there but .* free", url, target, SHA256)
    assert part_of(target).read_bytes() == CONTENT[:300_000]
    free = free._replace(free=700_000)
    download(url, target, SHA256)
    assert target.read_bytes() == CONTENT
