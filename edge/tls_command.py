"""`edge tls`: certificates for a lab, and what a certificate says."""

from __future__ import annotations

import argparse
import ipaddress
from pathlib import Path

from edge.domain.identity import AETitle

_MOST_DAYS = 3650
_INIT = """Writes into DIR (mode 0700): ca.pem and ca.key, edge.pem and edge.key for this appliance, and one
pair for each --peer. Keys are ECDSA P-256, mode 0600. Nothing is ever overwritten. For a lab: whoever
holds ca.key can be any peer, so a hospital's own authority is the better one for a clinic's network."""
_PEER = """Signs with DIR/ca.key. Give the peer its two files and ca.pem, and add the table to dicom.peers."""
_SHOW = """One block per certificate; the lines after "names" can be listed in dicom.peers as they are."""


def add_subcommands(parser: argparse.ArgumentParser) -> None:
    """init, peer and show."""
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    init = _add(commands, "init", "make a private authority, our certificate and those of peers", _INIT)
    init.add_argument(
        "--name",
        metavar="HOST",
        action="append",
        default=[],
        help="name or address that peers reach this appliance by (may be repeated; localhost always is)",
    )
    init.add_argument(
        "--broker",
        metavar="HOST",
        action="append",
        default=[],
        help="a pair for the MQTT broker too, which is reached by this name or address (may be repeated)",
    )
    init.set_defaults(command=_init)
    peer = _add(commands, "peer", "make certificates for more peers of that authority", _PEER)
    peer.set_defaults(command=_more_peers)
    for one in (init, peer):
        one.add_argument(
            "--out", metavar="DIR", type=Path, default=Path("tls"), help="folder (default: %(default)s)"
        )
        one.add_argument(
            "--peer",
            metavar="AE[@ADDRESS]",
            type=_lab_peer,
            action="append",
            default=[],
            required=one is peer,
            help="a scanner: its AE title, and the address or network it calls from (may be repeated)",
        )
        one.add_argument(
            "--days", metavar="N", type=_days, default=365, help="validity of certificates (%(default)s)"
        )
    show = _add(commands, "show", "print subject, names and expiry of certificates", _SHOW)
    show.add_argument("files", metavar="FILE", type=Path, nargs="+", help="a PEM file with certificates")
    show.set_defaults(command=_show)


def _add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],  # pyright: ignore[reportPrivateUsage]
    name: str,
    text: str,
    more: str,
) -> argparse.ArgumentParser:
    return commands.add_parser(
        name, help=text, description=f"{text}\n\n{more}", formatter_class=argparse.RawDescriptionHelpFormatter
    )


def _init(args: argparse.Namespace) -> int:
    from edge.tls.lab_folder import create  # noqa: PLC0415 - cryptography is not for the receiver's memory

    create(args.out.resolve(), args.name, args.broker, args.peer, args.days, print)
    return 0


def _more_peers(args: argparse.Namespace) -> int:
    from edge.tls.lab_folder import add_peers  # noqa: PLC0415 - see _init

    add_peers(args.out.resolve(), args.peer, args.days, print)
    return 0


def _show(args: argparse.Namespace) -> int:
    from edge.tls.lab_folder import show  # noqa: PLC0415 - see _init

    for path in args.files:
        show(path, print)
    return 0


def _lab_peer(words: str) -> tuple[AETitle, str]:
    """Title and address or network, an empty one for anywhere."""
    title, at, address = words.rpartition("@") if "@" in words else (words, "", "")
    try:
        return AETitle(title), str(ipaddress.ip_network(address)) if at else ""
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _days(words: str) -> int:
    days = int(words) if words.isdecimal() else 0
    if not 1 <= days <= _MOST_DAYS:
        raise argparse.ArgumentTypeError(f"a whole number from 1 to {_MOST_DAYS} is meant, not {words!r}")
    return days
