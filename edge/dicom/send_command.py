"""The options of `edge send` and the plan they mean."""

from __future__ import annotations

import argparse
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeVar

from edge.dicom.send_plan import FolderSource, MppsEnd, Order, PhantomSource, SendPlan, TlsFiles
from edge.dicom.send_source import TRANSFER_SYNTAX_NAMES
from edge.domain.identity import AETitle
from edge.imaging.phantom import Acquisition, Bleed, BleedType

_Value = TypeVar("_Value")
_PLAIN_PORT, _TLS_PORT = 11112, 2762
_TYPES = ", ".join(BleedType)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds everything a SendPlan needs; without a source one phantom is sent."""
    _add_sources(parser)
    _add_receiver(parser)
    _add_trouble(parser)


def plan_from_arguments(args: argparse.Namespace) -> SendPlan:
    """Raises ValueError when the options contradict each other."""
    scan = Acquisition(
        rows=args.matrix,
        columns=args.matrix,
        pixel_spacing_mm=230.0 / args.matrix,
        slices=args.slices,
        spacing_mm=args.spacing,
        slice_thickness_mm=args.thickness or args.spacing,
        tilt_deg=args.tilt,
    )
    seeds: list[int] = args.phantom or ([] if args.folder else [1])
    run_seed = args.uid_seed or str(uuid.uuid4())
    phantoms = [
        PhantomSource(
            seed=seed,
            bleeds=tuple(args.bleed),
            acquisition=scan,
            accession_number=args.accession,
            uid_seed=f"{run_seed}/{place}",
            repeatable=args.uid_seed is not None,
        )
        for place, seed in enumerate(seeds)
    ]
    return SendPlan(
        sources=(*phantoms, *(FolderSource(folder) for folder in args.folder)),
        host=args.host,
        port=args.port or (_PLAIN_PORT if args.tls is None else _TLS_PORT),
        called_ae_title=args.called,
        calling_ae_title=args.calling,
        slices_per_s=args.rate,
        order=args.order,
        order_seed=args.order_seed,
        interleave=args.interleave,
        gap=frozenset(place for places in args.drop for place in places),
        abort_after=args.abort_after,
        duplicates=args.duplicates,
        associations=args.associations,
        transfer_syntax=args.transfer_syntax,
        mpps=args.mpps,
        tls=TlsFiles(*args.tls) if args.tls is not None else None,
    )


def _add_sources(parser: argparse.ArgumentParser) -> None:
    what = parser.add_argument_group("what to send (default: one phantom without a bleed)")
    what.add_argument(
        "--phantom",
        metavar="SEED",
        type=int,
        nargs="?",
        const=1,
        action="append",
        default=[],
        help="a synthetic head; equal seeds are the same head (may be repeated)",
    )
    what.add_argument(
        "--bleed",
        metavar="TYPE:ML[:HOURS[:SIDE]]",
        type=_argument(_bleed),
        action="append",
        default=[],
        help=f"put blood into the phantoms, for example intraparenchymal:30 (may be repeated); {_TYPES}",
    )
    what.add_argument(
        "--folder",
        metavar="DIR",
        type=_argument(_folder),
        action="append",
        default=[],
        help="DICOM files in the order of their names, each series on its own (may be repeated)",
    )
    what.add_argument("--slices", type=int, default=36, help="slices of a phantom (%(default)s)")
    what.add_argument("--spacing", metavar="MM", type=float, default=4.0, help="between slices (%(default)s)")
    what.add_argument("--thickness", metavar="MM", type=float, help="of a slice (default: the spacing)")
    what.add_argument("--tilt", metavar="DEG", type=float, default=0.0, help="of the gantry (%(default)s)")
    what.add_argument(
        "--matrix", metavar="N", type=int, default=512, help="rows and columns of a phantom (%(default)s)"
    )
    what.add_argument("--accession", metavar="NUMBER", default="", help="accession number of the phantoms")
    what.add_argument(
        "--uid-seed",
        metavar="TEXT",
        help="the same text sends the same objects again, byte by byte (default: a new study each run)",
    )
    what.add_argument(
        "--transfer-syntax",
        choices=tuple(TRANSFER_SYNTAX_NAMES),
        help="encode in this one (default: phantoms explicit_le, files as they are)",
    )


def _add_receiver(parser: argparse.ArgumentParser) -> None:
    where = parser.add_argument_group("where to")
    where.add_argument("--host", default="127.0.0.1", help="address of the receiver (%(default)s)")
    where.add_argument(
        "--port", type=int, help=f"its DICOM port (default: {_PLAIN_PORT}, with --tls {_TLS_PORT})"
    )
    where.add_argument(
        "--tls",
        nargs=3,
        type=Path,
        metavar=("CA", "CERTIFICATE", "KEY"),
        help="DICOM over TLS with these PEM files; `edge tls init` makes some",
    )
    where.add_argument(
        "--called",
        metavar="TITLE",
        type=_argument(AETitle),
        default=AETitle("EDGE"),
        help="its AE title (%(default)s)",
    )
    where.add_argument(
        "--calling",
        metavar="TITLE",
        type=_argument(AETitle),
        default=AETitle("SCANNER"),
        help="the AE title of this scanner (%(default)s)",
    )


def _add_trouble(parser: argparse.ArgumentParser) -> None:
    how = parser.add_argument_group("how, and with what trouble")
    how.add_argument(
        "--rate", metavar="PER_S", type=float, help="slices a second (default: as fast as they are taken)"
    )
    how.set_defaults(order=Order.AS_IS)
    order = how.add_mutually_exclusive_group()
    order.add_argument(
        "--shuffle", dest="order", action="store_const", const=Order.SHUFFLE, help="send in random order"
    )
    order.add_argument(
        "--reverse", dest="order", action="store_const", const=Order.REVERSE, help="send the last slice first"
    )
    how.add_argument(
        "--order-seed", metavar="N", type=int, default=0, help="of shuffle and duplicates (%(default)s)"
    )
    how.add_argument(
        "--mpps",
        choices=tuple(MppsEnd),
        type=MppsEnd,
        help="tell a procedure step before and after, naming what --drop leaves out too",
    )
    how.add_argument("--interleave", action="store_true", help="one slice of each series in turn")
    how.add_argument(
        "--drop",
        metavar="PLACES",
        type=_argument(_places),
        action="append",
        default=[],
        help="never send these slices of each series, 0 is the first: 12 or 12-14 or 3,12-14",
    )
    how.add_argument(
        "--abort-after", metavar="N", type=int, help="abort the association after N sends, and end"
    )
    how.add_argument(
        "--duplicates", metavar="N", type=int, default=0, help="send N instances a second time (%(default)s)"
    )
    associations: tuple[Literal["one", "per_instance"], ...] = ("one", "per_instance")
    how.add_argument(
        "--associations",
        choices=associations,
        default="one",
        help="one for everything, or one per instance (%(default)s)",
    )


def _argument(parse: Callable[[str], _Value]) -> Callable[[str], _Value]:
    """argparse drops the words of a ValueError; these say what is wrong."""

    def parsed(words: str) -> _Value:
        try:
            return parse(words)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return parsed


def _bleed(words: str) -> Bleed:
    kind, *numbers = words.split(":")
    if kind not in list(BleedType) or not 1 <= len(numbers) <= 3:
        raise ValueError(f"{words!r} is not TYPE:ML[:HOURS[:SIDE]] with one of {_TYPES}")
    hours = float(numbers[1]) if len(numbers) > 1 else 2.0
    side = numbers[2] if len(numbers) > 2 else "left"
    if side == "left":
        return Bleed(BleedType(kind), float(numbers[0]), hours, "left")
    if side == "right":
        return Bleed(BleedType(kind), float(numbers[0]), hours, "right")
    raise ValueError(f"a side is left or right, not {side!r}")


def _folder(words: str) -> Path:
    folder = Path(words)
    if not folder.is_dir():
        raise ValueError(f"{words} is not a folder")
    return folder


def _places(words: str) -> frozenset[int]:
    places: set[int] = set()
    for part in words.split(","):
        first, _, last = part.partition("-")
        places.update(range(int(first), int(last or first) + 1))
    return frozenset(places)
