#!/usr/bin/env bash
# Provides EMHASS with a Python of its own in the cache, about 800 MB, and prints the path
# of that Python. What it needs has no wheels for Python 3.14.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
. "$root/scripts/lib/bootstrap.sh"

requirements=$root/benchmarks/emhass_requirements.txt
place=$BOOTSTRAP_CACHE/emhass/$(cksum <"$requirements" | tr ' ' '-')

provide() {
  [ -f "$place/complete" ] && return 0
  local log=$BOOTSTRAP_CACHE/emhass.log
  UV=
  _find_uv || _install_uv || die "uv is needed for this, and can't be installed here."
  say "Installing EMHASS, about 800 MB, into $place"
  rm -rf "$place"
  if ! { "$UV" venv --quiet --no-project --python '>=3.11,<3.14' "$place" &&
    "$UV" pip install --quiet --python "$place/bin/python" --requirement "$requirements"; } \
    >"$log" 2>&1; then
    cat "$log" >&2
    die "EMHASS can't be installed here (the lines above are uv's)." \
      "It needs Python 3.11, 3.12 or 3.13, and its packages come from PyPI."
  fi
  touch "$place/complete"
}

mkdir -p "$BOOTSTRAP_CACHE"
[ -f "$place/complete" ] || _locked provide
printf '%s\n' "$place/bin/python"
