"""What is in the volumes of the power cuts: made of their names alone, so that whoever looks later knows it."""
import io
import os
import random
import tarfile

FILES = 20


def content(name):
    """The files of a volume, and their bytes."""
    chance = random.Random(f"volume {name}")
    return {f"d{number % 3}/{number}": chance.randbytes(chance.randrange(20000)) for number in range(FILES)}


def archive(name, path):
    with tarfile.open(path, "w") as packed:
        for file, data in content(name).items():
            member = tarfile.TarInfo(file)
            member.size = len(data)
            packed.addfile(member, io.BytesIO(data))


def write(name, directory):
    """As a container would that says when what it has written is on the disk."""
    path = os.path.join(directory, "written")
    with open(path, "w") as file:
        file.write(name)
        file.flush()
        os.fsync(file.fileno())
    handle = os.open(directory, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)


def differs(name, directory, wrote):
    """What is wrong with the volume of this name; None for nothing."""
    for file, data in content(name).items():
        try:
            with open(os.path.join(directory, file), "rb") as found:
                if found.read() != data:
                    return f"{file} has other content"
        except FileNotFoundError:
            return f"{file} is missing"
    if wrote:
        try:
            with open(os.path.join(directory, "written")) as found:
                if found.read() != name:
                    return "what was written and synced has other content"
        except FileNotFoundError:
            return "what was written and synced is missing"
    return None
