# SPDX-License-Identifier: MIT
"""`export --format c`: the header compiles everywhere and answers as the program does."""
import re
import shutil
import subprocess
import unittest

from tests.export.support import ALL_OPERATORS, COUNT, NEEDS_PICTURES, Program, pictures

DRIVER = r'''
#include <stdio.h>
#include "net.h"

int
main(void)
{
    static unsigned char bytes[784];
    static float workspace[NET_WORKSPACE + 1];

    while (fread(bytes, 1, 784, stdin) == 784) {
        float pixels[784], one[10], other[10];

        for (int i = 0; i < 784; i++)
            pixels[i] = (float)bytes[i] / 255.0F;
        workspace[NET_WORKSPACE] = 42;
        net_predict(pixels, one);
        net_compute(pixels, workspace, other);
        for (int i = 0; i < 10; i++) {
            printf("%.9g ", (double)one[i]);
            if (one[i] < other[i] || one[i] > other[i] || workspace[NET_WORKSPACE] < 42)
                return 1;
        }
        printf("\n");
    }
    return 0;
}
'''
FLAGS = '-std=c99 -Wall -Wextra -Werror -Wconversion -pedantic'.split()


@NEEDS_PICTURES
class CHeader(Program):
    def compile(self, compiler, *flags):
        self.write('driver.c', DRIVER)
        done = subprocess.run([compiler, *FLAGS, *flags, '-o', 'driver', 'driver.c'], cwd=self.path, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=300, check=False)
        self.assertEqual(done.returncode, 0, done.stdout.decode()[:2000])

    def run_driver(self, count):
        done = subprocess.run([self.file('driver')], input=pictures()[:count * 784], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=300, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, b''))
        return [[float(number) for number in line.split()] for line in done.stdout.decode().splitlines()]

    def check(self, model, count=COUNT):
        """Both compilers, one of them with all checks on."""
        self.good('export', '--format', 'c', '--model', model, '--out', 'net.h')
        wanted = self.answers(model, count)
        self.compile('gcc', '-O3')
        self.assert_close(self.run_driver(count), wanted, f'{model}, gcc')
        few = min(count, 20)
        for compiler in filter(shutil.which, ('gcc', 'clang')):
            self.compile(compiler, '-O1', '-fsanitize=undefined,address', '-fno-sanitize-recover=all')
            self.assert_close(self.run_driver(few), wanted[:few], f'{model}, {compiler} with its checks')

    def test_zoo(self):
        """keras has 12 million products a picture, so fewer pictures; twobranch has 26 million numbers, as strings."""
        for name, count in (('softmax', COUNT), ('conv1', COUNT), ('sprint', COUNT), ('resnet', 100), ('keras', 50), ('twobranch', 10)):
            with self.subTest(name):
                self.train(name, 'net.safetensors')
                self.check('./net.safetensors', count)

    def test_the_network_that_ships(self):
        self.check('inkling')

    def test_every_operator(self):
        self.train(ALL_OPERATORS, 'all.safetensors')
        self.check('./all.safetensors')

    def test_places_that_are_shared(self):
        """Outputs under several names, read late, and pixels that are passed on."""
        self.write('shared.arch', '''
image:  input 1x28x28
drop0:  dropout 0.5
flat0:  flatten from=image
dense0: dense 10
conv1:  conv 3 3x3 stride=3 from=drop0
drop1:  dropout 0.5
relu1:  relu
tanh1:  tanh from=conv1
sig1:   sigmoid from=drop1
sum:    add from=relu1,tanh1,sig1,conv1
flat1:  flatten
drop2:  dropout 0.1
relu2:  relu from=flat1
two:    add from=drop2,relu2
dense1: dense 10
end:    add from=dense1,dense0
''')
        self.train('shared.arch', 'shared.safetensors')
        self.check('./shared.safetensors')

    def test_names(self):
        for path, name in (('digit.h', 'digit'), ('2.h', 'n2'), ('my net-3.h', 'my_net_3'), ('_x.h', 'n_x'), ('int.h', 'int')):
            self.good('export', '--model', 'inkling', '--format', 'c', '--out', path)
            with open(self.file(path), encoding='utf-8') as file:
                text = file.read()
            self.assertIn(f'\n{name}_predict(const float pixels[784], float probabilities[10])\n', text)
            self.assertIn(f'#ifndef {name.upper()}_H\n', text)

    def test_the_record_cannot_leave_its_comment(self):
        self.train('softmax', 'net.safetensors')
        with open(self.file('net.safetensors'), 'rb') as file:
            weights = file.read()
        hostile = weights.replace(b'scribbles.jsonl', b'x */ #error /*?', 1)
        self.assertNotEqual(weights, hostile)
        self.write('hostile.safetensors', hostile)
        self.check('./hostile.safetensors', 5)

    def test_no_library(self):
        self.good('export', '--out', 'net.h')
        with open(self.file('net.h'), encoding='utf-8') as file:
            self.assertEqual(re.findall(r'^#\s*include.*', file.read(), re.M), [])

    def test_too_large(self):
        self.write('large.arch', 'image: input 1x28x28\nflat: flatten\nwide: dense 40000\nout: dense 10\n')
        self.train('large.arch', 'net.safetensors')
        self.assertRegex(self.bad('export', '--format', 'c', '--model', './net.safetensors', '--out', 'net.h'),
                         r'a C header of 31800010 parameters, at most 30000000: a compiler takes 1.9 GB')


if __name__ == '__main__':
    unittest.main()
