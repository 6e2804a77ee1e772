/* SPDX-License-Identifier: MIT */

/* The Lab extension in a make-believe JupyterLab: what it asks for, what it registers, what it writes into the notebook. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import vm from 'node:vm';

const MIME = 'application/vnd.inkling.v1+json';
const file = (name) => readFileSync(new URL(`../../webui/jupyter/lab/${name}`, import.meta.url), 'utf8');

class Signal {
    slots = [];
    connect(slot, self) {
        this.slots.push([slot, self]);
    }
    disconnect(slot, self) {
        this.slots = this.slots.filter(([s, o]) => s !== slot || o !== self);
    }
    emit(...args) {
        for (const [slot, self] of this.slots) slot.apply(self, args);
    }
}

class Widget {
    node = { appendChild() {} };
    isDisposed = false;
    addClass() {}
    dispose() {
        this.isDisposed = true;
    }
}

/** Load remoteEntry.js as a browser would; inkling.js is what the test says. */
function load(inkling) {
    const fetched = [];
    const window = {};
    const context = vm.createContext({
        window, URL,
        document: { currentScript: { src: 'http://host/user/a/lab/extensions/inkling-lab/static/remoteEntry.js?v=1' }, cookie: 'x=1; _xsrf=2|ab|cd',
            createElement: () => ({}) },
        fetch: async (url, options) => fetched.push([url, options.cache]),
    });
    const source = file('remoteEntry.js');
    assert.ok(source.includes('import(url)'));
    context.bring = async (url) => {
        fetched.push(['import', url]);
        return inkling;
    };
    vm.runInContext(source.replace('import(url)', 'bring(url)'), context);
    return { container: window._JUPYTERLAB['inkling-lab'], fetched };
}

const share = (exports) => ({ '4.0.11': { get: async () => () => exports } });

function fakePanel() {
    const sessionContext = { kernelChanged: new Signal(), statusChanged: new Signal(), connectionStatusChanged: new Signal(),
        session: { kernel: { connectionStatus: 'connected', status: 'idle' } } };
    const factories = [];
    const written = [];
    const output = (id) => ({ toJSON: () => ({ output_type: 'display_data', data: { [MIME]: { id }, 'text/plain': 'old' }, metadata: {} }) });
    const outputs = { items: [output('other'), output('mine')], get length() { return this.items.length; }, get: (i) => outputs.items[i], set: (i, value) => written.push([i, value]) };
    return { panel: { context: { sessionContext }, content: { widgets: [{ model: {} }, { model: { outputs } }], rendermime: { addFactory: (...args) => factories.push(args) } } },
        sessionContext, factories, written };
}

test('package.json is what a prebuilt extension needs', () => {
    const { name, jupyterlab } = JSON.parse(file('package.json'));
    assert.equal(name, 'inkling-lab');
    assert.equal(jupyterlab.extension, true);
    assert.deepEqual(jupyterlab._build, { load: 'static/remoteEntry.js', extension: './extension' });
});

test('the plugin registers a safe renderer in every notebook, open or opened later', async () => {
    const { container } = load({});
    const tracker = { open: fakePanel(), widgetAdded: new Signal(), forEach(f) { f(this.open.panel); } };
    container.init({ '@jupyterlab/notebook': share({ INotebookTracker: 'token' }), '@lumino/widgets': share({ Widget }) });
    await assert.rejects(container.get('./other'), /no module/);
    const plugin = (await container.get('./extension'))().default;
    assert.equal(plugin.autoStart, true);
    assert.equal(plugin.requires.join(), 'token');
    plugin.activate(null, tracker);
    const later = fakePanel();
    tracker.widgetAdded.emit(tracker, later.panel);
    for (const { factories } of [tracker.open, later]) {
        const [[factory, rank]] = factories;
        assert.equal(factory.safe, true);
        assert.equal(factory.mimeTypes.join(), MIME);
        assert.equal(rank, -1);
    }
});

test('an application without the shared package: the error names it', async () => {
    const { container } = load({});
    container.init({});
    await assert.rejects(container.get('./extension'), /does not share @jupyterlab\/notebook/);
});

test('a renderer mounts once, updates after that, follows the kernel and saves into its own output', async () => {
    const calls = [];
    let options, open;
    const view = { id: 'mine', update: (m) => calls.push(['update', m.id]), setKernel: (s) => calls.push(['kernel', s]), reconnect: () => calls.push(['reconnect']), dispose: () => calls.push(['dispose']) };
    const { container, fetched } = load({ mount: (_, o, opts) => ((open = o), (options = opts), calls.push(['mount']), view), openLabComm: (kernel, data) => [kernel, data] });
    container.init({ '@jupyterlab/notebook': share({ INotebookTracker: 'token' }), '@lumino/widgets': share({ Widget }) });
    const { panel, sessionContext, factories, written } = fakePanel();
    (await container.get('./extension'))().default.activate(null, { forEach: (f) => f(panel), widgetAdded: new Signal() });
    const renderer = factories[0][0].createRenderer();
    await renderer.renderModel({ data: { [MIME]: { id: 'mine' } } });
    await renderer.renderModel({ data: { [MIME]: { id: 'mine' } } });
    assert.deepEqual(calls, [['mount'], ['kernel', 'idle'], ['update', 'mine']]);
    assert.equal(fetched.at(-1)[1], 'http://host/user/a/lab/extensions/inkling-lab/static/inkling.js?_xsrf=2%7Cab%7Ccd');
    assert.equal(open('data')[0], sessionContext.session.kernel);

    options.onbundle({ [MIME]: { id: 'mine', static: 1 }, 'text/plain': 'new' });
    assert.equal(written.length, 1);
    assert.equal(written[0][0], 1);
    assert.equal(written[0][1].data['text/plain'], 'new');

    calls.length = 0;
    sessionContext.session.kernel = { connectionStatus: 'connecting', status: 'unknown' };
    sessionContext.connectionStatusChanged.emit(null, 'connecting');
    sessionContext.session.kernel.connectionStatus = 'connected';
    sessionContext.connectionStatusChanged.emit(null, 'connected');
    sessionContext.session = null;
    sessionContext.kernelChanged.emit();
    assert.deepEqual(calls, [['kernel', 'disconnected'], ['kernel', 'unknown'], ['reconnect'], ['kernel', ''], ['reconnect']]);
    renderer.dispose();
    renderer.dispose();
    assert.deepEqual(calls.slice(5), [['dispose']]);
    sessionContext.statusChanged.emit();
    assert.equal(calls.length, 6);
});
