"""split.py TABLE TRAIN TEST: every fourth row is for the test."""

import sys

table, train, test = sys.argv[1:]
with open(table) as source:
    header, *rows = source.readlines()
for path, chosen in ((train, [0, 1, 2]), (test, [3])):
    with open(path, "w") as target:
        target.write(header)
        target.writelines(row for index, row in enumerate(rows) if index % 4 in chosen)
