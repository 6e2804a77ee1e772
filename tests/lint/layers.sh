#!/bin/sh
# SPDX-License-Identifier: MIT
# layers: fail when a source file includes something from a layer above it.
#
# Each line below is a directory, or a file, and what it may include of ours.
# Includes are written from the repository's root, so the check is a grep. The
# first line that fits a file counts.
set -eu

rules='
kernel/main.c        base model kernel
kernel/ranks.          base model kernel/ranks.h
kernel/install.      base kernel/install.h
kernel/terminal.     base model kernel/terminal.h kernel/command kernel/render
kernel/notebook.     base model kernel/notebook.h kernel/jupyter kernel/command kernel/render
kernel/jupyter/      base kernel/jupyter
kernel/render/       base model kernel/render
kernel/command/      base model kernel/render kernel/command
kernel/http/         base model kernel/render kernel/command kernel/http
kernel/grpc/         base model kernel/render kernel/command kernel/grpc
model/               base model
base/                base
'
bad=0
for file in $(find base model kernel -name '*.[ch]' | sort); do
    allowed=$(printf '%s\n' "$rules" | while read -r place may; do
        [ -n "$place" ] || continue
        case $file in "$place"*) echo "$may"; break ;; esac
    done)
    [ -n "$allowed" ] || { echo "$file: in no layer, see tests/lint/layers.sh"; bad=1; continue; }
    pattern=$(printf '%s\n' $allowed | sed 's,\.h$,\\.h",; t; s,$,/,' | paste -sd '|' -)
    found=$(grep -nE '^#[[:space:]]*include "' "$file" | grep -vE "include \"($pattern)" || true)
    [ -z "$found" ] || { printf '%s\n' "$found" | sed "s,^,$file:,; s,\$, is not allowed here,"; bad=1; }
done
exit $bad
