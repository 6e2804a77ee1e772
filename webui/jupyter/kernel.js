/* SPDX-License-Identifier: MIT */

/*
 * The adapter for Notebook 6 and nbclassic: they load kernel.js from the kernelspec's folder when a notebook uses the
 * kernel. It registers the renderer of Inkling's live outputs; the views themselves are in inkling.js beside it.
 */

define(['base/js/namespace', 'base/js/events', 'require'], function (Jupyter, events, require) {
    'use strict';

    const MIME = 'application/vnd.inkling.v1+json';

    /** @type {Set<{element: HTMLElement, view: any}>} what is on the page now */
    const shown = new Set();
    let kernelState = '';

    /** Where the kernelspec's folder is served: this file's own address, or the notebook's base URL if that is not known. */
    function folder() {
        const spec = Jupyter.notebook.kernel_selector && Jupyter.notebook.kernel_selector.kernelspecs;
        const name = Jupyter.notebook.metadata.kernelspec && Jupyter.notebook.metadata.kernelspec.name;
        const resource = spec && name && spec[name] && spec[name].resources && spec[name].resources['kernel.js'];
        if (resource) return new URL('.', new URL(resource, document.baseURI)).href;
        return new URL(`${Jupyter.notebook.base_url}kernelspecs/${name || 'inkling'}/`, document.baseURI).href;
    }

    /** Load inkling.js once. A hub asks module requests for the page's token; `no-cache` makes an update show at once. */
    let loading = null;
    function load() {
        if (loading) return loading;
        const xsrf = /(?:^|;\s*)_xsrf=([^;]*)/.exec(document.cookie);
        const url = `${folder()}inkling.js${xsrf ? `?_xsrf=${encodeURIComponent(xsrf[1])}` : ''}`;
        const fresh = fetch(url, { cache: 'no-cache', credentials: 'same-origin' }).catch(() => null);
        loading = fresh.then(() => import(url));
        loading.catch(() => (loading = null));
        return loading;
    }

    /** Write a finished drawing into the output it was made in, so that the saved notebook has it. */
    function save(area, id, bundle) {
        const output = area.outputs.find((o) => o.data && o.data[MIME] && o.data[MIME].id === id);
        if (!output) return;
        output.data = { ...bundle };
        Jupyter.notebook.set_dirty(true);
    }

    /** The renderer; `this` is the OutputArea. */
    function render(model, metadata, element) {
        const area = this;
        const subarea = this.create_output_subarea(metadata, 'output_inkling', MIME);
        const host = document.createElement('div');
        subarea[0].style.maxWidth = '100%';
        subarea.append(host);
        element.append(subarea);
        Jupyter.notebook.keyboard_manager.register_events(subarea);
        load().then(
            (inkling) => {
                const open = (data) => inkling.openClassicComm(Jupyter.notebook.kernel, data);
                const view = inkling.mount(host, open, { model, onbundle: (bundle) => save(area, model.id, bundle) });
                view.setKernel(kernelState);
                shown.add({ element: host, view });
            },
            (error) => (host.textContent = `inkling.js could not be loaded (${error.message}); reload the page to try again`)
        );
        return subarea;
    }

    /** Outputs that were drawn before this file came: draw them again, with the trust they had. */
    function renderAgain() {
        for (const cell of Jupyter.notebook.get_cells()) {
            const area = cell.output_area;
            if (!area || !area.outputs.some((o) => o.data && MIME in o.data)) continue;
            const outputs = area.toJSON();
            const state = { collapsed: area.collapsed, scrolled: area.scroll_state };
            const trusted = area.trusted;
            area.clear_output(false, true);
            area.trusted = trusted;
            area.fromJSON(outputs, state);
            area.trusted = trusted;
        }
    }

    /** Close the views whose outputs are gone. */
    function sweep() {
        for (const entry of shown) {
            if (entry.element.isConnected) continue;
            entry.view.dispose();
            shown.delete(entry);
        }
    }

    function onKernel(state, anew) {
        kernelState = state;
        for (const { view } of shown) {
            view.setKernel(state);
            if (anew) view.reconnect();
        }
    }

    function onload() {
        const OutputArea = require('notebook/js/outputarea').OutputArea;
        OutputArea.prototype.register_mime_type(MIME, render, { safe: true, index: 0 });
        renderAgain();
        const container = document.getElementById('notebook-container') || document.body;
        new MutationObserver(sweep).observe(container, { childList: true, subtree: true });
        const kernel = Jupyter.notebook.kernel;
        if (kernel && kernel.is_connected()) kernelState = 'idle';
        events.on('kernel_ready.Kernel', () => onKernel('idle', true));
        events.on('kernel_busy.Kernel', () => onKernel('busy', false));
        events.on('kernel_idle.Kernel', () => onKernel('idle', false));
        events.on('kernel_restarting.Kernel kernel_autorestarting.Kernel', () => onKernel('restarting', false));
        events.on('kernel_disconnected.Kernel kernel_reconnecting.Kernel', () => onKernel('disconnected', false));
        events.on('kernel_dead.Kernel kernel_killed.Session kernel_killed.Kernel', () => onKernel('dead', false));
    }

    return { onload };
});
