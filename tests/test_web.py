"""What `web` promises: a file whole and right, or one sentence. The server is a loopback one."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from course_utils import web

CONTENT = random.Random(0).randbytes(600_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()[:8]


class Server(ThreadingHTTPServer):
    """A file server whose manners a test can spoil."""

    daemon_threads = True

    def __init__(self, content: bytes = CONTENT) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = content
        self.understands_range = True
        self.breaks = 0  # so many answers stop after `stops_after` bytes
        self.stops_after = 200_000
        self.pause = 0.0  # seconds between two pieces
        self.status = 200
        self.tells_length = True
        self.ranges: list[str | None] = []  # what was asked for, request by request
        self.hold = threading.Event()  # when cleared, answers wait
        self.hold.set()
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def handle_error(self, *args: object) -> None:
        """A client that hangs up is part of the game."""

    def url(self, filename: str = f"network-{DIGEST}.pth") -> str:
        return f"http://127.0.0.1:{self.server_port}/models/{filename}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server, wanted = self.server, self.headers.get("Range")
        server.ranges.append(wanted)
        if server.status != 200:
            return self.send_error(server.status)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and server.understands_range else 0
        if start >= len(server.content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(server.content)}")
            return self.end_headers()
        self.send_response(206 if start else 200)
        if start:
            last = len(server.content) - 1
            self.send_header("Content-Range", f"bytes {start}-{last}/{len(server.content)}")
        if server.tells_length:
            self.send_header("Content-Length", str(len(server.content) - start))
        self.end_headers()
        rest = server.content[start:]
        if server.breaks:
            server.breaks -= 1
            rest = rest[: server.stops_after]
        server.hold.wait(5)
        for piece in range(0, len(rest), 50_000):
            self.wfile.write(rest[piece : piece + 50_000])
            time.sleep(server.pause)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with Server() as server:
        yield server
        server.shutdown()


@pytest.fixture(autouse=True)
def spare_folder(monkeypatch, tmp_path) -> Path:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(web.tempfile, "tempdir", str(tmp_path / "temporary"))
    return web._spare_folder()


@pytest.fixture
def cache(tmp_path) -> Path:
    return tmp_path / "cache" / "checkpoints"


def fetch(url: str, cache: Path, progress: bool = False) -> Path:
    return web.fetch(url, cache, digest=DIGEST, size=600_000, name="tinynet", progress=progress)


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def only_one_sentence(text: str) -> bool:
    return text.endswith(".") and ". " not in text and "\n" not in text


def test_a_file_is_downloaded_once_and_told_in_one_line(server, cache, capsys):
    path = fetch(server.url(), cache, progress=True)
    told = capsys.readouterr()
    assert path == cache / f"network-{DIGEST}.pth"
    assert path.read_bytes() == CONTENT
    assert told.out.count("\n") == 1
    assert "0.6 MB" in told.out
    assert str(cache) in told.out
    assert "100%" in told.err
    assert fetch(server.url(), cache, progress=True) == path
    assert capsys.readouterr() == ("", "")
    assert len(server.ranges) == 1
    assert os.listdir(cache) == [path.name]


def test_quiet_means_quiet(server, cache, capsys):
    fetch(server.url(), cache)
    assert capsys.readouterr() == ("", "")


def test_a_slow_server_is_waited_for(server, cache):
    server.pause = 0.05
    assert fetch(server.url(), cache).read_bytes() == CONTENT


def test_a_server_that_does_not_tell_the_length_is_fine(server, cache):
    server.tells_length = False
    assert fetch(server.url(), cache).read_bytes() == CONTENT


def test_a_broken_download_goes_on_where_it_broke(server, cache):
    server.breaks = 1
    assert fetch(server.url(), cache).read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=200000-"]


def test_a_broken_download_starts_again_when_the_server_knows_no_ranges(server, cache):
    server.breaks, server.understands_range = 1, False
    assert fetch(server.url(), cache).read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=200000-"]


def test_a_download_that_breaks_for_good_is_kept_and_the_next_call_goes_on(server, cache, monkeypatch):
    monkeypatch.setattr(web, "ATTEMPTS", 1)
    server.breaks = 1
    with pytest.raises(web.DownloadError, match=r"broke .*0\.2 MB, which are kept; try again") as caught:
        fetch(server.url(), cache)
    assert only_one_sentence(str(caught.value))
    assert (cache / f"network-{DIGEST}.pth.part").stat().st_size == 200_000
    assert fetch(server.url(), cache).read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=200000-"]
    assert os.listdir(cache) == [f"network-{DIGEST}.pth"]


def test_a_server_that_always_breaks_is_left_alone_in_the_end(server, cache):
    server.breaks, server.stops_after = 1000, 10_000
    with pytest.raises(web.DownloadError, match="try again"):
        fetch(server.url(), cache)
    assert len(server.ranges) == web.ATTEMPTS


def test_a_server_that_falls_silent_is_given_up(server, cache, monkeypatch):
    monkeypatch.setattr(web, "TIMEOUT", 0.2)
    server.hold.clear()
    with pytest.raises(web.DownloadError, match="timed out"):
        fetch(server.url(), cache)
    server.hold.set()
    assert os.listdir(cache) == []


def test_a_whole_but_unmoved_file_is_not_downloaded_again(server, cache):
    cache.mkdir(parents=True)
    (cache / f"network-{DIGEST}.pth.part").write_bytes(CONTENT)
    assert fetch(server.url(), cache).read_bytes() == CONTENT
    assert server.ranges == ["bytes=600000-"]


@pytest.mark.parametrize("length", [1000, 600_000, 700_000])
@pytest.mark.parametrize("understands_range", [True, False])
def test_a_wrong_beginning_is_thrown_away(server, cache, length, understands_range):
    server.understands_range = understands_range
    cache.mkdir(parents=True)
    (cache / f"network-{DIGEST}.pth.part").write_bytes(bytes(length))
    assert fetch(server.url(), cache).read_bytes() == CONTENT
    assert os.listdir(cache) == [f"network-{DIGEST}.pth"]


def test_a_damaged_file_in_the_cache_is_replaced(server, cache):
    cache.mkdir(parents=True)
    (cache / f"network-{DIGEST}.pth").write_bytes(CONTENT[:-1])
    assert fetch(server.url(), cache).read_bytes() == CONTENT


def test_a_wrong_checksum_is_refused_and_nothing_is_left(server, cache):
    server.content = b"<html>please log in</html>"
    with pytest.raises(web.DownloadError, match="wrong checksum and was deleted") as caught:
        fetch(server.url(), cache)
    assert only_one_sentence(str(caught.value).replace("127.0.0.1", "host"))
    assert os.listdir(cache) == []


def test_a_server_that_never_stops_is_cut_off(server, cache):
    server.content, server.tells_length = bytes(5_000_000), False
    with pytest.raises(web.DownloadError, match="far more came than"):
        fetch(server.url(), cache)
    assert os.listdir(cache) == []


@pytest.mark.parametrize("status", [403, 404, 503])
def test_a_refusal_is_told_with_the_address(server, cache, status):
    server.status = status
    with pytest.raises(web.DownloadError, match=rf"answered {status} \(.*network-{DIGEST}\.pth\."):
        fetch(server.url(), cache)
    assert os.listdir(cache) == []


@pytest.mark.parametrize("host", ["127.0.0.1", "no-such-host.invalid"])
def test_no_network_is_one_sentence(cache, monkeypatch, host):
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(web.DownloadError, match=f"{host} cannot be reached"):
        fetch(f"http://{host}:{closed_port()}/network-{DIGEST}.pth", cache)
    assert os.listdir(cache) == []


def test_a_cache_that_cannot_be_written_is_replaced_by_a_temporary_folder_and_told(server, cache, capsys, spare_folder):
    cache.parent.write_text("a file stands where the folder should be")
    path = fetch(server.url(), cache, progress=True)
    assert path == spare_folder / f"network-{DIGEST}.pth"
    assert path.read_bytes() == CONTENT
    assert f"as {cache} cannot be written" in capsys.readouterr().out
    assert fetch(server.url(), cache) == path
    assert len(server.ranges) == 1


def test_a_sound_file_in_a_cache_that_cannot_be_written_is_used(server, cache, monkeypatch):
    cache.mkdir(parents=True)
    (cache / f"network-{DIGEST}.pth").write_bytes(CONTENT)
    monkeypatch.setattr(web, "_tried", None)  # nobody tries to write
    assert fetch(server.url(), cache) == cache / f"network-{DIGEST}.pth"
    assert server.ranges == []


def test_no_place_at_all_is_one_sentence(server, cache, monkeypatch):
    def tried(folder, mode=0):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(web, "_tried", tried)
    with pytest.raises(web.DownloadError, match="TORCH_HOME") as caught:
        fetch(server.url(), cache)
    assert only_one_sentence(str(caught.value))
    assert server.ranges == []


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="no owners of files on this system")
def test_a_temporary_folder_of_somebody_else_is_refused(server, cache, spare_folder, monkeypatch):
    cache.parent.write_text("a file stands where the folder should be")
    stranger = os.getuid() + 1
    spare_folder.with_name(f"course-networks-{stranger}").mkdir()
    monkeypatch.setattr(web.os, "getuid", lambda: stranger)
    with pytest.raises(web.DownloadError, match="TORCH_HOME"):
        fetch(server.url(), cache)


def test_a_disk_known_to_be_too_small_is_told_before(server, cache, monkeypatch):
    usage = web.shutil.disk_usage(Path(__file__).parent)
    monkeypatch.setattr(web.shutil, "disk_usage", lambda folder: usage._replace(free=599_999))
    with pytest.raises(web.DownloadError, match=r"needs 0\.6 MB, for which .* has no room"):
        fetch(server.url(), cache)
    assert server.ranges == []


def test_a_disk_that_fills_up_is_told_and_freed(server, cache, monkeypatch):
    def fill_up(url, file, size, bar):
        file.write(b"some")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(web, "_receive", fill_up)
    with pytest.raises(web.DownloadError, match="has no room"):
        fetch(server.url(), cache)
    assert os.listdir(cache) == []


def test_an_interrupted_download_is_kept(server, cache, monkeypatch):
    def interrupted(url, file, size, bar):
        file.write(CONTENT[:1000])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(web, "_receive", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fetch(server.url(), cache)
    assert fetch(server.url(), cache).read_bytes() == CONTENT
    assert server.ranges == ["bytes=1000-"]


@pytest.mark.skipif(web.fcntl is None, reason="no file locks on this system")
def test_two_notebooks_do_not_write_into_one_file(server, cache):
    server.hold.clear()
    first: list[Path] = []
    thread = threading.Thread(target=lambda: first.append(fetch(server.url(), cache)))
    thread.start()
    while not server.ranges:
        time.sleep(0.01)
    with pytest.raises(web.DownloadError, match="by another program"):
        fetch(server.url(), cache)
    server.hold.set()
    thread.join()
    assert first[0].read_bytes() == CONTENT


@pytest.mark.parametrize("address", ["file:///etc/hostname", "data:,hello", "ftp://127.0.0.1/a"])
def test_only_http_is_fetched(address, tmp_path):
    with pytest.raises(web.DownloadError, match="only http"):
        web.fetch(address, tmp_path, digest="00", size=5, name="a file", progress=False)
