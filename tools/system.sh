#!/bin/sh
# Look for what no Python package brings: venv, Pango, Chromium.
# Missing: installed when we are root on Debian, else the one command is printed.
set -eu

install() {
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo "installing $*" >&2
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
            apt-get install -y -qq --no-install-recommends "$@" >/dev/null && return 0
    fi
    return 1
}

missing() {
    echo "$1 To install it: sudo apt-get install -y --no-install-recommends $2" >&2
}

case "$1" in
venv)
    "$2" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
        echo "Python 3.11 or newer is needed; name it with make PYTHON=/path/to/python3" >&2
        exit 1
    }
    "$2" -c 'import ensurepip, venv' 2>/dev/null || install python3-venv || {
        missing "Python's venv is missing." python3-venv
        exit 1
    }
    exit 0
    ;;
esac

for what in "$@"; do
    case "$what" in
    pango)
        packages="libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"
        .venv/bin/python -c 'import ctypes.util, sys; sys.exit(not ctypes.util.find_library("pangoft2-1.0"))' ||
            install $packages || missing "PDF invoices need Pango." "$packages"
        ;;
    chromium)
        command -v chromium >/dev/null 2>&1 || install chromium ||
            missing "The browser tests need Chromium and are skipped without it." chromium
        ;;
    esac
done
