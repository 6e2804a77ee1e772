# SPDX-License-Identifier: MIT
"""The page, the probes and the native interface."""
import base64
import http.client
import json
import subprocess
import tempfile
import unittest
import urllib.request

from tests.http.support import PROGRAM, Server, ServerCase, in_threads, mnist_test, needs_mnist, png, seven


class Page(ServerCase):
    def test_files_have_their_types_and_a_policy(self):
        for path, kind in (('/', 'text/html'), ('/index.html', 'text/html'), ('/page.css', 'text/css'),
                           ('/page.js', 'text/javascript'), ('/inkling.js', 'text/javascript')):
            with self.subTest(path=path):
                reply = self.ask('GET', path)
                self.assertEqual(reply.status, 200)
                self.assertEqual(reply.headers['Content-Type'], f'{kind}; charset=utf-8')
                self.assertEqual(reply.headers['X-Content-Type-Options'], 'nosniff')
                policy = dict(part.split(' ', 1) for part in reply.headers['Content-Security-Policy'].split('; '))
                self.assertEqual(policy['default-src'], "'none'")
                self.assertEqual(policy['script-src'], "'self'")
                self.assertEqual(policy['frame-ancestors'], "'none'")
                self.assertGreater(len(reply.body), 200)
                self.assertIsNone(reply.headers['Access-Control-Allow-Origin'])

    def test_a_known_tag_gets_no_body(self):
        tag = self.ask('GET', '/').headers['ETag']
        again = self.ask('GET', '/', headers={'If-None-Match': tag})
        self.assertEqual((again.status, again.body), (304, b''))
        self.assertEqual(self.ask('GET', '/', headers={'If-None-Match': '"other"'}).status, 200)

    def test_head_has_the_length_and_no_body(self):
        whole, head = self.ask('GET', '/page.js'), self.ask('HEAD', '/page.js')
        self.assertEqual((head.status, head.body), (200, b''))
        self.assertEqual(int(head.headers['Content-Length']), len(whole.body))

    def test_nothing_else_is_served(self):
        for path in ('/page.html', '/webui/page/page.js', '//', '/page.js/', '/inkling.js.map', '/favicon.ico', '/PAGE.JS'):
            reply = self.ask('GET', path)
            self.assertEqual(reply.status, 404, path)
            self.assertIn('there is nothing at', reply.error)

    def test_methods(self):
        for method, path, allow in (('POST', '/', 'GET, HEAD, OPTIONS'), ('DELETE', '/api/v1/predict', 'POST, OPTIONS'),
                                    ('GET', '/api/v1/predict', 'POST, OPTIONS'), ('PUT', '/status', 'GET, HEAD, OPTIONS'),
                                    ('PATCH', '/mnist/classify', 'POST, OPTIONS'), ('BREW', '/healthz', 'GET, HEAD, OPTIONS')):
            reply = self.ask(method, path)
            self.assertEqual((reply.status, reply.headers['Allow']), (405, allow), (method, path))
            self.assertIn('not allowed', reply.error)
        reply = self.ask('OPTIONS', '/api/v1/predict')
        self.assertEqual((reply.status, reply.headers['Allow'], reply.body), (204, 'POST, OPTIONS', b''))
        self.assertEqual(self.ask('OPTIONS', '*').status, 204)


