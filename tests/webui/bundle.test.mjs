/* SPDX-License-Identifier: MIT */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const SCRIPT = join(ROOT, 'webui/bundle.sh');
const SIZE_MAX = 120 * 1024;

const bundle = () => execFileSync(SCRIPT, ['webui/main.js'], { cwd: ROOT, encoding: 'utf8' });
const withFolder = async (run) => {
    const folder = mkdtempSync(join(tmpdir(), 'inkling-'));
    try {
        return await run(folder);
    } finally {
        rmSync(folder, { recursive: true });
    }
};

function modules(folder = join(ROOT, 'webui')) {
    return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
        const path = join(folder, entry.name);
        return entry.isDirectory() ? modules(path) : entry.name.endsWith('.js') ? [path] : [];
    });
}

test('the bundle is a module without imports that exports what the adapters use', async () => {
    const text = bundle();
    assert.ok(text.length <= SIZE_MAX, `${text.length} bytes`);
    assert.doesNotMatch(text, /^import\b/m);
    assert.equal(text.match(/^export\b/gm).length, 1);
    await withFolder(async (folder) => {
        const path = join(folder, 'inkling.mjs');
        writeFileSync(path, text);
        const module = await import(pathToFileURL(path));
        assert.deepEqual(Object.keys(module).sort(), ['VIEW_MIME', 'mount', 'openClassicComm', 'openHttp', 'openLabComm']);
    });
});

test('every module of the views is in it, once, and no top-level name is used twice', () => {
    const text = bundle();
    const inside = [...text.matchAll(/^\/\* (webui\/\S+\.js) \*\/$/gm)].map((match) => match[1]);
    const wanted = modules().map((path) => path.slice(ROOT.length)).filter((path) => !/^webui\/(page|jupyter)\//.test(path));
    assert.deepEqual([...inside].sort(), wanted.sort());
    const names = [...text.matchAll(/^(?:async )?(?:function|class|const|let) ([\w$]+)/gm)].map((match) => match[1]);
    assert.deepEqual(names.filter((name, i) => names.indexOf(name) !== i), []);
});

test('nothing turns text into markup or code', () => {
    for (const path of modules()) {
        const found = /\b(innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval|new Function|customElements)\b/.exec(readFileSync(path, 'utf8'));
        assert.equal(found && `${path}: ${found[1]}`, null);
    }
});

for (const [what, files, wanted] of [
    ['a circle', { 'a.js': "import { b } from './b.js';\n", 'b.js': "import { a } from './a.js';\n" }, /imports itself in a circle/],
    ['a file that is not there', { 'a.js': "import { b } from './b.js';\n" }, /b\.js: cannot be read/],
    ['an import from elsewhere', { 'a.js': "import { b } from 'b';\n" }, /expected a relative path/],
    ['a default export', { 'a.js': 'export default 1;\n' }, /cannot read export default/],
]) {
    test(`bundle.sh refuses ${what}`, () => withFolder((folder) => {
        for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
        const done = spawnSync(SCRIPT, ['a.js'], { cwd: folder, encoding: 'utf8' });
        assert.notEqual(done.status, 0);
        assert.match(done.stderr, wanted);
    }));
}

test('bundle.sh: shared modules come once, before those that use them, over folders', () => withFolder((folder) => {
    writeFileSync(join(folder, 'a.js'), "import {\n    b,\n} from './b.js';\nimport { c } from './c.js';\nexport const a = [b, c];\n");
    writeFileSync(join(folder, 'b.js'), "import { c } from './c.js';\nexport const b = c + 1;\n");
    writeFileSync(join(folder, 'c.js'), 'export const c = 1;\n');
    const text = execFileSync(SCRIPT, ['a.js'], { cwd: folder, encoding: 'utf8' });
    assert.equal(text.match(/const c = 1/g).length, 1);
    assert.ok(text.indexOf('const c') < text.indexOf('const b') && text.indexOf('const b') < text.indexOf('const a'));
    assert.match(text, /export \{ a \};\n$/);
}));
