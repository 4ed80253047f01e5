#!/usr/bin/env bash
# Provides node, iproute2 and the packages of tests/echonet_peer, in the cache, and
# prints the folder in which node finds them.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
. "$root/scripts/lib/bootstrap.sh"

peer=$root/tests/echonet_peer
require_tool ip iproute2
require_tool node nodejs
require_tool npm
major=$(node --version | sed 's/^v\([0-9]*\).*/\1/')
[ "$major" -ge 18 ] || die "node 18 or newer is needed for this, and this is $(node --version)." \
  "Install a newer one and try again."

modules=$BOOTSTRAP_CACHE/echonet-peer/$(cksum <"$peer/package-lock.json" | tr ' ' '-')

provide() {
  [ -f "$modules/complete" ] && return 0
  say "Installing the packages of tests/echonet_peer"
  rm -rf "$modules"
  mkdir -p "$modules"
  cp "$peer/package.json" "$peer/package-lock.json" "$modules"
  if ! npm ci --prefix "$modules" --ignore-scripts --no-audit --no-fund \
    >"$BOOTSTRAP_CACHE/npm.log" 2>&1; then
    cat "$BOOTSTRAP_CACHE/npm.log" >&2
    die "The packages of tests/echonet_peer can't be installed (the lines above are npm's)."
  fi
  touch "$modules/complete"
}

mkdir -p "$BOOTSTRAP_CACHE"
[ -f "$modules/complete" ] || _locked provide
printf '%s\n' "$modules/node_modules"
