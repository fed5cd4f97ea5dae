"""Pages that are generated are up to date, and examples in pages are true."""

import doctest
import re
from pathlib import Path

import pytest

from tasks.config_page import PAGE, config_page

ROOT = Path(__file__).parents[1]


def test_the_configuration_page_is_up_to_date():
    assert PAGE.read_text() == config_page(), "run: python -m tasks.config_page"


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda p: p.name)
def test_examples_in_pages_are_true(page):
    assert doctest.testfile(str(page), module_relative=False).failed == 0


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "THIRD_PARTY.md", *sorted((ROOT / "docs").glob("*.md"))])
def test_links_and_named_files_exist(page):
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"
