#!/bin/sh
# SPDX-License-Identifier: MIT
# layers: fail when a source file includes something from a layer above it.
#
# Each line below is a directory and what it may include of ours. Includes are
# written from the repository's root, so the check is a grep.
set -eu

rules='
base            base
model           base model
kernel/render   base model kernel/render
kernel/command  base model kernel/render kernel/command
kernel/jupyter  base kernel/jupyter
kernel/http     base model kernel/render kernel/command kernel/http
kernel/grpc     base model kernel/command kernel/grpc
'
bad=0
while read -r dir allowed; do
    [ -n "$dir" ] && [ -d "$dir" ] || continue
    pattern=$(printf '%s\n' $allowed | sed 's,$,/,' | paste -sd '|' -)
    found=$(grep -rnE '^#include "' --include='*.[ch]' "$dir" | grep -vE "#include \"($pattern)" || true)
    [ -z "$found" ] || { printf 'not allowed in %s:\n%s\n' "$dir" "$found"; bad=1; }
done <<EOF
$rules
EOF
exit $bad
