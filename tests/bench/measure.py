# SPDX-License-Identifier: MIT
"""What all measurements share: programs that are asked, rounds in turns, the load beside them, rows of the table."""
import contextlib
import dataclasses
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.path.join(ROOT, 'build/inkling')
FOLDER = os.path.join(ROOT, 'build/bench')  # results, and what is kept between runs
CORES = len(os.sched_getaffinity(0))
TICKS = os.sysconf('SC_CLK_TCK')

PAUSE_S = 0.05  # between two turns: threads of thread pools spin for a while before they sleep

median = statistics.median


class Missing(Exception):
    """A peer that is not on this machine."""


# ---- programs ----

def run(command, **changes):
    """What a program prints on its standard output; an exit code other than 0 is an error with what it complained."""
    done = subprocess.run([str(word) for word in command], env={**os.environ, **changes}, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if done.returncode:
        raise RuntimeError(f'{" ".join(map(str, command[:3]))}: exit code {done.returncode}: {done.stderr.decode()[-300:].strip()}')
    return done.stdout.decode()


def run_json(command, **changes):
    """The JSON value that a program prints last."""
    return json.loads(run(command, **changes).strip().splitlines()[-1])


class Worker:
    """A program that answers a line with a line of JSON."""
    all = []

    def __init__(self, name, command):
        self.name = name
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        Worker.all.append(self)

    def ask_line(self, line):
        answer = b''
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(line.encode() + b'\n')
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f'{self.name} ended at "{line[:100]}": {self.process.stderr.read().decode()[-300:].strip()}')
        value = json.loads(answer)
        if isinstance(value, dict) and 'error' in value:
            raise Missing(value['error'])
        return value

    def ask(self, do, **words):
        """The form that peers understand."""
        return self.ask_line(json.dumps({'do': do, **words}))

    def tell(self, command, **words):
        """The form that bench_net understands."""
        return self.ask_line(' '.join([command, *(f'{name}={value}' for name, value in words.items())]))

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()
        Worker.all.remove(self)


class Peers:
    """The workers, started when they are first wanted."""

    def __init__(self):
        self.started, self.why_not = {}, {}

    def get(self, name, start):
        if name in self.why_not:
            raise Missing(self.why_not[name])
        if name not in self.started:
            try:
                self.started[name] = start()
            except Missing as reason:
                self.why_not[name] = str(reason)
                raise
        return self.started[name]

    def ours(self):
        def start():
            run(['make', '--silent', '-C', ROOT, 'build/release/tests/bench_net'])
            return Worker('bench_net', [os.path.join(ROOT, 'build/release/tests/bench_net')])
        return self.get('ours', start)

    def torch(self):
        def start():
            worker = Worker('peer_torch', ['/usr/bin/python3', os.path.join(ROOT, 'tests/bench/peer_torch.py')])
            worker.version = 'PyTorch ' + worker.ask('version')['version']
            return worker
        return self.get('torch', start)

    def onnx(self):
        def start():
            folder = node_folder()
            worker = Worker('peer_onnx', ['node', os.path.join(ROOT, 'tests/bench/peer_onnx.mjs'), folder])
            worker.version = 'ONNX Runtime ' + worker.ask('version')['version']
            return worker
        return self.get('onnx', start)

    def close(self, name=None):
        for key in [name] if name else list(self.started):
            if key in self.started:
                self.started.pop(key).close()


def node_folder():
    """A folder with onnxruntime-node in it, installed once; Missing if it can't be."""
    folder = os.path.join(FOLDER, 'node')
    if not shutil.which('node') or not shutil.which('npm'):
        raise Missing('ONNX Runtime (node and npm are not installed)')
    if not os.path.isdir(os.path.join(folder, 'node_modules/onnxruntime-node')):
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, 'package.json'), 'w', encoding='ascii') as file:
            file.write('{"private": true}\n')
        try:  # its post-install fetches libraries for graphics cards
            run(['npm', 'install', '--prefix', folder, '--ignore-scripts', '--no-audit', '--no-fund', 'onnxruntime-node'])
        except RuntimeError as error:
            raise Missing(f'ONNX Runtime (npm install onnxruntime-node: {str(error)[-80:]})') from error
    return folder


# ---- the machine ----

def cpu_seconds(path, first):
    with open(path, encoding='ascii') as file:
        fields = file.read().rsplit(') ', 1)[-1].split()
    return sum(int(field) for field in fields[first:first + 4]) / TICKS


def used_by_all():
    """Seconds of processor time that the whole machine has spent: user, nice, system, interrupts, stolen."""
    with open('/proc/stat', encoding='ascii') as file:
        fields = [int(field) for field in file.readline().split()[1:]]
    return (sum(fields[:3]) + sum(fields[5:8])) / TICKS


def used_by_us():
    """The same of this program, what it has waited for, and the workers that run."""
    times = os.times()
    total = times.user + times.system + times.children_user + times.children_system
    for worker in Worker.all:
        with contextlib.suppress(OSError):
            total += cpu_seconds(f'/proc/{worker.process.pid}/stat', 11)
    return total


class Load:
    """Processor time that others took while a row was measured, in cores: 0 is a quiet machine."""

    def __enter__(self):
        self.start, self.all, self.us = time.monotonic(), used_by_all(), used_by_us()
        return self

    def __exit__(self, *_):
        wall = max(time.monotonic() - self.start, 1e-3)
        self.foreign = max(0.0, (used_by_all() - self.all - (used_by_us() - self.us)) / wall)


