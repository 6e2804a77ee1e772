/* SPDX-License-Identifier: MIT */

/*
 * main: what inkling.js offers to the adapters of the notebooks and to the page.
 *
 *   const view = mount(element, (data) => openLabComm(kernel, data), { model, onbundle });
 *   view.update(model); view.setKernel('busy'); view.reconnect(); view.dispose();
 */

import { VIEW_MIME, VIEW_VERSION } from './protocol.js';
import { openClassicComm, openLabComm } from './transport/comm.js';
import { openHttp } from './transport/http.js';
import { DrawView } from './views/draw.js';
import { h } from './views/dom.js';
import { adoptStyle } from './views/style.js';

/** @type {Object<string, typeof DrawView>} */
const VIEWS = { draw: DrawView };

/**
 * Show a live output in an element. The element gets a shadow root; `open` is called for each new connection to a kernel
 * and returns a transport, or null while there is none (link.js).
 * @param {HTMLElement} element
 * @param {(data: any) => import('./link.js').Transport | null | Promise<import('./link.js').Transport | null>} open
 * @param {{model: any, onbundle?: (bundle: any) => void, words?: Object<string, string>}} options  `model` is the value
 *     of VIEW_MIME in the output; `onbundle` gets the output to save when a drawing is finished
 */
export function mount(element, open, options) {
    const root = element.shadowRoot || element.attachShadow({ mode: 'open' });
    adoptStyle(root);
    element.setAttribute('data-lm-suppress-shortcuts', 'true');
    /** @type {DrawView | null} */
    let view = null;

    /** @param {any} model */
    function show(model) {
        const View = model && model.v === VIEW_VERSION && Object.hasOwn(VIEWS, model.view) ? VIEWS[model.view] : null;
        if (view) view.dispose();
        view = null;
        if (View) view = new View(root, open, { ...options, model, onevent: tell });
        else root.replaceChildren(h('p', { class: 'plain' }, `This output needs a newer Inkling (view ${model && model.view}, version ${model && model.v}).`));
    }

    /** An answer is on the screen: adapters and tests may listen. @param {any} detail */
    function tell(detail) {
        element.dispatchEvent(new CustomEvent('inkling-answer', { detail }));
    }

    show(options.model);
    return {
        get id() {
            return view ? view.id : '';
        },
        /** The output's data changed; the view stays when it is still the same view. @param {any} model */
        update(model) {
            if (view && model && String(model.id) === view.id) view.update(model);
            else show(model);
        },
        setKernel: (/** @type {string} */ state) => view && view.setKernel(state),
        reconnect: () => view && view.reconnect(),
        dispose: () => view && view.dispose(),
    };
}

export { VIEW_MIME, openClassicComm, openLabComm, openHttp };
