/* SPDX-License-Identifier: MIT */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { POINTS_MAX, STROKES_MAX, VIEW_MIME, VIEW_TARGET, decodeBytes, openData, readAnswer, readMessage, readStrokes, strokesFrame } from '../../webui/protocol.js';

const source = (path) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const bytes = (n, f) => Buffer.from(Array.from({ length: n }, (_, i) => f(i)));

const ANSWER = {
    type: 'answer', seq: 7, final: true, empty: false, prediction: 7, elapsed_ms: 0.21,
    probabilities: [0, 0, 0, 0.02, 0, 0, 0, 0.97, 0, 0.01], model: { name: 'inkling', version: 3 },
    picture: bytes(784, (i) => i % 256).toString('base64'), preparation: ['scaled 0.12'],
    layers: [{ name: 'conv1', op: 'conv', shape: [2, 3, 4], min: -1.5, max: 3, maps: bytes(24, (i) => i).toString('base64') }],
    bundle: { 'text/plain': '7' },
};

test('base64 of every length and byte', () => {
    for (let n = 0; n < 260; n++) {
        const raw = bytes(n, (i) => (i * 37) % 256);
        assert.deepEqual(Buffer.from(decodeBytes(raw.toString('base64'))), raw);
    }
    assert.throws(() => decodeBytes('a'));
    assert.throws(() => decodeBytes('%%%%'));
});

test('frames have the fields of the contract, and no others', () => {
    assert.deepEqual(openData('draw', 'a1'), { v: 1, view: 'draw', id: 'a1' });
    const frame = strokesFrame({ seq: 1, id: 'a1', size: 280, brush: 22, strokes: [[1, 2]], final: false, layers: 2, more: 1 });
    assert.deepEqual(frame, { type: 'strokes', seq: 1, id: 'a1', size: 280, brush: 22, strokes: [[1, 2]], final: false, layers: 2 });
});

test('an answer is decoded', () => {
    const answer = readMessage(ANSWER);
    assert.equal(answer.prediction, 7);
    assert.equal(answer.elapsedMs, 0.21);
    assert.equal(answer.picture.length, 784);
    assert.equal(answer.picture[300], 300 % 256);
    assert.deepEqual([...answer.layers[0].maps], Array.from({ length: 24 }, (_, i) => i));
    assert.deepEqual(answer.bundle, { 'text/plain': '7' });
});

test('an answer to an empty drawing has no prediction', () => {
    const answer = readAnswer({ type: 'answer', seq: 1, final: true, empty: true });
    assert.equal(answer.prediction, -1);
    assert.deepEqual(answer.probabilities, []);
    assert.equal(answer.picture, null);
});

for (const [what, change, wanted] of [
    ['a picture of the wrong size', { picture: bytes(100, () => 0).toString('base64') }, /picture of 100 bytes, expected 784/],
    ['a prediction out of range', { prediction: 10 }, /prediction 10 of 10/],
    ['no probabilities', { probabilities: [] }, /of 0 probabilities/],
    ['maps that do not fit their shape', { layers: [{ ...ANSWER.layers[0], shape: [2, 3, 5] }] }, /layer conv1: 24 bytes of maps, expected the shape 2x3x5/],
    ['a negative shape', { layers: [{ ...ANSWER.layers[0], shape: [-2, -3, 4] }] }, /layer conv1/],
    ['base64 that is none', { picture: '!' }, /./],
    ['a type that is none', { type: 'oops' }, /message of type oops/],
]) {
    test(`refused: ${what}`, () => assert.throws(() => readMessage({ ...ANSWER, ...change }), wanted));
}

test('refused: no object at all', () => {
    for (const raw of [null, undefined, 1, 'x', []]) assert.throws(() => readMessage(raw), /expected hello, answer or error/);
});

test('hello: the model, the labels and what the view said last', () => {
    const hello = readMessage({ type: 'hello', v: 1, model: { name: 'inkling', version: 3, parameters: 192618,
        layers: [{ name: 'image', op: 'input', shape: [1, 28, 28] }, { name: 'conv1', op: 'conv', shape: [8, 26, 26], more: 1 }, { name: 'dense1', op: 'dense', shape: [10, 1, 1] }, {}] },
        labels: ['0', '1'], answer: ANSWER, strokes: [[1, 2, 3, 4]] });
    assert.deepEqual(hello.model, { name: 'inkling', version: 3, parameters: 192618 });
    assert.deepEqual(hello.layers, [{ name: 'conv1', op: 'conv', shape: [8, 26, 26] }]);
    assert.equal(hello.answer.prediction, 7);
    assert.deepEqual(hello.strokes, [[1, 2, 3, 4]]);
    assert.equal(readMessage({ type: 'hello', answer: null, strokes: null }).strokes, null);
});

test('strokes from a file: what is not a list of points is dropped', () => {
    assert.deepEqual(readStrokes([[1, 2], [1], 'x', [1, NaN], [1, 2, 3], [], null, [5, 6, 7, 8]]), [[1, 2], [5, 6, 7, 8]]);
    assert.deepEqual(readStrokes('x'), []);
});

test('the adapters name the same MIME type', () => {
    for (const path of ['webui/jupyter/kernel.js', 'webui/jupyter/lab/remoteEntry.js'])
        assert.ok(source(path).includes(`const MIME = '${VIEW_MIME}'`), path);
    assert.equal(VIEW_TARGET, 'inkling.v1');
    assert.ok(STROKES_MAX > 0 && POINTS_MAX > STROKES_MAX);
});
