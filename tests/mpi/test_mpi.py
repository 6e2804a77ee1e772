# SPDX-License-Identifier: MIT
"""`mpirun -np N inkling train`: the same weights as one process, and an end when one is lost."""
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import time
import unittest

from tests.export.support import PROGRAM, Program
from tests.export.test_import import read

HERE = os.path.realpath(PROGRAM)
REASON = ('no mpirun: apt-get install openmpi-bin' if not shutil.which('mpirun')
          else None if os.path.exists(HERE + '-mpi') else f'no {HERE}-mpi: built without libopenmpi-dev')
MPIRUN = ['mpirun', '--oversubscribe', '--bind-to', 'none', '--mca', 'btl', 'self,vader', '--mca', 'plm', 'isolated',
          '--mca', 'mpi_yield_when_idle', '1']
TRAIN = ['train', '--data', 'scribbles.jsonl', '--validation', 'scribbles.jsonl', '--seed', '5']


@unittest.skipIf(REASON, REASON)
class Mpi(Program):
    def setUp(self):
        super().setUp()
        self.env.update(OMPI_ALLOW_RUN_AS_ROOT='1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM='1', TMPDIR=self.path)

    def run_ranks(self, count, *words, program=PROGRAM):
        done = subprocess.run([*MPIRUN, '-np', str(count), program, *words], cwd=self.path, env=self.env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120, check=False)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def assert_same(self, one, other, tolerance):
        """The largest difference between two files of weights."""
        one, other = read(self.file(one)), read(self.file(other))
        self.assertEqual(one.keys(), other.keys())
        worst = max(abs(a - b) for name in one for a, b in zip(one[name][1], other[name][1]))
        self.assertLessEqual(worst, tolerance)

    def check(self, arch, *options, counts=(2,), tolerance=1e-5):
        """Threads or as many processes, 300 steps."""
        common = [*TRAIN, '--model', arch, '--epochs', '50', '--batch', '16', '--lr', '0.002', *options]
        for count in counts:
            with self.subTest(arch, processes=count):
                self.good(*common, '--threads', str(count), '--save', 'alone.safetensors')
                code, out, err = self.run_ranks(count, *common, '--threads', '1', '--save', 'together.safetensors', '--json')
                self.assertEqual(code, 0, err)
                told = json.loads(out)  # one process speaks
                self.assertEqual(told['model']['name'], os.path.basename(arch).split('.')[0])
                self.assert_same('alone.safetensors', 'together.safetensors', tolerance)

    def test_dense(self):
        self.check('softmax', counts=(1, 2, 3))

    def test_convolution(self):
        self.check('conv1')

    def test_bf16(self):
        """A sum's last bit can turn a rounding to 8 bits: further apart than in floats, but no more than that."""
        code, _, err = self.run_it(*TRAIN, '--model', 'softmax', '--epochs', '1', '--precision', 'bf16')
        if code == 69:
            self.skipTest(err.strip())
        self.write_norm()
        for arch in ('softmax', 'conv1', 'norm.arch'):
            self.check(arch, '--precision', 'bf16', counts=(2, 3), tolerance=1e-3)

    def write_norm(self):
        self.write('norm.arch', 'image: input 1x28x28\nconv1: conv 4 5x5 stride=2 bias=no\nbn1: batchnorm\nrelu1: relu\n'
                                'pool1: maxpool 2x2\nflat: flatten\ndrop1: dropout 0.25\ndense1: dense 10\n')

    def test_batch_norm_dropout_augmentation(self):
        self.write_norm()
        self.check('norm.arch', '--optimizer', 'sgd', '--augment', 'light', '--average', '0.9', '--weight-decay', '0.001')

    def test_more_processes_than_pictures(self):
        common = [*TRAIN, '--model', 'softmax', '--epochs', '2', '--batch', '3']
        self.good(*common, '--threads', '1', '--save', 'alone.safetensors')
        code, _, err = self.run_ranks(4, *common, '--threads', '2', '--save', 'together.safetensors')
        self.assertEqual(code, 0, err)
        self.assert_same('alone.safetensors', 'together.safetensors', 1e-5)

    def test_the_first_writes(self):
        """One store gets one network, one log is written, one result printed."""
        code, out, err = self.run_ranks(3, *TRAIN, '--model', 'softmax', '--epochs', '3', '--log', 'log.txt')
        self.assertEqual(code, 0, err)
        self.assertEqual(len(re.findall(r'^softmax on scribbles.jsonl: ', out, re.M)), 1)
        self.assertEqual(err.count('kept as last:1'), 1)
        self.assertEqual(os.listdir(self.file('store/last')), ['1'])
        with open(self.file('log.txt'), encoding='utf-8') as log:
            self.assertEqual(log.read().count('# softmax on scribbles.jsonl'), 1)

    def test_errors_end_all(self):
        code, _, err = self.run_ranks(2, 'train', '--data', 'none.jsonl', '--model', 'softmax')
        self.assertNotEqual(code, 0)
        self.assertIn("none.jsonl", err)
        code, _, err = self.run_ranks(2, 'predict', 'test[0]')
        self.assertNotEqual(code, 0)
        self.assertIn("'predict' runs in one process, mpirun started 2: only train uses several", err)

    def test_an_exploding_loss_is_told_once(self):
        self.write('linear.arch', 'image: input 1x28x28\nflat: flatten\na: dense 50\nb: dense 50\nc: dense 10\n')
        code, _, err = self.run_ranks(2, *TRAIN, '--model', 'linear.arch', '--optimizer', 'sgd', '--lr', '10', '--schedule', 'constant',
                                      '--epochs', '50', '--batch', '4', '--save', 'sane.safetensors')
        self.assertEqual(code, 65, err)
        self.assertEqual(len(re.findall(r'^inkling: train: .* at step \d+: try a learning rate below 10', err, re.M)), 1, err)

    def test_without_mpi_it_says_so(self):
        shutil.copy(HERE, self.file('inkling'))
        code, _, err = self.run_ranks(2, *TRAIN, '--model', 'softmax', program=self.file('inkling'))
        self.assertNotEqual(code, 0)
        self.assertIn('mpirun started 2 processes, but this program is without MPI', err)
        code, _, err = self.run_ranks(1, *TRAIN, '--model', 'softmax', '--epochs', '1', program=self.file('inkling'))
        self.assertEqual(code, 0, err)

    def test_processes_that_differ_do_not_start(self):
        for option, one, other, fact in (('--seed', '5', '6', 'weights'), ('--batch', '16', '17', 'batch size'), ('--model', 'softmax', 'conv1', 'arch')):
            common = ['train', '--data', 'scribbles.jsonl', *(['--model', 'softmax'] if option != '--model' else []), option]
            code, _, err = self.run_ranks(1, *common, one, ':', '-np', '1', PROGRAM, *common, other)
            self.assertEqual(code, 64, err)
            self.assertRegex(err, f'process [01] of 2 differs from the others in its {fact}')

    def start(self, *words, epochs=1000, seconds=0.5):
        """A long run of two processes; its mpirun and the processes' numbers, once they took so many seconds each."""
        running = subprocess.Popen([*MPIRUN, '-np', '2', PROGRAM, *TRAIN, '--model', 'softmax', '--epochs', str(epochs), '--batch', '2',
                                    '--threads', '1', *words], cwd=self.path, env=self.env, stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(running.stdout.close)
        self.addCleanup(running.stderr.close)
        self.addCleanup(running.kill)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            children = subprocess.run(['ps', '-o', 'pid=,comm=,time=', '--ppid', str(running.pid)], stdout=subprocess.PIPE, check=False)
            ranks = [int(line.split()[0]) for line in children.stdout.decode().splitlines() if 'inkling-mpi' in line]
            if len(ranks) == 2 and self.is_busy(ranks[1], seconds):
                return running, ranks
            time.sleep(0.05)
        self.fail('two processes did not come to training')

    @staticmethod
    def is_alive(pid):
        try:
            with open(f'/proc/{pid}/stat', encoding='utf-8') as stat:
                return stat.read().rsplit(')', 1)[1].split()[0] not in 'ZX'
        except FileNotFoundError:
            return False

    @staticmethod
    def is_busy(pid, seconds):
        """Half a second of processor time is beyond loading."""
        with open(f'/proc/{pid}/stat', encoding='utf-8') as stat:
            fields = stat.read().rsplit(')', 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK') >= seconds

    def test_a_lost_process_ends_the_run(self):
        for lost in (1, 0):
            running, ranks = self.start()
            os.kill(ranks[lost], signal.SIGKILL)
            _, err = running.communicate(timeout=60)
            self.assertNotEqual(running.returncode, 0)
            self.assertRegex(err.decode(), f'process rank {lost} .*exited on signal 9')
            deadline = time.monotonic() + 20
            while any(self.is_alive(pid) for pid in ranks) and time.monotonic() < deadline:
                time.sleep(0.05)
            self.assertEqual([pid for pid in ranks if self.is_alive(pid)], [])
        # the message of the one that writes, when another one is lost
        running, ranks = self.start()
        os.kill(ranks[1], signal.SIGKILL)
        self.assertIn(b'one of its processes was lost', running.communicate(timeout=60)[1])

    def test_resumed_it_ends_with_the_same_weights(self):
        """Killed after some checkpoint, and gone on from there: to the bit what was never killed."""
        code, _, err = self.run_ranks(2, *TRAIN, '--model', 'conv1', '--epochs', '200', '--batch', '4', '--threads', '1', '--save', 'whole.safetensors')
        self.assertEqual(code, 0, err)
        running, ranks = self.start('--model', 'conv1', '--batch', '4', '--checkpoints', 'run', '--checkpoint-every', '50',
                                    '--save', 'resumed.safetensors', epochs=200, seconds=0)
        deadline = time.monotonic() + 60
        while not glob.glob(self.file('run/checkpoint-*.safetensors')) and time.monotonic() < deadline:
            time.sleep(0.01)
        os.kill(ranks[1], signal.SIGKILL)
        running.communicate(timeout=60)
        self.assertFalse(os.path.exists(self.file('resumed.safetensors')), 'it was over before it could be killed')
        self.assertTrue(glob.glob(self.file('run/checkpoint-*.safetensors')))
        code, _, err = self.run_ranks(2, 'train', '--resume', 'run')
        self.assertEqual(code, 0, err)
        self.assert_same('whole.safetensors', 'resumed.safetensors', 0)


if __name__ == '__main__':
    unittest.main()
