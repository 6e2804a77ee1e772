# SPDX-License-Identifier: MIT
"""Every request is bracketed by busy and idle and gets its reply, whatever is in it."""
import json
import unittest

from tests.protocol.support import EchoCase

REQUESTS = {
    'kernel_info_request': {},
    'connect_request': {},
    'execute_request': {'code': 'nothing', 'silent': False, 'store_history': True, 'user_expressions': {},
                        'allow_stdin': False, 'stop_on_error': True},
    'complete_request': {'code': 'sa', 'cursor_pos': 2},
    'inspect_request': {'code': 'say', 'cursor_pos': 1, 'detail_level': 0},
    'is_complete_request': {'code': 'say'},
    'history_request': {'hist_access_type': 'tail', 'n': 3, 'output': False, 'raw': True},
    'comm_info_request': {},
    'interrupt_request': {},
}


class Requests(EchoCase):
    def bracketed(self, msg_type, content, channel='shell', wants_reply=True):
        msg_id = self.client.send(msg_type, content, channel)
        reply = None
        if wants_reply:
            reply = self.client.reply(msg_id, channel)
            self.assertEqual(reply['msg_type'], msg_type.replace('_request', '_reply'))
        messages = self.client.until_idle(msg_id)
        self.assertEqual(self.states(messages), ['busy', 'idle'])
        self.assertEqual(messages[0]['msg_type'], 'status')
        for message in messages:
            self.assertEqual(message['parent_header']['msg_id'], msg_id)
        return reply

    def test_every_request_on_shell(self):
        for msg_type, content in REQUESTS.items():
            with self.subTest(msg_type):
                reply = self.bracketed(msg_type, content)
                wanted = 'complete' if msg_type == 'is_complete_request' else 'ok'
                self.assertEqual(reply['content']['status'], wanted)

    def test_every_request_with_content_that_makes_no_sense(self):
        for msg_type in ('execute_request', 'complete_request', 'inspect_request', 'is_complete_request',
                         'history_request'):
            for content in ({}, {'code': 7, 'hist_access_type': 'x'}, {'code': None}, {'code': ['a']}):
                with self.subTest(msg_type, content=content):
                    reply = self.bracketed(msg_type, content)['content']
                    self.assertEqual(reply['status'], 'error')
                    for name in ('ename', 'evalue', 'traceback'):
                        self.assertIn(name, reply)
                    if msg_type == 'execute_request':
                        self.assertIsInstance(reply['execution_count'], int)

    def test_content_that_is_no_object(self):
        raw = self.raw()
        for content in (b'[]', b'"text"', b'7', b'null', b'', b'{', b'{"a": 1} x', b'{"a": NaN}', b'{"a": "\xff"}',
                        b'{"a": "\\u0000"}', b'{"a": 01}', b'{"a": 1e999}', b'[' * 100000, b'{"a":' * 200 + b'1' + b'}' * 200):
            for msg_type in ('kernel_info_request', 'execute_request', 'complete_request'):
                with self.subTest(content=content[:20], msg_type=msg_type):
                    parts = raw.parts(msg_type)
                    parts[3] = content
                    msg_id = json.loads(parts[0])['msg_id']
                    raw.send(raw.frames(parts))
                    header, parent, _, reply = raw.receive()
                    self.assertEqual((header['msg_type'], parent['msg_id'], reply['status']),
                                     (msg_type.replace('_request', '_reply'), msg_id, 'error'))
                    self.assertEqual(self.states(self.client.until_idle(msg_id)), ['busy', 'idle'])

    def test_unknown_types_get_their_statuses_and_no_reply(self):
        for channel in ('shell', 'control'):
            for msg_type in ('no_such_request', 'execute_reply', 'debug_request', 'create_subshell_request', '', 'a' * 300):
                with self.subTest(msg_type, channel=channel):
                    msg_id = self.client.send(msg_type, {}, channel)
                    self.assertEqual(self.states(self.client.until_idle(msg_id)), ['busy', 'idle'])
                    self.assertTrue(self.client.no_reply(msg_id, channel, 0.05))

    def test_control(self):
        for msg_type in ('kernel_info_request', 'connect_request', 'interrupt_request'):
            self.bracketed(msg_type, {}, 'control')

    def test_cells_do_not_run_on_control(self):
        msg_id = self.client.send('execute_request', REQUESTS['execute_request'], 'control')
        self.assertTrue(self.client.no_reply(msg_id, 'control'))

    def test_kernel_info(self):
        content = self.bracketed('kernel_info_request', {})['content']
        self.assertEqual(content['protocol_version'], '5.5')
        self.assertEqual(content['implementation'], 'echo')
        self.assertEqual(content['language_info']['file_extension'], '.txt')
        self.assertEqual(content['help_links'], [{'text': 'Jupyter', 'url': 'https://jupyter.org'}])
        self.assertEqual(content['supported_features'], [])

    def test_headers(self):
        msg_id = self.client.execute('say x')
        reply = self.client.reply(msg_id)
        messages = self.client.until_idle(msg_id) + [reply]
        self.assertEqual(len({m['header']['msg_id'] for m in messages}), len(messages))
        self.assertEqual(len({m['header']['session'] for m in messages}), 1)
        self.assertNotEqual(reply['header']['session'], self.client.session.session)
        for message in messages:
            self.assertEqual(message['header']['version'], '5.5')
            self.assertEqual(message['parent_header']['session'], self.client.session.session)

    def test_connect(self):
        content = self.bracketed('connect_request', {})['content']
        info = self.manager.get_connection_info()
        for name in ('shell', 'iopub', 'stdin', 'control', 'hb'):
            self.assertEqual(content[f'{name}_port'], info[f'{name}_port'])

    def test_positions_are_code_points(self):
        code = 'say \U0001f600 é sa'
        content = self.bracketed('complete_request', {'code': code, 'cursor_pos': len(code)})['content']
        self.assertEqual(content['matches'], ['say'])
        self.assertEqual((content['cursor_start'], content['cursor_end']), (len(code) - 2, len(code)))
        types = content['metadata']['_jupyter_types_experimental']
        self.assertEqual(types, [{'start': len(code) - 2, 'end': len(code), 'text': 'say', 'type': 'command'}])
        for cursor, end in ((-5, 0), (10**9, len(code)), (1.5, 1), (None, len(code)), ('x', len(code))):
            content = self.bracketed('complete_request', {'code': code, 'cursor_pos': cursor})['content']
            self.assertEqual(content['cursor_end'], end)

    def test_inspect(self):
        for detail, text in ((0, 'in short'), (1, 'in detail')):
            content = self.bracketed('inspect_request', {'code': 'say', 'cursor_pos': 0, 'detail_level': detail})['content']
            self.assertEqual((content['found'], content['data']), (True, {'text/plain': text}))
        content = self.bracketed('inspect_request', {'code': 'unknown', 'cursor_pos': 0})['content']
        self.assertEqual((content['found'], content['data']), (False, {}))

    def test_is_complete(self):
        for code, status, indent in (('say', 'complete', None), ('say \\', 'incomplete', '  '), ('!', 'invalid', None)):
            content = self.bracketed('is_complete_request', {'code': code})['content']
            self.assertEqual((content['status'], content.get('indent')), (status, indent))

    def test_many_identities_and_header_fields(self):
        message = self.client.session.msg('kernel_info_request')
        message['header'].update(subshell_id='gone', extra={'deep': [1, {'x': None}]})
        self.client.session.send(self.client.kc.shell_channel.socket, message)
        msg_id = message['header']['msg_id']
        reply = self.client.reply(msg_id)
        self.assertEqual(reply['parent_header']['extra'], {'deep': [1, {'x': None}]})
        self.client.until_idle(msg_id)