def machine():
    """What is needed to judge the figures."""
    with open('/proc/cpuinfo', encoding='utf-8') as file:
        text = file.read()
    find = lambda name: (re.search(rf'^{name}\s*: (.*)$', text, re.M) or [None, ''])[1]
    flags = set(find('flags').split())
    wanted = ['avx2', 'fma', 'avx512f', 'avx512bw', 'avx512vl', 'avx512_bf16', 'avx512_vnni', 'amx_bf16', 'amx_int8']
    with open('/proc/meminfo', encoding='ascii') as file:
        memory = int(file.readline().split()[1]) / 2**20
    run(['make', '--silent', '-C', ROOT, 'build/release/tests/bench_peak'])
    peak = run_json([os.path.join(ROOT, 'build/release/tests/bench_peak'), 1, CORES])
    return {'cpu': find('model name'), 'family': find('cpu family'), 'model': find('model'), 'cores': CORES, 'memory_gb': round(memory, 1),
            'flags': [flag for flag in wanted if flag in flags], 'system': ' '.join(os.uname()[0:3:2]), 'peak_gflops': peak,
            'load_before': round(os.getloadavg()[0], 2), 'date': time.strftime('%Y-%m-%d %H:%M', time.gmtime())}


# ---- rounds ----

def take_turns(rounds, *measures):
    """[[figure of each round] of each measure]: in turns, so that all meet the same machine."""
    found = [[] for _ in measures]
    for number in range(rounds):
        order = range(len(measures)) if number % 2 == 0 else reversed(range(len(measures)))
        for index in order:
            time.sleep(PAUSE_S)
            found[index].append(measures[index]())
    return found


def ratio_of(ours, theirs):
    """The median of the rounds' ratios: a slow moment in one round spoils that round only."""
    return median(their / our for our, their in zip(ours, theirs))


@dataclasses.dataclass
class Row:
    """One thing measured. A ratio above 1 means that inkling is the better one."""
    what: str
    unit: str
    ours: float
    peer: str = ''
    theirs: float = None
    ratio: float = None
    goal: str = ''         # in words
    is_met: bool = None    # None: no goal
    note: str = ''
    foreign: float = None  # cores that others used meanwhile
    details: dict = dataclasses.field(default_factory=dict)

    def at_most(self, goal):
        """The goal is a figure of ours."""
        self.goal, self.is_met = f'<= {number(goal)} {self.unit}', self.ours <= goal
        return self

    def ahead(self, goal):
        """The goal is a ratio."""
        self.goal, self.is_met = f'>= {goal:g}x', self.ratio >= goal if self.ratio is not None else None
        return self

    def cells(self):
        verdict = '' if not self.goal else '?' if self.is_met is None else 'met' if self.is_met else 'MISSED'
        return [self.what, self.unit, number(self.ours), self.peer, number(self.theirs), f'{self.ratio:.2f}x' if self.ratio else '-',
                self.goal, verdict, self.note, '' if self.foreign is None else f'{self.foreign:.2f}']


HEAD = ['what', 'unit', 'inkling', 'beside', 'takes', 'ratio', 'goal', '', 'note', 'others']


def number(value):
    if value is None:
        return '-'
    return f'{value:.3g}' if abs(value) < 100 else f'{value:,.0f}'


def as_text(rows):
    table = [HEAD] + [row.cells() for row in rows]
    widths = [max(len(line[column]) for line in table) for column in range(len(HEAD))]
    return '\n'.join('  '.join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in table)


def as_markdown(rows, about):
    lines = ['# Measured with `make bench`', '',
             f'{about["date"]} UTC, {about["cores"]} cores of {about["cpu"]} (family {about["family"]}, model {about["model"]}), '
             f'{about["memory_gb"]} GB, {about["system"]}; {" ".join(about["flags"])}.', '',
             'Measured peak, thousand million operations a second: ' + '; '.join(
                 f'{threads} thread{"s" if threads != "1" else ""} ' + ', '.join(f'{kind} {value:.0f}' for kind, value in peaks.items())
                 for threads, peaks in about['peak_gflops'].items()) + '.', '',
             f'Load {about["load_before"]} before, {about["load_after"]} after. `others` is the processor time, in cores, that other programs took '
             'while the row was measured; above 0.1 the row says more about them than about us. Figures are medians; a ratio above 1 '
             'means that inkling is the better one.', '',
             '| ' + ' | '.join(HEAD) + ' |', '|' + '---|' * len(HEAD)]
    lines += ['| ' + ' | '.join(cell.replace('|', '\\|') for cell in row.cells()) + ' |' for row in rows]
    for row in rows:
        if 'profile' in row.details:
            lines += profile_lines(row)
    return '\n'.join(lines) + '\n'


def profile_lines(row):
    """Where the time of a training step goes, kernel by kernel, as Markdown."""
    kernels = sorted(row.details['profile'], key=lambda one: -one['us'])
    total = sum(one['us'] for one in kernels)
    lines = ['', f'## {row.what.rsplit(",", 1)[0]}: one step on one thread, {total / 1000:.2f} ms in kernels', '',
             '| kernel | shape | calls | ms | share | of peak |', '|---|---|---|---|---|---|']
    for one in kernels:
        if one['us'] < total / 100:
            break
        peak = row.details['peak'].get('bf16' if one['kernel'].startswith('bf16') else 'f32')
        reached = f'{one["operations"] / one["us"] / 1e3 / peak * 100:.0f} %' if one['operations'] and peak else ''
        lines.append(f'| {one["kernel"]} | {one["shape"]} | {one["calls"]:.0f} | {one["us"] / 1000:.3f} | {one["us"] / total * 100:.0f} % | {reached} |')
    return lines


def say(text):
    """Progress goes to standard error: results have standard output to themselves."""
    print(text, file=sys.stderr, flush=True)
