"""Plug-ins: found by folder, read without being imported, imported when asked for."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from effbench.errors import ConfigError, PluginError
from effbench.planning import registry as plugins
from effbench.planning import scan as pluginscan
from effbench.planning.scan import Parameter, scan

FAKES = Path(__file__).parents[1] / "fakes"

METHOD = '''
from dataclasses import dataclass
from effbench.method import Method

@dataclass(frozen=True)
class Config:
    width: int = 3  # neurons

class Mine(Method):
    """What mine does."""
    name = "mine"
    Config = Config
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "methods").mkdir()
    (tmp_path / "scenes").mkdir()
    return tmp_path


def put(folder: Path, source: str, name: str = "methods/mine.py") -> Path:
    path = folder / name
    path.write_text(source, encoding="utf-8")
    return path


def test_a_method_is_described_without_being_imported(folder: Path) -> None:
    path = put(folder, METHOD + "\nraise SystemExit('imported')\n")
    (plugin,) = scan(path, "method")
    assert (plugin.name, plugin.class_name, plugin.description) == (
        "mine",
        "Mine",
        "What mine does.",
    )
    assert plugin.parameters == (Parameter("width", "int", "3", "neurons"),)
    assert plugin.available


def test_a_description_is_the_first_paragraph_and_defaults_may_depend_on_the_device() -> None:
    fake, _, child, *_ = scan(FAKES / "methods/fake.py", "method")
    assert fake.description == "One grey value for the whole image."
    assert fake.device_defaults == {"cpu": {"lr": 0.2}}
    assert [p.name for p in child.parameters] == ["mode", "lr", "width"], "inherited Config"


def test_a_preset_is_listed_behind_its_method_with_what_it_sets() -> None:
    fake, wide, child, *_ = scan(FAKES / "methods/fake.py", "method")
    assert (fake.preset_of, wide.name, wide.preset_of) == ("", "fake-wide", "fake")
    assert wide.preset == {"width": 3, "lr": 0.3}
    assert wide.description == "fake with width=3, lr=0.3"
    assert wide.parameters == fake.parameters
    assert child.name == "fake-child", "presets are not inherited"


def test_a_preset_is_a_class_of_its_own() -> None:
    registry = plugins.discover([FAKES])
    fake, wide = registry.method("fake"), registry.method("fake-wide")
    assert issubclass(wide, fake)
    assert (wide.name, wide.preset_of, wide.preset) == (
        "fake-wide",
        "fake",
        {"width": 3, "lr": 0.3},
    )
    assert (fake.name, fake.preset_of) == ("fake", "")
    assert registry.method("fake-wide") is wide
    with pytest.raises(ConfigError, match="did you mean fake-wide"):
        registry.method("fake-wid")


def test_presets_of_a_class_that_is_in_no_file_can_be_run() -> None:
    fake = plugins.discover([FAKES]).method("fake")
    registry = plugins.Registry()
    registry.add_class(fake)
    assert registry.method("fake-wide").preset == {"width": 3, "lr": 0.3}


def test_defaults_of_a_device_are_inherited_from_effbench_itself() -> None:
    from effbench.nerf.training.mlp_method import MLPMethod

    (nerf,) = scan(Path(__file__).parents[2] / "methods/nerf.py", "method")
    assert nerf.device_defaults == MLPMethod.device_defaults
    assert "cpu" in nerf.device_defaults


def test_inherited_fields_come_first_also_from_effbench_itself(folder: Path) -> None:
    source = """
from dataclasses import dataclass
from effbench.scene import SceneConfig, SceneSource

class Mine(SceneSource):
    family = "mine"
    @dataclass(frozen=True)
    class Config(SceneConfig):
        views: int = 9
