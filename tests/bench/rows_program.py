# SPDX-License-Identifier: MIT
"""The program as a whole: its start, its memory, the sprint, the notebook's kernel, the server."""
import json
import os
import subprocess
import sys
import tempfile
import time

from measure import PROGRAM, ROOT, Load, Missing, Row, median, node_folder, ratio_of, run, run_json, take_turns
from rows_net import THREADS, arch_of, onnx_of


def seconds_of(command):
    start = time.perf_counter()
    run(command)
    return (time.perf_counter() - start) * 1000


def start_rows(context, nets):
    """From starting a program to its answer about one picture."""
    picture = os.path.join(ROOT, 'tests/fuzz/corpus/picture/grey.png')
    try:
        onnx = context.peers.onnx()
        theirs = ['node', os.path.join(ROOT, 'tests/bench/peer_onnx.mjs'), node_folder(), onnx_of('inkling', context)]
        peer, others = f'{onnx.version} in node', [lambda: seconds_of(theirs)]
    except Missing as reason:
        peer, others = str(reason), []
    with Load() as load:
        found = take_turns(5 if context.is_quick else 25, lambda: seconds_of([PROGRAM, 'predict', picture]), *others)
    row = Row('start to first answer, inkling', 'ms', median(found[0]), peer, foreign=load.foreign, details={'rounds': found})
    if others:
        row.theirs, row.ratio = median(found[1]), ratio_of(*found)
    yield row.at_most(15)


def most_resident_mb(command):
    """The most memory that a program ever had, in MB of 2^20 bytes."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f'{" ".join(command[:3])}: exit code {process.returncode}')
    return usage.ru_maxrss / 1024


def memory_rows(context, nets):
    """Resident while `keras` learns from MNIST: an epoch, all of the program's memory."""
    peer, theirs = '', None
    context.peers.close('torch')
    try:
        torch = context.peers.torch()
        torch.ask('train', net=arch_of('keras'), mode='plain', precision='f32', threads=THREADS, batch=128, steps=5)
        peer, theirs = torch.version, torch.ask('memory')['most_mb']
        context.peers.close('torch')
    except Missing as reason:
        peer = str(reason)
    ours = most_resident_mb([PROGRAM, 'train', '--model', 'keras', '--data', 'mnist', '--validation', 'none', '--epochs', '1',
                             '--threads', str(THREADS)])
    yield Row('memory while keras learns', 'MB', ours, peer, theirs, theirs / ours if theirs else None).at_most(120)


def recipe_of(name):
    with open(os.path.join(ROOT, f'model/zoo/{name}.json'), encoding='utf-8') as file:
        return json.load(file)


def sprint_once(seed, folder):
    """(seconds from the pictures' bytes to the weights, accuracy on the test half)"""
    weights = os.path.join(folder, 'sprint.safetensors')
    told = run_json([PROGRAM, 'train', '--recipe', 'sprint', '--seed', seed, '--threads', THREADS, '--save', weights, '--json'])
    right = run_json([PROGRAM, 'evaluate', '--model', weights, '--data', 'mnist', '--json'])
    return told['trained_s'], right['accuracy']


def sprint_rows(context, nets):
    """The whole of `train --recipe sprint` but for reading the files; and the same recipe in PyTorch."""
    seeds = range(1, 4 if context.is_quick else 21)
    peer, theirs, right = '', None, None
    with Load() as load, tempfile.TemporaryDirectory(prefix='ink-bench-') as folder:
        ours = [sprint_once(seed, folder) for seed in seeds]
        try:
            torch = context.peers.torch()
            told = [torch.ask('recipe', net=arch_of('sprint'), recipe=recipe_of('sprint'), seed=seed, threads=THREADS, precision='f32')
                    for seed in seeds[:1 if context.is_quick else 3]]
            peer, theirs, right = torch.version, median(one['seconds'] for one in told), median(one['accuracy'] for one in told)
        except Missing as reason:
            peer = str(reason)
    seconds, accuracy = median(one[0] for one in ours), sum(one[1] for one in ours) / len(ours)
    yield Row('sprint, bytes to weights', 's', seconds, peer, theirs, theirs / seconds if theirs else None, foreign=load.foreign,
              details={'ours': ours}).at_most(0.6)
    row = Row(f'sprint, accuracy, mean of {len(ours)} seeds', '%', accuracy * 100, peer, right * 100 if right else None,
              note=f'least {min(one[1] for one in ours) * 100:.2f} %')
    row.goal, row.is_met = '>= 99.0 %', accuracy >= 0.99
    yield row


def kernel_rows(context, nets):
    """Start and answers as a Jupyter client sees them."""
    with Load() as load:
        found = run_json([sys.executable, os.path.join(ROOT, 'tests/bench/bench_kernel.py'), '--json',
                          '--starts', 3 if context.is_quick else 15, '--cells', 100 if context.is_quick else 1000])
    ours, theirs = found['inkling'], found.get('ipykernel', {})
    peer = 'ipykernel' if theirs else 'ipykernel (python3-ipykernel is not installed)'
    for what, unit, key, goal in (('kernel: start to kernel_info_reply', 'ms', 'start_ms', 50),
                                  ('kernel: execute round trip, median', 'ms', 'execute_p50_ms', 1),
                                  ('kernel: 1000 cells at once, each', 'ms', 'burst_ms_per_cell', None),
                                  ('kernel: resident memory', 'MB', 'resident_mb', None)):
        row = Row(what, unit, ours[key], peer, theirs.get(key), theirs[key] / ours[key] if theirs else None, foreign=load.foreign)
        yield row.at_most(goal) if goal else row


def http_rows(context, nets):
    """The server on loopback, its client in Python: one request after the other."""
    with Load() as load:
        found = run_json([os.path.join(ROOT, 'tests/bench/bench_http.py'), '--json', *(['--quick'] if context.is_quick else [])])
    for row in found:
        yield Row(f'serve: {row["name"]}, p50', 'us', row['p50_us'], foreign=load.foreign)
