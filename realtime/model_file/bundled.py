"""Find a model file: a bundled one by name, or any other by path."""

from pathlib import Path

from stemlive.errors import ModelError

DEFAULT_MODEL = "live"
_ASSETS = Path(__file__).parent.parent / "assets"


def bundled_models() -> list[Path]:
    """Return the bundled model files, sorted by name; may be empty."""
    return sorted(_ASSETS.glob("*.onnx"))


def resolve_model(name_or_path: str | Path | None = None) -> Path:
    """Return the file for a bundled model's name (`live`), for a path, or for None (the default model).

    A bundled name takes precedence over a file of that name in the working directory; write `./live` for the file.
    ModelError when neither exists.
    """
    wanted = DEFAULT_MODEL if name_or_path is None else name_or_path
    bundled = {path.stem: path for path in bundled_models()}
    if isinstance(wanted, str) and wanted in bundled:
        return bundled[wanted]
    path = Path(wanted)
    if name_or_path is not None and path.is_file():
        return path
    if path.is_dir():
        raise ModelError(f"model '{wanted}' is a folder: give the path of an .onnx file")
    if not bundled:
        known = "no model comes with this installation: make one with `stemlive export`, then give its path"
    else:
        known = f"give the path of an .onnx file or one of: {', '.join(bundled)}"
    raise ModelError(f"model '{wanted}' not found: {known}")
