# SPDX-License-Identifier: MIT
"""`import`: weights of other programs, and what is said of files that do not fit."""
import json
import math
import random
import struct
import unittest

from tests.export.support import COUNT, NEEDS_PICTURES, Program, pictures

try:
    import torch
except ImportError:
    torch = None

SMALL = '''image:  input 1x28x28
conv1:  conv 3 5x5 stride=3 bias=no
bn1:    batchnorm
relu1:  relu
conv2:  conv 3 3x3 pad=1
relu2:  relu
flat:   flatten
dense1: dense 10
dense2: dense 10
'''
SHAPES = {'conv1.weight': [3, 1, 5, 5], 'bn1.weight': [3], 'bn1.bias': [3], 'bn1.running_mean': [3], 'bn1.running_var': [3],
          'conv2.weight': [3, 3, 3, 3], 'conv2.bias': [3], 'dense1.weight': [10, 192], 'dense1.bias': [10],
          'dense2.weight': [10, 10], 'dense2.bias': [10]}
WIDTHS = {'F32': 4, 'F16': 2, 'BF16': 2, 'F64': 8, 'I64': 8, 'I32': 4}


def encode(numbers, kind):
    if kind == 'BF16':
        return b''.join(struct.pack('<f', number)[2:] for number in numbers)
    return struct.pack('<%d%s' % (len(numbers), {'F32': 'f', 'F16': 'e', 'F64': 'd', 'I64': 'q', 'I32': 'i'}[kind]), *numbers)


def safetensors(tensors):
    """{name: (type, shape, numbers)} as a file."""
    header, data = {}, b''
    for name, (kind, shape, numbers) in tensors.items():
        part = encode(numbers, kind)
        header[name] = {'dtype': kind, 'shape': shape, 'data_offsets': [len(data), len(data) + len(part)]}
        data += part
    text = json.dumps(header).encode()
    text += b' ' * (-len(text) % 8)
    return struct.pack('<Q', len(text)) + text + data


def read(path):
    """{name: (shape, numbers)} of a file of F32."""
    with open(path, 'rb') as file:
        size, = struct.unpack('<Q', file.read(8))
        header, data = json.loads(file.read(size)), file.read()
    header.pop('__metadata__', None)
    return {name: (entry['shape'], struct.unpack('<%df' % math.prod(entry['shape']), data[slice(*entry['data_offsets'])]))
            for name, entry in header.items()}


def weights(names=None, kind='F32', shapes=None):
    """Random numbers that all types hold exactly, under other names where `names` says so."""
    chance = random.Random(11)
    tensors = {}
    for name, shape in (shapes or SHAPES).items():
        numbers = [chance.randrange(-64, 65) / 256 for _ in range(math.prod(shape))]
        if name.endswith('running_var'):
            numbers = [abs(number) + 0.5 for number in numbers]
        layer, part = name.split('.')
        tensors[f'{(names or {}).get(layer, layer)}.{part}'] = (kind, shape, numbers)
    return tensors


SEQUENTIAL = {'conv1': '0', 'bn1': '1', 'conv2': '3', 'dense1': '6', 'dense2': '10'}


