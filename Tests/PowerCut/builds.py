"""What is built between the power cuts: made of its name alone, so that whoever looks later can ask for the same again."""
import io
import tarfile

BASE = "docker.io/library/base:1"


def base(path):
    """An archive of what RUNs need: busybox, which needs nothing else."""
    with tarfile.open(path, "w") as packed:
        with open("/bin/busybox", "rb") as file:
            program = file.read()
        member = tarfile.TarInfo("bin/busybox")
        member.size, member.mode = len(program), 0o755
        packed.addfile(member, io.BytesIO(program))
        for name in ("sh", "cat", "seq"):
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            packed.addfile(link)


def request(name):
    """What of a build decides about its outcome."""
    return {"network": "none", "dockerfile": f"""FROM {BASE}
ENV NAME={name}
RUN echo $NAME > /name; seq 3000 > /list
RUN cat /name /list > /both
"""}
