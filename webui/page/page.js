/* SPDX-License-Identifier: MIT */

/* The page of `inkling serve`: the same view as in the notebooks, talking to the server that sent the page. */

import { VIEW_MIME, mount, openHttp } from './inkling.js';

const VIEW_KEY = 'inkling.view';
const TOKEN_KEY = 'inkling.token';

/* What this tab keeps over a reload. Where storage is off, the page works and a reload begins anew. */

function recall(key) {
    try {
        return sessionStorage.getItem(key) || '';
    } catch {
        return '';
    }
}

function keep(key, text) {
    try {
        sessionStorage.setItem(key, text);
    } catch {
        /* off, or full */
    }
}

/** What this tab showed last, or an empty canvas with an id of its own. */
function firstModel() {
    try {
        const model = JSON.parse(recall(VIEW_KEY));
        if (model.v === 1 && typeof model.id === 'string') return model;
    } catch {
        /* nothing kept, or nothing of ours */
    }
    const id = `page-${crypto.getRandomValues(new Uint32Array(2)).join('-')}`;
    return { v: 1, view: 'draw', id, parameters: { size: 280, brush: 22 }, static: null };
}

/** A link may bring the server's token behind #token=; it is kept for this tab and taken out of the address. */
function takeToken() {
    const given = /^#token=(.+)$/.exec(location.hash);
    if (!given) return;
    keep(TOKEN_KEY, decodeURIComponent(given[1]));
    history.replaceState(null, '', location.pathname + location.search);
}

const form = document.getElementById('token');
const base = new URL('.', document.baseURI).href;
takeToken();
let token = recall(TOKEN_KEY);
const model = firstModel();
keep(VIEW_KEY, JSON.stringify(model));

const view = mount(
    document.getElementById('view'),
    (data) => openHttp(`${base}api/v1/view`, data, { token, onunauthorized: () => (form.hidden = false) }),
    {
        model,
        onbundle: (bundle) => keep(VIEW_KEY, JSON.stringify(bundle[VIEW_MIME])),
        words: {
            opening: 'Connecting to the server …',
            slow: 'Waiting for the server …',
            lost: 'The server does not answer; trying again',
        },
    }
);

form.addEventListener('submit', (event) => {
    event.preventDefault();
    token = new FormData(form).get('token').trim();
    keep(TOKEN_KEY, token);
    form.hidden = true;
    view.reconnect();
});
document.getElementById('origin').textContent = base.replace(/\/$/, '');
