"""Every link in the Markdown pages leads somewhere, and every page is reached from the README."""

import re
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).parents[1]
README = REPOSITORY / "README.md"
SPEECH = REPOSITORY / "speech"
PAGES = sorted([*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md")])
LINK = re.compile(r"\]\(([^)\s]+)\)")


def prose(page: Path) -> str:
    """Read a page without its code blocks, where `#` and brackets mean something else."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)


def anchors(page: Path) -> set[str]:
    """List the anchors GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ +(.+?)\s*$", prose(page), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(page: Path) -> list[tuple[Path, str]]:
    """File and anchor of every link that stays inside the repository."""
    inside = [link for link in LINK.findall(prose(page)) if not re.match(r"\w+:", link)]
    parts = [link.partition("#") for link in inside]
    return [((page.parent / path).resolve() if path else page, anchor) for path, _, anchor in parts]


def lost(page: Path) -> list[str]:
    """List the links of a page that lead nowhere."""
    return [
        f"{target}#{anchor}"
        for target, anchor in links(page)
        if not target.exists() or (anchor and anchor not in anchors(target))
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_link_and_anchor_of_a_page_resolves(page):
    assert lost(page) == []


def test_a_lost_file_and_a_lost_anchor_are_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# One voice, or two?\n[a](#one-voice-or-two) [b](#three) [c](gone.md) [d](https://e.org)\n"
        "```\n# no heading\n[e](code.md)\n```\n[f](#no-heading)\n"
    )
    assert lost(page) == [f"{page}#three", f"{tmp_path / 'gone.md'}#", f"{page}#no-heading"]


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page != README], ids=lambda page: page.name
)
def test_the_readme_links_to_every_page_which_links_back(page):
    assert page in {target for target, _ in links(README)}
    assert README in {target for target, _ in links(page)}


def first_cells(page: Path, heading: str) -> list[str]:
    """List what the first column of the table under a heading names."""
    section = page.read_text("utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    cells = re.findall(r"^\| ([^|]+?) \|", section, flags=re.M)[1:]
    return [name.strip("`") for cell in cells for name in cell.split(", ") if set(name) != {"-"}]


def test_the_tables_of_stages_and_packages_are_those_of_the_repository():
    stages = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text("utf-8"))["stages"]
    page = REPOSITORY / "docs/pipeline.md"
    assert sorted(first_cells(page, "Stages")) == sorted(stages)
    _, graph, *_ = page.read_text("utf-8").split("## ")[2].split("```")
    assert set(stages) - set(re.findall(r"\w+", graph.replace("<br>", " "))) == {"check_params"}
    packages = {str(path.parent.relative_to(REPOSITORY)) for path in SPEECH.glob("*/__init__.py")}
    assert set(first_cells(REPOSITORY / "CONTRIBUTING.md", "Where things are")) == packages
