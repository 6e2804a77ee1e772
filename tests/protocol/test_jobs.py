# SPDX-License-Identifier: MIT
"""Training in the background of a notebook: other cells answer, it is seen, stopped, and ends with its kernel."""
import os
import re
import shutil
import tempfile
import time
import unittest

from tests.protocol import support
from tests.protocol.support import Client
from tests.protocol.test_inkling import InklingCase

TRAIN = 'train --background --model softmax --data strokes --threads 1 --epochs 1000'


@unittest.skipUnless(support.has_inkling(), f'{support.INKLING} is not built')
class Jobs(InklingCase):
    def text(self, code):
        return self.run_ok(code)[-1]['content']['data']['text/plain']

    def start(self, more=''):
        """Start a job; its number, and the outputs of its cell."""
        reply, outputs = self.client.run(f'{TRAIN} {more}')
        self.assertEqual(reply['status'], 'ok', reply)
        self.addCleanup(lambda: self.client.run('stop'))  # of the client that there is then
        results = [m for m in outputs if m['msg_type'] == 'execute_result']
        return results[0]['content']['data']['application/json']['job'], outputs

    def test_cells_answer_while_it_trains(self):
        number, outputs = self.start()
        shown = [m for m in outputs if m['msg_type'] == 'display_data']
        self.assertEqual(len(shown), 1)  # the cell's display is there before the cell has ended
        self.assertIn('epoch', shown[0]['content']['data']['text/plain'])
        start = time.monotonic()
        self.assertIn('%', self.text('predict test[3] --data strokes'))
        self.assertLess(time.monotonic() - start, 10)
        self.assertRegex(self.text('jobs'), rf'(?m)^ *{number} +softmax on strokes +runs ')
        self.assertIn('epoch', self.text(f'jobs {number}'))
        reply, _ = self.client.run('train --epochs 1')
        self.assertEqual(reply['ename'], 'StateError')
        self.assertIn(f'job {number} (softmax on strokes) is training', reply['evalue'])
        stopped = self.text('stop')
        self.assertRegex(stopped, rf'\Ajob {number}: stopped in epoch \d+ of 1000; ')
        self.assertRegex(self.text('jobs'), rf'(?m)^ *{number} +softmax on strokes +stopped ')

    def test_its_display_goes_on(self):
        """Updates of the display come with the starting cell's header, after that cell has ended."""
        _, outputs = self.start()
        shown = next(m for m in outputs if m['msg_type'] == 'display_data')
        display_id = shown['content']['transient']['display_id']
        update = self.client.until(lambda m: m['msg_type'] == 'update_display_data', 30)
        self.assertEqual(update['content']['transient']['display_id'], display_id)
        self.assertEqual(update['parent_header']['msg_id'], shown['parent_header']['msg_id'])

    def test_an_interrupt_is_the_cells(self):
        number, _ = self.start()
        self.client.send('interrupt_request', {}, 'control')
        cell = self.client.execute('evaluate --data strokes --split train')
        self.client.send('interrupt_request', {}, 'control')
        self.client.reply(cell)
        self.client.until_idle(cell)
        self.assertRegex(self.text('jobs'), rf'(?m)^ *{number} +softmax on strokes +runs ')

    def test_a_restart_ends_it_with_a_checkpoint(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        self.start(f'--checkpoints {folder}/run --checkpoint-every 1h')
        time.sleep(0.5)
        start = time.monotonic()
        self.client.close()
        self.manager.restart_kernel()
        self.assertLess(time.monotonic() - start, 5)
        type(self).client = Client(self.manager)
        files = [name for name in os.listdir(f'{folder}/run') if re.fullmatch(r'checkpoint-\d+\.safetensors', name)]
        self.assertEqual(len(files), 1)
        self.assertIn('no jobs', self.text('jobs'))
        self.assertEqual(self.client.run(f'train --resume {folder}/run --background')[0]['status'], 'ok')
        time.sleep(0.5)
        self.text('stop')
        self.assertGreater(max(name for name in os.listdir(f'{folder}/run') if name != 'lock'), files[0])


if __name__ == '__main__':
    unittest.main()
