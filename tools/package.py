"""Makes the zip that is deployed: ``python -m tools.package [FILE]``.

It holds the tree without what ``.funcignore`` names. Dependencies are not inside: Azure installs
``requirements.txt``, each package by its hash, when the zip is deployed with a remote build. The
same tree gives the same bytes.

Beside each module lies its bytecode for the Python that packs, so that an instance which starts,
and may not write where the app lies, need not compile it each time. Another Python ignores it, and
so does the same one if the module was changed.
"""

import os
import py_compile
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from pathspec import PathSpec

ROOT = Path(__file__).resolve().parent.parent
DEFAULT = ROOT / "dist" / "open-personalizer.zip"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can hold
_MODE = 0o100644 << 16


def files(root: Path) -> Iterator[str]:
    """Yield the paths that belong into the package, below ``root`` and sorted."""
    ignored = PathSpec.from_lines("gitignore", (root / ".funcignore").read_text().splitlines())
    found = []
    for folder, folders, names in os.walk(root):
        place = Path(folder).relative_to(root)
        folders[:] = [f for f in folders if not ignored.match_file(f"{(place / f).as_posix()}/")]
        found += [(place / name).as_posix() for name in names]
    yield from sorted(path for path in found if not ignored.match_file(path))


def write(root: Path, target: Path) -> int:
    """Write the package; return how many files are in it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    found = {}
    for path in map(Path, files(root)):
        found[path] = (root / path).read_bytes()
        if path.suffix == ".py":
            cached = path.parent / "__pycache__" / f"{path.stem}.{sys.implementation.cache_tag}.pyc"
            found[cached] = _bytecode(root, path)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as package:
        for path, data in found.items():
            entry = zipfile.ZipInfo(path.as_posix(), _EPOCH)
            entry.external_attr = _MODE
            entry.compress_type = zipfile.ZIP_DEFLATED
            package.writestr(entry, data)
    return len(found)


def _bytecode(root: Path, path: Path) -> bytes:
    """Return a module's bytecode; it is valid by the module's hash, since zips keep no times."""
    with tempfile.TemporaryDirectory() as folder:
        compiled = Path(folder) / "module.pyc"
        py_compile.compile(
            str(root / path),
            str(compiled),
            dfile=path.as_posix(),
            doraise=True,
            invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH,
        )
        return compiled.read_bytes()


def main(words: Sequence[str]) -> None:
    """Write the package to where the command line says."""
    target = Path(words[0]) if words else DEFAULT
    count = write(ROOT, target)
    print(f"{target}: {count} files, {target.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main(sys.argv[1:])
