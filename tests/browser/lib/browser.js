/* SPDX-License-Identifier: MIT */

/* browser: Chromium, and how a test uses a drawing view in it. */

import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const SHOTS = fileURLToPath(new URL('../../../build/screenshots/', import.meta.url));
const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync'];

export function launch() {
    return chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: FLAGS });
}

/** Keep a picture of the page in build/screenshots/. */
export async function shoot(page, name, options = {}) {
    mkdirSync(SHOTS, { recursive: true });
    await page.screenshot({ path: `${SHOTS}${name}.png`, ...options });
}

/** Errors of a page; the test looks at them at its end. */
export function watchErrors(page) {
    const errors = [];
    page.on('pageerror', (error) => errors.push(String(error)));
    return errors;
}

/** One drawing view on a page, found by its place among them. */
export class View {
    constructor(page, index = 0) {
        this.page = page;
        this.host = page.locator('[data-lm-suppress-shortcuts]:has(.pad-canvas)').nth(index);
        this.canvas = this.host.locator('.pad-canvas');
    }

    /** Wait until it is in touch with its kernel, and note its answers from here on. */
    async ready(timeout = 30000) {
        await this.canvas.waitFor({ state: 'attached', timeout });
        await this.scrollTo();
        await this.host.locator('.status[data-state=live]').waitFor({ timeout });
        await this.host.evaluate((host) => {
            if (host.inklingAnswers) return;
            host.inklingAnswers = [];
            host.addEventListener('inkling-answer', (e) => host.inklingAnswers.push({ ...e.detail, shown: performance.now() }));
        });
        return this;
    }

    /** Bring it into sight; notebooks that show only a window of their cells have to be scrolled by the wheel. */
    async scrollTo() {
        const { width, height } = this.page.viewportSize();
        await this.page.mouse.move(width / 2, height / 2);
        for (let i = 0; i < 80 && !(await this.canvas.isVisible()); i++) {
            await this.page.mouse.wheel(0, i < 40 ? 500 : -500);
            await new Promise((done) => setTimeout(done, 60));
        }
        await this.canvas.scrollIntoViewIfNeeded({ timeout: 5000 });
    }

    answers() {
        return this.host.evaluate((host) => host.inklingAnswers);
    }

    finals() {
        return this.host.evaluate((host) => host.inklingAnswers.filter((answer) => answer.final).length);
    }

    /** Do something that ends in a final answer, and wait for that. */
    async answered(action, timeout = 10000) {
        const before = await this.finals();
        await action();
        await this.until((host, n) => host.inklingAnswers.filter((answer) => answer.final).length > n, before, timeout, 'a final answer');
    }

    async until(check, argument, timeout = 10000, what = 'the view') {
        const end = Date.now() + timeout;
        while (!(await this.host.evaluate(check, argument))) {
            if (Date.now() > end) throw new Error(`waited ${timeout} ms for ${what}; the status says "${await this.status()}"`);
            await new Promise((done) => setTimeout(done, 15));
        }
    }

    status() {
        return this.host.locator('.status').textContent();
    }

    /** Draw with the mouse; the drawing's longest side is `part` of the canvas. */
    async draw(drawing, { part = 0.62, pace = 0 } = {}) {
        const box = await this.canvas.boundingBox();
        const at = ([x, y]) => [box.x + box.width * (0.5 + part * x), box.y + box.height * (0.5 + part * y)];
        const { mouse } = this.page;
        for (const stroke of drawing.strokes) {
            await mouse.move(...at(stroke[0]));
            await mouse.down();
            for (const point of stroke.slice(1)) {
                const next = Date.now() + pace;
                await mouse.move(...at(point));
                if (pace) await new Promise((done) => setTimeout(done, Math.max(0, next - Date.now())));
            }
            await mouse.up();
        }
    }

    /** What a person reads: { best, sure, rows: [[label, probability], ...] }. */
    read() {
        return this.host.evaluate((host) => {
            const rows = [...host.shadowRoot.querySelectorAll('.bars tbody tr')];
            const text = (row, name) => row.querySelector(name).textContent;
            const best = rows.find((row) => row.classList.contains('best'));
            return {
                best: best ? text(best, 'th') : null,
                big: host.shadowRoot.querySelector('.digit').textContent,
                rows: rows.map((row) => [text(row, 'th'), parseFloat(text(row, '.number')) / 100]),
            };
        });
    }

    /** How many pixels have ink, once what was asked for is painted: that is with the next frame. */
    ink() {
        return this.canvas.evaluate(async (canvas) => {
            await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
            const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
            let count = 0;
            for (let i = 3; i < data.length; i += 4) if (data[i] > 127) count++;
            return count;
        });
    }

    async clear() {
        await this.answered(() => this.host.getByRole('button', { name: 'Clear' }).click());
    }
}

/** The value below which a part of the numbers lies. */
export function quantile(numbers, part) {
    const sorted = [...numbers].sort((a, b) => a - b);
    return sorted.length ? sorted[Math.min(sorted.length - 1, Math.ceil(part * sorted.length) - 1)] : NaN;
}

/** Stroke to updated bars, in ms: for each answer, the age of the oldest input that it answers when the bars had changed. */
export function latencies(answers) {
    return answers.map((answer) => answer.shown - answer.since);
}
