"""Commands of models that ship."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from effbench.cli.options import ANY_PATH, FILE, FOLDER, plugins_option, scenes_option


@click.command()
@click.argument("cell", type=FOLDER)
@click.option(
    "--format",
    type=click.Choice(["onnx"]),
    default="onnx",
    show_default=True,
    expose_value=False,
    help="Form of the file.",
)
@click.option("--int8", is_flag=True, help="Quantise the network, calibrated on pseudo views.")
@click.option("--fp16", is_flag=True, help="Store the weights in half floats.")
@click.option(
    "--views",
    type=click.IntRange(min=1),
    default=4,
    metavar="N",
    show_default=True,
    help="Test views on which the file is compared with PyTorch.",
)
@click.option(
    "--out",
    type=FILE,
    metavar="FILE",
    help="File to write.  [default: CELL/model.onnx, model-int8.onnx or model-fp16.onnx]",
)
@plugins_option
@scenes_option
def export(
    cell: Path,
    int8: bool,
    fp16: bool,
    views: int,
    out: Path | None,
    plugins: tuple[Path, ...],
    scenes_root: Path | None,
) -> None:
    """Write the trained model of CELL, a folder RUN/cells/ID, as one self-contained ONNX file.

    The file is run by ONNX Runtime on test views and compared with PyTorch; the differences are
    printed and stored in it. Its description says what goes in and what comes out.

    \b
    Examples:
      effbench export results/runs/distill-20260101-120000/cells/nelf-student_lego_s0-1a2b3c
      effbench export results/runs/distill-20260101-120000/cells/nelf-student_lego_s0-1a2b3c --int8
    """
    from effbench.cell.reopen import reopen
    from effbench.errors import ConfigError
    from effbench.export.to_onnx import as_text
    from effbench.export.to_onnx import export as write

    if int8 and fp16:
        raise ConfigError("--int8 and --fp16 exclude each other: choose one")
    precision: Literal["int8", "fp16", "fp32"] = "int8" if int8 else "fp16" if fp16 else "fp32"
    name = "model.onnx" if precision == "fp32" else f"model-{precision}.onnx"
    target = out or cell / name
    method = reopen(cell, plugin_folders=plugins, scenes_root=scenes_root)
    info = write(method, target, precision, views)
    click.echo(as_text(target, info))


@click.command()
@click.argument("model", type=ANY_PATH)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0),
    default=5.0,
    show_default=True,
    help="How long frames are rendered for; at least three are.",
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    metavar="N",
    help="Threads of one operation.  [default: the cores this process may use]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def profile(model: Path, seconds: float, threads: int | None, as_json: bool) -> None:
    """Measure what MODEL, a file of `effbench export`, costs on its own.

    A fresh process that holds only ONNX Runtime and the model renders cameras around the scene,
    one frame at a time: latency, peak memory, bytes, and multiply-accumulate operations.

    \b
    Examples:
      effbench profile model.onnx
      effbench profile model-int8.onnx --threads 1 --json
    """
    from effbench.export import profile as profiles

    found = profiles.profile(model, seconds=seconds, threads=threads)
    click.echo(profiles.as_json(found) if as_json else profiles.as_text(model, found))
