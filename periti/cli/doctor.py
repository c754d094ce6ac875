"""`periti doctor`: is everything in place on this machine?"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import Any

EPILOG = """examples:
  periti doctor
  periti doctor --json

Exit status 0 when every line says ok, 2 otherwise."""


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "doctor",
        help="check Python, torch, FAISS, Java, weights, GPUs, disk and data",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=doctor)


def doctor(arguments: argparse.Namespace) -> int:
    """Print each finding as it is made."""
    from periti.doctor import examine

    findings = []
    for finding in examine():
        findings.append(finding)
        if not arguments.json:
            print(f"{'ok ' if finding.ok else 'DO '} {finding.name:<8} {finding.text}", flush=True)
    if arguments.json:
        print(json.dumps([asdict(finding) for finding in findings], indent=1))
    return 0 if all(finding.ok for finding in findings) else 2
