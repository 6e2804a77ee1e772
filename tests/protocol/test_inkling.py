# SPDX-License-Identifier: MIT
"""Inkling's own kernel: cells, help, training that can be watched and interrupted, views over comms."""
import base64
import os
import signal
import time
import unittest
import uuid

from tests.protocol import support
from tests.protocol.support import Client, kernel_pid, start_kernel, stop_kernel

VIEW = 'application/vnd.inkling.v1+json'
ONE = [[140, 30, 140, 90, 141, 150, 140, 250]]  # a vertical line


class InklingCase(unittest.TestCase):
    """Tests that share one kernel and a client."""

    @classmethod
    def setUpClass(cls):
        cls.manager = start_kernel(support.inkling_argv())
        cls.client = Client(cls.manager)

    @classmethod
    def tearDownClass(cls):
        cls.client.close()
        stop_kernel(cls.manager)

    def run_ok(self, code):
        reply, outputs = self.client.run(code)
        self.assertEqual(reply['status'], 'ok', reply)
        return outputs

    def answer(self, predicate, timeout=20):
        return self.client.until(lambda m: m['msg_type'] == 'comm_msg' and predicate(m['content']), timeout)['content']['data']

    def open_view(self, view_id='a-view'):
        comm_id = uuid.uuid4().hex
        self.client.send('comm_open', {'comm_id': comm_id, 'target_name': 'inkling.v1',
                                       'data': {'v': 1, 'view': 'draw', 'id': view_id}})
        return comm_id, self.answer(lambda c: c['comm_id'] == comm_id)

    def draw(self, comm_id, seq, **changes):
        frame = {'type': 'strokes', 'seq': seq, 'id': 'a-view', 'size': 280, 'brush': 22, 'strokes': ONE, 'final': False,
                 'layers': 2, **changes}
        self.client.send('comm_msg', {'comm_id': comm_id, 'data': frame})
        return self.answer(lambda c: c['comm_id'] == comm_id and c['data'].get('seq') == seq)

    def start_training(self):
        cell = self.client.execute('train --model softmax --data strokes --epochs 1000')
        self.client.until(lambda m: m['parent_header'].get('msg_id') == cell
                          and m['msg_type'] in ('update_display_data', 'display_data'), 60)
        return cell

    def interrupt(self, cell, by=None):
        start = time.monotonic()
        if by:
            os.kill(kernel_pid(self.manager), by)
        else:
            self.client.send('interrupt_request', {}, 'control')
        reply = self.client.reply(cell)['content']
        took = time.monotonic() - start
        self.client.until_idle(cell)
        return reply, took


