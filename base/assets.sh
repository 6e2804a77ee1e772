#!/bin/sh
# SPDX-License-Identifier: MIT
# assets: write the assembler file behind base/assets.h, the table of FILE...
#
#   base/assets.sh FILE... >assets.S
#
# A file is known by its path; one that make generated under build/gen/ by its
# path below that.
set -eu

for file; do
    printf '%s %s\n' "${file#build/gen/}" "$file"
done | LC_ALL=C sort | awk '
    BEGIN { print ".section .rodata" }
    {
        printf ".balign 64\nd%d: .incbin \"%s\"\ne%d: .byte 0\np%d: .string \"%s\"\n", NR, $2, NR, NR, $1
        table = table sprintf(".quad p%d, d%d, e%d - d%d\n", NR, NR, NR, NR)
    }
    END {
        printf ".globl ink_assets_count\n.balign 8\nink_assets_count: .quad %d\n", NR
        printf ".section .data.rel.ro,\"aw\"\n.globl ink_assets\n.balign 8\nink_assets:\n%s", table
        print ".section .note.GNU-stack,\"\",%progbits"
    }'
