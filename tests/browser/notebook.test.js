/* SPDX-License-Identifier: MIT */

/*
 * The canvas in a real notebook: draws with the mouse and reads the bars.
 *
 * Without settings it starts the classic notebook of this machine. INKLING_URL, INKLING_TOKEN and INKLING_FRONT_END
 * (classic, lab or notebook7) make it use a server that runs already.
 */

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { View, latencies, launch, quantile, shoot, watchErrors } from './lib/browser.js';
import { SEVEN, drawingOfEachDigit, noDrawings } from './lib/drawings.js';
import { MIME, frontEnd, liveOutputs } from './lib/front_ends.js';
import { Rest, cell, notebook, startClassic } from './lib/jupyter.js';

const KIND = process.env.INKLING_FRONT_END || 'classic';
const CLIENT = new URL('../../notebooks/client.ipynb', import.meta.url);
/** Stroke to updated bars. */
const LATENCY_MS = 25;

let server, browser, rest;

before(async () => {
    server = process.env.INKLING_URL
        ? { url: process.env.INKLING_URL, token: process.env.INKLING_TOKEN || '', stop: async () => {} }
        : await startClassic();
    rest = new Rest(server);
    // Notebook 7.4.7 can loop for ever while it removes a cell's toolbar as all cells run, with or without outputs of ours.
    if (KIND === 'notebook7') await rest.set('@jupyterlab/cell-toolbar-extension:plugin', { showToolbar: false });
    browser = await launch();
});

after(async () => {
    if (browser) await browser.close();
    if (server) await server.stop();
});

/** A page of its own with the notebook open, for one test; no script of the notebook may fail. */
async function inNotebook(path, run, { to = server, options, context = {} } = {}) {
    const page = await browser.newPage({ viewport: { width: 1200, height: 1000 }, ...context });
    const errors = watchErrors(page);
    try {
        const front = frontEnd(KIND, page, to);
        await front.open(path, options);
        await run(front, page);
    } catch (error) {
        await shoot(page, `failed-${KIND}-${path.replace('.ipynb', '')}`).catch(() => {});
        throw error;
    } finally {
        await page.close();
    }
    assert.deepEqual(errors.filter((text) => /inkling/i.test(text)), []);
}

const saved = async (path) => liveOutputs(await rest.get(path)).map((output) => output.data[MIME].static);

async function drawSeven(page, index = 0) {
    const view = await new View(page, index).ready();
    await view.answered(() => view.draw(SEVEN));
    return view;
}

test(`${KIND}: a drawing of each digit is read off the bars`, { skip: noDrawings }, async () => {
    await rest.put('digits.ipynb', notebook(['draw']));
    await inNotebook('digits.ipynb', async (front, page) => {
        await front.runAll();
        const view = await new View(page).ready();
        const wrong = [];
        for (const drawing of drawingOfEachDigit()) {
            if ((await view.ink()) > 0) await view.clear();
            await view.answered(() => view.draw(drawing));
            const { best, big, rows } = await view.read();
            assert.equal(best, big);
            const sum = rows.reduce((total, [, p]) => total + p, 0);
            assert.ok(Math.abs(sum - 1) < 2e-3, `probabilities sum to ${sum}`);
            if (best !== String(drawing.label)) wrong.push(`${drawing.label} read as ${best}`);
            if (drawing.label === 5) await shoot(page, `${KIND}-draw`);
        }
        console.log(`# ${KIND}: ${10 - wrong.length} of 10 digits right${wrong.length ? ` (${wrong.join(', ')})` : ''}`);
        assert.ok(wrong.length <= 1, wrong.join(', '));
    });
});

test(`${KIND}: client.ipynb runs and its canvas reads a drawing`, { skip: noDrawings || (existsSync(CLIENT) ? false : 'no notebooks/client.ipynb') }, async () => {
    const client = JSON.parse(readFileSync(CLIENT, 'utf8'));
    await rest.put('client.ipynb', { ...client, cells: client.cells.map((c) => (c.cell_type === 'code' ? { ...c, outputs: [], execution_count: null } : c)) });
    await inNotebook('client.ipynb', async (front, page) => {
        await front.start(client.cells.findIndex((c) => [c.source].flat().join('').trim() === 'draw'));
        const view = await new View(page).ready();
        const drawing = drawingOfEachDigit(1)[3];
        await view.answered(() => view.draw(drawing));
        assert.equal((await view.read()).best, '3');
        await shoot(page, `${KIND}-client`);
        await front.start(client.cells.findIndex((c) => /^predict drawn/.test([c.source].flat().join(''))));
        await front.idle();
        await front.save();
        const { cells } = await rest.get('client.ipynb');
        const said = cells.find((c) => /^predict drawn/.test([c.source].flat().join(''))).outputs;
        assert.match(JSON.stringify(said), /\b3\b/);
        assert.ok(said.length > 0 && said.every((o) => o.output_type !== 'error'), JSON.stringify(said).slice(0, 500));
    });
});