@unittest.skipUnless(support.has_inkling(), f'{support.INKLING} is not built')
class Words(InklingCase):
    def test_a_result_has_words_and_numbers(self):
        data = self.run_ok('layers')[-1]['content']['data']
        self.assertIn('conv', data['text/plain'])
        self.assertIn('shape', data['application/json'][0])

    def test_errors_are_one_line(self):
        for code in ('trian', 'predict test[99999999]', 'train --epochs -3', 'inspect nolayer test[0]', '"'):
            with self.subTest(code):
                reply, outputs = self.client.run(code)
                self.assertEqual(reply['status'], 'error')
                self.assertEqual([m['msg_type'] for m in outputs], ['error'])
                self.assertNotIn('\n', reply['evalue'])
                self.assertTrue(reply['evalue'])
        self.assertIn('train', self.client.run('trian')[0]['evalue'])

    def test_help_in_the_pager(self):
        for code in ('predict?', '?predict', ' predict ?? ', 'train --epochs?'):
            with self.subTest(code):
                reply, outputs = self.client.run(code)
                self.assertEqual(outputs, [])
                self.assertIn(code.strip(' ?').split()[0], reply['payload'][0]['data']['text/plain'])
        self.assertEqual(self.client.run('nosuchword?')[0]['ename'], 'NotFoundError')

    def test_queries(self):
        code = 'layers\npred'
        content = self.client.reply(self.client.kc.complete(code))['content']
        self.assertEqual((content['matches'], content['cursor_start']), (['predict'], code.index('pred')))
        self.assertEqual(content['metadata']['_jupyter_types_experimental'][0]['type'], 'command')
        content = self.client.reply(self.client.kc.inspect('train --epochs', 8))['content']
        self.assertTrue(content['found'])
        self.assertIn('text/plain', content['data'])
        self.assertFalse(self.client.reply(self.client.kc.inspect('# nothing', 9))['content']['found'])

    def test_expressions_only_look(self):
        reply, _ = self.client.run('layers', user_expressions={'a': 'layers', 'b': 'train', 'c': 'nonsense'})
        found = reply['user_expressions']
        self.assertEqual([found[key]['status'] for key in 'abc'], ['ok', 'error', 'error'])
        self.assertIn('text/plain', found['a']['data'])

    def test_draw(self):
        data = self.run_ok('draw')[-1]['content']['data']
        self.assertEqual((data[VIEW]['v'], data[VIEW]['view']), (1, 'draw'))
        self.assertIn('text/plain', data)
        self.assertTrue(data[VIEW]['id'])

    def test_view(self):
        comm_id, hello = self.open_view()
        self.assertEqual((hello['type'], hello['v']), ('hello', 1))
        self.assertEqual(hello['labels'], list('0123456789'))
        answer = self.draw(comm_id, 1)
        self.assertEqual((answer['type'], answer['empty'], answer['prediction']), ('answer', False, 1))
        self.assertAlmostEqual(sum(answer['probabilities']), 1, places=3)
        self.assertEqual(len(base64.b64decode(answer['picture'])), 28 * 28)
        self.assertEqual(len(answer['layers']), 2)
        final = self.draw(comm_id, 2, final=True)
        self.assertIn('text/html', final['bundle'])
        self.assertTrue(self.draw(comm_id, 3, strokes=[])['empty'])
        predicted = self.run_ok('predict drawn')[-1]['content']['data']['application/json']
        self.assertEqual(predicted['prediction'], 1)
        bad = self.draw(comm_id, 4, strokes='none')
        self.assertEqual(bad['type'], 'error')

    def test_view_of_another_kind_and_unknown_targets(self):
        comm_id = uuid.uuid4().hex
        self.client.send('comm_open', {'comm_id': comm_id, 'target_name': 'inkling.v1', 'data': {'v': 1, 'view': 'no-such', 'id': 'x'}})
        self.assertEqual(self.answer(lambda c: c['comm_id'] == comm_id)['type'], 'error')
        self.client.send('comm_open', {'comm_id': 'other', 'target_name': 'jupyter.widget', 'data': {}})
        self.client.until(lambda m: m['msg_type'] == 'comm_close' and m['content']['comm_id'] == 'other')

    def test_two_kernels_do_not_share_a_session(self):
        other = start_kernel(support.inkling_argv())
        client = Client(other)
        self.assertEqual(client.run('layers')[0]['execution_count'], 1)
        client.close()
        stop_kernel(other)


@unittest.skipUnless(support.has_inkling(), f'{support.INKLING} is not built')
class Training(InklingCase):
    def test_training_is_shown_and_interrupted(self):
        for by in (None, signal.SIGINT):
            cell = self.start_training()
            start = time.monotonic()
            self.client.reply(self.client.send('kernel_info_request', {}, 'control'), 'control')
            self.assertLess(time.monotonic() - start, 0.5)
            completion = self.client.reply(self.client.kc.complete('ev'))['content']
            self.assertEqual(completion['matches'], ['evaluate'])
            reply, took = self.interrupt(cell, by)
            self.assertIn(reply['status'], ('ok', 'error'))
            if reply['status'] == 'error':
                self.assertEqual(reply['ename'], 'KeyboardInterrupt')
            print(f'training ended {took * 1000:.0f} ms after the interrupt')
            self.assertLess(took, 0.1 * max(1, os.getloadavg()[0]))
            self.run_ok('layers')

    def test_views_answer_while_a_cell_trains(self):
        comm_id, _ = self.open_view()
        cell = self.start_training()
        took = []
        for seq in range(1, 21):
            start = time.monotonic()
            self.assertEqual(self.draw(comm_id, seq)['type'], 'answer')
            took.append(time.monotonic() - start)
        reply, _ = self.interrupt(cell)
        print(f'a view is answered in {sorted(took)[10] * 1000:.1f} ms (median) while a cell trains')
        self.assertLess(sorted(took)[10], 0.25)

    def test_shutdown_while_training(self):
        manager = start_kernel(support.inkling_argv())
        client = Client(manager)
        cell = client.execute('train --model softmax --data strokes --epochs 1000')
        client.until(lambda m: m['parent_header'].get('msg_id') == cell and m['msg_type'] == 'display_data', 60)
        start = time.monotonic()
        manager.shutdown_kernel()
        self.assertLess(time.monotonic() - start, 2)
        client.close()
        stop_kernel(manager)


if __name__ == '__main__':
    unittest.main()