class Native(ServerCase):
    def test_probes(self):
        self.assertEqual(self.ask('GET', '/healthz').json, {'status': 'ok'})
        ready = self.ask('GET', '/readyz').json
        self.assertEqual(ready['status'], 'ok')
        self.assertEqual(ready['model'], self.server.hello['model'])

    def test_the_model_says_what_it_is(self):
        model, layers = self.ask('GET', '/api/v1/model').json, self.ask('GET', '/api/v1/layers').json
        self.assertEqual(model['labels'], list('0123456789'))
        self.assertEqual(model['parameters'], sum(layer['parameters'] for layer in layers))
        self.assertIn('input 1x28x28', model['architecture'])
        program = json.loads(subprocess.check_output([PROGRAM, 'layers', '--json']))
        self.assertEqual(layers, program)

    def assert_answer(self, answer):
        self.assertEqual(len(answer['probabilities']), 10)
        self.assertAlmostEqual(sum(answer['probabilities']), 1, places=5)
        self.assertEqual(answer['prediction'], max(range(10), key=answer['probabilities'].__getitem__))
        self.assertGreater(answer['elapsed_ms'], 0)
        self.assertEqual(len(base64.b64decode(answer['picture'])), 784)

    def test_strokes(self):
        answer = self.post('/api/v1/predict', {'strokes': seven()}).json
        self.assert_answer(answer)
        self.assertEqual(answer['prediction'], 7)
        self.assertTrue(answer['preparation'])
        self.assertNotIn('layers', answer)
        empty = self.post('/api/v1/predict', {'strokes': []}).json
        self.assertTrue(empty['empty'])
        self.assertIsNone(empty['prediction'])
        self.assertEqual(set(base64.b64decode(empty['picture'])), {0})

    def test_verbose_shows_every_layer(self):
        layers = self.ask('GET', '/api/v1/layers').json
        for target, body in (('/api/v1/predict?verbose=1', {'strokes': seven()}),
                             ('/api/v1/predict', {'strokes': seven(), 'verbose': True})):
            shown = self.post(target, body).json['layers']
            self.assertEqual([layer['name'] for layer in shown], [layer['name'] for layer in layers])
            for layer in shown:
                channels, height, width = layer['shape']
                self.assertEqual(len(base64.b64decode(layer['maps'])), channels * height * width)
                self.assertLessEqual(layer['min'], layer['mean'])
                self.assertLessEqual(layer['mean'], layer['max'])
                self.assertNotIn('values', layer)
        answer = self.post('/api/v1/predict', {'strokes': seven(), 'verbose': 'values'}).json
        picture = answer['layers'][0]
        self.assertEqual([round(value * 255) for value in picture['values']], list(base64.b64decode(answer['picture'])))

    @needs_mnist
    def test_every_form_of_a_picture_gives_one_answer(self):
        row = mnist_test(1)[0][0]
        numbers = [value / 255 for value in row]
        raw = [self.post('/api/v1/predict', body).json['probabilities'] for body in (
            {'pixels': numbers}, {'pixels': list(row)}, {'pixels': [numbers[i:i + 28] for i in range(0, 784, 28)]},
            {'image': base64.b64encode(png(row)).decode(), 'prepare': False})]
        for probabilities in raw[1:]:
            for one, other in zip(raw[0], probabilities):
                self.assertAlmostEqual(one, other, places=6)
        text = base64.b64encode(png(row)).decode()
        prepared = [self.post('/api/v1/predict', body).json['probabilities'] for body in (
            {'image': text}, {'image': 'data:image/png;base64,' + text}, {'pixels': numbers, 'prepare': True},
            {'image': text.replace('+', '-').replace('/', '_').rstrip('=')})]
        prepared += [self.ask('POST', '/api/v1/predict', png(row), {'Content-Type': kind}).json['probabilities']
                     for kind in ('image/png', 'image/x-anything; q=1', 'application/octet-stream')]
        for probabilities in prepared[1:]:
            self.assertEqual(probabilities, prepared[0])

    @needs_mnist
    def test_the_program_gives_the_same_answer(self):
        rows = mnist_test(8)[0]

        def compare(index):
            with tempfile.NamedTemporaryFile(suffix='.png') as file:
                file.write(png(rows[index]))
                file.flush()
                program = json.loads(subprocess.check_output([PROGRAM, 'predict', '--json', file.name]))
            for _ in range(20):
                server = self.ask('POST', '/api/v1/predict', png(rows[index]), {'Content-Type': 'image/png'}).json
                self.assertEqual(server['probabilities'], program['probabilities'])
                self.assertEqual(server['prediction'], program['prediction'])
        in_threads(len(rows), compare)

    def test_a_list_gets_a_list(self):
        answers = self.post('/api/v1/predict', [{'strokes': seven()}, {'pixels': [0] * 784}]).json
        self.assertEqual(len(answers), 2)
        for answer in answers:
            self.assert_answer(answer)
        self.assertEqual(self.post('/api/v1/predict', []).json, [])
        self.assertEqual(self.post('/api/v1/predict', [{'strokes': []}] * 1025).status, 413)
        self.assertEqual(self.post('/api/v1/predict?verbose=1', [{'strokes': []}] * 17).status, 413)
        self.assertEqual(len(self.post('/api/v1/predict?verbose=1', [{'strokes': []}] * 16).json), 16)

    def test_refusals_say_why(self):
        for body, status, says in (
                ({}, 400, '0 of strokes, image and pixels'),
                ({'strokes': [], 'pixels': []}, 400, '2 of strokes, image and pixels'),
                ({'stroke': []}, 400, "unknown member 'stroke'"),
                (7, 422, 'expected an object'),
                ([7], 422, 'expected an object'),
                ({'strokes': 'x'}, 422, 'strokes'),
                ({'strokes': [[1]]}, 422, ''),
                ({'strokes': [[1, 2, 'x', 3]]}, 422, ''),
                ({'strokes': [[1e7, 2]]}, 422, ''),
                ({'strokes': [[0, 0]] * 201}, 413, ''),
                ({'pixels': [0] * 783}, 422, '783 numbers, expected 784'),
                ({'pixels': [0] * 785}, 422, '785 numbers'),
                ({'pixels': [[0] * 28] * 27}, 422, '27 rows'),
                ({'pixels': [[0] * 28] * 27 + [[0] * 27]}, 422, 'rows'),
                ({'pixels': [256] + [0] * 783}, 422, 'item 0 is not a number 0 to 255'),
                ({'pixels': [0, None] + [0] * 782}, 422, 'item 1'),
                ({'pixels': 'abc'}, 422, 'expected a list'),
                ({'image': 3}, 422, 'base64'),
                ({'image': '*'}, 422, 'base64'),
                ({'image': 'AAAA'}, 422, ''),
                ({'image': 'data:image/png,AAAA'}, 422, ';base64,'),
                ({'image': base64.b64encode(png([0] * 100, 10, 10)).decode(), 'prepare': False}, 400, '10x10'),
                ({'pixels': [0] * 784, 'prepare': 1}, 422, 'prepare'),
                ({'pixels': [0] * 784, 'verbose': 2}, 422, 'verbose')):
            with self.subTest(body=str(body)[:60]):
                reply = self.post('/api/v1/predict', body)
                self.assertEqual(reply.status, status, reply.body)
                self.assertIn(says, reply.error)
                self.assertEqual(reply.headers['Content-Type'], 'application/json')
                self.assertLessEqual(len(reply.error), 512)

    def test_types_of_bodies(self):
        for kind in (None, '', 'text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x',
                     'application/jsonx', 'image', 'images/png'):
            reply = self.ask('POST', '/api/v1/predict', b'{}', {} if kind is None else {'Content-Type': kind})
            self.assertEqual(reply.status, 415, kind)
            self.assertIn('expected one of application/json', reply.error)

    def test_a_connection_is_kept(self):
        connection = http.client.HTTPConnection('127.0.0.1', self.server.port)
        self.ask('GET', '/healthz', connection=connection)
        socket = connection.sock
        for target, status in (('/healthz', 200), ('/nope', 404), ('/api/v1/layers', 200)):
            self.assertEqual(self.ask('GET', target, connection=connection).status, status)
        self.ask('POST', '/api/v1/predict', b'{"strokes": 1}', {'Content-Type': 'application/json'}, connection)
        self.ask('GET', '/', headers={'Sec-Fetch-Site': 'cross-site'}, connection=connection)
        self.assertIs(connection.sock, socket)
        connection.close()


