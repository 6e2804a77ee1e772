# SPDX-License-Identifier: MIT
"""What the crash tests share: a small run, its files looked at without the program, and a disk that loses power."""
import functools
import hashlib
import itertools
import json
import os
import random
import re
import struct
import subprocess
import tempfile
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.environ.get('INKLING', os.path.join(ROOT, 'build/inkling'))
NAME = re.compile(r'checkpoint-(\d{12})\.safetensors\Z')


@functools.lru_cache(maxsize=256)
def is_whole(data):
    """Whether a checkpoint's checksum fits; written from the format's description, not from the program."""
    at = data.find(b'"blake2b":"') + len(b'"blake2b":"')
    if len(data) < 8 or at < 11 or 8 + struct.unpack('<Q', data[:8])[0] > len(data):
        return False
    blank = data[:at] + b'0' * 64 + data[at + 64:]
    return hashlib.blake2b(blank, digest_size=32).hexdigest().encode() == data[at:at + 64]


def newest_whole(files):
    """The highest step of {name: bytes} that loads, or -1."""
    return max((int(match[1]) for name, data in files.items() if (match := NAME.match(name)) and is_whole(data)), default=-1)


def read_folder(path):
    files = {}
    for name in os.listdir(path) if os.path.isdir(path) else ():
        try:
            with open(os.path.join(path, name), 'rb') as file:
                files[name] = file.read()
        except FileNotFoundError:  # replaced meanwhile
            pass
    return files


def numbers_of(path):
    """A weight file without its header, which has dates."""
    with open(path, 'rb') as file:
        data = file.read()
    return data[8 + struct.unpack('<Q', data[:8])[0]:]


class Crash(unittest.TestCase):
    """A folder with a data set, and runs in it."""
    WORDS = ('train', '--model', 'conv1', '--data', 'tiny.jsonl', '--validation', 'none', '--batch', '5', '--threads', '1',
             '--average', '0.99', '--augment', 'full')

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = folder.name
        self.env = {'PATH': os.environ['PATH'], 'HOME': self.path, 'LC_ALL': 'C.UTF-8', 'ASAN_OPTIONS': 'detect_leaks=0',
                    'INKLING_STORE': os.path.join(self.path, 'store')}
        shapes = {0: [[50, 10, 20, 50, 50, 90, 80, 50, 50, 10]], 1: [[50, 10, 50, 90]], 7: [[20, 10, 80, 10, 40, 90]]}
        dice = random.Random(1)
        with open(self.at('tiny.jsonl'), 'w', encoding='utf-8') as file:
            for digit in (0, 1, 7) * 100:
                strokes = [[value + dice.randint(-8, 8) for value in stroke] for stroke in shapes[digit]]
                file.write(json.dumps({'label': digit, 'strokes': strokes}) + '\n')

    def at(self, *names):
        return os.path.join(self.path, *names)

    def start(self, *words, **more):
        return subprocess.Popen([PROGRAM, *words], cwd=self.path, env=self.env, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)

    def run_it(self, *words, **more):
        process = self.start(*words, **more)
        out, err = process.communicate(timeout=120)
        return process.returncode, out.decode(), err.decode()

    def good(self, *words):
        code, out, err = self.run_it(*words)
        self.assertEqual(code, 0, f'{words}: {err}')
        return out

    def bad(self, exit_code, message, *words):
        code, out, err = self.run_it(*words)
        self.assertEqual((code, out), (exit_code, ''), err)
        self.assertIn(message, err)

    def newest(self, folder='run'):
        return newest_whole(read_folder(self.at(folder)))

    def wait_for(self, process, step, folder='run'):
        """Until there is a checkpoint above `step`; False if the process has ended before."""
        deadline = time.monotonic() + 60
        while process.poll() is None:
            if any(match and int(match[1]) > step for match in map(NAME.match, os.listdir(self.at(folder)) if os.path.isdir(self.at(folder)) else ())):
                return True
            self.assertLess(time.monotonic(), deadline, 'no checkpoint came')
            time.sleep(0.005)
        return False

    def assert_no_leftovers(self, folder='run'):
        self.assertEqual([name for name in os.listdir(self.at(folder)) if '.tmp-' in name], [])


