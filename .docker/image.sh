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
#   image.sh notebook       start the front end on IP:PORT (0.0.0.0:8888); TOKEN, or a random one in its log
#   image.sh server         start the server on IP:PORT (0.0.0.0:8501)
#
# The first three as root, the last two as the user inkling. Debian 13 or later.
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
    install_packages ca-certificates python3-jupyterlab-server python3-jupyter-server \
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
    {
        ldd "$1/usr/bin/inkling" | awk '$3 ~ /^\// {print $3}'
        ldconfig -p | awk '$1 == "libcurl.so.4" {print $NF}' # model/download.c loads it
    } | while read -r lib; do
        dpkg -S "$lib" "$(realpath "$lib")" "${lib#/usr}" 2>/dev/null | head -n 1
    done | cut -d: -f1 | sort -u >"$1$share/packages"
}

step_runtime() {
    install_packages ca-certificates $(cat $share/packages)
    id inkling >/dev/null 2>&1 || useradd --uid 10001 --create-home --shell /usr/sbin/nologin inkling
    # The two folders that are written to: notebooks, and models, data sets and Jupyter's own state.
    install -d -o inkling -g inkling /var/lib/inkling /home/inkling/notebooks
    for notebook in $share/notebooks/*.ipynb; do
        [ ! -e "$notebook" ] || install -o inkling -g inkling -m 644 "$notebook" /home/inkling/notebooks/
    done
    rm -rf /var/lib/apt/lists/*
}

step_notebook() {
    export HOME=/home/inkling XDG_CACHE_HOME=/var/lib/inkling/cache XDG_DATA_HOME=/var/lib/inkling/data
    export JUPYTER_DATA_DIR=/var/lib/inkling/jupyter JUPYTER_CONFIG_DIR=/var/lib/inkling/jupyter/config
    export JUPYTER_RUNTIME_DIR=/tmp/jupyter IPYTHONDIR=/tmp/ipython JUPYTER_TOKEN="${TOKEN-}"
    [ -n "$JUPYTER_TOKEN" ] || unset JUPYTER_TOKEN
    # JupyterLab asks whether it may fetch news and look for updates: no.
    mkdir -p $JUPYTER_CONFIG_DIR/labconfig
    echo '{"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": true}}' \
        >$JUPYTER_CONFIG_DIR/labconfig/page_config.json
    cd "$HOME/notebooks"
    if [ -e /usr/lib/python3/dist-packages/notebook/app.py ]; then
        front_end=jupyter-notebook page=/notebooks/client.ipynb
    else
        front_end=jupyter-lab page=/lab/tree/client.ipynb
    fi
    exec $front_end --no-browser --ip="${IP:-0.0.0.0}" --port="${PORT:-8888}" --ServerApp.port_retries=0 \
        --ServerApp.default_url=$page --ServerApp.terminals_enabled=False
}

step_server() {
    export HOME=/home/inkling XDG_CACHE_HOME=/var/lib/inkling/cache XDG_DATA_HOME=/var/lib/inkling/data
    # Who may reach the container is decided by the ports that are published; INKLING_TOKEN asks for a token besides.
    [ -n "${INKLING_TOKEN-}" ] || set -- --open
    exec inkling serve --host "${IP:-0.0.0.0}" --port "${PORT:-8501}" "$@"
}

step=${1:?usage: image.sh jupyter | build STAGE | runtime | notebook | server}
shift
"step_$step" "$@"
