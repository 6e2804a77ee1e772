/* SPDX-License-Identifier: MIT */
import assert from 'node:assert/strict';
import test from 'node:test';
import { percent, topTwo } from '../../webui/views/bars.js';
import { PALETTES, colour, colourTable, tileGrid } from '../../webui/views/maps.js';
import { lightness } from '../../webui/views/theme.js';

test('percentages have the kernel\'s numbers to 1e-4', () => {
    for (const p of [0, 1, 0.93421, 0.00004, 0.5]) assert.ok(Math.abs(parseFloat(percent(p)) / 100 - p) <= 5.1e-5, percent(p));
    assert.equal(percent(0.9342), '93.42\u00a0%');
});

test('the two highest', () => {
    assert.deepEqual(topTwo([0.1, 0.7, 0.2]), [1, 2]);
    assert.deepEqual(topTwo([0.7, 0.1, 0.2]), [0, 2]);
    assert.deepEqual(topTwo([0.1, 0.2, 0.7]), [2, 1]);
    assert.deepEqual(topTwo([1]), [0, -1]);
});

test('zero has the same colour whatever the range is', () => {
    for (const palette of Object.values(PALETTES)) {
        assert.deepEqual(colour(palette, 0), palette.zero);
        assert.deepEqual(colour(palette, 1), palette.upper);
        assert.deepEqual(colour(palette, -1), palette.downer);
        assert.deepEqual([...colourTable(palette, 0, 3).slice(0, 3)], palette.zero);
        assert.deepEqual([...colourTable(palette, -3, 0).slice(1020, 1023)], palette.zero);
        assert.deepEqual([...colourTable(palette, 0, 0).slice(0, 3)], palette.zero);
        const around = colourTable(palette, -255, 255);
        const middle = [...around.slice(4 * 127, 4 * 127 + 3)];
        middle.forEach((value, i) => assert.ok(Math.abs(value - palette.zero[i]) <= 2));
    }
});

test('feature maps fit the width they are given', () => {
    for (const width of [150, 280, 320, 600, 700, 960, 2000])
        for (const count of [1, 6, 8, 16, 24, 32, 64, 200]) {
            const { columns, rows, tile } = tileGrid(width, count);
            assert.ok(columns * rows >= count, `${count} maps in ${columns} x ${rows}`);
            assert.ok((rows - 1) * columns < count, `an empty row: ${count} maps in ${columns} x ${rows}`);
            assert.ok(columns * (tile + 4) - 4 <= width, `${columns} tiles of ${tile} in ${width}`);
        }
});

test('how light a background is', () => {
    assert.equal(lightness('rgb(255, 255, 255)'), 1);
    assert.equal(lightness('rgb(0 0 0)'), 0);
    assert.ok(lightness('rgba(17, 17, 17, 0.9)') < 0.1);
    assert.equal(lightness('rgba(0, 0, 0, 0)'), null);
    assert.equal(lightness('transparent'), null);
});

test('a grid of feature maps has no gaps where that costs little height', () => {
    assert.deepEqual(tileGrid(952, 32), { columns: 16, rows: 2, tile: 55 });
    assert.deepEqual(tileGrid(952, 16), { columns: 16, rows: 1, tile: 55 });
    for (const width of [300, 500, 760, 952]) {
        const { columns, rows } = tileGrid(width, 64);
        assert.ok(columns * rows - 64 < rows, `${columns} x ${rows} in ${width}`);
    }
});
