/* SPDX-License-Identifier: MIT */

/*
 * draw: the canvas that talks to the network. Strokes go out while one draws; the picture that the network sees, the ten
 * probabilities and the first layers' feature maps come back and are shown. What was drawn last is in the saved output,
 * so it is there again after a reload, with or without a kernel.
 */

import { readAnswer, readStrokes, strokesFrame } from '../protocol.js';
import { Link } from '../link.js';
import { Bars, percent, topTwo } from './bars.js';
import { h, icon, setText } from './dom.js';
import { LayerMaps, PALETTES, Picture } from './maps.js';
import { KEYS_HELP, Pad } from './pad.js';
import { Strokes } from './strokes.js';
import { watchTheme } from './theme.js';

const DIGITS = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'];
const LAYERS_SHOWN = 2;
const LAYERS_MAX = 4;
/** A screen reader hears a new answer once it has stood for this long. */
const ANNOUNCE_MS = 600;
const BRUSH_RANGE = [0.02, 0.16];
const UNSURE = 0.6;

const ICONS = {
    undo: 'M6 3 2.5 6.5 6 10M3 6.5h6.5a3.5 3.5 0 0 1 0 7H6',
    redo: 'M10 3l3.5 3.5L10 10M13 6.5H6.5a3.5 3.5 0 0 0 0 7H10',
    clear: 'M3 4.5h10M6.5 4.5V3h3v1.5M4.5 4.5l.6 8.5h5.8l.6-8.5',
    eraser: 'M6 13h7M3 9.5 9 3.5l4 4L7.5 13H5.5L3 10.500z',
};

/** What the states of the link mean, in words. @type {Object<string, string>} */
const WORDS = {
    none: 'No kernel: this is the saved drawing',
    opening: 'Connecting to the kernel …',
    live: 'Live',
    slow: 'Waiting for the kernel …',
    lost: 'The kernel does not answer; trying again',
};

/** @type {Object<string, string>} */
const KERNEL_WORDS = {
    busy: 'The kernel is busy; the drawing is sent as soon as it answers',
    starting: 'The kernel is starting …',
    restarting: 'The kernel is restarting …',
    autorestarting: 'The kernel is restarting …',
    disconnected: 'Disconnected from the kernel; trying again',
    dead: 'The kernel is dead: restart it to go on',
    terminating: 'The kernel is shutting down',
};

export class DrawView {
    /**
     * @param {ShadowRoot} root
     * @param {(data: any) => any} open
     * @param {{model: any, onbundle?: (bundle: any) => void, onevent?: (detail: any) => void, words?: Object<string, string>}} options
     */
    constructor(root, open, options) {
        this.options = options;
        this.model = options.model;
        this.id = String(this.model.id);
        this.words = { ...WORDS, ...(options.words || {}) };
        const parameters = this.model.parameters || {};
        this.size = parameters.size > 0 ? parameters.size : 280;
        this.seq = 0;
        this.layerCount = Number.isInteger(parameters.layers) ? Math.min(LAYERS_MAX, Math.max(0, parameters.layers)) : LAYERS_SHOWN;
        this.labels = DIGITS;
        this.kernelState = '';
        this.saved = '';
        this.touched = false;
        this.spoken = '';
        this.paintNext = 0;
        /** @type {LayerMaps[]} */
        this.maps = [];
        this.palette = PALETTES.light;
        this.strokes = new Strokes();
        this.pad = new Pad(this.strokes, this.size, {
            onchange: (final, time) => this.onDrawn(final, time),
            onsay: (text) => this.say(text),
            oncommand: (command) => this.run(command),
        });
        if (parameters.brush > 0) this.pad.brush = parameters.brush;
        this.build(root);
        this.link = new Link(open, 'draw', this.id, {
            onhello: (hello) => this.onHello(hello),
            onanswer: (answer, frame) => this.onAnswer(answer, frame),
            onerror: (message) => setText(this.trouble, message),
            onstate: () => this.showStatus(),
        });
        this.takeStatic(this.model.static);
        this.stopTheme = watchTheme(root.host, (theme) => this.setTheme(theme));
        this.showStatus();
        this.link.connect();
    }

    dispose() {
        this.link.end();
        this.pad.dispose();
        this.stopTheme();
        this.maps.forEach((maps) => maps.dispose());
        clearTimeout(this.announceTimer);
        cancelAnimationFrame(this.paintNext);
    }

