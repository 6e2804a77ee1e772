/* SPDX-License-Identifier: MIT */

/* dom: make elements. Text is always set as text, so nothing that a notebook or a kernel says can become markup. */

const SVG = 'http://www.w3.org/2000/svg';

/**
 * An element with properties, attributes and children: h('button', { class: 'x', onclick }, 'Undo').
 * Functions and booleans are set as properties, the rest as attributes; null and undefined are left out.
 * @param {string} name
 * @param {Object<string, any>} [props]
 * @param {...(Node | string | null)} children
 * @returns {any}
 */
export function h(name, props = {}, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(props)) {
        if (value === null || value === undefined) continue;
        if (typeof value === 'function' || typeof value === 'boolean') /** @type {any} */ (element)[key] = value;
        else element.setAttribute(key, String(value));
    }
    element.append(...children.filter((child) => child !== null));
    return element;
}

/**
 * A 16x16 line icon, invisible to screen readers.
 * @param {string} path
 */
export function icon(path) {
    const svg = document.createElementNS(SVG, 'svg');
    svg.setAttribute('viewBox', '0 0 16 16');
    svg.setAttribute('aria-hidden', 'true');
    const line = document.createElementNS(SVG, 'path');
    line.setAttribute('d', path);
    svg.append(line);
    return svg;
}

/** @param {Node} node @param {string} text  set only when it differs, as each change wakes the layout */
export function setText(node, text) {
    if (node.textContent !== text) node.textContent = text;
}
