"""`stemlive models`: list the bundled models and their cards."""

from collections.abc import Iterator
from dataclasses import asdict
from time import process_time
from typing import TYPE_CHECKING

import click

from stemlive import model_card
from stemlive.options import echo_json, json_option

if TYPE_CHECKING:
    from stemlive.realtime.model_file.card import ModelCard
    from stemlive.realtime.model_file.session import Session

_WARM_UP_HOPS = 4
_HOPS = 24
_SHORT_DELAY_MS = 15.0


@click.command("models")
@click.argument("model", required=False)
@json_option()
def command(model: str | None, as_json: bool) -> None:
    """List the bundled models: delay, size, quality, cost on this machine.

    The defaults come first. dB is the yardstick of `stemlive evaluate`, as the model's card has it. Cost is the share
    of one processor core that live use takes, measured in passing: above 100 % it is too much (`stemlive bench`
    measures with care). With MODEL, a name from this list or an .onnx file, its card is printed in Markdown: stems,
    licence, training data, scores of all songs.
    """
    from stemlive.realtime.model_file.bundled import bundled_models
    from stemlive.realtime.model_file.card import card_of, list_models, read_card
    from stemlive.realtime.model_file.session import Session

    if model is not None:
        if as_json:
            echo_json(asdict(read_card(model)))
        else:
            click.echo(markdown(model), nl=False)
    elif as_json:
        echo_json([asdict(card) for card in list_models()])
    elif names := bundled_models():
        sessions = [Session(name) for name in names]
        found = [(card_of(session), live_cost(session)) for session in sessions]
        click.echo("\n".join(table(sorted(found, key=lambda pair: (not _default_for(pair[0]), -pair[0].latency_ms)))))
    else:
        click.echo("no model comes with this installation: make one with `stemlive export`", err=True)


def markdown(model: str) -> str:
    """Return the card of a bundled model or a file in Markdown. ModelError as in Session."""
    from stemlive.realtime.model_file.session import Session

    session = Session(model)
    return model_card.markdown(session.info, session.path.stat().st_size)


def live_cost(session: "Session") -> float:
    """Return the processor time of live separation, hop by hop, divided by the duration of its sound.

    It is measured without being asked for: a few hops take a quarter of a second, and loading the model takes longer.
    Processor time hardly depends on what else runs on the machine.
    """
    import numpy as np

    from stemlive.realtime.separation.separator import Separator

    separator = Separator(session)
    hop = session.info.hop_samples
    noise = np.random.default_rng(0).standard_normal((hop, separator.channels)).astype(np.float32)
    gains = np.ones(len(separator.stems), np.float32)
    for _ in range(_WARM_UP_HOPS):
        separator.process_mix(noise, gains)
    began = process_time()
    for _ in range(_HOPS):
        separator.process_mix(noise, gains)
    return (process_time() - began) * session.info.sample_rate_hz / (_HOPS * hop)


def table(found: "list[tuple[ModelCard, float]]") -> Iterator[str]:
    """Yield the lines of the list: a row per model with its live cost, what the columns mean, each licence once."""
    width = max(len("model"), *(len(card.name) for card, _ in found))
    yield f"{'model':<{width}}  {'delay':>7}  {'size':>7}  {'dB':>5}  {'cost':>5}  for whom"
    for card, cost in found:
        score = card.scores.get("yardstick", {}).get("yardstick_db")
        yield (
            f"{card.name:<{width}}  {card.latency_ms:>4.0f} ms  {card.size_bytes / 1e6:>4.1f} MB  "
            f"{'-' if score is None else f'{score:.2f}':>5}  {cost:>5.0%}  {_for_whom(card)}"
        )
    yield ""
    measured = [card.scores["yardstick"] for card, _ in found if card.scores.get("yardstick")]
    if measured:
        mixture, ideal = measured[0]["mixture_db"], measured[0]["oracle_db"]
        yield f"dB: the yardstick of `stemlive evaluate`; the mixture has {mixture:.2f}, an ideal mask {ideal:.2f}."
    yield "cost: of one processor core, measured now."
    licences: dict[str, list[str]] = {}
    for card, _ in found:
        terms = f", {card.terms}" if card.terms else ""
        licences.setdefault(f"{card.licence}{terms}", []).append(card.name)
    for licence, names in licences.items():
        yield f"{', '.join(names)}: {licence}."
    yield "More of one, its training data and scores among it: stemlive models NAME"


def _for_whom(card: "ModelCard") -> str:
    who = "not for commercial use" if card.terms else "anyone"
    playing = " who plays or sings along" if not card.terms else "; playing or singing along"
    return f"{who}{playing if card.latency_ms < _SHORT_DELAY_MS else ''}{_default_for(card)}"


def _default_for(card: "ModelCard") -> str:
    return " (default for devices and pipes)" * card.default + " (default for songs)" * card.song_default
