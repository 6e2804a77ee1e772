/* SPDX-License-Identifier: MIT */

/* maps: the feature maps of a layer as a grid of small pictures, and the 28x28 picture that the network sees. */

import { h, setText } from './dom.js';

const GAP = 4;
/** The sides of a map, in CSS pixels, between which it may be shown. */
const TILE_MIN = 44;
const TILE_MAX = 84;
/** How much higher a grid may be for having no gaps in its last row. */
const EVEN_WORTH = 1.35;
/** A gain of so little width changes nothing: larger maps would bring back the scroll bar whose going gave it. */
const SCROLLBAR = 20;

/** Names of operations for people. @type {Object<string, string>} */
const OPERATIONS = {
    conv: 'convolution', relu: 'ReLU', maxpool: 'max pooling', avgpool: 'average pooling', batchnorm: 'batch normalisation',
    add: 'addition', concat: 'concatenation', globalpool: 'global pooling', dropout: 'dropout',
};

/**
 * Colours of a theme: no activation, positive, strongly positive, negative, strongly negative; [r, g, b] each.
 * @typedef {{zero: number[], up: number[], upper: number[], down: number[], downer: number[]}} Palette
 */

/** @type {{light: Palette, dark: Palette}} */
export const PALETTES = {
    light: { zero: [246, 247, 252], up: [92, 108, 232], upper: [24, 26, 86], down: [240, 168, 84], downer: [138, 62, 0] },
    dark: { zero: [28, 32, 45], up: [92, 108, 232], upper: [226, 231, 255], down: [190, 110, 28], downer: [255, 218, 160] },
};

/** @param {number[]} a @param {number[]} b @param {number} t */
function mix(a, b, t) {
    return [0, 1, 2].map((i) => Math.round(a[i] + (b[i] - a[i]) * t));
}

/** Colour of a value between -1 and 1. @param {Palette} palette @param {number} t */
export function colour(palette, t) {
    const size = Math.min(1, Math.abs(t));
    const [near, far] = t < 0 ? [palette.down, palette.downer] : [palette.up, palette.upper];
    return size < 0.5 ? mix(palette.zero, near, 2 * size) : mix(near, far, 2 * size - 1);
}

/**
 * 256 colours for bytes that run linearly from min to max; zero has the same colour whatever the range is.
 * @param {Palette} palette @param {number} min @param {number} max
 */
export function colourTable(palette, min, max) {
    const reach = Math.max(Math.abs(min), Math.abs(max)) || 1;
    const table = new Uint8ClampedArray(256 * 4);
    for (let i = 0; i < 256; i++) {
        const [r, g, b] = colour(palette, (min + ((max - min) * i) / 255) / reach);
        table.set([r, g, b, 255], 4 * i);
    }
    return table;
}

/**
 * Where the maps go: the lowest grid of tiles that are large enough, rather without gaps at its end.
 * @param {number} width @param {number} count
 */
export function tileGrid(width, count) {
    const fit = Math.max(1, Math.floor((width + GAP) / (TILE_MIN + GAP)));
    let best = { columns: 1, rows: count, tile: TILE_MIN }, cost = Infinity;
    for (let rows = Math.ceil(count / fit); rows <= count; rows++) {
        const columns = Math.ceil(count / rows);
        if (columns * (rows - 1) >= count) continue;
        const tile = Math.min(TILE_MAX, Math.floor((width + GAP) / columns) - GAP);
        const height = rows * (tile + GAP) * (columns * rows === count ? 1 : EVEN_WORTH);
        if (height < cost) {
            cost = height;
            best = { columns, rows, tile };
        }
    }
    return best;
}

/** @param {number} value */
function short(value) {
    const text = Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(2);
    return text.replace('-', '−');
}

export class LayerMaps {
    /** @param {{name: string, op: string, shape: number[]}} layer  a picture of rest, until an answer comes */
    constructor(layer) {
        this.palette = PALETTES.light;
        this.layer = { ...layer, min: 0, max: 1, maps: new Uint8Array(layer.shape.reduce((a, b) => a * b, 1)) };
        this.width = -Infinity;
        this.grid = { columns: 1, rows: 1, tile: TILE_MIN };
        this.store = document.createElement('canvas');
        this.canvas = h('canvas', { class: 'maps-canvas', role: 'img' });
        this.title = h('h3', { class: 'maps-name' }, layer.name);
        this.about = h('span', { class: 'maps-about' });
        this.readout = h('span', { class: 'maps-readout', 'aria-hidden': 'true' });
        this.scale = h('canvas', { class: 'maps-scale', width: 96, height: 1, 'aria-hidden': 'true' });
        this.low = h('span', {}, '0.00');
        this.high = h('span', {}, '');
        this.range = h('span', { class: 'maps-range' }, this.low, this.scale, this.high);
        this.element = h('section', { class: 'maps' },
            h('header', {}, this.title, this.about, this.readout, this.range),
            this.canvas);
        this.canvas.addEventListener('pointermove', (/** @type {PointerEvent} */ e) => this.read(e));
        this.canvas.addEventListener('pointerleave', () => setText(this.readout, ''));
        this.observer = new ResizeObserver(() => this.fit());
        this.observer.observe(this.element);
        this.describe();
    }

    dispose() {
        this.observer.disconnect();
    }

    /** @param {{name: string, shape: number[]}} layer */
    matches(layer) {
        return this.layer.name === layer.name && this.layer.shape.join() === layer.shape.join();
    }

