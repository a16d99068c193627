"""A download goes on where it was cut off, and only the very bytes promised are ever used."""

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest

from speech.corpus import download as module
from speech.corpus.download import TRIES, NotThereError, download
from speech.errors import UserError

CONTENT = random.Random(17).randbytes(1_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Waits(list):
    """Takes the place of `time.sleep`: notes how long, and goes on at once."""

    def __call__(self, seconds):
        self.append(seconds)


@pytest.fixture
def waits():
    return Waits()


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


def sentence(caught):
    text = str(caught.value)
    assert text.endswith(".")
    assert "\n" not in text
    assert ". " not in text, "more than one sentence"
    return text


def test_a_file_comes_in_one_request_and_nothing_else_is_left(mirror, url, target):
    download(url, target, SHA256)
    assert target.read_bytes() == CONTENT
    assert list(target.parent.iterdir()) == [target]
    assert [asked.start for asked in mirror.log] == [None]


def test_progress_is_told_in_bytes_up_to_the_whole(mirror, url, target):
    told = []
    download(url, target, SHA256, progress=lambda done, total: told.append((done, total)))
    assert told[0] == (0, len(CONTENT))
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert len(told) > 10
    assert told == sorted(told)


# --- interruptions ----------------------------------------------------------------------------


def test_a_connection_cut_at_several_points_is_gone_on_with_there(mirror, url, target, waits):
    for length in (0, 1, 65_536, 100_000, 400_000):
        mirror.misbehave(cut_after=length)
    download(url, target, SHA256, wait=waits)
    assert target.read_bytes() == CONTENT
    starts = [0, 0, 1, 65_537, 165_537, 565_537]
    assert [asked.start or 0 for asked in mirror.log] == starts
    assert mirror.log[0].start is None
    assert sum(asked.sent for asked in mirror.log) == len(CONTENT), "no byte came twice"
    assert len(waits) == 5


def test_what_an_earlier_run_left_is_gone_on_with(mirror, url, target):
    part_of(target, CONTENT[:300_000])
    download(url, target, SHA256)
    assert target.read_bytes() == CONTENT
    assert [(asked.start, asked.sent) for asked in mirror.log] == [(300_000, 700_000)]


def test_what_an_earlier_run_left_whole_needs_no_request(mirror, url, target):
    part_of(target, CONTENT)
    download(url, target, SHA256)
    assert target.read_bytes() == CONTENT
    assert mirror.log == []


@pytest.mark.parametrize("length", [300_000, len(CONTENT), len(CONTENT) + 1])
def test_what_was_left_of_another_file_is_replaced(mirror, url, target, waits, length):
    part_of(target, bytes(length))
    download(url, target, SHA256, wait=waits)
    assert target.read_bytes() == CONTENT
    assert [asked.start for asked in mirror.log] == [length, None]


def test_a_server_that_does_not_know_ranges_starts_anew(mirror, url, target, waits):
    mirror.misbehave(cut_after=400_000)
    mirror.misbehave(knows_range=False)
    download(url, target, SHA256, wait=waits)
    assert target.read_bytes() == CONTENT
    assert [(asked.start, asked.sent) for asked in mirror.log] == [
        (None, 400_000),
        (400_000, len(CONTENT)),
    ]


def test_a_server_that_starts_anew_and_breaks_off_for_ever_is_given_up(mirror, url, target, waits):
    for _ in range(2 * TRIES):
        mirror.misbehave(knows_range=False, cut_after=400_000)
    with pytest.raises(UserError, match="broke off"):
        download(url, target, SHA256, wait=waits)
    assert len(mirror.log) == TRIES


def test_a_file_that_changed_meanwhile_starts_anew(mirror, url, target, waits):
    mirror.misbehave(cut_after=400_000)
    mirror.misbehave(headers={"Content-Range": "bytes 400000-1999999/2000000"})
    download(url, target, SHA256, wait=waits)
    assert target.read_bytes() == CONTENT
    assert [asked.start for asked in mirror.log] == [None, 400_000, None]


def test_a_range_that_was_not_asked_for_is_not_used(mirror, url, target, waits):
    part_of(target, CONTENT[:300_000])
    mirror.misbehave(headers={"Content-Range": f"bytes 0-{len(CONTENT) - 1}/{len(CONTENT)}"})
    download(url, target, SHA256, wait=waits)
    assert target.read_bytes() == CONTENT
    assert [asked.start for asked in mirror.log] == [300_000, None]


def test_a_body_without_a_length_is_taken(mirror, url, target):
    mirror.misbehave(says_length=False)
    download(url, target, SHA256)
    assert target.read_bytes() == CONTENT


def test_a_file_that_the_server_labels_as_compressed_stays_as_it_is(mirror, url, target):
    mirror.misbehave(headers={"Content-Encoding": "gzip"})
    download(url, target, SHA256)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_killed_run_is_gone_on_with_by_the_next(mirror, url, target, how):
    mirror.misbehave(hold_after=500_000)
    program = "import sys, pathlib; from speech.corpus.download import download; "
    program += "download(sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3])"
    process = subprocess.Popen(
        [sys.executable, "-c", program, url, str(target), SHA256], stderr=subprocess.DEVNULL
    )
    while not (part_of(target).exists() and part_of(target).stat().st_size > 400_000):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(how)
    assert process.wait(30) != 0
    arrived = part_of(target).stat().st_size
    assert not target.exists()
    download(url, target, SHA256)
    assert target.read_bytes() == CONTENT
    assert [asked.start for asked in mirror.log] == [None, arrived]


# --- servers in trouble -----------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_server_in_trouble_is_asked_again(mirror, url, target, waits, status):
    mirror.misbehave(status=status)
    mirror.misbehave(status=status)
    download(url, target, SHA256, wait=waits)
    assert target.read_bytes() == CONTENT
    assert 0.5 <= waits[0] <= 1
    assert 1 <= waits[1] <= 2


def test_a_server_says_how_long_to_wait(mirror, url, target, waits):
    mirror.misbehave(status=503, headers={"Retry-After": "7"})
    soon = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 100))
    mirror.misbehave(status=429, headers={"Retry-After": soon})
    mirror.misbehave(status=503, headers={"Retry-After": "soon"})
    download(url, target, SHA256, wait=waits)
    assert waits[0] == 7
    assert 90 < waits[1] <= 100
    assert waits[2] < 5


