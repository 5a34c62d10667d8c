"""Run an exported model in ONNX Runtime and carry its recurrent state from hop to hop."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from stemlive.errors import ModelError, NoMemoryError, UsageError, is_out_of_memory
from stemlive.realtime.model_file.bundled import resolve_model
from stemlive.realtime.model_file.metadata import ModelInfo
from stemlive.realtime.model_file.provider import onnx_providers

MAX_THREADS = 64
AHEAD, DELAYED = "ahead", "delayed"
"""State of models with look-ahead: features and spectra of the frames that are held back (`stemlive.model.ahead`)."""


class Session:
    """A checked model file, ready to run: `name` and `path`, `info` (its metadata), and `provider` (where it runs).

    `path` is a file, the name of a bundled model, or None for the default one. One thread by default, no spinning,
    denormals flushed. ONNX Runtime flushes them in the thread that creates the first session of a process and in
    threads that this one starts later: create the session on the thread that runs it, or before starting that thread.

    A model that computes in integers gets one frame after the other, so that what it says does not depend on how many
    there are at once; without `frame_by_frame` all at once, which is quicker and differs by -35 dB or less.

    ModelError when the file cannot be used, naming the first fault; UsageError for `threads` or `provider`. Call the
    methods from one thread at a time.
    """

    def __init__(
        self,
        path: str | Path | None = None,
        *,
        threads: int = 1,
        provider: str = "cpu",
        frame_by_frame: bool = True,
    ) -> None:
        if not 1 <= threads <= MAX_THREADS:
            raise UsageError(f"threads must be from 1 to {MAX_THREADS}, not {threads}")
        providers = onnx_providers(provider)
        file = resolve_model(path)
        self.path, self.name = file.path, file.name
        self.provider = provider
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4  # errors come as exceptions, and need no log
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.set_denormal_as_zero", "1")
        try:
            self.path.open("rb").close()
            self._onnx = ort.InferenceSession(_path_or_bytes(self.path), options, providers=providers)
        except OSError as error:
            raise ModelError(f"cannot read {self.path}: {error.strerror or error}") from error
        except Exception as error:  # ONNX Runtime has a dozen types without a common base
            if is_out_of_memory(error):
                raise NoMemoryError(f"not enough memory for the model {self.path}: close other programs") from error
            raise ModelError(f"{self.path}: not a usable ONNX model ({_first_line(error)})") from error
        if provider == "cuda" and self._onnx.get_providers()[0] != "CUDAExecutionProvider":
            raise ModelError(
                "onnxruntime finds no CUDA and cuDNN of its version: install the packages of "
                "`onnxruntime-gpu[cuda,cudnn]`, or use the CPU"
            )
        info = ModelInfo.read(self._onnx, str(self.path))
        self.info = info.in_low(file.name) if file.low else info
        self._single = frame_by_frame and self.info.integers
        self._hop: _BoundHop | None = None
        self._state: dict[str, NDArray[np.float32]] = {}
        self._outputs = ["stems", *(f"new_{state.name}" for state in self.info.state)]
        self.reset()
        self._try_out()

    @property
    def state(self) -> dict[str, NDArray[np.float32]]:
        """Copies of the recurrent state, by name."""
        return {name: values.copy() for name, values in self._state.items()}

    def reset(self, *, keep: tuple[str, ...] = ()) -> None:
        """Set all state to zero, but that of these names."""
        kept = {name: self._state[name] for name in keep if name in self._state}
        self._state = {state.name: np.zeros(state.shape, np.float32) for state in self.info.state} | kept

    def run(self, frames: NDArray[np.complex64]) -> NDArray[np.complex64]:
        """Return the stems' spectra complex64 [S, T, C, F] for spectra complex64 [T, C, F], and advance the state.

        T > 0. If the memory of `frames` is laid out as [T, F, C], no copy is needed; the result's is [S, T, F, C].
        """
        count = len(frames)
        if self._single and count > 1:
            return np.concatenate([self.run(frame) for frame in np.split(frames, count)], axis=1)
        expected = (self.info.channels, self.info.framing.bins)
        assert count > 0 and frames.shape[1:] == expected, f"frames {frames.shape}, expected [T, {expected}]"
        packed = np.ascontiguousarray(frames.transpose(0, 2, 1), np.complex64)
        inputs = {"frames": packed.view(np.float32).reshape(1, *packed.shape, 2), **self._state}
        outputs = cast("list[NDArray[np.float32]]", self._onnx.run(self._outputs, inputs))
        self._state = dict(zip(self._state, outputs[1:], strict=True))
        stems = outputs[0].view(np.complex64)[0, ..., 0]  # [S, T, F, C]
        return stems.transpose(0, 1, 3, 2)

    def late(self, frames: NDArray[np.complex64]) -> NDArray[np.complex64]:
        """Return the mixture of the frames that the next `run` with `frames` [T, C, F] is about, as [T, F, C].

        These are the same frames, but for a model with look-ahead: it holds the last ones back.
        """
        heard = frames.transpose(0, 2, 1)
        if not self.info.lookahead_hops:
            return heard
        held: NDArray[np.complex64] = self._state[DELAYED].view(np.complex64).reshape(-1, *heard.shape[1:])
        if len(heard) == 1:  # the live case allocates nothing
            return held[:1]
        both: NDArray[np.complex64] = np.concatenate([held, heard])
        return both[: len(heard)]

    def skip(self, frame: NDArray[np.complex64]) -> None:
        """Let a frame [1, C, F] pass that the model has no time for, so that what it holds back stays in order."""
        if self.info.lookahead_hops:
            held = self._state[DELAYED].view(np.complex64).reshape(-1, *frame.shape[:0:-1])
            held[:-1] = held[1:]
            held[-1] = frame[0].T

    def run_hop(self, frame: NDArray[np.complex64]) -> NDArray[np.complex64]:
        """Do what `run` does for one frame [1, C, F], without allocating: the result is valid until the next call.

        ONNX Runtime reads from and writes to fixed buffers, so that the audio path never waits for memory.
        """
        if self._hop is None:
            self._hop = _BoundHop(self._onnx, self.info)
        self._state = self._hop.run(frame, self._state)
        return self._hop.stems

    def _try_out(self) -> None:
        """Run two frames of silence, then one, and check the output shapes: those in the graph may be wrong."""
        info = self.info
        for count in (2, 1):
            frames = np.zeros((count, info.channels, info.framing.bins), np.complex64)
            try:
                stems = self.run(frames)
            except Exception as error:
                raise ModelError(f"{self.path}: the model does not run ({_first_line(error)})") from error
            shapes: list[tuple[str, tuple[int, ...], tuple[int, ...]]]
            shapes = [("stems", stems.shape, (len(info.stems), *frames.shape))]
            shapes += [(f"new_{s.name}", self._state[s.name].shape, s.shape) for s in info.state]
            for name, given, wanted in shapes:
                if given != wanted:
                    wrong = f"has shape {list(given)}, not {list(wanted)}"
                    raise ModelError(f"{self.path}: output '{name}' {wrong}")
        self.reset()


class _BoundHop:
    """Runs one frame at a time on buffers bound by address; two sets of state alternate as input and output."""

    def __init__(self, onnx: Any, info: ModelInfo) -> None:
        shape = (info.framing.bins, info.channels)
        self._frame = np.zeros((1, 1, *shape), np.complex64)
        stems = np.zeros((1, len(info.stems), 1, *shape), np.complex64)
        self.stems: NDArray[np.complex64] = stems[0].transpose(0, 1, 3, 2)  # [S, T, C, F]
        self._states = [{s.name: np.zeros(s.shape, np.float32) for s in info.state} for _ in range(2)]
        self._turn = 0
        self._run = onnx.run_with_iobinding
        self._bindings = []
        for old, new in (self._states, self._states[::-1]):
            binding = onnx.io_binding()
            _bind(binding.bind_input, "frames", self._frame.view(np.float32).reshape(*self._frame.shape, 2))
            _bind(binding.bind_output, "stems", stems.view(np.float32).reshape(*stems.shape, 2))
            for name in old:
                _bind(binding.bind_input, name, old[name])
                _bind(binding.bind_output, f"new_{name}", new[name])
            self._bindings.append(binding)

    def run(
        self, frame: NDArray[np.complex64], state: dict[str, NDArray[np.float32]]
    ) -> dict[str, NDArray[np.float32]]:
        """Run a frame [1, C, F] with a state; return the new state, and leave the stems [S, 1, C, F] in `stems`."""
        assert frame.shape == (1, *self._frame.shape[:1:-1]), f"frame {frame.shape}"
        old = self._states[self._turn]
        if state is not old:
            for name, values in state.items():
                old[name][:] = values
        self._frame[0] = frame.transpose(0, 2, 1)
        self._run(self._bindings[self._turn])
        self._turn = 1 - self._turn
        return self._states[self._turn]


def _bind(bind: Callable[..., None], name: str, values: NDArray[np.float32]) -> None:
    """Bind an input or output to the memory of `values`, which the caller must keep alive."""
    bind(name, "cpu", 0, np.float32, values.shape, values.ctypes.data)


def _path_or_bytes(path: Path) -> str | bytes:
    """Return a model as ONNX Runtime takes it: by its path, or as bytes if the path is no text."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return path.read_bytes()
    return str(path)


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", maxsplit=1)[0][:300] or type(error).__name__
