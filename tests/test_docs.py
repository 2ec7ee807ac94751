"""The documents name what the code has."""

from pathlib import Path

from shared.contract.errors import ErrorCode
from shared.contract.operations import OPERATIONS, Surface
from shared.settings import APP_SETTINGS

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
COMPATIBILITY = (ROOT / "docs" / "compatibility.md").read_text()


def test_every_app_setting_is_in_the_readme():
    for setting in APP_SETTINGS:
        default = f" {setting.default} " if setting.default else " "
        row = f"| `{setting.name}` |"
        assert row in README
        line = next(line for line in README.splitlines() if line.startswith(row))
        assert default.strip() in line
        assert setting.about.rstrip(".").split(".")[0] in line


def test_every_error_is_documented_with_its_status():
    for code in ErrorCode:
        assert f"| {code.status} | `{code.text}` |" in COMPATIBILITY


def test_every_operation_is_in_the_table():
    for operation in OPERATIONS:
        personalizer = operation.surface is Surface.PERSONALIZER
        path = operation.path if personalizer else f"/{operation.routes[operation.name]}"
        assert f"| {operation.name} | `{operation.method} {path}` |" in COMPATIBILITY
