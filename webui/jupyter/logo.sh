#!/bin/sh
# SPDX-License-Identifier: MIT
# Draws logo-64x64.png and logo-32x32.png from logo-svg.svg with Chromium; run it after a change to the SVG.
set -eu
cd "$(dirname "$0")"
for size in 64 32; do
    chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --default-background-color=00000000 \
        --force-device-scale-factor="$(awk "BEGIN { print $size / 64 }")" --window-size=64,64 \
        --screenshot="$PWD/logo-${size}x${size}.png" "file://$PWD/logo-svg.svg" 2>/dev/null
done
