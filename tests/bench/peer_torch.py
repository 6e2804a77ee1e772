#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""PyTorch's side of the comparisons: a line of JSON in, a line of JSON out.

    {"do": "version"}
    {"do": "modes", "net": FILE, "use": "train"|"answer", "precision": "f32"|"bf16"}   the modes there are
    {"do": "train", "net": FILE.arch, "mode": "channels_last", "precision": "f32", "threads": 2, "batch": 128, "steps": 20}
    {"do": "answer", "net": FILE.arch, "mode": ..., "precision": ..., "threads": 1, "count": 1, "rounds": 300, "gap_ms": 0}
    {"do": "recipe", "net": FILE.arch, "recipe": {...}, "seed": 1, "threads": 2, "precision": "f32"}
    {"do": "memory"}                                                        the most that was resident, MB

Networks are built from our own .arch files, so that they are the same ones; they keep their state between requests. All
data is in memory as floats before a clock starts (but not for "recipe", which starts at the raw bytes as ours does).

The program starts itself again in a clean environment: Debian's torch links an OpenBLAS with threads of its own, which
then fight with OpenMP's over the cores (2.5 times slower here), so the OpenMP build is put before it; and oneDNN is
allowed the widest vectors that the processor has.
"""
import contextlib
import glob
import gzip
import json
import os
import re
import resource
import statistics
import sys
import time


def restart_clean():
    """Run this program again with an environment that PyTorch is fastest in."""
    if os.environ.get('BENCH_TORCH_CLEAN'):
        return
    with open('/proc/cpuinfo', encoding='ascii') as file:
        flags = file.read()
    env = {'PATH': os.environ['PATH'], 'BENCH_TORCH_CLEAN': '1', 'PYTHONWARNINGS': 'ignore'}
    folders = glob.glob('/usr/lib/*/openblas-openmp')
    if folders:
        env['LD_LIBRARY_PATH'] = folders[0]
    if 'avx512f' in flags:
        env['ATEN_CPU_CAPABILITY'] = 'avx512'
    if 'INKLING_DATA' in os.environ:
        env['INKLING_DATA'] = os.environ['INKLING_DATA']
    os.execve(sys.executable, [sys.executable, *sys.argv], env)


restart_clean()
try:
    import torch
except ImportError:
    print(json.dumps({'error': 'python3-torch is not installed'}))
    sys.exit(69)
nn = torch.nn
ROUND_S = 5  # a busy machine shall not hold us up for ever


# ---- data ----

def read_idx(name, skip):
    folder = os.path.join(os.environ.get('INKLING_DATA', '../shared/data'), 'mnist')
    with gzip.open(os.path.join(folder, name + '.gz')) as file:
        return torch.frombuffer(bytearray(file.read()[skip:]), dtype=torch.uint8)


class Data:
    """MNIST as it lies on the disk, unpacked once: bytes."""
    kept = {}

    def __new__(cls, half):
        if half not in cls.kept:
            cls.kept[half] = (read_idx(f'{half}-images-idx3-ubyte', 16).view(-1, 1, 28, 28), read_idx(f'{half}-labels-idx1-ubyte', 8))
        return cls.kept[half]


# ---- networks ----

def parse_arch(path):
    """[(name, op, [arguments], {option: value}, [input names])]"""
    nodes = []
    with open(path, encoding='utf-8') as file:
        for line in file:
            line = line.split('#')[0].strip()
            if not line:
                continue
            name, _, rest = line.partition(':')
            op, *words = rest.split()
            options = dict(word.split('=') for word in words if '=' in word)
            sources = options.pop('from').split(',') if 'from' in options else [nodes[-1][0]] if nodes else []
            nodes.append((name.strip(), op, [word for word in words if '=' not in word], options, sources))
    return nodes


def layer(op, arguments, options, shape):
    """The PyTorch module of a node whose first input has `shape` (channels, side)."""
    size = [int(side) for word in arguments for side in re.findall(r'(\d+)x\d+', word)]
    count = [int(word) for word in arguments if word.isdigit()]
    stride, pad = int(options.get('stride', 1)), int(options.get('pad', 0))
    if op == 'conv':
        return nn.Conv2d(shape[0], count[0], size[0], stride, pad, bias=options.get('bias') != 'no')
    if op == 'dense':
        return nn.Linear(shape[0], count[0])
    if op == 'maxpool':
        return nn.MaxPool2d(size[0], int(options.get('stride', size[0])), pad)
    simple = {'relu': nn.ReLU, 'flatten': nn.Flatten, 'batchnorm': lambda: nn.BatchNorm2d(shape[0]),
              'dropout': lambda: nn.Dropout(float(arguments[0])), 'globalpool': lambda: nn.AdaptiveAvgPool2d(1)}
    if op not in simple:
        raise ValueError(f'no {op} here')
    return simple[op]()


class Net(nn.Module):
    """An architecture, node by node."""

    def __init__(self, path):
        super().__init__()
        self.nodes, self.layers = [], nn.ModuleList()
        shapes, values = {}, {}
        for name, op, arguments, options, sources in parse_arch(path):
            if op == 'input':
                values[name] = torch.zeros(1, 1, 28, 28)
            elif op in ('add', 'concat'):
                self.nodes.append((name, op, sources, -1))
                values[name] = self.join(op, [values[source] for source in sources])
            else:
                module = layer(op, arguments, options, shapes[sources[0]]).eval()
                self.nodes.append((name, 'layer', sources, len(self.layers)))
                self.layers.append(module)
                values[name] = module(values[sources[0]])
            shapes[name] = tuple(values[name].shape[1:])
        self.first = next(iter(shapes))

    @staticmethod
    def join(op, values):
        return values[0] + values[1] if op == 'add' else torch.cat(values, 1)

    def forward(self, pictures):
        values = {self.first: pictures}
        for name, op, sources, index in self.nodes:
            inputs = [values[source] for source in sources]
            values[name] = result = self.layers[index](inputs[0]) if index >= 0 else self.join(op, inputs)
        return result.flatten(1)


def layout_of(mode):
    return torch.channels_last if 'channels_last' in mode else torch.contiguous_format


def autocast(precision):
    return torch.autocast('cpu', dtype=torch.bfloat16) if precision == 'bf16' else contextlib.nullcontext()


def modes():
    return ['plain', 'channels_last'] + (['compile', 'compile channels_last'] if hasattr(torch, 'compile') else [])


# ---- requests ----

class Trainer:
    """A network that is being trained in one of PyTorch's modes."""
    kept = {}

    def __init__(self, request):
        torch.manual_seed(1)
        self.layout, self.precision = layout_of(request['mode']), request['precision']
        self.net = Net(request['net']).train().to(memory_format=self.layout)
        self.run = torch.compile(self.net) if 'compile' in request['mode'] else self.net
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=1e-3)
        self.loss_of = nn.CrossEntropyLoss()
        pictures, labels = Data('train')
        if 'floats' not in Data.kept:
            Data.kept['floats'] = pictures.float() / 255, labels.long()
        self.pictures, self.labels = Data.kept['floats']
        self.order, self.at = torch.randperm(len(self.labels)), 0
        for _ in range(3):
            self.step(request['batch'])

    def step(self, batch):
        rows = self.order[self.at:self.at + batch]
        self.at = (self.at + batch) % (len(self.order) - batch)
        pictures = self.pictures[rows].contiguous(memory_format=self.layout)
        self.optimizer.zero_grad(set_to_none=True)
        with autocast(self.precision):
            loss = self.loss_of(self.run(pictures), self.labels[rows])
        loss.backward()
        self.optimizer.step()

    @classmethod
    def get(cls, request):
        key = request['net'], request['mode'], request['precision']
        if key not in cls.kept:
            if any(old[0] != key[0] for old in cls.kept):
                cls.kept.clear()  # one network at a time: they are large
            cls.kept[key] = cls(request)
        return cls.kept[key]


