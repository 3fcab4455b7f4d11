"""Build the wheel, install it into a fresh environment, and segment there offline.

The environment is a real one: the wheel with its core dependencies and nothing of
this checkout. uv links their files from the cache that `make` filled, so it costs
seconds and no network; versions are those of the development environment. Commands then
run in an empty folder with the network off: in a network namespace of their own where
the system allows that (`unshare`), else with Python's sockets blocked.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / ".build"
UV = Path(sys.executable).parent / "uv"

# The lateral ventricles in the MRI that nibabel ships; the last click is beside them.
PROMPTS = {
    "version": 1,
    "objects": [
        {
            "id": 5,
            "name": "ventricles",
            "planes": [
                {
                    "axis": 0,
                    "index": 18,
                    "fixed": [0],
                    "prompts": [
                        {"type": "click", "positive": True, "at": [45, 61]},
                        {"type": "click", "positive": False, "at": [30, 35]},
                    ],
                }
            ],
        }
    ],
}

CHECK_MASK = """
import nibabel, numpy, sys
image, labels = map(nibabel.load, sys.argv[1:])
values = numpy.asarray(labels.dataobj)
assert values.shape == image.shape, values.shape
assert numpy.allclose(labels.affine, image.affine), labels.affine
assert numpy.unique(values).tolist() == [0, 5], numpy.unique(values)
assert values[61, 45, 18, 0] == 5, "the positive click is not in the mask"
assert values[35, 30, 18, 0] == 0, "the negative click is in the mask"
pixels = int((values == 5).sum())
assert pixels == int((values[:, :, 18, 0] == 5).sum()), "another slice was written to"
assert 20 < pixels < 2000, f"{pixels} pixels"
print(f"mask of {pixels} pixels in the space of the MRI")
"""

BLOCK_SOCKETS = """
import socket
def refuse(*args, **kwargs):
    raise OSError("the network is off")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
"""


def main() -> None:
    """Build, install, segment; raise at the first thing that fails."""
    wheel = build()
    environment = install(wheel)
    with tempfile.TemporaryDirectory() as folder:
        use(environment, Path(folder))
    print(f"{wheel.name}: built, installed and used without the source tree")


def build() -> Path:
    """Build the wheel and check what is in it."""
    folder = BUILD / "wheel"
    shutil.rmtree(folder, ignore_errors=True)
    call(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    weights = (f"weights/bundled/{name}.safetensors" for name in ("tiny", "follower"))
    for needed in ("napari.yaml", "py.typed", *weights):
        if f"napari_segnext/{needed}" not in names:
            raise SystemExit(f"{wheel.name} lacks {needed}")
    return wheel


def install(wheel: Path) -> Path:
    """Install the wheel and its dependencies; return the environment."""
    environment = BUILD / "wheel-env"
    versions = BUILD / "versions.txt"
    frozen = call(UV, "pip", "freeze", "--exclude-editable", "--python", sys.executable)
    versions.write_text(frozen)
    call(UV, "venv", "--quiet", "--clear", "--python", sys.executable, environment)
    command = (UV, "pip", "install", "--quiet", "--python", environment)
    command = (*command, "--constraints", versions, wheel)
    if succeeds(*command, "--offline"):
        print("dependencies linked from uv's cache")
    else:
        call(*command)
        print("dependencies installed from the package index")
    return environment


def use(environment: Path, folder: Path) -> None:
    """Run the installed commands in an empty folder, with the network off."""
    tool = environment / "bin" / "napari-segnext"
    python = environment / "bin" / "python"
    offline, variables = network_off(folder)

    def run(*command: object) -> str:
        return call(*offline, *command, cwd=folder, env=variables)

    where = run(python, "-c", "import napari_segnext; print(napari_segnext.__file__)")
    if not Path(where.strip()).is_relative_to(environment):
        raise SystemExit(f"the source tree was imported: {where}")
    data = run(python, "-c", "import nibabel; print(nibabel.__path__[0])").strip()
    image = Path(data, "tests", "data", "example4d.nii.gz")
    (folder / "prompts.json").write_text(json.dumps(PROMPTS))
    options = ("--prompts", "prompts.json", "--out", "labels.nii.gz")
    print(run(tool, "segment", image, *options), end="")
    print(run(python, "-c", CHECK_MASK, image, "labels.nii.gz"), end="")
    print(run(tool, "demo", "--headless"), end="")
    if not (folder / "demo.png").read_bytes().startswith(b"\x89PNG"):
        raise SystemExit("demo.png is not a picture")


def network_off(folder: Path) -> tuple[list[str], dict[str, str]]:
    """Return a prefix for commands and an environment in which no network is found."""
    kept = ("PATH", "HOME", "LANG", "TMPDIR", "USER")
    variables = {name: os.environ[name] for name in kept if name in os.environ}
    variables |= {"HF_HUB_OFFLINE": "1", "NAPARI_SEGNEXT_CACHE": str(folder / "cache")}
    for isolated in (["unshare", "--net"], ["unshare", "--map-root-user", "--net"]):
        if shutil.which("unshare") and succeeds(*isolated, "true"):
            print("network off:", *isolated)
            return isolated, variables
    blocked = folder / "no-network"
    blocked.mkdir()
    (blocked / "sitecustomize.py").write_text(textwrap.dedent(BLOCK_SOCKETS))
    print("network off: Python's sockets are blocked")
    return [], {**variables, "PYTHONPATH": str(blocked)}


def succeeds(*command: object) -> bool:
    """Tell whether a command runs without an error."""
    parts = [str(part) for part in command]
    return not subprocess.run(parts, cwd=ROOT, capture_output=True).returncode


def call(*command: object, cwd: Path = ROOT, env: dict[str, str] | None = None) -> str:
    """Run a command; return its output, or show it and raise if it fails."""
    result = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if result.returncode:
        print(result.stdout, result.stderr, sep="\n", file=sys.stderr)
    result.check_returncode()
    return result.stdout


if __name__ == "__main__":
    main()
