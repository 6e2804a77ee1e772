# SPDX-License-Identifier: MIT
"""Each notebook: what is committed reads well without a kernel, and executing it again gives the same."""
import glob
import os
import unittest

import nbformat
from nbconvert import HTMLExporter, MarkdownExporter

from tests.notebook.execute import ROOT, VIEW, execute

PATHS = sorted(glob.glob(os.path.join(ROOT, 'notebooks/*.ipynb')))
DATA = os.environ.get('INKLING_DATA', os.path.join(ROOT, '../shared/data'))

# Members of a result that must be the same each time; times and the like may differ.
EXACT = {'prediction', 'shape', 'parameters', 'name', 'op', 'label', 'layer', 'count', 'picture'}
NEAR = {'accuracy': 0.01, 'probability': 0.01}


def code_cells(notebook):
    return [cell for cell in notebook['cells'] if cell['cell_type'] == 'code']


def kinds(cell):
    """Which forms the outputs of a cell have, consecutive streams as one."""
    found = []
    for output in cell['outputs']:
        kind = (output['output_type'], output.get('name'), tuple(sorted(output.get('data', {}))))
        if output['output_type'] != 'stream' or kind not in found:
            found.append(kind)
    return found


def results(cell):
    """The exact numbers of a cell's outputs."""
    return [output['data']['application/json'] for output in cell['outputs'] if 'application/json' in output.get('data', {})]


class Notebooks(unittest.TestCase):
    maxDiff = 2000

    def compare(self, where, want, got):
        """Compare two JSON values, member by member, in what may not differ."""
        if isinstance(want, dict) and isinstance(got, dict):
            self.assertEqual(sorted(want), sorted(got), where)
            for name, value in want.items():
                if name in NEAR and isinstance(value, (int, float)):
                    self.assertAlmostEqual(value, got[name], delta=NEAR[name], msg=f'{where}.{name}')
                elif name in EXACT and not isinstance(value, (dict, list)):
                    self.assertEqual(value, got[name], f'{where}.{name}')
                else:
                    self.compare(f'{where}.{name}', value, got[name])
        elif isinstance(want, list) and isinstance(got, list) and want and isinstance(want[0], dict):
            self.assertEqual(len(want), len(got), where)
            for index, (one, other) in enumerate(zip(want, got)):
                self.compare(f'{where}[{index}]', one, other)

    def test_there_is_a_first_notebook(self):
        self.assertIn(os.path.join(ROOT, 'notebooks/client.ipynb'), PATHS)

    def test_committed_outputs_are_there_and_readable_without_a_kernel(self):
        for path in PATHS:
            notebook = nbformat.read(path, as_version=4)
            nbformat.validate(notebook)
            self.assertEqual(notebook['metadata']['kernelspec']['name'], 'inkling', path)
            self.assertLess(os.path.getsize(path), 2 << 20, path)
            for number, cell in enumerate(code_cells(notebook), 1):
                with self.subTest(path=os.path.basename(path), cell=cell['source'][:40]):
                    self.assertEqual(cell['execution_count'], number)
                    self.assertGreater(len(cell['outputs']), 0)
                    for output in cell['outputs']:
                        self.assert_readable(output)

    def assert_readable(self, output):
        """A still for everybody: words, and HTML that needs neither scripts nor inline SVG."""
        self.assertNotEqual(output['output_type'], 'error')
        data = output.get('data')
        if data is None:
            return
        self.assertIn('text/plain', data)
        html = data.get('text/html', '')
        for word in ('<script', '<svg', 'javascript:', ' onclick', ' onerror', 'http://', 'https://'):
            self.assertNotIn(word, html)
        if VIEW in data:
            self.assertIn('<img', html)
            self.assertIn('data:image/png;base64,', html)
            self.assertIn('image/png', data)

    def test_executing_again_gives_the_same(self):
        has_mnist = os.path.isdir(os.path.join(DATA, 'mnist'))
        for path in PATHS:
            committed = nbformat.read(path, as_version=4)
            executed = execute(path)
            if not has_mnist:
                continue  # then the cells ran on the built-in strokes: that they ran is all that can be said
            for want, got in zip(code_cells(committed), code_cells(executed)):
                with self.subTest(path=os.path.basename(path), cell=want['source'][:40]):
                    self.assertEqual(kinds(want), kinds(got))
                    self.compare(want['source'][:40], results(want), results(got))

    def test_the_drawing_is_read(self):
        notebook = nbformat.read(os.path.join(ROOT, 'notebooks/client.ipynb'), as_version=4)
        cells = {cell['source'].strip(): cell for cell in code_cells(notebook)}
        drawn = [output['data'][VIEW]['static'] for output in cells['draw']['outputs'] if VIEW in output.get('data', {})]
        self.assertEqual(len(drawn), 1)
        self.assertEqual(drawn[0]['prediction'], 7)
        self.assertAlmostEqual(sum(drawn[0]['probabilities']), 1, delta=1e-3)
        (answer,) = results(cells['predict drawn'])
        self.assertEqual(answer['prediction'], 7)

    def test_other_readers_show_the_pictures(self):
        for path in PATHS:
            notebook = nbformat.read(path, as_version=4)
            html, _ = HTMLExporter().from_notebook_node(notebook)
            markdown, _ = MarkdownExporter().from_notebook_node(notebook)
            self.assertGreater(html.count('data:image/png;base64,'), 3, path)
            self.assertNotIn('Traceback', markdown)


if __name__ == '__main__':
    unittest.main()
