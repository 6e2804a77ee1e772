/* SPDX-License-Identifier: MIT */

/* The page of `inkling serve`: mouse, keys, touch and pen, themes, small screens, screen readers. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { View, latencies, launch, quantile, shoot, watchErrors } from './lib/browser.js';
import { ONE, SEVEN, drawingOfEachDigit, noDrawings } from './lib/drawings.js';
import { startServe } from './lib/jupyter.js';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

let server, browser;

before(async () => {
    server = process.env.INKLING_PAGE ? { url: process.env.INKLING_PAGE, stop: async () => {} } : await startServe();
    browser = await launch();
});

after(async () => {
    if (browser) await browser.close();
    if (server) await server.stop();
});

/** A fresh page with a live view; nothing may fail on it, and no request may leave the server. */
async function onPage(run, options = {}) {
    const context = await browser.newContext({ viewport: { width: 1100, height: 960 }, ...options });
    const page = await context.newPage();
    const errors = watchErrors(page);
    page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
    page.on('request', (request) => {
        if (!request.url().startsWith(server.url) && !request.url().startsWith('data:')) errors.push(`request to ${request.url()}`);
    });
    try {
        await page.goto(server.url);
        await run(await new View(page).ready(), page);
    } finally {
        await context.close();
    }
    assert.deepEqual(errors, []);
}

async function violations(page) {
    await page.evaluate(AXE);
    const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
    return found.violations.map((v) => `${v.id}: ${v.help} (${v.nodes.map((node) => `${node.target} ${node.failureSummary}`).join('; ')})`);
}

const widest = (page) => page.evaluate(() => document.documentElement.scrollWidth);

test('page: a drawing of each digit is read off the bars', { skip: noDrawings }, () => onPage(async (view, page) => {
    const wrong = [];
    for (const drawing of drawingOfEachDigit()) {
        if ((await view.ink()) > 0) await view.clear();
        await view.answered(() => view.draw(drawing));
        const { best } = await view.read();
        if (best !== String(drawing.label)) wrong.push(`${drawing.label} read as ${best}`);
        if (drawing.label === 8) await shoot(page, 'page-light', { fullPage: true });
    }
    console.log(`# page: ${10 - wrong.length} of 10 digits right${wrong.length ? ` (${wrong.join(', ')})` : ''}`);
    assert.ok(wrong.length <= 1, wrong.join(', '));
}));

test('page: the bars follow the stroke at once', () => onPage(async (view) => {
    const times = [];
    for (let i = 0; i < 4; i++) {
        const first = (await view.answers()).length;
        await view.answered(() => view.draw(SEVEN, { pace: 12 }));
        times.push(...latencies((await view.answers()).slice(first)));
        await view.clear();
    }
    const [p50, p95] = [quantile(times, 0.5), quantile(times, 0.95)];
    console.log(`# page: stroke to updated bars p50 ${p50.toFixed(1)} ms, p95 ${p95.toFixed(1)} ms, max ${Math.max(...times).toFixed(1)} ms of ${times.length}`);
    assert.ok(times.length >= 40 && p50 <= 25, `${times.length} answers, p50 ${p50}`);
}));

for (const colorScheme of ['light', 'dark'])
    test(`page: no accessibility violations, ${colorScheme}`, () => onPage(async (view, page) => {
        assert.deepEqual(await violations(page), []);
        await view.answered(() => view.draw(SEVEN));
        await view.host.locator('summary').click();
        await page.mouse.move(5, 5);
        assert.deepEqual(await violations(page), []);
        await shoot(page, `page-${colorScheme}-keys`, { fullPage: true });
    }, { colorScheme }));

test('page: dark where the system is, and it changes with it', () => onPage(async (view, page) => {
    const theme = () => view.host.locator('.inkling').getAttribute('data-theme');
    assert.equal(await theme(), 'dark');
    await view.answered(() => view.draw(SEVEN));
    await shoot(page, 'page-dark', { fullPage: true });
    const bright = () => view.canvas.evaluate((canvas) => {
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        for (let i = 0; i < data.length; i += 4) if (data[i + 3] === 255) return data[i] > 128;
        return null;
    });
    assert.equal(await bright(), true);
    await page.emulateMedia({ colorScheme: 'light' });
    await page.waitForFunction(() => document.querySelector('#view').shadowRoot.querySelector('.inkling').dataset.theme === 'light');
    await page.waitForTimeout(100);
    assert.equal(await bright(), false);
}, { colorScheme: 'dark' }));

test('page: 320 pixels wide, and 200 % zoom: nothing is cut off', async () => {
    await onPage(async (view, page) => {
        await view.answered(() => view.draw(SEVEN));
        assert.ok((await widest(page)) <= 320, `${await widest(page)} pixels wide`);
        for (const name of ['.digit', '.picture', '.bars', '.tools'])
            assert.ok(await view.host.locator(name).first().evaluate((e) => e.getBoundingClientRect().right <= innerWidth), name);
        await shoot(page, 'page-320', { fullPage: true });
        assert.deepEqual(await violations(page), []);
    }, { viewport: { width: 320, height: 720 } });
    await onPage(async (view, page) => {
        await view.answered(() => view.draw(SEVEN));
        assert.ok((await widest(page)) <= 550, `${await widest(page)} pixels wide`);
    }, { viewport: { width: 550, height: 480 }, deviceScaleFactor: 2 });
});

