/* SPDX-License-Identifier: MIT */

/* bars: ten probabilities as bars and as numbers. It is a table, so a screen reader reads it as one. */

import { h, setText } from './dom.js';

export class Bars {
    /** @param {string[]} labels */
    constructor(labels) {
        this.body = h('tbody');
        this.element = h('table', { class: 'bars' },
            h('caption', { class: 'hidden' }, 'Probability of each digit'),
            h('thead', { class: 'hidden' }, h('tr', {}, h('th', { scope: 'col' }, 'Digit'), h('th', { scope: 'col' }, 'Probability'))),
            this.body);
        /** @type {{row: HTMLElement, bar: HTMLElement, number: HTMLElement}[]} */
        this.rows = [];
        this.setLabels(labels);
    }

    /** @param {string[]} labels */
    setLabels(labels) {
        if (this.rows.length === labels.length && labels.every((label, i) => this.rows[i].row.dataset.label === label)) return;
        this.rows = labels.map((label) => {
            const bar = h('div', { class: 'bar' });
            const number = h('span', { class: 'number' });
            const track = h('div', { class: 'track', 'aria-hidden': 'true' }, bar);
            const row = h('tr', { 'data-label': label }, h('th', { scope: 'row' }, label), h('td', {}, h('div', { class: 'value' }, track, number)));
            return { row, bar, number };
        });
        this.body.replaceChildren(...this.rows.map(({ row }) => row));
        this.update([], -1);
    }

    /** @param {number[]} probabilities  none: nothing is drawn @param {number} prediction */
    update(probabilities, prediction) {
        this.rows.forEach(({ row, bar, number }, i) => {
            const known = i < probabilities.length;
            const p = known ? probabilities[i] : 0;
            bar.style.transform = `scaleX(${p.toFixed(4)})`;
            setText(number, known ? percent(p) : '–');
            row.classList.toggle('best', i === prediction);
            row.classList.toggle('faint', p < 0.005);
        });
    }
}

/** 0.93421 as "93.42 %", with a space that does not break. @param {number} p */
export function percent(p) {
    return `${(100 * p).toFixed(2)}\u00a0%`;
}

/** The places of the highest and the second highest. @param {number[]} probabilities */
export function topTwo(probabilities) {
    let first = 0, second = -1;
    for (let i = 1; i < probabilities.length; i++) {
        if (probabilities[i] > probabilities[first]) {
            second = first;
            first = i;
        } else if (second < 0 || probabilities[i] > probabilities[second]) second = i;
    }
    return [first, second];
}
