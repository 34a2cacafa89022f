import unittest

from greeting.words import greet


class Greet(unittest.TestCase):
    def test_by_name(self):
        assert greet("Ada", hour=20) == "Good evening, Ada!"

    def test_without_a_name(self):
        assert greet("", hour=9) == "Good morning, whoever you are!"