test('page: high contrast and reduced motion', () => onPage(async (view, page) => {
    await view.answered(() => view.draw(SEVEN));
    assert.equal(await view.host.locator('.bar').first().evaluate((bar) => getComputedStyle(bar).transitionDuration), '0s');
    await shoot(page, 'page-contrast', { fullPage: true });
}, { reducedMotion: 'reduce', forcedColors: 'active' }));

test('page: a 1 drawn with the keyboard alone, heard by a screen reader', () => onPage(async (view, page) => {
    for (let i = 0; i < 20 && !(await view.canvas.evaluate((canvas) => canvas.getRootNode().activeElement === canvas)); i++) await page.keyboard.press('Tab');
    await page.keyboard.press('Space');
    for (let i = 0; i < 15; i++) await page.keyboard.press('ArrowDown');
    await view.answered(() => page.keyboard.press('Space'));
    const { best, rows } = await view.read();
    assert.equal(best, '1');
    await shoot(page, 'page-keyboard');
    const said = `1, ${Math.round(100 * rows[1][1])} percent`;
    await view.until((host, text) => host.shadowRoot.querySelector('[aria-live]').textContent === text, said, 3000, `the live region to say "${said}"`);
    await view.answered(() => page.keyboard.press('Control+z'));
    assert.equal((await view.read()).best, null);
    await view.answered(() => page.keyboard.press('Control+y'));
    assert.equal((await view.read()).best, '1');
    await view.answered(() => page.keyboard.press('Delete'));
    assert.equal((await view.read()).best, null);

    // every tool is in the tab order, in the order in which it is seen
    await view.answered(() => page.keyboard.press('Control+z'));
    const reached = [];
    for (let i = 0; i < 7; i++) {
        await page.keyboard.press('Tab');
        reached.push(await view.host.evaluate((host) => {
            const e = host.shadowRoot.activeElement;
            return e && (e.getAttribute('aria-label') || (e.labels && e.labels[0] ? e.labels[0].firstChild : e).textContent.trim());
        }));
    }
    assert.deepEqual(reached, ['Undo', 'Redo', 'Clear', 'Eraser', 'Brush size', 'Layers', 'Keyboard']);
}));

/** Strokes as touches or with a pen, by the browser's own protocol. */
async function byTouch(page, view, drawing) {
    const client = await page.context().newCDPSession(page);
    const box = await view.canvas.boundingBox();
    const at = ([x, y]) => ({ x: box.x + box.width * (0.5 + 0.6 * x), y: box.y + box.height * (0.5 + 0.6 * y), force: 0.7, id: 1 });
    for (const stroke of drawing.strokes) {
        await client.send('Input.dispatchTouchEvent', { type: 'touchStart', touchPoints: [at(stroke[0])] });
        for (const point of stroke.slice(1)) await client.send('Input.dispatchTouchEvent', { type: 'touchMove', touchPoints: [at(point)] });
        await client.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] });
    }
}

async function byPen(page, view, drawing, force) {
    const client = await page.context().newCDPSession(page);
    const box = await view.canvas.boundingBox();
    const send = (type, [x, y], pressed) => client.send('Input.dispatchMouseEvent', { type, pointerType: 'pen', button: 'left', buttons: pressed ? 1 : 0, force, clickCount: 1,
        x: box.x + box.width * (0.5 + 0.6 * x), y: box.y + box.height * (0.5 + 0.6 * y) });
    for (const stroke of drawing.strokes) {
        await send('mousePressed', stroke[0], true);
        for (const point of stroke.slice(1)) await send('mouseMoved', point, true);
        await send('mouseReleased', stroke.at(-1), false);
    }
}

test('page: touch draws, and does not scroll the page while it does', () => onPage(async (view, page) => {
    const before = await page.evaluate(() => scrollY);
    await view.answered(() => byTouch(page, view, ONE));
    assert.notEqual((await view.read()).best, null);
    assert.ok((await view.ink()) > 500);
    assert.equal(await page.evaluate(() => scrollY), before);
}, { hasTouch: true, viewport: { width: 390, height: 500 } }));

test('page: a pen draws as wide as it is pressed; a mouse and a finger do not', () => onPage(async (view, page) => {
    const inks = {};
    for (const [name, force] of [['light', 0.15], ['firm', 0.9]]) {
        await view.answered(() => byPen(page, view, ONE, force));
        inks[name] = await view.ink();
        assert.notEqual((await view.read()).best, null);
        await view.clear();
    }
    assert.ok(inks.firm > 1.5 * inks.light, JSON.stringify(inks));
}, { hasTouch: true }));

test('page: a reload brings the drawing back', () => onPage(async (view, page) => {
    await view.answered(() => view.draw(SEVEN));
    const [before, ink] = [await view.read(), await view.ink()];
    await page.reload();
    const again = await new View(page).ready();
    assert.equal(await again.ink(), ink);
    assert.deepEqual((await again.read()).rows, before.rows);
}));
