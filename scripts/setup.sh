#!/bin/sh
# Puts pinned tools inside the checkout: scripts/setup.sh verilator|synthesis|libtorch|compiler...
# Needs Python 3.10 or newer; setup.py does the work and says what else is missing. -I: no variable of the user's changes
# what it imports.
set -eu
PYTHON="${PYTHON:-python3}"
if ! command -v "$PYTHON" >/dev/null 2>&1; then
    echo "setup: no $PYTHON; help: install Python 3.10 or newer (Debian/Ubuntu: apt install python3 python3-venv), or name one with PYTHON=..." >&2
    exit 1
fi
version=$("$PYTHON" -I -c 'import sys; print("%d.%d" % sys.version_info[:2] + (" old" if sys.version_info < (3, 10) else ""))' 2>/dev/null) || version=""
if [ -z "$version" ] || [ "${version% old}" != "$version" ]; then
    echo "setup: $PYTHON is ${version:+Python ${version% old}, }not Python 3.10 or newer; help: install it, or name one with PYTHON=..." >&2
    exit 1
fi
exec "$PYTHON" -I "$(dirname "$0")/setup.py" "$@"
