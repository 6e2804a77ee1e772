/* SPDX-License-Identifier: MIT */

/* The page of `inkling serve`: the same view as in the notebooks, talking to the server that sent the page. */

import { VIEW_MIME, mount, openHttp } from './inkling.js';

const KEPT = 'inkling.view';

/** What this tab showed last, so that a reload brings it back. */
function kept() {
    try {
        const model = JSON.parse(sessionStorage.getItem(KEPT) || 'null');
        if (model && model.v === 1 && typeof model.id === 'string') return model;
    } catch {
        /* storage is off, or holds something else */
    }
    return { v: 1, view: 'draw', id: `page-${crypto.getRandomValues(new Uint32Array(2)).join('-')}`, parameters: { size: 280, brush: 22 }, static: null };
}

function keep(bundle) {
    try {
        sessionStorage.setItem(KEPT, JSON.stringify(bundle[VIEW_MIME]));
    } catch {
        /* storage is off or full: the page works, a reload begins anew */
    }
}

const model = kept();
keep({ [VIEW_MIME]: model });
const words = { opening: 'Connecting to the server …', slow: 'Waiting for the server …', lost: 'The server does not answer; trying again' };
const url = new URL('api/v1/view', document.baseURI).href;
mount(document.getElementById('view'), (data) => openHttp(url, data), { model, onbundle: keep, words });
document.getElementById('origin').textContent = new URL('.', document.baseURI).href.replace(/\/$/, '');