def train(request):
    torch.set_num_threads(request['threads'])
    trainer = Trainer.get(request)
    trainer.step(request['batch'])
    start, steps = time.perf_counter(), 0
    while steps < request['steps'] and time.perf_counter() - start < ROUND_S:
        trainer.step(request['batch'])
        steps += 1
    return {'seconds_per_step': (time.perf_counter() - start) / steps}


def freeze(request, picture):
    """The fastest form of a network for answering."""
    net = Net(request['net']).eval().to(memory_format=layout_of(request['mode']))
    if 'compile' in request['mode']:
        return torch.compile(net)
    with autocast(request['precision']):
        frozen = torch.jit.freeze(torch.jit.trace(net, picture, check_trace=False))
    # later versions optimise when they freeze, and never come back from this one
    return torch.jit.optimize_for_inference(frozen) if torch.__version__ < '2' and request['precision'] == 'f32' else frozen


def answer(request, kept={}):
    torch.set_num_threads(request['threads'])
    count, gap, times = request['count'], request['gap_ms'] / 1000, []
    pictures = (Data('t10k')[0][:max(count, 1024)].float() / 255).contiguous(memory_format=layout_of(request['mode']))
    key = request['net'], request['mode'], request['precision'], count
    with torch.no_grad(), autocast(request['precision']):
        if key not in kept:
            kept.clear()
            kept[key] = freeze(request, pictures[:count])
        for index in range(request['rounds'] + 10):
            at = index * count % (len(pictures) - count + 1)
            batch = pictures[at:at + count]
            time.sleep(gap)
            start = time.perf_counter()
            kept[key](batch).argmax(1).tolist()
            times.append((time.perf_counter() - start) * 1e6)
    times = sorted(times[10:])
    return {'p50_us': statistics.median(times), 'p99_us': times[len(times) * 99 // 100]}


def recipe(request):
    """Train with one of our recipes (Adam, one-cycle, no augmentation): seconds from bytes to weights, and the accuracy."""
    torch.set_num_threads(request['threads'])
    torch.manual_seed(request['seed'])
    options = request['recipe']
    known = {'model', 'data', 'validation', 'epochs', 'batch', 'optimizer', 'lr', 'schedule', 'warm-up', 'beta1', 'beta2', 'label-smoothing',
             'precision'}
    if set(options) - known or options.get('optimizer', 'adam') != 'adam' or options.get('schedule') != 'one-cycle':
        return {'error': f'no such recipe here: {options}'}
    bytes_of, digits = Data('train')
    batch, epochs = options['batch'], options['epochs']
    start = time.perf_counter()
    pictures, labels = bytes_of.float() / 255, digits.long()
    net = Net(request['net']).train()
    optimizer = torch.optim.Adam(net.parameters(), lr=options['lr'], betas=(options.get('beta1', 0.9), options.get('beta2', 0.999)))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, options['lr'], total_steps=-(-len(labels) // batch) * epochs,
                                                   pct_start=options['warm-up'], cycle_momentum=False)
    for _ in range(epochs):
        order = torch.randperm(len(labels))
        for at in range(0, len(labels), batch):
            rows = order[at:at + batch]
            optimizer.zero_grad(set_to_none=True)
            with autocast(request['precision']):
                loss = nn.functional.cross_entropy(net(pictures[rows]), labels[rows], label_smoothing=options.get('label-smoothing', 0.0))
            loss.backward()
            optimizer.step()
            schedule.step()
    seconds = time.perf_counter() - start
    pictures, labels = Data('t10k')[0].float() / 255, Data('t10k')[1].long()
    with torch.no_grad():
        right = sum((net.eval()(part).argmax(1) == truth).sum().item() for part, truth in zip(pictures.split(1000), labels.split(1000)))
    return {'seconds': seconds, 'accuracy': right / len(labels)}


DO = {'version': lambda request: {'version': torch.__version__}, 'train': train, 'answer': answer, 'recipe': recipe,
      'modes': lambda request: {'modes': modes()},
      'parameters': lambda request: {'parameters': sum(one.numel() for one in Net(request['net']).parameters())},
      'memory': lambda request: {'most_mb': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}}


def main():
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(DO[request['do']](request)), flush=True)


if __name__ == '__main__':
    main()
