/* SPDX-License-Identifier: MIT */

/* http: the page's transport. Each message is one POST, its reply the answer. */

/**
 * @param {string} url  where /api/v1/view is
 * @param {any} data
 * @param {{token?: string, onunauthorized?: () => void}} [options]  the server's token, if it wants one; what to do when it wants another
 * @returns {Promise<import('../link.js').Transport>}
 */
export async function openHttp(url, data, { token = '', onunauthorized } = {}) {
    const stop = new AbortController();
    /** @type {Object<string, string>} */
    const headers = { 'Content-Type': 'application/json' };
    if (token) headers.Authorization = `Bearer ${token}`;
    /** @type {import('../link.js').Transport} */
    const transport = { onmessage: null, onclose: null, send: (message) => void post(message), close: () => stop.abort() };

    /** @param {any} message */
    async function post(message) {
        let reply;
        try {
            const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(message), signal: stop.signal });
            if (response.status === 401 && onunauthorized) onunauthorized();
            reply = await response.json();
            if (!response.ok && !(reply && reply.type)) reply = { type: 'error', seq: message.seq, message: refusal(response, reply) };
        } catch {
            if (!stop.signal.aborted && transport.onclose) transport.onclose();
            return;
        }
        if (transport.onmessage) transport.onmessage(reply);
    }

    setTimeout(() => post(data), 0);
    return transport;
}

/** @param {Response} response @param {any} reply */
function refusal(response, reply) {
    const said = reply && (reply.message || reply.error);
    return typeof said === 'string' ? said : `the server answered ${response.status}`;
}
