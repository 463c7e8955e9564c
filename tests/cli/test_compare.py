"""`effbench compare` on committed records."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result

from effbench.cli.app import main

MINING = str(Path(__file__).parents[1] / "golden" / "records" / "mining")
ROWS = ("error-map", "low-weight")


def run(*words: str) -> Result:
    return CliRunner().invoke(main, ["compare", *words])


def psnr(method: str) -> list[float]:
    paths = sorted(Path(MINING).glob(f"cells/{method}_*/record.json"))
    return [json.loads(path.read_text())["quality"]["psnr"] for path in paths]


def test_json_has_what_the_records_say() -> None:
    found = json.loads(run(*ROWS, MINING, "--figure", "psnr,train_s", "--json").output)
    assert [row["figure"] for row in found] == ["psnr", "train_s"]
    own, other = psnr("error-map"), psnr("low-weight")
    assert len(own) == len(other) == 3
    assert abs(found[0]["effect"] - (sum(own) - sum(other)) / 3) < 1e-9
    assert found[0]["low"] < found[0]["effect"] < found[0]["high"]


def test_every_format_and_a_pattern_of_scenes() -> None:
    page = run(*ROWS, MINING, "--scene", "procedural/*").output
    assert page.startswith("# error-map against low-weight\n")
    assert "| PSNR dB" in page
    assert "over the 4 tests" in page
    assert r"\toprule" in run(*ROWS, MINING, "--format", "latex").output
    assert run(*ROWS, MINING, "--format", "csv").output.startswith("scene,budget,device,figure,")


def test_mistakes_are_told() -> None:
    done = run("error-map", "low-wight", MINING)
    assert done.exit_code == 2
    assert "did you mean low-weight" in done.output
    done = run(*ROWS, MINING, "--scene", "nerf_synthetic/*")
    assert done.exit_code == 2
    assert (
        "no scene of these results fits nerf_synthetic/*: there are procedural/blocks"
        in done.output
    )
