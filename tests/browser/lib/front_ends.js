/* SPDX-License-Identifier: MIT */

/* front_ends: what a person does in each of the three notebook front ends. */

import { Rest } from './jupyter.js';

const MIME = 'application/vnd.inkling.v1+json';

class Classic {
    constructor(page, { url, token }) {
        Object.assign(this, { page, url, token });
    }

    async open(path, { kernel = true } = {}) {
        await this.page.goto(`${this.url}notebooks/${path}?token=${this.token}`);
        await this.loaded(kernel);
    }

    async reload({ kernel = true } = {}) {
        await this.page.reload();
        await this.loaded(kernel);
    }

    async loaded(kernel) {
        await this.page.waitForFunction(() => window.Jupyter && Jupyter.notebook && Jupyter.notebook._fully_loaded, null, { timeout: 60000 });
        if (kernel) await this.page.waitForFunction(() => Jupyter.notebook.kernel && Jupyter.notebook.kernel.is_connected(), null, { timeout: 60000 });
    }

    async menu(menu, item) {
        await this.page.locator(menu).click();
        await this.page.locator(item).click();
    }

    async runAll() {
        await this.menu('#celllink', '#run_all_cells');
        await this.page.waitForFunction(() => Jupyter.notebook.get_cells().every((c) => c.cell_type !== 'code' || !c.get_text().trim() || Number.isInteger(c.input_prompt_number)),
            null, { timeout: 120000 });
    }

    /** Run one cell and go on at once. */
    start(index) {
        return this.page.evaluate((i) => Jupyter.notebook.get_cell(i).execute(), index);
    }

    /** Nothing runs any more. */
    async idle(timeout = 120000) {
        await this.page.waitForFunction(() => Jupyter.notebook.get_cells().every((c) => c.input_prompt_number !== '*'), null, { timeout });
    }

    isRunning(index) {
        return this.page.evaluate((i) => Jupyter.notebook.get_cell(i).input_prompt_number === '*', index);
    }

    async interrupt() {
        await this.page.evaluate(() => Jupyter.notebook.kernel.interrupt());
    }

    async save() {
        await this.page.locator('#save-notbook button').click();
        await this.page.waitForFunction(() => !Jupyter.notebook.dirty, null, { timeout: 20000 });
    }

    async restart() {
        await this.menu('#kernellink', '#restart_kernel');
        await this.page.getByRole('button', { name: 'Restart', exact: true }).click();
        await this.page.waitForFunction(() => Jupyter.notebook.kernel.is_connected(), null, { timeout: 60000 });
    }

    isTrusted() {
        return this.page.evaluate(() => Jupyter.notebook.trusted);
    }
}

class Lab {
    saveItem = /^Save Notebook(?! As)/;

    constructor(page, { url, token }) {
        Object.assign(this, { page, url, token });
    }

    address(path) {
        return `${this.url}lab/tree/${path}?token=${this.token}&reset`;
    }

    async open(path, { kernel = true } = {}) {
        this.path = path;
        await this.page.goto(this.address(path));
        await this.loaded(kernel);
    }

    async reload({ kernel = true } = {}) {
        await this.page.goto(this.address(this.path));
        await this.loaded(kernel);
    }

    async loaded(kernel) {
        await this.page.locator('.jp-Notebook .jp-Cell').first().waitFor({ timeout: 90000 });
        if (kernel) await this.idle();
        await this.chooseKernel();
    }

    /** The kernel's circle is there and hollow. */
    async idle(timeout = 120000) {
        await this.page.locator('.jp-Notebook-ExecutionIndicator[data-status=idle]').first().waitFor({ timeout });
    }

    async menu(menu, item) {
        await this.page.locator('.lm-MenuBar-item, .p-MenuBar-item').filter({ hasText: new RegExp(`^${menu}$`) }).click();
        await this.page.locator('.lm-Menu-item').filter({ hasText: item }).first().click();
    }

