# SPDX-License-Identifier: MIT
"""Training that is killed, starved and unplugged: what was kept is there, and the end is the same to the bit.

INKLING_CRASH_ROUNDS says how often it is killed at a random moment (25; a night has time for 1000).
"""
import os
import random
import resource
import shutil
import signal
import subprocess
import time
import unittest

from tests.command.crash_support import PROGRAM, Crash, Disk, calls_of, newest_whole, numbers_of, read_folder

ROUNDS = int(os.environ.get('INKLING_CRASH_ROUNDS', '25'))


def can_attach():
    """Whether strace may look into a process that is not its child."""
    if not shutil.which('strace'):
        return False
    with subprocess.Popen(['sleep', '10']) as sleeper:
        tracer = subprocess.Popen(['strace', '-o', '/dev/null', '-p', str(sleeper.pid)], stderr=subprocess.PIPE)
        time.sleep(0.2)
        is_fine = tracer.poll() is None
        sleeper.kill()
        tracer.communicate()
    return is_fine


class Kill(Crash):
    """A run of some seconds, ended at any moment and taken up again until it is done."""
    WORDS = (*Crash.WORDS, '--epochs', '400')
    STEPS = 400 * 60

    def setUp(self):
        super().setUp()
        self.good(*self.WORDS, '--save', 'whole.safetensors')
        self.whole = numbers_of(self.at('whole.safetensors'))

    def life(self, folder):
        """Begin the run in a new folder, or go on in one that has something."""
        if os.path.isdir(self.at(folder)) and self.newest(folder) >= 0:
            return self.start('train', '--resume', folder)
        shutil.rmtree(self.at(folder), ignore_errors=True)
        return self.start(*self.WORDS, '--checkpoints', folder, '--checkpoint-every', '200', '--save', 'kept.safetensors')

    def check_end(self, folder):
        """Go on to the end: what is saved is what was never interrupted."""
        process = self.life(folder)
        _, err = process.communicate(timeout=120)
        self.assertEqual(process.returncode, 0, err)
        self.assertEqual(numbers_of(self.at('kept.safetensors')), self.whole)
        self.assert_no_leftovers(folder)
        self.assertEqual(self.newest(folder), self.STEPS)

    def test_at_any_moment(self):
        seed = random.randrange(1 << 30)
        dice, kills, folders, went_on = random.Random(seed), 0, 0, 0
        while kills < ROUNDS:
            folder = f'run{folders}'
            folders += 1
            before = -1
            while kills < ROUNDS:
                process = self.life(folder)
                is_over = False
                try:
                    process.communicate(timeout=dice.uniform(0, 0.8))
                    is_over = True
                except subprocess.TimeoutExpired:
                    seen = newest_whole(read_folder(self.at(folder)))
                    process.kill()
                    process.communicate()
                if is_over:
                    self.assertEqual(process.returncode, 0)
                    break
                kills += 1
                after = self.newest(folder)
                self.assertGreaterEqual(after, seen, f'seed {seed}: a checkpoint that was there is lost')
                self.assertGreaterEqual(after, before, f'seed {seed}')
                went_on += after > before
                before = after
            self.check_end(folder)
        self.assertGreater(went_on, kills // 4, f'seed {seed}: too few lives were long enough to show anything')

    def test_at_every_call_of_a_save(self):
        """SIGKILL as the program enters the N-th open, write, fsync, rename, unlink, close of writing a checkpoint."""
        if not can_attach():
            self.skipTest('strace may not attach')
        points = [('openat', 1), ('write', 1), ('fsync', 1), ('close', 1), ('rename', 1), ('openat', 2), ('fsync', 2),
                  ('close', 2), ('openat', 3), ('close', 3), ('unlink', 1)]
        folder, before = 'run', -1
        for call, number in points:
            process = self.life(folder)
            if not self.wait_for(process, before, folder):  # it came to its end: begin another
                process.communicate()
                self.check_end(folder)
                shutil.rmtree(self.at(folder))
                process, before = self.life(folder), -1
                self.assertTrue(self.wait_for(process, before, folder))
            tracer = subprocess.Popen(['strace', '-f', '-qq', '-o', '/dev/null', '-e', f'trace={call}',
                                       '-e', f'inject={call}:signal=SIGKILL:when={number}', '-p', str(process.pid)],
                                      stderr=subprocess.DEVNULL)
            seen = newest_whole(read_folder(self.at(folder)))
            process.communicate(timeout=60)
            tracer.communicate(timeout=60)
            self.assertIn(process.returncode, (-signal.SIGKILL, 0), (call, number))
            after = self.newest(folder)
            self.assertGreaterEqual(after, seen, (call, number))
            before = after
        self.check_end(folder)

    def test_told_to_stop(self):
        """SIGTERM and Ctrl-C: a last checkpoint of where it is, the way to go on, and the same end."""
        for number, code in ((signal.SIGTERM, 143), (signal.SIGINT, 130)):
            shutil.rmtree(self.at('run'), ignore_errors=True)
            process = self.start(*self.WORDS, '--checkpoints', 'run', '--checkpoint-every', '0.1s', '--save', 'kept.safetensors')
            self.assertTrue(self.wait_for(process, -1))
            process.send_signal(number)
            _, err = process.communicate(timeout=30)
            self.assertEqual(process.returncode, code, err)
            self.assertIn(b'to go on: train --resume run', err)
            self.assertLess(self.newest(), self.STEPS)
            self.check_end('run')


class Trouble(Crash):
    """Disks that refuse, and folders that are not what they should be."""
    WORDS = (*Crash.WORDS, '--epochs', '1000', '--checkpoints', 'run', '--checkpoint-every', '100')

    def test_calls_that_fail(self):
        """EIO, ENOSPC and a read-only disk: a warning a kind, nothing lost, and all is well once the disk is."""
        if not can_attach():
            self.skipTest('strace may not attach')
        table = [('fsync', 'EIO', '1+', b'Input/output error'), ('fsync', 'EIO', '2', b'Input/output error'),
                 ('close', 'EIO', '1', b'Input/output error'), ('openat', 'EROFS', '1', b'Read-only file system'),
                 ('rename', 'ENOSPC', '1+', b'No space left on device'), ('write', 'EIO', '1+', None)]
        for call, error, when, says in table:
            shutil.rmtree(self.at('run'), ignore_errors=True)
            process = self.start(*self.WORDS)
            self.assertTrue(self.wait_for(process, -1))
            tracer = subprocess.Popen(['strace', '-f', '-qq', '-o', '/dev/null', '-e', f'trace={call}',
                                       '-e', f'inject={call}:error={error}:when={when}', '-p', str(process.pid)],
                                      stderr=subprocess.DEVNULL)
            time.sleep(0.4)
            during = self.newest()
            self.assertGreaterEqual(during, 0)
            tracer.terminate()
            tracer.communicate(timeout=30)
            if process.poll() is None:
                self.wait_for(process, self.newest())
            process.terminate()
            _, err = process.communicate(timeout=60)
            self.assertIn(process.returncode, (143, 0), (call, err))
            if says:  # a write that fails is also that of the warning
                warnings = [line for line in err.splitlines() if line.startswith(b'warning: ')]
                self.assertEqual(len(warnings), 1, (call, err))
                self.assertIn(says, warnings[0])
            self.assertGreaterEqual(self.newest(), during)
            self.assert_no_leftovers()
            self.assertLessEqual(len(os.listdir(self.at('run'))), 7, (call, when))  # three safe, three that may be, and the lock

    def test_no_room(self):
        """A limit on file sizes, as a full disk: the run ends well, and says once that it has kept nothing."""
        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
        code, out, err = self.run_it(*Crash.WORDS, '--epochs', '20', '--checkpoints', 'run', '--checkpoint-every', '100', preexec_fn=limit)
        self.assertEqual(code, 0, err)
        self.assertIn('training loss', out)
        self.assertEqual(err.count('training goes on without this checkpoint'), 1, err)
        self.assertIn('File too large', err)
        self.assertEqual(os.listdir(self.at('run')), ['lock'])

    @unittest.skipUnless(os.geteuid() == 0, 'mounting needs root')
    def test_full_disk(self):
        """A real one, of 1 MB: the last good one stays; with room again the next one is written."""
        os.mkdir(self.at('disk'))
        done = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=1m', 'none', self.at('disk')], stderr=subprocess.DEVNULL, check=False)
        if done.returncode:
            self.skipTest('mounting is not allowed')
        self.addCleanup(subprocess.run, ['umount', self.at('disk')], check=True)
        words = [word.replace('run', 'disk/run') if word == 'run' else word for word in self.WORDS]
        process = self.start(*words)
        self.assertTrue(self.wait_for(process, 300, 'disk/run'))
        try:
            with open(self.at('disk', 'ballast'), 'wb') as file:
                while file.write(bytes(4096)):
                    file.flush()
        except OSError:
            pass
        time.sleep(0.5)
        full = self.newest('disk/run')
        self.assertGreaterEqual(full, 300)
        os.unlink(self.at('disk', 'ballast'))
        self.assertTrue(self.wait_for(process, full, 'disk/run'))
        process.terminate()
        _, err = process.communicate(timeout=30)
        self.assertEqual(err.count(b'No space left on device'), 1, err)
        self.assert_no_leftovers('disk/run')

    def test_broken_files(self):
        """A broken one is named and passed over; nothing starts from nothing."""
        words = (*Crash.WORDS, '--epochs', '5', '--checkpoints', 'run', '--checkpoint-every', '50', '--save', 'a.safetensors')
        self.good(*words)
        names = sorted(name for name in os.listdir(self.at('run')) if name != 'lock')
        self.assertEqual(len(names), 3)
        for count, name in enumerate(reversed(names), 1):
            with open(self.at('run', name), 'r+b') as file:
                file.seek(-40, os.SEEK_END)
                file.write(b'x' * 10)
            code, out, err = self.run_it('train', '--resume', 'run', '--save', 'b.safetensors')
            if count < 3:
                self.assertEqual(code, 0, err)
                self.assertIn(f'warning: broken checkpoint, the one before is tried: run/{name}: the checksum', err)
                self.assertEqual(numbers_of(self.at('a.safetensors')), numbers_of(self.at('b.safetensors')))
                os.unlink(self.at('b.safetensors'))
                for new in set(os.listdir(self.at('run'))) - set(names[:-count]) - {'lock'}:
                    os.unlink(self.at('run', new))  # only those before the broken one stay
        self.assertEqual((code, out), (65, ''))
        self.assertIn(f"warning: broken checkpoint: run/{names[0]}: the checksum", err)
        self.assertIn(f"none in 'run' can be read, {names[0].removesuffix('.safetensors')}: bring one back", err)
        self.assertFalse(os.path.exists(self.at('b.safetensors')))

    def test_words(self):
        self.good(*Crash.WORDS, '--epochs', '1', '--checkpoints', 'run')
        self.bad(64, '--epochs: cannot be given with --resume', 'train', '--resume', 'run', '--epochs', '3')
        self.bad(64, '--checkpoints: cannot be given with --resume', 'train', '--resume', 'run', '--checkpoints', 'other')
        self.bad(69, "'train --resume run' goes on with it", *Crash.WORDS, '--checkpoints', 'run')
        self.bad(66, "--resume: 'nowhere': No such file", 'train', '--resume', 'nowhere')
        os.mkdir(self.at('empty'))
        self.bad(66, "'empty' has no checkpoints", 'train', '--resume', 'empty')
        for text in ('0', '-5', '3x', 's', '0.01s', '25h', '1e9s', ''):
            code, _, err = self.run_it(*Crash.WORDS, '--checkpoints', 'other', f'--checkpoint-every={text}')
            self.assertEqual(code, 64, (text, err))
            self.assertIn('--checkpoint-every', err)
        for text in ('1', '0.1s', '1.5m', '24h'):
            self.good(*Crash.WORDS, '--epochs', '1', '--checkpoints', f'at{text}', f'--checkpoint-every={text}')
        with open(self.at('tiny.jsonl'), 'a', encoding='utf-8') as file:
            file.write('{"label": 1, "strokes": [[50, 20, 50, 80]]}\n')
        self.bad(65, 'is not what the checkpoint\'s run learned from', 'train', '--resume', 'run')

    def test_one_user(self):
        """Pairs that start together: one has the folder, the other names it and exits with 75; a lock dies with its holder."""
        for number in range(20):
            words = (*Crash.WORDS, '--epochs', '1000', '--checkpoints', f'run{number}')
            pair = [self.start(*words), self.start(*words)]
            deadline = time.monotonic() + 30
            while all(process.poll() is None for process in pair):
                self.assertLess(time.monotonic(), deadline, 'both have the folder')
                time.sleep(0.005)
            loser = next(process for process in pair if process.poll() is not None)
            winner = pair[1 - pair.index(loser)]
            err = loser.communicate()[1].decode()
            self.assertEqual(loser.returncode, 75, err)
            self.assertIn(f"'run{number}' is in use by process {winner.pid}", err)
            self.assertIsNone(winner.poll())
            winner.kill()
            winner.communicate()
            if number == 0:
                self.good(*Crash.WORDS, '--epochs', '1', '--checkpoints', 'run0')


class Power(Crash):
    """A loss of power at any moment of a run, as any file system may have it, leaves what was reported safe."""
    WORDS = ('train', '--model', 'softmax', '--data', 'tiny.jsonl', '--validation', 'none', '--batch', '5', '--threads', '1', '--epochs', '8')

    TRACE = ('strace', '-f', '-qq', '-xx', '-s', '10000000', '-o', 'log', '-e', 'trace=openat,write,fsync,rename,unlink,close')

    def trace(self):
        if not shutil.which('strace') or subprocess.run([*self.TRACE, 'true'], cwd=self.path, stderr=subprocess.DEVNULL, check=False).returncode:
            self.skipTest('no strace')
        done = subprocess.run([*self.TRACE, PROGRAM, *self.WORDS, '--checkpoints', 'run', '--checkpoint-every', '100', '--save', 'whole.safetensors'],
                              cwd=self.path, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return list(calls_of(self.at('log')))

    @staticmethod
    def count_bad(calls, keep=lambda disk, call, words: True):
        """States in all, and those that lack a checkpoint that was promised. keep: whether a call is made."""
        disk, total, bad, kept = Disk('run'), 0, 0, []
        for call, words, result in calls:
            if not keep(disk, call, words):
                if call == 'fsync' and disk.open.get(int(words)) == 'run':
                    disk.promised = disk.renamed  # the program believes it
                continue
            disk.play(call, words, result)
            if call == 'close':  # changes nothing
                continue
            for files in disk.states():
                total += 1
                bad += newest_whole(files) < disk.promised
                kept.append((disk.promised, files))
        return total, bad, kept

    def test_every_state(self):
        calls = self.trace()
        total, bad, states = self.count_bad(calls)
        self.assertGreater(total, 100)
        self.assertEqual(bad, 0)

        # the program itself takes some of them, and ends as if nothing had been
        whole = numbers_of(self.at('whole.safetensors'))
        dice = random.Random(1)
        for promised, files in dice.sample([state for state in states if state[0] > 0], 12):
            shutil.rmtree(self.at('run'))
            os.mkdir(self.at('run'))
            for name, data in files.items():
                with open(self.at('run', name), 'wb') as file:
                    file.write(data)
            self.good('train', '--resume', 'run', '--save', 'again.safetensors')
            self.assertEqual(numbers_of(self.at('again.safetensors')), whole, promised)

        # and the simulation sees what it is there to see: the same without the one or the other fsync
        without_file = self.count_bad(calls, lambda disk, call, words: call != 'fsync' or isinstance(disk.open.get(int(words)), str))
        without_folder = self.count_bad(calls, lambda disk, call, words: call != 'fsync' or disk.open.get(int(words)) != 'run')
        self.assertGreater(without_file[1], 0)
        self.assertGreater(without_folder[1], 0)


if __name__ == '__main__':
    unittest.main()
