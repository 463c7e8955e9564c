"""Tables and numbers of pages are those of the files that they name."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import pages
from effbench.errors import EffbenchError

PAGE = """# Page

<!-- table
file = "numbers.csv"
columns = [
    ["method", "method", "`{}`"], ["PSNR", "psnr", "{:.2f}"], ["slower", "ms / 10", "{:.1f}×"],
]
where = "n >= 3"
sort = "-psnr"
-->
old
<!-- end of table -->

After.
"""
NUMBERS = 'method,n,psnr,ms\n"a,b",3,30.126,20\nb,3,31.5,\nc,1,40,1\n'
MADE = """| method | PSNR | slower |
| --- | ---: | ---: |
| `b` | 31.50 |  |
| `a, b` | 30.13 | 2.0× |
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "numbers.csv").write_text(NUMBERS)
    (tmp_path / "README.md").write_text(PAGE)
    return tmp_path


def test_a_table_is_made_of_its_file(root: Path) -> None:
    assert pages.made(root / "README.md", root) == PAGE.replace("old\n", MADE)


def test_made_again_it_stays(root: Path) -> None:
    page = root / "README.md"
    page.write_text(pages.made(page, root))
    assert pages.made(page, root) == page.read_text()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"numbers.csv"', '"nowhere.csv"'),
        ('"psnr", "{:.2f}"', '"flip", "{:.2f}"'),
        ("n >= 3", "n >= 4"),
        ('sort = "-psnr"', 'sort = "-flip"'),
        ("columns = [", "columns = [[1], "),
    ],
)
def test_a_table_that_cannot_be_made_is_named(root: Path, old: str, new: str) -> None:
    page = root / "README.md"
    assert old in PAGE
    page.write_text(PAGE.replace(old, new))
    with pytest.raises(EffbenchError, match=r"README.md, line 3: nothing can be made"):
        pages.made(page, root)


def test_a_table_may_be_of_several_files(root: Path) -> None:
    (root / "more.csv").write_text("method,n,psnr,ms\nd,3,20,\n")
    files = 'files = {one = "numbers.csv", two = "more.csv"}'
    spec = PAGE.replace('file = "numbers.csv"', files).replace('"method", "`{}`"', '"of", "{}"')
    (root / "README.md").write_text(spec)
    made = pages.made(root / "README.md", root)
    assert "| one | 31.50 |  |\n| one | 30.13 | 2.0× |\n| two | 20.00 |  |\n" in made


def test_a_number_without_an_end_is_written_as_such(root: Path) -> None:
    (root / "numbers.csv").write_text("method,n,psnr,ms\ninfinite,3,inf,20\n")
    made = pages.made(root / "README.md", root)
    assert "| `infinite` | ∞ | 2.0× |\n" in made


def test_a_cell_may_hold_several_numbers(root: Path) -> None:
    spec = PAGE.replace('["PSNR", "psnr", "{:.2f}"]', '["both", ["psnr", "ms"], "{:.1f} [{:.0f}]"]')
    (root / "README.md").write_text(spec)
    made = pages.made(root / "README.md", root)
    assert "| `b` |  |  |\n| `a, b` | 30.1 [20] | 2.0× |\n" in made


def test_words_of_the_file_may_have_others(root: Path) -> None:
    (root / "README.md").write_text(PAGE.replace("where =", 'names = {b = "B, so"}\nwhere ='))
    assert "| `B, so` | 31.50 |" in pages.made(root / "README.md", root)


VALUE = "It has <!-- value {} -->?<!-- end of value --> dB.\n"


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("numbers.csv; method == 'b'; psnr; {:.1f}", "31.5"),
        ("numbers.csv; n == 1; psnr - ms; {:+.0f}", "+39"),
        ("deep.json; ; `a/b c` / 2; {:.2f}×", "1.25×"),
    ],
)
def test_a_number_in_the_text_is_that_of_its_file(root: Path, spec: str, text: str) -> None:
    (root / "deep.json").write_text('{"a": {"b c": 2.5}}')
    page = root / "README.md"
    page.write_text(VALUE.format(spec))
    assert pages.made(page, root) == VALUE.format(spec).replace("?", text)


@pytest.mark.parametrize(
    ("spec", "wrong"),
    [
        ("numbers.csv; n >= 3; psnr; {:.1f}", "2 rows of numbers.csv fit: name one"),
        ("numbers.csv; method == 'b'; ms; {}", "ms is empty there"),
        ("numbers.csv; psnr; {}", "has 3 parts"),
        ("numbers.csv; method ==; psnr; {}", "nothing can be made"),
    ],
)
def test_a_number_that_is_none_is_named(root: Path, spec: str, wrong: str) -> None:
    (root / "README.md").write_text("\n" + VALUE.format(spec))
    with pytest.raises(EffbenchError, match=r"README.md, line 2: ") as found:
        pages.made(root / "README.md", root)
    assert wrong in str(found.value)


def test_the_pages_of_this_project_are_up_to_date() -> None:
    for page in pages.pages(pages.ROOT):
        assert pages.made(page, pages.ROOT) == page.read_text(encoding="utf-8"), page
