"""Commands of scenes on the user's disk."""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from effbench.cli.options import (
    ANY_PATH,
    FILE,
    INTERRUPTED,
    SCENES_VARIABLE,
    SOME_FAILED,
    discover,
    plugins_option,
    scenes_option,
)

if TYPE_CHECKING:
    from effbench.datasets.catalogue import Catalogue
    from effbench.datasets.facts import Facts
    from effbench.datasets.fetching import Order
    from effbench.planning.registry import Registry
    from effbench.scene import SceneRef


@click.group()
def scenes() -> None:
    """Get, import, look at and check scenes.

    \b
    Examples:
      effbench scenes get nerf_synthetic/lego
      effbench scenes import ~/photos/desk --name desk
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


@scenes.command()
@click.argument("names", nargs=-1, metavar="[FAMILY[/NAME]]...")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.option("--force", is_flag=True, help="Replace scenes that are there already.")
@click.option(
    "--from", "wanted", metavar="TEXT", help="Take the archive whose address has TEXT in it."
)
@click.option(
    "--whole", is_flag=True, help="Download whole archives, also for a few of their scenes."
)
@plugins_option
@scenes_option
def get(
    names: tuple[str, ...],
    yes: bool,
    force: bool,
    wanted: str | None,
    whole: bool,
    plugins: tuple[Path, ...],
    scenes_root: Path | None,
) -> None:
    """Download published scenes, all of a FAMILY or some, into the folder of scenes.

    Sizes and licences are shown before anything is downloaded. A download that was cut or
    interrupted goes on where it stopped when the same command is run again. Checksums are compared;
    those that nobody has published are written down at the first download. Of a zip without a
    published checksum only the files of the scenes are downloaded, where its server can do that;
    --whole downloads all of it. Without names the scenes that can be had are listed.

    \b
    Examples:
      effbench scenes get
      effbench scenes get nerf_synthetic/lego --scenes-root ~/scenes
      effbench scenes get llff --yes
      effbench scenes get nerf_synthetic/lego --from huggingface.co
    """
    from effbench.cli.transfer import Transfer
    from effbench.datasets import catalogue, fetching, placing
    from effbench.errors import ConfigError
    from effbench.scene.readers import SET_ROOT

    known, root = catalogue.load(catalogue.FILE), _root(scenes_root)
    if not names:
        click.echo(_offer(known, root))
        return
    chosen = known.named(names)
    if root is None:
        raise ConfigError(f"no folder of scenes is known: {SET_ROOT}")
    missing = [scene for scene in chosen if force or not placing.is_there(root, scene)]
    for scene in chosen:
        if scene not in missing:
            click.echo(f"{scene} is there already (--force downloads it anew)")
    if not missing:
        return
    orders = fetching.orders(missing, known, root, wanted, whole=whole)
    click.echo(_orders_text(orders, known))
    fetching.check_room(orders, root)
    _confirm(root, yes)
    registry = discover(plugins)
    try:
        with Transfer() as transfer:
            for order in orders:
                for scene in fetching.get(order, root, registry, transfer, force=force):
                    transfer.say(f"{root / scene}: effbench scenes show {scene}")
    except KeyboardInterrupt:
        click.echo("\nstopped: the same command goes on where it was", err=True)
        sys.exit(INTERRUPTED)


def _offer(known: Catalogue, root: Path | None) -> str:
    """Return the scenes that can be had, a line each."""
    from effbench.datasets import placing, sizes

    lines = [f"{'scene':<26} {'archive':<14} {'from':<24} licence"]
    for scene in known.scenes:
        first = known.choices(scene)[0]
        there = "  [there]" if root and placing.is_there(root, scene) else ""
        size = sizes.text(first.size)
        lines.append(f"{scene:<26} {size:<14} {first.host:<24} {known.licence(scene)}{there}")
    return "\n".join(lines)


def _orders_text(orders: list[Order], known: Catalogue) -> str:
    """Return what is to be downloaded, and under which licences."""
    from effbench.datasets import sizes

    lines = []
    for order in orders:
        archive = order.archives[0]
        sure = "checksum published" if archive.sha256 else "checksum not published"
        if order.apart:
            sure = "only the files of the scenes, each checked by its CRC-32"
        here = f", {sizes.text(order.there)} of it here already" if order.there else ""
        lines.append(f"{archive.url}: {sizes.text(order.size)}{here}; {sure}")
        lines += [f"  {scene:<26} licence: {known.licence(scene)}" for scene in order.scenes]
    return "\n".join(lines)


def _confirm(root: Path, yes: bool) -> None:
    """Ask whether to go on; end the command where the answer is no."""
    from effbench.datasets import sizes

    question = f"Download into {root} ({sizes.text(sizes.free(root))} free)?"
    try:
        if yes or click.confirm(question):
            return
    except click.Abort:  # nobody is there to answer
        click.echo()
    click.echo("nothing was downloaded; --yes answers beforehand", err=True)
    sys.exit(1)


@scenes.command("import")
@click.argument("source", type=ANY_PATH, metavar="PATH")
@click.option("--name", help="Name of the scene.  [default: that of PATH]")
@click.option(
    "--family",
    type=click.Choice(["nerf_synthetic", "colmap", "ngp", "llff"]),
    help="Layout of PATH, where it has several.",
)
@click.option("--link", is_flag=True, help="Link to PATH in place of a copy.")
@click.option("--force", is_flag=True, help="Replace a scene of that name.")
@click.option(
    "--matcher",
    type=click.Choice(["auto", "exhaustive", "sequential"]),
    default="auto",
    show_default=True,
    help="Of photographs, which COLMAP compares: every two, or neighbours (frames of a video).",
)
@plugins_option
@scenes_option
def import_(
    source: Path,
    name: str | None,
    family: str | None,
    link: bool,
    force: bool,
    matcher: Any,
    plugins: tuple[Path, ...],
    scenes_root: Path | None,
) -> None:
    """Put a scene of your own into the folder of scenes, once it can be loaded.

    PATH is a folder with COLMAP's model (images and sparse), a transforms.json of instant-ngp or
    nerfstudio, transforms_train.json and transforms_test.json of Blender, or a poses_bounds.npy of
    LLFF; or of photographs alone, to which COLMAP, where it is installed, finds the poses.

    \b
    Examples:
      effbench scenes import ~/captures/desk --name desk
      effbench scenes import ~/photos/garden --name garden --matcher sequential
      effbench scenes import /data/big --name big --link
      effbench scenes import walk.mp4          # says how to make frames of it
    """
    from effbench.cli.transfer import Transfer
    from effbench.datasets import facts as describe
    from effbench.datasets import importing
    from effbench.errors import ConfigError
    from effbench.scene.readers import SET_ROOT

    root = _root(scenes_root)
    if root is None:
        raise ConfigError(f"no folder of scenes is known: {SET_ROOT}")
    called = name if name is not None else source.resolve().name
    wanted = importing.Wanted(source, called, family, link, force, matcher)
    try:
        with Transfer() as transfer:
            found = importing.import_scene(wanted, root, discover(plugins), transfer)
    except KeyboardInterrupt:
        click.echo("\nstopped: nothing was put in place", err=True)
        sys.exit(INTERRUPTED)
    click.echo(describe.as_text(found))
    click.echo(_next(found, root))


def _next(found: Facts, root: Path) -> str:
    """Return the commands that come next."""
    given = os.environ.get(SCENES_VARIABLE, "")
    known = bool(given) and Path(given).expanduser().resolve() == root
    where = "" if known else f" --scenes-root {shlex.quote(str(root))}"
    factor = found["parameters"].get("downscale", 1)
    smaller = f" --downscale {factor}" if factor > 1 else ""
    name = found["scene"]
    page = f"{name.rpartition('/')[2]}.html"
    return (
        "\nnext:\n"
        f"  effbench scenes show {name}{smaller} --out {page}{where}\n"
        f"  effbench run --method instant-ngp --scene {name}{smaller} --budget 60s{where}"
    )
