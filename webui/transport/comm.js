/* SPDX-License-Identifier: MIT */

/* comm: the two notebook transports. Both open a comm to the kernel of the notebook that shows the view. */

import { VIEW_TARGET } from '../protocol.js';

/**
 * Notebook 6 and nbclassic.
 * @param {any} kernel  Jupyter.notebook.kernel, or null
 * @param {any} data
 * @returns {import('../link.js').Transport | null}
 */
export function openClassicComm(kernel, data) {
    if (!kernel || !kernel.is_connected()) return null;
    const comm = kernel.comm_manager.new_comm(VIEW_TARGET, data);
    /** @type {import('../link.js').Transport} */
    const transport = {
        onmessage: null,
        onclose: null,
        send: (message) => void comm.send(message),
        close() {
            kernel.comm_manager.unregister_comm(comm);
            if (kernel.is_connected()) comm.close();
        },
    };
    comm.on_msg((/** @type {any} */ message) => transport.onmessage && transport.onmessage(message.content.data));
    comm.on_close(() => transport.onclose && transport.onclose());
    return transport;
}

/**
 * JupyterLab 4 and Notebook 7.
 * @param {any} kernel  an IKernelConnection, or null
 * @param {any} data
 * @returns {import('../link.js').Transport | null}
 */
export function openLabComm(kernel, data) {
    if (!kernel || kernel.isDisposed || kernel.connectionStatus !== 'connected') return null;
    const comm = kernel.createComm(VIEW_TARGET);
    /** @type {import('../link.js').Transport} */
    const transport = {
        onmessage: null,
        onclose: null,
        send: (message) => void comm.send(message),
        close() {
            if (!comm.isDisposed && !kernel.isDisposed) comm.close();
        },
    };
    comm.onMsg = (/** @type {any} */ message) => transport.onmessage && transport.onmessage(message.content.data);
    comm.onClose = () => transport.onclose && transport.onclose();
    comm.open(data);
    return transport;
}
