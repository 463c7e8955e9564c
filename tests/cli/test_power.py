"""The command that tells how many seeds an effect takes."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner, Result

from effbench.cli.app import main
from tests.results_folder import write_results


def power(*words: str) -> Result:
    return CliRunner().invoke(main, ["power", *words])


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("results")
    write_results(folder, scenes=["procedural/blocks"], seeds=3, views=1, size=16)
    return str(folder)


def test_hours_count_both_rows_and_their_parents_once(results: str) -> None:
    done = power(results, "--effect", "0.2", "--baseline", "instant-ngp", "--format", "json")
    assert done.exit_code == 0, done.output
    found = {(row["method"], row["variant"]): row for row in json.loads(done.output)}
    # cells of 15 s: the row and the baseline, a pruned row's parent besides
    assert found["nerf", ""]["hours_seed"] == pytest.approx(2 * 15 / 3600)
    pruned = found["nerf-pruned", "selection=uniform,width=64"]
    assert pruned["hours_seed"] == pytest.approx(3 * 15 / 3600)
    assert pruned["hours_80"] == pytest.approx(pruned["seeds_80"] * pruned["hours_seed"])
    assert pruned["test"] == "paired"  # made with one seed per repetition for all rows


def test_the_page_says_what_was_asked(results: str) -> None:
    done = power(results, "--effect", "0.2", "--baseline", "nerf")
    assert done.exit_code == 0, done.output
    assert done.output.startswith("# Seeds to see 0.2 dB against nerf\n")
    assert "| instant-ngp " in done.output


def test_what_does_not_vary_is_told(results: str) -> None:
    done = power(results, "--effect", "5%", "--figure", "model_mb", "--baseline", "nerf")
    assert "does not vary" in done.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--effect", "5%"), "--effect is '5%': write a number, such as 0.2"),
        (("--effect", "0.2", "--figure", "iter_ms"), "write a part of the figure, such as 5%"),
        (("--effect", "-1"), "--effect is '-1'"),
        (("--effect", "0.2", "--figure", "quality"), "unknown figure 'quality'"),
        (("--effect", "0.2", "--baseline", "no"), "unknown baseline 'no'"),
    ],
)
def test_mistakes_are_named(words: tuple[str, ...], message: str, results: str) -> None:
    done = power(results, *words)
    assert done.exit_code == 2
    assert message in done.output
