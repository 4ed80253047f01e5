#!/usr/bin/env bash
# Takes the pictures of README and docs anew, from a running demo. To be run by hand
# after a change of what people see; the results are committed.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
. "$root/scripts/lib/bootstrap.sh"
bootstrap screenshots
require_tool chromium

export PYTHONPATH=$root
exec "$root/.venv/bin/python" -P -m scripts.tools.screenshots "$@"