class View(ServerCase):
    def test_a_view_opens_draws_and_is_remembered(self):
        hello = self.post('/api/v1/view', {'type': 'open', 'v': 1, 'view': 'draw', 'id': 'test-1'}).json
        self.assertEqual((hello['type'], hello['v']), ('hello', 1))
        self.assertIsNone(hello['answer'])
        frame = {'type': 'strokes', 'seq': 3, 'id': 'test-1', 'size': 280, 'brush': 22, 'strokes': seven(), 'final': False, 'layers': 2}
        answer = self.post('/api/v1/view', frame).json
        self.assertEqual((answer['type'], answer['seq'], answer['prediction']), ('answer', 3, 7))
        self.assertEqual(len(answer['layers']), 2)
        self.assertNotIn('bundle', answer)
        final = self.post('/api/v1/view', {**frame, 'seq': 4, 'final': True}).json
        self.assertIn('application/vnd.inkling.v1+json', final['bundle'])
        again = self.post('/api/v1/view', {'type': 'open', 'v': 1, 'view': 'draw', 'id': 'test-1'}).json
        self.assertEqual(again['answer']['prediction'], 7)

    def test_a_bad_frame_gets_a_message_of_the_protocol(self):
        for body in (b'', b'{', b'[]', b'{"type":"strokes"}', b'{"type":"strokes","seq":1,"id":"x","size":280,"strokes":[[1]]}'):
            reply = self.ask('POST', '/api/v1/view', body, {'Content-Type': 'application/json'})
            self.assertGreaterEqual(reply.status, 400, body)
            self.assertEqual(reply.json['type'], 'error')
        self.assertEqual(self.ask('POST', '/api/v1/view', b'{}', {'Content-Type': 'text/plain'}).status, 415)

    def test_views_side_by_side(self):
        def draw(index):
            for seq in range(30):
                frame = {'type': 'strokes', 'seq': seq, 'id': f'side-{index}', 'size': 280, 'strokes': seven(), 'final': seq == 29, 'layers': 1}
                answer = self.post('/api/v1/view', frame).json
                self.assertEqual((answer['seq'], answer['prediction']), (seq, 7))
        in_threads(4, draw)


