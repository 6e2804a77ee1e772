/* SPDX-License-Identifier: MIT */

/* pad: the canvas one draws on, with mouse, touch, pen or keys. It changes the strokes and says so; it knows no kernel. */

import { h } from './dom.js';

/** The keyboard moves in steps of one pixel of the 28x28 picture. */
const GRID = 28;
/** After a pen was seen, touches are taken for the palm of the hand for this long. */
const PALM_MS = 1000;

/** Where a key moves the cursor, in grid steps. @type {Object<string, [number, number]>} */
const MOVES = {
    ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1],
    Home: [-1, -1], PageUp: [1, -1], End: [-1, 1], PageDown: [1, 1],
};

export const KEYS_HELP =
    'Arrow keys move the cursor (Home, End, Page Up and Page Down diagonally, Shift for small steps); Space or Enter puts the pen ' +
    'down and lifts it; Delete clears; Ctrl+Z undoes, Ctrl+Y redoes; + and − change the brush; E switches between pen and eraser.';

/**
 * @typedef {Object} PadEvents
 * @property {(final: boolean, time: number) => void} onchange  the drawing changed; `time` as in performance.now()
 * @property {(text: string) => void} onsay  something a screen reader should say
 * @property {(command: 'undo' | 'redo' | 'clear' | 'thinner' | 'thicker' | 'eraser') => void} oncommand
 */

export class Pad {
    /**
     * @param {import('./strokes.js').Strokes} strokes
     * @param {number} size  of the coordinate system
     * @param {PadEvents} events
     */
    constructor(strokes, size, events) {
        this.strokes = strokes;
        this.size = size;
        this.events = events;
        this.brush = size * 0.078;
        this.erasing = false;
        this.ink = '#000';
        this.accent = '#00f';
        /** @type {number | null} */
        this.pointer = null;
        this.hasRaw = false;
        this.wiping = false;
        this.penSeen = -Infinity;
        /** @type {{x: number, y: number, down: boolean} | null} */
        this.cursor = null;
        this.dirty = 0;
        this.canvas = h('canvas', {
            class: 'pad-canvas', tabindex: 0, role: 'application', 'aria-label': 'Drawing area',
            'aria-roledescription': 'drawing area', 'aria-describedby': 'keys',
        });
        this.listen();
        this.observer = new ResizeObserver(() => this.fit());
        this.observer.observe(this.canvas);
    }

    dispose() {
        this.observer.disconnect();
        cancelAnimationFrame(this.dirty);
    }

    /** @private */
    listen() {
        const canvas = this.canvas;
        canvas.addEventListener('pointerdown', (/** @type {PointerEvent} */ e) => this.onDown(e));
        canvas.addEventListener('pointermove', (/** @type {PointerEvent} */ e) => this.onMove(e, false));
        canvas.addEventListener('pointerrawupdate', (/** @type {PointerEvent} */ e) => this.onMove(e, true));
        for (const type of ['pointerup', 'pointercancel', 'lostpointercapture'])
            canvas.addEventListener(type, (/** @type {PointerEvent} */ e) => this.onUp(e));
        canvas.addEventListener('keydown', (/** @type {KeyboardEvent} */ e) => this.onKey(e));
        canvas.addEventListener('focus', () => this.paint());
        canvas.addEventListener('blur', () => this.onBlur());
        canvas.addEventListener('contextmenu', (/** @type {Event} */ e) => e.preventDefault());
    }

    /** @private @param {PointerEvent} e */
    place(e) {
        const box = this.canvas.getBoundingClientRect();
        const scale = this.size / (box.width || 1);
        return { x: (e.clientX - box.left) * scale, y: (e.clientY - box.top) * scale };
    }

    /** Only a pen's pressure means anything: mice say 0.5, fingers what they like. @private @param {PointerEvent} e */
    factor(e) {
        return e.pointerType === 'pen' ? 0.45 + 1.1 * e.pressure : null;
    }

