"""Files in and out, and archives that mean harm."""

import io
import os
import tarfile

import pytest

from coracle import ProtocolError, errors
from coracle.archives import extract


async def test_files_go_in_and_come_out_as_they_are(open_client, image, tmp_path):
    tree = tmp_path / "site"
    (tree / "deep").mkdir(parents=True)
    (tree / "deep" / "page").write_bytes(os.urandom(3 << 20))
    (tree / "run").write_text("#!/bin/sh\necho ran\n")
    (tree / "run").chmod(0o755)
    (tree / "link").symlink_to("deep/page")
    async with open_client() as client, await client.start(image, ["sleep", "1000"]) as container:
        await container.copy_in(tree, "/srv")
        assert (await container.exec(["/srv/run"], check=True)).text == "ran\n"
        await container.copy_in(tree / "run", "/tmp/")
        assert (await container.exec(["stat", "-c", "%u %a", "/tmp/run"])).text == "0 755\n"
        found = await container.copy_out("/srv", tmp_path / "back")
        assert (found / "deep/page").read_bytes() == (tree / "deep/page").read_bytes()
        assert os.readlink(found / "link") == "deep/page" and os.access(found / "run", os.X_OK)
        into = tmp_path / "into"
        into.mkdir()
        assert await container.copy_out("/srv/run", into) == into / "run"
        with pytest.raises(FileExistsError):
            await container.copy_out("/srv/run", into)
        assert sorted(path.name for path in into.iterdir()) == ["run"]

        await container.write_file("/etc/motd", "hello", mode=0o600)
        assert await container.read_file("/etc/motd") == b"hello"
        assert (await container.exec(["stat", "-c", "%a", "/etc/motd"])).text == "600\n"
        with pytest.raises(IsADirectoryError):
            await container.read_file("/srv")
        with pytest.raises(errors.NotFoundError):
            await container.read_file("/etc/nothing")
        with pytest.raises(errors.NotFoundError):
            await container.copy_in(tree, "/no/such/place")
        with pytest.raises(FileNotFoundError):
            await container.copy_in(tmp_path / "nothing", "/srv/")
        # None of that has broken the session.
        await client.system.ping()


async def test_a_directory_that_nobody_may_write_in_comes_out_as_it_is(open_client, image, tmp_path):
    async with open_client() as client, await client.start(image, ["sleep", "1000"]) as container:
        made = "mkdir -p /srv/a/b; echo hello >/srv/a/b/c; /bin/busybox chmod 555 /srv/a/b /srv/a"
        await container.exec(["sh", "-c", made], check=True)
        found = await container.copy_out("/srv/a", tmp_path / "out")
        assert (found / "b/c").read_text() == "hello\n"
        assert [path.stat().st_mode & 0o777 for path in (found, found / "b")] == [0o555, 0o555]


def archive(*entries):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as made:
        for name, kind, link, mode in entries:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname, entry.mode = kind, link, mode
            data = b"harm" if kind == tarfile.REGTYPE else b""
            entry.size = len(data)
            made.addfile(entry, io.BytesIO(data))
    buffer.seek(0)
    return tarfile.open(fileobj=buffer)


@pytest.mark.parametrize(
    "entries",
    [
        [("../outside", tarfile.REGTYPE, "", 0o644)],
        [("a/../../outside", tarfile.REGTYPE, "", 0o644)],
        [("a", tarfile.SYMTYPE, "..", 0o777), ("a/outside", tarfile.REGTYPE, "", 0o644)],
        [("a", tarfile.SYMTYPE, "../outside", 0o777), ("a", tarfile.REGTYPE, "", 0o644)],
        [("a", tarfile.SYMTYPE, "..", 0o777), ("b", tarfile.LNKTYPE, "a/sentinel", 0o644)],
        [("b", tarfile.LNKTYPE, "../sentinel", 0o644)],
        [("a", tarfile.SYMTYPE, "..", 0o777), ("a", tarfile.DIRTYPE, "", 0o700), ("a/outside", tarfile.REGTYPE, "", 0)],
        [("a", tarfile.SYMTYPE, "..", 0o777), ("a", tarfile.DIRTYPE, "", 0o777)],
    ],
)
def test_no_entry_leads_out_of_its_archive(entries, tmp_path):
    (tmp_path / "sentinel").write_text("untouched")
    (tmp_path / "place").mkdir()
    tmp_path.chmod(0o710)
    with pytest.raises((ProtocolError, OSError)):
        extract(archive(*entries), tmp_path / "place")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["place", "sentinel"]
    assert (tmp_path / "sentinel").stat().st_nlink == 1
    assert tmp_path.stat().st_mode & 0o777 == 0o710


def test_an_absolute_name_stays_inside_and_special_files_stay_behind(tmp_path):
    entries = [
        ("/etc", tarfile.DIRTYPE, "", 0o500),
        ("/etc/file", tarfile.REGTYPE, "", 0o4755),
        ("fifo", tarfile.FIFOTYPE, "", 0o644),
        ("disk", tarfile.BLKTYPE, "", 0o644),
    ]
    extract(archive(*entries), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["etc"]
    assert (tmp_path / "etc/file").read_text() == "harm"
    assert (tmp_path / "etc/file").stat().st_mode & 0o7777 == 0o755
    assert (tmp_path / "etc").stat().st_mode & 0o7777 == 0o500
    (tmp_path / "etc").chmod(0o700)
