# SPDX-License-Identifier: MIT
"""Training options of the program: metrics, event files, configurations, recipes."""
import glob
import json
import math
import os
import re
import signal
import struct
import subprocess
import unittest

from tests.command.test_program import PROGRAM, Program

CASTAGNOLI = 0x82f63b78


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (CASTAGNOLI if crc & 1 else 0)
    return crc ^ 0xffffffff


def masked(data):
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xa282ead8) & 0xffffffff


def fields(message):
    """(number, value) of a protocol buffers message: integers, floats and bytes."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        key = varint()
        kind = key & 7
        if kind == 0:
            value = varint()
        elif kind == 1:
            value, at = struct.unpack_from('<d', message, at)[0], at + 8
        elif kind == 2:
            size = varint()
            value, at = message[at:at + size], at + size
        elif kind == 5:
            value, at = struct.unpack_from('<f', message, at)[0], at + 4
        else:
            raise ValueError(f'wire type {kind}')
        yield key >> 3, value


def events(data):
    """(wall time, step, {tag: value}) of each record of an event file, after its version; every checksum is looked at."""
    at, out, version = 0, [], None
    while at < len(data):
        length, check = struct.unpack_from('<QI', data, at)
        assert check == masked(data[at:at + 8]), 'checksum of a length'
        body = data[at + 12:at + 12 + length]
        assert len(body) == length, 'a record is cut'
        assert struct.unpack_from('<I', data, at + 12 + length)[0] == masked(body), 'checksum of a record'
        at += length + 16
        event = dict(fields(body))
        if version is None:
            version = event[3]
            continue
        values = {}
        for number, value in fields(event[5]):
            assert number == 1
            value = dict(fields(value))
            values[value[1].decode()] = value[2]
        out.append((event[1], event.get(2, 0), values))
    assert version == b'brain.Event:2', version
    return out


class Metrics(Program):
    WORDS = ('train', '--model', 'conv1', '--data', 'tiny.jsonl', '--batch', '5', '--threads', '1')

    def lines(self, name, is_growing=False):
        with open(os.path.join(self.path, name), encoding='utf-8') as file:
            text = file.read()
        if is_growing:  # a line can be seen half written where it crosses a page of the file
            text = text[:text.rfind('\n') + 1]
        self.assertTrue(text.endswith('\n'))
        return [json.loads(line) for line in text.splitlines()]

    def test_lines(self):
        """60 pictures in 12 steps an epoch; a line after 5, 10 and 12 of them, the last with the validation."""
        result = self.numbers(*self.WORDS, '--epochs', '2', '--metrics', 'a.jsonl', '--metrics-every', '5')
        lines = self.lines('a.jsonl')
        self.assertEqual([line['step'] for line in lines], [5, 10, 12, 15, 20, 24])
        self.assertEqual([line['epoch'] for line in lines], [1, 1, 1, 2, 2, 2])
        for line in lines:
            self.assertEqual(set(line), {'step', 'epoch', 'loss', 'accuracy', 'rate', 'images_per_s', 'validation_loss',
                                         'validation_accuracy', 'elapsed_s', 'time'})
            self.assertTrue(0 < line['loss'] < 10 and 0 <= line['accuracy'] <= 1 and line['rate'] > 0)
            self.assertGreater(line['images_per_s'], 0)
            self.assertRegex(line['time'], r'^\d{4}-\d\d-\d\dT[\d:.]+Z$')
            self.assertEqual(line['validation_loss'] is None, line['step'] % 12 != 0)
        self.assertEqual(lines[-1]['validation_accuracy'], result['validation_accuracy'])
        self.assertEqual([line['elapsed_s'] for line in lines], sorted(line['elapsed_s'] for line in lines))

    def test_means(self):
        """Every step, and the means of several: the same numbers. What is left at the end is written too."""
        words = (*self.WORDS, '--epochs', '1', '--validation', 'none')
        self.good(*words, '--metrics', 'each.jsonl', '--metrics-every', '1')
        self.good(*words, '--metrics', 'some.jsonl', '--metrics-every', '7')
        each, some = self.lines('each.jsonl'), self.lines('some.jsonl')
        self.assertEqual([line['step'] for line in each], list(range(1, 13)))
        self.assertEqual([line['step'] for line in some], [7, 12])
        for key in ('loss', 'accuracy'):
            for line, of in ((some[0], each[:7]), (some[1], each[7:])):
                self.assertAlmostEqual(line[key], sum(one[key] for one in of) / len(of), places=9)

    def test_tensorboard(self):
        words = (*self.WORDS, '--epochs', '2', '--metrics', 'a.jsonl', '--metrics-every', '4', '--tensorboard', 'logs/run')
        self.good(*words)
        self.good(*words)  # another run, another file
        files = glob.glob(os.path.join(self.path, 'logs/run/events.out.tfevents.*'))
        self.assertEqual(len(files), 2)
        with open(files[0], 'rb') as file:
            seen = events(file.read())
        lines = self.lines('a.jsonl')
        self.assertEqual([step for _, step, _ in seen], [line['step'] for line in lines])
        validated = {'validation/loss': 'validation_loss', 'validation/accuracy': 'validation_accuracy'}
        names = {'train/loss': 'loss', 'train/accuracy': 'accuracy', 'train/rate': 'rate', **validated}
        for (time, _, values), line in zip(seen, lines):
            self.assertGreater(time, 1.6e9)
            self.assertGreater(values.pop('train/images_per_s'), 0)
            # the run is the same to the bit, so are its numbers
            self.assertEqual({names[tag]: value for tag, value in values.items()},
                             {key: struct.unpack('<f', struct.pack('<f', line[key]))[0] for tag, key in names.items()
                              if line[key] is not None})
            self.assertEqual('validation/loss' in values, line['validation_loss'] is not None)

    def test_as_it_goes(self):
        """Lines are there while it runs."""
        process = subprocess.Popen([PROGRAM, *self.WORDS, '--epochs', '1000', '--metrics', 'a.jsonl', '--metrics-every', '1',
                                    '--save', 'a.safetensors'], cwd=self.path, env=self.env, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        process.stderr.readline()  # the first epoch is done
        lines = self.lines('a.jsonl', is_growing=True)
        process.terminate()
        process.communicate(timeout=30)
        self.assertGreaterEqual(len(lines), 12)

    def test_resumed(self):
        """A run that goes on says of each step what one that was never interrupted says, at the same steps."""
        words = (*self.WORDS, '--epochs', '400', '--metrics-every', '7', '--schedule', 'constant', '--lr', '0.0001')
        self.good(*words, '--metrics', 'whole.jsonl')
        os.mkfifo(os.path.join(self.path, 'pipe'))
        process = subprocess.Popen([PROGRAM, *words, '--metrics', 'pipe', '--checkpoints', 'run', '--checkpoint-every', '30'],
                                   cwd=self.path, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        with open(os.path.join(self.path, 'pipe'), encoding='utf-8') as file:
            for _ in range(20):
                file.readline()
            process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(timeout=30), 130, process.communicate()[1])
        process.communicate()
        self.write('rest.jsonl', b'{"step": 0}\n')  # lines are added to those that are there
        self.good('train', '--resume', 'run', '--metrics', 'rest.jsonl')
        keys = ('epoch', 'loss', 'accuracy', 'rate', 'validation_loss', 'validation_accuracy')
        whole = {(line['step'], line['validation_loss'] is None): [line[key] for key in keys]
                 for line in self.lines('whole.jsonl')}
        first, second, *rest = self.lines('rest.jsonl')
        self.assertEqual(first['step'], 0)
        self.assertGreater(second['step'], 12)
        self.assertEqual(rest[-1]['step'], 4800)
        for line in rest:  # the second is the mean of what is left of its steps
            self.assertEqual([line[key] for key in keys], whole[line['step'], line['validation_loss'] is None], line)

    def test_trouble(self):
        self.bad(74, '--metrics: cannot write', *self.WORDS, '--metrics', '/dev/null/a')
        self.bad(66, "--metrics: cannot write 'none/a.jsonl'", *self.WORDS, '--metrics', 'none/a.jsonl')
        self.write('file', b'')
        self.bad(74, 'file', *self.WORDS, '--tensorboard', 'file')
        self.bad(64, '--metrics-every: 0 is out of range', *self.WORDS, '--metrics-every', '0')
        # a disk that is full costs the metrics, not the run
        code, out, err = self.run_it(*self.WORDS, '--epochs', '1', '--metrics', '/dev/full', '--tensorboard', 'logs')
        self.assertEqual(code, 0, err)
        self.assertIn('conv1 on tiny.jsonl', out)
        self.assertEqual(err.count('warning: cannot write \'/dev/full\''), 1, err)
        with open(glob.glob(os.path.join(self.path, 'logs/*'))[0], 'rb') as file:
            self.assertGreater(len(events(file.read())), 1)


class Ends(Program):
    WORDS = ('train', '--data', 'tiny.jsonl', '--threads', '1')

    def test_explosion(self):
        """The step is named, and the last good weights are kept; where nothing was learned yet, there are none."""
        words = (*self.WORDS, '--model', 'softmax', '--batch', '5', '--epochs', '50', '--optimizer', 'sgd', '--weight-decay', '1',
                 '--schedule', 'constant')
        self.bad(65, ' at step ', *words, '--lr', '1e6', '--save', 'good.safetensors')
        self.assertEqual(os.listdir(self.path), ['tiny.jsonl'])
        rising = (*words, '--lr', '30', '--warm-up', '1')  # from step 40 on the decay drives the weights apart
        self.bad(65, '; the last good weights are in use and saved as good.safetensors', *rising, '--save', 'good.safetensors')
        result = self.numbers('evaluate', '--model', './good.safetensors', '--data', 'tiny.jsonl')
        self.assertGreater(result['accuracy'], 0.5)
        code, out, err = self.run_it(*rising)
        self.assertEqual((code, out), (65, ''))
        self.assertRegex(err, r'kept as last:1; --model last takes it\ninkling: train: the loss .* at step \d+: .*; '
                              r'the last good weights are in use\n\Z')
        self.assertEqual(self.numbers('evaluate', '--model', 'last', '--data', 'tiny.jsonl')['accuracy'], result['accuracy'])

    def test_stopped_early(self):
        """Before the first validation the weights know next to nothing, and that is said. Metrics go into a pipe, which holds
        the run up until its reader is gone."""
        pipe = os.path.join(self.path, 'pipe')
        os.mkfifo(pipe)
        process = subprocess.Popen([PROGRAM, *self.WORDS, '--data', ','.join(['tiny.jsonl'] * 8), '--model', 'conv1', '--batch', '1',
                                    '--epochs', '3', '--metrics', 'pipe', '--metrics-every', '1'], cwd=self.path, env=self.env,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        with open(pipe, encoding='utf-8') as file:
            self.assertEqual(json.loads(file.readline())['step'], 1)
            process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        self.assertEqual((process.returncode, out), (130, b''), err)
        self.assertIn(b'stopped in epoch 1 of 3; the weights in use are nearly untrained', err)

    def test_until(self):
        result = self.numbers(*self.WORDS, '--model', 'conv1', '--batch', '5', '--epochs', '200', '--until', '90')
        self.assertTrue(result['early'])
        self.assertGreaterEqual(result['best_accuracy'], 0.9)
        self.assertLess(result['step'], result['steps'])
        self.assertEqual(result['step'], result['epoch'] * 12)
        self.bad(64, '--until: nothing is measured with --validation none', *self.WORDS, '--until', '9', '--validation', 'none')


class Configurations(Program):
    WORDS = ('train', '--data', 'tiny.jsonl', '--batch', '5')

    def weights(self, name):
        with open(os.path.join(self.path, name), 'rb') as file:
            data = file.read()
        return data[8 + struct.unpack('<Q', data[:8])[0]:]

    def test_again_from_what_was_written(self):
        """Random choices of every kind, fed back: the same weights."""
        given = ('--model', 'conv1', '--epochs', '2', '--seed', '77', '--augment', 'full', '--erase', '0.25', '--optimizer',
                 'nesterov', '--momentum', '0.8', '--lr', '0.03', '--schedule', 'step', '--step-factor', '0.3', '--warm-up', '4',
                 '--clip', '0.7', '--label-smoothing', '0.07', '--average', '0.9', '--class-weights', 'balanced',
                 '--weight-decay', '0.003', '--threads', '2', '--validation', '12')
        self.good(*self.WORDS, *given, '--save', 'a.safetensors')
        self.good('train', '--config', 'a.json', '--save', 'b.safetensors')
        self.assertEqual(self.weights('a.safetensors'), self.weights('b.safetensors'))
        self.good('train', '--config', 'a.json', '--seed', '78', '--save', 'c.safetensors')
        self.assertNotEqual(self.weights('a.safetensors'), self.weights('c.safetensors'))
        with open(os.path.join(self.path, 'a.json'), encoding='utf-8') as file:
            config = json.load(file)
        for name, value in zip(given[::2], given[1::2]):
            if name not in ('--validation', '--class-weights'):
                self.assertEqual(str(config[name[2:]]), value, name)
        help_text = self.good('train', '--help')
        options = set(re.findall(r'(?m)^  --([\w-]+)', help_text))
        self.assertLessEqual(set(config), options)

    def test_again_from_the_store(self):
        """What --model took is said with its version: the newest one is another when it is done again."""
        self.good(*self.WORDS, '--epochs', '1')
        self.good(*self.WORDS, '--model', 'last', '--continue', '--epochs', '1', '--save', 'a.safetensors')
        self.good(*self.WORDS, '--epochs', '2', '--seed', '5')
        self.good('train', '--config', 'a.json', '--save', 'b.safetensors')
        self.assertEqual(self.weights('a.safetensors'), self.weights('b.safetensors'))
        for name in ('a', 'b'):
            with open(os.path.join(self.path, f'{name}.json'), encoding='utf-8') as file:
                self.assertEqual(json.load(file)['model'], 'last:1')
        self.good('train', '--config', 'a.json')  # without --save: kept like any other, and nothing beside it
        store = os.path.join(self.path, 'store/last')
        self.assertEqual([sorted(os.listdir(os.path.join(store, version))) for version in sorted(os.listdir(store))],
                         [['model.safetensors']] * 3)
        self.assertEqual(self.numbers('model', 'describe', 'last')['record']['command'], 'train --config a.json')

    def test_one_line_for_a_mistake(self):
        for text, message in (
                ({'epochs': 'two'}, 'mine.json: epochs: got "two", expected a whole number, 1 to 1000'),
                ({'lerning-rate': 1}, "mine.json: unknown option 'lerning-rate'"),
                ({'momentun': 1}, "mine.json: unknown option 'momentun', did you mean 'momentum'?"),
                ({'momentum': 1}, 'mine.json: momentum: 1 is out of range, expected 0 to 0.999')):
            self.write('mine.json', json.dumps(text).encode())
            self.bad(64, message, 'train', '--config', 'mine.json')
        self.write('mine.json', b'{"epochs": 2,}')
        self.bad(65, 'mine.json: JSON', 'train', '--config', 'mine.json')

    def test_recipe(self):
        """What is given goes before the recipe."""
        result = self.numbers('train', '--recipe', 'sprint', '--data', 'tiny.jsonl', '--model', 'conv1', '--threads', '1')
        self.assertEqual((result['epochs'], result['steps']), (1, math.ceil(60 / 192)))
        self.assertEqual(self.numbers('model', 'describe', 'last')['record']['command'],
                         'train --model conv1 --data tiny.jsonl --recipe sprint --threads 1')
        self.bad(66, "--recipe: no recipe 'sprnt', did you mean 'sprint'?", 'train', '--recipe', 'sprnt')


if __name__ == '__main__':
    unittest.main()
