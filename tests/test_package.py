"""The package as a whole: what importing costs, which way imports run, what ships."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points, packages_distributions
from pathlib import Path

import pytest
from npe2 import PluginManifest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "napari_segnext"
MODULES = sorted(PACKAGE.rglob("*.py"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

# Rooms whose work is possible where PyTorch is not installed.
WITHOUT_TORCH = (
    "files",
    "geometry",
    "images",
    "journal",
    "labels",
    "prompts",
    "series",
    "session",
)


def _drawn(heading: str) -> list[str]:
    """Return the lines of the drawing under a heading of the architecture's page."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    return page.split(f"## {heading}\n")[1].split("```")[1].splitlines()[1:]


def _floors() -> dict[str, int]:
    """Return how high each room lies, the lowest being 0."""
    lines = [line.split() for line in _drawn("Imports run one way") if line]
    return {room: n for n, rooms in enumerate(reversed(lines)) for room in rooms}


def _part(path: Path) -> str:
    """Return the name of the module or folder right below the package."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _imported(path: Path) -> set[str]:
    """Return all modules that a file imports, at any depth and for types too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(str(node.module))
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def _parts_imported(path: Path) -> set[str]:
    names = (name.split(".") for name in _imported(path))
    return {name[1] for name in names if name[0] == "napari_segnext" and name[1:]}


def _run(code: str) -> str:
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return result.stdout.strip()


@pytest.mark.parametrize(
    "module", ["napari_segnext", "napari_segnext.commands.cli", "napari_segnext.plugin"]
)
def test_importing_loads_neither_torch_nor_qt_nor_napari(module: str) -> None:
    heavy = "{'torch', 'timm', 'napari', 'qtpy', 'PySide6', 'vispy', 'skimage'}"
    code = f"import sys, {module}; print(sorted({heavy} & set(sys.modules)))"
    assert _run(code) == "[]"


@pytest.mark.parametrize(("before", "after"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_threads_wait_without_spinning_unless_the_user_wants_it(
    before: str | None, after: str
) -> None:
    # Read by the library of threads when torch is loaded: set before it is.
    given = "" if before is None else f"os.environ['OMP_WAIT_POLICY'] = {before!r}; "
    code = (
        "import os, sys; os.environ.pop('OMP_WAIT_POLICY', None); "
        f"{given}import napari_segnext; assert 'torch' not in sys.modules; "
        "print(os.environ['OMP_WAIT_POLICY'])"
    )
    assert _run(code) == after


def test_public_names_are_found_on_first_use() -> None:
    import napari_segnext

    assert set(dir(napari_segnext)) >= {"Predictor", "Prompts", "load_model"}
    for name in napari_segnext.__all__:
        assert getattr(napari_segnext, name) is not None
    with pytest.raises(AttributeError, match="nothing_so_called"):
        _ = napari_segnext.nothing_so_called


def test_the_page_on_the_architecture_draws_the_tree_as_it_is() -> None:
    found = re.findall(r"^(?:    )+(\w[\w.]*/?)", "\n".join(_drawn("The tree")), re.M)
    rooms = {p.name + "/" for p in PACKAGE.iterdir() if any(p.glob("*.py"))}
    files = {p.name for p in PACKAGE.iterdir() if p.is_file()}
    inner = {
        f"{p.name}/"
        for room in ("models", "plugin")
        for p in (PACKAGE / room).iterdir()
        if any(p.glob("*.py"))
    }
    flat = {p.name for p in (PACKAGE / "plugin").glob("*.py")} - {"__init__.py"}
    assert sorted(found) == sorted([*rooms, *files, *inner, *flat])


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_run_one_way(path: Path) -> None:
    level, part = _floors(), _part(path)
    if part == "__init__":
        return
    assert part in level, f"{part} has no place in docs/architecture.md"
    known = _parts_imported(path) & set(level)
    upwards = {other for other in known if level[other] > level[part]}
    assert not upwards, f"{part} imports {sorted(upwards)} from above"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_napari_and_qt_stay_in_the_plugin_and_torch_out_of_the_core(
    path: Path,
) -> None:
    roots = {name.split(".")[0] for name in _imported(path)}
    if _part(path) != "plugin":
        assert not roots & {"napari", "qtpy", "superqt", "magicgui", "vispy"}
    if _part(path) in WITHOUT_TORCH:
        assert not roots & {"torch", "timm"}


def test_what_is_for_research_is_imported_when_a_model_of_it_is_used() -> None:
    research = "napari_segnext.models.research"
    for path in MODULES:
        if _part(path) == "training" or "research" in path.parts:
            continue
        # What stands at the left is run when the module is imported.
        lines = path.read_text(encoding="utf-8").splitlines()
        assert not [
            line for line in lines if re.match(rf"(from|import) {research}", line)
        ]
    code = (
        "import sys; from napari_segnext import load_model; load_model('tiny'); "
        f"print([name for name in sys.modules if name.startswith('{research}')])"
    )
    assert _run(code) == "[]"


@pytest.mark.parametrize("path", sorted((PACKAGE / "plugin").glob("*/*.py")))
def test_layers_know_no_work_and_no_work_knows_the_panel(path: Path) -> None:
    order = ("layers", "work", "annotator", "panel")
    own = path.parent.name
    inside = [name.split(".") for name in _imported(path)]
    rooms = {name[2] for name in inside if name[1:2] == ["plugin"] and name[2:]}
    upwards = rooms & set(order[order.index(own) + 1 :])
    assert not upwards, f"plugin/{own} imports {sorted(upwards)} from above"


def test_everything_imported_is_declared() -> None:
    wanted = [*PROJECT["dependencies"]]
    for extra in PROJECT["optional-dependencies"].values():
        wanted.extend(extra)
    declared = {_normal(re.split(r"[\s<>=!;\[]", name)[0]) for name in wanted}
    owners = packages_distributions()
    roots = {name.split(".")[0] for path in MODULES for name in _imported(path)}
    for root in roots - sys.stdlib_module_names - {"napari_segnext"}:
        names = {_normal(name) for name in owners.get(root, [root])}
        assert names & declared, f"{root} is imported, but {names} is not declared"


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_manifest_is_valid_and_its_commands_exist() -> None:
    manifest = PluginManifest.from_distribution("napari-segnext")
    assert manifest.name == PROJECT["name"]
    manifest.validate_imports()


def test_manifest_at_the_top_is_the_one_in_the_package() -> None:
    top = ROOT / "napari.yaml"
    assert top.is_symlink()
    assert top.resolve() == PACKAGE / "napari.yaml"


def test_entry_point_names_the_manifest() -> None:
    (point,) = entry_points(group="napari.manifest", name="napari-segnext")
    assert point.value == "napari_segnext:napari.yaml"


@pytest.mark.parametrize("needed", ["napari.yaml", "py.typed"])
def test_files_that_are_not_code_lie_in_the_package(needed: str) -> None:
    assert (PACKAGE / needed).is_file()
