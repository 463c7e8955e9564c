"""Tables of pages are those of the files that they name."""

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
    with pytest.raises(EffbenchError, match=r"README.md, line 3: no table can be made"):
        pages.made(page, root)


def test_the_pages_of_this_project_are_up_to_date() -> None:
    for page in pages.pages(pages.ROOT):
        assert pages.made(page, pages.ROOT) == page.read_text(encoding="utf-8"), page
