/* SPDX-License-Identifier: MIT */

/*
 * protocol: what a view and the kernel say to each other. kernel/command/view.c is the other side.
 *
 * All payloads are plain JSON; bytes travel as base64. Everything that comes in is checked here, once, so that the
 * views may rely on its shape.
 */

export const VIEW_VERSION = 1;
export const VIEW_MIME = 'application/vnd.inkling.v1+json';
export const VIEW_TARGET = 'inkling.v1';

/** The kernel refuses a drawing beyond these. */
export const STROKES_MAX = 200;
export const POINTS_MAX = 20000;

/**
 * @typedef {Object} Layer  one layer's feature maps
 * @property {string} name
 * @property {string} op
 * @property {number[]} shape  [C, H, W]
 * @property {number} min  the value of byte 0
 * @property {number} max  the value of byte 255
 * @property {Uint8Array} maps  C*H*W bytes, linear from min to max
 */

/**
 * @typedef {Object} Answer  what the network says about a drawing
 * @property {'answer'} type
 * @property {number} seq
 * @property {boolean} final
 * @property {boolean} empty  nothing is drawn: no prediction
 * @property {number} prediction  index into probabilities; -1 when empty
 * @property {number[]} probabilities
 * @property {number} elapsedMs  time in the network
 * @property {{name: string, version: number}} model
 * @property {Uint8Array | null} picture  28x28, row-major, 0 background to 255 ink
 * @property {string[]} preparation
 * @property {Layer[]} layers
 * @property {Object<string, any> | null} bundle  the output to save in the notebook
 */

/**
 * @typedef {Object} Hello
 * @property {'hello'} type
 * @property {{name: string, version: number, parameters: number}} model
 * @property {{name: string, op: string, shape: number[]}[]} layers  those with feature maps
 * @property {string[]} labels
 * @property {Answer | null} answer
 * @property {number[][] | null} strokes
 */

const PICTURE_BYTES = 28 * 28;

/**
 * @param {string} view
 * @param {string} id
 */
export function openData(view, id) {
    return { v: VIEW_VERSION, view, id };
}

/**
 * @param {{seq: number, id: string, size: number, brush: number, strokes: number[][], final: boolean, layers: number}} f
 */
export function strokesFrame(f) {
    const { seq, id, size, brush, strokes, final, layers } = f;
    return { type: 'strokes', seq, id, size, brush, strokes, final, layers };
}

/**
 * Decode standard base64.
 * @param {string} text
 * @returns {Uint8Array}
 */
export function decodeBytes(text) {
    const binary = atob(text);
    const bytes = new Uint8Array(binary.length);
    for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
    return bytes;
}

/** @param {any} value */
function isCount(value) {
    return Number.isInteger(value) && value >= 0;
}

/** @param {any} value @param {number} otherwise */
function finite(value, otherwise) {
    return typeof value === 'number' && Number.isFinite(value) ? value : otherwise;
}

/** @param {any} value @param {string} otherwise */
function text(value, otherwise) {
    return typeof value === 'string' ? value : otherwise;
}

/** @param {any} raw @returns {Layer} */
function readLayer(raw) {
    const shape = Array.isArray(raw.shape) ? raw.shape : [];
    const maps = decodeBytes(text(raw.maps, ''));
    if (shape.length !== 3 || !shape.every(isCount) || maps.length !== shape[0] * shape[1] * shape[2])
        throw new Error(`layer ${raw.name}: ${maps.length} bytes of maps, expected the shape ${shape.join('x')}`);
    return { name: text(raw.name, ''), op: text(raw.op, ''), shape, min: finite(raw.min, 0), max: finite(raw.max, 1), maps };
}

/**
 * Check and decode an answer, live or from a saved output.
 * @param {any} raw
 * @returns {Answer}
 */
export function readAnswer(raw) {
    const empty = raw.empty === true;
    const probabilities = Array.isArray(raw.probabilities) ? raw.probabilities.map((/** @type {any} */ p) => finite(p, 0)) : [];
    if (!empty && (probabilities.length === 0 || !isCount(raw.prediction) || raw.prediction >= probabilities.length))
        throw new Error(`prediction ${raw.prediction} of ${probabilities.length} probabilities`);
    const picture = typeof raw.picture === 'string' ? decodeBytes(raw.picture) : null;
    if (picture && picture.length !== PICTURE_BYTES)
        throw new Error(`picture of ${picture.length} bytes, expected ${PICTURE_BYTES}`);
    const model = raw.model || {};
    return {
        type: 'answer',
        seq: finite(raw.seq, 0),
        final: raw.final === true,
        empty,
        prediction: empty ? -1 : raw.prediction,
        probabilities: empty ? [] : probabilities,
        elapsedMs: finite(raw.elapsed_ms, 0),
        model: { name: text(model.name, ''), version: finite(model.version, 0) },
        picture,
        preparation: Array.isArray(raw.preparation) ? raw.preparation.filter((/** @type {any} */ s) => typeof s === 'string') : [],
        layers: Array.isArray(raw.layers) ? raw.layers.map(readLayer) : [],
        bundle: raw.bundle && typeof raw.bundle === 'object' ? raw.bundle : null,
    };
}

/**
 * Strokes as they come from outside: lists of x, y, x, y, ...; anything else is dropped.
 * @param {any} raw
 * @returns {number[][]}
 */
export function readStrokes(raw) {
    if (!Array.isArray(raw)) return [];
    return raw.filter((s) => Array.isArray(s) && s.length >= 2 && s.length % 2 === 0 && s.every(Number.isFinite));
}

/** Operations whose maps the kernel leaves out when it is asked for the first layers. */
const WITHOUT_MAPS = ['input', 'batchnorm', 'dropout'];

/** @param {any} layer */
function hasMaps(layer) {
    const { name, op, shape } = layer || {};
    return typeof name === 'string' && typeof op === 'string' && !WITHOUT_MAPS.includes(op) &&
        Array.isArray(shape) && shape.length === 3 && shape.every(isCount) && shape[1] * shape[2] > 1;
}

/** @param {any} raw @returns {Hello} */
function readHello(raw) {
    const model = raw.model || {};
    return {
        type: 'hello',
        model: { name: text(model.name, ''), version: finite(model.version, 0), parameters: finite(model.parameters, 0) },
        layers: Array.isArray(model.layers) ? model.layers.filter(hasMaps).map(({ name, op, shape }) => ({ name, op, shape })) : [],
        labels: Array.isArray(raw.labels) ? raw.labels.map(String) : [],
        answer: raw.answer ? readAnswer(raw.answer) : null,
        strokes: Array.isArray(raw.strokes) ? readStrokes(raw.strokes) : null,
    };
}

/**
 * Check and decode one message from the kernel. Throws an Error that says what is wrong with it.
 * @param {any} raw
 * @returns {Hello | Answer | {type: 'error', seq: number, message: string}}
 */
export function readMessage(raw) {
    const type = raw && raw.type;
    if (type === 'answer') return readAnswer(raw);
    if (type === 'hello') return readHello(raw);
    if (type === 'error') return { type, seq: finite(raw.seq, 0), message: text(raw.message, 'unknown error') };
    throw new Error(`message of type ${String(type)}, expected hello, answer or error`);
}
