/* SPDX-License-Identifier: MIT */
import assert from 'node:assert/strict';
import test from 'node:test';
import { ANSWER_TIMEOUT_MS, Link, SLOW_MS } from '../../webui/link.js';

/** Timers that run when the test says so. */
class Clock {
    now = 0;
    queue = [];
    set = (f, ms) => {
        const timer = { at: this.now + ms, f };
        this.queue.push(timer);
        return timer;
    };
    clear = (timer) => (this.queue = this.queue.filter((other) => other !== timer));
    async advance(ms) {
        const end = this.now + ms;
        for (;;) {
            const due = this.queue.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
            if (!due) break;
            this.now = due.at;
            this.clear(due);
            due.f();
            await settle();
        }
        this.now = end;
    }
}

const settle = () => new Promise((done) => setImmediate(done));
const HELLO = { type: 'hello', v: 1, model: { name: 'm', version: 1, parameters: 1 }, labels: [], answer: null, strokes: null };
const reply = (seq) => ({ type: 'answer', seq, final: false, empty: false, prediction: 0, probabilities: [1] });
const frame = (seq, since = seq) => ({ data: { type: 'strokes', seq }, since, time: seq });

/** A link, its transports and what it reported. */
async function start({ greet = true, open } = {}) {
    const clock = new Clock();
    const made = [];
    const seen = { states: [], answers: [], errors: [], hellos: 0 };
    const link = new Link(open || ((data) => {
        const transport = { data, sent: [], closed: false, onmessage: null, onclose: null,
            send: (message) => transport.sent.push(message.seq), close: () => (transport.closed = true) };
        made.push(transport);
        return transport;
    }), 'draw', 'id1', {
        onhello: () => seen.hellos++,
        onanswer: (answer, f) => seen.answers.push([answer.seq, f.since]),
        onerror: (message) => seen.errors.push(message),
        onstate: (state) => seen.states.push(state),
    }, clock);
    link.connect();
    await settle();
    if (greet && made.length) made[0].onmessage(HELLO);
    return { link, clock, made, seen };
}

test('nothing is sent before the hello; the open data names the view', async () => {
    const { link, made, seen } = await start({ greet: false });
    assert.deepEqual(made[0].data, { v: 1, view: 'draw', id: 'id1' });
    link.push(frame(1));
    assert.deepEqual(made[0].sent, []);
    made[0].onmessage(HELLO);
    assert.deepEqual(made[0].sent, [1]);
    assert.deepEqual(seen.states, ['opening', 'live']);
});

test('one frame in flight, the newest waits, those between are dropped', async () => {
    const { link, made, seen } = await start();
    for (let seq = 1; seq <= 5; seq++) link.push(frame(seq));
    assert.deepEqual(made[0].sent, [1]);
    made[0].onmessage(reply(1));
    assert.deepEqual(made[0].sent, [1, 5]);
    made[0].onmessage(reply(5));
    assert.deepEqual(made[0].sent, [1, 5]);
    assert.deepEqual(seen.answers, [[1, 1], [5, 2]], 'the last frame knows since when its input waits');
});

test('answers to other frames are not taken', async () => {
    const { link, made, seen } = await start();
    link.push(frame(3));
    made[0].onmessage(reply(2));
    assert.deepEqual(seen.answers, []);
    made[0].onmessage(reply(3));
    assert.deepEqual(seen.answers.length, 1);
});

test('slow after a while, then dropped and opened again, with the same frame', async () => {
    const { link, clock, made, seen } = await start();
    link.push(frame(1));
    await clock.advance(SLOW_MS);
    assert.equal(link.state, 'slow');
    await clock.advance(ANSWER_TIMEOUT_MS - SLOW_MS);
    assert.equal(link.state, 'lost');
    assert.ok(made[0].closed);
    await clock.advance(300);
    assert.equal(made.length, 2);
    made[1].onmessage(HELLO);
    assert.deepEqual(made[1].sent, [1]);
    made[1].onmessage(reply(1));
    assert.equal(link.state, 'live');
    assert.equal(seen.answers.length, 1);
});

