# SPDX-License-Identifier: MIT
"""Cells: outputs, errors, counts, questions, interrupts, and what goes on meanwhile."""
import os
import signal
import time
import unittest

from tests.protocol.support import EchoCase, kernel_pid


class Outputs(EchoCase):
    def test_streams(self):
        reply, outputs = self.client.run('say hi')
        self.assertEqual(reply['status'], 'ok')
        self.assertEqual([(m['msg_type'], m['content']) for m in outputs],
                         [('stream', {'name': 'stdout', 'text': 'hi\n'})])
        _, outputs = self.client.run('warn no')
        self.assertEqual(outputs[0]['content'], {'name': 'stderr', 'text': 'no'})

    def test_lines_are_gathered_and_none_is_lost(self):
        _, outputs = self.client.run('count 100000')
        text = ''.join(m['content']['text'] for m in outputs)
        self.assertEqual(text, ''.join(f'line {i}\n' for i in range(100000)))
        self.assertLess(len(outputs), 200)

    def test_bundles(self):
        _, outputs = self.client.run('picture')
        self.assertEqual(outputs[0]['content']['data'], {
            'text/plain': 'a picture � with "quotes"\n\x01', 'image/png': 'iVBORwD/',
            'application/json': {'digit': 7}, 'application/vnd.echo.v1+json': [1, 2], 'image/svg+xml': '<svg/>'})

    def test_result_and_count(self):
        first, outputs = self.client.run('result 7')
        self.assertEqual(outputs[0]['msg_type'], 'execute_result')
        self.assertEqual(outputs[0]['content'], {'data': {'text/plain': '7'}, 'metadata': {},
                                                 'execution_count': first['execution_count']})
        second, _ = self.client.run('nothing')
        self.assertEqual(second['execution_count'], first['execution_count'] + 1)

    def test_updates(self):
        _, outputs = self.client.run('progress 1000')
        self.assertEqual(outputs[0]['msg_type'], 'display_data')
        self.assertEqual(outputs[0]['content']['metadata'], {'kind': 'bar'})
        self.assertEqual({m['content']['transient']['display_id'] for m in outputs}, {'bar'})
        values = [int(m['content']['data']['text/plain']) for m in outputs]
        self.assertEqual(values, sorted(values))
        self.assertEqual(values[-1], 1000)

    def test_clear_and_page(self):
        _, outputs = self.client.run('clear')
        self.assertEqual([m['msg_type'] for m in outputs], ['clear_output', 'display_data'])
        self.assertEqual(outputs[0]['content'], {'wait': True})
        reply, _ = self.client.run('page text')
        self.assertEqual(reply['payload'], [{'source': 'page', 'start': 0, 'data': {'text/plain': 'text'}}])

    def test_silent(self):
        before, _ = self.client.run('nothing')
        for code in ('say x', 'result x', 'display x', 'clear', 'raise x'):
            msg_id = self.client.execute(code, silent=True)
            reply = self.client.reply(msg_id)['content']
            self.assertEqual(reply['status'], 'error' if 'raise' in code else 'ok')
            self.assertEqual(reply['execution_count'], before['execution_count'])
            self.assertEqual({m['msg_type'] for m in self.client.until_idle(msg_id)}, {'status'})
        after, _ = self.client.run('nothing', store_history=False)
        self.assertEqual(after['execution_count'], before['execution_count'])

    def test_user_expressions(self):
        reply, _ = self.client.run('nothing', user_expressions={'a': 'one', 'b': 'bad', 'ü"': 'two'})
        self.assertEqual(reply['user_expressions'], {
            'a': {'status': 'ok', 'data': {'text/plain': 'one'}, 'metadata': {}},
            'b': {'status': 'error', 'ename': 'NotFoundError', 'evalue': 'no bad here',
                  'traceback': ['\x1b[0;31mNotFoundError\x1b[0m: no bad here']},
            'ü"': {'status': 'ok', 'data': {'text/plain': 'two'}, 'metadata': {}}})
        reply, _ = self.client.run('raise x', user_expressions={'a': 'one'})
        self.assertNotIn('user_expressions', reply)

    def test_late_output_lands_in_its_own_cell(self):
        late = self.client.execute('late')
        self.client.until_idle(late)
        other, _ = self.client.run('nothing')
        message = self.client.until(lambda m: m['msg_type'] == 'stream')
        self.assertEqual(message['content']['text'], 'late\n')
        self.assertEqual(message['parent_header']['msg_id'], late)

    def test_large_cell(self):
        text = 'é' * (2 << 20)
        _, outputs = self.client.run('say ' + text)
        self.assertEqual(''.join(m['content']['text'] for m in outputs), text + '\n')

    def test_cell_beyond_the_limit_is_an_error(self):
        reply, _ = self.client.run('say ' + 'x' * (9 << 20))
        self.assertEqual((reply['status'], reply['ename']), ('error', 'LimitError'))


