#!/bin/sh
# From the weights of a run to a bundled model, in one call from the top folder of the repository:
#   training/bundle.sh NAME WEIGHTS DATA...
#   NAME     live, quality or live-free; its card is that of training/recipes/NAME.toml
#   WEIGHTS  weights.pt of a run, or an exported model
#   DATA     folders whose songs in valid/ are scored: corpus, corpus-nc
# Writes realtime/assets/NAME.onnx and its card, docs/NAME.md, with scores (`evaluate`) and speed (`bench`).
#   SCORES   a report of `evaluate --json` to take, in place of scoring
#   STEMLIVE the program (.venv/bin/stemlive)
set -eu
[ "$#" -ge 3 ] || [ -n "${SCORES:-}" ] || { sed -n '2,9s/^# //p' "$0" >&2; exit 2; }
name="$1" weights="$2"
shift 2
stemlive="${STEMLIVE:-.venv/bin/stemlive}"
card="training/recipes/$name.toml"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$stemlive" export "$weights" --card "$card" --int8 --bits 5 --turns 2 -o "$work/$name.onnx"
"$stemlive" bench --model "$work/$name.onnx" --seconds 60 --json > "$work/speed.json"
if [ -z "${SCORES:-}" ]; then
    SCORES="$work/scores.json"
    for folder do set -- "$@" --data "$folder"; shift; done
    "$stemlive" evaluate --model "$work/$name.onnx" "$@" --json > "$SCORES"
fi
"$stemlive" export "$weights" --card "$card" --scores "$SCORES" --speed "$work/speed.json" \
    --int8 --bits 5 --turns 2 -o "realtime/assets/$name.onnx" --force
"$stemlive" models "realtime/assets/$name.onnx" > "$work/card.md"
mv "$work/card.md" "docs/$name.md"
