#!/usr/bin/env bash
# Draws the integration's icon and logo anew from docs/brand/*.svg. To be run
# by hand after a change of these; the results are committed.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
. "$root/scripts/lib/bootstrap.sh"
require_tool rsvg-convert librsvg2-bin

source=$root/docs/brand
target=$root/custom_components/leaf_to_home/brand
dark=$(mktemp)
trap 'rm -f "$dark"' EXIT
printf '.word { fill: #58c795; }\n' >"$dark"

mkdir -p "$target"
rsvg-convert --height 256 "$source/icon.svg" --output "$target/icon.png"
rsvg-convert --height 512 "$source/icon.svg" --output "$target/icon@2x.png"
rsvg-convert --height 128 "$source/logo.svg" --output "$target/logo.png"
rsvg-convert --height 256 "$source/logo.svg" --output "$target/logo@2x.png"
rsvg-convert --height 128 --stylesheet "$dark" "$source/logo.svg" --output "$target/dark_logo.png"
rsvg-convert --height 256 --stylesheet "$dark" "$source/logo.svg" --output "$target/dark_logo@2x.png"
