"""A model's card in Markdown: architecture, speed, training data and scores."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from stemlive.score_names import LONG_PLAY, SCORES, score_rows

if TYPE_CHECKING:
    from stemlive.realtime.model_file.metadata import ModelInfo

_LAYERS = {"lstm": "LSTM", "gru": "GRU", "mingru": "minGRU", "conv": "convolution"}


def markdown(info: "ModelInfo", size_bytes: int) -> str:
    """Return the whole card; facts that the file lacks are left out."""
    card = info.card
    sections = [
        [f"# {card['name']}", card["description"]],
        [table([["", ""], *_facts(info, size_bytes)])],
        ["## Trained on", "\n".join(f"* {text(source)}" for source in card["training_data"]) or "Not stated."],
        ["## Scores", *_scores(card["scores"])],
    ]
    return "\n\n".join(part for section in sections for part in section if part) + "\n"


def _facts(info: "ModelInfo", size_bytes: int) -> list[list[str]]:
    rate = info.sample_rate_hz
    hours, speed = info.card["hours"], info.card.get("speed")
    facts = [
        ["stems", ", ".join(info.stems)],
        ["architecture", _architecture(info.config)],
        ["parameters", f"{info.parameters:,}, {size_bytes / 1e6:.1f} MB"],
        [
            f"framing ({info.preset})",
            f"analysis {info.analysis_samples}, synthesis {info.synthesis_samples}, hop {info.hop_samples} samples at "
            f"{rate} Hz",
        ],
        ["latency", f"{info.latency_samples} samples, {1000 * info.latency_samples / rate:.1f} ms"],
        ["licence", info.licence],
        *([["terms", info.card["terms"]]] if info.card.get("terms") else []),
    ]
    if speed:
        times = ", ".join(f"{name.replace('_', '.')} {ms:.2f}" for name, ms in speed["ms_per_hop"].items())
        machine = f"{speed['threads']} of {speed['processor_count']} cores, {speed['processor']}"
        facts.append(["real-time factor", f"{speed['real_time_factor']:.3f} on {machine}"])
        facts.append(["ms per hop", f"{times}; there are {speed['hop_budget_ms']:.2f}"])
    if isinstance(hours, dict):
        facts += [[f"hours {name.replace('_', ' ')}", f"{value:g}"] for name, value in hours.items()]
    return facts


def _architecture(config: dict[str, Any]) -> str:
    """Return one line on a configuration of `stemlive.model`; for any other, its entries."""
    try:
        hidden, masks = (round(config[f"{part}_factor"] * config["feature_dim"]) for part in ("hidden", "mask"))
        time = _LAYERS[config["time_layer"]]
        layers = (
            f"{time} of {hidden} units over time and one recurrence of {config['global_dim']} over all bands"
            if config["band_layer"] == "global"
            else f"{time} over time and {_LAYERS[config['band_layer']]} over bands with {hidden} units"
        )
        bands = (
            config["band_scheme"]
            if isinstance(config["band_scheme"], str)
            else f"{len(config['band_scheme'])} of its own"
        )
        return (
            f"{'causal ' if config['causal'] else ''}Band-Split RNN, {config['num_repeat']} blocks of "
            f"{config['feature_dim']} features, {layers}, mask heads with {masks}, "
            f"bands {bands}, stereo {config['stereo']}, "
            f"inputs {config.get('inputs', 'complex')}{' of middle and side' if config.get('mid_side') else ''}"
            f"{', pitches and their harmonics' if config.get('harmonics') else ''}"
            f"{', panning of each bin' if config.get('panning') else ''}"
            f"{_additions(config)}"
        )
    except KeyError:
        return ", ".join(f"{key} {value}" for key, value in config.items())


def _additions(config: dict[str, Any]) -> str:
    """What a configuration counts by numbers that are 0, or 1 for taps, where a model has it not."""
    kinds = ("detail_channels", "filter_taps", "apart_bands", "lookahead_frames")
    channels, taps, bands, ahead = (config.get(kind, 0) for kind in kinds)
    parts = []
    if channels:
        parts.append(f", convolutions over bins with up to {2 * channels} channels")
    if taps > 1:
        coming = f" and {config['filter_ahead']} to come" if config.get("filter_ahead") else ""
        parts.append(f", deep filter of {taps} frames{coming} up to {config['filter_top_hz']:g} Hz")
    if bands:
        parts.append(f", weights of their own over time for the {bands} lowest bands")
    if config.get("phase_turns", 1) > 1:
        parts.append(f", the mean of {config['phase_turns']} phases")
    if ahead:
        parts.append(f", look-ahead of {ahead} frames")
    return "".join(parts)


def _scores(scores: dict[str, Any]) -> list[str]:
    """Return the yardstick, tables of averages for each kind of songs, of uSDR and cSDR by song, and of the probes."""
    if not scores.get("average"):
        return ["Not measured."]
    columns = list(scores["average"])
    split = scores.get("split", "?")
    parts = [f"By `stemlive evaluate` on the songs of `{split}`, which training never saw."]
    groups = {"average": scores["average"]}  # older reports, from before the yardstick, have only this
    if "yardstick" in scores:
        kinds = list(scores["kinds"].values())
        groups = {f"{kind} ({kinds.count(kind)})": cells for kind, cells in scores["groups"].items()}
        parts += scores["summary"]
    for kind, average in groups.items():
        measured = score_rows(average, columns)
        rows = [[title.replace("  ", "&nbsp;&nbsp;"), *_numbers(values)] for title, values in measured]
        parts.append(table([[f"{kind}, dB", *columns], *rows]))
    for score in ("usdr_db", "csdr_db"):
        songs = scores.get("songs", {}).items()
        rows = [[name, *_numbers(cells.get(column, {}).get(score) for column in columns)] for name, cells in songs]
        if rows:
            parts.append(table([[f"{SCORES[score]}, dB", *columns], *rows]))
    if played := scores.get("long_play"):
        rows = [[title.strip(), *_numbers(played[key].get(c) for c in columns)] for key, title in LONG_PLAY.items()]
        parts.append(table([[f"uSDR after {played['minutes']:g} minutes without a pause, dB", *columns], *rows]))
    if late := scores.get("late_voice"):
        rows = [[f"{row['late_ms']:g} ms late", *_numbers(row["usdr_db"].get(c) for c in columns)] for row in late]
        parts.append(table([["uSDR, dB, right side of the voice", *columns], *rows]))
    if in_mono := scores.get("mono"):
        row = ["uSDR", *_numbers(in_mono.get(c) for c in columns)]
        parts.append(table([["mixed down to mono, dB", *columns], row]))
    return parts


def _numbers(values: Iterable[float | None]) -> list[str]:
    return ["-" if value is None else f"{value:.2f}" for value in values]


def table(rows: list[list[str]]) -> str:
    """Return a Markdown table; the first row is its head."""
    head, *body = rows
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *body])


def text(value: Any) -> str:
    """Return any JSON value in one line: objects as `key value, key value`, numbers with two decimals."""
    if isinstance(value, dict):
        if set(value) == {"source", "licence"}:
            return f"{value['source']} ({value['licence']})"
        return ", ".join(f"{key.replace('_', ' ')} {text(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return "; ".join(text(inner) for inner in value)
    return f"{value:.2f}" if isinstance(value, float) else str(value)