class Errors(EchoCase):
    def test_error_is_shown_in_both_places(self):
        reply, outputs = self.client.run('raise a "thing"')
        self.assertEqual(reply['status'], 'error')
        self.assertEqual(outputs[0]['msg_type'], 'error')
        for content in (reply, outputs[0]['content']):
            self.assertEqual((content['ename'], content['evalue']), ('ValueError', 'a "thing"'))
            self.assertEqual(content['traceback'], ['\x1b[0;31mValueError\x1b[0m: a "thing"'])

    def test_what_waits_is_aborted(self):
        sent = [self.client.execute(code) for code in ('sleep 0.2', 'raise stop', 'say 1', 'say 2', 'say 3')]
        replies = [self.client.reply(msg_id)['content'] for msg_id in sent]
        self.assertEqual([r['status'] for r in replies], ['ok', 'error', 'aborted', 'aborted', 'aborted'])
        self.assertEqual({r['execution_count'] for r in replies[1:]}, {replies[1]['execution_count']})
        for msg_id in sent:
            messages = self.client.until_idle(msg_id)
            self.assertEqual(self.states(messages), ['busy', 'idle'])
            self.assertNotIn('stream', [m['msg_type'] for m in messages])

    def test_what_is_sent_after_the_reply_runs(self):
        for _ in range(20):
            _, failing, waiting = [self.client.execute(code) for code in ('sleep 0.05', 'raise stop', 'nothing')]
            self.client.reply(failing)
            after = self.client.execute('result after')
            self.assertEqual(self.client.reply(waiting)['content']['status'], 'aborted')
            self.assertEqual(self.client.reply(after)['content']['status'], 'ok')

    def test_stop_on_error_false(self):
        failing = self.client.execute('raise go on', stop_on_error=False)
        after = self.client.execute('nothing')
        self.assertEqual(self.client.reply(failing)['content']['status'], 'error')
        self.assertEqual(self.client.reply(after)['content']['status'], 'ok')


class WhileACellRuns(EchoCase):
    def setUp(self):
        self.cell = self.client.execute('sleep 60')
        self.client.until(lambda m: m['msg_type'] == 'execute_input')

    def tearDown(self):
        self.client.send('interrupt_request', {}, 'control')
        self.client.run('nothing', stop_on_error=False)  # it runs or is aborted: the cell has ended

    def test_queries_are_answered(self):
        for msg_type, content, channel in (
                ('kernel_info_request', {}, 'control'), ('kernel_info_request', {}, 'shell'),
                ('complete_request', {'code': 'sa', 'cursor_pos': 2}, 'shell'),
                ('inspect_request', {'code': 'say', 'cursor_pos': 1}, 'shell'),
                ('is_complete_request', {'code': 'say'}, 'shell'),
                ('history_request', {'hist_access_type': 'tail', 'n': 1}, 'shell'),
                ('comm_info_request', {}, 'shell')):
            with self.subTest(msg_type, channel=channel):
                start = time.monotonic()
                msg_id = self.client.send(msg_type, content, channel)
                self.client.reply(msg_id, channel)
                self.assertLess(time.monotonic() - start, 1)
                self.client.until_idle(msg_id)
                # Servers take the last status for the kernel's: the cell's busy comes again.
                again = self.client.until(lambda m: m['msg_type'] == 'status')
                self.assertEqual(again['content']['execution_state'], 'busy')
                self.assertEqual(again['parent_header']['msg_id'], self.cell)

    def check_interrupted(self, start):
        reply = self.client.reply(self.cell)['content']
        self.assertLess(time.monotonic() - start, 0.5)
        self.assertEqual((reply['status'], reply['ename']), ('error', 'KeyboardInterrupt'))
        self.assertEqual(self.client.until_idle(self.cell)[-1]['content'], {'execution_state': 'idle'})

    def test_interrupt_by_message(self):
        start = time.monotonic()
        msg_id = self.client.send('interrupt_request', {}, 'control')
        self.assertEqual(self.client.reply(msg_id, 'control')['content'], {'status': 'ok'})
        self.check_interrupted(start)

    def test_interrupt_by_signal(self):
        start = time.monotonic()
        os.kill(kernel_pid(self.manager), signal.SIGINT)
        self.check_interrupted(start)

    def test_interrupt_aborts_what_waits(self):
        waiting = [self.client.execute('say x') for _ in range(3)]
        time.sleep(0.1)
        self.client.send('interrupt_request', {}, 'control')
        for msg_id in waiting:
            self.assertEqual(self.client.reply(msg_id)['content']['status'], 'aborted')

    def test_interrupt_is_not_left_for_the_next_cell(self):
        for msg_id in [self.client.send('interrupt_request', {}, 'control') for _ in range(5)]:
            self.client.reply(msg_id, 'control')
        self.client.reply(self.cell)
        for _ in range(3):
            os.kill(kernel_pid(self.manager), signal.SIGINT)
        reply, _ = self.client.run('sleep 0.1')
        self.assertEqual(reply['status'], 'ok')


