# SPDX-License-Identifier: MIT
"""The program in a shell: streams, exit codes, --json, signals."""
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import tempfile
import time
import unittest
import zlib

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.environ.get('INKLING', os.path.join(ROOT, 'build/inkling'))
SHARED = os.environ.get('INKLING_DATA', os.path.join(ROOT, '../shared/data'))
DRAWINGS = os.path.join(SHARED, 'drawings/drawings.jsonl.gz')
COMMANDS = 'data draw evaluate export help import inspect jobs layers model predict serve show stop train'.split()


def png(width, height, grey):
    """A grey PNG; grey(x, y) gives 0 to 255."""
    rows = b''.join(b'\0' + bytes(grey(x, y) for x in range(width)) for y in range(height))

    def chunk(kind, data):
        return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))

    return (b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 8, 0, 0, 0, 0)) +
            chunk(b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b''))


def a_one(x, y):
    """An upright stroke, black on white."""
    return 0 if 95 <= x < 105 and 40 <= y < 160 else 255


class Program(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = self.folder.name
        self.env = {'PATH': os.environ['PATH'], 'HOME': self.path, 'LC_ALL': 'C.UTF-8',
                    'INKLING_STORE': os.path.join(self.path, 'store')}
        with open(os.path.join(self.path, 'tiny.jsonl'), 'w', encoding='utf-8') as file:
            for digit in (0, 1, 7) * 20:
                strokes = {0: [[50, 10, 20, 50, 50, 90, 80, 50, 50, 10]], 1: [[50, 10, 50, 90]],
                           7: [[20, 10, 80, 10, 40, 90]]}[digit]
                file.write(json.dumps({'label': digit, 'strokes': strokes}) + '\n')

    def run_it(self, *words, env=None):
        done = subprocess.run([PROGRAM, *words], cwd=self.path, env=env or self.env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120, check=False)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def good(self, *words):
        code, out, err = self.run_it(*words)
        self.assertEqual(code, 0, f'{words}: {err}')
        return out

    def numbers(self, *words):
        """Exactly one JSON value on stdout."""
        out = self.good(*words, '--json')
        self.assertTrue(out.endswith('\n') and out.count('\n') == 1, out[-100:])
        return json.loads(out)

    def bad(self, exit_code, message, *words):
        code, out, err = self.run_it(*words)
        self.assertEqual((code, out), (exit_code, ''), err)
        self.assertRegex(err, r'\Ainkling: .*\n\Z')
        self.assertIn(message, err)

    def write(self, name, data):
        with open(os.path.join(self.path, name), 'wb') as file:
            file.write(data)


class Words(Program):
    def test_version_and_help(self):
        self.assertRegex(self.good('--version'), r'\Ainkling \d+\.\d+\.\d+\n\Z')
        for words in (['--help'], ['help'], [], ['-h']):
            out = self.good(*words)
            for command in COMMANDS:
                self.assertRegex(out, rf'(?m)^{command}  ')
        for command in COMMANDS:
            out = self.good(command, '--help')
            self.assertEqual(out, self.good('help', command))
            self.assertIn('--json', out)

    def test_reference(self):
        man = self.good('help', '--man')
        self.assertTrue(man.startswith('.TH INKLING 1 '))
        markdown = self.good('help', '--markdown')
        for command in COMMANDS:
            self.assertIn(f'.SS {command}\n', man)
            self.assertIn(f'### {command}\n', markdown)

    def test_misuse(self):
        self.bad(64, "unknown command 'prdict', did you mean 'predict'?", 'prdict', 'x.png')
        self.bad(64, "expected one that 'help' lists", 'frobnicate')
        self.bad(64, 'train: --epochs: -3 is out of range, expected 1 to 1000', 'train', '--epochs', '-3')
        self.bad(64, 'did you mean --epochs?', 'train', '--epoch', '3')
        self.bad(64, 'too few words', 'predict')
        self.bad(64, 'unknown option --stroe', '--stroe', 'x', 'help')
        self.bad(64, '--store: DIR is missing', '--store')
        self.bad(66, "'nothing.png': no such file", 'predict', 'nothing.png')
        self.bad(66, "no model 'nothing'", 'evaluate', '--model', 'nothing')
        self.bad(69, 'nothing was drawn yet', 'predict', 'drawn')
        self.bad(64, "serve: unknown action '8080', expected start, status or stop", 'serve', '8080')
        self.bad(64, "install: unknown option '--frobnicate'", 'install', '--frobnicate')

    def test_kernel(self):
        """Its own errors; the kernel itself is tests/protocol's."""
        self.assertIn('kernel -f FILE', self.good('kernel', '--help'))
        self.bad(64, 'expected -f and the connection file', 'kernel', '-f')
        self.bad(66, 'No such file', 'kernel', '-f', 'nothing.json')
        self.write('broken.json', b'{')
        self.bad(65, 'connection file broken.json: JSON', 'kernel', '-f', 'broken.json')

    def test_text_as_picture(self):
        self.write('notes.png', b'this is no picture\n')
        self.bad(65, 'notes.png', 'predict', 'notes.png')
        self.write('empty.png', b'')
        self.bad(65, 'empty.png', 'predict', 'empty.png')

    def test_stdout_is_full(self):
        with open('/dev/full', 'wb') as full:
            done = subprocess.run([PROGRAM, 'help'], cwd=self.path, env=self.env, stdout=full,
                                  stderr=subprocess.PIPE, check=False)
        self.assertEqual(done.returncode, 74)
        self.assertRegex(done.stderr.decode(), r'\Ainkling: stdout: .*\n\Z')

    def test_stdout_is_closed(self):
        read_end, write_end = os.pipe()
        os.close(read_end)
        done = subprocess.run([PROGRAM, 'help', '--markdown'], cwd=self.path, env=self.env, stdout=write_end,
                              stderr=subprocess.PIPE, check=False)
        os.close(write_end)
        self.assertEqual(done.returncode, 74)  # and not killed by SIGPIPE


class Numbers(Program):
    def test_predict(self):
        self.write('one.png', png(200, 200, a_one))
        answer = self.numbers('predict', 'one.png')
        self.assertEqual(answer['prediction'], 1)
        self.assertEqual(len(answer['probabilities']), 10)
        self.assertAlmostEqual(sum(answer['probabilities']), 1, places=4)
        self.assertEqual(answer['probabilities'].index(max(answer['probabilities'])), 1)
        self.assertGreater(answer['elapsed_ms'], 0)
        self.assertEqual(answer['source'], 'one.png')
        several = self.numbers('predict', 'one.png', './one.png')
        self.assertEqual([one['prediction'] for one in several], [1, 1])
        text = self.good('predict', 'one.png')
        self.assertRegex(text, r'\A1   \d+\.\d\d %   one\.png   \d+\.\d\d ms   inkling')

    def test_folder(self):
        os.mkdir(os.path.join(self.path, 'photos'))
        for name in ('b.png', 'a.png'):
            self.write(os.path.join('photos', name), png(100, 100, lambda x, y: 0 if 45 < x < 55 and 20 < y < 80 else 255))
        self.write('photos/notes.txt', b'not looked at')
        answers = self.numbers('predict', 'photos')
        self.assertEqual([one['source'] for one in answers], ['photos/a.png', 'photos/b.png'])
        os.mkdir(os.path.join(self.path, 'none'))
        self.bad(66, 'no pictures in this folder', 'predict', 'none')

    def test_layers_and_model(self):
        layers = self.numbers('layers', '--model', 'keras')
        self.assertEqual([sorted(layer) for layer in layers], [['name', 'op', 'parameters', 'shape']] * len(layers))
        model = self.numbers('model', 'describe', 'keras')
        self.assertEqual(model['parameters'], 1199882)
        self.assertEqual(sum(layer['parameters'] for layer in layers), 1199882)
        self.assertEqual(self.numbers('model', 'describe', 'inkling')['parameters'],
                         sum(layer['parameters'] for layer in self.numbers('layers')))

    def test_inspect(self):
        self.write('one.png', png(200, 200, a_one))
        layer = next(layer for layer in self.numbers('layers') if layer['op'] == 'conv')
        seen = self.numbers('inspect', layer['name'], 'one.png')
        self.assertEqual((seen['layer'], seen['shape']), (layer['name'], layer['shape']))
        values = [value for plane in seen['values'] for row in plane for value in row]
        self.assertEqual([len(seen['values']), len(seen['values'][0]), len(seen['values'][0][0])], layer['shape'])
        self.assertAlmostEqual(min(values), seen['min'], places=5)
        self.assertAlmostEqual(max(values), seen['max'], places=5)
        self.assertAlmostEqual(sum(values) / len(values), seen['mean'], places=5)

    def test_evaluate(self):
        result = self.numbers('evaluate', '--data', 'tiny.jsonl')
        confusion = result['confusion']
        self.assertEqual(result['count'], 60)
        self.assertEqual(sum(map(sum, confusion)), 60)
        self.assertAlmostEqual(sum(confusion[i][i] for i in range(10)) / 60, result['accuracy'])
        self.assertLessEqual(result['interval'][0], result['accuracy'])
        self.assertGreaterEqual(result['interval'][1], result['accuracy'])

    @unittest.skipUnless(os.path.isdir(os.path.join(SHARED, 'mnist')), 'no MNIST in INKLING_DATA')
    def test_mnist(self):
        env = {**self.env, 'INKLING_DATA': SHARED}
        code, out, err = self.run_it('evaluate', '--json', env=env)
        self.assertEqual(code, 0, err)
        self.assertEqual(json.loads(out)['count'], 10000)
        self.assertGreaterEqual(json.loads(out)['accuracy'], 0.995)
        code, out, err = self.run_it('predict', 'test[99999]', env=env)
        self.assertEqual((code, out), (64, ''))
        self.assertEqual(err, 'inkling: predict: test[99999]: the test set of mnist has 10,000 pictures, expected 0 to 9999\n')

    @unittest.skipUnless(os.path.isfile(DRAWINGS), 'no drawings in INKLING_DATA')
    def test_drawings(self):
        """What the network that ships was never taught: people's drawings."""
        result = self.numbers('evaluate', '--data', DRAWINGS)
        self.assertGreater(result['count'], 5000)
        self.assertGreaterEqual(result['accuracy'], 0.98)
        pretrained = os.path.join(ROOT, 'model/pretrained')
        self.assertLessEqual(os.path.getsize(os.path.join(pretrained, 'inkling.safetensors')), 3000000)
        with open(os.path.join(pretrained, 'inkling.log'), encoding='utf-8') as log:
            self.assertIn(' --data mnist,mnist,mnist,mnist,mnist,mnist,mnist,strokes --validation none ', log.readline())

    def test_compute(self):
        """INKLING_CPU: the words that this processor knows; another one is refused, not ignored."""
        self.write('one.png', png(200, 200, a_one))
        for word in ('baseline', 'reference'):
            code, out, err = self.run_it('predict', 'one.png', '--json', env={**self.env, 'INKLING_CPU': word})
            self.assertEqual((code, json.loads(out)['prediction']), (0, 1), err)
        code, out, err = self.run_it('predict', 'one.png', env={**self.env, 'INKLING_CPU': 'abacus'})
        self.assertEqual((code, out), (64, ''))
        self.assertIn("INKLING_CPU: 'abacus'", err)

    def test_threads(self):
        """INKLING_THREADS says on how many to compute where --threads does not."""
        def used(value, *words):
            code, _, err = self.run_it('train', '--model', 'softmax', '--data', 'tiny.jsonl', '--epochs', '1', '--save', 'w.safetensors', *words,
                                       env={**self.env, 'INKLING_THREADS': value})
            self.assertEqual(code, 0, err)
            with open(os.path.join(self.path, 'w.json'), encoding='utf-8') as config:
                return json.load(config)['threads']

        every = used('')  # set to nothing is not set
        self.assertEqual(used('0'), every)
        self.assertEqual(used('3'), 3)
        self.assertEqual(used('256', '--threads', '2'), 2)
        self.assertEqual(used('3', '--threads', '0'), 3)
        self.assertEqual(self.run_it('evaluate', '--data', 'tiny.jsonl', env={**self.env, 'INKLING_THREADS': '1'})[0], 0)
        for value in ('-1', '257', 'two', '1.5', ' 2', '2x', '99999999999999999999'):
            code, out, err = self.run_it('predict', 'one.png', env={**self.env, 'INKLING_THREADS': value})
            self.assertEqual((code, out), (64, ''), value)
            self.assertIn('INKLING_THREADS: ', err)
        self.assertIn('INKLING_THREADS', self.good('train', '--help'))

    def test_engine(self):
        """The reference gives the same answer, says so."""
        self.write('one.png', png(200, 200, a_one))
        usual, slow = self.numbers('predict', 'one.png'), self.numbers('predict', 'one.png', '--engine', 'reference')
        self.assertNotIn('engine', usual)
        self.assertEqual(slow['engine'], 'reference')
        for a, b in zip(usual['probabilities'], slow['probabilities']):
            self.assertAlmostEqual(a, b, delta=1e-5)
        trained = self.numbers('train', '--model', 'softmax', '--data', 'tiny.jsonl', '--epochs', '1', '--engine', 'reference', '--save', 'w.safetensors')
        self.assertEqual(trained['engine'], 'reference')

    def test_precision(self):
        """bf16 gives the answers that f32 gives; a processor without it says so."""
        self.write('one.png', png(200, 200, a_one))
        reference = {**self.env, 'INKLING_CPU': 'reference'}
        code, out, err = self.run_it('predict', 'one.png', '--precision', 'bf16', '--json', env=reference)
        self.assertEqual((code, json.loads(out)['prediction']), (0, 1), err)
        baseline = {**self.env, 'INKLING_CPU': 'baseline'}
        for words in (['predict', 'one.png'], ['evaluate', '--data', DRAWINGS], ['serve', '--port', '0'],
                      ['train', '--model', 'softmax', '--data', DRAWINGS]):
            code, out, err = self.run_it(*words, '--precision', 'bf16', env=baseline)
            self.assertEqual((code, out), (69, ''), words)
            self.assertIn("precision 'bf16': baseline cannot multiply such numbers, expected f32 or auto", err)
        self.assertEqual(self.run_it('predict', 'one.png', '--precision', 'auto', env=baseline)[0], 0)
        plain = self.numbers('evaluate', '--data', DRAWINGS)
        auto = self.numbers('evaluate', '--data', DRAWINGS, '--precision', 'auto')
        self.assertLessEqual(abs(auto['accuracy'] - plain['accuracy']), 0.0005)

    def test_out(self):
        self.write('one.png', png(200, 200, a_one))
        for ending, start in (('png', b'\x89PNG'), ('html', b'<!DOCTYPE html>'), ('json', b'{'), ('txt', b'1 ')):
            self.good('predict', 'one.png', '--out', f'seen.{ending}')
            with open(os.path.join(self.path, f'seen.{ending}'), 'rb') as file:
                self.assertTrue(file.read().startswith(start))
        self.bad(64, 'does not end in', 'predict', 'one.png', '--out', 'seen.doc')


class Training(Program):
    WORDS = ('train', '--model', 'conv1', '--data', 'tiny.jsonl', '--batch', '5', '--threads', '1')

    def test_train_save_continue(self):
        result = self.numbers(*self.WORDS, '--epochs', '3', '--save', 'a.safetensors', '--log', 'a.log')
        self.assertEqual((result['epochs'], result['steps'], result['saved']), (3, 36, 'a.safetensors'))
        with open(os.path.join(self.path, 'a.log'), encoding='utf-8') as file:
            log = file.read()
        self.assertTrue(log.startswith('# train --model conv1 '), log)
        self.assertEqual(len(re.findall(r'(?m)^epoch \d+/3  validation loss [\d.]+  accuracy [\d.]+ %$', log)), 3)
        model = self.numbers('model', 'describe', './a.safetensors')
        self.assertIn('--epochs 3', model['record']['command'])
        self.good('train', '--model', './a.safetensors', '--continue', '--data', 'tiny.jsonl', '--epochs', '1',
                  '--validation', 'none', '-o', 'b.safetensors')
        self.assertAlmostEqual(self.numbers('model', 'describe', './b.safetensors')['record']['epochs'], 4, places=3)

    def test_repeats(self):
        weights = []
        for name in ('a', 'b'):
            self.good(*self.WORDS, '--epochs', '1', '--seed', '9', '--augment', 'full', '--save', f'{name}.safetensors')
            with open(os.path.join(self.path, f'{name}.safetensors'), 'rb') as file:
                data = file.read()
            weights.append(data[8 + struct.unpack('<Q', data[:8])[0]:])
        self.assertEqual(weights[0], weights[1])

    def test_lines_in_a_log(self):
        code, out, err = self.run_it(*self.WORDS, '--epochs', '2')
        self.assertEqual(code, 0)
        self.assertEqual(len(err.splitlines()), 3, err)  # one an epoch, nothing redrawn, and where it is kept
        self.assertNotIn('\r', err)
        self.assertEqual(out.count('\n'), 1)

    def test_what_was_trained_is_kept(self):
        """A shell has no session: weights that nobody saved go to the store as `last`; choices are said to be for nothing."""
        for version in (1, 2):
            code, _, err = self.run_it(*self.WORDS, '--epochs', '1')
            self.assertEqual(code, 0, err)
            self.assertIn(f'kept as last:{version}; --model last takes it', err)
        self.assertEqual(self.numbers('model', 'describe', 'last')['version'], 2)
        for words in (('model', 'use', 'last'), ('model', 'new', 'mine', 'conv1')):
            code, _, err = self.run_it(*words)
            self.assertEqual(code, 0, err)
            self.assertIn('give --model to those', err)

    def test_interrupt(self):
        """Ctrl-C: stops soon, saves what was asked for, says so, 130."""
        process = subprocess.Popen([PROGRAM, *self.WORDS, '--epochs', '1000', '--save', 'kept.safetensors'], cwd=self.path,
                                   env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        line = process.stderr.readline()  # the first epoch is done
        self.assertIn(b'epoch 1/1000', line)
        start = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        took = time.monotonic() - start
        self.assertEqual((process.returncode, out), (130, b''), err)
        self.assertRegex(err.decode().splitlines()[-1],
                         r'^inkling: train: stopped in epoch \d+ of 1000; the best weights so far \([\d.]+ %\) are in use '
                         r'and saved as kept\.safetensors$')
        self.assertLess(took, 2)
        self.assertEqual(self.numbers('evaluate', '--model', './kept.safetensors', '--data', 'tiny.jsonl')['count'], 60)

    def test_bar_in_a_terminal(self):
        master, slave = pty.openpty()
        process = subprocess.Popen([PROGRAM, *self.WORDS, '--epochs', '3'], cwd=self.path, env=self.env,
                                   stdout=subprocess.PIPE, stderr=slave)
        os.close(slave)
        seen = b''
        while select.select([master], [], [], 30)[0]:
            try:
                part = os.read(master, 65536)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            seen += part
        out = process.communicate(timeout=30)[0]
        os.close(master)
        self.assertEqual(process.returncode, 0)
        self.assertIn('\r', seen.decode())
        self.assertIn('epoch 3/3', seen.decode())
        self.assertIn('img/s', seen.decode())
        self.assertIn(b'conv1 on tiny.jsonl: ', out)


if __name__ == '__main__':
    unittest.main()