    /* the elements */

    /** @private @param {ShadowRoot} root */
    build(root) {
        this.bars = new Bars(this.labels);
        this.picture = new Picture();
        this.digit = h('div', { class: 'digit' });
        this.sure = h('div', { class: 'sure' });
        this.then = h('div', { class: 'then' });
        this.steps = h('p', { class: 'steps' });
        this.layers = h('div', { class: 'layers' });
        this.live = h('div', { class: 'hidden', 'aria-live': 'polite', 'aria-atomic': 'true' });
        this.paper = h('div', { class: 'paper' }, h('div', { class: 'hint', 'aria-hidden': 'true' }, 'Draw a digit'), this.pad.canvas);
        this.root = h('div', { class: 'inkling', 'data-theme': 'light' },
            h('div', { class: 'top' },
                h('div', { class: 'pad' }, this.paper, this.buildTools()),
                h('div', { class: 'side' },
                    h('div', { class: 'verdict' },
                        h('div', { class: 'said' }, h('div', { class: 'answer', 'aria-hidden': 'true' }, this.digit, h('div', {}, this.sure, this.then))),
                        h('figure', { class: 'seen' }, this.picture.element, h('figcaption', {}, 'as the network sees it'))),
                    this.bars.element, this.steps)),
            this.layers, this.buildFoot(), this.live);
        root.replaceChildren(this.root);
        root.addEventListener('keydown', (e) => e.stopPropagation());
        this.showAnswer(null);
        this.showTools();
    }

    /** @private */
    buildTools() {
        const button = (/** @type {'undo'|'redo'|'clear'|'eraser'} */ command, /** @type {string} */ name, bare = false) =>
            h('button', { type: 'button', class: bare ? 'bare' : null, onclick: () => this.run(command), 'aria-label': bare ? name : null, title: name },
                icon(ICONS[command]), bare ? null : name);
        this.undoButton = button('undo', 'Undo', true);
        this.redoButton = button('redo', 'Redo', true);
        this.clearButton = button('clear', 'Clear');
        this.eraserButton = button('eraser', 'Eraser', true);
        this.eraserButton.setAttribute('aria-pressed', 'false');
        const [least, most] = BRUSH_RANGE;
        this.brushInput = h('input', { type: 'range', min: Math.round(least * this.size), max: Math.round(most * this.size), step: 1,
            value: Math.round(this.pad.brush), 'aria-label': 'Brush size' });
        this.brushInput.addEventListener('input', () => this.setBrush(Number(this.brushInput.value)));
        return h('div', { class: 'tools', role: 'group', 'aria-label': 'Drawing tools' },
            this.undoButton, this.redoButton, this.clearButton, this.eraserButton, h('label', { class: 'brush' }, 'Brush', this.brushInput));
    }

    /** @private */
    buildFoot() {
        this.status = h('span', { class: 'status', role: 'status' });
        this.facts = h('span', { class: 'facts' });
        this.trouble = h('span', { class: 'trouble', role: 'alert' });
        const counts = Array.from({ length: LAYERS_MAX + 1 }, (_, i) => h('option', { value: i }, i === 0 ? 'none' : `first ${i}`));
        this.layerSelect = h('select', {}, ...counts);
        this.layerSelect.value = String(this.layerCount);
        this.layerSelect.addEventListener('change', () => this.setLayerCount(Number(this.layerSelect.value)));
        return h('div', { class: 'foot' }, this.status, this.facts, h('label', { class: 'choice' }, 'Layers', this.layerSelect), this.trouble,
            h('details', {}, h('summary', {}, 'Keyboard'), h('p', { id: 'keys' }, KEYS_HELP)));
    }

    /* what the person does */

    /** @private @param {boolean} final @param {number} time */
    onDrawn(final, time) {
        this.touched = true;
        this.showTools();
        this.send(final, time);
    }

    /** @private @param {boolean} final @param {number} [time] */
    send(final, time = performance.now()) {
        const data = strokesFrame({
            seq: ++this.seq, id: this.id, size: this.size, brush: this.pad.brush,
            strokes: this.strokes.toWire(), final, layers: this.layerCount,
        });
        this.link.push({ data, since: time, time });
    }

