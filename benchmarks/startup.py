"""How long do `import periti` and `periti --help` take?

Whole processes, a bare `python -c pass` beside them; the figure to read is the best of the rounds.

Usage: python benchmarks/startup.py [--rounds 15]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from measuring import interleaved, record, summary


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    periti = str(Path(sys.executable).with_name("periti"))
    commands = {
        "python": [sys.executable, "-c", "pass"],
        "import_periti": [sys.executable, "-c", "import periti"],
        "import_periti_types": [sys.executable, "-c", "import periti.types"],
        "periti_help": [periti, "--help"],
    }
    calls = {
        name: lambda command=command: subprocess.run(command, check=True, capture_output=True)
        for name, command in commands.items()
    }
    record("startup", {name: summary(values) for name, values in interleaved(calls, arguments.rounds).items()})


if __name__ == "__main__":
    main()