class Options(unittest.TestCase):
    def refuse(self, *options):
        done = subprocess.run([PROGRAM, 'serve', *options], capture_output=True, text=True, timeout=30, check=False)
        self.assertEqual(done.stdout, '')
        self.assertEqual(done.stderr.count('\n'), 1, done.stderr)
        return done.returncode, done.stderr

    def test_refusals(self):
        for options, code, says in ((['--host', '0.0.0.0'], 77, 'give --token, or --open'), (['--port', '70000'], 64, '65535'),
                                    (['--host', 'no such host'], 77, '--token'), (['--host', '127.0.0.256'], 64, 'not an address'),
                                    (['--token', 'short'], 64, '--token'), (['--model', 'nobody'], 66, 'nobody'),
                                    (['--model-name', 'a/b'], 64, '--model-name'), (['--stop'], 64, '--stop'), (['--frob'], 64, '--frob')):
            with self.subTest(options=options):
                got, said = self.refuse(*options)
                self.assertEqual(got, code, said)
                self.assertIn(says, said)

    def test_the_reference_answers(self):
        for options, engine in (([], None), (['--engine', 'reference'], 'reference')):
            server = Server(*options)
            try:
                with urllib.request.urlopen(f'http://127.0.0.1:{server.port}/api/v1/model', timeout=30) as reply:
                    compute = json.load(reply)['compute']
                request = urllib.request.Request(f'http://127.0.0.1:{server.port}/api/v1/predict', data=json.dumps({'strokes': seven()}).encode(),
                                                 headers={'Content-Type': 'application/json'})
                with urllib.request.urlopen(request, timeout=30) as reply:
                    self.assertEqual(json.load(reply).get('engine'), engine)
                self.assertEqual(compute == 'reference', engine == 'reference')
            finally:
                server.stop()

    def test_a_taken_port_is_named(self):
        server = Server()
        try:
            code, said = self.refuse('--port', str(server.port))
            self.assertEqual(code, 75)
            self.assertIn(f'port {server.port} on 127.0.0.1 is taken', said)
        finally:
            server.stop()

    def test_one_line_says_where(self):
        with subprocess.Popen([PROGRAM, 'serve', '--port', '0'], stdout=subprocess.PIPE, text=True) as process:
            line = process.stdout.readline()
            process.terminate()
            self.assertRegex(line, r'^Serving \S+ at http://127\.0\.0\.1:\d+/\n$')
            self.assertEqual(process.communicate(timeout=30)[0], '')
        self.assertEqual(process.returncode, 0)
        with subprocess.Popen([PROGRAM, 'serve', '--port', '0', '--json'], stdout=subprocess.PIPE, text=True) as process:
            hello = json.loads(process.stdout.readline())
            self.assertEqual(hello['url'], f'http://127.0.0.1:{hello["port"]}/')
            process.terminate()
            self.assertEqual(process.communicate(timeout=30)[0], '')


