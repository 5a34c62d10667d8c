"""What `docs/json.md` says of each `--json` is what the program gives."""

import dataclasses
import json
import re
from importlib import import_module
from pathlib import Path

import click
import numpy as np
import onnx_models
import pytest
import soundfile
from click.testing import CliRunner

from stemlive import live_events
from stemlive.bench_live import LiveResult
from stemlive.cli import COMMANDS, main
from stemlive.commands.bench import BenchResult
from stemlive.commands.compare import Contestant
from stemlive.realtime.control.controls import Controls
from stemlive.realtime.control.song_queue import SongQueue
from stemlive.realtime.devices.catalogue import AudioDevice
from stemlive.realtime.model_file.card import ModelCard
from stemlive.realtime.recording.recorder import Recording
from stemlive.realtime.shared.memory import EngineMemory
from stemlive.realtime.shared.snapshot import Snapshot, State
from stemlive.score_names import SCORES
from stemlive.training.corpus.check import RecordingCheck
from stemlive.training.corpus.describe import Row
from stemlive.training.evaluate import report
from stemlive.training.prepare import prepare

DOCUMENT = (Path(__file__).parent.parent / "docs" / "json.md").read_text("utf-8")
STEMS = ("vocals", "drums", "bass", "other")
OLD_NAME = "monitor_"


def section(title: str) -> str:
    """The text below a heading, up to the next one of the same or a higher level."""
    level, _, _ = title.partition(" ")
    found = re.search(rf"^{re.escape(title)}$(.*?)(?=^#{{1,{len(level)}}} |\Z)", DOCUMENT, re.M | re.S)
    assert found, f"docs/json.md has no section {title}"
    return found[1]


def documented(title: str) -> set[str]:
    """Names in the first column of the tables in a section, up to the first dot."""
    return {name.split(".")[0] for name in re.findall(r"^\| `([^`]+)` \|", section(title), re.M)}


def current(values: dict[str, object]) -> set[str]:
    """The names of values, but for those repeated under an older name."""
    return {name for name in values if not name.startswith(OLD_NAME)}


def commands(name: str, command: click.Command):
    if isinstance(command, click.Group):
        for child, inner in command.commands.items():
            yield from commands(f"{name} {child}", inner)
    else:
        yield name, command


def test_each_command_with_json_has_a_section():
    with_json = set()
    for name, place in COMMANDS.items():
        module, attribute = place.split(":")
        for full, command in commands(f"stemlive {name}", getattr(import_module(module), attribute)):
            if any("--json" in option.opts for option in command.params):
                with_json.add(full)
    assert {title.split(" --")[0] for title in re.findall(r"^## `(stemlive .*)`$", DOCUMENT, re.M)} == with_json


@pytest.mark.parametrize(
    ("title", "kind"),
    [
        ("## `stemlive devices --json`", AudioDevice),
        ("## `stemlive bench --json`", BenchResult),
        ("## `stemlive bench --live --json`", LiveResult),
        ("## `stemlive models --json`", ModelCard),
        ("## `stemlive compare --json`", Contestant),
        ("## `stemlive corpus check --json`", RecordingCheck),
        ("## `stemlive corpus describe --json`", Row),
    ],
)
def test_fields_of_a_value(title, kind):
    assert documented(title) == {field.name for field in dataclasses.fields(kind)}


def snapshot(**changes: object) -> Snapshot:
    memory = EngineMemory.local()
    memory.set_stems(STEMS)
    memory.publish()
    return dataclasses.replace(memory.snapshot(), **changes)


def test_events_of_a_stream():
    assert documented("### `started`") == current(live_events.started(snapshot())) | {"controls"}
    assert set(re.findall(r"`latency_ms\.(\w+)`", section("### `started`"))) == set(
        live_events.started(snapshot())["latency_ms"]
    )
    assert documented("### `levels`") == current(live_events.levels(snapshot()))
    controls = Controls(STEMS, EngineMemory.local())
    moment = live_events.Moment.of(snapshot(), controls, None)
    assert documented("### `control changed`") == current(moment.controls)
    assert documented("### `song`") == set(live_events.song_begins(SongQueue(["a.mp3"])).values)


def test_events_of_a_stream_that_has_trouble():
    begun = Recording(True, 1, "take-001", 1.0, 0, 0, "")
    before = live_events.Moment(snapshot(state=State.RUNNING), {}, dataclasses.replace(begun, on=False, takes=0))
    lost = live_events.Moment(snapshot(state=State.DEVICE_LOST, late_hops=1), {}, begun)
    ended = live_events.Moment(lost.engine, {}, dataclasses.replace(begun, on=False, problem="the disk is full"))
    events = [*live_events.changes(before, lost), *live_events.changes(lost, ended)]
    assert [event.name for event in events] == ["device lost", "dropout", "recording", "recording stopped"]
    headings = {
        name: title for title in re.findall(r"^### .*$", DOCUMENT, re.M) for name in re.findall("`(.+?)`", title)
    }
    for event in events:
        fields = documented(headings[event.name])
        assert current(event.values) == (fields - {"problem"} if event.name == "recording" else fields)
    source = Path(live_events.__file__).read_text("utf-8")
    named = set(re.findall(r'Event\(\s*"([^"]+)"', source)) | {"engine lost", "device lost"}
    assert set(headings) == named | {"started", "remote", "levels", "warning", "stopped"}


def test_lines_of_separate(tmp_path):
    soundfile.write(tmp_path / "song.wav", np.zeros((4410, 2)), 44100)
    model = onnx_models.write_model(tmp_path / "tiny.onnx")
    arguments = ["separate", tmp_path / "song.wav", "-o", tmp_path / "out", "--model", model, "--json"]
    done = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert set().union(*lines) == {"done", "total", "written"}
    again = CliRunner().invoke(main, [*map(str, arguments), str(tmp_path / "missing.wav"), "--skip-existing"])
    lines += [json.loads(line) for line in again.stdout.splitlines()]
    assert documented("## `stemlive separate --json`") == set().union(*lines)


def test_what_describe_prints(tmp_path):
    (tmp_path / "recipe.toml").write_text("[model]\nnum_repeat = 1\n")
    done = CliRunner().invoke(main, ["describe", str(tmp_path / "recipe.toml"), "--json"])
    assert done.exit_code == 0, done.output
    given = json.loads(done.stdout)
    assert documented("## `stemlive describe --json`") == set(given)
    assert {tuple(part) for part in (given["total"], *given["parts"].values())} == {("parameters", "gmac_per_s")}


def test_reports_of_prepare_and_evaluate(tmp_path):
    given = set(prepare({}, tmp_path, 44100, sad=False, workers=1))
    assert documented("## `stemlive prepare --json`") == given | {"active"}
    fields = documented("## `stemlive evaluate --json`")
    assert set(SCORES) <= fields
    assert set(report({}, "valid", None, oracle_preset="live")) <= fields - set(SCORES)
