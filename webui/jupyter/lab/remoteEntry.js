/* SPDX-License-Identifier: MIT */

/*
 * The extension for JupyterLab 4 and Notebook 7, as the module-federation container that they load: `init` gets their
 * shared packages, `get` hands out the plugin. The views are in inkling.js beside this file. It works in every notebook,
 * trusted or not, as the renderer makes its elements itself and runs nothing that the notebook brings.
 */

(() => {
    'use strict';

    const NAME = 'inkling-lab';
    const MIME = 'application/vnd.inkling.v1+json';
    const HERE = new URL('.', document.currentScript.src).href;

    let shared = {};
    let loading = null;

    /** One of the application's own packages, whatever version it has. */
    async function take(name) {
        const versions = Object.values(shared[name] || {});
        if (versions.length === 0) throw new Error(`${NAME}: this application does not share ${name}`);
        return (await versions[0].get())();
    }

    function load() {
        if (loading) return loading;
        const xsrf = /(?:^|;\s*)_xsrf=([^;]*)/.exec(document.cookie);
        const url = `${HERE}inkling.js${xsrf ? `?_xsrf=${encodeURIComponent(xsrf[1])}` : ''}`;
        const fresh = fetch(url, { cache: 'no-cache', credentials: 'same-origin' }).catch(() => null);
        loading = fresh.then(() => import(url));
        loading.catch(() => (loading = null));
        return loading;
    }

    /** Write a finished drawing into the output it was made in, so that the saved notebook has it. */
    function save(panel, id, bundle) {
        for (const cell of panel.content.widgets) {
            const outputs = cell.model.outputs;
            for (let i = 0; outputs && i < outputs.length; i++) {
                const output = outputs.get(i).toJSON();
                if (!output.data || !output.data[MIME] || output.data[MIME].id !== id) continue;
                outputs.set(i, { ...output, data: { ...bundle } });
                return;
            }
        }
    }

    /** The renderer of one notebook's outputs. */
    function rendererClass(Widget, panel) {
        return class extends Widget {
            constructor() {
                super();
                this.addClass('inkling-output');
                this.host = document.createElement('div');
                this.node.appendChild(this.host);
                this.view = null;
                this.session = panel.context.sessionContext;
                this.session.kernelChanged.connect(this.onKernel, this);
                this.session.statusChanged.connect(this.onStatus, this);
                this.session.connectionStatusChanged.connect(this.onConnection, this);
            }

            get kernel() {
                return this.session.session && this.session.session.kernel;
            }

            /** Called again when the output changes: the view stays. */
            async renderModel(mime) {
                const model = mime.data[MIME];
                if (this.view) return this.view.update(model);
                let inkling;
                try {
                    inkling = await load();
                } catch (error) {
                    this.host.textContent = `inkling.js could not be loaded (${error.message}); reload the page to try again`;
                    return;
                }
                if (this.isDisposed) return;
                if (this.view) return this.view.update(model);
                const open = (data) => inkling.openLabComm(this.kernel, data);
                this.view = inkling.mount(this.host, open, { model, onbundle: (bundle) => save(panel, this.view.id, bundle) });
                this.onStatus();
            }

            onKernel() {
                this.onStatus();
                if (this.view) this.view.reconnect();
            }

            onConnection(_, status) {
                if (status === 'connected') this.onKernel();
                else this.onStatus();
            }

            onStatus() {
                const kernel = this.kernel;
                if (!this.view) return;
                const broken = kernel && kernel.connectionStatus !== 'connected';
                this.view.setKernel(!kernel ? '' : broken ? 'disconnected' : kernel.status);
            }

            dispose() {
                if (this.isDisposed) return;
                this.session.kernelChanged.disconnect(this.onKernel, this);
                this.session.statusChanged.disconnect(this.onStatus, this);
                this.session.connectionStatusChanged.disconnect(this.onConnection, this);
                if (this.view) this.view.dispose();
                super.dispose();
            }
        };
    }

    async function plugin() {
        const { INotebookTracker } = await take('@jupyterlab/notebook');
        const { Widget } = await take('@lumino/widgets');
        const attach = (panel) => {
            const Renderer = rendererClass(Widget, panel);
            panel.content.rendermime.addFactory({ safe: true, mimeTypes: [MIME], createRenderer: () => new Renderer() }, -1);
        };
        return {
            id: `${NAME}:plugin`,
            description: 'Shows live outputs of the Inkling kernel.',
            autoStart: true,
            requires: [INotebookTracker],
            activate(_app, tracker) {
                tracker.forEach(attach);
                tracker.widgetAdded.connect((_, panel) => attach(panel));
            },
        };
    }

    window._JUPYTERLAB = window._JUPYTERLAB || {};
    window._JUPYTERLAB[NAME] = {
        init: (scope) => void (shared = scope),
        get: async (module) => {
            if (module !== './extension') throw new Error(`${NAME}: no module ${module}`);
            const value = { __esModule: true, default: await plugin() };
            return () => value;
        },
    };
})();