class Import(Program):
    def setUp(self):
        super().setUp()
        self.write('small.arch', SMALL)

    def take(self, tensors, *words):
        self.write('w.safetensors', safetensors(tensors))
        return json.loads(self.good('import', 'w.safetensors', '--model', 'small.arch', '--save', 'net.safetensors', '--json', *words))

    def refuse(self, tensors, model='small.arch'):
        self.write('w.safetensors', safetensors(tensors))
        return self.bad('import', 'w.safetensors', '--model', model)

    def assert_taken(self, tensors, names):
        """What was written is what was read, each where it belongs."""
        saved = read(self.file('net.safetensors'))
        for name, shape in SHAPES.items():
            layer, part = name.split('.')
            self.assertEqual(saved[name], (shape, tuple(tensors[f'{names.get(layer, layer)}.{part}'][2])), name)

    def test_by_name(self):
        tensors = dict(reversed(weights().items()))
        answer = self.take(tensors)
        self.assert_taken(tensors, {})
        self.assertEqual(answer['tensors'][0], {'tensor': 'conv1.weight', 'from': 'conv1.weight'})
        self.assertEqual(answer['model']['name'], 'small')
        self.assertEqual(answer['model']['parameters'], sum(math.prod(shape) for name, shape in SHAPES.items() if 'running' not in name))

    def test_in_order(self):
        """Numbered layers, in the order of the layers and sorted as text: 10 stands before 3 there."""
        for arrange in (dict, lambda tensors: dict(sorted(tensors.items()))):
            tensors = arrange(weights(SEQUENTIAL))
            answer = self.take(tensors)
            self.assert_taken(tensors, SEQUENTIAL)
            self.assertEqual(answer['tensors'][-1], {'tensor': 'dense2.bias', 'from': '10.bias'})

    def test_same_shapes_keep_their_order(self):
        self.write('small.arch', 'image: input 1x28x28\nflat: flatten\n' + ''.join(f'd{i}: dense 10\n' for i in range(12)))
        shapes = {f'd{i}.{part}': ([10, 784 if i == 0 else 10] if part == 'weight' else [10]) for i in range(12) for part in ('weight', 'bias')}
        for arrange, names in ((dict, {f'd{i}': f'fc{40 - i}' for i in range(12)}), (sorted, {f'd{i}': f'fc{2 * i + 1}' for i in range(12)})):
            tensors = weights(names, shapes=shapes)
            tensors = {name: tensors[name] for name in arrange(tensors)}
            taken = self.take(tensors)['tensors']
            self.assertEqual([pair['from'] for pair in taken[::2]], [f'{names[f"d{i}"]}.weight' for i in range(12)])

    def test_some_by_name_others_in_order(self):
        names = {'dense1': 'classifier.0', 'dense2': 'classifier.2', 'bn1': 'norm'}
        tensors = weights(names)
        self.take(tensors)
        self.assert_taken(tensors, names)

    def test_number_types(self):
        for kind in ('F16', 'BF16', 'F64'):
            with self.subTest(kind):
                tensors = weights(kind=kind)
                self.take(tensors)
                self.assert_taken(tensors, {})

    def test_every_half(self):
        """All finite 16 bit floats there are."""
        self.write('small.arch', 'image: input 1x28x28\nflat: flatten\nd: dense 10 bias=no\n')
        halves = [struct.unpack('<e', struct.pack('<H', bits))[0] for bits in range(1 << 16) if bits >> 10 & 31 != 31]
        for first in range(0, len(halves), 7840):
            numbers = (halves[first:first + 7840] + [0.0] * 7840)[:7840]
            self.take({'d.weight': ('F16', [10, 784], numbers)})
            saved = read(self.file('net.safetensors'))['d.weight'][1]
            self.assertEqual([struct.pack('<f', number) for number in saved], [struct.pack('<f', number) for number in numbers])

    def test_counters_are_left_out(self):
        tensors = {**weights(), 'bn1.num_batches_tracked': ('I64', [], [400])}
        self.take(tensors)
        self.assert_taken(tensors, {})

    def test_our_own_file_needs_no_architecture(self):
        self.train('sprint', 'own.safetensors')
        self.good('import', 'own.safetensors', '--save', 'again.safetensors')
        self.assertEqual(read(self.file('own.safetensors')), read(self.file('again.safetensors')))

    def test_kept_as_last(self):
        self.write('w.safetensors', safetensors(weights()))
        self.good('import', 'w.safetensors', '--model', 'small.arch', '--name', 'mine')
        self.assertIn('weights from w.safetensors', self.good('model', 'describe', 'last'))

    # ---- what does not fit

    def test_shapes(self):
        tensors = weights()
        tensors['conv1.weight'] = ('F32', [3, 1, 3, 3], [0.5] * 27)
        self.assertEqual(self.refuse(tensors),
                         "inkling: import: w.safetensors: tensor 'conv1.weight': shape [3,1,3,3], the architecture wants [3,1,5,5]")
        tensors = weights(SEQUENTIAL)
        tensors['6.weight'] = ('F32', [10, 190], [0.5] * 1900)
        self.assertIn("tensor '6.weight': shape [10,190], the architecture wants [10,192] for 'dense1.weight'", self.refuse(tensors))

    def test_missing(self):
        tensors = weights()
        del tensors['dense2.bias']
        self.assertIn("no tensor 'dense2.bias', the architecture wants it, [10]", self.refuse(tensors))
        del tensors['dense2.weight']
        self.assertIn("no tensor for 'dense2.weight', which the architecture wants with shape [10,10]", self.refuse(tensors))
        self.assertIn("no tensor for 'conv1.weight'", self.refuse({}))

    def test_left_over(self):
        tensors = {**weights(), 'extra.weight': ('F32', [2], [1, 2]), 'conv1.bias': ('F32', [3], [1, 2, 3]), 'odd': ('F32', [1], [1])}
        message = self.refuse(tensors)
        for name in ('extra.weight', 'conv1.bias', 'odd'):
            self.assertIn(f"'{name}'", message)
        tensors.update({f'more{i}.weight': ('F32', [1], [1]) for i in range(9)})
        self.assertIn('and 8 more', self.refuse(tensors))

    def test_numbers(self):
        for name, kind, number, message in (('conv2.bias', 'F32', math.nan, 'not finite'), ('conv2.bias', 'F16', math.inf, 'not finite'),
                                            ('conv2.bias', 'F64', 1e300, 'not finite'), ('bn1.running_var', 'F32', -0.5, 'negative')):
            tensors = weights()
            tensors[name] = (kind, [3], [0.5, number, 0.5])
            self.assertIn(f"number 1 of tensor '{name}' is {message}", self.refuse(tensors))
        tensors = weights()
        tensors['conv2.bias'] = ('I32', [3], [1, 2, 3])
        self.assertIn("tensor 'conv2.bias' has whole numbers, expected F32, F16, BF16 or F64", self.refuse(tensors))

    def test_broken_files(self):
        whole = safetensors(weights())
        for size in (0, 7, 8, 100, len(whole) - 1):
            self.write('w.safetensors', whole[:size])
            self.assertIn('w.safetensors: ', self.bad('import', 'w.safetensors', '--model', 'small.arch'))
        self.assertIn("cannot open 'none.safetensors'", self.bad('import', 'none.safetensors', '--model', 'small.arch'))
        self.write('w.safetensors', whole)
        self.assertIn("no model 'kears', did you mean 'keras'?", self.bad('import', 'w.safetensors', '--model', 'kears'))
        self.assertIn('is not a model\'s name', self.bad('import', 'w.safetensors', '--model', 'small.arch', '--name', 'a b'))

    # ---- PyTorch

    @unittest.skipUnless(torch, 'no PyTorch: apt-get install python3-torch')
    @NEEDS_PICTURES
    def test_torch_there_and_back(self):
        torch.manual_seed(3)
        nn = torch.nn
        net = nn.Sequential(
            nn.Conv2d(1, 32, 5, padding=2, bias=False), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(64, 128, 3, padding=1, bias=False), nn.BatchNorm2d(128), nn.ReLU(),
            nn.Conv2d(128, 128, 3, padding=1, bias=False), nn.BatchNorm2d(128), nn.ReLU(), nn.Dropout(0.3), nn.Flatten(), nn.Linear(6272, 10))
        pixels = torch.frombuffer(bytearray(pictures()), dtype=torch.uint8).float().div(255).view(COUNT, 1, 28, 28)
        net.train()
        with torch.no_grad():
            net(pixels[:100])  # statistics that are not those of the start
        net.eval()

        def wanted():
            with torch.no_grad():
                return torch.softmax(net(pixels), 1).tolist()

        def kind(tensor):
            return 'I64' if tensor.dtype == torch.int64 else 'F32'

        state = {name: (kind(tensor), list(tensor.shape), tensor.flatten().tolist()) for name, tensor in net.state_dict().items()}
        self.write('torch.safetensors', safetensors(dict(sorted(state.items()))))
        self.good('import', 'torch.safetensors', '--model', 'inkling', '--name', 'theirs', '--save', 'net.safetensors')
        self.assert_close(self.answers('./net.safetensors'), wanted(), 'from PyTorch')

        # the network that ships, in PyTorch
        self.good('export', '--model', 'inkling', '--out', 'ours.safetensors')
        ours = read(self.file('ours.safetensors'))
        layers = {'0': 'conv1', '1': 'bn1', '4': 'conv2', '5': 'bn2', '8': 'conv3', '9': 'bn3', '11': 'conv4', '12': 'bn4', '16': 'dense1'}
        state = net.state_dict()
        for name, tensor in state.items():
            layer, part = name.split('.')
            if part != 'num_batches_tracked':
                shape, numbers = ours.pop(f'{layers[layer]}.{part}')
                tensor.copy_(torch.tensor(numbers).view(shape))
        self.assertEqual(ours, {})
        self.assert_close(self.answers('inkling'), wanted(), 'in PyTorch')


if __name__ == '__main__':
    unittest.main()