test('a newer frame takes the place of the one that got no answer', async () => {
    const { link, clock, made } = await start();
    link.push(frame(1));
    link.push(frame(2));
    await clock.advance(ANSWER_TIMEOUT_MS + 300);
    made[1].onmessage(HELLO);
    assert.deepEqual(made[1].sent, [2]);
});

test('closed from the other side: opened again', async () => {
    const { clock, made, seen } = await start();
    made[0].onclose();
    assert.equal(seen.states.at(-1), 'lost');
    await clock.advance(300);
    assert.equal(made.length, 2);
});

test('attempts get rarer, up to one in eight seconds, and a hello resets that', async () => {
    const { link, clock, made } = await start();
    made[0].onclose();
    const times = [];
    let count = made.length;
    for (let i = 0; i < 60000; i += 50) {
        await clock.advance(50);
        if (made.length > count) times.push(clock.now);
        count = made.length;
    }
    const pauses = times.slice(1).map((t, i) => t - times[i]);
    assert.ok(pauses.every((pause, i) => i === 0 || pause >= pauses[i - 1] - 50), String(pauses));
    assert.ok(pauses.at(-1) <= 8000 + ANSWER_TIMEOUT_MS + 50, String(pauses));
    assert.ok(made.length < 12, `${made.length} attempts in a minute`);
    while (made.length === count) await clock.advance(50);
    made.at(-1).onmessage(HELLO);
    count = made.length;
    made.at(-1).onclose();
    await clock.advance(300);
    assert.equal(made.length, count + 1);
    link.end();
});

test('no kernel: no attempts until the adapter knows of one', async () => {
    let kernel = false;
    const opened = [];
    const { link, clock, seen } = await start({ open: () => {
        if (!kernel) return null;
        const transport = { send() {}, close() {}, onmessage: null, onclose: null };
        opened.push(transport);
        return transport;
    } });
    await clock.advance(30000);
    assert.equal(link.state, 'none');
    kernel = true;
    link.connect();
    await settle();
    assert.equal(opened.length, 1);
    opened[0].onmessage(HELLO);
    assert.equal(seen.hellos, 1);
    assert.equal(link.state, 'live');
});

test('an open that throws or never ends is tried again', async () => {
    let calls = 0;
    const { link, clock } = await start({ open: () => {
        calls++;
        if (calls === 1) throw new Error('no');
        return new Promise(() => {});
    } });
    assert.equal(link.state, 'lost');
    await clock.advance(300);
    assert.equal(calls, 2);
    await clock.advance(ANSWER_TIMEOUT_MS + 1000);
    assert.equal(calls, 3);
});

test('a transport that comes too late is closed', async () => {
    const late = { closed: false, send() {}, close: () => (late.closed = true), onmessage: null, onclose: null };
    let give;
    const { link } = await start({ open: () => new Promise((done) => (give = done)) });
    link.end();
    give(late);
    await settle();
    assert.ok(late.closed);
});

test('an error message frees the way for the next frame', async () => {
    const { link, made, seen } = await start();
    link.push(frame(1));
    link.push(frame(2));
    made[0].onmessage({ type: 'error', seq: 1, message: 'too many points' });
    assert.deepEqual(seen.errors, ['too many points']);
    assert.deepEqual(made[0].sent, [1, 2]);
});

test('what cannot be read is reported and does not block', async () => {
    const { link, made, seen } = await start();
    link.push(frame(1));
    link.push(frame(2));
    made[0].onmessage({ ...reply(1), prediction: 99 });
    assert.match(seen.errors[0], /prediction 99/);
    assert.deepEqual(made[0].sent, [1, 2]);
});

test('after end nothing is sent, opened or reported', async () => {
    const { link, clock, made, seen } = await start();
    link.push(frame(1));
    const states = seen.states.length;
    link.end();
    assert.ok(made[0].closed);
    link.push(frame(2));
    link.connect();
    await clock.advance(60000);
    assert.equal(made.length, 1);
    assert.deepEqual(made[0].sent, [1]);
    assert.equal(seen.states.length, states);
});
