"""Copies the page's chart library from node_modules: ``python -m tools.vendor``.

It is pinned in package-lock.json, served by the app itself, and not part of the repository.
"""

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "node_modules" / "uplot"
VENDOR = ROOT / "dashboard_function" / "static" / "vendor"
FILES = {
    "dist/uPlot.iife.min.js": "uPlot.iife.min.js",
    "dist/uPlot.min.css": "uPlot.min.css",
    "LICENSE": "uPlot.LICENSE.txt",
}


def main() -> None:
    """Copy the files."""
    VENDOR.mkdir(exist_ok=True)
    for source, target in FILES.items():
        shutil.copyfile(PACKAGE / source, VENDOR / target)


if __name__ == "__main__":
    main()