    /** @private @param {PointerEvent} e */
    onDown(e) {
        if (e.pointerType === 'pen') this.penSeen = e.timeStamp;
        const palm = e.pointerType === 'touch' && e.timeStamp - this.penSeen < PALM_MS;
        const eraserEnd = e.pointerType === 'pen' && e.button === 5;
        if (this.pointer !== null || palm || (e.button !== 0 && !eraserEnd)) return;
        e.preventDefault();
        this.canvas.classList.add('pointed');
        this.canvas.focus({ preventScroll: true });
        this.liftKeyPen();
        this.cursor = null;
        this.pointer = e.pointerId;
        this.hasRaw = false;
        try {
            this.canvas.setPointerCapture(e.pointerId);
        } catch {
            /* the pointer is gone already */
        }
        const { x, y } = this.place(e);
        this.touch(x, y, this.factor(e), this.erasing || eraserEnd);
        this.changed(false, e.timeStamp);
    }

    /**
     * Browsers hold `pointermove` back until the next frame of the screen; where there are raw updates, which come at once,
     * those are followed instead.
     * @private @param {PointerEvent} e @param {boolean} raw
     */
    onMove(e, raw) {
        if (e.pointerId !== this.pointer) return;
        if (e.pointerType === 'pen') this.penSeen = e.timeStamp;
        if (e.buttons === 0) return this.onUp(e);
        if (raw) this.hasRaw = true;
        else if (this.hasRaw) return;
        const list = e.getCoalescedEvents ? e.getCoalescedEvents() : [];
        let added = false;
        for (const event of list.length ? list : [e]) {
            const { x, y } = this.place(event);
            added = this.follow(x, y, this.factor(event)) || added;
        }
        if (added) this.changed(false, e.timeStamp);
    }

    /** @private @param {PointerEvent} e */
    onUp(e) {
        if (e.pointerId !== this.pointer) return;
        this.pointer = null;
        this.strokes.end();
        this.wiping = false;
        this.changed(true, e.timeStamp);
    }

    /** Pen or eraser comes down. @private @param {number} x @param {number} y @param {number | null} factor @param {boolean} wiping */
    touch(x, y, factor, wiping) {
        this.wiping = wiping;
        if (!wiping) return this.strokes.begin(x, y, this.brush, factor);
        return this.strokes.beginWipe(x, y, this.brush / 4);
    }

    /** @private @param {number} x @param {number} y @param {number | null} factor @param {number} [follow] */
    follow(x, y, factor, follow) {
        return this.wiping ? this.strokes.wipe(x, y, this.brush / 4) : this.strokes.add(x, y, factor, follow);
    }

    /** @private @param {KeyboardEvent} e */
    onKey(e) {
        if (e.altKey) return;
        this.canvas.classList.remove('pointed');
        const key = e.key.length === 1 ? e.key.toLowerCase() : e.key;
        const command = e.ctrlKey || e.metaKey;
        if (command && key === 'z') this.events.oncommand(e.shiftKey ? 'redo' : 'undo');
        else if (command && key === 'y') this.events.oncommand('redo');
        else if (command) return;
        else if (key in MOVES) this.moveCursor(MOVES[key], e.shiftKey ? 0.25 : 1, e.timeStamp);
        else if (key === ' ' || key === 'Enter') this.toggleKeyPen(e.timeStamp);
        else if (key === 'Delete' || key === 'Backspace') this.events.oncommand('clear');
        else if (key === '+' || key === '=') this.events.oncommand('thicker');
        else if (key === '-') this.events.oncommand('thinner');
        else if (key === 'e') this.events.oncommand('eraser');
        else if (key === 'Escape' && this.cursor && this.cursor.down) this.liftKeyPen(e.timeStamp);
        else return;
        e.preventDefault();
    }

    /** @private */
    ensureCursor() {
        if (!this.cursor) this.cursor = { x: this.size / 2, y: this.size / 4, down: false };
        return this.cursor;
    }

    /** @private @param {[number, number]} move @param {number} scale @param {number} time */
    moveCursor(move, scale, time) {
        const cursor = this.ensureCursor();
        const step = (this.size / GRID) * scale;
        const clamp = (/** @type {number} */ v) => Math.min(this.size, Math.max(0, v));
        cursor.x = clamp(cursor.x + move[0] * step);
        cursor.y = clamp(cursor.y + move[1] * step);
        if (cursor.down && this.follow(cursor.x, cursor.y, null, 1)) this.changed(false, time);
        else this.paint();
    }

    /** @private @param {number} time */
    toggleKeyPen(time) {
        const cursor = this.ensureCursor();
        if (cursor.down) return this.liftKeyPen(time);
        cursor.down = true;
        this.touch(cursor.x, cursor.y, null, this.erasing);
        this.events.onsay(this.erasing ? 'Eraser down' : 'Pen down');
        this.changed(false, time);
    }

