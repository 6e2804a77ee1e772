# SPDX-License-Identifier: MIT
"""The routes of MNISTified."""
import os
import tempfile
import unittest

from tests.http.support import DATA, ServerCase, mnist_test, needs_mnist, png


@needs_mnist
class Mnist(ServerCase):
    ENVIRONMENT = {'INKLING_DATA': DATA}

    def assert_form(self, reply, prediction=None):
        self.assertEqual(reply.status, 200, reply.body)
        answer = reply.json
        self.assertEqual(set(answer), {'debug', 'elapsed_time_ms', 'prediction'})
        self.assertEqual(set(answer['debug']), {'probabilities'})
        self.assertEqual(len(answer['debug']['probabilities']), 10)
        self.assertIsInstance(answer['elapsed_time_ms'], float)
        if prediction is not None:
            self.assertEqual(answer['prediction'], prediction)

    def test_status(self):
        status = self.ask('GET', '/status').json
        self.assertEqual(status['status'], 'ok')
        self.assertEqual(list(status['model']['layers']), [layer['name'] for layer in self.ask('GET', '/api/v1/layers').json])

    def test_labels_are_in_the_order_of_the_file(self):
        self.assertEqual(self.ask('GET', '/mnist/label/42').json, {'label': 4})
        for index, label in enumerate(mnist_test(20)[1]):
            self.assertEqual(self.ask('GET', f'/mnist/label/{index}').json, {'label': label})
        self.assertEqual(self.ask('GET', '/mnist/42/label').json, {'label': 4})

    def test_pictures_are_jpeg_and_can_be_asked_about(self):
        for path in ('/mnist/image/42', '/mnist/42/image'):
            reply = self.ask('GET', path)
            self.assertEqual((reply.status, reply.headers['Content-Type']), (200, 'image/jpeg'))
            self.assertTrue(reply.body.startswith(b'\xff\xd8\xff'))
        self.assert_form(self.ask('POST', '/mnist/classify', reply.body, {'Content-Type': 'image/jpeg'}), 4)

    def test_classify(self):
        self.assert_form(self.ask('GET', '/mnist/classify/42'), 4)
        self.assert_form(self.ask('GET', '/mnist/42/classify'), 4)
        row = mnist_test(1)[0][0]
        self.assert_form(self.ask('POST', '/mnist/classify', png(row), {'Content-Type': 'image/png'}), 7)
        colours = b''.join(bytes([value]) * 3 for value in row)
        self.assert_form(self.ask('POST', '/mnist/classify', png(colours, channels=3), {'Content-Type': 'image/png'}), 7)

    def test_indexes(self):
        for index, status in (('0', 200), ('9999', 200), ('10000', 404), ('99999999999', 404), ('-1', 400), ('x', 400), ('1.5', 400),
                              ('', 400), ('0x10', 400), ('99999999999999999999', 400), ('%31', 200), ('1/2', 404)):
            for what in ('image', 'label', 'classify'):
                reply = self.ask('GET', f'/mnist/{what}/{index}')
                self.assertEqual(reply.status, status, (what, index, reply.body))
                if status != 200:
                    self.assertTrue(reply.error)
        self.assertEqual(self.ask('GET', '/mnist/frob/1').status, 404)
        self.assertEqual(self.ask('GET', '/mnist/').status, 404)
        self.assertEqual(self.ask('POST', '/mnist/image/1').status, 405)

    def test_what_is_no_picture(self):
        whole = png(mnist_test(1)[0][0])
        for body, status in ((b'', 400), (b'hello', 400), (whole[:60], 400), (b'GIF89a' + bytes(50), 400)):
            reply = self.ask('POST', '/mnist/classify', body, {'Content-Type': 'image/png'})
            self.assertEqual(reply.status, status, reply.body)
            self.assertTrue(reply.error)
        self.assertEqual(self.ask('POST', '/mnist/classify', whole, {'Content-Type': 'text/plain'}).status, 415)


class Without(ServerCase):
    """No MNIST on this machine, and no request that fetches it."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.ENVIRONMENT = {'INKLING_DATA': cls.folder.name, 'XDG_CACHE_HOME': cls.folder.name, 'HOME': cls.folder.name,
                           'INKLING_MNIST_MIRROR': 'file://' + cls.folder.name}
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.folder.cleanup()

    def test_it_says_so(self):
        for what in ('image', 'label', 'classify'):
            reply = self.ask('GET', f'/mnist/{what}/42')
            self.assertEqual(reply.status, 503)
            self.assertIn('inkling data fetch mnist', reply.error)
        self.assertEqual(self.ask('GET', '/mnist/label/x').status, 400)
        self.assertEqual(os.listdir(self.folder.name), [])


if __name__ == '__main__':
    unittest.main()
