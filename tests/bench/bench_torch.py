#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Seconds that PyTorch takes for one epoch of the `keras` network on MNIST, and for one picture, at its best.

    tests/bench/bench_torch.py [--steps 60] [--threads 2]

The network: convolution 3x3 1->32, ReLU, convolution 3x3 32->64, ReLU, max-pooling 2, dropout 0.25, dense 9216->128,
ReLU, dropout 0.5, dense 10; cross entropy, Adam 1e-3, batches of 128, float32, shuffled. All data is in memory as
floats before the clock starts. Both memory layouts are measured; the faster median counts. One line of JSON.

The program starts itself again in a clean environment: Debian's torch links an OpenBLAS with threads of its own, which
then fight with OpenMP's over the cores (2.5 times slower here), so the OpenMP build is put before it; and oneDNN is
allowed the widest vectors that the processor has.
"""
import argparse
import glob
import gzip
import json
import os
import statistics
import sys
import time

BATCH, TRAIN_COUNT = 128, 60000


def restart_clean(threads):
    """Run this program again with an environment that PyTorch is fastest in."""
    if os.environ.get('BENCH_TORCH_CLEAN'):
        return
    with open('/proc/cpuinfo', encoding='ascii') as file:
        flags = file.read()
    env = {'PATH': os.environ['PATH'], 'BENCH_TORCH_CLEAN': '1', 'OMP_NUM_THREADS': str(threads)}
    folders = glob.glob('/usr/lib/*/openblas-openmp')
    if folders:
        env['LD_LIBRARY_PATH'] = folders[0]
    if 'avx512f' in flags:
        env['ATEN_CPU_CAPABILITY'] = 'avx512'
    if 'INKLING_DATA' in os.environ:
        env['INKLING_DATA'] = os.environ['INKLING_DATA']
    os.execve(sys.executable, [sys.executable, *sys.argv], env)


def load(torch):
    """Pictures [60000, 1, 28, 28] and labels: MNIST's if it is there, else random ones (the time is the same)."""
    folder = os.path.join(os.environ.get('INKLING_DATA', '../shared/data'), 'mnist')
    names = [os.path.join(folder, f'train-{kind}-ubyte.gz') for kind in ('images-idx3', 'labels-idx1')]
    if not all(map(os.path.exists, names)):
        return torch.rand(TRAIN_COUNT, 1, 28, 28), torch.randint(0, 10, (TRAIN_COUNT,)), 'random'
    with gzip.open(names[0]) as images, gzip.open(names[1]) as labels:
        pixels = torch.frombuffer(bytearray(images.read()[16:]), dtype=torch.uint8)
        digits = torch.frombuffer(bytearray(labels.read()[8:]), dtype=torch.uint8)
    return pixels.view(-1, 1, 28, 28).float() / 255, digits.long(), 'mnist'


def keras(torch, layout):
    nn = torch.nn
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
                         nn.Dropout(0.25), nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(), nn.Dropout(0.5),
                         nn.Linear(128, 10)).to(memory_format=layout)


def answer_times(torch, pictures, layout, rounds=300):
    """Milliseconds of each answer to one picture, frozen by TorchScript, on one thread, after ten that warm up."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    net = torch.jit.optimize_for_inference(torch.jit.trace(keras(torch, layout).eval(), pictures[:1]))
    times = []
    with torch.no_grad():
        for index in range(rounds + 10):
            start = time.perf_counter()
            net(pictures[index:index + 1]).argmax().item()
            times.append((time.perf_counter() - start) * 1000)
    torch.set_num_threads(threads)
    return times[10:]


def step_times(torch, pictures, labels, layout, steps):
    """Milliseconds of each of `steps` steps, after ten that warm up."""
    nn, net = torch.nn, keras(torch, layout)
    loss_of, optimizer = nn.CrossEntropyLoss(), torch.optim.Adam(net.parameters(), lr=1e-3)
    order, times = torch.randperm(len(labels)), []
    for step in range(steps + 10):
        start = time.perf_counter()
        rows = order[step * BATCH:(step + 1) * BATCH]
        batch = pictures[rows].contiguous(memory_format=layout)
        optimizer.zero_grad(set_to_none=True)
        loss_of(net(batch), labels[rows]).backward()
        optimizer.step()
        times.append((time.perf_counter() - start) * 1000)
    return times[10:]


def main():
    parser = argparse.ArgumentParser(description='PyTorch on the keras network')
    parser.add_argument('--steps', type=int, default=60)
    parser.add_argument('--threads', type=int, default=2)
    options = parser.parse_args()
    restart_clean(options.threads)
    try:
        import torch  # after the restart, which it must see
    except ImportError:
        print(json.dumps({'error': 'python3-torch is not installed'}))
        return
    torch.set_num_threads(options.threads)
    pictures, labels, data = load(torch)
    layouts = {'plain': torch.contiguous_format, 'channels_last': torch.channels_last}
    medians = {name: statistics.median(step_times(torch, pictures, labels, layout, options.steps))
               for name, layout in layouts.items()}
    best = min(medians, key=medians.get)
    answer = min(statistics.median(answer_times(torch, pictures, layout)) for layout in layouts.values())
    steps_per_epoch = TRAIN_COUNT // BATCH
    print(json.dumps({'program': f'PyTorch {torch.__version__}', 'threads': options.threads, 'data': data, 'layout': best,
                      'ms_per_step': round(medians[best], 2), 'ms_per_step_by_layout': {n: round(m, 2) for n, m in medians.items()},
                      'ms_one_picture': round(answer, 4),
                      'seconds_per_epoch': round(medians[best] * steps_per_epoch / 1000, 2)}))


if __name__ == '__main__':
    main()
