#!/bin/sh
# Everything that must hold: sets itself up, then lint, format, types, tests. Arguments go to pytest.
set -eu
cd "$(dirname "$0")"
./install.sh gui,train,dev
.venv/bin/ruff check .
.venv/bin/ruff format --check .
(cd /tmp && "$OLDPWD/.venv/bin/mypy" --config-file "$OLDPWD/pyproject.toml" -p stemlive)
.venv/bin/python -m pytest "$@"
