"""The streaming separation: framing, resampling, session, separator, mixer, models."""

import json
import math
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import onnx_models
import pytest
import samplerate
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from stemlive.errors import AudioFileError, ModelError, UsageError
from stemlive.realtime.dsp.framing import Framing
from stemlive.realtime.dsp.resample import Resampling, StreamResampler
from stemlive.realtime.dsp.stft import Analysis, OverlapAdd
from stemlive.realtime.model_file import bundled, provider
from stemlive.realtime.model_file.metadata import ModelInfo
from stemlive.realtime.model_file.session import Session
from stemlive.realtime.separation.mixer import PRESETS, Mixer
from stemlive.realtime.separation.offline import separate_blocks
from stemlive.realtime.separation.separator import Separator
from stemlive.realtime.separation.song import separate

LENGTHS = {
    "quality": (4096, 4096, 1024),
    "balanced": (4096, 2048, 1024),
    "live": (2048, 1024, 512),
    "fine": (4096, 1024, 512),
    "low": (2048, 512, 256),
}
SMALL = (128, 64, 32)
RATES = (4000, 8000, 22050, 32000, 44056, 44101, 48000, 96000, 191999, 192000, 384000)
GAINS = np.array([1.0, 0.5, 0.0, 2.0], np.float32)


def noise(samples: int, channels: int = 2, seed: int = 0) -> np.ndarray:
    return (0.3 * np.random.default_rng(seed).standard_normal((samples, channels))).astype(np.float32)


def band_limited(samples: int, rate_hz: int, below_hz: float, seed: int = 0) -> np.ndarray:
    """Noise without anything above `below_hz`, faded in and out so that it also is inside the recording."""
    spectrum = np.fft.rfft(noise(samples, seed=seed), axis=0)
    spectrum[int(below_hz / rate_hz * samples) :] = 0
    return (np.fft.irfft(spectrum, samples, axis=0) * np.hanning(samples)[:, None]).astype(np.float32)


def error_db(found: np.ndarray, expected: np.ndarray) -> float:
    return 20 * math.log10(float(np.sqrt(np.mean((found - expected) ** 2) / np.mean(expected**2))) + 1e-20)


def in_blocks(audio: np.ndarray, sizes: Iterable[int]) -> list[np.ndarray]:
    """Cut audio into blocks of these sizes, and what is left into one more."""
    edges = np.minimum(np.cumsum([0, *sizes]), len(audio))
    return [audio[a:b] for a, b in zip(edges, [*edges[1:], len(audio)], strict=True)]


def run_cut(separator: Separator, audio: np.ndarray, sizes: Iterable[int]) -> tuple[np.ndarray, np.ndarray]:
    """Process blocks of these sizes from a reset on: (mix with GAINS, stems)."""
    separator.reset()
    parts = [separator.process_both(block, GAINS) for block in in_blocks(audio, sizes)]
    return np.concatenate([mix for mix, _ in parts]), np.concatenate([stems for _, stems in parts], axis=1)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Session:
    path = tmp_path_factory.mktemp("models") / "small.onnx"
    return Session(onnx_models.write_model(path, onnx_models.metadata(SMALL)))


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Session:
    path = tmp_path_factory.mktemp("models") / "live.onnx"
    return Session(onnx_models.write_model(path, onnx_models.metadata(LENGTHS["live"])))


class TestFraming:
    @pytest.mark.parametrize("preset", LENGTHS)
    def test_windows_sum_to_one(self, preset: str) -> None:
        framing = Framing(*LENGTHS[preset])
        product = framing.analysis_window.astype(float) * framing.synthesis_window
        total = product.reshape(-1, framing.hop_samples).sum(axis=0)
        assert np.abs(total - 1).max() < 1e-6
        assert np.abs(framing.synthesis_window).max() < 2
        assert not product[: -framing.synthesis_samples].any()

    def test_windows_are_those_of_the_contract(self) -> None:
        framing = Framing(8, 4, 2)
        rise = np.sin(np.pi / 2 * (np.arange(6) + 0.5) / 6)
        analysis = np.array([*rise, 1.0, math.sqrt(0.5)])
        synthesis = np.array([0, 0, 0, 0, 0, 0.5 / rise[5], 1.0, 0.5 / math.sqrt(0.5)])
        np.testing.assert_allclose(framing.analysis_window, analysis, atol=1e-7)
        np.testing.assert_allclose(framing.synthesis_window, synthesis, atol=1e-7)

    @pytest.mark.parametrize("preset", LENGTHS)
    @pytest.mark.parametrize("frames_at_once", [1, 5])
    def test_perfect_reconstruction(self, preset: str, frames_at_once: int) -> None:
        framing = Framing(*LENGTHS[preset])
        r, w = framing.hop_samples, framing.synthesis_samples
        audio = noise(20 * r).T
        analysis, overlap_add = Analysis(framing, 2, 5), OverlapAdd(framing, 1, 2)
        out = np.zeros_like(audio)
        for first in range(0, audio.shape[1], frames_at_once * r):
            piece = slice(first, first + frames_at_once * r)
            analysis.append(frames_at_once * r)[:] = audio[:, piece]
            spectra = analysis.spectra()
            assert spectra.shape == (frames_at_once, 2, framing.bins)
            overlap_add.add(spectra.transpose(0, 2, 1)[None], out[:, piece])
        late = w - r
        assert np.abs(out[:, late:] - audio[:, : audio.shape[1] - late]).max() < 1e-6

    def test_frame_is_the_past(self) -> None:
        framing = Framing(*SMALL)
        audio = noise(64).T
        analysis = Analysis(framing, 2, 2)
        analysis.append(64)[:] = audio
        held = np.concatenate([np.zeros((2, 96), np.float32), audio], axis=1)
        frames = np.stack([held[:, :128], held[:, 32:160]]) * framing.analysis_window
        np.testing.assert_allclose(analysis.spectra(), np.fft.rfft(frames), atol=1e-5)

    @pytest.mark.parametrize("lengths", [(64, 128, 32), (128, 64, 33), (128, 64, 0), (127, 64, 32), (0, 0, 0)])
    def test_impossible_lengths(self, lengths: tuple[int, int, int]) -> None:
        with pytest.raises(ValueError, match=r"window|even|hop"):
            Framing(*lengths)


