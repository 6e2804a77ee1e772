/* SPDX-License-Identifier: MIT */

/*
 * strokes: a drawing as vectors, with its history.
 *
 * A finished stroke never changes, and every state of the drawing is a list of strokes, so undo and redo keep lists of
 * references and restore a state exactly.
 */

import { POINTS_MAX, STROKES_MAX } from '../protocol.js';

/** Steps that can be undone. */
export const HISTORY_MAX = 500;
/** How much of the way to the pointer a point moves: a little lag takes the shaking out. */
const FOLLOW = 0.65;
/** Points nearer than this to the last one (canvas units) say nothing new. */
const SPACING_MIN = 0.6;

/**
 * @typedef {Object} Stroke
 * @property {number[]} points  x, y, x, y, ... in canvas units
 * @property {number[] | null} widths  one factor a point, for pens that feel pressure
 * @property {number} brush  width in canvas units
 */

/** @param {number} value */
function tenth(value) {
    return Math.round(value * 10) / 10;
}

/** @param {number} px @param {number} py @param {number[]} points @param {number} i  distance to the segment that ends at point i */
function distance(px, py, points, i) {
    const bx = points[2 * i], by = points[2 * i + 1];
    const j = Math.max(i - 1, 0);
    const ax = points[2 * j], ay = points[2 * j + 1];
    const dx = bx - ax, dy = by - ay;
    const length = dx * dx + dy * dy;
    const t = length === 0 ? 0 : Math.min(1, Math.max(0, ((px - ax) * dx + (py - ay) * dy) / length));
    return Math.hypot(px - ax - t * dx, py - ay - t * dy);
}

/** @param {number} x @param {number} y @param {number[]} points @param {number} reach */
function isNear(x, y, points, reach) {
    for (let i = 0; i < points.length / 2; i++) if (distance(x, y, points, i) <= reach) return true;
    return false;
}

export class Strokes {
    constructor() {
        /** @type {Stroke[]} */
        this.list = [];
        /** @type {Stroke | null} */
        this.active = null;
        /** @type {Stroke[][]} */
        this.past = [];
        /** @type {Stroke[][]} */
        this.future = [];
        this.pointCount = 0;
        this.rawX = this.rawY = 0;
        this.wiping = false;
    }

    get isEmpty() {
        return this.list.length === 0 && !this.active;
    }

    get canUndo() {
        return this.past.length > 0;
    }

    get canRedo() {
        return this.future.length > 0;
    }

    /** No room for another stroke or point. */
    get isFull() {
        return this.list.length >= STROKES_MAX || this.pointCount >= POINTS_MAX;
    }

    /** @private @param {Stroke[]} next */
    change(next) {
        this.past.push(this.list);
        if (this.past.length > HISTORY_MAX) this.past.shift();
        this.future = [];
        this.show(next);
    }

    /** @private @param {Stroke[]} list */
    show(list) {
        this.list = list;
        this.pointCount = list.reduce((sum, stroke) => sum + stroke.points.length / 2, 0);
    }

    /**
     * Put the pen down. Does nothing when the drawing is full.
     * @param {number} x @param {number} y @param {number} brush
     * @param {number | null} factor  width factor of a pen that feels pressure
     */
    begin(x, y, brush, factor = null) {
        this.end();
        if (this.isFull) return false;
        this.active = { points: [tenth(x), tenth(y)], widths: factor === null ? null : [factor], brush };
        this.pointCount++;
        this.rawX = x;
        this.rawY = y;
        return true;
    }

    /** Follow the pointer. True when a point was added. @param {number} x @param {number} y @param {number | null} factor */
    add(x, y, factor = null, follow = FOLLOW) {
        const stroke = this.active;
        if (!stroke || this.pointCount >= POINTS_MAX) return false;
        this.rawX = x;
        this.rawY = y;
        const { points, widths } = stroke;
        const lastX = points[points.length - 2], lastY = points[points.length - 1];
        const nextX = lastX + follow * (x - lastX), nextY = lastY + follow * (y - lastY);
        if (Math.hypot(nextX - lastX, nextY - lastY) < SPACING_MIN) return false;
        points.push(tenth(nextX), tenth(nextY));
        if (widths) widths.push(factor === null ? 1 : factor);
        this.pointCount++;
        return true;
    }

    /** Lift the pen: the stroke ends where the pointer is, and becomes a step of the history. */
    end() {
        const stroke = this.active;
        if (!stroke) return false;
        this.add(this.rawX, this.rawY, stroke.widths ? stroke.widths[stroke.widths.length - 1] : null, 1);
        this.active = null;
        this.change([...this.list, stroke]);
        return true;
    }

    /** Begin to wipe at a point: all strokes that one gesture touches come back with one undo. @param {number} x @param {number} y @param {number} reach */
    beginWipe(x, y, reach) {
        this.end();
        this.wiping = false;
        this.rawX = x;
        this.rawY = y;
        return this.wipe(x, y, reach);
    }

    /** Take away the strokes within `reach` of the way to a point. True when there were any. @param {number} x @param {number} y @param {number} reach */
    wipe(x, y, reach) {
        const steps = Math.max(1, Math.ceil(Math.hypot(x - this.rawX, y - this.rawY) / reach));
        let rest = this.list;
        for (let step = 1; step <= steps; step++) {
            const atX = this.rawX + ((x - this.rawX) * step) / steps, atY = this.rawY + ((y - this.rawY) * step) / steps;
            rest = rest.filter(({ points, brush }) => !isNear(atX, atY, points, reach + brush / 2));
        }
        this.rawX = x;
        this.rawY = y;
        if (rest.length === this.list.length) return false;
        if (this.wiping) this.show(rest);
        else this.change(rest);
        this.wiping = true;
        return true;
    }

    clear() {
        this.end();
        if (this.list.length === 0) return false;
        this.change([]);
        return true;
    }

    undo() {
        this.end();
        const before = this.past.pop();
        if (!before) return false;
        this.future.push(this.list);
        this.show(before);
        return true;
    }

    redo() {
        this.end();
        const after = this.future.pop();
        if (!after) return false;
        this.past.push(this.list);
        this.show(after);
        return true;
    }

    /** Take over a saved drawing; the history begins with its strokes, one a step. @param {number[][]} wire @param {number} brush */
    load(wire, brush) {
        const list = wire.slice(0, STROKES_MAX).map((points) => ({ points: points.slice(), widths: null, brush }));
        this.active = null;
        this.past = list.map((_, i) => list.slice(0, i)).slice(-HISTORY_MAX);
        this.future = [];
        this.show(list);
    }

    /** The drawing as the kernel wants it, the stroke under the pen included. @returns {number[][]} */
    toWire() {
        const wire = this.list.map((stroke) => stroke.points);
        if (this.active) wire.push(this.active.points.slice());
        return wire;
    }
}