class Disk:
    """What a loss of power may leave of one folder's files, from the calls that a program made.

    A file's bytes are safe after its fsync, a name after an fsync of the folder that it is in. What is not safe yet
    may be there or not: names in any combination; bytes as before, half, all, or zeros of the right length.
    """

    def __init__(self, folder):
        self.folder = folder
        self.safe, self.pending = {}, []  # name: file;  changes of names since the folder's last fsync
        self.is_safe = False  # the folder's own name
        self.open = {}  # descriptor: a file's contents, or the path of a folder
        self.renamed = self.promised = -1  # steps; the program goes on as if the second could not be lost

    def play(self, call, words, result):
        """One call that the program made: its name, its words, what it returned."""
        paths = [bytes.fromhex(text.replace('\\x', '')).decode() for text in re.findall(r'"((?:\\x[0-9a-f]{2})*)"', words)] \
            if call in ('openat', 'rename', 'unlink') else []
        names = [os.path.basename(path) for path in paths if os.path.dirname(path) == self.folder]
        if call == 'openat' and 'O_DIRECTORY' in words:
            self.open[result] = paths[0]
        elif call == 'openat' and 'O_CREAT' in words and names:
            file = {'bytes': b'', 'safe': b''}
            self.open[result] = file
            self.pending.append(lambda there, name=names[0]: there.update({name: file}))
        elif call == 'openat':
            self.open.pop(result, None)
        elif call == 'write' and isinstance(file := self.open.get(int(words.split(',')[0])), dict):
            file['bytes'] += bytes.fromhex(re.search(r'"(.*?)"', words)[1].replace('\\x', ''))[:result]
        elif call == 'fsync':
            self.sync(self.open.get(int(words)))
        elif call == 'rename' and names:
            file = self.now()[names[0]]
            self.pending.append(lambda there: (there.pop(names[0], None), there.update({names[1]: file})))
            self.renamed = int(NAME.match(names[1])[1])
        elif call == 'unlink' and names:
            self.pending.append(lambda there: there.pop(names[0], None))

    def sync(self, what):
        if isinstance(what, dict):
            what['safe'] = what['bytes']
        elif what == self.folder:
            self.safe, self.pending, self.promised = self.now(), [], self.renamed
        elif what == (os.path.dirname(self.folder) or '.'):
            self.is_safe = True

    def now(self):
        names = dict(self.safe)
        for change in self.pending:
            change(names)
        return names

    def states(self):
        """Every {name: bytes} that may be found after a loss of power now."""
        if not self.is_safe:
            yield {}
        for done in itertools.product((False, True), repeat=len(self.pending)):
            names = dict(self.safe)
            for change, is_done in zip(self.pending, done):
                if is_done:
                    change(names)
            ways = [(file['bytes'],) if file['bytes'] == file['safe'] else
                    (file['safe'], file['bytes'][:len(file['bytes']) // 2], file['bytes'], bytes(len(file['bytes'])))
                    for file in names.values()]
            for contents in itertools.product(*ways):
                yield dict(zip(names, contents))


def calls_of(log):
    """(name, words, result) of each call in a log of `strace -f -xx`, in the order in which they returned."""
    begun = {}
    with open(log, encoding='ascii', errors='replace') as file:
        for line in file:
            thread, _, text = line.rstrip().partition(' ')
            text = text.strip()
            if text.endswith('<unfinished ...>'):
                begun[thread] = text.removesuffix('<unfinished ...>').rstrip()
                continue
            if match := re.match(r'<\.\.\. \w+ resumed>', text):
                text = begun.pop(thread) + text[match.end():]
            if match := re.match(r'(\w+)\((.*)\)\s+= (\d+)', text):
                yield match[1], match[2], int(match[3])
