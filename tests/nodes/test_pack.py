"""The pack as a whole: what lies beside the nodes is complete and in step with them."""

from __future__ import annotations

import ast
import json
import re
import sys
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent.parent
LANGUAGES = ["en", "zh", "ja", "de", "fr", "es"]


def schemas() -> dict[str, tuple[list[str], int]]:
    """Inputs and number of outputs of each node, read from the source, by node id."""
    shared = {"PEOPLE_OUTPUTS": 6, "MATTE_OUTPUTS": 3}
    found = {}
    for path in sorted((ROOT / "nodes").glob("*.py")):
        for call in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "Schema"):
                continue
            given = {k.arg: k.value for k in call.keywords}
            node_id, inputs, outputs = given["node_id"], given["inputs"], given["outputs"]
            assert isinstance(node_id, ast.Constant)
            assert isinstance(inputs, ast.List)
            names = [str(entry.args[0].value) for entry in inputs.elts]  # type: ignore[attr-defined]
            count = shared[outputs.id] if isinstance(outputs, ast.Name) else len(outputs.elts)  # type: ignore[attr-defined]
            found[str(node_id.value)] = (names, count)
    return found


def test_there_are_the_nodes_of_the_readme() -> None:
    assert len(schemas()) == 11
    assert all(node.startswith("InstMatt") for node in schemas())


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_name_is_translated(language: str) -> None:
    names = json.loads((ROOT / "locales" / language / "nodeDefs.json").read_text("utf-8"))
    assert names.keys() == schemas().keys()
    for node, (inputs, outputs) in schemas().items():
        assert names[node]["display_name"]
        assert sorted(names[node]["inputs"]) == sorted(inputs), node
        assert sorted(names[node]["outputs"]) == sorted(str(i) for i in range(outputs)), node
        assert all(entry["name"] for part in ("inputs", "outputs") for entry in names[node][part].values())


def test_every_node_has_help_with_a_picture() -> None:
    for node, (inputs, _) in schemas().items():
        text = (ROOT / "web" / "docs" / f"{node}.md").read_text("utf-8")
        pictures = re.findall(r"!\[[^]]+]\(([^)]+)\)", text)
        assert pictures, node
        assert all((ROOT / "web" / "docs" / picture).is_file() for picture in pictures), node
        assert all(f"| {name} |" in text for name in inputs), node


def test_every_example_has_a_picture_and_only_uses_what_there_is() -> None:
    workflows = list((ROOT / "example_workflows").glob("*.json"))
    assert len(workflows) >= 5
    for path in workflows:
        assert path.with_suffix(".jpg").is_file(), path.name
        nodes = json.loads(path.read_text("utf-8"))["nodes"]
        ours = [node["type"] for node in nodes if node["type"].startswith("InstMatt")]
        assert ours
        assert set(ours) <= schemas().keys()


def test_requirements_are_those_of_the_package_less_torch() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = {line.split(";")[0].strip() for line in project["dependencies"]} - {"torch>=2.4"}
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    assert {line for line in lines if line and not line.startswith("#")} == wanted


def test_the_wheel_has_no_nodes() -> None:
    find = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]["packages"]["find"]
    assert find["include"] == ["instmatt_core*", "instmatt_demo*"]