    /** A server that has just started may not know its kernels yet, and ask for one. */
    async chooseKernel() {
        const dialog = this.page.locator('.jp-Dialog').filter({ hasText: 'Select Kernel' });
        if (!(await dialog.isVisible())) return false;
        await dialog.locator('select').selectOption({ label: 'Inkling' });
        await dialog.locator('.jp-mod-accept').click();
        await this.idle();
        return true;
    }

    prompts() {
        return this.page.locator('.jp-Notebook .jp-CodeCell .jp-InputPrompt').allTextContents();
    }

    /**
     * Run all cells. Now and then JupyterLab drops a request, whatever the kernel, when it comes just as the kernel's
     * session begins: a prompt stays empty though no cell runs, and nothing was sent. Then it is asked again.
     */
    async runAll() {
        for (let i = 0, idle = 0; i < 600; i++) {
            if ((await this.chooseKernel()) || i === 0 || idle === 30) {
                await this.menu('Run', /^Run All Cells/);
                idle = 0;
            }
            await new Promise((done) => setTimeout(done, 200));
            const prompts = await this.prompts();
            if (prompts.length > 0 && prompts.every((text) => /\[\d+\]/.test(text))) return;
            idle = prompts.some((text) => text.includes('*')) ? 0 : idle + 1;
        }
        throw new Error('the cells did not run within two minutes');
    }

    /** A cell by its place; only a window of a notebook's cells is in the page. */
    async cell(index) {
        const cell = this.page.locator(`.jp-Notebook .jp-Cell[data-windowed-list-index="${index}"]`);
        const { width, height } = this.page.viewportSize();
        await this.page.mouse.move(width / 2, height / 2);
        for (let i = 0; i < 80 && !(await cell.isVisible()); i++) {
            await this.page.mouse.wheel(0, i < 40 ? 300 : -300);
            await new Promise((done) => setTimeout(done, 60));
        }
        return cell;
    }

    async prompt(index) {
        return (await this.cell(index)).locator('.jp-InputPrompt').first().textContent();
    }

    /** Run one cell and go on at once. A notebook that has just opened may not hear the keys yet. */
    async start(index) {
        const cell = await this.cell(index);
        const before = await this.prompt(index);
        for (let attempt = 0; attempt < 5; attempt++) {
            await cell.locator('.jp-InputArea-editor').click();
            await this.page.keyboard.press('Control+Enter');
            for (let i = 0; i < 20; i++) {
                if ((await this.prompt(index)) !== before) return;
                await new Promise((done) => setTimeout(done, 100));
            }
        }
        throw new Error(`cell ${index} does not start`);
    }

    async isRunning(index) {
        return /\[\*\]/.test(await this.prompt(index));
    }

    async interrupt() {
        await this.menu('Kernel', /^Interrupt Kernel/);
    }

    /** The file's time on the server says when it is saved. */
    async save() {
        const time = async () => (await new Rest(this).call('GET', `contents/${this.path}?content=0`)).last_modified;
        const before = await time();
        await this.menu('File', this.saveItem);
        for (let i = 0; i < 200 && (await time()) === before; i++) await new Promise((done) => setTimeout(done, 100));
        if ((await time()) === before) throw new Error(`${this.path} was not saved within 20 s`);
    }

    async restart() {
        await this.menu('Kernel', /^Restart Kernel…/);
        await this.page.locator('.jp-Dialog .jp-mod-accept').click();
        await this.idle();
    }
}

class Notebook7 extends Lab {
    saveItem = /^Save( Notebook)?(?! As)/;

    address(path) {
        return `${this.url}notebooks/${path}?token=${this.token}`;
    }
}

const KINDS = { classic: Classic, lab: Lab, notebook7: Notebook7 };

/** @param {'classic' | 'lab' | 'notebook7'} kind */
export function frontEnd(kind, page, server) {
    const Kind = KINDS[kind];
    if (!Kind) throw new Error(`front end ${kind}, expected ${Object.keys(KINDS).join(', ')}`);
    return new Kind(page, server);
}

/** The live outputs of a saved notebook. */
export function liveOutputs(notebook) {
    return notebook.cells.flatMap((cell) => cell.outputs || []).filter((output) => output.data && output.data[MIME]);
}

export { MIME };
