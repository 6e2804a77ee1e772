/* SPDX-License-Identifier: MIT */

/*
 * theme: is the page behind a view light or dark? Its real background answers that in every front end: JupyterLab has
 * themes of its own whatever the system prefers, and the classic notebook is always light.
 */

/** How light a CSS colour is, 0 to 1; null when it cannot be seen through to one. @param {string} colour */
export function lightness(colour) {
    const parts = /^rgba?\(([^)]+)\)/.exec(colour);
    if (!parts) return null;
    const [r, g, b, alpha = 1] = parts[1].split(/[\s,/]+/).filter(Boolean).map(Number);
    return alpha < 0.5 ? null : (0.299 * r + 0.587 * g + 0.114 * b) / 255;
}

/** @param {Element} element @returns {'light' | 'dark'} */
export function themeBehind(element) {
    /** @type {any} */
    let at = element;
    while (at instanceof Element) {
        const found = lightness(getComputedStyle(at).backgroundColor);
        if (found !== null) return found < 0.5 ? 'dark' : 'light';
        at = at.parentElement || /** @type {any} */ (at.getRootNode()).host || null;
    }
    const root = getComputedStyle(document.documentElement);
    return root.colorScheme.includes('dark') && matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light';
}

/**
 * Call back now and whenever the page may have changed its colours. Returns a function that stops it.
 * @param {Element} element @param {(theme: 'light' | 'dark') => void} apply
 */
export function watchTheme(element, apply) {
    const check = () => apply(themeBehind(element));
    const soon = () => requestAnimationFrame(() => (check(), setTimeout(check, 400)));
    const observer = new MutationObserver(soon);
    const attributes = { attributes: true, attributeFilter: ['class', 'style', 'data-theme', 'data-jp-theme-name', 'data-jp-theme-light'] };
    observer.observe(document.documentElement, attributes);
    observer.observe(document.body, attributes);
    const queries = ['(prefers-color-scheme: dark)', '(forced-colors: active)'].map((text) => matchMedia(text));
    queries.forEach((query) => query.addEventListener('change', soon));
    soon();
    check();
    return () => {
        observer.disconnect();
        queries.forEach((query) => query.removeEventListener('change', soon));
    };
}