test(`${KIND}: the bars follow the stroke at once`, async () => {
    await rest.put('latency.ipynb', notebook(['draw']));
    await inNotebook('latency.ipynb', async (front, page) => {
        await front.runAll();
        const view = await drawSeven(page);
        const times = [];
        for (let i = 0; i < 4; i++) {
            await view.clear();
            const first = (await view.answers()).length;
            await view.answered(() => view.draw(SEVEN, { pace: 12 }));
            times.push(...latencies((await view.answers()).slice(first)));
        }
        const [p50, p95] = [quantile(times, 0.5), quantile(times, 0.95)];
        console.log(`# ${KIND}: stroke to updated bars p50 ${p50.toFixed(1)} ms, p95 ${p95.toFixed(1)} ms, max ${Math.max(...times).toFixed(1)} ms of ${times.length}; wanted p95 <= ${LATENCY_MS}`);
        assert.ok(times.length >= 40, `${times.length} answers`);
        // A loaded machine may be late now and then; a protocol that waits for acknowledgements is late always.
        assert.ok(p50 <= LATENCY_MS, `p50 ${p50}`);
    });
});

test(`${KIND}: the drawing is saved, comes back after a reload, without a kernel too, and goes on`, async () => {
    await rest.put('save.ipynb', notebook(['draw']));
    await inNotebook('save.ipynb', async (front, page) => {
        await front.runAll();
        const view = await drawSeven(page);
        const seen = await view.read();
        const ink = await view.ink();
        await front.save();
        const [state] = await saved('save.ipynb');
        assert.ok(state && state.strokes.length === 1, 'the saved output has the strokes');
        assert.equal(String(state.prediction), seen.best);
        const [output] = liveOutputs(await rest.get('save.ipynb'));
        for (const type of ['text/html', 'image/png', 'text/plain']) assert.ok(output.data[type], type);
        assert.match([output.data['text/html']].flat().join(''), /<img[^>]+src="data:image\/png;base64,/);

        await front.reload();
        const again = await new View(page).ready();
        assert.deepEqual((await again.read()).rows, seen.rows);
        assert.equal(await again.ink(), ink);
        await again.answered(() => again.draw({ strokes: [[[-0.2, 0], [0.2, 0]]] }));
        await front.save();
        assert.equal((await saved('save.ipynb'))[0].strokes.length, 2);
        assert.equal((await again.read()).best, String((await saved('save.ipynb'))[0].prediction));

        await page.route(/\/api\/(sessions|kernels)\b/, (route) => route.abort());
        await rest.endSessions();
        await front.reload({ kernel: false });
        const without = new View(page);
        await without.canvas.waitFor();
        assert.equal((await without.read()).best, String((await saved('save.ipynb'))[0].prediction));
        assert.ok((await without.ink()) > ink);
        assert.match(await without.status(), /kernel/i);
        await shoot(page, `${KIND}-without-kernel`);
        await page.unroute(/\/api\/(sessions|kernels)\b/);
    });
});

test(`${KIND}: a kernel restart loses nothing on the canvas`, async () => {
    await rest.put('restart.ipynb', notebook(['draw', 'predict drawn']));
    await inNotebook('restart.ipynb', async (front, page) => {
        await front.start(0);
        const view = await drawSeven(page);
        const before = await view.read();
        const finals = await view.finals();
        await front.restart();
        await view.until((host, n) => host.inklingAnswers.filter((answer) => answer.final).length > n, finals, 30000, 'an answer of the new kernel');
        assert.deepEqual((await view.read()).rows, before.rows);
        await view.clear();
        assert.equal((await view.read()).best, null);
        await view.answered(() => view.draw(SEVEN));
        assert.equal((await view.read()).best, before.best);
    });
});

test(`${KIND}: two canvases do not know of each other`, async () => {
    await rest.put('two.ipynb', notebook(['draw', 'draw']));
    await inNotebook('two.ipynb', async (front, page) => {
        await front.runAll();
        const first = await new View(page, 0).ready();
        const second = await new View(page, 1).ready();
        await first.canvas.scrollIntoViewIfNeeded();
        await first.answered(() => first.draw(SEVEN));
        assert.equal(await second.ink(), 0);
        assert.equal((await second.read()).best, null);
        await second.canvas.scrollIntoViewIfNeeded();
        await second.answered(() => second.draw({ strokes: [SEVEN.strokes[0].map(([x, y]) => [y, x])] }));
        await front.save();
        const states = await saved('two.ipynb');
        assert.equal(states.length, 2);
        assert.notDeepEqual(states[0].strokes, states[1].strokes);
        await front.reload();
        await new View(page, 1).ready();
        assert.deepEqual((await new View(page, 0).read()).best, String(states[0].prediction));
    });
});

test(`${KIND}: keys go to the canvas, not to the notebook; undo restores the pixels`, async () => {
    await rest.put('keys.ipynb', notebook(['draw', '# another']));
    await inNotebook('keys.ipynb', async (front, page) => {
        await front.start(0);
        const view = await drawSeven(page);
        const ink = await view.ink();
        const cells = () => page.evaluate(() => document.querySelectorAll('.jp-Cell, .cell').length);
        const count = await cells();
        await view.canvas.focus();
        for (const key of ['a', 'b', 'd', 'd', 'x', '0', '0', 'm']) await page.keyboard.press(key);
        assert.equal(await cells(), count, 'no command of the notebook ran');
        await view.answered(() => page.keyboard.press('Delete'));
        assert.equal((await view.read()).best, null);
        await view.answered(() => page.keyboard.press('Control+z'));
        await page.keyboard.press('Shift+Tab');
        assert.equal(await view.ink(), ink);
    });
});

test(`${KIND}: an untrusted notebook is alive, and none of its scripts runs`, async () => {
    await rest.put('made.ipynb', notebook(['draw']));
    await inNotebook('made.ipynb', async (front, page) => {
        await front.runAll();
        await drawSeven(page);
        await front.save();
    });
    const made = await rest.get('made.ipynb');
    const evil = { output_type: 'display_data', metadata: {}, data: { 'text/html': '<script>window.ran = 1</script><img src="x" onerror="window.ran = 2"><p>evil</p>' } };
    const [output] = made.cells[0].outputs.filter((o) => o.data && o.data[MIME]);
    await rest.put('untrusted.ipynb', notebook([cell('draw', [evil, output])]));
    await inNotebook('untrusted.ipynb', async (front, page) => {
        if (front.isTrusted) assert.equal(await front.isTrusted(), false);
        const view = await new View(page).ready();
        assert.equal((await view.read()).best, String(output.data[MIME].static.prediction));
        await view.clear();
        await view.answered(() => view.draw(SEVEN));
        assert.equal((await view.read()).best, String(output.data[MIME].static.prediction));
        assert.equal(await page.evaluate(() => window.ran), undefined);
        await shoot(page, `${KIND}-untrusted`);
    });
});

test(`${KIND}: the canvas answers while a cell trains`, async () => {
    await rest.put('train.ipynb', notebook(['draw', 'train --data strokes --epochs 50']));
    await inNotebook('train.ipynb', async (front, page) => {
        await front.start(0);
        const view = await drawSeven(page);
        await front.start(1);
        for (let i = 0; i < 100 && !(await front.isRunning(1)); i++) await page.waitForTimeout(50);
        assert.ok(await front.isRunning(1), 'the cell trains');
        await view.canvas.scrollIntoViewIfNeeded();
        await view.clear();
        await view.answered(() => view.draw(SEVEN, { pace: 12 }));
        assert.notEqual((await view.read()).best, null);
        assert.ok(await front.isRunning(1), 'the cell still trains');
        await shoot(page, `${KIND}-training`);
        await front.interrupt();
        for (let i = 0; i < 100 && (await front.isRunning(1)); i++) await page.waitForTimeout(100);
        assert.equal(await front.isRunning(1), false);
    });
});

test('classic: behind a base URL as on a hub', { skip: KIND !== 'classic' || !!process.env.INKLING_URL }, async () => {
    const hub = await startClassic({ base: '/user/alice/' });
    try {
        await new Rest(hub).put('hub.ipynb', notebook(['draw']));
        await inNotebook('hub.ipynb', async (front, page) => {
            const loads = [];
            page.on('request', (request) => /inkling\.js/.test(request.url()) && loads.push(request.url()));
            await front.runAll();
            await drawSeven(page);
            assert.ok(loads.every((url) => url.includes('/user/alice/kernelspecs/inkling/inkling.js')), String(loads));
        }, { to: hub });
    } finally {
        await hub.stop();
    }
});

test('classic: kernel.js behind a hub hands over the token it is asked for', { skip: KIND !== 'classic' || !!process.env.INKLING_URL }, async () => {
    await rest.put('xsrf.ipynb', notebook(['draw']));
    await inNotebook('xsrf.ipynb', async (front, page) => {
        const cookie = (await page.context().cookies()).find(({ name }) => name === '_xsrf');
        await front.runAll();
        await new View(page).ready();
        const load = await page.evaluate(() => performance.getEntriesByType('resource').map((e) => e.name).find((name) => name.includes('inkling.js')));
        assert.ok(cookie && new URL(load).searchParams.get('_xsrf') === cookie.value.replace(/^"|"$/g, ''), `${load} with ${cookie && cookie.value}`);
    });
});