    /** @param {string} command */
    run(command) {
        if (command === 'thinner' || command === 'thicker') return this.setBrush(this.pad.brush + (command === 'thicker' ? 2 : -2));
        if (command === 'eraser') return this.setEraser(!this.pad.erasing);
        const wasDown = this.pad.isDown;
        this.pad.lift();
        const changed = command === 'undo' ? this.strokes.undo() : command === 'redo' ? this.strokes.redo() : this.strokes.clear();
        if (!changed && !wasDown) return;
        if (command !== 'clear') this.say(command === 'undo' ? 'Undone' : 'Redone');
        this.pad.paint();
        this.onDrawn(true, performance.now());
    }

    /** @private @param {number} brush */
    setBrush(brush) {
        this.pad.brush = Math.min(Number(this.brushInput.max), Math.max(Number(this.brushInput.min), Math.round(brush)));
        this.brushInput.value = String(this.pad.brush);
        this.pad.paint();
    }

    /** @private @param {boolean} on */
    setEraser(on) {
        this.pad.erasing = on;
        this.eraserButton.setAttribute('aria-pressed', String(on));
        this.say(on ? 'Eraser' : 'Pen');
    }

    /** @private @param {number} count */
    setLayerCount(count) {
        this.layerCount = count;
        this.layers.hidden = count === 0;
        this.send(false);
    }

    /* what the kernel says */

    /** @private @param {import('../protocol.js').Hello} hello */
    onHello(hello) {
        setText(this.trouble, '');
        if (hello.labels.length) this.setLabels(hello.labels);
        this.modelFacts = hello.model;
        this.showFacts(null);
        if (this.maps.length === 0 && this.layerCount > 0) this.setMaps(hello.layers.slice(0, this.layerCount));
        const newer = !this.touched && hello.strokes && hello.strokes.length > 0;
        if (newer) this.loadStrokes(hello.strokes || []);
        if (newer && hello.answer) this.showAnswer(hello.answer);
        if (this.link.waiting) return;
        this.send(this.touched);
    }

    /** @private @param {import('../protocol.js').Answer} answer @param {any} frame */
    onAnswer(answer, frame) {
        setText(this.trouble, this.strokes.isFull ? 'The drawing is full: undo or clear to go on' : '');
        this.showAnswer(answer);
        this.showFacts(answer);
        if (this.options.onevent) this.options.onevent({ seq: answer.seq, final: answer.final, since: frame.since, time: frame.time });
        if (answer.final && answer.bundle) this.save(answer.bundle);
    }

    /** Hand the finished drawing to whoever keeps the notebook. @private @param {Object<string, any>} bundle */
    save(bundle) {
        const mine = Object.values(bundle).find((value) => value && typeof value === 'object' && value.id === this.id);
        if (mine) {
            this.model = mine;
            this.saved = JSON.stringify(mine.static && mine.static.strokes);
        }
        if (this.options.onbundle) this.options.onbundle(bundle);
    }

    /** The saved output changed: take it over, unless it is what this view wrote there itself. @param {any} model */
    update(model) {
        if (!model || String(model.id) !== this.id || this.pad.isDown) return;
        const strokes = JSON.stringify(model.static && model.static.strokes);
        if (strokes === this.saved || (this.touched && !this.saved)) return;
        this.model = model;
        this.takeStatic(model.static);
    }

    /** @private @param {any} state  an answer with strokes, as it is saved in the notebook */
    takeStatic(state) {
        if (!state || typeof state !== 'object') return;
        this.saved = JSON.stringify(state.strokes);
        this.loadStrokes(readStrokes(state.strokes));
        try {
            this.showAnswer(readAnswer(state));
        } catch (error) {
            setText(this.trouble, `The saved drawing cannot be read: ${/** @type {Error} */ (error).message}`);
        }
    }

    /** @private @param {number[][]} strokes */
    loadStrokes(strokes) {
        this.strokes.load(strokes, this.pad.brush);
        this.pad.paint();
        this.showTools();
    }

    /** @param {string} state  as the front end calls it: idle, busy, restarting, dead, ... */
    setKernel(state) {
        this.kernelState = state;
        this.showStatus();
    }

    /** The front end knows of a new kernel or connection. */
    reconnect() {
        this.link.connect();
    }

    /* what is shown */

    /** @private */
    showTools() {
        this.undoButton.disabled = !this.strokes.canUndo;
        this.redoButton.disabled = !this.strokes.canRedo;
        this.clearButton.disabled = this.strokes.isEmpty;
        this.paper.classList.toggle('drawn', !this.strokes.isEmpty);
    }