    /** @param {import('../protocol.js').Layer} layer */
    update(layer) {
        this.layer = layer;
        this.describe();
        this.draw();
    }

    rest() {
        this.update({ ...this.layer, min: 0, max: 1, maps: new Uint8Array(this.layer.maps.length) });
    }

    /** @param {Palette} palette */
    setPalette(palette) {
        this.palette = palette;
        this.draw();
    }

    /** @private */
    describe() {
        const { name, op, shape, min, max } = this.layer;
        const kind = OPERATIONS[op] || op;
        const range = this.isResting ? 'at rest' : `values from ${short(min)} to ${short(max)}`;
        setText(this.about, `${kind}, ${shape[0]} maps of ${shape[1]} × ${shape[2]}`);
        setText(this.low, short(min));
        setText(this.high, short(max));
        this.range.classList.toggle('resting', this.isResting);
        this.canvas.setAttribute('aria-label', `${name}: ${kind}, ${shape[0]} feature maps of ${shape[1]} by ${shape[2]}, ${range}`);
    }

    get isResting() {
        const { min, max } = this.layer;
        return min === 0 && max === 1 && this.layer.maps.every((b) => b === 0);
    }

    /** @private */
    fit() {
        const width = this.element.clientWidth;
        const more = width - this.width;
        if (width === 0 || (more >= 0 && more < SCROLLBAR)) return;
        this.width = width;
        const { shape } = this.layer;
        this.grid = tileGrid(width, shape[0]);
        const { columns, rows, tile } = this.grid;
        const ratio = window.devicePixelRatio || 1;
        const across = columns * (tile + GAP) - GAP;
        const down = rows * (tile + GAP) - GAP;
        this.canvas.style.width = `${across}px`;
        this.canvas.style.height = `${down}px`;
        this.canvas.width = Math.round(across * ratio);
        this.canvas.height = Math.round(down * ratio);
        this.draw();
    }

    /** @private */
    draw() {
        const { shape, maps, min, max } = this.layer;
        const [count, height, width] = shape;
        const table = new Uint32Array(colourTable(this.palette, min, max).buffer);
        this.store.width = width;
        this.store.height = height * count;
        const store = this.store.getContext('2d');
        const image = store.createImageData(width, height * count);
        const pixels = new Uint32Array(image.data.buffer);
        for (let i = 0; i < pixels.length; i++) pixels[i] = table[maps[i]];
        store.putImageData(image, 0, 0);
        this.drawTiles(count, width, height);
        this.drawScale(table);
    }

    /** @private @param {number} count @param {number} width @param {number} height */
    drawTiles(count, width, height) {
        const context = this.canvas.getContext('2d');
        const ratio = window.devicePixelRatio || 1;
        const { columns, tile } = this.grid;
        context.clearRect(0, 0, this.canvas.width, this.canvas.height);
        context.imageSmoothingEnabled = false;
        for (let c = 0; c < count; c++) {
            const x = Math.round((c % columns) * (tile + GAP) * ratio);
            const y = Math.round(Math.floor(c / columns) * (tile + GAP) * ratio);
            const side = Math.round(tile * ratio);
            context.drawImage(this.store, 0, c * height, width, height, x, y, side, side);
        }
    }

    /** @private @param {Uint32Array} table */
    drawScale(table) {
        const context = this.scale.getContext('2d');
        const image = context.createImageData(96, 1);
        const pixels = new Uint32Array(image.data.buffer);
        for (let i = 0; i < 96; i++) pixels[i] = table[Math.round((i * 255) / 95)];
        context.putImageData(image, 0, 0);
    }

    /** Say which unit is under the pointer, and its value. @private @param {PointerEvent} e */
    read(e) {
        const { name, shape, maps, min, max } = this.layer;
        const { columns, tile } = this.grid;
        const column = Math.floor(e.offsetX / (tile + GAP)), row = Math.floor(e.offsetY / (tile + GAP));
        const channel = row * columns + column;
        const x = Math.floor(((e.offsetX - column * (tile + GAP)) / tile) * shape[2]);
        const y = Math.floor(((e.offsetY - row * (tile + GAP)) / tile) * shape[1]);
        if (channel >= shape[0] || x >= shape[2] || y >= shape[1] || x < 0 || y < 0) return setText(this.readout, '');
        const value = min + ((max - min) * maps[(channel * shape[1] + y) * shape[2] + x]) / 255;
        setText(this.readout, `${name}[${channel}] at row ${y}, column ${x}: ${short(this.isResting ? 0 : value)}`);
    }
}

export class Picture {
    constructor() {
        this.element = h('canvas', { class: 'picture', width: 28, height: 28, role: 'img', 'aria-label': 'What the network sees: nothing yet' });
        this.update(null);
    }

    /** @param {Uint8Array | null} bytes  28x28, 255 is ink */
    update(bytes) {
        const context = this.element.getContext('2d');
        const image = context.createImageData(28, 28);
        for (let i = 0; i < 28 * 28; i++) {
            const ink = bytes ? bytes[i] / 255 : 0;
            image.data.set([14 + 241 * ink, 16 + 239 * ink, 28 + 227 * ink, 255], 4 * i);
        }
        context.putImageData(image, 0, 0);
        this.element.setAttribute('aria-label', bytes ? 'What the network sees: the drawing in 28 by 28 pixels' : 'What the network sees: nothing yet');
    }
}
