"""`stemlive describe`: the parameters and the cost of a model, even before it is trained."""

import json
from dataclasses import asdict
from pathlib import Path

import click


@click.command("describe")
@click.argument("model", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(model: Path, as_json: bool) -> None:
    """Print the parameters of MODEL and its GMAC (1e9 multiply-accumulate operations) per second of stereo audio.

    MODEL is a recipe (the name of one that comes with the program, or a .toml file; an empty file stands for the
    defaults) or a checkpoint. A model that is not causal is counted on segments of 3 seconds.
    """
    from stemlive.model.checkpoint import load_checkpoint
    from stemlive.model.cost import model_costs, state_numbers, total_cost
    from stemlive.training.recipe import bundled_recipes, read_recipe

    is_recipe = model.suffix == ".toml" or str(model) in bundled_recipes() or not model.exists()
    config = read_recipe(model).model if is_recipe else load_checkpoint(model)[0].config
    costs = model_costs(config)
    total = total_cost(costs)
    state = state_numbers(config)
    if as_json:
        report = {"config": config.to_dict(), "total": asdict(total), "state_numbers": state}
        click.echo(json.dumps({**report, "parts": {part: asdict(cost) for part, cost in costs.items()}}, indent=2))
        return
    click.echo(f"{'':<16}{'parameters':>12}{'GMAC/s':>10}")
    for part, cost in [*costs.items(), ("total", total)]:
        click.echo(f"{part:<16}{cost.parameters:>12,}{cost.gmac_per_s:>10.3f}")
    click.echo(
        f"{', '.join(config.stems)}; {len(config.band_widths)} bands; preset {config.preset}; "
        + (f"causal, {state:,} numbers carried from hop to hop" if config.causal else "not causal")
    )