    /** @private */
    showStatus() {
        const { state } = this.link;
        let words = this.words[state] || '';
        if (state !== 'live' && this.kernelState in KERNEL_WORDS) words = KERNEL_WORDS[this.kernelState];
        if (state === 'none' && this.strokes.isEmpty) words = 'No kernel: start one to draw';
        setText(this.status, words);
        this.status.dataset.state = state;
    }

    /** @private @param {import('../protocol.js').Answer | null} answer */
    showFacts(answer) {
        const { name, version, parameters } = this.modelFacts || { name: '', version: 0, parameters: 0 };
        const model = answer && answer.model.name ? answer.model : { name, version };
        const facts = [`model ${model.name}${model.version > 0 ? ` version ${model.version}` : ''}`];
        if (parameters && model.name === name) facts.push(`${parameters.toLocaleString('en')} parameters`);
        if (answer && !answer.empty) facts.push(`${answer.elapsedMs.toFixed(2)} ms in the network`);
        setText(this.facts, model.name ? facts.join(' · ') : '');
    }

    /** @private @param {import('../protocol.js').Answer | null} answer */
    showAnswer(answer) {
        const known = answer !== null && !answer.empty;
        const probabilities = known ? answer.probabilities : [];
        this.bars.update(probabilities, known ? answer.prediction : -1);
        this.picture.update(known ? answer.picture : null);
        this.showVerdict(probabilities);
        setText(this.steps, known && answer.preparation.length ? `Prepared: ${answer.preparation.join(', ')}` : '');
        this.announce(known ? `${this.labels[answer.prediction]}, ${Math.round(100 * probabilities[answer.prediction])} percent` : answer ? 'Nothing drawn' : '');
        cancelAnimationFrame(this.paintNext);
        this.paintNext = requestAnimationFrame(() => this.showMaps(answer));
    }

    /** @private @param {number[]} probabilities */
    showVerdict(probabilities) {
        if (probabilities.length === 0) {
            setText(this.digit, '?');
            setText(this.sure, '');
            setText(this.then, 'nothing drawn yet');
            this.digit.classList.add('none');
            return;
        }
        this.digit.classList.remove('none');
        const [first, second] = topTwo(probabilities);
        const unsure = probabilities[first] < UNSURE;
        setText(this.digit, this.labels[first]);
        setText(this.sure, percent(probabilities[first]));
        setText(this.then, `${unsure ? 'or perhaps' : 'then'} ${this.labels[second]}, ${percent(probabilities[second])}`);
        this.digit.classList.toggle('unsure', unsure);
    }

    /** @private @param {import('../protocol.js').Answer | null} answer */
    showMaps(answer) {
        if (!answer || answer.empty || this.layerCount === 0) return this.maps.forEach((maps) => maps.rest());
        const { layers } = answer;
        if (layers.length === 0) return;
        if (layers.length !== this.maps.length || !layers.every((layer, i) => this.maps[i].matches(layer))) this.setMaps(layers);
        layers.forEach((layer, i) => this.maps[i].update(layer));
    }

    /** @private @param {{name: string, op: string, shape: number[]}[]} layers */
    setMaps(layers) {
        this.maps.forEach((maps) => maps.dispose());
        this.maps = layers.map((layer) => new LayerMaps(layer));
        this.maps.forEach((maps) => maps.setPalette(this.palette));
        this.layers.replaceChildren(...this.maps.map((maps) => maps.element));
    }

    /** @private @param {string[]} labels */
    setLabels(labels) {
        this.labels = labels;
        this.bars.setLabels(labels);
    }

    /** @private @param {'light' | 'dark'} theme */
    setTheme(theme) {
        this.root.dataset.theme = theme;
        const style = getComputedStyle(this.root);
        this.pad.ink = style.getPropertyValue('--ink').trim() || '#000';
        this.pad.accent = style.getPropertyValue('--accent').trim() || '#00f';
        this.palette = PALETTES[theme];
        this.pad.paint();
        this.maps.forEach((maps) => maps.setPalette(this.palette));
    }

    /* what a screen reader hears */

    /** Say an answer once it stands. @private @param {string} text */
    announce(text) {
        clearTimeout(this.announceTimer);
        if (!text || text === this.spoken || !this.touched) return;
        this.announceTimer = setTimeout(() => this.say(text), ANNOUNCE_MS);
    }

    /** @private @param {string} text */
    say(text) {
        this.spoken = text;
        setText(this.live, text);
    }
}