class History(EchoCase):
    def ask(self, **content):
        msg_id = self.client.send('history_request', {'output': False, 'raw': True, **content})
        return self.client.reply(msg_id)['content']['history']

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for code in ('result one', 'say two', 'result one', 'raise three'):
            cls.client.run(code)
        cls.client.run('result hidden', store_history=False)
        cls.client.run('result quiet', silent=True)

    def test_tail(self):
        self.assertEqual(self.ask(hist_access_type='tail', n=2), [[1, 3, 'result one'], [1, 4, 'raise three']])
        self.assertEqual(len(self.ask(hist_access_type='tail', n=100)), 4)
        self.assertEqual(len(self.ask(hist_access_type='tail')), 4)
        self.assertEqual(self.ask(hist_access_type='tail', n=0), [])

    def test_output(self):
        self.assertEqual(self.ask(hist_access_type='tail', n=3, output=True),
                         [[1, 2, ['say two', None]], [1, 3, ['result one', 'one']], [1, 4, ['raise three', None]]])

    def test_range(self):
        for session in (0, 1):
            self.assertEqual(self.ask(hist_access_type='range', session=session, start=2, stop=4),
                             [[1, 2, 'say two'], [1, 3, 'result one']])
        self.assertEqual(self.ask(hist_access_type='range', session=-1, start=1, stop=4), [])
        self.assertEqual(len(self.ask(hist_access_type='range', session=0, start=1)), 4)

    def test_search(self):
        self.assertEqual([entry[1] for entry in self.ask(hist_access_type='search', pattern='r*')], [1, 3, 4])
        self.assertEqual([entry[1] for entry in self.ask(hist_access_type='search', pattern='r*', unique=True)], [3, 4])
        self.assertEqual([entry[1] for entry in self.ask(hist_access_type='search', pattern='r*', n=1)], [4])
        self.assertEqual(self.ask(hist_access_type='search', pattern='*' * 200 + 'z'), [])
        self.assertEqual([entry[1] for entry in self.ask(hist_access_type='search', pattern='say ?wo')], [2])


if __name__ == '__main__':
    unittest.main()
