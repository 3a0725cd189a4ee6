"""Files from the web: a large one into a folder (told, shown, resumed, checked, kept), a small one into memory.

Serves `zoo` and `images`, and through them every notebook: networks trained on ImageNet, pictures at an address.
Papers: none; RFC 9110, section 14 (asking a server for the rest of a file).
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import socket
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit

from tqdm.auto import tqdm

try:
    import fcntl
except ImportError:  # Windows: two downloads at once are then caught by the checksum only
    fcntl = None

TIMEOUT = 20.0  # seconds without a single byte
ATTEMPTS = 5  # connections for one file, each going on where the last one broke
CHUNK = 1 << 18  # bytes
DEADLINE = 60.0  # seconds for the whole of a small file
ELSEWHERE = "set the environment variable TORCH_HOME to a folder that you may write and that has room"


class DownloadError(ValueError):
    """A file that could not be had; the text is one sentence for the student."""


def fetch(url: str, folder: Path, *, digest: str, size: int, name: str, progress: bool = True) -> Path:
    """Give the file behind an address: from the cache if it is there and sound, from the network otherwise.

    A broken download leaves a `.part` file, and the next call goes on from there. Where the folder cannot be
    written, a folder among the temporary files is used, and told.

    Args:
        url: the address, http or https; its last part is the file's name in the folder.
        digest: how the file's sha256 begins (hexadecimal).
        size: about how many bytes to expect; told before, and a bound against a server that never stops.
        name: what to call the file before the student.
        progress: print the one line that tells the size, and show a bar.

    Raises:
        DownloadError: no network, a server that refuses, a wrong checksum, no room, or nowhere to write.
    """
    filename, host = PurePosixPath(urlsplit(url).path).name, urlsplit(url).hostname
    if is_sound(folder / filename, digest):
        return folder / filename
    try:
        place, why = _writable(folder)
        if is_sound(place / filename, digest):
            return place / filename
        part = place / f"{filename}.part"
        here = part.stat().st_size if part.exists() else 0
        if shutil.disk_usage(place).free < size - here:
            raise _no_room(place, size)
        if progress:
            print(f"{name}: downloading {megabytes(size)} from {host}, once; it is kept in {place}{why}.")
        bar = tqdm(unit="B", unit_scale=True, desc=name, disable=not progress)
        with bar, _alone(part) as file:
            _receive_sound(url, file, digest, size, bar)
        return part.replace(place / filename)
    except DownloadError as problem:  # the functions below say what befell the file, without its name
        raise DownloadError(f"{name} {problem}") from None
    except OSError as error:
        raise DownloadError(f"{name} cannot be kept in {place} ({error.strerror}); {ELSEWHERE}.") from None


def read(address: str, *, most: int, seconds: float | None = None) -> bytes:
    """What stands at an address, in memory; of a file that is too large, a little more than `most` bytes.

    It may take `seconds`, or `DEADLINE`; a server may be silent for half of them, at most for `TIMEOUT`.

    Raises:
        OSError, HTTPException, ValueError: `reason` says in a few words what went wrong, `advice` what to do.
    """
    if not address.lower().startswith(("http://", "https://")):
        raise ValueError("only http:// and https:// addresses are")
    seconds = seconds or DEADLINE
    end, content = time.monotonic() + seconds, bytearray()
    with _open(address, min(TIMEOUT, seconds / 2)) as response:
        while len(content) <= most and (part := response.read1(CHUNK)):
            content += part
            if time.monotonic() > end:
                raise TimeoutError(f"not finished after {seconds:g} seconds")
    return bytes(content)


def reason(problem: Exception) -> str:
    """What went wrong with a file or a download, in a few words."""
    if isinstance(problem, HTTPError):
        return f"{urlsplit(problem.url).hostname} answers {problem.code}, {' '.join(problem.reason.split())}"
    problem = getattr(problem, "reason", problem)  # urllib wraps what went wrong
    if isinstance(problem, socket.gaierror):
        return "no such host, or no network"
    if isinstance(problem, TimeoutError):
        return str(problem) or "timed out"
    return getattr(problem, "strerror", None) or " ".join(str(problem).strip("<>").split())


def advice(problem: Exception) -> str:
    """What to do then."""
    if isinstance(problem, HTTPError):  # some servers answer browsers only
        gone = problem.code in (404, 410)
        return "check the address" if gone else "save it with the browser and upload the file"
    if isinstance(getattr(problem, "reason", problem), TimeoutError):
        return "try again, or save it with the browser and upload the file"
    return "check the address and the network" if isinstance(problem, URLError) else "check the path or address"


def is_sound(path: Path, digest: str) -> bool:
    """Whether the file is there and its sha256 begins with these hexadecimal digits."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        checksum = hashlib.sha256()
        while block := file.read(1 << 20):
            checksum.update(block)
    return checksum.hexdigest().startswith(digest)


def megabytes(size: int) -> str:
    """A number of bytes as a student reads it: `4.9 MB`, `528 MB`."""
    return f"{size / 1e6:.1f} MB" if size < 1e7 else f"{size / 1e6:.0f} MB"


def _open(address: str, timeout: float, headers: Mapping[str, str] | None = None) -> HTTPResponse:
    """Ask a server for a file; it may be silent for `timeout` seconds."""
    headers = {"User-Agent": "course_utils", "Accept-Encoding": "identity", **(headers or {})}
    address = quote(address, safe="%/:?&=#+,;@!$'()*~[]")
    opener = urllib.request.build_opener(_HttpOnly)
    return opener.open(urllib.request.Request(address, headers=headers), timeout=timeout)


