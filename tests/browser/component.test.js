/* SPDX-License-Identifier: MIT */

/* The view with a scripted server: what it does when the kernel is slow, silent, gone or refuses. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { answer, serve } from './harness/server.mjs';
import { View, launch, watchErrors } from './lib/browser.js';
import { ONE, SEVEN } from './lib/drawings.js';

let browser;
before(async () => (browser = await launch()));
after(async () => browser && browser.close());

async function withView(run, { script = {}, ready = true } = {}) {
    const server = await serve();
    Object.assign(server.script, script);
    const page = await browser.newPage({ viewport: { width: 1100, height: 960 } });
    const errors = watchErrors(page);
    try {
        await page.goto(server.url);
        const view = new View(page);
        if (ready) await view.ready();
        await run(view, page, server);
    } finally {
        await page.close();
        server.close();
    }
    assert.deepEqual(errors, []);
}

const says = (view, pattern, timeout) => view.until((host, source) => new RegExp(source).test(host.shadowRoot.querySelector('.foot').textContent), pattern, timeout, `"${pattern}"`);

test('component: one frame in flight, the newest wins, and the last is final', () => withView(async (view, page, server) => {
    let open = 0, most = 0;
    server.script.reply = async (frame) => {
        most = Math.max(most, ++open);
        await new Promise((done) => setTimeout(done, 60));
        open--;
        return answer(frame);
    };
    server.frames.length = 0;
    await view.answered(() => view.draw(SEVEN, { pace: 8 }));
    assert.equal(most, 1);
    assert.ok(server.frames.length < 25, `${server.frames.length} frames of a stroke with ${SEVEN.strokes[0].length} points`);
    const last = server.frames.at(-1);
    assert.equal(last.final, true);
    assert.ok(server.frames.every((frame, i) => i === 0 || frame.seq > server.frames[i - 1].seq));
    const sent = last.strokes[0];
    const box = await view.canvas.boundingBox();
    const scale = 280 / box.width;
    const end = SEVEN.strokes[0].at(-1).map((v) => 140 + 0.62 * 280 * v);
    assert.ok(Math.hypot(sent.at(-2) - end[0], sent.at(-1) - end[1]) <= 1 + scale, `ends at ${sent.slice(-2)}, drawn to ${end}`);
}));

test('component: a slow kernel is said to be slow, and the drawing goes on', () => withView(async (view, page, server) => {
    server.script.reply = async (frame) => {
        await new Promise((done) => setTimeout(done, 1200));
        return answer(frame);
    };
    await view.draw(ONE);
    await says(view, 'Waiting for the server');
    await says(view, 'Live', 6000);
    assert.ok((await view.ink()) > 500);
}));

test('component: a silent kernel is left, reached again, and gets the whole drawing', () => withView(async (view, page, server) => {
    let silent = true;
    server.script.reply = (frame) => (silent ? new Promise(() => {}) : answer(frame));
    await view.draw(ONE);
    await says(view, 'does not answer', 4000);
    await view.draw(SEVEN);
    silent = false;
    await view.until((host) => host.inklingAnswers.some((a) => a.final), null, 12000, 'a final answer');
    assert.equal((await view.read()).best, '2', 'both strokes arrived');
}));

test('component: a server with a token: the page asks, or takes it from the link, and a reload keeps it', () => withView(async (view, page, server) => {
    const box = page.getByLabel('This server asks for its token');
    await box.fill('wrong');
    await page.getByRole('button', { name: 'Open' }).click();
    await box.fill('secret');
    await page.getByRole('button', { name: 'Open' }).click();
    await view.ready();
    assert.equal(await box.isVisible(), false);
    await page.reload();
    await new View(page).ready();
    const other = await browser.newPage();
    await other.goto(`${server.url}#token=secret`);
    await new View(other).ready();
    assert.equal(other.url(), server.url);
    await other.close();
}, { script: { token: 'secret' }, ready: false }));

test('component: what the kernel refuses is said in its words', () => withView(async (view, page, server) => {
    server.script.reply = (frame) => (frame.type ? { type: 'error', seq: frame.seq, message: 'strokes: 201, expected at most 200' } : answer(frame));
    await view.draw(ONE);
    await says(view, '201, expected at most 200');
    server.script.reply = answer;
    await view.answered(() => view.draw(ONE));
    assert.equal(await view.host.locator('.trouble').textContent(), '');
}));

test('component: an answer that cannot be read changes nothing and blocks nothing', () => withView(async (view, page, server) => {
    await view.answered(() => view.draw(ONE));
    server.script.reply = (frame) => ({ ...answer(frame), picture: 'AAAA' });
    await view.draw(ONE);
    await says(view, 'picture of 3 bytes, expected 784');
    assert.equal((await view.read()).best, '1');
    server.script.reply = answer;
    await view.answered(() => view.draw(ONE));
    assert.equal((await view.read()).best, '3');
}));

test('component: undo and redo restore the pixels exactly, over 100 strokes', () => withView(async (view) => {
    const picture = () => view.canvas.evaluate((canvas) => canvas.toDataURL());
    const states = [];
    const dot = (i) => ({ strokes: [[[-0.5 + (i % 10) / 10, -0.5 + Math.floor(i / 10) / 10]]] });
    const settled = () => view.host.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
    for (let i = 0; i < 101; i++) {
        await view.draw(dot(i));
        if (i % 20 === 0) {
            await settled();
            states.push([i, await picture()]);
        }
    }
    const undo = view.host.getByRole('button', { name: 'Undo' });
    let at = 100;
    for (const [i, expected] of states.reverse()) {
        for (; at > i; at--) await undo.click();
        await settled();
        assert.equal(await picture(), expected, `after undo to stroke ${i}`);
    }
    await undo.click();
    await settled();
    assert.equal(await undo.isDisabled(), true);
    assert.equal(await view.ink(), 0);
    const redo = view.host.getByRole('button', { name: 'Redo' });
    for (let i = 0; i <= 100; i++) await redo.click();
    await settled();
    assert.equal(await redo.isDisabled(), true);
    assert.equal(await picture(), states[0][1]);
}));

test('component: the eraser takes a stroke, the brush is as wide as set, layers as many as asked', () => withView(async (view, page, server) => {
    await view.answered(() => view.draw(ONE));
    await view.answered(() => view.draw({ strokes: [[[0.4, -0.4], [0.4, 0.4]]] }));
    await view.host.getByRole('button', { name: 'Eraser' }).click();
    await view.answered(() => view.draw({ strokes: [[[0.3, 0], [0.5, 0]]] }));
    assert.equal((await view.read()).best, '1');
    await view.host.getByRole('button', { name: 'Eraser' }).click();
    await view.answered(() => view.host.getByRole('button', { name: 'Undo' }).click());
    assert.equal((await view.read()).best, '2');
    await view.clear();
    const inks = [];
    for (const brush of [8, 40]) {
        await view.host.getByRole('slider', { name: 'Brush size' }).fill(String(brush));
        await view.answered(() => view.draw(ONE));
        inks.push(await view.ink());
        await view.clear();
    }
    assert.ok(inks[1] > 3 * inks[0], String(inks));
    await view.answered(() => view.draw(ONE));
    assert.equal(await view.host.locator('.maps').count(), 2);
    await view.host.getByRole('combobox', { name: 'Layers' }).selectOption('1');
    await view.until((host) => host.shadowRoot.querySelectorAll('.maps').length === 1, null, 3000, 'one layer');
    assert.equal(server.frames.at(-1).layers, 1);
}));

test('component: the picture and the maps show the bytes of the answer', () => withView(async (view, page, server) => {
    const bytes = Buffer.alloc(784);
    bytes[28 * 3 + 5] = 255;
    server.script.reply = (frame) => (frame.type ? { ...answer(frame), picture: bytes.toString('base64') } : answer(frame));
    await view.answered(() => view.draw(ONE));
    const lit = await view.host.locator('.picture').evaluate((canvas) => {
        const { data } = canvas.getContext('2d').getImageData(0, 0, 28, 28);
        return Array.from({ length: 784 }, (_, i) => i).filter((i) => data[4 * i] > 200);
    });
    assert.deepEqual(lit, [28 * 3 + 5]);
    const maps = view.host.locator('.maps-canvas').first();
    await maps.hover({ position: { x: 40, y: 40 } });
    assert.match(await view.host.locator('.maps-readout').first().textContent(), /^conv1\[0\] at row \d+, column \d+: −?\d+\.\d\d$/);
}));

test('component: saved state without a kernel, updates, other views, the end', () => withView(async (view, page) => {
    const result = await page.evaluate(async () => {
        const { mount, VIEW_MIME } = await import('/inkling.js');
        const out = {};
        const host = document.body.appendChild(document.createElement('div'));
        const state = { prediction: 4, probabilities: [0, 0, 0.1, 0, 0.9, 0, 0, 0, 0, 0], strokes: [[10, 10, 200, 200]] };
        const model = (id, s) => ({ v: 1, view: 'draw', id, parameters: { size: 280, brush: 22 }, static: s });
        let made = null;
        const sent = [];
        let kernel = false;
        const open = () => {
            if (!kernel) return null;
            made = { sent, onmessage: null, onclose: null, send: (m) => sent.push(m), close: () => (out.closed = true) };
            return made;
        };
        const view = mount(host, open, { model: model('a', state) });
        const best = () => host.shadowRoot.querySelector('.best th')?.textContent;
        const soon = () => new Promise((done) => setTimeout(done, 50));
        await soon();
        out.saved = [best(), host.shadowRoot.querySelector('.status').textContent];
        view.setKernel('dead');
        out.dead = host.shadowRoot.querySelector('.status').textContent;
        const canvas = host.shadowRoot.querySelector('canvas');
        view.update(model('a', { ...state, prediction: 2, strokes: [[5, 5, 9, 9], [1, 1, 2, 2]] }));
        out.updated = [best(), canvas === host.shadowRoot.querySelector('canvas')];
        kernel = true;
        view.reconnect();
        await soon();
        made.onmessage({ type: 'hello', v: 1, model: { name: 'm', version: 1, parameters: 2 }, labels: [...'0123456789'], answer: null, strokes: null });
        out.resumed = sent.at(-1);
        view.update(model('b', null));
        out.other = [best() ?? null, canvas !== host.shadowRoot.querySelector('canvas'), view.id];
        view.update({ v: 2, view: 'draw', id: 'c' });
        out.newer = host.shadowRoot.textContent;
        view.update({ v: 1, view: 'toString', id: 'c' });
        out.unknown = host.shadowRoot.textContent;
        view.dispose();
        out.mime = VIEW_MIME;
        return out;
    });
    assert.deepEqual(result.saved, ['4', 'No kernel: this is the saved drawing']);
    assert.match(result.dead, /dead/);
    assert.deepEqual(result.updated, ['2', true]);
    assert.deepEqual(result.resumed.strokes, [[5, 5, 9, 9], [1, 1, 2, 2]]);
    assert.equal(result.resumed.final, false, 'to look again is not to draw again');
    assert.deepEqual(result.other, [null, true, 'b']);
    assert.match(result.newer, /newer Inkling/);
    assert.match(result.unknown, /newer Inkling/);
    assert.equal(result.closed, true);
}));

test('component: a second finger and the palm beside a pen draw nothing', () => withView(async (view) => {
    const result = await view.canvas.evaluate((canvas) => {
        const box = canvas.getBoundingClientRect();
        const send = (type, pointerType, pointerId, x, y) => canvas.dispatchEvent(new PointerEvent(type, { pointerType, pointerId, button: 0, buttons: type === 'pointerup' ? 0 : 1,
            pressure: 0.5, clientX: box.left + x, clientY: box.top + y, bubbles: true, cancelable: true }));
        const undo = canvas.getRootNode().querySelector('button[title=Undo]');
        send('pointerdown', 'touch', 11, 50, 50);
        send('pointerdown', 'touch', 12, 200, 200);
        send('pointermove', 'touch', 12, 220, 220);
        send('pointermove', 'touch', 11, 60, 90);
        send('pointerup', 'touch', 12, 220, 220);
        send('pointerup', 'touch', 11, 60, 90);
        undo.click();
        const afterFingers = undo.disabled;
        send('pointerdown', 'pen', 21, 50, 50);
        send('pointermove', 'pen', 21, 50, 90);
        send('pointerup', 'pen', 21, 50, 90);
        send('pointerdown', 'touch', 22, 200, 200);
        send('pointerup', 'touch', 22, 200, 200);
        undo.click();
        return [afterFingers, undo.disabled];
    });
    assert.deepEqual(result, [true, true], 'one stroke each');
}));
