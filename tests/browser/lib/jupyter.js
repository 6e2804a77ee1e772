/* SPDX-License-Identifier: MIT */

/* jupyter: a classic notebook server of its own for a test, and the REST calls that a test needs from any server. */

import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
export const INKLING = process.env.INKLING || join(ROOT, 'build/inkling');

export function freePort() {
    return new Promise((done) => {
        const server = createServer().listen(0, '127.0.0.1', () => {
            const { port } = server.address();
            server.close(() => done(port));
        });
    });
}

/** Poll until check() gives something, or fail with what the process said. */
async function until(check, child, said, what) {
    for (let i = 0; i < 300; i++) {
        const value = await check();
        if (value) return value;
        if (child.exitCode !== null) break;
        await new Promise((done) => setTimeout(done, 100));
    }
    throw new Error(`${what} did not start:\n${said().slice(-2000)}`);
}

/** Start a program, gather what it says; stop() ends it and waits. */
export function run(command, args, options) {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (text += chunk));
    const ended = new Promise((done) => child.on('exit', done).on('error', done));
    const stop = async () => {
        child.kill('SIGTERM');
        const timer = setTimeout(() => child.kill('SIGKILL'), 5000);
        await ended;
        clearTimeout(timer);
    };
    return { child, said: () => text, stop };
}

/**
 * Start a classic notebook with the kernel of this build. Nothing outside its temporary folder is read or written.
 * @returns {Promise<{url: string, token: string, stop: () => Promise<void>}>}
 */
export async function startClassic({ base = '/' } = {}) {
    const home = mkdtempSync(join(tmpdir(), 'inkling-jupyter-'));
    const folder = (name) => {
        mkdirSync(join(home, name));
        return join(home, name);
    };
    const env = {
        ...process.env, HOME: home, JUPYTER_CONFIG_DIR: folder('config'), JUPYTER_DATA_DIR: folder('data'),
        JUPYTER_RUNTIME_DIR: folder('runtime'), IPYTHONDIR: folder('ipython'), XDG_DATA_HOME: folder('xdg'),
    };
    if (process.env.INKLING_KERNELS) env.JUPYTER_PATH = process.env.INKLING_KERNELS;
    else {
        execFileSync(INKLING, ['install', '--prefix', folder('prefix')], { env, stdio: 'pipe' });
        env.JUPYTER_PATH = join(home, 'prefix/share/jupyter');
    }
    const port = await freePort();
    const token = `t${Math.random().toString(36).slice(2)}`;
    const server = run('jupyter-notebook', ['--allow-root', '--no-browser', '--ip=127.0.0.1', `--port=${port}`, '--NotebookApp.port_retries=0',
        `--NotebookApp.token=${token}`, `--NotebookApp.base_url=${base}`, `--notebook-dir=${folder('notebooks')}`], { env, cwd: home });
    const url = `http://127.0.0.1:${port}${base}`;
    const stop = async () => {
        await server.stop();
        rmSync(home, { recursive: true, force: true });
    };
    try {
        await until(() => fetch(`${url}api`).then((r) => r.ok, () => false), server.child, server.said, 'jupyter-notebook');
    } catch (error) {
        await stop();
        throw error;
    }
    return { url, token, stop };
}

/** Start `inkling serve` on a free port. @returns {Promise<{url: string, stop: () => Promise<void>}>} */
export async function startServe() {
    const port = await freePort();
    const server = run(INKLING, ['serve', '--port', String(port)], {});
    const url = `http://127.0.0.1:${port}/`;
    try {
        await until(() => fetch(`${url}healthz`).then((r) => r.ok, () => false), server.child, server.said, 'inkling serve');
    } catch (error) {
        await server.stop();
        throw error;
    }
    return { url, stop: server.stop };
}

/** A notebook server's REST interface. */
export class Rest {
    constructor({ url, token }) {
        this.url = url;
        this.token = token;
    }

    async call(method, path, body) {
        const response = await fetch(`${this.url}api/${path}`, {
            method,
            headers: { Authorization: `token ${this.token}`, 'Content-Type': 'application/json' },
            body: body && JSON.stringify(body),
        });
        if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
        return response.status === 204 ? null : response.json();
    }

    put(path, notebook) {
        return this.call('PUT', `contents/${path}`, { type: 'notebook', content: notebook });
    }

    async get(path) {
        return (await this.call('GET', `contents/${path}`)).content;
    }

    /** Change a setting of JupyterLab or Notebook 7. */
    async set(plugin, value) {
        const response = await fetch(`${this.url}lab/api/settings/${plugin}`, {
            method: 'PUT',
            headers: { Authorization: `token ${this.token}`, 'Content-Type': 'application/json' },
            body: JSON.stringify({ raw: JSON.stringify(value) }),
        });
        if (!response.ok) throw new Error(`setting ${plugin}: ${response.status}`);
    }

    /** End all kernels, so that the next page begins with none. */
    async endSessions() {
        for (const { id } of await this.call('GET', 'sessions')) await this.call('DELETE', `sessions/${id}`);
    }
}

const cell = (source, outputs = []) => ({ cell_type: 'code', execution_count: null, metadata: {}, outputs, source });

/** A notebook for the kernel with a cell for each source, or for each cell given. */
export function notebook(cells) {
    return {
        cells: cells.map((c) => (typeof c === 'string' ? cell(c) : c)),
        metadata: { kernelspec: { display_name: 'Inkling', language: 'inkling', name: 'inkling' } },
        nbformat: 4, nbformat_minor: 4,
    };
}

export { cell };
