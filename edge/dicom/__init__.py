"""The only room that imports pydicom and pynetdicom: receiving, reading and sending DICOM objects."""

import logging
import warnings

# Both libraries put attribute values, so patient data, into their log lines and warnings. Neither is
# imported here: the receiver needs none of them, and they would double its memory.
for _vendor in ("pydicom", "pynetdicom"):
    logging.getLogger(_vendor).setLevel(logging.CRITICAL + 1)
warnings.filterwarnings("ignore", module=r"(pydicom|pynetdicom|edge\.dicom)(\..*)?$")
