"""Singing by the text-to-speech model Kokoro: its own sound, at the pitch and with the lengths of a melody.

Its graph is cut in three: how long each sound lasts; features, pitch and loudness of every unit of time; what is heard.
In between, a unit of each vowel is repeated until the next note, and the pitch is the melody's. WORLD (`singers`) makes
every voice of smooth envelopes; here a network that learned from people makes the sound, so that models do not learn a
vocoder's voice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import soxr

from stemlive.training.corpus import singers_kokoro as kokoro
from stemlive.training.corpus.files import write_ogg
from stemlive.training.corpus.render_effects import SAMPLE_RATE_HZ
from stemlive.training.corpus.singers import levelled, marked, singing_pitch, sum_placed
from stemlive.training.corpus.singers_melody import Phrase, SungNote, compose_phrases, draw_style, pitch_hz
from stemlive.training.corpus.singers_melody import Style as Manner
from stemlive.training.corpus.singers_synthesis import dynamics_db, grouped
from stemlive.training.corpus.singers_voice import FRAME_S, Floats

if TYPE_CHECKING:
    from onnx import ModelProto, ValueInfoProto

UNIT_S = 0.025
"""Lengths are counted in these; pitch and loudness have two values in each."""
_LENGTHS, _PITCH = "/encoder/Gather_output_0", "/encoder/Squeeze_output_0"
_LOUDNESS, _FEATURES = "/encoder/Squeeze_1_output_0", "/encoder/MatMul_1_output_0"
_SUNG = 5
"""Tag of the generators; the other kinds of jobs have 0 to 4."""
_SONG_S = 25.0
_VOICED_HZ = 50.0
"""Below it the model's pitch means that nothing vibrates."""
_BAND_HZ = 11000.0
_STRESS = "ˈ"
_HELD_S = 1.2


def render_sung(root: Path, seed: int, index: int) -> bool:
    """Let voice `index` sing for about 25 seconds in ``root/pool/vocals/sung-kokoro``; False if it is there."""
    voice, style, _ = kokoro.draw_voice(root, seed, index)
    folder = root / "pool" / "vocals" / f"sung-{kokoro.PACKAGE}"
    name = f"{seed:03d}-{index:05d}-{voice}"
    if any(folder.glob(f"{name}*.ogg")):
        return False
    rng = np.random.default_rng([seed, _SUNG, index])
    formants = float(np.exp(rng.uniform(np.log(0.87), np.log(1.15))))
    folder.mkdir(parents=True, exist_ok=True)
    write_ogg(folder / f"{name}{marked(_BAND_HZ * formants)}.ogg", levelled(sing(root, style, formants, rng)))
    return True


def sing(root: Path, style: kokoro.Style, formants: float, rng: np.random.Generator) -> Floats:
    """Phrases of a melody that suits the voice, with their rests, ``[samples]`` at 44.1 kHz.

    formants: factor on all frequencies of the throat; the pitch stays the melody's.
    """
    center, manner = singing_pitch(speaking_hz(root, style, rng) * formants, rng), draw_style(rng)
    pieces: list[tuple[int, Floats]] = []
    at_s = 0.5
    for phrase in compose_phrases(rng, center):
        at_s += phrase.rest
        sound, zero_s = sing_phrase(root, style, formants, phrase, manner, rng)
        pieces.append((round((at_s - zero_s) * SAMPLE_RATE_HZ), sound))
        at_s += phrase.notes[-1].end
        if at_s > _SONG_S:
            break
    return sum_placed(pieces, max(start + len(sound) for start, sound in pieces))


def sing_phrase(
    root: Path, style: kokoro.Style, formants: float, phrase: Phrase, manner: Manner, rng: np.random.Generator
) -> tuple[Floats, float]:
    """A phrase on syllables without meaning: the sound, and the second in it at which the phrase's time 0 lies."""
    unit_s = UNIT_S / formants  # the sound is played so much faster
    groups = grouped(cut_notes(phrase.notes))
    syllables = draw_syllables(rng, len(groups))
    signs = "".join(syllables) + "."
    natural = lengths(root, signs, style)
    starts = [round(notes[0].start / unit_s) for notes in groups]
    where, zero = lay_out(hold_points(signs, natural), starts, round(phrase.notes[-1].end / unit_s), sum(natural))
    spoken_pitch, spoken_loudness, features = frames(root, signs, style, natural)
    halves = np.repeat(2 * where, 2) + np.tile([0, 1], len(where))
    pitch, loudness = spoken_pitch[halves], spoken_loudness[halves]
    moments, zero_s = np.arange(len(pitch)) * unit_s / 2, zero * unit_s
    count = int(np.ceil(moments[-1] / FRAME_S)) + 2
    sung = pitch_hz(phrase.notes, manner, count, zero_s, rng) / formants
    gain_db = np.clip(dynamics_db(phrase.notes, count, zero_s, rng), -9, 6)
    given = np.arange(count) * FRAME_S
    pitch = np.where(pitch > _VOICED_HZ, np.interp(moments, given, sung), pitch)
    loudness = loudness + np.interp(moments, given, gain_db) * np.log(10) / 20
    heard = sound(root, len(signs), style, pitch, loudness, features[:, :, where])
    return np.asarray(soxr.resample(heard, kokoro.RATE_HZ * formants, SAMPLE_RATE_HZ)), zero_s


