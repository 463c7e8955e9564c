"""LaTeX: everything escaped, environments closed; compiled where there is a pdflatex."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from effbench.cli.app import main
from effbench.records import latex

RECORDS = Path(__file__).parents[1] / "golden" / "records"
DOCUMENT = (
    "\\documentclass{{article}}\n\\usepackage{{booktabs}}\n"
    "\\begin{{document}}\n{}\n\\end{{document}}\n"
)
HARD = 'a_b 5 % & $x$ #1 {y} ~ ^ \\z <u> "q" `r` | ± Δ ≥ ≤ − × · ÷ → σ τ ▲ ▼ – ’ … ° é 漢\n'


def printed(*words: str) -> str:
    done = CliRunner().invoke(main, list(words))
    assert done.exit_code == 0, done.output
    return done.output


PAGES = {
    "leaderboard": ("leaderboard", str(RECORDS / "mining"), "--format", "latex"),
    "all": (
        "leaderboard",
        *(str(RECORDS / r) for r in ("distilling", "pruning")),
        "--format",
        "latex",
    ),
    "mean": ("leaderboard", str(RECORDS / "distilling"), "--mean", "--format", "latex"),
    "matrix": ("leaderboard", str(RECORDS / "distilling"), "--matrix", "psnr", "--format", "latex"),
    "compare": ("compare", "error-map", "low-weight", str(RECORDS / "mining"), "--format", "latex"),
}


def test_signs_of_latex_and_unicode_are_escaped() -> None:
    assert latex.escape("a_b & 5 % ± 1") == r"a\_b \& 5 \% \(\pm\) 1"
    assert latex.escape("≥ Δ漢") == r"\(\geq\) \(\Delta\)?"
    assert latex.escape("é\\") == r"é\textbackslash{}"


def test_a_table() -> None:
    lines = latex.booktabs(["a_b", "c"], [["1", r"\textbf{2}"]], "lr", "5 %").splitlines()
    assert lines == [
        *(r"\begin{table}", r"\centering", r"\caption{5 \%}", r"\begin{tabular}{lr}", r"\toprule"),
        *(r"a\_b & c \\", r"\midrule", r"1 & \textbf{2} \\", r"\bottomrule"),
        *(r"\end{tabular}", r"\end{table}"),
    ]


@pytest.mark.parametrize("name", PAGES)
def test_pages_are_well_formed(name: str) -> None:
    """No sign is left that LaTeX would stop at, and rows have as many cells as columns."""
    text = printed(*PAGES[name])
    assert re.sub(r"\\.", "", text).translate(dict.fromkeys(map(ord, "&%{}"))).isascii()
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") > 0
    for columns, body in re.findall(r"\\begin{tabular}{(\w+)}(.*?)\\end{tabular}", text, re.DOTALL):
        rows = [line for line in body.splitlines() if line.endswith(r"\\")]
        assert len(rows) > 1
        assert {len(re.findall(r"(?<!\\)&", row)) + 1 for row in rows} == {len(columns)}
        assert all(
            re.search(r"(?<!\\)[_%#$^~]", re.sub(r"\\\(.*?\\\)", "", r)) is None for r in rows
        )


def test_the_best_is_bold_and_what_differs_is_marked() -> None:
    text = printed(*PAGES["leaderboard"])
    assert r"\textbf{16.55 \(\pm\) 0.04}" in text
    assert r"\underline{16.37 \(\pm\) 0.41}" in text
    assert r"742 \(^{\bigtriangledown}\)" in text
    assert "worse than instant-ngp compaction=none at 5 \\%" in text


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_everything_compiles(tmp_path: Path) -> None:
    parts = [latex.escape(HARD), *(printed(*words) for words in PAGES.values())]
    (tmp_path / "all.tex").write_text(DOCUMENT.format("\n\n".join(parts)), encoding="utf-8")
    words = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "all.pdf").stat().st_size > 10_000