class Token(ServerCase):
    OPTIONS = ('--token', 'open sesame'.replace(' ', '-'))

    def test_the_token_opens_all_but_the_static_files(self):
        for path in ('/', '/page.js', '/healthz', '/readyz'):
            self.assertEqual(self.ask('GET', path).status, 200)
        for given in (None, 'Bearer', 'Bearer ', 'Bearer open-sesamf', 'Bearer open-sesame2', 'Bearer open-sesam', 'Basic open-sesame'):
            reply = self.ask('GET', '/status', headers={'Authorization': given} if given else {})
            self.assertEqual(reply.status, 401, given)
            self.assertIn('Bearer', reply.headers['WWW-Authenticate'])
            self.assertNotIn('sesame', reply.error)
        for path in ('/status', '/api/v1/model', '/v1/models/' + self.server.hello['model']):
            self.assertEqual(self.ask('GET', path, headers={'Authorization': 'Bearer open-sesame'}).status, 200)
        heard = self.raw('GET /status HTTP/1.1\r\nHost: @\r\nAuthorization: Bearer open-sesame\0x\r\n\r\n')
        self.assertTrue(heard.startswith(b'HTTP/1.1 400'), heard)

    def test_from_the_environment(self):
        server = Server(INKLING_TOKEN='from-the-environment')
        try:
            connection = http.client.HTTPConnection('127.0.0.1', server.port)
            connection.request('GET', '/status')
            self.assertEqual(connection.getresponse().status, 401)
            connection.close()
        finally:
            self.assertEqual(server.stop(), (0, ''))


class Beyond(ServerCase):
    """On all addresses, as in a container whose port is published as another."""

    OPTIONS = ('--host', '0.0.0.0', '--open')

    @classmethod
    def tearDownClass(cls):
        code, said = cls.server.stop()
        if code != 0 or 'anybody' not in said:
            raise AssertionError(f'the server ended with {code}: {said}')

    def test_loopback_names_have_any_port_and_others_are_refused(self):
        for host, status in ((self.server.host, 200), ('localhost:9999', 200), ('127.0.0.1:80', 200), ('localhost', 200), ('[::1]:1', 200),
                             ('evil.example', 403), (f'0.0.0.0:{self.server.port}', 403), ('localhost.evil:1', 403), ('localhost:1x', 403)):
            self.assertEqual(self.ask('GET', '/healthz', headers={'Host': host}).status, status, host)


class Names(ServerCase):
    OPTIONS = ('--allow-host', 'digits.example,10.0.0.2:8501', '--model-name', 'my_digit_classifier')

    def test_hosts(self):
        for host, status in ((self.server.host, 200), (f'localhost:{self.server.port}', 200), ('digits.example', 200),
                             ('digits.example:1234', 200), ('10.0.0.2:8501', 200), ('10.0.0.2', 403), ('10.0.0.2:8502', 403),
                             ('evil.example', 403), ('localhost', 403), (f'localhost.evil:{self.server.port}', 403)):
            for path in ('/', '/healthz', '/page.js', '/v1/models/my_digit_classifier', '/nope'):
                expected = status if path != '/nope' or status != 200 else 404
                self.assertEqual(self.ask('GET', path, headers={'Host': host}).status, expected, (host, path))

    def test_other_sites(self):
        for headers, status in (({'Origin': f'http://{self.server.host}'}, 200), ({'Origin': 'https://digits.example'}, 200),
                                ({'Origin': 'http://localhost:8888'}, 403), ({'Origin': 'null'}, 403),
                                ({'Sec-Fetch-Site': 'cross-site'}, 403), ({'Sec-Fetch-Site': 'same-origin'}, 200)):
            for target in ('/api/v1/predict', '/v1/models/my_digit_classifier:predict'):
                body = {'strokes': seven()} if 'api' in target else {'instances': [[0.0] * 784]}
                reply = self.post(target, body, **headers)
                self.assertEqual(reply.status, status, (target, headers))
                self.assertIsNone(reply.headers['Access-Control-Allow-Origin'])
        link = {'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'navigate'}
        self.assertEqual(self.ask('GET', '/', headers=link).status, 200)

    def test_the_name_is_the_one_given(self):
        self.assertEqual(self.ask('GET', '/v1/models/my_digit_classifier').status, 200)
        self.assertEqual(self.ask('GET', '/v1/models/inkling').status, 404)


if __name__ == '__main__':
    unittest.main()