def cut_notes(notes: Sequence[SungNote]) -> list[SungNote]:
    """Long notes in pieces, each with a syllable of its own: the model loses a vowel that it holds for seconds."""
    pieces = []
    for note in notes:
        count = int(np.ceil(note.length / _HELD_S))
        for number in range(count):
            start, length = note.start + number * note.length / count, note.length / count
            pieces.append(replace(note, start=start, length=length, slurred=note.slurred and number == 0))
    return pieces


def draw_syllables(rng: np.random.Generator, count: int) -> list[str]:
    """Syllables that sound English, one to three in a word; each is stressed, as singers stress each."""
    syllables: list[str] = []
    left = 0
    for _ in range(count):
        left = left or int(rng.integers(1, 4))
        left -= 1
        coda = f"{rng.choice(kokoro.CODAS)} " if left == 0 else ""
        syllables.append(f"{rng.choice(kokoro.ONSETS)}{_STRESS}{rng.choice(kokoro.NUCLEI)}{coda}")
    return syllables


def hold_points(signs: str, natural: Sequence[int]) -> list[int]:
    """The unit in which each syllable is held. What a vowel sounds like lies at the mark of stress before its sign."""
    begins = np.cumsum([0, *natural])
    return [int(begins[at + 1] + natural[at + 1] // 2) for at, sign in enumerate(signs) if sign == _STRESS]


def lay_out(points: Sequence[int], starts: Sequence[int], end: int, count: int) -> tuple[npt.NDArray[np.int64], int]:
    """Which of `count` units that are spoken sounds in each unit that is sung, and in which of those time 0 lies.

    points: where syllables are held. starts, end: where their notes start, and where the last one ends. What lies
    between two points sounds as it is spoken; a syllable whose note leaves it no time is not held.
    """
    parts = [np.arange(points[0])]
    now = starts[0]
    for index, point in enumerate(points):
        last = index + 1 == len(points)
        after = count if last else points[index + 1]
        until = end if last else starts[index + 1] - (after - point - 1)
        held = max(1, until - now)
        parts += [np.full(held, point), np.arange(point + 1, after)]
        now += held + after - point - 1
    return np.concatenate(parts), points[0] - starts[0]


def lengths(root: Path, signs: str, style: kokoro.Style) -> list[int]:
    """Return the spoken length of each sign in units, including the silence before the first and after the last."""
    given = kokoro.utterance(root, signs, style) | {"speed": np.ones(1, np.float32)}
    return [int(one) for one in _parts(root)[0].run(None, given)[0]]


def frames(root: Path, signs: str, style: kokoro.Style, held: Sequence[int]) -> tuple[Floats, Floats, Any]:
    """Pitch in Hz and loudness (natural logarithm), two values a unit, and features, of signs of these lengths."""
    given = kokoro.utterance(root, signs, style) | {_LENGTHS: np.array(held, np.int64)}
    pitch, loudness, features = _parts(root)[1].run(None, given)
    return pitch[0].astype(np.float64), loudness[0].astype(np.float64), features


def sound(root: Path, count: int, style: kokoro.Style, pitch: Floats, loudness: Floats, features: Any) -> Floats:
    """What is heard of these frames of `count` signs, ``[samples]`` at 24 kHz."""
    given = {"style": style[count - 1][None].astype(np.float32), _FEATURES: features}
    given |= {_PITCH: pitch[None].astype(np.float32), _LOUDNESS: loudness[None].astype(np.float32)}
    return np.asarray(_parts(root)[2].run(None, given)[0], np.float64).ravel()


def speaking_hz(root: Path, style: kokoro.Style, rng: np.random.Generator) -> float:
    """Return the pitch of the voice when it speaks."""
    signs = kokoro.nonsense(rng, 6)
    pitch, _, _ = frames(root, signs, style, lengths(root, signs, style))
    return float(np.median(pitch[pitch > _VOICED_HZ]))


@lru_cache(maxsize=1)
def _parts(root: Path) -> tuple[Any, Any, Any]:
    """Sessions of the model's three parts: lengths, frames, sound."""
    from onnx import TensorProto, helper, load  # only who asks for such voices needs it

    model = load(kokoro.model_file(root))
    tokens, style, speed = model.graph.input
    lasting = helper.make_tensor_value_info(_LENGTHS, TensorProto.INT64, ["signs"])
    pitch, loudness = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, "halves"]) for name in (_PITCH, _LOUDNESS)
    )
    features = helper.make_tensor_value_info(_FEATURES, TensorProto.FLOAT, [1, 512, "units"])
    return (
        kokoro.open_session(cut(model, [tokens, style, speed], [lasting])),
        kokoro.open_session(cut(model, [tokens, style, lasting], [pitch, loudness, features])),
        kokoro.open_session(cut(model, [style, pitch, loudness, features], list(model.graph.output))),
    )


def cut(model: ModelProto, inputs: Sequence[ValueInfoProto], outputs: Sequence[ValueInfoProto]) -> bytes:
    """The part of a model between these tensors, serialised."""
    from onnx import helper

    made_by = {name: node for node in model.graph.node for name in node.output}
    known, wanted = {one.name for one in inputs}, [one.name for one in outputs]
    kept: set[int] = set()
    while wanted:
        name = wanted.pop()
        if name in known or name not in made_by:
            continue
        known.add(name)
        kept.add(id(made_by[name]))
        wanted += made_by[name].input
    nodes = [node for node in model.graph.node if id(node) in kept]
    used = {name for node in nodes for name in node.input}
    constants = [one for one in model.graph.initializer if one.name in used]
    graph = helper.make_graph(nodes, "part", inputs, outputs, constants)
    part = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    return bytes(part.SerializeToString())
