# SPDX-License-Identifier: MIT
"""TensorFlow Serving's REST interface: its bodies, codes and words."""
import base64
import json
import re
import unittest

from tests.http.support import ServerCase, in_threads, mnist_test, needs_mnist, png

BLANK = [[[0.0]] * 28] * 28


class Predict(ServerCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.name = cls.server.hello['model']
        cls.path = f'/v1/models/{cls.name}'

    def predict(self, body, path=None):
        """As curl -d sends it: the type of the body is not looked at."""
        data = body if isinstance(body, (bytes, str)) else json.dumps(body)
        return self.ask('POST', path or f'{self.path}:predict', data, {'Content-Type': 'application/x-www-form-urlencoded'})

    def test_rows_and_columns_of_every_shape(self):
        flat, square, channel_first = [0.0] * 784, [[0.0] * 28] * 28, [[[0.0] * 28] * 28]
        wanted = self.predict({'instances': [BLANK]}).json['predictions'][0]
        self.assertEqual(len(wanted), 10)
        self.assertAlmostEqual(sum(wanted), 1, places=5)
        for picture in (BLANK, square, flat, channel_first):
            for body, key in (({'instances': [picture]}, 'predictions'), ({'inputs': [picture]}, 'outputs'),
                              ({'signature_name': 'serving_default', 'instances': [picture]}, 'predictions'),
                              ({'signature_name': '', 'instances': [{'image': picture}]}, 'predictions'),
                              ({'instances': [{'inputs': picture}]}, 'predictions'),
                              ({'inputs': {'image': [picture], 'other': 1}}, 'outputs'), ({'inputs': {'x': [picture]}}, 'outputs')):
                reply = self.predict(body)
                self.assertEqual(reply.status, 200, reply.body)
                self.assertEqual(reply.headers['Content-Type'], 'application/json')
                self.assertEqual(list(reply.json), [key])
                self.assertEqual(reply.json[key], [wanted])

    def test_numbers_have_a_point_or_an_exponent_and_few_digits(self):
        text = self.predict({'instances': [BLANK]}).body.decode()
        numbers = re.findall(r'[-+0-9.e]+', text[text.index('['):])
        self.assertEqual(len(numbers), 10)
        for number in numbers:
            self.assertRegex(number, r'[.e]')
            self.assertLessEqual(len(re.sub(r'e.*|\D', '', number).lstrip('0')), 9)

    @needs_mnist
    def test_the_network_reads_digits(self):
        rows, labels = mnist_test(200)
        reply = self.predict({'instances': [[value / 255 for value in row] for row in rows]})
        answers = [max(range(10), key=probabilities.__getitem__) for probabilities in reply.json['predictions']]
        right = sum(answer == label for answer, label in zip(answers, labels))
        self.assertGreaterEqual(right, 180)
        single = self.predict({'instances': [[value / 255 for value in rows[7]]]}).json['predictions'][0]
        for one, other in zip(single, reply.json['predictions'][7]):
            self.assertAlmostEqual(one, other, places=5)

    @needs_mnist
    def test_pictures_as_bytes(self):
        row = mnist_test(1)[0][0]
        text = base64.b64encode(png(row)).decode()
        native = self.ask('POST', '/api/v1/predict', png(row), {'Content-Type': 'image/png'}).json['probabilities']
        for body, key in (({'instances': [{'b64': text}]}, 'predictions'), ({'instances': [{'image': {'b64': text}}]}, 'predictions'),
                          ({'inputs': {'b64': text}}, 'outputs'), ({'inputs': {'image': [{'b64': text}]}}, 'outputs'),
                          ({'instances': [{'b64': text.replace('+', '-').replace('/', '_')}]}, 'predictions')):
            reply = self.predict(body)
            self.assertEqual(reply.status, 200, reply.body)
            for one, other in zip(reply.json[key][0], native):
                self.assertAlmostEqual(one, other, places=6)

    def test_refusals_in_its_words(self):
        for body, says in (
                ('', 'JSON Parse error: The document is empty'),
                ('[]', 'Is not object'),
                ('{', 'JSON Parse error'),
                ('{}', "Missing 'inputs' or 'instances' key"),
                ({'instances': []}, "No values in 'instances' array"),
                ({'instances': 3}, "Excepting 'instances' to be an list/array"),
                ({'instances': [BLANK], 'inputs': [BLANK]}, "only one of 'inputs' or 'instances'"),
                ({'instances': [[1.0, 2.0], [3.0]]}, "Failed to process element: 0 of 'instances' list. Error: "),
                ({'instances': BLANK}, 'add the batch dimension'),
                ({'instances': [BLANK, BLANK[:27]]}, 'Expecting tensor size: 784 but got: 756'),
                ({'instances': [BLANK[:27] + [[[0.0]] * 27]]}, 'Encountered list at unexpected size: 27 at level: 1 expected size: 28'),
                ({'instances': [['a'] * 784]}, 'JSON Value: "a" Type: String is not of expected type: float'),
                ({'instances': [[True] * 784]}, 'Type: True is not of expected type: float'),
                ({'instances': [[None] * 784]}, 'Type: Null is not of expected type: float'),
                ({'instances': [BLANK, {'image': BLANK}]}, 'Expecting value/list but got object at item 1'),
                ({'instances': [{'image': BLANK}, BLANK]}, 'Expecting object but got list at item 1'),
                ({'instances': [{'image': BLANK, 'more': 1}]}, 'keys must be equal to: image'),
                ({'inputs': {'a': [BLANK], 'b': [BLANK]}}, "Missing named input: image in 'inputs' object."),
                ({'instances': [{'b64': '!'}]}, 'Unable to base64 decode'),
                ({'instances': [{'b64': 'AAAA'}]}, "Failed to process element: 0 of 'instances' list."),
                ({'signature_name': 'other', 'instances': [BLANK]}, 'Serving signature name: "other" not found in signature def'),
                ({'signature_name': 1, 'instances': [BLANK]}, "'signature_name' key must be a string value."),
                ('{"instances": [[NaN]]}', 'NaN and Infinity'), ('{"instances": [[Infinity]]}', 'NaN and Infinity'),
                ('{"instances": [[1e39]]}', 'Cannot convert JSON value: 1e39 to float'),
                (json.dumps({'instances': [BLANK]}) + 'x', 'must not be followed'),
                (b'{"instances": [["\xff"]]}', 'Invalid encoding')):
            with self.subTest(body=str(body)[:60]):
                reply = self.predict(body)
                self.assertEqual(reply.status, 400, reply.body)
                self.assertIn(says, reply.error)
                self.assertLessEqual(len(reply.error), 512)

    def test_paths(self):
        good = json.dumps({'instances': [BLANK]})
        name, version = self.name, self.ask('GET', self.path).json['model_version_status'][0]['version']
        for method, path, status, says in (
                ('POST', f'/v1/models/{name}:predict', 200, ''),
                ('POST', f'/V1/Models/{name}:PREDICT', 200, ''),
                ('POST', f'/v1/models/{name}/versions/{version}:predict', 200, ''),
                ('POST', f'/v1/models/%{ord(name[0]):02x}{name[1:]}:predict', 200, ''),
                ('POST', f'/v1/models/{name}/versions/9:predict', 404, f'Servable not found for request: Specific({name}, 9)'),
                ('POST', f'/v1/models/{name}/versions/99999999999999999999:predict', 400, 'Failed to convert version'),
                ('POST', f'/v1/models/{name}/versions/x:predict', 400, 'Malformed request: POST /v1/models/'),
                ('POST', f'/v1/models/{name}/labels/stable:predict', 400, 'Unrecognized servable version label: stable'),
                ('POST', '/v1/models/other:predict', 404, 'Servable not found for request: Latest(other)'),
                ('POST', f'/v1/models/{name.upper()}:predict', 404, 'Servable not found for request: Latest('),
                ('POST', f'/v1/models/{name}:classify', 400, 'Expected classification signature method_name'),
                ('POST', f'/v1/models/{name}:regress', 400, 'Expected regression signature method_name'),
                ('POST', f'/v1/models/{name}:frob', 400, 'Malformed request: POST'),
                ('POST', f'/v1/models/{name}:predict/', 400, 'Malformed request: POST'),
                ('POST', f'/v1/models/{name}', 400, 'Malformed request: POST'),
                ('GET', f'/v1/models/{name}:predict', 400, 'Malformed request: GET'),
                ('PUT', f'/v1/models/{name}:predict', 400, 'Malformed request: PUT'),
                ('OPTIONS', f'/v1/models/{name}:predict', 400, 'Malformed request: OPTIONS'),
                ('GET', '/v1/', 400, 'Malformed request: GET /v1/'),
                ('GET', '/v1/models', 400, 'Missing model name in request.'),
                ('GET', '/v1/models/', 400, 'Malformed request'),
                ('GET', f'/v1/models/{name}', 200, ''),
                ('GET', f'/v1/models/{name}/versions/{version}', 200, ''),
                ('GET', f'/v1/models/{name}/versions/9', 404, f'Could not find version 9 of model {name}'),
                ('GET', '/v1/models/other', 404, 'Could not find any versions of model other'),
                ('GET', f'/v1/models/{name}?x=1', 404, 'Could not find any versions of model'),
                ('GET', f'/v1/models/{name}/metadata', 200, ''),
                ('GET', f'/v1/models/{name}/versions/{version}/metadata', 200, ''),
                ('GET', '/v1/models/other/metadata', 404, 'Servable not found'),
                ('GET', f'/v1/models/{name}/metadata/x', 400, 'Malformed request'),
                ('GET', f'/v1/models/{"n" * 200}', 400, 'Malformed request')):
            with self.subTest(method=method, path=path):
                reply = self.ask(method, path, good if method == 'POST' else None)
                self.assertEqual(reply.status, status, reply.body)
                if status != 200:
                    self.assertIn(says, reply.error)

    def test_status_and_metadata(self):
        status = self.ask('GET', self.path).json
        version = status['model_version_status'][0].pop('version')
        self.assertIsInstance(version, str)
        self.assertGreaterEqual(int(version), 1)
        self.assertEqual(status, {'model_version_status': [{'state': 'AVAILABLE', 'status': {'error_code': 'OK', 'error_message': ''}}]})
        metadata = self.ask('GET', f'{self.path}/metadata').json
        self.assertEqual(metadata['model_spec'], {'name': self.name, 'signature_name': '', 'version': version})
        signature = metadata['metadata']['signature_def']['signature_def']['serving_default']
        self.assertEqual(signature['method_name'], 'tensorflow/serving/predict')
        (picture,), (answer,) = signature['inputs'].values(), signature['outputs'].values()
        self.assertEqual([dim['size'] for dim in picture['tensor_shape']['dim']], ['-1', '28', '28', '1'])
        self.assertEqual([dim['size'] for dim in answer['tensor_shape']['dim']], ['-1', '10'])
        self.assertEqual((picture['dtype'], picture['tensor_shape']['unknown_rank']), ('DT_FLOAT', False))

    def test_batches_up_to_the_limit(self):
        picture = '[' + ','.join(['0'] * 784) + ']'
        body = '{"instances": [%s]}'
        self.assertEqual(len(self.predict(body % ','.join([picture] * 1024)).json['predictions']), 1024)
        reply = self.predict(body % ','.join([picture] * 1025))
        self.assertEqual(reply.status, 413)
        self.assertIn('more than 1024 pictures', reply.error)

    def test_many_clients_get_their_own_answers(self):
        def pixels(index, turn):
            return [((index * 97 + turn * 31 + i * 7) % 256) / 255 for i in range(784)]
        wanted = {(index, turn): self.predict({'instances': [pixels(index, turn)]}).json['predictions'][0]
                  for index in range(8) for turn in range(4)}

        def run(index):
            for turn in range(20):
                got = self.predict({'instances': [pixels(index, turn % 4)]}).json['predictions'][0]
                self.assertEqual(got, wanted[index, turn % 4])
        in_threads(8, run)


if __name__ == '__main__':
    unittest.main()
