/* SPDX-License-Identifier: MIT */
import assert from 'node:assert/strict';
import test from 'node:test';
import { POINTS_MAX, STROKES_MAX } from '../../webui/protocol.js';
import { HISTORY_MAX, Strokes } from '../../webui/views/strokes.js';

function line(strokes, x0, y0, x1, y1, brush = 20) {
    strokes.begin(x0, y0, brush);
    for (let i = 1; i <= 10; i++) strokes.add(x0 + ((x1 - x0) * i) / 10, y0 + ((y1 - y0) * i) / 10);
    strokes.end();
}

test('a stroke goes out as flat points with one decimal, while it is drawn and after', () => {
    const strokes = new Strokes();
    assert.ok(strokes.isEmpty);
    strokes.begin(10.123, 20.456, 22);
    assert.deepEqual(strokes.toWire(), [[10.1, 20.5]]);
    strokes.add(30, 20.456);
    strokes.end();
    const [points] = strokes.toWire();
    assert.equal(points.length % 2, 0);
    for (const value of points) assert.equal(value, Math.round(value * 10) / 10);
    assert.deepEqual(points.slice(-2), [30, 20.5]);
    assert.ok(!strokes.isEmpty);
});

test('what goes out does not change when the stroke goes on', () => {
    const strokes = new Strokes();
    strokes.begin(0, 0, 22);
    const before = strokes.toWire();
    strokes.add(50, 50);
    assert.deepEqual(before, [[0, 0]]);
});

test('smoothing takes out shaking and still ends where the pointer ends', () => {
    const strokes = new Strokes();
    strokes.begin(0, 100, 22);
    for (let x = 4; x <= 200; x += 4) strokes.add(x, 100 + (x % 8 === 0 ? 3 : -3));
    strokes.end();
    const [points] = strokes.toWire();
    const ys = points.filter((_, i) => i % 2 === 1).slice(2, -2);
    const wobble = Math.max(...ys) - Math.min(...ys);
    assert.ok(wobble < 6 * 0.65, `wobble ${wobble} of 6`);
    assert.deepEqual(points.slice(-2), [200, 103]);
});

test('points too near to the last one are left out', () => {
    const strokes = new Strokes();
    strokes.begin(10, 10, 22);
    for (let i = 0; i < 100; i++) assert.equal(strokes.add(10.2, 10.1), false);
    strokes.end();
    assert.deepEqual(strokes.toWire(), [[10, 10]]);
});

test('undo and redo restore every state exactly, over more than 100 steps', () => {
    const strokes = new Strokes();
    const states = [JSON.stringify(strokes.toWire())];
    for (let i = 0; i < 120; i++) {
        line(strokes, i, 0, i, 100);
        states.push(JSON.stringify(strokes.toWire()));
    }
    for (let i = 119; i >= 0; i--) {
        assert.ok(strokes.undo());
        assert.equal(JSON.stringify(strokes.toWire()), states[i]);
    }
    assert.equal(strokes.undo(), false);
    for (let i = 1; i <= 120; i++) {
        assert.ok(strokes.redo());
        assert.equal(JSON.stringify(strokes.toWire()), states[i]);
    }
    assert.equal(strokes.redo(), false);
});

test('clear can be undone; a new stroke ends what could be redone', () => {
    const strokes = new Strokes();
    line(strokes, 0, 0, 100, 100);
    const before = JSON.stringify(strokes.toWire());
    assert.ok(strokes.clear());
    assert.ok(strokes.isEmpty);
    assert.equal(strokes.clear(), false);
    assert.ok(strokes.undo());
    assert.equal(JSON.stringify(strokes.toWire()), before);
    assert.ok(strokes.canRedo);
    line(strokes, 0, 100, 100, 0);
    assert.equal(strokes.canRedo, false);
});

test('undo while the pen is down takes back the stroke under it', () => {
    const strokes = new Strokes();
    strokes.begin(0, 0, 22);
    strokes.add(50, 50);
    assert.ok(strokes.undo());
    assert.ok(strokes.isEmpty);
});

test('the history has an end', () => {
    const strokes = new Strokes();
    for (let i = 0; i < HISTORY_MAX; i++) {
        line(strokes, 0, 0, 50, 50);
        strokes.clear();
    }
    let steps = 0;
    while (strokes.undo()) steps++;
    assert.equal(steps, HISTORY_MAX);
});

test('one sweep of the eraser takes whole strokes and comes back with one undo', () => {
    const strokes = new Strokes();
    line(strokes, 20, 20, 20, 200);
    line(strokes, 100, 20, 100, 200);
    line(strokes, 250, 20, 250, 200);
    assert.equal(strokes.beginWipe(60, 100, 5), false);
    assert.ok(strokes.wipe(160, 100, 5), 'a fast pointer jumps over the line');
    assert.equal(strokes.list.length, 2);
    assert.ok(strokes.wipe(25, 100, 5));
    assert.equal(strokes.list.length, 1);
    assert.ok(strokes.undo());
    assert.equal(strokes.list.length, 3);
});

test('it never grows beyond what the kernel takes', () => {
    const many = new Strokes();
    for (let i = 0; i < STROKES_MAX + 5; i++) line(many, 0, 0, 50, 50);
    assert.equal(many.toWire().length, STROKES_MAX);
    assert.ok(many.isFull);
    assert.equal(many.begin(0, 0, 22), false);

    const long = new Strokes();
    long.begin(0, 0, 22);
    for (let i = 0; i < POINTS_MAX + 100; i++) long.add(i % 2 ? 0 : 200, i % 100, null, 1);
    long.end();
    assert.equal(long.toWire()[0].length / 2, POINTS_MAX);
    assert.ok(long.isFull);
    assert.ok(long.undo());
    assert.equal(long.isFull, false);
});

test('a saved drawing comes back with its strokes as the history', () => {
    const strokes = new Strokes();
    const wire = [[1, 2, 3, 4], [5, 6, 7, 8]];
    strokes.load(wire, 22);
    assert.deepEqual(strokes.toWire(), wire);
    assert.ok(strokes.undo());
    assert.deepEqual(strokes.toWire(), [[1, 2, 3, 4]]);
    assert.ok(strokes.undo());
    assert.ok(strokes.isEmpty);
    assert.equal(strokes.undo(), false);
});

test('pressure is kept a point, but does not go out', () => {
    const strokes = new Strokes();
    strokes.begin(0, 0, 20, 0.5);
    strokes.add(50, 0, 0.9);
    strokes.end();
    const [stroke] = strokes.list;
    assert.equal(stroke.widths.length, stroke.points.length / 2);
    assert.equal(stroke.widths[0], 0.5);
    assert.ok(strokes.toWire().every((points) => points.every(Number.isFinite)));
});
