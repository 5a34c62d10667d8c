"""Find a model: a bundled one by name, or any file by path."""

from dataclasses import dataclass
from pathlib import Path

from stemlive.errors import MissingFileError, ModelError, did_you_mean

FREE_MODEL = "live-free"
"""The bundled model without conditions: trained on free recordings alone, MIT licence."""
DEFAULT_MODEL = "live"
"""FREE_MODEL if it is within 0.5 dB of the other on the yardstick (`stemlive evaluate`), otherwise the better one."""
SONG_MODEL = "quality"
"""The default for songs that are files: later and better, since their delay is made up for."""
IN_LOW = {"low": "live", "low-free": "live-free"}
"""Names of bundled models that run in the framing `low`: the same file, with hops half as long."""
_INT8 = "live-int8"
_ASSETS = Path(__file__).parent.parent / "assets"


@dataclass(frozen=True)
class ModelFile:
    """A model file, the name of the model, and whether it runs in the framing `low` instead of its own."""

    path: Path
    name: str
    low: bool = False


def bundled_models() -> list[str]:
    """Return the names of the bundled models, sorted; may be empty."""
    files = {path.stem for path in _ASSETS.glob("*.onnx")}
    return sorted(files | {name for name, of in IN_LOW.items() if of in files})


def model_for(model: str | Path | None, *, song: bool) -> str | Path:
    """Return the model that is set, or the default for a song that is a file, or for a device or pipe."""
    if model is not None:
        return model
    return SONG_MODEL if song else DEFAULT_MODEL


def resolve_model(name_or_path: str | Path | None = None) -> ModelFile:
    """Find the file for a bundled model's name (`live`), for a path, or for None (the default model).

    A bundled name takes precedence over a file of that name in the working directory; write `./live` for the file.
    MissingFileError, a ModelError, when neither exists.
    """
    wanted = DEFAULT_MODEL if name_or_path is None else name_or_path
    bundled = bundled_models()
    if isinstance(wanted, str) and wanted in bundled:
        return ModelFile(_ASSETS / f"{IN_LOW.get(wanted, wanted)}.onnx", wanted, wanted in IN_LOW)
    path = Path(wanted)
    if name_or_path is not None and path.is_file():
        return ModelFile(path, path.stem)
    if path.is_dir():
        raise ModelError(f"model '{wanted}' is a folder: give the path of an .onnx file")
    if wanted == _INT8:
        raise ModelError(f"model '{_INT8}' is not bundled any more: take live, which computes in 8 bits now")
    if not bundled:
        known = "no model comes with this installation: make one with `stemlive export`, then give its path"
    else:
        known = f"{did_you_mean(str(wanted), bundled)}give the path of an .onnx file or one of: {', '.join(bundled)}"
    raise MissingFileError(f"model '{wanted}' not found: {known}")