class _HttpOnly(urllib.request.FTPHandler, urllib.request.FileHandler, urllib.request.DataHandler):
    """Stands in the place of all that urllib knows beside http(s): an ftp server, a file of this machine, data:."""

    def ftp_open(self, req: urllib.request.Request) -> None:
        raise URLError("only http:// and https:// addresses are")

    file_open = data_open = ftp_open


def _receive_sound(url: str, file: BinaryIO, digest: str, size: int, bar: tqdm) -> None:
    """Receive the file and check it; what a broken download left gets one chance to be its beginning."""
    for _ in range(2 if file.tell() else 1):
        _receive_patiently(url, file, size, bar)
        if is_sound(Path(file.name), digest):
            return
        _empty(file)
    raise DownloadError(
        f"could not be downloaded: what {urlsplit(url).hostname} sent has a wrong checksum and was deleted; "
        "try again, and in a guest network log in with a browser first."
    )


def _receive_patiently(url: str, file: BinaryIO, size: int, bar: tqdm) -> None:
    """Receive the file, connecting again after a break for as long as that brings something new."""
    host, before = urlsplit(url).hostname, -1
    for _ in range(ATTEMPTS):
        if file.tell() == before:
            break
        before = file.tell()
        try:
            return _receive(url, file, size, bar)
        except HTTPError as error:
            answer = f"{host} answered {error.code} ({error.reason})"
            raise DownloadError(f"could not be downloaded: {answer} for {url}.") from None
        except (OSError, HTTPException) as error:
            if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
                _empty(file)  # a full disk would stop everything else too
                raise _no_room(Path(file.name).parent, size) from None
            why = reason(error)
    if file.tell() == 0:
        raise DownloadError(f"could not be downloaded: {host} cannot be reached ({why}).")
    raise DownloadError(
        f"could not be downloaded: the connection to {host} broke ({why}) after {megabytes(file.tell())}, "
        "which are kept; try again and it goes on from there."
    )


def _receive(url: str, file: BinaryIO, size: int, bar: tqdm) -> None:
    """Receive the file, or the rest of it when some is there and the server can start in the middle."""
    start = file.tell()
    rest = {"Range": f"bytes={start}-"} if start else {}
    try:
        response = _open(url, TIMEOUT, rest)
    except HTTPError as error:
        if start == 0 or error.code != 416:  # 416: there is nothing after `start`
            raise
        if error.headers.get("Content-Range") != f"bytes */{start}":
            _empty(file)
            raise ConnectionError("the file there is a shorter one") from None
        return
    with response:
        if start and not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            _empty(file)
            if response.status == 206:
                raise ConnectionError("the server sent another piece than the one asked for")
            start = 0  # it sends the whole file
        length = response.headers.get("Content-Length")
        total = start + int(length) if length else None
        bar.reset(total=total or size)
        bar.initial = bar.n = start
        while block := response.read1(CHUNK):
            file.write(block)
            bar.update(len(block))
            if file.tell() > 2 * size + 2**20:
                _empty(file)
                raise DownloadError(f"could not be downloaded: far more came than {megabytes(size)}.")
    if total is not None and file.tell() < total:
        raise ConnectionError("it closed too early")


@contextmanager
def _alone(part: Path) -> Iterator[BinaryIO]:
    """Open the unfinished file to go on writing, locked against a second notebook if it can be; leave no empty one."""
    with part.open("ab", buffering=0) as file:
        try:
            if fcntl:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            free = part.exists()  # or another program has finished it this very moment
        except OSError as problem:  # if it is not that somebody holds it: a file system without locks
            free = not isinstance(problem, BlockingIOError)
        if not free:
            raise DownloadError("is being downloaded by another program; try again when that is done.")
        try:
            yield file
        finally:
            file.close()
            if part.stat().st_size == 0:
                part.unlink()


def _empty(file: BinaryIO) -> None:
    file.seek(0)
    file.truncate()


def _writable(folder: Path) -> tuple[Path, str]:
    """The folder to keep the file in, and the words that tell why if it is not the one asked for."""
    try:
        return _tried(folder), ""
    except OSError as error:
        why = f", as {folder} cannot be written ({error.strerror})"
    try:
        return _tried(_spare_folder(), mode=0o700), why
    except OSError:
        raise DownloadError(f"cannot be kept{why}; {ELSEWHERE}.") from None


def _tried(folder: Path, mode: int = 0o777) -> Path:
    """The folder, made if need be, after a file could be written to it."""
    folder.mkdir(mode=mode, parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        return folder


def _spare_folder() -> Path:
    """The student's own folder among the temporary files; one that somebody else has put there is refused."""
    owner = os.getuid() if hasattr(os, "getuid") else 0  # on Windows the temporary files are private anyway
    folder = Path(tempfile.gettempdir()) / f"course-networks-{owner}"
    if os.path.lexists(folder) and folder.lstat().st_uid != owner:
        raise PermissionError(errno.EACCES, "it belongs to somebody else", str(folder))
    return folder


def _no_room(folder: Path, size: int) -> DownloadError:
    return DownloadError(f"needs {megabytes(size)}, for which {folder} has no room; make some, or {ELSEWHERE}.")
