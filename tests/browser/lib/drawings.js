/* SPDX-License-Identifier: MIT */

/* drawings: digits that people drew, from the data set that is never trained on. */

import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';

const DATA = process.env.INKLING_DATA || fileURLToPath(new URL('../../../../shared/data', import.meta.url));
const FILE = `${DATA}/drawings/drawings.jsonl.gz`;

export const hasDrawings = existsSync(FILE);
export const noDrawings = hasDrawings ? false : `no ${FILE} (INKLING_DATA names the folder)`;

let lines = null;
function all() {
    lines ??= gunzipSync(readFileSync(FILE)).toString().trim().split('\n').map((line) => JSON.parse(line));
    return lines;
}

/** The n-th drawing of each digit: [{ label, strokes: [[[x, y], ...], ...] }], in units of its longest side, centred on 0. */
export function drawingOfEachDigit(n = 0) {
    return Array.from({ length: 10 }, (_, digit) => unit(all().filter((drawing) => drawing.label === digit)[n]));
}

function unit({ label, strokes }) {
    const xs = strokes.flatMap((s) => s.filter((_, i) => i % 2 === 0));
    const ys = strokes.flatMap((s) => s.filter((_, i) => i % 2 === 1));
    const [x0, x1, y0, y1] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    const longest = Math.max(x1 - x0, y1 - y0) || 1;
    const pair = (s, i) => [(s[2 * i] - (x0 + x1) / 2) / longest, (s[2 * i + 1] - (y0 + y1) / 2) / longest];
    return { label, strokes: strokes.map((s) => Array.from({ length: s.length / 2 }, (_, i) => pair(s, i))) };
}

/** A seven without the data set: for tests that want a stroke, whatever it is. */
export const SEVEN = { label: 7, strokes: [[
    ...Array.from({ length: 14 }, (_, i) => [-0.3 + (0.6 * i) / 13, -0.5]),
    ...Array.from({ length: 18 }, (_, i) => [0.3 - (0.4 * (i + 1)) / 18, -0.5 + (i + 1) / 18]),
]] };
export const ONE = { label: 1, strokes: [Array.from({ length: 24 }, (_, i) => [0.06 - (0.12 * i) / 23, -0.5 + i / 23])] };
