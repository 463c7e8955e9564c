"""Commands of scenes on the user's disk."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from effbench.cli.options import (
    FILE,
    SOME_FAILED,
    discover,
    plugins_option,
    scenes_option,
)

if TYPE_CHECKING:
    from effbench.planning.registry import Registry
    from effbench.scene import SceneRef


@click.group()
def scenes() -> None:
    """Get, import, look at and check scenes.

    \b
    Examples:
      effbench scenes show nerf_synthetic/lego --out lego.html
      effbench scenes verify
    """


def _root(scenes_root: Path | None) -> Path | None:
    return scenes_root.expanduser().resolve() if scenes_root else None


@scenes.command()
@click.argument("names", nargs=-1, metavar="[FAMILY/NAME]...")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@plugins_option
@scenes_option
def verify(
    names: tuple[str, ...], as_json: bool, plugins: tuple[Path, ...], scenes_root: Path | None
) -> None:
    """Read every file of scenes, all there are by default, and compare them with what is known.

    A scene fits its manifest, is unknown (it can be loaded, but no manifest of it is known) or is
    damaged. Exit status: 0, or 3 if one is damaged.

    \b
    Examples:
      effbench scenes verify
      effbench scenes verify nerf_synthetic/lego procedural/blocks
      effbench scenes verify --scenes-root ~/data --json
    """
    from effbench.datasets import verify as checks
    from effbench.planning.planner import scene_refs

    registry, root = discover(plugins), _root(scenes_root)
    there = checks.present(registry, root)
    for name in names:
        if name not in there:
            scene_refs(name, [], registry, root)
    if not (names or there):
        where = f"no scenes in {root}" if root else "no folder of scenes is known"
        click.echo(f"{where}: `effbench scenes get` fetches some, --scenes-root names a folder")
    findings = []
    for name in dict.fromkeys(names or there):
        findings.append(checks.examine(name, registry, root))
        if not as_json:
            click.echo(checks.as_text(findings[-1]))
    if as_json:
        rows = [vars(finding) for finding in findings]
        click.echo(json.dumps(rows, indent=1, ensure_ascii=False))
    sys.exit(SOME_FAILED if any(one.state == "damaged" for one in findings) else 0)


@scenes.command()
@click.argument("name", metavar="FAMILY/NAME")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="[FAMILY.]KEY=V",
    help="Parameter of the scene's family; repeatable. See `effbench list scenes`.",
)
@click.option("--downscale", type=int, metavar="K", help="Divide the images' sides by K.")
@click.option(
    "--split",
    type=click.Choice(["test", "val"]),
    default="test",
    show_default=True,
    help="Views that are evaluated.",
)
@click.option(
    "--out", type=FILE, metavar="FILE", help="Write a page with cameras in 3-D and images: .html."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@plugins_option
@scenes_option
def show(
    name: str,
    settings: tuple[str, ...],
    downscale: int | None,
    split: str,
    out: Path | None,
    as_json: bool,
    plugins: tuple[Path, ...],
    scenes_root: Path | None,
) -> None:
    """Tell what a scene is: views, cameras, space, manifest, notes.

    --out writes one self-contained page besides: cameras, sparse points and boxes to turn and zoom,
    and a contact sheet.

    \b
    Examples:
      effbench scenes show procedural/blocks
      effbench scenes show nerf_synthetic/lego --out lego.html
      effbench scenes show mipnerf360/bonsai --set images=images_4
      effbench scenes show ngp/fox --downscale 2 --split val --json
    """
    from effbench.datasets import facts as describe
    from effbench.errors import ConfigError

    if out and out.suffix != ".html":
        raise ConfigError(f"--out {out}: a page ends in .html")
    registry, root = discover(plugins), _root(scenes_root)
    ref = _one(name, settings, downscale, split, registry, root)
    scene = registry.load_scene(ref, str(root) if root else None)
    found = describe.facts(scene, ref, root)
    if as_json:
        click.echo(json.dumps(found, indent=1, ensure_ascii=False))
    else:
        click.echo(describe.as_text(found))
    if out:
        from effbench.datasets import page, sparse

        size = page.write(out, scene, found, sparse.points(scene, root))
        click.echo(f"{out} ({size / 1e6:.1f} MB)", err=as_json)


def _one(
    name: str,
    settings: tuple[str, ...],
    downscale: int | None,
    split: str,
    registry: Registry,
    root: Path | None,
) -> SceneRef:
    """Return the scene that is meant; a setting without an owner is its family's. Raises
    ConfigError or SceneError."""
    from dataclasses import replace

    from effbench.errors import ConfigError
    from effbench.method.config import Setting
    from effbench.planning.planner import scene_refs

    family = name.partition("/")[0]
    parsed = [Setting.parse(text) for text in settings]
    own = [replace(each, owner=each.owner or family) for each in parsed]
    refs = scene_refs(name, own, registry, root, downscale, split)
    for each in own:
        if each.owner != family:
            raise ConfigError(f"--set {each.owner}.{each.key}: this is of the scene {name} alone")
    if len(refs) > 1:
        raise ConfigError("--set gives several values: write one of each, to show one scene")
    return refs[0]
