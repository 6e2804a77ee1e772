# SPDX-License-Identifier: MIT
"""The program with weights that learned a little, and the pictures that answers are compared on."""
import gzip
import json
import os
import random
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.environ.get('INKLING', os.path.join(ROOT, 'build/inkling'))
SHARED = os.environ.get('INKLING_DATA', os.path.join(ROOT, '../shared/data'))
PICTURES = os.path.join(SHARED, 'mnist/t10k-images-idx3-ubyte')
ALL_OPERATORS = os.path.join(ROOT, 'tests/onnx/all.arch')
COUNT = 1000


def has_pictures():
    return os.path.exists(PICTURES) or os.path.exists(PICTURES + '.gz')


NEEDS_PICTURES = unittest.skipUnless(has_pictures(), f'no {PICTURES} (INKLING_DATA names the folder)')


def pictures():
    """The test half's first pictures, 784 bytes each."""
    name = PICTURES if os.path.exists(PICTURES) else PICTURES + '.gz'
    with (gzip.open if name.endswith('.gz') else open)(name, 'rb') as file:
        return file.read(16 + COUNT * 784)[16:]


class Program(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = folder.name
        self.env = {'PATH': os.environ['PATH'], 'HOME': self.path, 'LC_ALL': 'C.UTF-8', 'INKLING_DATA': os.path.abspath(SHARED),
                    'INKLING_STORE': os.path.join(self.path, 'store')}
        scribble = random.Random(7)
        with open(self.file('scribbles.jsonl'), 'w', encoding='utf-8') as file:
            for i in range(96):
                stroke = [scribble.randrange(100) for _ in range(6 + 2 * (i % 10))]
                file.write(json.dumps({'label': i % 10, 'strokes': [stroke]}) + '\n')

    def file(self, name):
        return os.path.join(self.path, name)

    def write(self, name, content):
        with open(self.file(name), 'wb' if isinstance(content, bytes) else 'w') as file:
            file.write(content)

    def run_it(self, *words):
        done = subprocess.run([PROGRAM, *words], cwd=self.path, env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=120, check=False)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def good(self, *words):
        code, out, err = self.run_it(*words)
        self.assertEqual(code, 0, f'{words}: {err}')
        return out

    def bad(self, *words):
        code, _, err = self.run_it(*words)
        self.assertNotEqual(code, 0, words)
        return err.strip()

    def train(self, arch, name):
        """Weights in file `name`: batch normalisation has statistics then."""
        self.good('train', '--model', arch, '--data', 'scribbles.jsonl', '--validation', 'none', '--epochs', '1', '--batch', '24',
                  '--lr', '0.003', '--threads', '1', '--save', name)

    def answers(self, model, count=COUNT):
        """[count][10] probabilities of the program itself."""
        told = json.loads(self.good('predict', '--model', model, '--data', 'mnist', f'test[0:{count}]', '--json'))
        return [one['probabilities'] for one in told]

    def assert_close(self, got, wanted, what):
        self.assertEqual(len(got), len(wanted))
        worst = max(abs(a - b) for one, other in zip(got, wanted) for a, b in zip(one, other))
        self.assertLessEqual(worst, 1e-5, what)
