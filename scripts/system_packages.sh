#!/bin/sh
# Makes sure that Debian's packages are there: installed by apt when root, else named.
#
#     scripts/system_packages.sh PYTHON [window] [screen]
#
# window: what Qt and OpenGL need to open a window; screen: a virtual screen for tests.
set -eu

python=$1
shift

window="libgl1 libgl1-mesa-dri libglx-mesa0 libegl1 libopengl0 libglib2.0-0
    libdbus-1-3 libfontconfig1 libxkbcommon0 libxkbcommon-x11-0 libx11-xcb1
    libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-randr0
    libxcb-render-util0 libxcb-shape0 libxcb-sync1 libxcb-xfixes0 libxcb-xkb1
    fonts-dejavu-core"
screen="xvfb xauth"

if ! command -v "$python" >/dev/null; then
    echo "'$python' not found: install Python 3.11 or newer, or name one with" \
        "'make PYTHON=...'" >&2
    exit 1
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "$("$python" --version) is too old: Python 3.11 or newer is needed;" \
        "name one with 'make PYTHON=...'" >&2
    exit 1
fi

# Newer Debian and Ubuntu call some libraries NAMEt64.
installed() {
    dpkg-query -W -f='${db:Status-Abbrev}\n' "$1" "$1t64" 2>/dev/null | grep -q '^ii'
}

missing=
"$python" -c 'import ensurepip, venv' 2>/dev/null || missing="python3-venv"
if command -v dpkg-query >/dev/null; then
    for group in "$@"; do
        eval "packages=\$$group"
        for package in $packages; do
            installed "$package" || missing="$missing $package"
        done
    done
elif [ $# -gt 0 ]; then
    echo "This is not Debian: install yourself what Debian calls" \
        "$(for group in "$@"; do eval "echo \$$group"; done)" >&2
fi
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null || [ "$(id -u)" -ne 0 ]; then
    echo "System packages are missing. Install them, then run make again:" >&2
    echo "    sudo apt-get install --no-install-recommends" $missing >&2
    exit 1
fi
echo "installing system packages:" $missing
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -q -y --no-install-recommends $missing </dev/null
