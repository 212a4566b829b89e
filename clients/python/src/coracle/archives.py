"""Files to a tar archive and back, on a thread, as streams."""

from __future__ import annotations

import asyncio
import io
import os
import stat
import tarfile
from collections.abc import Awaitable
from pathlib import Path, PurePosixPath
from typing import IO, Any, TypeVar, cast

from .failure import CoracleError, ProtocolError
from .streams import IncomingStream, OutgoingStream

T = TypeVar("T")
R = TypeVar("R")


async def transfer(moving: Awaitable[T], asking: Awaitable[R], stream: IncomingStream | OutgoingStream) -> tuple[T, R]:
    """Answers what both sides of a transfer do: here, and the request that it belongs to. The request's error comes
    first: what it did to the stream follows from it.
    """
    mover, request = asyncio.ensure_future(moving), asyncio.ensure_future(asking)
    try:
        await asyncio.wait([mover, request], return_when=asyncio.FIRST_EXCEPTION)
        if mover.done() and mover.exception() and not request.done():
            if isinstance(stream, IncomingStream) and stream.is_closed:
                # Its answer is on the way, and may say why there was too little.
                await asyncio.wait([request])
        if mover.done() and mover.exception() and not request.done():
            if isinstance(stream, OutgoingStream):
                stream.close(broken=str(mover.exception()))
            request.cancel()
            await asyncio.wait([request])
        elif isinstance(stream, IncomingStream) and mover.done():
            stream.discard()  # what is behind an archive's end
        if request.cancelled():
            await mover  # which has failed
        answer = await request
        return await mover, answer
    finally:
        # A thread that waits for the stream ends so, which it would not by being cancelled.
        stream.fail(CoracleError("the transfer was broken off"))
        request.cancel()
        await asyncio.gather(mover, request, return_exceptions=True)


class StreamWriter(io.RawIOBase):
    """A file for another thread whose bytes go to a stream."""

    def __init__(self, stream: OutgoingStream) -> None:
        self._stream, self._loop = stream, asyncio.get_running_loop()
        self.is_abandoned = False
        """What is still written then, by whoever collects the garbage and wherever, goes nowhere."""

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        piece = bytes(data)
        if self.is_abandoned:
            return len(piece)
        asyncio.run_coroutine_threadsafe(self._stream.write(piece), self._loop).result()
        return len(piece)


class StreamReader(io.RawIOBase):
    """A file for another thread whose bytes come from a stream."""

    def __init__(self, stream: IncomingStream) -> None:
        self._stream, self._loop = stream, asyncio.get_running_loop()
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        if not self._rest:
            self._rest = asyncio.run_coroutine_threadsafe(anext(self._stream, b""), self._loop).result()
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count


async def send_tree(source: Path, name: str, stream: OutgoingStream) -> None:
    """Sends a file or a directory as an archive in which it has another name. Owners stay behind: they are of this
    machine.
    """
    raw = StreamWriter(stream)
    writer = io.BufferedWriter(raw, 1 << 18)

    def anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = ""
        return entry

    def write() -> None:
        try:
            with tarfile.open(fileobj=cast(IO[bytes], writer), mode="w|", format=tarfile.PAX_FORMAT) as archive:
                archive.add(source, name, filter=anonymous)
            writer.flush()
        except BaseException:
            raw.is_abandoned = True
            raise

    await asyncio.to_thread(write)
    stream.close()


async def send_file(data: bytes, name: str, mode: int, stream: OutgoingStream) -> None:
    """Sends an archive of one file."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = len(data), mode
        archive.addfile(entry, io.BytesIO(data))
    await stream.write(buffer.getvalue())
    stream.close()


async def receive_file(stream: IncomingStream) -> bytes:
    """The content of the one file of an archive."""
    data = io.BytesIO(await stream.read())
    with tarfile.open(fileobj=data, mode="r:") as archive:
        entry = archive.next()
        content = archive.extractfile(entry) if entry and entry.isreg() else None
        if content is None:
            raise IsADirectoryError("not a regular file")
        return content.read()


async def receive_tree(stream: IncomingStream, directory: Path) -> None:
    """Extracts an archive in an empty directory."""
    reader = io.BufferedReader(StreamReader(stream), 1 << 18)

    def read() -> None:
        with tarfile.open(fileobj=cast(IO[bytes], reader), mode="r|") as archive:
            extract(archive, directory)

    await asyncio.to_thread(read)


def extract(archive: tarfile.TarFile, directory: Path) -> None:
    """Extracts an archive of a container's, which is not to be trusted, in a directory that nobody else writes in.

    Nothing is made outside: each parent of an entry must be a directory that was made here, and no link is followed.
    Devices, sockets and FIFOs are left out, and so are set-id bits and owners.
    """
    modes: list[tuple[Path, int]] = []
    for entry in archive:
        target = _place(directory, entry.name)
        if target == directory:
            continue
        mode = stat.S_IMODE(entry.mode) & 0o777
        if entry.isdir():
            target.mkdir(0o700, exist_ok=True)
            # Which takes a link to a directory for one, and the mode would go to where it leads.
            if not stat.S_ISDIR(target.lstat().st_mode):
                raise ProtocolError(f"an entry is a directory where a link is: {entry.name}")
            modes.append((target, mode))
        elif entry.isreg():
            content = archive.extractfile(entry)
            assert content
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with open(os.open(target, flags, 0o600), "wb") as file:
                while piece := content.read(1 << 18):
                    file.write(piece)
                os.fchmod(file.fileno(), mode)
            os.utime(target, (entry.mtime, entry.mtime))
        elif entry.issym():
            target.symlink_to(entry.linkname)
        elif entry.islnk():
            # To a link as it is, should it be one: nothing outside gets another name.
            os.link(_place(directory, entry.linkname), target, follow_symlinks=False)
    # Only now, or a directory that is not to be written to would take no entries.
    for target, mode in reversed(modes):
        target.chmod(mode)


def _place(directory: Path, name: str) -> Path:
    parts = [part for part in PurePosixPath(name).parts if part not in ("/", ".")]
    if ".." in parts:
        raise ProtocolError(f"an entry leads out of its archive: {name}")
    place = directory
    for part in parts[:-1]:
        place /= part
        if not stat.S_ISDIR(place.lstat().st_mode):
            raise ProtocolError(f"an entry is under something that is no directory: {name}")
    return directory.joinpath(*parts)
