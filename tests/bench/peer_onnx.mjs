// SPDX-License-Identifier: MIT
// ONNX Runtime's side of the comparisons: a line of JSON in, a line of JSON out.
//
//   node peer_onnx.mjs FOLDER            FOLDER/node_modules has onnxruntime-node (tests/bench/measure.py puts it there)
//   node peer_onnx.mjs FOLDER MODEL      one answer to one picture, from a cold start; prints the digit
//
//   {"do": "version"}
//   {"do": "answer", "model": FILE.onnx, "threads": 1, "count": 1, "rounds": 2000, "gap_ms": 0}
//   {"do": "show", "model": FILE.onnx, "count": 100}     the outputs for the first test pictures
//
// At its best: all graph optimisations, one execution mode, outputs into memory that is there already, and the session's
// own call without the promise around it that the public interface adds.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { gunzipSync } from 'node:zlib';
import { join, resolve } from 'node:path';

const [folder, once] = process.argv.slice(2);
const require = createRequire(join(resolve(folder), 'package.json'));
const { Tensor } = require('onnxruntime-node');
const { binding, initOrt } = require('onnxruntime-node/dist/binding');
const sessions = new Map();
let pixels = null; // [10000][784], 0..1

function pictures(first, count) {
  if (!pixels) {
    const data = process.env.INKLING_DATA ?? '../shared/data';
    pixels = Float32Array.from(gunzipSync(readFileSync(join(data, 'mnist/t10k-images-idx3-ubyte.gz'))).subarray(16), (byte) => byte / 255);
  }
  return pixels.subarray(first * 784, (first + count) * 784);
}

class Session {
  constructor(model, threads, count) {
    initOrt();
    this.session = new binding.InferenceSession();
    this.session.loadModel(model, { intraOpNumThreads: threads, interOpNumThreads: 1, executionMode: 'sequential',
      graphOptimizationLevel: 'all', enableCpuMemArena: true, enableMemPattern: true });
    this.input = this.session.inputMetadata[0].name;
    this.output = this.session.outputMetadata[0].name;
    this.pixels = new Float32Array(count * 784);
    this.feeds = { [this.input]: new Tensor('float32', this.pixels, [count, 1, 28, 28]) };
    this.result = new Float32Array(count * 10);
    this.fetches = { [this.output]: new Tensor('float32', this.result, [count, 10]) };
  }

  run() {
    return this.session.run(this.feeds, this.fetches, {})[this.output];
  }
}

function sessionOf({ model, threads = 1, count = 1 }) {
  const key = `${model} ${threads} ${count}`;
  if (!sessions.has(key)) {
    for (const old of sessions.values()) old.session.dispose();
    sessions.clear();
    sessions.set(key, new Session(model, threads, count));
  }
  return sessions.get(key);
}

const pause = (ms) => ms > 0 && Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

function answer(request) {
  const { count, rounds, gap_ms: gap } = request;
  const session = sessionOf(request);
  const parts = Math.floor(10000 / count);
  const warm = gap > 0 ? 3 : Math.floor(rounds / 10) + 3;
  const times = [];
  for (let round = -warm; round < rounds; round++) {
    session.pixels.set(pictures(((round + warm) % parts) * count, count));
    pause(gap);
    const start = process.hrtime.bigint();
    session.run();
    if (round >= 0) times.push(Number(process.hrtime.bigint() - start) / 1e3);
  }
  times.sort((a, b) => a - b);
  return { p50_us: times[rounds >> 1], p99_us: times[Math.floor(rounds * 0.99)] };
}

function show(request) {
  const session = sessionOf({ ...request, count: 1 });
  const outputs = [];
  for (let index = 0; index < request.count; index++) {
    session.pixels.set(pictures(index, 1));
    session.run();
    outputs.push(...session.result);
  }
  return outputs;
}

const commands = { version: () => ({ version: require('onnxruntime-node/package.json').version }), answer, show };

if (once) {
  const session = new Session(once, 1, 1);
  session.pixels[14 * 28 + 14] = 1;
  session.run();
  console.log(session.result.indexOf(Math.max(...session.result)));
} else {
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line);
    console.log(JSON.stringify(commands[request.do](request)));
  }
}
