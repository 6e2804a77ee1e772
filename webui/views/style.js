/* SPDX-License-Identifier: MIT */

/*
 * style: how the views look. One sheet, adopted by each view's shadow root; the colours follow JupyterLab's theme
 * variables where there are any, and `data-theme` (light or dark) says what the page behind the view is.
 */

const CSS = `
:host { display: block; container-type: inline-size; }
.inkling {
  --text: var(--jp-ui-font-color1, #1b1e2b);
  --muted: #575c70;
  --line: #d9dcea;
  --paper: #ffffff;
  --panel: #f7f8fc;
  --ink: #1c2050;
  --accent: #3d4fd6;
  --bar: #aab3ee;
  --track: #eceef7;
  --warn: #a03a00;
  --good: #1f8a4c;
  color: var(--text);
  font: 14px/1.4 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif;
  text-align: left;
  max-width: 960px;
  box-sizing: border-box;
  padding: 8px 4px;
}
.inkling[data-theme=dark] {
  --text: var(--jp-ui-font-color1, #eceef8);
  --muted: #a9aec4;
  --line: #383d52;
  --paper: #191d29;
  --panel: #1b1f2b;
  --ink: #e6e9ff;
  --accent: #98a4ff;
  --bar: #4f5ab0;
  --track: #272b3b;
  --warn: #ffb27a;
  --good: #5fd08d;
}
* { box-sizing: border-box; }
.hidden { position: absolute; width: 1px; height: 1px; margin: -1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }

.top { display: grid; gap: 20px 28px; grid-template-columns: minmax(0, 1fr); }
.pad { width: 100%; max-width: 340px; justify-self: center; }
.paper { position: relative; border-radius: 14px; background: var(--paper); border: 1px solid var(--line); overflow: hidden;
  box-shadow: 0 1px 2px rgb(20 24 60 / .06), 0 6px 20px rgb(20 24 60 / .07); }
.paper::before { content: ""; position: absolute; inset: 14.3%; border: 1px dashed var(--line); border-radius: 8px; pointer-events: none; }
.hint { position: absolute; inset: 0; display: grid; place-items: center; color: var(--muted); pointer-events: none; transition: opacity .15s; }
.paper.drawn .hint { opacity: 0; }
.pad-canvas { position: relative; display: block; width: 100%; aspect-ratio: 1; touch-action: none; cursor: crosshair; outline: none; border-radius: 13px; }
.pad-canvas:focus-visible:not(.pointed) { box-shadow: inset 0 0 0 3px var(--accent); }
.tools { display: flex; flex-wrap: wrap; align-items: center; gap: 6px; margin-top: 10px; }
button, select { font: inherit; font-size: 13px; color: var(--text); background: var(--paper); border: 1px solid var(--line); border-radius: 8px;
  min-height: 32px; padding: 0 10px; margin: 0; cursor: pointer; }
button { display: inline-flex; align-items: center; gap: 5px; }
button.bare { padding: 0 8px; }
button:hover:not(:disabled), select:hover { border-color: var(--accent); }
button:active:not(:disabled) { background: var(--track); }
button:disabled { color: var(--muted); opacity: .55; cursor: default; }
button[aria-pressed=true] { background: var(--accent); border-color: var(--accent); color: var(--paper); }
button:focus-visible, select:focus-visible, input:focus-visible, summary:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
svg { width: 15px; height: 15px; fill: none; stroke: currentColor; stroke-width: 1.6; stroke-linecap: round; stroke-linejoin: round; }
.brush { display: flex; align-items: center; gap: 8px; flex: 1 1 96px; min-width: 96px; margin-left: 4px; font-size: 13px; color: var(--muted); }
.brush input { flex: 1; width: 100%; min-width: 48px; margin: 0; accent-color: var(--accent); }

.side { min-width: 0; display: flex; flex-direction: column; gap: 14px; }
.verdict { display: flex; gap: 18px; align-items: stretch; }
.said { flex: 1; min-width: 0; display: flex; flex-direction: column; justify-content: center; }
.answer { display: flex; align-items: center; gap: 14px; }
.digit { font-size: 84px; line-height: .95; font-weight: 650; letter-spacing: -.03em; color: var(--accent); min-width: .62em; font-variant-numeric: tabular-nums; }
.digit.unsure { color: var(--muted); }
.digit.none { color: var(--line); }
.sure { font-size: 22px; font-weight: 600; font-variant-numeric: tabular-nums; white-space: nowrap; }
.then { color: var(--muted); font-size: 13px; }
.seen { flex: none; width: 112px; margin: 0; }
.picture { display: block; width: 112px; height: 112px; image-rendering: pixelated; border-radius: 8px; border: 1px solid var(--line); }
.seen figcaption { color: var(--muted); font-size: 11.5px; line-height: 1.3; margin-top: 5px; text-align: center; }
.steps { color: var(--muted); font-size: 12px; min-height: 1.4em; margin: 0; overflow-wrap: anywhere; }

.bars { border-collapse: collapse; width: 100%; margin: 0; border: 0; font-size: 13px; background: none; }
.bars th, .bars td { padding: 0; border: 0; background: none; text-align: left; }
.bars tbody tr { height: 21px; background: none; }
.bars th[scope=row] { width: 22px; font-weight: 500; font-variant-numeric: tabular-nums; color: var(--muted); }
.value { display: flex; align-items: center; gap: 10px; }
.track { flex: 1; height: 11px; border-radius: 6px; background: var(--track); overflow: hidden; }
.bar { height: 100%; width: 100%; background: var(--bar); transform: scaleX(0); transform-origin: left; transition: transform 70ms linear; }
.number { flex: none; width: 68px; white-space: nowrap; text-align: right; font-variant-numeric: tabular-nums; }
.bars .faint .number { color: var(--muted); }
.bars .best .bar { background: var(--accent); }
.bars .best th, .bars .best .number { font-weight: 700; color: var(--text); }

.layers { margin-top: 20px; display: flex; flex-direction: column; gap: 18px; }
.maps header { display: flex; flex-wrap: wrap; align-items: baseline; gap: 2px 10px; margin-bottom: 6px; font-size: 12.5px; color: var(--muted); }
.maps-name { margin: 0; padding: 0; font: 600 13px/1.4 ui-monospace, "DejaVu Sans Mono", monospace; color: var(--text); }
.maps-readout { color: var(--text); font-variant-numeric: tabular-nums; }
.maps-range { margin-left: auto; display: inline-flex; align-items: center; gap: 6px; font-variant-numeric: tabular-nums; white-space: nowrap; }
.maps-range.resting { visibility: hidden; }
.maps-scale { width: 72px; height: 8px; border-radius: 4px; }
.maps-canvas { display: block; max-width: 100%; }

.foot { margin-top: 16px; padding-top: 9px; border-top: 1px solid var(--line); display: flex; flex-wrap: wrap; align-items: center; gap: 4px 16px;
  font-size: 12.5px; color: var(--muted); }
.status { display: inline-flex; align-items: center; gap: 7px; }
.status::before { content: ""; width: 8px; height: 8px; border-radius: 50%; background: var(--muted); flex: none; }
.status[data-state=live]::before { background: var(--good); }
.status[data-state=slow]::before, .status[data-state=lost]::before { background: var(--warn); }
.trouble { color: var(--warn); flex-basis: 100%; }
.trouble:empty { display: none; }
.facts { font-variant-numeric: tabular-nums; }
.choice { margin-left: auto; display: inline-flex; align-items: center; gap: 6px; }
.choice select { min-height: 28px; padding: 0 4px; }
details { flex-basis: 100%; }
summary { cursor: pointer; width: max-content; border-radius: 4px; }
details p { margin: 6px 0 0; max-width: 70ch; }
.plain { color: var(--muted); }

@container (min-width: 600px) {
  .top { grid-template-columns: 300px minmax(0, 1fr); }
  .pad { justify-self: start; }
}
@container (min-width: 780px) {
  .top { grid-template-columns: 340px minmax(0, 1fr); gap: 20px 36px; }
}
@container (max-width: 420px) {
  .digit { font-size: 64px; }
  .sure { font-size: 18px; }
  .verdict { gap: 10px; }
  .choice { margin-left: 0; }
  .maps-range { margin-left: 0; }
}
@media (pointer: coarse) {
  button { min-height: 40px; }
}
@media (prefers-reduced-motion: reduce) {
  .bar, .hint { transition: none; }
}
@media (prefers-contrast: more) {
  .inkling { --muted: #3a3e4e; --line: #6b7087; --bar: #5b66c4; }
  .inkling[data-theme=dark] { --muted: #d5d9ea; --line: #9aa0ba; --bar: #8993ea; }
}
@media (forced-colors: active) {
  .inkling, .inkling[data-theme=dark] { --ink: CanvasText; --accent: Highlight; }
  .bar, .status::before { forced-color-adjust: none; background: CanvasText; }
  .bars .best .bar { background: Highlight; }
  .track { border: 1px solid CanvasText; }
  .digit { color: CanvasText; }
  button[aria-pressed=true] { forced-color-adjust: none; background: Highlight; color: HighlightText; }
}
`;

/** @type {CSSStyleSheet | null} */
let sheet = null;

/** Give a shadow root the sheet; all views share one. @param {ShadowRoot} root */
export function adoptStyle(root) {
    if (!sheet) {
        sheet = new CSSStyleSheet();
        sheet.replaceSync(CSS);
    }
    root.adoptedStyleSheets = [sheet];
}
