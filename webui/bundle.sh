#!/bin/sh
# SPDX-License-Identifier: MIT
# Puts an ES module and everything it imports together as one module without imports: bundle.sh ENTRY > OUT.
#
# A notebook server hands out single files, and behind a hub each further import would need its own token, so the
# notebook, the Lab extension and the page all load this one file. All modules share one scope, so a top-level name may
# be used once in the tree (a unit test looks for doubles). What is understood: `import { a, b } from './x.js';`,
# over several lines too, and `export` before a declaration; the entry's exports become the bundle's.
set -eu
[ $# -eq 1 ] || { echo "usage: bundle.sh ENTRY > OUT" >&2; exit 64; }
exec awk -v entry="$1" '
function fail(text) { print "bundle.sh: " text > "/dev/stderr"; failed = 1; exit 1 }
function resolve(from, name,   dir) {
    if (name !~ /^\.\.?\//) fail(from ": import of " name ", expected a relative path")
    dir = from
    if (!sub(/\/[^\/]*$/, "", dir)) dir = "."
    name = dir "/" name
    while (gsub(/\/\.\//, "/", name)) {}
    while (sub(/[^\/.][^\/]*\/\.\.\//, "", name)) {}
    return name
}
function include(file,   line, head, got, text, importing) {
    if (state[file] == 2) return
    if (state[file] == 1) fail(file " imports itself in a circle")
    state[file] = 1
    text = ""; importing = ""
    while ((got = (getline line < file)) > 0) {
        if (importing != "" || line ~ /^import /) {
            importing = importing line " "
            if (line ~ /;[ \t]*$/) {
                if (!match(importing, /from \047[^\047]+\047/)) fail(file ": cannot read " importing)
                head = substr(importing, RSTART + 6, RLENGTH - 7)
                importing = ""
                include(resolve(file, head))
            }
            continue
        }
        if (line ~ /^export (async )?(function|class|const|let) /) {
            sub(/^export /, "", line)
            if (file == entry) {
                head = line
                sub(/^async /, "", head); sub(/^(function|class|const|let) /, "", head); sub(/[^A-Za-z0-9_$].*/, "", head)
                names = names (names == "" ? "" : ", ") head
            }
        } else if (file == entry && line ~ /^export \{.*\};$/) {
            sub(/^export \{ */, "", line); sub(/ *\};$/, "", line)
            names = names (names == "" ? "" : ", ") line
            continue
        } else if (line ~ /^export /) {
            fail(file ": cannot read " line)
        }
        if (line !~ /^\/\* SPDX-License-Identifier: MIT \*\/$/) text = text line "\n"
    }
    if (got < 0) fail(file ": cannot be read")
    close(file)
    sub(/^\n+/, "", text)
    out = out "\n/* " file " */\n" text
    state[file] = 2
}
BEGIN {
    include(entry)
    print "/* SPDX-License-Identifier: MIT */"
    print "/* Made by webui/bundle.sh from the modules named below: change those. */"
    printf "%s", out
    print "\nexport { " names " };"
}'
