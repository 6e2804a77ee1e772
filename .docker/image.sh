#!/bin/sh
# SPDX-License-Identifier: MIT
# image: the steps that make an image of inkling from a bare Debian.
#
# The Dockerfile calls them, and so does tests/lab/root in a debootstrap root:
# what the image is made by is run by `make test-lab`, without Docker.
#
#   image.sh jupyter        install a front end: JupyterLab 4, and Notebook 7 where Debian has it
#   image.sh build STAGE    build the tree around this script, install it into STAGE
#   image.sh runtime        install the libraries that the program wants, add its user
#
# As root, on Debian 13 or later.
set -eu

export DEBIAN_FRONTEND=noninteractive
here=$(cd "$(dirname "$0")/.." && pwd)
share=/usr/share/inkling # the build leaves the names of the runtime packages there

install_packages() {
    apt-get -qq update
    apt-get -qq install -y --no-install-recommends "$@" >/dev/null
}

# The packages jupyterlab and notebook depend on several hundred node-* packages
# that their front ends, which are built already, never use. So their files are
# unpacked over the few packages that the servers do import.
unpack_packages() {
    dir=$(mktemp -d)
    (cd "$dir" && apt-get -qq download "$@" >/dev/null 2>&1 &&
        for deb in *.deb; do dpkg -x "$deb" /; done)
    rm -r "$dir"
}

step_jupyter() {
    . /etc/os-release
    # python3-httpx: JupyterLab from 4.1 on
    install_packages ca-certificates tini python3-jupyterlab-server python3-jupyter-server \
        jupyter-core python3-ipykernel python3-notebook-shim python3-async-lru python3-httpx
    case $VERSION_CODENAME in
    trixie) unpack_packages jupyterlab ;;
    *) unpack_packages jupyterlab jupyter-notebook python3-notebook ;;
    esac
}

step_build() {
    "$here/.ci/deps" build
    make -C "$here" -j"$(nproc)"
    make -C "$here" install DESTDIR="$1" PREFIX=/usr
    mkdir -p "$1$share"
    ldd "$1/usr/bin/inkling" | awk '$3 ~ /^\// {print $3}' | while read -r lib; do
        dpkg -S "$lib" "$(realpath "$lib")" "${lib#/usr}" 2>/dev/null | head -n 1
    done | cut -d: -f1 | sort -u >"$1$share/packages"
}

step_runtime() {
    install_packages ca-certificates $(cat $share/packages)
    id inkling >/dev/null 2>&1 || useradd --uid 10001 --create-home --shell /usr/sbin/nologin inkling
    install -d -o inkling -g inkling /var/lib/inkling /home/inkling/notebooks
    rm -rf /var/lib/apt/lists/*
}

step=${1:?usage: image.sh jupyter | build STAGE | runtime}
shift
"step_$step" "$@"
