"""The only room that imports pydicom and pynetdicom: receiving, reading and sending DICOM objects."""

import logging
import warnings

from pydicom import config

# Both libraries put attribute values, so patient data, into their log lines and warnings.
for _vendor in ("pydicom", "pynetdicom"):
    logging.getLogger(_vendor).setLevel(logging.CRITICAL + 1)
warnings.filterwarnings("ignore", module=r"(pydicom|pynetdicom|edge\.dicom)(\..*)?$")
# Identifiers with letters and numbers with commas are what the field sends; what matters we check.
config.settings.reading_validation_mode = config.IGNORE
