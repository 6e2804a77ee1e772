/* SPDX-License-Identifier: MIT */

/* What `export --format onnx` writes gives, in ONNX Runtime, the answers of the program itself. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PROGRAM = process.env.INKLING || join(ROOT, 'build/inkling');
const DATA = process.env.INKLING_DATA || join(ROOT, '../shared/data');
const PICTURES = `${DATA}/mnist/t10k-images-idx3-ubyte`;
const ZOO = readdirSync(join(ROOT, 'model/zoo')).filter((name) => name.endsWith('.arch')).map((name) => name.slice(0, -5));
const COUNT = 1000;
const TOLERANCE = 1e-5;

let ort = null;
try {
    ort = (await import('onnxruntime-node')).default;
} catch {
    /* npm could not install it */
}
const hasPictures = existsSync(PICTURES) || existsSync(`${PICTURES}.gz`);
const skip = !ort ? 'no onnxruntime-node: npm ci --ignore-scripts --prefix tests/onnx'
    : !hasPictures ? `no ${PICTURES} (INKLING_DATA names the folder)` : false;

let folder;

/** The program's standard output. */
function inkling(...words) {
    return execFileSync(PROGRAM, words, { cwd: folder, env: { ...process.env, HOME: folder, INKLING_STORE: join(folder, 'store'), INKLING_DATA: DATA },
        maxBuffer: 64 << 20, stdio: ['ignore', 'pipe', 'pipe'] }).toString();
}

/** Pixels of the test half's first pictures, 0 to 1. */
function pictures() {
    const file = existsSync(PICTURES) ? readFileSync(PICTURES) : gunzipSync(readFileSync(`${PICTURES}.gz`));
    return Float32Array.from(file.subarray(16, 16 + COUNT * 784), (byte) => Math.fround(byte / 255));
}

/** Weights that learned a little, from scribbles: batch normalisation has statistics then. */
function train(arch, file) {
    inkling('train', '--model', arch, '--data', 'scribbles.jsonl', '--validation', 'none', '--epochs', '1', '--batch', '24', '--lr', '0.003',
        '--threads', '1', '--save', file);
}

/** All outputs for all pictures, `batch` at a time. */
async function run(session, pixels, batch) {
    const answers = { probabilities: [], scores: [] };
    for (let first = 0; first < COUNT; first += batch) {
        const count = Math.min(batch, COUNT - first);
        const input = new ort.Tensor('float32', pixels.subarray(first * 784, (first + count) * 784), [count, 1, 28, 28]);
        const outputs = await session.run({ [session.inputNames[0]]: input });
        for (const name of Object.keys(answers)) {
            assert.deepEqual(outputs[name].dims, [count, 10]);
            answers[name].push(...outputs[name].data);
        }
    }
    return answers;
}

/** The largest difference, and where two lists do not agree. */
function compare(what, got, wanted, tolerance) {
    assert.equal(got.length, wanted.length);
    const worst = wanted.reduce((high, value, i) => Math.max(high, Math.abs(value - got[i])), 0);
    assert.ok(worst <= tolerance, `${what}: ${worst} apart, expected ${tolerance} at most`);
    return worst;
}

before(() => {
    folder = mkdtempSync(join(tmpdir(), 'inkling-onnx-'));
    let seed = 7;
    const random = () => (seed = (seed * 1103515245 + 12345) % 2147483648) % 100;
    writeFileSync(join(folder, 'scribbles.jsonl'), Array.from({ length: 96 }, (_, i) => JSON.stringify(
        { label: i % 10, strokes: [Array.from({ length: 6 + 2 * (i % 10) }, random)] })).join('\n'));
});

after(() => rmSync(folder, { recursive: true, force: true }));

/** Export a network, run it, compare. `layer`: the node whose output the scores are. */
async function check(model, layer) {
    inkling('export', '--format', 'onnx', '--model', model, '--out', 'net.onnx');
    const session = await ort.InferenceSession.create(join(folder, 'net.onnx'), { logSeverityLevel: 3 });
    const pixels = pictures();
    const wanted = JSON.parse(inkling('predict', '--model', model, '--data', 'mnist', `test[0:${COUNT}]`, '--json'));
    const probabilities = wanted.flatMap((one) => one.probabilities);
    const answers = await run(session, pixels, 64);
    compare('probabilities', answers.probabilities, probabilities, TOLERANCE);
    compare('probabilities one by one', (await run(session, pixels, 1)).probabilities, probabilities, TOLERANCE);
    for (const index of [0, 1, 8, 18, 340, 999]) { /* where a softmax is full, scores still differ */
        const { values } = JSON.parse(inkling('inspect', layer, `test[${index}]`, '--model', model, '--data', 'mnist', '--json'));
        const size = Math.max(1, ...values.map(Math.abs));
        compare(`scores of picture ${index}`, answers.scores.slice(index * 10, index * 10 + 10), values, TOLERANCE * size);
    }
    await session.release();
    return session;
}

for (const name of ZOO) {
    test(`onnx: ${name}, trained a little`, { skip }, async () => {
        train(name, 'net.safetensors');
        const nodes = JSON.parse(inkling('layers', name, '--json'));
        const session = await check('./net.safetensors', nodes.at(-1).name);
        assert.deepEqual(session.inputNames, [nodes[0].name]);
        assert.deepEqual(session.outputNames, ['probabilities', 'scores']);
    });
}

test('onnx: the network that ships', { skip }, () => check('inkling', 'dense1'));

test('onnx: every operator, in odd sizes', { skip }, async () => {
    train(fileURLToPath(new URL('all.arch', import.meta.url)), 'all.safetensors');
    await check('./all.safetensors', 'drop2');
});

test('onnx: names that are also those of the outputs', { skip }, async () => {
    writeFileSync(join(folder, 'names.arch'), 'scores: input 1x28x28\nflat: flatten\nprobabilities: dense 10\n');
    train('names.arch', 'names.safetensors');
    const session = await check('./names.safetensors', 'probabilities');
    assert.deepEqual(session.inputNames, ['scores.in']);
});

test('onnx: what is known of the network is in the file', { skip }, () => {
    inkling('export', '--out', 'inkling.onnx');
    const text = readFileSync(join(folder, 'inkling.onnx')).toString('latin1');
    for (const known of ['architecture', 'conv1:  conv 32 5x5', 'labels', '0 1 2 3 4 5 6 7 8 9', 'pixels / 255', 'command', 'epochs'])
        assert.ok(text.includes(known), known);
});
