"""Run the command line: ``python -m activity_recognition <command>``."""

import sys

from activity_recognition.cli import main

if __name__ == '__main__':
    sys.exit(main())
