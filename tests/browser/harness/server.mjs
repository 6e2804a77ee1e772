/* SPDX-License-Identifier: MIT */

/*
 * A scripted server for the page: serves webui/page with the headers of `inkling serve`, and answers views by a function
 * that a test may replace. It shows how a view behaves with a slow, silent or refusing kernel, which a real one is only by
 * accident. `node harness/server.mjs PORT` serves it for looking at.
 */

import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';

const ROOT = new URL('../../../', import.meta.url);
const FILES = {
    '/': ['webui/page/index.html', 'text/html; charset=utf-8'],
    '/page.js': ['webui/page/page.js', 'text/javascript; charset=utf-8'],
    '/page.css': ['webui/page/page.css', 'text/css; charset=utf-8'],
    '/inkling.js': ['build/gen/webui/inkling.js', 'text/javascript; charset=utf-8'],
};
const CSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'";

/** Distance of a point to a stroke, in canvas units. */
function toStroke(x, y, points) {
    let best = Infinity;
    for (let i = 0; i < points.length; i += 2) {
        const j = Math.max(0, i - 2);
        const [ax, ay, dx, dy] = [points[j], points[j + 1], points[i] - points[j], points[i + 1] - points[j + 1]];
        const t = Math.min(1, Math.max(0, ((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy || 1)));
        best = Math.min(best, Math.hypot(x - ax - t * dx, y - ay - t * dy));
    }
    return best;
}

function rasterise({ strokes, size }) {
    const picture = new Float32Array(28 * 28);
    for (let i = 0; i < picture.length; i++) {
        const [x, y] = [((i % 28) + 0.5) * (size / 28), (Math.floor(i / 28) + 0.5) * (size / 28)];
        const near = Math.min(...strokes.map((points) => toStroke(x, y, points)));
        picture[i] = Math.min(1, Math.max(0, 1.6 - near / (size / 28)));
    }
    return picture;
}

/** Edge filters in twelve directions: something to look at. */
function edges(picture, count) {
    const values = new Float32Array(count * 26 * 26);
    for (let c = 0; c < count; c++) {
        const [fx, fy] = [Math.cos((2 * Math.PI * c) / count), Math.sin((2 * Math.PI * c) / count)];
        for (let y = 0; y < 26; y++)
            for (let x = 0; x < 26; x++) {
                const at = (dx, dy) => picture[(y + dy) * 28 + x + dx];
                values[(c * 26 + y) * 26 + x] = fx * (at(2, 1) - at(0, 1)) + fy * (at(1, 2) - at(1, 0)) + (c % 3 === 0 ? at(1, 1) : 0);
            }
    }
    return values;
}

function layer(name, op, shape, values) {
    const [min, max] = values.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]);
    const maps = Buffer.from(values.map((v) => Math.round((255 * (v - min)) / (max - min || 1))));
    return { name, op, shape, min, max, mean: 0, maps: maps.toString('base64') };
}

/** The answer to a frame: the number of strokes is the digit. */
export function answer(frame) {
    if (!frame.type) return { type: 'hello', v: 1, model: { name: 'scripted', version: 3, parameters: 192618, layers: [{ name: 'conv1', op: 'conv', shape: [24, 26, 26] }, { name: 'relu1', op: 'relu', shape: [24, 26, 26] }] }, labels: [...'0123456789'], answer: null, strokes: null };
    const base = { type: 'answer', seq: frame.seq, final: frame.final, model: { name: 'scripted', version: 3 }, elapsed_ms: 0.21 };
    if (frame.strokes.length === 0) return { ...base, empty: true, ...(frame.final ? { bundle: bundle(frame, { ...base, empty: true }) } : {}) };
    const digit = frame.strokes.length % 10;
    const probabilities = Array.from({ length: 10 }, (_, i) => (i === digit ? 0.9342 : i === (digit + 3) % 10 ? 0.0418 : 0.003));
    const picture = rasterise(frame);
    const said = { ...base, empty: false, prediction: digit, probabilities, preparation: ['scaled 0.12', 'moved 1,−2'],
        picture: Buffer.from(picture.map((v) => 255 * v)).toString('base64') };
    const values = edges(picture, 24);
    const layers = [layer('conv1', 'conv', [24, 26, 26], values), layer('relu1', 'relu', [24, 26, 26], values.map((v) => Math.max(0, v)))];
    return { ...said, layers: layers.slice(0, frame.layers), ...(frame.final ? { bundle: bundle(frame, said) } : {}) };
}

function bundle(frame, said) {
    return { 'application/vnd.inkling.v1+json': { v: 1, view: 'draw', id: frame.id, parameters: { size: frame.size, brush: frame.brush },
        static: { ...said, strokes: frame.strokes } }, 'text/plain': String(said.prediction) };
}

/** @returns {Promise<{url: string, frames: any[], script: {reply: Function, token: string}, close: () => void}>} */
export async function serve(port = 0) {
    const frames = [];
    const script = { reply: async (frame) => answer(frame), token: '' };
    const server = createServer(async (request, response) => {
        try {
            if (request.method === 'POST') {
                let body = '';
                for await (const chunk of request) body += chunk;
                const frame = JSON.parse(body);
                if (script.token && request.headers.authorization !== `Bearer ${script.token}`)
                    return void response.writeHead(401, { 'Content-Type': 'application/json' }).end('{"error":"the token is missing"}');
                frames.push(frame);
                const reply = await script.reply(frame);
                response.writeHead(reply.type === 'error' ? 400 : 200, { 'Content-Type': 'application/json' }).end(JSON.stringify(reply));
                return;
            }
            const file = FILES[new URL(request.url, 'http://x').pathname];
            if (!file) return void response.writeHead(404).end();
            response.writeHead(200, { 'Content-Type': file[1], 'Content-Security-Policy': CSP, 'X-Content-Type-Options': 'nosniff' }).end(await readFile(new URL(file[0], ROOT)));
        } catch (error) {
            response.writeHead(500).end(String(error));
        }
    });
    await new Promise((done) => server.listen(port, '127.0.0.1', done));
    return { url: `http://127.0.0.1:${server.address().port}/`, frames, script, close: () => (server.closeAllConnections(), server.close()) };
}

if (process.argv[1] === new URL(import.meta.url).pathname) {
    const { url } = await serve(Number(process.argv[2] || 0));
    console.log(url);
}