    /** @private */
    liftKeyPen(time = performance.now()) {
        if (!this.cursor || !this.cursor.down) return;
        this.cursor.down = false;
        this.strokes.end();
        this.wiping = false;
        this.events.onsay(this.erasing ? 'Eraser up' : 'Pen up');
        this.changed(true, time);
    }

    /** @private */
    onBlur() {
        this.canvas.classList.remove('pointed');
        this.liftKeyPen();
        this.paint();
    }

    /** The pen is on the paper. */
    get isDown() {
        return this.pointer !== null || (this.cursor !== null && this.cursor.down);
    }

    /** End what is being drawn, as undo and clear come in between. */
    lift() {
        this.pointer = null;
        this.wiping = false;
        if (this.cursor) this.cursor.down = false;
        this.strokes.end();
    }

    /** @private @param {boolean} final @param {number} time */
    changed(final, time) {
        this.paint();
        this.events.onchange(final, time);
    }

    /** Give the canvas as many pixels as the screen has for it. @private */
    fit() {
        const pixels = Math.max(1, Math.round(this.canvas.clientWidth * (window.devicePixelRatio || 1)));
        if (this.canvas.width !== pixels) this.canvas.width = this.canvas.height = pixels;
        this.draw();
    }

    /** Draw with the screen's next frame. */
    paint() {
        if (!this.dirty) this.dirty = requestAnimationFrame(() => this.draw());
    }

    /** @private */
    draw() {
        cancelAnimationFrame(this.dirty);
        this.dirty = 0;
        const context = this.canvas.getContext('2d');
        const scale = this.canvas.width / this.size;
        context.setTransform(1, 0, 0, 1, 0, 0);
        context.clearRect(0, 0, this.canvas.width, this.canvas.height);
        context.setTransform(scale, 0, 0, scale, 0, 0);
        context.lineCap = context.lineJoin = 'round';
        context.strokeStyle = context.fillStyle = this.ink;
        for (const stroke of this.strokes.list) drawStroke(context, stroke);
        if (this.strokes.active) drawStroke(context, this.strokes.active);
        this.drawCursor(context);
    }

    /** @private @param {CanvasRenderingContext2D} context */
    drawCursor(context) {
        const root = /** @type {any} */ (this.canvas.getRootNode());
        if (!this.cursor || root.activeElement !== this.canvas) return;
        const { x, y, down } = this.cursor;
        context.strokeStyle = this.accent;
        context.lineWidth = 2;
        context.beginPath();
        context.arc(x, y, this.brush / 2 + 2, 0, 2 * Math.PI);
        context.stroke();
        if (down) return;
        context.beginPath();
        context.moveTo(x - 4, y);
        context.lineTo(x + 4, y);
        context.moveTo(x, y - 4);
        context.lineTo(x, y + 4);
        context.stroke();
    }
}

/** @param {CanvasRenderingContext2D} context @param {import('./strokes.js').Stroke} stroke */
function drawStroke(context, { points, widths, brush }) {
    if (points.length === 2) {
        context.beginPath();
        context.arc(points[0], points[1], (brush * (widths ? widths[0] : 1)) / 2, 0, 2 * Math.PI);
        context.fill();
    } else if (widths) {
        drawPressed(context, points, widths, brush);
    } else {
        context.lineWidth = brush;
        context.beginPath();
        trace(context, points);
        context.stroke();
    }
}

/** A smooth line: curves from middle to middle, with the points as handles. @param {CanvasRenderingContext2D} context @param {number[]} points */
function trace(context, points) {
    const last = points.length - 2;
    context.moveTo(points[0], points[1]);
    for (let i = 2; i < last; i += 2)
        context.quadraticCurveTo(points[i], points[i + 1], (points[i] + points[i + 2]) / 2, (points[i + 1] + points[i + 3]) / 2);
    context.lineTo(points[last], points[last + 1]);
}

/** @param {CanvasRenderingContext2D} context @param {number[]} points @param {number[]} widths @param {number} brush */
function drawPressed(context, points, widths, brush) {
    for (let i = 1; i < widths.length; i++) {
        context.lineWidth = (brush * (widths[i - 1] + widths[i])) / 2;
        context.beginPath();
        context.moveTo(points[2 * i - 2], points[2 * i - 1]);
        context.lineTo(points[2 * i], points[2 * i + 1]);
        context.stroke();
    }
}
