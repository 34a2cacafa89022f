import unittest

from greeting.words import part_of_day


class PartOfDay(unittest.TestCase):
    def test_borders(self):
        parts = [part_of_day(hour) for hour in (0, 11, 12, 17, 18, 23)]
        assert parts == ["morning"] * 2 + ["afternoon"] * 2 + ["evening"] * 2
