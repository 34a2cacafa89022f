"""greeting NAME: greet somebody."""

import sys

from greeting.words import greet


def main():
    print(greet(sys.argv[1] if len(sys.argv) > 1 else "", hour=9))


if __name__ == "__main__":
    main()
