# SPDX-License-Identifier: MIT
"""The zoo's page and recipes: whole, and in agreement with the program."""
import glob
import importlib.machinery
import importlib.util
import json
import os
import re
import statistics
import subprocess
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.environ.get('INKLING', os.path.join(ROOT, 'build/inkling'))
ZOO = os.path.join(ROOT, 'model/zoo')


def load_script(path):
    """A Python program without a suffix, as a module."""
    loader = importlib.machinery.SourceFileLoader('zoo_script', os.path.join(ROOT, path))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader('zoo_script', loader))
    loader.exec_module(module)
    return module


def names(kind):
    return {os.path.basename(path).rsplit('.', 1)[0] for path in glob.glob(os.path.join(ZOO, '*.' + kind))}


class Zoo(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.script = load_script('tests/bench/zoo')
        with open(os.path.join(ZOO, 'README.md'), encoding='utf-8') as file:
            cls.page = file.read()
        table = cls.page.split(cls.script.START)[1].split(cls.script.END)[0]
        cls.rows = [[cell.strip() for cell in line.strip().strip('|').split('|')] for line in table.splitlines() if line.startswith('|')]

    def test_every_network_has_a_recipe_and_every_recipe_a_goal(self):
        self.assertLessEqual(names('arch'), names('json'))
        self.assertEqual(names('json'), set(self.script.GOALS))

    def test_a_recipe_names_a_network_and_chooses_nothing_by_the_test_half(self):
        for name in names('json'):
            with open(os.path.join(ZOO, f'{name}.json'), encoding='utf-8') as file:
                recipe = json.load(file)
            self.assertEqual(recipe['model'], name if name in names('arch') else 'inkling')
            self.assertIn('mnist', recipe['data'])
            self.assertTrue(recipe['validation'] == 'none' or isinstance(recipe['validation'], int), name)

    def test_the_page_names_every_recipe(self):
        for name in names('json'):
            self.assertRegex(self.page, rf'(?m)^\| `{name}` \|', name)

    def test_the_table_is_whole(self):
        self.assertEqual(self.rows[0], self.script.HEAD)
        self.assertTrue(all(set(cell) == {'-'} for cell in self.rows[1]))
        order = [row[0] for row in self.rows[2:]]
        self.assertEqual(order, sorted(order, key=list(self.script.GOALS).index))
        for row in self.rows[2:]:
            self.assertEqual(len(row), len(self.script.HEAD), row)
            self.assertIn(row[2], self.script.GOALS[row[0]], row)

    def test_parameters_are_those_of_the_program(self):
        for row in self.rows[2:]:
            done = subprocess.run([PROGRAM, 'model', 'describe', self.script.network_of(row[0]), '--json'], stdout=subprocess.PIPE, check=True)
            self.assertEqual(row[1], f'{json.loads(done.stdout)["parameters"]:,}', row)

    def test_means_and_verdicts_follow_from_the_figures(self):
        for name, _, where, each, mean, goal, verdict, seconds in self.rows[2:]:
            figures = [float(figure) for figure in re.findall(r'\d+\.\d\d', each)]
            if 'seeds' in each:
                self.assertTrue(figures[0] <= float(mean) <= figures[1], name)
            else:
                self.assertAlmostEqual(statistics.mean(figures), float(mean), delta=0.0101, msg=name)
            expected = self.script.GOALS[name][where]
            self.assertEqual(goal, '' if expected is None else f'{expected:.2f}')
            self.assertEqual(verdict, '' if expected is None else 'met' if float(mean) >= expected else 'missed', name)
            self.assertGreater(float(seconds), 0)


if __name__ == '__main__':
    unittest.main()