def test_a_server_that_asks_for_hours_is_not_waited_for(mirror, url, target, waits):
    mirror.misbehave(status=503, headers={"Retry-After": "7200"})
    with pytest.raises(
        UserError, match=r"503 .*asks to wait 120 minutes; run again then"
    ) as caught:
        download(url, target, SHA256, wait=waits)
    sentence(caught)
    assert waits == []


def test_a_server_that_stays_in_trouble_is_given_up_after_half_a_minute(mirror, url, target, waits):
    part_of(target, CONTENT[:1000])
    for _ in range(TRIES):
        mirror.misbehave(status=503)
    with pytest.raises(UserError) as caught:
        download(url, target, SHA256, wait=waits)
    assert sentence(caught).startswith(f"{url}: the server says 503 Service Unavailable, 6 times")
    assert "corpus_mirror" in sentence(caught)
    assert len(mirror.log) == TRIES
    assert sum(waits) < 35
    assert part_of(target).read_bytes() == CONTENT[:1000], "kept for the next run"


def test_a_server_that_falls_silent_is_asked_again(mirror, url, target, waits, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT", (5, 0.2))
    mirror.misbehave(hold_after=500_000)
    download(url, target, SHA256, wait=waits)
    assert target.read_bytes() == CONTENT
    assert len(mirror.log) == 2
    assert mirror.log[1].start > 400_000


def test_a_server_that_is_not_who_it_should_be_is_not_asked_again(mirror, url, target, waits):
    with pytest.raises(UserError, match=r"no trusted connection .*REQUESTS_CA_BUNDLE") as caught:
        download(url.replace("http:", "https:"), target, SHA256, wait=waits)
    sentence(caught)
    assert waits == []


def test_nobody_there_is_told_with_the_reason(mirror, target, waits):
    with pytest.raises(UserError, match=r"no connection \(Connection refused\)") as caught:
        download("http://127.0.0.1:9/dev-clean.tar.gz", target, SHA256, wait=waits)
    sentence(caught)
    assert len(waits) == TRIES - 1


def test_waits_grow_and_differ_from_run_to_run_but_have_an_end():
    pauses = [[module._pause(failures, None) for _ in range(20)] for failures in (1, 3, 30)]
    assert max(pauses[0]) <= 1 < 2 <= min(pauses[1])
    assert max(pauses[2]) <= module.LONGEST_WAIT
    assert len(set(pauses[1])) > 1


@pytest.mark.parametrize("status", [404, 410])
def test_what_is_not_there_is_not_asked_for_again(mirror, url, target, waits, status):
    mirror.misbehave(status=status)
    with pytest.raises(
        NotThereError, match=rf"{url}: the server says {status} .*corpus_mirror"
    ) as e:
        download(url, target, SHA256, wait=waits)
    sentence(e)
    assert len(mirror.log) == 1


@pytest.mark.parametrize("status", [204, 400, 401, 403, 407])
def test_a_refusal_is_final(mirror, url, target, waits, status):
    mirror.misbehave(status=status)
    with pytest.raises(UserError, match=rf"{url}: the server says {status} ") as caught:
        download(url, target, SHA256, wait=waits)
    sentence(caught)
    assert len(mirror.log) == 1


def test_a_redirect_is_followed(mirror, url, target):
    mirror.misbehave(status=302, headers={"Location": url})
    download(f"{mirror.host}/elsewhere", target, SHA256)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("url", ["http://", "http://[", "http://127.0.0.1:0x/a"])
def test_a_url_that_is_none_is_named(target, waits, url):
    with pytest.raises(UserError, match=r"mend corpus_mirror") as caught:
        download(url, target, SHA256, wait=waits)
    sentence(caught)


def test_a_password_in_the_url_is_used_but_never_shown(mirror, target, waits):
    address = mirror.host.replace("//", "//someone:secret@")
    with pytest.raises(UserError, match="404") as caught:
        download(f"{address}/nothing", target, SHA256, wait=waits)
    assert "secret" not in sentence(caught)


def test_a_proxy_of_the_environment_is_used(mirror, url, target, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", mirror.host)
    monkeypatch.setenv("http_proxy", mirror.host)
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    wanted = "http://openslr.invalid/resources/12/dev-clean.tar.gz"
    download(wanted, target, SHA256)
    assert target.read_bytes() == CONTENT
    assert [asked.path for asked in mirror.log] == [wanted]


# --- what came ----------------------------------------------------------------------------------


def test_other_bytes_than_promised_are_removed(mirror, target):
    url = mirror.put("dev-clean.tar.gz", b"<html>Please log in to this network</html>")
    with pytest.raises(UserError, match=r"SHA-256 [0-9a-f]{64} instead of") as caught:
        download(url, target, SHA256)
    assert SHA256 in sentence(caught)
    assert list(target.parent.iterdir()) == []
    assert len(mirror.log) == 1


def test_other_bytes_than_promised_do_not_replace_what_is_there(mirror, url, target):
    target.parent.mkdir()
    target.write_bytes(b"earlier")
    with pytest.raises(UserError):
        download(url, target, "0" * 64)
    assert target.read_bytes() == b"earlier"


def test_a_full_disk_is_noticed_before_the_body_is_read(mirror, url, target, monkeypatch):
    part_of(target, CONTENT[:300_000])
    free = shutil.disk_usage(target.parent)._replace(free=699_999)
    monkeypatch.setattr(shutil, "disk_usage", lambda *_: free)
    with pytest.raises(UserError, match=r"archives: .* needed there but .* free") as caught:
        download(url, target, SHA256)
    sentence(caught)
    assert part_of(target).read_bytes() == CONTENT[:300_000]
    free = free._replace(free=700_000)
    download(url, target, SHA256)
    assert target.read_bytes() == CONTENT


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_to_is_named(mirror, url, target):
    target.parent.mkdir(mode=0o500)
    with pytest.raises(UserError, match=r"part: cannot be written \(Permission denied\)"):
        download(url, target, SHA256)


def test_a_file_in_the_way_of_the_folder_is_named(mirror, url, target):
    target.parent.write_bytes(b"")
    with pytest.raises(UserError, match=r"part: cannot be written \(File exists\)") as caught:
        download(url, target, SHA256)
    sentence(caught)
