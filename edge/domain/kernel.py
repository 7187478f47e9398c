"""How sharp a CT convolution kernel (0018,1210) is, told from the names that vendors give them.

DICOM leaves the names to the vendors (PS3.3 C.8.2.1). Siemens numbers sharpness: body and head kernels
up to 4x for soft tissue, 60 and more for bone and lung (SOMATOM operating instructions; Br, Hr, Qr and Ur
since). GE uses words, Philips letters, Canon FC with the tens for the kind of tissue. The list is what public
material shows and surely not whole: a name it does not hold is unknown, which is not the same as soft.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum


class Sharpness(StrEnum):
    """SOFT shows brain, MEDIUM is noisier, SHARP is for bone and lung; UNSAID is a header without one."""

    SOFT = "soft"
    MEDIUM = "medium"
    SHARP = "sharp"
    UNKNOWN = "unknown"
    UNSAID = "unsaid"


# Family, for Siemens with its subgroup, and the number: H30s, J40s, Hr38d, Br64, U75u.
_SIEMENS = re.compile(r"^[A-Z][A-Z]?(\d{2})[A-Z]{0,2}$")
_CANON = re.compile(r"^FC(\d{2})")
_CANON_TENS: Mapping[int, Sharpness] = {
    **dict.fromkeys((0, 1, 2, 4, 6), Sharpness.SOFT),
    **dict.fromkeys((3, 5, 8), Sharpness.SHARP),
}
_PHILIPS: Mapping[str, Sharpness] = {
    **dict.fromkeys(("A", "B", "UA", "UB"), Sharpness.SOFT),
    **dict.fromkeys(("C", "UC"), Sharpness.MEDIUM),
    **dict.fromkeys(("D", "E", "EB", "EC", "F", "L", "YA", "YB", "YC", "YD", "YE"), Sharpness.SHARP),
}
# Within longer names as well: HD BONE, STD+, B_VSHARP_C, H_SOFT_B.
_WORDS: Mapping[Sharpness, tuple[str, ...]] = {
    Sharpness.SHARP: ("BONE", "LUNG", "EDGE", "SHARP", "ULTRA", "CHST"),
    Sharpness.MEDIUM: ("DETAIL", "DETL"),
    Sharpness.SOFT: ("SOFT", "STANDARD", "STND", "STD", "SMOOTH", "BRAIN"),
}


def sharpness(manufacturer: str, kernel: str, named: Mapping[str, Sharpness] | None = None) -> Sharpness:
    """Of the first value of ConvolutionKernel; `named` are names that a model vouches for itself."""
    name = kernel.strip().upper()
    if not name:
        return Sharpness.UNSAID
    if named and name in named:
        return named[name]
    maker = manufacturer.upper()
    if "PHILIPS" in maker and name in _PHILIPS:
        return _PHILIPS[name]
    if (match := _CANON.match(name)) and not maker.startswith(("SIEMENS", "GE ", "PHILIPS")):
        return _CANON_TENS.get(int(match[1]) // 10, Sharpness.UNKNOWN)
    if (match := _SIEMENS.match(name)) and (not maker or "SIEMENS" in maker):
        return _numbered(int(match[1]))
    return _worded(name)


def _worded(name: str) -> Sharpness:
    """Words that contradict one another say nothing: BRAIN EDGE may be for brain, with its edges enhanced.

    Taken for sharp, nobody would look at a bleed in it; of an unknown one a finding counts. DETAIL beside a
    soft word is looked at either way.
    """
    said = [kind for kind, words in _WORDS.items() if any(word in name for word in words)]
    if not said or (len(said) > 1 and Sharpness.SHARP in said):
        return Sharpness.UNKNOWN
    return said[0]


def _numbered(number: int) -> Sharpness:
    if number >= 60:
        return Sharpness.SHARP
    return Sharpness.MEDIUM if number >= 50 else Sharpness.SOFT