"""
    (plugin,) = scan(put(folder, source, "scenes/mine.py"), "scene")
    assert [(p.name, p.default) for p in plugin.parameters] == [("downscale", "1"), ("views", "9")]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import no_such_package\n" + METHOD, "needs no_such_package"),
        ("from no_such_package.part import x\n" + METHOD, "needs no_such_package"),
        ("class Broken(:\n", "cannot be parsed"),
        ("value = 3\n", "holds no class with a literal `name`"),
        (METHOD.replace('"mine"', "str(3)"), "holds no class with a literal `name`"),
    ],
)
def test_an_unavailable_plugin_says_why(folder: Path, source: str, reason: str) -> None:
    (plugin,) = scan(put(folder, source), "method")
    assert not plugin.available
    assert reason in plugin.reason


def test_an_import_that_the_plugin_guards_is_its_own_affair(folder: Path) -> None:
    source = "try:\n    import no_such_package\nexcept ImportError:\n    pass\n" + METHOD
    (plugin,) = scan(put(folder, source), "method")
    assert plugin.available


def test_built_in_and_given_folders_are_found(folder: Path) -> None:
    put(folder, METHOD)
    registry = plugins.discover([folder, FAKES])
    assert {"mine", "fake", "fake-child", "instant-ngp"} <= set(registry.methods)
    assert {"toy", "procedural", "nerf_synthetic"} <= set(registry.scenes)
    assert {path.name for path in registry.suites()} >= {"pruning.toml", "toy.toml"}


def test_folders_may_come_from_the_environment(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(folder, METHOD)
    monkeypatch.setenv("EFFBENCH_PLUGINS", f"{folder}:{FAKES}")
    assert {"mine", "fake"} <= set(plugins.discover().methods)
    assert plugins.user_folders([folder]) == [folder.resolve(), FAKES.resolve()], "each once"


def test_files_that_begin_with_an_underscore_are_no_plugins(folder: Path) -> None:
    put(folder, METHOD, "methods/_shared.py")
    assert "mine" not in plugins.discover([folder]).methods


def test_a_folder_without_plugins_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="is no plug-in folder: it needs methods/"):
        plugins.discover([tmp_path])


def test_a_name_that_is_taken_is_refused_with_both_files(folder: Path) -> None:
    put(folder, METHOD)
    put(folder, METHOD, "methods/other.py")
    with pytest.raises(PluginError, match=r"called 'mine': .*mine\.py and .*other\.py: change"):
        plugins.discover([folder])


def test_a_class_is_imported_once_under_a_module_of_its_own(folder: Path) -> None:
    path = put(folder, METHOD)
    registry = plugins.discover([folder])
    cls = registry.method("mine")
    assert cls is registry.method("mine")
    assert sys.modules[cls.__module__].__file__ == str(path)
    assert cls.__module__ != "mine"


def test_a_failing_import_names_file_and_error(folder: Path) -> None:
    path = put(folder, METHOD + "\nundefined\n")
    registry = plugins.discover([folder])
    before = set(sys.modules)
    with pytest.raises(PluginError, match=r"mine\.py cannot be imported: NameError") as error:
        registry.method("mine")
    assert str(path) in str(error.value)
    assert not {name for name in set(sys.modules) - before if name.startswith("effbench_plugin")}


def test_a_class_of_the_wrong_kind_is_refused(folder: Path) -> None:
    put(folder, 'class Mine:\n    name = "mine"\n')
    with pytest.raises(PluginError, match="Mine must derive from Method"):
        plugins.discover([folder]).method("mine")


def test_asking_for_what_is_not_there_says_what_is(folder: Path) -> None:
    put(folder, "import no_such_package\n" + METHOD)
    registry = plugins.discover([folder])
    with pytest.raises(ConfigError, match="unknown method 'instant-npg': did you mean instant-ngp"):
        registry.method("instant-npg")
    with pytest.raises(PluginError, match=r"'mine' .* is not available: needs no_such_package"):
        registry.method("mine")


def test_installed_packages_announce_folders(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(folder, METHOD)
    package = put(folder, f"path = {str(folder)!r}\n", "announcing_package.py")
    monkeypatch.syspath_prepend(str(package.parent))
    group = plugins.ENTRY_POINT_GROUP
    entries = [
        EntryPoint("good", "announcing_package", group),
        EntryPoint("bad", "no_such_package", group),
    ]
    monkeypatch.setattr("importlib.metadata.entry_points", lambda **_: entries)
    registry = plugins.discover()
    assert registry.methods["mine"].available
    assert "no_such_package" in registry.methods["bad"].reason


def test_the_wheels_own_folder_comes_before_the_checkouts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundled = tmp_path / "_bundled"
    (bundled / "methods").mkdir(parents=True)
    put(bundled, METHOD)
    monkeypatch.setattr(plugins, "_PACKAGE", tmp_path)
    assert set(plugins.discover().methods) == {"mine"}


def test_every_built_in_plugin_has_a_description_and_literal_defaults() -> None:
    registry = plugins.discover()
    for plugin in [*registry.methods.values(), *registry.scenes.values()]:
        assert plugin.available, f"{plugin.file}: {plugin.reason}"
        assert plugin.description, f"{plugin.file} has no docstring"
        assert isinstance(plugin.parameters[0], pluginscan.Parameter)
