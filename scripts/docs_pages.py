"""Make pages of the documentation that are written elsewhere: hooks of mkdocs.

The command line tells of itself, and notebooks are shown as they stand. What README,
CONTRIBUTING and CHANGELOG say stands there alone, and a page that shows it has a line
``--8<-- "README.md:section"``.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from typer.cli import get_docs_for_click

from napari_segnext.commands.cli import app

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = "command-line.md"
_INCLUDED = re.compile(r'^--8<-- "([\w.]+)(?::(\w+))?"$', re.M)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page of the command line, and one for each notebook."""
    command = typer.main.get_command(app)
    context = typer.Context(command)
    text = get_docs_for_click(obj=command, ctx=context, name="napari-segnext")
    files.append(File.generated(config, COMMANDS, content=text))
    for path in sorted((ROOT / "docs" / "notebooks").glob("*.ipynb")):
        page = File.generated(config, f"notebooks/{path.stem}.md", content=shown(path))
        files.append(page)
    return files


def shown(notebook: Path) -> str:
    """Return a notebook's cells as Markdown, with a link to itself under the title."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    parts = []
    for cell in cells:
        text = "".join(cell["source"]).replace(".ipynb)", ".md)")
        code = cell["cell_type"] == "code"
        parts.append(f"```python\n{text}\n```" if code else text)
    parts.insert(1, f"[Download this notebook]({notebook.name})")
    return "\n\n".join(parts) + "\n"


def on_page_markdown(
    markdown: str, page: Page, config: MkDocsConfig, files: Files
) -> str:
    """Put in what stands elsewhere."""
    return _INCLUDED.sub(lambda found: included(found[1], found[2]), markdown)


def included(name: str, section: str | None) -> str:
    """Return a file at the top, or a section of it, with links as pages have them."""
    text = (ROOT / name).read_text(encoding="utf-8")
    if section:
        start, end = (f"<!-- --8<-- [{at}:{section}] -->" for at in ("start", "end"))
        text = text.split(start)[1].split(end)[0]
    text = text.replace("](docs/", "](")
    return text.replace("](CHANGELOG.md)", "](changelog.md)")