def resampled(stream: StreamResampler, audio: np.ndarray, sizes: Iterable[int]) -> np.ndarray:
    """Feed audio [n, lanes] in blocks of these sizes from a reset on, and read all there is after each: [lanes, m]."""
    stream.reset()
    parts = []
    for block in in_blocks(audio, sizes):
        stream.append(len(block))[:] = block.T
        parts.append(stream.read(stream.pending()).copy())
    return np.concatenate(parts, axis=1)


class TestResampler:
    @pytest.mark.parametrize(("from_hz", "to_hz"), [(48000, 44100), (44100, 48000), (44100, 8000), (44056, 44100)])
    @pytest.mark.parametrize("lanes", [1, 2, 8])
    def test_tone(self, from_hz: int, to_hz: int, lanes: int) -> None:
        tones_hz = np.linspace(0.1, 0.41, lanes) * min(from_hz, to_hz)
        tones = np.sin(2 * np.pi * tones_hz * np.arange(8000)[:, None] / from_hz).astype(np.float32)
        out = resampled(StreamResampler(Resampling(from_hz, to_hz), lanes), tones, [512] * 15)
        expected = np.sin(2 * np.pi * tones_hz[:, None] * np.arange(out.shape[1]) / to_hz)
        for found, tone in zip(out, expected, strict=True):
            assert error_db(found[400:], tone[400:]) < -95

    def test_what_would_fold_back_is_stopped(self) -> None:
        tone = np.sin(2 * np.pi * 22200 * np.arange(9600) / 96000)
        out = resampled(StreamResampler(Resampling(96000, 44100), 1), tone[:, None], [])
        assert np.abs(out[0, 400:]).max() < 1e-5

    @pytest.mark.parametrize("rate_hz", RATES)
    @pytest.mark.parametrize("outward", [False, True])
    def test_library_needs_one_sample_less_than_it_gets(self, rate_hz: int, outward: bool) -> None:
        resampling = Resampling(44100, rate_hz) if outward else Resampling(rate_hz, 44100)
        blocks = [np.zeros((0, 1), np.float32)]
        ratio = resampling.to_hz / resampling.from_hz
        library = samplerate.CallbackResampler(lambda: blocks.pop() if len(blocks) > 1 else blocks[0], ratio, 1, 1)
        fed = 0
        for output in range(2000):
            enough = output * resampling.from_hz // resampling.to_hz + resampling.ahead_samples
            if enough > fed:
                blocks.append(np.zeros((enough - fed, 1), np.float32))
                fed = enough
            assert resampling.first_beyond(enough) <= output < resampling.first_beyond(enough + 1)
            assert len(library.read(1)) == 1

    @pytest.mark.parametrize(("from_hz", "to_hz"), [(48000, 44100), (44100, 48000), (192000, 44100), (44100, 8000)])
    @pytest.mark.parametrize("size", [1, 7, 64, 441, 512, 513, 1000, 4096])
    def test_any_block_size_gives_the_same_bits(self, from_hz: int, to_hz: int, size: int) -> None:
        # Longer than the library's buffer of 35,000 samples: it moves its samples to the front within this.
        audio = noise(4000 if size == 1 else 40000)
        stream = StreamResampler(Resampling(from_hz, to_hz), 2)
        whole = resampled(stream, audio, [])
        np.testing.assert_array_equal(resampled(stream, audio, [size] * (len(audio) // size)), whole)

    def test_no_sample_is_lost_where_the_library_moves_its_buffer(self) -> None:
        # Resampler.process of samplerate 0.2.4 loses one after 34388 and 34389 samples; a reset puts 201 before.
        audio = noise(36000, channels=1)
        stream = StreamResampler(Resampling(192000, 44100), 1)
        whole = resampled(stream, audio, [])
        for before in (*range(34180, 34196), *range(34380, 34396)):
            np.testing.assert_array_equal(resampled(stream, audio, [before, 513]), whole)

    @pytest.mark.parametrize(("from_hz", "to_hz"), [(44100, 48000), (44100, 8000), (44100, 44101), (44100, 191999)])
    @pytest.mark.parametrize("output", [1, 160, 777, 1000])
    def test_joins_in_at_any_output(self, from_hz: int, to_hz: int, output: int) -> None:
        resampling = Resampling(from_hz, to_hz)
        stream = StreamResampler(resampling, 2)
        audio = noise(8000)
        whole = resampled(stream, audio, [])
        for earlier in (0, 1, 500):
            first = resampling.first_needed(output) - earlier
            zeros = max(0, -first)
            stream.restart(first, zeros, output=output)
            rest = audio[first + zeros :]
            stream.append(len(rest))[:] = rest.T
            found = stream.read(stream.pending())
            assert found.shape[1] == whole.shape[1] - output
            np.testing.assert_allclose(found, whole[:, output:], atol=1e-6)

    def test_nothing_piles_up_and_nothing_leaks(self) -> None:
        stream = StreamResampler(Resampling(48000, 44100), 1)
        kept = weakref.ref(stream)
        blocks = []
        for _ in range(200):
            view = stream.append(100)
            view[:] = 0
            blocks.append(weakref.ref(view.base))
            stream.read(stream.pending())
        # The last blocks, some of whose samples no output asked for yet.
        assert sum(block() is not None for block in blocks) <= 3
        del stream, view
        assert kept() is None
        assert not any(block() is not None for block in blocks)


class TestSession:
    def test_states_and_batches(self, small: Session) -> None:
        spectra = np.fft.rfft(noise(6 * 128).reshape(6, 2, 128)).astype(np.complex64)
        small.reset()
        assert {name: values.shape for name, values in small.state.items()} == {"h": (1, 65), "seen": (1,)}
        together = small.run(spectra)
        one_by_one_state = small.state
        small.reset()
        one_by_one = np.concatenate([small.run(frame[None]) for frame in spectra], axis=1)
        assert together.shape == (4, 6, 2, 65)
        assert together.dtype == np.complex64
        np.testing.assert_allclose(one_by_one, together, atol=1e-6)
        for name, values in small.state.items():
            np.testing.assert_allclose(values, one_by_one_state[name], rtol=1e-6)
        small.reset()
        first = small.run(spectra[:1])
        assert np.abs(small.run(spectra[:1]) - first).max() > 0.01, "the state changes nothing"

    def test_state_is_a_copy(self, small: Session) -> None:
        small.reset()
        small.state["h"][:] = 1
        assert not small.state["h"].any()

    def test_stems_sum_to_the_mixture(self, small: Session) -> None:
        spectra = np.fft.rfft(noise(4 * 128).reshape(4, 2, 128)).astype(np.complex64)
        np.testing.assert_allclose(small.run(spectra).sum(axis=0), spectra, atol=1e-5)

    @pytest.mark.parametrize("threads", [0, -1, 65])
    def test_threads(self, small: Session, threads: int) -> None:
        with pytest.raises(UsageError, match="threads must be from 1 to 64"):
            Session(small.path, threads=threads)

    def test_two_threads(self, small: Session) -> None:
        assert Session(small.path, threads=2).info == small.info

    def test_providers(self, small: Session, monkeypatch: pytest.MonkeyPatch) -> None:
        with pytest.raises(UsageError, match="unknown provider 'tpu': known are cpu, cuda"):
            Session(small.path, provider="tpu")
        monkeypatch.setattr(provider, "_cuda_devices", lambda: 0)
        with pytest.raises(ModelError, match=r"no NVIDIA GPU|cannot use CUDA"):
            Session(small.path, provider="cuda")

    def test_denormals_are_flushed(self, small: Session) -> None:
        # In a process of its own: ONNX Runtime heeds only the first session's wish.
        program = """
import sys, numpy as np
from stemlive.realtime.model_file.session import Session
session = Session(sys.argv[1])
session._state["h"][:] = 1.2e-38
session.run(np.zeros((4, 2, 65), np.complex64))
sys.exit(bool(session.state["h"].any()))
"""
        assert subprocess.run([sys.executable, "-c", program, small.path], check=False).returncode == 0


def without(*keys: str) -> Callable[[dict[str, Any]], None]:
    def change(info: dict[str, Any]) -> None:
        for key in keys[:-1]:
            info = info[key]
        del info[keys[-1]]

    return change


def with_value(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda info: info.update({key: value})


class TestModelFiles:
    FAULTS = (
        *((without(key), f"no '{key}'") for key in onnx_models.metadata()),
        *((without("card", key), f"card has no {key}") for key in onnx_models.metadata()["card"]),
        (with_value("sample_rate_hz", "44100"), "'sample_rate_hz' in the metadata is not of type int"),
        (with_value("parameters", True), "'parameters' in the metadata is not of type int"),
        (with_value("hop_samples", 0), "'hop_samples' in the metadata must be positive"),
        (with_value("hop_samples", 33), "impossible framing: hop 33"),
        (with_value("synthesis_samples", 256), "impossible framing: synthesis window 256"),
        (with_value("preset", "offline"), "an offline model looks ahead and cannot stream"),
        (with_value("channels", 1), "must have 2 channels, not 1"),
        (with_value("stems", ["vocals", "vocals"]), "'stems' must be different names"),
        (with_value("stems", [1]), "'stems' must be different names"),
        (with_value("stems", []), "at least one stem"),
        (with_value("stems", ["vocals", "rest"]), "none 'rest'"),
        (with_value("state", [3]), "an entry of 'state' is no object"),
        (with_value("state", [{"name": "h"}]), "no 'shape'"),
        (with_value("state", [{"name": "h", "shape": [0]}]), "positive integers"),
        (with_value("card", []), "'card' in the metadata is not of type dict"),
    )

    @pytest.mark.parametrize(("change", "message"), FAULTS)
    def test_faults_in_the_metadata(self, change: Callable[[dict[str, Any]], None], message: str) -> None:
        info = onnx_models.metadata()
        change(info)
        properties = {"stemlive_format": "1", "stemlive": json.dumps(info)}
        with pytest.raises(ModelError, match=message):
            ModelInfo.from_metadata(properties, "a.onnx")

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"format_version": "2"}, "model format 2, this stemlive reads format 1"),
            ({"format_version": None}, "not made for stemlive"),
            ({"info_text": "{"}, "not JSON"),
            ({"info_text": "[]"}, "not a JSON object"),
            ({"rename": {"frames": "audio"}}, r"inputs are \['audio', 'h', 'seen'\], not \['frames'"),
            ({"rename": {"new_h": "h2"}}, r"outputs are \['h2', "),
            ({"frames_shape": [1, 1, 65, 2, 2]}, r"input 'frames' is \[1, 1, 65, 2, 2\], not float32 \[1, 'T'"),
            ({"frames_shape": [1, "T", "F", 2, 2]}, "input 'frames' is"),
            ({"trailing_bins": 1}, r"output 'stems' has shape \[4, 2, 2, 66\], not \[4, 2, 2, 65\]"),
        ],
    )
    def test_faults_in_the_file(self, tmp_path: Path, arguments: dict[str, Any], message: str) -> None:
        path = onnx_models.write_model(tmp_path / "faulty.onnx", **arguments)
        with pytest.raises(ModelError, match=message) as caught:
            Session(path)
        assert "\n" not in str(caught.value)

    def test_metadata_of_another_graph(self, tmp_path: Path) -> None:
        other = json.dumps(onnx_models.metadata((64, 32, 16)))
        path = onnx_models.write_model(tmp_path / "other.onnx", info_text=other)
        with pytest.raises(ModelError, match="input 'frames' is"):
            Session(path)

    @pytest.mark.parametrize("content", [b"", b"RIFF0000WAVE" * 99, bytes(1000)])
    def test_not_onnx(self, tmp_path: Path, content: bytes, capfd: pytest.CaptureFixture[str]) -> None:
        path = tmp_path / "song.onnx"
        path.write_bytes(content)
        with pytest.raises(ModelError, match="not a usable ONNX model") as caught:
            Session(path)
        assert "\n" not in str(caught.value)
        assert capfd.readouterr() == ("", "")

    def test_cut_short(self, small: Session, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
        path = tmp_path / "half.onnx"
        path.write_bytes(small.path.read_bytes()[:1500])
        with pytest.raises(ModelError, match=r"half\.onnx"):
            Session(path)
        assert capfd.readouterr() == ("", "")

    def test_metadata_round_trip(self, small: Session) -> None:
        assert ModelInfo.from_metadata(small.info.to_metadata(), "a.onnx") == small.info
        assert json.loads(small.info.to_metadata()["stemlive"]) == onnx_models.metadata(SMALL) | {"integers": False}

    def test_names_and_paths(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(bundled, "_ASSETS", tmp_path / "assets")
        monkeypatch.chdir(tmp_path)
        with pytest.raises(ModelError, match="no model comes with this installation"):
            bundled.resolve_model()
        (tmp_path / "assets").mkdir()
        for name in ("live-free", "live"):
            (tmp_path / "assets" / f"{name}.onnx").touch()
        (tmp_path / "live").touch()
        assert bundled.bundled_models() == ["live", "live-free", "low", "low-free"]
        live, free = (tmp_path / "assets" / f"{name}.onnx" for name in ("live", "live-free"))
        assert bundled.resolve_model("live") == bundled.ModelFile(live, "live")
        assert bundled.resolve_model() == bundled.resolve_model(bundled.DEFAULT_MODEL)
        assert bundled.resolve_model("low") == bundled.ModelFile(live, "low", low=True)
        assert bundled.resolve_model("low-free") == bundled.ModelFile(free, "low-free", low=True)
        assert bundled.resolve_model("./live") == bundled.ModelFile(Path("live"), "live")
        assert bundled.resolve_model(tmp_path / "live") == bundled.ModelFile(tmp_path / "live", "live")
        with pytest.raises(ModelError, match=r"'jazz' not found: .* one of: live, live-free, low, low-free$"):
            bundled.resolve_model("jazz")
        with pytest.raises(ModelError, match="not bundled any more: take live, which computes in 8 bits now"):
            bundled.resolve_model("live-int8")
        with pytest.raises(ModelError, match="is a folder"):
            bundled.resolve_model("assets")


class TestSeparator:
    @pytest.mark.parametrize("rate_hz", [44100, 48000, 22050])
    @pytest.mark.parametrize("size", [1, 7, 31, 32, 33, 64, 441, 512, 1000, 4096])
    def test_any_block_size_gives_the_same(self, small: Session, rate_hz: int, size: int) -> None:
        audio = noise({1: 300, 4096: 9000}.get(size, 2000))
        separator = Separator(small, sample_rate_hz=rate_hz, max_frames=4)
        mix, stems = run_cut(separator, audio, [])
        mix_cut, stems_cut = run_cut(separator, audio, [size] * (len(audio) // size))
        np.testing.assert_array_equal(mix_cut, mix)
        np.testing.assert_array_equal(stems_cut, stems)

    @settings(max_examples=30, deadline=None, derandomize=True, database=None)
    @given(
        sizes=st.lists(st.integers(0, 400), max_size=30),
        rate_hz=st.sampled_from([44100, 48000, 8000, 96000]),
        max_frames=st.sampled_from([1, 3, 64]),
    )
    def test_any_cutting_gives_the_same(self, small: Session, sizes: list[int], rate_hz: int, max_frames: int) -> None:
        audio = noise(1500)
        mix, stems = run_cut(Separator(small, sample_rate_hz=rate_hz), audio, [])
        separator = Separator(small, sample_rate_hz=rate_hz, max_frames=max_frames)
        mix_cut, stems_cut = run_cut(separator, audio, sizes)
        np.testing.assert_array_equal(mix_cut, mix)
        np.testing.assert_array_equal(stems_cut, stems)

    @settings(max_examples=30, deadline=None, derandomize=True, database=None)
    @given(
        calls=st.lists(st.tuples(st.integers(0, 300), st.sampled_from("smb")), max_size=20),
        rate_hz=st.sampled_from([44100, 48000, 44101, 22050]),
        max_frames=st.sampled_from([1, 64]),
    )
    def test_calls_may_be_mixed(
        self, small: Session, calls: list[tuple[int, str]], rate_hz: int, max_frames: int
    ) -> None:
        audio = noise(sum(size for size, _ in calls))
        separator = Separator(small, sample_rate_hz=rate_hz, max_frames=max_frames)
        mix, stems = run_cut(separator, audio, [])
        separator.reset()
        first = 0
        for size, call in calls:
            part = slice(first, first + size)
            first += size
            if call == "s":
                found_stems = separator.process(audio[part])
            elif call == "m":
                found_mix = separator.process_mix(audio[part], GAINS)
            else:
                found_mix, found_stems = separator.process_both(audio[part], GAINS)
            if call != "m":
                np.testing.assert_allclose(found_stems, stems[:, part], atol=1e-6)
            if call != "s":
                np.testing.assert_allclose(found_mix, mix[part], atol=1e-6)

    @pytest.mark.parametrize("rate_hz", [44100, 48000])
    def test_mix_is_the_sum_of_stems(self, small: Session, rate_hz: int) -> None:
        mix, stems = run_cut(Separator(small, sample_rate_hz=rate_hz), noise(3000), [100] * 30)
        np.testing.assert_allclose(mix, np.einsum("s,snc->nc", GAINS, stems), atol=1e-6)

    @pytest.mark.parametrize("preset", LENGTHS)
    def test_impulse_comes_out_at_the_latency(self, tmp_path: Path, preset: str) -> None:
        info = onnx_models.metadata(LENGTHS[preset])
        separator = Separator(Session(onnx_models.write_model(tmp_path / "m.onnx", info)))
        assert separator.latency_samples == LENGTHS[preset][1]
        audio = np.zeros((12000, 2), np.float32)
        audio[1234] = 1
        mix = separator.process_mix(audio, np.ones(4))
        np.testing.assert_allclose(mix[1234 + separator.latency_samples], 1, atol=1e-6)
        mix[1234 + separator.latency_samples] = 0
        assert np.abs(mix).max() < 1e-6

    @pytest.mark.parametrize("rate_hz", RATES)
    def test_latency_is_exact_at_other_rates(self, live: Session, rate_hz: int) -> None:
        separator = Separator(live, sample_rate_hz=rate_hz)
        late = separator.latency_samples
        assert 23.2 < 1000 * late / rate_hz < (25.4 if rate_hz > 44000 else 35 if rate_hz >= 8000 else 50)
        audio = band_limited(rate_hz // 2, rate_hz, 0.4 * min(rate_hz, 44100))
        padded = np.concatenate([audio, np.zeros((late, 2), np.float32)])
        # A hundredth of a sample would show as -40 dB.
        assert error_db(separator.process_mix(padded, np.ones(4))[late:], audio) < -110

    @pytest.mark.parametrize("rate_hz", [*RATES, *np.random.default_rng(0).integers(8000, 192001, 20).tolist()])
    def test_latency_is_long_enough_and_no_longer(self, small: Session, rate_hz: int) -> None:
        late = Separator(small, sample_rate_hz=rate_hz).latency_samples
        incoming, outgoing = Resampling(rate_hz, 44100), Resampling(44100, rate_hz)
        _, w, r = SMALL
        spare = []
        for samples in range(4000):
            hops = max(0, incoming.first_beyond(samples)) // r
            spare.append(outgoing.first_beyond((hops + 1) * r - w) - (samples - late))
        assert 0 <= min(spare) <= 1 + rate_hz / 44100

    @pytest.mark.parametrize("rate_hz", RATES)
    def test_impulse_comes_out_at_the_latency_at_other_rates(self, small: Session, rate_hz: int) -> None:
        separator = Separator(small, sample_rate_hz=rate_hz)
        audio = np.zeros((4000, 2), np.float32)
        audio[321] = 1
        middle = 321 + separator.latency_samples
        around = separator.process_mix(audio, np.ones(4))[middle - 50 : middle + 51]
        assert (np.abs(around).argmax(axis=0) == 50).all()
        np.testing.assert_allclose(around, around[::-1], atol=1e-4)

    def test_unity(self, live: Session) -> None:
        separator = Separator(live)
        audio = noise(30000)
        late = separator.latency_samples
        mix = separator.process_mix(audio, np.ones(4))
        assert error_db(mix[late:], audio[:-late]) < -120
        separator.reset()
        assert error_db(separator.process(audio).sum(axis=0)[late:], audio[:-late]) < -120

    @pytest.mark.parametrize("rate_hz", [44100, 48000, 8000])
    def test_silence_is_exact(self, small: Session, rate_hz: int) -> None:
        separator = Separator(small, sample_rate_hz=rate_hz)
        separator.process(noise(2000))
        separator.process(np.zeros((2 * separator.latency_samples + rate_hz // 100, 2), np.float32))
        assert small.state["h"].any()
        mix, stems = separator.process_both(np.zeros((500, 2), np.float32), GAINS)
        assert not mix.any()
        assert not stems.any()

    def test_damaged_samples_do_not_stay(self, small: Session) -> None:
        separator = Separator(small)
        audio = noise(1000)
        damaged = audio.copy()
        damaged[100, 0], damaged[200, 1], damaged[300, 0], damaged[400] = np.nan, np.inf, -np.inf, 1e30
        kept = damaged.copy()
        found = separator.process(damaged)
        np.testing.assert_array_equal(damaged, kept)
        assert separator.bad_samples == 5
        assert np.isfinite(found).all()
        mended = audio.copy()
        mended[100, 0], mended[200, 1], mended[300, 0], mended[400] = 0, 0, 0, 1e6
        separator.reset()
        np.testing.assert_array_equal(separator.process(mended), found)
        assert separator.bad_samples == 0
        separator.process(noise(24))  # up to a whole hop
        after = [separator.process(noise(1024)) for _ in range(8)][-1]
        separator.reset()
        clean = [separator.process(noise(1024)) for _ in range(8)][-1]
        np.testing.assert_allclose(after, clean, atol=1e-5)

    def test_numbers_that_do_not_fit_into_float32(self, small: Session) -> None:
        separator = Separator(small, channels=1)
        assert np.isfinite(separator.process(np.full((100, 1), 1e300))).all()
        assert separator.bad_samples == 100

    def test_a_model_that_fails_passes_the_mixture_on(self, tmp_path: Path) -> None:
        path = onnx_models.write_model(tmp_path / "inf.onnx", onnx_models.metadata(SMALL), gain=float("inf"))
        separator = Separator(Session(path))
        audio = noise(1000)
        mix = separator.process_mix(audio, np.ones(4))
        np.testing.assert_allclose(mix[64:], audio[:-64], atol=1e-6)
        assert separator.bad_frames == 1000 // 32

    @pytest.mark.parametrize("rate_hz", [44100, 48000])
    def test_reset_is_a_new_instance(self, small: Session, rate_hz: int) -> None:
        separator = Separator(small, sample_rate_hz=rate_hz)
        new_mix, new_stems = separator.process_both(noise(777), GAINS)
        separator.process(noise(300, seed=1))
        separator.reset()
        mix, stems = separator.process_both(noise(777), GAINS)
        np.testing.assert_array_equal(mix, new_mix)
        np.testing.assert_array_equal(stems, new_stems)
        mix, stems = Separator(small, sample_rate_hz=rate_hz).process_both(noise(777), GAINS)
        np.testing.assert_array_equal(mix, new_mix)
        np.testing.assert_array_equal(stems, new_stems)

    @pytest.mark.parametrize("rate_hz", [44100, 48000, 8000])
    @pytest.mark.parametrize("sizes", [[], [1, 30, 50, 0], [500] * 6])
    def test_flush_returns_what_is_inside_and_the_next_block_begins_a_stream(
        self, small: Session, rate_hz: int, sizes: list[int]
    ) -> None:
        separator = Separator(small, sample_rate_hz=rate_hz, max_frames=4)
        late = separator.latency_samples
        whole = separator.process(np.concatenate([noise(3000), np.zeros((late, 2), np.float32)]))
        mixed = np.tensordot(GAINS, whole, axes=1)
        separator.reset()
        for _ in range(2):  # two streams, stems and mix
            stems = [*map(separator.process, in_blocks(noise(3000), sizes)), separator.flush()]
            np.testing.assert_allclose(np.concatenate(stems, axis=1), whole, atol=1e-6)
            mix = [*(separator.process_mix(block, GAINS) for block in in_blocks(noise(3000), sizes))]
            mix.append(separator.flush(GAINS))
            np.testing.assert_allclose(np.concatenate(mix), mixed, atol=1e-5)
        assert separator.flush().shape == (4, late, 2)
        assert not separator.flush().any(), "a stream without a sample"

    def test_counts_stay_until_the_next_stream_and_the_end_of_a_with_block_is_a_reset(self, small: Session) -> None:
        bad = noise(100)
        bad[3, 0] = np.nan
        with Separator(small) as separator:
            separator.process(bad)
            separator.flush()
            assert separator.bad_samples == 1
            first = separator.process(noise(100))
            assert separator.bad_samples == 0
        with pytest.raises(ZeroDivisionError), separator:
            separator.process(bad)
            raise ZeroDivisionError
        assert separator.bad_samples == 0
        np.testing.assert_array_equal(separator.process(noise(100)), first)

    def test_mono(self, small: Session) -> None:
        audio = noise(1000, channels=1)
        mix, stems = run_cut(Separator(small, channels=1), audio, [100] * 10)
        both_mix, both_stems = run_cut(Separator(small), np.repeat(audio, 2, axis=1), [])
        assert stems.shape == (4, 1000, 1)
        np.testing.assert_allclose(stems, both_stems[..., :1], atol=1e-6)
        np.testing.assert_allclose(mix, both_mix[:, :1], atol=1e-6)

    @pytest.mark.parametrize("stems", [("vocals",), ("bass", "vocals", "drums")])
    def test_rest_completes_the_mixture(self, tmp_path: Path, stems: tuple[str, ...]) -> None:
        info = onnx_models.metadata(SMALL, stems)
        separator = Separator(Session(onnx_models.write_model(tmp_path / "m.onnx", info)))
        assert separator.stems == (*stems, "rest")
        audio = noise(1000)
        separated = separator.process(audio)
        assert np.abs(separated[-1]).max() > 0.01
        np.testing.assert_allclose(separated.sum(axis=0)[64:], audio[:-64], atol=1e-6)

    @pytest.mark.parametrize("rate_hz", [44100, 48000])
    def test_hops_of_a_block_go_through_together(
        self, small: Session, rate_hz: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        separator = Separator(small, sample_rate_hz=rate_hz, max_frames=8)
        counts = []

        def count_calls(name: str) -> None:
            run = getattr(small, name)

            def counting_run(frames: np.ndarray) -> np.ndarray:
                counts.append(len(frames))
                return run(frames)

            monkeypatch.setattr(small, name, counting_run)

        count_calls("run")
        count_calls("run_hop")
        for hops in (1, 0, 3, 5, 20):
            separator.process(noise(hops * 32 * rate_hz // 44100))
        expected = [1, 3, 5, 8, 8, 4] if rate_hz == 44100 else [2, 5, 8, 8, 4]
        assert counts == expected

    def test_gains_change_without_a_step(self, small: Session) -> None:
        separator = Separator(small)
        audio = np.ones((32 * 40, 2), np.float32)
        half = 32 * 20
        before = separator.process_mix(audio[:half], np.ones(4))
        after = separator.process_mix(audio[half:], np.zeros(4))
        mix = np.concatenate([before, after])[:, 0]
        np.testing.assert_allclose(mix[300 : half + 32], 1, atol=1e-5)
        np.testing.assert_allclose(mix[half + 64 :], 0, atol=1e-5)
        assert np.abs(np.diff(mix[300:])).max() < 0.06

    def test_use(self, small: Session) -> None:
        separator = Separator(small)
        for block in (np.zeros(5), np.zeros((5, 1)), np.zeros((5, 3)), np.zeros((5, 2), np.int16)):
            with pytest.raises(UsageError, match=r"must be float \[n, 2\]"):
                separator.process(block)
        for gains in ([1.0], [1, 1, 1, math.nan], 1.0):
            with pytest.raises(UsageError, match="4 finite numbers, one for each of vocals"):
                separator.process_mix(noise(5), gains)
        for rate_hz in (3999, 384001, 44100.5):
            with pytest.raises(UsageError, match="sample rate must be"):
                Separator(small, sample_rate_hz=rate_hz)
        with pytest.raises(UsageError, match="1 or 2 channels, not 6"):
            Separator(small, channels=6)
        with pytest.raises(UsageError, match="max_frames"):
            Separator(small, max_frames=0)

    @pytest.mark.parametrize("rate_hz", [44100, 48000])
    @pytest.mark.parametrize("sizes", [[], [1, 30, 50, 0], [500] * 6, [3000]])
    def test_offline_lines_up(self, small: Session, rate_hz: int, sizes: list[int]) -> None:
        audio = band_limited(3000, rate_hz, 18000) if sizes else noise(0)
        separator = Separator(small, sample_rate_hz=rate_hz)
        mix = list(separate_blocks(separator, in_blocks(audio, sizes), gains=np.ones(4)))
        stems = list(separate_blocks(separator, in_blocks(audio, sizes)))
        assert sum(len(part) for part in mix) == len(audio)
        if sizes:
            assert error_db(np.concatenate(mix), audio) < -90
            assert error_db(np.concatenate(stems, axis=1).sum(axis=0), audio) < -90


class TestSong:
    """`separate`: the same as block by block."""

    @pytest.mark.parametrize(("rate_hz", "channels"), [(44100, 2), (48000, 1)])
    def test_a_file_and_its_samples(self, small: Session, tmp_path: Path, rate_hz: int, channels: int) -> None:
        audio = band_limited(80_000, rate_hz, 18000)[:, :channels]
        soundfile.write(tmp_path / "song.wav", audio, rate_hz, "FLOAT")
        separator = Separator(small, sample_rate_hz=rate_hz, channels=channels)
        true = np.concatenate(list(separate_blocks(separator, in_blocks(audio, [30_000] * 2))), axis=1)
        of_file = separate(tmp_path / "song.wav", model=small.path)
        of_samples = separate(audio.astype(np.float64), sample_rate_hz=rate_hz, model=str(small.path))
        for stems in (of_file, of_samples):
            assert tuple(stems) == separator.stems
            assert (stems.sample_rate_hz, stems.notes) == (rate_hz, ())
            np.testing.assert_allclose(list(stems.values()), true, atol=1e-5)
        assert error_db(sum(of_file.values()), audio) < -90

    def test_what_is_said_of_it(self, small: Session, tmp_path: Path) -> None:
        audio = noise(44100)
        audio[5, 0] = np.inf
        soundfile.write(tmp_path / "song.wav", audio, 44100, "FLOAT")
        whole = (tmp_path / "song.wav").read_bytes()
        (tmp_path / "song.wav").write_bytes(whole[: len(whole) // 2])
        early, bad = separate(tmp_path / "song.wav", model=small.path).notes
        assert "song.wav ends after 0.50 s of the 1.00 s" in early
        assert bad == "1 input samples were NaN, infinite or far too loud: replaced"

    def test_use(self, small: Session, tmp_path: Path) -> None:
        with pytest.raises(AudioFileError, match="there is no such file"):
            separate(tmp_path / "none.wav", model=small.path)
        soundfile.write(tmp_path / "song.wav", noise(10), 44100)
        with pytest.raises(UsageError, match="with samples only"):
            separate(tmp_path / "song.wav", sample_rate_hz=44100, model=small.path)
        for samples, rate_hz in ((noise(10), None), (noise(10)[:, 0], 44100)):
            with pytest.raises(UsageError, match=r"must be \[n, C\] with their sample_rate_hz"):
                separate(samples, sample_rate_hz=rate_hz, model=small.path)
        with pytest.raises(UsageError, match="1 or 2 channels, not 3"):
            separate(np.zeros((10, 3)), sample_rate_hz=44100, model=small.path)
        assert separate(noise(0), sample_rate_hz=44100, model=small.path)["vocals"].shape == (0, 2)


class TestMixer:
    STEMS = onnx_models.STEMS

    def test_gains(self) -> None:
        mixer = Mixer(self.STEMS)
        np.testing.assert_array_equal(mixer.gains(), np.ones(4, np.float32))
        mixer.set_gain_db("vocals", -20)
        mixer.set_gain_db("drums", -math.inf)
        mixer.set_gain_db("bass", 6)
        np.testing.assert_allclose(mixer.gains(), [0.1, 0, 1.9953, 1], rtol=1e-4)
        assert mixer.gains().dtype == np.float32
        assert mixer.gains_db == {"vocals": -20, "drums": -math.inf, "bass": 6, "other": 0}

    def test_mute_and_solo(self) -> None:
        mixer = Mixer(self.STEMS)
        mixer.mute("vocals")
        assert mixer.gains().tolist() == [0, 1, 1, 1]
        mixer.solo("vocals")
        mixer.solo("bass")
        assert mixer.gains().tolist() == [0, 0, 1, 0]
        assert (mixer.muted, mixer.soloed) == ({"vocals"}, {"vocals", "bass"})
        mixer.mute("vocals", False)
        mixer.solo("bass", False)
        assert mixer.gains().tolist() == [1, 0, 0, 0]

    @pytest.mark.parametrize(
        ("name", "heard"),
        [
            ("original", [1, 1, 1, 1]),
            ("karaoke", [0, 1, 1, 1]),
            ("acapella", [1, 0, 0, 0]),
            ("no-drums", [1, 0, 1, 1]),
            ("no-bass", [1, 1, 0, 1]),
            ("drums-and-bass", [0, 1, 1, 0]),
        ],
    )
    def test_presets(self, name: str, heard: list[float]) -> None:
        mixer = Mixer(self.STEMS)
        mixer.set_gain_db("drums", -6)
        mixer.solo("other")
        mixer.apply_preset(name)
        assert mixer.gains().tolist() == heard

    def test_presets_with_rest(self) -> None:
        vocals = Mixer(("vocals", "rest"))
        for name, heard in {"original": [1, 1], "karaoke": [0, 1], "acapella": [1, 0]}.items():
            vocals.apply_preset(name)
            assert vocals.gains().tolist() == heard
        with pytest.raises(UsageError, match="preset 'no-drums' cannot be made of vocals, rest"):
            vocals.apply_preset("no-drums")
        assert vocals.gains().tolist() == [1, 0]
        rhythm = Mixer(("vocals", "drums", "bass", "rest"))
        rhythm.apply_preset("drums-and-bass")
        assert rhythm.gains().tolist() == [0, 1, 1, 0]
        rhythm.apply_preset("no-drums")
        assert rhythm.gains().tolist() == [1, 0, 1, 1]
        rhythm.solo("vocals")
        assert rhythm.gains().tolist() == [1, 0, 0, 0]

    def test_use(self) -> None:
        mixer = Mixer(self.STEMS)
        for change in (lambda: mixer.set_gain_db("voice", 0), lambda: mixer.mute("voice"), lambda: mixer.solo("voice")):
            with pytest.raises(UsageError, match="unknown stem 'voice': known are vocals, drums, bass, other"):
                change()
        for gain_db in (12.1, math.nan, math.inf):
            with pytest.raises(UsageError, match="from -inf to"):
                mixer.set_gain_db("bass", gain_db)
        with pytest.raises(UsageError, match="unknown preset 'disco': known are original, karaoke"):
            mixer.apply_preset("disco")
        with pytest.raises(UsageError, match="different names"):
            Mixer(("vocals", "vocals"))
        assert set(PRESETS) == {"original", "karaoke", "acapella", "no-drums", "no-bass", "drums-and-bass"}
