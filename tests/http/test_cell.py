# SPDX-License-Identifier: MIT
"""`serve` in a cell: the server beside a notebook, on the network that the notebook has."""
import http.client
import json
import signal
import unittest

try:
    from tests.protocol.support import Client, inkling_argv, kernel_pid, start_kernel, stop_kernel
except ImportError as error:
    raise unittest.SkipTest(f'no jupyter_client here: {error}')

from tests.http.support import PATIENCE, seven, wait_for


class Cell(unittest.TestCase):
    def setUp(self):
        self.manager = start_kernel(inkling_argv())
        self.addCleanup(stop_kernel, self.manager)
        self.client = Client(self.manager)
        self.addCleanup(self.client.close)

    def run_cell(self, code):
        """The data of its result, and its reply."""
        results = []

        def keep(message):
            if message['header']['msg_type'] == 'execute_result':
                results.append(message['content']['data'])
        reply = self.client.kc.execute_interactive(code, timeout=PATIENCE, output_hook=keep)
        return (results[0] if results else {}), reply['content']

    def ask(self, port, target, value=None):
        connection = http.client.HTTPConnection('127.0.0.1', port, timeout=PATIENCE)
        try:
            connection.request('POST' if value else 'GET', target, json.dumps(value) if value else None,
                               {'Content-Type': 'application/json'} if value else {})
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def test_it_starts_follows_the_notebook_and_stops(self):
        self.assertIn('Nothing is being served', self.run_cell('serve status')[0]['text/plain'])
        data, _ = self.run_cell('serve --port 0')
        port = data['application/json']['port']
        self.assertIn(f'http://127.0.0.1:{port}/', data['text/plain'])
        self.assertIn(f'href="http://127.0.0.1:{port}/"', data['text/html'])
        self.assertEqual(self.ask(port, '/api/v1/predict', {'strokes': seven()})['prediction'], 7)

        self.assertEqual(self.run_cell('serve')[0]['application/json']['port'], port)
        self.assertEqual(self.run_cell('serve status')[0]['application/json']['port'], port)
        self.run_cell('model new other softmax')
        self.assertEqual(self.ask(port, '/api/v1/model')['name'], 'other')
        self.assertEqual([layer['op'] for layer in self.ask(port, '/api/v1/layers')][-1], 'dense')

        self.assertIn('Stopped', self.run_cell('serve stop')[0]['text/plain'])
        with self.assertRaises(OSError):
            self.ask(port, '/healthz')
        self.assertIn('Nothing', self.run_cell('serve stop')[0]['text/plain'])

    def test_a_second_notebook_takes_another_port(self):
        first = self.run_cell('serve')[0]['application/json']['port']
        other = start_kernel(inkling_argv())
        self.addCleanup(stop_kernel, other)
        client = Client(other)
        self.addCleanup(client.close)
        self.client = client
        second = self.run_cell('serve')[0]['application/json']['port']
        self.assertNotEqual(first, second)
        self.assertEqual(self.ask(first, '/healthz'), self.ask(second, '/healthz'))
        _, reply = self.run_cell(f'serve stop\nserve --port {first}')
        self.assertEqual(reply['status'], 'error')
        self.assertIn(f'port {first} on 127.0.0.1 is taken', reply['evalue'])

    def test_it_answers_while_a_cell_trains(self):
        port = self.run_cell('serve --port 0')[0]['application/json']['port']
        self.run_cell('model new growing softmax')
        before = self.ask(port, '/api/v1/predict', {'strokes': seven()})['probabilities']
        message = self.client.execute('train --data strokes --epochs 1000')
        answers = []

        def has_learned():
            answers.append(self.ask(port, '/api/v1/predict', {'strokes': seven()}))
            return answers[-1]['probabilities'] != before and answers[-1]['prediction'] == 7
        self.assertTrue(wait_for(has_learned))
        self.manager.interrupt_kernel()
        self.assertEqual(self.client.reply(message, timeout=PATIENCE)['header']['msg_type'], 'execute_reply')

    def test_it_ends_with_the_kernel(self):
        port = self.run_cell('serve --port 0')[0]['application/json']['port']
        pid = kernel_pid(self.manager)
        self.assertGreater(pid, 0)
        self.manager.signal_kernel(signal.SIGTERM)

        def is_gone():
            try:
                self.ask(port, '/healthz')
                return False
            except OSError:
                return True
        self.assertTrue(wait_for(is_gone))


if __name__ == '__main__':
    unittest.main()