class ManyInterrupts(EchoCase):
    def test_two_hundred(self):
        """Between, during and after short cells: no reply is lost, nothing hangs."""
        for i in range(200):
            msg_id = self.client.execute('sleep 0.003', stop_on_error=False)
            if i % 2:
                os.kill(kernel_pid(self.manager), signal.SIGINT)
            else:
                self.client.send('interrupt_request', {}, 'control')
            self.assertIn(self.client.reply(msg_id)['content']['status'], ('ok', 'error'))
        self.assertEqual(self.client.run('nothing')[0]['status'], 'ok')


class Questions(EchoCase):
    def ask(self, code, **kwargs):
        msg_id = self.client.execute(code, allow_stdin=True, **kwargs)
        return msg_id, self.client.kc.get_stdin_msg(timeout=10)

    def test_answer(self):
        for code, hidden in (('ask name?', False), ('secret word?', True)):
            msg_id, question = self.ask(code)
            self.assertEqual(question['msg_type'], 'input_request')
            self.assertEqual(question['parent_header']['msg_id'], msg_id)
            self.assertEqual(question['content'], {'prompt': code.split(' ')[1], 'password': hidden})
            self.client.kc.input('Zoë \u2713')
            self.assertEqual(self.client.reply(msg_id)['content']['status'], 'ok')
            messages = self.client.until_idle(msg_id)
            self.assertIn('Zoë \u2713', [m['content'].get('text') for m in messages])

    def test_not_allowed(self):
        reply, _ = self.client.run('ask me', allow_stdin=False)
        self.assertEqual((reply['status'], reply['ename']), ('error', 'StateError'))

    def test_interrupted(self):
        msg_id, _ = self.ask('ask me')
        self.client.send('interrupt_request', {}, 'control')
        self.assertEqual(self.client.reply(msg_id)['content']['ename'], 'KeyboardInterrupt')

    def test_stale_and_forged_answers_are_ignored(self):
        self.client.kc.input('to nobody')
        time.sleep(0.1)
        msg_id, question = self.ask('ask me')
        forger = self.raw()
        forger.send(forger.frames(forger.parts('input_reply', {'value': 'forged', 'status': 'ok'})), 'stdin')
        self.client.send('input_reply', {'value': 'stale'}, 'stdin', parent_header={'msg_id': 'another'})
        self.client.send('input_reply', {'value': 7}, 'stdin')
        time.sleep(0.2)
        self.client.send('input_reply', {'value': 'real'}, 'stdin', parent_header=question['header'])
        self.assertEqual(self.client.reply(msg_id)['content']['status'], 'ok')
        texts = [m['content'].get('text') for m in self.client.until_idle(msg_id)]
        self.assertIn('real', texts)


if __name__ == '__main__':
    unittest.main()
